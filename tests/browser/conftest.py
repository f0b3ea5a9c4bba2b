import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import argon2
import httpx2
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chrome import Windows, launched
from tests.browser.sites import Site, site
from tests.mail import Catcher
from tests.provider import CHEAP_PASSWORDS, EMAIL, PASSWORD, TLS, Provider, authorize_url, pkce, redeem, running

PROOF = pkce()


@dataclass(frozen=True)
class Development:
    """What `idp dev` serves."""

    provider: str
    app: str
    api: str
    email: str
    password: str


@dataclass(frozen=True)
class App:
    """A registered app and the website it is; `mails` is where mails come to."""

    provider: Provider
    client: dict[str, Any]
    site: Site
    mails: Catcher

    def url(self, **parameters: str) -> str:
        """An authorization request, as the address of a page."""
        return self.provider.issuer + authorize_url(self.client, PROOF.challenge, **parameters)

    def id_token(self) -> str:
        """Of the person who went to the app last."""
        code = self.site.visits_of("/callback")[-1].parameters["code"]
        answer = redeem(self.provider, self.client, code, PROOF.verifier)
        return str(answer.json()["id_token"])

    @property
    def bye(self) -> str:
        """Where people go when signed out."""
        return f"{self.site.origin}/bye"

    def logout_url(self, **parameters: str) -> str:
        return f"{self.provider.issuer}/logout?{urlencode(parameters)}"


# Of one file each: while Playwright runs, nothing else in its process can run an event loop.
@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Browser]:
    with launched(chromium) as chrome:
        yield chrome


@pytest.fixture
def windows(chrome: Browser) -> Iterator[Windows]:
    """Nothing may stand in the console of any of them in the end: no error, and no violation of a policy."""
    windows = Windows(chrome)
    try:
        yield windows
    finally:
        windows.close()
    assert windows.reports == []


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def javascript(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def page(windows: Windows) -> Page:
    return windows.page()


def people(provider: Provider) -> None:
    """Ana, and others for the pages that she does not see."""
    provider.create_user()
    for email, name in (("ben", "Ben"), ("elif", "Elif"), ("finn", "Finn"), ("gwen", "Gwen")):
        provider.create_user(f"{email}@example.test", name=f"{name} Example")
    for email in ("cleo", "dora", "una"):  # no mail is a second factor of who has an address that nobody verified
        by_name = ("--name", f"{email.title()} Example", "--password-stdin")
        provider.cli("user", "create", f"{email}@example.test", *by_name, stdin=PASSWORD + "\n")
    leaked = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("password1234")
    provider.cli("user", "create", "leah@example.test", "--password-hash-stdin", stdin=leaked)


@contextmanager
def app_of(provider: Provider, mail_server: Catcher) -> Iterator[App]:
    with site() as served:
        scope = "openid profile email phone offline_access"
        bye = ("--post-logout-redirect-uri", f"{served.origin}/bye")
        client = provider.create_client("--scope", scope, *bye, redirect_uri=f"{served.origin}/callback")
        yield App(provider, client, served, mail_server)


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """A provider as it is in production, with the person Ana."""
    mail = {"smtp_url": mail_server.url, "email_codes": "sign_in", "sign_up": "open"}
    with running(tmp_path_factory.mktemp("browser"), name="Example sign-in", **mail) as provider:
        people(provider)
        yield provider


@pytest.fixture(scope="session")
def registered(provider: Provider, mail_server: Catcher) -> Iterator[App]:
    with app_of(provider, mail_server) as app:
        yield app


@pytest.fixture
def app(registered: App) -> App:
    """An app whose website shows plain pages."""
    registered.site.redirects.clear()
    registered.site.pages.clear()
    registered.site.visits.clear()
    return registered


def three_free_ports() -> int:
    """The first of three ports in a row that nobody listens on; another worker of the tests looks elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(20000 + 1000 * worker, 30000, 10):
        try:
            for each in range(port, port + 3):
                with socket.socket() as listener:
                    listener.bind(("127.0.0.1", each))
        except OSError:
            continue
        return port
    raise RuntimeError("no three free ports in a row")


@pytest.fixture(scope="session")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    with developing(tmp_path_factory.mktemp("dev")) as development:
        yield development


@contextmanager
def developing(folder: Path, **settings: str) -> Iterator[Development]:
    port = three_free_ports()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    environment |= CHEAP_PASSWORDS | {"IDP_DATA_DIR": str(folder / "data")}
    environment |= {f"IDP_{name.upper()}": value for name, value in settings.items()}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "idp", "dev", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        provider, app, api = (f"http://localhost:{each}" for each in range(port, port + 3))
        for url in (provider, app, api):
            wait_for(url, process, folder / "log")
        drawn = json.loads((folder / "data" / "development.json").read_text())
        yield Development(provider, app, api, EMAIL, drawn["password"])
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx2.get(url, timeout=2, verify=TLS)
        except httpx2.HTTPError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"it did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return


def press(page: Page, selector: str) -> None:
    """Presses a button and waits for the page that it leads to."""
    with page.expect_navigation():
        page.locator(selector).click()


def name_oneself(page: Page, email: str = EMAIL) -> None:
    page.locator("#username").fill(email)
    press(page, "#continue")


def sign_in(page: Page, email: str = EMAIL, password: str = PASSWORD) -> None:
    """From the first page to the consent page, if there is one, or to the app."""
    if page.locator("form[action$='/identify']").count():
        name_oneself(page, email)
    page.locator("#password").fill(password)
    press(page, "#continue")


def allow(page: Page) -> None:
    if page.locator("#allow").count():
        press(page, "#allow")
