"""A service of riddles, as the three real ones answer, or badly."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from idp.outside.captcha import Service

RIGHT = {"success": True, "hostname": "localhost"}


@dataclass
class Riddles:
    """`answer` is what it says to every question: JSON, bytes, or a status. `asked` are the questions."""

    url: str
    answer: Any = field(default_factory=lambda: dict(RIGHT))
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    encodings: list[str] = field(default_factory=list)

    @property
    def service(self) -> Service:
        return Service(f"{self.url}/verify", f"{self.url}/api.js", "riddle", "riddle-response", (self.url,))


@contextmanager
def asking() -> Iterator[Riddles]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            riddles.encodings.append(self.headers["accept-encoding"])
            riddles.asked.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
            told = riddles.answer
            body = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(told if isinstance(told, int) and not isinstance(told, bool) else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    riddles = Riddles(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield riddles
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
