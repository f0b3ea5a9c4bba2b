"""The guard's judgement of a head, as a table."""

from typing import Any

import pytest

from idp.protocol import rules
from idp.web import problems
from idp.web.guard import MAX_BODY, MAX_COOKIES, MAX_HEAD, MAX_HEADERS, MAX_TARGET, Rejected, check, hosts_of
from idp.web.problems import Problem

HOST = (b"host", b"id.example.com")
HOSTS = hosts_of("https://id.example.com")


def head(*headers: tuple[bytes, bytes], path: str = "/token", query: bytes = b"") -> dict[str, Any]:
    return {"headers": [*headers], "path": path, "raw_path": path.encode(), "query_string": query}


def many(number: int) -> list[tuple[bytes, bytes]]:
    return [(b"x", b"")] * number


GOOD: dict[str, dict[str, Any]] = {
    "nothing but a host": head(HOST),
    "capitals": head((b"host", b"ID.Example.COM")),
    "its default port": head((b"host", b"id.example.com:443")),
    "as many headers as may be": head(HOST, *many(MAX_HEADERS - 1)),
    "as large as may be": head(HOST, (b"x", b"y" * (MAX_HEAD - len(b"".join(HOST)) - 1))),
    "as many cookies as may be": head(HOST, (b"cookie", b"a" * 1000), (b"cookie", b"a" * (MAX_COOKIES - 1000))),
    "as long as may be": head(HOST, query=b"a" * (MAX_TARGET - len("/token"))),
    "a full body": head(HOST, (b"content-length", str(MAX_BODY).encode())),
    "no body, said oddly": head(HOST, (b"content-length", b"000")),
    "chunked": head(HOST, (b"transfer-encoding", b"Chunked")),
    "as it is": head(HOST, (b"content-encoding", b"identity")),
    "what may be repeated": head(HOST, (b"accept", b"a"), (b"accept", b"b"), (b"x-forwarded-for", b"a")),
    "a path in any script": head(HOST, path="/é漢字\U0001f600"),
}
BAD: dict[str, tuple[Problem, dict[str, Any]]] = {
    "no host": (problems.BAD_REQUEST, head()),
    "two hosts": (problems.BAD_REQUEST, head(HOST, (b"host", b"evil.test"))),
    "the same host twice": (problems.BAD_REQUEST, head(HOST, HOST)),
    "an empty host": (problems.MISDIRECTED, head((b"host", b""))),
    "two hosts in one": (problems.MISDIRECTED, head((b"host", b"id.example.com, evil.test"))),
    "another host": (problems.MISDIRECTED, head((b"host", b"evil.test"))),
    "another port": (problems.MISDIRECTED, head((b"host", b"id.example.com:80"))),
    "an empty port": (problems.MISDIRECTED, head((b"host", b"id.example.com:"))),
    "a dot at the end": (problems.MISDIRECTED, head((b"host", b"id.example.com."))),
    "a host under ours": (problems.MISDIRECTED, head((b"host", b"a.id.example.com"))),
    "somebody at our host": (problems.MISDIRECTED, head((b"host", b"a@id.example.com"))),
    "a host and a path": (problems.MISDIRECTED, head((b"host", b"id.example.com/x"))),
    "no text": (problems.MISDIRECTED, head((b"host", b"\xff"))),
    "a header too many": (problems.HEAD_TOO_LARGE, head(HOST, *many(MAX_HEADERS))),
    "a byte too many": (problems.HEAD_TOO_LARGE, head(HOST, (b"x", b"y" * MAX_HEAD))),
    "a cookie too many": (problems.HEAD_TOO_LARGE, head(HOST, (b"cookie", b"a" * MAX_COOKIES), (b"cookie", b"a"))),
    "too long a query": (problems.ADDRESS_TOO_LONG, head(HOST, query=b"a" * MAX_TARGET)),
    "too long a path": (problems.ADDRESS_TOO_LONG, head(HOST, path="/" + "a" * MAX_TARGET)),
    "NUL in the path": (problems.NOT_FOUND, head(HOST, path="/a\0")),
    "a line break in the path": (problems.NOT_FOUND, head(HOST, path="/a\r\nb")),
    "what was not UTF-8 in the path": (problems.NOT_FOUND, head(HOST, path="/\ufffd")),
    "too large a body": (problems.TOO_LARGE, head(HOST, (b"content-length", str(MAX_BODY + 1).encode()))),
    "a length without end": (problems.BAD_REQUEST, head(HOST, (b"content-length", b"9" * 5000))),
    "a length with a sign": (problems.BAD_REQUEST, head(HOST, (b"content-length", b"+5"))),
    "a length in other digits": (problems.BAD_REQUEST, head(HOST, (b"content-length", "٥".encode()))),
    "another transfer coding": (problems.BAD_REQUEST, head(HOST, (b"transfer-encoding", b"gzip, chunked"))),
    "a compressed body": (problems.COMPRESSED, head(HOST, (b"content-encoding", b"gzip"))),
    "a body compressed twice": (problems.COMPRESSED, head(HOST, (b"content-encoding", b"identity, gzip"))),
}
ONCE = (b"content-encoding", b"content-length", b"content-type", b"host", b"origin", b"transfer-encoding")


@pytest.mark.parametrize("name", GOOD)
def test_what_any_client_may_send_passes(name: str) -> None:
    check(GOOD[name], HOSTS)


@pytest.mark.parametrize("name", BAD)
def test_what_no_client_needs_is_rejected(name: str) -> None:
    problem, scope = BAD[name]
    with pytest.raises(Rejected) as rejected:
        check(scope, HOSTS)
    assert rejected.value.problem is problem
    assert len(str(rejected.value)) in range(10, 301)
    assert str(rejected.value).isascii()
    assert rules.find(str(problem.title), str(rejected.value)) is not None


@pytest.mark.parametrize("name", ONCE)
@pytest.mark.parametrize("values", [(b"", b""), (b"0", b"0"), (b"a", b"b")])
def test_a_header_that_decides_may_not_come_twice(name: bytes, values: tuple[bytes, bytes]) -> None:
    others = [] if name == b"host" else [HOST]
    with pytest.raises(Rejected) as rejected:
        check(head(*others, *((name, value) for value in values)), HOSTS)
    assert (rejected.value.problem, str(rejected.value)) == (problems.BAD_REQUEST, f"two headers {name.decode()}")
    assert rules.find(str(problems.BAD_REQUEST.title), str(rejected.value)) is not None


def test_the_reason_of_a_wrong_host_tells_the_operator_what_to_set() -> None:
    with pytest.raises(Rejected) as rejected:
        check(head((b"host", b"127.0.0.1:8000")), HOSTS)
    reason = str(rejected.value)
    assert all(part in reason for part in ("'127.0.0.1:8000'", "id.example.com", "proxy", "IDP_ISSUER"))


@pytest.mark.parametrize(
    ("issuer", "hosts"),
    [
        ("https://id.example.com", {b"id.example.com", b"id.example.com:443"}),
        ("https://id.example.com:8443", {b"id.example.com:8443"}),
        ("https://[2001:db8::1]", {b"[2001:db8::1]", b"[2001:db8::1]:443"}),
        ("http://localhost:8000", {b"localhost:8000", b"127.0.0.1:8000", b"[::1]:8000"}),
        ("https://[::1]:8000", {b"localhost:8000", b"127.0.0.1:8000", b"[::1]:8000"}),
        (
            "http://127.0.0.1",
            {b"localhost", b"127.0.0.1", b"[::1]", b"localhost:80", b"127.0.0.1:80", b"[::1]:80"},
        ),
    ],
)
def test_the_hosts_are_those_of_the_issuer(issuer: str, hosts: set[bytes]) -> None:
    assert hosts_of(issuer) == hosts
