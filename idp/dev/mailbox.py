"""The mail catcher: in development mode every message ends here, in memory, not in somebody's inbox."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from idp.dev.headers import SecurityHeaders
from idp.outside.mail import Mail, message_of

Render = Callable[[str, Mapping[str, object]], str]
Clock = Callable[[], datetime]

KEPT = 200
SENDER = "no-reply@localhost"


@dataclass(frozen=True, slots=True)
class CaughtMail:
    number: int
    to: str
    subject: str
    text: str
    html: str
    received_at: datetime


class Mailbox:
    """The newest messages; the oldest fall out, so that a long development session does not fill memory."""

    def __init__(self, kept: int = KEPT) -> None:
        self._mails: deque[CaughtMail] = deque(maxlen=kept)
        self._delivered = 0

    def deliver(self, message: EmailMessage, now: datetime) -> None:
        self._delivered += 1
        self._mails.append(
            CaughtMail(
                number=self._delivered,
                to=str(message.get("To", "")),
                subject=str(message.get("Subject", "")),
                text=_body(message, "plain"),
                html=_body(message, "html"),
                received_at=now,
            )
        )

    async def send(self, mail: Mail, message_id: str, now: datetime) -> None:
        """In the place of a mail server."""
        self.deliver(message_of(mail, SENDER, message_id, now), now)

    def newest_first(self) -> tuple[CaughtMail, ...]:
        return tuple(reversed(self._mails))

    def find(self, number: int) -> CaughtMail | None:
        return next((mail for mail in self._mails if mail.number == number), None)


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content())


def mail_routes(mailbox: Mailbox, render: Render, clock: Clock, *, origin: str) -> list[Route]:
    """The catcher's pages; `origin` is the provider's own, as configured."""

    async def listing(_: Request) -> Response:
        return HTMLResponse(render("dev/mail_list.html", {"mails": mailbox.newest_first()}))

    async def one(request: Request) -> Response:
        mail = mailbox.find(request.path_params["number"])
        if mail is None:
            raise HTTPException(404)
        return HTMLResponse(render("dev/mail_message.html", {"mail": mail}))

    async def send_test(request: Request) -> Response:
        if not _is_ours(request, origin):
            raise HTTPException(403)
        mailbox.deliver(_test_message(), clock())
        return RedirectResponse("/dev/mail", status_code=303)

    guarded = [Middleware(SecurityHeaders)]
    return [
        Route("/dev/mail", listing, middleware=guarded),
        Route("/dev/mail/test", send_test, methods=["POST"], middleware=guarded),
        Route("/dev/mail/{number:int}", one, middleware=guarded),
    ]


def _is_ours(request: Request, origin: str) -> bool:
    """Nobody signs in here, so no token tells our form from another site's: the browser's word does."""
    site = request.headers.get("sec-fetch-site")
    return site == "same-origin" if site is not None else request.headers.get("origin") == origin


def _test_message() -> EmailMessage:
    message = EmailMessage()
    message["To"] = "ana@example.com"
    message["Subject"] = "A test message"
    message.set_content("The mail catcher works.\n\nIn development mode no message leaves this machine.\n")
    message.add_alternative(
        "<p>The mail catcher <strong>works</strong>.</p>\n<p>HTML is shown as source and never run.</p>\n",
        subtype="html",
    )
    return message
