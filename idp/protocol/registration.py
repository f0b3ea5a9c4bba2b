"""Client metadata: what makes a registration acceptable (RFC 7591 section 2, RFC 9700)."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from idp.protocol import redirects, scopes
from idp.protocol.clients import (
    AUTH_METHODS,
    AUTHORIZATION_CODE,
    BASIC,
    CLIENT_CREDENTIALS,
    DEFAULT_PROFILE,
    NONE,
    OPTIONAL,
    PROFILES,
    REFRESH_TOKEN,
    SECOND_FACTOR,
    Client,
)
from idp.protocol.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidScope

GRANT_TYPES = (AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS)
DEFAULT_GRANT_TYPES = (AUTHORIZATION_CODE, REFRESH_TOKEN)
DEFAULT_SCOPE = "openid profile email offline_access"
MAX_NAME = 100
MAX_AGE = 3650 * 86400
_ALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}
_CLIENT_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Registration:
    """What is asked for; None stands for the default, which depends on the rest."""

    client_name: str
    redirect_uris: tuple[str, ...] = ()
    public: bool = False
    grant_types: tuple[str, ...] = ()
    scope: str | None = None
    token_endpoint_auth_method: str | None = None
    profile: str = DEFAULT_PROFILE
    post_logout_redirect_uris: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    second_factor: str = OPTIONAL
    second_factor_from: datetime | None = None
    max_age: int | None = None


def register(client_id: str, wanted: Registration) -> Client:
    """The client that `wanted` makes. Raises InvalidClientMetadata or InvalidRedirectUri, with the reason."""
    grant_types = wanted.grant_types or DEFAULT_GRANT_TYPES
    method = wanted.token_endpoint_auth_method or (NONE if wanted.public else BASIC)
    client = Client(
        client_id=client_id,
        client_name=_name(wanted.client_name),
        token_endpoint_auth_method=method,
        redirect_uris=tuple(dict.fromkeys(wanted.redirect_uris)),
        post_logout_redirect_uris=tuple(dict.fromkeys(wanted.post_logout_redirect_uris)),
        grant_types=tuple(dict.fromkeys(grant_types)),
        scope=_scope(wanted.scope, grant_types),
        audience=tuple(dict.fromkeys(wanted.audience)),
        profile=wanted.profile,
        second_factor=wanted.second_factor,
        second_factor_from=wanted.second_factor_from,
        max_age=wanted.max_age,
    )
    if wanted.public and method != NONE:
        _refuse("a public client has no secret: its authentication method is none")
    check(client)
    return client


def looks_different(before: Client, after: Client) -> bool:
    """Whether who allowed the one would not know the other: by its name, or by a place that it sends people to."""
    return after.client_name != before.client_name or not _places(after) <= _places(before)


def _places(client: Client) -> set[tuple[str, str]]:
    return {urlsplit(uri)[:2] for uri in client.redirect_uris}


def check(client: Client) -> None:
    """Every rule that a client must meet, alone and between its fields."""
    if client.profile not in PROFILES:
        _refuse(f"unknown profile {client.profile!r}; there are: {', '.join(PROFILES)}")
    if client.token_endpoint_auth_method not in AUTH_METHODS:
        _refuse(f"unknown authentication method; there are: {', '.join(AUTH_METHODS)}")
    _check_grant_types(client)
    for uri in client.redirect_uris:
        redirects.check_registration(uri, public=client.public)
    for uri in client.post_logout_redirect_uris:
        redirects.check_registration(uri, public=client.public)
    for uri in client.audience:
        _check_audience(uri)
    _check_policy(client)


def _check_policy(client: Client) -> None:
    if client.second_factor not in SECOND_FACTOR:
        _refuse(f"unknown second factor policy; there are: {', '.join(SECOND_FACTOR)}")
    if client.max_age is not None and not 0 < client.max_age <= MAX_AGE:
        _refuse(f"the maximum age of an authentication is 1 to {MAX_AGE} seconds")


def _check_grant_types(client: Client) -> None:
    unknown = [grant for grant in client.grant_types if grant not in GRANT_TYPES]
    if unknown:
        _refuse(f"unknown grant type {unknown[0]!r}; there are: {', '.join(GRANT_TYPES)}")
    if client.may_use(CLIENT_CREDENTIALS) and client.public:
        _refuse("a public client has no credentials and cannot use client_credentials")
    if client.may_use(REFRESH_TOKEN) and not client.may_use(AUTHORIZATION_CODE):
        _refuse("refresh_token needs authorization_code beside it")
    if client.may_use(AUTHORIZATION_CODE) and not client.redirect_uris:
        raise InvalidRedirectUri("A client that signs people in needs a redirect URI.")
    if client.redirect_uris and not client.may_use(AUTHORIZATION_CODE):
        _refuse("a redirect URI is of no use without authorization_code")


def _name(name: str) -> str:
    cleaned = name.strip()
    if not cleaned or len(cleaned) > MAX_NAME or not cleaned.isprintable():
        _refuse(f"the name must be 1 to {MAX_NAME} printable characters")
    if any(len(_alphabets(word)) > 1 for word in cleaned.split()):
        _refuse("a word of the name mixes letters of two alphabets that look alike: people would read another name")
    return cleaned


def _alphabets(word: str) -> set[str]:
    """Which of the alphabets that look alike it is written in (UTS 39 section 5.1, single-script)."""
    return {unicodedata.name(letter, "").partition(" ")[0] for letter in word} & _ALIKE


def _scope(wanted: str | None, grant_types: tuple[str, ...]) -> tuple[str, ...]:
    if wanted is None and AUTHORIZATION_CODE not in grant_types:
        return ()
    try:
        parsed = scopes.parse(DEFAULT_SCOPE if wanted is None else wanted)
    except InvalidScope as error:
        raise InvalidClientMetadata(error.description) from None
    if REFRESH_TOKEN not in grant_types:
        return tuple(scope for scope in parsed if scope != scopes.OFFLINE_ACCESS)
    return parsed


def _check_audience(uri: str) -> None:
    """RFC 8707 section 2: an absolute URI without a fragment. Or a client id: of the API as one that introspects."""
    if _CLIENT_ID.fullmatch(uri):
        return
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not uri.isascii() or not uri.isprintable() or " " in uri or "#" in uri:
        _refuse(f"the audience {uri[:300]!r} must be an absolute URI without a fragment, or a client id")


def _refuse(reason: str) -> None:
    raise InvalidClientMetadata("The client metadata is not acceptable.", reason)
