"""Where a person is signed in: what they see of it, and what they end."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from idp.web import own
from tests.account.test_account import signed_in
from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, pkce, running, token_request, tokens_for
from tests.signin.conftest import BEN, BENS_PASSWORD
from tests.signin.reading import SESSIONS, count, heading_of, page_of, post, query, sid_of, step_of, token_of

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1"
HEADING, HOME = "Where you are signed in", "You are signed in"
REVOKED = "SELECT count(*) FROM audit WHERE event = 'session.revoked'"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("sessions"), trusted_proxies="127.0.0.1") as provider:
        provider.create_user()
        provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
        yield provider


@pytest.fixture
def provider(installation: Provider) -> Provider:
    """Nobody is signed in, and no app has access."""
    for table in ("sessions", "grants", "consents"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    return installation


def at(provider: Provider, agent: str, address: str, email: str = EMAIL) -> Browser:
    """A browser of that kind, at that address, whose person looks at their sessions."""
    browser = Browser(provider.issuer)
    browser.http.headers |= {"User-Agent": agent, "X-Forwarded-For": address}
    browser.open(own.SESSIONS)
    browser.submit(action="/identify", username=email)
    browser.submit(action="/password", password=BENS_PASSWORD if email == BEN else PASSWORD)
    return browser


def listed(page: httpx2.Response) -> list[str]:
    return re.findall(r"<h2>([^<]+)</h2>", page.text)


def test_se_11_a_person_sees_with_what_from_where_and_since_when(provider: Provider) -> None:
    """The attacker's session stands among the victim's, and has nothing to hide behind."""
    at(provider, PHONE, "198.51.100.9")
    browser = at(provider, FIREFOX, "203.0.113.7")
    page = page_of(browser)
    assert heading_of(page) == HEADING
    assert listed(page) == ["Firefox on Windows", "Safari on iPhone"], "the one at hand comes first"
    assert page.text.count("This browser") == 1
    for address in ("203.0.113.7", "198.51.100.9"):
        assert f"from <bdi>{address}</bdi>" in page.text
    assert len(re.findall(r"Signed in on \d+ \w+ \d{4}, \d\d:\d\d:\d\d\u00a0UTC", page.text)) == 2


def test_apps_stand_under_the_session_by_which_they_have_access(provider: Provider) -> None:
    browser = at(provider, FIREFOX, "203.0.113.7")
    tokens_for(provider, provider.create_client(), browser)
    at(provider, PHONE, "198.51.100.9")
    first, second = re.split(r"<li class=\"card\">", browser.open(own.SESSIONS).text)[1:]
    assert "Apps: <bdi>Billing</bdi>" in first
    assert "Apps:" not in second


def test_se_11_who_ends_a_session_ends_it_at_once_with_what_apps_had_by_it(provider: Provider) -> None:
    """The thief has a session of the victim's, and an app that he signed in to by it."""
    thief, client = at(provider, PHONE, "198.51.100.9"), provider.create_client()
    refresh = tokens_for(provider, client, thief)["refresh_token"]
    victim, before = at(provider, FIREFOX, "203.0.113.7"), count(provider, REVOKED)
    page = victim.submit(action=f"{sid_of(provider, thief)}/end")
    assert "That session has ended" in page.text
    assert listed(page) == ["Firefox on Windows"]
    assert count(provider, REVOKED) == before + 1
    assert heading_of(thief.open("/")) != HOME
    assert step_of_url(thief, authorize_url(client, pkce().challenge)) in ("identify", "password")
    refused = token_request(provider, client, grant_type="refresh_token", refresh_token=refresh)
    assert refused.json()["error"] == "invalid_grant"
    assert heading_of(victim.open("/")) == HOME


def step_of_url(browser: Browser, url: str) -> str | None:
    browser.open(url)
    return step_of(browser)


def test_who_ends_all_others_stays_signed_in_alone(provider: Provider) -> None:
    others = [at(provider, PHONE, f"198.51.100.{number}") for number in range(3)]
    browser, before = at(provider, FIREFOX, "203.0.113.7"), count(provider, REVOKED)
    page = browser.submit(action=own.SESSIONS)
    assert listed(page) == ["Firefox on Windows"]
    assert "All your other sessions have ended" in page.text
    assert count(provider, REVOKED) == before + 3
    assert count(provider, SESSIONS) == 1
    assert all(heading_of(each.open("/")) != HOME for each in others)


def test_an_old_session_may_end_others_since_that_takes_access_away(provider: Provider) -> None:
    at(provider, PHONE, "198.51.100.9")
    browser = at(provider, FIREFOX, "203.0.113.7")
    query(provider, "UPDATE sessions SET authenticated_at = '2026-01-01T00:00:00.000000Z'")
    assert "have ended" in browser.submit(action=own.SESSIONS).text


def test_who_ends_the_session_at_hand_is_signed_out(provider: Provider) -> None:
    browser = at(provider, FIREFOX, "203.0.113.7")
    page = browser.submit(action="/end")
    assert heading_of(page) == "Nothing to do here"
    assert count(provider, SESSIONS) == 0


@pytest.mark.parametrize("of", ["another person", "nobody"])
def test_se_11_nobody_sees_or_ends_the_sessions_of_others(provider: Provider, of: str) -> None:
    """The attacker puts the id of somebody else's session into the address of the form."""
    ben = at(provider, PHONE, "198.51.100.9", BEN)
    sid = sid_of(provider, ben) if of == "another person" else "0" * 32
    ana = at(provider, FIREFOX, "203.0.113.7")
    assert listed(page_of(ana)) == ["Firefox on Windows"]
    assert "198.51.100.9" not in page_of(ana).text
    answer = post(ana, f"{own.SESSIONS}/{sid}/end", csrf=token_of(ana))
    assert (answer.status_code, answer.headers["location"]) == (303, own.SESSIONS)
    ana.submit(action="/end")
    assert count(provider, SESSIONS) == 1
    assert heading_of(ben.open("/")) == HOME


def test_se_11_the_address_is_sealed_and_in_no_log(provider: Provider) -> None:
    """The attacker reads the database or the log, and looks for where people are."""
    at(provider, FIREFOX, "203.0.113.77")
    ((origin,),) = query(provider, "SELECT origin FROM sessions")
    stored = b"".join(file.read_bytes() for file in (provider.folder / "data").glob("idp.db*"))
    assert isinstance(origin, bytes)
    assert b"203.0.113.77" not in stored
    assert "203.0.113.77" not in provider.log.read_text()


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("", "A browser that says nothing of itself"),
        ("<script>alert(1)</script>", "A browser that says nothing of itself"),
        ("curl/8", "A browser that says nothing of itself"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Linux"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/150.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/19.0 Safari/605.1.15", "Safari on Mac"),
    ],
)
def test_a_browser_is_called_as_people_call_it(provider: Provider, agent: str, device: str) -> None:
    assert listed(page_of(at(provider, agent, "203.0.113.7"))) == [device]


def test_who_is_not_signed_in_signs_in_for_the_page_and_comes_back_to_it(provider: Provider) -> None:
    assert heading_of(page_of(signed_in(provider, own.SESSIONS))) == HEADING


def test_of_very_many_those_are_shown_that_were_used_last_and_all_others_end_together(provider: Provider) -> None:
    browser = at(provider, FIREFOX, "203.0.113.7")
    columns = "user_id, created_at, authenticated_at, seen_at, expires_at, amr, acr"
    for number in range(30):
        query(
            provider,
            f"INSERT INTO sessions (id, cookie_hash, {columns}) "  # noqa: S608
            f"SELECT ?, ?, {columns} FROM sessions WHERE origin IS NOT NULL",
            f"{number:032x}",
            f"{number:064x}",
        )
    page = browser.open(own.SESSIONS)
    assert len(listed(page)) == 20
    assert listed(page)[0] == "Firefox on Windows"
    assert "And 11 more, which were used longer ago." in page.text
    assert len(page.content) < 15_000
    assert listed(browser.submit(action=own.SESSIONS)) == ["Firefox on Windows"]


@pytest.mark.parametrize("origin", [None, b"\x01\x02\x03"])
def test_a_session_of_which_nothing_can_be_read_is_shown_and_ended_all_the_same(
    provider: Provider, origin: bytes | None
) -> None:
    at(provider, PHONE, "198.51.100.9")
    query(provider, "UPDATE sessions SET origin = ?", origin)
    browser = at(provider, FIREFOX, "203.0.113.7")
    assert listed(page_of(browser)) == ["Firefox on Windows", "A browser that says nothing of itself"]
    assert listed(browser.submit(action=own.SESSIONS)) == ["Firefox on Windows"]
