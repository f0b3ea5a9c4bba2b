"""Passwords that would be guessed soon."""

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from idp.factors.weakness import problem_of

COMMON = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= 8][:1000]


@pytest.mark.parametrize(
    "change", [str, str.upper, str.title, lambda text: f" {text} "], ids=["as is", "upper", "title", "spaces"]
)
def test_pw_05_the_passwords_that_are_tried_first_are_refused_in_any_case(change: object) -> None:
    """The attacker tries the thousand commonest passwords, and people hope that a capital letter saves theirs."""
    assert callable(change)
    assert len(COMMON) == 1000
    assert [each for each in COMMON if problem_of(change(each)) is None] == []


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
    problem = problem_of(password)
    assert problem is not None
    assert "guess" in problem or "tried first" in problem


def test_what_anybody_knows_of_the_person_is_no_password() -> None:
    about = ("ana.maria@example.com", "Ana Maria Feldhaus")
    assert problem_of("anamariafeldhaus", about) is not None
    assert problem_of("ana.maria@example.com", about) is not None


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
