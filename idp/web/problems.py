"""Error pages: what happened, whose turn it is, what to do, and a reference that finds the reason in the log."""

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from idp.factors.throttling import in_words, whole_seconds
from idp.protocol import story
from idp.services import services_of
from idp.web.pages import page

_RETRY_AFTER = range(2, 11)  # seconds; spread, so that those who were sent away together do not return together


@dataclass(frozen=True)
class Link:
    href: str
    text: str


@dataclass(frozen=True)
class Problem:
    """`whose_turn` is you, app or operator. `refresh` is when a page without JavaScript goes back, in seconds."""

    status: int
    title: str
    what: str
    whose_turn: str
    next_step: str
    link: Link | None = None
    refresh: int | None = None

    def after(self, wait: timedelta) -> "Problem":
        return replace(self, next_step=self.next_step.format(wait=in_words(wait)), refresh=whole_seconds(wait))

    def with_words(self, **words: str) -> "Problem":
        return replace(self, next_step=self.next_step.format(**words))

    def with_link(self, href: str, text: str) -> "Problem":
        return replace(self, link=Link(href, text))


_START_AGAIN = "Go back to the app you came from and sign in there again."
_TELL_THE_APP = "Tell the people who run the app, and give them the reference below."

NOT_FOUND = Problem(404, "There is no such page", "The address leads nowhere here.", "you", _START_AGAIN)
METHOD_NOT_ALLOWED = Problem(
    405, "That does not work here", "The page exists, but not for this kind of request.", "app", _TELL_THE_APP
)
TOO_LARGE = Problem(
    413, "That was too much", "What was sent is larger than anything this page needs.", "app", _TELL_THE_APP
)
HEAD_TOO_LARGE = Problem(
    431,
    "That was too much",
    "Your browser sent more headers and cookies than anything here needs.",
    "you",
    "Delete the cookies of this site and start again at the app.",
)
ADDRESS_TOO_LONG = Problem(
    414, "That was too much", "The address is longer than anything here needs.", "app", _TELL_THE_APP
)
TOO_SLOW = Problem(
    408,
    "That took too long",
    "Something was sent to this page, but the rest of it did not come.",
    "you",
    "Check your connection and send it again.",
)
COMPRESSED = Problem(
    415, "That was not understood", "What was sent is compressed, which nothing here reads.", "app", _TELL_THE_APP
)
MISDIRECTED = Problem(
    421,
    "This is not where we are found",
    "You came by an address that is not the one of this service, or something on the way changed it.",
    "operator",
    "The log says under the reference below which address was asked for, which one is right, and what to set.",
)
BAD_REQUEST = Problem(400, "That was not understood", "What was sent is malformed.", "app", _TELL_THE_APP)
BROKEN = Problem(
    500,
    "Something went wrong here",
    "It is our fault, not yours, and nothing of yours was lost.",
    "operator",
    "The log has the full reason under the reference below. You can try again.",
)
BUSY = Problem(
    503,
    "Busy at the moment",
    "The service has more to do right now than it can.",
    "you",
    "Wait a moment and try again.",
)
_WITHOUT_WAITING = "Without waiting you can sign in with a passkey, or on a device with which you signed in before."
TOO_MANY_TRIES = Problem(
    429,
    "Too many tries",
    "There were too many wrong passwords or codes for this account, or from your network, so none is looked at now.",
    "you",
    "Wait {wait}, then try again. " + _WITHOUT_WAITING,
)
TOO_MANY_MAILS = Problem(
    429,
    "Too many mails",
    "There were many mails to this address, or from your network, in a short time.",
    "you",
    "Look for the last one, also among unwanted mail. For another one wait {wait}, or sign in in another way.",
)
LINK_OVER = Problem(
    410,
    "This link counts no more",
    "It is more than ten minutes old, or the sign-in that it belongs to is over.",
    "you",
    _START_AGAIN,
)
LINK_ELSEWHERE = Problem(
    403,
    "Go on where you began",
    "The link of a mail works only in the browser in which the sign-in began, and this is another one.",
    "you",
    "Go back to that browser and type the code from the mail. If you did not begin it, ignore the mail: nobody gets in "
    "without it.",
)
RECOVERY_OVER = Problem(
    410,
    "This link does nothing any more",
    "It was used before, or it is too old, or something else that happened to the account called it in.",
    "you",
    "Sign in, or ask for another link where you enter your password.",
    Link("/", "Go to the sign-in"),
)
RECOVERY_EARLY = Problem(
    403,
    "Not yet",
    "What this link does has to wait, so that whoever has the account can stop it if somebody else asked.",
    "you",
    "Open the link in the mail again after {starts}. Sign in as usual if you can: that calls it off.",
)
ADDRESS_TAKEN = Problem(
    409,
    "This address cannot be used",
    "Another account has it, so nothing was changed.",
    "you",
    "Use another address, or sign in with the account that has this one.",
    Link("/account/email", "Use another address"),
)
SIGN_UP_OVER = Problem(
    410,
    "This link is over",
    "It was used, it is too old, or nobody may make an account here any more.",
    "you",
    "If you have made your account, sign in with it. Otherwise ask for a new link where you asked for this one.",
)
TAKEN = Problem(
    409,
    "You have an account already",
    "An account with this address was made after the link was sent, so no second one was made.",
    "you",
    "Sign in with that account.",
)
TOO_MANY_STORED = Problem(
    429,
    "Too many sign-ins at once",
    "More sign-ins were begun from your network in the last minute than one of this kind may.",
    "you",
    "Wait a few seconds, then start again at the app you came from.",
)
LOCKED = Problem(
    429,
    "This account is locked",
    "There were a hundred wrong passwords or codes for it in a row, so they are not looked at any more.",
    "you",
    "Ask the people who run this service to unlock it. " + _WITHOUT_WAITING,
)
UNKNOWN_CLIENT = Problem(
    400,
    "This app is not known here",
    "The link that brought you here names an app that is not registered, or is switched off.",
    "app",
    _TELL_THE_APP,
)
WRONG_REDIRECT = Problem(
    400,
    "You cannot be sent back to this app",
    "The address to return to is not one that the app registered, so it could belong to somebody else.",
    "app",
    _TELL_THE_APP,
)
NOT_SIGNED_OUT = Problem(
    400,
    "Signing out did not work",
    "The app sent you here with a request that has a mistake in it, so nothing was changed.",
    "you",
    "Sign out here if you want to. Tell the people who run the app, and give them the reference below.",
)
NO_COOKIES = Problem(
    400,
    "Your browser does not keep our cookie",
    "Signing in needs a cookie of this site, and your browser did not send the one it was given.",
    "you",
    "Allow cookies for this site, then start again at the app.",
)
GONE = Problem(410, "This sign-in is over", "It was begun too long ago, or in another browser.", "you", _START_AGAIN)
FORGED = Problem(
    403,
    "This form could not be trusted",
    "It did not come from this page in this browser, so nothing was changed.",
    "you",
    "Go back to the page and send it again.",
)


def problem_page(request: Request, problem: Problem) -> Response:
    services = services_of(request)
    now, kept = services.clock(), request.scope.get("idp.refusal")
    context = {
        "story": story.tell(kept) if services.development and kept else None,
        "title": problem.title,
        "what": problem.what,
        "whose_turn": problem.whose_turn,
        "next_step": problem.next_step,
        "link": problem.link,
        "refresh": problem.refresh,
        "time": f"{now:%Y-%m-%d %H:%M:%S} UTC",
        "status": problem.status,
    }
    response = page(request, "error.html", context, status=problem.status)
    if problem.status == BUSY.status:
        response.headers["Retry-After"] = _retry_after()
    return response


def problem_json(problem: Problem, error: str) -> Response:
    headers = {"Retry-After": _retry_after()} if problem.status == BUSY.status else None
    return JSONResponse({"error": error, "error_description": problem.title}, problem.status, headers)


def _retry_after() -> str:
    return str(secrets.choice(_RETRY_AFTER))
