"""Every URL."""

from starlette.routing import BaseRoute, Route

from idp.account import (
    activity,
    address,
    apps,
    authenticators,
    email,
    email_links,
    open_sessions,
    passkeys,
    passwords,
    profile,
    recovery_codes,
    security,
)
from idp.account.access import changed, ended, fresh, seen, written
from idp.oauth.authorize import authorize, stored
from idp.oauth.discovery import discovery, jwks, meaning
from idp.oauth.introspect import introspect
from idp.oauth.revoke import revoke
from idp.oauth.token import token
from idp.oauth.userinfo import userinfo
from idp.signin import (
    by_email,
    home,
    joining,
    logout,
    new_passkey,
    offering,
    pages,
    recover,
    recovered,
    replacing,
    second,
    sign_up,
    with_passkey,
)
from idp.signin.begin import begin
from idp.signin.confirm import confirm
from idp.signin.loading import posted, shown, to_page
from idp.web import choice, own, recoveries, sign_ups, well_known
from idp.web.cors import preflight
from idp.web.links import opened
from idp.web.notices import NOT_ME
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
    Route("/.well-known/passkey-endpoints", well_known.passkey_endpoints),
    Route("/.well-known/change-password", well_known.change_password),
    Route("/.well-known/webauthn", well_known.related_origins),
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
    Route(
        "/signin/{attempt}/passkey",
        shown(with_passkey.options, with_passkey.options_of_none, with_passkey.options_elsewhere),
    ),
    Route("/signin/{attempt}/passkey", posted(with_passkey.passkey), methods=["POST"]),
    Route(
        "/signin/{attempt}/new-passkey",
        shown(new_passkey.options, with_passkey.options_of_none, with_passkey.options_elsewhere),
    ),
    Route("/signin/{attempt}/new-passkey", posted(new_passkey.new_passkey), methods=["POST"]),
    Route("/signin/{attempt}/no-passkey", posted(offering.later), methods=["POST"]),
    Route("/signin/{attempt}/select", posted(pages.select), methods=["POST"]),
    Route("/signin/{attempt}/factor", posted(second.factor), methods=["POST"]),
    Route("/signin/{attempt}/send-code", posted(by_email.send), methods=["POST"]),
    Route("/signin/{attempt}/email", posted(by_email.code), methods=["POST"]),
    Route("/email/{link}", by_email.follow),
    Route("/signin/{attempt}/sign-up", shown(sign_up.show)),
    Route("/signin/{attempt}/sign-up", posted(sign_up.ask), methods=["POST"]),
    Route("/sign-up", joining.show),
    Route("/sign-up", joining.with_password, methods=["POST"]),
    Route("/sign-up/passkey", joining.options),
    Route("/sign-up/passkey", joining.with_passkey, methods=["POST"]),
    Route("/sign-up/{link}", opened(sign_ups.PAGE)),
    Route("/signed-up", joining.done),
    Route("/signin/{attempt}/new-password", posted(replacing.new_password), methods=["POST"]),
    Route("/signin/{attempt}/enrol", posted(second.enrol), methods=["POST"]),
    Route("/signin/{attempt}/later", posted(second.later), methods=["POST"]),
    Route("/signin/{attempt}/recover", shown(recover.show)),
    Route("/signin/{attempt}/recover", posted(recover.ask), methods=["POST"]),
    Route("/signin/{attempt}/consent", posted(pages.consent), methods=["POST"]),
    Route("/signin/{attempt}/switch", posted(pages.switch), methods=["POST"]),
    Route("/signin/{attempt}/{form}", to_page),
    Route(recoveries.PAGE, recovered.show),
    Route(recoveries.PAGE, recovered.set_password, methods=["POST"]),
    Route(f"{recoveries.PAGE}/{{link}}", opened(recoveries.PAGE)),
    Route(recovered.RECOVERED, recovered.recovered),
    Route(NOT_ME, recovered.not_me),
    Route(NOT_ME, recovered.lock, methods=["POST"]),
    Route(f"{NOT_ME}/{{link}}", opened(NOT_ME)),
    Route(recovered.LOCKED, recovered.locked),
    Route("/confirm/{page}", confirm),
    Route("/logout", logout.logout, methods=["GET", "POST"]),
    Route("/logout/{request}", logout.asked_before),
    Route("/logout/{request}", logout.confirmed, methods=["POST"]),
    Route("/", home.home),
    Route("/sign-out", home.sign_out, methods=["POST"]),
    Route("/switch-account", home.switch_account, methods=["POST"]),
    Route("/signed-out", home.signed_out),
    Route(own.PROFILE, seen(own.PROFILE, profile.show)),
    Route(own.PROFILE, written(own.PROFILE, profile.change), methods=["POST"]),
    Route(own.SECURITY, seen(own.SECURITY, security.overview)),
    Route(own.PASSWORD, fresh(own.PASSWORD, passwords.show)),
    Route(own.PASSWORD, changed(own.PASSWORD, passwords.change), methods=["POST"]),
    Route(f"{own.PASSWORD}/remove", changed(own.PASSWORD, passwords.remove), methods=["POST"]),
    Route(own.PASSKEY, fresh(own.PASSKEY, passkeys.show)),
    Route(own.NEW_PASSKEY, fresh(own.PASSKEY, passkeys.options)),
    Route(own.NEW_PASSKEY, changed(own.PASSKEY, passkeys.add), methods=["POST"]),
    Route(f"{own.PASSKEY}/{{passkey}}/rename", changed(own.SECURITY, passkeys.rename), methods=["POST"]),
    Route(f"{own.PASSKEY}/{{passkey}}/remove", changed(own.SECURITY, passkeys.remove), methods=["POST"]),
    Route(own.AUTHENTICATOR, fresh(own.AUTHENTICATOR, authenticators.show)),
    Route(own.AUTHENTICATOR, changed(own.AUTHENTICATOR, authenticators.add), methods=["POST"]),
    Route(f"{own.AUTHENTICATOR}/{{device}}/remove", changed(own.SECURITY, authenticators.remove), methods=["POST"]),
    Route(own.RECOVERY_CODES, fresh(own.RECOVERY_CODES, recovery_codes.show)),
    Route(own.RECOVERY_CODES, changed(own.RECOVERY_CODES, recovery_codes.replace), methods=["POST"]),
    Route(own.EMAIL, fresh(own.EMAIL, email.show)),
    Route(own.EMAIL, changed(own.EMAIL, email.change), methods=["POST"]),
    Route(email_links.PAGE, email_links.show),
    Route(email_links.PAGE, email_links.confirm, methods=["POST"]),
    Route(f"{email_links.PAGE}/{{link}}", opened(email_links.PAGE)),
    Route(email_links.DONE, email_links.done),
    Route(own.SESSIONS, seen(own.SESSIONS, open_sessions.show)),
    Route(own.SESSIONS, ended(own.SESSIONS, open_sessions.end_others), methods=["POST"]),
    Route(f"{own.SESSIONS}/{{session}}/end", ended(own.SESSIONS, open_sessions.end), methods=["POST"]),
    Route(own.ADDRESS, seen(own.ADDRESS, address.show)),
    Route(own.ADDRESS, ended(own.ADDRESS, address.send), methods=["POST"]),
    Route(f"{own.ADDRESS}/confirm", ended(own.ADDRESS, address.confirm), methods=["POST"]),
    Route(f"{own.ADDRESS}/{{link}}", opened(own.ADDRESS)),
    Route(own.APPS, seen(own.APPS, apps.show)),
    Route(f"{own.APPS}/{{client_id}}/withdraw", ended(own.APPS, apps.withdraw), methods=["POST"]),
    Route(own.ACTIVITY, seen(own.ACTIVITY, activity.show)),
    Route("/language", choice.choose, methods=["POST"]),
    Route("/errors/{error}", meaning),
    Route("/static/{file}", static),
)
API_PREFIXES = ("/token", "/userinfo", "/introspect", "/revoke", "/jwks", "/.well-known/")


def is_api(path: str) -> bool:
    return path.startswith(API_PREFIXES)
