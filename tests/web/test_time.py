"""An answer that does not come in time: whoever waits is told so, and what was begun is taken back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from idp.app import Lookup, _App, close_services, open_services, prepare_data_dir
from idp.services import Services, services_of
from idp.settings import load
from idp.store import handles
from idp.store.migrate import migrate
from idp.store.tables import Handle
from idp.web.cors import Origins
from idp.web.middleware import Front
from tests.provider import CHEAP_PASSWORDS
from tests.store.world import MINUTE, NOW, World

ISSUER = "http://localhost:8000"


async def hangs(request: Request) -> Response:
    """In the middle of a transaction."""
    async with services_of(request).database.transaction() as transaction:
        await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)
        await asyncio.sleep(3600)
    return Response()


async def fails_with_a_timeout_of_its_own(request: Request) -> Response:
    raise TimeoutError


@pytest.fixture
async def services(tmp_path: Path, database_url: str) -> AsyncIterator[Services]:
    environment = CHEAP_PASSWORDS | {"IDP_ISSUER": ISSUER, "IDP_DATA_DIR": str(tmp_path), "IDP_LOG_LEVEL": "error"}
    if database_url:
        environment["IDP_DATABASE_URL"] = database_url
    settings = load(environment)
    prepare_data_dir(settings)
    await asyncio.to_thread(migrate, settings.database)  # it runs a loop of its own
    opened = await open_services(settings)
    yield opened
    await close_services(opened)


@pytest.fixture
async def http(services: Services) -> AsyncIterator[httpx2.AsyncClient]:
    routes = [Route("/page", hangs), Route("/token", hangs), Route("/other", fails_with_a_timeout_of_its_own)]
    app = _App(routes=routes)
    app.lookup = Lookup(routes)
    app.state.origins = Origins(services)
    front = Front(app, lambda path: path == "/token", answer_seconds=0.2)
    front.serve(services)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(front), base_url=ISSUER) as client:
        yield client


async def test_do_13_an_answer_that_does_not_come_is_given_up_and_its_transaction_taken_back(
    http: httpx2.AsyncClient, services: Services
) -> None:
    """The attacker finds a request that hangs, and with it holds what everybody needs."""
    async with asyncio.timeout(10):
        page, answer = await asyncio.gather(http.get("/page"), http.get("/token"))
    assert (page.status_code, answer.status_code) == (503, 503)
    assert "Busy at the moment" in page.text
    assert answer.json()["error"] == "temporarily_unavailable"
    assert {page.headers["retry-after"], answer.headers["retry-after"]} <= {str(seconds) for seconds in range(2, 11)}
    assert page.headers["x-request-id"] in page.text
    world = World(services.database, services.sealer)
    assert await world.count(Handle) == 0
    async with services.database.transaction() as transaction:
        await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)
    assert await world.count(Handle) == 1


async def test_a_timeout_that_is_not_the_limit_is_a_failure(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/other")).status_code == 500
