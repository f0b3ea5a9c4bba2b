"""Guessing is slow for the guesser, and costs the person whose account it is nothing."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest

from idp.factors.throttling import MOST_FAILURES
from idp.web.origin import client_address
from tests.provider import EMAIL, PASSWORD, TLS, Browser, Provider, installed, running
from tests.signin.conftest import App
from tests.signin.reading import (
    count,
    forget_events,
    heading_of,
    page_of,
    path_of,
    post,
    query,
    step_of,
    stripped,
    token_of,
)
from tests.signin.test_second_factor import Device, codes_of, secret_of

FREE = 9  # wrong passwords of one address for one account that cost nothing
LOCK = 20
NOBODY = "nobody@example.test"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(
        tmp_path_factory.mktemp("throttle"), failures_before_wait=str(FREE), failures_before_lock=str(LOCK)
    ) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def provider(installation: Provider) -> Provider:
    """Ana, of whom nobody has guessed anything."""
    forget_events(installation)
    for table in ("failures", "counters", "sessions"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    query(installation, "UPDATE users SET devices_valid_from = NULL")
    return installation


@pytest.fixture(scope="module")
def shop(installation: Provider) -> App:
    return App(installation.create_client())


@pytest.fixture
def app(provider: Provider, shop: App) -> App:
    query(provider, "DELETE FROM consents")
    return shop


def at_password(app: App, provider: Provider, name: str = EMAIL) -> Browser:
    """A browser that was never here, on the password page."""
    browser = Browser(provider.issuer)
    browser.open(app.url())
    browser.submit(username=name)
    return browser


def guess(browser: Browser, password: str = "not the right one") -> httpx2.Response:
    return browser.submit(action="/password", password=password)


def back(browser: Browser) -> None:
    """To the page of the sign-in, where the last answer was a refusal."""
    browser.open(page_of(browser).text.split('href="/signin/')[1].split('"')[0].join(("/signin/", "")))


def guess_wrong(browser: Browser, times: int) -> None:
    for _ in range(times):
        assert guess(browser).status_code == 200


def wait(provider: Provider, how_long: timedelta) -> None:
    """As if so much time had passed since the last wrong guess."""
    for key, newest in query(provider, "SELECT key, newest FROM failures"):
        earlier = datetime.fromisoformat(newest) - how_long
        text = earlier.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
        query(provider, "UPDATE failures SET newest = ? WHERE key = ?", text, key)


def signed_in_device(app: App, provider: Provider) -> Browser:
    """A browser in which Ana signed in once, and signed out."""
    browser = at_password(app, provider)
    guess(browser, PASSWORD)
    assert step_of(browser) == "consent"
    query(provider, "DELETE FROM sessions")
    browser.open(app.url())
    return browser


def events(provider: Provider, name: str) -> int:
    return count(provider, "SELECT count(*) FROM audit WHERE event = ?", name)


def test_rl_01_after_a_few_wrong_passwords_even_the_right_one_has_to_wait(provider: Provider, app: App) -> None:
    """The attacker tries one password after the other for one account."""
    browser = at_password(app, provider)
    guess_wrong(browser, FREE + 1)
    answer = guess(browser, PASSWORD)
    assert (answer.status_code, heading_of(answer)) == (429, "Too many tries")
    assert 1 <= int(answer.headers["retry-after"]) <= 5
    assert re.search(r"Wait [1-5] seconds?, then try again\.", answer.text)
    assert "<script" not in answer.text.partition("</head>")[2]
    wait(provider, timedelta(seconds=5))
    back(browser)
    assert step_of(browser) == "password"
    guess(browser, PASSWORD)
    assert step_of(browser) == "consent"
    assert count(provider, "SELECT count(*) FROM failures") == 0


def test_rl_01_each_wrong_password_makes_the_next_wait_longer(provider: Provider, app: App) -> None:
    """The attacker waits as long as he is told, and goes on."""
    browser = at_password(app, provider)
    guess_wrong(browser, FREE)
    waits = []
    for _ in range(3):
        assert guess(browser).status_code == 200
        refused = guess(browser)
        waits.append(int(refused.headers["retry-after"]))
        wait(provider, timedelta(seconds=waits[-1]))
        back(browser)
    assert [round(each / 5) for each in waits] == [1, 2, 4]


def test_rl_01_a_hundred_in_a_row_lock_the_account_for_strangers_until_it_is_unlocked(
    provider: Provider, app: App
) -> None:
    """The attacker guesses slowly, for months, from a thousand places; restarting the server forgets nothing."""
    guess(at_password(app, provider))
    query(provider, "UPDATE failures SET count = ?", MOST_FAILURES - 1)
    wait(provider, timedelta(days=3))
    browser = at_password(app, provider)
    assert guess(browser).status_code == 200
    assert events(provider, "account.locked") == 1
    wait(provider, timedelta(days=300))
    provider.stop()
    provider.start()
    answer = guess(browser, PASSWORD)
    assert (answer.status_code, heading_of(answer)) == (429, "This account is locked")
    provider.cli("user", "unlock", EMAIL)
    assert events(provider, "account.unlocked") == 1
    browser = at_password(app, provider)
    guess(browser, PASSWORD)
    assert step_of(browser) == "consent"


def test_rl_08_strangers_lock_nobody_out_of_a_device_that_they_signed_in_with(provider: Provider, app: App) -> None:
    """The attacker fails on purpose, so that the person cannot sign in when it matters."""
    own = signed_in_device(app, provider)
    stranger = at_password(app, provider)
    guess(stranger)
    query(provider, "UPDATE failures SET count = ?", MOST_FAILURES)
    assert guess(stranger).status_code == 429
    guess(own, PASSWORD)
    assert step_of(own) == "consent"
    back(stranger)
    assert guess(stranger, PASSWORD).status_code == 429  # nor does their success let strangers in


def test_rl_08_a_stolen_device_is_good_for_twenty_guesses(provider: Provider, app: App) -> None:
    """The attacker guesses at the very device, which is exempt from what strangers did."""
    own = signed_in_device(app, provider)
    guess(own)
    query(provider, "UPDATE failures SET count = 19")
    wait(provider, timedelta(hours=1))
    assert guess(own).status_code == 200
    assert count(provider, "SELECT count(*) FROM failures") == 1
    guess_wrong(own, FREE + 1)  # from here on it is a stranger like any other
    assert guess(own, PASSWORD).status_code == 429


@pytest.mark.parametrize(
    "how",
    [
        ("user", "set-password", EMAIL, "--password-stdin"),
        ("user", "disable", EMAIL),
        ("user", "reset-factors", EMAIL),
    ],
    ids=["new password", "disabled", "factors reset"],
)
def test_rl_08_a_device_is_known_no_more_once_its_person_is_made_safe_again(
    provider: Provider, app: App, how: tuple[str, ...]
) -> None:
    """The attacker has taken a device, and the operator has helped its owner."""
    own = signed_in_device(app, provider)
    provider.cli(*how, stdin=PASSWORD + "\n")
    provider.cli("user", "enable", EMAIL)
    guess(at_password(app, provider))
    query(provider, "UPDATE failures SET count = ?", MOST_FAILURES)
    assert guess(own, PASSWORD).status_code == 429


def test_rl_08_the_cookie_of_a_device_is_worth_nothing_in_another_browser(provider: Provider, app: App) -> None:
    """The attacker copies the cookie that exempts somebody's device."""
    own, other = signed_in_device(app, provider), at_password(app, provider)
    name = f"idp_device_{provider.port}"
    other.http.cookies.set(name, own.http.cookies[name])
    guess_wrong(other, FREE + 1)
    query(provider, "UPDATE failures SET count = ?", MOST_FAILURES)
    assert guess(other, PASSWORD).status_code == 429


def test_en_03_en_08_an_unknown_person_is_slowed_down_and_locked_in_the_same_words(
    provider: Provider, app: App
) -> None:
    """The attacker counts how many guesses he has for a name, to find out whether it is somebody's."""
    answers = []
    for name in (EMAIL, NOBODY):
        query(provider, "DELETE FROM failures")
        query(provider, "DELETE FROM counters")
        browser = at_password(app, provider, name)
        guess_wrong(browser, FREE + 1)
        slowed = guess(browser)
        query(provider, "UPDATE failures SET count = ?", MOST_FAILURES)
        back(browser)
        locked = guess(browser)
        assert 1 <= int(slowed.headers["retry-after"]) <= 5
        told = (locked.headers["retry-after"], len(stripped(locked)))
        answers.append([*((each.status_code, heading_of(each)) for each in (slowed, locked)), told])
        assert count(provider, "SELECT count(*) FROM failures") == 2
    assert answers[0] == answers[1]


def test_what_is_counted_names_nobody(provider: Provider, app: App) -> None:
    guess(at_password(app, provider, "my secret password, typed into the wrong field"))
    rows = query(provider, "SELECT key FROM failures UNION SELECT key FROM counters")
    assert len(rows) == 3
    assert all(len(key) == 64 and int(key, 16) for (key,) in rows)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Real-IP": "203.0.113.7"},
        {"CF-Connecting-IP": "203.0.113.7"},
        {"User-Agent": "kube-probe/1.34"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_rl_13_no_header_makes_another_address_of_a_guesser(
    provider: Provider, app: App, headers: dict[str, str]
) -> None:
    """The attacker says in a header that he is somebody else, or a health check."""
    browser = at_password(app, provider)
    guess_wrong(browser, FREE + 1)
    browser.http.headers.update(headers)
    assert guess(browser, PASSWORD).status_code == 429


def test_rl_03_an_address_that_tries_many_accounts_has_to_wait_for_all_of_them(tmp_path: Path) -> None:
    """The attacker tries one common password for each of ten thousand accounts."""
    with running(tmp_path, failures_per_address="6") as provider:
        provider.create_user()
        app = App(provider.create_client())
        for number in range(6):
            assert guess(at_password(app, provider, f"somebody{number}@example.test")).status_code == 200
        browser = at_password(app, provider)
        answer = guess(browser, PASSWORD)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 12
        query(provider, "UPDATE counters SET full_at = full_at - 12000")
        back(browser)
        guess(browser, PASSWORD)
        assert step_of(browser) == "consent"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_rl_07_of_two_hundred_guesses_at_once_no_more_are_looked_at_than_may_be(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    """The attacker sends all guesses in one burst, before the first of them is counted."""
    url = request.getfixturevalue("postgres_database") if kind == "postgres" else ""
    workers = 2
    with installed(
        tmp_path, url, workers=str(workers), password_queue="1000", failures_before_wait=str(FREE)
    ) as provider:
        provider.start()
        provider.create_user()
        browser = at_password(App(provider.create_client()), provider)
        path, token = path_of(browser), token_of(browser)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())

        def send(number: int) -> int:
            fields = {"csrf": token, "password": f"wrong {number}"}
            headers = {"Cookie": cookie, "Origin": provider.issuer}
            url = f"{provider.issuer}{path}/password"
            return httpx2.post(url, data=fields, headers=headers, timeout=60, verify=TLS).status_code

        with ThreadPoolExecutor(50) as pool:
            statuses = list(pool.map(send, range(200)))
        assert set(statuses) <= {303, 429, 503}
        assert FREE + 1 <= statuses.count(303) <= FREE + 1 + workers


def with_code(app: App, provider: Provider) -> tuple[Browser, Device, list[str]]:
    """Ana has a device, and a stranger who knows her password is asked for its code."""
    owner = Browser(provider.issuer)
    owner.open("/account/authenticator")
    owner.submit(action="/identify", username=EMAIL)
    owner.submit(action="/password", password=PASSWORD)
    device, codes = Device(secret_of(owner)), codes_of(owner)
    owner.submit(code=device.code(-1))
    query(provider, "DELETE FROM failures")
    browser = at_password(app, provider)
    guess(browser, PASSWORD)
    assert step_of(browser) == "factor"
    return browser, device, codes


def wrong_code(browser: Browser) -> httpx2.Response:
    return post(browser, f"{path_of(browser)}/factor", csrf=token_of(browser), method="totp", code="000000")


def test_ot_03_codes_are_counted_apart_and_a_recovery_code_helps_when_no_code_is_looked_at(
    provider: Provider, app: App
) -> None:
    """The attacker, who knows the password, tries codes until one fits."""
    browser, device, codes = with_code(app, provider)
    for _ in range(4):
        assert wrong_code(browser).status_code == 303
    query(provider, "UPDATE failures SET count = ?", MOST_FAILURES)
    assert heading_of(wrong_code(browser)) == "This account is locked"
    other = at_password(app, provider)
    guess(other, PASSWORD)  # the password is not locked by that
    assert "Too many wrong codes" in page_of(other).text
    answer = post(other, f"{path_of(other)}/factor", csrf=token_of(other), method="totp", code=device.code())
    assert answer.status_code == 429
    other.submit(action="/factor", method="recovery", code=codes[0])
    assert step_of(other) == "consent"


def test_ot_03_who_knows_the_password_cannot_lock_the_codes_of_a_known_device(provider: Provider, app: App) -> None:
    """The attacker, who knows the password, enters a hundred wrong codes, so that its owner's count no more."""
    own = signed_in_device(app, provider)
    browser, device, _ = with_code(app, provider)
    wrong_code(browser)
    query(provider, "UPDATE failures SET count = ?", MOST_FAILURES)
    own.open(app.url())
    guess(own, PASSWORD)
    own.submit(action="/factor", code=device.code())
    assert step_of(own) == "consent"


def test_the_password_on_the_account_page_is_counted_too(provider: Provider, app: App) -> None:
    browser = Browser(provider.issuer)
    browser.open("/account/password")
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    for _ in range(FREE + 1):
        assert browser.submit(current="wrong", password="seven bright green umbrellas").status_code == 200
    assert browser.submit(current=PASSWORD, password="seven bright green umbrellas").status_code == 429


def test_rl_08_nobody_on_a_known_device_waits_for_others_behind_the_same_address(provider: Provider, app: App) -> None:
    """The attacker sits behind the same gateway as a whole office, and uses up what its address may try."""
    own = signed_in_device(app, provider)
    stranger = at_password(app, provider)
    guess(stranger)
    query(provider, "UPDATE counters SET full_at = full_at + 100000000000")
    back_to = at_password(app, provider, NOBODY)
    assert guess(back_to).status_code == 429
    guess(own, PASSWORD)
    assert step_of(own) == "consent"


def test_rl_08_a_known_device_cannot_use_up_what_its_address_may_try(provider: Provider, app: App) -> None:
    """The attacker has an account of his own in an office, and mistypes its password all day to keep the others out."""
    own = signed_in_device(app, provider)
    query(provider, "DELETE FROM counters")
    for _ in range(3):
        guess(own)
    assert count(provider, "SELECT count(*) FROM counters") == 0
    assert count(provider, "SELECT count(*) FROM failures") == 1


def test_a_right_password_makes_a_device_a_known_one_again(provider: Provider, app: App) -> None:
    own = signed_in_device(app, provider)
    guess_wrong(own, FREE)
    query(provider, "UPDATE failures SET count = 50")
    guess(own, PASSWORD)
    assert step_of(own) == "consent"
    assert count(provider, "SELECT count(*) FROM failures") == 0


@pytest.mark.slow
def test_rl_03_a_burst_at_many_accounts_is_judged_no_oftener_than_its_address_may_try(tmp_path: Path) -> None:
    """The attacker sends guesses for many accounts at once, before the first of them is counted for his address."""
    limit, names = 10, 10
    with running(tmp_path, failures_per_address=str(limit), password_queue="1000") as provider:
        app = App(provider.create_client())
        pages = [at_password(app, provider, f"somebody{number}@example.test") for number in range(names)]

        def send(number: int) -> int:
            browser = pages[number % names]
            cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)
            headers = {"Cookie": cookie, "Origin": provider.issuer}
            fields = {"csrf": token_of(browser), "password": f"wrong {number}"}
            url = f"{provider.issuer}{path_of(browser)}/password"
            return httpx2.post(url, data=fields, headers=headers, timeout=60, verify=TLS).status_code

        with ThreadPoolExecutor(50) as pool:
            statuses = list(pool.map(send, range(100)))
        assert set(statuses) <= {303, 429, 503}
        assert limit <= statuses.count(303) <= limit + names, "one for each account that was being judged"


TRUSTED = [ip_network(each) for each in ("127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8")]
THEIRS, SPOOFED = "203.0.113.7", "198.51.100.9"


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("127.0.0.1", [THEIRS], THEIRS),
        ("127.0.0.1", [f"{SPOOFED}, {THEIRS}"], THEIRS),
        ("127.0.0.1", [SPOOFED, THEIRS], THEIRS),
        ("127.0.0.1", [f"{SPOOFED},{THEIRS}, 10.1.2.3"], THEIRS),
        ("127.0.0.1", [f"{THEIRS}:4711"], THEIRS),
        ("127.0.0.1", [f"::ffff:{THEIRS}"], THEIRS),
        ("::ffff:127.0.0.1", [THEIRS], THEIRS),
        ("::1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("::1", ["2001:db8::7%eth0"], "2001:db8::7"),
        ("127.0.0.1", [f"{THEIRS}, unknown"], "127.0.0.1"),
        ("127.0.0.1", [f"{THEIRS}, \x1b[31m"], "127.0.0.1"),
        ("127.0.0.1", [f"{THEIRS},"], "127.0.0.1"),
        ("127.0.0.1", ["127.1"], "127.0.0.1"),
        ("127.0.0.1", ["0177.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),
        (SPOOFED, [THEIRS], SPOOFED),
    ],
)
def test_rl_05_the_address_is_the_last_one_that_is_no_proxys(peer: str, forwarded: list[str], found: str) -> None:
    """The attacker writes addresses into X-Forwarded-For, so that he is another one with each guess."""
    assert client_address(peer, forwarded, TRUSTED) == found


def test_rl_05_behind_a_trusted_proxy_each_address_is_counted_for_itself(tmp_path: Path) -> None:
    """The attacker makes all the others behind the proxy wait, or hides among them."""
    with running(tmp_path, failures_per_address="5", trusted_proxies="127.0.0.1") as provider:
        provider.create_user()
        app = App(provider.create_client())
        attacker, other = at_password(app, provider), at_password(app, provider)
        for number in range(5):
            attacker.http.headers["X-Forwarded-For"] = f"192.0.2.{number}, {SPOOFED}"
            assert guess(attacker).status_code == 200
        assert guess(attacker, PASSWORD).status_code == 429
        other.http.headers["X-Forwarded-For"] = THEIRS
        guess(other, PASSWORD)
        assert step_of(other) == "consent"
