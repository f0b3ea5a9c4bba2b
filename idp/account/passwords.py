"""Setting or changing one's own password."""

from starlette.responses import Response

from idp import new_passwords, passkeys
from idp.account import changes
from idp.account.access import WRONG, Asking, to
from idp.audit import Event
from idp.factors import passkey
from idp.factors.password import MAX_LENGTH, UnacceptablePassword
from idp.factors.proofs import asks_for_second
from idp.protocol.params import Params
from idp.store import credentials, users
from idp.store.credentials import StoredFactor
from idp.store.db import Connection
from idp.web import own, throttle
from idp.web.origin import network_of
from idp.web.throttle import Guess
from idp.wording import Text

_NOT_RIGHT = Text("The password that you have now is not right. Nothing was changed.")
_NEEDED = Text("Your password was not removed: you need two passkeys that sign you in by themselves first.")
_REMOVED = Text("Your password was removed: you sign in with a passkey. All your other sessions ended.")
PASSKEYS_WITHOUT = 2  # so that a lost device locks nobody out
_MEANWHILE = Text("Your password was changed meanwhile. Look whether that was you, and try again.")


async def show(asking: Asking) -> Response:
    has_one = await _current(asking) is not None
    return asking.shown(
        "account/password.html",
        has_one=has_one,
        removal=f"{own.PASSWORD}/remove" if has_one and await _can_go(asking, asking.services.database) else "",
        least=new_passwords.least(asking.services, alone=await _stands_alone(asking)),
        most=MAX_LENGTH,
        action=own.PASSWORD,
    )


async def change(asking: Asking, form: Params) -> Response:
    """Wants the password that there is, too: who finds an open screen must not take the account with it."""
    services, request, stored = asking.services, asking.request, await _current(asking)
    if stored is not None and (answer := await _check_current(asking, stored, form.get("current") or "")):
        return answer
    new, asker = form.get("password") or "", network_of(request)
    try:
        await new_passwords.judge(services, new, await _about(asking), asker, alone=await _stands_alone(asking))
    except UnacceptablePassword as problem:
        return asking.tell(asking.page, WRONG, problem.text)
    encoded = await services.hashing.hash(new, asker)
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(asking.page))
        user_id, data = asking.session.user_id, {"hash": encoded}
        # The time by now: what was proved by the old one until a moment ago, while this one was hashed, counts no more.
        factor, now = credentials.PASSWORD, services.clock()
        if not await credentials.put(transaction, services.sealer, user_id, factor, stored, data, now):
            return asking.tell(asking.page, WRONG, _MEANWHILE)
        await changes.record(transaction, asking, Event.USER_PASSWORD_SET, credentials.PASSWORD)
        await users.call_in_links(transaction, user_id, now)
        if form.get("elsewhere") == "end":
            await changes.end_elsewhere(transaction, asking, "password set")
    return changes.done(asking, Text("Your new password counts from now on."))


async def remove(asking: Asking, _: Params) -> Response:
    """Once passkeys do without it. Who knew it has no session left by it."""
    services, user_id = asking.services, asking.session.user_id
    async with services.database.transaction() as transaction:
        if not await changes.locked(transaction, asking):
            return to(own.confirm(asking.page))
        if not await _can_go(asking, transaction):
            return asking.tell(own.SECURITY, WRONG, _NEEDED)
        if not await credentials.remove(transaction, user_id, credentials.PASSWORD):
            return to(own.SECURITY)  # in another tab
        await changes.record(transaction, asking, Event.FACTOR_REMOVED, credentials.PASSWORD)
        await users.call_in_links(transaction, user_id, services.clock())
        await changes.end_elsewhere(transaction, asking, "password removed")
    return changes.done(asking, _REMOVED)


async def _can_go(asking: Asking, connection: Connection) -> bool:
    known = await passkeys.of_person(connection, asking.services, asking.session.user_id)
    return sum(passkey.stands_alone(each.data) for each in known) >= PASSKEYS_WITHOUT


async def _check_current(asking: Asking, stored: StoredFactor, typed: str) -> Response | None:
    """None where it is right. Wrong ones count as at the sign-in."""
    services, request = asking.services, asking.request
    person = await users.find(services.database, asking.session.user_id)
    guess = Guess(request, services, asking.browser, throttle.PASSWORD, asking.session.email, person)
    async with services.turns.of(guess.turn):
        tried = await throttle.tries(services.database, guess)
        if left := max(tried.left(asking.now), await throttle.address_left(guess)):
            return throttle.refused(request, left, asking.page)
        if await services.hashing.verify(str(stored.data["hash"]), typed, guess.network):
            async with services.database.transaction() as transaction:
                await throttle.succeeded(transaction, tried)
            return None
        async with services.database.transaction() as transaction:
            await throttle.failed(transaction, guess, tried)
            await changes.record(transaction, asking, Event.PASSWORD_NOT_CHANGED, credentials.PASSWORD)
    await throttle.address_failed(guess)
    return asking.tell(asking.page, WRONG, _NOT_RIGHT)


async def _current(asking: Asking) -> StoredFactor | None:
    services = asking.services
    return await credentials.find(services.database, services.sealer, asking.session.user_id, credentials.PASSWORD)


async def _stands_alone(asking: Asking) -> bool:
    return not asks_for_second(await credentials.enrolled(asking.services.database, asking.session.user_id))


async def _about(asking: Asking) -> tuple[str, ...]:
    person = await users.find(asking.services.database, asking.session.user_id)
    return () if person is None else new_passwords.about(person.email, person.claims)
