"""A proof of work, in the format of ALTCHA: a second of a browser's time instead of a wait or a riddle.

The browser looks for a number from which PBKDF2 makes a key that begins as asked, some 256 tries. It is done for one
sign-in in one browser, and counts once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import altcha

from idp.services import Services
from idp.store import handles
from idp.store.ids import hash_of

ASKED = "work"  # in the query of a page that is to offer it
FIELD = "altcha"
LIFETIME = timedelta(minutes=10)
MAX_LENGTH = 2000
_ALGORITHM = "PBKDF2/SHA-256"
_ROUNDS = 5000
_PREFIX = "00"


@dataclass(frozen=True)
class Worker:
    """Whoever is to do it: a browser in one of its sign-ins."""

    attempt_id: str
    browser: str

    @property
    def mark(self) -> str:
        return hash_of(f"{self.attempt_id}.{self.browser}")


def asked(services: Services, worker: Worker) -> dict[str, Any]:
    """A challenge as JSON has it."""
    until = services.clock() + LIFETIME
    challenge = altcha.create_challenge(
        _ALGORITHM,
        _ROUNDS,
        key_prefix=_PREFIX,
        data={"of": worker.mark, "until": int(until.timestamp())},
        hmac_secret=services.sealer.subkey("work"),
    )
    found: dict[str, Any] = challenge.to_dict()
    return found


async def done(services: Services, worker: Worker, sent: str, asker: str) -> bool:
    """Whether this is the work that was asked of them, for the first time. Raises Overloaded: it is checked by doing.

    `asker` is the address that it is done for.
    """
    now = services.clock()
    payload = _read(sent)
    if payload is None or not await services.hashing.run(lambda: _is_right(services, payload), asker):
        return False
    data = payload.challenge.parameters.data or {}
    until = datetime.fromtimestamp(data["until"], UTC)
    if data["of"] != worker.mark or now >= until:
        return False
    async with services.database.transaction() as transaction:
        return await handles.burn(transaction, handles.WORK, payload.challenge.parameters.nonce, now, until)


def _read(sent: str) -> altcha.Payload | None:
    if len(sent) > MAX_LENGTH:
        return None
    try:
        return altcha.Payload.from_base64(sent)
    except Exception:  # noqa: BLE001  # whatever a stranger sends is no work
        return None


def _is_right(services: Services, payload: altcha.Payload) -> bool:
    """Looks at the signature first: only what we asked for costs anything."""
    try:
        found = altcha.verify_solution(payload, services.sealer.subkey("work"))
    except Exception:  # noqa: BLE001  # members of other types than the library expects
        return False
    return bool(found.verified)
