"""What is no compact JWS, or is one in another spelling."""

import base64
import json
import zlib
from typing import Any

from tests.protocol.hostile.good import LETTERS, Good, Named, changed, decode, encode, json_with, part


def charsets(good: Good) -> Named:
    """JSON in a token is UTF-8 (RFC 7519 section 3): a reader that guesses reads another token."""
    header, payload, _ = good.parts
    header_text, claims = json.dumps(good.header), json.dumps(good.claims)
    for charset in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037"):
        yield f"header in {charset}", good.over(f"{encode(header_text.encode(charset))}.{payload}")
        yield f"payload in {charset}", good.over(f"{header}.{encode(claims.encode(charset))}")
    for name, junk in {
        "FF": b"\xff",
        "overlong": b"\xc0\xaf",
        "surrogate": b"\xed\xa0\x80",
        "cut": b"\xe2\x82",
    }.items():
        member = b',"a":"' + junk + b'"}'
        yield f"header with {name}", good.over(f"{encode(header_text.encode()[:-1] + member)}.{payload}")
        yield f"payload with {name}", good.over(f"{header}.{encode(claims.encode()[:-1] + member)}")
    for half in ("\\ud800", "\\udfff", "\\udc00\\ud800"):
        yield f"half a pair {half}", good.with_(None, json_with(good.claims, f'"a":"{half}"'))
        yield f"half a pair {half} as a name", good.with_(None, json_with(good.claims, f'"{half}":1'))


def respelt(text: str) -> str:
    """The same bytes in base64url, but for the bits of the last letter that hold nothing."""
    return text[:-1] + LETTERS[LETTERS.index(text[-1]) ^ 1]


def with_spare_bits(content: object) -> str:
    return next(text for spaces in range(3) if len(text := part(json.dumps(content) + " " * spaces)) % 4)


def spellings(good: Good) -> Named:
    """One token has one spelling: else who remembers used or revoked tokens does not know it again."""
    header, payload, signature = good.parts
    yield "spare bits of the header", good.over(f"{respelt(with_spare_bits(good.header))}.{payload}")
    yield "spare bits of the payload", good.over(f"{header}.{respelt(with_spare_bits(good.claims))}")
    yield "spare bits of the signature", f"{header}.{payload}.{respelt(signature)}"
    for name, junk in {
        "padding": "=",
        "!": "!",
        "space": " ",
        "line break": "\n",
        "CRLF": "\r\n",
        "NUL": "\x00",
    }.items():
        for where, cut in (("after", None), ("within", 8)):
            for which, text in (("header", header), ("payload", payload)):
                spelt = text + junk if cut is None else text[:cut] + junk + text[cut:]
                signed = f"{spelt}.{payload}" if which == "header" else f"{header}.{spelt}"
                yield f"{name} {where} the {which}, signed so", good.over(signed)
                original = f"{header}.{payload}"
                yield f"{name} {where} the {which}, signed without", good.over(signed, original)
            spelt = signature + junk if cut is None else signature[:cut] + junk + signature[cut:]
            yield f"{name} {where} the signature", f"{header}.{payload}.{spelt}"
    yield "padded twice", f"{good.token}=="
    plain = base64.b64encode(decode(signature)).decode()
    yield "the alphabet of MIME", f"{header}.{payload}.{plain}"
    yield "the alphabet of MIME, unpadded", f"{header}.{payload}.{plain.rstrip('=')}+/"
    yield "hexadecimal", f"{json.dumps(good.header).encode().hex()}.{payload}.{signature}"
    yield "a space before", f" {good.token}"
    yield "a tab after", f"{good.token}\t"
    yield "a comment after", f"{good.token}#"


def shapes(good: Good) -> Named:
    """The attacker sends what is no compact token: parts too many or too few, JSON, 10 MB."""
    header, payload, signature = good.parts
    yield "empty", ""
    yield from ((f"{count} dots", "." * count) for count in (1, 2, 3, 4, 1000))
    yield "one part", header
    yield "two parts", f"{header}.{payload}"
    yield "a dot after", f"{good.token}."
    yield "a dot before", f".{good.token}"
    yield "five parts", f"{good.token}.{signature}.{signature}"
    yield "no header", f".{payload}.{signature}"
    yield "no payload", f"{header}..{signature}"
    yield "no signature", f"{header}.{payload}."
    yield "two tokens", f"{good.token}.{good.token}"
    yield "two tokens with a comma", f"{good.token},{good.token}"
    yield "two tokens with a space", f"{good.token} {good.token}"
    yield "parts exchanged", f"{payload}.{header}.{signature}"
    yield "quoted", f'"{good.token}"'
    yield "a scheme before", f"Bearer {good.token}"
    yield "a letter beyond ASCII", f"{header}.{payload}.é{signature}"
    yield "a lone surrogate", f"{header}.{payload}.\ud800"
    yield "full-width dots", good.token.replace(".", "．")
    flattened = {"protected": header, "payload": payload, "signature": signature}
    yield "JSON serialisation, flattened", json.dumps(flattened)
    yield "JSON serialisation, unprotected", json.dumps(flattened | {"header": {"alg": "none"}})
    general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    yield "JSON serialisation, general", json.dumps(general)
    yield "JSON in base64url", part(general)
    yield "JSON in place of the header", f"{json.dumps(good.header)}.{payload}.{signature}"
    for text in ("{", "[1]", "null", "{}", '"alg"', "[" * 6000, '{"a":' * 1900 + "1" + "}" * 1900):
        yield f"header {text[:12]!r}", good.with_(text)
    yield "header not UTF-8", good.over(f"{encode(bytes([255, 254]))}.{payload}")
    yield "a header of 2 kB", good.with_(json.dumps(good.header) + " " * 2000)
    yield "a refresh token", f"{'0' * 32}.0.{'A' * 43}"
    yield "too long", good.token + "A" * 16_384
    yield "too long, signed so", good.with_(None, changed(good.claims, a="A" * 16_384))
    yield "10 MB", "A" * 10_000_000
    yield "10 MB of dots", "." * 10_000_000


def encrypted(good: Good) -> Named:
    """The attacker sends a JWE, which is costly to open, or a token within a token."""
    header, payload, signature = good.parts
    bomb = encode(zlib.compress(bytes(1_000_000)))
    heads: dict[str, dict[str, Any]] = {
        "direct": {"alg": "dir", "enc": "A128GCM"},
        "zip bomb": {"alg": "dir", "enc": "A128GCM", "zip": "DEF"},
        "a billion rounds": {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 10**9, "p2s": "AAAAAAAAAAA"},
        "RSA1_5": {"alg": "RSA1_5", "enc": "A128CBC-HS256"},
        "RSA-OAEP": {"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"},
        "a point off the curve": {"alg": "ECDH-ES", "enc": "A128GCM", "epk": {"kty": "EC", "x": "AA", "y": "AA"}},
    }
    for name, head in heads.items():
        head |= {"kid": good.header["kid"], "typ": good.header["typ"]}
        yield f"JWE, {name}", f"{part(head)}.{signature}.{encode(bytes(12))}.{bomb}.{encode(bytes(16))}"
        yield f"JWE, {name}, in three parts", f"{part(head)}.{bomb}.{signature}"
    yield "a token within", good.with_(None, good.token)
    yield "a token within, said to be", good.with_(changed(good.header, cty="JWT"), good.token)
    yield "a token within, as text", good.with_(None, json.dumps(good.token))
    nested = good.token
    for _ in range(5):
        nested = good.with_(None, nested)
    yield "a token within, five deep", nested
    deflated = zlib.compress(json.dumps(good.claims).encode())
    yield "compressed", good.with_(None, deflated)
    yield "compressed, said to be", good.with_(changed(good.header, zip="DEF"), deflated)
    unencoded = part(changed(good.header, b64=False, crit=["b64"]))
    yield "not encoded", good.over(f"{unencoded}.{payload}", f"{unencoded}.{json.dumps(good.claims)}")
    yield "detached", good.over(f"{header}.", f"{header}.{payload}")
