"""Mail, by the operator's SMTP server (RFC 5321), over TLS."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from idp.settings import Settings

SECONDS = 20  # for one message in all; nobody waits for it
_PERMANENT = range(500, 600)  # RFC 5321 section 4.2.1
_ADDRESS = re.compile(r"[^\s<>,@]+@[^\s<>,@]+")  # of one person


@dataclass(frozen=True)
class Mail:
    """A message to one person, as text and as HTML that say the same."""

    to: str
    subject: str
    text: str
    html: str


class MailFailed(Exception):
    """It was not taken. The text holds no address: a class of errors, and the server's code where it gave one."""


class MailRefused(MailFailed):
    """Trying again is of no use."""


class Mailer(Protocol):
    """Hands messages on. Raises MailFailed."""

    async def send(self, mail: Mail, message_id: str, now: datetime) -> None: ...


class NoMail:
    """The operator has named no server."""

    async def send(self, mail: Mail, message_id: str, now: datetime) -> None:
        message = "IDP_SMTP_URL is not set"
        raise MailRefused(message)


class SmtpServer:
    """A connection for each message: they are few."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._sender = sender
        tls = parts.scheme == "smtps"
        self._options = {
            "hostname": parts.hostname,
            "port": parts.port or (465 if tls else 25 if parts.scheme == "smtp+plain" else 587),
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "use_tls": tls,
            # Where nothing is said the library falls back to clear text with a server that offers no TLS.
            "start_tls": parts.scheme == "smtp",
            "local_hostname": sender.rpartition("@")[2].rstrip(">"),
            "timeout": SECONDS,
        }

    async def send(self, mail: Mail, message_id: str, now: datetime) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await aiosmtplib.send(message_of(mail, self._sender, message_id, now), **self._options)  # type: ignore[arg-type]
        except MailRefused:
            raise
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _failure(error, error.recipients[0].code) from None
        except aiosmtplib.SMTPDataError as error:
            raise _failure(error, error.code) from None
        except aiosmtplib.SMTPNotSupported as error:  # such as an address that this server cannot take
            raise MailRefused(type(error).__name__) from None
        except aiosmtplib.SMTPResponseException as error:  # it is the operator's, such as a password that is wrong
            raise MailFailed(f"{type(error).__name__} {error.code}") from None
        except Exception as error:  # noqa: BLE001  # whatever goes wrong there must not stop the other messages
            raise MailFailed(type(error).__name__) from None


def _failure(error: Exception, code: int) -> MailFailed:
    """Of this message, and no other one."""
    kind: Callable[[str], MailFailed] = MailRefused if code in _PERMANENT else MailFailed
    return kind(f"{type(error).__name__} {code}")


def message_of(mail: Mail, sender: str, message_id: str, now: datetime) -> EmailMessage:
    """The message that is sent. Raises MailRefused for what no header can hold."""
    message = EmailMessage(policy=SMTP)
    name, address = parseaddr(sender)
    if not _ADDRESS.fullmatch(mail.to):
        raise MailRefused("not an address")
    try:
        message["From"] = Address(name, addr_spec=address)
        message["To"] = Address(addr_spec=mail.to)
        message["Subject"] = mail.subject
    except (ValueError, MessageError) as error:
        raise MailRefused(type(error).__name__) from None
    message["Date"] = now
    message["Message-ID"] = f"<{message_id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is answered to it
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def mailer_of(settings: Settings) -> Mailer:
    return SmtpServer(settings.smtp_url, settings.sender) if settings.smtp_url else NoMail()
