import pytest

from tests.oauth.wire import App, register
from tests.provider import Browser, Provider


@pytest.fixture(scope="module")
def app(provider: Provider) -> App:
    """A confidential client with the defaults."""
    return register(provider)


@pytest.fixture(scope="module")
def ana(provider: Provider) -> Browser:
    """A browser in which Ana signs in at the first need. Tests that sign out take a browser of their own."""
    return Browser(provider.issuer)
