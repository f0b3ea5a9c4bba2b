"""Judging a password that is to be set, with everything that an installation has."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from idp.factors.password import Cost, UnacceptablePassword
from idp.factors.weakness import COMMON, EASY
from idp.fair_queue import Overloaded
from idp.hashing import PasswordPool
from idp.new_passwords import LEAKED, NOT_KNOWN, SAME, about, is_leaked, judge, judge_replacement
from idp.services import Services
from tests.oauth.wire import with_services
from tests.provider import PASSWORD, Provider, installed

TRIED_FIRST = "password1234"
PERSON = about("eve@example.test", {"given_name": "Evangelina", "address": {"locality": "Kiel"}, "verified": True})


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with installed(tmp_path_factory.mktemp("passwords"), name="Zwerenz Motors") as provider:
        provider.create_user()
        yield provider


@dataclass
class Leaks:
    """A list that says the same of every password."""

    said: bool | None
    asked: int = 0

    async def contains(self, plain: str) -> bool | None:
        self.asked += 1
        return self.said

    async def close(self) -> None:
        return None


def judged(installation: Provider, plain: str, leaks: Leaks, *, alone: bool = True, **settings: object) -> str | None:
    """What the person is told; None where the password may stand."""

    async def work(services: Services) -> str | None:
        changed = services.settings.model_copy(update=settings)
        try:
            await judge(replace(services, breaches=leaks, settings=changed), plain, PERSON, "", alone=alone)
        except UnacceptablePassword as error:
            return str(error)
        return None

    return with_services(installation, work)


@pytest.mark.parametrize(
    ("plain", "told"),
    [
        (PASSWORD, None),
        (TRIED_FIRST, COMMON),
        ("qwertyuiopasdf", EASY),
        ("Evangelina-1988", EASY),
        ("zwerenz motors", EASY),
        ("elevenchars", "That password is too short: take at least 12 characters, such as four or five words."),
        ("a" * 257, "That password is too long: take at most 256 characters."),
    ],
)
def test_pw_05_a_password_that_would_be_guessed_is_refused_in_a_sentence(
    installation: Provider, plain: str, told: object
) -> None:
    """The attacker tries what people take when nobody stops them: common ones, their name, and ours."""
    leaks = Leaks(said=False)
    assert judged(installation, plain, leaks) == (told and str(told))
    assert leaks.asked == (told is None), "nobody else learns of one that is refused anyway"


@pytest.mark.parametrize(
    ("said", "failure", "told"),
    [
        (False, "allow", None),
        (False, "refuse", None),
        (True, "allow", LEAKED),
        (True, "refuse", LEAKED),
        (None, "allow", None),
        (None, "refuse", NOT_KNOWN),
    ],
)
def test_pw_05_an_outage_is_what_the_operator_chose(
    installation: Provider, said: bool | None, failure: str, told: object
) -> None:
    """The attacker puts the list out of action, so that bad passwords are let through, or none."""
    assert judged(installation, PASSWORD, Leaks(said), breach_api_failure=failure) == (told and str(told))


def test_the_operator_may_ask_for_more_characters(installation: Provider) -> None:
    told = judged(installation, PASSWORD, Leaks(said=False), password_min_length=40)
    assert told is not None
    assert "at least 40 characters" in told


TOO_SHORT = "That password is too short: take at least {} characters, such as four or five words."
FIFTEEN = {"password_min_length_alone": 15}


@pytest.mark.parametrize(
    ("plain", "alone", "settings", "stands"),
    [
        ("wok plum fjord", True, FIFTEEN, False),
        ("wok plum fjords", True, FIFTEEN, True),
        ("wok plum fjord", False, FIFTEEN, True),
        ("wok plum fjord", True, FIFTEEN | {"second_factor": "required"}, True),
        ("wok plum fjord", True, {"password_min_length": 15}, False),
        ("wok plum fjord", False, {"password_min_length": 15}, False),
        ("wok plum fjord", True, {}, True),
    ],
    ids=[
        *("alone", "alone and longer", "beside a second factor", "where everybody needs one"),
        *("any is long", "any is long, also beside one", "by default"),
    ],
)
def test_a_password_that_stands_alone_may_have_to_be_longer(
    installation: Provider, plain: str, alone: bool, settings: dict[str, object], stands: bool
) -> None:
    told = judged(installation, plain, Leaks(said=False), alone=alone, **settings)
    assert told == (None if stands else TOO_SHORT.format(15))


@pytest.mark.parametrize(("said", "leaked"), [(True, True), (False, False), (None, False)])
def test_a_right_password_is_looked_up_and_an_outage_keeps_nobody_out(
    installation: Provider, said: bool | None, leaked: bool
) -> None:
    async def work(services: Services) -> list[bool]:
        closed = services.settings.model_copy(update={"breach_api_failure": "refuse"})
        asking = replace(services, breaches=Leaks(said), settings=closed)
        return [await is_leaked(asking, plain) for plain in (PASSWORD, TRIED_FIRST, f" {TRIED_FIRST.title()} ")]

    assert with_services(installation, work) == [leaked, True, True]


@pytest.mark.parametrize(
    ("plain", "said", "told"),
    [
        ("wok plum fjord", None, None),
        ("wok plum fjord", True, LEAKED),
        (PASSWORD, False, SAME),
        (TRIED_FIRST, None, COMMON),
    ],
)
def test_a_replacement_is_judged_but_never_waits_for_another_service(
    installation: Provider, plain: str, said: bool | None, told: object
) -> None:
    async def work(services: Services) -> str | None:
        closed = services.settings.model_copy(update={"breach_api_failure": "refuse"})
        asking, old = (
            replace(services, breaches=Leaks(said), settings=closed),
            await services.hashing.hash(PASSWORD, ""),
        )
        try:
            await judge_replacement(asking, plain, old, PERSON, "", alone=True)
        except UnacceptablePassword as error:
            return str(error)
        return None

    assert with_services(installation, work) == (told and str(told))


def test_pw_12_passwords_are_judged_in_the_threads_in_which_they_are_hashed(installation: Provider) -> None:
    """The attacker sets passwords by the hundred, to keep the server from answering anything else."""

    async def work(services: Services) -> None:
        pool = PasswordPool(Cost(8, 1, 1), threads=1, queue=0)
        held = threading.Event()
        waiting = asyncio.create_task(pool.run(held.wait, ""))
        await asyncio.sleep(0)
        try:
            with pytest.raises(Overloaded):
                await judge(replace(services, hashing=pool), PASSWORD, PERSON, "", alone=True)
        finally:
            held.set()
        assert await waiting
        await judge(replace(services, hashing=pool), PASSWORD, PERSON, "", alone=True)
        pool.close()

    with_services(installation, work)


def test_what_anybody_knows_of_a_person_is_text() -> None:
    assert PERSON == ("eve@example.test", "Evangelina")
