"""CS-01, CS-02: every post needs the token of its own page, from this browser, and comes from a page of ours."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import httpx2
import pytest
from starlette.routing import Route

from idp import routes
from tests.provider import EMAIL, PASSWORD, Browser, Provider, forms
from tests.signin.conftest import BEN, BENS_PASSWORD, App
from tests.signin.reading import expire, heading_of, page_of, path_of, post, sid_of, state_of, step_of, token_of

# A cross-site post is how these requests may come; it carries no authority and changes nothing of a person's.
EXEMPT = {"/authorize", "/logout"}
EXEMPT |= {"/language"}  # it changes what language this browser reads; its origin is checked all the same
# Their forms belong to a link that was mailed, and have tests of their own beside what they do.
MAILED = {"/recover", "/not-me", "/email-change", "/sign-up", "/sign-up/passkey"}
POSTS = sorted(
    route.path
    for route in routes.PAGES
    if isinstance(route, Route) and "POST" in (route.methods or ()) and route.path not in EXEMPT | MAILED
)
FIELDS = {
    "/signin/{attempt}/identify": {"username": BEN, "password": BENS_PASSWORD},
    "/signin/{attempt}/password": {"password": PASSWORD},
    "/signin/{attempt}/passkey": {"credential": "{}"},
    "/signin/{attempt}/new-passkey": {"credential": "{}"},
    "/signin/{attempt}/no-passkey": {},
    "/signin/{attempt}/select": {"sid": "their own"},
    "/signin/{attempt}/factor": {"method": "totp", "code": "123456"},
    "/signin/{attempt}/send-code": {},
    "/signin/{attempt}/email": {"code": "12345678"},
    "/signin/{attempt}/sign-up": {"username": BEN},
    "/signin/{attempt}/new-password": {"new_password": "wok plum fjord"},
    "/signin/{attempt}/enrol": {"code": "123456", "name": "Phone"},
    "/signin/{attempt}/later": {},
    "/signin/{attempt}/recover": {},
    "/signin/{attempt}/consent": {"decision": "allow"},
    "/signin/{attempt}/switch": {"forget": "yes"},
    "/logout/{request}": {},
    "/sign-out": {},
    "/switch-account": {"sid": "their own"},
    "/account/password": {"current": "not their own", "password": "yet another good password"},
    "/account/password/remove": {},
    "/account/new-passkey": {"credential": "{}"},
    "/account/passkey/{passkey}/rename": {"name": "Phone"},
    "/account/passkey/{passkey}/remove": {},
    "/account/authenticator": {"code": "123456", "setup": "any", "name": "Phone"},
    "/account/authenticator/{device}/remove": {},
    "/account/recovery-codes": {"setup": ".any"},
    "/account/email": {"email": "new@example.test"},
    "/account/address": {},
    "/account/address/confirm": {},
    "/account/profile": {"name": "Ana Example"},
    "/account/apps/{client_id}/withdraw": {},
    "/account/sessions": {},
    "/account/sessions/{session}/end": {},
}

WITHDRAW = "/account/apps/{client_id}/withdraw"
# One changes the cookie alone; the others are of steps that are not the one at hand, or would have to bring a right
# password, code or passkey; they have tests of their own.
OF_NO_EFFECT = {
    "/switch-account",
    "/signin/{attempt}/factor",
    "/signin/{attempt}/send-code",
    "/signin/{attempt}/email",
    "/signin/{attempt}/enrol",
    "/signin/{attempt}/new-password",
    "/signin/{attempt}/later",
    "/signin/{attempt}/recover",
    "/signin/{attempt}/sign-up",
    "/signin/{attempt}/passkey",
    "/signin/{attempt}/new-passkey",
    *(route for route in FIELDS if route.startswith("/account/") and route != WITHDRAW),
}


@dataclass(frozen=True)
class Target:
    """A post that would be obeyed, were it the person's own."""

    browser: Browser
    path: str
    fields: dict[str, str]

    def send(self, origin: str | None, **changes: str | None) -> httpx2.Response:
        fields = {name: value for name, value in (self.fields | changes).items() if value is not None}
        return post(self.browser, self.path, origin, **fields)


def signed_in(provider: Provider, app: App) -> Browser:
    """A browser with Ana's session, an app that she allowed, and a consent page on which she is asked for more."""
    browser = Browser(provider.issuer)
    browser.sign_in(app.url(scope="openid"))
    browser.open(app.url())
    assert step_of(browser) == "consent"
    return browser


def target(provider: Provider, browser: Browser, app: App, route: str) -> Target:
    if route.startswith("/signin/"):
        path, token = route.replace("/signin/{attempt}", path_of(browser)), token_of(browser)
    else:
        form = forms(browser.http.get("/logout" if route == "/logout/{request}" else "/").text)[0]
        path = form.action if route == "/logout/{request}" else route.replace("{client_id}", app.client_id)
        token = form.fields["csrf"]
    fields = FIELDS[route] | {"csrf": token}
    if "sid" in fields:
        fields["sid"] = sid_of(provider, browser)
    return Target(browser, path, fields)


Attack = Callable[[Target, Target, Target], httpx2.Response]
# Each gets the target, the same form of another attempt in this browser, and that of another browser.
ATTACKS: dict[str, Attack] = {
    "no token": lambda target, _, __: target.send(target.browser.issuer, csrf=None),
    "no token and no origin": lambda target, _, __: target.send(None, csrf=None),
    "empty token": lambda target, _, __: target.send(target.browser.issuer, csrf=""),
    "half a token": lambda target, _, __: target.send(target.browser.issuer, csrf=target.fields["csrf"][:20]),
    "invented token": lambda target, _, __: target.send(target.browser.issuer, csrf="A" * 43 + "." + "A" * 43),
    "token that is not ascii": lambda target, _, __: target.send(target.browser.issuer, csrf="\U0001f511" * 43),
    "token of another browser": lambda target, _, other: target.send(target.browser.issuer, csrf=other.fields["csrf"]),
    "token in the address": lambda target, _, __: replace(
        target, path=f"{target.path}?{urlencode({'csrf': target.fields['csrf']})}"
    ).send(target.browser.issuer, csrf=None),
    "origin null": lambda target, _, __: target.send("null"),
    "foreign origin": lambda target, _, __: target.send("https://evil.example"),
    "origin on another port": lambda target, _, __: target.send("http://localhost:1"),
    "origin by the other scheme": lambda target, _, __: target.send(
        target.browser.issuer.replace("http://", "https://")
    ),
    "origin that begins with ours": lambda target, _, __: target.send(f"{target.browser.issuer}.evil.example"),
    "two origins": lambda target, _, __: target.send(f"{target.browser.issuer}, https://evil.example"),
}


def test_cs02_every_post_there_is_has_been_thought_of() -> None:
    """The attacker looks for a post that was forgotten when the others were protected."""
    assert set(POSTS) == set(FIELDS)


@pytest.mark.parametrize("route", POSTS)
def test_cs02_no_forged_post_changes_anything(provider: Provider, app: App, route: str) -> None:
    """The attacker's page posts our forms from its visitor's browser, with no token, one of his own, or half of one."""
    browser, other = signed_in(provider, app), signed_in(provider, app)
    aim, theirs = target(provider, browser, app, route), target(provider, other, app, route)
    before = state_of(provider)
    for name, attack in ATTACKS.items():
        answer = attack(aim, aim, theirs)
        assert answer.status_code == 403, name
        assert heading_of(answer) == "This form could not be trusted", name
        assert not answer.headers.get_list("set-cookie"), name
        assert state_of(provider) == before, name
    assert aim.send(None).status_code == 303  # the same post with its own token is obeyed, also without an Origin
    assert state_of(provider) != before or route in OF_NO_EFFECT


@pytest.mark.parametrize("route", POSTS)
def test_cs02_what_a_post_does_is_not_done_by_an_address(provider: Provider, app: App, route: str) -> None:
    """The attacker puts the whole form into a link or an image, which a browser opens without asking anybody."""
    aim = target(provider, signed_in(provider, app), app, route)
    before = state_of(provider)
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"):
        aim.browser.http.request(method, f"{aim.path}?{urlencode(aim.fields)}", headers={"Origin": provider.issuer})
        assert state_of(provider) == before, method


@pytest.mark.parametrize("route", [route for route in POSTS if route.startswith("/signin/")])
def test_cs02_the_token_of_another_attempt_is_refused(provider: Provider, app: App, route: str) -> None:
    """The attacker uses the token of one sign-in for another one in the same browser."""
    browser = signed_in(provider, app)
    aim = target(provider, browser, app, route)
    browser.open(app.url())
    other = target(provider, browser, app, route)
    assert other.path != aim.path
    before = state_of(provider)
    assert aim.send(provider.issuer, csrf=other.fields["csrf"]).status_code == 403
    assert state_of(provider) == before


@pytest.mark.parametrize("route", [route for route in POSTS if route.startswith("/signin/")])
def test_cs02_a_token_from_before_the_sign_in_does_nothing_after_it(
    provider: Provider, at_password: Browser, app: App, route: str
) -> None:
    """The attacker knows a token from before the sign-in, and uses it after it."""
    early = token_of(at_password)
    at_password.submit(password=PASSWORD)
    aim = target(provider, at_password, app, route)
    before = state_of(provider)
    answer = aim.send(provider.issuer, csrf=early)
    assert (answer.status_code, answer.headers["location"]) == (303, path_of(at_password))
    assert state_of(provider) == before


@pytest.mark.parametrize("route", [route for route in POSTS if not route.startswith("/signin/")])
def test_cs02_a_token_of_the_same_persons_earlier_session_is_refused(provider: Provider, app: App, route: str) -> None:
    """The attacker knows a token of the same person's earlier sign-in."""
    browser = signed_in(provider, app)
    early = target(provider, browser, app, route)
    browser.open(app.url(prompt="login"))
    browser.submit(action="/password", password=PASSWORD)
    assert early.send(provider.issuer).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_cs01_nobody_is_signed_in_as_the_attacker(provider: Provider, app: App, origin: str) -> None:
    """The attacker's page posts the attacker's own form; the victim's browser adds what cookies it would."""
    attacker, victim = Browser(provider.issuer), Browser(provider.issuer)
    attacker.open(app.url())
    attacker.submit(username=BEN)
    victim.open(app.url())
    path, token = path_of(attacker), token_of(attacker)
    before = state_of(provider)
    for browser, status in ((victim, 303), (Browser(provider.issuer), 400)):  # with the Lax cookie, and without
        answer = post(browser, f"{path}/password", origin, csrf=token, password=BENS_PASSWORD)
        assert answer.status_code == status
        assert answer.headers.get("location", "/authorize?").startswith("/authorize?")  # to a sign-in of their own
        assert not answer.headers.get_list("set-cookie")
    answer = post(victim, f"{path_of(victim)}/identify", origin, csrf=token, username=BEN, password=BENS_PASSWORD)
    assert answer.status_code == 403
    assert state_of(provider) == before


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
@pytest.mark.parametrize("path", ["/sign-out", "/account/apps/any/withdraw"])
def test_cs02_a_cookieless_post_from_elsewhere_signs_nobody_out(browser: Browser, path: str, origin: str) -> None:
    """The attacker's page posts to our sign-out: the browser sends no cookie with it, but would obey a clearing."""
    answer = post(browser, path, origin)
    assert answer.status_code == 403
    assert not answer.headers.get_list("set-cookie")


def test_cs02_a_post_to_an_attempt_that_is_over_needs_its_token_too(provider: Provider, app: App) -> None:
    """The attacker's page posts to an attempt of an hour ago, whose person is signed in and has allowed the app."""
    browser = signed_in(provider, app)
    browser.open(app.url(prompt="consent", scope="openid"))
    path = expire(provider, browser)
    for origin in (provider.issuer, "null", "https://evil.example", None):
        answer = post(browser, f"{path}/identify", origin, username=BEN)
        assert answer.status_code == 403
        assert "code=" not in answer.headers.get("location", "")


def test_the_page_after_a_forged_post_leads_back(at_password: Browser) -> None:
    path = path_of(at_password)
    answer = post(at_password, f"{path}/password", password=PASSWORD)
    assert f'href="{path}">Back to the page</a>' in answer.text
    at_password.open(path)
    assert EMAIL in page_of(at_password).text
    at_password.submit(password=PASSWORD)
    assert step_of(at_password) == "consent"


def test_sign_out_and_withdrawing_ask_for_nothing_where_nobody_is_signed_in(browser: Browser, app: App) -> None:
    assert post(browser, "/sign-out").headers["location"] == "/signed-out"
    assert post(browser, f"/account/apps/{app.client_id}/withdraw").headers["location"] == "/confirm/apps"
