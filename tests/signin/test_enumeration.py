"""EN-01: nobody learns from an answer who has an account here: not from its text, its headers or its time."""

import random
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from pathlib import Path

import httpx2
import pytest

from tests.provider import Browser, Provider, authorize_url, pkce, running
from tests.signin.conftest import App
from tests.signin.reading import page_of, path_of, post, query, stripped, token_of

# Addresses of one length, so that the lengths of the answers can be compared.
KINDS = {
    "the wrong password": "ana@example.test",
    "nobody": "bob@example.test",
    "somebody who is disabled": "dis@example.test",
    "somebody without a password": "nop@example.test",
    "no address at all": "'; DROP TABLE --",
}
WRONG = "not the right one"


@dataclass(frozen=True)
class Seen:
    """What somebody sees of one answer, but for what differs each time."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


def seen(answer: httpx2.Response, who: str) -> Seen:
    changing = ("date", "x-request-id")
    headers = [
        (name, re.sub(r"(/signin/|idp_browser_\d+=)[\w-]+", r"\1RANDOM", value))
        for name, value in answer.headers.items()
    ]
    kept = tuple(sorted(pair for pair in headers if pair[0] not in changing))
    return Seen(answer.status_code, kept, stripped(answer).replace(who.replace("'", "&#39;"), "WHO"))


@pytest.fixture(scope="module")
def strangers(provider: Provider, people: object) -> None:
    provider.create_user("dis@example.test")
    provider.cli("user", "disable", "dis@example.test")
    provider.cli("user", "create", "nop@example.test")


def answers_for(provider: Provider, app: App, who: str) -> list[Seen]:
    """Every answer on the way from the first page to the second wrong password."""
    browser, answers = Browser(provider.issuer), []
    browser.http.event_hooks["response"].append(lambda answer: answers.append((answer.read(), answer)[1]))
    browser.open(app.url())
    browser.submit(username=who)
    for _ in range(2):
        browser.submit(password=WRONG)
    return [seen(answer, who) for answer in answers]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "the wrong password"])
def test_en01_every_reason_for_a_refusal_looks_the_same(
    provider: Provider, app: App, strangers: None, kind: str
) -> None:
    """The attacker types addresses and compares the answers, to learn who has an account here."""
    usual = answers_for(provider, app, KINDS["the wrong password"])
    other = answers_for(provider, app, KINDS[kind])
    assert [each.status for each in usual] == [200, 303, 200, 303, 200, 303, 200]
    assert "WHO" in usual[-1].body
    for expected, found in zip(usual, other, strict=True):
        lengths = [dict(each.headers).get("content-length") for each in (expected, found)]
        if kind != "no address at all":  # its characters are longer once they are escaped
            assert lengths[0] == lengths[1]
        assert found.status == expected.status
        assert dict(found.headers) | {"content-length": ""} == dict(expected.headers) | {"content-length": ""}
        assert found.body == expected.body


def test_en01_the_right_password_of_somebody_disabled_looks_as_wrong_as_any(
    provider: Provider, app: App, strangers: None
) -> None:
    """The attacker has the right password of somebody who is disabled, and wants to learn that it is right."""
    browsers = []
    for who in ("dis@example.test", "bob@example.test"):
        browser = Browser(provider.issuer)
        browser.open(app.url())
        browser.submit(username=who)
        browser.submit(password="correct horse battery staple")
        browsers.append(seen(page_of(browser), who))
    assert browsers[0] == browsers[1]


def test_en01_the_message_does_not_say_which_of_the_two_was_wrong(at_password: Browser) -> None:
    """The attacker reads in the message whether the address or the password was wrong."""
    text = at_password.submit(password=WRONG).text
    assert "The e-mail address or the password is not right. Check both and try again." in text


@pytest.fixture(scope="module")
def real_costs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider that hashes passwords as a fresh installation does."""
    folder: Path = tmp_path_factory.mktemp("costs")
    with running(folder, password_memory_kib="19456", password_time_cost="2") as provider:
        provider.create_user()
        yield provider


def seconds_for(provider: Provider, browser: Browser) -> float:
    """How long a wrong password takes that has not to wait, from the request to the last byte of the answer."""
    query(provider, "DELETE FROM failures")
    path, token = path_of(browser), token_of(browser)
    began = time.perf_counter()
    answer = post(browser, f"{path}/password", csrf=token, password=WRONG)
    taken = time.perf_counter() - began
    assert answer.status_code == 303
    return taken


def chance(heads: int, tosses: int) -> float:
    """How likely a fair coin is to fall so unevenly."""
    extreme = max(heads, tosses - heads)
    ways = sum(comb(tosses, each) for each in range(extreme, tosses + 1))
    return min(1.0, float(2 * ways / 2**tosses))


@pytest.mark.slow
def test_en01_an_unknown_person_takes_as_long_as_a_known_one(real_costs: Provider) -> None:
    """The attacker measures how long a wrong password takes, to learn who has an account here.

    Pairs in random order, so that a busy machine slows both alike; and a sign test, which no outlier moves.
    It fails where both hold: the pairs are too uneven for chance (one in a million), and the difference is one that
    could be seen through a network, a tenth of the time that a password takes.
    """
    client = real_costs.create_client()
    browsers = {}
    for who in ("ana@example.test", "bob@example.test"):
        browsers[who] = Browser(real_costs.issuer)
        browsers[who].open(authorize_url(client, pkce().challenge))
        browsers[who].submit(username=who)
    known, unknown, rounds = [], [], 150
    for _ in range(rounds):
        order = random.sample(list(browsers), 2)
        taken = {who: seconds_for(real_costs, browsers[who]) for who in order}
        known.append(taken["ana@example.test"])
        unknown.append(taken["bob@example.test"])
    differences = [a - b for a, b in zip(known, unknown, strict=True)]
    usual = statistics.median([*known, *unknown])
    shift = abs(statistics.median(differences)) / usual
    uneven = chance(sum(difference > 0 for difference in differences), rounds)
    assert usual > 0.005  # a password was really hashed
    assert not (uneven < 1e-6 and shift > 0.1), (uneven, shift, usual)
    assert 0.5 < statistics.median(known) / statistics.median(unknown) < 2
