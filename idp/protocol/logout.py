"""The logout request: which app asks, for which session, and where the person goes then (RP-Initiated Logout 1.0)."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any

from idp.protocol.authorize import state_of
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidRequest, InvalidToken, UnregisteredRedirectUri
from idp.protocol.id_token_hint import IdTokenHint, ReadHint
from idp.protocol.params import Params

_VALIDATED = object()


@dataclass(frozen=True)
class LogoutRequest:
    """A request in which every value has been judged but the address, which is its client's to register.

    `sid` is the session that an ID token of ours names; `hint_fault` says why the hint that came could not be read.
    """

    client_id: str | None
    post_logout_redirect_uri: str | None
    state: str | None
    sid: str | None
    hint_fault: str | None = None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "LogoutRequest":
        return cls(**stored)


@dataclass(frozen=True)
class PostLogoutAddress:
    """Where a person may be sent when signed out. Only `address_of` makes one: an open redirect is a type error."""

    uri: str
    state: str | None
    made_by_validation: InitVar[object]  # not kept, so that dataclasses.replace cannot pass it on

    def __post_init__(self, made_by_validation: object) -> None:
        if made_by_validation is not _VALIDATED:
            message = "a PostLogoutAddress comes from logout.address_of alone"
            raise TypeError(message)


def judge(params: Params, read_hint: ReadHint) -> LogoutRequest:
    """Section 2. A hint that cannot be read counts as none (section 4): it proves nothing, and the person is asked.

    Raises InvalidRequest, and UnregisteredRedirectUri for an address of nobody's.
    """
    params.refuse_repeated()
    hint, fault = _hint(params, read_hint)
    client_id, uri = params.get("client_id"), params.get("post_logout_redirect_uri")
    if hint is not None:
        if client_id not in (None, hint.client_id):
            raise InvalidRequest("The parameter id_token_hint was not issued to the client that client_id names.")
        client_id = hint.client_id
    if client_id is None and uri is not None:
        raise UnregisteredRedirectUri(
            "The parameter post_logout_redirect_uri needs client_id or id_token_hint beside it.",
            f"no client is named; id_token_hint: {fault or 'missing'}",
        )
    return LogoutRequest(client_id, uri, state_of(params), hint.sid if hint else None, fault)


def address_of(request: LogoutRequest, client: Client | None) -> PostLogoutAddress | None:
    """Where the person goes then, if the app said so; `client` is the one that the request names.

    Raises UnregisteredRedirectUri. Compared by string equality (section 3).
    """
    uri = request.post_logout_redirect_uri
    if uri is None:
        return None
    registered = client.post_logout_redirect_uris if client else ()
    if uri not in registered:
        raise UnregisteredRedirectUri(
            "The parameter post_logout_redirect_uri is not registered for this client.",
            f"post_logout_redirect_uri {uri[:300]!r} is none of {list(registered)}",
            received=uri,
            expected=registered,
        )
    return PostLogoutAddress(uri, request.state, _VALIDATED)


def _hint(params: Params, read_hint: ReadHint) -> tuple[IdTokenHint | None, str | None]:
    token = params.get("id_token_hint")
    if token is None:
        return None, None
    try:
        return read_hint(token), None
    except InvalidToken as error:
        return None, error.reason
