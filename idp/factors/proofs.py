"""What a person proved in a sign-in, and what it is worth together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from idp.factors import password, recovery, totp

# What each factor is called in amr (RFC 8176 section 2). A factor is one file and one line here.
FACTORS: Mapping[str, str] = {password.NAME: password.AMR, totp.NAME: totp.AMR, recovery.NAME: recovery.AMR}
# Who has one of these is asked for one of SECOND at every sign-in: codes for a lost device are no device.
DEMANDING = (totp.NAME,)
SECOND = (totp.NAME, recovery.NAME)
MULTIPLE = "mfa"


@dataclass(frozen=True)
class Proof:
    """A factor that was right, and when. `leaked`: it was a password that others know too."""

    factor: str
    at: datetime
    leaked: bool = False


def amr(proofs: Sequence[Proof], before: Iterable[str] = ()) -> tuple[str, ...]:
    """Each method once, in the order of their use, after those of `before`, which a session has already."""
    methods = dict.fromkeys((*before, *(FACTORS[proof.factor] for proof in proofs)))
    methods.pop(MULTIPLE, None)
    return (*methods, MULTIPLE) if len(methods) > 1 else tuple(methods)
