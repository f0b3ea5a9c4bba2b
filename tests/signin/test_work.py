"""A proof of work lets somebody by whose network used up its guesses: once, and in the long run no faster."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import altcha
import httpx2
import pytest

from idp.services import Services
from idp.web import work
from idp.web.work import Worker
from tests.oauth.wire import with_services
from tests.provider import EMAIL, PASSWORD, TLS, Browser, Provider, running
from tests.signin.conftest import App
from tests.signin.reading import page_of, path_of, query, step_of, token_of

pytestmark = pytest.mark.slow

LIMIT = 5


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("work"), failures_per_address=str(LIMIT)) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def provider(installation: Provider) -> Provider:
    """At whose door somebody of this network has just guessed as often as they may."""
    for table in ("failures", "counters", "consents", "handles"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    app = App(installation.create_client())
    for number in range(LIMIT):
        assert guess(at_password(app, installation, f"{number}@example.test"), "wrong").status_code == 200
    query(installation, "UPDATE counters SET full_at = (unixepoch() + 60) * 1000")  # however long that took
    return installation


@pytest.fixture
def app(provider: Provider) -> App:
    return App(provider.create_client())


def at_password(app: App, provider: Provider, name: str = EMAIL) -> Browser:
    browser = Browser(provider.issuer)
    browser.open(app.url())
    browser.submit(username=name)
    return browser


def guess(browser: Browser, password: str, **fields: str) -> httpx2.Response:
    return browser.submit(action="/password", password=password, **fields)


def go_back(browser: Browser) -> dict[str, Any]:
    """By the link of the refusal; the challenge of the page that it leads to."""
    found = re.search(r'class="act" href="([^"]+)"', page_of(browser).text)
    assert found is not None
    browser.open(unescape(found[1]))
    asked = re.search(r'data-work="([^"]+)"', page_of(browser).text)
    assert asked is not None
    challenge: dict[str, Any] = json.loads(unescape(asked[1]))
    return challenge


def solved(asked: dict[str, Any]) -> str:
    challenge = altcha.Challenge.from_dict(asked)
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    return altcha.Payload(challenge, solution).to_base64()


def refused_once(app: App, provider: Provider) -> tuple[Browser, dict[str, Any]]:
    browser = at_password(app, provider)
    assert guess(browser, PASSWORD).status_code == 429
    return browser, go_back(browser)


def test_somebody_whose_network_used_up_its_guesses_gets_by_with_a_proof_of_work(provider: Provider, app: App) -> None:
    browser, asked = refused_once(app, provider)
    guess(browser, PASSWORD, altcha=solved(asked))
    assert step_of(browser) == "consent"


def test_no_page_asks_for_work_before_somebody_was_refused(provider: Provider, app: App) -> None:
    assert "data-work" not in page_of(at_password(app, provider)).text


def test_where_no_script_runs_the_refusal_goes_back_by_itself_when_the_wait_is_over(
    provider: Provider, app: App
) -> None:
    browser = at_password(app, provider)
    answer = guess(browser, PASSWORD)
    found = re.search(r'<noscript><meta http-equiv="refresh" content="(\d+);url=([^"]+)"></noscript>', answer.text)
    assert found is not None
    assert found[1] == answer.headers["retry-after"]
    query(provider, "UPDATE counters SET full_at = full_at - 12000")
    browser.open(unescape(found[2]))
    guess(browser, PASSWORD)
    assert step_of(browser) == "consent"


def test_rl_14_a_proof_counts_once(provider: Provider, app: App) -> None:
    """The attacker does the work once and sends it with every guess."""
    browser, asked = refused_once(app, provider)
    proof = solved(asked)
    assert guess(browser, "wrong", altcha=proof).status_code == 200
    assert guess(browser, PASSWORD, altcha=proof).status_code == 429


def test_rl_14_of_eight_guesses_with_one_proof_one_is_looked_at(provider: Provider, app: App) -> None:
    """The attacker sends one proof with many guesses at the same moment, before it is marked as used."""
    browser, asked = refused_once(app, provider)
    proof, token, path = solved(asked), token_of(browser), path_of(browser)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())

    def send(number: int) -> int:
        fields = {"csrf": token, "password": f"wrong {number}", "altcha": proof}
        headers = {"Cookie": cookie, "Origin": provider.issuer}
        return httpx2.post(
            f"{provider.issuer}{path}/password", data=fields, headers=headers, timeout=30, verify=TLS
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(send, range(8)))
    assert statuses == [303] + [429] * 7


def test_rl_14_the_proof_of_another_sign_in_or_browser_is_none(provider: Provider, app: App) -> None:
    """The attacker has the work done elsewhere, by many browsers, and brings it here."""
    (mine, _), (_, others) = refused_once(app, provider), refused_once(app, provider)
    assert guess(mine, PASSWORD, altcha=solved(others)).status_code == 429


def test_in_the_long_run_guesses_are_as_slow_with_proofs_as_without(provider: Provider, app: App) -> None:
    browser, asked = refused_once(app, provider)
    for number in range(LIMIT):
        assert guess(browser, f"wrong {number}", altcha=solved(asked)).status_code == 200
        assert guess(browser, "wrong").status_code == 429
        asked = go_back(browser)
    assert guess(browser, PASSWORD, altcha=solved(asked)).status_code == 429
    query(provider, "UPDATE counters SET full_at = full_at - 12000")
    asked = go_back(browser)
    guess(browser, PASSWORD, altcha=solved(asked))
    assert step_of(browser) == "consent"


def easier(asked: dict[str, Any]) -> str:
    asked["parameters"] |= {"cost": 1, "keyPrefix": ""}
    return solved(asked)


def other_number(asked: dict[str, Any]) -> str:
    payload = json.loads(base64.b64decode(solved(asked)))
    payload["solution"]["counter"] += 1
    return base64.b64encode(json.dumps(payload).encode()).decode()


def unsolved(asked: dict[str, Any]) -> str:
    payload = {"challenge": asked, "solution": {"counter": 0, "derivedKey": "00" * 32}}
    return base64.b64encode(json.dumps(payload).encode()).decode()


def unsigned(asked: dict[str, Any]) -> str:
    return solved({"parameters": asked["parameters"]})


def of_other_types(asked: dict[str, Any]) -> str:
    payload = {"challenge": asked | {"signature": 7}, "solution": {"counter": [], "derivedKey": None}}
    return base64.b64encode(json.dumps(payload).encode()).decode()


def nested(_: dict[str, Any]) -> str:
    return base64.b64encode(b'{"challenge":' + b"[" * 1000).decode()


def too_long(asked: dict[str, Any]) -> str:
    return solved(asked) + "A" * work.MAX_LENGTH


def no_base64(_: dict[str, Any]) -> str:
    return "\u00fc no base64"


def nothing(_: dict[str, Any]) -> str:
    return ""


@pytest.mark.parametrize(
    "forge",
    [easier, other_number, unsolved, unsigned, of_other_types, nested, too_long, no_base64, nothing],
)
def test_rl_14_what_is_no_work_is_told_so_and_costs_nothing(
    provider: Provider, app: App, forge: Callable[[dict[str, Any]], str]
) -> None:
    """The attacker makes the work easier, leaves it out, or sends what was never asked."""
    browser, asked = refused_once(app, provider)
    assert guess(browser, PASSWORD, altcha=forge(asked)).status_code == 429
    assert query(provider, "SELECT count(*) FROM handles WHERE kind = 'work'")[0][0] == 0


@pytest.mark.parametrize(("later", "counts"), [(timedelta(0), True), (work.LIFETIME, False)])
def test_rl_14_a_proof_does_not_outlive_its_challenge(
    installation: Provider, later: timedelta, *, counts: bool
) -> None:
    """The attacker collects proofs for hours and uses them all at once."""

    async def check(services: Services) -> bool:
        worker, now = Worker("attempt", "browser"), services.clock()
        proof = solved(work.asked(replace(services, clock=lambda: now), worker))
        return await work.done(replace(services, clock=lambda: now + later), worker, proof, "")

    assert with_services(installation, check) is counts
