"""CS-06, CS-07, CS-09, RU-17, EN-13: the headers of every answer; pages with nothing inline, nothing from elsewhere."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from idp.web.pages import form_targets
from tests.provider import CALLBACK, EMAIL, PASSWORD, TLS, Browser, Provider, authorize_url, pkce, running
from tests.signin.conftest import App
from tests.signin.reading import page_of, path_of, post, token_of

ROOT = Path(__file__).parents[2]
PAGE = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
NOT_A_PAGE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"


def identify(browser: Browser, app: App) -> httpx2.Response:
    return browser.open(app.url())


def password(browser: Browser, app: App) -> httpx2.Response:
    browser.open(app.url())
    return browser.submit(username=EMAIL)


def wrong_password(browser: Browser, app: App) -> httpx2.Response:
    password(browser, app)
    return browser.submit(password="wrong")


def consent(browser: Browser, app: App) -> httpx2.Response:
    password(browser, app)
    return browser.submit(password=PASSWORD)


def form_post(browser: Browser, app: App) -> httpx2.Response:
    return browser.sign_in(app.url(response_mode="form_post"))


def home(browser: Browser, app: App) -> httpx2.Response:
    browser.sign_in(app.url())
    return browser.open("/")


def sign_out(browser: Browser, app: App) -> httpx2.Response:
    browser.sign_in(app.url())
    return browser.open("/logout")


def forged(browser: Browser, app: App) -> httpx2.Response:
    identify(browser, app)
    return browser.http.post(f"{path_of(browser)}/identify", data={"csrf": "x"})


def too_large(browser: Browser, app: App) -> httpx2.Response:
    return post(browser, "/authorize", state="a" * 70_000)


def step(browser: Browser, app: App) -> httpx2.Response:
    identify(browser, app)
    return browser.http.get(f"{path_of(browser)}/step")


def redirect(browser: Browser, app: App) -> httpx2.Response:
    identify(browser, app)
    return browser.http.get(f"{path_of(browser)}/identify")


def redirect_to_app(browser: Browser, app: App) -> httpx2.Response:
    return browser.sign_in(app.url())


def fetch(path: str, method: str = "GET") -> Callable[[Browser, App], httpx2.Response]:
    return lambda browser, _: browser.http.request(method, path)


Answer = Callable[[Browser, App], httpx2.Response]
SIGN_IN_PAGES: dict[str, Answer] = {
    "identify": identify,
    "password": password,
    "wrong password": wrong_password,
    "consent": consent,
}
OTHER_PAGES: dict[str, Answer] = {
    "home": home,
    "home of nobody": fetch("/"),
    "sign out": sign_out,
    "signed out": fetch("/signed-out"),
    "not signed out": fetch("/logout?client_id=never-was"),
    "unknown page": fetch("/nowhere"),
    "unknown attempt": fetch("/signin/never-was"),
    "wrong method": fetch("/signed-out", "POST"),
    "unknown client": fetch("/authorize?client_id=never-was"),
    "no parameters": fetch("/authorize"),
    "forged form": forged,
    "too large": too_large,
}
NO_PAGES: dict[str, Answer] = {
    "step": step,
    "redirect": redirect,
    "redirect to the app": redirect_to_app,
    "style sheet": fetch("/static/idp.css"),
    "unknown file": fetch("/static/nothing.js"),
    "keys": fetch("/jwks"),
    "discovery": fetch("/.well-known/openid-configuration"),
    "token": fetch("/token", "POST"),
    "token by get": fetch("/token"),
    "userinfo": fetch("/userinfo"),
    "preflight": fetch("/token", "OPTIONS"),
}
PAGES = SIGN_IN_PAGES | OTHER_PAGES | {"form_post": form_post}
EVERYTHING = PAGES | NO_PAGES
CACHED = {"style sheet": "no-cache", "keys": None, "discovery": None}
PUBLIC = ("keys", "discovery")  # for everybody's scripts to read


@pytest.mark.parametrize("name", EVERYTHING)
def test_cs06_cs09_xi13_every_answer_has_the_headers_that_keep_it_safe(browser: Browser, app: App, name: str) -> None:
    """The attacker's page frames an answer of ours, loads it as a script, or learns from it which server runs here."""
    headers = EVERYTHING[name](browser, app).headers
    assert headers["cross-origin-resource-policy"] == ("cross-origin" if name in PUBLIC else "same-origin")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}", headers["x-request-id"])
    if name not in CACHED:
        assert headers["cache-control"] == "no-store"
    for absent in ("server", "x-powered-by", "cross-origin-opener-policy", "strict-transport-security"):
        assert absent not in headers, absent
    repeated = [key for key, _ in headers.multi_items() if key not in ("set-cookie", "vary")]
    assert len(repeated) == len(set(repeated))


@pytest.mark.parametrize("name", NO_PAGES)
def test_cs07_what_is_no_page_may_do_nothing(browser: Browser, app: App, name: str) -> None:
    """The attacker gets a browser to show as a page what is none, with markup of his in it."""
    assert NO_PAGES[name](browser, app).headers["content-security-policy"] == NOT_A_PAGE


@pytest.mark.parametrize("name", SIGN_IN_PAGES)
def test_cs10_a_page_whose_post_may_end_at_an_app_names_no_target_of_forms(
    browser: Browser, app: App, name: str
) -> None:
    """An honest app redirects its callback to another origin, which a form-action of ours would stop."""
    assert SIGN_IN_PAGES[name](browser, app).headers["content-security-policy"] == PAGE


@pytest.mark.parametrize("name", OTHER_PAGES)
def test_cs07_every_other_page_posts_to_us_alone(browser: Browser, app: App, name: str) -> None:
    """The attacker gets markup into a page, and it wants to run, to load from elsewhere, or to post to his site."""
    answer = OTHER_PAGES[name](browser, app)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == f"{PAGE}; form-action 'self'"


def test_the_page_of_a_form_post_names_its_exact_target_and_lets_it_go_on(browser: Browser, app: App) -> None:
    assert form_post(browser, app).headers["content-security-policy"] == f"{PAGE}; form-action {CALLBACK} https:"


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("https://app.example.com/callback?a=b", "https://app.example.com/callback https:"),
        ("https://app.example.com:8443/a;b,c", "https://app.example.com:8443/a%3Bb%2Cc https:"),
        ("http://[::1]:8400/callback", "http: https: http:"),  # a source cannot name an IPv6 address
        ("com.example.app:/callback", "com.example.app: https:"),
    ],
)
def test_a_target_is_named_as_exactly_as_a_policy_can(target: str, source: str) -> None:
    assert form_targets(target) == source


class Inspector(HTMLParser):
    """Collects what a page loads, where it leads, and whatever stands inline."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.addresses += [str(values[name]) for name in ("src", "href", "action") if name in values]
        handlers = [
            name for name in values if name.startswith("on") or name in ("style", "srcdoc", "target", "formaction")
        ]
        if (
            handlers
            or tag in ("style", "iframe", "object", "embed", "base")
            or (tag == "script" and "src" not in values)
        ):
            self.inline.append(f"{tag} {handlers}")


@pytest.mark.parametrize("name", PAGES)
def test_ru17_a_page_has_nothing_inline_and_nothing_from_elsewhere(browser: Browser, app: App, name: str) -> None:
    """Another site learns by the Referer where somebody signs in, as a page loads or links to something there."""
    inspector = Inspector()
    inspector.feed(PAGES[name](browser, app).text)
    assert inspector.inline == []
    elsewhere = [address for address in inspector.addresses if not address.startswith("/") or address.startswith("//")]
    assert elsewhere == ([CALLBACK] if name == "form_post" else [])


class Windows(HTMLParser):
    """Collects the links and forms that open a window which may steer the one that it came from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: (value or "").lower() for name, value in attrs}
        kept = {"noopener", "noreferrer"} & set(values.get("rel", "").split())
        targets = [values[name] for name in ("target", "formtarget") if name in values]
        if any(target not in ("", "_self") for target in targets) and not kept:
            self.found.append(f"{tag} {values}")


@pytest.mark.parametrize("name", PAGES)
def test_cs15_no_link_opens_a_window_that_can_steer_ours(browser: Browser, app: App, name: str) -> None:
    """The attacker's site, opened from a page of ours, sends that page elsewhere; an app's pop-up keeps its opener."""
    policies: list[str | None] = []
    browser.http.event_hooks["response"].append(
        lambda answer: policies.append(answer.headers.get("cross-origin-opener-policy"))
    )
    assert Windows(PAGES[name](browser, app).text).found == []
    assert set(policies) == {None}


SOURCES = sorted(each for suffix in ("html", "js", "svg") for each in (ROOT / "templates").rglob(f"*.{suffix}"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_cs15_no_template_and_no_script_opens_a_window_that_can_steer_ours(source: Path) -> None:
    """The attacker's site, opened from a page that hardly anybody sees, sends that page elsewhere."""
    text = source.read_text(encoding="utf-8")
    assert Windows(text).found == []
    assert "window.open(" not in text
    assert ".opener" not in text


SCRIPTS = [source for source in SOURCES if source.suffix == ".js"]
# What writes markup or code, keeps something in the browser, talks to another window, or to what a page may name.
DANGEROUS = (
    *(
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "eval(",
        "Function(",
    ),
    *("localStorage", "sessionStorage", "indexedDB", "document.cookie", "postMessage", '"message"', "onmessage"),
    *("window[", "window.", "globalThis", "self[", "document.forms", "document.all", "XMLHttpRequest", "importScripts"),
)


# A page and its own worker, which nobody else can reach.
OF_WORKER = {
    "work.js": ("worker.onmessage = ", "worker.postMessage("),
    "worker.js": ("\nonmessage = ({ data }) => solve(data)", ".then(postMessage);"),
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_cs14_no_script_writes_markup_keeps_data_or_listens_to_other_windows(script: Path) -> None:
    """The attacker's text becomes markup, his element a variable, his message a command, or he reads what was kept."""
    text = script.read_text(encoding="utf-8")
    for known in OF_WORKER.get(script.name, ()):
        assert text.count(known) == 1
        text = text.replace(known, "")
    assert [each for each in DANGEROUS if each in text] == []


@pytest.mark.parametrize("script", [script.name for script in SCRIPTS])
def test_a_script_says_nothing_of_who_asks_for_it(browser: Browser, app: App, script: str) -> None:
    before = browser.http.get(f"/static/{script}")
    browser.sign_in(app.url())
    after = browser.http.get(f"/static/{script}")
    assert (before.status_code, after.content) == (200, before.content)
    assert not {"set-cookie", "etag"} & after.headers.keys()


@pytest.mark.parametrize("name", PAGES)
def test_en13_a_page_that_holds_a_token_is_never_compressed(browser: Browser, app: App, name: str) -> None:
    """The attacker guesses a token letter by letter from the size of compressed pages that repeat his text."""
    browser.http.headers["Accept-Encoding"] = "gzip, br, zstd, deflate"
    assert "content-encoding" not in PAGES[name](browser, app).headers


def test_cs11_nothing_is_served_from_a_path_that_a_visitor_names(browser: Browser) -> None:
    """The attacker asks for a service worker, a manifest, or a file outside of our folder by a path of his own."""
    paths = ("..%2fbase.html", "%2e%2e/base.html", "idp.css%00", "idp.css/", "IDP.CSS", "sw.js", "manifest.json", ".")
    for path in paths:
        assert browser.http.get(f"/static/{path}").status_code == 404, path
    for path in ("idp.css", "idp.js", "form_post.js", "favicon.svg"):
        answer = browser.http.get(f"/static/{path}")
        assert answer.status_code == 200
        assert "service-worker-allowed" not in answer.headers


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("tls"), issuer="https://id.example.com") as provider:
        yield provider


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/jwks", "/token", "/static/idp.css", "/authorize", "/signin/never-was"]
)
def test_browsers_are_told_to_stay_with_https_where_the_provider_is_public(behind_tls: Provider, path: str) -> None:
    found = httpx2.get(behind_tls.issuer + path, headers={"Host": behind_tls.host}, timeout=30, verify=TLS).headers[
        "strict-transport-security"
    ]
    assert found == "max-age=63072000; includeSubDomains"


def test_browsers_are_not_told_so_of_loopback(tmp_path: Path) -> None:
    with running(tmp_path, issuer="https://localhost:8443") as provider:
        assert (
            "strict-transport-security"
            not in httpx2.get(provider.issuer, headers={"Host": provider.host}, timeout=30, verify=TLS).headers
        )


@pytest.mark.slow
@pytest.mark.parametrize(("path", "status"), [("/signin/{attempt}", 500), ("/token", 500)])
def test_cs06_also_where_the_provider_fails(tmp_path: Path, path: str, status: int) -> None:
    """The attacker frames the page of a failure, or reads in it what failed and where."""
    with running(tmp_path) as provider:
        browser, client = Browser(provider.issuer), provider.create_client()
        browser.open(authorize_url(client, pkce().challenge))
        address, token = path.replace("/signin/{attempt}", path_of(browser)), token_of(browser)
        with closing(sqlite3.connect(provider.folder / "data" / "idp.db")) as database, database:
            database.execute("ALTER TABLE clients RENAME TO gone")
        data = {
            "grant_type": "client_credentials",
            "client_id": client["client_id"],
            "client_secret": "x",
            "csrf": token,
        }
        answer = browser.http.post(address, data=data) if path == "/token" else browser.http.get(address)
        assert answer.status_code == status
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "sqlite" not in answer.text.lower()
        assert "Traceback" not in answer.text
        reference = answer.headers["x-request-id"]
        (line,) = [line for line in provider.log_lines() if line.get("event") == "failed"]
        assert line["reference"] == reference
        assert "no such table" in line["exception"]
        if path != "/token":
            assert reference in answer.text
            assert "It is our fault, not yours" in page_of(browser).text or "It is our fault, not yours" in answer.text
        provider.log.write_text("")  # the failure was wanted
