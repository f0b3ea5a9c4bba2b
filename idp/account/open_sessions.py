"""Where a person is signed in, and ending that."""

from starlette.responses import Response

from idp import audit
from idp.account import changes
from idp.account.access import DONE, Asking, to
from idp.audit import Event
from idp.protocol.params import Params
from idp.store import grants, sessions
from idp.store.db import Transaction
from idp.store.sessions import Listed
from idp.web import own, user_agents
from idp.web.origin import origin_of
from idp.wording import Text

MOST_SHOWN = 20
_ENDED = Text("That session has ended, and what apps had by it. Where it was, somebody has to sign in again.")
_ALL_ENDED = Text("All your other sessions have ended, and what apps had by them.")


async def show(asking: Asking) -> Response:
    services, user_id = asking.services, asking.session.user_id
    idle = services.settings.session_idle_lifetime
    listed = await sessions.of_person(services.database, services.sealer, user_id, asking.now, idle)
    apps = await grants.apps_by_session(services.database, user_id, asking.now)
    listed.sort(key=lambda each: each.sid != asking.session.sid)  # this one first
    return asking.shown(
        "account/sessions.html",
        sessions=[_shown(asking, each, apps.get(each.sid, [])) for each in listed[:MOST_SHOWN]],
        more=max(0, len(listed) - MOST_SHOWN),
        others_action=own.SESSIONS,
    )


async def end(asking: Asking, _: Params) -> Response:
    """One of the person's own; of any other nothing is said, not even that it is there."""
    services, sid = asking.services, asking.request.path_params["session"]
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.HOME)
        if not await sessions.end_own(transaction, asking.session.user_id, sid, asking.now):
            return to(own.SESSIONS)  # over already, or never theirs
        await grants.end_of_session(transaction, sid, asking.now)
        await _record(transaction, asking, sid)
    return to(own.HOME) if sid == asking.session.sid else asking.tell(own.SESSIONS, DONE, _ENDED)


async def end_others(asking: Asking, _: Params) -> Response:
    services, user_id = asking.services, asking.session.user_id
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.HOME)
        idle = services.settings.session_idle_lifetime
        for each in await sessions.of_person(transaction, services.sealer, user_id, asking.now, idle):
            if each.sid != asking.session.sid:
                await _record(transaction, asking, each.sid)
        await changes.end_elsewhere(transaction, asking, "sessions ended")
    return changes.done(asking, _ALL_ENDED, page=own.SESSIONS)


async def _record(transaction: Transaction, asking: Asking, sid: str) -> None:
    await audit.record(
        transaction,
        asking.services,
        Event.SESSION_REVOKED,
        origin_of(asking.request),
        user_id=asking.session.user_id,
        session_id=sid,
    )


def _shown(asking: Asking, each: Listed, apps: list[str]) -> dict[str, object]:
    return {
        "device": user_agents.in_words(each.origin.device) or Text("A browser that says nothing of itself"),
        "here": each.sid == asking.session.sid,
        "began": each.began_at,
        "seen": each.seen_at,
        "address": each.origin.address,
        "apps": apps,
        "end_action": f"{own.SESSIONS}/{each.sid}/end",
    }
