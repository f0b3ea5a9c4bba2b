"""`idp key`: signing keys, and the sealing of secrets at rest."""

from typing import Any

import click

from idp import audit
from idp import keys as key_ring
from idp.audit import COMMAND_LINE, Event
from idp.cli.run import fail, json_option, show, show_list, with_services
from idp.keys import RotatedElsewhere, RotationTooEarly
from idp.services import Services
from idp.store import keys as stored_keys
from idp.store import reseal as resealing


@click.group()
def key() -> None:
    """Signing keys."""


@key.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """The keys: next is published, current signs, retired is published until its last token expired."""

    async def work(services: Services) -> list[dict[str, Any]]:
        return [
            {
                "kid": each.kid,
                "state": each.state,
                "algorithm": each.algorithm,
                "created_at": each.created_at,
                "active_at": each.active_at,
                "retired_at": each.retired_at,
                "expires_at": each.expires_at,
            }
            for each in await stored_keys.stored(services.database, services.sealer)
        ]

    show_list(with_services(work), ("kid", "state", "algorithm", "created_at", "expires_at"), as_json=as_json)


@key.command()
@click.option("--now", "early", is_flag=True, help="Also where somebody may not have seen the next key yet: it leaked.")
@json_option
def rotate(early: bool, as_json: bool) -> None:
    """Sign with the next key from now on. No valid token is refused."""

    async def work(services: Services) -> str:
        try:
            kid = await key_ring.rotate(
                services.database, services.sealer, services.settings, services.clock(), early=early
            )
        except (RotationTooEarly, RotatedElsewhere) as error:
            fail(f"Not rotated: {error}.")
        async with services.database.transaction() as transaction:
            await audit.record(transaction, services, Event.KEY_ROTATED, COMMAND_LINE, kid=kid, early=early)
        return kid

    show({"kid": with_services(work), "state": "current"}, as_json=as_json)


@key.command()
@json_option
def reseal(as_json: bool) -> None:
    """Seal every secret again under the first key of IDP_SECRET_KEY, so that the others can be dropped."""

    async def work(services: Services) -> int:
        count = await resealing.reseal(services.database, services.sealer)
        async with services.database.transaction() as transaction:
            await audit.record(transaction, services, Event.SECRETS_RESEALED, COMMAND_LINE, count=count)
        return count

    show({"resealed": with_services(work)}, as_json=as_json)
