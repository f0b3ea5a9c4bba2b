"""Base64url without padding (RFC 7515 section 2), in the one spelling that bytes have."""

import base64


def encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def decode(text: bytes) -> bytes:
    """Raises ValueError for what `encode` would not have written: padding, white space, spare bits, other letters.

    A token that has two spellings is two tokens to whoever remembers those that were used or revoked.
    """
    data = base64.urlsafe_b64decode(text + b"==")  # passes over letters that it does not know
    if encode(data) != text:
        raise ValueError("not base64url in its one spelling")
    return data
