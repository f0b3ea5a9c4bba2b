"""Redirect URIs: nobody is ever sent anywhere that was not registered, byte for byte."""

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from idp.protocol.errors import InvalidRedirectUri
from tests.oauth.wire import App, granted, parameters_of, post_authorize, raw_get, refused, register, send, status_of
from tests.provider import Browser, Provider, answer_of, forms

REGISTERED = "https://app.example.com/cb"
MUTATIONS = (
    "https://app.example.com/cb/",
    "https://app.example.com/cb?x=1",
    "https://app.example.com/cb?",
    "https://app.example.com/cb?code=attacker",
    "https://app.example.com/cb#f",
    "https://app.example.com/cb#",
    "http://app.example.com/cb",
    "https://app.example.com/CB",
    "https://APP.EXAMPLE.COM/cb",
    "HTTPS://app.example.com/cb",
    "https://app.example.com:443/cb",
    "https://app.example.com:8443/cb",
    "https://app.example.com./cb",
    "https://app.example.com",
    "https://app.example.com/",
    "https://app.example.com/c",
    "https://app.example.com/cb/../evil",
    "https://app.example.com/./cb",
    "https://app.example.com//cb",
    "https://app.example.com/cb/%2e%2e/evil",
    "https://app.example.com/cb/%252e%252e/evil",
    "https://app.example.com/cb%2f..%2fevil",
    "https://app.example.com/cb;x",
    "https://app.example.com/c%62",
    "https://app.example.com/cb%00",
    "https://app.example.com/cb\0",
    "https://app.example.com/cb%0d%0aX:1",
    "https://app.example.com/cb\r\nX: 1",
    "https://app.example.com/cb ",
    " https://app.example.com/cb",
    "https://app.example.com/cb\t",
    "https://app.example.com/cb\\",
    "https://app.example.com\\cb",
    "//app.example.com/cb",
    "https:app.example.com/cb",
    "https:/app.example.com/cb",
    "https:///app.example.com/cb",
    "https://user:pw@app.example.com/cb",
    "https://app.example.com@evil.test/cb",
    "https://app.example.com:pw@evil.test/cb",
    "https://evil.test\\@app.example.com/cb",
    "https://evil.test%5c@app.example.com/cb",
    "https://evil.test#@app.example.com/cb",
    "https://evil.test?@app.example.com/cb",
    "https://app.example.com.evil.test/cb",
    "https://evil.test/https://app.example.com/cb",
    "https://app\u3002example.com/cb",
    "https://app.\uff45xample.com/cb",
    "https://\u0430pp.example.com/cb",
    "https://xn--pp-8kc.example.com/cb",
    "javascript://app.example.com/%0aalert(1)",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "blob:https://app.example.com/cb",
    "about:blank",
    "http://localhost.evil.test/cb",
    "http://127.0.0.1.evil.test/cb",
    "https://0x7f000001/cb",
    "https://[::1]/cb",
    "https://[::1/cb",
    "/cb",
    "cb",
    "x" * 12_000,
)


@pytest.fixture(scope="module")
def exact(provider: Provider) -> App:
    return register(provider, redirect_uris=(REGISTERED,))


@pytest.fixture(scope="module")
def signed_in(exact: App, ana: Browser) -> Browser:
    """Ana allowed the app all it asks for: nothing but the redirect URI stands between a request and a code."""
    exact.code(ana)
    return ana


@pytest.mark.parametrize("uri", MUTATIONS, ids=lambda uri: ascii(uri)[1:50])
def test_ru_01_a_mutated_redirect_uri_gives_an_error_page_and_no_redirect(
    exact: App, signed_in: Browser, uri: str
) -> None:
    """The attacker changes a registered address a little, and hopes that the browser reads it otherwise than we do."""
    issuer = exact.provider.issuer
    stored = post_authorize(exact.provider, parameters_of(exact.url()) | {"redirect_uri": uri})
    requests = [exact.url(redirect_uri=uri), exact.url(redirect_uri=quote(uri, safe="")), exact.url(redirect_uri="")]
    answers = [signed_in.http.get(url) for url in requests]
    if "location" in stored.headers:
        answers.append(signed_in.http.get(issuer + stored.headers["location"]))
    for answer in answers:
        assert answer.status_code == 400, answer.headers.get("location")
        assert "location" not in answer.headers
        assert "refresh" not in answer.headers
        assert all(urlsplit(form.action).netloc == "" for form in forms(answer.text))
        assert uri not in answer.text or len(uri) < 4  # a few letters stand on any page


@pytest.fixture(scope="module")
def leaving(provider: Provider) -> App:
    return register(provider, "Leaving", post_logout_redirect_uris=(REGISTERED,))


@pytest.fixture(scope="module")
def id_token(leaving: App, ana: Browser) -> str:
    return str(leaving.tokens(ana)["id_token"])


@pytest.mark.parametrize("uri", MUTATIONS, ids=lambda uri: ascii(uri)[1:50])
def test_ru_01_a_mutated_address_after_signing_out_gives_an_error_page_and_ends_nothing(
    leaving: App, ana: Browser, id_token: str, uri: str
) -> None:
    """The attacker sends people to our logout, and from there to an address that only looks like a registered one."""
    asked = {"client_id": leaving.client_id, "id_token_hint": id_token, "state": "s"}
    posted = send("POST", f"{leaving.provider.issuer}/logout", data=asked | {"post_logout_redirect_uri": uri})
    query = f"{urlencode(asked)}&post_logout_redirect_uri="
    answers = [ana.http.get(f"/logout?{query}{quote(uri, safe=safe)}") for safe in ("", "/:?@;\\")]
    for answer in (posted, *answers):
        assert answer.status_code == 400, answer.headers.get("location")
        assert "location" not in answer.headers
        assert "refresh" not in answer.headers
        assert not answer.headers.get_list("set-cookie")
        assert uri not in answer.text or len(uri) < 4
    assert "You are signed in" in ana.http.get("/").text


@pytest.mark.parametrize("uri", [b"https://app.example.com/cb\xff", b"https://app.example.com/cb%ff%fe", b"%c0%af"])
def test_ru_01_raw_bytes_that_are_no_utf_8_are_an_error_page(exact: App, uri: bytes) -> None:
    """The attacker sends bytes that one decoder drops and another replaces."""
    answer = raw_get(exact.provider, exact.url(redirect_uri="").encode() + b"&redirect_uri=" + uri)
    assert status_of(answer) == 400
    assert b"\r\nlocation:" not in answer.lower()


@pytest.mark.parametrize("uri", [*MUTATIONS[:12], "https://evil.test/cb", REGISTERED + "2"])
def test_ru_01_a_mutated_redirect_uri_at_the_token_endpoint_gives_no_token(
    exact: App, signed_in: Browser, uri: str
) -> None:
    """The attacker holds a code and shows it with an address other than the one it was sent to."""
    code = exact.code(signed_in)
    refused(exact.redeem(code, redirect_uri=uri), 400, "invalid_grant")


@pytest.mark.parametrize(
    "fault",
    [
        {"response_type": "token"},
        {"response_type": ""},
        {"scope": "nonsense"},
        {"scope": '"'},
        {"code_challenge": "short"},
        {"code_challenge_method": "plain"},
        {"prompt": "dance"},
        {"prompt": "none"},
        {"max_age": "-1"},
        {"response_mode": "fragment"},
        {"response_mode": "form_post"},
        {"request": "e30."},
        {"state": "x" * 5000},
    ],
    ids=str,
)
def test_ru_02_whatever_else_is_wrong_an_unregistered_address_gets_no_redirect(
    exact: App, signed_in: Browser, fault: dict[str, str]
) -> None:
    """The attacker adds a fault whose error answer would be a redirect, so that the error carries the person off."""
    answer = signed_in.http.get(exact.url(**fault, redirect_uri="https://evil.test/cb"))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "evil.test" not in answer.text


@pytest.mark.parametrize("field", ["redirect_uris", "post_logout_redirect_uris"])
@pytest.mark.parametrize(
    "uri",
    [
        "https://*.example.com/cb",
        "https://app.example.com/*",
        "https://app.example.com/cb?x=[a-z]*|.",
        "https://app.example.com/(.*)|^$",
        "https://app.example.com/cb#f",
        "https://app.example.com/cb#",
        "https://user@app.example.com/cb",
        "https://user:pw@app.example.com/cb",
        "https://",
        "https:///cb",
        "/cb",
        "cb",
        "//app.example.com/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://app.example.com/cb",
        "http://localhost.evil.test/cb",
        "http://127.0.0.1.evil.test/cb",
        "http://127.0.0.2/cb",
        "https://app.example.com/c b",
        "https://app.example.com/cb\n",
        "https://app\u3002example.com/cb",
        "https://app.example.com:0/cb",
        "https://app.example.com:99999/cb",
        "com.example.app:/cb",
        "",
    ],
)
def test_ru_05_a_dangerous_address_is_not_registered(provider: Provider, uri: str, field: str) -> None:
    """An operator is talked into an address with a wildcard, a fragment, a user name, or a scheme that runs script."""
    wanted: dict[str, Any] = {field: (uri,)}
    with pytest.raises(InvalidRedirectUri):
        register(provider, **wanted)


@pytest.mark.slow
def test_ru_05_the_command_line_refuses_with_the_reason(provider: Provider) -> None:
    """An operator is talked into an address with a fragment."""
    done = provider.run("client", "create", "Bad", "--redirect-uri", "https://app.example.com/cb#f", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "fragment" in done.stderr
    client = register(provider)
    done = provider.run("client", "update", client.client_id, "--redirect-uri", "https://*.example.com/cb", "--json")
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "data:text/html,x", "http://app.example.com/", "//evil.test/"])
def test_ru_13_a_dangerous_address_after_signing_out_is_not_registered(provider: Provider, uri: str) -> None:
    """Another address that a person is sent to gets the same care as a redirect URI."""
    with pytest.raises(Exception, match="redirect URI"):
        register(provider, post_logout_redirect_uris=(uri,))


@pytest.fixture(scope="module")
def native(provider: Provider) -> App:
    return register(provider, redirect_uris=("http://127.0.0.1/cb", "http://[::1]:7000/cb"), public=True)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", "http://[::1]:51000/cb"]
)
def test_ru_06_a_native_app_may_listen_on_any_port_of_its_loopback_address(native: App, ana: Browser, uri: str) -> None:
    """A native app gets whatever port is free (RFC 8252 section 7.3), and must then show that very address again."""
    code = native.code(ana, redirect_uri=uri)
    refused(
        native.redeem(native.code(ana, redirect_uri=uri), redirect_uri="http://127.0.0.1:2/cb"), 400, "invalid_grant"
    )
    granted(native.redeem(code))


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:51000/cb",
        "http://127.0.0.2:1/cb",
        "http://127.0.0.1.evil.test/cb",
        "http://127.0.0.1:1@evil.test/cb",
        "http://127.0.0.1:1\\@evil.test/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:٣/cb",
        "http://127.0.0.1:51000/cb/",
        "http://127.0.0.1:51000/cb?x=1",
        "http://127.0.0.1:51000/other",
        "http://127.1:51000/cb",
        "http://2130706433:51000/cb",
        "http://0x7f.1:51000/cb",
        "http://[::1%25lo]:51000/cb",
        "http://[0:0:0:0:0:0:0:1]:51000/cb",
        "http://[::ffff:127.0.0.1]:51000/cb",
        "https://127.0.0.1:51000/cb",
    ],
)
def test_ru_06_nothing_but_the_port_may_vary(native: App, ana: Browser, uri: str) -> None:
    """The attacker looks for an address that passes for the loopback one."""
    native.code(ana, redirect_uri="http://127.0.0.1/cb")
    answer = ana.http.get(native.url(redirect_uri=uri))
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_ru_06_a_confidential_client_gets_the_port_it_registered_alone(provider: Provider, ana: Browser) -> None:
    """A server's loopback address does not move; another program of the machine must not catch its codes."""
    server = register(provider, redirect_uris=("http://127.0.0.1:7000/cb",))
    assert ana.http.get(server.url(redirect_uri="http://127.0.0.1:7001/cb")).status_code == 400
    server.code(ana, redirect_uri="http://127.0.0.1:7000/cb")


@pytest.mark.parametrize("name", ["code", "state", "iss", "error", "error_description", "id_token", "response"])
def test_ru_08_a_name_of_the_answer_is_not_registered_in_a_query(provider: Provider, name: str) -> None:
    """The attacker's code stands in the query already, and the app reads the first of two."""
    with pytest.raises(Exception, match="redirect URI"):
        register(provider, redirect_uris=(f"https://app.example.com/cb?{name}=attacker",))
    with pytest.raises(Exception, match="redirect URI"):
        register(provider, redirect_uris=(f"https://app.example.com/cb?a=1&%{ord(name[0]):02x}{name[1:]}=attacker",))


def test_ru_09_a_registered_query_is_kept_and_only_its_very_bytes_are_accepted(
    provider: Provider, ana: Browser
) -> None:
    """The attacker leaves a registered query away, adds to it, or reorders it."""
    uri = "https://app.example.com/cb?tenant=1&flag=a%20b"
    app = register(provider, redirect_uris=(uri,))
    response = ana.sign_in(app.url())
    assert response.headers["location"].startswith(uri + "&")
    pairs = parse_qsl(urlsplit(response.headers["location"]).query, strict_parsing=True)
    assert [name for name, _ in pairs] == ["tenant", "flag", "code", "state", "iss"]
    for other in (
        "https://app.example.com/cb",
        "https://app.example.com/cb?flag=a%20b&tenant=1",
        f"{uri}&x=1",
        "https://app.example.com/cb?tenant=2&flag=a%20b",
        "https://app.example.com/cb?tenant=1&flag=a+b",
        "https://app.example.com/cb?tenant=1&flag=a b",
    ):
        answer = ana.http.get(app.url(redirect_uri=other))
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert answer_of(ana.open(app.url(prompt="none", scope="nonsense")))["error"] == "invalid_scope"


def test_ru_10_an_answer_never_depends_on_the_fragment(exact: App, signed_in: Browser) -> None:
    """A browser re-attaches the fragment of the address it came from: no answer of ours is ever read from there."""
    for mode in ("query", "form_post"):
        answer = signed_in.http.get(exact.url(response_mode=mode))
        assert "#" not in answer.headers.get("location", "")
    assert signed_in.http.get(exact.url(response_mode="fragment")).headers["location"].count("#") == 0


HTML = "\"'><script>alert(1)</script><form action=https://evil.test>&amp;\t\u2028é"


def test_ru_14_a_form_post_goes_to_the_exact_address_and_escapes_what_it_carries(
    exact: App, signed_in: Browser
) -> None:
    """The attacker's state holds markup that would add a form or a script to the page that posts the code."""
    page = signed_in.http.get(exact.url(response_mode="form_post", state=HTML))
    assert page.status_code == 200
    (form,) = forms(page.text)
    assert form.action == REGISTERED
    assert form.fields["state"] == HTML
    assert "<script>alert" not in page.text
    policy = dict(each.strip().partition(" ")[::2] for each in page.headers["content-security-policy"].split(";"))
    assert policy["form-action"] == f"{REGISTERED} https:"  # and on to where the callback redirects
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "javascript://app.example.com/cb", "https://evil.test/cb"])
def test_ru_14_a_form_post_to_an_address_that_is_not_registered_is_an_error_page(
    exact: App, signed_in: Browser, uri: str
) -> None:
    """The attacker asks for a form whose action runs script, or is his."""
    page = signed_in.http.get(exact.url(response_mode="form_post", redirect_uri=uri))
    assert page.status_code == 400
    assert uri not in page.text
    assert all(urlsplit(form.action).netloc == "" for form in forms(page.text))


def test_ru_14_the_policy_of_a_form_post_page_holds_no_source_of_the_registered_query(
    provider: Provider, ana: Browser
) -> None:
    """A registered address with `;` or `,` in it must not end the directive and begin another."""
    app = register(provider, redirect_uris=("https://app.example.com/a;script-src,x/cb?y=;default-src",))
    ana.sign_in(app.url())
    page = ana.http.get(app.url(response_mode="form_post"))
    assert "form-action https://app.example.com/a%3Bscript-src%2Cx/cb" in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].count("script-src") == 2  # ours, and the path's, encoded


def test_ru_17_no_page_with_a_code_or_a_state_tells_another_site_where_it_came_from(
    exact: App, signed_in: Browser
) -> None:
    """A page that holds a code or a state would leak it in the Referer to whatever it links to or loads."""
    pages = [
        Browser(exact.provider.issuer).open(exact.url()),
        signed_in.http.get(exact.url(response_mode="form_post")),
        signed_in.http.get(exact.url(redirect_uri="https://evil.test/")),
        signed_in.open(exact.url(prompt="consent")),
    ]
    for page in pages:
        assert page.headers["referrer-policy"] == "same-origin"
        sources = [part for part in page.text.split('"') if part.startswith(("http:", "https:", "//"))]
        assert set(sources) <= {REGISTERED, exact.provider.issuer}, sources


def test_a_redirect_uri_that_is_taken_away_is_refused_at_once(provider: Provider, ana: Browser) -> None:
    app = register(provider, redirect_uris=("https://one.example.com/cb", "https://two.example.com/cb"))
    ana.sign_in(app.url())
    provider.cli("client", "update", app.client_id, "--redirect-uri", "https://two.example.com/cb")
    answer = ana.http.get(app.url())
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert "code" in answer_of(ana.http.get(app.url(redirect_uri="https://two.example.com/cb")))


def test_a_client_with_several_addresses_is_answered_at_the_one_it_named(provider: Provider, ana: Browser) -> None:
    app = register(provider, redirect_uris=("https://one.example.com/cb", "https://two.example.com/cb"))
    assert (
        ana.sign_in(app.url(redirect_uri="https://two.example.com/cb"))
        .headers["location"]
        .startswith("https://two.example.com/cb?")
    )
    refused(
        app.redeem(app.code(ana, redirect_uri="https://two.example.com/cb"), redirect_uri="https://one.example.com/cb"),
        400,
        "invalid_grant",
    )


def test_a_doubly_encoded_address_is_decoded_once(exact: App) -> None:
    query = urlencode({"redirect_uri": quote(REGISTERED, safe="")})
    answer = send("GET", exact.provider.issuer + exact.url(redirect_uri="") + "&" + query)
    assert answer.status_code == 400
