"""`idp dev`: the provider with a demo app, a demo API, a demo user and a mail catcher, for trying it out."""

import click

from idp.cli.run import fail
from idp.keys import BadSigningKey
from idp.settings import SettingsError
from idp.store.db import StoreUnavailable
from idp.store.instance import WrongSecretKey
from idp.store.migrate import WrongSchema
from idp.store.seal import SealBroken


@click.command()
@click.option("--port", type=click.IntRange(1, 65533), help="The provider's port; by default IDP_PORT, or 8000.")
@click.option("--host", default="localhost", show_default=True, help="The address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Listen on an address that is not loopback.")
def dev(port: int | None, host: str, allow_remote: bool) -> None:
    """Try it out: development mode, with nothing to set up. Never for real data."""
    from idp.dev.run import NotLoopback, PortTaken, run  # noqa: PLC0415  # production never imports it

    try:
        run(port, host, allow_remote=allow_remote)
    except (NotLoopback, PortTaken) as error:
        fail(str(error))
    except (SettingsError, StoreUnavailable, WrongSecretKey, SealBroken, BadSigningKey, WrongSchema) as error:
        fail(str(error))
