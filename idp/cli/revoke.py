"""`idp revoke`: ending access, on every node at once."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click

from idp import audit
from idp.audit import COMMAND_LINE, Event
from idp.cli.people import find_person
from idp.cli.run import fail, json_option, show, with_services
from idp.oauth import presented
from idp.protocol.errors import InvalidToken
from idp.services import Services
from idp.store import clients, grants, sessions, tokens
from idp.store.db import Transaction

_BY = "revoked by the operator"


@click.group()
def revoke() -> None:
    """End access: refresh tokens, sessions, introspection and the provider's own endpoints know at once."""


@revoke.command()
@click.argument("token")
@json_option
def token(token: str, as_json: bool) -> None:
    """End one access token, or the family of a refresh token. "-" reads it from standard input."""
    found = sys.stdin.readline().strip() if token == "-" else token  # noqa: S105  # a sign, not a token
    _ended(lambda services, transaction: _token(services, transaction, found), as_json=as_json)


async def _token(services: Services, transaction: Transaction, found: str) -> dict[str, Any]:
    shown = presented.refresh(found)
    if shown is not None:
        family = await presented.family(transaction, services, shown)
        if family is None:
            fail("It is not a refresh token of this provider, or its grant is gone.")
        return await _grant(services, transaction, family.grant_id)
    try:
        access = presented.access(services, found)
    except InvalidToken as error:
        fail(f"It is not an access token that counts here: {error.reason}.")
    ended = await tokens.revoke(transaction, access.jti, access.until)
    await audit.record(
        transaction,
        services,
        Event.TOKEN_REVOKED,
        COMMAND_LINE,
        client_id=access.client_id,
        grant_id=access.grant_id,
        kind="access_token",
    )
    return {"jti": access.jti, "ended": ended}


@revoke.command()
@click.argument("grant_id")
@json_option
def grant(grant_id: str, as_json: bool) -> None:
    """End one grant: every token that came of one consent of one person to one app."""
    _ended(lambda services, transaction: _grant(services, transaction, grant_id), as_json=as_json)


async def _grant(services: Services, transaction: Transaction, grant_id: str) -> dict[str, Any]:
    of = await grants.parties(transaction, grant_id)
    if of is None:
        fail(f"There is no grant {grant_id}.")
    ended = await grants.end(transaction, grant_id, _BY, services.clock())
    await audit.record(
        transaction,
        services,
        Event.GRANT_REVOKED,
        COMMAND_LINE,
        user_id=of.user_id,
        client_id=of.client_id,
        grant_id=grant_id,
    )
    return {"grant_id": grant_id, "ended": ended}


@revoke.command()
@click.argument("sid")
@json_option
def session(sid: str, as_json: bool) -> None:
    """End one session, and the grants that end with it."""

    async def work(services: Services, transaction: Transaction) -> dict[str, Any]:
        user_id = await sessions.user_of(transaction, sid)
        if user_id is None:
            fail(f"There is no session {sid}.")
        now = services.clock()
        ended = await sessions.end(transaction, sid, now)
        count = await grants.end_of_session(transaction, sid, now)
        await audit.record(transaction, services, Event.SESSION_REVOKED, COMMAND_LINE, user_id=user_id, session_id=sid)
        return {"session_id": sid, "ended": ended, "grants": count}

    _ended(work, as_json=as_json)


@revoke.command()
@click.argument("who", metavar="EMAIL|ID")
@json_option
def user(who: str, as_json: bool) -> None:
    """End every session and grant of a person. They may sign in again; `idp user disable` prevents that."""

    async def work(services: Services, transaction: Transaction) -> dict[str, Any]:
        person, now = await find_person(services, who), services.clock()
        ended = await sessions.end_all_of(transaction, person.id, now)
        count = await grants.end_of_user(transaction, person.id, _BY, now)
        await audit.record(transaction, services, Event.USER_REVOKED, COMMAND_LINE, user_id=person.id)
        return {"sub": person.id, "sessions": ended, "grants": count}

    _ended(work, as_json=as_json)


@revoke.command()
@click.argument("client_id")
@json_option
def client(client_id: str, as_json: bool) -> None:
    """End every grant of an app, and every token that it got for itself. Its secrets go on."""

    async def work(services: Services, transaction: Transaction) -> dict[str, Any]:
        if await clients.show(transaction, client_id) is None:
            fail(f"There is no client {client_id}.")
        now = services.clock()
        count = await grants.end_of_client(transaction, client_id, _BY, now)
        await clients.end_tokens(transaction, client_id, now)
        await audit.record(transaction, services, Event.CLIENT_REVOKED, COMMAND_LINE, client_id=client_id)
        return {"client_id": client_id, "grants": count}

    _ended(work, as_json=as_json)


def _ended(work: Callable[[Services, Transaction], Awaitable[dict[str, Any]]], *, as_json: bool) -> None:
    async def opened(services: Services) -> dict[str, Any]:
        async with services.database.transaction() as transaction:
            return await work(services, transaction)

    show(with_services(opened), as_json=as_json)
