"""An attempt that expired begins again by itself, and nobody is asked twice who they are."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, pkce, running
from tests.signin.conftest import BEN, App
from tests.signin.reading import expire, heading_of, page_of, path_of, query, step_of


def named_on(browser: Browser) -> bool:
    """Whether the page knows who is signing in."""
    return f'value="{EMAIL}"' in page_of(browser).text


def test_what_was_typed_too_late_is_kept(provider: Provider, browser: Browser, app: App) -> None:
    browser.open(app.url())
    old = expire(provider, browser)
    browser.submit(username=EMAIL)
    assert path_of(browser) != old
    assert step_of(browser) == "password"
    assert named_on(browser)
    browser.submit(password=PASSWORD)
    assert answer_of(browser.submit("allow", action="/consent"))["state"] == "state-123"


def test_a_reload_too_late_keeps_who_is_signing_in(provider: Provider, at_password: Browser) -> None:
    old = expire(provider, at_password)
    at_password.open(old)
    assert path_of(at_password) != old
    assert step_of(at_password) == "password"
    assert named_on(at_password)


def test_a_password_sent_too_late_is_asked_for_again(provider: Provider, at_password: Browser) -> None:
    expire(provider, at_password)
    at_password.submit(password=PASSWORD)
    assert step_of(at_password) == "password"
    assert named_on(at_password)
    assert not page_of(at_password).text.count('role="alert"')
    at_password.submit(password=PASSWORD)
    assert step_of(at_password) == "consent"


def test_a_decision_sent_too_late_is_asked_for_again(provider: Provider, at_consent: Browser) -> None:
    expire(provider, at_consent)
    at_consent.submit("allow", action="/consent")
    assert step_of(at_consent) == "consent"
    assert answer_of(at_consent.submit("allow", action="/consent"))["code"]


def test_an_expired_attempt_of_another_browser_stays_with_it(
    provider: Provider, at_password: Browser, app: App
) -> None:
    old = expire(provider, at_password)
    other = Browser(provider.issuer)
    other.open(app.url())
    other.open(old)
    assert step_of(other) == "identify"  # of its own
    assert path_of(other) != path_of(at_password)
    assert not named_on(other)


def test_az_12_not_you_outlives_the_end_of_the_attempt(provider: Provider, at_consent: Browser, app: App) -> None:
    """Whoever sits down at Ana's browser says that he is not Ana, waits, and is let in as Ana."""
    at_consent.submit(action="/switch")
    assert step_of(at_consent) == "identify"
    twin = Browser(provider.issuer)
    twin.http.cookies.update(at_consent.http.cookies)
    twin.open(app.url())
    twin.submit("allow", action="/consent")  # in another tab
    expire(provider, at_consent)
    at_consent.submit(username=BEN)
    assert step_of(at_consent) == "password"
    assert BEN in page_of(at_consent).text


def test_az_12_a_name_that_is_not_the_signed_in_persons_is_asked_for_their_password(
    provider: Provider, browser: Browser, app: App
) -> None:
    """Ben's late form is sent after Ana proved anew who she is, and ends in her account."""
    answer_of(browser.sign_in(app.url()))
    query(provider, "UPDATE sessions SET authenticated_at = '2026-01-01T00:00:00.000000Z'")
    browser.open(app.url(max_age="600", login_hint=BEN))
    browser.submit(action="/switch")
    assert step_of(browser) == "identify"
    form_of_ben = page_of(browser)
    browser.open(app.url(prompt="login"))
    answer_of(browser.submit(action="/password", password=PASSWORD))
    browser.page = form_of_ben
    expire(provider, browser)
    browser.submit(username=BEN)
    assert step_of(browser) == "password"
    assert BEN in page_of(browser).text


def test_what_was_said_in_an_attempt_does_not_come_back_when_its_row_is_gone(
    provider: Provider, at_consent: Browser, app: App
) -> None:
    """The row of an attempt is pruned a day after it expired, and from then on its address leads nowhere."""
    at_consent.submit(action="/switch")
    path = expire(provider, at_consent, timedelta(days=1, hours=1))
    page = at_consent.open(path)
    assert (page.status_code, heading_of(page)) == (410, "This sign-in is over")


def test_who_said_not_you_is_not_named_again_when_the_attempt_begins_again(
    provider: Provider, at_consent: Browser, app: App
) -> None:
    at_consent.submit(action="/switch")
    at_consent.open(expire(provider, at_consent))
    assert step_of(at_consent) == "identify"
    assert EMAIL not in page_of(at_consent).text


def test_a_name_longer_than_any_is_not_kept(provider: Provider, browser: Browser, app: App) -> None:
    browser.open(app.url())
    expire(provider, browser)
    browser.submit(username="a" * 321)
    assert step_of(browser) == "identify"


@pytest.mark.slow
def test_the_lifetime_of_an_attempt_is_a_setting(tmp_path: Path) -> None:
    with running(tmp_path, attempt_lifetime="1s") as provider:
        browser, client = Browser(provider.issuer), provider.create_client()
        browser.open(authorize_url(client, pkce().challenge))
        first = path_of(browser)
        time.sleep(1.1)
        browser.submit(username=EMAIL)
        assert path_of(browser) != first
        assert named_on(browser)
