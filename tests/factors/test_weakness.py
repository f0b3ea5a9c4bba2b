"""Passwords that would be guessed soon."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from idp.factors.weakness import COMMON as TRIED_FIRST
from idp.factors.weakness import EASY, is_common, problem_of

COMMON = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= 8][:1000]


def full_width(letter: str) -> str:
    """As a Japanese keyboard may write it."""
    return chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter


@pytest.mark.parametrize(
    "change",
    [str, str.upper, str.title, lambda text: f" {text} ", lambda text: "".join(map(full_width, text))],
    ids=["as is", "upper", "title", "spaces", "full-width"],
)
def test_pw_05_the_passwords_that_are_tried_first_are_refused_in_any_case(change: object) -> None:
    """The attacker tries the thousand commonest passwords, and people hope that a capital letter saves theirs."""
    assert callable(change)
    assert len(COMMON) == 1000
    assert {problem_of(change(each)) for each in COMMON} == {TRIED_FIRST}


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "aaaaaaaaaaaa",
        "qwertyuiop123",
        "abcdefghijklm",
        "123456789012",
        "P@ssw0rd!2027",
        "x" * 256,
        "admin admin admin",
    ],
)
def test_a_pattern_is_refused(password: str) -> None:
    assert problem_of(password) in (EASY, TRIED_FIRST)


def test_what_anybody_knows_of_the_person_is_no_password() -> None:
    about = ("ana.maria@example.com", "Ana Maria Feldhaus")
    for password in (
        "anamariafeldhaus",
        "ana.maria@example.com",
        "Feldhaus-1988",
        "FELDHAUS2027!",
        "Ana-Feldhaus",
        "feldhaus--ana--1-2-3",
    ):
        assert problem_of(password, about) == EASY


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "dünne Wolken über Kiel",
        "\u4e2d\u6587\u5bc6\u7801\u5f88\u957f\u7684\u4e00\u53e5\u8bdd",
        "vT9#kq2!mZx8",
        "\U0001f511 lighthouse trumpet",
    ],
)
def test_a_good_password_stands_whatever_it_is_made_of(password: str) -> None:
    assert problem_of(password, ("ana@example.com", "Ana")) is None


def test_a_name_may_be_part_of_a_good_password() -> None:
    about = ("ana.maria@example.com", "Ana Maria Feldhaus")
    for password in ("feldhaus lighthouse trumpet", "banana trumpet lamp", "#$%&/()=?!+*"):
        assert problem_of(password, about) is None


def test_a_name_that_is_written_another_way_is_the_name() -> None:
    assert problem_of("\u00e5sem\u00f6ller", ("A\u030asem\u006f\u0308ller",)) == EASY


def test_people_who_set_passwords_at_once_are_not_mixed_up() -> None:
    """zxcvbn keeps what it was told of the person in a variable of its module."""
    word = "zqxvaldomeriusbrk"

    def judged(number: int) -> bool:
        return problem_of(word[::-1], (word,) if number % 2 else ("other",)) is not None

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(judged, range(200)))
    finally:
        sys.setswitchinterval(usual)
    assert found == [number % 2 == 1 for number in range(200)]


@pytest.mark.parametrize(
    "password",
    [
        ("48@({[<369|1!7$50+%2" * 4)[:72],
        "4@8({[<3691!|170$5+7%2" + "a" * 50,
        "784$+{@(96{a[-6348@|8a8{(6485{<9{@9(48({@4/5<[-(7{4[|9<((<85@{416@3[834",
        "|!a88(%444{87<(42%9_244<" * 3,
        "\ufdfa" * 256,
        "1.1.11" * 43,
    ],
)
def test_pw_12_no_password_keeps_the_judge_busy(password: str) -> None:
    """The attacker sets passwords that are full of signs that may be letters: zxcvbn alone takes seconds for one."""
    problem_of("the lists are read")
    taken = []
    for _ in range(3):
        began = time.thread_time()
        problem_of(password, ("ana@example.com", "word " * 200))
        taken.append(time.thread_time() - began)
    assert min(taken) < 0.5


def test_a_long_sentence_stands_also_where_it_is_full_of_signs_and_digits() -> None:
    assert problem_of("Tr0ub4dor&3 is 9 letters (not 7) @ [home]!") is None
    assert problem_of("correct horse battery 1234567890 staple!") is None


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=90))
@example("\ud800" * 12)
@example("\u0661\u0669\u0669\u0665" * 4)
@example("")
def test_pw_04_any_text_is_judged(password: str) -> None:
    """The attacker sets passwords that no keyboard writes, for the judge to fail with an error page."""
    assert problem_of(password, (password, "ana@example.com")) in (None, EASY, TRIED_FIRST)
    assert isinstance(is_common(password), bool)
