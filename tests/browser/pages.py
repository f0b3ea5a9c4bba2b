"""Every page there is, and how a person comes to it."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyotp
from playwright.sync_api import Page

from idp.account import email_links
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.web import own, recoveries
from idp.web.notices import NOT_ME
from tests.browser.conftest import PROOF, App, Development, allow, name_oneself, press, sign_in
from tests.mail import link_in, mailed_link, text_of
from tests.provider import PASSWORD, Browser, authorize_url
from tests.signin.reading import eventually, query

Way = Callable[[Page, App], None]
SECOND = "ben@example.test", PASSWORD
WITHOUT_DEVICE = "cleo@example.test", PASSWORD
LEAKED = "leah@example.test", "password1234"
WITH_DEVICE = "dora@example.test", PASSWORD
LOST_DEVICE = "gwen@example.test", PASSWORD
BY_MAIL = "finn@example.test", PASSWORD
WITH_APPS = "elif@example.test", PASSWORD
RECOVERY_CODES: dict[int, list[str]] = {}  # of WITH_APPS, by the provider's port


def identify(page: Page, app: App) -> None:
    page.goto(app.url())


def no_name(page: Page, app: App) -> None:
    identify(page, app)
    page.locator("#username").fill("   ")
    press(page, "#continue")


def password(page: Page, app: App) -> None:
    identify(page, app)
    name_oneself(page)


def wrong_password(page: Page, app: App) -> None:
    identify(page, app)
    sign_in(page, password="not the right one")


def enrol(page: Page, app: App) -> None:
    page.goto(app.url(acr_values=ACR_TWO_FACTORS))
    sign_in(page, *WITHOUT_DEVICE)


def announced(page: Page, app: App) -> None:
    """A device that may be put off."""
    policy = ("--second-factor", "required", "--second-factor-from", "2999-01-01")
    client = app.provider.create_client(*policy, redirect_uri=f"{app.site.origin}/callback")
    page.goto(app.provider.issuer + authorize_url(client, PROOF.challenge))
    sign_in(page, *WITHOUT_DEVICE)


def wrong_first_code(page: Page, app: App) -> None:
    enrol(page, app)
    page.locator("#code").fill("000000")
    press(page, "#continue")


def factor(page: Page, app: App) -> None:
    page.goto(app.url())
    sign_in(page, *WITH_DEVICE)
    if page.locator("#code").count() == 0:  # the first time
        page.goto(app.url(acr_values=ACR_TWO_FACTORS))
        page.locator("#password").fill(WITH_DEVICE[1])
        press(page, "#continue")
        secret = page.locator("#secret").inner_text().replace(" ", "")
        page.locator("#code").fill(pyotp.TOTP(secret).now())
        press(page, "#continue")
        page.context.clear_cookies()
        page.goto(app.url())
        sign_in(page, *WITH_DEVICE)


def wrong_code(page: Page, app: App) -> None:
    factor(page, app)
    page.locator("#code").press_sequentially("00000")
    press(page, "#continue")
    page.locator("summary").click()


def no_mail_yet(app: App) -> None:
    """Those of the pages before are there."""
    eventually(app.provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    app.mails.clear()
    query(app.provider, "DELETE FROM counters")


def mailed(page: Page, app: App) -> None:
    """Ana's code is on its way."""
    no_mail_yet(app)
    password(page, app)
    press(page, "#send-code")


def wrong_mailed_code(page: Page, app: App) -> None:
    mailed(page, app)
    page.locator("#email-code").fill("1234567")
    press(page, "#continue")


def mail_link(page: Page, app: App) -> None:
    mailed(page, app)
    page.goto(app.provider.issuer + link_in(app.mails.newest()))


def link_elsewhere(page: Page, app: App) -> None:
    mailed(page, app)
    link = link_in(app.mails.newest())
    page.context.clear_cookies()
    page.goto(app.provider.issuer + link)


def too_many_mails(page: Page, app: App) -> None:
    mailed(page, app)
    query(app.provider, "UPDATE counters SET full_at = full_at + 1000000000")
    page.context.clear_cookies()
    password(page, app)
    press(page, "#send-code")
    query(app.provider, "DELETE FROM counters")


def factor_by_mail(page: Page, app: App) -> None:
    no_mail_yet(app)
    page.goto(app.url(acr_values=ACR_TWO_FACTORS))
    sign_in(page, *BY_MAIL)


def mailed_factor(page: Page, app: App) -> None:
    factor_by_mail(page, app)
    press(page, "#send")


def recover(page: Page, app: App) -> None:
    password(page, app)
    press(page, "#recover")


def recover_nobody(page: Page, app: App) -> None:
    recover(page, app)
    page.locator("#username").fill("   ")
    press(page, "#continue")


def recover_asked(page: Page, app: App) -> None:
    no_mail_yet(app)
    recover(page, app)
    press(page, "#continue")


def lost_device(page: Page, app: App) -> None:
    page.goto(app.url())
    sign_in(page, *LOST_DEVICE)
    if page.locator("#code").count() == 0:  # the first time
        page.goto(f"{app.provider.issuer}{own.AUTHENTICATOR}")
        page.locator("#code").fill(pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", "")).now())
        press(page, "#continue")
        page.context.clear_cookies()
        page.goto(app.url())
        sign_in(page, *LOST_DEVICE)
    press(page, "#recover")


def lost_asked(page: Page, app: App) -> None:
    """For the first time, so that it has to wait."""
    query(app.provider, "UPDATE users SET recovery_from = NULL")
    no_mail_yet(app)
    lost_device(page, app)
    press(page, "#continue")


def _mailed(app: App, link_page: str) -> str:
    eventually(app.provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mail = next(mail for mail in app.mails.mails if f"{link_page}/" in text_of(mail))
    return app.provider.issuer + mailed_link(mail, link_page)


def recovery_early(page: Page, app: App) -> None:
    lost_asked(page, app)
    page.goto(_mailed(app, recoveries.PAGE))


def set_password(page: Page, app: App) -> None:
    recover_asked(page, app)
    page.goto(_mailed(app, recoveries.PAGE))


def set_password_refused(page: Page, app: App) -> None:
    set_password(page, app)
    page.locator("#password").fill("elevenchars")
    press(page, "#continue")


def recovery_over(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}{recoveries.PAGE}")


def after_recovery(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}/recovered")


def not_me(page: Page, app: App) -> None:
    no_mail_yet(app)
    signed_in(page, app)
    page.goto(_mailed(app, NOT_ME))


def locked(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}/locked")


def change_email(page: Page, app: App) -> None:
    home(page, app)
    page.goto(f"{app.provider.issuer}{own.EMAIL}")


def confirm_email(page: Page, app: App) -> None:
    change_email(page, app)
    no_mail_yet(app)
    page.locator("#email").fill("ana@another-long-domain-name.example.test")
    press(page, "#continue")
    page.goto(_mailed(app, email_links.PAGE))


def email_changed(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}{email_links.DONE}")


def email_half_changed(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}{email_links.DONE}?next")


def new_password(page: Page, app: App) -> None:
    page.goto(app.url())
    sign_in(page, *LEAKED)


def wrong_new_password(page: Page, app: App) -> None:
    new_password(page, app)
    page.locator("#new-password").fill("elevenchars")
    press(page, "#continue")


def sign_up(page: Page, app: App) -> None:
    identify(page, app)
    press(page, "#sign-up")


def sign_up_refused(page: Page, app: App) -> None:
    sign_up(page, app)
    page.locator("#username").fill("zoe")
    press(page, "#continue")


def sign_up_sent(page: Page, app: App) -> None:
    no_mail_yet(app)
    sign_up(page, app)
    page.locator("#username").fill("zoe@example.test")
    press(page, "#continue")


def invited(app: App) -> str:
    """A link for somebody who has no account."""
    email = f"{secrets.token_hex(4)}@example.test"
    return str(app.provider.cli("user", "invite", email, "--name", "Zoe Example", "--print")["link"])


def join(page: Page, app: App) -> None:
    page.goto(invited(app))


def join_refused(page: Page, app: App) -> None:
    join(page, app)
    page.locator("#password").fill("elevenchars")
    press(page, "#continue")


def join_by_passkey(page: Page, app: App) -> None:
    join(page, app)
    press(page, "#by-passkey")


def signed_up(page: Page, app: App) -> None:
    join(page, app)
    page.locator("#password").fill("seven bright green umbrellas")
    press(page, "#continue")


def sign_up_over(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}/sign-up")


def confirm_address(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}{own.ADDRESS}")
    sign_in(page, "una@example.test")


def address_mailed(page: Page, app: App) -> None:
    no_mail_yet(app)
    confirm_address(page, app)
    press(page, "#continue")


def offer(page: Page, app: App) -> None:
    """A passkey is offered: this browser says that it could make one, as its script does where it can."""
    page.goto(app.url(prompt="login"))
    name_oneself(page)
    page.locator("input[name=passkeys]").first.evaluate("input => { input.value = 'can'; }")
    sign_in(page)


def consent(page: Page, app: App) -> None:
    page.goto(app.url(prompt="consent", scope="openid profile email offline_access"))
    sign_in(page)


def more_consent(page: Page, app: App) -> None:
    """Asked for more than was allowed before."""
    apps(page, app)
    press(page, "form[action$='/withdraw'] button")
    page.goto(app.url(scope="openid profile"))
    allow(page)
    page.goto(app.url(scope="openid profile email phone"))


def signed_in(page: Page, app: App) -> None:
    page.goto(app.url(scope="openid"))
    sign_in(page)
    allow(page)


def confirming(page: Page, app: App) -> None:
    signed_in(page, app)
    page.goto(app.url(prompt="login"))


def working(page: Page, app: App) -> None:
    """The page to which somebody goes back whose network used up its guesses."""
    password(page, app)
    page.goto(f"{page.url}?work")


def returning(page: Page, app: App) -> None:
    signed_in(page, app)
    page.context.clear_cookies(name=f"idp_session_{app.provider.port}")
    page.goto(app.url())


def home(page: Page, app: App) -> None:
    signed_in(page, app)
    page.goto(app.provider.issuer)


def two_people(page: Page, app: App) -> None:
    signed_in(page, app)
    page.goto(app.url(prompt="select_account"))
    press(page, "#another")
    sign_in(page, *SECOND)
    allow(page)


def select(page: Page, app: App) -> None:
    two_people(page, app)
    page.goto(app.url())


def home_of_two(page: Page, app: App) -> None:
    two_people(page, app)
    page.goto(app.provider.issuer)


def apps(page: Page, app: App) -> None:
    home(page, app)
    page.goto(f"{app.provider.issuer}{own.APPS}")


def no_apps(page: Page, app: App) -> None:
    apps(page, app)
    press(page, "form[action$='/withdraw'] button")


def activity(page: Page, app: App) -> None:
    home(page, app)
    page.goto(f"{app.provider.issuer}{own.ACTIVITY}")


def profile(page: Page, app: App) -> None:
    home(page, app)
    page.goto(f"{app.provider.issuer}{own.PROFILE}")


def profile_refused(page: Page, app: App) -> None:
    profile(page, app)
    page.locator("#nickname").fill("www.example.com")
    page.locator("#zoneinfo").fill("here")
    press(page, "#continue")


def security(page: Page, app: App) -> None:
    home(page, app)
    page.goto(f"{app.provider.issuer}{own.SECURITY}")


def sessions(page: Page, app: App) -> None:
    """Of which one began elsewhere, in a browser with a long name."""
    query(app.provider, "DELETE FROM sessions")
    home(page, app)
    elsewhere = Browser(app.provider.issuer)
    elsewhere.http.headers["User-Agent"] = "Mozilla/5.0 (Linux; Android 16) SamsungBrowser/29.0"
    elsewhere.sign_in(app.url())
    page.goto(f"{app.provider.issuer}{own.SESSIONS}")


def security_with_devices(page: Page, app: App) -> None:
    """Of somebody with an authenticator app; who comes again signs in by a recovery code."""
    codes = RECOVERY_CODES.setdefault(app.provider.port, [])
    page.goto(f"{app.provider.issuer}{own.SECURITY if codes else own.AUTHENTICATOR}")
    sign_in(page, *WITH_APPS)
    if codes:
        page.locator("summary").click()
        page.locator("#recovery").fill(codes.pop())
        press(page, "details button")
        if not codes:
            page.goto(f"{app.provider.issuer}{own.RECOVERY_CODES}")
            codes.extend(page.locator(".codes li").all_inner_texts())
            press(page, "#continue")
    else:
        codes.extend(page.locator(".codes li").all_inner_texts())
        page.locator("#code").fill(pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", "")).now())
        press(page, "#continue")


def recovery_codes(page: Page, app: App) -> None:
    security_with_devices(page, app)
    page.goto(f"{app.provider.issuer}{own.RECOVERY_CODES}")


def change_password(page: Page, app: App) -> None:
    home(page, app)
    page.goto(f"{app.provider.issuer}{own.PASSWORD}")


def change_refused(page: Page, app: App) -> None:
    change_password(page, app)
    page.locator("#current").fill("not the right one")
    page.locator("#password").fill("seven bright green umbrellas")
    press(page, "#continue")


def add_authenticator(page: Page, app: App) -> None:
    home(page, app)
    page.goto(f"{app.provider.issuer}{own.AUTHENTICATOR}")


def meaning(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}/errors/invalid_grant")


def home_of_nobody(page: Page, app: App) -> None:
    page.goto(app.provider.issuer)


def signed_out(page: Page, app: App) -> None:
    home(page, app)
    press(page, "#sign-out")


def sign_out(page: Page, app: App) -> None:
    signed_in(page, app)
    page.goto(app.logout_url(client_id=app.client["client_id"], post_logout_redirect_uri=app.bye))


def sign_out_two(page: Page, app: App) -> None:
    two_people(page, app)
    page.goto(app.logout_url())


def one_of_two_left(page: Page, app: App) -> None:
    two_people(page, app)
    page.goto(app.logout_url(id_token_hint=app.id_token()))


def not_signed_out(page: Page, app: App) -> None:
    page.goto(app.logout_url(client_id="never-was"))


def unknown_page(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}/nowhere")


def unknown_client(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}/authorize?client_id=never-was")


def over(page: Page, app: App) -> None:
    page.goto(f"{app.provider.issuer}/signin/never-was")


def no_cookie(page: Page, app: App) -> None:
    password(page, app)
    page.context.clear_cookies()
    page.locator("#password").fill("any")
    press(page, "#continue")


def form_post(page: Page, app: App) -> None:
    """The page that waits for a click where no script runs; its script waits, too, when somebody comes back."""
    page.route("**/static/form_post.js*", lambda route: route.abort("aborted"))
    page.goto(app.url(response_mode="form_post"))
    sign_in(page)
    allow(page)


PAGES: dict[str, Way] = {
    "identify": identify,
    "no name": no_name,
    "password": password,
    "wrong password": wrong_password,
    "working": working,
    "returning": returning,
    "confirming": confirming,
    "enrol": enrol,
    "announced": announced,
    "wrong first code": wrong_first_code,
    "factor": factor,
    "wrong code": wrong_code,
    "mailed": mailed,
    "wrong mailed code": wrong_mailed_code,
    "mail link": mail_link,
    "link elsewhere": link_elsewhere,
    "too many mails": too_many_mails,
    "factor by mail": factor_by_mail,
    "mailed factor": mailed_factor,
    "recover": recover,
    "recover nobody": recover_nobody,
    "recover asked": recover_asked,
    "lost device": lost_device,
    "lost asked": lost_asked,
    "recovery early": recovery_early,
    "set password": set_password,
    "set password refused": set_password_refused,
    "recovery over": recovery_over,
    "after recovery": after_recovery,
    "not me": not_me,
    "locked": locked,
    "change email": change_email,
    "confirm email": confirm_email,
    "email changed": email_changed,
    "email half changed": email_half_changed,
    "new password": new_password,
    "wrong new password": wrong_new_password,
    "sign up": sign_up,
    "sign up refused": sign_up_refused,
    "sign up sent": sign_up_sent,
    "join": join,
    "join refused": join_refused,
    "join by passkey": join_by_passkey,
    "signed up": signed_up,
    "sign up over": sign_up_over,
    "confirm address": confirm_address,
    "address mailed": address_mailed,
    "offer": offer,
    "consent": consent,
    "more consent": more_consent,
    "select": select,
    "home": home,
    "home of two": home_of_two,
    "profile": profile,
    "profile refused": profile_refused,
    "apps": apps,
    "no apps": no_apps,
    "activity": activity,
    "security": security,
    "sessions": sessions,
    "security with devices": security_with_devices,
    "recovery codes": recovery_codes,
    "change password": change_password,
    "change refused": change_refused,
    "add authenticator": add_authenticator,
    "meaning": meaning,
    "home of nobody": home_of_nobody,
    "signed out": signed_out,
    "sign out": sign_out,
    "sign out two": sign_out_two,
    "one of two left": one_of_two_left,
    "not signed out": not_signed_out,
    "unknown page": unknown_page,
    "unknown client": unknown_client,
    "over": over,
    "no cookie": no_cookie,
}


def demo_welcome(page: Page, development: Development) -> None:
    page.goto(development.app)


def demo_home(page: Page, development: Development) -> None:
    page.goto(f"{development.app}/sign-in")
    sign_in(page, development.email, development.password)
    allow(page)
    press(page, "#call-api")
    press(page, "#refresh")


def demo_signed_out(page: Page, development: Development) -> None:
    page.goto(f"{development.app}/signed-out")


def demo_signed_out_everywhere(page: Page, development: Development) -> None:
    page.goto(f"{development.app}/signed-out/everywhere")


def demo_error(page: Page, development: Development) -> None:
    page.goto(f"{development.app}/callback?error=access_denied")


def demo_identify(page: Page, development: Development) -> None:
    page.goto(f"{development.app}/sign-in")


def explained(page: Page, development: Development) -> None:
    """An app sends a person with a redirect URI that looks like its own."""
    page.goto(f"{development.app}/sign-in")
    request = page.url if "/authorize?" in page.url else ""
    assert request, page.url
    page.goto(request.replace("callback", "c%D0%B0llback%2F"))


def mail_list(page: Page, development: Development) -> None:
    page.goto(f"{development.provider}/dev/mail")
    press(page, "#send-test")


def mail(page: Page, development: Development) -> None:
    mail_list(page, development)
    press(page, "li a >> nth=0")


DEVELOPMENT_PAGES: dict[str, Callable[[Page, Development], None]] = {
    "demo welcome": demo_welcome,
    "demo home": demo_home,
    "demo signed out": demo_signed_out,
    "demo signed out everywhere": demo_signed_out_everywhere,
    "demo error": demo_error,
    "identify in development": demo_identify,
    "explained": explained,
    "mail list": mail_list,
    "mail": mail,
}


@contextmanager
def all_pages(page: Page, app: App, development: Development) -> Iterator[Iterator[str]]:
    """Goes to each page in turn, each time as a new visitor; the names."""

    def walk() -> Iterator[str]:
        for name, way in PAGES.items():
            page.context.clear_cookies()
            way(page, app)
            yield name
        for name, show in DEVELOPMENT_PAGES.items():
            page.context.clear_cookies()
            show(page, development)
            yield name

    yield walk()
