"""Which public keys are fit to believe a signature by."""

import math
from collections.abc import Mapping
from typing import Any

from idp import base64url

MIN_BITS, MAX_BITS = 2048, 8192  # a longer key only costs whoever verifies
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_SMALL = math.factorial(751)
# For each small prime the remainders that a power of 65537 leaves: see _is_roca.
_REMAINDERS = {
    prime: frozenset(pow(65537, exponent, prime) for exponent in range(prime))
    for prime in range(3, 168)
    if all(prime % smaller for smaller in range(2, prime))
}


class UnfitKey(Exception):
    """The text says what is wrong with the key, without repeating it."""


def check(jwk: Mapping[str, Any]) -> None:
    """Raises UnfitKey unless it is a public RSA key (RFC 7518 section 6.3.1) that its owner alone can sign with."""
    if jwk.get("kty") != "RSA":
        raise UnfitKey("it is no RSA key")
    if not PRIVATE.isdisjoint(jwk):
        raise UnfitKey("it has private members")
    modulus, exponent = _number(jwk.get("n")), _number(jwk.get("e"))
    if not MIN_BITS <= modulus.bit_length() <= MAX_BITS:
        raise UnfitKey(f"its modulus has {modulus.bit_length()} bits, and not {MIN_BITS} to {MAX_BITS}")
    if not 2**16 < exponent < 2**256 or exponent % 2 == 0:  # FIPS 186-5 section A.1.1
        raise UnfitKey("its exponent is not odd and between 2**16 and 2**256")
    if math.gcd(modulus, _SMALL) != 1:  # NIST SP 800-89 section 5.3.3
        raise UnfitKey("its modulus has a small factor")
    if _is_roca(modulus):
        raise UnfitKey("its modulus can be factored (ROCA)")


def _number(text: object) -> int:
    try:
        return int.from_bytes(base64url.decode(text.encode("ascii"))) if isinstance(text, str) else 0
    except ValueError:
        raise UnfitKey("its numbers are not base64url") from None


def _is_roca(modulus: int) -> bool:
    """CVE-2017-15361: a chip made primes that are a power of 65537 modulo many small primes, and so is their product.

    Of other moduli one in 2**27 looks like that.
    """
    return all(modulus % prime in remainders for prime, remainders in _REMAINDERS.items())
