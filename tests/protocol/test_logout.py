import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from idp.protocol import logout
from idp.protocol.errors import InvalidRequest, InvalidToken, UnregisteredRedirectUri
from idp.protocol.id_token_hint import IdTokenHint
from idp.protocol.logout import LogoutRequest, PostLogoutAddress, address_of
from idp.protocol.params import from_pairs
from tests.protocol.samples import CONFIDENTIAL, params
from tests.protocol.test_redirects import MUTATIONS

BYE = "https://app.example.com/cb"  # what the mutations are made of
CLIENT = replace(CONFIDENTIAL, post_logout_redirect_uris=(BYE, "https://app.example.com/bye?tenant=1"))
ASKED = LogoutRequest("billing", BYE, "s", None)


def read_hint(token: str) -> IdTokenHint:
    """A table of hints in place of signatures."""
    known = {"anas": IdTokenHint("ana", "s1", "billing"), "without sid": IdTokenHint("ana", None, "billing")}
    if token not in known:
        raise InvalidToken("The token is not valid.", "no token of ours")
    return known[token]


def judge(**values: Any) -> LogoutRequest:
    return logout.judge(params(**values), read_hint)


@pytest.mark.parametrize(
    ("values", "judged"),
    [
        ({}, LogoutRequest(None, None, None, None)),
        ({"client_id": "billing"}, LogoutRequest("billing", None, None, None)),
        ({"id_token_hint": "anas"}, LogoutRequest("billing", None, None, "s1")),
        ({"id_token_hint": "without sid"}, LogoutRequest("billing", None, None, None)),
        ({"id_token_hint": "anas", "client_id": "billing"}, LogoutRequest("billing", None, None, "s1")),
        (
            {"id_token_hint": "anas", "post_logout_redirect_uri": BYE, "state": "é \t&"},
            LogoutRequest("billing", BYE, "é \t&", "s1"),
        ),
        ({"logout_hint": "ana@example.test", "ui_locales": "fr", "unknown": "x"}, LogoutRequest(*[None] * 4)),
    ],
)
def test_what_an_app_asks_is_read(values: dict[str, str], judged: LogoutRequest) -> None:
    assert judge(**values) == judged


def test_a_hint_that_cannot_be_read_proves_nothing_and_says_why() -> None:
    """Section 4: what failed to validate is not used; what does not need it goes on."""
    assert judge(id_token_hint="forged") == LogoutRequest(None, None, None, None, "no token of ours")
    asked = judge(id_token_hint="forged", client_id="billing", post_logout_redirect_uri=BYE)
    assert asked == LogoutRequest("billing", BYE, None, None, "no token of ours")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"id_token_hint": "anas", "client_id": "another"}, InvalidRequest),
        ({"post_logout_redirect_uri": BYE}, UnregisteredRedirectUri),
        ({"post_logout_redirect_uri": BYE, "id_token_hint": "forged"}, UnregisteredRedirectUri),
        ({"client_id": "billing", "state": "x" * 2049}, InvalidRequest),
        ({"client_id": "billing", "state": "a\nb"}, InvalidRequest),
    ],
)
def test_what_does_not_fit_together_is_refused(values: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        judge(**values)


@pytest.mark.parametrize(
    "name", ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales", "unknown"]
)
def test_a_parameter_that_came_twice_is_refused(name: str) -> None:
    """The attacker sends a parameter twice, and hopes that one reader takes the first and another the second."""
    with pytest.raises(InvalidRequest):
        logout.judge(from_pairs([("client_id", "billing"), (name, "x"), (name, "x")]), read_hint)


def test_a_registered_address_is_where_the_person_goes() -> None:
    found = address_of(ASKED, CLIENT)
    assert found is not None
    assert (found.uri, found.state) == (BYE, "s")


def test_where_no_address_was_asked_for_nobody_is_sent_anywhere() -> None:
    asked = replace(ASKED, post_logout_redirect_uri=None)
    assert address_of(asked, CLIENT) is None
    assert address_of(asked, None) is None


@pytest.mark.parametrize("uri", [*MUTATIONS, "https://app.example.com/bye", "https://app.example.com/bye?tenant=2", ""])
def test_ru_01_a_mutated_post_logout_address_is_refused(uri: str) -> None:
    """The attacker changes a registered address a little, and hopes that the browser reads it otherwise than we do."""
    with pytest.raises(UnregisteredRedirectUri) as refused:
        address_of(replace(ASKED, post_logout_redirect_uri=uri), CLIENT)
    assert uri not in refused.value.description or not uri


def test_ru_06_also_the_port_of_a_loopback_address_is_compared() -> None:
    """Another program of the machine waits on a port of its own for who signed out; no app needs that here."""
    native = replace(CLIENT, token_endpoint_auth_method="none", post_logout_redirect_uris=("http://127.0.0.1:7000/",))
    assert address_of(replace(ASKED, post_logout_redirect_uri="http://127.0.0.1:7000/"), native)
    with pytest.raises(UnregisteredRedirectUri):
        address_of(replace(ASKED, post_logout_redirect_uri="http://127.0.0.1:7001/"), native)


def test_a_redirect_uri_is_no_post_logout_address() -> None:
    client = replace(CLIENT, redirect_uris=("https://app.example.com/callback",))
    with pytest.raises(UnregisteredRedirectUri):
        address_of(replace(ASKED, post_logout_redirect_uri="https://app.example.com/callback"), client)


def test_an_address_that_was_not_validated_cannot_be_made() -> None:
    validated = address_of(ASKED, CLIENT)
    assert isinstance(validated, PostLogoutAddress)
    with pytest.raises(TypeError):
        PostLogoutAddress("https://evil.test/", None, object())
    with pytest.raises((TypeError, ValueError)):
        replace(validated, uri="https://evil.test/")  # type: ignore[call-arg]
    assert copy.copy(validated) == validated


def test_a_request_is_the_same_after_its_way_through_json() -> None:
    for asked in (ASKED, judge(id_token_hint="anas"), judge(id_token_hint="forged", state="\u2028\U0001f600")):
        assert LogoutRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked
