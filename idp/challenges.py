"""Which code challenges the clients used lately: one that is used for every sign-in protects none of them."""

from collections import OrderedDict

import structlog

log = structlog.get_logger("idp.challenges")

KEPT = 10_000
TIMES = 10  # fewer may be one person who sends the same request again


class Challenges:
    """What this worker saw, in memory: nothing is refused by it, so a part of it is enough."""

    def __init__(self) -> None:
        self._used: OrderedDict[tuple[str, str], int] = OrderedDict()

    def used(self, client_id: str, challenge: str) -> bool:
        """For a code that was redeemed. True once, when the log tells of the client (RFC 9700 section 2.1.1)."""
        key = (client_id, challenge)
        times = self._used[key] = self._used.pop(key, 0) + 1
        if len(self._used) > KEPT:
            self._used.popitem(last=False)
        if times != TIMES:
            return False
        log.warning("code_challenge_reused", client_id=client_id, advice="draw a new verifier for every sign-in")
        return True
