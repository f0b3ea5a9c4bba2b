"""A real SMTP server that keeps what it is sent, or behaves as bad servers do."""

import asyncio
import email
import email.policy
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.servers import free_port


@dataclass
class Catcher:
    """`answer` is what it says to a message, or to a recipient where it begins with 550 or 450; `slow` in seconds."""

    port: int
    answer: str = "250 OK"
    slow: float = 0.0
    tried: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp+plain://127.0.0.1:{self.port}"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.answer.startswith("530"):
            self.tried += 1
            return self.answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.answer.startswith(("450", "550")):
            self.tried += 1
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.tried += 1
        await asyncio.sleep(self.slow)
        if self.answer.startswith("250"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            assert envelope.rcpt_tos == [message["To"]]
            self.mails.append(message)
        return self.answer

    def newest(self, number: int = 1, seconds: float = 20) -> EmailMessage:
        """The `number`th message since `clear`, when it has come."""
        deadline = time.monotonic() + seconds
        while len(self.mails) < number:
            assert time.monotonic() < deadline, f"{len(self.mails)} mails came"
            time.sleep(0.02)
        return self.mails[number - 1]

    def clear(self) -> None:
        self.answer, self.slow, self.tried = "250 OK", 0.0, 0
        self.mails.clear()


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def code_in(mail: EmailMessage) -> str:
    found = re.search(r"^ +([0-9]{4} [0-9]{4})$", text_of(mail), re.MULTILINE)
    assert found is not None, text_of(mail)
    return found[1]


def link_in(mail: EmailMessage, page: str = "/email") -> str:
    """Its path, on to this page."""
    found = re.search(rf"^https?://[^/]+({page}/[\w-]{{43}})$", text_of(mail), re.MULTILINE)
    assert found is not None, text_of(mail)
    return found[1]


def mailed_link(mail: EmailMessage, page: str) -> str:
    """The path of the link that leads to this page."""
    found = re.search(rf"^https?://[^/]+({page}/[\w-]{{43}})$", text_of(mail), re.MULTILINE)
    assert found is not None, text_of(mail)
    return found[1]


@contextmanager
def catching(port: int | None = None) -> Iterator[Catcher]:
    catcher = Catcher(port or free_port())
    controller = Controller(catcher, hostname="127.0.0.1", port=catcher.port)
    controller.start()
    try:
        yield catcher
    finally:
        controller.stop()


@pytest.fixture(scope="session")
def mail_server() -> Iterator[Catcher]:
    with catching() as catcher:
        yield catcher
