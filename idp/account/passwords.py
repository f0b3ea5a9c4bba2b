"""Setting or changing one's own password."""

from starlette.responses import Response

from idp import new_passwords
from idp.account import changes
from idp.account.access import WRONG, Asking, to
from idp.audit import Event
from idp.factors.password import MAX_LENGTH, UnacceptablePassword
from idp.factors.proofs import asks_for_second
from idp.protocol.params import Params
from idp.store import credentials, users
from idp.store.credentials import StoredFactor
from idp.web import cookies, own, throttle
from idp.web.origin import network_of
from idp.web.throttle import Guess

_NOT_RIGHT = "The password that you have now is not right. Nothing was changed."
_MEANWHILE = "Your password was changed meanwhile. Look whether that was you, and try again."


async def show(asking: Asking) -> Response:
    return asking.shown(
        "account/password.html",
        has_one=await _current(asking) is not None,
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
        return asking.tell(asking.page, WRONG, str(problem))
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
    return changes.done(asking, "Your new password counts from now on.")


async def _check_current(asking: Asking, stored: StoredFactor, typed: str) -> Response | None:
    """None where it is right. Wrong ones count as at the sign-in."""
    services, request = asking.services, asking.request
    person = await users.find(services.database, asking.session.user_id)
    guess = Guess(request, services, _browser(asking), throttle.PASSWORD, asking.session.email, person)
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


def _browser(asking: Asking) -> str:
    return cookies.read(asking.request.headers, asking.services.settings, cookies.BROWSER) or ""


async def _current(asking: Asking) -> StoredFactor | None:
    services = asking.services
    return await credentials.find(services.database, services.sealer, asking.session.user_id, credentials.PASSWORD)


async def _stands_alone(asking: Asking) -> bool:
    return not asks_for_second(await credentials.enrolled(asking.services.database, asking.session.user_id))


async def _about(asking: Asking) -> tuple[str, ...]:
    person = await users.find(asking.services.database, asking.session.user_id)
    return () if person is None else new_passwords.about(person.email, person.claims)
