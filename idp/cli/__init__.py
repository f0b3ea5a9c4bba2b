"""The command line: what people and scripts rely on."""

import click

from idp import VERSION
from idp.cli.audit import audit
from idp.cli.clients import client
from idp.cli.config import config
from idp.cli.dev import dev
from idp.cli.explain import explain
from idp.cli.invite import invite
from idp.cli.keys import key
from idp.cli.mail import mail
from idp.cli.revoke import revoke
from idp.cli.serve import migrate, prune, serve
from idp.cli.users import user


class _Utf8(click.Group):
    """What is no text has no place in a database, a URL or a token."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for each in args:
            try:
                each.encode()
            except UnicodeEncodeError:
                raise click.UsageError(f"{each!r} is not UTF-8.") from None
        return super().parse_args(ctx, args)


@click.group(cls=_Utf8, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="idp")
def main() -> None:
    """An OAuth 2.1 and OpenID Connect identity provider."""


user.add_command(invite)
for command in (serve, dev, migrate, user, client, revoke, explain, audit, key, mail, prune, config):
    main.add_command(command)
