"""The authorization request: an ordered list of checks that reads like the specification."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idp.protocol import claims_request, pkce, redirects, scopes
from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS, ACR_VALUES
from idp.protocol.clients import AUTHORIZATION_CODE, Client
from idp.protocol.errors import (
    InvalidRequest,
    InvalidToken,
    OAuthError,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnknownClient,
    UnregisteredRedirectUri,
    UnsupportedResponseType,
)
from idp.protocol.id_token_hint import ReadHint
from idp.protocol.params import Params
from idp.protocol.redirects import ReturnAddress

RESPONSE_TYPES = ("code",)
QUERY, FORM_POST = "query", "form_post"
RESPONSE_MODES = (QUERY, FORM_POST)
NONE, LOGIN, CONSENT, SELECT_ACCOUNT = PROMPTS = ("none", "login", "consent", "select_account")
CREATE = "create"  # Initiating User Registration via OpenID Connect section 4
MAX_STATE = 2048
MAX_NONCE = 1024
MAX_LOGIN_HINT = 320
MAX_CLAIMS = 4096
MAX_LANGUAGES = 8
_LINE_BREAK = re.compile(r"[\r\n]")
_SECONDS = re.compile(r"[0-9]{1,9}")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,3}")


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request in which every value has been judged. `max_age` is in seconds; `code_challenge` is S256.

    `subject` is the person whom an id_token_hint or the parameter claims names: nobody else may be answered for.
    `acr_values` are those that exist here: the parameter is a wish, and others are passed over (OpenID Connect Core
    section 3.1.2.1). One of `essential_acr` stands in the ID token, unless there are none (section 5.5.1.1).
    """

    client_id: str
    redirect_uri: str
    response_mode: str
    scope: tuple[str, ...]
    state: str | None
    nonce: str | None
    code_challenge: str | None
    prompt: tuple[str, ...]
    max_age: int | None
    login_hint: str | None
    subject: str | None
    acr_values: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "AuthorizationRequest":
        named = ("scope", "prompt", "acr_values", "essential_acr", "ui_locales")
        tuples = {name: tuple(stored.get(name, ())) for name in named}
        return cls(**{**stored, **tuples})

    @property
    def asks_for_two_factors(self) -> bool:
        """Whether nothing less will do (RFC 9470 section 4): a weaker class beside it says that less will do too."""
        asked = (self.acr_values, self.essential_acr)
        return any(ACR_TWO_FACTORS in values and ACR_PASSWORD not in values for values in asked)


@dataclass(frozen=True)
class AnswerTo:
    """All that an answer to the app needs, known before the rest of the request is judged."""

    address: ReturnAddress
    response_mode: str
    state: str | None


class Refused(Exception):  # a carrier of an OAuthError, not an error of its own
    """A refusal that the app is to be told at a validated address."""

    def __init__(self, error: OAuthError, answer_to: AnswerTo) -> None:
        super().__init__(error.description)
        self.error = error
        self.answer_to = answer_to


def prompts(*, sign_up: bool) -> tuple[str, ...]:
    """The values of prompt that are supported, where strangers may make an account and where not."""
    return (*PROMPTS, CREATE) if sign_up else PROMPTS


def client_id_of(params: Params) -> str:
    """Which client asks. UnknownClient where that is not said exactly once."""
    client_id = params.get("client_id")
    if "client_id" in params.repeated:
        raise UnknownClient("The parameter client_id was sent more than once.")
    if client_id is None:
        raise UnknownClient("The parameter client_id is missing.")
    return client_id


def judge(
    params: Params, client: Client, read_hint: ReadHint, supported: Sequence[str] = PROMPTS
) -> tuple[AuthorizationRequest, AnswerTo]:
    """The judged request and where its answer goes; `supported` are the values that prompt may have.

    The redirect_uri comes first: until it is known to be registered, every refusal is an OAuthError to show to the
    person (RFC 9700 section 4.11.2). After that a refusal is `Refused`, and the app is told.
    """
    if "redirect_uri" in params.repeated:
        raise UnregisteredRedirectUri("The parameter redirect_uri was sent more than once.")
    address = redirects.return_address(client, params.get("redirect_uri"))
    answer_to = AnswerTo(address, _mode_for_errors(params), _state_for_errors(params))
    try:
        return _judge_rest(params, client, address, read_hint, supported), answer_to
    except OAuthError as error:
        raise Refused(error, answer_to) from error


def _judge_rest(
    params: Params, client: Client, address: ReturnAddress, read_hint: ReadHint, supported: Sequence[str]
) -> AuthorizationRequest:
    params.refuse_repeated()
    state = state_of(params)
    response_mode = _response_mode(params)
    _refuse_unsupported(params)
    _response_type(params, client)
    scope = scopes.granted(params.get("scope"), client.scope)
    challenge = pkce.check_challenge(
        params.get("code_challenge"), params.get("code_challenge_method"), required=client.pkce_required
    )
    claims = claims_request.parse(_bounded(params, "claims", MAX_CLAIMS))
    wished = (*(params.get("acr_values") or "").split(), *claims.acr_values)
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=address.redirect_uri,
        response_mode=response_mode,
        scope=scope,
        state=state,
        nonce=_bounded(params, "nonce", MAX_NONCE),
        code_challenge=challenge,
        prompt=_prompt(params, supported),
        max_age=_max_age(params),
        login_hint=(params.get("login_hint") or "")[:MAX_LOGIN_HINT] or None,
        subject=_one_person(_subject(params, client, read_hint), claims.subject),
        acr_values=tuple(dict.fromkeys(each for each in wished if each in ACR_VALUES)),
        essential_acr=claims.essential_acr,
        ui_locales=_languages(params),
    )


def state_of(params: Params) -> str | None:
    """RFC 6749 appendix A.5. A form would give back another line break than the one that came."""
    state = _bounded(params, "state", MAX_STATE)
    if state is not None and _LINE_BREAK.search(state):
        raise InvalidRequest("The parameter state holds a line break.")
    return state


def _state_for_errors(params: Params) -> str | None:
    """RFC 6749 section 4.1.2.1: state comes back with an error too, unless it is itself what is wrong."""
    try:
        return None if "state" in params.repeated else state_of(params)
    except InvalidRequest:
        return None


def _mode_for_errors(params: Params) -> str:
    mode = params.get("response_mode")
    return mode if mode in RESPONSE_MODES and "response_mode" not in params.repeated else QUERY


def _response_mode(params: Params) -> str:
    """OAuth 2.0 Multiple Response Types section 2.1 and Form Post Response Mode."""
    mode = params.get("response_mode") or QUERY
    if mode not in RESPONSE_MODES:
        raise InvalidRequest(
            "The parameter response_mode must be query or form_post.", received=mode, expected=RESPONSE_MODES
        )
    return mode


def _refuse_unsupported(params: Params) -> None:
    """OpenID Connect Core sections 6 and 7.2.1: what is not supported is refused under its own name."""
    if params.get("request") is not None:
        raise RequestNotSupported("The parameter request is not supported.")
    if params.get("request_uri") is not None:
        raise RequestUriNotSupported("The parameter request_uri is not supported.")
    if params.get("registration") is not None:
        raise RegistrationNotSupported("The parameter registration is not supported.")


def _response_type(params: Params, client: Client) -> None:
    """RFC 6749 section 3.1.1; implicit and hybrid do not exist (RFC 9700 section 2.1.2)."""
    response_type = params.require("response_type")
    if response_type not in RESPONSE_TYPES:
        raise UnsupportedResponseType(
            "The parameter response_type must be code.", received=response_type, expected=RESPONSE_TYPES
        )
    if not client.may_use(AUTHORIZATION_CODE):
        raise UnauthorizedClient(
            "This client may not use the authorization code grant.",
            received=AUTHORIZATION_CODE,
            expected=client.grant_types,
        )


def _bounded(params: Params, name: str, limit: int) -> str | None:
    """At most so many bytes of UTF-8: it travels in URLs."""
    value = params.get(name)
    if value is not None and len(value.encode()) > limit:
        raise InvalidRequest(f"The parameter {name} is too long.")
    return value


def _prompt(params: Params, supported: Sequence[str]) -> tuple[str, ...]:
    """OpenID Connect Core section 3.1.2.1."""
    asked = tuple(dict.fromkeys((params.get("prompt") or "").split()))
    if not set(asked) <= set(supported):
        raise InvalidRequest(
            "The parameter prompt holds a value that is not supported.",
            received=params.get("prompt"),
            expected=tuple(supported),
        )
    if NONE in asked and len(asked) > 1:
        raise InvalidRequest("The parameter prompt holds none together with another value.")
    return asked


def _max_age(params: Params) -> int | None:
    value = params.get("max_age")
    if value is None:
        return None
    if not _SECONDS.fullmatch(value):
        raise InvalidRequest(
            "The parameter max_age must be a whole number of seconds, at most nine digits.", received=value
        )
    return int(value)


def _languages(params: Params) -> tuple[str, ...]:
    """A wish (OpenID Connect Core section 3.1.2.1), so that nothing in it is an error: no tag, no wish."""
    wished = (params.get("ui_locales") or "").split(" ")
    return tuple(each for each in wished if _LANGUAGE.fullmatch(each))[:MAX_LANGUAGES]


def _subject(params: Params, client: Client, read_hint: ReadHint) -> str | None:
    """OpenID Connect Core section 3.1.2.1. With another app's token this one could ask after that one's people."""
    token = params.get("id_token_hint")
    if token is None:
        return None
    try:
        hint = read_hint(token)
    except InvalidToken as error:
        raise InvalidRequest("The parameter id_token_hint is not an ID token of ours.", error.reason) from error
    if hint.client_id != client.client_id:
        raise InvalidRequest("The parameter id_token_hint was not issued to this client.")
    return hint.sub


def _one_person(hinted: str | None, claimed: str | None) -> str | None:
    if None not in (hinted, claimed) and hinted != claimed:
        raise InvalidRequest("The parameters id_token_hint and claims name two people.")
    return hinted or claimed
