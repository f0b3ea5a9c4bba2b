"""Requests that arrive together: several processes with their connections open, let go by one barrier."""

import base64
import http.client
import json
import multiprocessing
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

Address = tuple[str, int, str]  # where a node listens, and the host that it answers for

PROCESSES = 4
FRESH = 2.0  # seconds; the server closes a connection that was idle for 5
PATIENCE = 60.0

_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Answer:
    """`sent` and `received` are of the machine's monotonic clock, so that those of all processes compare."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    sent: float
    received: float

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


def request(
    method: str, path: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """One HTTP/1.1 request as bytes, but for its Host: a line knows that."""
    body = urlencode(form).encode() if form is not None else b""
    lines = [f"{method} {path} HTTP/1.1", f"Content-Length: {len(body)}"]
    if form is not None:
        lines.append("Content-Type: application/x-www-form-urlencoded")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def basic(client: Mapping[str, Any]) -> dict[str, str]:
    pair = f"{client['client_id']}:{client['client_secret']}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Line:
    """A kept-alive connection."""

    def __init__(self, address: Address) -> None:
        self._address = address[:2]
        self._host = f"\r\nHost: {address[2]}\r\n".encode()
        self._socket: socket.socket | None = None
        self._used = 0.0
        self._sent = 0.0

    def open(self) -> None:
        if self._socket is not None and time.monotonic() - self._used < FRESH:
            return
        self.close()
        self._socket = socket.create_connection(self._address, timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._used = time.monotonic()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, content: bytes) -> None:
        assert self._socket is not None
        self._sent = time.monotonic()
        self._socket.sendall(content.replace(b"\r\n", self._host, 1))

    def receive(self) -> Answer:
        assert self._socket is not None
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        body = response.read()
        received = self._used = time.monotonic()
        if response.will_close:
            self.close()
        return Answer(response.status, tuple(response.getheaders()), body, self._sent, received)

    def ask(self, content: bytes) -> Answer:
        self.open()
        self.send(content)
        return self.receive()


class Swarm:
    """`size` connections to the nodes in turn, spread over four processes."""

    def __init__(self, nodes: Sequence[Address], size: int) -> None:
        self._barrier = _spawn.Barrier(PROCESSES, timeout=PATIENCE)
        self._pipes: list[Connection[Any, Any]] = []
        self._processes = []
        for number in range(PROCESSES):
            here, there = _spawn.Pipe()
            mine = [nodes[index % len(nodes)] for index in range(number, size, PROCESSES)]
            process = _spawn.Process(target=_member, args=(mine, there, self._barrier), daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(PATIENCE)

    def at_once(self, requests: Sequence[bytes]) -> list[Answer]:
        """The answers in the order of the requests. Each request has a connection of its own."""
        for number, pipe in enumerate(self._pipes):
            pipe.send(list(requests[number::PROCESSES]))
        answers: list[Any] = [None] * len(requests)
        for number, pipe in enumerate(self._pipes):
            answers[number::PROCESSES] = pipe.recv()
        return answers


def _member(nodes: Sequence[Address], pipe: "Connection[Any, Any]", barrier: Any) -> None:
    """A process of the swarm: opens its connections, waits for the others, sends all it has, then reads."""
    lines = [Line(node) for node in nodes]
    while True:
        try:
            requests: list[bytes] = pipe.recv()
        except EOFError:
            return
        used = lines[: len(requests)]
        assert len(used) == len(requests), "more requests than connections"
        for line in used:
            line.open()
        barrier.wait()
        for line, content in zip(used, requests, strict=True):
            line.send(content)
        pipe.send([line.receive() for line in used])
