"""Requests as bytes, and the answers to them, where an HTTP library would already have made sense of either."""

import socket

from tests.provider import Provider

FORM = b"Content-Type: application/x-www-form-urlencoded"


def head(provider: Provider, line: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: " + provider.host.encode(), *headers, b"", b""])


def connect(provider: Provider) -> socket.socket:
    return socket.create_connection(("localhost", provider.port), timeout=30)


def until_closed(connection: socket.socket) -> bytes:
    """All that comes. A reset says that bytes of ours were left unread, which is an end too."""
    answer = b""
    try:
        while chunk := connection.recv(65536):
            answer += chunk
    except ConnectionResetError:
        pass
    return answer


def exchange(provider: Provider, sent: bytes) -> bytes:
    """What is answered until the connection is closed."""
    with connect(provider) as connection:
        connection.sendall(sent)
        return until_closed(connection)


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def one_answer(connection: socket.socket) -> bytes:
    """An answer that says its length, on a connection that stays open."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    top, _, body = answer.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return top + b"\r\n\r\n" + body
