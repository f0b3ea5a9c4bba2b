"""The provider's own pages as something that people sign in to: the same sign-in as an app's, without an app."""

from idp.protocol.clients import AUTHORIZATION_CODE, DEFAULT_PROFILE, NONE, Client
from idp.settings import Settings

CLIENT_ID = "idp:account"  # no registered client is called so: theirs are UUIDs
(
    HOME,
    PROFILE,
    SECURITY,
    PASSWORD,
    PASSKEY,
    AUTHENTICATOR,
    RECOVERY_CODES,
    SESSIONS,
    APPS,
    ACTIVITY,
    EMAIL,
    ADDRESS,
) = PAGES = (
    "/",
    "/account/profile",
    "/account/security",
    "/account/password",
    "/account/passkey",
    "/account/authenticator",
    "/account/recovery-codes",
    "/account/sessions",
    "/account/apps",
    "/account/activity",
    "/account/email",
    "/account/address",
)
IN_MENU = (PROFILE, SECURITY, SESSIONS, APPS, ACTIVITY)
NEW_PASSKEY = "/account/new-passkey"  # what the page's script speaks to


def client(settings: Settings) -> Client:
    return Client(
        client_id=CLIENT_ID,
        client_name=settings.site_name,
        token_endpoint_auth_method=NONE,
        redirect_uris=tuple(settings.issuer + page for page in PAGES),
        post_logout_redirect_uris=(),
        grant_types=(AUTHORIZATION_CODE,),
        scope=(),
        audience=(),
        profile=DEFAULT_PROFILE,
    )


def confirm(page: str) -> str:
    """Where a person proves again who they are, and then comes back to this page."""
    return f"/confirm/{name(page)}"


def name(page: str) -> str:
    return page.rpartition("/")[2] or "home"
