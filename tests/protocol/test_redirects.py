import copy
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol import redirects
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidRedirectUri, UnregisteredRedirectUri
from idp.protocol.redirects import RESPONSE_PARAMETERS, ReturnAddress, check_registration, return_address
from tests.protocol.samples import CALLBACK, CONFIDENTIAL, PUBLIC

# What attackers make of https://app.example.com/cb; evil.test is theirs.
MUTATIONS = [
    "https://app.example.com/cb/",
    "https://app.example.com/cb?x=1",
    "https://app.example.com/cb?code=attacker",
    "https://app.example.com/cb#f",
    "https://app.example.com/cb#",
    "https://app.example.com/cb?",
    "https://app.example.com/CB",
    "https://APP.EXAMPLE.COM/cb",
    "HTTPS://app.example.com/cb",
    "http://app.example.com/cb",
    "https://app.example.com:443/cb",
    "https://app.example.com:8443/cb",
    "https://app.example.com./cb",
    "https://app.example.com//cb",
    "https://app.example.com/./cb",
    "https://app.example.com/x/../cb",
    "https://app.example.com/cb/../evil",
    "https://app.example.com/cb/..%2fevil",
    "https://app.example.com/cb/%2e%2e/evil",
    "https://app.example.com/cb/%252e%252e/evil",
    "https://app.example.com/cb\\..\\evil",
    "https://app.example.com/cb;x",
    "https://app.example.com/c%62",
    "https://app.example.com/cb%00",
    "https://app.example.com/cb\x00",
    "https://app.example.com/cb%0d%0aX:1",
    "https://app.example.com/cb\r\nX: 1",
    "https://app.example.com/cb ",
    " https://app.example.com/cb",
    "https://app.example.com/cb\t",
    "\thttps://app.example.com/cb",
    "https://app.example.com/cb,https://evil.test/",
    "https://app.example.com/cb https://evil.test/",
    "//app.example.com/cb",
    "https:app.example.com/cb",
    "https:/app.example.com/cb",
    "https:///app.example.com/cb",
    "https://user:pw@app.example.com/cb",
    "https://app.example.com@evil.test/cb",
    "https://app.example.com:x@evil.test/cb",
    "https://evil.test\\@app.example.com/cb",
    "https://app.example.com\\@evil.test/cb",
    "https://evil.test#@app.example.com/cb",
    "https://evil.test?@app.example.com/cb",
    "https://evil.test/https://app.example.com/cb",
    "https://app.example.com.evil.test/cb",
    "https://evil-app.example.com/cb",
    "https://evil.app.example.com/cb",
    "https://app.example.comevil.test/cb",
    "https://app\u3002example.com/cb",
    "https://app.\uff45xample.com/cb",
    "https://\u0430pp.example.com/cb",
    "https://xn--pp-6kc.example.com/cb",
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
    "https://evil.test/cb",
    "https://app.example.com",
    "https://app.example.com/c",
    "/cb",
    "cb",
    "*",
]
LOOPBACK = ("http://127.0.0.1/cb", "http://[::1]:4000/cb?x=1", "http://localhost/cb")
NATIVE = replace(PUBLIC, redirect_uris=LOOPBACK)


def accepts(client: Client, uri: str | None) -> bool:
    try:
        address = return_address(client, uri)
    except UnregisteredRedirectUri:
        return False
    assert address.redirect_uri == uri
    return True


@pytest.mark.parametrize("client", [CONFIDENTIAL, PUBLIC], ids=["confidential", "public"])
@pytest.mark.parametrize("uri", MUTATIONS)
def test_ru_01_a_mutated_redirect_uri_is_not_the_registered_one(client: Client, uri: str) -> None:
    """Every parser reads URIs in its own way: what one takes for the app's host, a browser takes for the attacker's."""
    assert not accepts(client, uri)


@pytest.mark.parametrize("client", [CONFIDENTIAL, PUBLIC], ids=["confidential", "public"])
def test_ru_01_neither_is_it_percent_encoded_nor_cut_nor_repeated(client: Client) -> None:
    """The attacker sends the registered address percent-encoded, cut short, or twice in a row."""
    assert not accepts(client, quote(CALLBACK, safe=""))
    assert not any(accepts(client, CALLBACK[:length]) for length in range(len(CALLBACK)))
    assert not accepts(client, CALLBACK + CALLBACK)


def test_the_mutations_are_distinct_and_none_is_the_registered_one() -> None:
    assert len(set(MUTATIONS)) == len(MUTATIONS) >= 50
    assert CALLBACK not in MUTATIONS


@given(st.text(), st.sampled_from([CONFIDENTIAL, PUBLIC]))
def test_ru_01_no_text_but_the_registered_one_is_accepted(uri: str, client: Client) -> None:
    """The attacker sends any text at all for a redirect URI."""
    assert accepts(client, uri) == (uri == CALLBACK)


def test_the_registered_one_is_accepted() -> None:
    assert accepts(CONFIDENTIAL, CALLBACK)


def test_each_of_several_is_accepted() -> None:
    client = replace(CONFIDENTIAL, redirect_uris=(CALLBACK, "https://other.example.com/"))
    assert accepts(client, CALLBACK)
    assert accepts(client, "https://other.example.com/")
    assert not accepts(client, "https://other.example.com")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_missing_one_is_refused_even_if_there_is_only_one_to_choose_from(count: int) -> None:
    client = replace(CONFIDENTIAL, redirect_uris=(CALLBACK, "https://other.example.com/cb")[:count])
    assert not accepts(client, None)


def test_a_refusal_shows_what_was_sent_to_the_log_alone() -> None:
    with pytest.raises(UnregisteredRedirectUri) as refused:
        return_address(CONFIDENTIAL, "https://evil.test/\n<script>")
    assert "evil" not in refused.value.description
    assert "evil.test" in refused.value.reason
    assert "\n" not in refused.value.reason


@pytest.mark.parametrize("port", ["", ":1", ":80", ":8080", ":49152", ":65535"])
def test_ru_06_a_native_app_may_use_any_port_of_the_loopback_literal_it_registered(port: str) -> None:
    """RFC 8252 section 7.3: the system gives the app a port when it starts."""
    assert accepts(NATIVE, f"http://127.0.0.1{port}/cb")
    assert accepts(NATIVE, f"http://[::1]{port}/cb?x=1")


@pytest.mark.parametrize(
    "uri",
    [
        *("http://localhost:8080/cb", "http://LOCALHOST/cb", "http://127.0.0.2:1/cb", "http://127.0.0.1.evil.test/cb"),
        *("http://127.0.0.1:8080@evil.test/cb", "http://127.0.0.1@evil.test/cb", "http://127.0.0.1:80.evil.test/cb"),
        *("http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:99999/cb", "http://127.0.0.1:/cb"),
        *("http://127.0.0.1:-1/cb", "http://127.0.0.1:8080x/cb", "http://127.0.0.1:٨٠/cb", "http://127.0.0.1:+80/cb"),
        *("https://127.0.0.1:8080/cb", "HTTP://127.0.0.1:8080/cb", "http://127.1:8080/cb", "http://2130706433:8080/cb"),
        *("http://127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/CB", "http://127.0.0.1:8080/cb/"),
        *("http://127.0.0.1:8080/cb?x=1", "http://127.0.0.1:8080/cb#", "http://127.0.0.1:8080/cb\n"),
        *("http://127.0.0.1:8080/x/../cb", "http://127.0.0.1:8080\\@evil.test/cb", "http://127.0.0.1:80:80/cb"),
        *("http://[::1]:8080/cb", "http://[::1]:8080/cb?x=2", "http://[0:0:0:0:0:0:0:1]:8080/cb?x=1"),
        *("http://[::]:8080/cb?x=1", "http://[::1]evil.test/cb?x=1", "http://::1/cb?x=1", "http://0.0.0.0:8080/cb"),
    ],
)
def test_ru_06_nothing_but_the_port_may_vary_and_only_of_a_literal(uri: str) -> None:
    """`localhost` is a name that something else may answer to; the rest leads elsewhere than the person's machine."""
    assert not accepts(NATIVE, uri)


@pytest.mark.parametrize(
    "rest",
    [
        ".evil.test",
        "@evil.test",
        ":80@evil.test",
        ":80.evil.test",
        "evil",
        "\\@evil.test",
        "?@evil.test",
        "#@evil.test",
    ],
)
def test_ru_06_a_literal_without_a_path_is_no_prefix(rest: str) -> None:
    """The attacker continues a registered loopback address without a path into a host or user name of his own."""
    client = replace(PUBLIC, redirect_uris=("http://127.0.0.1",))
    assert accepts(client, "http://127.0.0.1:8080")
    assert not accepts(client, f"http://127.0.0.1{rest}")


def test_ru_06_the_port_varies_for_public_clients_alone() -> None:
    """The attacker listens on another port of the machine on which an app with a secret runs."""
    client = replace(CONFIDENTIAL, redirect_uris=LOOPBACK)
    assert accepts(client, "http://127.0.0.1/cb")
    assert not accepts(client, "http://127.0.0.1:8080/cb")


def test_ru_06_an_app_that_registered_no_loopback_literal_gets_none() -> None:
    """The attacker listens on a loopback address that the app never registered."""
    assert not accepts(PUBLIC, "http://127.0.0.1:8080/cb")
    assert not accepts(replace(PUBLIC, redirect_uris=("http://localhost/cb",)), "http://127.0.0.1/cb")
    assert not accepts(replace(PUBLIC, redirect_uris=("https://127.0.0.1/cb",)), "https://127.0.0.1:8080/cb")


@pytest.mark.parametrize(
    "uri",
    [
        *("https://app.example.com/cb", "https://app.example.com/cb?tenant=1", "https://app.example.com"),
        *("https://app.example.com:8443/cb", "https://127.0.0.1/cb", "https://[2001:db8::1]/cb"),
        *("http://localhost/cb", "http://localhost:3000/cb", "http://127.0.0.1:3000/cb", "http://[::1]/cb"),
    ],
)
@pytest.mark.parametrize("public", [True, False])
def test_https_and_loopback_http_may_be_registered(uri: str, public: bool) -> None:
    check_registration(uri, public=public)


NEVER = [
    *("https://*.example.com/cb", "https://app.example.com/*", "*", ".*", "https://app.example.com/(.*)"),
    *("https://app.example.com/cb|https://evil.test", "^https://app.example.com", "https://app.example.com/a{1}"),
    *("https://app.example.com/cb#", "https://app.example.com/cb#f", "#", "com.example.app:/cb#f"),
    *("https://user@app.example.com/cb", "https://user:pw@app.example.com/cb", "https://@app.example.com/cb"),
    *("https://app.example.com@evil.test/cb", "http://localhost@evil.test/cb", "com.example.app://x@y/cb"),
    *("", "/", "/cb", "cb", "//app.example.com/cb", "app.example.com/cb", "?x", "https:", "https:/", "https://"),
    *("https:///cb", "https:app.example.com/cb", "https:/app.example.com/cb", "https://:443/cb", "https://?x"),
    *("javascript:alert(1)", "javascript://app.example.com/%0aalert(1)", "JavaScript:alert(1)", "data:text/html,x"),
    *("vbscript:x", "blob:https://app.example.com/", "about:blank", "file:///etc/passwd", "ftp://app.example.com/"),
    *("http://app.example.com/cb", "http://localhost.evil.test/cb", "http://127.0.0.2/cb", "http://127.1/cb"),
    *("http://0.0.0.0/cb", "http://[::]/cb", "http://192.168.0.1/cb", "http:/localhost/cb", "http:localhost/cb"),
    *("HTTPS://app.example.com/cb", "HTTP://localhost/cb", "hTTps://app.example.com/cb"),
    *("https://app.example.com/c b", "https://app.example.com/cb\n", "\thttps://app.example.com/cb"),
    *("https://app.example.com/\x00", "https://app.example.com/é", "https://аpp.example.com/cb"),
    *('https://app.example.com/"', "https://app.example.com/<b>", "https://app.example.com/`", "https://a\\b/cb"),
    *("https://app.example.com:0/cb", "https://app.example.com:65536/cb", "https://app.example.com:x/cb"),
    *(
        "https://a;b.example.com/cb",
        "https://a'b.example.com/cb",
        "https://a,b/cb",
        "https://a%20b/cb",
        "https://a(b)/cb",
    ),
    *("https://[::1/cb", "https://[x]/cb", "https://app.example.com/" + "a" * 2000),
]


@pytest.mark.parametrize("uri", NEVER)
@pytest.mark.parametrize("public", [True, False])
def test_ru_05_what_could_match_or_lead_elsewhere_cannot_be_registered(uri: str, public: bool) -> None:
    """The attacker registers a wildcard, a fragment, a user name, a relative address, a script, or plain HTTP."""
    with pytest.raises(InvalidRedirectUri) as refused:
        check_registration(uri, public=public)
    assert refused.value.description == "The redirect URI cannot be registered."


@pytest.mark.parametrize(
    "uri", ["com.example.app:/cb", "com.example.app://cb", "com.example-2.app:/", "net.example.a+b:/cb?x=1"]
)
def test_a_private_use_scheme_is_for_public_clients_alone(uri: str) -> None:
    """RFC 8252 section 7.1: who claims the scheme on a phone gets the code, and only PKCE stands before it."""
    check_registration(uri, public=True)
    with pytest.raises(InvalidRedirectUri):
        check_registration(uri, public=False)


@pytest.mark.parametrize(
    "uri",
    [
        *("app:/cb", "myapp://cb", "com.example.app:cb", "com.example.app:", "Com.Example.App:/cb", ".example:/cb"),
        *("com.:/cb", "com..example:/cb", "1com.example:/cb", "intent://cb#Intent;end", "com_example.app:/cb"),
    ],
)
def test_ru_05_a_private_use_scheme_is_a_reversed_domain_name(uri: str) -> None:
    """RFC 8252 section 7.1: a short scheme is one that any other app claims as well."""
    with pytest.raises(InvalidRedirectUri):
        check_registration(uri, public=True)


@pytest.mark.parametrize("name", sorted(RESPONSE_PARAMETERS))
@pytest.mark.parametrize("query", ["{}=x", "{}", "{}=", "tenant=1&{}=x", "%{:02x}{}=x"])
def test_ru_08_a_query_must_not_hold_what_the_answer_carries(query: str, name: str) -> None:
    """With a `code` of the attacker's before ours, an app that reads the first signs its user in as the attacker."""
    held = f"%{ord(name[0]):02x}{name[1:]}=x" if query.startswith("%") else query.format(name)
    with pytest.raises(InvalidRedirectUri) as refused:
        check_registration(f"{CALLBACK}?{held}", public=False)
    assert name in refused.value.reason


def test_ru_08_everything_that_the_answer_carries_is_reserved() -> None:
    """The attacker registers an address whose query holds a name that our answer carries."""
    assert {"code", "state", "iss", "error", "error_description"} <= RESPONSE_PARAMETERS


@pytest.mark.parametrize("query", ["tenant=1", "Code=1", "codes=1", "x=code", "x=code%3D1", "postcode=1"])
def test_a_query_of_its_own_may_be_registered(query: str) -> None:
    check_registration(f"{CALLBACK}?{query}", public=False)


@pytest.mark.parametrize(
    "uri",
    [
        *(CALLBACK, f"{CALLBACK}?", f"{CALLBACK}?tenant=2", f"{CALLBACK}?tenant=1", f"{CALLBACK}?b=2&tenant=1"),
        *(f"{CALLBACK}?tenant=1&b=2&c=3", f"{CALLBACK}?tenant=1&b=2&", f"{CALLBACK}?tenant=1;b=2"),
        *(f"{CALLBACK}?tenant=1&amp;b=2", f"{CALLBACK}?tenant=%31&b=2", f"{CALLBACK}?tenant=1&tenant=1&b=2"),
    ],
)
def test_ru_09_a_registered_query_is_part_of_what_must_be_equal(uri: str) -> None:
    """The attacker leaves a registered query away, changes, reorders or re-encodes it, or adds to it."""
    client = replace(CONFIDENTIAL, redirect_uris=(f"{CALLBACK}?tenant=1&b=2",))
    assert accepts(client, f"{CALLBACK}?tenant=1&b=2")
    assert not accepts(client, uri)


URI_PARTS = st.sampled_from(
    [
        *("https://", "http://", "com.example:/", "javascript:", "//", "/", "\\", "@", ":", "#", "?", "&", "=", "%"),
        *(
            "[",
            "]",
            "::1",
            "127.0.0.1",
            "localhost",
            "app.example.com",
            "evil.test",
            "code",
            "443",
            "*",
            " ",
            "\n",
            "é",
        ),
    ]
)


@given(st.one_of(st.text(), st.lists(URI_PARTS, max_size=10).map("".join)), st.booleans())
def test_registration_raises_nothing_but_invalid_redirect_uri_and_takes_nothing_dangerous(
    uri: str, public: bool
) -> None:
    try:
        check_registration(uri, public=public)
    except InvalidRedirectUri:
        return
    parts = urlsplit(uri)
    assert uri.isascii()
    assert uri.isprintable()
    assert not set(uri) & set(' \\<>"#*')
    assert "@" not in parts.netloc
    assert not {name for name, _ in parse_qsl(parts.query)} & RESPONSE_PARAMETERS
    assert parts.scheme == "https" or parts.hostname in ("127.0.0.1", "::1", "localhost") or "." in parts.scheme
    assert return_address(replace(CONFIDENTIAL, redirect_uris=(uri,)), uri).redirect_uri == uri


@pytest.mark.parametrize("secret", [None, True, object(), "", CALLBACK])
def test_a_return_address_cannot_be_made_elsewhere(secret: object) -> None:
    """An open redirect needs a ReturnAddress, and validation alone makes one."""
    with pytest.raises(TypeError):
        ReturnAddress("https://evil.test/", secret)


def test_a_return_address_cannot_be_made_from_another() -> None:
    """A copy with another address would carry the proof of the first one's validation."""
    address = return_address(CONFIDENTIAL, CALLBACK)
    with pytest.raises((TypeError, ValueError)):
        replace(address, redirect_uri="https://evil.test/")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        address.redirect_uri = "https://evil.test/"  # type: ignore[misc]
    assert copy.copy(address) == address


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.example.com/cb", "https://app.example.com"),
        ("https://app.example.com:443/cb", "https://app.example.com"),
        ("https://APP.example.com:8443/cb?x#y", "https://app.example.com:8443"),
        ("http://localhost:3000/cb", "http://localhost:3000"),
        ("http://127.0.0.1:80/", "http://127.0.0.1"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("com.example.app:/cb", None),
        ("com.example.app://host/cb", None),
    ],
)
def test_the_origin_of_an_address_is_spelt_as_a_browser_does(uri: str, origin: str | None) -> None:
    assert redirects.origin(uri) == origin


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("https://app.example.com:8443/cb", "app.example.com"),
        ("http://[::1]:3000/", "[::1]:3000"),
        ("com.example.app:/cb", "com.example.app"),
    ],
)
def test_a_person_is_shown_the_host_or_the_scheme(uri: str, host: str) -> None:
    assert redirects.host_of(uri) == host
