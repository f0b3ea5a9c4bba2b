"""Which of the people who are signed in with this browser a sign-in is about."""

from collections.abc import Iterable, Sequence

from starlette.requests import Request

from idp.protocol.authorize import CREATE, SELECT_ACCOUNT, AuthorizationRequest
from idp.services import Services
from idp.store.attempts import Attempt
from idp.store.sessions import SignedIn
from idp.store.users import canonical
from idp.web import sessions


async def find(
    request: Request, services: Services, attempt: Attempt, asked: AuthorizationRequest
) -> tuple[tuple[SignedIn, ...], SignedIn | None]:
    """The sessions of this browser, and the one that it is about."""
    now = services.clock()
    signed_in = await sessions.signed_in(request, services, now)
    session = chosen(signed_in, attempt, asked)
    if session is not None:
        await sessions.seen(services, session, now)
    return signed_in, session


def chosen(signed_in: Sequence[SignedIn], attempt: Attempt, asked: AuthorizationRequest) -> SignedIn | None:
    """The session that was chosen in this attempt, that the request hints at, or the only one that there is.

    None while somebody is in the middle of proving who they are: it is about them, whoever is signed in already.
    """
    if attempt.person is not None:
        return None
    if attempt.session_id is not None:
        return _one(session for session in signed_in if session.sid == attempt.session_id)
    if asked.subject is not None:
        return _one(session for session in signed_in if session.user_id == asked.subject)
    if not {SELECT_ACCOUNT, CREATE}.isdisjoint(asked.prompt):
        return None
    if asked.login_hint is not None:
        named = canonical(asked.login_hint)
        return _one(session for session in signed_in if canonical(session.email) == named)
    return signed_in[0] if len(signed_in) == 1 else None


def selectable(
    signed_in: Sequence[SignedIn], session: SignedIn | None, attempt: Attempt, asked: AuthorizationRequest
) -> bool:
    """Whether the person is to be asked which account it is: none was chosen, and no other was named instead."""
    return bool(signed_in) and session is None and attempt.username is None and asked.subject is None


def first(session: SignedIn, signed_in: Iterable[SignedIn]) -> tuple[SignedIn, ...]:
    """The sessions of a browser in which this one is used now; it takes the place of its person's other one."""
    return (session, *(each for each in signed_in if each.user_id != session.user_id))


def _one(found: Iterable[SignedIn]) -> SignedIn | None:
    return next(iter(found), None)
