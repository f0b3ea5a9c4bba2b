"""Judging a password that is to be set, by every rule that there is."""

from collections.abc import Mapping, Sequence
from typing import Any

from idp.factors import password, weakness
from idp.factors.password import UnacceptablePassword
from idp.services import Services
from idp.settings import REFUSE
from idp.wording import Text

LEAKED = Text("That password was in a leak, so that others know it: take another one.")
NOT_KNOWN = Text("Whether that password was in a leak cannot be found out now: try again in a minute.")
SAME = Text("That is the password that you have now: take another one.")


def least(services: Services, *, alone: bool) -> int:
    """The fewest characters of a new password. `alone`: its person proves nothing else."""
    settings = services.settings
    stands_alone = alone and not settings.requires_second_factor(services.clock())
    return max(settings.password_min_length, settings.password_min_length_alone if stands_alone else 0)


async def judge(services: Services, plain: str, about: Sequence[str], asker: str, *, alone: bool) -> None:
    """`about` is what anybody knows of the person. Raises UnacceptablePassword, and Overloaded."""
    await _judge(services, plain, about, asker, alone=alone)
    leaked = await services.breaches.contains(plain)
    if leaked:
        raise UnacceptablePassword(LEAKED)
    if leaked is None and services.settings.breach_api_failure == REFUSE:
        raise UnacceptablePassword(NOT_KNOWN)


async def judge_replacement(
    services: Services, plain: str, old_hash: str, about: Sequence[str], asker: str, *, alone: bool
) -> None:
    """Of a password that others know, for somebody who waits to be let in. Raises as `judge` does.

    Where nobody can say whether the new one has leaked it may stand, whatever the setting says: it is better than the
    old one, nobody is kept out by the failure of another service, and the next sign-in asks again.
    """
    await _judge(services, plain, about, asker, alone=alone)
    if await services.breaches.contains(plain):
        raise UnacceptablePassword(LEAKED)
    if await services.hashing.verify(old_hash, plain, asker):
        raise UnacceptablePassword(SAME)


async def is_leaked(services: Services, plain: str) -> bool:
    """Whether others know a password that was right just now.

    Where nobody can say it passes, so that nobody is kept out by the failure of another service; the next sign-in asks
    again.
    """
    return weakness.is_common(plain) or bool(await services.breaches.contains(plain))


async def _judge(services: Services, plain: str, about: Sequence[str], asker: str, *, alone: bool) -> None:
    password.check_new(plain, least(services, alone=alone))
    known = (*about, services.settings.site_name)
    problem = await services.hashing.run(lambda: weakness.problem_of(plain, known), asker)
    if problem is not None:
        raise UnacceptablePassword(problem)


def about(email: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
    """What anybody may know of a person with these claims."""
    return (email, *(value for value in claims.values() if isinstance(value, str)))
