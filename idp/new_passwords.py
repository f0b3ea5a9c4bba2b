"""Judging a password that is to be set, by every rule that there is."""

import asyncio
from collections.abc import Sequence

from idp.factors import password, weakness
from idp.factors.password import UnacceptablePassword
from idp.services import Services


async def judge(services: Services, plain: str, about: Sequence[str]) -> None:
    """`about` is what anybody knows of the person. Raises UnacceptablePassword."""
    password.check_new(plain, services.settings.password_min_length)
    problem = await asyncio.to_thread(weakness.problem_of, plain, about)
    if problem is not None:
        raise UnacceptablePassword(problem)
    if await services.breaches.contains(plain):
        message = "it was in a leak, or that cannot be found out now; take another"
        raise UnacceptablePassword(message)
