"""Judging a password that is to be set, by every rule that there is."""

from collections.abc import Mapping, Sequence
from typing import Any

from idp.factors import password, weakness
from idp.factors.password import UnacceptablePassword
from idp.services import Services
from idp.settings import REFUSE

LEAKED = "That password was in a leak, so that others know it: take another one."
NOT_KNOWN = "Whether that password was in a leak cannot be found out now: try again in a minute."


async def judge(services: Services, plain: str, about: Sequence[str]) -> None:
    """`about` is what anybody knows of the person. Raises UnacceptablePassword, and Overloaded."""
    password.check_new(plain, services.settings.password_min_length)
    known = (*about, services.settings.site_name)
    problem = await services.hashing.run(lambda: weakness.problem_of(plain, known))
    if problem is not None:
        raise UnacceptablePassword(problem)
    leaked = await services.breaches.contains(plain)
    if leaked:
        raise UnacceptablePassword(LEAKED)
    if leaked is None and services.settings.breach_api_failure == REFUSE:
        raise UnacceptablePassword(NOT_KNOWN)


def about(email: str, claims: Mapping[str, Any]) -> tuple[str, ...]:
    """What anybody may know of a person with these claims."""
    return (email, *(value for value in claims.values() if isinstance(value, str)))
