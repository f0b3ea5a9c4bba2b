"""Asking whether a password has leaked, of a server that answers as the range API does, or badly."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from idp.outside.breaches import NoBreaches, RangeApi, breaches_of
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


async def test_pw_05_a_leaked_password_is_known_and_no_more_than_five_digits_of_it_leave() -> None:
    """The attacker tries passwords that leaked elsewhere; and whoever runs the list wants to know them too."""
    with serving(answer(lines("42"))) as server:
        api = RangeApi(server.url, refuse=False)
        assert await api.contains(LEAKED)
        assert not await api.contains("another long password")
        await api.close()
    first = server.asked[0].decode()
    assert first.startswith(f"GET /range/{DIGEST[:5]} HTTP/1.1\r\n")
    assert "add-padding: true" in first.lower()
    assert DIGEST[5:] not in first


async def test_padding_is_no_leak() -> None:
    with serving(answer(lines("0"))) as server:
        api = RangeApi(server.url, refuse=False)
        assert not await api.contains(LEAKED)
        await api.close()


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"nonsense\r\n\r\n",
        answer(b"", b"503 Service Unavailable"),
        answer(b"", b"301 Moved", b"Location: http://127.0.0.1:1/"),
        answer(b"0" * 300_000),
    ],
    ids=["silence", "nonsense", "an error", "a redirect", "too much"],
)
@pytest.mark.parametrize("refuse", [False, True])
async def test_pw_05_a_service_that_fails_answers_in_time_as_the_operator_chose(bad: bytes, refuse: bool) -> None:
    """The attacker slows the list down, so that nobody can set a password, or that bad ones are let through unseen."""
    with serving(bad) as server:
        api = RangeApi(server.url, refuse=refuse)
        began = time.monotonic()
        assert await api.contains(LEAKED) is refuse
        assert time.monotonic() - began < 2
        await api.close()


async def test_a_service_that_is_not_there_is_the_same() -> None:
    for refuse in (False, True):
        api = RangeApi("http://127.0.0.1:1/range", refuse=refuse)
        assert await api.contains(LEAKED) is refuse
        await api.close()


async def test_nobody_is_asked_without_the_operators_word() -> None:
    assert isinstance(breaches_of(loaded()), NoBreaches)
    assert not await breaches_of(loaded()).contains(LEAKED)
    chosen = breaches_of(loaded(IDP_BREACH_API="https://breaches.example.com/range"))
    assert isinstance(chosen, RangeApi)
    await chosen.close()
