"""A real provider to test against: `idp serve`, and a browser without JavaScript."""

import base64
import hashlib
import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2
import pytest

from tests import commands
from tests.servers import free_port

PASSWORD = "correct horse battery staple"
EMAIL = "ana@example.test"
CALLBACK = "https://app.example.com/callback"
TLS = ssl.create_default_context()  # one for all clients: it takes longer to make than most requests
# argon2id at its least, so that the tests do not wait for it.
CHEAP_PASSWORDS = {
    "IDP_PASSWORD_MEMORY_KIB": "8192",
    "IDP_PASSWORD_TIME_COST": "1",
    # nor for one another's mistakes; tests of guessing set them as an installation has them
    "IDP_FAILURES_PER_ADDRESS": "100000",
    "IDP_FAILURES_BEFORE_WAIT": "99",
    "IDP_FAILURES_BEFORE_LOCK": "99",
}


@dataclass
class Provider:
    """An installation: its settings, its database, its command line, and its server while `running()`."""

    issuer: str
    port: int
    folder: Path
    environment: dict[str, str]
    log: Path = field(init=False)
    process: subprocess.Popen[bytes] | commands.Running | None = None

    def __post_init__(self) -> None:
        self.log = self.folder / "server.log"

    @property
    def host(self) -> str:
        """What browsers and apps send as Host, and a proxy passes on."""
        return urlsplit(self.environment["IDP_ISSUER"]).netloc

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return commands.run(arguments, self.environment, stdin)

    def shell(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """The same as a shell starts it."""
        command = [sys.executable, "-m", "idp", *arguments]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=120,
            check=False,
        )

    def cli(self, *arguments: str, stdin: str = "") -> Any:
        """What a command prints with --json; a failure fails the test with its reason."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def create_user(self, email: str = EMAIL, password: str = PASSWORD, name: str = "Ana Example") -> dict[str, Any]:
        created: dict[str, Any] = self.cli(
            "user", "create", email, "--name", name, "--verified", "--password-stdin", stdin=password + "\n"
        )
        return created

    def create_client(
        self, *arguments: str, name: str = "Billing", redirect_uri: str | None = CALLBACK
    ) -> dict[str, Any]:
        redirect = ["--redirect-uri", redirect_uri] if redirect_uri else []
        created: dict[str, Any] = self.cli("client", "create", name, *redirect, *arguments)
        return created

    def start(self, *arguments: str) -> None:
        command = ["serve", "--port", str(self.port), *arguments]
        self.process = commands.Running(command, self.environment, self.log)
        self.wait()

    def wait(self) -> None:
        """Until it answers."""
        assert self.process is not None
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx2.get(f"{self.issuer}/jwks", headers={"Host": self.host}, timeout=2, verify=TLS).raise_for_status()
            except httpx2.HTTPError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the provider did not start:\n{self.log.read_text()}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(self.process.pid, number)
            self.process.wait(timeout=60)
            self.process = None

    def log_lines(self) -> list[dict[str, Any]]:
        written, _, _ = self.log.read_text().rpartition("\n")  # the last line may be on its way
        return [json.loads(line) for line in written.splitlines() if line.startswith("{")]

    def check_log(self) -> None:
        """Nothing failed, and no transaction broke its rule."""
        bad = [
            line
            for line in self.log_lines()
            if line.get("event") in ("failed", "transaction_rule_broken", "chore_failed")
        ]
        assert not bad, bad


@contextmanager
def installed(folder: Path, database_url: str = "", **settings: str) -> Iterator[Provider]:
    """An installation in `folder`; `settings` are IDP_... without the prefix, in lower case."""
    port = free_port()
    issuer = f"http://localhost:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    environment |= CHEAP_PASSWORDS | {"IDP_ISSUER": issuer, "IDP_DATA_DIR": str(folder / "data")}
    if database_url:
        environment["IDP_DATABASE_URL"] = database_url
    environment |= {f"IDP_{name.upper()}": value for name, value in settings.items()}
    provider = Provider(issuer, port, folder, environment)
    try:
        yield provider
        if provider.log.exists():
            provider.check_log()
    finally:
        provider.stop()


@contextmanager
def running(folder: Path, database_url: str = "", **settings: str) -> Iterator[Provider]:
    with installed(folder, database_url, **settings) as provider:
        provider.start()
        yield provider


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A running provider on SQLite with the person Ana, for the tests of one file."""
    with running(tmp_path_factory.mktemp("provider")) as provider:
        provider.create_user()
        yield provider


@dataclass(frozen=True)
class Pkce:
    verifier: str
    challenge: str


def pkce() -> Pkce:
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Pkce(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


class Browser:
    """A person's browser without JavaScript: it keeps cookies, follows redirects on the provider, and fills forms."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.http = httpx2.Client(base_url=issuer, timeout=30, follow_redirects=False, verify=TLS)
        self.page: httpx2.Response | None = None
        weakref.finalize(self, self.http.close)

    def open(self, url: str) -> httpx2.Response:
        """Follows redirects while they stay here; the last answer, which may be a redirect to an app."""
        return self._follow(self.http.get(urljoin(self.issuer, url)))

    def submit(self, button: str | None = None, action: str | None = None, **fields: str) -> httpx2.Response:
        """Posts the form of the page whose action ends with `action` (the first one by default), `button` pressed."""
        assert self.page is not None
        form = next(form for form in forms(self.page.text) if action is None or form.action.endswith(action))
        data = form.fields | fields | ({form.buttons[button][0]: form.buttons[button][1]} if button else {})
        target = urljoin(str(self.page.url), form.action)
        return self._follow(self.http.post(target, data=data, headers={"Origin": self.issuer}))

    def sign_in(self, url: str, email: str = EMAIL, password: str = PASSWORD) -> httpx2.Response:
        """From an authorization request to the redirect to the app, allowing what is asked."""
        response = self.open(url)
        if 'id="continue"' in response.text and "/identify" in response.text:
            response = self.submit(action="/identify", username=email)
        if "/password" in response.text:
            response = self.submit(action="/password", password=password)
        if 'id="allow"' in response.text:
            response = self.submit(action="/consent", button="allow")
        return response

    def _follow(self, response: httpx2.Response) -> httpx2.Response:
        while response.is_redirect:
            location = urljoin(str(response.url), response.headers["location"])
            if not location.startswith(self.issuer + "/"):
                break
            response = self.http.get(location)
        self.page = response
        return response


@dataclass(frozen=True)
class Form:
    action: str
    fields: dict[str, str]
    buttons: dict[str, tuple[str, str]]


def forms(html: str) -> list[Form]:
    """Those of a page, without the one at its foot, by which people choose a language."""
    return [form for form in _all_forms(html) if form.action != "/language"]


def foot_of(html: str) -> Form:
    """The form by which people choose a language."""
    (foot,) = [form for form in _all_forms(html) if form.action == "/language"]
    return foot


def _all_forms(html: str) -> list[Form]:
    found = []
    for attributes, inside in re.findall(r"<form\b([^>]*)>(.*?)</form>", html, re.DOTALL):
        fields = {
            unescape(_attribute(each, "name")): unescape(_attribute(each, "value"))
            for each in re.findall(r"<input\b[^>]*>", inside)
        }
        buttons = {
            _attribute(each, "id"): (_attribute(each, "name"), _attribute(each, "value"))
            for each in re.findall(r"<button\b[^>]*>", inside)
        }
        found.append(Form(unescape(_attribute(attributes, "action")), fields, buttons))
    return found


def _attribute(tag: str, name: str) -> str:
    match = re.search(rf'\b{name}="([^"]*)"', tag)
    return match[1] if match else ""


def authorize_url(client: dict[str, Any], challenge: str | None = None, **parameters: str) -> str:
    """The path and query of an authorization request; a parameter given as "" is left out."""
    asked = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uris"][0] if client["redirect_uris"] else "",
        "scope": "openid profile email",
        "state": "state-123",
        "nonce": "nonce-123",
    }
    if challenge is not None:
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    return "/authorize?" + urlencode({name: value for name, value in (asked | parameters).items() if value != ""})


def answer_of(response: httpx2.Response) -> dict[str, str]:
    """The parameters of a redirect to an app."""
    assert response.status_code == 303, (response.status_code, response.text[:2000])
    pairs = parse_qs(urlsplit(response.headers["location"]).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in pairs.values()), pairs
    return {name: values[0] for name, values in pairs.items()}


def redeem(
    provider: Provider, client: dict[str, Any], code: str, verifier: str | None, **changes: str
) -> httpx2.Response:
    """The token request of an honest client, with `changes`."""
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": client["redirect_uris"][0]}
    if verifier is not None:
        data["code_verifier"] = verifier
    return token_request(provider, client, **data | changes)


def token_request(provider: Provider, client: dict[str, Any], **data: str) -> httpx2.Response:
    """Authenticates as the client registered. A value given as "" is left out."""
    auth = None
    if client["token_endpoint_auth_method"] == "client_secret_basic":
        auth = (client["client_id"], client["client_secret"])
    elif client["token_endpoint_auth_method"] == "client_secret_post":
        data = {"client_id": client["client_id"], "client_secret": client["client_secret"]} | data
    else:
        data = {"client_id": client["client_id"]} | data
    sent = {name: value for name, value in data.items() if value != ""}
    return httpx2.post(f"{provider.issuer}/token", data=sent, auth=auth, timeout=30, verify=TLS)


def tokens_for(
    provider: Provider, client: dict[str, Any], browser: Browser | None = None, **parameters: str
) -> dict[str, Any]:
    """A whole sign-in: the token response."""
    proof = pkce()
    browser = browser or Browser(provider.issuer)
    answer = answer_of(browser.sign_in(authorize_url(client, proof.challenge, **parameters)))
    response = redeem(provider, client, answer["code"], proof.verifier)
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens
