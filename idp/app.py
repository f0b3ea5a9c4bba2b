"""The composition root: settings in, Starlette app out."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from idp import keys, routes
from idp.challenges import Challenges
from idp.delivery import deliver_due
from idp.factors.password import Cost
from idp.hashing import PasswordHashing, PasswordPool
from idp.keys import RELOAD_EVERY, Keys
from idp.outside.breaches import breaches_of
from idp.outside.captcha import Captcha, captcha_of
from idp.outside.mail import Mailer, mailer_of
from idp.quotas import Quotas
from idp.secret_keys import secret_keys
from idp.services import Clock, Services, system_clock
from idp.settings import Settings, SettingsError
from idp.store import audit_chain, instance, open_database
from idp.store.prune import prune
from idp.store.seal import Sealer
from idp.store.volatile import volatile_of
from idp.stuffing import Stuffing
from idp.turns import Turns
from idp.web import cors, languages, problems
from idp.web.cors import Origins
from idp.web.middleware import Front
from idp.web.problems import problem_json, problem_page
from idp.web.refusals import Refusals

log = structlog.get_logger("idp.app")

SEAL_EVERY = timedelta(seconds=30)
_BY_STATUS = {404: problems.NOT_FOUND, 405: problems.METHOD_NOT_ALLOWED, 413: problems.TOO_LARGE}


async def open_services(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    hashing: PasswordHashing | None = None,
    mailer: Mailer | None = None,
    captcha: Captcha | None = None,
    development: bool = False,
) -> Services:
    """Everything an endpoint needs, over a database that is migrated. `close_services` gives it back."""
    languages.check(settings)
    sealer = Sealer(secret_keys(settings))
    database = open_database(settings.database, settings.database_pool)
    await database.connect()
    now = clock()
    await instance.ensure(database, sealer, now)
    await keys.ensure(database, sealer, settings, now)
    ring = Keys(await keys.load(database, sealer))
    hashing = hashing or password_pool(settings)
    volatile = volatile_of(settings.redis_url, database)
    return Services(
        settings=settings,
        database=database,
        sealer=sealer,
        keys=ring,
        hashing=hashing,
        clock=clock,
        development=development,
        challenges=Challenges(),
        breaches=breaches_of(settings),
        mailer=mailer or mailer_of(settings),
        captcha=captcha or captcha_of(settings),
        volatile=volatile,
        turns=Turns(),
        stuffing=Stuffing(),
        quotas=Quotas(volatile, settings.requests_per_client),
    )


def prepare_data_dir(settings: Settings) -> None:
    """Makes the data directory for us alone. Raises SettingsError where that cannot be."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"IDP_DATA_DIR: {settings.data_dir} cannot be made: {error.strerror}.") from None


async def close_services(services: Services) -> None:
    services.hashing.close()
    await services.breaches.close()
    await services.captcha.close()
    await services.volatile.close()
    await services.database.close()


def password_pool(settings: Settings) -> PasswordPool:
    cost = Cost(settings.password_memory_kib, settings.password_time_cost, settings.password_parallelism)
    # More would hash no faster, and while one holds the interpreter's lock another one would have its core.
    threads = min(settings.password_threads, len(os.sched_getaffinity(0)))
    return PasswordPool(cost, threads, settings.password_queue)


def create_app(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    hashing: PasswordHashing | None = None,
    mailer: Mailer | None = None,
    captcha: Captcha | None = None,
    development: bool = False,
    more_routes: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """The provider as an ASGI app; its services open and close with its lifespan."""

    @asynccontextmanager
    async def lifespan(starlette: Starlette) -> AsyncIterator[None]:
        services = await open_services(
            settings, clock=clock, hashing=hashing, mailer=mailer, captcha=captcha, development=development
        )
        starlette.state.origins = Origins(services)
        starlette.state.refusals = Refusals(services)
        front.serve(services)
        chores = asyncio.create_task(_chores(services))
        gc.freeze()  # what is here now stays: the collector need not look at it again
        gc.set_threshold(10_000, 20, 20)  # hardly anything of a request is in a cycle
        try:
            yield
        finally:
            chores.cancel()
            with suppress(asyncio.CancelledError):
                await chores
            await starlette.state.refusals.close()
            await close_services(services)

    starlette = _App(
        routes=[*routes.PAGES, *routes.API, *more_routes],
        lifespan=lifespan,
        exception_handlers={HTTPException: _refuse},
    )
    starlette.router.redirect_slashes = False
    starlette.lookup = Lookup((*routes.API, *routes.PAGES))
    front = Front(starlette, routes.is_api)
    return front


class Lookup:
    """Routes by method and the parts of their path, the first one that fits; None for Starlette to say why."""

    def __init__(self, listed: Iterable[BaseRoute]) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[Route, tuple[str, ...]]]] = {}
        for route in listed:
            if isinstance(route, Route):
                parts = tuple(route.path.split("/"))
                for method in route.methods or ():
                    self._by_shape.setdefault((method, len(parts)), []).append((route, parts))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route, and the values of its `{parameters}`, which are never empty."""
        given = path.split("/")
        for route, parts in self._by_shape.get((method, len(given)), ()):
            values: dict[str, str] = {}
            for part, value in zip(parts, given, strict=True):
                if part.startswith("{") and value:
                    values[part[1:-1]] = value
                elif part != value:
                    break
            else:
                return route, values
        return None

    def allowed(self, path: str) -> str:
        """The methods of a path, as the header Allow has them (RFC 9110 section 10.2.1)."""
        methods = {method for method, _ in self._by_shape if self.find(method, path)}
        return ", ".join(sorted(methods))


class _App(Starlette):
    """Starlette without its own answer to a failure, which would be sent before the front can give ours.

    A path is looked up by its parts and not searched for: a third of what Starlette costs a token request.
    """

    lookup: Lookup

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(self.router, handlers=self.exception_handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.lookup.find(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await super().__call__(scope, receive, send)
            return
        route, scope["path_params"] = found
        scope["app"], scope["route"] = self, route
        response = await route.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it alone
    problem = _BY_STATUS.get(error.status_code, problems.BAD_REQUEST)
    if routes.is_api(request.scope["path"]):
        response = cors.for_known(request, problem_json(problem, "invalid_request"))
    else:
        response = problem_page(request, problem)
    if error.status_code == 405 and (allowed := request.app.lookup.allowed(request.scope["path"])):
        response.headers["Allow"] = allowed  # Starlette names the methods of one route alone
    return response


async def _chores(services: Services) -> None:
    """What a worker does beside answering. A long prune must not delay a new key: rotations count on RELOAD_EVERY."""

    async def reload() -> None:
        await services.keys.reload(services.database, services.sealer)

    async def remove_expired() -> None:
        await prune(services.database, services.clock())

    async def seal_audit() -> None:
        while sealed := await audit_chain.seal_next(services.database, services.sealer, services.clock()):
            about = {"until": sealed.until, "rows": sealed.rows, "digest": sealed.digest}
            log.info("audit_sealed", number=sealed.number, **about)

    async def deliver() -> None:
        await deliver_due(services)

    async with asyncio.TaskGroup() as chores:
        chores.create_task(_every(timedelta(seconds=1), deliver))
        chores.create_task(_every(SEAL_EVERY, seal_audit))
        chores.create_task(_every(timedelta(seconds=1), services.database.maintain))
        chores.create_task(_every(RELOAD_EVERY - timedelta(seconds=1), reload))
        chores.create_task(_every(services.settings.prune_interval, remove_expired))


async def _every(pause: timedelta, chore: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(pause.total_seconds())
        try:
            await chore()
        except Exception:  # a chore that fails is tried again; the worker goes on answering
            log.exception("chore_failed")
