"""What proofs are worth together."""

from datetime import UTC, datetime

import pytest

from idp.factors.proofs import Proof, amr

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("factors", "before", "told"),
    [
        (["password"], (), ("pwd",)),
        (["password", "totp"], (), ("pwd", "otp", "mfa")),
        (["password", "recovery"], (), ("pwd", "otp", "mfa")),
        (["password", "password"], (), ("pwd",)),
        (["totp"], ("pwd",), ("pwd", "otp", "mfa")),
        (["totp"], (), ("otp",)),
        (["totp", "recovery"], (), ("otp",)),
        (["totp"], ("pwd", "otp", "mfa"), ("pwd", "otp", "mfa")),
    ],
)
def test_mf_11_two_kinds_make_two_factors_and_one_kind_twice_does_not(
    factors: list[str], before: tuple[str, ...], told: tuple[str, ...]
) -> None:
    """The attacker proves one factor twice to be taken for somebody who proved two."""
    assert amr([Proof(factor, NOW) for factor in factors], before) == told
