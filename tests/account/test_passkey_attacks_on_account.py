"""Attacks on the passkeys of an account page: other people's ids, foreign passkeys, and names that are code."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from threading import Barrier
from typing import Any

import httpx2
import pytest

from idp.factors.passkey import bytes_of
from idp.services import Services
from idp.store import credentials
from idp.store.credentials import StoredFactor
from idp.web import own
from tests.authenticators import SYNCED, Device
from tests.oauth.wire import with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, forms, running
from tests.signin.conftest import BEN, BENS_PASSWORD
from tests.signin.passkeys import given, use
from tests.signin.reading import SESSIONS, count, heading_of, page_of, post, query, step_of

EVE, EVES_PASSWORD = "eve@example.test", "quiet green lamps of evening"
HOSTILE_NAME = """</script><script>alert("Eve's")</script><b a='&quot;' &amp;"""
PASSKEYS = "SELECT count(*) FROM credentials WHERE factor = 'passkey'"
REMOVALS = "SELECT count(*) FROM audit WHERE event = 'factor.removed'"
NOBODYS = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("account")) as provider:
        provider.create_user()
        provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
        provider.create_user(EVE, EVES_PASSWORD, HOSTILE_NAME)
        yield provider


@pytest.fixture
def provider(installation: Provider) -> Provider:
    """Ana, Ben and Eve with a password alone, signed in nowhere."""
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    query(installation, "DELETE FROM sessions")
    return installation


def signed_in(provider: Provider, page: str, email: str = EMAIL, password: str = PASSWORD) -> Browser:
    """A browser that looks at a page of the account, its person having signed in for it a moment ago."""
    browser = Browser(provider.issuer)
    browser.open(page)
    browser.submit(action="/identify", username=email)
    browser.submit(action="/password", password=password)
    assert page_of(browser).url.path == page
    return browser


def passkeys_of(provider: Provider, email: str) -> list[StoredFactor]:
    ((user_id,),) = query(provider, "SELECT id FROM users WHERE email = ?", email)

    async def work(services: Services) -> list[StoredFactor]:
        return await credentials.of_person(services.database, services.sealer, user_id, "passkey")

    return with_services(provider, work)


def token_of(browser: Browser) -> str:
    return next(form.fields["csrf"] for form in forms(page_of(browser).text) if "/account/" in form.action)


def options_of(browser: Browser) -> dict[str, Any]:
    """What the script of the page asks the browser to make."""
    options: dict[str, Any] = browser.http.get(own.NEW_PASSKEY).json()
    return options


def make(browser: Browser, credential: dict[str, Any]) -> httpx2.Response:
    response = post(browser, own.NEW_PASSKEY, csrf=token_of(browser), credential=json.dumps(credential))
    browser._follow(response)
    return page_of(browser)


@pytest.mark.parametrize("change", ["remove", "rename"])
def test_mf_10_nobody_changes_a_passkey_of_another_person(provider: Provider, change: str) -> None:
    """The attacker puts the id of somebody else's passkey into the address of his own form."""
    given(provider, Device(provider.issuer))
    given(provider, Device(provider.issuer), BEN)
    ana = signed_in(provider, own.SECURITY)
    ben = signed_in(provider, own.SECURITY, BEN, BENS_PASSWORD)
    before = passkeys_of(provider, EMAIL), passkeys_of(provider, BEN)
    sessions, token = count(provider, SESSIONS), token_of(ben)
    answers, removals = [], count(provider, REMOVALS)
    for passkey in (before[0][0].id, NOBODYS):
        answer = post(ben, f"{own.PASSKEY}/{passkey}/{change}", csrf=token, name="Ben's now")
        answers.append((answer.status_code, answer.headers["location"], answer.headers.get_list("set-cookie")))
    assert answers[0] == answers[1] == (303, own.SECURITY, [])
    assert (passkeys_of(provider, EMAIL), passkeys_of(provider, BEN)) == before
    assert count(provider, SESSIONS) == sessions
    assert count(provider, REMOVALS) == removals
    post(ana, f"{own.PASSKEY}/{before[0][0].id}/{change}", csrf=token_of(ana), name="Mine")
    assert passkeys_of(provider, EMAIL) != before[0], "its own person changes it in this way"


def test_mf_10_who_has_no_password_learns_nothing_of_another_persons_passkey(provider: Provider) -> None:
    """The attacker, to whom an own passkey is the last way in, tries ids of others and compares the answers."""
    ana, mine = given(provider, Device(provider.issuer)), given(provider, Device(provider.issuer), BEN)
    ben = signed_in(provider, own.SECURITY, BEN, BENS_PASSWORD)
    theirs, token = passkeys_of(provider, EMAIL)[0].id, token_of(ben)
    query(
        provider,
        "UPDATE credentials SET factor = 'lost' WHERE factor = 'password' "
        "AND user_id = (SELECT id FROM users WHERE email = ?)",
        BEN,
    )
    try:
        locations = [
            post(ben, f"{own.PASSKEY}/{each}/remove", csrf=token).headers["location"] for each in (theirs, NOBODYS)
        ]
        assert locations == [own.SECURITY] * 2
        assert [each.data for each in passkeys_of(provider, EMAIL)] == [ana]
        assert [each.data for each in passkeys_of(provider, BEN)] == [mine]
    finally:
        query(provider, "UPDATE credentials SET factor = 'password' WHERE factor = 'lost'")


def test_wa_09_the_id_of_another_persons_passkey_is_refused_and_theirs_stays(provider: Provider) -> None:
    """The attacker registers the id of somebody's passkey with a key of his own, so that theirs signs in as his."""
    device, attackers = Device(provider.issuer), Device(provider.issuer)
    stored = given(provider, device)
    before = passkeys_of(provider, EMAIL)
    ben = signed_in(provider, own.PASSKEY, BEN, BENS_PASSWORD)
    page = make(ben, attackers.create(options_of(ben), credential_id=bytes_of(stored["credential_id"])))
    assert page.url.path == own.PASSKEY
    assert "The passkey was not saved" in page.text
    assert passkeys_of(provider, EMAIL) == before
    assert passkeys_of(provider, BEN) == []
    browser = Browser(provider.issuer)
    browser.open(own.SECURITY)
    use(browser, attackers)
    assert step_of(browser) == "identify"
    use(browser, device)
    assert heading_of(page_of(browser)) == "Security"
    assert EMAIL in page_of(browser).text


def test_wa_09_of_two_who_register_one_id_at_the_same_moment_one_has_it(provider: Provider) -> None:
    """The attacker sees the id of a passkey on its way, and registers it at the moment at which its owner does."""
    people = (EMAIL, PASSWORD), (BEN, BENS_PASSWORD)
    browsers = [signed_in(provider, own.PASSKEY, *person) for person in people]
    for number in range(1, 4):
        device, barrier = Device(provider.issuer), Barrier(2)
        fields = [
            (token_of(each), json.dumps(device.create(options_of(each), credential_id=bytes([number]) * 16)))
            for each in browsers
        ]

        def press(which: int, barrier: Barrier = barrier, fields: list[tuple[str, str]] = fields) -> tuple[int, str]:
            token, credential = fields[which]
            barrier.wait()
            answer = post(browsers[which], own.NEW_PASSKEY, csrf=token, credential=credential)
            return answer.status_code, answer.headers["location"].partition("?")[0]

        with ThreadPoolExecutor(2) as pool:
            answers = sorted(pool.map(press, range(2)))
        assert answers == [(303, own.PASSKEY), (303, own.SECURITY)]
        assert count(provider, PASSKEYS) == number


@pytest.mark.parametrize("rp_id", ["evil.example", "id.localhost"])
def test_wa_07_the_account_takes_no_passkey_of_another_relying_party(provider: Provider, rp_id: str) -> None:
    """The attacker has a passkey made for a site of his own, and puts it onto somebody's account."""
    browser = signed_in(provider, own.PASSKEY)
    page = make(browser, Device(provider.issuer).create(options_of(browser) | {"rp": {"id": rp_id}}))
    assert "The passkey was not saved" in page.text
    assert count(provider, PASSKEYS) == 0


def test_wa_04_the_account_takes_no_challenge_of_another_session_or_of_a_sign_in(provider: Provider) -> None:
    """The attacker has somebody's browser answer what his own page asks for."""
    device, browser = Device(provider.issuer), signed_in(provider, own.PASSKEY)
    right, ben = options_of(browser), signed_in(provider, own.PASSKEY, BEN, BENS_PASSWORD)
    elsewhere, visitor = signed_in(provider, own.PASSKEY), Browser(provider.issuer)
    visitor.open(own.SECURITY)
    found = re.search(r'data-options="([^"]+)"', page_of(visitor).text)
    assert found is not None
    for challenge in (
        options_of(ben)["challenge"],
        options_of(elsewhere)["challenge"],
        json.loads(unescape(found[1]))["challenge"],
    ):
        page = make(browser, device.create(right | {"challenge": challenge}))
        assert "The passkey was not saved" in page.text
    assert count(provider, PASSKEYS) == 0
    assert make(browser, device.create(right)).url.path == own.SECURITY
    assert count(provider, PASSKEYS) == 1


def test_wa_17_a_name_that_is_code_arrives_as_a_name(provider: Provider) -> None:
    """The attacker calls himself something that a browser would run, and waits for a page that shows it."""
    device, eve = Device(provider.issuer, SYNCED), signed_in(provider, own.PASSKEY, EVE, EVES_PASSWORD)
    answer = eve.http.get(own.NEW_PASSKEY)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    asked = answer.json()
    assert (asked["user"]["name"], asked["user"]["displayName"]) == (EVE, HOSTILE_NAME)
    made = page_of(eve)
    page = make(eve, device.create(asked))
    found = re.search(r'data-signals="([^"]+)"', page.text)
    assert found is not None
    told = json.loads(unescape(found[1]))
    assert (told["name"], told["displayName"]) == (EVE, HOSTILE_NAME)
    assert told["userId"] == asked["user"]["id"]
    for shown in (made, page):
        assert "<script>alert" not in shown.text
        assert HOSTILE_NAME not in shown.text


def test_wa_17_a_name_of_a_passkey_that_is_code_is_shown_as_a_name(provider: Provider) -> None:
    """The attacker, for a moment at an open screen, calls a passkey something that a browser would run."""
    given(provider, Device(provider.issuer))
    browser = signed_in(provider, own.SECURITY)
    page = browser.submit(action="/rename", name="""<script>alert("1")</script>'""")
    assert "<script>alert" not in page.text
    assert """<script>alert("1")</script>'""" in unescape(page.text)
