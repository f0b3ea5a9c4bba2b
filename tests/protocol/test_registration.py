from dataclasses import replace
from typing import Any

import pytest

from idp.protocol.clients import Client
from idp.protocol.errors import InvalidClientMetadata, InvalidRedirectUri, OAuthError
from idp.protocol.registration import Registration, check, register
from tests.protocol.samples import CALLBACK, CONFIDENTIAL, PUBLIC

NATIVE = "com.example.app:/cb"


def made(**wanted: Any) -> Client:
    return register("c1", Registration(**{"client_name": "Billing", "redirect_uris": (CALLBACK,), **wanted}))


def refused(error: type[OAuthError] = InvalidClientMetadata, **wanted: Any) -> str:
    """The reason, for the client's owner."""
    with pytest.raises(error) as caught:
        made(**wanted)
    return caught.value.reason


def test_the_least_that_can_be_asked_for_makes_a_confidential_client_with_pkce() -> None:
    assert made() == Client(
        client_id="c1",
        client_name="Billing",
        token_endpoint_auth_method="client_secret_basic",
        redirect_uris=(CALLBACK,),
        post_logout_redirect_uris=(),
        grant_types=("authorization_code", "refresh_token"),
        scope=("openid", "profile", "email", "offline_access"),
        audience=(),
        profile="oauth2.1",
    )
    assert made().pkce_required


@pytest.mark.parametrize(
    ("wanted", "method"),
    [
        ({}, "client_secret_basic"),
        ({"public": True}, "none"),
        ({"public": True, "token_endpoint_auth_method": "none"}, "none"),
        ({"token_endpoint_auth_method": "none"}, "none"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "client_secret_post"),
    ],
    ids=str,
)
def test_the_authentication_method_follows_from_what_is_asked_for(wanted: dict[str, Any], method: str) -> None:
    assert made(**wanted).token_endpoint_auth_method == method


@pytest.mark.parametrize(
    "wanted",
    [
        {"public": True, "token_endpoint_auth_method": "client_secret_basic"},
        {"public": True, "token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "NONE"},
        {"profile": "fapi2"},
        {"profile": ""},
        {"grant_types": ("password",)},
        {"grant_types": ("authorization_code", "implicit")},
        {"grant_types": ("Authorization_Code",)},
        {"grant_types": ("authorization_code ",)},
        {"grant_types": ("authorization_code", "client_credentials"), "public": True},
        {"grant_types": ("refresh_token",)},
        {"grant_types": ("refresh_token", "client_credentials")},
        {"grant_types": ("client_credentials",)},
        {"scope": 'openid "'},
        {"scope": "openid\temail"},
    ],
    ids=str,
)
def test_cd_08_what_does_not_exist_or_does_not_fit_together_is_refused(wanted: dict[str, Any]) -> None:
    """The attacker registers a grant, a method or a profile that does not exist, or two that contradict."""
    assert refused(**wanted)


@pytest.mark.parametrize("grant_types", [(), ("authorization_code",), ("authorization_code", "client_credentials")])
def test_a_client_that_signs_people_in_needs_a_redirect_uri(grant_types: tuple[str, ...]) -> None:
    assert refused(InvalidRedirectUri, redirect_uris=(), grant_types=grant_types)


def test_a_service_needs_none_and_has_no_scope_unless_it_asks_for_one() -> None:
    service = made(redirect_uris=(), grant_types=("client_credentials",))
    assert (service.scope, service.redirect_uris) == ((), ())
    asked = made(redirect_uris=(), grant_types=("client_credentials",), scope="reports.read")
    assert asked.scope == ("reports.read",)


@pytest.mark.parametrize(
    ("grant_types", "scope", "offline"),
    [
        (("authorization_code", "refresh_token"), None, True),
        (("authorization_code", "refresh_token"), "openid", False),
        (("authorization_code", "refresh_token"), "openid offline_access", True),
        (("authorization_code",), None, False),
        (("authorization_code",), "openid offline_access", False),
    ],
)
def test_az_19_offline_access_needs_the_refresh_grant(
    grant_types: tuple[str, ...], scope: str | None, offline: bool
) -> None:
    """Nobody is asked to allow what the client can never get."""
    assert ("offline_access" in made(grant_types=grant_types, scope=scope).scope) is offline


@pytest.mark.parametrize("field", ["redirect_uris", "post_logout_redirect_uris"])
@pytest.mark.parametrize(
    "uri", ["https://*.example.com/", "http://app.example.com/", "javascript:alert(1)", f"{CALLBACK}#", "/cb", ""]
)
def test_ru_05_every_address_is_checked_in_every_list(field: str, uri: str) -> None:
    """The attacker registers a dangerous address behind a good one, in either list."""
    assert refused(InvalidRedirectUri, **{field: (CALLBACK, uri)})


def test_ru_05_a_private_use_scheme_needs_a_public_client() -> None:
    """The attacker's app claims the same scheme on a phone as an app that relies on its secret."""
    assert made(redirect_uris=(NATIVE,), public=True).redirect_uris == (NATIVE,)
    assert refused(InvalidRedirectUri, redirect_uris=(NATIVE,))


def test_what_is_listed_twice_is_kept_once_in_its_order() -> None:
    client = made(
        redirect_uris=(CALLBACK, "https://b.example.com/", CALLBACK),
        grant_types=("authorization_code", "authorization_code"),
        audience=("https://api.example.com", "https://api.example.com"),
        scope="b a b",
    )
    assert client.redirect_uris == (CALLBACK, "https://b.example.com/")
    assert (client.grant_types, client.audience) == (("authorization_code",), ("https://api.example.com",))
    assert client.scope == ("b", "a")


@pytest.mark.parametrize("name", ["B", "  Billing ", "Ünïcödé 会計", "<b>bold</b>", "a" * 100])
def test_cr_13_a_name_is_kept_without_the_space_round_it(name: str) -> None:
    """The attacker pads his app's name with spaces, to look like another app in a list."""
    assert made(client_name=name).client_name == name.strip()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "a" * 101,
        "a\nb",
        "a\x00b",
        "a\tb",
        "\u202egnilliB",
        "Bil\u200bling",
        "a\u2028b",
        "a\ud800b",
        "\x1b[1m",
    ],
    ids=ascii,
)
def test_cr_13_a_name_that_is_empty_long_or_not_printable_is_refused(name: str) -> None:
    """A name that turns the text round, or hides letters, makes the consent page say something else."""
    assert refused(client_name=name)


@pytest.mark.parametrize("uri", ["https://api.example.com", "https://api.example.com/v1?x=1", "urn:example:api"])
def test_an_audience_is_an_absolute_uri(uri: str) -> None:
    assert made(audience=(uri,)).audience == (uri,)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "api",
        "/api",
        "//api.example.com",
        "https://api.example.com#f",
        "https://a b",
        "https://é",
        "https://[",
        "a\nb:c",
    ],
)
def test_any_other_audience_is_refused(uri: str) -> None:
    """RFC 8707 section 2."""
    assert refused(audience=(uri,))


def test_the_reason_names_what_is_wrong_and_the_description_repeats_nothing() -> None:
    with pytest.raises(InvalidClientMetadata) as caught:
        made(profile="<evil>")
    assert "<evil>" in caught.value.reason
    assert "evil" not in caught.value.description


@pytest.mark.parametrize("client", [CONFIDENTIAL, PUBLIC, replace(CONFIDENTIAL, audience=("urn:x",))])
def test_a_client_that_was_registered_passes_the_check_again(client: Client) -> None:
    check(client)


@pytest.mark.parametrize(
    "change",
    [{"profile": "x"}, {"token_endpoint_auth_method": "x"}, {"grant_types": ("x",)}, {"audience": ("x",)}],
    ids=str,
)
def test_a_stored_client_that_breaks_a_rule_does_not(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidClientMetadata):
        check(replace(CONFIDENTIAL, **change))


@pytest.mark.parametrize("name", ["P\u0430ypal", "Bank \u0391pp", "\u0421loud", "Goog\u217ce \u0405hop", "Acm\u0435"])
def test_un_08_a_name_whose_letters_only_look_like_those_of_another_is_refused(name: str) -> None:
    """The attacker registers an app under the name of a trusted one, with letters of another alphabet in it."""
    assert "two alphabets" in refused(client_name=name)


@pytest.mark.parametrize(
    "name",
    [
        "\u042f\u043d\u0434\u0435\u043a\u0441 Mail",
        "\u0391\u03b8\u03ae\u03bd\u03b1 2",
        "Caf\u00e9 M\u00fcller",
        "\u5fae\u4fe1 App",
        "3M\u2122",
    ],
)
def test_a_name_in_any_one_alphabet_a_word_is_accepted(name: str) -> None:
    assert made(client_name=name).client_name == name
