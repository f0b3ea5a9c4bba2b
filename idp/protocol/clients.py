"""What a client is, and what the profile it follows demands of it."""

from dataclasses import dataclass
from datetime import datetime

AUTHORIZATION_CODE = "authorization_code"
REFRESH_TOKEN = "refresh_token"  # noqa: S105  # the name of a grant type
CLIENT_CREDENTIALS = "client_credentials"

BASIC = "client_secret_basic"
POST = "client_secret_post"
NONE = "none"
AUTH_METHODS = (BASIC, POST, NONE)
OPTIONAL, REQUIRED = SECOND_FACTOR = ("optional", "required")


@dataclass(frozen=True)
class Profile:
    """A row of the table of profiles: what a confidential client must do. Public ones need PKCE always."""

    pkce_required: bool


PROFILES = {
    "oauth2.1": Profile(pkce_required=True),
    "oidc-certified": Profile(pkce_required=False),
}
DEFAULT_PROFILE = "oauth2.1"


@dataclass(frozen=True)
class Client:
    """A registered client, with the names of RFC 7591 section 2.

    The last ones are the operator's policy for it: whether its people need a second factor, from when on, and how old
    their authentication may be, in seconds.
    """

    client_id: str
    client_name: str
    token_endpoint_auth_method: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    profile: str
    second_factor: str = OPTIONAL
    second_factor_from: datetime | None = None
    max_age: int | None = None

    @property
    def public(self) -> bool:
        return self.token_endpoint_auth_method == NONE

    @property
    def pkce_required(self) -> bool:
        return self.public or PROFILES[self.profile].pkce_required

    def may_use(self, grant_type: str) -> bool:
        return grant_type in self.grant_types
