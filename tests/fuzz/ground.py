"""What the fuzzers stand on: a provider with its apps, the list of its routes, and what no answer may ever be."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from starlette.routing import Route

from idp import routes
from tests.oauth.wire import App, register
from tests.provider import CALLBACK, Provider

PACKAGE = Path(routes.__file__).parent
ROUTES = tuple(route for route in (*routes.API, *routes.PAGES) if isinstance(route, Route))
OPERATIONS = tuple(sorted((route.path, method) for route in ROUTES for method in (route.methods or set()) - {"HEAD"}))
# Every name under which the code looks for a parameter, and a few of which it must not.
NAMES = tuple(
    sorted(
        {"authorization_details", "assertion", "username", "user_code", "device_code", "_method", "__proto__", "a[]"}
        | {
            name
            for part in ("oauth", "protocol", "signin", "web")
            for file in (PACKAGE / part).rglob("*.py")
            for name in re.findall(r"\.(?:get|require)\(\"([a-z_]+)\"\)", file.read_text(encoding="utf-8"))
        }
    )
)
NATIVE = "http://127.0.0.1/native"
TYPES = (
    *("application/json", "application/jwk-set+json", "text/html; charset=utf-8"),
    *("text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"),
)
SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}


def parameters_of(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


@dataclass
class Ground:
    """`apps` are registered; `known` are values that mean something, by the name of their parameter."""

    provider: Provider
    apps: dict[str, App]
    known: dict[str, list[str]] = field(default_factory=dict)

    @property
    def callbacks(self) -> tuple[str, ...]:
        return tuple(str(uri) for app in self.apps.values() for uri in app.client["redirect_uris"])


def laid(provider: Provider) -> Ground:
    """Apps of every kind, for the people that the provider has."""
    apps = {
        "confidential": register(provider, "Billing", (CALLBACK, f"{CALLBACK}?tenant=1")),
        "public": register(provider, "Phone", (NATIVE, "com.example.phone:/callback"), public=True),
        "by post": register(provider, "Shop", (CALLBACK,), token_endpoint_auth_method="client_secret_post"),
        "service": register(provider, "Robot", (), grant_types=("client_credentials",), scope="reports.read"),
    }
    return Ground(provider, apps)


def check(ground: Ground, answer: httpx2.Response | Any) -> None:
    """`answer` is of httpx2 or of schemathesis, whose headers are lists of values."""
    seen = f"{answer.request.method} {answer.request.url} -> {answer.status_code}"
    assert 200 <= answer.status_code < 500, seen
    headers = {
        name.lower(): values[0] if isinstance(values, list) else values for name, values in answer.headers.items()
    }
    assert headers.items() >= SAFE.items(), seen
    assert "frame-ancestors 'none'" in headers["content-security-policy"], seen
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", headers["x-request-id"]), seen
    assert headers.get("content-type", "application/json") in TYPES, seen
    assert answer.content == b"" or "content-type" in headers, seen
    if 300 <= answer.status_code < 400:
        known = str(answer.request.url).partition("?")[0].endswith("/change-password")  # as its specification has it
        assert answer.status_code == (302 if known else 303), seen
        assert leads_to_a_known_place(ground, headers["location"]), headers["location"]
    for target in re.findall(rb'<form[^>]*\baction="([^"]*)"', answer.content):
        assert leads_to_a_known_place(ground, target.decode().replace("&amp;", "&")), target


def leads_to_a_known_place(ground: Ground, location: str) -> bool:
    """A page of ours, or a registered address; of native apps, on any port."""
    if re.match(r"/(?![/\\])", location):
        return True
    parts = urlsplit(location)
    if parts.hostname == "127.0.0.1":
        parts = parts._replace(netloc="127.0.0.1")
    return any(parts.geturl().startswith((uri, f"{uri}?", f"{uri}&")) for uri in map(str, ground.callbacks)) and (
        not parts.fragment
    )
