from datetime import UTC, datetime, timedelta

import pytest

from idp.factors import message
from idp.factors.message import Sent, Verdict

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
KEY = b"a key of exactly thirty-two byte"
UNTIL = NOW + message.LIFETIME
LINK = "L" * 43
MOMENT = timedelta(microseconds=1)


def mail(digits: str = "12345678", link: str = LINK, until: datetime = UNTIL, sign_in: str = "one") -> Sent:
    return message.sent(KEY, sign_in, digits, link, until)


def check(typed: str, *mails: Sent, now: datetime = NOW, sign_in: str = "one") -> Verdict:
    return message.check(KEY, sign_in, mails, typed, now)


def test_a_code_has_eight_digits_and_is_shown_in_two_groups() -> None:
    assert message.code(0) == "00000000"
    assert message.code(message.CODES - 1) == "99999999"
    assert message.grouped(message.code(12345678)) == "1234 5678"


@pytest.mark.parametrize("typed", ["12345678", "1234 5678", " 1234-5678 ", "1-2-3-4-5-6-7-8", LINK])
def test_the_code_and_the_link_of_a_mail_are_right(typed: str) -> None:
    assert check(typed, mail()) is Verdict.RIGHT


@pytest.mark.parametrize(
    "typed",
    [
        *("", " ", "1234567", "123456789", "1234  5678", "12345679", "1234.5678", "12345678\n", "\t12345678"),
        *("１２３４５６７８", "¹2345678", "𝟏2345678", "1234\u00a05678", "L" * 42, "L" * 44, "l" * 43, "L" * 42 + "="),
    ],
)
def test_ot_02_nothing_else_is(typed: str) -> None:
    """The attacker has a code refused and sends it in another spelling, or finds one that means every code."""
    assert check(typed, mail()) is Verdict.WRONG


def test_ot_09_a_code_of_another_sign_in_is_wrong() -> None:
    """The attacker types a code that was mailed for a sign-in of somebody else's."""
    assert check("12345678", mail(), sign_in="another") is Verdict.WRONG
    assert check(LINK, mail(), sign_in="another") is Verdict.WRONG


def test_ot_09_a_code_ends_at_its_time_and_is_told_from_a_wrong_one() -> None:
    """The attacker finds a mail that is ten minutes old."""
    assert check("12345678", mail(), now=UNTIL - MOMENT) is Verdict.RIGHT
    assert check("12345678", mail(), now=UNTIL) is Verdict.OLD
    assert check("87654321", mail(), now=UNTIL) is Verdict.WRONG


def test_each_of_several_mails_is_good_for_its_own_time() -> None:
    first, second = mail("11111111", "F" * 43, NOW), mail("22222222", "S" * 43)
    assert check("11111111", first, second) is Verdict.OLD
    assert check("22222222", first, second) is Verdict.RIGHT
    assert check("S" * 43, first, second) is Verdict.RIGHT
    assert check("11111111", first, mail("11111111")) is Verdict.RIGHT, "two mails happened to have one code"
    assert check("11111111") is Verdict.WRONG


def test_what_is_kept_tells_neither_code_nor_link() -> None:
    kept = mail()
    assert "12345678" not in repr(kept)
    assert LINK not in repr(kept)
    assert kept.code_mac != mail(sign_in="another").code_mac
    assert kept.code_mac != message.sent(b"another key", "one", "12345678", LINK, UNTIL).code_mac
