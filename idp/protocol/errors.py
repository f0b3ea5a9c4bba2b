"""Every error of the protocol, one class each.

An error has two faces. `description` is fixed text that anybody may see: it names the parameter and never repeats
what was sent. `reason` is free text for the log and for the client's owner, and so is the value that was `received`,
where it is no credential, beside those that were `expected`.
"""

from collections.abc import Sequence
from typing import ClassVar


class OAuthError(Exception):
    """An answer of the protocol to a request it refuses (RFC 6749 sections 4.1.2.1 and 5.2)."""

    error: ClassVar[str]
    status: ClassVar[int] = 400

    def __init__(
        self, description: str, reason: str = "", *, received: str | None = None, expected: Sequence[str] = ()
    ) -> None:
        super().__init__(description)
        self.description = description
        self.reason = reason or description
        self.received = received
        self.expected = tuple(expected)


class InvalidRequest(OAuthError):
    error = "invalid_request"


class InvalidClient(OAuthError):
    """Client authentication failed; the answer is 401 (RFC 6749 section 5.2)."""

    error = "invalid_client"
    status = 401


class TooManyRequests(OAuthError):
    """More than the client may send for now (RFC 6585 section 4); RFC 6749 has this code for what will pass."""

    error = "temporarily_unavailable"
    status = 429


class InvalidGrant(OAuthError):
    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    error = "unsupported_response_type"


class InvalidScope(OAuthError):
    error = "invalid_scope"


class AccessDenied(OAuthError):
    error = "access_denied"


class LoginRequired(OAuthError):
    """OpenID Connect Core section 3.1.2.6."""

    error = "login_required"


class AccountSelectionRequired(OAuthError):
    """OpenID Connect Core section 3.1.2.6."""

    error = "account_selection_required"


class ConsentRequired(OAuthError):
    """OpenID Connect Core section 3.1.2.6."""

    error = "consent_required"


class UnmetAuthenticationRequirements(OAuthError):
    """OpenID Connect Core Error Code unmet_authentication_requirements section 1."""

    error = "unmet_authentication_requirements"


class RequestNotSupported(OAuthError):
    """OpenID Connect Core section 3.1.2.6."""

    error = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """OpenID Connect Core section 3.1.2.6."""

    error = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    """OpenID Connect Core section 3.1.2.6."""

    error = "registration_not_supported"


class UnsupportedTokenType(OAuthError):
    """RFC 7009 section 2.2.1."""

    error = "unsupported_token_type"


class InvalidToken(OAuthError):
    """The access token is expired, revoked, malformed or not ours (RFC 6750 section 3.1)."""

    error = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    """RFC 6750 section 3.1."""

    error = "insufficient_scope"
    status = 403


class InvalidRedirectUri(OAuthError):
    """A redirect URI that cannot be registered (RFC 7591 section 3.2.2)."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    """Client metadata that cannot be registered (RFC 7591 section 3.2.2)."""

    error = "invalid_client_metadata"


class UnknownClient(OAuthError):
    """The authorization request names no client of ours: shown to the person, never redirected."""

    error = "invalid_client"


class UnregisteredRedirectUri(OAuthError):
    """The redirect_uri is not one of the client's: shown to the person, never redirected (RFC 9700 section 4.1)."""

    error = "invalid_request"
