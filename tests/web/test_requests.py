"""What surrounds a request: its host, its method, its encodings, and headers that claim to be somebody else's."""

import gzip
import io
import json
from collections.abc import Iterator

import httpx2
import pytest
from starlette.routing import Route

from idp import routes
from tests.oauth.wire import FORM, App, granted, raw_get, register, send, status_of
from tests.provider import Browser, Provider, running
from tests.signin.reading import heading_of
from tests.web.raw import exchange, head, statuses

LISTED = [route for route in (*routes.API, *routes.PAGES) if isinstance(route, Route)]
METHODS = {
    path: {method for route in LISTED if route.path_regex.match(path) for method in route.methods or ()}
    for path in {route.path for route in LISTED}
}
ALL = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "M-SEARCH")


def filled(path: str) -> str:
    return path.replace("{", "").replace("}", "")


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("public"), issuer="https://id.example.com") as provider:
        yield provider


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_on_loopback_each_of_its_names_is_ours(provider: Provider, host: str) -> None:
    sent = f"{host}:{provider.port}".encode()
    assert status_of(raw_get(provider, b"/", host=sent)) == 200
    assert status_of(raw_get(provider, b"/", host=host.encode())) == 421


@pytest.mark.parametrize("host", ["id.example.com", "ID.EXAMPLE.COM", "id.example.com:443"])
def test_a_public_provider_answers_by_its_own_name(public: Provider, host: str) -> None:
    assert status_of(raw_get(public, b"/", host=host.encode())) == 200


def test_a_proxy_that_does_not_pass_the_host_on_is_told_to_the_operator(public: Provider) -> None:
    """The classic mistake: the proxy asks for its own idea of us, and every address would look like another site."""
    page = send("GET", f"{public.issuer}/")
    assert (page.status_code, heading_of(page)) == (421, "This is not where we are found")
    answer = send("GET", f"{public.issuer}/jwks")
    assert (answer.status_code, answer.json()["error"]) == (421, "invalid_request")
    reference = answer.headers["x-request-id"]
    (line,) = [line for line in public.log_lines() if line["event"] == "refused" and line["reference"] == reference]
    assert f"'localhost:{public.port}', not {public.host}" in line["reason"]
    told = public.cli("explain", reference)
    assert "proxy" in json.dumps(told)
    assert "IDP_ISSUER" in json.dumps(told)


def test_ht_04_the_host_of_the_first_line_decides_nothing(provider: Provider) -> None:
    """The attacker names another host in the first line, where the Host header is ours."""
    for target in (b"http://evil.test/.well-known/openid-configuration", b"//evil.test/", b"http://evil.test/nowhere"):
        answer = raw_get(provider, target)
        assert b"evil.test" not in answer
        assert status_of(answer) in (200, 404)


@pytest.mark.parametrize("path", sorted(METHODS))
def test_a_method_that_a_path_does_not_have_is_refused_and_those_it_has_are_named(
    provider: Provider, path: str
) -> None:
    for method in ALL:
        answer = send(method, provider.issuer + filled(path))
        assert (answer.status_code == 405) == (method not in METHODS[path]), (method, answer.status_code)
        if answer.status_code == 405:
            assert set(answer.headers["allow"].split(", ")) == METHODS[path]
            assert "access-control-allow-methods" not in answer.headers


def test_connect_and_methods_that_do_not_exist_are_refused(provider: Provider) -> None:
    for method, refused in ((b"CONNECT", 405), (b"FOO", 400), (b"get", 400)):
        assert statuses(exchange(provider, head(provider, method + b" /jwks", b"Connection: close"))) == [refused]


@pytest.mark.parametrize("path", ["/", "/jwks", "/signed-out", "/static/idp.css", "/nowhere", "/authorize"])
def test_head_is_get_without_a_body(provider: Provider, path: str) -> None:
    with_body, without = (send(method, provider.issuer + path) for method in ("GET", "HEAD"))
    assert without.status_code == with_body.status_code
    assert without.content == b""
    answer = exchange(provider, head(provider, f"HEAD {path}".encode(), b"Connection: close"))
    assert answer.endswith(b"\r\n\r\n")
    vary = ("date", "x-request-id")
    assert {k: v for k, v in without.headers.items() if k not in vary} == {
        k: v for k, v in with_body.headers.items() if k not in vary
    }


OVERRIDES = {
    **dict.fromkeys(("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"), "POST"),
    **dict.fromkeys(("X-Original-URI", "X-Original-URL", "X-Rewrite-URL"), "/jwks"),
    **dict.fromkeys(("X-Forwarded-Host", "X-Host", "Forwarded", "X-Forwarded-Server"), "host=evil.test"),
    **dict.fromkeys(("X-Forwarded-Proto", "X-Forwarded-Scheme", "Front-End-Https"), "https"),
    **dict.fromkeys(("X-Forwarded-Prefix", "X-Script-Name", "X-Forwarded-Path"), "/evil"),
    **dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "True-Client-IP", "X_Forwarded_For"), "198.51.100.7"),
    **dict.fromkeys(("X-Forwarded-User", "Remote-User", "X-WEBAUTH-USER", "X-SSL-Client-Verify"), "ana@example.test"),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_ht_05_no_header_changes_method_path_host_or_person(provider: Provider, app: App, name: str) -> None:
    """A filter in front of us judged another request than the one that the attacker's header makes of it."""
    headers = {name: OVERRIDES[name]}
    assert send("GET", f"{provider.issuer}/token", headers=headers).status_code == 405
    assert send("GET", f"{provider.issuer}/nowhere", headers=headers).status_code == 404
    page = send("GET", f"{provider.issuer}/", headers=headers)
    assert heading_of(page) == "Nothing to do here"
    found = send("GET", f"{provider.issuer}/.well-known/openid-configuration", headers=headers)
    assert found.json()["issuer"] == provider.issuer
    assert send("GET", provider.issuer + app.url(prompt="none"), headers=headers).status_code == 303


def test_ht_06_a_header_that_the_connection_names_counts_all_the_same(provider: Provider, ana: Browser) -> None:
    """The attacker has the next hop drop a header that decides: who is asking, from where, and by what cookie."""
    ana.sign_in(register(provider).url())
    cookies = "; ".join(f"{key}={value}" for key, value in ana.http.cookies.items())
    for named in ("Authorization", "Cookie", "Host", "Origin, Content-Type", "close, Cookie"):
        answer = send("GET", f"{provider.issuer}/", headers={"Connection": named, "Cookie": cookies})
        assert heading_of(answer) == "You are signed in", named
    headers = {"Connection": "Authorization", "Authorization": "Bearer x"}
    assert send("GET", f"{provider.issuer}/userinfo", headers=headers).status_code == 401


@pytest.mark.parametrize("range_", ["bytes=0-9", "bytes=" + ",".join(f"{n}-{n}" for n in range(3000)), "bytes=-1"])
@pytest.mark.parametrize("path", ["/static/idp.css", "/jwks", "/"])
def test_ht_10_a_range_is_the_whole(provider: Provider, path: str, range_: str) -> None:
    """The attacker asks for ten thousand pieces of a file, each of which costs more than the file."""
    answer = send("GET", provider.issuer + path, headers={"Range": range_, "If-Range": '"x"'})
    assert answer.status_code == 200
    assert "content-range" not in answer.headers
    assert "accept-ranges" not in answer.headers


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "x-gzip", "gzip, gzip", "GZIP", "unheard-of"])
def test_ht_11_a_compressed_body_is_not_unpacked(provider: Provider, encoding: str) -> None:
    """The attacker sends a few kilobytes that would be gigabytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(b"grant_type=client_credentials&x=" + b"a" * 10_000_000)
    headers = {"Content-Type": FORM, "Content-Encoding": encoding}
    answer = send("POST", f"{provider.issuer}/token", content=packed.getvalue(), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (415, "invalid_request")
    assert answer.headers["accept-encoding"] == "identity"
    assert heading_of(send("POST", f"{provider.issuer}/sign-out", headers=headers)) == "That was not understood"


POSTED = sorted(path for path, methods in METHODS.items() if "POST" in methods)


@pytest.mark.slow
@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("application/json", b"[" * 60_000),
        ("application/json; charset=utf-8", b'{"grant_type":"client_credentials"}'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'),
        ("text/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        ("text/plain", b"a=b"),
        (f"{FORM}; charset=utf-7", b"a=+AGI-"),
        ("", b"a=b"),
    ],
)
def test_do_06_nothing_but_a_form_is_read(
    provider: Provider, ana: Browser, path: str, content_type: str, body: bytes
) -> None:
    """The attacker sends JSON that is deep, long or odd, XML, or parts; no endpoint reads any of them."""
    ana.sign_in(register(provider).url())
    headers = {"Content-Type": content_type, "Origin": provider.issuer}
    answer = ana.http.post(filled(path), content=body, headers=headers)
    assert answer.status_code in (400, 401, 403, 410), answer.status_code
    assert "set-cookie" not in answer.headers


def test_a_request_of_sixteen_kilobytes_works_and_a_longer_one_is_told_so(app: App, ana: Browser) -> None:
    ana.sign_in(app.url())
    room = 16 * 1024 - len(app.url().replace("?", "&x="))
    assert ana.http.get(f"{app.url()}&x={'a' * room}").status_code == 303
    page = ana.http.get(f"{app.url()}&x={'a' * (room + 1)}")
    assert (page.status_code, heading_of(page)) == (414, "That was too much")
    answer = send("GET", f"{app.provider.issuer}/jwks?{'a' * 16 * 1024}")
    assert (answer.status_code, answer.json()["error"]) == (414, "invalid_request")


@pytest.mark.parametrize("number", [99, 1000, 10_000])
def test_do_04_a_flood_of_headers_is_refused(provider: Provider, number: int) -> None:
    """The attacker sends ten thousand headers, or one that is a megabyte long."""
    many = [f"X-{n}: {n}".encode() for n in range(number)]
    assert statuses(exchange(provider, head(provider, b"GET /jwks", *many, b"Connection: close")))[0] == 431
    one = b"X: " + b"a" * (number * 100)
    expected = 431 if number * 100 > 32 * 1024 else 200
    assert statuses(exchange(provider, head(provider, b"GET /jwks", one, b"Connection: close")))[0] == expected


def test_un_04_a_value_means_the_same_by_query_and_by_body(provider: Provider, app: App, ana: Browser) -> None:
    """The attacker encodes twice, or in a way that one reader takes for a space and another for a plus."""
    ana.sign_in(app.url())
    for sent, meant in (
        *(("a%20b", "a b"), ("a+b", "a b"), ("a%2Bb", "a+b"), ("a%2520b", "a%20b"), ("a;b=c", "a;b=c")),
        *(("a%26b%3Dc", "a&b=c"), ("%C3%A9", "é"), ("%", "%"), ("%zz", "%zz"), ("a%3Bb", "a;b"), ("=a=", "=a=")),
    ):
        by_query = ana.http.get(f"{app.url(state='')}&state={sent}")
        query = app.url(state="").partition("?")[2]
        headers = {"Content-Type": FORM}
        stored = send("POST", f"{provider.issuer}/authorize", content=f"{query}&state={sent}", headers=headers)
        by_body = ana.http.get(stored.headers["location"])
        told = [httpx2.QueryParams(each.headers["location"].partition("?")[2]) for each in (by_query, by_body)]
        assert [each["state"] for each in told] == [meant, meant], sent


def test_un_04_no_parameter_of_the_token_endpoint_is_read_from_elsewhere(provider: Provider, app: App) -> None:
    """The attacker puts parameters where one program reads them and another does not: query, cookie, header."""
    query = "grant_type=client_credentials"
    service = register(provider, "Robot", (), grant_types=("client_credentials",), scope="reports.read")
    granted(service.post({"grant_type": "client_credentials"}))
    for elsewhere in ({"url": f"?{query}"}, {"cookie": query}, {"header": "client_credentials"}):
        answer = send(
            "POST",
            f"{provider.issuer}/token{elsewhere.get('url', '')}",
            content=b"x=1",
            headers={
                "Content-Type": FORM,
                "Cookie": elsewhere.get("cookie", ""),
                "grant_type": elsewhere.get("header", ""),
            },
            auth=service.basic,
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.fixture(scope="module")
def app(provider: Provider) -> App:
    return register(provider)


@pytest.fixture(scope="module")
def ana(provider: Provider) -> Browser:
    return Browser(provider.issuer)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One that has not refused so much already that more of it is counted only."""
    with running(tmp_path_factory.mktemp("quiet")) as provider:
        yield provider


# What is sent, the answer's status, and a word of the remedy.
REFUSED = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "HTTP client or the proxy"),
    "foreign host": (b"GET / HTTP/1.1\r\nHost: evil.example.net\r\n\r\n", 421, "IDP_ISSUER"),
    "two content types": (
        b"POST /token HTTP/1.1\r\n%s\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
        400,
        "again",
    ),
    "long address": (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n%s\r\n\r\n", 414, "posted instead"),
    "large head": (b"GET / HTTP/1.1\r\n%s\r\nCookie: " + b"a" * 17_000 + b"\r\n\r\n", 431, "piled up"),
    "large body": (b"POST /token HTTP/1.1\r\n%s\r\nContent-Length: 70000\r\n\r\n", 413, "Send less"),
    "compressed body": (
        b"POST /token HTTP/1.1\r\n%s\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
        415,
        "without Content-Encoding",
    ),
    "endless body": (
        b"POST /token HTTP/1.1\r\n%s\r\nTransfer-Encoding: chunked\r\nContent-Type: "
        + FORM.encode()
        + b"\r\n\r\n11170\r\n"
        + b"a" * 70_000
        + b"\r\n0\r\n\r\n",
        413,
        "Send less",
    ),
    "slow body": (
        b"POST /token HTTP/1.1\r\n%s\r\nContent-Length: 9\r\nContent-Type: " + FORM.encode() + b"\r\n\r\na",
        408,
        "Send it again",
    ),
    "control character": (b"GET /a%%00b HTTP/1.1\r\n%s\r\n\r\n", 404, "discovery document"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_guard_refuses_is_explained_by_the_reference_that_it_carries(quiet: Provider, name: str) -> None:
    sent, status, remedy = REFUSED[name]
    answer = exchange(quiet, sent.replace(b"%s", b"Host: " + quiet.host.encode()).replace(b"%%", b"%"))
    assert statuses(answer) == [status]
    reference = next(
        line.partition(b": ")[2].decode() for line in answer.split(b"\r\n") if line.lower().startswith(b"x-request-id")
    )
    told = quiet.cli("explain", reference)
    assert remedy in told["what_to_change"]
    assert "section" in told["section"]
