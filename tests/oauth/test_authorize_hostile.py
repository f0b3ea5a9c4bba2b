"""The authorization endpoint under attack."""

import html
import sqlite3
from contextlib import closing
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from tests.oauth.wire import (
    FORM,
    App,
    attempt_of,
    claims_of,
    granted,
    parameters_of,
    post_authorize,
    raw_get,
    register,
    send,
    sql,
    status_of,
    userinfo,
)
from tests.provider import CALLBACK, Browser, Provider, answer_of, forms


@pytest.fixture(autouse=True)
def nothing_counted(provider: Provider) -> None:
    """One address may have thirty requests stored at once, and all of these tests come from one."""
    sql(provider, "DELETE FROM counters")


PARAMETERS = (
    *("response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "prompt", "max_age"),
    *("response_mode", "login_hint", "display", "ui_locales", "id_token_hint", "acr_values", "claims", "request"),
    *("request_uri", "registration", "resource", "unheard_of"),
)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("other", [False, True], ids=["same value", "other value"])
def test_az_01_a_parameter_sent_twice_is_invalid_request(app: App, name: str, other: bool) -> None:
    """The attacker sends a parameter twice, for one check to read the first and another the last."""
    parameters = {"prompt": "login"} | parameters_of(app.url()) | {"response_mode": "query"}
    first = parameters.get(name, "1")
    pairs = [*(each for each in parameters.items() if each[0] != name), (name, first), (name, "2" if other else first)]
    answers = [answer_of(send("GET", f"{app.provider.issuer}/authorize?{urlencode(pairs)}"))]
    stored = send("POST", f"{app.provider.issuer}/authorize", content=urlencode(pairs), headers={"Content-Type": FORM})
    answers.append(answer_of(send("GET", app.provider.issuer + stored.headers["location"])))
    for answer in answers:
        assert answer["error"] == "invalid_request"
        assert answer["iss"] == app.provider.issuer
        assert answer.get("state") == (None if name == "state" else "state-123")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
@pytest.mark.parametrize("second", ["", "same", "https://evil.test/cb"])
def test_az_01_a_second_client_id_or_redirect_uri_gets_no_redirect(app: App, name: str, second: str) -> None:
    """The attacker sends his own redirect_uri or client_id beside the registered one."""
    parameters = parameters_of(app.url())
    value = parameters[name] if second == "same" else second
    for pairs in ([*parameters.items(), (name, value)], [(name, value), *parameters.items()]):
        answer = send("GET", f"{app.provider.issuer}/authorize?{urlencode(pairs)}")
        assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_az_01_a_parameter_in_the_query_and_in_the_body_counts_in_the_body_alone(app: App) -> None:
    """The attacker puts his redirect_uri into the query of a post whose body is honest, and the other way round."""
    issuer, honest = app.provider.issuer, parameters_of(app.url())
    evil = urlencode(honest | {"redirect_uri": "https://evil.test/cb"})
    stored = send("POST", f"{issuer}/authorize?{evil}", content=urlencode(honest), headers={"Content-Type": FORM})
    assert "evil.test" not in Browser(issuer).open(stored.headers["location"]).headers.get("location", "")
    stored = send("POST", f"{issuer}/authorize?{urlencode(honest)}", content=evil, headers={"Content-Type": FORM})
    answer = send("GET", issuer + stored.headers["location"])
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    both = send("GET", f"{issuer}{stored.headers['location']}?{urlencode(honest)}")
    assert (both.status_code, "location" in both.headers) == (400, False)


@pytest.mark.parametrize("mode", ["fragment", "query.jwt", "jwt", "web_message", "QUERY", "form_post.jwt", "\u0000x"])
def test_az_05_no_code_travels_by_a_mode_that_the_client_may_not_use(app: App, ana: Browser, mode: str) -> None:
    """The attacker picks a response mode in which a script or another window could read the code."""
    ana.sign_in(app.url())
    answer = ana.http.get(app.url(response_mode=mode))
    assert "code=" not in answer.headers.get("location", "") + answer.text
    if answer.status_code == 303:
        assert answer_of(answer)["error"] == "invalid_request"


STATES = {
    "short": "s",
    "html": "\"'><script>alert(1)</script>",
    "another code": "x&code=attacker&iss=https://evil.test",
    "unicode": "é漢字\U0001f600\u202e\u2028",
    "percent": "%00%0d%0a%26code%3dx",
    "plus": "a+b c%20d",
    "fragment": "#code=attacker",
    "template": "{{7*7}}${7*7}",
    "long": "s" * 2048,
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_az_06_state_comes_back_as_it_was_and_once(app: App, ana: Browser, state: str) -> None:
    """The attacker's state holds markup, or another parameter."""
    ana.sign_in(app.url())
    for answer in (ana.http.get(app.url(state=state)), ana.http.get(app.url(state=state, scope="nonsense"))):
        location = answer.headers["location"]
        assert location.isascii()
        pairs = parse_qsl(urlsplit(location).query, keep_blank_values=True, strict_parsing=True)
        assert [value for name, value in pairs if name == "state"] == [state]
        assert len({name for name, _ in pairs}) == len(pairs)
        assert urlsplit(location).fragment == ""
    page = ana.http.get(app.url(state=state, response_mode="form_post"))
    assert f'value="{html.escape(state).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}"' in page.text


@pytest.mark.parametrize("state", ["s" * 2049, "s" * 10_000, "é" * 2049], ids=["2049", "10000", "2049 é"])
def test_az_06_a_state_too_long_is_refused_and_not_reflected(app: App, state: str) -> None:
    """The attacker's state would make the app's address longer than its server reads."""
    answer = answer_of(send("GET", app.provider.issuer + app.url(state=state)))
    assert answer.keys() == {"error", "error_description", "error_uri", "iss"}
    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("state", ["a\0b", "\x1b[31m", "\x7f"])
def test_az_06_a_control_character_in_state_is_refused_by_page(app: App, state: str) -> None:
    """The attacker's state holds a NUL, which ends a string in one program and not in another."""
    answer = send("GET", app.provider.issuer + app.url(state=state))
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize("nonce", ["n" * 384, "n" * 1024, "é漢字\U0001f600", "\"'><script>", "a b+c%20"])
def test_az_07_a_nonce_comes_back_exactly(app: App, ana: Browser, nonce: str) -> None:
    """An unusual nonce must not be cut or changed: the app compares it to recognise a stolen response."""
    tokens = app.tokens(ana, nonce=nonce)
    assert claims_of(tokens["id_token"])["nonce"] == nonce


def test_az_07_a_nonce_may_be_absent_and_is_then_absent(app: App, ana: Browser) -> None:
    """The code flow needs no nonce; an empty one must not be made up."""
    assert "nonce" not in claims_of(app.tokens(ana, nonce="")["id_token"])


def test_az_07_a_nonce_of_64_kb_is_refused(app: App, ana: Browser) -> None:
    """The attacker's nonce would be stored and signed again and again."""
    ana.sign_in(app.url())  # so that what is not refused gives a code
    stored = post_authorize(app.provider, parameters_of(app.url(nonce="n" * 12_000)))
    longest = app.url(nonce="n" * 15_000)
    for url in (app.url(nonce="n" * 1025), longest, stored.headers["location"]):
        told = answer_of(ana.http.get(url))
        assert told.keys() == {"error", "error_description", "error_uri", "state", "iss"}
        assert told["error"] == "invalid_request"
    posted = post_authorize(app.provider, parameters_of(app.url(nonce="n" * 65_536)))
    assert (posted.status_code, "location" in posted.headers) == (413, False)
    in_a_longer_url = ana.http.get(longest.replace("n" * 15_000, "n" * 65_000))
    assert (in_a_longer_url.status_code, "location" in in_a_longer_url.headers) == (414, False)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"])
def test_az_09_the_issuer_is_the_address_it_is_found_at_and_no_other(provider: Provider, path: str) -> None:
    """The attacker asks at another path or by another host, for an app to take that for the issuer."""
    assert send("GET", provider.issuer + path).json()["issuer"] == provider.issuer
    elsewhere = send("GET", provider.issuer + path, headers={"Host": "evil.test"})
    assert (elsewhere.status_code, "issuer" in elsewhere.text) == (421, False)
    for other in (f"{path}/", f"{path}/tenant", f"/tenant{path}", f"/{path}"):
        assert send("GET", provider.issuer + other).status_code == 404


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        ("openid openid", "openid"),
        ("openid unheard_of email", "openid email"),
        ("email  openid", "email openid"),
        (" openid ", "openid"),
    ],
)
def test_az_18_unknown_scopes_are_cut_and_the_answer_says_what_was_given(
    app: App, ana: Browser, scope: str, given: str
) -> None:
    """An app asks for a scope twice, or for one that does not exist."""
    assert app.tokens(ana, scope=scope)["scope"] == given


@pytest.mark.parametrize(
    "scope",
    [
        "openid\temail",
        "openid\nemail",
        'openid "',
        "openid \\",
        "openid é",
        "openid\u00a0email",
        "OPENID",
        " ".join(f"s{number}" for number in range(1000)),
        "openid " + "x" * 129,
    ],
)
def test_az_18_a_malformed_scope_is_invalid_scope(app: App, scope: str) -> None:
    """The attacker's scope holds what RFC 6749 section 3.3 does not allow, or a thousand names."""
    answer = send("GET", app.provider.issuer + app.url(scope=scope))
    assert answer_of(answer)["error"] == "invalid_scope"


def test_az_19_no_refresh_token_outlives_the_session_without_consent_to_it(provider: Provider) -> None:
    """An app asks for offline_access quietly, after the person allowed it less."""
    app = register(provider)
    browser = Browser(provider.issuer)
    app.code(browser, scope="openid")
    silent = browser.open(app.url(scope="openid offline_access", prompt="none"))
    assert answer_of(silent)["error"] == "consent_required"
    page = browser.open(app.url(scope="openid offline_access"))
    assert 'id="allow"' in page.text
    assert "Lasting access" in page.text


def test_az_19_a_client_without_the_refresh_grant_gets_no_refresh_token(provider: Provider, ana: Browser) -> None:
    """An app that may not refresh asks for offline_access all the same."""
    app = register(provider, grant_types=("authorization_code",), scope="openid email offline_access")
    tokens = app.tokens(ana, scope="openid offline_access")
    assert "refresh_token" not in tokens
    assert tokens["scope"] == "openid"


def test_az_20_a_client_that_may_not_have_openid_gets_no_id_token(provider: Provider, ana: Browser) -> None:
    """An app asks for openid, which it may not have, beside a scope that it may."""
    app = register(provider, scope="reports.read email")
    tokens = app.tokens(ana, scope="openid reports.read email")
    assert "id_token" not in tokens
    assert tokens["scope"] == "reports.read email"
    assert userinfo(provider, tokens["access_token"]).status_code == 403


@pytest.mark.parametrize("resource", ["https://bank.example.com", "urn:bank", "{issuer}", "https://*", "x#fragment"])
def test_az_21_a_resource_that_is_asked_for_changes_no_audience(
    provider: Provider, ana: Browser, resource: str
) -> None:
    """An app asks for tokens of an API that it was not registered for: at the request, the exchange, and a refresh."""
    app = register(provider, audience=("https://own.example.com",))
    wanted = resource.format(issuer=provider.issuer)
    asked = {"resource": wanted, "audience": wanted}
    first = granted(app.redeem(app.code(ana, **asked), **asked))
    second = granted(app.refresh(first["refresh_token"], **asked))
    for tokens in (first, second):
        assert claims_of(tokens["access_token"])["aud"] == "https://own.example.com"
        assert claims_of(tokens["id_token"])["aud"] == app.client_id
    robot = register(provider, redirect_uris=(), grant_types=("client_credentials",), audience=("urn:own",))
    tokens = granted(robot.post({"grant_type": "client_credentials"} | asked))
    assert claims_of(tokens["access_token"])["aud"] == "urn:own"


DETAILS = {
    "unknown type": '[{"type":"payment_initiation","instructedAmount":{"currency":"EUR","amount":"1000000"}}]',
    "type of a scope": '[{"type":"profile","actions":["read","write","admin"],"locations":["https://bank.example.com"]}]',
    "fields of our own": '[{"type":"openid","sub":"somebody else","scope":"admin","aud":"urn:bank"}]',
    "an object": '{"type":"openid"}',
    "no type": "[{}]",
    "type that is a list": '[{"type":["openid"]}]',
    "numbers": "[1, 2]",
    "null": "null",
    "no JSON": "[[[",
    "nested": "[" * 2000 + "]" * 2000,
    "prototype": '[{"__proto__":{"type":"openid"}}]',
}


@pytest.mark.parametrize("details", DETAILS.values(), ids=DETAILS)
def test_az_22_authorization_details_give_nothing(app: App, ana: Browser, details: str) -> None:
    """An app asks for rights in a language that we do not speak, in the hope that they are passed on unread."""
    usual = app.tokens(ana)
    first = granted(app.redeem(app.code(ana, authorization_details=details), authorization_details=details))
    second = granted(app.refresh(first["refresh_token"], authorization_details=details))
    for tokens in (first, second):
        assert tokens.keys() == usual.keys()
        assert tokens["scope"] == usual["scope"]
        assert claims_of(tokens["access_token"]).keys() == claims_of(usual["access_token"]).keys()
        assert claims_of(tokens["access_token"])["aud"] == claims_of(usual["access_token"])["aud"]
        assert claims_of(tokens["id_token"]).keys() <= claims_of(usual["id_token"]).keys()


def test_az_27_two_hundred_open_sign_ins_leave_one_small_cookie(app: App) -> None:
    """A page opens sign-in after sign-in in hidden frames, until the cookie header is too long for the server."""
    browser = Browser(app.provider.issuer)
    first = attempt_of(browser.open(app.url()))
    for _ in range(199):
        browser.open(app.url())
    assert len(browser.http.cookies) == 1
    assert sum(len(value or "") for value in dict(browser.http.cookies).values()) < 200
    assert "code" in answer_of(browser.sign_in(first)), "the first one still works"


def test_az_28_no_answer_of_the_authorization_endpoint_may_be_stored(app: App, ana: Browser) -> None:
    """A shared cache or the back button brings a code to somebody else."""
    ana.sign_in(app.url())
    for changes in ({}, {"response_mode": "form_post"}, {"scope": "nonsense"}, {"client_id": "x"}, {"prompt": "login"}):
        answer = ana.http.get(app.url(**changes))
        assert answer.headers["cache-control"] == "no-store"


def test_prompt_none_does_not_reveal_to_another_browser_that_somebody_is_signed_in(app: App, ana: Browser) -> None:
    ana.sign_in(app.url())
    assert answer_of(send("GET", app.provider.issuer + app.url(prompt="none")))["error"] == "login_required"


@pytest.mark.parametrize(
    "query",
    [
        b"client_id=%ff%fe",
        b"client_id=\xff\xfe",
        b"client_id=%ed%a0%80",
        b"client_id=%c0%80",
        b"client_id=%00",
        b"client_id=a%00b",
        b"client_id=" + b"x" * 60_000,
        b"&" * 5000,
        b"client_id=%",
        b"client_id=%u0041",
        b"client_id[]=x",
        b"=&==&=",
        b";client_id=x;",
        b"\xef\xbb\xbfclient_id=x",
        b"a=" + b"%f0%9f%98%80" * 4000,
    ],
    ids=lambda query: ascii(query)[2:40],
)
def test_un_02_bytes_that_are_no_text_are_refused_and_break_nothing(provider: Provider, query: bytes) -> None:
    """The attacker sends NUL, surrogates, overlong and invalid UTF-8, and more than anything needs."""
    answer = raw_get(provider, b"/authorize?" + query)
    assert 400 <= status_of(answer) < 500
    assert b"\r\nlocation:" not in answer.lower()


@pytest.mark.parametrize("host", [b"[", b"a/?x=", b"evil.test", b"", b"\xff", b"localhost:99999", b"a b"])
@pytest.mark.parametrize("target", [b"/authorize", b"/nowhere", b"/token", b"/jwks"])
def test_ht_04_a_strange_host_header_breaks_nothing_and_gets_nothing(
    provider: Provider, host: bytes, target: bytes
) -> None:
    """The attacker's Host header makes the address of the request another one, or none."""
    answer = raw_get(provider, target, host=host)
    assert status_of(answer) in (400, 421)
    assert b"evil.test" not in answer


@pytest.mark.parametrize("size", [64 * 1024 + 1, 200_000])
def test_a_huge_post_is_too_large(app: App, size: int) -> None:
    answer = send("POST", f"{app.provider.issuer}/authorize", content=b"a" * size, headers={"Content-Type": FORM})
    assert answer.status_code == 413


def test_a_huge_post_without_a_length_is_too_large(app: App) -> None:
    chunks = (b"a" * 1024 for _ in range(65))
    answer = send("POST", f"{app.provider.issuer}/authorize", content=chunks, headers={"Content-Type": FORM})
    assert answer.status_code == 413


def test_a_post_just_small_enough_is_stored(app: App) -> None:
    body = urlencode(parameters_of(app.url())) + "&x="
    body += "x" * (16 * 1024 - len(body))
    answer = send("POST", f"{app.provider.issuer}/authorize", content=body, headers={"Content-Type": FORM})
    assert answer.status_code == 303
    assert CALLBACK not in answer.headers["location"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data; boundary=x", "text/plain", "", f"{FORM}; charset=utf-16", "x" * 1000],
)
def test_a_post_of_another_content_type_is_refused(app: App, content_type: str) -> None:
    body = urlencode(parameters_of(app.url()))
    answer = send("POST", f"{app.provider.issuer}/authorize", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize("body", [b"client_id=%ff", b"\xff\xfe", b"a\0b=1", b"&".join([b"a=1"] * 101)])
def test_un_02_a_posted_request_that_is_no_text_is_refused_and_not_stored(provider: Provider, body: bytes) -> None:
    """The attacker stores what cannot be read again."""
    stored = "SELECT count(*) FROM handles WHERE kind = 'stored_request'"
    before = sql(provider, stored)
    answer = send("POST", f"{provider.issuer}/authorize", content=body, headers={"Content-Type": FORM})
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert sql(provider, stored) == before


def test_no_code_and_no_state_stands_in_the_log_or_in_the_database(app: App, ana: Browser) -> None:
    """A code is a credential: whoever reads the log or a copy of the database must not get one."""
    code = app.code(ana, state="state-that-nobody-else-has")
    log = app.provider.log.read_text()
    assert code.code not in log
    assert "state-that-nobody-else-has" not in log
    with closing(sqlite3.connect(app.provider.folder / "data" / "idp.db", timeout=10)) as connection:
        dump = "\n".join(connection.iterdump())
    assert code.code not in dump


def test_a_person_who_signs_in_with_markup_in_the_address_gets_it_back_escaped(app: App) -> None:
    browser = Browser(app.provider.issuer)
    browser.open(app.url())
    page = browser.submit(action="/identify", username="<img src=x onerror=alert(1)>@example.test")
    assert "<img" not in page.text
    assert forms(page.text)


def test_the_path_of_an_attempt_that_does_not_exist_is_gone(provider: Provider) -> None:
    for name in ("x" * 32, quote("\0"), "%ff", "%2e%2e%2f", "a" * 5000):
        assert send("GET", f"{provider.issuer}/signin/{name}").status_code in (404, 410)
