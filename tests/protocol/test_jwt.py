import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as library
from joserfc.jwk import RSAKey

from idp.protocol import id_token_hint, jwt
from idp.protocol.errors import InvalidToken
from idp.protocol.jwt import PublicKeys
from tests.protocol.hostile import HOSTILE
from tests.protocol.hostile.claims import expired, other_audiences
from tests.protocol.hostile.good import LETTERS, Good, Named, changed, jwk
from tests.protocol.hostile.shapes import encrypted
from tests.protocol.samples import ISSUER, SECONDS

API = "https://api.example.com"
OURS = rsa.generate_private_key(65537, 2048)
HEADER = {"alg": "RS256", "kid": "k1", "typ": "at+jwt"}
CLAIMS = {"iss": ISSUER, "sub": "ana", "aud": API, "iat": SECONDS, "exp": SECONDS + 900, "jti": "j1"}
KEYS: PublicKeys = {"k1": jwt.public_key(jwk(OURS)), "k2": jwt.public_key(jwk(rsa.generate_private_key(65537, 2048)))}
ACCESS_TOKEN = Good(OURS, HEADER, CLAIMS)
ID_TOKEN = Good(
    OURS,
    HEADER | {"typ": "JWT"},
    {"iss": ISSUER, "sub": "ana", "sid": "s1", "aud": "app", "iat": SECONDS - 999, "exp": SECONDS - 99},
)
CPU_SECONDS = 0.05  # for one token


def signed(header: Any = None, claims: Any = None, key: rsa.RSAPrivateKey = OURS) -> str:
    return ACCESS_TOKEN.with_(header, claims, key)


def verify(
    token: str, *, typ: str = "at+jwt", audience: str | None = API, keys: PublicKeys = KEYS, now: int = SECONDS
) -> dict[str, Any]:
    return jwt.verify(token, keys, typ=typ, issuer=ISSUER, audience=audience, now=now)


def reason(token: str, *, typ: str = "at+jwt", keys: PublicKeys = KEYS) -> str:
    """Why it is refused."""
    with pytest.raises(InvalidToken) as caught:
        verify(token, typ=typ, keys=keys)
    assert caught.value.description == "The token is not valid."
    return caught.value.reason


def as_access_token(token: str) -> object:
    return verify(token)


def as_access_token_of_any_api(token: str) -> object:
    return verify(token, audience=None)


def as_hint(token: str) -> object:
    return id_token_hint.read(token, KEYS, issuer=ISSUER, now=SECONDS)


# Every use of the verifier, with a token that it accepts.
USES: Mapping[str, tuple[Callable[[str], object], Good]] = {
    "access token": (as_access_token, ACCESS_TOKEN),
    "access token of any API": (as_access_token_of_any_api, ACCESS_TOKEN),
    "ID token hint": (as_hint, ID_TOKEN),
}


def accepted(read: Callable[[str], object], tokens: Named) -> list[str]:
    """Which of them. The others are refused as InvalidToken, and soon."""
    found = []
    for name, token in tokens:
        # The garbage collector of a long test run may stop one of them.
        assert any(_seconds(read, token) < CPU_SECONDS for _ in range(3)), f"{name} takes too long"
        try:
            read(token)
            found.append(name)
        except InvalidToken:
            pass
    return found


def _seconds(read: Callable[[str], object], token: str) -> float:
    """Of this process's CPU."""
    began = time.process_time()
    with suppress(InvalidToken):
        read(token)
    return time.process_time() - began


@pytest.mark.parametrize(("read", "good"), USES.values(), ids=USES)
def test_every_use_accepts_its_good_token(read: Callable[[str], object], good: Good) -> None:
    """What is refused below is refused for its fault alone."""
    assert accepted(read, iter([("good", good.token)])) == ["good"]


@pytest.mark.parametrize("group", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(("read", "good"), USES.values(), ids=USES)
def test_tk_16_no_hostile_token_is_accepted(
    read: Callable[[str], object], good: Good, group: Callable[[Good], Named]
) -> None:
    """The attacker sends a token with a fault that some library somewhere did not see."""
    assert accepted(read, group(good)) == []


def test_tk_16_the_hostile_tokens_are_many_and_none_of_them_is_the_good_one() -> None:
    """A list of attacks that is empty, or holds the good token, would show nothing."""
    named = [(f"{group}: {name}", token) for group, made in HOSTILE.items() for name, token in made(ACCESS_TOKEN)]
    assert len(dict(named)) == len(named) > 600
    assert ACCESS_TOKEN.token not in dict(named).values()


def test_tk_13_a_token_that_is_costly_to_open_is_not_opened() -> None:
    """The attacker sends an encrypted token that asks for ten million rounds, unpacks to gigabytes, or nests others."""
    sent = list(encrypted(ACCESS_TOKEN))
    assert len(sent) > 10
    for read, _ in USES.values():
        assert accepted(read, iter(sent)) == []


def test_tk_07_a_token_for_another_api_is_refused() -> None:
    """A token for one API that another accepts lets the first act as the person at the second."""
    assert accepted(as_access_token, other_audiences(ACCESS_TOKEN)) == []
    assert len(accepted(as_access_token_of_any_api, other_audiences(ACCESS_TOKEN))) > 5


@pytest.mark.parametrize("aud", [API, [API], [API, ISSUER], ["https://other.example.com", API]], ids=str)
def test_tk_07_an_audience_that_holds_ours_is_accepted(aud: Any) -> None:
    """An honest app's token is for this API, alone or among others, and is no forgery."""
    assert verify(signed(claims=changed(CLAIMS, aud=aud)))["aud"] == aud


def test_tk_08_an_expired_token_is_refused_but_as_a_hint() -> None:
    """The attacker uses a token whose time is over."""
    assert accepted(as_access_token, expired(ACCESS_TOKEN)) == []
    assert len(accepted(as_hint, expired(ID_TOKEN))) == 5


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": SECONDS + 1},
        {"exp": SECONDS},
        {"exp": SECONDS - jwt.LEEWAY + 1},
        {"exp": jwt.MAX_TIME},
        {"iat": SECONDS + jwt.LEEWAY},
        {"iat": 0},
        {"nbf": SECONDS},
        {"nbf": SECONDS + jwt.LEEWAY},
        {"nbf": 0},
    ],
    ids=str,
)
def test_tk_08_a_time_that_holds_within_the_leeway_is_accepted(claims: dict[str, Any]) -> None:
    """An honest app's token is within its times, or off by no more than clocks differ."""
    assert verify(signed(claims=changed(CLAIMS, **claims)))


@pytest.mark.parametrize(
    "claims",
    [{"exp": SECONDS - jwt.LEEWAY}, {"iat": SECONDS + jwt.LEEWAY + 1}, {"nbf": SECONDS + jwt.LEEWAY + 1}],
    ids=str,
)
def test_tk_08_a_time_beyond_the_leeway_is_refused(claims: dict[str, Any]) -> None:
    """The attacker uses a token a second longer, or sooner, than clocks may differ."""
    assert reason(signed(claims=changed(CLAIMS, **claims))) in ("expired", "not valid yet")


def test_tk_08_the_leeway_is_at_most_a_minute() -> None:
    """The attacker uses an expired token, and gets a minute at most out of the leeway for wrong clocks."""
    assert 0 <= jwt.LEEWAY <= 60


def test_the_clock_is_the_callers() -> None:
    later = SECONDS + 900 + jwt.LEEWAY
    assert verify(ACCESS_TOKEN.token, now=later - 1)
    for now in (later, SECONDS - jwt.LEEWAY - 1):
        with pytest.raises(InvalidToken):
            verify(ACCESS_TOKEN.token, now=now)


def test_a_token_signed_by_the_library_gives_its_claims() -> None:
    pem = OURS.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert verify(library.encode(HEADER, dict(CLAIMS), RSAKey.import_key(pem))) == CLAIMS


def test_tk_01_the_algorithm_is_fixed_by_the_use_and_not_by_the_key() -> None:
    """The attacker gets a token signed by our key with an algorithm that another use of the verifier allows."""
    pem = OURS.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    header = HEADER | {"alg": "PS256"}
    token = library.encode(header, dict(CLAIMS), RSAKey.import_key(pem), algorithms=["PS256"])
    arguments: dict[str, Any] = {"typ": "at+jwt", "issuer": ISSUER, "audience": API, "now": SECONDS}
    assert jwt.verify(token, KEYS, **arguments, algorithms=["PS256"]) == CLAIMS
    assert reason(token) == "alg is not RS256"
    with pytest.raises(InvalidToken):
        jwt.verify(ACCESS_TOKEN.token, KEYS, **arguments, algorithms=["PS256"])


@pytest.mark.parametrize("keys", [KEYS, {"k1": KEYS["k1"]}], ids=["two keys", "one key"])
def test_tk_04_a_token_without_a_kid_is_refused_even_if_there_is_one_key(keys: PublicKeys) -> None:
    """The attacker leaves kid out, for the server to try its keys one by one or to take the only one."""
    assert reason(signed(changed(HEADER, kid=...)), keys=keys)


def test_tk_04_the_key_of_another_kid_does_not_verify() -> None:
    """The attacker names another key of ours than the one that signed."""
    assert reason(signed(HEADER | {"kid": "k2"})) == "the signature does not hold"


def test_tk_04_a_key_that_is_no_longer_published_verifies_nothing() -> None:
    """The attacker shows a token of a key that was withdrawn."""
    with pytest.raises(jwt.UnknownKey):
        verify(ACCESS_TOKEN.token, keys={"k2": KEYS["k2"]})
    with pytest.raises(jwt.UnknownKey):
        verify(ACCESS_TOKEN.token, keys={})


def test_tk_21_an_access_token_is_not_an_id_token_nor_the_other_way_round() -> None:
    """Both are signed by the same key, and only the type tells them apart (RFC 9068 section 2.1)."""
    assert reason(ACCESS_TOKEN.token, typ="JWT") == "typ is not JWT"
    assert reason(ID_TOKEN.token) == "typ is not at+jwt"


def test_tk_11_the_payload_is_not_looked_at_before_the_signature_holds() -> None:
    """The attacker's payload keeps a parser busy, or breaks it, and needs no key for that."""
    header, _, signature = ACCESS_TOKEN.token.split(".")
    for payload in ("W" * 12_000, "!", ""):
        assert reason(f"{header}.{payload}.{signature}") == "the signature does not hold"


def test_the_log_says_in_a_word_what_is_no_token() -> None:
    good = ACCESS_TOKEN.token
    for token in ("", "x", f"{good}.", good.replace(".", "", 1), f"{good}é", "A" * 20_000):
        assert reason(token) == "not a compact JWS"


def test_the_reason_repeats_little_of_what_was_sent() -> None:
    assert len(reason(signed(claims="x" * 10_000))) < 250


@given(st.integers(0, len(ACCESS_TOKEN.token) - 1), st.sampled_from([*LETTERS, *".=+/ \n"]))
def test_tk_17_a_token_with_any_character_changed_is_refused(position: int, character: str) -> None:
    """Also the last one, whose low bits hold nothing: one token has one spelling."""
    good = ACCESS_TOKEN.token
    token = good[:position] + character + good[position + 1 :]
    if token == good:
        assert verify(token) == CLAIMS
    else:
        reason(token)


@given(st.one_of(st.text(), st.text("AZaz09-_."), st.lists(st.text("AZaz09-_"), min_size=3, max_size=3).map(".".join)))
def test_no_text_is_a_token_and_none_raises_anything_but_invalid_token(token: str) -> None:
    reason(token)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c"]), JSON))
def test_a_header_of_any_kind_that_we_signed_raises_nothing_but_invalid_token(header: dict[str, Any]) -> None:
    try:
        verify(signed(HEADER | header))
    except InvalidToken:
        return
    assert header.items() <= HEADER.items()


@given(st.dictionaries(st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "sub", "jti", "scope"]), JSON))
def test_claims_of_any_kind_that_we_signed_raise_nothing_but_invalid_token(claims: dict[str, Any]) -> None:
    try:
        found = verify(signed(claims=CLAIMS | claims))
    except InvalidToken:
        return
    assert found["iss"] == ISSUER
    assert API in found["aud"]
    assert {type(found[name]) for name in ("exp", "iat", "nbf") if name in found} == {int}
    assert {type(found[name]) for name in ("sub", "jti", "scope") if name in found} == {str}
    assert found["exp"] > SECONDS - jwt.LEEWAY
