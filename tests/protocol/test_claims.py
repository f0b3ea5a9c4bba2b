import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp.protocol import claims
from idp.protocol.claims import ID_TOKEN_CLAIMS, SCOPE_CLAIMS, Authentication, Entitlement
from tests.protocol.samples import ISSUER, NOW, SECONDS

PROOF = Authentication(sid="s1", auth_time=NOW - timedelta(minutes=5, milliseconds=1), amr=("pwd",), acr="urn:x")
PERSON = Entitlement(
    client_id="billing",
    scope=("openid", "email"),
    audience=(),
    grant_id="g1",
    sub="ana",
    authentication=PROOF,
    nonce="n-0S6_WzA2Mj",
)
SERVICE = replace(PERSON, scope=("reports.read",), grant_id=None, sub=None, authentication=None, nonce=None)
ACCESS_TOKEN = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"


def access_token(entitlement: Entitlement) -> dict[str, Any]:
    return claims.access_token(entitlement, issuer=ISSUER, jti="j1", now=SECONDS, lifetime=900)


def id_token(entitlement: Entitlement) -> dict[str, Any]:
    return claims.id_token(entitlement, issuer=ISSUER, access_token=ACCESS_TOKEN, now=SECONDS, lifetime=600)


@pytest.mark.parametrize(
    ("token", "half"),
    [
        (ACCESS_TOKEN, "77QmUPtjPfzWtF2AnpK9RQ"),
        ("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA"),
    ],
    ids=["at_hash", "c_hash"],
)
def test_tk_18_the_half_hash_is_that_of_openid_connect_core_appendix_a(token: str, half: str) -> None:
    """The attacker swaps the access token beside an ID token: by at_hash the app finds out."""
    assert claims.at_hash(token) == half
    assert len(base64.urlsafe_b64decode(half + "==")) == 16


def test_tk_21_the_access_token_of_a_person_has_the_claims_of_rfc_9068_and_no_more() -> None:
    """A curious API looks into a person's token, and finds no more of the person than RFC 9068 asks for."""
    assert access_token(PERSON) == {
        "iss": ISSUER,
        "sub": "ana",
        "aud": ISSUER,
        "client_id": "billing",
        "iat": SECONDS,
        "exp": SECONDS + 900,
        "jti": "j1",
        "scope": "openid email",
        "grant": "g1",
        "auth_time": SECONDS - 301,
        "acr": "urn:x",
        "amr": ["pwd"],
    }


def test_tk_21_the_access_token_of_a_service_names_the_service_and_no_person() -> None:
    """A service shows its own token where that of a person is expected."""
    assert access_token(SERVICE) == {
        "iss": ISSUER,
        "sub": "billing",
        "aud": ISSUER,
        "client_id": "billing",
        "iat": SECONDS,
        "exp": SECONDS + 900,
        "jti": "j1",
        "scope": "reports.read",
    }


def test_a_token_without_a_scope_has_no_empty_one() -> None:
    assert "scope" not in access_token(replace(SERVICE, scope=()))


@pytest.mark.parametrize(
    ("audience", "aud"),
    [
        ((), ISSUER),
        (("https://api.example.com",), "https://api.example.com"),
        (("https://a.example.com", "https://b.example.com"), ["https://a.example.com", "https://b.example.com"]),
    ],
)
def test_the_audience_is_the_issuer_unless_the_client_names_another(audience: tuple[str, ...], aud: Any) -> None:
    """A token for everybody is a token that one API can use at another."""
    assert access_token(replace(PERSON, audience=audience))["aud"] == aud


def test_tk_18_the_id_token_has_the_claims_of_the_code_flow() -> None:
    """The attacker brings an app an ID token of another sign-in: its claims tell the two apart."""
    assert id_token(PERSON) == {
        "iss": ISSUER,
        "sub": "ana",
        "aud": "billing",
        "iat": SECONDS,
        "exp": SECONDS + 600,
        "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
        "nonce": "n-0S6_WzA2Mj",
        "auth_time": SECONDS - 301,
        "acr": "urn:x",
        "amr": ["pwd"],
        "sid": "s1",
    }


def test_tk_18_an_id_token_without_a_nonce_has_no_empty_one() -> None:
    """The attacker takes the nonce out of the request, for an empty one in the token to pass a comparison."""
    assert "nonce" not in id_token(replace(PERSON, nonce=None))


def test_the_audience_of_the_id_token_is_the_client_whatever_the_access_token_is_for() -> None:
    assert id_token(replace(PERSON, audience=("https://api.example.com",)))["aud"] == "billing"


@pytest.mark.parametrize("nonce", ["", "é€𝄞", "x" * 1024])
def test_az_07_the_nonce_is_given_back_as_it_was(nonce: str) -> None:
    """The attacker replays an ID token, which the app notices by a nonce that was not changed on its way."""
    assert json.loads(json.dumps(id_token(replace(PERSON, nonce=nonce))))["nonce"] == nonce


def test_every_claim_of_the_id_token_is_advertised() -> None:
    assert set(id_token(PERSON)) == set(ID_TOKEN_CLAIMS)


@pytest.mark.parametrize(
    ("scope", "sub", "openid"),
    [
        (("openid",), "ana", True),
        (("email", "openid"), "ana", True),
        (("email",), "ana", False),
        (("OPENID",), "ana", False),
        ((), "ana", False),
        (("openid",), None, False),
    ],
)
def test_az_20_an_id_token_needs_a_person_and_the_granted_scope_openid(
    scope: tuple[str, ...], sub: str | None, openid: bool
) -> None:
    """An app wants an ID token without the granted scope openid, or without any person."""
    assert replace(PERSON, scope=scope, sub=sub).openid is openid


ANA = {
    "name": "Ana",
    "nickname": "",
    "picture": None,
    "updated_at": 0,
    "email": "ana@example.test",
    "email_verified": False,
    "address": {"locality": "Ulm"},
    "phone_number": "+49",
    "password": "secret",
    "sub": "somebody else",
}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ((), {"sub"}),
        (("openid",), {"sub"}),
        (("openid", "profile"), {"sub", "name", "nickname", "updated_at"}),
        (("openid", "email"), {"sub", "email", "email_verified"}),
        (("openid", "address"), {"sub", "address"}),
        (("openid", "phone"), {"sub", "phone_number"}),
        (("openid", "sub", "password", "name", "reports.read", "offline_access"), {"sub"}),
    ],
)
def test_in_07_userinfo_gives_the_claims_of_the_granted_scopes_that_the_person_has(
    scope: tuple[str, ...], expected: set[str]
) -> None:
    """An app asks for scopes named like secrets or claims, to be told what the person did not allow it."""
    given = claims.userinfo("ana", scope, ANA)
    assert set(given) == expected
    assert {name: value for name, value in given.items() if name != "sub"} == {
        name: ANA[name] for name in expected - {"sub"}
    }


def test_in_07_the_subject_is_the_tokens_and_never_a_claim_of_the_persons() -> None:
    """The attacker has a claim named sub stored with his account, to be somebody else at every app."""
    assert claims.userinfo("ana", tuple(SCOPE_CLAIMS), ANA)["sub"] == "ana"


def test_in_07_an_address_that_is_not_confirmed_is_said_to_be_so() -> None:
    """The attacker gives an address that is not his: apps are told that nobody confirmed it."""
    assert claims.userinfo("ana", ("email",), ANA)["email_verified"] is False


def test_the_claims_of_a_scope_are_those_of_openid_connect_core_section_5_4() -> None:
    assert {scope: set(names) for scope, names in SCOPE_CLAIMS.items()} == {
        "profile": {
            *("name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile"),
            *("picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"),
        },
        "email": {"email", "email_verified"},
        "address": {"address"},
        "phone": {"phone_number", "phone_number_verified"},
    }
