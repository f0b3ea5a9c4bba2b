"""Little websites on ports of their own: what an app looks like from outside."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BEGINNING = "<!doctype html><link rel=icon href='data:,'>"  # no browser asks for /favicon.ico then


@dataclass(frozen=True)
class Visit:
    method: str
    path: str
    parameters: dict[str, str]
    referrer: str


@dataclass
class Site:
    """Answers every path with `pages` or a plain page, and remembers who came."""

    origin: str
    pages: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)

    def visits_of(self, path: str) -> list[Visit]:
        return [visit for visit in self.visits if visit.path == path]


@contextmanager
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET", urlsplit(self.path).query)

        def do_POST(self) -> None:
            self._answer("POST", self.rfile.read(int(self.headers["Content-Length"] or 0)).decode())

        def _answer(self, method: str, encoded: str) -> None:
            path = urlsplit(self.path).path
            parameters = {name: values[0] for name, values in parse_qs(encoded).items()}
            served.visits.append(Visit(method, path, parameters, self.headers.get("Referer", "")))
            target = served.redirects.get(path)
            self.send_response(302 if target else 200)
            if target:
                self.send_header("Location", target)
            body = served.pages.get(path, f"{BEGINNING}<title>{path}</title><h1>The app</h1>").encode()
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Site(f"http://localhost:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
