"""Signing out through an app: at once where its ID token proves it, else asked; and never anywhere unregistered."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx2
import pytest

from tests.oauth.wire import claims_of, forge_of, raw_get, send, status_of, unpadded
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
    redeem,
    token_request,
    tokens_for,
)
from tests.signin.conftest import BEN, BENS_PASSWORD, App, People
from tests.signin.reading import choose, count, heading_of, page_of, path_of, post, query, sid_of, state_of, step_of

BYE = "https://app.example.com/bye?tenant=1"
QUESTION, HOME, NOBODY = "Sign out?", "You are signed in", "Nothing to do here"
SIGNED_OUT, REFUSED = "You are signed out", "Signing out did not work"
LIVE = "SELECT count(*) FROM sessions WHERE id = ? AND ended_at IS NULL"
EVENTS = "SELECT count(*) FROM audit WHERE event = 'session.signed_out' AND session_id = ? AND client_id = ?"


@pytest.fixture(scope="module")
def client(provider: Provider, people: People) -> dict[str, Any]:
    return provider.create_client("--post-logout-redirect-uri", BYE, name="Leaving")


@pytest.fixture(scope="module")
def another(provider: Provider, people: People) -> dict[str, Any]:
    return provider.create_client("--post-logout-redirect-uri", "https://other.example.com/", name="Another")


@pytest.fixture
def tokens(provider: Provider, client: dict[str, Any], browser: Browser) -> dict[str, Any]:
    """What the app got when Ana signed in with this browser."""
    return tokens_for(provider, client, browser)


def logout(browser: Browser, **parameters: str) -> httpx2.Response:
    """An app sends the browser; the answer is not followed."""
    browser.page = browser.http.get(f"/logout?{urlencode(parameters)}")
    return browser.page


def by_post(browser: Browser, **parameters: str) -> httpx2.Response:
    """The form of an app's page: the browser brings no Lax cookie with it, but does with the redirect that follows."""
    headers = {"Origin": "https://app.example.com", "Content-Type": "application/x-www-form-urlencoded"}
    sent = send("POST", f"{browser.issuer}/logout", content=urlencode(parameters), headers=headers)
    if sent.status_code != 303:
        return sent
    assert sent.headers["location"].startswith("/logout/")
    assert not sent.headers.get_list("set-cookie")
    return browser.http.get(sent.headers["location"])


Way = Callable[..., httpx2.Response]
WAYS = pytest.mark.parametrize("way", [logout, by_post])


def is_signed_in(browser: Browser) -> bool:
    return heading_of(browser.http.get("/")) == HOME


def after(response: httpx2.Response) -> list[tuple[str, str]]:
    """The parameters with which the app gets its person back."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.startswith(BYE)
    return parse_qsl(urlsplit(location).query, strict_parsing=True)[1:]


@WAYS
def test_an_id_token_of_this_session_signs_out_at_once(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any], way: Way
) -> None:
    sid = sid_of(provider, browser)
    answer = way(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s 1")
    assert after(answer) == [("state", "s 1")]
    assert count(provider, LIVE, sid) == 0
    assert count(provider, EVENTS, sid, client["client_id"]) == 1
    cleared = [header for header in answer.headers.get_list("set-cookie") if "Max-Age=0" in header]
    assert {header.partition("_")[2].partition("_")[0] for header in cleared} == {"session", "strict", "account"}
    assert not is_signed_in(browser)
    browser.open(authorize_url(client, pkce().challenge))
    assert step_of(browser) == "identify"
    assert EMAIL not in page_of(browser).text


@WAYS
def test_without_an_address_the_person_sees_where_they_signed_out(
    browser: Browser, tokens: dict[str, Any], way: Way
) -> None:
    answer = way(browser, id_token_hint=tokens["id_token"])
    assert answer.headers["location"] == "/signed-out"
    page = browser.open("/signed-out")
    assert heading_of(page) == SIGNED_OUT
    assert "Still signed in" not in page.text


def test_an_id_token_that_has_expired_is_as_good(provider: Provider, browser: Browser, tokens: dict[str, Any]) -> None:
    claims = claims_of(tokens["id_token"])
    old = forge_of(provider).sign(claims | {"iat": claims["iat"] - 9_000, "exp": claims["exp"] - 9_000}, typ="JWT")
    assert after(logout(browser, id_token_hint=old, post_logout_redirect_uri=BYE)) == []
    assert not is_signed_in(browser)


def test_an_id_token_of_a_refresh_is_as_good(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any]
) -> None:
    refreshed = token_request(
        provider, client, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    ).json()
    assert after(logout(browser, id_token_hint=refreshed["id_token"], post_logout_redirect_uri=BYE)) == []


Hint = Callable[[Provider, dict[str, Any], dict[str, Any]], str]


def theirs(provider: Provider, client: dict[str, Any], person: tuple[str, ...] = ()) -> dict[str, Any]:
    """Tokens of another browser."""
    proof, other = pkce(), Browser(provider.issuer)
    answer = answer_of(other.sign_in(authorize_url(client, proof.challenge), *person))
    granted: dict[str, Any] = redeem(provider, client, answer["code"], proof.verifier).json()
    return granted


def altered(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{unpadded(b'{}')}.{signature}"


# Each makes a hint of the tokens of this session, its client, and the provider.
HINTS: dict[str, Hint] = {
    "none": lambda *_: "",
    "of the same person's session elsewhere": lambda provider, client, _: theirs(provider, client)["id_token"],
    "of another person": lambda provider, client, _: theirs(provider, client, (BEN, BENS_PASSWORD))["id_token"],
    "no token": lambda *_: "x",
    "not ascii": lambda *_: "é.é.é",
    "too long": lambda *_: "x" * 15_000,
    "altered": lambda _, __, tokens: altered(tokens["id_token"]),
    "signature cut": lambda _, __, tokens: tokens["id_token"][:-4],
    "not signed": lambda _, __, tokens: ".".join(
        [unpadded(b'{"alg":"none","typ":"JWT"}'), tokens["id_token"].split(".")[1], ""]
    ),
    "access token": lambda _, __, tokens: tokens["access_token"],
    "of another issuer": lambda provider, _, tokens: forge_of(provider).sign(
        claims_of(tokens["id_token"]) | {"iss": "https://other.example.com"}, typ="JWT"
    ),
    "of a key that is not ours": lambda provider, _, tokens: forge_of(provider).sign(
        claims_of(tokens["id_token"]), typ="JWT", kid="0" * 32
    ),
    "without sid": lambda provider, _, tokens: forge_of(provider).sign(
        {name: value for name, value in claims_of(tokens["id_token"]).items() if name != "sid"}, typ="JWT"
    ),
}


@WAYS
@pytest.mark.parametrize("hint", HINTS)
def test_az_14_what_does_not_prove_this_session_asks_the_person_and_ends_nothing(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any], hint: str, way: Way
) -> None:
    """The attacker links to our logout, with no ID token, a forged one, or one of somebody else."""
    token = HINTS[hint](provider, client, tokens)
    before = state_of(provider)
    answer = way(
        browser,
        client_id=client["client_id"],
        post_logout_redirect_uri=BYE,
        **({"id_token_hint": token} if token else {}),
    )
    assert (answer.status_code, heading_of(answer)) == (200, QUESTION)
    assert not answer.headers.get_list("set-cookie")
    assert state_of(provider) == before
    assert is_signed_in(browser)
    assert not token or len(token) < 3 or token not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_picture_or_a_link_signs_nobody_out(
    provider: Provider, browser: Browser, tokens: dict[str, Any], method: str
) -> None:
    before = state_of(provider)
    browser.http.request(method, "/logout")
    httpx2.request(
        method, f"{provider.issuer}/logout", params={"id_token_hint": tokens["id_token"]}, timeout=30, verify=TLS
    )
    assert state_of(provider) == before
    assert is_signed_in(browser)


def test_the_question_says_who_asks_who_leaves_and_where_to(
    browser: Browser, client: dict[str, Any], tokens: dict[str, Any]
) -> None:
    page = logout(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE).text
    assert "Leaving asks to sign you out of" in page
    assert "<bdi>Ana Example</bdi>" in page
    assert f"<bdi>{EMAIL}</bdi>" in page
    assert '<bdi dir="ltr">app.example.com</bdi>' in page
    page = logout(browser).text
    assert "You are about to sign out of" in page
    assert "You will go on to" not in page


@WAYS
def test_who_says_yes_is_signed_out_and_goes_back_to_the_app(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any], way: Way
) -> None:
    sid = sid_of(provider, browser)
    browser.page = way(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE, state="s")
    answer = browser.submit()
    assert after(answer) == [("state", "s")]
    assert count(provider, LIVE, sid) == 0
    assert count(provider, EVENTS, sid, client["client_id"]) == 1
    assert not is_signed_in(browser)


def test_who_says_no_is_still_signed_in(browser: Browser, tokens: dict[str, Any]) -> None:
    assert 'id="stay" href="/"' in logout(browser).text
    assert is_signed_in(browser)


def test_cs_07_the_question_may_post_to_us_and_on_to_the_app_alone(
    browser: Browser, client: dict[str, Any], tokens: dict[str, Any]
) -> None:
    """The attacker gets markup into the page, and wants its form to post to his site."""
    policy = logout(browser).headers["content-security-policy"]
    assert policy.endswith("; form-action 'self'")
    policy = logout(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE).headers[
        "content-security-policy"
    ]
    assert policy.endswith("; form-action 'self' https://app.example.com/bye https:")


@WAYS
def test_where_nobody_is_signed_in_nothing_is_asked(browser: Browser, client: dict[str, Any], way: Way) -> None:
    answer = way(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE, state="s")
    assert after(answer) == [("state", "s")]
    assert not answer.headers.get_list("set-cookie")  # also a picture on a foreign page may ask
    assert way(browser).headers["location"] == "/signed-out"


STATES = [
    "0",
    " ",
    "a+b c%20d%2B",
    "&state=2&iss=https://evil.test",
    "#fragment?query",
    "\"'><script>alert(1)</script>",
    "é\U0001f600\u2028\u202e\t",
    "x" * 2048,
    '"\\' * 1024,
]


@WAYS
@pytest.mark.parametrize("state", STATES, ids=ascii)
def test_state_comes_back_as_it_was(
    browser: Browser, client: dict[str, Any], tokens: dict[str, Any], state: str, way: Way
) -> None:
    browser.page = way(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE, state=state)
    assert after(browser.submit()) == [("state", state)]
    answer = way(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE)
    assert answer.headers["location"] == BYE


def test_lo_03_signing_out_through_an_app_ends_all_that_hangs_on_the_session(
    provider: Provider, browser: Browser, client: dict[str, Any]
) -> None:
    """The attacker kept the cookie, the tokens or a code of somebody who signed out, and goes on using them."""
    bound = tokens_for(provider, client, browser)
    offline = tokens_for(provider, client, browser, scope="openid offline_access")
    proof = pkce()
    code = answer_of(browser.sign_in(authorize_url(client, proof.challenge)))["code"]
    kept = dict(browser.http.cookies)
    after(logout(browser, id_token_hint=bound["id_token"], post_logout_redirect_uri=BYE))
    browser.http.cookies.update(kept)
    assert not is_signed_in(browser)
    browser.open(authorize_url(client, pkce().challenge))
    assert step_of(browser) in ("identify", "password")
    assert answer_of(browser.open(authorize_url(client, proof.challenge, prompt="none")))["error"] == "login_required"
    assert redeem(provider, client, code, proof.verifier).json()["error"] == "invalid_grant"
    assert (
        token_request(provider, client, grant_type="refresh_token", refresh_token=bound["refresh_token"]).json()[
            "error"
        ]
        == "invalid_grant"
    )
    bearer = {"Authorization": f"Bearer {bound['access_token']}"}
    assert httpx2.get(f"{provider.issuer}/userinfo", headers=bearer, verify=TLS).status_code == 401
    secret = client["client_id"], client["client_secret"]
    for token in (bound["access_token"], bound["refresh_token"]):
        asked = httpx2.post(f"{provider.issuer}/introspect", data={"token": token}, auth=secret, verify=TLS)
        assert asked.json() == {"active": False}
    outlives = token_request(provider, client, grant_type="refresh_token", refresh_token=offline["refresh_token"])
    assert outlives.status_code == 200  # what offline_access is for


@pytest.mark.parametrize("answer_with", ["allow", "deny", None])
def test_lo_03_a_sign_in_that_waits_in_another_tab_gives_no_code(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any], answer_with: str | None
) -> None:
    """Somebody signs out, and the consent page that is open in another tab is answered by who comes next."""
    browser.open(authorize_url(client, pkce().challenge, prompt="consent"))
    waiting, path = page_of(browser), path_of(browser)
    after(logout(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE))
    codes = count(provider, "SELECT count(*) FROM handles WHERE kind = 'code'")
    browser.page = waiting
    if answer_with is None:
        browser.open(path)
    else:
        browser.submit(answer_with, action="/consent")
    assert step_of(browser) in ("identify", "password")
    assert count(provider, "SELECT count(*) FROM handles WHERE kind = 'code'") == codes


def test_lo_04_who_signs_in_next_gets_a_session_and_tokens_of_their_own(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any], people: People
) -> None:
    """Ana signs out while her cookies are missing, and Ben signs in with the same browser."""
    anas = claims_of(tokens["id_token"])
    kept = dict(browser.http.cookies)
    browser.http.cookies.clear()
    after(logout(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE))
    proof = pkce()
    browser.open(authorize_url(client, proof.challenge))
    browser.submit(username=BEN, password=BENS_PASSWORD)
    answer = browser.submit("allow", action="/consent") if step_of(browser) == "consent" else page_of(browser)
    bens = claims_of(redeem(provider, client, answer_of(answer)["code"], proof.verifier).json()["id_token"])
    assert (bens["sub"], anas["sub"]) == (people.ben.sub, people.ana.sub)
    assert bens["sid"] != anas["sid"]
    # Her ID token does not sign him out, and his page does not know her.
    assert heading_of(logout(browser, id_token_hint=tokens["id_token"])) == QUESTION
    assert "Ana" not in page_of(browser).text
    assert kept != dict(browser.http.cookies)
    assert is_signed_in(browser)


def test_lo_09_signing_out_twice_and_in_two_tabs_ends_where_once_does(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any]
) -> None:
    """An impatient person presses the button again and again, and in another tab as well."""
    sid = sid_of(provider, browser)
    one = logout(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE)
    other = by_post(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE)
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())}

    def press(page: httpx2.Response) -> httpx2.Response:
        (form,) = forms(page.text)
        return send("POST", provider.issuer + form.action, data=form.fields, headers=headers)

    with ThreadPoolExecutor(8) as tabs:
        answers = list(tabs.map(press, [one, other] * 8))
    assert all(after(answer) == [] for answer in answers)
    assert count(provider, LIVE, sid) == 0
    assert count(provider, EVENTS, sid, client["client_id"]) == 1
    for hint in ({}, {"id_token_hint": tokens["id_token"]}):
        assert after(logout(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE, **hint)) == []


@pytest.fixture
def both(browser: Browser, client: dict[str, Any], tokens: dict[str, Any]) -> Browser:
    """A browser in which first Ana and then Ben signed in."""
    browser.open(authorize_url(client, pkce().challenge, prompt="select_account"))
    browser.submit(action="/switch")
    browser.sign_in(page_of(browser).url.path, BEN, BENS_PASSWORD)
    return browser


def test_of_several_people_the_one_whom_the_id_token_names_leaves(both: Browser, tokens: dict[str, Any]) -> None:
    logout(both, id_token_hint=tokens["id_token"])
    page = both.open("/signed-out")
    assert heading_of(page) == SIGNED_OUT
    assert "Still signed in here: <b><bdi>Ben Example</bdi></b>" in page.text
    page = both.open("/")
    assert "<bdi>Ben Example</bdi>" in page.text
    assert "Ana" not in page.text


def test_without_one_all_of_them_are_named_and_leave(provider: Provider, both: Browser) -> None:
    page = logout(both).text
    assert "<bdi>Ana Example</bdi>" in page
    assert "<bdi>Ben Example</bdi>" in page
    assert "Sign out of all accounts" in page
    kept = dict(both.http.cookies)
    assert both.submit().url.path == "/signed-out"
    both.http.cookies.update(kept)
    assert not is_signed_in(both)


def test_cs_02_a_page_signs_out_nobody_whom_it_did_not_name(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any]
) -> None:
    """Ana is asked, goes away, Ben signs in with her browser, and the old page is answered."""
    asked = logout(browser)
    browser.open(authorize_url(client, pkce().challenge, prompt="select_account"))
    browser.submit(action="/switch")
    browser.sign_in(page_of(browser).url.path, BEN, BENS_PASSWORD)
    before = state_of(provider)
    browser.page = asked
    answer = browser.submit()
    assert (answer.status_code, heading_of(answer)) == (403, "This form could not be trusted")
    assert state_of(provider) == before
    (link,) = re.findall(r'href="(/logout/[^"]+)"', answer.text)
    assert "<bdi>Ben Example</bdi>" in browser.open(link).text


def test_the_order_of_accounts_may_have_changed_meanwhile(both: Browser, client: dict[str, Any]) -> None:
    asked = logout(both)
    both.open(authorize_url(client, pkce().challenge, prompt="select_account"))
    choose(both, "Ana Example")
    both.page = asked
    assert both.submit().url.path == "/signed-out"


def test_cs_02_the_token_of_another_page_of_this_session_is_refused(
    provider: Provider, browser: Browser, tokens: dict[str, Any]
) -> None:
    """The attacker has got the token of one form, and uses it for another one."""
    home = forms(browser.http.get("/").text)[0].fields["csrf"]
    (form,) = forms(logout(browser).text)
    assert post(browser, form.action, csrf=home).status_code == 403
    assert post(browser, "/sign-out", csrf=form.fields["csrf"]).status_code == 403
    assert is_signed_in(browser)


REFUSALS: dict[str, dict[str, str]] = {
    "unknown client": {"client_id": "never-was"},
    "client of another hint": {"client_id": "{another}", "id_token_hint": "{id_token}"},
    "address without a client": {"post_logout_redirect_uri": BYE},
    "address with a forged hint alone": {"post_logout_redirect_uri": BYE, "id_token_hint": "{id_token}x"},
    "address of another client": {"client_id": "{another}", "post_logout_redirect_uri": BYE},
    "unregistered address": {"client_id": "{client}", "post_logout_redirect_uri": "https://evil.test/"},
    "unregistered address with a hint": {
        "id_token_hint": "{id_token}",
        "post_logout_redirect_uri": "https://evil.test/",
    },
    "redirect URI": {"id_token_hint": "{id_token}", "post_logout_redirect_uri": "https://app.example.com/callback"},
    "state too long": {"id_token_hint": "{id_token}", "post_logout_redirect_uri": BYE, "state": "x" * 2049},
    "state of two lines": {"id_token_hint": "{id_token}", "post_logout_redirect_uri": BYE, "state": "a\r\nb"},
}


@WAYS
@pytest.mark.parametrize("case", REFUSALS)
def test_ru_02_a_wrong_request_redirects_nobody_ends_nothing_and_lets_the_person_sign_out(
    provider: Provider,
    browser: Browser,
    client: dict[str, Any],
    another: dict[str, Any],
    tokens: dict[str, Any],
    case: str,
    way: Way,
) -> None:
    """The attacker uses our logout to send people to his site, or to sign them out with a request that does not fit."""
    known = {"client": client["client_id"], "another": another["client_id"], "id_token": tokens["id_token"]}
    asked = {name: value.format(**known) for name, value in REFUSALS[case].items()}
    before = state_of(provider)
    answer = way(browser, **asked)
    assert (answer.status_code, heading_of(answer)) == (400, REFUSED)
    assert "location" not in answer.headers
    assert "evil.test" not in answer.text
    assert state_of(provider) == before
    assert 'href="/logout">Sign out here</a>' in answer.text
    assert heading_of(browser.open("/logout")) == QUESTION
    assert browser.submit().url.path == "/signed-out"


@pytest.mark.parametrize(
    "name", ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales"]
)
def test_a_parameter_that_comes_twice_is_refused(
    browser: Browser, client: dict[str, Any], tokens: dict[str, Any], name: str
) -> None:
    good = {"id_token_hint": tokens["id_token"], "client_id": client["client_id"], "post_logout_redirect_uri": BYE}
    query = urlencode([*good.items(), (name, good.get(name, "x")), (name, good.get(name, "x"))])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for answer in (browser.http.get(f"/logout?{query}"), browser.http.post("/logout", content=query, headers=headers)):
        assert (answer.status_code, heading_of(answer)) == (400, REFUSED)
    assert is_signed_in(browser)


@pytest.mark.slow
def test_a_client_that_is_gone_or_lost_its_address_meanwhile_gets_nobody_back(
    provider: Provider, browser: Browser, people: People
) -> None:
    short_lived = provider.create_client("--post-logout-redirect-uri", BYE, name="Short-lived")
    tokens_for(provider, short_lived, browser)
    asked = logout(browser, client_id=short_lived["client_id"], post_logout_redirect_uri=BYE)
    for command in (("update", short_lived["client_id"], "--post-logout-redirect-uri", ""), ("delete",)):
        provider.cli("client", *(command if len(command) > 1 else (*command, short_lived["client_id"])))
        browser.page = asked
        answer = browser.submit()
        assert (answer.status_code, heading_of(answer)) == (400, REFUSED)
        assert is_signed_in(browser)


def hostile(tokens: dict[str, Any]) -> Iterator[bytes]:
    for name in ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales", "x"):
        for value in ("%00", "%ff%fe", "%ed%a0%80", "%c0%af", "x" * 15_000, "%0d%0aSet-Cookie:a=b", "%e2%80%ae", "%"):
            yield f"{name}={value}".encode()
    yield b"&".join(b"a%d=b" % number for number in range(101))
    yield b"=&==&&id_token_hint"
    yield b"id_token_hint=" + quote(tokens["id_token"] + "\n").encode()


def test_un_02_no_input_breaks_the_logout_or_signs_anybody_out(
    provider: Provider, browser: Browser, tokens: dict[str, Any]
) -> None:
    """The attacker sends bytes that some layer reads otherwise than another one, or not at all."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for encoded in hostile(tokens):
        answer = raw_get(provider, b"/logout?" + encoded, b"Cookie: " + cookies.encode())
        assert status_of(answer) in (200, 400), encoded
        assert b"\r\nset-cookie" not in answer.lower(), encoded
        posted = send("POST", f"{provider.issuer}/logout", content=encoded, headers=headers)
        assert posted.status_code in (303, 400), encoded
    for body, kind in ((b"{}", "application/json"), (b"x", "multipart/form-data"), (b"", "")):
        assert (
            send("POST", f"{provider.issuer}/logout", content=body, headers={"Content-Type": kind}).status_code == 400
        )
    assert is_signed_in(browser)


def test_an_address_that_we_did_not_make_opens_nothing(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any]
) -> None:
    (form,) = forms(logout(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE).text)
    sealed = form.action.rpartition("/")[2]
    browser.open(authorize_url(client, pkce().challenge, prompt="consent"))
    attempt = path_of(browser).rpartition("/")[2]
    for part in (attempt, sealed[:-4] + "AAAA", sealed + "A", sealed.swapcase(), "x", "%ff", "é", "x" * 5000):
        for answer in (browser.http.get(f"/logout/{part}"), post(browser, f"/logout/{part}", **form.fields)):
            assert answer.status_code in (400, 404)
            assert "location" not in answer.headers
    assert browser.http.get(f"/signin/{sealed}").status_code == 410
    assert is_signed_in(browser)


def test_lg_02_the_log_names_the_route_and_why_a_hint_was_not_used_and_never_a_token(
    provider: Provider, browser: Browser, client: dict[str, Any], tokens: dict[str, Any]
) -> None:
    """Whoever reads the log or the database takes an ID token from there, or an address that signs somebody out."""
    forged = altered(tokens["id_token"])
    reference = logout(browser, id_token_hint=forged).headers["x-request-id"]
    by_post(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    (line,) = [
        line for line in provider.log_lines() if line.get("reference") == reference and line["event"] == "request"
    ]
    assert (line["path"], line["id_token_hint"]) == ("/logout", "the signature does not hold")
    assert any(line.get("path") == "/logout/{request}" for line in provider.log_lines())
    log = provider.log.read_text()
    stored = b"".join(file.read_bytes() for file in (provider.folder / "data").glob("idp.db*"))
    for token in (tokens["id_token"], forged):
        assert token not in log
        assert token.encode() not in stored


def test_a_logout_is_not_stored(provider: Provider, browser: Browser, client: dict[str, Any]) -> None:
    """A flood of posts leaves nothing behind."""
    before = [query(provider, f"SELECT count(*) FROM {table}") for table in ("handles", "audit")]  # noqa: S608
    for _ in range(5):
        by_post(browser, client_id=client["client_id"], post_logout_redirect_uri=BYE, state="x" * 2048)
    assert [query(provider, f"SELECT count(*) FROM {table}") for table in ("handles", "audit")] == before  # noqa: S608


def test_a_session_that_was_renewed_is_still_the_one_that_its_id_token_names(
    browser: Browser, client: dict[str, Any], tokens: dict[str, Any], app: App
) -> None:
    browser.open(authorize_url(client, pkce().challenge, prompt="login"))
    browser.submit(action="/password", password=PASSWORD)
    assert after(logout(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)) == []
    assert not is_signed_in(browser)
