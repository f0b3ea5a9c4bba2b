"""`idp serve`, `idp migrate`, `idp prune`."""

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import click
import structlog
import uvicorn
from starlette.types import ASGIApp

from idp import VERSION, logs
from idp.app import close_services, create_app, open_services, prepare_data_dir
from idp.cli.run import (
    check_usable,
    fail,
    json_option,
    settings_for_serving,
    show,
    telling_what_is_made,
    with_services,
)
from idp.keys import BadSigningKey
from idp.services import Services
from idp.settings import Settings, SettingsError, load, shown
from idp.store.db import StoreUnavailable
from idp.store.instance import WrongSecretKey
from idp.store.migrate import WrongSchema
from idp.store.migrate import migrate as migrate_database
from idp.store.prune import prune as prune_database
from idp.store.seal import SealBroken
from idp.web.connection import Connection

log = structlog.get_logger("idp.serve")

# There is no limit_concurrency: it counts idle connections too, so that whoever holds enough of them locks all out.
OPTIONS: dict[str, Any] = {
    "http": Connection,
    "ws": "none",
    "timeout_keep_alive": 5,
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": 30,
}


@click.command()
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on.")
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="A certificate chain in PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key in PEM.")
def serve(host: str | None, port: int | None, workers: int | None, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Serve the provider."""
    settings = settings_for_serving(host=host, port=port, workers=workers, tls_cert=tls_cert, tls_key=tls_key)
    prepare(settings)
    log.info(
        "serving",
        version=VERSION,
        issuer=settings.issuer,
        address=f"{settings.host}:{settings.port}",
        workers=settings.workers,
        tls=settings.tls_cert is not None,
        database=shown(settings.database),
    )
    run(settings, f"{__name__}:from_environment")


def prepare(settings: Settings) -> None:
    """Everything that can be wrong is found here, before anything is served, and said in a sentence."""
    logs.configure(settings)
    try:
        check_usable(settings)
        _check_free(settings)
        with telling_what_is_made(settings, _log_what_was_made):
            prepare_data_dir(settings)
            migrate_database(settings.database)
            asyncio.run(_open_and_close(settings))
    except (SettingsError, StoreUnavailable, WrongSecretKey, SealBroken, BadSigningKey, WrongSchema) as error:
        fail(str(error))


def _log_what_was_made(made: dict[str, Path]) -> None:
    if file := made.get("database"):
        log.warning("database_made", file=str(file))
    if file := made.get("secret key"):
        log.warning("secret_key_made", file=str(file), advice="back it up: without it the database does not open")


def _check_free(settings: Settings) -> None:
    """Raises SettingsError where nothing can listen on the address and port."""
    problem: OSError | None = None
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except OSError as error:
        found, problem = [], error
    except UnicodeError:  # no host has such a name
        found = []
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                problem = error
            else:
                return
    reason = problem.strerror if problem else "no such address"
    message = f"Nothing can listen on {settings.host}, port {settings.port}: {reason}. Give another --host or --port."
    raise SettingsError(message)


def run(settings: Settings, factory: str) -> None:
    """`factory` names a function that makes the app: each worker calls it for itself."""
    # A single worker raises the signal that ended it once more, when all is done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        factory,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        **OPTIONS,
    )


def from_environment() -> ASGIApp:
    """The app of a worker."""
    settings = load()
    logs.configure(settings)
    return create_app(settings)


async def _open_and_close(settings: Settings) -> None:
    await close_services(await open_services(settings))


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Bring the database to what this version expects."""
    try:
        settings = load(fallback={"issuer": "http://localhost:8000"})
        with telling_what_is_made(settings):
            prepare_data_dir(settings)
            revision = migrate_database(settings.database)
    except (SettingsError, StoreUnavailable, WrongSchema) as error:
        fail(str(error))
    show({"revision": revision}, as_json=as_json)


@click.command()
@json_option
def prune(as_json: bool) -> None:
    """Remove what has expired; a running server does it by itself."""

    async def work(services: Services) -> dict[str, int]:
        removed = await prune_database(services.database, services.clock())
        await services.database.scrub()
        return removed

    show(with_services(work), as_json=as_json)
