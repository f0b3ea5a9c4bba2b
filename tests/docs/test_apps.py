"""What docs/apps.md shows works as it stands there."""

import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pyotp
import pytest
import uvicorn
from starlette.testclient import TestClient

from idp.dev.demo_api import create_demo_api
from tests.provider import (
    CALLBACK,
    EMAIL,
    PASSWORD,
    Browser,
    Provider,
    answer_of,
    pkce,
    redeem,
    token_request,
    tokens_for,
)
from tests.servers import free_port, requires
from tests.signin.test_second_factor import secret_of

DOCUMENT = (Path(__file__).parents[2] / "docs" / "apps.md").read_text(encoding="utf-8")


def blocks(language: str, *, of: str) -> list[str]:
    """The code blocks of a section."""
    section = re.split(rf"^## {of}$", DOCUMENT, flags=re.MULTILINE)[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def shell(script: str, **variables: str) -> str:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **variables}
    done = subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_block(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(block, "docs/apps.md", "exec"), names)  # noqa: S102  # our own document
    return names


def test_the_flow_by_hand(provider: Provider) -> None:
    requires("curl")
    requires("openssl")
    begin, redeem, refresh = blocks("sh", of="Signing people in, by hand")
    client = provider.create_client()
    known = {
        "ISSUER": provider.issuer,
        "CLIENT_ID": client["client_id"],
        "CLIENT_SECRET": client["client_secret"],
        "REDIRECT_URI": CALLBACK,
    }
    url, verifier = shell(begin + 'echo "$VERIFIER"\n', **known).split()
    location = Browser(provider.issuer).sign_in(url).headers["location"]
    code = re.search(r"[?&]code=([^&]+)", location)
    assert code is not None
    answer = shell(redeem, **known, CODE=code[1], VERIFIER=verifier)
    token = re.search(r'"refresh_token":"([^"]+)"', answer)
    assert token is not None
    assert "access_token" in shell(refresh, **known, REFRESH_TOKEN=token[1])


def test_the_app_with_authlib(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    client = provider.create_client()
    for name, value in {
        "ISSUER": provider.issuer,
        "CLIENT_ID": client["client_id"],
        "CLIENT_SECRET": client["client_secret"],
        "REDIRECT_URI": CALLBACK,
        "SESSION_SECRET": secrets.token_urlsafe(32),
    }.items():
        monkeypatch.setenv(name, value)
    (block,) = blocks("python", of="Signing people in, with Authlib")
    with TestClient(run_block(block)["app"], base_url="https://app.example.com", follow_redirects=False) as app:
        url = app.get("/sign-in").headers["location"]
        location = Browser(provider.issuer).sign_in(url).headers["location"]
        person = app.get(location.removeprefix("https://app.example.com")).json()
    assert person["email"] == "ana@example.test"
    assert person["sub"]


def test_the_api_with_pyjwt(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUER", provider.issuer)
    monkeypatch.setenv("AUDIENCE", "https://api.example.com")
    (block,) = blocks("python", of="An API that checks tokens")
    check = run_block(block)["check"]
    service = provider.create_client(
        *("--grant-type", "client_credentials", "--scope", "reports.read", "--audience", "https://api.example.com"),
        redirect_uri=None,
    )
    token = token_request(provider, service, grant_type="client_credentials").json()["access_token"]
    assert check(token, "reports.read")["client_id"] == service["client_id"]
    tokens = tokens_for(provider, provider.create_client())
    for wrong, scope in ((token, "reports.write"), (tokens["access_token"], "openid"), (tokens["id_token"], "openid")):
        with pytest.raises(jwt.PyJWTError):
            check(wrong, scope)


def test_stepping_up(provider: Provider) -> None:
    """The API refuses a token of one factor; the request that is shown gets one of two, of the same person."""
    requires("curl")
    ask_api, begin = blocks("sh", of="Stepping up")
    with demo_api(provider.issuer) as api:
        client, proof, browser = provider.create_client("--audience", api), pkce(), Browser(provider.issuer)
        tokens = tokens_for(provider, client, browser, scope="openid email")
        refused = shell(ask_api, ACCESS_TOKEN=tokens["access_token"], API=api)
        assert "401 Unauthorized" in refused
        told = re.search(r"^www-authenticate: (.*)$", refused, re.MULTILINE | re.IGNORECASE)
        assert told is not None
        shown = " ".join(blocks("http", of="Stepping up")[0].split()).partition(": ")[2]
        assert re.sub(r'description="[^"]*"', 'description="..."', told[1].strip()) == shown
        known = {"ISSUER": provider.issuer, "CLIENT_ID": client["client_id"], "REDIRECT_URI": CALLBACK, "STATE": "s"}
        url = shell(begin, **known, NONCE="n", CHALLENGE=proof.challenge, ID_TOKEN=tokens["id_token"])
        browser.open(url.strip())
        browser.submit(action="/password", password=PASSWORD)
        browser.submit(action="/enrol", code=pyotp.TOTP(secret_of(browser)).now())
        assert browser.page is not None
        code = answer_of(browser.page)["code"]
        stepped_up = redeem(provider, client, code, proof.verifier).json()
        assert "200 OK" in shell(ask_api, ACCESS_TOKEN=stepped_up["access_token"], API=api)
    provider.cli("user", "reset-factors", EMAIL)


@contextmanager
def demo_api(issuer: str) -> Iterator[str]:
    port = free_port()
    app = create_demo_api(issuer=issuer, audience=f"http://localhost:{port}", required_scope=None)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"http://localhost:{port}"
    finally:
        server.should_exit = True
        thread.join()
