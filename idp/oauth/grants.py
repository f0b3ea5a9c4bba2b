"""The grants as the token endpoint runs them: take, check by the rule book, record, and say what to issue."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from idp import audit
from idp.audit import Event, Origin
from idp.protocol import scopes
from idp.protocol.claims import Entitlement
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidGrant, OAuthError
from idp.protocol.grants import authorization_code, client_credentials, refresh_token
from idp.protocol.grants.authorization_code import Code, Exchange
from idp.protocol.grants.refresh_token import End, Family, Presented, Repeat, Rotate
from idp.protocol.params import Params
from idp.services import Services
from idp.store import grants as grant_rows
from idp.store import handles
from idp.store.db import Transaction
from idp.store.users import Subject

Issued = tuple[Entitlement, str | None]  # what the tokens say, and the refresh token


@dataclass(frozen=True)
class TokenRequest:
    """A token request whose client is authenticated."""

    services: Services
    params: Params
    client: Client
    origin: Origin


async def exchange_code(request: TokenRequest) -> Issued:
    """The take and the grant that it makes are one transaction."""
    services, now = request.services, request.services.clock()
    secret = request.params.require("code")
    async with services.database.transaction() as transaction:
        taken = await handles.take(transaction, handles.CODE, secret, now)
        if taken is None:
            raise InvalidGrant(authorization_code.NOT_VALID, await _replayed(transaction, request, secret))
        code = Code.from_json(taken.data)
        try:
            exchange = authorization_code.check(code, taken.expires_at, request.params, request.client, now)
            subject = await _subject(transaction, services, code)
        except OAuthError:
            await _record(transaction, request, Event.CODE_REFUSED, code)
            raise
        seed = await _make_grant(transaction, services, code, exchange)
        await _record(transaction, request, Event.CODE_REDEEMED, code, subject)
        await _evict(transaction, request, code, subject)
    if code.code_challenge is not None:
        services.challenges.used(code.client_id, code.code_challenge)
    token = None if seed is None else refresh_token.mint(code.grant_id, 0, seed)
    return exchange.entitlement, token


async def _replayed(transaction: Transaction, request: TokenRequest, secret: str) -> str:
    """RFC 9700 section 4.5.3: the second use of a code ends what the first one gave. What there is to say of it."""
    used = await handles.find(transaction, handles.CODE, secret)
    if used is None:
        return "unknown code"
    code = Code.from_json(used.data)
    await grant_rows.end(transaction, code.grant_id, "its authorization code was used again", request.services.clock())
    await _record(transaction, request, Event.CODE_REPLAYED, code)
    when = "just now" if used.used_at is None else f"at {used.used_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"the code was used already, {when}; what it gave has ended"


async def _subject(transaction: Transaction, services: Services, code: Code) -> Subject:
    now, idle = services.clock(), services.settings.session_idle_lifetime
    subject = await grant_rows.may_redeem(transaction, code, now, idle)
    if subject is None:
        reason = await grant_rows.why_not(transaction, code, now, idle)
        raise InvalidGrant(authorization_code.NOT_VALID, reason)
    return subject


async def _make_grant(transaction: Transaction, services: Services, code: Code, exchange: Exchange) -> bytes | None:
    now = services.clock()
    seed = secrets.token_bytes(refresh_token.SEED_BYTES) if exchange.refresh else None
    await grant_rows.create(
        transaction,
        exchange.entitlement,
        offline=exchange.offline,
        sealed_seed=None if seed is None else services.sealer.seal(seed, grant_rows.PURPOSE, code.grant_id),
        now=now,
        until=now + services.settings.refresh_absolute_lifetime,
    )
    return seed


async def _evict(transaction: Transaction, request: TokenRequest, code: Code, subject: Subject) -> None:
    """An app that signs a person in again and again, and never signs out, keeps only the newest grants."""
    services = request.services
    ended = await grant_rows.end_older(
        transaction, code.user_id, code.client_id, services.settings.grants_per_app, services.clock()
    )
    if ended:
        await audit.record(
            transaction,
            services,
            Event.GRANT_EVICTED,
            request.origin,
            subject=subject,
            client_id=code.client_id,
            count=ended,
        )


async def _record(
    transaction: Transaction, request: TokenRequest, event: Event, code: Code, subject: Subject | None = None
) -> None:
    await audit.record(
        transaction,
        request.services,
        event,
        request.origin,
        user_id=code.user_id,
        subject=subject,
        client_id=request.client.client_id,
        grant_id=code.grant_id,
        session_id=code.sid,
    )


async def refresh(request: TokenRequest) -> Issued:
    """Read the row, judge the token, compare and set. Who loses the race is judged again by what the row then says."""
    presented = refresh_token.read(request.params.require("refresh_token"))
    while True:
        async with request.services.database.transaction() as transaction:
            issued = await _refresh_once(transaction, request, presented)
        if issued is not None:
            return issued


async def _refresh_once(transaction: Transaction, request: TokenRequest, presented: Presented) -> Issued | None:
    """None where another request moved the row between the reading and the setting."""
    services, now = request.services, request.services.clock()
    settings = services.settings
    family = await grant_rows.family(
        transaction,
        presented.family,
        services.sealer,
        now,
        settings.session_idle_lifetime,
        settings.refresh_idle_lifetime,
    )
    decision = refresh_token.decide(presented, family, request.client.client_id, now, settings.refresh_grace)
    assert family is not None  # noqa: S101  # decide refused otherwise
    if isinstance(decision, End):
        await grant_rows.end(transaction, family.grant_id, decision.reason, now)
        await _record_refresh(transaction, request, Event.REFRESH_REUSED, family, presented.generation)
        raise InvalidGrant(refresh_token.NOT_VALID, decision.reason)
    entitlement = _entitlement(family, request.client)
    scope = scopes.narrowed(request.params.get("scope"), entitlement.scope)
    generation = await _successor(transaction, request, family, decision)
    if generation is None:
        return None
    return replace(entitlement, scope=scope), refresh_token.mint(family.grant_id, generation, family.seed)


async def _successor(
    transaction: Transaction, request: TokenRequest, family: Family, decision: Rotate | Repeat
) -> int | None:
    if isinstance(decision, Repeat):
        await _record_refresh(transaction, request, Event.REFRESH_REPEATED, family, decision.generation)
        return decision.generation
    services = request.services
    idle = services.settings.session_idle_lifetime
    generation = await grant_rows.rotate(transaction, family.grant_id, decision.generation, services.clock(), idle)
    if generation is not None:
        await _record_refresh(transaction, request, Event.REFRESH_ROTATED, family, generation)
    return generation


def _entitlement(family: Family, client: Client) -> Entitlement:
    """What the family was granted and its client may still have. A refreshed ID token has no nonce (Core 12.2)."""
    return Entitlement(
        client_id=client.client_id,
        scope=tuple(scope for scope in family.scope if scope in client.scope),
        audience=client.audience,
        grant_id=family.grant_id,
        sub=family.user_id,
        authentication=family.authentication,
        nonce=None,
    )


async def _record_refresh(
    transaction: Transaction, request: TokenRequest, event: Event, family: Family, generation: int
) -> None:
    await audit.record(
        transaction,
        request.services,
        event,
        request.origin,
        user_id=family.user_id,
        client_id=request.client.client_id,
        grant_id=family.grant_id,
        generation=generation,
    )


async def for_client(request: TokenRequest) -> Issued:
    entitlement = client_credentials.check(request.params, request.client)
    await audit.record(
        request.services.database,
        request.services,
        Event.TOKEN_ISSUED,
        request.origin,
        client_id=request.client.client_id,
        grant_type=client_credentials.GRANT_TYPE,
    )
    return entitlement, None


GRANTS: Mapping[str, Callable[[TokenRequest], Awaitable[Issued]]] = {
    authorization_code.GRANT_TYPE: exchange_code,
    refresh_token.GRANT_TYPE: refresh,
    client_credentials.GRANT_TYPE: for_client,
}
