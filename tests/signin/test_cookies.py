"""SE-05 and the rest of what our cookies are: their names, their attributes, and what a strange one does."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.provider import (
    EMAIL,
    PASSWORD,
    TLS,
    Browser,
    Provider,
    answer_of,
    authorize_url,
    forms,
    pkce,
    running,
    tokens_for,
)
from tests.signin.conftest import App, People
from tests.signin.reading import SESSIONS, count, heading_of, page_of, path_of, query, step_of

ISSUER = "https://id.example.com"
SIGNED_IN, NOT_SIGNED_IN = "You are signed in", "Nothing to do here"


def set_cookies(answer: httpx2.Response) -> dict[str, dict[str, str]]:
    """The attributes of each cookie that an answer sets, by name; those without a value are ''."""
    found = {}
    for header in answer.headers.get_list("set-cookie"):
        pair, *attributes = [part.strip() for part in header.split(";")]
        named = (each.partition("=") for each in attributes)
        found[pair.partition("=")[0]] = {name.lower(): value for name, _, value in named}
    return found


@dataclass
class Tls:
    """A browser that reaches the provider through a proxy that terminates TLS."""

    provider: Provider
    cookies: dict[str, str] = field(default_factory=dict)
    answers: list[httpx2.Response] = field(default_factory=list)

    def go(self, path: str, data: dict[str, str] | None = None) -> httpx2.Response:
        headers = {
            "Host": self.provider.host,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        if data is not None:
            headers["Origin"] = ISSUER
        answer = httpx2.request(
            "GET" if data is None else "POST",
            self.provider.issuer + path,
            data=data,
            headers=headers,
            timeout=30,
            verify=TLS,
        )
        self.answers.append(answer)
        for header in answer.headers.get_list("set-cookie"):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
        location = answer.headers.get("location", "")
        return self.go(location) if location.startswith("/") else answer

    def submit(self, page: httpx2.Response, action: str, **fields: str) -> httpx2.Response:
        form = next(form for form in forms(page.text) if form.action.endswith(action))
        return self.go(form.action, form.fields | fields)


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("tls"), issuer=ISSUER) as provider:
        provider.create_user()
        yield provider


@pytest.fixture(scope="module")
def client(behind_tls: Provider) -> dict[str, Any]:
    return behind_tls.create_client()


def session_cookie(browser: Browser) -> tuple[str, str]:
    return next((name, value) for name, value in browser.http.cookies.items() if "session" in name)


def home_with(provider: Provider, cookie: str) -> str:
    return heading_of(
        httpx2.get(f"{provider.issuer}/", headers={"Host": provider.host, "Cookie": cookie}, timeout=30, verify=TLS)
    )


def test_se05_on_loopback_the_port_is_in_the_name_since_cookies_ignore_ports(
    provider: Provider, browser: Browser, app: App
) -> None:
    """Another server on localhost overwrites our cookies, or a script or another site makes use of them."""
    first = browser.open(app.url())
    assert set_cookies(first) == {
        f"idp_browser_{provider.port}": {"path": "/", "httponly": "", "samesite": "lax", "max-age": "34560000"}
    }
    browser.submit(username=EMAIL)
    form = forms(page_of(browser).text)[0]
    signed_in = browser.http.post(form.action, data=form.fields | {"password": PASSWORD})
    assert set_cookies(signed_in) == {
        f"idp_session_{provider.port}": {"path": "/", "httponly": "", "samesite": "lax"},
        f"idp_strict_{provider.port}": {"path": "/", "httponly": "", "samesite": "strict"},
        f"idp_account_{provider.port}": {"path": "/", "httponly": "", "samesite": "lax", "max-age": "34560000"},
        f"idp_method_{provider.port}": {"path": "/", "httponly": "", "samesite": "lax", "max-age": "34560000"},
        f"idp_device_{provider.port}": {"path": "/", "httponly": "", "samesite": "lax", "max-age": "15552000"},
    }
    form = next(form for form in forms(browser.open("/").text) if form.action == "/sign-out")
    signed_out = browser.http.post(form.action, data=form.fields)
    cleared = set_cookies(signed_out)[f"idp_session_{provider.port}"]
    assert (cleared["max-age"], cleared["path"]) == ("0", "/")


def test_se05_behind_tls_every_cookie_is_a_host_cookie(behind_tls: Provider, client: dict[str, Any]) -> None:
    """The attacker reads our cookies by a script or plain HTTP, or plants them from a neighbouring host."""
    tls = Tls(behind_tls)
    page = tls.go(authorize_url(client, pkce().challenge))
    page = tls.submit(page, "/identify", username=EMAIL)
    page = tls.submit(page, "/password", password="wrong")
    page = tls.submit(page, "/password", password=PASSWORD)
    answer = answer_of(tls.submit(page, "/consent", decision="allow"))
    assert answer["iss"] == ISSUER
    assert heading_of(tls.go("/")) == SIGNED_IN
    tls.submit(tls.answers[-1], "/sign-out")
    for path in ("/nowhere", "/token", "/signin/never-was", "/authorize", "/jwks", "/static/idp.css", "/static/none"):
        tls.go(path)
    names = {name for each in tls.answers for name in set_cookies(each)}
    assert names == {f"__Host-idp_{name}" for name in ("browser", "session", "strict", "account", "method", "device")}
    for each in tls.answers:
        for name, attributes in set_cookies(each).items():
            same_site = "strict" if name == "__Host-idp_strict" else "lax"
            kept = {"path": "/", "secure": "", "httponly": "", "samesite": same_site}
            assert attributes.items() >= kept.items(), (name, attributes)
            assert "domain" not in attributes
        assert all(len(header) < 400 for header in each.headers.get_list("set-cookie"))  # a browser drops 4 kB and more


@pytest.mark.parametrize("name", ["idp_session", "__Secure-idp_session", "idp_session_443", "__host-idp_session"])
def test_se05_behind_tls_a_cookie_that_another_host_could_set_is_not_read(
    behind_tls: Provider, client: dict[str, Any], name: str
) -> None:
    """The attacker plants a session from a neighbouring host, under the nearest name that it can set."""
    tls = Tls(behind_tls)
    page = tls.submit(tls.go(authorize_url(client, pkce().challenge)), "/identify", username=EMAIL)
    tls.submit(page, "/password", password=PASSWORD)
    cookie = tls.cookies["__Host-idp_session"]
    assert home_with(behind_tls, f"__Host-idp_session={cookie}") == SIGNED_IN
    assert home_with(behind_tls, f"{name}={cookie}") == NOT_SIGNED_IN


def test_a_cookie_that_came_twice_counts_as_absent(at_consent: Browser, provider: Provider) -> None:
    """One of the two was set by somebody else, and nobody can tell which."""
    name, value = session_cookie(at_consent)
    assert home_with(provider, f"{name}={value}") == SIGNED_IN
    for twice in (f"{name}={value}; {name}=x", f"{name}=x; {name}={value}", f"{name}={value}; {name}={value}"):
        assert home_with(provider, twice) == NOT_SIGNED_IN
    headers = [("Cookie", f"{name}={value}"), ("Cookie", f"{name}=x")]
    assert heading_of(httpx2.get(f"{provider.issuer}/", headers=headers, timeout=30, verify=TLS)) == NOT_SIGNED_IN
    browser_cookie = f"idp_browser_{provider.port}"
    page = httpx2.get(
        provider.issuer + path_of(at_consent),
        headers={"Cookie": f"{browser_cookie}={at_consent.http.cookies[browser_cookie]}; {browser_cookie}=x"},
        timeout=30,
        verify=TLS,
    )
    assert (page.status_code, heading_of(page)) == (400, "Your browser does not keep our cookie")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b'"quoted"',
        b"x" * 129,
        b"x" * 6000,
        b"\xff\xfe",
        b"\xc3\xa9",
        b"a b",
        b"' OR 1=1 --",
        b"../../etc/passwd",
        b"{value}x",
        b"x{value}",
        b"{VALUE}",
    ],
)
def test_un02_a_strange_cookie_is_nobodys_session(provider: Provider, at_consent: Browser, value: bytes) -> None:
    """The attacker sends a cookie that is empty, quoted, endless, no text, SQL, a path, or nearly a real one."""
    name, real = session_cookie(at_consent)
    sent = value.replace(b"{value}", real.encode()).replace(b"{VALUE}", real.swapcase().encode())
    answer = httpx2.get(
        f"{provider.issuer}/", headers=[(b"Cookie", f"{name}=".encode() + sent)], timeout=30, verify=TLS
    )
    assert (answer.status_code, heading_of(answer)) == (200, NOT_SIGNED_IN)


def test_se10_no_token_is_a_session_and_no_session_is_a_token(
    provider: Provider, browser: Browser, registered: App, people: People
) -> None:
    """The attacker shows a token as the session cookie, or the session cookie as a token."""
    tokens = tokens_for(provider, registered.client, browser)
    name, value = session_cookie(browser)
    for token in (tokens["access_token"], tokens["id_token"], tokens["refresh_token"]):
        assert home_with(provider, f"{name}={token}") == NOT_SIGNED_IN
    answer = httpx2.get(
        f"{provider.issuer}/userinfo", headers={"Authorization": f"Bearer {value}"}, timeout=30, verify=TLS
    )
    assert answer.status_code == 401


def test_se08_signing_in_again_renews_the_cookie_and_the_old_one_is_dead(
    provider: Provider, at_consent: Browser, app: App, people: People
) -> None:
    """The attacker stole the session cookie before its owner signed in again, and goes on using it."""
    name, old = session_cookie(at_consent)
    sid = query(provider, "SELECT id FROM sessions WHERE user_id = ? ORDER BY created_at DESC", people.ana.sub)[0]
    at_consent.open(app.url(prompt="login"))
    at_consent.submit(action="/password", password=PASSWORD)
    _, new = session_cookie(at_consent)
    assert new != old
    assert home_with(provider, f"{name}={new}") == SIGNED_IN
    for _ in range(2):
        assert home_with(provider, f"{name}={old}") == NOT_SIGNED_IN
    after = query(provider, "SELECT id FROM sessions WHERE user_id = ? ORDER BY created_at DESC", people.ana.sub)[0]
    assert after == sid  # the same session: what apps know it by has not changed


def test_se06_a_session_cookie_that_is_kept_opens_nothing_after_the_sign_out(
    provider: Provider, at_consent: Browser
) -> None:
    """The attacker copied the session cookie, and goes on using it when its owner has signed out."""
    name, value = session_cookie(at_consent)
    assert home_with(provider, f"{name}={value}") == SIGNED_IN
    at_consent.open("/")
    at_consent.submit(action="/sign-out")
    for _ in range(2):
        assert home_with(provider, f"{name}={value}") == NOT_SIGNED_IN


def test_a_session_cookie_that_was_planted_is_not_the_one_after_the_sign_in(
    provider: Provider, at_password: Browser
) -> None:
    planted = "planted-by-somebody-who-knows-it"
    at_password.http.cookies.set(f"idp_session_{provider.port}", planted, domain="localhost.local", path="/")
    at_password.submit(password=PASSWORD)
    assert step_of(at_password) == "consent"
    values = [value for name, value in at_password.http.cookies.items() if "session" in name]
    assert values != [planted]
    assert home_with(provider, f"idp_session_{provider.port}={planted}") == NOT_SIGNED_IN


def test_se14_the_browsers_own_cookie_outlives_the_sign_in_and_opens_nothing(
    provider: Provider, at_password: Browser
) -> None:
    """The attacker steals the cookie by which a browser is known again, and uses it to get in."""
    name = f"idp_browser_{provider.port}"
    before = at_password.http.cookies[name]
    at_password.submit(password=PASSWORD)
    assert at_password.http.cookies[name] == before
    assert home_with(provider, f"{name}={before}") == NOT_SIGNED_IN
    assert home_with(provider, f"idp_session_{provider.port}={before}") == NOT_SIGNED_IN


def test_se14_the_cookie_that_remembers_an_account_says_nothing_in_another_browser(
    provider: Provider, browser: Browser, app: App
) -> None:
    """The attacker copies the cookie of a remembered account into his own browser, to learn whose it is."""
    browser.sign_in(app.url())
    name = f"idp_account_{provider.port}"
    other = Browser(provider.issuer)
    other.open(app.url())
    other.http.cookies.set(name, browser.http.cookies[name])
    page = other.open(app.url())
    assert step_of(other) == "identify"
    assert EMAIL not in page.text
    assert heading_of(other.open("/")) == NOT_SIGNED_IN
    for broken in ("A" * 87, browser.http.cookies[name][:-1], "!", "é"):
        assert (
            httpx2.get(
                provider.issuer + app.url(), headers=[(b"Cookie", f"{name}={broken}".encode())], timeout=30, verify=TLS
            ).status_code
            == 200
        )


def test_se09_no_cookie_is_shown_or_written_anywhere(provider: Provider, browser: Browser, app: App) -> None:
    """The attacker reads pages, headers, the log or the database, and looks for a cookie that he can use."""
    texts = []
    browser.http.event_hooks["response"].append(lambda answer: texts.append((answer.read().decode(), answer.headers)))
    browser.sign_in(app.url())
    browser.open("/")
    values = [value for name, value in browser.http.cookies.items() if value != "pwd"]  # how, and never who
    assert len(values) == 5
    for text, headers in texts:
        elsewhere = [value for name, value in headers.multi_items() if name != "set-cookie"]
        assert not any(value in text or value in " ".join(elsewhere) for value in values)
    log = provider.log.read_text()
    assert not any(value in log for value in values)
    stored = b"".join(file.read_bytes() for file in (provider.folder / "data").glob("idp.db*"))
    assert not any(value.encode() in stored for value in values)


@pytest.mark.slow
def test_se06_a_session_ends_at_once_when_its_person_is_disabled(provider: Provider, tmp_path: Path) -> None:
    """Somebody who was dismissed goes on in the browser in which they are still signed in."""
    with running(tmp_path) as own:
        own.create_user()
        browser, client = Browser(own.issuer), own.create_client()
        browser.sign_in(authorize_url(client, pkce().challenge))
        assert heading_of(browser.open("/")) == SIGNED_IN
        own.cli("user", "disable", EMAIL)
        assert heading_of(browser.open("/")) == NOT_SIGNED_IN
        assert step_of_url(browser, authorize_url(client, pkce().challenge)) in ("identify", "password")
        own.cli("user", "enable", EMAIL)
        assert heading_of(browser.open("/")) == NOT_SIGNED_IN
        assert count(own, SESSIONS) == 0


def step_of_url(browser: Browser, url: str) -> str | None:
    browser.open(url)
    return step_of(browser)
