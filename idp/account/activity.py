"""What happened to a person's account, in words: their own rows of the audit, and nobody else's."""

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from idp.account.access import Asking
from idp.audit import Event
from idp.factors import passkey, password, recovery, totp
from idp.factors.message import NAME as EMAIL_CODE
from idp.store import audit, clients, sessions, users
from idp.store.audit import NEWEST, Happened
from idp.store.seal import SealBroken, from_text, to_text
from idp.web import own, user_agents
from idp.wording import Text

PAGE = 25
_BEFORE = "activity"
# Of each app several times an hour: they are in the audit, and not told.
UNTOLD = (Event.REFRESH_ROTATED, Event.REFRESH_REPEATED)
WORDS: Mapping[str, Text] = {
    Event.SIGN_IN_SUCCEEDED: Text("Signed in"),
    Event.SIGN_IN_FAILED: Text("Somebody tried to sign in and did not get in"),
    Event.EMAIL_CODE_SENT: Text("A code to sign in was asked for by mail"),
    Event.SIGN_UP_ASKED: Text("Somebody asked for an account with your address"),
    Event.EMAIL_VERIFIED: Text("The e-mail address was confirmed"),
    Event.FACTOR_ACCEPTED: Text("One step of a sign-in was right, and another one was asked for"),
    Event.FACTOR_ENROLLED: Text("A way to sign in was added"),
    Event.FACTOR_PUT_OFF: Text("Setting up a second step was put off"),
    Event.FACTOR_REMOVED: Text("A way to sign in was removed"),
    Event.PASSKEY_COPIED: Text("A passkey was refused, because there may be a copy of it"),
    Event.SIGNED_OUT: Text("Signed out"),
    Event.ACCOUNT_SLOWED: Text("Strangers have to wait, because of many wrong passwords or codes"),
    Event.ACCOUNT_LOCKED: Text("Strangers are locked out, because of very many wrong passwords or codes"),
    Event.ACCOUNT_UNLOCKED: Text("Strangers may try again: an administrator lifted the wait"),
    Event.CONSENT_GIVEN: Text("You let an app use your account"),
    Event.CONSENT_DENIED: Text("You did not let an app use your account"),
    Event.CONSENT_WITHDRAWN: Text("You cut an app off"),
    Event.CODE_REDEEMED: Text("An app got access to your account, as you had let it"),
    Event.CODE_REFUSED: Text("An app was refused access, because of something wrong with its request"),
    Event.CODE_REPLAYED: Text("What an app had got was ended, because somebody used its code again"),
    Event.REFRESH_REUSED: Text("What an app had got was ended, because somebody used an old token of it"),
    Event.TOKEN_REVOKED: Text("An app gave back its access"),
    Event.TOKEN_NOT_REVOKED: Text("An app was kept from ending the access of another one"),
    Event.GRANT_REVOKED: Text("An administrator ended the access of an app"),
    Event.GRANT_EVICTED: Text("The oldest access of an app was ended, because it had too many"),
    Event.SESSION_REVOKED: Text("A session was ended"),
    Event.USER_REVOKED: Text("An administrator ended all sessions, and what apps had by them"),
    Event.PASSWORD_LEAKED: Text("Your password was found in a leak, and a new one was asked for"),
    Event.PASSWORD_REPLACED: Text("The password was changed, because it had been in a leak"),
    Event.PASSWORD_REHASHED: Text("Your password was stored in a newer way"),
    Event.USER_CREATED: Text("Your account was made"),
    Event.USER_UPDATED: Text("Your profile was changed"),
    Event.USER_PASSWORD_SET: Text("The password was set or changed"),
    Event.PASSWORD_NOT_CHANGED: Text("Somebody tried to change the password, and did not know the old one"),
    Event.USER_DISABLED: Text("An administrator disabled your account"),
    Event.USER_DISOWNED: Text("Somebody said that it was not you, and your account was locked"),
    Event.EMAIL_CHANGE_ASKED: Text("Another e-mail address was asked for"),
    Event.USER_EMAIL_CHANGED: Text("The e-mail address was changed"),
    Event.RECOVERY_ASKED: Text("Somebody said that they lost the password or the second step"),
    Event.RECOVERY_CANCELLED: Text("Getting back in by mail was called off"),
    Event.RECOVERY_COMPLETED: Text("Somebody got back in by mail"),
    Event.USER_ENABLED: Text("An administrator enabled your account again"),
}
_FACTORS = {
    password.NAME: Text("password"),
    passkey.NAME: Text("passkey"),
    totp.NAME: Text("authenticator app"),
    recovery.NAME: Text("recovery code"),
    EMAIL_CODE: Text("code by mail"),
}


async def show(asking: Asking) -> Response:
    database, sealer = asking.services.database, asking.services.sealer
    person = await users.find(database, asking.session.user_id)
    rows = await audit.of_person(database, sealer, person.subject, PAGE + 1, _before(asking)) if person else []
    shown = rows[:PAGE]
    apps, devices = await _apps(asking, shown), await _devices(asking)
    return asking.shown(
        "account/activity.html",
        happened=[_shown(row, apps, devices) for row in shown],
        older=_older(asking, shown[-1]) if len(rows) > PAGE else "",
        first="" if _before(asking) == NEWEST else own.ACTIVITY,
    )


def _shown(row: Happened, apps: Mapping[str, str], devices: Mapping[str, str]) -> dict[str, object]:
    return {
        "words": WORDS.get(row.event, row.event),
        "at": row.at,
        "with": _FACTORS.get(str(row.details.get("factor")), ""),
        "app": apps.get(row.client_id or "", ""),
        "device": user_agents.in_words(devices.get(row.session_id or "", "")),
        "address": row.address or "",
        "reference": row.reference or "",
    }


async def _apps(asking: Asking, rows: Sequence[Happened]) -> dict[str, str]:
    """By their ids, what they are called; those that are gone have no name."""
    ids = {row.client_id for row in rows if row.client_id}
    found = [await clients.find(asking.services.database, client_id) for client_id in ids]
    return {client.client_id: client.client_name for client in found if client is not None}


async def _devices(asking: Asking) -> dict[str, str]:
    """By their ids, the browsers of the sessions that the person has still."""
    services, idle = asking.services, asking.services.settings.session_idle_lifetime
    listed = await sessions.of_person(services.database, services.sealer, asking.session.user_id, asking.now, idle)
    return {each.sid: each.origin.device for each in listed}


def _older(asking: Asking, last: Happened) -> str:
    """Where it goes on: sealed for this session, so that nobody sees or makes up a place in the audit."""
    sealed = asking.services.sealer.seal(last.id.encode(), _BEFORE, asking.session.sid)
    return f"{own.ACTIVITY}?before={to_text(sealed)}"


def _before(asking: Asking) -> str:
    try:
        sealed = from_text(asking.request.query_params.get("before", ""))
        return asking.services.sealer.unseal(sealed, _BEFORE, asking.session.sid).decode()
    except SealBroken:
        return NEWEST
