"""Which keys may be believed: a fault of a key is a fault of everything that it signs."""

import itertools
import math
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol import jwt, key_policy
from idp.protocol.key_policy import UnfitKey
from tests.protocol.hostile.good import encode, jwk

KEY = rsa.generate_private_key(65537, 2048)
FIT = jwk(KEY)
N = KEY.public_key().public_numbers().n
PRIMES = [number for number in range(2, 710) if all(number % smaller for smaller in range(2, number))]


def number(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8))


def fault(**members: Any) -> str:
    with pytest.raises(UnfitKey) as caught:
        key_policy.check(FIT | members)
    with pytest.raises(UnfitKey):
        jwt.public_key(FIT | members)
    return str(caught.value)


def roca_prime(start: int) -> int:
    """As the chips of CVE-2017-15361 made them: k * M + (65537**a mod M), M being the product of the first primes."""
    product = math.prod(PRIMES[:126])
    base = pow(65537, start, product)
    candidates = (k * product + base for k in itertools.count(3 * 2**1022 // product + 1))
    return next(prime for prime in candidates if pow(2, prime - 1, prime) == 1)


@pytest.mark.parametrize("bits", [2048, 3072, 4096, 8192])
def test_a_modulus_of_each_usual_size_is_fit(bits: int) -> None:
    """The modulus is no product of two primes here, which takes long to find and is not for a policy to see."""
    modulus = (1 << bits) - 1
    while math.gcd(modulus, math.factorial(751)) != 1:
        modulus -= 2
    key_policy.check(FIT | {"n": number(modulus)})


def test_a_key_that_was_just_made_is_fit_and_verifies() -> None:
    assert jwt.public_key(FIT).as_dict(private=False) == FIT


@pytest.mark.parametrize("bits", [512, 1024, 2047, 8193, 16_384])
def test_tk_15_a_key_of_another_size_is_refused(bits: int) -> None:
    """The attacker factors a short key, or keeps us busy with a long one."""
    assert fault(n=number((1 << bits) - 1)) == f"its modulus has {bits} bits, and not 2048 to 8192"


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 17, 65_535, 65_536, 65_538, 2**256 + 1])
def test_tk_15_a_small_even_or_huge_exponent_is_refused(exponent: int) -> None:
    """By an exponent of 1 every signature is right, by 3 some can be computed, by a huge one each takes long."""
    assert "exponent" in fault(e=number(exponent))


def test_tk_15_a_roca_key_is_refused() -> None:
    """The attacker computes the private key from the public one, since a broken chip made it."""
    modulus = roca_prime(1) * roca_prime(2)
    assert modulus.bit_length() == 2048
    assert "ROCA" in fault(n=number(modulus))


@given(st.integers(1 << 2047, (1 << 2048) - 1))
def test_other_moduli_are_not_taken_for_roca(modulus: int) -> None:
    """One in 2**27 is."""
    assert not key_policy._is_roca(modulus)


@pytest.mark.parametrize("factor", [2, 3, 5, 7, 167, 751])
def test_tk_15_a_modulus_with_a_small_factor_is_refused(factor: int) -> None:
    """The attacker factors the modulus by trying."""
    multiple = N - N % factor
    assert "small factor" in fault(n=number(multiple if multiple.bit_length() == 2048 else multiple + factor))


@pytest.mark.parametrize("member", sorted(key_policy.PRIVATE))
def test_tk_15_a_key_with_private_members_is_refused(member: str) -> None:
    """A private key where a public one belongs is known to whoever saw it on its way."""
    assert fault(**{member: "AQAB"}) == "it has private members"


@pytest.mark.parametrize("kty", ["oct", "EC", "OKP", "rsa", "", None, 1, ["RSA"], {}], ids=repr)
def test_tk_15_a_key_of_another_type_is_refused(kty: Any) -> None:
    """A symmetric key is shared with the attacker; other types are not used here."""
    assert fault(kty=kty) == "it is no RSA key"


@pytest.mark.parametrize("text", [None, "", 1, [], {}, True, "é", "+/+/", "AQAB=", " AQAB", "AQAB\n", "AQB", "A"])
@pytest.mark.parametrize("member", ["n", "e"])
def test_tk_15_a_number_that_is_not_base64url_is_refused(member: str, text: Any) -> None:
    """The attacker's key breaks the reader, or has several spellings."""
    fault(**{member: text})


def test_tk_15_a_key_without_its_numbers_is_refused() -> None:
    """The attacker's key is empty."""
    for empty in ({}, {"kty": "RSA"}, {"kty": "RSA", "n": FIT["n"]}, {"kty": "RSA", "e": "AQAB"}):
        with pytest.raises(UnfitKey):
            key_policy.check(empty)
