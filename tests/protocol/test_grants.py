import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp.protocol import grants
from idp.protocol.claims import Authentication, Entitlement
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidGrant, InvalidRequest, InvalidScope, UnauthorizedClient, UnsupportedGrantType
from idp.protocol.grants import authorization_code, client_credentials
from idp.protocol.grants.authorization_code import Code, Exchange
from tests.protocol.samples import CALLBACK, CHALLENGE, CONFIDENTIAL, NOW, PUBLIC, VERIFIER, params

EXPIRES = NOW + timedelta(seconds=60)
CODE = Code(
    grant_id="g1",
    client_id="billing",
    redirect_uri=CALLBACK,
    scope=("openid", "email", "offline_access"),
    nonce="n1",
    code_challenge=CHALLENGE,
    user_id="ana",
    sid="s1",
    auth_time=NOW - timedelta(minutes=1, microseconds=5),
    amr=("pwd",),
    acr="urn:x",
)
GOOD = {"redirect_uri": CALLBACK, "code_verifier": VERIFIER}
SERVICE = replace(CONFIDENTIAL, grant_types=("client_credentials",), scope=("openid", "reports.read"))


def exchanged(code: Code = CODE, client: Client = CONFIDENTIAL, **sent: str) -> Exchange:
    return authorization_code.check(code, EXPIRES, params(**{**GOOD, **sent}), client, NOW)


@pytest.mark.parametrize("grant_type", grants.GRANTS)
def test_a_grant_that_exists_is_selected_for_a_client_that_may_use_it(grant_type: str) -> None:
    client = replace(CONFIDENTIAL, grant_types=(grant_type,))
    assert grants.select(params(grant_type=grant_type), client) == grant_type


@pytest.mark.parametrize("grant_type", grants.GRANTS)
def test_cd_08_a_grant_that_the_client_may_not_use_is_unauthorized(grant_type: str) -> None:
    """The attacker has a client's secret and uses a grant that the client did not register."""
    client = replace(CONFIDENTIAL, grant_types=tuple(name for name in grants.GRANTS if name != grant_type))
    with pytest.raises(UnauthorizedClient):
        grants.select(params(grant_type=grant_type), client)


@pytest.mark.parametrize(
    "grant_type",
    [
        *(
            "password",
            "implicit",
            "authorization_code ",
            " authorization_code",
            "Authorization_Code",
            "AUTHORIZATION_CODE",
        ),
        *("authorization_code\n", "['authorization_code']", "authorization_code,refresh_token", "refresh"),
        *("urn:ietf:params:oauth:grant-type:device_code", "URN:ietf:params:oauth:grant-type:device_code"),
    ],
)
def test_cd_08_a_grant_that_does_not_exist_is_unsupported(grant_type: str) -> None:
    """The attacker tries grants that were abolished, or spells one so that two checks read it differently."""
    client = replace(CONFIDENTIAL, grant_types=(*grants.GRANTS, grant_type))
    with pytest.raises(UnsupportedGrantType):
        grants.select(params(grant_type=grant_type), client)


@pytest.mark.parametrize("sent", [{}, {"grant_type": ""}], ids=["missing", "empty"])
def test_cd_08_a_request_without_a_grant_type_is_invalid(sent: dict[str, str]) -> None:
    """The attacker leaves grant_type away, for the server to guess one."""
    with pytest.raises(InvalidRequest):
        grants.select(params(**sent), CONFIDENTIAL)


def test_a_good_code_gives_what_it_was_made_for() -> None:
    assert exchanged() == Exchange(
        Entitlement(
            client_id="billing",
            scope=("openid", "email", "offline_access"),
            audience=(),
            grant_id="g1",
            sub="ana",
            authentication=Authentication("s1", CODE.auth_time, ("pwd",), "urn:x"),
            nonce="n1",
        ),
        refresh=True,
        offline=True,
    )


def test_the_audience_is_the_clients() -> None:
    client = replace(CONFIDENTIAL, audience=("https://api.example.com",))
    assert exchanged(client=client).entitlement.audience == ("https://api.example.com",)


@pytest.mark.parametrize(
    ("may_refresh", "asked_offline", "refresh", "offline"),
    [(True, True, True, True), (True, False, True, False), (False, True, False, False), (False, False, False, False)],
)
def test_az_19_a_refresh_token_needs_the_grant_and_outlives_the_session_only_by_consent(
    may_refresh: bool, asked_offline: bool, refresh: bool, offline: bool
) -> None:
    """An app that may not refresh asks for offline_access, and one that may hopes to get it without asking."""
    client = replace(CONFIDENTIAL, grant_types=CONFIDENTIAL.grant_types if may_refresh else ("authorization_code",))
    code = replace(CODE, scope=("openid", "offline_access") if asked_offline else ("openid",))
    found = exchanged(code, client)
    assert (found.refresh, found.offline) == (refresh, offline)
    assert ("offline_access" in found.entitlement.scope) is offline
    assert "openid" in found.entitlement.scope


@pytest.mark.parametrize(
    ("allowed", "got", "offline"),
    [
        (("openid", "email", "offline_access", "profile"), ("openid", "email", "offline_access"), True),
        (("openid", "email"), ("openid", "email"), False),
        (("email", "offline_access"), ("email", "offline_access"), True),
        ((), (), False),
    ],
)
def test_cd_14_what_the_client_lost_since_the_code_was_given_it_does_not_get(
    allowed: tuple[str, ...], got: tuple[str, ...], offline: bool
) -> None:
    """An app keeps a code back until an operator has taken scopes from it, and then redeems it for all of them."""
    found = exchanged(client=replace(CONFIDENTIAL, scope=allowed))
    assert (found.entitlement.scope, found.offline) == (got, offline)
    assert found.entitlement.openid is ("openid" in got)


@pytest.mark.parametrize(
    "client", [PUBLIC, replace(CONFIDENTIAL, client_id="Billing"), replace(CONFIDENTIAL, client_id="")]
)
def test_cd_02_a_code_of_one_client_is_nothing_to_another(client: Client) -> None:
    """A client that anybody may register redeems the codes it stole from others."""
    with pytest.raises(InvalidGrant) as refused:
        exchanged(client=client)
    assert refused.value.reason == "the code was given to the client billing"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        f"{CALLBACK}/",
        f"{CALLBACK}?x=1",
        CALLBACK.upper(),
        "https://other.example.com/cb",
        "https://evil.test/",
        "/cb",
    ],
)
def test_cd_03_the_redirect_uri_is_the_one_of_the_request(uri: str) -> None:
    """RFC 6749 section 4.1.3: a code that was injected into another address's answer is found out here."""
    client = replace(CONFIDENTIAL, redirect_uris=(CALLBACK, "https://other.example.com/cb"))
    with pytest.raises(InvalidGrant):
        exchanged(client=client, redirect_uri=uri)


def test_cd_03_it_may_not_be_left_out_since_every_authorization_request_has_one() -> None:
    """The attacker injects a code and leaves redirect_uri away, so that nothing is compared."""
    with pytest.raises(InvalidGrant):
        authorization_code.check(CODE, EXPIRES, params(code_verifier=VERIFIER), CONFIDENTIAL, NOW)


def test_ru_06_a_native_apps_port_is_part_of_it() -> None:
    """The attacker caught a code at another port of the machine and redeems it with that address."""
    code = replace(CODE, client_id="phone", redirect_uri="http://127.0.0.1:4000/cb")
    exchanged(code, PUBLIC, redirect_uri="http://127.0.0.1:4000/cb")
    with pytest.raises(InvalidGrant):
        exchanged(code, PUBLIC, redirect_uri="http://127.0.0.1:4001/cb")


@pytest.mark.parametrize("seconds", [0, 1, 3600])
def test_a_code_is_dead_from_the_moment_it_expires(seconds: int) -> None:
    with pytest.raises(InvalidGrant):
        authorization_code.check(CODE, EXPIRES, params(**GOOD), CONFIDENTIAL, EXPIRES + timedelta(seconds=seconds))
    just_before = EXPIRES - timedelta(microseconds=1)
    authorization_code.check(CODE, EXPIRES, params(**GOOD), CONFIDENTIAL, just_before)


@pytest.mark.parametrize("verifier", ["", CHALLENGE, VERIFIER + "x", VERIFIER[:-1], VERIFIER.swapcase()])
def test_pk_01_and_pk_05_the_verifier_is_checked(verifier: str) -> None:
    """The attacker redeems a stolen code with no verifier, the challenge itself, or a verifier that is nearly right."""
    with pytest.raises(InvalidGrant):
        exchanged(code_verifier=verifier)


def test_pk_02_a_verifier_for_a_code_without_a_challenge_is_refused() -> None:
    """The attacker strips the challenge from the request of an app that later sends its verifier all the same."""
    code = replace(CODE, code_challenge=None)
    with pytest.raises(InvalidGrant):
        exchanged(code)
    assert exchanged(code, code_verifier="").entitlement.sub == "ana"


def test_every_refused_code_gets_the_same_answer() -> None:
    answers = set()
    for code, uri, verifier in [
        (replace(CODE, client_id="x"), CALLBACK, VERIFIER),
        (CODE, "x", VERIFIER),
        (CODE, CALLBACK, ""),
        (replace(CODE, code_challenge=None), CALLBACK, VERIFIER),
    ]:
        with pytest.raises(InvalidGrant) as refused:
            exchanged(code, redirect_uri=uri, code_verifier=verifier)
        answers.add(refused.value.description)
    assert answers == {"The authorization code is not valid."}


@pytest.mark.parametrize("change", [{}, {"nonce": None, "code_challenge": None}, {"scope": (), "amr": ()}], ids=str)
def test_a_code_comes_back_from_json_as_it_was(change: dict[str, Any]) -> None:
    code = replace(CODE, **change)
    assert Code.from_json(json.loads(json.dumps(code.to_json()))) == code


def test_a_service_acts_for_itself() -> None:
    assert client_credentials.check(params(), replace(SERVICE, audience=("urn:api",))) == Entitlement(
        client_id="billing",
        scope=("reports.read",),
        audience=("urn:api",),
        grant_id=None,
        sub=None,
        authentication=None,
        nonce=None,
    )


def test_a_service_never_gets_an_id_token_or_the_scopes_of_a_person() -> None:
    found = client_credentials.check(params(scope="openid reports.read"), SERVICE)
    assert found.scope == ("reports.read",)
    assert not found.openid


def test_a_service_gets_no_scope_that_it_may_not_have() -> None:
    with pytest.raises(InvalidScope):
        client_credentials.check(params(scope="reports.write"), SERVICE)
