"""Signatures that are nearly right."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.protocol.hostile.good import LETTERS, Good, Named, changed, decode, encode, part, sign

SHA256_OID, NULL = bytes.fromhex("0609608648016503040201"), bytes.fromhex("0500")


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, len(content)]) + content


def digest_info(digest: bytes, algorithm: bytes = SHA256_OID + NULL) -> bytes:
    return der(0x30, der(0x30, algorithm), der(0x04, digest))


def raw_signature(
    key: rsa.RSAPrivateKey, info: bytes, head: bytes = b"\x00\x01", fill: bytes = b"\xff", rest: bytes = b""
) -> bytes:
    """RSA of a block that PKCS #1 v1.5 would not have made."""
    size = key.key_size // 8
    block = head + fill * (size - len(head) - 1 - len(info) - len(rest)) + b"\x00" + info + rest
    numbers = key.private_numbers()
    return pow(int.from_bytes(block), numbers.d, numbers.public_numbers.n).to_bytes(size)


def forged_blocks(good: Good) -> Iterator[tuple[str, bytes]]:
    """What a lax reader of PKCS #1 v1.5 takes; where the exponent is small, anybody can make such a block."""
    header, payload, _ = good.parts
    signing_input = f"{header}.{payload}".encode()
    digest = hashlib.sha256(signing_input).digest()
    info = digest_info(digest)
    blocks: dict[str, dict[str, Any]] = {
        "block of type 0": {"head": b"\x00\x00", "fill": b"\x00"},
        "block of type 2": {"head": b"\x00\x02"},
        "no leading zero": {"head": b"\x01"},
        "filled with zeros": {"fill": b"\x00"},
        "filled with FE": {"fill": b"\xfe"},
        "garbage after the digest": {"rest": b"\x00" * 64},
        "eight bytes of fill, then garbage": {"rest": b"x" * 192},
        "no NULL": {"info": digest_info(digest, SHA256_OID)},
        "NULL that is full": {"info": digest_info(digest, SHA256_OID + bytes.fromhex("0501ff"))},
        "garbage in the algorithm": {"info": digest_info(digest, SHA256_OID + NULL + b"\x04\x20" + b"x" * 32)},
        "OID of SHA-1": {"info": digest_info(digest, bytes.fromhex("06052b0e03021a") + NULL)},
        "OID of MD5": {"info": digest_info(digest[:16], bytes.fromhex("06082a864886f70d0205") + NULL)},
        "no OID": {"info": digest_info(digest, NULL)},
        "no digest info": {"info": digest},
        "digest cut": {"info": digest_info(digest[:31])},
        "digest of nothing": {"info": digest_info(hashlib.sha256().digest())},
        "digest of the payload": {"info": digest_info(hashlib.sha256(payload.encode()).digest())},
        "digest of the header": {"info": digest_info(hashlib.sha256(header.encode()).digest())},
        "length in two bytes": {"info": b"\x30\x81" + info[1:]},
        "length without end": {"info": b"\x30\x80" + info[2:] + b"\x00\x00"},
    }
    for name, changes in blocks.items():
        yield name, raw_signature(good.key, **{"info": info, **changes})


def raw_signatures(good: Good) -> Iterator[tuple[str, bytes]]:
    header, payload, signature = good.parts
    signing_input, right = f"{header}.{payload}".encode(), decode(signature)
    modulus, size = good.key.private_numbers().public_numbers.n, len(right)
    yield "empty", b""
    yield from ((f"{count} zeros", bytes(count)) for count in (1, 64, size - 1, size, size + 1))
    yield "one", (1).to_bytes(size)
    yield "the modulus", modulus.to_bytes(size)
    yield "the modulus less one", (modulus - 1).to_bytes(size)
    yield "all bits", b"\xff" * size
    yield "its negative", (modulus - int.from_bytes(right)).to_bytes(size)
    yield "more than the modulus", (int.from_bytes(right) + modulus).to_bytes(size + 1)
    yield "a zero before", b"\x00" + right
    yield "a zero after", right + b"\x00"
    yield "the first byte gone", right[1:]
    yield "the last byte gone", right[:-1]
    yield "half", right[: size // 2]
    yield "backwards", right[::-1]
    yield "twice", right * 2
    yield "the digest", hashlib.sha256(signing_input).digest()
    yield "the content", signing_input
    yield "in DER", der(0x30, der(0x02, right[:32]), der(0x02, right[32:64]))
    for bit in range(0, size * 8, 97):
        flipped = bytearray(right)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} flipped", bytes(flipped)
    for hashed in (hashes.SHA1(), hashes.SHA384(), hashes.SHA512(), hashes.SHA3_256()):  # noqa: S303
        yield f"of {hashed.name}", good.key.sign(signing_input, padding.PKCS1v15(), hashed)
    for salt in (0, 32):
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
        yield f"PSS with a salt of {salt}", good.key.sign(signing_input, scheme, hashes.SHA256())
    for bits in (1024, 2048, 3072):
        other = rsa.generate_private_key(65537, bits)
        yield f"by another key of {bits} bits", sign(signing_input.decode(), other)
    yield from forged_blocks(good)


def signatures(good: Good) -> Named:
    """The attacker strips, empties, flips, borrows or forges the signature, or changes what it signs."""
    header, payload, signature = good.parts
    for name, forged in raw_signatures(good):
        yield f"signature: {name}", f"{header}.{payload}.{encode(forged)}"
    evil = part(changed(good.claims, sub="bob"))
    borrowed = good.with_(None, changed(good.claims, sub="bob")).rpartition(".")[2]
    yield "payload changed", f"{header}.{evil}.{signature}"
    yield "signature of another payload", f"{header}.{payload}.{borrowed}"
    yield "payload with a space", f"{header}.{part(json.dumps(good.claims) + ' ')}.{signature}"
    yield "header with a space", f"{part(json.dumps(good.header) + ' ')}.{payload}.{signature}"
    yield "header in another order", f"{part(dict(reversed(list(good.header.items()))))}.{payload}.{signature}"
    yield "typ added afterwards", f"{part(changed(good.header, cty='JWT'))}.{payload}.{signature}"
    yield "signed without the dot", good.over(f"{header}.{payload}", header + payload)
    yield "signed without the header", good.over(f"{header}.{payload}", payload)
    yield (
        "signed before it was encoded",
        good.over(f"{header}.{payload}", f"{json.dumps(good.header)}.{json.dumps(good.claims)}"),
    )
    for position in range(2, len(payload), 29):
        letter = LETTERS[LETTERS.index(payload[position]) ^ 1]
        yield (
            f"letter {position} of the payload",
            f"{header}.{payload[:position]}{letter}{payload[position + 1 :]}.{signature}",
        )
