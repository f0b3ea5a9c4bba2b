"""Client authentication at the token endpoint: which one method was used, and whether the secret is right."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

from idp.protocol.clients import BASIC, NONE, POST, Client
from idp.protocol.errors import InvalidClient, InvalidRequest
from idp.protocol.params import Params

FAILED = "Client authentication failed."
WRONG_SECRET = "wrong client secret"  # noqa: S105  # a sentence
MAX_HEADER = 4096
_VSCHARS = re.compile(r"[\x20-\x7e]+")  # RFC 6749 appendices A.1 and A.2


@dataclass(frozen=True)
class ClientCredentials:
    """Who a request says it is, and by which method."""

    client_id: str
    method: str
    secret: str | None


def read(authorization: str | None, params: Params) -> ClientCredentials:
    """Exactly one method (RFC 6749 section 2.3); a client_id beside Basic must be the same client's."""
    secret = params.get("client_secret")
    client_id = params.get("client_id")
    if params.get("client_assertion") is not None or params.get("client_assertion_type") is not None:
        raise InvalidClient(FAILED, "client assertions are not supported")
    if authorization is not None:
        credentials = _basic(authorization)
        if secret is not None:
            raise InvalidRequest("The client authenticated in more than one way.")
        if client_id is not None and client_id != credentials.client_id:
            raise InvalidRequest("The parameter client_id is not the client that authenticated.")
        return credentials
    if client_id is None:
        raise InvalidClient(FAILED, "no client authentication and no client_id")
    return ClientCredentials(client_id, POST if secret is not None else NONE, secret)


def _basic(authorization: str) -> ClientCredentials:
    """RFC 6749 section 2.3.1: both parts are form-encoded before they are joined."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_HEADER:
        raise InvalidClient(FAILED, "the Authorization header is not Basic")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = decoded.partition(":")
        client_id, secret = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise InvalidClient(FAILED, "the Authorization header is malformed") from None
    if not colon or not _VSCHARS.fullmatch(client_id) or not _VSCHARS.fullmatch(secret):
        raise InvalidClient(FAILED, "the Authorization header is malformed")
    return ClientCredentials(client_id, BASIC, secret)


def check(credentials: ClientCredentials, client: Client | None, secret_hashes: tuple[str, ...]) -> Client:
    """The client, if it used the method it registered and one of its live secrets; InvalidClient otherwise."""
    matches = _any_matches(credentials.secret, secret_hashes)
    if client is None:
        raise InvalidClient(FAILED, "unknown or disabled client")
    if credentials.method != client.token_endpoint_auth_method:
        registered = client.token_endpoint_auth_method
        reason = f"used {credentials.method}, but registered {registered}"
        raise InvalidClient(FAILED, reason, received=credentials.method, expected=[registered])
    if not client.public and not matches:
        raise InvalidClient(FAILED, WRONG_SECRET)
    return client


def hash_secret(secret: str) -> str:
    """A generated secret has 256 bits, so a fast hash keeps it as well as a slow one would."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _any_matches(secret: str | None, hashes: tuple[str, ...]) -> bool:
    """Compares with each of them, so that the time does not tell which one matched. Without a hash nothing matches."""
    hashed = hash_secret(secret or "")
    matching = [hmac.compare_digest(hashed, each) for each in hashes or (hash_secret("\0"),)]
    return bool(hashes) and any(matching)
