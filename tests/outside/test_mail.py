"""Handing mail to a real SMTP server, good, bad, slow or false."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from idp.outside import mail as outside
from idp.outside.mail import Mail, MailFailed, MailRefused, NoMail, SmtpServer, mailer_of, message_of
from idp.settings import load
from tests.mail import Catcher, text_of
from tests.servers import free_port

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
SENDER = "Example <id@example.com>"
MAIL = Mail("ana@example.test", "Signing in", "Grüße,\n1234 5678\n", "<p>Grüße</p>\n")


@pytest.fixture
def catcher(mail_server: Catcher) -> Catcher:
    mail_server.clear()
    return mail_server


async def send(url: str, mail: Mail = MAIL) -> None:
    await SmtpServer(url, SENDER).send(mail, "an-id", NOW)


async def test_a_message_arrives_with_both_parts_and_says_that_no_person_wrote_it(catcher: Catcher) -> None:
    await send(catcher.url)
    (mail,) = catcher.mails
    assert (mail["from"], mail["to"], mail["subject"]) == (SENDER, MAIL.to, "Signing in")
    assert (mail["message-id"], mail["auto-submitted"]) == ("<an-id@example.com>", "auto-generated")
    assert mail["date"].datetime == NOW
    assert text_of(mail) == MAIL.text
    html = mail.get_body(("html",))
    assert html is not None
    assert html.get_content().replace("\r\n", "\n") == MAIL.html


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ("550 no such mailbox", MailRefused, "SMTPRecipientsRefused 550"),
        ("450 try later", MailFailed, "SMTPRecipientsRefused 450"),
        ("554 spam", MailRefused, "SMTPDataError 554"),
        ("451 busy", MailFailed, "SMTPDataError 451"),
        ("530 who are you", MailFailed, "SMTPSenderRefused 530"),
    ],
)
async def test_what_the_server_refuses_for_good_is_told_from_what_it_may_take_later(
    catcher: Catcher, answer: str, kind: type[MailFailed], reason: str
) -> None:
    catcher.answer = answer
    with pytest.raises(MailFailed) as failed:
        await send(catcher.url)
    assert (type(failed.value), str(failed.value)) == (kind, reason)
    assert "ana" not in str(failed.value)


async def test_a_server_that_is_not_there_may_come_back() -> None:
    with pytest.raises(MailFailed) as failed:
        await send(f"smtp+plain://127.0.0.1:{free_port()}")
    assert type(failed.value) is MailFailed


async def test_re_36_a_server_that_says_nothing_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Situation: a tarpit takes the connection and never says a word."""
    monkeypatch.setattr(outside, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(MailFailed) as failed:
            await send(f"smtp+plain://127.0.0.1:{listener.getsockname()[1]}")
        assert type(failed.value) is MailFailed


async def test_nothing_is_sent_in_clear_to_a_server_that_offers_no_tls(catcher: Catcher) -> None:
    """The attacker on the way takes STARTTLS out of what the server offers, and waits for the password."""
    with pytest.raises(MailFailed):
        await send(f"smtp://someone:canary@127.0.0.1:{catcher.port}")
    assert catcher.tried == 0


@pytest.fixture
def false_server(tmp_path: Path) -> Iterator[Catcher]:
    """With TLS, and a certificate that nobody vouches for."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    catcher = Catcher(free_port())
    controller = Controller(catcher, hostname="127.0.0.1", port=catcher.port, tls_context=context)
    controller.start()
    try:
        yield catcher
    finally:
        controller.stop()


async def test_nothing_is_sent_to_a_server_whose_certificate_nobody_vouches_for(false_server: Catcher) -> None:
    """The attacker on the way answers in the server's place."""
    with pytest.raises(MailFailed):
        await send(f"smtp://someone:canary@localhost:{false_server.port}")
    assert false_server.tried == 0


@pytest.mark.parametrize(
    "to",
    [
        "ana@example.test\nBcc: eve@example.test",
        "ana@example.test, eve@example.test",
        "ana@example.test\r\n\r\nbody",
        "Eve <eve@example.test>",
        "<ana@example.test>",
        "ana@example.test\u2028",
        "",
        "ana",
    ],
)
async def test_xi_04_a_message_goes_to_one_address_or_to_none(catcher: Catcher, to: str) -> None:
    """The attacker's address holds a line break, another address, or what looks like a header."""
    with pytest.raises(MailRefused):
        await send(catcher.url, Mail(to, "Hello", "Text\n", "<p>Text</p>"))
    assert catcher.mails == []


def test_xi_04_a_subject_has_one_line() -> None:
    """The attacker's name, in a subject, ends the line and adds a header."""
    with pytest.raises(MailRefused):
        message_of(Mail(MAIL.to, "Hello\nBcc: eve@example.test", "Text", "<p>"), SENDER, "an-id", NOW)


async def test_nobody_is_asked_without_the_operators_word() -> None:
    settings = load({"IDP_ISSUER": "https://id.example.com"})
    assert isinstance(mailer_of(settings), NoMail)
    with pytest.raises(MailRefused, match="IDP_SMTP_URL"):
        await mailer_of(settings).send(MAIL, "an-id", NOW)


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "tls", "starttls"),
    [
        ("smtp://a%40b.test:p%3Aw@mail.example.com", "mail.example.com", 587, "a@b.test", False, True),
        ("smtps://mail.example.com", "mail.example.com", 465, None, True, False),
        ("smtp+plain://127.0.0.1", "127.0.0.1", 25, None, False, False),
        ("smtp://[::1]:2525", "::1", 2525, None, False, True),
    ],
)
def test_a_url_says_how_the_server_is_reached(
    url: str, host: str, port: int, user: str | None, tls: bool, starttls: bool
) -> None:
    options = SmtpServer(url, SENDER)._options
    assert (options["hostname"], options["port"], options["username"]) == (host, port, user)
    assert (options["use_tls"], options["start_tls"]) == (tls, starttls)
    assert options["local_hostname"] == "example.com"


async def test_a_cancelled_sending_is_no_failed_one(catcher: Catcher) -> None:
    """The worker ends: its message is sent by another one when the lease is over."""
    catcher.slow = 5
    sending = asyncio.create_task(send(catcher.url))
    await asyncio.sleep(0.2)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
