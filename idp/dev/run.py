"""Runs the provider, the demo app and the demo API in one process, with a demo user."""

import asyncio
import errno
import json
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import uvicorn
from starlette.routing import Route
from starlette.types import ASGIApp

from idp import logs
from idp.app import close_services, create_app, open_services, prepare_data_dir
from idp.cli.run import of_development, telling_what_is_made
from idp.cli.serve import OPTIONS
from idp.dev.demo_api import create_demo_api
from idp.dev.demo_app import create_demo_app
from idp.dev.mailbox import Mailbox, mail_routes
from idp.protocol import registration
from idp.protocol.client_auth import hash_secret
from idp.protocol.registration import Registration
from idp.services import Services, system_clock
from idp.settings import LOOPBACK_HOSTS, Settings, SettingsError, load, shown
from idp.store import clients, credentials, users
from idp.store.migrate import migrate, require_current
from idp.web.pages import render, static

DEMO_EMAIL = "ana@example.test"
DEMO_NAME = "Ana Example"
LAST_PORT = 65533  # two more follow
_SCOPE = "openid profile email offline_access demo.read"
_SITE = "Development sign-in"


class NotLoopback(Exception):
    """Development mode was asked to listen where others could reach it."""


class PortTaken(Exception):
    """Nothing can listen on a port: most often it is in use."""


@dataclass(frozen=True)
class Demo:
    """What was drawn for this data directory; kept in `development.json` there, mode 0600."""

    client_id: str
    client_secret: str
    password: str
    session_secret: str


def run(port: int | None, host: str, *, allow_remote: bool) -> None:
    """Serves until it is interrupted. Raises NotLoopback, PortTaken or SettingsError."""
    if host not in LOOPBACK_HOSTS and not allow_remote:
        raise NotLoopback(
            f"Development mode listens on loopback only, not on {host}: it has a known user. "
            "If you are sure, add --allow-remote."
        )
    settings = _settings(port)
    logs.configure(settings)
    with _listening(host, settings.port) as sockets:
        with telling_what_is_made(settings):
            prepare_data_dir(settings)
            # A database that may not be ours is not migrated.
            (migrate if of_development(settings) else require_current)(settings.database)
            demo = asyncio.run(_prepare(settings))
        asyncio.run(_serve(settings, demo, sockets))


def _settings(port: int | None) -> Settings:
    """The operator's, but for what development mode decides itself."""
    port = port or load(issuer="http://localhost").port
    if port > LAST_PORT:
        raise SettingsError(f"IDP_PORT: at most {LAST_PORT}, because the demo app and the demo API take the next two.")
    words = ("demo.read=Read from the demo API in your name",)
    fallback = {"log_format": "text", "scope_texts": words, "email_codes": "sign_in", "sign_up": "open"}
    return load(fallback=fallback, issuer=_url(port), port=port, name=_SITE)


@contextmanager
def _listening(host: str, port: int) -> Iterator[list[list[socket.socket]]]:
    """The sockets of the three servers, bound before anything is made, so that a taken port is said at once."""
    opened: list[list[socket.socket]] = []
    try:
        opened.extend(_bind(host, each) for each in (port, port + 1, port + 2))
        yield opened
    finally:
        for listener in (listener for listeners in opened for listener in listeners):
            listener.close()


def _bind(host: str, port: int) -> list[socket.socket]:
    """`localhost` is both loopback addresses, where the machine has both."""
    addresses = ("127.0.0.1", "::1") if host == "localhost" else (host,)
    bound: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
        except (OSError, TypeError, UnicodeError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                raise PortTaken(f"Port {port} is taken. Choose another: make run PORT=9000") from None
            if bound:
                continue  # this machine has no IPv6
            reason = getattr(error, "strerror", None) or "no host has such a name"
            raise PortTaken(f"Nothing can listen on {address}, port {port}: {reason}.") from None
        bound.append(listener)
    return bound


async def _serve(settings: Settings, demo: Demo, sockets: list[list[socket.socket]]) -> None:
    app_url, api_url, mailbox = _url(settings.port + 1), _url(settings.port + 2), Mailbox()
    apps: tuple[ASGIApp, ...] = (
        create_app(settings, mailer=mailbox, development=True, more_routes=_mail(settings, mailbox)),
        create_demo_app(
            issuer=settings.issuer,
            client_id=demo.client_id,
            client_secret=demo.client_secret,
            app_url=app_url,
            api_url=api_url,
            session_secret=demo.session_secret,
            render=_render,
            static=Route("/static/{file}", static),
        ),
        create_demo_api(issuer=settings.issuer, audience=api_url, required_scope="demo.read"),
    )
    servers = [_Server(_config(app)) for app in apps]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, servers)
    announcing = asyncio.create_task(_announce(servers, settings, demo))
    await asyncio.gather(*(server.serve(bound) for server, bound in zip(servers, sockets, strict=True)))
    announcing.cancel()


class _Server(uvicorn.Server):
    """One of three in a process: the signals are handled once, for all of them."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(app, **OPTIONS | {"timeout_graceful_shutdown": 2})


def _stop(servers: list[_Server]) -> None:
    for server in servers:
        server.should_exit = True


async def _announce(servers: list[_Server], settings: Settings, demo: Demo) -> None:
    while not all(server.started for server in servers):  # noqa: ASYNC110  # uvicorn tells it by a flag alone
        await asyncio.sleep(0.02)  # uvicorn tells it by a flag alone
    click.echo(
        "\n".join(
            (
                "",
                f"  Open  {_url(settings.port + 1)}  and sign in to the demo app as",
                "",
                f"      e-mail    {DEMO_EMAIL}",
                f"      password  {demo.password}",
                "",
                f"  Provider      {settings.issuer}",
                f"  Demo API      {_url(settings.port + 2)}",
                f"  Mail catcher  {settings.issuer}/dev/mail",
                "",
                "  Development mode: not for real data. Ctrl-C stops it.",
                "",
            )
        )
    )


async def _prepare(settings: Settings) -> Demo:
    services = await open_services(settings, development=True)
    try:
        if not of_development(settings):
            await _check_empty(services)
        demo = _drawn(settings.development_file)
        await _ensure_client(services, demo)
        await _ensure_user(services, demo)
    finally:
        await close_services(services)
    return demo


async def _check_empty(services: Services) -> None:
    """Raises SettingsError where real people could be: among them a user with a known password has no place."""
    if await users.listed(services.database) or await clients.listed(services.database):
        raise SettingsError(
            f"The database {shown(services.settings.database)} was not made by development mode, and people or apps "
            "are in it: give another IDP_DATA_DIR (and no IDP_DATABASE_URL)."
        )


def _drawn(path: Path) -> Demo:
    """Raises SettingsError where the file is broken."""
    if path.exists():
        try:
            return Demo(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError) as error:
            raise SettingsError(
                f"{path.resolve()} cannot be read ({error}): remove the directory that it is in, "
                "and development mode starts anew."
            ) from None
    demo = Demo("demo-app", *(secrets.token_urlsafe(bytes_) for bytes_ in (32, 12, 32)))
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(demo)), encoding="utf-8")
    fresh.replace(path)
    return demo


async def _ensure_client(services: Services, demo: Demo) -> None:
    """The demo app's registration follows the ports."""
    port, now = services.settings.port, services.clock()
    wanted = Registration(
        client_name="Demo app",
        redirect_uris=(f"{_url(port + 1)}/callback",),
        post_logout_redirect_uris=(f"{_url(port + 1)}/signed-out/callback",),
        scope=_SCOPE,
        audience=(_url(port + 2),),
    )
    client = registration.register(demo.client_id, wanted)
    async with services.database.transaction() as transaction:
        if not await clients.replace(transaction, client, now):
            await clients.create(transaction, client, now)
        secret_id = await clients.add_secret(transaction, client.client_id, hash_secret(demo.client_secret), now)
        await clients.end_other_secrets(transaction, client.client_id, but=secret_id, now=now, until=now)


async def _ensure_user(services: Services, demo: Demo) -> None:
    """The demo user, with the password that is printed whatever it was changed to meanwhile."""
    now, database, sealer = services.clock(), services.database, services.sealer
    person = await users.find_by_email(database, DEMO_EMAIL)
    stored = person and await credentials.find(database, sealer, person.id, credentials.PASSWORD)
    if stored and await services.hashing.verify(str(stored.data["hash"]), demo.password, asker=""):
        return
    data = {"hash": await services.hashing.hash(demo.password, asker="")}
    async with database.transaction() as transaction:
        claims = {"name": DEMO_NAME, "given_name": "Ana", "family_name": "Example"}
        user_id = (
            person.id if person else await users.create(transaction, sealer, DEMO_EMAIL, claims, now, verified=True)
        )
        if stored:
            await credentials.replace(transaction, sealer, stored, data, now)
        elif user_id is not None:
            await credentials.add(transaction, sealer, user_id, credentials.PASSWORD, data, now)


def _mail(settings: Settings, mailbox: Mailbox) -> list[Route]:
    return mail_routes(mailbox, _render, system_clock, origin=settings.issuer)


def _render(template: str, context: Mapping[str, object]) -> str:
    return render(template, {"site_name": _SITE, "development": True, "reference": "", **context})


def _url(port: int) -> str:
    return f"http://localhost:{port}"
