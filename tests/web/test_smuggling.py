"""HT-01: a request that two programs could read as two different ones is refused, and what follows it is not served."""

import time

import pytest

from tests.provider import Provider
from tests.web.raw import FORM, exchange, head, statuses

POST = b"POST /token"
CHUNKED = b"Transfer-Encoding: chunked"

# The head of a request after its Host, and what comes after the head. SMUGGLED is a request of its own.
AMBIGUOUS: dict[str, tuple[tuple[bytes, ...], bytes]] = {
    "a length and chunks": ((b"Content-Length: 5", CHUNKED), b"0\r\n\r\nSMUGGLED"),
    "chunks and a length": ((CHUNKED, b"Content-Length: 5"), b"0\r\n\r\nSMUGGLED"),
    "two lengths": ((b"Content-Length: 0", b"Content-Length: 99"), b"SMUGGLED"),
    "the same length twice": ((b"Content-Length: 0", b"Content-Length: 0"), b"SMUGGLED"),
    "two lengths in one": ((b"Content-Length: 0, 99",), b"SMUGGLED"),
    "a length with a sign": ((b"Content-Length: +0",), b"SMUGGLED"),
    "a length below nothing": ((b"Content-Length: -1",), b"SMUGGLED"),
    "a length in hex": ((b"Content-Length: 0x0",), b"SMUGGLED"),
    "a length with a space": ((b"Content-Length: 0 0",), b"SMUGGLED"),
    "no length": ((b"Content-Length:",), b"SMUGGLED"),
    "a length over 64 bits": ((b"Content-Length: 18446744073709551616",), b"SMUGGLED"),
    "a space before the colon": ((b"Content-Length : 99",), b"SMUGGLED"),
    "a coding with a space before the colon": ((b"Transfer-Encoding : chunked",), b"0\r\n\r\nSMUGGLED"),
    "a coding like chunked": ((b"Transfer-Encoding: xchunked",), b"0\r\n\r\nSMUGGLED"),
    "a coding after chunked": ((b"Transfer-Encoding: chunked, identity",), b"0\r\n\r\nSMUGGLED"),
    "a coding before chunked": ((b"Transfer-Encoding: gzip, chunked",), b"0\r\n\r\nSMUGGLED"),
    "chunked twice": ((CHUNKED, CHUNKED), b"0\r\n\r\nSMUGGLED"),
    "chunked, then not": ((CHUNKED, b"Transfer-Encoding: identity"), b"0\r\n\r\nSMUGGLED"),
    "a tab that is none": ((b"Transfer-Encoding: \x0bchunked",), b"0\r\n\r\nSMUGGLED"),
    "a folded header": ((b"X: a\r\n b", b"Content-Length: 0"), b"SMUGGLED"),
    "a folded coding": ((b"Transfer-Encoding:\r\n chunked",), b"0\r\n\r\nSMUGGLED"),
    "a bare CR in a header": ((b"X: a\rContent-Length: 99",), b"SMUGGLED"),
    "a bare LF in a header": ((b"X: a\nContent-Length: 99",), b"SMUGGLED"),
    "NUL in a header": ((b"X: a\0b", b"Content-Length: 0"), b"SMUGGLED"),
    "a header without a name": ((b": a", b"Content-Length: 0"), b"SMUGGLED"),
    "a header without a colon": ((b"Content-Length 99",), b"SMUGGLED"),
    "a header after a space": ((b" Content-Length: 99",), b"SMUGGLED"),
    "a chunk's size with a sign": ((CHUNKED,), b"+0\r\n\r\nSMUGGLED"),
    "a chunk's size with 0x": ((CHUNKED,), b"0x0\r\n\r\nSMUGGLED"),
    "a chunk's size and a space": ((CHUNKED,), b"0 \r\n\r\nSMUGGLED"),
    "a chunk's size over 64 bits": ((CHUNKED,), b"10000000000000000\r\n\r\nSMUGGLED"),
    "a chunk's size that ends in LF": ((CHUNKED,), b"0\n\nSMUGGLED"),
    "an extension with LF": ((CHUNKED,), b"0;a=\n\r\n\r\nSMUGGLED"),
    "a chunk longer than its size": ((CHUNKED,), b"1\r\nab\r\n0\r\n\r\nSMUGGLED"),
    "a length in the trailer": ((CHUNKED,), b"0\r\nContent-Length: 99\r\n\r\nSMUGGLED"),
    "two hosts": ((b"Host: evil.test", b"Content-Length: 0"), b"SMUGGLED"),
}
# What has one meaning, however odd. The second request is a second one.
PLAIN: dict[str, tuple[tuple[bytes, ...], bytes]] = {
    "an extension of a chunk": ((CHUNKED,), b"1;a=b\r\na\r\n0\r\n\r\nSMUGGLED"),
    "chunked in capitals": ((b"Transfer-Encoding: CHUNKED",), b"1\r\na\r\n0\r\n\r\nSMUGGLED"),
    "nothing but a length": ((b"Content-Length: 1",), b"aSMUGGLED"),
    "a header with an underscore": ((b"Content_Length: 99", b"Content-Length: 1"), b"aSMUGGLED"),
    "a header that the connection names": ((b"Connection: Content-Length", b"Content-Length: 1"), b"aSMUGGLED"),
}


def sent(provider: Provider, parts: tuple[tuple[bytes, ...], bytes], path: str) -> bytes:
    headers, rest = parts
    second = head(provider, f"GET {path}".encode(), b"Connection: close")
    return head(provider, POST, FORM, *headers) + rest.replace(b"SMUGGLED", second)


def was_served(provider: Provider, path: str) -> bool:
    return any(line.get("path") == path for line in provider.log_lines() if line["event"] == "request")


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ht_01_a_request_with_two_readings_is_refused_and_the_connection_closed(provider: Provider, name: str) -> None:
    """A proxy in front of us reads one request; the attacker has us read two, the second in somebody else's name."""
    path = f"/smuggled/{name.replace(' ', '-')}"
    began = time.monotonic()
    answer = exchange(provider, sent(provider, AMBIGUOUS[name], path))
    assert statuses(answer) == [400]
    assert time.monotonic() - began < 4  # at once, and not when the connection was idle for 5 s
    assert not was_served(provider, path)


@pytest.mark.parametrize("name", PLAIN)
def test_ht_01_a_request_with_one_reading_ends_where_it_ends(provider: Provider, name: str) -> None:
    """The attacker hopes that we stop reading a body sooner or later than the proxy in front of us."""
    path = f"/second/{name.replace(' ', '-')}"
    answer = exchange(provider, sent(provider, PLAIN[name], path))
    assert statuses(answer) == [401, 404]
    assert was_served(provider, path)


@pytest.mark.parametrize(
    "line",
    [
        *(b"POST /token HTTP/1.1\n", b"POST /token HTTP/1.1\r", b"GET /jwks HTTP/9.9\r\n", b"GET jwks HTTP/1.1\r\n"),
        *(b"GET /jw ks HTTP/1.1\r\n", b"get /jwks HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01\x02\0\r\n"),
        *(b"GET /\xff HTTP/1.1\r\n", b"CONNECT evil.test:443 HTTP/1.1\r\n", b"GET /jwks HTTP/1.1\r\n "),
    ],
    ids=ascii,
)
def test_ht_01_a_first_line_that_is_none_is_refused(provider: Provider, line: bytes) -> None:
    """The attacker speaks another version, another protocol, or lines that end where others see no end."""
    answer = exchange(provider, line + b"Host: " + provider.host.encode() + b"\r\n\r\n")
    assert statuses(answer) == [400]


def test_ht_01_after_an_offer_to_upgrade_nothing_is_read(provider: Provider) -> None:
    """The attacker pretends to change the protocol, so that a proxy passes on what he sends without looking at it."""
    for offer in (b"h2c", b"websocket"):
        headers = (b"Connection: Upgrade", b"Upgrade: " + offer)
        path = f"/upgraded/{offer.decode()}"
        answer = exchange(provider, head(provider, b"GET /jwks", *headers) + head(provider, f"GET {path}".encode()))
        assert statuses(answer) == [200]
        assert b"\r\nconnection: close\r\n" in answer
        assert not was_served(provider, path)
