"""`idp client`: apps."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import click

from idp import audit, settings
from idp.audit import COMMAND_LINE, Event
from idp.cli.run import fail, json_option, show, show_list, with_services
from idp.protocol import registration
from idp.protocol.client_auth import hash_secret
from idp.protocol.clients import AUTH_METHODS, DEFAULT_PROFILE, PROFILES, SECOND_FACTOR, Client
from idp.protocol.registration import GRANT_TYPES, Registration
from idp.protocol.scopes import OFFLINE_ACCESS
from idp.services import Services
from idp.store import clients, grants
from idp.store.clients import ClientRecord
from idp.store.ids import new_id, new_secret

_ID = click.argument("client_id")
_REDIRECT_URI = click.option(
    "--redirect-uri", "redirect_uris", multiple=True, metavar="URI", help="Where people return to."
)
_GRANT_TYPE = click.option("--grant-type", "grant_types", multiple=True, type=click.Choice(GRANT_TYPES))
_SCOPE = click.option("--scope", help="The scopes it may have, separated by spaces.")
_POST_LOGOUT = click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, metavar="URI")
_AUDIENCE = click.option(
    "--audience", "audience", multiple=True, metavar="URI", help="The API its access tokens are for."
)
_SECOND_FACTOR = click.option(
    "--second-factor",
    type=click.Choice(SECOND_FACTOR),
    help="Whether its people need a second factor; optional leaves it to the server.",
)
_SECOND_FACTOR_FROM = click.option(
    "--second-factor-from", metavar="DATE", help="From when on; before that, setting one up can be put off."
)
_MAX_AGE = click.option("--max-age", metavar="DURATION", help="How old a sign-in may be, such as 8h.")


@click.group()
def client() -> None:
    """Apps that sign people in, and services that act for themselves."""


@client.command()
@click.argument("name")
@_REDIRECT_URI
@click.option("--public", is_flag=True, help="An app that cannot keep a secret: in a browser, on a phone.")
@_GRANT_TYPE
@_SCOPE
@click.option(
    "--auth-method",
    type=click.Choice(AUTH_METHODS),
    help="How it authenticates; client_secret_basic by default.",
)
@click.option("--profile", type=click.Choice(list(PROFILES)), default=DEFAULT_PROFILE, show_default=True)
@_POST_LOGOUT
@_AUDIENCE
@_SECOND_FACTOR
@_SECOND_FACTOR_FROM
@_MAX_AGE
@json_option
def create(
    *,
    name: str,
    public: bool,
    auth_method: str | None,
    profile: str,
    second_factor: str | None,
    second_factor_from: str | None,
    max_age: str | None,
    as_json: bool,
    **lists: Any,
) -> None:
    """Register an app. Its secret is shown once."""
    wanted = Registration(
        client_name=name,
        public=public,
        token_endpoint_auth_method=auth_method,
        profile=profile,
        **lists,
        **_policy(second_factor, second_factor_from, max_age),
    )
    show(with_services(lambda services: _create(services, wanted)), as_json=as_json)


async def _create(services: Services, wanted: Registration) -> dict[str, Any]:
    now = services.clock()
    made = registration.register(new_id(now), wanted)
    secret = None if made.public else new_secret()
    async with services.database.transaction() as transaction:
        await clients.create(transaction, made, now)
        if secret is not None:
            await clients.add_secret(transaction, made.client_id, hash_secret(secret), now)
        await audit.record(transaction, services, Event.CLIENT_CREATED, COMMAND_LINE, client_id=made.client_id)
    return _record(await _find(services, made.client_id), secret)


@client.command("list")
@json_option
def list_clients(as_json: bool) -> None:
    """List the apps."""

    async def work(services: Services) -> list[ClientRecord]:
        return await clients.listed(services.database)

    records = [_record(record) for record in with_services(work)]
    show_list(records, ("client_id", "client_name", "token_endpoint_auth_method", "grant_types"), as_json=as_json)


@client.command("show")
@_ID
@json_option
def show_client(client_id: str, as_json: bool) -> None:
    """Show one app."""

    async def work(services: Services) -> dict[str, Any]:
        record = _record(await _find(services, client_id))
        secrets = await clients.live_secrets(services.database, client_id, services.clock())
        return record | {
            "secrets": [{"created_at": each.created_at, "expires_at": each.expires_at} for each in secrets]
        }

    show(with_services(work), as_json=as_json)


@client.command()
@_ID
@click.option("--name", help="What people see it called.")
@_REDIRECT_URI
@_GRANT_TYPE
@_SCOPE
@click.option("--profile", type=click.Choice(list(PROFILES)))
@_POST_LOGOUT
@_AUDIENCE
@_SECOND_FACTOR
@_SECOND_FACTOR_FROM
@_MAX_AGE
@click.option("--keep-consents", is_flag=True, help="Ask nobody again, although people may not know the app any more.")
@json_option
def update(
    *,
    client_id: str,
    name: str | None,
    scope: str | None,
    profile: str | None,
    second_factor: str | None,
    second_factor_from: str | None,
    max_age: str | None,
    keep_consents: bool,
    as_json: bool,
    **lists: Any,
) -> None:
    """Change an app: an option replaces the whole value that it names; a lone "" empties a list.

    With another name, or an address at a new host, people are asked for their consent again.
    """
    policy = _policy(second_factor, second_factor_from, max_age)
    if name is None and scope is None and profile is None and not policy and not any(lists.values()):
        raise click.UsageError("Say what to change, such as --name or --redirect-uri.")

    async def work(services: Services) -> ClientRecord:
        before = (await _find(services, client_id)).client
        after = registration.register(client_id, replace(_changed(before, name, scope, profile, lists), **policy))
        now = services.clock()
        async with services.database.transaction() as transaction:
            await clients.replace(transaction, after, now)
            if registration.looks_different(before, after) and not keep_consents:
                await clients.end_consents(transaction, client_id, now)
            if OFFLINE_ACCESS not in after.scope:
                await grants.bind_to_sessions(transaction, client_id)
            await audit.record(transaction, services, Event.CLIENT_UPDATED, COMMAND_LINE, client_id=client_id)
        return await _find(services, client_id)

    show(_record(with_services(work)), as_json=as_json)


def _changed(
    before: Client,
    name: str | None,
    scope: str | None,
    profile: str | None,
    lists: dict[str, tuple[str, ...]],
) -> Registration:
    same = Registration(
        client_name=before.client_name if name is None else name,
        redirect_uris=before.redirect_uris,
        public=before.public,
        grant_types=before.grant_types,
        scope=" ".join(before.scope) if scope is None else scope,
        token_endpoint_auth_method=before.token_endpoint_auth_method,
        profile=profile or before.profile,
        post_logout_redirect_uris=before.post_logout_redirect_uris,
        audience=before.audience,
        second_factor=before.second_factor,
        second_factor_from=before.second_factor_from,
        max_age=before.max_age,
    )
    given: dict[str, Any] = {field: () if values == ("",) else values for field, values in lists.items() if values}
    return replace(same, **given)


@client.command("rotate-secret")
@_ID
@click.option("--keep-old", metavar="DURATION", help="The old secret lives on for so long, such as 24h.")
@json_option
def rotate_secret(client_id: str, keep_old: str | None, as_json: bool) -> None:
    """Give an app a new secret; the old one ends at once, or when all of the app has the new one."""
    keep = timedelta(0) if keep_old is None else _duration(keep_old, "--keep-old")

    async def work(services: Services) -> dict[str, Any]:
        record, secret, now = await _find(services, client_id), new_secret(), services.clock()
        if record.client.public:
            fail("A public client has no secret.")
        async with services.database.transaction() as transaction:
            secret_id = await clients.add_secret(transaction, client_id, hash_secret(secret), now)
            await clients.end_other_secrets(transaction, client_id, but=secret_id, now=now, until=now + keep)
            await audit.record(transaction, services, Event.CLIENT_SECRET_ROTATED, COMMAND_LINE, client_id=client_id)
        return _record(record, secret)

    show(with_services(work), as_json=as_json)


@client.command()
@_ID
@json_option
def delete(client_id: str, as_json: bool) -> None:
    """Delete an app. Every token it got ends."""

    async def work(services: Services) -> None:
        await _find(services, client_id)
        async with services.database.transaction() as transaction:
            await clients.delete_client(transaction, client_id)
            await audit.record(transaction, services, Event.CLIENT_DELETED, COMMAND_LINE, client_id=client_id)

    with_services(work)
    show({"client_id": client_id, "deleted": True}, as_json=as_json)


def _policy(second_factor: str | None, second_factor_from: str | None, max_age: str | None) -> dict[str, Any]:
    """What was given; an empty value takes it away."""
    given: dict[str, Any] = {} if second_factor is None else {"second_factor": second_factor}
    if second_factor_from is not None:
        given["second_factor_from"] = _moment(second_factor_from) if second_factor_from else None
    if max_age is not None:
        given["max_age"] = int(_duration(max_age, "--max-age").total_seconds()) if max_age else None
    return given


def _duration(text: str, option: str) -> timedelta:
    try:
        return settings.duration(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}.") from None


def _moment(text: str) -> datetime:
    try:
        return settings.moment(text)
    except ValueError as error:
        raise click.UsageError(f"--second-factor-from: {error}.") from None


async def _find(services: Services, client_id: str) -> ClientRecord:
    record = await clients.show(services.database, client_id)
    if record is None:
        fail(f"There is no client {client_id}.")
    return record


def _record(record: ClientRecord, secret: str | None = None) -> dict[str, Any]:
    found = record.client
    shown = {
        "client_id": found.client_id,
        "client_name": found.client_name,
        "token_endpoint_auth_method": found.token_endpoint_auth_method,
        "redirect_uris": list(found.redirect_uris),
        "post_logout_redirect_uris": list(found.post_logout_redirect_uris),
        "grant_types": list(found.grant_types),
        "scope": " ".join(found.scope),
        "audience": list(found.audience),
        "profile": found.profile,
        "second_factor": found.second_factor,
        "second_factor_from": found.second_factor_from,
        "max_age": found.max_age,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "disabled_at": record.disabled_at,
    }
    return shown if secret is None else shown | {"client_secret": secret}
