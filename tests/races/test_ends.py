"""Access that is taken away while it is being used: afterwards it is gone, whoever was faster."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from idp.web import own
from tests.provider import EMAIL, PASSWORD, Browser, answer_of, authorize_url, pkce
from tests.races.arena import ROUNDS, Arena, assert_dead
from tests.races.load import Load
from tests.races.swarm import Address, Answer, Line, basic, request
from tests.races.test_signin import press

TIMES = 4
HANDS = 8


def keep_refreshing(node: Address, headers: dict[str, str], token: str, stop: threading.Event) -> list[Answer]:
    """A client that refreshes without a pause, and does not take no for an answer: not even when it is over."""
    line, answers, last = Line(node), list[Answer](), False
    while not last:
        last = stop.is_set()
        form = {"grant_type": "refresh_token", "refresh_token": token}
        answer = line.ask(request("POST", "/token", form, headers))
        answers.append(answer)
        if answer.status == 200:
            token = answer.json()["refresh_token"]
    line.close()
    return answers


def test_rt_09_no_refresh_succeeds_once_its_person_is_disabled(arena: Arena) -> None:
    """Attack: somebody who was just thrown out keeps refreshing, in the hope that one worker has not heard of it."""
    for _ in range(TIMES):
        first = [arena.new_tokens() for _ in range(HANDS)]
        arguments = [
            (arena.nodes[number % len(arena.nodes)], basic(arena.client), tokens["refresh_token"])
            for number, tokens in enumerate(first)
        ]
        with Load(keep_refreshing, arguments) as load:
            time.sleep(0.2)
            arena.provider.cli("user", "disable", EMAIL)
            returned = time.monotonic()
            try:
                time.sleep(0.3)
                hands: list[list[Answer]] = load.end()
            finally:
                arena.provider.cli("user", "enable", EMAIL)
        for answers in hands:
            assert {answer.status for answer in answers} == {200, 400}
            assert {answer.status for answer in answers if answer.sent > returned} == {400}
        with arena.swarm() as swarm:
            for answers in hands:
                assert_dead(swarm, arena, [answer.json() for answer in answers if answer.status == 200][-1])


def test_rt_17_no_refresh_succeeds_once_its_token_was_revoked(arena: Arena) -> None:
    """Attack: whoever stole a refresh token uses it in the instant in which its app revokes it."""
    with arena.swarm() as swarm:
        for number in range(ROUNDS // 2):
            tokens = arena.new_tokens()
            form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
            requests = [request("POST", "/token", form, basic(arena.client)) for _ in range(7)]
            revocation = {"token": tokens["refresh_token"]}
            requests.insert(number % 8, request("POST", "/revoke", revocation, basic(arena.client)))
            answers = swarm.at_once(requests)
            assert answers.pop(number % 8).status == 200
            assert {answer.status for answer in answers} <= {200, 400}
            for won in [tokens, *(answer.json() for answer in answers if answer.status == 200)]:
                assert_dead(swarm, arena, won)


def test_cd_14_a_code_redeemed_while_its_consent_is_withdrawn_gives_nothing_that_lasts(arena: Arena) -> None:
    """Attack: an app redeems its codes in the instant in which its access is withdrawn, and keeps what it got."""
    with arena.swarm() as swarm:
        for number in range(ROUNDS // 2):
            requests = [arena.redemption(arena.new_code()) for _ in range(7)]
            arena.browser.open(own.APPS)
            requests.insert(number % 8, press(arena.browser, f"{own.APPS}/{arena.client['client_id']}/withdraw"))
            answers = swarm.at_once(requests)
            withdrawn = answers.pop(number % 8)
            assert withdrawn.status == 303
            assert str(withdrawn.header("location")).startswith(f"{own.APPS}?")
            assert {answer.status for answer in answers} <= {200, 400}
            for answer in answers:
                if answer.status == 200:
                    assert_dead(swarm, arena, answer.json())


def keep_signing_in(arena: Arena, password: str, stop: threading.Event) -> list[Browser]:
    """The browsers that got a session with this password."""
    signed_in = []
    while not stop.is_set():
        browser = Browser(arena.provider.issuer)
        browser.open(authorize_url(arena.client, pkce().challenge))
        browser.submit(action="/identify", username=EMAIL)
        response = browser.submit(action="/password", password=password)
        assert response.status_code in (200, 303), response.text[:2000]
        if "/password" not in response.text:
            signed_in.append(browser)
    return signed_in


def is_signed_in(arena: Arena, browser: Browser) -> bool:
    response = browser.open(authorize_url(arena.client, pkce().challenge, prompt="none", scope="openid"))
    return answer_of(response).get("error") != "login_required"


def test_rt_09_a_password_that_is_changed_while_it_is_checked_signs_nobody_in(arena: Arena) -> None:
    """Attack: a thief signs in again and again with a known password, to be in flight when its owner changes it."""
    old = PASSWORD
    for number in range(TIMES):
        new = f"{PASSWORD} {number}"
        stop = threading.Event()
        with ThreadPoolExecutor(HANDS) as hands:
            signed_in = [hands.submit(keep_signing_in, arena, old, stop) for _ in range(HANDS)]
            time.sleep(0.5)
            try:
                arena.provider.cli("user", "set-password", EMAIL, "--password-stdin", stdin=new + "\n")
                time.sleep(0.2)
            finally:
                stop.set()
        browsers = [browser for each in signed_in for browser in each.result()]
        assert browsers
        assert not any(is_signed_in(arena, browser) for browser in browsers)
        old = new
    arena.provider.cli("user", "set-password", EMAIL, "--password-stdin", stdin=PASSWORD + "\n")
