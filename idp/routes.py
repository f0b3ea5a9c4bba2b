"""Every URL."""

from starlette.routing import BaseRoute, Route

from idp.oauth.authorize import authorize, stored
from idp.oauth.discovery import discovery, jwks, meaning
from idp.oauth.introspect import introspect
from idp.oauth.revoke import revoke
from idp.oauth.token import token
from idp.oauth.userinfo import userinfo
from idp.signin import home, logout, pages, replacing, second
from idp.signin.begin import begin
from idp.signin.loading import posted, shown, to_page
from idp.web.cors import preflight
from idp.web.pages import static

# The hot ones first. For apps and APIs; their errors are JSON.
API: tuple[BaseRoute, ...] = (
    Route("/token", token, methods=["POST"]),
    Route("/userinfo", userinfo, methods=["GET", "POST"]),
    Route("/introspect", introspect, methods=["POST"]),
    Route("/revoke", revoke, methods=["POST"]),
    Route("/jwks", jwks),
    Route("/.well-known/openid-configuration", discovery),
    Route("/.well-known/oauth-authorization-server", discovery),
    Route("/token", preflight, methods=["OPTIONS"]),
    Route("/userinfo", preflight, methods=["OPTIONS"]),
    Route("/revoke", preflight, methods=["OPTIONS"]),
)
# For people.
PAGES: tuple[BaseRoute, ...] = (
    Route("/signin/{attempt}/identify", posted(pages.identify), methods=["POST"]),
    Route("/signin/{attempt}/password", posted(pages.password), methods=["POST"]),
    Route("/authorize", authorize(begin), methods=["GET", "POST"]),
    Route("/authorize/{request}", stored(begin)),
    Route("/signin/{attempt}", shown(pages.show)),
    Route("/signin/{attempt}/step", shown(pages.step, pages.step_of_none, pages.step_elsewhere)),
    Route("/signin/{attempt}/select", posted(pages.select), methods=["POST"]),
    Route("/signin/{attempt}/factor", posted(second.factor), methods=["POST"]),
    Route("/signin/{attempt}/new-password", posted(replacing.new_password), methods=["POST"]),
    Route("/signin/{attempt}/enrol", posted(second.enrol), methods=["POST"]),
    Route("/signin/{attempt}/consent", posted(pages.consent), methods=["POST"]),
    Route("/signin/{attempt}/switch", posted(pages.switch), methods=["POST"]),
    Route("/signin/{attempt}/forget", posted(pages.forget), methods=["POST"]),
    Route("/signin/{attempt}/{form}", to_page),
    Route("/logout", logout.logout, methods=["GET", "POST"]),
    Route("/logout/{request}", logout.asked_before),
    Route("/logout/{request}", logout.confirmed, methods=["POST"]),
    Route("/", home.home),
    Route("/sign-out", home.sign_out, methods=["POST"]),
    Route("/switch-account", home.switch_account, methods=["POST"]),
    Route("/signed-out", home.signed_out),
    Route("/apps/{client_id}/withdraw", home.withdraw, methods=["POST"]),
    Route("/errors/{error}", meaning),
    Route("/static/{file}", static),
)
API_PREFIXES = ("/token", "/userinfo", "/introspect", "/revoke", "/jwks", "/.well-known/")


def is_api(path: str) -> bool:
    return path.startswith(API_PREFIXES)
