"""`idp config`: what is set, and whether it would work."""

import click

from idp.app import prepare_data_dir
from idp.cli.run import fail, json_option, show, show_list
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
            "value": _value(settings, name),
            "origin": came_from.get(name, "default"),
        }
        for name in Settings.model_fields
    ]
    show_list(rows, ("name", "value", "origin"), as_json=as_json)


@config.command()
@json_option
def check(as_json: bool) -> None:
    """Say whether `idp serve` would start with these settings; exit code 1 and the reasons if not."""
    try:
        settings = load()
        prepare_data_dir(settings)
        secret_keys(settings)
    except SettingsError as error:
        fail(str(error))
    if (settings.tls_cert is None) != (settings.tls_key is None):
        fail("IDP_TLS_CERT and IDP_TLS_KEY belong together: set both or neither.")
    show({"ok": True, "issuer": settings.issuer, "database": shown(settings.database)}, as_json=as_json)


def _value(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if is_secret(Settings.model_fields[name]):
        return "(set)" if value else "(not set)"
    return shown(value)
