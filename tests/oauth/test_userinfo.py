"""The userinfo endpoint, over HTTP."""

from typing import Any

import pytest

from tests.oauth.wire import FORM, App, claims_of, granted, register, send, sql, userinfo
from tests.provider import PASSWORD, Browser, Provider, answer_of

EVA = "eva@example.test"
CLAIMS = {
    "given_name": "Eva",
    "family_name": "Example",
    "nickname": "<b>E</b>",
    "locale": "pt-BR",
    "birthdate": "0000-10-31",
    "phone_number": "+351 21 000 0000",
    "phone_number_verified": "true",
    "address": '{"locality": "Lisboa", "country": "PT"}',
}


@pytest.fixture(scope="module")
def eva(provider: Provider) -> tuple[dict[str, Any], App, Browser]:
    """A person with every kind of claim and an address that nobody confirmed; an app that may ask for all of it."""
    options = [part for name, value in CLAIMS.items() for part in ("--claim", f"{name}={value}")]
    person = provider.cli("user", "create", EVA, "--name", "Eva Ω", "--password-stdin", *options, stdin=PASSWORD + "\n")
    app = register(provider, scope="openid profile email address phone offline_access")
    browser = Browser(provider.issuer)
    assert "code" in answer_of(browser.sign_in(app.url(scope="openid profile email address phone"), email=EVA))
    return person, app, browser


EXPECTED = {
    "openid": {},
    "openid profile": {
        "name": "Eva Ω",
        "given_name": "Eva",
        "family_name": "Example",
        "nickname": "<b>E</b>",
        "locale": "pt-BR",
        "birthdate": "0000-10-31",
    },
    "openid email": {"email": EVA, "email_verified": False},
    "openid phone": {"phone_number": "+351 21 000 0000", "phone_number_verified": True},
    "openid address": {"address": {"locality": "Lisboa", "country": "PT"}},
}


@pytest.mark.parametrize(("scope", "expected"), EXPECTED.items(), ids=EXPECTED.keys())
def test_in_07_userinfo_gives_the_claims_of_the_granted_scopes_and_no_other(
    provider: Provider, eva: tuple[dict[str, Any], App, Browser], scope: str, expected: dict[str, Any]
) -> None:
    """An app gets what the person allowed it, about the person of its ID token, and no address passes for confirmed."""
    person, app, browser = eva
    tokens = app.tokens(browser, scope=scope)
    answer = userinfo(provider, tokens["access_token"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told.pop("sub") == person["sub"] == claims_of(tokens["id_token"])["sub"]
    if scope == "openid profile":
        assert isinstance(told.pop("updated_at"), int)
    assert told == expected


def test_in_07_a_confirmed_address_is_said_to_be(provider: Provider, app: App, ana: Browser) -> None:
    """An app decides by email_verified whom it lets in: it is true where the address was confirmed."""
    told = userinfo(provider, app.tokens(ana)["access_token"]).json()
    assert (told["email"], told["email_verified"]) == ("ana@example.test", True)


def test_in_07_a_narrowed_token_gives_less(provider: Provider, app: App, ana: Browser) -> None:
    """An app asks for less for a component that it trusts less."""
    tokens = app.tokens(ana, scope="openid profile email")
    narrow = granted(app.refresh(tokens["refresh_token"], scope="openid"))
    assert userinfo(provider, narrow["access_token"]).json().keys() == {"sub"}


def test_the_token_may_come_in_the_header_or_in_a_posted_form(provider: Provider, app: App, ana: Browser) -> None:
    token = app.tokens(ana)["access_token"]
    url, header = f"{provider.issuer}/userinfo", {"Authorization": f"Bearer {token}"}
    answers = [
        send("GET", url, headers=header),
        send("POST", url, headers=header),
        send("POST", url, headers=header, data={"unheard_of": "1"}),
        send("POST", url, data={"access_token": token}),
        send("GET", url, headers={"Authorization": f"bearer  {token}"}),
        send("POST", url, headers=header | {"Content-Type": FORM}, content=b""),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_in_08_no_token_is_a_challenge_without_an_error(provider: Provider) -> None:
    """RFC 6750 section 3.1: whoever sent no token is told how to send one, and nothing else."""
    url = f"{provider.issuer}/userinfo"
    for answer in (
        send("GET", url),
        send("POST", url),
        send("POST", url, data={"access_token": ""}),
        send("GET", f"{url}?access_token=x"),
        send("GET", url, auth=("client", "secret")),
        send("GET", url, headers={"Authorization": "Bearer"}),
    ):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="userinfo"'
        assert answer.headers["cache-control"] == "no-store"


def test_in_08_a_token_in_the_query_is_not_read(provider: Provider, app: App, ana: Browser) -> None:
    """A token in an address ends up in logs and histories."""
    token = app.tokens(ana)["access_token"]
    assert send("GET", f"{provider.issuer}/userinfo?access_token={token}").status_code == 401
    assert token not in provider.log.read_text()


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "null", "é", "e30.e30.", "x" * 20_000])
def test_in_08_a_bad_token_is_invalid_token(provider: Provider, token: str) -> None:
    """The attacker sends anything at all; every answer is the same."""
    answer = send("GET", f"{provider.issuer}/userinfo", headers=[(b"Authorization", b"Bearer " + token.encode())])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="userinfo", error="invalid_token", error_description="The token is not valid."'
    )
    assert answer.content == b""


def test_in_08_a_token_sent_twice_is_invalid_request(provider: Provider, app: App, ana: Browser) -> None:
    """RFC 6750 section 2: a client uses one method; two could mean two tokens to two readers."""
    token = app.tokens(ana)["access_token"]
    url, header = f"{provider.issuer}/userinfo", ("Authorization", f"Bearer {token}")
    body = f"access_token={token}"
    form = ("Content-Type", FORM)
    for answer in (
        send("POST", url, headers=[header, form], content=body),
        send("POST", url, headers=[form], content=f"{body}&{body}"),
        send("GET", url, headers=[header, header]),
        send("GET", url, headers=[header, ("Authorization", "Bearer other")]),
    ):
        assert answer.status_code == 400
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("body", [b"access_token=%ff", b"access_token=\xff", b"access_token=a%00b", b"a=1&" * 200])
def test_un_02_a_body_that_is_no_text_is_invalid_request(provider: Provider, body: bytes) -> None:
    """The attacker sends bytes that are no UTF-8, and more fields than anything needs."""
    answer = send("POST", f"{provider.issuer}/userinfo", content=body, headers={"Content-Type": FORM})
    assert (answer.status_code, 'error="invalid_request"' in answer.headers["www-authenticate"]) == (400, True)


def test_a_token_without_openid_has_insufficient_scope(provider: Provider, app: App, ana: Browser) -> None:
    service = register(provider, redirect_uris=(), grant_types=("client_credentials",), scope="reports.read")
    of_client = granted(service.post({"grant_type": "client_credentials"}))["access_token"]
    of_person = app.tokens(ana, scope="email")["access_token"]
    for token in (of_client, of_person):
        answer = userinfo(provider, token)
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert answer.headers["www-authenticate"].endswith(', scope="openid"')


@pytest.mark.slow
def test_in_09_a_token_dies_at_once_with_whatever_it_was_given_for(provider: Provider) -> None:
    """The person, the client, the session or the grant is no more: the token's own fifteen minutes do not count."""
    endings = {
        "person": "UPDATE users SET disabled_at = created_at WHERE id = ?",
        "client": "UPDATE clients SET disabled_at = created_at WHERE client_id = ?",
        "session": "UPDATE sessions SET ended_at = created_at WHERE id = ?",
        "grant": "UPDATE grants SET ended_at = created_at WHERE id = ?",
    }
    for what, statement in endings.items():
        email = f"in09-{what}@example.test"
        person = provider.create_user(email)
        app, browser = register(provider), Browser(provider.issuer)
        browser.sign_in(app.url(), email=email)
        tokens = app.tokens(browser)
        of = {
            "person": person["sub"],
            "client": app.client_id,
            "session": claims_of(tokens["id_token"])["sid"],
            "grant": claims_of(tokens["access_token"])["grant"],
        }[what]
        assert userinfo(provider, tokens["access_token"]).status_code == 200
        sql(provider, statement, of)
        answer = userinfo(provider, tokens["access_token"])
        assert (answer.status_code, 'error="invalid_token"' in answer.headers["www-authenticate"]) == (401, True), what


def test_a_change_of_the_person_is_seen_at_once(provider: Provider, eva: tuple[dict[str, Any], App, Browser]) -> None:
    _, app, browser = eva
    token = app.tokens(browser, scope="openid profile")["access_token"]
    provider.cli("user", "update", EVA, "--claim", "website=https://eva.example.test")
    assert userinfo(provider, token).json()["website"] == "https://eva.example.test"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_allowed(provider: Provider, method: str) -> None:
    answer = send(method, f"{provider.issuer}/userinfo")
    assert (answer.status_code, answer.headers["cache-control"]) == (405, "no-store")
