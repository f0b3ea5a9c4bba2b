"""Secrets at rest: AES-256-GCM under a key derived for each purpose, with key rotation.

A sealed value is one version byte, four bytes that name the sealing key, a nonce of twelve bytes, and the ciphertext
with its tag. The purpose and the row it belongs to are authenticated, so that a value moved to another row or column
does not open.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from idp.store.ids import draw

_VERSION = b"\x01"
_KEY_ID = 4
_NONCE = 12


class SealBroken(Exception):
    """A sealed value that none of our keys opens: altered, moved, or sealed under a key that is gone."""


class Sealer:
    """Seals under the first of the secret keys; opens under any of them."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._keys = {_key_id(key): key.encode("utf-8") for key in secret_keys}
        self._newest = _key_id(secret_keys[0])
        self._cipher = lru_cache(maxsize=64)(self._derive)
        self.subkey = lru_cache(maxsize=16)(self._subkey)

    def seal(self, plain: bytes, purpose: str, row: str) -> bytes:
        nonce = draw(_NONCE)
        sealed = self._cipher(self._newest, purpose).encrypt(nonce, plain, f"{purpose}:{row}".encode())
        return _VERSION + self._newest + nonce + sealed

    def unseal(self, sealed: bytes, purpose: str, row: str) -> bytes:
        """Raises SealBroken."""
        key_id, rest = sealed[1 : 1 + _KEY_ID], sealed[1 + _KEY_ID :]
        if sealed[:1] != _VERSION or key_id not in self._keys:
            message = f"the {purpose} of {row} was sealed under a key that is not among the secret keys"
            raise SealBroken(message)
        try:
            return self._cipher(key_id, purpose).decrypt(rest[:_NONCE], rest[_NONCE:], f"{purpose}:{row}".encode())
        except (InvalidTag, ValueError):
            message = f"the {purpose} of {row} was altered"
            raise SealBroken(message) from None

    def is_newest(self, sealed: bytes) -> bool:
        return sealed[1 : 1 + _KEY_ID] == self._newest

    def _subkey(self, purpose: str) -> bytes:
        """32 bytes for a keyed hash of this purpose, from the newest secret key."""
        return _hkdf(self._keys[self._newest], f"mac:{purpose}")

    def _derive(self, key_id: bytes, purpose: str) -> AESGCM:
        return AESGCM(_hkdf(self._keys[key_id], f"seal:{purpose}"))


def to_text(sealed: bytes) -> str:
    """For a URL or a cookie: base64url without padding."""
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def from_text(text: str) -> bytes:
    """Raises SealBroken for any other spelling than the one of `to_text`."""
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        sealed = b""
    if to_text(sealed) != text:
        message = "not the text of anything sealed"
        raise SealBroken(message)
    return sealed


def seal_under(key: bytes, plain: bytes, context: str) -> bytes:
    """Seals under a key of 32 bytes that is destroyed with what it belongs to."""
    nonce = draw(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal_under(key: bytes, sealed: bytes, context: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
    except (InvalidTag, ValueError):
        message = f"{context} was altered"
        raise SealBroken(message) from None


def _key_id(key: str) -> bytes:
    return hashlib.sha256(b"key-id:" + key.encode("utf-8")).digest()[:_KEY_ID]


def _hkdf(key: bytes, info: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"idp:{info}".encode()).derive(key)
