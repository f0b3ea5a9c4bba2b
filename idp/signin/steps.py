"""What is the next step of a sign-in: one pure function of what was proved and what is demanded.

Steps never route to one another: each is posted, recorded, and comes back here. So skipping, reordering, repeating
and racing them changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Step(StrEnum):
    SELECT = "select"
    IDENTIFY = "identify"
    PASSWORD = "password"  # noqa: S105  # the name of a step
    CONSENT = "consent"
    DONE = "done"


@dataclass(frozen=True)
class Progress:
    """What is known so far.

    `identified`: the attempt knows who is signing in. `session_user` and `auth_time`: the live session that
    it is about.
    `selectable`: there are sessions in this browser, and nobody said yet which of them it is about.
    `allowed`: what its person allowed this client before. `consented_by`: who allowed it in this very attempt.
    """

    identified: bool
    selectable: bool
    session_user: str | None
    auth_time: datetime | None
    allowed: frozenset[str]
    consented_by: str | None


@dataclass(frozen=True)
class Demand:
    """What the client asks for. A session older than `fresh_since` does not count; `ask_consent` is prompt=consent.

    `subject` is the only person who will do, where the client named one.
    """

    subject: str | None
    scope: frozenset[str]
    fresh_since: datetime | None
    ask_consent: bool


def next_step(progress: Progress, demand: Demand) -> Step:
    if not _signed_in(progress, demand):
        if progress.identified:
            return Step.PASSWORD
        return Step.SELECT if progress.selectable else Step.IDENTIFY
    if not _allowed(progress, demand):
        return Step.CONSENT
    return Step.DONE


def _signed_in(progress: Progress, demand: Demand) -> bool:
    if progress.session_user is None or progress.auth_time is None:
        return False
    if demand.subject is not None and demand.subject != progress.session_user:
        return False
    return demand.fresh_since is None or progress.auth_time >= demand.fresh_since


def _allowed(progress: Progress, demand: Demand) -> bool:
    if demand.ask_consent and progress.consented_by != progress.session_user:
        return False
    return demand.scope <= progress.allowed
