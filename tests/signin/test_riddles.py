"""A riddle as the last resort: beyond what a proof of work stands in for, where the operator has named a service."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from idp.app import create_app
from idp.outside.captcha import SiteVerify
from idp.settings import load
from tests.authenticators import Device
from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, installed, pkce
from tests.riddles import RIGHT, Riddles, asking
from tests.signin.passkeys import given, use
from tests.signin.reading import heading_of, page_of, path_of, query, step_of

pytestmark = pytest.mark.slow

ISSUER = "http://localhost:8000"
LIMIT = 5
WINDOW = LIMIT * timedelta(seconds=12)
FIELD = "riddle-response"


@pytest.fixture(scope="module")
def riddles() -> Iterator[Riddles]:
    with asking() as riddles:
        yield riddles


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder: Path = tmp_path_factory.mktemp("riddles")
    with installed(folder, issuer=ISSUER, failures_per_address=str(LIMIT)) as provider:
        provider.create_user()
        yield provider


@pytest.fixture(scope="module")
def http(installation: Provider, riddles: Riddles) -> Iterator[TestClient]:
    captcha = SiteVerify(riddles.service, "public", "secret", "localhost")
    with TestClient(create_app(load(installation.environment), captcha=captcha), base_url=ISSUER) as http:
        http.follow_redirects = False
        yield http


@pytest.fixture
def browser(installation: Provider, http: TestClient, riddles: Riddles) -> Browser:
    """A browser that looks at Ana's password page."""
    for table in ("sessions", "counters", "failures", "handles"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    riddles.answer, riddles.asked[:] = dict(RIGHT), []
    http.cookies.clear()
    browser = Browser(ISSUER)
    browser.http = http
    browser.open(authorize_url(installation.create_client(), pkce().challenge))
    browser.submit(action="/identify", username=EMAIL)
    return browser


def use_up(installation: Provider, browser: Browser, windows: float) -> None:
    """The network of this browser guessed so much: as often as it may, so many times."""
    browser.submit(action="/password", password="not the right one")
    full_at = datetime.now(UTC) + WINDOW * windows
    query(installation, "UPDATE counters SET full_at = ?", int(full_at.timestamp() * 1000))


def way_back(answer: httpx2.Response) -> str:
    """Where the refusal leads."""
    found = re.search(r'href="(/signin/[^"]+\?riddle=[^"]+)"', answer.text)
    assert found is not None, answer.text
    return unescape(found[1])


def test_beyond_what_work_stands_in_for_the_page_has_a_riddle(
    installation: Provider, browser: Browser, riddles: Riddles
) -> None:
    use_up(installation, browser, 2.5)
    answer = browser.submit(action="/password", password=PASSWORD)
    assert (answer.status_code, heading_of(answer)) == (429, "Too many tries")
    page = browser.open(way_back(answer))
    assert '<div class="riddle" data-sitekey="public">' in page.text
    assert f'<script src="{riddles.url}/api.js" defer>' in page.text
    policy = page.headers["content-security-policy"]
    assert f"script-src 'self' {riddles.url};" in policy
    assert f"frame-src {riddles.url};" in policy
    browser.submit(action="/password", password=PASSWORD, **{FIELD: "an answer"})
    assert step_of(browser) == "consent"
    assert riddles.asked == [{"secret": ["secret"], "response": ["an answer"]}]


def test_before_that_the_work_is_what_is_asked_for(installation: Provider, browser: Browser, riddles: Riddles) -> None:
    use_up(installation, browser, 1.5)
    answer = browser.submit(action="/password", password=PASSWORD, **{FIELD: "an answer"})
    assert answer.status_code == 429
    assert "?work" in answer.text
    assert riddles.asked == []
    page = browser.open(str(answer.url).replace("/password", "?work"))
    assert "data-sitekey" not in page.text
    assert riddles.url not in page.headers["content-security-policy"]


def test_rl_14_an_answer_counts_once(installation: Provider, browser: Browser, riddles: Riddles) -> None:
    """The attacker solves one riddle and sends its answer with every guess, to a service that does not mind."""
    use_up(installation, browser, 2.5)
    for expected in ("password", None):
        browser.submit(action="/password", password="not the right one", **{FIELD: "an answer"})
        assert step_of(browser) == expected
        if expected is None:
            assert page_of(browser).status_code == 429


def test_rl_14_a_riddle_that_was_not_solved_is_none(installation: Provider, browser: Browser, riddles: Riddles) -> None:
    """The attacker sends anything, or what he had solved elsewhere."""
    use_up(installation, browser, 2.5)
    riddles.answer = {"success": True, "hostname": "elsewhere.example"}
    for answer in ("", "anything", "x" * 9000):
        refused = browser.submit(action="/password", password=PASSWORD, **{FIELD: answer})
        assert refused.status_code == 429
        browser.open(str(refused.url).replace("/password", ""))
    assert len(riddles.asked) == 1, "what is empty or huge is not asked about"


def test_rl_14_riddles_have_an_end_and_so_has_asking_about_them(
    installation: Provider, browser: Browser, riddles: Riddles
) -> None:
    """The attacker pays people to solve riddles, or has us ask the service without end."""
    use_up(installation, browser, 4.5)
    refused = browser.submit(action="/password", password=PASSWORD, **{FIELD: "an answer"})
    assert refused.status_code == 429
    assert riddles.asked == []
    browser.open(str(refused.url).replace("/password", ""))
    use_up(installation, browser, 2.5)
    riddles.answer = {"success": False}
    for number in range(15):
        page = browser.open(str(refused.url).replace("/password", ""))
        assert page.status_code == 200
        browser.submit(action="/password", password=PASSWORD, **{FIELD: f"answer {number}"})
    assert len(riddles.asked) == 10


@pytest.mark.parametrize("asked", ["riddle", "riddle=1", "riddle=" + "A" * 43, "riddle=%C3%A9"])
def test_nobodys_link_makes_a_page_load_something_from_elsewhere(
    installation: Provider, browser: Browser, riddles: Riddles, asked: str
) -> None:
    """The attacker adds a word to a link, so that its visitor is reported to the service, or runs its script."""
    path = str(browser.open(path_of(browser)).url)
    for url in (f"{path}?{asked}", f"{authorize_url(installation.create_client(), pkce().challenge)}&{asked}"):
        page = browser.open(url)
        assert page.status_code == 200
        assert riddles.url not in page.text
        assert riddles.url not in page.headers["content-security-policy"]


def test_nor_does_a_link_of_another_sign_in(installation: Provider, browser: Browser, riddles: Riddles) -> None:
    """The attacker, whose own network used everything up, takes the link of his refusal for somebody else's sign-in."""
    use_up(installation, browser, 2.5)
    link = way_back(browser.submit(action="/password", password=PASSWORD))
    browser.open(authorize_url(installation.create_client(), pkce().challenge))
    browser.submit(action="/identify", username=EMAIL)
    page = browser.open(path_of(browser) + "?" + link.partition("?")[2])
    assert riddles.url not in page.text


def test_20_a_passkey_needs_no_riddle(installation: Provider, browser: Browser, riddles: Riddles) -> None:
    device = Device(ISSUER)
    given(installation, device)
    use_up(installation, browser, 2.5)
    browser.open(way_back(browser.submit(action="/password", password=PASSWORD)))
    assert "data-sitekey" in page_of(browser).text
    use(browser, device)
    assert step_of(browser) == "consent"
    assert riddles.asked == []
