"""Refusing: where every refusal is put on record, before it is answered."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from starlette.requests import Request

from idp.protocol import story
from idp.protocol.difference import harmless
from idp.protocol.errors import OAuthError
from idp.services import Services, services_of
from idp.store import refusals
from idp.store.refusals import NOBODY, Refusal
from idp.web.pages import reference_of
from idp.web.problems import Problem

log = structlog.get_logger("idp.refused")

BURST = 30
EVERY = timedelta(seconds=2)
_MOST_WAITING = 100


@dataclass
class _Share:
    """How many refusals of one client may be stored now, and how many were not since the last one that was."""

    left: float
    since: datetime
    not_stored: int = 0

    def take(self, now: datetime, *, stalled: bool) -> bool:
        self.left = min(BURST, self.left + max(0.0, (now - self.since) / EVERY))  # a clock may be set back
        self.since = now
        if self.left < 1 or stalled:
            self.not_stored += 1
            return False
        self.left -= 1
        return True


class Refusals:
    """Stores why requests were refused, beside the answering: an answer neither waits for it nor fails by it.

    Each client has a share, and all who are no client have one together. Beyond it refusals are counted.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shares: dict[str, _Share] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def record(self, refusal: Refusal) -> None:
        share = self._shares.setdefault(refusal.client_id, _Share(BURST, refusal.at))
        if not share.take(refusal.at, stalled=len(self._writing) >= _MOST_WAITING):
            return
        if share.not_stored:
            refusal.details["not_stored"], share.not_stored = share.not_stored, 0
        task = asyncio.create_task(self._write(refusal))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, refusal: Refusal) -> None:
        try:
            async with self._services.database.transaction() as transaction:
                await refusals.add(transaction, refusal)
        except Exception as error:  # noqa: BLE001  # the answer is given; its reason is in the log
            log.warning("refusal_not_stored", reference=refusal.reference, reason=f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        await asyncio.gather(*self._writing, return_exceptions=True)


async def refused(request: Request, error: OAuthError) -> None:
    """The whole reason, under the reference that the answer carries."""
    kept = story.details(error)
    log.info("refused", reference=reference_of(request), error=error.error, reason=kept["reason"])
    _record(request, error.error, kept)


def refused_answer(request: Request, error: str, description: str, reason: str) -> None:
    """The same for an answer that sends a person back to a page: `description` is what that says."""
    kept = {"description": description, "reason": harmless(reason)}
    log.info("refused", reference=reference_of(request), error=error, reason=kept["reason"])
    _record(request, error, kept)


def refused_page(request: Request, problem: Problem, reason: str) -> None:
    """The same for what is no error of the protocol: a page says so."""
    kept = {"description": str(problem.title), "reason": harmless(reason)}
    log.warning("refused", reference=reference_of(request), reason=kept["reason"])
    _record(request, f"http_{problem.status}", kept)


def _record(request: Request, error: str, kept: dict[str, Any]) -> None:
    services = services_of(request)
    request.scope["idp.refusal"] = kept
    client_id = request.scope.get("idp.log", {}).get("client_id", NOBODY)
    endpoint = getattr(request.scope.get("route"), "path", "")
    refusal = Refusal(reference_of(request), services.clock(), endpoint, client_id, error, kept)
    request.app.state.refusals.record(refusal)
