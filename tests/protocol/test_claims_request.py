"""The parameter claims, value by value, and what it makes of the request."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol.authorize import AuthorizationRequest, Refused, judge
from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS, acr_told
from idp.protocol.claims_request import ClaimsRequest, parse
from idp.protocol.errors import InvalidRequest, UnmetAuthenticationRequirements
from idp.protocol.id_token_hint import IdTokenHint
from tests.protocol.samples import CONFIDENTIAL
from tests.protocol.test_authorize import request

GOLD = "urn:mace:incommon:iap:gold"


def acr(**asked: Any) -> str:
    return json.dumps({"id_token": {"acr": asked}})


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (None, ClaimsRequest()),
        ("{}", ClaimsRequest()),
        ('{"id_token":null,"userinfo":null}', ClaimsRequest()),
        ('{"id_token":{"acr":null,"auth_time":{"essential":true}}}', ClaimsRequest()),
        (acr(essential=True), ClaimsRequest()),
        (acr(values=[ACR_TWO_FACTORS, GOLD]), ClaimsRequest(acr_values=(ACR_TWO_FACTORS,))),
        (acr(value=GOLD), ClaimsRequest()),
        (acr(essential=False, value=ACR_PASSWORD), ClaimsRequest(acr_values=(ACR_PASSWORD,))),
        (acr(essential=True, value=ACR_TWO_FACTORS), ClaimsRequest(essential_acr=(ACR_TWO_FACTORS,))),
        (
            acr(essential=True, values=[GOLD, ACR_PASSWORD, ACR_TWO_FACTORS, ACR_PASSWORD]),
            ClaimsRequest(essential_acr=(ACR_PASSWORD, ACR_TWO_FACTORS)),
        ),
        ('{"id_token":{"sub":{"value":"ana"}}}', ClaimsRequest(subject="ana")),
        ('{"id_token":{"sub":{"values":["ana"],"value":"ana"}}}', ClaimsRequest(subject="ana")),
        ('{"userinfo":{"email":{"essential":true},"acr":{"value":7}},"more":[1]}', ClaimsRequest()),
    ],
)
def test_what_is_asked(text: str | None, meaning: ClaimsRequest) -> None:
    assert parse(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "null", "1", '"{}"', "{", '{"id_token":[]}'[:-1], '{"id_token":{},"id_token":{}}', "\ufeff{}"),
        *('{"id_token":7}', '{"id_token":["acr"]}', '{"userinfo":"email"}', '{"id_token":{"acr":true}}'),
        *('{"id_token":{"acr":["a"]}}', '{"userinfo":{"email":1}}', '{"id_token":{"acr":{"essential":"yes"}}}'),
        *('{"id_token":{"acr":{"values":"a"}}}', '{"id_token":{"acr":{"value":1}}}'),
        *('{"id_token":{"acr":{"values":[null]}}}', '{"id_token":{"sub":{"value":null}}}'),
        *('{"id_token":{"sub":{"values":["ana","ben"]}}}', '{"id_token":{"acr":{"value":1.5}}}'),
        *('{"a":' * 9 + "{}" + "}" * 9, "[" * 100_000, '{"id_token":{"acr":{"value":"\\ud800"}}}'),
    ],
    ids=lambda text: ascii(text)[:60],
)
def test_az_16_another_shape_is_refused_and_never_an_error_of_ours(text: str) -> None:
    """The attacker sends wrong types, deep nesting, a name twice, and half a character."""
    with pytest.raises(InvalidRequest):
        parse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(st.sampled_from(["id_token", "acr", "sub", "essential", "value", "values"]), x)
        ),
    )
)
def test_az_16_any_json_is_judged(value: Any) -> None:
    """The attacker has a generator of JSON."""
    try:
        found = parse(json.dumps(value))
    except (InvalidRequest, UnmetAuthenticationRequirements):
        return
    assert set(found.acr_values) | set(found.essential_acr) <= {ACR_PASSWORD, ACR_TWO_FACTORS}


@pytest.mark.parametrize("asked", [{"value": GOLD}, {"values": [GOLD, "x"]}])
def test_an_essential_acr_that_does_not_exist_here_is_never_met(asked: dict[str, Any]) -> None:
    with pytest.raises(UnmetAuthenticationRequirements):
        parse(acr(essential=True, **asked))


def judged(**parameters: str) -> AuthorizationRequest:
    return judge(request(**parameters), CONFIDENTIAL, lambda token: IdTokenHint(token, "s1", "billing"))[0]


@pytest.mark.parametrize(
    ("parameters", "two"),
    [
        ({}, False),
        ({"acr_values": ACR_TWO_FACTORS}, True),
        ({"acr_values": f"{ACR_PASSWORD} {ACR_TWO_FACTORS}"}, False),
        ({"claims": acr(values=[ACR_TWO_FACTORS])}, True),
        ({"claims": acr(essential=True, value=ACR_TWO_FACTORS)}, True),
        ({"claims": acr(essential=True, values=[ACR_TWO_FACTORS, ACR_PASSWORD])}, False),
        ({"claims": acr(essential=True, value=ACR_PASSWORD)}, False),
        ({"claims": acr(essential=True, value=ACR_TWO_FACTORS), "acr_values": ACR_PASSWORD}, True),
        ({"claims": acr(essential=True, value=ACR_PASSWORD), "acr_values": ACR_TWO_FACTORS}, True),
        ({"claims": acr(essential=True)}, False),
    ],
)
def test_mf_11_two_factors_are_asked_for_where_nothing_less_will_do(parameters: dict[str, str], two: bool) -> None:
    """The attacker, who has one factor, drops the essential one by a weaker one in the other parameter."""
    assert judged(**parameters).asks_for_two_factors is two


def test_the_same_person_may_be_named_twice_and_two_may_not() -> None:
    ana = json.dumps({"id_token": {"sub": {"value": "ana"}}})
    assert judged(claims=ana, id_token_hint="ana").subject == "ana"
    assert judged(claims=ana).subject == "ana"
    with pytest.raises(Refused) as refused:
        judged(claims=ana, id_token_hint="ben")
    assert refused.value.error.error == "invalid_request"


def test_what_was_asked_survives_being_stored() -> None:
    asked = judged(claims=acr(essential=True, value=ACR_TWO_FACTORS))
    assert AuthorizationRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked


@pytest.mark.parametrize(
    ("proved", "essential", "told"),
    [
        (ACR_TWO_FACTORS, (), ACR_TWO_FACTORS),
        (ACR_PASSWORD, (), ACR_PASSWORD),
        (ACR_TWO_FACTORS, (ACR_TWO_FACTORS,), ACR_TWO_FACTORS),
        (ACR_TWO_FACTORS, (ACR_PASSWORD, ACR_TWO_FACTORS), ACR_TWO_FACTORS),
        (ACR_TWO_FACTORS, (ACR_PASSWORD,), ACR_PASSWORD),
        (ACR_PASSWORD, (ACR_TWO_FACTORS, ACR_PASSWORD), ACR_PASSWORD),
    ],
)
def test_the_acr_that_is_told_is_one_of_the_essential_ones_and_never_stronger_than_what_was_proved(
    proved: str, essential: tuple[str, ...], told: str
) -> None:
    assert acr_told(proved, essential) == told
