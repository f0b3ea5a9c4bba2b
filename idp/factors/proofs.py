"""What a person proved in a sign-in, and what it is worth together."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from idp.factors import message, passkey, password, recovery, totp

# What each factor is called in amr (RFC 8176 section 2). A factor is one file and one line here.
FACTORS: Mapping[str, str] = {
    password.NAME: password.AMR,
    passkey.NAME: passkey.BOUND,
    totp.NAME: totp.AMR,
    recovery.NAME: recovery.AMR,
    message.NAME: message.AMR,
}
DEVICES = (passkey.NAME, totp.NAME)
SECOND = (*DEVICES, recovery.NAME)  # codes stand in for a lost device
MULTIPLE = "mfa"
_QUALIFIERS = {passkey.PRESENCE, MULTIPLE}  # they say how, and are no factors


def asks_for_second(enrolled: AbstractSet[str]) -> bool:
    """Whether who has these factors is asked for one of SECOND at every sign-in with a password.

    Recovery codes come with whatever is set up as a second step. A passkey without them was made to sign in sooner, and
    must lock nobody out whose device is lost.
    """
    return totp.NAME in enrolled or enrolled >= {passkey.NAME, recovery.NAME}


@dataclass(frozen=True)
class Proof:
    """A factor that was right, and when. `leaked`: it was a password that others know too.

    `methods` is what it is called in amr where that depends on its use.
    """

    factor: str
    at: datetime
    leaked: bool = False
    methods: tuple[str, ...] = field(default=(), kw_only=True)


def amr(proofs: Sequence[Proof], before: Iterable[str] = ()) -> tuple[str, ...]:
    """Each method once, in the order of their use, after those of `before`, which a session has already."""
    said = (method for proof in proofs for method in proof.methods or (FACTORS[proof.factor],))
    methods = dict.fromkeys((*before, *said))
    several = MULTIPLE in methods or len(methods.keys() - _QUALIFIERS) > 1
    methods.pop(MULTIPLE, None)
    return (*methods, MULTIPLE) if several else tuple(methods)
