"""Redirect URIs: what may be registered, what equals it, and the only way to make a ReturnAddress."""

import re
from dataclasses import InitVar, dataclass
from urllib.parse import parse_qsl, urlsplit

from idp.protocol.clients import Client
from idp.protocol.errors import InvalidRedirectUri, UnregisteredRedirectUri

# Names that an authorization response carries: a registered query with one of them would make it ambiguous.
RESPONSE_PARAMETERS = frozenset(
    {
        "code",
        "state",
        "iss",
        "error",
        "error_description",
        "error_uri",
        "access_token",
        "id_token",
        "token_type",
    }
    | {"expires_in", "scope", "session_state", "response"}
)
MAX_LENGTH = 2000
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_SUSPICIOUS = re.compile(r"[\\<>\"`{}|^*]")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?(/.*)?", re.DOTALL)
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")  # it stands in a Content-Security-Policy: nothing there may end a word
_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
_PRIVATE_USE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
_VALIDATED = object()


@dataclass(frozen=True)
class ReturnAddress:
    """Where an answer may be sent. Only `return_address` makes one, so that an open redirect is a type error."""

    redirect_uri: str
    made_by_validation: InitVar[object]  # not kept, so that dataclasses.replace cannot pass it on

    def __post_init__(self, made_by_validation: object) -> None:
        if made_by_validation is not _VALIDATED:
            message = "a ReturnAddress comes from redirects.return_address alone"
            raise TypeError(message)


def return_address(client: Client, redirect_uri: str | None) -> ReturnAddress:
    """The validated address, or UnregisteredRedirectUri.

    Compared by string equality (RFC 9700 section 2.1), but for the port of a loopback literal that a public client
    registered (RFC 8252 section 7.3).
    """
    if redirect_uri is None:
        raise UnregisteredRedirectUri("The parameter redirect_uri is missing.")
    if any(_same(client, registered, redirect_uri) for registered in client.redirect_uris):
        return ReturnAddress(redirect_uri, _VALIDATED)
    raise UnregisteredRedirectUri(
        "The parameter redirect_uri is not registered for this client.",
        f"redirect_uri {redirect_uri[:300]!r} is none of {list(client.redirect_uris)}",
        received=redirect_uri,
        expected=client.redirect_uris,
    )


def _same(client: Client, registered: str, received: str) -> bool:
    if registered == received:
        return True
    if not client.public:
        return False
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(received)
    if ours is None or theirs is None:
        return False
    port = theirs[2]
    return ours[1] == theirs[1] and ours[3] == theirs[3] and (port is None or 0 < int(port) < 65536)


def check_registration(uri: str, *, public: bool) -> None:
    """Raises InvalidRedirectUri for one that may not be registered (RFC 9700 section 2.1, RFC 8252 sections 7, 8.4)."""
    reason = _objection(uri, public=public)
    if reason:
        raise InvalidRedirectUri("The redirect URI cannot be registered.", f"{uri[:300]!r}: {reason}")


def _objection(uri: str, *, public: bool) -> str | None:
    if not _PRINTABLE.fullmatch(uri) or len(uri) > MAX_LENGTH:
        return f"it must be 1 to {MAX_LENGTH} printable ASCII characters without spaces"
    if _SUSPICIOUS.search(uri):
        return "it holds a character that no URI may hold, or a wildcard"
    if "#" in uri:
        return "it must not have a fragment"
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "it is not a URI"
    if "@" in parts.netloc:
        return "it must not hold a user name or password"
    if port == 0:
        return "the port 0 does not exist"
    reserved = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} & RESPONSE_PARAMETERS)
    if reserved:
        return f"its query must not hold {', '.join(reserved)}, which the answer carries"
    return _scheme_objection(uri, parts.scheme, parts.hostname, public=public)


def _scheme_objection(uri: str, scheme: str, host: str | None, *, public: bool) -> str | None:
    if uri.startswith("https://"):
        return None if host and _HOST.fullmatch(host) else "it has no host, or one with a character that no host has"
    if uri.startswith("http://"):
        return None if host in _LOOPBACK_HOSTS else "http is for loopback addresses only; use https"
    if public and _PRIVATE_USE_SCHEME.fullmatch(scheme) and uri.startswith(f"{scheme}:/"):
        return None
    if public and ":" in uri:
        return "a private-use scheme is a reversed domain name such as com.example.app:/callback"
    return "it must start with https://"


def origin(uri: str) -> str | None:
    """The web origin of an http or https URI, as a browser's Origin header spells it; None for other schemes."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" if parts.port in (None, default) else f"{parts.scheme}://{host}:{parts.port}"


def host_of(uri: str) -> str:
    """What a person is shown of a redirect URI: its host, with the port on their own machine, or its scheme."""
    parts = urlsplit(uri)
    if parts.hostname in _LOOPBACK_HOSTS and parts.port:
        return parts.netloc
    return parts.hostname or parts.scheme
