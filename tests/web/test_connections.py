"""HT-08, DO-01 to DO-04: many requests on a connection; clients that are slow or endless, or do not do as they say."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.oauth.wire import App, register
from tests.provider import Browser, Provider
from tests.web.raw import FORM, connect, exchange, head, one_answer, statuses, until_closed

pytestmark = pytest.mark.slow

CHUNKED = b"Transfer-Encoding: chunked"


def test_ht_08_a_thousand_requests_in_one_go_are_answered_in_their_order(provider: Provider) -> None:
    """The attacker sends without reading, and hopes that an answer goes to another request than its own."""
    paths = [f"/errors/invalid_request?reference={number:04}-AAAA" for number in range(1000)]
    lines = b"".join(head(provider, f"GET {path}".encode()) for path in paths)
    with connect(provider) as connection, ThreadPoolExecutor(1) as thread:
        sending = thread.submit(connection.sendall, lines + head(provider, b"GET /last", b"Connection: close"))
        answer = until_closed(connection)
        sending.result()
    *shown, last = answer.split(b"HTTP/1.1 ")[1:]
    assert last.startswith(b"404")
    assert len(shown) == 1000
    assert all(f"{number:04}-AAAA".encode() in page for number, page in enumerate(shown))


def test_ht_08_a_connection_that_several_people_share_mixes_nobody_up(provider: Provider, app: App) -> None:
    """A proxy sends requests of many people through one connection; nobody must get the answer of another."""
    provider.create_user("ben@example.test", name="Ben Example")
    people = {"Ana Example": Browser(provider.issuer), "Ben Example": Browser(provider.issuer)}
    people["Ana Example"].sign_in(app.url())
    people["Ben Example"].sign_in(app.url(), email="ben@example.test")
    with connect(provider) as connection:
        for _ in range(20):
            for name, browser in people.items():
                cookies = "; ".join(f"{key}={value}" for key, value in browser.http.cookies.items())
                connection.sendall(head(provider, b"GET /", f"Cookie: {cookies}".encode()))
                page = one_answer(connection).decode()
                assert name in page
                assert not any(other in page for other in people if other != name)
            connection.sendall(head(provider, b"GET /"))
            assert "You are signed in" not in one_answer(connection).decode()


def test_ht_08_a_body_is_asked_for_only_where_it_is_wanted(provider: Provider) -> None:
    """The attacker announces a body, and waits for us to wait for it."""
    wanted = (FORM, b"Expect: 100-continue", b"Content-Length: 12")
    with connect(provider) as connection:
        connection.sendall(head(provider, b"POST /token", *wanted))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"grant_type=x")
        assert statuses(one_answer(connection)) == [401]
    for line, status in ((b"POST /nowhere", 404), (b"GET /jwks", 200), (b"POST /authorize", 413)):
        length = b"Content-Length: 70000" if status == 413 else b"Content-Length: 12"
        answer = exchange(provider, head(provider, line, FORM, b"Expect: 100-continue", length))
        assert statuses(answer) == [status], line
        assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.parametrize("line", [b"POST /token", b"GET /jwks", b"POST /nowhere", b"POST /authorize", b"GET /"])
def test_do_03_a_body_that_is_said_to_be_huge_is_not_waited_for(provider: Provider, line: bytes) -> None:
    """The attacker announces 200 MB, on whatever route."""
    answer = exchange(provider, head(provider, line, FORM, b"Content-Length: 209715200"))
    assert statuses(answer) == [413]


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"POST /token", 413), (b"POST /authorize", 413), (b"POST /userinfo", 413), (b"GET /jwks", 200), (b"PUT /x", 404)],
)
def test_do_03_a_body_without_end_is_cut_off(provider: Provider, line: bytes, status: int) -> None:
    """The attacker sends chunk after chunk, to fill our memory, or to keep a connection that was answered long ago."""
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    sent = 0
    with connect(provider) as connection:
        connection.sendall(head(provider, line, FORM, CHUNKED))
        try:
            while sent < 64 * 1024 * 1024:
                connection.sendall(chunk)
                sent += len(chunk)
        except (ConnectionResetError, BrokenPipeError):
            pass
        answer = until_closed(connection)
    assert sent < 32 * 1024 * 1024
    assert statuses(answer) in ([status], [])  # the reset may overtake the answer


# What the attacker sends first, and then without an end.
ENDLESS = {
    "headers": (b"X: y\r\n", b"a:\r\n"),
    "a header": (b"X: y\r\nX: ", b"a"),
    "trailers": (b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"a:\r\n"),
    "a trailer": (b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ", b"a"),
    "an extension of a chunk": (b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_do_04_a_head_without_end_is_cut_off_and_not_kept(provider: Provider, name: str) -> None:
    """The attacker sends four bytes for each two hundred that we would keep of them, until our memory is full."""
    begin, again = ENDLESS[name]
    many, before = again * (65_536 // len(again)), memory(provider)
    until = time.monotonic() + 10
    with connect(provider) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        connection.sendall(head(provider, b"POST /token", FORM)[:-2] + begin)
        while time.monotonic() < until:
            connection.sendall(many)
    assert memory(provider) - before < 20_000


def memory(provider: Provider) -> int:
    """Of its one process, in KiB."""
    assert provider.process is not None
    status = Path(f"/proc/{provider.process.pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_head_that_is_too_large_has_an_answer_however_large_it_is(provider: Provider) -> None:
    for size in (40_000, 400_000, 2_000_000):
        answer = exchange(provider, head(provider, b"GET /jwks", b"X: " + b"a" * size))
        assert statuses(answer) == [431]


@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_ht_01_a_trailer_is_no_header(provider: Provider, pause: float) -> None:
    """A proxy looks at the headers; the attacker sends after the body what it would have taken out or refused."""
    with connect(provider) as connection:
        connection.sendall(head(provider, b"POST /userinfo", CHUNKED))
        time.sleep(pause)
        connection.sendall(b"0\r\nAuthorization: Bearer x\r\nHost: evil.test\r\n\r\n")
        answer = one_answer(connection)
    assert statuses(answer) == [401]
    assert b"error=" not in answer  # as where no token was sent


def test_do_01_a_head_that_does_not_come_is_not_waited_for(provider: Provider) -> None:
    """The attacker opens connections, sends a header now and then, or nothing, and keeps them all (slow-loris)."""
    stop, threads = threading.Event(), []
    opened = [connect(provider) for _ in range(4)]
    began = time.monotonic()
    opened[1].sendall(head(provider, b"GET /jwks")[:-2])
    opened[2].sendall(head(provider, b"GET /jwks")[:-2])
    opened[3].sendall(head(provider, b"GET /jwks"))
    assert statuses(one_answer(opened[3])) == [200]
    for each, drop in ((opened[2], b"X: y\r\n"), (opened[3], b"\r\n")):
        threads.append(threading.Thread(target=trickle, args=(each, stop, drop)))
        threads[-1].start()
    assert [until_closed(each) for each in opened] == [b""] * 4
    assert 14 < time.monotonic() - began < 25
    stop.set()
    for thread in threads:
        thread.join()
    for each in opened:
        each.close()


def test_a_small_body_that_nobody_reads_costs_no_connection(provider: Provider) -> None:
    with connect(provider) as connection:
        for _ in range(3):
            connection.sendall(head(provider, b"POST /nowhere", FORM, b"Content-Length: 3") + b"a=b")
            assert statuses(one_answer(connection)) == [404]
        connection.sendall(head(provider, b"POST /nowhere", FORM, CHUNKED))
        time.sleep(0.05)  # the answer waits for the body's end, which is on its way
        connection.sendall(b"3\r\na=b\r\n0\r\n\r\n")
        assert statuses(one_answer(connection)) == [404]
        connection.sendall(head(provider, b"GET /jwks"))
        assert statuses(one_answer(connection)) == [200]


def trickle(connection: socket.socket, stop: threading.Event, drop: bytes = b"1\r\na\r\n") -> None:
    try:
        while not stop.wait(0.5):
            connection.sendall(drop)
    except OSError:
        pass  # it was cut off


def test_do_02_a_body_that_trickles_in_is_cut_off(provider: Provider) -> None:
    """The attacker holds many requests open with a byte now and then, and everybody else waits (R.U.D.Y.)."""
    stop, threads = threading.Event(), []
    opened = [connect(provider) for _ in range(40)]
    began = time.monotonic()
    for number, each in enumerate(opened):
        line = (b"POST /token", b"POST /authorize")[number % 2]
        each.sendall(head(provider, line, FORM, CHUNKED))
        threads.append(threading.Thread(target=trickle, args=(each, stop)))
        threads[-1].start()
    with connect(provider) as silent, connect(provider) as other:
        silent.sendall(head(provider, b"POST /token", FORM, b"Content-Length: 10"))
        asked = time.monotonic()
        other.sendall(head(provider, b"GET /jwks"))
        assert statuses(one_answer(other)) == [200]
        assert time.monotonic() - asked < 2
        answers = [until_closed(silent), *(until_closed(each) for each in opened)]
    assert 14 < time.monotonic() - began < 25
    stop.set()
    for thread, each in zip(threads, opened, strict=True):
        thread.join()
        each.close()
    assert [statuses(answer) for answer in answers] == [[408]] * 41
    assert json.loads(answers[0].partition(b"\r\n\r\n")[2])["error"] == "invalid_request"
    assert b"That took too long" in answers[2]


def test_un_02_a_head_that_is_no_text_breaks_nothing(provider: Provider) -> None:
    """The attacker puts bytes that are no text, or half a character, into every header that anybody reads."""
    names = (b"Cookie", b"Authorization", b"Content-Type", b"Origin", b"Accept-Encoding", b"Accept-Language", b"X")
    for value in (b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\x80" * 1000, b"=" * 1000, b";" * 1000):
        for line in (b"GET /", b"GET /userinfo", b"POST /token", b"OPTIONS /token", b"GET /static/idp.css"):
            headers = (name + b": " + value for name in names)
            answer = exchange(provider, head(provider, line, *headers, b"Content-Length: 0", b"Connection: close"))
            assert statuses(answer)[0] < 500, (value, line)
            assert statuses(answer)[0] >= 200


@pytest.fixture(scope="module")
def app(provider: Provider) -> App:
    return register(provider)
