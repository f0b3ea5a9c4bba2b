"""Codes of an authenticator app (RFC 6238)."""

import base64
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.factors import totp

# RFC 6238 appendix B, for SHA-1; of its eight digits ours are the last six.
SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}
NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
STEP = timedelta(seconds=30)
DEVICE = totp.device(SECRET, "Phone")


def code_at(moment: datetime) -> str:
    return pyotp.TOTP(SECRET).at(moment)


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_the_codes_are_those_of_the_specification(seconds: int, code: str) -> None:
    found = totp.verify(DEVICE, code, datetime.fromtimestamp(seconds, UTC))
    assert found == DEVICE | {"last_step": seconds // 30}


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_ot_04_a_clock_may_be_one_step_off(steps: int, right: bool) -> None:
    """The attacker uses a code of a minute ago, or one of a device whose clock he set forward."""
    assert (totp.verify(DEVICE, code_at(NOW + steps * STEP), NOW) is not None) == right


def test_ot_01_a_step_counts_once_and_none_before_it_after_it() -> None:
    """The attacker types a code that was used, or the one before it, which nobody used."""
    used = totp.verify(DEVICE, code_at(NOW), NOW)
    assert used is not None
    assert totp.verify(used, code_at(NOW), NOW) is None
    assert totp.verify(used, code_at(NOW - STEP), NOW) is None
    assert totp.verify(used, code_at(NOW + STEP), NOW) is not None


@pytest.mark.parametrize("typed", ["123456", " 123456 ", "123 456", "123-456", "1 2 3 4 5 6", "12-34 56"])
def test_digits_may_stand_in_groups(typed: str) -> None:
    assert totp.code_of(typed) == "123456"


@pytest.mark.parametrize(
    "typed",
    [
        *("", "12345", "1234567", "123  456", "123--456", "-123456", "123456\n", "12345a", "+12345", "1.23456"),
        *(
            "\uff11\uff12\uff13\uff14\uff15\uff16",
            "12345\u00b2",
            "\u0661\u0662\u0663\u0664\u0665\u0666",
            "\U0001d7ce23456",
        ),
        *("123\u00a0456", "123\u200b456", "123456\x00", "1" * 1000),
    ],
)
def test_ot_02_nothing_but_six_ascii_digits_is_a_code(typed: str) -> None:
    """The attacker spells a used code in full-width or Arabic digits, which a library takes for the same."""
    assert totp.code_of(typed) is None
    assert totp.verify(DEVICE, typed, NOW) is None


@given(st.text())
def test_whatever_is_typed_nothing_breaks(typed: str) -> None:
    assert totp.code_of(typed) is None or len(typed) >= 6
    totp.verify(DEVICE, typed, NOW)


def test_an_app_is_told_what_it_needs() -> None:
    secret = totp.secret(bytes(range(20)))
    uri = totp.uri(secret, "ana+x@example.com", "Id: example & co")
    parsed = pyotp.parse_uri(uri)
    assert (parsed.secret, parsed.name, parsed.issuer) == (secret, "ana+x@example.com", "Id: example & co")
    assert totp.grouped(secret).replace(" ", "") == secret
    assert len(base64.b32decode(secret)) == 20


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        *((None, "Authenticator app"), ("  ", "Authenticator app"), (" My  phone ", "My phone"), ("a" * 99, "a" * 40)),
        *(("evil\u202ename", "Authenticator app"), ("a\x00b", "Authenticator app")),
    ],
)
def test_a_device_has_a_name_that_can_be_shown(typed: str | None, name: str) -> None:
    assert totp.name_of(typed, "Authenticator app") == name
