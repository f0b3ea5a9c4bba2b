"""XI-01, XI-08: what somebody typed, sent or registered is text on every page and in every header."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import httpx2
import pytest

from tests.provider import CALLBACK, EMAIL, PASSWORD, TLS, Browser, Provider, answer_of, forms, tokens_for
from tests.signin.conftest import App, People
from tests.signin.payloads import CRLF, XSS
from tests.signin.reading import page_of, path_of, post, query, title_of

pytestmark = pytest.mark.slow

PLAIN = "plain"


class Skeleton(HTMLParser):
    """The elements of a page and the names of their attributes: what no text may change."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def skeleton(answer: httpx2.Response) -> list[tuple[str, tuple[str, ...]]]:
    parser = Skeleton()
    parser.feed(answer.text)
    return parser.found


def text_of(answer: httpx2.Response) -> str:
    parser = Skeleton()
    parser.feed(answer.text)
    return parser.text


@pytest.fixture
def names(provider: Provider, app: App, people: People) -> Iterator[None]:
    """Puts back what a test called the app and Ana."""
    yield
    rename(provider, app, people, "Billing", "Ana Example", EMAIL)


def rename(provider: Provider, app: App, people: People, client: str, person: str, email: str) -> None:
    """Past every check, as if a check had failed."""
    query(provider, "UPDATE clients SET client_name = ? WHERE client_id = ?", client, app.client_id)
    claims = json.dumps({"name": person})
    query(provider, "UPDATE users SET claims = ?, email = ? WHERE id = ?", claims, email, people.ana.sub)


def pages_of(provider: Provider, app: App, value: str, hint: str) -> dict[str, httpx2.Response]:
    """Every page of a sign-in of an app and a person who are called `value`."""
    browser, pages = Browser(provider.issuer), {}
    pages["identify"] = browser.open(app.url(login_hint=hint, state=value))
    pages["password"] = browser.submit(username=EMAIL)
    pages["wrong password"] = browser.submit(password="wrong")
    pages["consent"] = browser.submit(password=PASSWORD)
    pages["home"] = browser.open("/")
    pages["confirming"] = browser.open(app.url(prompt="login"))
    browser.open(app.url(state=value))
    browser.submit("allow", action="/consent")
    pages["home with apps"] = browser.open("/")
    pages["form_post"] = browser.open(app.url(response_mode="form_post", state=value))
    query(provider, "DELETE FROM consents")
    return pages


@pytest.mark.parametrize("payload", XSS)
def test_xi01_a_name_is_text_on_every_page(
    provider: Provider, app: App, people: People, names: None, payload: str
) -> None:
    """The attacker's app or account is called like markup or script."""
    rename(provider, app, people, PLAIN, PLAIN, EMAIL)
    usual = pages_of(provider, app, PLAIN, PLAIN)
    rename(provider, app, people, payload, payload, EMAIL)
    for name, page in pages_of(provider, app, payload, payload).items():
        assert page.status_code == 200, name
        assert skeleton(page) == skeleton(usual[name]), name
    rename(provider, app, people, PLAIN, payload, payload)
    browser = Browser(provider.issuer)
    browser.sign_in(app.url(), email=EMAIL)
    assert skeleton(browser.open("/")) == skeleton(usual["home with apps"])
    assert payload.strip() in text_of(page_of(browser)).replace("\n", " ") or "\n" in payload


@pytest.mark.parametrize("payload", XSS)
def test_xi01_whatever_is_typed_is_text(provider: Provider, browser: Browser, app: App, payload: str) -> None:
    """The attacker gets a person to send markup or script in the field for the name."""
    browser.open(app.url())
    usual = skeleton(browser.submit(username=PLAIN))
    browser.open(app.url())
    page = browser.submit(username=payload)
    assert skeleton(page) == usual
    assert forms(page.text)[0].fields["username"] == payload.strip()


@pytest.mark.parametrize("payload", XSS)
def test_xi01_whatever_is_asked_for_is_text_or_nothing(browser: Browser, app: App, payload: str) -> None:
    """The attacker's link holds script in a parameter that is refused, or in an address that leads nowhere."""
    encoded = quote(payload, safe="")
    for path in (
        f"/{encoded}",
        f"/signin/{encoded}",
        f"/static/{encoded}",
        f"/authorize/{encoded}",
        f"/authorize?client_id={encoded}",
        app.url(redirect_uri=payload),
        f"/authorize?{urlencode({'client_id': app.client_id, 'redirect_uri': CALLBACK + payload})}",
        f"/?{urlencode({'error': payload, 'error_description': payload, 'ui_locales': payload})}",
    ):
        page = browser.http.get(path)
        assert payload not in page.text or payload.isalnum()
        assert encoded not in page.text
        assert page.headers.get("location", "/signin/").startswith("/signin/")


@pytest.mark.parametrize("payload", XSS)
def test_xi01_an_error_that_goes_to_the_app_repeats_nothing_but_the_state(
    browser: Browser, app: App, payload: str
) -> None:
    """The attacker's link holds script, for our error message to carry it into the app's page."""
    for name in ("scope", "prompt", "max_age", "response_type", "response_mode", "code_challenge_method"):
        answer = answer_of(browser.http.get(app.url(state=payload) + "&" + urlencode({name: payload})))
        assert answer["state"] == payload
        assert payload not in answer["error_description"]
        assert answer["error_description"].isascii()
        assert len(answer["error_description"]) <= 200


def test_xi01_a_scope_that_looks_like_markup_is_text(provider: Provider, people: People) -> None:
    """The attacker registers an app whose name and scopes look like markup or script."""
    scopes = "<script>alert(1)</script> </h1><img/src=x/onerror=alert(1)> '+alert(1)+' {{7*7}} javascript:alert(1)"
    own = App(provider.create_client("--scope", f"openid {scopes}", "--public", name="<b>Bold</b>"))
    query(provider, "DELETE FROM consents")
    browser = Browser(provider.issuer)
    browser.open(own.url(scope=f"openid {scopes}"))
    page = browser.submit(username=EMAIL, password=PASSWORD)
    tags = [tag for tag, _ in skeleton(page)]
    assert "script" in tags  # ours
    assert tags.count("script") == 1
    assert "img" not in tags
    for scope in scopes.split():
        assert scope in text_of(page)
    assert "&lt;b&gt;Bold&lt;/b&gt;" in title_of(page)
    assert page.status_code == 200


def test_xi01_an_address_with_quotes_is_somebodys_address(provider: Provider, app: App) -> None:
    """The attacker's own address holds quotes and a handler."""
    odd = "o'neil+`onfocus=x`{{7*7}}@example.test"
    provider.create_user(odd)
    browser = Browser(provider.issuer)
    browser.open(app.url())
    page = browser.submit(username=odd)
    assert forms(page.text)[0].fields["username"] == odd
    page = browser.submit(password=PASSWORD)
    assert odd in text_of(page)


@pytest.mark.parametrize("payload", CRLF)
def test_xi08_no_line_break_reaches_a_header(browser: Browser, app: App, payload: str) -> None:
    """The attacker sends line breaks in whatever may come back in a header, to add a header of his own."""
    encoded = quote(payload.encode("utf-8", "surrogatepass"), safe="")
    browser.open(app.url())
    path = path_of(browser)
    answers = [
        browser.http.get(f"/signin/{encoded}/identify"),
        browser.http.get(f"{path}/{encoded}"),
        browser.http.get(f"/authorize/{encoded}"),
        browser.http.get(app.url() + f"&state={encoded}"),
        browser.http.get(app.url(state="") + f"&state={encoded}&prompt=none"),
        browser.http.get(app.url(state="") + f"&state={encoded}&response_mode=form_post&prompt=none"),
        browser.http.get(app.url() + f"&login_hint={encoded}"),
        browser.http.get(app.url(redirect_uri=CALLBACK + payload) if payload.isascii() else "/"),
        browser.http.get(f"/account/apps/{encoded}/withdraw"),
        browser.http.get("/", headers={"X-Request-Id": "mine"}),
        post(browser, f"/account/apps/{encoded}/withdraw"),
    ]
    browser.sign_in(path)
    token = forms(browser.open("/").text)[0].fields["csrf"]
    withdrawn = post(browser, f"/account/apps/{encoded}/withdraw", csrf=token)
    assert (withdrawn.status_code, withdrawn.headers.get("location")) in ((303, "/account/apps"), (404, None))
    answers += [
        withdrawn,
        browser.http.get(app.url(state="") + f"&state={encoded}"),
        post(browser, f"/sign-out?state={encoded}", csrf=token),
        browser.http.get(f"/signed-out?state={encoded}"),
    ]
    for answer in answers:
        assert answer.status_code in (200, 303, 400, 404, 405, 410), answer.url
        assert "x-injected" not in answer.headers
        assert "injected" not in str(answer.headers.get_list("set-cookie"))
        location = answer.headers.get("location", "/")
        assert location.startswith(("/", CALLBACK))
        assert not any(character in location for character in "\r\n\t\0")
        assert answer.headers["x-request-id"] != "mine"


def test_the_host_header_names_no_address(provider: Provider, app: App) -> None:
    """Every address is made from the issuer that was configured."""
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for path in ("/", app.url(), "/.well-known/openid-configuration", app.url(prompt="none"), "/nowhere"):
        answer = httpx2.get(provider.issuer + path, headers=headers, timeout=30, verify=TLS)
        assert "evil.example" not in answer.text
        assert "evil.example" not in str(answer.headers)


def test_a_policy_cannot_be_widened_by_the_address_of_an_app(provider: Provider, people: People) -> None:
    """A semicolon or a comma would end the directive that names the target of the form."""
    for target in ("https://app.example.com/a;script-src%20*;b", "https://app.example.com/a,b/c'd?e=f;g"):
        created = provider.run("client", "create", "Odd", "--redirect-uri", target, "--public", "--json")
        if created.returncode != 0:
            continue  # refused at registration: as good
        own = App(json.loads(created.stdout))
        page = Browser(provider.issuer).sign_in(own.url(response_mode="form_post"))
        policy = page.headers["content-security-policy"]
        assert policy.count(";") == 7
        assert "," not in policy
        assert policy.split("form-action ")[1].startswith("https://app.example.com/a")
        assert policy.split("form-action ")[1].split(" ")[1:] == ["https:"]
        assert forms(page.text)[0].action == target


def test_an_address_whose_host_would_widen_the_policy_cannot_be_registered(provider: Provider) -> None:
    for host in ("app.example.com;script-src", "app.example.com,evil.example", "*.example.com", "app.example.com'"):
        created = provider.run("client", "create", "Odd", "--redirect-uri", f"https://{host}/cb", "--public")
        assert created.returncode == 1, host


def test_tokens_of_somebody_with_an_odd_name_hold_it_as_it_is(
    provider: Provider, app: App, people: People, names: None
) -> None:
    rename(provider, app, people, "Billing", XSS[0], EMAIL)
    token = tokens_for(provider, app.client)["access_token"]
    answer = httpx2.get(
        f"{provider.issuer}/userinfo", headers={"Authorization": f"Bearer {token}"}, timeout=30, verify=TLS
    )
    assert answer.json()["name"] == XSS[0]
    assert answer.headers["content-type"] == "application/json"
