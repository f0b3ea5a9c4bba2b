"""What commands share: settings, services, errors as exit codes, and output for people or scripts."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import click

from idp import logs
from idp.app import close_services, open_services
from idp.protocol.errors import OAuthError
from idp.services import Services
from idp.settings import Settings, SettingsError, load
from idp.store.db import StoreUnavailable
from idp.store.instance import WrongSecretKey
from idp.store.seal import SealBroken

T = TypeVar("T")

# Only serving needs the issuer; a command that reads or writes the database works without it.
_ANY_ISSUER = "http://localhost:8000"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


def fail(reason: str) -> NoReturn:
    """Exit code 1, with the reason on standard error."""
    raise click.ClickException(reason)


def settings_for_serving(**given: Any) -> Settings:  # the values of options
    try:
        return load(**{name: value for name, value in given.items() if value is not None})
    except SettingsError as error:
        fail(str(error))


def check_tls(settings: Settings) -> None:
    """Raises SettingsError unless certificate and key are both there and belong together, or both are not wanted."""
    if settings.tls_cert is None and settings.tls_key is None:
        return
    if settings.tls_cert is None or settings.tls_key is None:
        raise SettingsError("IDP_TLS_CERT and IDP_TLS_KEY belong together: set both or neither.")
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except OSError as error:
        message = f"IDP_TLS_CERT ({settings.tls_cert}) and IDP_TLS_KEY ({settings.tls_key}) cannot be used: {error}."
        raise SettingsError(message) from None


def with_services(work: Callable[[Services], Awaitable[T]]) -> T:
    """Runs `work` beside a running server or without one. What can go wrong is said, not traced."""
    from idp.store.migrate import WrongSchema, require_current  # noqa: PLC0415  # Alembic is slow to import

    try:
        settings = load(fallback={"issuer": _ANY_ISSUER})
        logs.configure(settings.model_copy(update={"log_format": "text", "log_level": "warning"}))
        require_current(settings.database)
        return asyncio.run(_opened(settings, work))
    except OAuthError as error:
        fail(error.reason)
    except (SettingsError, StoreUnavailable, WrongSecretKey, SealBroken, WrongSchema) as error:
        fail(str(error))


async def _opened(settings: Settings, work: Callable[[Services], Awaitable[T]]) -> T:
    services = await open_services(settings)
    try:
        return await work(services)
    finally:
        await close_services(services)


def show(record: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(record, default=_plain))
        return
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        click.echo(f"{name:<{width}}  {_text(value)}")


def show_list(records: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(list(records), default=_plain))
        return
    rows = [columns, *([_text(record[name]) for name in columns] for record in records)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or "-"
    if isinstance(value, dict):
        return json.dumps(value, default=_plain)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
