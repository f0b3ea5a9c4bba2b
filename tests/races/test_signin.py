"""One page of a sign-in, sent many times at once: an impatient person, a mouse that bounces, a proxy that retries."""

import re
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from itertools import cycle
from urllib.parse import parse_qs, urljoin, urlsplit

import pyotp
import pytest

from idp.protocol.claims import ACR_TWO_FACTORS
from tests.mail import Catcher, code_in, link_in
from tests.provider import EMAIL, PASSWORD, Browser, authorize_url, forms, redeem
from tests.races.arena import DORA, ROUNDS, Arena, nothing_on_its_way, sizes
from tests.races.swarm import Answer, request


def press(browser: Browser, action: str, button: str | None = None, **fields: str) -> bytes:
    """The post that the browser would send from its page."""
    assert browser.page is not None
    form = next(form for form in forms(browser.page.text) if form.action.endswith(action))
    filled = form.fields | fields | ({form.buttons[button][0]: form.buttons[button][1]} if button else {})
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)
    path = urlsplit(urljoin(str(browser.page.url), form.action)).path
    return request("POST", path, filled, {"Cookie": cookies, "Origin": browser.issuer})


def code_of(location: str) -> str | None:
    """The code in an answer to the app."""
    return parse_qs(urlsplit(location).query).get("code", [None])[0]


def assert_working_end(arena: Arena, browser: Browser, answer: Answer) -> None:
    """Whoever sees this answer, and none of the others, gets to the app."""
    assert answer.status == 303, (answer.status, answer.body[:2000])
    location = answer.header("location")
    code = code_of(location)
    if code is None:
        mine = Browser(arena.provider.issuer)
        mine.http.cookies.update(browser.http.cookies)
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                for morsel in SimpleCookie(value).values():
                    mine.http.cookies.set(morsel.key, morsel.value, domain="localhost.local", path="/")
        code = code_of(mine.sign_in(location).headers["location"])
    assert code is not None
    assert redeem(arena.provider, arena.client, code, arena.proof.verifier).status_code == 200


def test_ra_12_a_password_sent_many_times_at_once_signs_in(arena: Arena) -> None:
    """Every other round the hash is outdated for the server that checks it, and all of them want to write a new one."""
    arena.new_code()
    url = authorize_url(arena.client, arena.proof.challenge, scope="openid email offline_access")
    with arena.swarm() as one, arena.other_swarm() as other:
        for size, swarm in zip(sizes(ROUNDS // 5), cycle([other, one]), strict=False):
            browser = Browser(arena.provider.issuer)
            browser.open(url)
            browser.submit(action="/identify", username=EMAIL)
            answers = swarm.at_once([press(browser, "/password", password=PASSWORD)] * size)
            assert {answer.status for answer in answers} == {303}
            assert sum(code_of(answer.header("location")) is not None for answer in answers) == 1
            for answer in (answers[0], answers[-1]):
                assert_working_end(arena, browser, answer)


def test_ra_12_consent_clicked_many_times_at_once_ends_at_the_app(arena: Arena) -> None:
    """Situation: a mouse that bounces sends the decision many times at once, and any answer may be the one seen."""
    arena.new_code()
    with arena.swarm() as swarm:
        for size in sizes(ROUNDS // 5):
            arena.browser.open(authorize_url(arena.client, arena.proof.challenge, prompt="consent"))
            answers = swarm.at_once([press(arena.browser, "/consent", button="allow")] * size)
            assert {answer.status for answer in answers} == {303}
            for answer in (answers[0], answers[-1]):
                assert_working_end(arena, arena.browser, answer)


def enrolled(arena: Arena) -> tuple[str, list[str]]:
    """Dora's new device and recovery codes: the secret, and the codes."""
    arena.provider.cli("user", "reset-factors", DORA)
    browser = Browser(arena.provider.issuer)
    browser.open(authorize_url(arena.client, arena.proof.challenge, acr_values=ACR_TWO_FACTORS))
    browser.submit(action="/identify", username=DORA)
    page = browser.submit(action="/password", password=PASSWORD).text
    secret = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', page)
    assert secret is not None
    codes = re.findall(r"<li>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})</li>", page)
    code = pyotp.TOTP(secret[1].replace(" ", "")).at(datetime.now(UTC) - timedelta(seconds=30))
    browser.submit(action="/enrol", code=code)
    return secret[1].replace(" ", ""), codes


@pytest.mark.parametrize("method", ["totp", "recovery"])
def test_ra_03_one_code_sent_to_every_worker_at_once_lets_one_in(arena: Arena, method: str) -> None:
    """The attacker sends a code that he saw to several workers at the moment at which its owner does."""
    secret, codes = enrolled(arena)
    try:
        with arena.swarm() as swarm:
            for number in range(2):
                browsers = [at_factor(arena) for _ in range(8)]
                moment = datetime.now(UTC) + timedelta(seconds=30 * number)
                code = pyotp.TOTP(secret).at(moment) if method == "totp" else codes[number]
                before = arena.count("sessions WHERE ended_at IS NULL")
                posts = [press(each, "/factor", method=method, code=code) for each in browsers]
                answers = swarm.at_once(posts)
                assert {answer.status for answer in answers} == {303}
                assert arena.count("sessions WHERE ended_at IS NULL") == before + 1
    finally:
        arena.provider.cli("user", "reset-factors", DORA)


def test_ra_03_one_code_by_mail_sent_to_every_worker_at_once_lets_one_in_once(
    arena: Arena, mail_server: Catcher
) -> None:
    """The attacker sends the code of a mail, or its link, to several workers at once, each time as if it were new."""
    arena.new_code()
    url = authorize_url(arena.client, arena.proof.challenge)
    with arena.swarm() as swarm:
        for number in range(3):
            nothing_on_its_way(arena)
            mail_server.clear()  # of those that tell of the sign-ins before
            browser = Browser(arena.provider.issuer)
            browser.open(url)
            browser.submit(action="/identify", username=EMAIL)
            browser.submit(action="/send-code")
            mail = mail_server.newest(seconds=40)
            typed = link_in(mail).rpartition("/")[2] if number == 2 else code_in(mail)
            before, successes = arena.count("sessions"), arena.count("audit WHERE event = 'sign_in.succeeded'")
            answers = swarm.at_once([press(browser, "/email", code=typed)] * 8)
            assert {answer.status for answer in answers} == {303}
            assert arena.count("sessions") == before + 1
            assert arena.count("audit WHERE event = 'sign_in.succeeded'") == successes + 1
            assert_working_end(arena, browser, next(each for each in answers if each.header("set-cookie")))


def test_rl_07_a_burst_of_guesses_at_a_mailed_code_gets_five_tries(arena: Arena, mail_server: Catcher) -> None:
    """The attacker sends many codes at the same moment, so that each is judged before any of them is counted."""
    nothing_on_its_way(arena)
    mail_server.clear()  # of those that tell of the sign-ins before
    browser = Browser(arena.provider.issuer)
    browser.open(authorize_url(arena.client, arena.proof.challenge))
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/send-code")
    right = int(code_in(mail_server.newest(seconds=40)).replace(" ", ""))
    wrong = [f"{(right + number) % 10**8:08d}" for number in range(1, 21)]
    sessions = arena.count("sessions")
    with arena.swarm() as swarm:
        swarm.at_once([press(browser, "/email", code=each) for each in wrong])
        assert arena.count("email_codes WHERE tries > 5") == 0
        swarm.at_once([press(browser, "/email", code=f"{right:08d}")])
    assert arena.count("sessions") == sessions


def at_factor(arena: Arena) -> Browser:
    browser = Browser(arena.provider.issuer)
    browser.open(authorize_url(arena.client, arena.proof.challenge))
    browser.submit(action="/identify", username=DORA)
    browser.submit(action="/password", password=PASSWORD)
    return browser
