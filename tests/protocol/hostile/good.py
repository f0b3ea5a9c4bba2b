"""A token that is accepted, and tokens made from it by hand: no library would make what is wrong on purpose."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Named = Iterator[tuple[str, str]]

THEIRS = rsa.generate_private_key(65537, 2048)
EVIL_URL = "https://evil.test/jwks"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MISSING = ...


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def part(content: object) -> str:
    """A header or payload; text and bytes stand for themselves, so that they may be no JSON at all."""
    if isinstance(content, bytes):
        return encode(content)
    return encode((content if isinstance(content, str) else json.dumps(content)).encode())


def sign(signing_input: str, key: rsa.RSAPrivateKey) -> bytes:
    return key.sign(signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())


def changed(content: Mapping[str, Any], **members: object) -> dict[str, Any]:
    """With other members; ... takes one out."""
    return {name: value for name, value in (dict(content) | members).items() if value is not MISSING}


def jwk(key: rsa.RSAPrivateKey, **more: str) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    n, e = (encode(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "n": n, "e": e, **more}


def json_with(content: Mapping[str, Any], more: str) -> str:
    """The JSON of an object with members added as text, such as one that stands there already."""
    return f"{json.dumps(content)[:-1]},{more}}}"


@dataclass(frozen=True)
class Good:
    """A token that its reader accepts: what it says, and the key that signs it."""

    key: rsa.RSAPrivateKey
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    def with_(self, header: object = None, claims: object = None, key: rsa.RSAPrivateKey | None = None) -> str:
        """Another token by hand, without a library that would refuse to make it. The signature is right."""
        encoded = f"{part(self.header if header is None else header)}.{part(self.claims if claims is None else claims)}"
        return self.over(encoded, key=key)

    def over(self, encoded: str, signing_input: str | None = None, key: rsa.RSAPrivateKey | None = None) -> str:
        """Two parts as they stand, with a signature of them or of something else."""
        return f"{encoded}.{encode(sign(encoded if signing_input is None else signing_input, key or self.key))}"

    @cached_property
    def token(self) -> str:
        return self.with_()

    @property
    def parts(self) -> tuple[str, str, str]:
        header, payload, signature = self.token.split(".")
        return header, payload, signature


def fits_a_header(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and token == token.strip()
