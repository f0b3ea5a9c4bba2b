"""Payloads that are signed and yet not to be believed."""

import json
from typing import Any

from tests.protocol.hostile.good import MISSING, Good, Named, changed, json_with


def issuers(good: Good) -> Named:
    """The attacker shows a token of another issuer, or of one whose name is nearly ours."""
    own = str(good.claims["iss"])
    others: list[Any] = [
        *(MISSING, None, "", "https://evil.test", f"{own}/", own.swapcase(), own[:-1], f"{own}.evil.test", f" {own}"),
        *(f"{own}\x00", own.replace("http", "ftp", 1), [own], [own, "https://evil.test"], {own: 1}, 1, True),
    ]
    for iss in others:
        yield f"iss {'missing' if iss is MISSING else json.dumps(iss)}", good.with_(None, changed(good.claims, iss=iss))


def malformed_audiences(good: Good) -> Named:
    """The attacker's audience is neither text nor a list of texts."""
    wrong: list[Any] = [MISSING, None, "", [], [""], {}, 0, 1, True, [["a"]], ["a", 1], ["a", None], {"a": 1}, [{}]]
    for aud in wrong:
        name = "missing" if aud is MISSING else json.dumps(aud)
        yield f"aud {name}", good.with_(None, changed(good.claims, aud=aud))


def other_audiences(good: Good) -> Named:
    """A token for one API that another accepts lets the first act as the person at the second."""
    own = str(good.claims["aud"])
    others: list[Any] = [
        *("https://other.example.com", ["https://other.example.com"], good.claims["iss"], "*", ["*"]),
        *(own[:-1], own[1:], f"{own}/", own.swapcase(), f" {own}", f"{own} https://id.example.com", f'["{own}"]'),
    ]
    for aud in others:
        yield f"aud {json.dumps(aud)}", good.with_(None, changed(good.claims, aud=aud))


def expired(good: Good) -> Named:
    """The attacker uses a token whose time is over."""
    now = good.claims["iat"]
    for exp in (now - 30, now - 31, now - 3600, 1, 0):
        yield f"exp {exp - now}", good.with_(None, changed(good.claims, exp=exp, iat=0))


def times(good: Good) -> Named:
    """Every comparison with NaN is false, so that a token which expires at NaN never does; so with other non-times."""
    now = good.claims["iat"]
    nonsense: list[Any] = [
        *(None, True, False, "", str(now), str(now + 900), now + 0.5, float(now), 1e300, [now], [], {}, {"value": now}),
        *(-1, -now, 253_402_300_800, 2**53, 2**63, 10**400),
    ]
    texts = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e3", "1e10", f"{now}.0", "1" + "0" * 5000, "01")
    wrong = {json.dumps(value)[:30]: json.dumps(value) for value in nonsense} | {text[:30]: text for text in texts}
    wrong |= {"in hexadecimal": "0x7FFFFFFF", "with underscores": "1_800_000_000", "with a plus": f"+{now}"}
    for claim in ("exp", "iat", "nbf"):
        for name, text in wrong.items():
            others = changed(good.claims, **{claim: MISSING})
            yield f"{claim} {name}", good.with_(None, json_with(others, f'"{claim}":{text}'))
    yield "no exp", good.with_(None, changed(good.claims, exp=MISSING))
    yield "no iat", good.with_(None, changed(good.claims, iat=MISSING))
    for claim in ("iat", "nbf"):
        for ahead in (3600, 86_400 * 365):
            yield f"{claim} {ahead} s ahead", good.with_(None, changed(good.claims, **{claim: now + ahead}))


def claim_types(good: Good) -> Named:
    """The attacker's claim is of a type that the reader does not expect, or text that a database cannot take."""
    for claim in ("sub", "jti", "client_id", "scope", "grant", "sid"):
        for value in (None, 1, True, ["a"], {"a": 1}, "a\x00b", "a\nb", "\ud800", "é", "\u202e"):
            yield f"{claim} {json.dumps(value)}", good.with_(None, changed(good.claims, **{claim: value}))
    yield "no sub", good.with_(None, changed(good.claims, sub=MISSING))
    for moment in ("1", -1, 1.5, True, None):
        yield f"auth_time {moment!r}", good.with_(None, changed(good.claims, auth_time=moment))


def twice(good: Good) -> Named:
    """One reader takes the first member and another the last (RFC 7515 section 4, RFC 7519 section 4)."""
    for name, value in good.header.items():
        for second in (json.dumps(value), '"none"', "null"):
            yield f"{name} twice: {second}", good.with_(json_with(good.header, f'"{name}":{second}'))
            first = f'{{"{name}":{second},{json.dumps(good.header)[1:]}'
            yield f"{name} twice, {second} first", good.with_(first)
    escaped = json.dumps(good.header).replace('"alg"', '"al\\u0067"')
    yield "alg twice, once escaped", good.with_(f'{escaped[:-1]},"alg":"none"}}')
    for name in ("iss", "sub", "aud", "exp", "iat"):
        own = json.dumps(good.claims[name])
        for second in (own, '"bob"', "1"):
            yield f"{name} twice: {second[:20]}", good.with_(None, json_with(good.claims, f'"{name}":{second}'))
    yield "twice further down", good.with_(None, json_with(good.claims, '"act":{"sub":"a","sub":"b"}'))


def no_claims(good: Good) -> Named:
    """What is signed is no object, or nested thousands deep: an error page for whoever gets it signed."""
    deep = {
        "list": "[" * 5000 + "]" * 5000,
        "list without end": "[" * 9000,
        "object": '{"a":' * 1500 + "1" + "}" * 1500,
        "claim": json_with(good.claims, '"a":' + "[" * 900 + "]" * 900),
        "claim, a little": json_with(good.claims, '"a":' + "[" * 20 + "]" * 20),
    }
    for name, text in deep.items():
        yield f"deep {name}", good.with_(None, text)
    for text in ("[]", '"text"', "null", "true", "1", "", " ", "{}", "{}{}", "{", "}", "\x00", "NaN", "[{}]", "'{}'"):
        yield f"payload {text!r}", good.with_(None, text)
    whole = json.dumps(good.claims)
    yield "payload with a comma", good.with_(None, f"{whole[:-1]},}}")
    yield "payload with a comment", good.with_(None, f"{whole}//")
    yield "payload and another", good.with_(None, whole * 2)
    yield "payload with a raw line break", good.with_(None, json_with(good.claims, '"a":"\n"'))
    yield "payload in single quotes", good.with_(None, whole.replace('"', "'"))
    for number in ("NaN", "Infinity", "1.5", "1e2", "1" + "0" * 17, "1" + "0" * 5000, "-0.0"):
        yield f"a claim of {number[:20]}", good.with_(None, json_with(good.claims, f'"a":{number}'))
