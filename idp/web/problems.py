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
from idp.wording import Text

_RETRY_AFTER = range(2, 11)  # seconds; spread, so that those who were sent away together do not return together


@dataclass(frozen=True)
class Link:
    href: str
    text: Text


@dataclass(frozen=True)
class Problem:
    """`whose_turn` is you, app or operator. `refresh` is when a page without JavaScript goes back, in seconds."""

    status: int
    title: Text
    what: Text
    whose_turn: str
    next_step: Text
    link: Link | None = None
    refresh: int | None = None

    def after(self, wait: timedelta) -> "Problem":
        return replace(
            self, next_step=Text(self.next_step.message, {"wait": in_words(wait)}), refresh=whole_seconds(wait)
        )

    def with_words(self, **words: object) -> "Problem":
        return replace(self, next_step=Text(self.next_step.message, words))

    def with_link(self, href: str, text: Text) -> "Problem":
        return replace(self, link=Link(href, text))


_START_AGAIN = Text("Go back to the app you came from and sign in there again.")
_TELL_THE_APP = Text("Tell the people who run the app, and give them the reference below.")

NOT_FOUND = Problem(404, Text("There is no such page"), Text("The address leads nowhere here."), "you", _START_AGAIN)
METHOD_NOT_ALLOWED = Problem(
    405,
    Text("That does not work here"),
    Text("The page exists, but not for this kind of request."),
    "app",
    _TELL_THE_APP,
)
TOO_LARGE = Problem(
    413, Text("That was too much"), Text("What was sent is larger than anything this page needs."), "app", _TELL_THE_APP
)
HEAD_TOO_LARGE = Problem(
    431,
    Text("That was too much"),
    Text("Your browser sent more headers and cookies than anything here needs."),
    "you",
    Text("Delete the cookies of this site and start again at the app."),
)
ADDRESS_TOO_LONG = Problem(
    414, Text("That was too much"), Text("The address is longer than anything here needs."), "app", _TELL_THE_APP
)
TOO_SLOW = Problem(
    408,
    Text("That took too long"),
    Text("Something was sent to this page, but the rest of it did not come."),
    "you",
    Text("Check your connection and send it again."),
)
COMPRESSED = Problem(
    415,
    Text("That was not understood"),
    Text("What was sent is compressed, which nothing here reads."),
    "app",
    _TELL_THE_APP,
)
MISDIRECTED = Problem(
    421,
    Text("This is not where we are found"),
    Text("You came by an address that is not the one of this service, or something on the way changed it."),
    "operator",
    Text("The log says under the reference below which address was asked for, which one is right, and what to set."),
)
BAD_REQUEST = Problem(400, Text("That was not understood"), Text("What was sent is malformed."), "app", _TELL_THE_APP)
BROKEN = Problem(
    500,
    Text("Something went wrong here"),
    Text("It is our fault, not yours, and nothing of yours was lost."),
    "operator",
    Text("The log has the full reason under the reference below. You can try again."),
)
BUSY = Problem(
    503,
    Text("Busy at the moment"),
    Text("The service has more to do right now than it can."),
    "you",
    Text("Wait a moment and try again."),
)
TOO_MANY_TRIES = Problem(
    429,
    Text("Too many tries"),
    Text(
        "There were too many wrong passwords or codes for this account, or from your network, so none is looked at now."
    ),
    "you",
    Text(
        "Wait %(wait)s, then try again. Without waiting you can sign in with a passkey, or on a device with "
        "which you signed in before."
    ),
)
TOO_MANY_MAILS = Problem(
    429,
    Text("Too many mails"),
    Text("There were many mails to this address, or from your network, in a short time."),
    "you",
    Text("Look for the last one, also among unwanted mail. For another one wait %(wait)s, or sign in in another way."),
)
LINK_OVER = Problem(
    410,
    Text("This link counts no more"),
    Text("It is more than ten minutes old, or the sign-in that it belongs to is over."),
    "you",
    _START_AGAIN,
)
LINK_ELSEWHERE = Problem(
    403,
    Text("Go on where you began"),
    Text("The link of a mail works only in the browser in which the sign-in began, and this is another one."),
    "you",
    Text(
        "Go back to that browser and type the code from the mail. If you did not begin it, ignore the mail: "
        "nobody gets in without it."
    ),
)
RECOVERY_OVER = Problem(
    410,
    Text("This link does nothing any more"),
    Text("It was used before, or it is too old, or something else that happened to the account called it in."),
    "you",
    Text("Sign in, or ask for another link where you enter your password."),
    Link("/", Text("Go to the sign-in")),
)
RECOVERY_EARLY = Problem(
    403,
    Text("Not yet"),
    Text("What this link does has to wait, so that whoever has the account can stop it if somebody else asked."),
    "you",
    Text("Open the link in the mail again after %(starts)s. Sign in as usual if you can: that calls it off."),
)
ADDRESS_TAKEN = Problem(
    409,
    Text("This address cannot be used"),
    Text("Another account has it, so nothing was changed."),
    "you",
    Text("Use another address, or sign in with the account that has this one."),
    Link("/account/email", Text("Use another address")),
)
SIGN_UP_OVER = Problem(
    410,
    Text("This link is over"),
    Text("It was used, it is too old, or nobody may make an account here any more."),
    "you",
    Text("If you have made your account, sign in with it. Otherwise ask for a new link where you asked for this one."),
)
TAKEN = Problem(
    409,
    Text("You have an account already"),
    Text("An account with this address was made after the link was sent, so no second one was made."),
    "you",
    Text("Sign in with that account."),
)
TOO_MANY_STORED = Problem(
    429,
    Text("Too many sign-ins at once"),
    Text("More sign-ins were begun from your network in the last minute than one of this kind may."),
    "you",
    Text("Wait a few seconds, then start again at the app you came from."),
)
LOCKED = Problem(
    429,
    Text("This account is locked"),
    Text("There were a hundred wrong passwords or codes for it in a row, so they are not looked at any more."),
    "you",
    Text(
        "Ask the people who run this service to unlock it. Without waiting you can sign in with a passkey, or on "
        "a device with which you signed in before."
    ),
)
UNKNOWN_CLIENT = Problem(
    400,
    Text("This app is not known here"),
    Text("The link that brought you here names an app that is not registered, or is switched off."),
    "app",
    _TELL_THE_APP,
)
WRONG_REDIRECT = Problem(
    400,
    Text("You cannot be sent back to this app"),
    Text("The address to return to is not one that the app registered, so it could belong to somebody else."),
    "app",
    _TELL_THE_APP,
)
NOT_SIGNED_OUT = Problem(
    400,
    Text("Signing out did not work"),
    Text("The app sent you here with a request that has a mistake in it, so nothing was changed."),
    "you",
    Text("Sign out here if you want to. Tell the people who run the app, and give them the reference below."),
)
NO_COOKIES = Problem(
    400,
    Text("Your browser does not keep our cookie"),
    Text("Signing in needs a cookie of this site, and your browser did not send the one it was given."),
    "you",
    Text("Allow cookies for this site, then start again at the app."),
)
GONE = Problem(
    410, Text("This sign-in is over"), Text("It was begun too long ago, or in another browser."), "you", _START_AGAIN
)
FORGED = Problem(
    403,
    Text("This form could not be trusted"),
    Text("It did not come from this page in this browser, so nothing was changed."),
    "you",
    Text("Go back to the page and send it again."),
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
        "time": now,
        "status": problem.status,
    }
    if problem.link is not None and request.method == "POST":  # its own address shows no page
        context["here"] = problem.link.href
    response = page(request, "error.html", context, status=problem.status)
    if problem.status == BUSY.status:
        response.headers["Retry-After"] = _retry_after()
    return response


def problem_json(problem: Problem, error: str) -> Response:
    headers = {"Retry-After": _retry_after()} if problem.status == BUSY.status else None
    return JSONResponse({"error": error, "error_description": str(problem.title)}, problem.status, headers)


def _retry_after() -> str:
    return str(secrets.choice(_RETRY_AFTER))
