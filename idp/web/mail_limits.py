"""How many mails people may ask for: nobody's inbox is filled by a stranger, nor the sender's good name used up."""

from datetime import timedelta

from idp.factors.throttling import Limit
from idp.store.users import canonical
from idp.web.throttle import SECOND_EMAIL, Guess, key_of

_OF_NETWORK = Limit(20, timedelta(seconds=30))
_TO_ADDRESS = Limit(6, timedelta(minutes=5))


async def take(guess: Guess) -> timedelta:
    """Zero where one more may be asked for; else how long until then. Whether somebody has the address is all one.

    What strangers ask for keeps no mail from a device that its person signed in with, nor from who knows the password.
    """
    services, now = guess.services, guess.services.clock()
    per_minute = services.settings.mails_per_minute
    of_network = (key_of(services, "mails", "", guess.network), _OF_NETWORK)
    of_all = (key_of(services, "mails", "", ""), Limit(per_minute, timedelta(minutes=1) / per_minute))
    where = guess.browser if guess.on_known_device else guess.kind
    to_address = (key_of(services, "mails", canonical(guess.name), where), _TO_ADDRESS)
    strangers = (of_network,) if guess.kind == SECOND_EMAIL else (of_network, of_all)
    for key, limit in (*(() if guess.on_known_device else strangers), to_address):
        if not await services.volatile.take(key, limit, now):
            return max(await services.volatile.left(key, limit, now), timedelta(seconds=1))
    return timedelta(0)
