"""Asking whether a password has leaked, of a server that answers as the range API does, or badly."""

import asyncio
import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from structlog.testing import capture_logs

from idp.outside.breaches import SECONDS, NoBreaches, RangeApi, breaches_of
from idp.settings import Settings, load

LEAKED = "correct horse battery staple"
DIGEST = hashlib.sha1(LEAKED.encode(), usedforsecurity=False).hexdigest().upper()


def loaded(**environment: str) -> Settings:
    return load({"IDP_ISSUER": "https://id.example.com", **environment})


class Server:
    """Answers each request with the same bytes, or not at all where there are none; `asked` has the requests."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.asked, self._open = answer, list[bytes](), list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/range"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.asked.append(connection.recv(65536))
                if not self.answer:
                    self._open.append(connection)
                    continue
                with connection, suppress(OSError):
                    connection.sendall(self.answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._open:
            connection.close()


@contextmanager
def serving(answer: bytes) -> Iterator[Server]:
    server = Server(answer)
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: " + str(len(body)).encode(), b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def lines(count: str) -> bytes:
    return f"{'0' * 35}:3\r\n{DIGEST[5:]}:{count}\r\n{'F' * 35}:0\r\n".encode()


async def asked(server: Server, plain: str = LEAKED) -> bool | None:
    api = RangeApi(server.url)
    try:
        return await api.contains(plain)
    finally:
        await api.close()


async def test_pw_05_a_leaked_password_is_known_and_no_more_than_five_digits_of_it_leave() -> None:
    """The attacker tries passwords that leaked elsewhere; and whoever runs the list wants to know them too."""
    with serving(answer(lines("42"))) as server:
        assert await asked(server) is True
        assert await asked(server, "another long password") is False
    first = server.asked[0].decode()
    assert first.startswith(f"GET /range/{DIGEST[:5]} HTTP/1.1\r\n")
    assert "add-padding: true" in first.lower()
    assert "accept-encoding: identity" in first.lower()
    assert DIGEST[5:] not in first


@pytest.mark.parametrize("body", [lines("42").lower(), lines("42").replace(b"\r\n", b"\n"), lines("42").rstrip()])
async def test_a_mirror_may_write_its_lines_a_little_otherwise(body: bytes) -> None:
    with serving(answer(body)) as server:
        assert await asked(server) is True


@pytest.mark.parametrize("body", [lines("0"), b"", lines("42").replace(DIGEST[5:].encode(), b"A" * 35)])
async def test_padding_and_other_lines_are_no_leak(body: bytes) -> None:
    with serving(answer(body)) as server:
        assert await asked(server) is False


async def test_the_same_text_in_another_form_is_the_same_password() -> None:
    with serving(answer(lines("42"))) as server:
        assert await asked(server, "\uff43" + LEAKED[1:]) is True


BAD = {
    "silence": b"",
    "nonsense": b"nonsense\r\n\r\n",
    "an answer that is cut off": answer(lines("42")).replace(b"Content-Length: ", b"Content-Length: 9"),
    "an error": answer(lines("42"), b"503 Service Unavailable"),
    "another success": answer(lines("42"), b"203 Changed"),
    "no content": b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    "a redirect": answer(b"", b"301 Moved", b"Location: http://127.0.0.1:1/"),
    "too much": answer(lines("42") * 5000),
    "a page of a proxy": answer(b"<html>Please sign in to this network.</html>"),
    "a line too many": answer(lines("42") + b"oops\r\n"),
    "compressed": answer(gzip.compress(lines("42") * 1000), b"200 OK", b"Content-Encoding: gzip"),
}


@pytest.mark.parametrize("name", BAD)
async def test_pw_05_a_service_that_fails_is_no_answer_in_time_and_a_line_in_the_log(name: str) -> None:
    """The attacker slows the list down or answers for it, so that bad passwords are let through unseen."""
    with serving(BAD[name]) as server, capture_logs() as logged:
        began = time.monotonic()
        assert await asked(server) is None
        assert time.monotonic() - began < SECONDS + 0.7
    assert [line["event"] for line in logged] == ["breach_api_failed"]
    assert DIGEST[:5] not in str(logged)
    assert LEAKED not in str(logged)


async def test_a_service_that_sets_a_cookie_never_gets_it_back() -> None:
    with serving(answer(lines("42"), b"200 OK", b"Set-Cookie: you=number-7; Path=/")) as server:
        api = RangeApi(server.url)
        assert [await api.contains(LEAKED), await api.contains(LEAKED)] == [True, True]
        await api.close()
    assert len(server.asked) == 2
    assert b"number-7" not in server.asked[1]


async def test_pw_05_one_that_drips_is_cut_off_in_time() -> None:
    """The attacker has the list send a byte now and then, so that no single wait is long."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b"A")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            ended.set()
        finally:
            writer.close()

    ended = asyncio.Event()
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    api = RangeApi(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    began = time.monotonic()
    assert await api.contains(LEAKED) is None
    assert time.monotonic() - began < SECONDS + 0.7
    await asyncio.wait_for(ended.wait(), 5)  # its connection was given up, and not only the wait for it
    await api.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/range", "http://[::1/range", "http://127.0.0.1:99999", "http://a\x00b"]
)
async def test_a_service_that_is_not_there_or_cannot_be_is_no_answer(url: str) -> None:
    api = RangeApi(url)
    assert await api.contains(LEAKED) is None
    await api.close()


async def test_pw_04_any_text_is_asked_about() -> None:
    """The attacker sets a password that has no UTF-8, for the question to fail with an error page."""
    with serving(answer(lines("42"))) as server:
        assert await asked(server, "\ud800" * 12) is False


async def test_nobody_is_asked_without_the_operators_word() -> None:
    assert isinstance(breaches_of(loaded()), NoBreaches)
    assert await breaches_of(loaded()).contains(LEAKED) is False
    chosen = breaches_of(loaded(IDP_BREACH_API="https://breaches.example.com/range"))
    assert isinstance(chosen, RangeApi)
    await chosen.close()
