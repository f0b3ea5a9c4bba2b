"""The command line: what people and scripts rely on."""

import click

from idp import VERSION
from idp.cli.clients import client
from idp.cli.config import config
from idp.cli.dev import dev
from idp.cli.keys import key
from idp.cli.serve import migrate, prune, serve
from idp.cli.users import user


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="idp")
def main() -> None:
    """An OAuth 2.1 and OpenID Connect identity provider."""


for command in (serve, dev, migrate, user, client, key, prune, config):
    main.add_command(command)
