"""Limits that hold for everybody at once, in a burst, and behind a proxy; the wrong passwords of the account page."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest

from idp.signin.second import MOST_MISSES
from idp.web import own
from tests.mail import Catcher
from tests.provider import EMAIL, PASSWORD, TLS, Browser, Provider, authorize_url, forms, pkce, running
from tests.signin.conftest import App
from tests.signin.reading import (
    count,
    eventually,
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
from tests.signin.test_second_factor import Device, secret_of

NOBODY = "bob@example.test"  # as long as Ana's address
WRONG, ANOTHER = "not the right one", "seven bright green umbrellas"
FREE, LOCK = 3, 5
OF_NETWORK = 8
MAILS = 7  # in a minute, of all
TO_ADDRESS = 6
FAILED = "SELECT count(*) FROM audit WHERE event = ?"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """Behind a proxy, where little is let through."""
    folder = tmp_path_factory.mktemp("limits")
    limits = {
        "failures_before_wait": str(FREE),
        "failures_before_lock": str(LOCK),
        "failures_per_address": str(OF_NETWORK),
        "mails_per_minute": str(MAILS),
    }
    mailing = {"smtp_url": mail_server.url, "email_codes": "sign_in"}
    with running(folder, trusted_proxies="127.0.0.1", **limits, **mailing) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def provider(installation: Provider, mail_server: Catcher) -> Provider:
    """Ana, of whom nobody has guessed anything, nor asked for mails to her."""
    eventually(installation, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mail_server.clear()
    forget_events(installation)
    for table in ("failures", "counters", "sessions", "email_codes", "consents"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    query(installation, "UPDATE users SET devices_valid_from = NULL")
    return installation


@pytest.fixture(scope="module")
def url(installation: Provider) -> str:
    """An authorization request."""
    return authorize_url(installation.create_client(), pkce().challenge)


def at_password(provider: Provider, url: str, name: str = EMAIL, address: str = "192.0.2.1") -> Browser:
    """A browser that was never here, on the password page, whose requests a proxy passes on."""
    browser = Browser(provider.issuer)
    browser.http.headers["X-Forwarded-For"] = address
    browser.open(url)
    browser.submit(action="/identify", username=name)
    return browser


def guess(browser: Browser, password: str = WRONG) -> httpx2.Response:
    return browser.submit(action="/password", password=password)


def signed_in(provider: Provider, page: str = own.SECURITY, address: str = "192.0.2.1") -> Browser:
    """A browser in which Ana signed in for a page of her account, by which it is a known device."""
    browser = at_password(provider, page, address=address)
    guess(browser, PASSWORD)
    assert page_of(browser).url.path == page
    return browser


def forget_device(provider: Provider, browser: Browser) -> None:
    """As a browser is that keeps its session, but of whose device the person has said that it is not known."""
    del browser.http.cookies[f"idp_device_{provider.port}"]


def ask_for_mail(provider: Provider, url: str, name: str, address: str) -> httpx2.Response:
    return at_password(provider, url, name, address).submit(action="/send-code")


def seconds_of(answer: httpx2.Response, policy: str) -> int:
    """How long the headers of a refusal say to wait, all of them the same."""
    found = re.fullmatch(rf'"{policy}";r=0;t=(\d+)', answer.headers["ratelimit"])
    assert found is not None, answer.headers["ratelimit"]
    assert answer.headers["retry-after"] == found[1]
    return int(found[1])


def refusal(answer: httpx2.Response, who: str) -> tuple[int, list[tuple[str, str]], str]:
    """All of it, but for whom it names, its time, and the seconds, which go on between two answers."""
    seconds = answer.headers["retry-after"]
    kept = [(name, value) for name, value in answer.headers.multi_items() if name not in ("date", "x-request-id")]
    text = re.sub(r"<dd>\d{4}-\d\d-\d\d [\d:]{8} UTC</dd>", "TIME", stripped(answer).replace(who, "WHO"))
    return (
        answer.status_code,
        [(name, re.sub(rf"\b{seconds}\b", "SECONDS", value)) for name, value in kept],
        text.replace(f'content="{seconds};', 'content="SECONDS;'),
    )


def test_rl_10_an_unknown_address_has_as_many_mails_and_is_refused_them_in_the_same_words(
    provider: Provider, url: str
) -> None:
    """The attacker asks for mails to an address until there are no more, to learn whether it is somebody's."""
    refusals = []
    for who in (EMAIL, NOBODY):
        query(provider, "DELETE FROM counters")
        for number in range(TO_ADDRESS):
            asked = ask_for_mail(provider, url, who, f"192.0.2.{number}")
            assert (asked.status_code, 'data-step="email"' in asked.text) == (200, True)
        answer = ask_for_mail(provider, url, who, "192.0.2.99")
        assert 250 <= seconds_of(answer, "mails") <= 300
        refusals.append(refusal(answer, who))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] == 429


def test_rl_10_all_networks_together_get_no_more_mails_than_the_operator_said(
    provider: Provider, url: str, mail_server: Catcher
) -> None:
    """The attacker has a botnet and a list of addresses: each machine asks once, for an address of its own."""
    own_device = signed_in(provider)
    for number in range(MAILS):
        answer = ask_for_mail(provider, url, f"p{number}@example.test", f"198.51.100.{number}")
        assert answer.status_code == 200, number
    refused = [ask_for_mail(provider, url, who, f"203.0.113.{number}") for number, who in enumerate((EMAIL, NOBODY))]
    assert [(each.status_code, heading_of(each)) for each in refused] == [(429, "Too many mails")] * 2
    assert all(1 <= seconds_of(each, "mails") <= 60 // MAILS + 1 for each in refused)
    assert mail_server.mails == []
    own_device.open(url + "&prompt=login")
    own_device.submit(action="/send-code")
    assert step_of(own_device) == "email", "strangers keep no mail from a device of Ana's"


def test_rl_10_what_was_used_up_comes_back_one_by_one(provider: Provider, url: str) -> None:
    """The attacker comes back at each moment that the refusal named, with a new network and a new address."""
    for number in range(MAILS):
        ask_for_mail(provider, url, f"p{number}@example.test", f"198.51.100.{number}")
    left = seconds_of(ask_for_mail(provider, url, NOBODY, "203.0.113.1"), "mails")
    query(provider, "UPDATE counters SET full_at = full_at - ?", left * 1000)
    assert ask_for_mail(provider, url, NOBODY, "203.0.113.2").status_code == 200
    assert ask_for_mail(provider, url, "cal@example.test", "203.0.113.3").status_code == 429


OF_OTHER_PROXIES = {
    "Forwarded": "for={0}",
    "X-Real-IP": "{0}",
    "CF-Connecting-IP": "{0}",
    "True-Client-IP": "{0}",
    "X-Client-IP": "{0}",
    "X-Cluster-Client-IP": "{0}",
    "Fastly-Client-IP": "{0}",
    "X-Original-Forwarded-For": "{0}",
}


@pytest.mark.parametrize("header", OF_OTHER_PROXIES)
def test_rl_05_rl_13_behind_a_proxy_of_ours_no_other_header_makes_another_address(
    provider: Provider, url: str, header: str
) -> None:
    """The attacker sends the headers that other proxies write, which ours passes on: now one address, now another."""
    names = iter(range(OF_NETWORK + 2))

    def try_one(said: str) -> int:
        browser = at_password(provider, url, f"p{next(names)}@example.test", "198.51.100.9")
        browser.http.headers[header] = OF_OTHER_PROXIES[header].format(said)
        return guess(browser).status_code

    assert [try_one(f"192.0.2.{number}") for number in range(OF_NETWORK)] == [200] * OF_NETWORK
    assert try_one("192.0.2.200") == 429
    victim = at_password(provider, url, address="192.0.2.1")
    guess(victim, PASSWORD)
    assert step_of(victim) == "consent", "nobody is counted for what another one said of them"


def at_once(sends: Sequence[Callable[[], int]]) -> list[int]:
    with ThreadPoolExecutor(len(sends)) as pool:
        return list(pool.map(lambda send: send(), sends))


def sender(browser: Browser, path: str, **fields: str) -> Callable[[], int]:
    """Sends a form from this browser; its status. Many threads may do it at the same time."""
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)
    headers = {"Cookie": cookie, "Origin": browser.issuer, "X-Forwarded-For": "192.0.2.1"}
    fields = {"csrf": token_of(browser)} | fields
    url = urljoin(browser.issuer, path)
    return lambda: httpx2.post(url, data=fields, headers=headers, timeout=60, verify=TLS).status_code


@pytest.fixture(scope="module")
def bursting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Where what an address may try is no limit, so that what an account may be tried is seen."""
    with running(tmp_path_factory.mktemp("burst"), failures_before_wait="9", password_queue="1000") as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def burst(bursting: Provider) -> Provider:
    forget_events(bursting)
    for table in ("failures", "sessions"):
        query(bursting, f"DELETE FROM {table}")  # noqa: S608
    query(bursting, "DELETE FROM credentials WHERE factor <> 'password'")
    return bursting


def give_device(provider: Provider) -> Device:
    browser = Browser(provider.issuer)
    browser.open(own.AUTHENTICATOR)
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    device = Device(secret_of(browser))
    browser.submit(code=device.code())
    query(provider, "DELETE FROM sessions")
    return device


def at_factor(provider: Provider) -> Browser:
    browser = Browser(provider.issuer)
    browser.open(own.SECURITY)
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "factor"
    return browser


@pytest.mark.parametrize(("sign_ins", "most"), [(1, MOST_MISSES), (6, 10)], ids=["one sign-in", "six sign-ins"])
def test_rl_07_of_thirty_codes_at_once_no_more_are_looked_at_than_may_be(
    burst: Provider, sign_ins: int, most: int
) -> None:
    """The attacker, who knows the password, sends all codes in one burst, before the first of them is counted."""
    device = give_device(burst)
    near = {device.code(steps) for steps in range(-3, 4)}
    codes = [code for code in (f"{number:06d}" for number in range(40)) if code not in near][:30]
    browsers = [at_factor(burst) for _ in range(sign_ins)]
    sends = [
        sender(browsers[number % sign_ins], f"{path_of(browsers[number % sign_ins])}/factor", method="totp", code=code)
        for number, code in enumerate(codes)
    ]
    statuses = at_once(sends)
    assert set(statuses) <= {303, 429}
    assert count(burst, FAILED, "sign_in.failed") == most
    assert sorted(query(burst, "SELECT count FROM failures")) == [(most,)] * 2, "of the account, and of it from here"


@pytest.mark.parametrize("known", [True, False], ids=["a known device", "a stranger"])
def test_rl_07_of_thirty_present_passwords_at_once_no_more_are_looked_at_than_may_be(
    burst: Provider, known: bool
) -> None:
    """The attacker has taken an open session, and sends guesses at its password in one burst."""
    browser = Browser(burst.issuer)
    browser.open(own.PASSWORD)
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    if not known:
        forget_device(burst, browser)
    guesses = [sender(browser, own.PASSWORD, current=f"wrong {number}", password=ANOTHER) for number in range(30)]
    statuses = at_once(guesses)
    assert set(statuses) <= {303, 429, 503}
    assert statuses.count(303) == 10
    assert count(burst, FAILED, "password.not_changed") == 10
    assert count(burst, "SELECT max(count) FROM failures") == 10


def wrong_current(browser: Browser) -> httpx2.Response:
    token = forms(page_of(browser).text)[0].fields["csrf"]
    return post(browser, own.PASSWORD, csrf=token, current=WRONG, password=ANOTHER)


def test_pw_08_wrong_present_passwords_make_strangers_wait_at_the_sign_in(provider: Provider, url: str) -> None:
    """The attacker guesses at the account page of an open session, where he hopes that nobody counts."""
    browser, own_device = signed_in(provider, own.PASSWORD), signed_in(provider)
    forget_device(provider, browser)
    for number in range(LOCK + 1):
        browser.http.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        assert wrong_current(browser).status_code == 303
    refused = wrong_current(browser)
    assert (refused.status_code, heading_of(refused)) == (429, "Too many tries")
    assert 50 <= seconds_of(refused, "guesses") <= 60
    answer = guess(at_password(provider, url, address="203.0.113.5"), PASSWORD)
    assert (answer.status_code, heading_of(answer)) == (429, "Too many tries")
    assert 50 <= seconds_of(answer, "guesses") <= 60
    own_device.open(url + "&prompt=login")
    guess(own_device, PASSWORD)
    assert step_of(own_device) == "consent"


def test_pw_08_wrong_passwords_at_the_sign_in_are_no_fresh_start_for_the_account_page(
    provider: Provider, url: str
) -> None:
    """The attacker uses up his guesses at the sign-in, and goes on at the account page of an open session."""
    browser = signed_in(provider, own.PASSWORD)
    forget_device(provider, browser)
    stranger = at_password(provider, url)
    for _ in range(FREE + 1):
        assert guess(stranger).status_code == 200
    refused = browser.submit(action=own.PASSWORD, current=PASSWORD, password=ANOTHER)
    assert (refused.status_code, heading_of(refused)) == (429, "Too many tries")
    assert 1 <= seconds_of(refused, "guesses") <= 5
    again = at_password(provider, url, address="203.0.113.5")
    guess(again, PASSWORD)
    assert step_of(again) == "consent", "and nothing was changed"


def test_pw_08_wrong_present_passwords_of_a_known_device_are_its_own(provider: Provider, url: str) -> None:
    """The attacker sits at a device that is known, and would like to lock its person out everywhere else."""
    browser = signed_in(provider, own.PASSWORD)
    for _ in range(FREE + 1):
        assert wrong_current(browser).status_code == 303
    assert count(provider, "SELECT count(*) FROM failures") == 1
    assert wrong_current(browser).status_code == 429
    query(provider, "DELETE FROM sessions")
    browser.open(url)
    assert guess(browser, PASSWORD).status_code == 429, "the sign-in of this device waits, too"
    stranger = at_password(provider, url)
    guess(stranger, PASSWORD)
    assert step_of(stranger) == "consent"


def test_pw_08_a_known_device_is_a_stranger_after_too_many_present_passwords(provider: Provider) -> None:
    """The attacker goes on guessing at a device that is known, as slowly as he is told."""
    browser, last = signed_in(provider, own.PASSWORD), FREE + 11
    for tried in range(1, last + 2):
        assert wrong_current(browser).status_code == 303
        assert count(provider, "SELECT count(*) FROM failures") == (1 if tried <= last else 3), tried
        query(provider, "UPDATE failures SET newest = strftime('%Y-%m-%dT%H:%M:%f000Z', newest, '-1 hour')")


def test_pw_08_a_right_present_password_forgets_the_count_as_a_sign_in_does(provider: Provider) -> None:
    """The attacker profits from people who mistyped now and then for months, and are close to the wait for good."""
    browser = signed_in(provider, own.PASSWORD)
    for _ in range(FREE):
        assert wrong_current(browser).status_code == 303
    page = browser.submit(action=own.PASSWORD, current=PASSWORD, password=ANOTHER)
    assert "Your new password counts" in page.text
    assert count(provider, "SELECT count(*) FROM failures") == 0


@pytest.mark.slow
def test_rl_03_a_list_that_is_tried_from_many_networks_is_put_on_record(tmp_path: Path) -> None:
    """The attacker tries each pair of a list from another address and for another account, under every limit."""
    with running(tmp_path, trusted_proxies="127.0.0.1") as provider:
        provider.create_user()
        app = App(provider.create_client())
        for number in range(60):
            browser = Browser(provider.issuer)
            browser.http.headers["X-Forwarded-For"] = f"198.51.100.{number}"
            browser.open(app.url())
            name, password = (EMAIL, PASSWORD) if number == 30 else (f"{number}@list.example", "from the list")
            browser.submit(action="/identify", username=name, password=password)
        ((details,),) = query(provider, "SELECT details FROM audit WHERE event = 'stuffing.suspected'")
        assert json.loads(details) == {"wrong": 50, "right": 1, "minutes": 10}
        assert '"stuffing_suspected"' in provider.log.read_text()
