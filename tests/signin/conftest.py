from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, pkce, running
from tests.signin.reading import query

BEN, BENS_PASSWORD = "ben@example.test", "another long password of Ben"


@dataclass(frozen=True)
class Person:
    email: str
    password: str
    sub: str


@dataclass(frozen=True)
class People:
    ana: Person
    ben: Person


@dataclass(frozen=True)
class App:
    """A registered app."""

    client: dict[str, Any]

    def url(self, **parameters: str) -> str:
        """An authorization request."""
        return authorize_url(self.client, pkce().challenge, **parameters)

    @property
    def client_id(self) -> str:
        return str(self.client["client_id"])


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A running provider on SQLite, for all tests of the sign-in."""
    with running(tmp_path_factory.mktemp("signin")) as provider:
        yield provider


@pytest.fixture(scope="session")
def people(provider: Provider) -> People:
    ana = provider.create_user()
    ben = provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
    return People(Person(EMAIL, PASSWORD, ana["sub"]), Person(BEN, BENS_PASSWORD, ben["sub"]))


@pytest.fixture(scope="session")
def registered(provider: Provider) -> App:
    return App(provider.create_client())


@pytest.fixture
def app(provider: Provider, people: People, registered: App) -> App:
    """An app that nobody has allowed anything yet, and people with a password alone, which nobody has guessed at."""
    query(provider, "DELETE FROM consents")
    query(provider, "DELETE FROM failures")
    query(provider, "DELETE FROM credentials WHERE factor <> 'password'")
    return registered


@pytest.fixture
def browser(provider: Provider) -> Browser:
    return Browser(provider.issuer)


@pytest.fixture
def at_password(browser: Browser, app: App) -> Browser:
    """A browser that looks at Ana's password page."""
    browser.open(app.url())
    browser.submit(username=EMAIL)
    return browser


@pytest.fixture
def at_consent(at_password: Browser) -> Browser:
    """A browser in which Ana has signed in and is asked what the app may get."""
    at_password.submit(password=PASSWORD)
    return at_password


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider where everybody needs a second factor, with Ana and Ben, who have none yet."""
    with running(tmp_path_factory.mktemp("strict"), second_factor="required") as provider:
        provider.create_user()
        provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
        yield provider


@pytest.fixture
def billing(strict: Provider) -> App:
    """An app; nobody has a second factor, a session or a consent."""
    query(strict, "DELETE FROM credentials WHERE factor <> 'password'")
    for table in ("sessions", "consents", "failures"):
        query(strict, f"DELETE FROM {table}")  # noqa: S608
    return App(strict.create_client())
