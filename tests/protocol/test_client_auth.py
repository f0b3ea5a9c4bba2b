import base64
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol.client_auth import ClientCredentials, check, hash_secret, read
from idp.protocol.clients import BASIC, NONE, POST, Client
from idp.protocol.errors import InvalidClient, InvalidRequest, OAuthError
from tests.protocol.samples import CONFIDENTIAL, PUBLIC, params

SECRET = "7Fjfp0ZBr1KtDRbnfVdmIw"
HASHES = (hash_secret(SECRET),)
VSCHARS = "".join(map(chr, range(0x20, 0x7F)))
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{quote_plus(user)}:{quote_plus(password)}".encode()).decode()


def encoded(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_the_basic_header_of_rfc_6749_section_2_3_1_is_read() -> None:
    assert read("Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3", params()) == ClientCredentials(
        "s6BhdRkqt3", BASIC, SECRET
    )


@pytest.mark.parametrize(
    ("joined", "client_id", "secret"),
    [
        ("a:b", "a", "b"),
        ("a:b:c", "a", "b:c"),
        ("a%3Ab:c", "a:b", "c"),
        ("a+b:c+d", "a b", "c d"),
        ("a%20b:c%2Bd", "a b", "c+d"),
        ("a:100%25", "a", "100%"),
        ("a:100%2525", "a", "100%25"),
        ("a:b%", "a", "b%"),
        ("https%3A%2F%2Fapp.example.com:s", "https://app.example.com", "s"),
    ],
)
def test_both_parts_of_basic_are_form_decoded_once_after_they_are_split(
    joined: str, client_id: str, secret: str
) -> None:
    assert read(encoded(joined), params()) == ClientCredentials(client_id, BASIC, secret)


@given(st.text(VSCHARS, min_size=1), st.text(VSCHARS, min_size=1))
def test_what_a_client_encodes_by_the_standard_is_read_as_it_was(client_id: str, secret: str) -> None:
    assert read(basic(client_id, secret), params()) == ClientCredentials(client_id, BASIC, secret)


@pytest.mark.parametrize("scheme", ["basic ", "BASIC ", "bAsIc  "])
def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    """RFC 9110 section 11.1."""
    assert read(scheme + "YTpi", params()) == ClientCredentials("a", BASIC, "b")


@pytest.mark.parametrize(
    "header",
    [
        *("", "Basic", "Basic ", "YTpi", "Bearer YTpi", "Digest YTpi", "Basic YTpi YTpi", "Basic,YTpi", "BasicYTpi"),
        *("Basic YTpi!", "Basic Y", "Basic =", "Basic é", "Basic \ud800", "Basic YTp\ni"),
        *(encoded("a"), encoded(":"), encoded("a:"), encoded(":b"), encoded(b"\xff:b"), encoded(b"a:\xff")),
        *(encoded("a:%FF"), encoded("%C0%80:b"), encoded("a:" + "b" * 4096)),
    ],
)
def test_a_malformed_header_is_invalid_client(header: str) -> None:
    with pytest.raises(InvalidClient):
        read(header, params())


@pytest.mark.parametrize("character", ["\0", "%00", "\n", "%0D%0A", "\x7f", "%1B", "é", "%C3%A9", "%E2%82%AC"])
@pytest.mark.parametrize("template", ["a{}:b", "a:b{}"])
def test_un_02_control_characters_in_basic_are_refused(template: str, character: str) -> None:
    """The header passes by the parameters' own check: a NUL in the client_id would be an error of the database."""
    with pytest.raises(InvalidClient):
        read(encoded(template.format(character)), params())


@pytest.mark.parametrize(
    ("sent", "method", "secret"),
    [
        ({"client_id": "a", "client_secret": "b"}, POST, "b"),
        ({"client_id": "a"}, NONE, None),
        ({"client_id": "a", "client_secret": ""}, NONE, None),
    ],
)
def test_the_body_may_hold_the_secret_or_none(sent: dict[str, Any], method: str, secret: str | None) -> None:
    assert read(None, params(**sent)) == ClientCredentials("a", method, secret)


@pytest.mark.parametrize("sent", [{}, {"client_id": ""}, {"client_secret": "b"}])
def test_ca_01_who_does_not_say_which_client_it_is_is_invalid_client(sent: dict[str, Any]) -> None:
    """The attacker asks without saying which client he is, or sends a secret alone."""
    with pytest.raises(InvalidClient):
        read(None, params(**sent))


@pytest.mark.parametrize("sent", [{}, {"client_id": "a"}, {"client_id": ""}])
def test_the_client_id_may_stand_beside_basic_if_it_is_the_same(sent: dict[str, Any]) -> None:
    assert read(basic("a", "b"), params(**sent)).method == BASIC


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        (basic("a", "b"), {"client_secret": "b"}),
        (basic("a", "b"), {"client_id": "a", "client_secret": "b"}),
        (basic("a", "b"), {"client_id": "other"}),
        (basic("a", "b"), {"client_id": "A"}),
        (basic("a", "b"), {"client_assertion": "e30.e30.", "client_assertion_type": ASSERTION}),
        (None, {"client_id": "a", "client_secret": "b", "client_assertion": "e30.e30."}),
        (None, {"client_id": "a", "client_secret": "b", "client_assertion_type": ASSERTION}),
        (None, {"client_id": "a", "client_assertion": "e30.e30.", "client_assertion_type": ASSERTION}),
    ],
)
def test_ca_02_two_methods_at_once_or_one_that_is_not_supported_are_refused(
    header: str | None, sent: dict[str, Any]
) -> None:
    """One method authenticates, another names who is served: an attacker acts as somebody else's client."""
    with pytest.raises((InvalidRequest, InvalidClient)):
        read(header, params(**sent))


@given(st.one_of(st.none(), st.text(), st.text("abc:%=\x00é").map(encoded), st.binary().map(encoded)))
def test_reading_raises_nothing_but_errors_of_the_protocol(header: str | None) -> None:
    try:
        found = read(header, params())
    except OAuthError:
        return
    assert found.client_id
    assert found.secret


CLIENTS = {
    BASIC: CONFIDENTIAL,
    POST: replace(CONFIDENTIAL, token_endpoint_auth_method=POST),
    NONE: PUBLIC,
}


@pytest.mark.parametrize("registered", CLIENTS)
@pytest.mark.parametrize("used", CLIENTS)
def test_ca_03_only_the_registered_method_is_accepted(used: str, registered: str) -> None:
    """An attacker picks the weakest method that the server knows, above all `none`."""
    client = CLIENTS[registered]
    credentials = ClientCredentials(client.client_id, used, None if used == NONE else SECRET)
    hashes = () if registered == NONE else HASHES
    if used == registered:
        assert check(credentials, client, hashes) is client
    else:
        with pytest.raises(InvalidClient):
            check(credentials, client, hashes)


@pytest.mark.parametrize("method", [BASIC, POST])
@pytest.mark.parametrize("hashes", [(), HASHES])
def test_ca_12_a_public_client_gains_nothing_by_a_secret(method: str, hashes: tuple[str, ...]) -> None:
    """A secret sent in the name of a public client must not make it a confidential one, whatever the store holds."""
    with pytest.raises(InvalidClient):
        check(ClientCredentials(PUBLIC.client_id, method, SECRET), PUBLIC, hashes)


@pytest.mark.parametrize(
    "secret", ["", SECRET[:-1], SECRET + "a", SECRET.lower(), " " + SECRET, HASHES[0], "\0", "é", "\ud800", None]
)
@pytest.mark.parametrize("client", [CLIENTS[BASIC], CLIENTS[POST]], ids=[BASIC, POST])
def test_a_wrong_secret_is_refused(client: Client, secret: str | None) -> None:
    credentials = ClientCredentials(client.client_id, client.token_endpoint_auth_method, secret)
    with pytest.raises(InvalidClient):
        check(credentials, client, HASHES)


@pytest.mark.parametrize("secret", ["", "\0", SECRET, None])
@pytest.mark.parametrize("client", [CLIENTS[BASIC], CLIENTS[POST]], ids=[BASIC, POST])
def test_a_client_without_a_live_secret_is_refused_whatever_it_sends(client: Client, secret: str | None) -> None:
    """What is hashed in the place of an absent secret, so that the time tells nothing, must open nothing."""
    credentials = ClientCredentials(client.client_id, client.token_endpoint_auth_method, secret)
    with pytest.raises(InvalidClient):
        check(credentials, client, ())


@pytest.mark.parametrize("credentials", [ClientCredentials("x", NONE, None), ClientCredentials("x", BASIC, "\0")])
def test_an_unknown_client_is_refused(credentials: ClientCredentials) -> None:
    with pytest.raises(InvalidClient):
        check(credentials, None, ())


@pytest.mark.parametrize("position", [0, 1, 2])
def test_ca_07_each_live_secret_opens_so_that_secrets_can_be_rotated(position: int) -> None:
    """An owner replaces a secret that leaked, and must not be locked out while the old one still lives."""
    others = [hash_secret("one"), hash_secret("two")]
    others.insert(position, HASHES[0])
    assert check(ClientCredentials("billing", BASIC, SECRET), CONFIDENTIAL, tuple(others)) is CONFIDENTIAL


def test_every_refusal_says_the_same() -> None:
    """An answer that tells an unknown client from a wrong secret lists the clients."""
    answers = set()
    for credentials, client in [
        (ClientCredentials("x", BASIC, SECRET), None),
        (ClientCredentials("billing", BASIC, "wrong"), CONFIDENTIAL),
        (ClientCredentials("billing", POST, SECRET), CONFIDENTIAL),
    ]:
        with pytest.raises(InvalidClient) as refused:
            check(credentials, client, HASHES if client else ())
        answers.add((refused.value.description, refused.value.status, refused.value.error))
    assert answers == {("Client authentication failed.", 401, "invalid_client")}


def test_ca_07_a_secret_is_kept_as_its_sha_256() -> None:
    """Whoever steals the database finds hashes instead of secrets: this one is of FIPS 180-2 appendix B.1."""
    assert hash_secret("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
