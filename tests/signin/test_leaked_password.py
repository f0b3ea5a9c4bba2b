"""A password that others know: it opens nothing but the page that asks for a new one."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import argon2
import pytest

from idp.factors.weakness import COMMON
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.services import Services
from idp.signin.steps import Step
from idp.store import credentials, users
from tests.oauth.wire import with_services
from tests.outside.test_breaches import answer, lines, serving
from tests.provider import (
    PASSWORD,
    Browser,
    Provider,
    answer_of,
    authorize_url,
    pkce,
    redeem,
    running,
    token_request,
)
from tests.signin.conftest import App
from tests.signin.reading import SESSIONS, count, page_of, path_of, query, step_of, title_of, walked_away
from tests.signin.test_second_factor import Device, identity, secret_of, send, with_password

LEAKED, NEW = "password1234", "wok plum fjord"
WHO = "leah@example.test"
HASH, SAFE_HASH = map(argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash, (LEAKED, PASSWORD))


def set_hash(provider: Provider, encoded: str = HASH) -> None:
    """Her password is another one, and nothing ends by that."""

    async def work(services: Services) -> None:
        person = await users.find_by_email(services.database, WHO)
        assert person is not None
        stored = await credentials.find(services.database, services.sealer, person.id, credentials.PASSWORD)
        assert stored is not None
        async with services.database.transaction() as transaction:
            data, now = {"hash": encoded}, services.clock()
            assert await credentials.replace(transaction, services.sealer, stored, data, now)

    with_services(provider, work)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Leah has a password that everybody tries first, from the system that was here before."""
    with running(tmp_path_factory.mktemp("leaked"), password_min_length_alone="14") as provider:
        provider.cli("user", "create", WHO, "--verified", "--password-hash-stdin", stdin=HASH)
        yield provider


@pytest.fixture(scope="module")
def registered(installation: Provider) -> App:
    return App(installation.create_client())


@pytest.fixture
def app(installation: Provider, registered: App) -> App:
    set_hash(installation)
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    query(installation, "DELETE FROM consents")
    return registered


def at_new_password(installation: Provider, app: App, **parameters: str) -> Browser:
    browser = Browser(installation.issuer)
    with_password(browser, app.url(**parameters), WHO, LEAKED)
    assert step_of(browser) == Step.NEW_PASSWORD
    return browser


def events(installation: Provider) -> list[str]:
    """What the audit says of the newest sign-in on, without the command line."""
    return [event for (event,) in query(installation, "SELECT event FROM audit WHERE request_id <> '' ORDER BY id")]


def test_a_password_that_others_know_is_replaced_before_anybody_is_let_in(installation: Provider, app: App) -> None:
    before, sessions = len(events(installation)), count(installation, SESSIONS)
    browser = at_new_password(installation, app)
    assert "others know it" in page_of(browser).text
    assert "14 to 256 characters" in page_of(browser).text
    assert count(installation, SESSIONS) == sessions
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"
    browser = at_new_password(installation, app)
    browser.submit(action="/new-password", new_password=NEW)
    assert step_of(browser) == "consent"
    seen = events(installation)[before:]
    assert sorted(seen[:4]) == ["factor.accepted"] * 2 + ["password.leaked"] * 2
    assert sorted(seen[4:]) == ["password.replaced", "sign_in.succeeded"]
    browser.submit(action="/consent", button="allow")
    assert identity(installation, browser, app)["amr"] == ["pwd"]


def test_the_old_password_is_worth_nothing_afterwards_and_the_new_one_is_asked_nothing(
    installation: Provider, app: App
) -> None:
    at_new_password(installation, app).submit(action="/new-password", new_password=NEW)
    old, new = Browser(installation.issuer), Browser(installation.issuer)
    with_password(old, app.url(), WHO, LEAKED)
    assert step_of(old) == "password"
    assert "is not right" in page_of(old).text
    with_password(new, app.url(), WHO, NEW)
    assert step_of(new) == "consent"


def test_a_new_password_ends_every_other_session_and_token_of_its_person(installation: Provider, app: App) -> None:
    """The thief signed in with the leaked password long before."""
    set_hash(installation, SAFE_HASH)
    thief, proof = Browser(installation.issuer), pkce()
    url = authorize_url(app.client, proof.challenge, scope="openid offline_access")
    code = answer_of(thief.sign_in(url, WHO))["code"]
    token = redeem(installation, app.client, code, proof.verifier).json()["refresh_token"]
    set_hash(installation)
    assert "code" in answer_of(thief.open(app.url(prompt="none", scope="openid")))
    at_new_password(installation, app).submit(action="/new-password", new_password=NEW)
    assert answer_of(thief.open(app.url(prompt="none", scope="openid")))["error"] == "login_required"
    refreshed = token_request(installation, app.client, grant_type="refresh_token", refresh_token=token)
    assert refreshed.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("wok plum fjo", "take at least 14 characters"),
        ("x" * 257, "at most 256 characters"),
        (LEAKED.upper() + "  ", COMMON),
        ("qwertyuiopasdfghjkl", "easy to guess"),
        (f"{WHO}{WHO}", "easy to guess"),
        ("", "take at least 14 characters"),
    ],
    ids=["short", "long", "the old one in capitals", "a pattern", "the address", "nothing"],
)
def test_pw_05_a_new_one_that_would_be_guessed_is_refused_in_words(
    installation: Provider, app: App, typed: str, told: str
) -> None:
    """The person takes the easiest way out, which is the one that the attacker tries next."""
    browser = at_new_password(installation, app)
    sessions = count(installation, SESSIONS)
    browser.submit(action="/new-password", new_password=typed)
    assert step_of(browser) == Step.NEW_PASSWORD
    assert title_of(page_of(browser)).startswith("Error: ")
    assert str(told) in page_of(browser).text
    assert count(installation, SESSIONS) == sessions
    browser.submit(action="/new-password", new_password=NEW)
    assert step_of(browser) == "consent"


def test_mf_02_nothing_is_reached_past_the_new_password(installation: Provider, app: App) -> None:
    """The attacker has the leaked password, and posts the later steps, reloads, goes back or begins again."""
    browser = at_new_password(installation, app)
    base, sessions = path_of(browser), count(installation, SESSIONS)
    for path, fields in (
        ("/consent", {"decision": "allow"}),
        ("/enrol", {"code": "123456"}),
        ("/factor", {"method": "totp", "code": "123456"}),
        ("/select", {"sid": "0" * 32}),
        ("/new-password", {}),
        ("/password", {"password": LEAKED}),
    ):
        send(browser, path, **fields)
        browser.open(base)
        assert step_of(browser) == Step.NEW_PASSWORD, path
    assert count(installation, SESSIONS) == sessions


def test_who_has_a_second_factor_proves_it_before_the_new_password_is_set(installation: Provider, app: App) -> None:
    """The attacker has the leaked password alone, and would like to be the one who sets the next."""
    device = with_device(installation, app)
    browser = Browser(installation.issuer)
    with_password(browser, app.url(), WHO, LEAKED)
    assert step_of(browser) == "factor"
    send(browser, "/new-password", new_password=NEW)
    browser.open(path_of(browser))
    assert step_of(browser) == "factor"
    with_password(browser, app.url(), WHO, LEAKED)
    browser.submit(action="/factor", code=device.code(1))
    assert step_of(browser) == Step.NEW_PASSWORD
    assert "12 to 256 characters" in page_of(browser).text, "it does not stand alone"
    browser.submit(action="/new-password", new_password=NEW)
    assert step_of(browser) == "consent"
    browser.submit(action="/consent", button="allow")
    assert identity(installation, browser, app)["amr"] == ["pwd", "otp", "mfa"]


def test_mf_15_a_device_that_was_taken_away_meanwhile_sets_no_new_password(installation: Provider, app: App) -> None:
    """The thief has the leaked password and the device, and waits at the new password while the device is removed."""
    device = with_device(installation, app)
    browser = Browser(installation.issuer)
    with_password(browser, app.url(), WHO, LEAKED)
    browser.submit(action="/factor", code=device.code(1))
    assert step_of(browser) == Step.NEW_PASSWORD
    installation.cli("user", "reset-factors", WHO)
    before = query(installation, "SELECT version FROM credentials WHERE factor = 'password'")
    browser.submit(action="/new-password", new_password=NEW)
    assert query(installation, "SELECT version FROM credentials WHERE factor = 'password'") == before
    assert count(installation, SESSIONS) == 0
    assert step_of(browser) == "password"


def with_device(installation: Provider, app: App) -> Device:
    set_hash(installation, SAFE_HASH)
    browser = Browser(installation.issuer)
    with_password(browser, app.url(acr_values=ACR_TWO_FACTORS), WHO)
    device = Device(secret_of(browser))
    browser.submit(action="/enrol", code=device.code())
    set_hash(installation)
    return device


def test_a_password_that_was_set_by_somebody_else_meanwhile_is_not_overwritten(
    installation: Provider, app: App
) -> None:
    """The attacker waits on the page for a new password until the operator has reset the account."""
    browser = at_new_password(installation, app)
    installation.cli("user", "set-password", WHO, "--password-stdin", stdin=PASSWORD)
    sessions = count(installation, SESSIONS)
    browser.submit(action="/new-password", new_password=NEW)
    assert step_of(browser) == "password"
    assert count(installation, SESSIONS) == sessions
    owner = Browser(installation.issuer)
    with_password(owner, app.url(), WHO)
    assert step_of(owner) == "consent"


def test_mf_15_a_code_counts_no_more_after_the_password_before_it_was_changed(installation: Provider, app: App) -> None:
    """The attacker has the password and a code in his hands, when the password is taken from him."""
    device = with_device(installation, app)
    browser = Browser(installation.issuer)
    with_password(browser, app.url(), WHO, LEAKED)
    assert step_of(browser) == "factor"
    installation.cli("user", "set-password", WHO, "--password-stdin", stdin=PASSWORD)
    sessions = count(installation, SESSIONS)
    browser.submit(action="/factor", code=device.code(1))
    assert step_of(browser) == "password"
    assert count(installation, SESSIONS) == sessions


def test_of_several_who_set_a_new_password_at_once_one_is_let_in(installation: Provider, app: App) -> None:
    """The attacker sends his new password at the very moment at which its owner does."""
    browsers = [at_new_password(installation, app) for _ in range(6)]
    sessions = count(installation, SESSIONS)
    words = [f"{NEW} {number}" for number in ("anvil", "lantern", "moss", "quarry", "thimble", "zinc")]
    with ThreadPoolExecutor(6) as threads:
        pairs = zip(browsers, words, strict=True)
        list(threads.map(lambda pair: pair[0].submit(action="/new-password", new_password=pair[1]), pairs))
    steps = sorted(str(step_of(browser)) for browser in browsers)
    assert steps == ["consent", *["password"] * 5]
    assert count(installation, SESSIONS) == sessions + 1
    winner = next(word for browser, word in zip(browsers, words, strict=True) if step_of(browser) == "consent")
    again = Browser(installation.issuer)
    with_password(again, app.url(), WHO, winner)
    assert step_of(again) == "consent"


def test_en_01_a_leaked_password_is_told_to_nobody_who_does_not_know_it(installation: Provider, app: App) -> None:
    """The attacker tries passwords of the list, to learn whose is on it."""
    texts = []
    for who, password in ((WHO, "password12345"), (WHO, "wrong and long enough"), ("nobody@example.test", LEAKED)):
        browser = Browser(installation.issuer)
        with_password(browser, app.url(), who, password)
        assert step_of(browser) == "password"
        texts.append(re.sub(r"\S+@example\.test|[\w-]{40,}|[\w-]{4}-[\w-]{4}", "", page_of(browser).text))
    assert len(set(texts)) == 1


def test_where_the_operator_says_so_a_list_is_asked_only_about_a_password_that_is_right(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """PASSWORD is on the list that the range API answers with; nobody is kept out while it does not answer."""
    with serving(answer(lines("3"))) as server:
        folder = tmp_path_factory.mktemp("asked")
        with running(folder, breach_api=server.url, breach_api_failure="refuse") as provider:
            provider.cli("user", "create", WHO, "--password-hash-stdin", stdin=SAFE_HASH)
            app = App(provider.create_client())
            browser = Browser(provider.issuer)
            with_password(browser, app.url(), WHO, "wrong and long enough")
            assert (step_of(browser), server.asked) == ("password", [])
            browser.submit(action="/password", password=PASSWORD)
            assert (step_of(browser), len(server.asked)) == (Step.NEW_PASSWORD, 1)
            browser.submit(action="/new-password", new_password=PASSWORD)
            assert "in a leak" in page_of(browser).text
            server.answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            browser.submit(action="/new-password", new_password=NEW)
            assert step_of(browser) == "consent", "waiting for another service would keep its person out"
            other = Browser(provider.issuer)
            with_password(other, app.url(), WHO, NEW)
            assert step_of(other) == "consent"


def test_pw_08_a_page_that_somebody_walked_away_from_sets_no_password(installation: Provider, app: App) -> None:
    """The attacker sits down at the victim's browser, where a new password was to be set, and sets his own."""
    browser = at_new_password(installation, app)
    walked_away(installation)
    browser.submit(action="/new-password", new_password=NEW)
    assert step_of(browser) == "password"
    assert "That took a while" in page_of(browser).text
    browser.submit(action="/password", password=LEAKED)
    assert step_of(browser) == Step.NEW_PASSWORD
