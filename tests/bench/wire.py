"""A small HTTP client for load: one keep-alive connection, requests made of bytes, no more work than needed."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The first header of that name; empty where there is none."""
        start = self.head.find(b"\r\n" + name.encode() + b": ")
        if start < 0:
            return ""
        start += len(name) + 4
        return self.head[start : self.head.index(b"\r\n", start)].decode()

    def cookies(self) -> dict[str, str]:
        lines = self.head.split(b"\r\nset-cookie: ")[1:]
        pairs = (line.split(b";", 1)[0].split(b"=", 1) for line in lines)
        return {name.decode(): value.decode() for name, value in pairs}


class Connection:
    """One connection to the provider; `address` is where it comes from."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._port = port
        self._address = address
        self._host = f"localhost:{port}"

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, local_addr=(self._address, 0)
        )

    def close(self) -> None:
        self._writer.close()

    async def send(self, request: bytes) -> Answer:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        found = head.lower().find(b"content-length: ")
        length = int(head[found + 16 : head.index(b"\r\n", found)]) if found >= 0 else 0
        body = await self._reader.readexactly(length) if length else b""
        return Answer(int(head[9:12]), head, body)

    def get(self, path: str, **headers: str) -> bytes:
        return self._head("GET", path, headers) + b"\r\n"

    def post(self, path: str, form: dict[str, str], **headers: str) -> bytes:
        body = urlencode(form).encode()
        typed = {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body)), **headers}
        return self._head("POST", path, typed) + b"\r\n" + body

    def _head(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n").encode()
