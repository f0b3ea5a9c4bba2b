"""What happened to an account, as its person reads it: theirs alone, in words, page by page, without a secret."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest

from idp.account import activity
from idp.audit import Event
from idp.store.ids import new_id
from idp.store.tables import TOLD
from idp.web import own
from tests.account.test_account import signed_in
from tests.provider import EMAIL, PASSWORD, Browser, Provider, running, token_request, tokens_for
from tests.signin.conftest import BEN, BENS_PASSWORD
from tests.signin.reading import count, page_of, query, sid_of

# About no person, or about one who is gone.
OF_NOBODY = {
    Event.STUFFING_SUSPECTED,
    Event.TOKEN_ISSUED,
    Event.CLIENT_CREATED,
    Event.CLIENT_UPDATED,
    Event.CLIENT_SECRET_ROTATED,
    Event.CLIENT_DELETED,
    Event.CLIENT_REVOKED,
    Event.KEY_ROTATED,
    Event.SECRETS_RESEALED,
    Event.USER_DELETED,
    Event.USER_INVITED,
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("activity"), trusted_proxies="127.0.0.1") as provider:
        provider.create_user()
        provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
        yield provider


def told(page: httpx2.Response) -> list[str]:
    return re.findall(r"<h2>([^<]+)</h2>", page.text)


def older(browser: Browser) -> str | None:
    found = re.search(r'id="older" href="([^"]+)"', page_of(browser).text)
    return found[1] if found else None


def test_every_event_about_a_person_has_its_words() -> None:
    assert set(activity.WORDS) | set(activity.UNTOLD) | OF_NOBODY == set(Event)
    assert not set(activity.WORDS) & (set(activity.UNTOLD) | OF_NOBODY)


def test_what_is_not_told_is_what_its_index_leaves_out() -> None:
    assert set(re.findall(r"'([\w.]+)'", TOLD)) == set(activity.UNTOLD)


def test_a_person_reads_what_happened_when_from_where_with_what_and_by_which_app(provider: Provider) -> None:
    browser = Browser(provider.issuer)
    browser.http.headers |= {
        "X-Forwarded-For": "203.0.113.7",
        "User-Agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0",
    }
    browser.open(own.ACTIVITY)
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password="not the right one")
    browser.submit(action="/password", password=PASSWORD)
    client = provider.create_client()
    tokens = tokens_for(provider, client, browser)
    token_request(provider, client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    page = browser.open(own.ACTIVITY)
    words = [
        str(activity.WORDS[event]) for event in (Event.CODE_REDEEMED, Event.CONSENT_GIVEN, Event.SIGN_IN_SUCCEEDED)
    ]
    assert told(page)[:4] == [*words, str(activity.WORDS[Event.SIGN_IN_FAILED])]
    newest = page.text.split("<li>\n<h2>")[1]
    assert "App: <bdi>Billing</bdi>" in newest
    assert "With: password" in page.text
    assert "Device: <bdi>Firefox on Windows</bdi>" in page.text
    assert "Network address: <bdi>203.0.113.7</bdi>" in page.text
    assert re.search(r"\d+ \w+ \d{4}, \d\d:\d\d:\d\d\u00a0UTC", newest)
    assert re.search(r'Reference: <bdi class="ref" dir="ltr">[0-9A-Z]{4}-[0-9A-Z]{4}</bdi>', newest)


def test_ad_02_a_person_reads_nothing_of_what_happened_to_others(provider: Provider) -> None:
    """The attacker has an account of his own and looks for where and when somebody else signs in."""
    ben = signed_in(provider, own.ACTIVITY, BEN, BENS_PASSWORD)
    provider.cli("user", "unlock", EMAIL)
    assert len(told(ben.open(own.ACTIVITY))) == count(
        provider,
        "SELECT count(*) FROM audit JOIN users USING (pseudonym) WHERE email = ?",
        BEN,
    )
    ana = signed_in(provider, own.ACTIVITY)
    assert str(activity.WORDS[Event.ACCOUNT_UNLOCKED]) in told(page_of(ana))
    assert str(activity.WORDS[Event.ACCOUNT_UNLOCKED]) not in told(ben.open(own.ACTIVITY))


def test_ad_02_the_place_in_the_list_is_of_one_session_alone(provider: Provider) -> None:
    """The attacker takes the link to somebody's older activity, or makes one up, to read from there."""
    many(provider, EMAIL, 60)
    ana, ben = signed_in(provider, own.ACTIVITY), signed_in(provider, own.ACTIVITY, BEN, BENS_PASSWORD)
    link, newest = older(ana), told(ben.open(own.ACTIVITY))
    assert link is not None
    for place in (link, link[:-2], f"{own.ACTIVITY}?before=g", f"{own.ACTIVITY}?before='%20OR%201=1"):
        assert told(ben.open(place)) == newest, place


def test_all_of_it_is_there_page_by_page_and_each_row_once(provider: Provider) -> None:
    many(provider, EMAIL, 60)
    browser, references = signed_in(provider, own.ACTIVITY), []
    while True:
        references += re.findall(r"<h2>", page_of(browser).text)
        link = older(browser)
        if link is None:
            break
        browser.open(link)
    of_ana = f"SELECT count(*) FROM audit JOIN users USING (pseudonym) WHERE email = ? AND {TOLD}"  # noqa: S608
    assert len(references) == count(provider, of_ana, EMAIL)
    assert len(references) > 2 * activity.PAGE


def test_lg_02_no_secret_stands_in_what_a_person_reads(provider: Provider) -> None:
    """The attacker looks over a shoulder at the list, or gets a picture of it, and learns what opens a session."""
    browser = signed_in(provider, own.ACTIVITY)
    tokens = tokens_for(provider, provider.create_client(), browser)
    text = browser.open(own.ACTIVITY).text
    for secret in (PASSWORD, tokens["access_token"], tokens["refresh_token"], sid_of(provider, browser)):
        assert secret not in text


def many(provider: Provider, email: str, rows: int) -> None:
    """As if so much more had happened to a person."""
    ((pseudonym,),) = query(provider, "SELECT pseudonym FROM users WHERE email = ?", email)
    now = datetime.now(UTC)
    for _ in range(rows):
        query(
            provider,
            "INSERT INTO audit (id, at, event, pseudonym, details) VALUES (?, ?, 'user.updated', ?, ?)",
            new_id(now),
            now.strftime("%Y-%m-%d %H:%M:%S.%fZ").replace(" ", "T"),
            pseudonym,
            json.dumps({}),
        )
