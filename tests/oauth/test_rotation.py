"""Signing keys rotate while two workers serve, and nobody notices."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jwt
import pytest

from tests.oauth.wire import App, granted, part, refused, register, send, sql, userinfo
from tests.provider import Browser, Provider, installed

RELOAD_SECONDS = 5  # the longest that a worker takes to see a rotation
PATIENCE = 60  # on a machine that does much else


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with installed(tmp_path_factory.mktemp("rotation"), jwks_max_age="1s") as provider:
        provider.start("--workers", "2")
        provider.create_user()
        yield provider


@dataclass
class ResourceServer:
    """An API that knows the JWKS alone, and asks for it no sooner than it may be cached, whatever comes."""

    provider: Provider
    keys: dict[str, Any] = field(default_factory=dict)
    until: float = 0

    def check(self, token: str) -> None:
        if time.monotonic() >= self.until:
            answer = send("GET", f"{self.provider.issuer}/jwks")
            self.until = time.monotonic() + int(answer.headers["cache-control"].rpartition("max-age=")[2])
            self.keys = {key["kid"]: jwt.PyJWK(key) for key in answer.json()["keys"]}
        key = self.keys[part(token, 0)["kid"]]
        jwt.decode(token, key, algorithms=["RS256"], audience=self.provider.issuer, issuer=self.provider.issuer)


@dataclass
class Traffic:
    """An app that goes on refreshing, showing each token at userinfo and to a resource server."""

    app: App
    tokens: dict[str, Any]
    server: ResourceServer
    kids: list[str] = field(default_factory=list)
    failure: BaseException | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while not self.stopped.wait(0.05):
                self.tokens = granted(self.app.refresh(self.tokens["refresh_token"]))
                self.server.check(self.tokens["access_token"])
                assert userinfo(self.app.provider, self.tokens["access_token"]).status_code == 200
                self.kids.append(part(self.tokens["access_token"], 0)["kid"])
        except BaseException as error:  # noqa: BLE001  # it is looked at where the thread is joined
            self.failure = error


@pytest.mark.slow
def test_tk_22_a_rotation_beside_running_workers_refuses_not_one_token(provider: Provider) -> None:
    """A key is used before everybody has it, or withdrawn while tokens of it live: apps fail until caches expire."""
    app, browser = register(provider), Browser(provider.issuer)
    first = app.tokens(browser)
    before = [key["kid"] for key in send("GET", f"{provider.issuer}/jwks").json()["keys"]]
    time.sleep(1 + RELOAD_SECONDS)
    traffic = Traffic(app, app.tokens(browser), ResourceServer(provider))
    thread = threading.Thread(target=traffic.run)
    thread.start()
    try:
        time.sleep(1)
        rotated = provider.cli("key", "rotate")
        deadline = time.monotonic() + PATIENCE
        while traffic.failure is None and rotated["kid"] not in traffic.kids and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(RELOAD_SECONDS + 1)
    finally:
        traffic.stopped.set()
        thread.join()
    if traffic.failure is not None:
        raise traffic.failure
    assert rotated["kid"] in before, "the new signer was published before"
    assert traffic.kids[0] != rotated["kid"]
    assert rotated["kid"] in traffic.kids
    assert part(first["access_token"], 0)["kid"] != rotated["kid"]
    assert userinfo(provider, first["access_token"]).status_code == 200, "a token of the retired key lives on"
    ResourceServer(provider).check(first["access_token"])
    listed = provider.cli("key", "list")
    assert sorted(key["state"] for key in listed) == ["current", "next", "retired"]
    published = send("GET", f"{provider.issuer}/jwks").json()["keys"]
    assert {key["kid"] for key in published} == {key["kid"] for key in listed}
    assert all(key.keys() == {"kty", "kid", "use", "alg", "n", "e"} for key in published)
    retired = next(key for key in listed if key["state"] == "retired")
    kept = datetime.fromisoformat(retired["expires_at"]) - datetime.fromisoformat(retired["retired_at"])
    assert kept.total_seconds() >= 900 + 1 + RELOAD_SECONDS, "as long as a token, a cache and a worker's delay"


@pytest.mark.slow
def test_tk_04_and_tk_22_a_key_whose_tokens_have_all_expired_is_withdrawn(provider: Provider) -> None:
    """The attacker finds an old signing key that nobody watches any more."""
    app, browser = register(provider), Browser(provider.issuer)
    time.sleep(1 + RELOAD_SECONDS)
    token = app.tokens(browser)["access_token"]
    provider.cli("key", "rotate")
    old = part(token, 0)["kid"]
    sql(provider, "UPDATE signing_keys SET expires_at = created_at WHERE kid = ?", old)
    provider.cli("prune")
    deadline = time.monotonic() + PATIENCE
    # The kernel chooses the worker: a few answers may all be of one that has followed already.
    while {userinfo(provider, token).status_code for _ in range(20)} != {401}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(RELOAD_SECONDS)
    assert {userinfo(provider, token).status_code for _ in range(20)} == {401}
    kids = [[key["kid"] for key in send("GET", f"{provider.issuer}/jwks").json()["keys"]] for _ in range(20)]
    assert not any(old in each for each in kids)


@pytest.mark.slow
def test_rt_09_every_worker_refuses_what_has_ended_at_once(provider: Provider) -> None:
    """A person is disabled by one process; another worker must not go on believing its own memory."""
    email = "everywhere@example.test"
    provider.create_user(email)
    app, browser = register(provider), Browser(provider.issuer)
    browser.sign_in(app.url(), email=email)
    tokens = app.tokens(browser)
    assert {userinfo(provider, tokens["access_token"]).status_code for _ in range(8)} == {200}
    provider.cli("user", "disable", email)
    assert {userinfo(provider, tokens["access_token"]).status_code for _ in range(8)} == {401}
    for _ in range(8):
        refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
