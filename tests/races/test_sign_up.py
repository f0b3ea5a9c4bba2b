"""Accounts made at the same moment: of one link, of two links for one address, and of an operator's command."""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.authenticators import Device
from tests.provider import PASSWORD, Browser, authorize_url
from tests.races.arena import Arena
from tests.races.swarm import request
from tests.races.test_signin import press
from tests.signin.joining import NEW_NAME, NEW_PASSWORD, PAGE
from tests.signin.passkeys import options_of
from tests.signin.reading import token_of

ROUNDS = 4


def at_link(arena: Arena, email: str) -> Browser:
    """A browser that looks at the page of a new link for this address."""
    browser = Browser(arena.provider.issuer)
    browser.open(arena.provider.cli("user", "invite", email, "--print")["link"])
    return browser


def made(arena: Arena, email: str) -> int:
    return arena.count(f"users WHERE email_canonical = '{email}'")


def factors(arena: Arena, email: str) -> int:
    return arena.count(f"credentials WHERE user_id = (SELECT id FROM users WHERE email_canonical = '{email}')")  # noqa: S608


def test_ra_05_one_link_sent_many_times_at_once_makes_one_account(arena: Arena) -> None:
    """The attacker, or a mouse that bounces, sends the same link to every worker at once, to have it used twice."""
    with arena.swarm() as swarm:
        for number in range(ROUNDS):
            email = f"one{number}@example.test"
            browser = at_link(arena, email)
            answers = swarm.at_once([press(browser, PAGE, name=NEW_NAME, password=NEW_PASSWORD)] * 8)
            assert [each.header("location") for each in answers].count("/signed-up") == 1
            assert {each.status for each in answers} <= {303, 410}
            assert (made(arena, email), factors(arena, email)) == (1, 1)


def test_ra_05_links_for_one_address_at_once_make_one_account_with_one_way_in(arena: Arena) -> None:
    """The attacker has a link for the victim's address as well, and uses it at the moment at which the victim does."""
    with arena.swarm() as swarm:
        for number in range(ROUNDS):
            email = f"two{number}@example.test"
            browsers = [at_link(arena, spelling) for spelling in (email, email.upper()) * 3]
            posts = [press(each, PAGE, name=NEW_NAME, password=NEW_PASSWORD) for each in browsers[:4]]
            posts += [with_passkey(each) for each in browsers[4:]]
            answers = swarm.at_once(posts)
            assert sorted(each.status for each in answers) == [303, 409, 409, 409, 409, 409]
            assert (made(arena, email), factors(arena, email)) == (1, 1)


def with_passkey(browser: Browser) -> bytes:
    browser.open(f"{PAGE}?by=passkey")
    sent = json.dumps(Device(browser.issuer).create(options_of(browser)))
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)
    fields = {"csrf": token_of(browser), "credential": sent, "name": NEW_NAME}
    return request("POST", f"{PAGE}/passkey", fields, {"Cookie": cookies, "Origin": browser.issuer})


def test_ra_05_an_operator_and_a_link_at_once_make_one_account(arena: Arena) -> None:
    """Situation: the operator creates somebody at the moment at which they sign up."""
    with arena.swarm() as swarm, ThreadPoolExecutor(1) as operator:
        for number in range(ROUNDS):
            email = f"both{number}@example.test"
            posts = [press(at_link(arena, email), PAGE, name=NEW_NAME, password=NEW_PASSWORD) for _ in range(4)]
            create = ("user", "create", email, "--password-stdin")
            created = operator.submit(arena.provider.run, *create, stdin=PASSWORD + "\n")
            answers = swarm.at_once(posts)
            winners = [each for each in answers if each.header("location") == "/signed-up"]
            assert len(winners) + (created.result().returncode == 0) == 1
            assert (made(arena, email), factors(arena, email)) == (1, 1)


def test_ra_05_an_account_asked_for_many_times_at_once_is_no_account_yet(arena: Arena) -> None:
    """The attacker asks many times at once, so that one of the checks sees what another one has not written yet."""
    email = "many@example.test"
    browsers = [Browser(arena.provider.issuer) for _ in range(6)]
    for browser in browsers:
        browser.open(authorize_url(arena.client, arena.proof.challenge, prompt="create"))
    before = arena.count("handles WHERE kind = 'sign_up'")
    with arena.swarm() as swarm:
        answers = swarm.at_once([press(each, "/sign-up", username=email) for each in browsers * 2])
    assert {each.status for each in answers} <= {303, 429}
    mailed = arena.count("handles WHERE kind = 'sign_up'") - before
    assert 1 <= mailed <= 6  # an address may have six, and its network has asked for others before
    assert made(arena, email) == 0
