"""Cookies in the wrong hands: of a session that has ended, of a device, and where no cookie may be seen."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from idp.factors.throttling import MOST_FAILURES
from idp.services import Services
from idp.store import users
from idp.web import devices, own
from tests.account.test_account import ANOTHER_PASSWORD, code_of, secret_on, signed_in
from tests.mail import Catcher, link_in
from tests.oauth.wire import send, with_services
from tests.provider import EMAIL, PASSWORD, TLS, Browser, Provider, answer_of, forms, running, tokens_for
from tests.signin.conftest import BEN, BENS_PASSWORD, App
from tests.signin.reading import heading_of, page_of, query, sid_of, step_of
from tests.signin.test_cookies import ISSUER, NOT_SIGNED_IN, SIGNED_IN, Tls, set_cookies
from tests.signin.test_throttling import at_password, guess, signed_in_device

WORKERS, EACH = 3, 12
ENDED_BY = (
    "sign-out",
    "revoke session",
    "revoke user",
    "disable",
    "delete",
    "set-password",
    "reset-factors",
    "their new password",
    "their device removed",
)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider with several workers, each of which may remember what it likes."""
    with running(tmp_path_factory.mktemp("workers"), workers=str(WORKERS)) as provider:
        yield provider


@dataclass(frozen=True)
class Stolen:
    """All cookies of a browser, kept by somebody else; `url` asks for a code without a page."""

    provider: Provider
    cookies: str
    url: str

    def asked(self, path: str) -> list[httpx2.Response]:
        """The answers of many connections at once, so that every worker is asked."""
        headers = {"Cookie": self.cookies}

        def ask(_: int) -> httpx2.Response:
            return httpx2.get(self.provider.issuer + path, headers=headers, timeout=30, verify=TLS)

        with ThreadPoolExecutor(EACH) as pool:
            return list(pool.map(ask, range(EACH)))

    def home(self) -> set[str]:
        return {heading_of(answer) for answer in self.asked("/")}

    def errors(self) -> set[str]:
        return {answer_of(answer).get("error", "") for answer in self.asked(self.url)}

    def account(self, page: str) -> set[str]:
        """Where the account's page sends its visitor; "" where it is shown."""
        return {answer.headers.get("location", "") for answer in self.asked(page)}


def stolen(provider: Provider, browser: Browser, app: App) -> Stolen:
    """Every worker has seen that the cookies are good."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    thief = Stolen(provider, cookies, app.url(prompt="none", scope="openid"))
    assert thief.home() == {SIGNED_IN}
    assert thief.errors() == {""}
    assert thief.account(own.SECURITY) == {""}
    return thief


def with_device(provider: Provider, email: str) -> tuple[Browser, str]:
    """A browser in which a person has just set up an app, and its secret."""
    browser = signed_in(provider, own.AUTHENTICATOR, email)
    secret = secret_on(page_of(browser))
    browser.submit(code=code_of(secret), name="Phone")
    return browser, secret


def end(provider: Provider, how: str, victim: Browser, elsewhere: Browser, email: str) -> None:
    """Returns when the command does, or the page of who did it is there."""
    if how == "sign-out":
        victim.open("/")
        victim.submit(action="/sign-out")
    elif how == "revoke session":
        provider.cli("revoke", "session", sid_of(provider, victim))
    elif how == "revoke user":
        provider.cli("revoke", "user", email)
    elif how == "delete":
        provider.cli("user", "delete", email)
    elif how == "set-password":
        provider.cli("user", "set-password", email, "--password-stdin", stdin=ANOTHER_PASSWORD + "\n")
    elif how in ("disable", "reset-factors"):
        provider.cli("user", how, email)
    elif how == "their new password":
        elsewhere.open(own.PASSWORD)
        page = elsewhere.submit(current=PASSWORD, password=ANOTHER_PASSWORD, elsewhere="end")
        assert "Your new password counts" in page.text
    else:
        assert "was removed" in elsewhere.submit(action="/remove").text


@pytest.mark.slow
@pytest.mark.parametrize("how", ENDED_BY)
def test_se_06_a_copied_session_cookie_opens_nothing_on_any_worker_once_it_was_ended(
    several: Provider, how: str
) -> None:
    """The attacker copied all cookies of a browser, and asks every worker at once when its session has been ended."""
    email = f"{how.replace(' ', '-')}@example.test"
    several.create_user(email)
    app = App(several.create_client())
    if how == "their device removed":
        elsewhere, secret = with_device(several, email)
        victim = signed_in(several, own.SECURITY, email)
        victim.submit(action="/factor", code=code_of(secret, 1))
    else:
        elsewhere, victim = signed_in(several, own.SECURITY, email), signed_in(several, own.SECURITY, email)
    victim.open(app.url(scope="openid"))
    victim.submit(action="/consent", button="allow")
    thief = stolen(several, victim, app)
    end(several, how, victim, elsewhere, email)
    assert thief.home() == {NOT_SIGNED_IN}
    assert thief.errors() == {"login_required"}
    for page in own.PAGES[1:]:
        assert thief.account(page) == {own.confirm(page)}, page


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider that slows guessers down as an installation does."""
    with running(tmp_path_factory.mktemp("guarded"), failures_before_wait="9", failures_before_lock="20") as provider:
        provider.create_user()
        provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
        yield provider


@pytest.fixture
def shop(guarded: Provider) -> Iterator[App]:
    """An app; nobody has guessed, and Ana's password is as it was."""
    for table in ("failures", "counters", "sessions"):
        query(guarded, f"DELETE FROM {table}")  # noqa: S608
    query(guarded, "UPDATE users SET devices_valid_from = NULL")
    before = query(guarded, "SELECT id, data, version FROM credentials")
    yield App(guarded.create_client())
    for each, data, version in before:
        query(guarded, "UPDATE credentials SET data = ?, version = ? WHERE id = ?", data, version, each)


def name_of_device(provider: Provider) -> str:
    return f"idp_device_{provider.port}"


def made_to_wait(provider: Provider, app: App, email: str, limit: str) -> None:
    """A stranger uses up what may be tried: of this account, or from this network."""
    guess(at_password(app, provider, email))
    if limit == "account":
        query(provider, "UPDATE failures SET count = ?", MOST_FAILURES)
    else:
        query(provider, "DELETE FROM failures")
        query(provider, "UPDATE counters SET full_at = full_at + 100000000000")


@pytest.mark.parametrize("limit", ["account", "network"])
def test_se_14_a_device_of_one_person_is_none_of_another(guarded: Provider, shop: App, limit: str) -> None:
    """The attacker signs in on his device as himself, to guess at his victim's account from a device that is known."""
    device = signed_in_device(shop, guarded)
    made_to_wait(guarded, shop, BEN, limit)
    device.submit(action="/switch")
    device.submit(action="/identify", username=BEN)
    assert guess(device, BENS_PASSWORD).status_code == 429
    device.open(shop.url())
    guess(device, PASSWORD)
    assert step_of(device) == "consent", "its own person does not wait"


@pytest.mark.parametrize("limit", ["account", "network"])
def test_se_14_the_cookie_of_a_device_says_nothing_in_another_browser(guarded: Provider, shop: App, limit: str) -> None:
    """The attacker copies the cookie of a device into his own browser, also over one that he got himself."""
    device, thief = signed_in_device(shop, guarded), Browser(guarded.issuer)
    thief.open(shop.url())
    thief.submit(action="/identify", username=BEN)
    guess(thief, BENS_PASSWORD)
    query(guarded, "DELETE FROM sessions")
    name = name_of_device(guarded)
    thief.http.cookies.delete(name)
    thief.http.cookies.set(name, device.http.cookies[name])
    made_to_wait(guarded, shop, EMAIL, limit)
    thief.open(shop.url())
    if step_of(thief) == "password":
        thief.submit(action="/switch")
    thief.submit(action="/identify", username=EMAIL)
    assert guess(thief, PASSWORD).status_code == 429
    guess(device, PASSWORD)
    assert step_of(device) == "consent"


@pytest.mark.parametrize("limit", ["account", "network"])
def test_se_14_a_device_is_known_no_more_once_its_person_ended_everything_elsewhere(
    guarded: Provider, shop: App, limit: str
) -> None:
    """The attacker took a device, whose owner changes the password and signs out everywhere else."""
    taken, kept = signed_in_device(shop, guarded), signed_in(guarded, own.PASSWORD)
    page = kept.submit(current=PASSWORD, password=ANOTHER_PASSWORD, elsewhere="end")
    assert "Your new password counts" in page.text
    made_to_wait(guarded, shop, EMAIL, limit)
    assert guess(taken, ANOTHER_PASSWORD).status_code == 429


@dataclass(frozen=True)
class Journey:
    """A person at every page behind TLS, in one browser, and what a second one without cookies was answered."""

    provider: Provider
    answers: list[httpx2.Response]

    @property
    def secrets(self) -> set[str]:
        """Every value that a cookie had, and each of those that one cookie holds."""
        headers = [header for answer in self.answers for header in answer.headers.get_list("set-cookie")]
        values = {header.partition(";")[0].partition("=")[2].strip('"') for header in headers}
        return {part for value in values for part in (value, *value.split(".")) if len(part) > 12}


def walk(tls: Tls, path: str, data: dict[str, str] | None = None) -> httpx2.Response:
    """The same as a browser, which also follows where the whole address is given."""
    answer = tls.go(path, data)
    while answer.headers.get("location", "").startswith(ISSUER):
        answer = tls.go(answer.headers["location"].removeprefix(ISSUER))
    return answer


def fill(tls: Tls, page: httpx2.Response, action: str = "", **fields: str) -> httpx2.Response:
    form = next(form for form in forms(page.text) if form.action.endswith(action))
    return walk(tls, form.action, form.fields | fields)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Journey]:
    mail_server.clear()
    folder = tmp_path_factory.mktemp("journey")
    settings = {"issuer": ISSUER, "smtp_url": mail_server.url, "email_codes": "sign_in", "log_level": "debug"}
    with running(folder, **settings) as provider:
        provider.create_user()
        app, tls, other = App(provider.create_client()), Tls(provider), Tls(provider)
        page = fill(tls, walk(tls, app.url()), "/identify", username=EMAIL)
        page = fill(tls, page, "/send-code")
        mail = mail_server.newest()
        link = link_in(mail).removeprefix(ISSUER)
        page = fill(tls, walk(tls, link), "/email", code="00000000")
        walk(other, link)
        page = walk(tls, f"{page.url.path}?by=password")
        page = fill(tls, page, "/password", password="not the right one", passkeys="can")
        page = fill(tls, page, "/password", password=PASSWORD, passkeys="can")
        assert 'data-step="offer"' in page.text
        page = walk(tls, f"{page.url.path}/no-passkey", forms(page.text)[0].fields)
        fill(tls, page, "/consent", decision="allow")
        at_the_account(tls)
        for path in (link, "/email/" + "x" * 43, "/nowhere", "/signin/never-was", "/authorize", "/confirm/nowhere"):
            for each in (tls, other):
                walk(each, path)
        for path in ("/token", "/account/password", "/sign-out", "/signin/never-was/password", "/account/nowhere"):
            for each in (tls, other):
                walk(each, path, {"csrf": "forged"})
        fill(tls, walk(tls, app.url(prompt="login")), "/password", password=PASSWORD)
        fill(tls, walk(tls, "/"), "/sign-out")
        walk(tls, "/logout")
        yield Journey(provider, [*tls.answers, *other.answers])


def at_the_account(tls: Tls) -> None:
    """Every page, and what can be done there, also wrongly."""
    for path in own.PAGES:
        assert walk(tls, path).status_code == 200
    fill(tls, walk(tls, own.PASSWORD), own.PASSWORD, current="wrong", password=ANOTHER_PASSWORD)
    fill(tls, walk(tls, own.PASSWORD), own.PASSWORD, current=PASSWORD, password=ANOTHER_PASSWORD, elsewhere="end")
    fill(tls, walk(tls, own.PASSWORD), own.PASSWORD, current=ANOTHER_PASSWORD, password=PASSWORD, elsewhere="end")
    fill(tls, walk(tls, own.AUTHENTICATOR), own.AUTHENTICATOR, code="000000")
    page = walk(tls, own.AUTHENTICATOR)
    fill(tls, page, own.AUTHENTICATOR, code=code_of(secret_on(page)))
    fill(tls, walk(tls, own.RECOVERY_CODES), own.RECOVERY_CODES)
    page = fill(tls, walk(tls, own.SECURITY), "/remove")
    assert "was removed" in page.text


def test_se_05_every_cookie_of_every_page_is_a_host_cookie(journey: Journey) -> None:
    """The attacker looks for one page whose cookie a script, plain HTTP or a neighbouring host can read or set."""
    names = {name for answer in journey.answers for name in set_cookies(answer)}
    purposes = ("browser", "session", "strict", "account", "method", "device", "offered")
    assert names == {f"__Host-idp_{purpose}" for purpose in purposes}
    for answer in journey.answers:
        for name, attributes in set_cookies(answer).items():
            same_site = "strict" if name == "__Host-idp_strict" else "lax"
            kept = {"path": "/", "secure": "", "httponly": "", "samesite": same_site}
            assert attributes.items() >= kept.items(), (answer.request.url, name, attributes)
            assert "domain" not in attributes
    paths = {answer.request.url.path for answer in journey.answers}
    assert paths >= {*own.PAGES, "/", "/token", "/authorize", "/nowhere", "/sign-out"}
    assert {answer.status_code for answer in journey.answers} >= {200, 303, 400, 403, 404, 410}


def test_se_09_no_cookie_is_in_an_address_on_a_page_or_in_the_log(journey: Journey) -> None:
    """The attacker reads addresses, pages and the log, and looks for any cookie that he can use."""
    assert len(journey.secrets) > 12
    log = journey.provider.log.read_text()
    assert "/account/security" in log
    for secret in journey.secrets:
        assert secret not in log
        for answer in journey.answers:
            told = [value for name, value in answer.headers.multi_items() if name != "set-cookie"]
            assert secret not in " ".join([str(answer.request.url), *told, answer.text]), answer.request.url


def test_se_10_the_secret_of_a_session_is_no_token_anywhere(
    provider: Provider, browser: Browser, registered: App, people: object
) -> None:
    """The attacker shows a session's cookie, or the secret in it, wherever a token is read."""
    tokens_for(provider, registered.client, browser)
    cookie = next(value for name, value in browser.http.cookies.items() if "session" in name)
    basic = (registered.client_id, str(registered.client["client_secret"]))
    strict = next(value for name, value in browser.http.cookies.items() if "strict" in name)
    for shown in (cookie, cookie.partition(".")[0], strict, sid_of(provider, browser)):
        url = f"{provider.issuer}/userinfo"
        for answer in (
            send("GET", url, headers={"Authorization": f"Bearer {shown}"}),
            send("POST", url, data={"access_token": shown}),
        ):
            assert answer.status_code == 401
            assert "sub" not in answer.text
        for hint in ("access_token", "refresh_token"):
            data = {"token": shown, "token_type_hint": hint}
            answer = send("POST", f"{provider.issuer}/introspect", data=data, auth=basic)
            assert (answer.status_code, answer.json()) == (200, {"active": False})
            assert send("POST", f"{provider.issuer}/revoke", data=data, auth=basic).status_code == 200
        data = {"grant_type": "refresh_token", "refresh_token": shown}
        answer = send("POST", f"{provider.issuer}/token", data=data, auth=basic)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert heading_of(browser.open("/")) == SIGNED_IN, "and nothing was revoked by it"


def test_se_14_a_device_that_is_remembered_after_the_others_were_disowned_is_known(
    provider: Provider, people: object
) -> None:
    """The attacker locks out strangers, in the hope that a device is one that was remembered within a millisecond."""

    async def work(services: Services) -> bool:
        disowned = datetime(2026, 1, 1, microsecond=999_400, tzinfo=UTC)
        person = await users.find_by_email(services.database, EMAIL)
        assert person is not None
        later = replace(services, clock=lambda: disowned + timedelta(microseconds=300))
        response, empty = Response(), Request({"type": "http", "headers": []})
        devices.remember(response, empty, later, "browser", person.id)
        cookie = response.headers["set-cookie"].partition(";")[0].encode()
        request = Request({"type": "http", "headers": [(b"cookie", cookie)]})
        person = replace(person, devices_valid_from=disowned)
        return devices.known(request, services, "browser", person, disowned + timedelta(seconds=1))

    assert with_services(provider, work)
