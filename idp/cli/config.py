"""`idp config`: what is set, and whether it would work."""

import click

from idp.app import prepare_data_dir
from idp.cli.run import (
    check_usable,
    fail,
    json_option,
    show,
    show_list,
    telling_what_is_made,
)
from idp.secret_keys import secret_keys
from idp.settings import Settings, SettingsError, is_secret, load, origins, shown


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command("show")
@json_option
def show_config(as_json: bool) -> None:
    """Every setting, its value and where it came from; secrets are not shown."""
    try:
        came_from = {name: origin for name, (_, origin) in origins().items()}
        settings = load(fallback={"issuer": "http://localhost:8000"})
    except SettingsError as error:
        fail(str(error))
    rows = [
        {
            "name": f"IDP_{name.upper()}",
            "value": "" if name == "issuer" and name not in came_from else _value(settings, name),
            "origin": came_from.get(name, "not set" if name == "issuer" else "default"),
        }
        for name in Settings.model_fields
    ]
    show_list(rows, ("name", "value", "origin"), as_json=as_json)


@config.command()
@json_option
def check(as_json: bool) -> None:
    """Say whether `idp serve` could use these settings; exit code 1 and the reasons if not. Opens no database."""
    try:
        settings = load()
        check_usable(settings)
        with telling_what_is_made(settings):
            prepare_data_dir(settings)
            secret_keys(settings)
    except SettingsError as error:
        fail(str(error))
    show({"ok": True, "issuer": settings.issuer, "database": shown(settings.database)}, as_json=as_json)


def _value(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if is_secret(Settings.model_fields[name]):
        return "(set)" if value else "(not set)"
    return shown(value)
