"""What commands share: settings, services, errors as exit codes, and output for people or scripts."""

import asyncio
import json
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from idp import logs
from idp.app import close_services, open_services, prepare_data_dir
from idp.keys import BadSigningKey
from idp.protocol.errors import OAuthError
from idp.secret_keys import FILE
from idp.services import Services
from idp.settings import BY_DOMAIN, Settings, SettingsError, load
from idp.store.db import StoreUnavailable
from idp.store.instance import WrongSecretKey
from idp.store.seal import SealBroken
from idp.web import languages

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


def _check_tls(settings: Settings) -> None:
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


def _check_mail(settings: Settings) -> None:
    """Raises SettingsError where codes are to be sent by mail and no server takes them."""
    if settings.mails_codes and not settings.smtp_url:
        raise SettingsError(f"IDP_EMAIL_CODES is {settings.email_codes}, and IDP_SMTP_URL names no server: set it too.")


def _check_captcha(settings: Settings) -> None:
    """Raises SettingsError where a service is named, but not the keys that it gave."""
    if settings.captcha != "off" and not (settings.captcha_site_key and settings.captcha_secret):
        raise SettingsError(f"IDP_CAPTCHA is {settings.captcha}: set IDP_CAPTCHA_SITE_KEY and IDP_CAPTCHA_SECRET too.")


def _check_sign_up(settings: Settings) -> None:
    """Raises SettingsError where people may sign up and no mail can reach them, or it is not clear who may."""
    if settings.sign_up_is_open and not settings.smtp_url:
        raise SettingsError(f"IDP_SIGN_UP is {settings.sign_up}, and IDP_SMTP_URL names no server: set it too.")
    if settings.sign_up == BY_DOMAIN and not settings.sign_up_domains:
        raise SettingsError("IDP_SIGN_UP is domains, and IDP_SIGN_UP_DOMAINS names none: set it too.")
    if settings.sign_up != BY_DOMAIN and settings.sign_up_domains:
        raise SettingsError(
            f"IDP_SIGN_UP_DOMAINS counts with IDP_SIGN_UP=domains alone, and that is {settings.sign_up}: "
            "change one of them."
        )


def of_development(settings: Settings) -> bool:
    """Whether development mode made the data directory."""
    return os.access(settings.development_file, os.F_OK)


def _check_not_development(settings: Settings) -> None:
    """Raises SettingsError where the data directory has a demo user, whose password was printed."""
    if of_development(settings):
        raise SettingsError(
            f"{settings.data_dir.resolve()} belongs to development mode (`make run`, `idp dev`), which has a known "
            "user: give another IDP_DATA_DIR."
        )


def check_usable(settings: Settings) -> None:
    """Raises SettingsError where settings that are each right do not fit together, or not this data directory."""
    checks = (_check_tls, _check_mail, _check_sign_up, _check_captcha, languages.check, _check_not_development)
    for check in checks:
        check(settings)


def tell_what_was_made(made: dict[str, Path]) -> None:
    click.echo(f"Made {' and '.join(f'a new {what} ({path})' for what, path in made.items())}.", err=True)


@contextmanager
def telling_what_is_made(
    settings: Settings, tell: Callable[[dict[str, Path]], None] = tell_what_was_made
) -> Iterator[None]:
    """A command that runs in the wrong directory finds nothing and makes it all anew: one has to see that."""
    key_file = None if settings.secret_key else settings.data_dir / FILE
    files = {"database": settings.database_file, "secret key": key_file}
    absent = {what: path.resolve() for what, path in files.items() if path and not os.access(path, os.F_OK)}
    try:
        yield
    finally:
        if made := {what: path for what, path in absent.items() if os.access(path, os.F_OK)}:
            tell(made)


def with_services(work: Callable[[Services], Awaitable[T]]) -> T:
    """Runs `work` beside a running server or without one. What can go wrong is said, not traced."""
    from idp.store.migrate import WrongSchema, require_current  # noqa: PLC0415  # Alembic is slow to import

    try:
        settings = load(fallback={"issuer": _ANY_ISSUER})
        logs.configure(settings.model_copy(update={"log_format": "text", "log_level": "warning"}))
        with telling_what_is_made(settings):
            prepare_data_dir(settings)
            require_current(settings.database)
            return asyncio.run(_opened(settings, work))
    except OAuthError as error:
        fail(error.reason)
    except UnicodeEncodeError:
        fail("What was given is not UTF-8.")
    except (SettingsError, StoreUnavailable, WrongSecretKey, SealBroken, BadSigningKey, WrongSchema) as error:
        fail(str(error))


async def _opened(settings: Settings, work: Callable[[Services], Awaitable[T]]) -> T:
    services = await open_services(settings)
    try:
        return await work(services)
    finally:
        await close_services(services)


def show(record: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(_json(record))
        return
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        click.echo(f"{name:<{width}}  {_text(value)}")


def show_list(records: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(_json(list(records)))
        return
    rows = [columns, *([_text(record[name]) for name in columns] for record in records)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _json(value: object) -> str:
    return json.dumps(value, default=_plain, allow_nan=False)


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
        return _json(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
