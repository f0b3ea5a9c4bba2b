"""A CAPTCHA, once a network has used up what waiting and proofs of work allow: the last resort before a wait."""

from datetime import timedelta

from idp.factors.throttling import Limit
from idp.outside.captcha import MAX_ANSWER
from idp.services import Services
from idp.store import handles

ASKED = "riddle"  # in the query of a page that is to show it
_LIFETIME = timedelta(minutes=10)  # longer than any service takes an answer
_ASKING = Limit(10, timedelta(seconds=6))  # of one network: each is a request to the service


async def solved(services: Services, answer: str, asker: str) -> bool:
    """Whether it is the answer to a riddle, for the first time. `asker` is the key of the network that it is of."""
    now = services.clock()
    if len(answer) > MAX_ANSWER or not await services.volatile.take(asker, _ASKING, now):
        return False
    if not await services.captcha.solved(answer):
        return False
    async with services.database.transaction() as transaction:
        return await handles.burn(transaction, handles.RIDDLE, answer, now, now + _LIFETIME)
