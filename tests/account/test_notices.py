"""Whatever changes how somebody signs in is told to them by mail, in words, with a way to stop it."""

from collections.abc import Iterator

import pytest

from idp.web import own
from idp.web.notices import NOT_ME
from tests.account.test_account import ANOTHER_PASSWORD, code_of, secret_on, signed_in
from tests.authenticators import Device
from tests.mail import Catcher, mailed_link, text_of
from tests.provider import EMAIL, PASSWORD, Provider, running
from tests.signin.passkeys import given
from tests.signin.reading import eventually, heading_of, page_of, query

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("notices"), smtp_url=mail_server.url) as provider:
        yield provider


@pytest.fixture
def provider(installation: Provider, mail_server: Catcher) -> Provider:
    eventually(installation, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    for table in ("handles", "credentials", "sessions", "users"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    installation.create_user()
    mail_server.clear()
    return installation


def told(provider: Provider, mails: Catcher) -> list[str]:
    """The subjects of what came, in alphabetical order; each mail has a link that stops it."""
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    for mail in mails.mails:
        assert mail["to"] == EMAIL
        assert mailed_link(mail, NOT_ME) in text_of(mail)
    return sorted(str(mail["subject"]) for mail in mails.mails)


def test_setting_up_and_removing_an_app_is_told(provider: Provider, mail_server: Catcher) -> None:
    browser = signed_in(provider, own.AUTHENTICATOR)
    browser.submit(code=code_of(secret_on(page_of(browser))), name="Phone")
    browser.open(own.RECOVERY_CODES)
    browser.submit(action=own.RECOVERY_CODES)
    browser.submit(action="/remove")
    assert told(provider, mail_server) == [
        "A new sign-in to your account",
        "An authenticator app was added",
        "An authenticator app was removed",
        "You have new recovery codes",
    ]


def test_a_changed_password_is_told(provider: Provider, mail_server: Catcher) -> None:
    browser = signed_in(provider, own.PASSWORD)
    browser.submit(action=own.PASSWORD, current=PASSWORD, password=ANOTHER_PASSWORD)
    assert "Your password was changed" in told(provider, mail_server)


def test_a_passkey_that_is_made_or_removed_is_told(provider: Provider, mail_server: Catcher) -> None:
    given(provider, Device(provider.issuer))
    browser = signed_in(provider)
    browser.submit(action="/remove")
    assert "A passkey was removed" in told(provider, mail_server)


def test_nobody_is_told_whose_address_nobody_has_proved(provider: Provider, mail_server: Catcher) -> None:
    query(provider, "UPDATE users SET email_verified_at = NULL")
    browser = signed_in(provider, own.PASSWORD)
    browser.submit(action=own.PASSWORD, current=PASSWORD, password=ANOTHER_PASSWORD)
    assert heading_of(page_of(browser)) == "Security"
    assert told(provider, mail_server) == []
