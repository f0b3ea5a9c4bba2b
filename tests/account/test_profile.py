"""What a person says of themselves: a few claims, none that an app takes for a fact, and no text that misleads."""

import json
import re
from collections.abc import Iterator

import pytest

from idp.web import own
from tests.account.test_account import signed_in
from tests.authenticators import Device
from tests.oauth.wire import userinfo
from tests.provider import EMAIL, Browser, Provider, running, tokens_for
from tests.signin.passkeys import given
from tests.signin.reading import count, page_of, post, query, title_of, token_of

NAME = "Ana Example"
CLAIMS = "SELECT claims FROM users WHERE email = ?"
UPDATED = "SELECT details FROM audit WHERE event = 'user.updated' ORDER BY id"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("profile")) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def provider(installation: Provider) -> Provider:
    query(installation, "UPDATE users SET claims = ?", json.dumps({"name": NAME, "website": "https://ana.example"}))
    return installation


@pytest.fixture
def browser(provider: Provider) -> Browser:
    return signed_in(provider, own.PROFILE)


def claims(provider: Provider) -> dict[str, str]:
    found: dict[str, str] = json.loads(query(provider, CLAIMS, EMAIL)[0][0])
    return found


def test_what_a_person_says_is_kept_and_told_to_an_app_that_may_know(provider: Provider, browser: Browser) -> None:
    page = browser.submit(action=own.PROFILE, name=" Ana Maria Example ", nickname="Ana", zoneinfo="Europe/Paris")
    assert "Saved." in page.text
    assert 'value="Ana Maria Example"' in page.text
    tokens = tokens_for(provider, provider.create_client(), browser)
    told = userinfo(provider, tokens["access_token"]).json()
    assert (told["name"], told["nickname"], told["zoneinfo"]) == ("Ana Maria Example", "Ana", "Europe/Paris")
    assert json.loads(query(provider, UPDATED)[-1][0]) == {"claims": ["name", "nickname", "zoneinfo"]}


def test_what_is_left_empty_is_taken_back_and_all_else_stays(provider: Provider, browser: Browser) -> None:
    browser.submit(action=own.PROFILE, name="")
    assert claims(provider) == {"website": "https://ana.example"}


def test_who_saves_what_was_there_changes_nothing(provider: Provider, browser: Browser) -> None:
    before = count(provider, "SELECT count(*) FROM audit WHERE event = 'user.updated'")
    browser.submit(action=own.PROFILE)
    assert claims(provider) == {"name": NAME, "website": "https://ana.example"}
    assert count(provider, "SELECT count(*) FROM audit WHERE event = 'user.updated'") == before


def test_ad_02_nothing_is_stored_of_what_nobody_may_say_of_themselves(provider: Provider, browser: Browser) -> None:
    """The attacker adds fields to the form, which would make an app take him for somebody else."""
    before = query(provider, "SELECT * FROM users")
    extra = {
        "email": "ben@example.test",
        "email_verified": "true",
        "email_verified_at": "2026-01-01",
        "sub": "x",
        "updated_at": "1",
        "phone_number": "+1",
        "phone_number_verified": "true",
        "address": "x",
        "id": "x",
        "birthdate": "1980-01-01",
        "preferred_username": "ben",
        "picture": "https://x.example",
        "website": "x",
        "profile": "x",
        "gender": "x",
        "locale": "x",
        "groups": "admin",
        "claims": "{}",
        "disabled_at": "x",
    }
    answer = post(browser, own.PROFILE, csrf=token_of(browser), name=NAME, **extra)
    assert answer.status_code == 303
    assert query(provider, "SELECT * FROM users") == before


@pytest.mark.parametrize(
    "name",
    [
        *("https://evil.example", "Pay at evil.example", "www.evil", "evil\uff0eexample", "evil\u3002example"),
        *("a" * 65, "Ana\nExample", "Ana\u202eelpmaxE", "x\u200b"),
    ],
)
def test_xi_12_a_name_is_no_link_and_no_trick(provider: Provider, browser: Browser, name: str) -> None:
    """The attacker's name is an address that a mail program makes a link of, or turns round what stands beside it."""
    page = browser.submit(action=own.PROFILE, given_name=name, nickname="Ana")
    assert title_of(page).startswith("Error: ")
    assert 'id="given_name-wrong"' in page.text
    assert 'value="Ana"' in page.text, "what was typed beside it is there still"
    assert claims(provider) == {"name": NAME, "website": "https://ana.example"}


@pytest.mark.parametrize(
    "name",
    ["J. R. R. Tolkien", "J.R.R. Tolkien", "O\u2019Brien-\u0160v\u0101", "\u5c71\u7530 \u592a\u90ce", "Ravi a/l Kumar"],
)
def test_names_of_people_are_taken(provider: Provider, browser: Browser, name: str) -> None:
    assert "Saved." in browser.submit(action=own.PROFILE, name=name).text
    assert claims(provider)["name"] == name


@pytest.mark.parametrize(
    ("zone", "taken"), [("UTC", True), ("America/Argentina/Salta", True), ("../etc", False), ("x", False)]
)
def test_a_time_zone_looks_like_one(provider: Provider, browser: Browser, zone: str, *, taken: bool) -> None:
    browser.submit(action=own.PROFILE, zoneinfo=zone)
    assert (claims(provider).get("zoneinfo") == zone) is taken


def test_what_an_operator_wrote_is_no_fault_of_the_person(provider: Provider) -> None:
    long = "x" * 100
    query(provider, "UPDATE users SET claims = ?", json.dumps({"name": long}))
    assert "Saved." in signed_in(provider, own.PROFILE).submit(action=own.PROFILE, nickname="Ana").text
    assert claims(provider) == {"name": long, "nickname": "Ana"}


def test_xi_01_a_name_is_text_on_every_page_of_the_account(provider: Provider, browser: Browser) -> None:
    """The attacker's name is a script, which would run where an operator or he himself is shown it."""
    browser.submit(action=own.PROFILE, name='"><script>alert(1)</script>')
    for page in own.PAGES:
        assert "<script>alert" not in browser.open(page).text, page
    assert "&lt;script&gt;" in browser.open(own.PROFILE).text


def test_browsers_hear_of_a_new_name_so_that_they_show_passkeys_by_it(provider: Provider, browser: Browser) -> None:
    given(provider, Device(provider.issuer))
    page = browser.submit(action=own.PROFILE, name="Ana Neu")
    told = re.search(r'data-signals="([^"]+)"', page.text)
    assert told is not None
    assert "&#34;displayName&#34;:&#34;Ana Neu&#34;" in told[1]
    assert "signals.js" in page_of(browser).text
