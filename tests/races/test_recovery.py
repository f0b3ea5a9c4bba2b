"""Getting back in, at the moment at which somebody signs in, is asked for a code, or gets back in as well."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from idp.protocol.claims import ACR_TWO_FACTORS
from idp.web.notices import NOT_ME
from idp.web.recoveries import PAGE
from tests.mail import Catcher, mailed_link
from tests.provider import PASSWORD, Browser, authorize_url
from tests.races.arena import Arena, nothing_on_its_way
from tests.races.swarm import Answer
from tests.races.test_signin import press

IDA, NEW = "ida@example.test", "seven bright green umbrellas"
ROUNDS, CROWD = 6, 10
LIVE = "sessions WHERE ended_at IS NULL AND user_id = '{}'"


@pytest.fixture
def ida(arena: Arena, mail_server: Catcher) -> Iterator[str]:
    """The id of somebody whom no other race knows."""
    with made(arena, "--verified") as user_id:
        mail_server.clear()
        yield user_id
    mail_server.clear()


@contextmanager
def made(arena: Arena, *verified: str) -> Iterator[str]:
    created = arena.provider.cli("user", "create", IDA, *verified, "--password-stdin", stdin=PASSWORD + "\n")
    try:
        yield str(created["sub"])
    finally:
        arena.provider.cli("user", "delete", IDA)


def with_password(arena: Arena, password: str = PASSWORD, **parameters: str) -> Browser:
    browser = at_password(arena, **parameters)
    browser.submit(action="/password", password=password)
    return browser


def at_password(arena: Arena, **parameters: str) -> Browser:
    browser = Browser(arena.provider.issuer)
    browser.open(authorize_url(arena.client, arena.proof.challenge, **parameters))
    browser.submit(action="/identify", username=IDA)
    return browser


def at_new_password(arena: Arena) -> Browser:
    """A browser at the form that a link of the operator's leads to."""
    browser = Browser(arena.provider.issuer)
    browser.open(arena.provider.cli("user", "recover", IDA)["link"].removeprefix(arena.provider.issuer))
    return browser


def statuses(answers: list[Answer]) -> set[int]:
    return {answer.status for answer in answers}


def test_ra_11_no_sign_in_by_the_old_password_outlives_a_reset(arena: Arena, ida: str) -> None:
    """The attacker sends the old password many times at the moment at which its person sets a new one."""
    with arena.swarm() as swarm:
        for number in range(ROUNDS):
            old, new = (PASSWORD, NEW) if number % 2 == 0 else (NEW, PASSWORD)
            crowd = [press(at_password(arena), "/password", password=old) for _ in range(CROWD)]
            reset = press(at_new_password(arena), PAGE, password=new)
            answers = swarm.at_once([*crowd[: CROWD // 2], reset, *crowd[CROWD // 2 :]])
            assert statuses(answers) == {303}
            assert answers[CROWD // 2].header("location").startswith("/recovered")
            assert arena.count(LIVE.format(ida)) == 0


def test_ra_11_no_sign_in_outlives_a_lock_out(arena: Arena, ida: str, mail_server: Catcher) -> None:
    """The attacker signs in many times at the moment at which the person says that it was not them."""
    with arena.swarm() as swarm:
        for _ in range(ROUNDS):
            nothing_on_its_way(arena)
            mail_server.clear()  # of what the round before had sent
            with_password(arena)
            locking = Browser(arena.provider.issuer)
            locking.open(mailed_link(mail_server.newest(seconds=40), NOT_ME))
            crowd = [press(at_password(arena), "/password", password=PASSWORD) for _ in range(CROWD)]
            lock = press(locking, NOT_ME)
            answers = swarm.at_once([*crowd[: CROWD // 2], lock, *crowd[CROWD // 2 :]])
            assert statuses(answers) == {303}
            assert arena.count(LIVE.format(ida)) == 0
            assert arena.count(f"users WHERE id = '{ida}' AND disowned_at IS NOT NULL") == 1
            arena.provider.cli("user", "enable", IDA)


def test_ra_01_of_several_links_at_once_one_counts(arena: Arena, ida: str) -> None:
    """The attacker and the person each have a link, and both send the form at the same moment."""
    with arena.swarm() as swarm:
        for number in range(ROUNDS):
            forms = [press(at_new_password(arena), PAGE, password=f"{NEW} {number} {each}") for each in range(3)]
            answers = swarm.at_once(forms * 3)
            assert sorted(answer.status for answer in answers) == [303, *[410] * 8]


def test_ra_14_a_reset_and_wrong_codes_wait_for_each_other_in_one_order(arena: Arena) -> None:
    """The attacker sends wrong codes all the time, so that the person's reset and a code wait for each other."""
    password = PASSWORD
    with made(arena), arena.swarm() as swarm:  # nobody verified the address, so that no mail is a second factor
        for number in range(ROUNDS):
            browsers = [with_password(arena, password, acr_values=ACR_TWO_FACTORS) for _ in range(CROWD)]
            wrong = [press(browser, "/enrol", code="000000") for browser in browsers]
            password = f"{NEW} number {number}"
            reset = press(at_new_password(arena), PAGE, password=password)
            answers = swarm.at_once([*wrong[: CROWD // 2], reset, *wrong[CROWD // 2 :]])
            assert statuses(answers) == {303}
