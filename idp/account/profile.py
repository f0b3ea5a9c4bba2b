"""What a person says of themselves, as apps may be told."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from idp import audit
from idp.account import changes, security
from idp.account.access import DONE, WRONG, Asking, to
from idp.audit import Event
from idp.protocol import profile as rules
from idp.protocol.params import Params
from idp.store import users
from idp.store.db import Connection
from idp.web import own
from idp.web.origin import origin_of
from idp.wording import Text

_SAVED = Text("Saved. Apps that may know it are told when they ask next.")
_NOT_SAVED = Text("Nothing was saved yet: look at what is marked below.")


async def show(asking: Asking) -> Response:
    return await _form(asking, await _claims(asking, asking.services.database))


async def change(asking: Asking, form: Params) -> Response:
    """Of what is posted those claims alone that are a person's own to say, and of them those that are new.

    The form is whole: what it leaves empty is taken back.
    """
    said = {name: (form.get(name) or "").strip() for name in rules.OWN_CLAIMS}
    async with asking.services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.HOME)
        claims = await _claims(asking, transaction)
        new = {name: text for name, text in said.items() if text != claims.get(name, "")}
        if wrong := rules.faults(new):
            return await _form(asking, claims | said, wrong)
        if new:
            kept = {name: value for name, value in (claims | new).items() if value != ""}
            await users.update_claims(transaction, asking.session.user_id, kept, asking.now)
            await audit.record(
                transaction,
                asking.services,
                Event.USER_UPDATED,
                origin_of(asking.request),
                user_id=asking.session.user_id,
                session_id=asking.session.sid,
                claims=sorted(new),
            )
    return asking.tell(own.PROFILE, DONE, _SAVED)


async def _form(asking: Asking, values: Mapping[str, Any], wrong: Mapping[str, Text] | None = None) -> Response:
    """With what was typed where something of it is `wrong`; browsers hear of a new name, and show passkeys by it."""
    return asking.shown(
        "account/profile.html",
        values={name: values.get(name, "") for name in rules.OWN_CLAIMS},
        wrong=wrong or {},
        told={"kind": WRONG, "text": _NOT_SAVED} if wrong else asking.told,
        signals=await security.signals(asking),
        most=rules.MOST,
        action=own.PROFILE,
    )


async def _claims(asking: Asking, connection: Connection) -> dict[str, Any]:
    person = await users.find(connection, asking.session.user_id)
    return {} if person is None else person.claims
