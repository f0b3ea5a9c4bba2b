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
    EMAIL = "email"  # a code by mail, instead of the password
    FACTOR = "factor"
    NEW_PASSWORD = "new-password"  # noqa: S105  # the name of a step
    ENROL = "enrol"
    OFFER = "offer"  # of a passkey, to who came with a password
    CONSENT = "consent"
    DONE = "done"


@dataclass(frozen=True)
class Progress:
    """What is known so far.

    `identified`: the attempt knows who is signing in. `mailed`: they asked for a code by mail instead of a password.
    `session_user` and `auth_time`: the live session that it is about. `proving`: who has proved something in this
    attempt, and has no session yet. `two_factors`: what they proved, or the session began with, makes two.
    `has_second`: they have a second factor. `leaked`: others know the password that was proved here.
    `selectable`: there are sessions in this browser, and nobody said yet which of them it is about.
    `offered`: that person is to be asked whether they want a passkey.
    `allowed`: what its person allowed this client before. `consented_by`: who allowed it in this very attempt.
    """

    identified: bool
    mailed: bool
    selectable: bool
    session_user: str | None
    auth_time: datetime | None
    proving: str | None
    two_factors: bool
    has_second: bool
    leaked: bool
    offered: bool
    allowed: frozenset[str]
    consented_by: str | None


@dataclass(frozen=True)
class Demand:
    """What the client and the policy ask for. A session older than `fresh_since` does not count.

    `two_factors`: nothing less will do, whatever the person has. `announced`: that will be so later, and whoever signs
    in until then is asked to prepare for it, unless they put it off. `ask_consent` is prompt=consent.

    `subject` is the only person who will do, where the client named one.
    """

    subject: str | None
    scope: frozenset[str]
    fresh_since: datetime | None
    two_factors: bool
    announced: bool
    ask_consent: bool


def next_step(progress: Progress, demand: Demand) -> Step:
    if not _signed_in(progress, demand):
        return _to_prove(progress, demand)
    if progress.offered:
        return Step.OFFER
    if not _allowed(progress, demand):
        return Step.CONSENT
    return Step.DONE


def missing(progress: Progress, demand: Demand) -> Step | None:
    """What is between somebody who has proved something and their session.

    The password is replaced after the second factor was proved: whoever knows a leaked one must not be able to set the
    next one as well.
    """
    if progress.has_second and not progress.two_factors:
        return Step.FACTOR
    if progress.leaked:
        return Step.NEW_PASSWORD
    if (demand.two_factors or demand.announced) and not progress.two_factors:
        return Step.ENROL
    return None


def _to_prove(progress: Progress, demand: Demand) -> Step:
    step = _second_of_session(progress, demand)
    if progress.proving is not None:
        step = missing(progress, demand) if demand.subject in (None, progress.proving) else None
    if step is not None:
        return step
    if progress.identified:
        return Step.EMAIL if progress.mailed else Step.PASSWORD
    return Step.SELECT if progress.selectable else Step.IDENTIFY


def _second_of_session(progress: Progress, demand: Demand) -> Step | None:
    """A session alone sets up nothing: its cookie may be in other hands."""
    lacks_one = progress.has_second and not progress.two_factors
    return Step.FACTOR if lacks_one and _session_counts(progress, demand) else None


def _signed_in(progress: Progress, demand: Demand) -> bool:
    if not _session_counts(progress, demand):
        return False
    return progress.two_factors or not (demand.two_factors or progress.has_second)


def _session_counts(progress: Progress, demand: Demand) -> bool:
    if progress.session_user is None or progress.auth_time is None:
        return False
    if demand.subject is not None and demand.subject != progress.session_user:
        return False
    return demand.fresh_since is None or progress.auth_time >= demand.fresh_since


def _allowed(progress: Progress, demand: Demand) -> bool:
    if demand.ask_consent and progress.consented_by != progress.session_user:
        return False
    return demand.scope <= progress.allowed
