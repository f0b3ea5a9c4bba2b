"""The token endpoint: its requests, its answers, and who may ask (RFC 6749 section 3.2)."""

import base64
import hashlib
import re
import socket
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest

from tests.oauth.wire import (
    FORM,
    App,
    claims_of,
    granted,
    part,
    raw,
    refused,
    register,
    send,
    status_of,
    unpadded,
    userinfo,
    verified,
)
from tests.provider import Browser, Provider


@pytest.fixture(scope="module")
def service(provider: Provider) -> App:
    """A client that acts for itself."""
    scope = "openid email offline_access reports.read reports.write"
    return register(provider, "Robot", (), grant_types=("client_credentials",), scope=scope)


def credentials_of(app: App, client_id: str | None = None, secret: str | None = None) -> dict[str, str]:
    pair = f"{app.client_id if client_id is None else client_id}:{app.basic[1] if secret is None else secret}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def test_an_answer_has_the_members_of_the_specification_and_may_not_be_stored(app: App, ana: Browser) -> None:
    response = app.redeem(app.code(ana, scope="openid profile email offline_access"))
    tokens = granted(response)
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert tokens["scope"] == "openid profile email offline_access"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_each_way_of_authenticating_works_from_code_to_refresh(provider: Provider, ana: Browser, method: str) -> None:
    app = register(provider, token_endpoint_auth_method=method)
    tokens = app.tokens(ana)
    granted(app.refresh(tokens["refresh_token"]))


def test_a_request_without_scope_gets_the_default_of_the_client_without_offline_access(
    provider: Provider, ana: Browser
) -> None:
    app = register(provider, scope="openid reports.read offline_access")
    tokens = app.tokens(ana, scope="")
    assert tokens["scope"] == "openid reports.read"
    assert claims_of(tokens["access_token"])["scope"] == "openid reports.read"


def test_a_custom_scope_is_granted_and_said_in_the_token(provider: Provider, ana: Browser) -> None:
    app = register(provider, scope="openid https://api.example.com/read urn:x:write:1")
    tokens = app.tokens(ana, scope="https://api.example.com/read urn:x:write:1")
    assert tokens["scope"] == "https://api.example.com/read urn:x:write:1"
    assert "id_token" not in tokens


def test_client_credentials_gets_a_token_for_the_client_alone(provider: Provider, service: App) -> None:
    tokens = granted(service.post({"grant_type": "client_credentials"}))
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert tokens["scope"] == "reports.read reports.write"
    claims = verified(provider, tokens["access_token"])
    assert claims["sub"] == claims["client_id"] == service.client_id
    assert claims.keys().isdisjoint({"sid", "auth_time", "acr", "amr", "grant"})


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        ("openid email reports.read", "reports.read"),
        ("reports.write reports.write", "reports.write"),
        ("openid", None),
    ],
)
def test_client_credentials_leaves_user_scopes_out(service: App, scope: str, given: str | None) -> None:
    tokens = granted(service.post({"grant_type": "client_credentials", "scope": scope}))
    assert tokens.get("scope") == given
    assert claims_of(tokens["access_token"]).get("scope") == given


@pytest.mark.parametrize("scope", ["admin", "reports.read admin", 'reports.read "', "reports.read\ttab", "é"])
def test_client_credentials_with_a_scope_the_client_may_not_have_is_invalid_scope(service: App, scope: str) -> None:
    refused(service.post({"grant_type": "client_credentials", "scope": scope}), 400, "invalid_scope")


def test_the_audience_is_the_issuer_unless_the_client_names_another(provider: Provider, service: App) -> None:
    default = granted(service.post({"grant_type": "client_credentials"}))
    assert claims_of(default["access_token"])["aud"] == provider.issuer
    one = register(
        provider, redirect_uris=(), grant_types=("client_credentials",), audience=("https://api.example.com",)
    )
    assert claims_of(granted(one.post({"grant_type": "client_credentials"}))["access_token"])["aud"] == (
        "https://api.example.com"
    )
    two = register(provider, redirect_uris=(), grant_types=("client_credentials",), audience=("urn:a", "urn:b"))
    assert claims_of(granted(two.post({"grant_type": "client_credentials"}))["access_token"])["aud"] == [
        "urn:a",
        "urn:b",
    ]


def test_the_audience_of_a_person_s_tokens_stays_with_a_refresh(provider: Provider, ana: Browser) -> None:
    app = register(provider, audience=("https://api.example.com",))
    tokens = app.tokens(ana)
    assert claims_of(tokens["access_token"])["aud"] == "https://api.example.com"
    assert claims_of(tokens["id_token"])["aud"] == app.client_id
    again = granted(app.refresh(tokens["refresh_token"]))
    assert claims_of(again["access_token"])["aud"] == "https://api.example.com"


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "implicit",
        "authorization_code ",
        " authorization_code",
        "AUTHORIZATION_CODE",
        "authorization_code,refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        "__class__",
        "x" * 10_000,
    ],
    ids=lambda grant: grant[:40],
)
def test_cd_08_a_grant_that_does_not_exist_is_unsupported(app: App, grant_type: str) -> None:
    """The attacker tries grants that were abolished, or spells one so that two checks read it differently."""
    data = {"grant_type": grant_type, "username": "ana@example.test", "password": "correct horse battery staple"}
    refused(app.post(data | {"code": "x", "refresh_token": "x"}), 400, "unsupported_grant_type")


@pytest.mark.parametrize("spelt", [str, str.upper], ids=["as it is", "capitals"])
@pytest.mark.parametrize("name", ["token-exchange", "jwt-bearer", "saml2-bearer"])
def test_cd_16_cd_18_a_grant_that_trades_another_token_is_unsupported(
    app: App, service: App, ana: Browser, name: str, spelt: Callable[[str], str]
) -> None:
    """The attacker brings a token of somebody else, true or signed by himself, to have it changed into another."""
    tokens = app.tokens(ana)
    kind = "urn:ietf:params:oauth:token-type:"
    actor = granted(service.post({"grant_type": "client_credentials"}))["access_token"]
    for brought, of_kind in (
        (tokens["access_token"], "access_token"),
        (tokens["refresh_token"], "refresh_token"),
        (tokens["id_token"], "id_token"),
        (f"{unpadded(b'{}')}.{unpadded(b'{}')}.", "jwt"),
    ):
        exchange = {"subject_token": brought, "subject_token_type": kind + of_kind, "audience": "urn:another"}
        exchange |= {"actor_token": actor, "actor_token_type": f"{kind}access_token", "scope": "openid"}
        data = {"grant_type": spelt(f"urn:ietf:params:oauth:grant-type:{name}"), "assertion": brought} | exchange
        for client in (app, service):
            refused(client.post(data), 400, "unsupported_grant_type")
    assert userinfo(app.provider, tokens["access_token"]).status_code == 200, "and nothing was used up"
    granted(app.refresh(tokens["refresh_token"]))


@pytest.mark.parametrize(
    "body", ["", "grant_type=", "grant_type[]=authorization_code", "Grant_Type=client_credentials"]
)
def test_cd_08_a_request_without_a_grant_type_is_invalid(app: App, body: str) -> None:
    """The attacker leaves the grant type away, or sends it as a list."""
    headers = credentials_of(app) | {"Content-Type": FORM}
    refused(send("POST", f"{app.provider.issuer}/token", content=body, headers=headers), 400, "invalid_request")


def test_cd_08_a_grant_that_the_client_may_not_use_is_unauthorized(
    provider: Provider, app: App, service: App, ana: Browser
) -> None:
    """A client uses a grant that it did not register for."""
    refused(app.post({"grant_type": "client_credentials"}), 400, "unauthorized_client")
    code = app.code(ana)
    refused(service.redeem(code), 400, "unauthorized_client")
    without_refresh = register(provider, grant_types=("authorization_code",))
    refused(without_refresh.refresh(app.redeem(code).json()["refresh_token"]), 400, "unauthorized_client")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_cd_10_only_post_is_allowed(service: App, method: str) -> None:
    """The attacker puts the request into a link, where it stands in logs and histories."""
    query = urlencode({"grant_type": "client_credentials"})
    answer = send(method, f"{service.provider.issuer}/token?{query}", auth=service.basic)
    assert answer.status_code == 405
    assert "access_token" not in answer.text
    assert set(answer.headers["allow"].replace(" ", "").split(",")) <= {"POST", "OPTIONS"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"grant_type": "client_credentials"}'),
        ("application/json", b"grant_type=client_credentials"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nclient_credentials\r\n--x--\r\n',
        ),
        ("text/plain", b"grant_type=client_credentials"),
        ("application/x-www-form-urlencodedx", b"grant_type=client_credentials"),
        ("application/x-www-form-urlencoded; charset=utf-16", "grant_type=client_credentials".encode("utf-16")),
        ("application/x-www-form-urlencoded; charset=utf-7", b"grant_type=client_credentials"),
        ("", b"grant_type=client_credentials"),
        (None, b"grant_type=client_credentials"),
    ],
    ids=str,
)
def test_cd_10_only_a_form_is_read(service: App, content_type: str | None, body: bytes) -> None:
    """The attacker sends the request in a form that a filter in front of us does not look into."""
    headers = credentials_of(service) | ({} if content_type is None else {"Content-Type": content_type})
    answer = send("POST", f"{service.provider.issuer}/token", content=body, headers=headers)
    refused(answer, 400, "invalid_request")


@pytest.mark.parametrize("content_type", [f"{FORM};charset=UTF-8", FORM.upper(), f"{FORM}; charset=utf-8", f"{FORM};"])
def test_a_form_may_say_that_it_is_utf_8(service: App, content_type: str) -> None:
    headers = credentials_of(service) | {"Content-Type": content_type}
    granted(send("POST", f"{service.provider.issuer}/token", content=b"grant_type=client_credentials", headers=headers))


def test_cd_10_parameters_in_the_query_are_not_read(service: App) -> None:
    """The attacker puts the request, or the secret, into the query."""
    issuer = service.provider.issuer
    query = urlencode({"grant_type": "client_credentials", "client_id": service.client_id})
    secret = urlencode({"client_secret": service.basic[1]})
    empty = send("POST", f"{issuer}/token?{query}&{secret}", content=b"", headers={"Content-Type": FORM})
    refused(empty, 401, "invalid_client")
    elsewhere = send(
        "POST", f"{issuer}/token?scope=admin", data={"grant_type": "client_credentials"}, auth=service.basic
    )
    assert granted(elsewhere)["scope"] == "reports.read reports.write"


TOKEN_PARAMETERS = (
    *("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret"),
    *("resource", "audience", "unheard_of"),
)


@pytest.mark.parametrize("name", TOKEN_PARAMETERS)
@pytest.mark.parametrize("other", [False, True], ids=["same value", "other value"])
def test_az_01_a_token_parameter_sent_twice_is_invalid_request(
    provider: Provider, ana: Browser, app: App, name: str, other: bool
) -> None:
    """The attacker sends a parameter twice, for one check to read the first and another the last."""
    data = {"grant_type": "authorization_code", "code": "x", "redirect_uri": "https://app.example.com/callback"}
    first = data.get(name, "1")
    pairs = [*(each for each in data.items() if each[0] != name), (name, first), (name, "2" if other else first)]
    headers = credentials_of(app) | {"Content-Type": FORM}
    answer = send("POST", f"{provider.issuer}/token", content=urlencode(pairs), headers=headers)
    refused(answer, 400, "invalid_request")


def test_az_01_a_code_is_not_used_up_by_a_request_that_cannot_be_read(app: App, ana: Browser) -> None:
    """A request with a repeated parameter is refused before anything is taken; the honest one still works."""
    code = app.code(ana)
    pairs = [("grant_type", "authorization_code"), ("code", code.code), ("code", code.code)]
    headers = credentials_of(app) | {"Content-Type": FORM}
    refused(
        send("POST", f"{app.provider.issuer}/token", content=urlencode(pairs), headers=headers), 400, "invalid_request"
    )
    granted(app.redeem(code))


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=client_credentials&scope=%ff",
        b"grant_type=client_credentials&scope=\xff",
        b"grant_type=client_credentials&scope=%ed%a0%80",
        b"grant_type=client_credentials&scope=%c0%80",
        b"grant_type=client_credentials&scope=a%00b",
        b"grant_type=client_credentials&%00=1",
        b"grant_type=client_credentials&x=%1b",
        b"grant_type=client_credentials\0",
        b"&".join([b"a=1"] * 101),
        b"a" * 60_000,
    ],
    ids=lambda body: ascii(body)[2:60],
)
def test_un_02_a_body_that_is_no_text_is_invalid_request(service: App, body: bytes) -> None:
    """The attacker sends NUL, surrogates, overlong and invalid UTF-8, and more fields than anything needs."""
    headers = credentials_of(service) | {"Content-Type": FORM}
    answer = send("POST", f"{service.provider.issuer}/token", content=body, headers=headers)
    refused(answer, 400, "invalid_request")


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
@pytest.mark.parametrize("size", [64 * 1024 + 1, 300_000])
def test_a_huge_body_is_too_large(service: App, path: str, size: int) -> None:
    headers = credentials_of(service) | {"Content-Type": FORM}
    answer = send("POST", service.provider.issuer + path, content=b"a" * size, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")
    assert answer.headers["cache-control"] == "no-store"


def test_a_huge_body_without_a_length_is_too_large(service: App) -> None:
    headers = credentials_of(service) | {"Content-Type": FORM}
    chunks = (b"a" * 1024 for _ in range(65))
    assert send("POST", f"{service.provider.issuer}/token", content=chunks, headers=headers).status_code == 413


def test_a_caller_who_goes_away_in_the_middle_is_no_failure_of_ours(service: App) -> None:
    head = f"POST /token HTTP/1.1\r\nHost: {service.provider.host}\r\nContent-Type: {FORM}\r\n"
    head += "Content-Length: 1000\r\n\r\ngrant"
    with socket.create_connection(("localhost", service.provider.port)) as connection:
        connection.sendall(head.encode())
        time.sleep(0.2)
    granted(service.post({"grant_type": "client_credentials"}))
    service.provider.check_log()


def test_cd_12_a_session_cookie_is_no_client_authentication(app: App, ana: Browser) -> None:
    """A page in the browser of somebody signed in posts to the token endpoint, and the cookie goes with it."""
    code = app.code(ana)
    data = {"grant_type": "authorization_code", "code": code.code, "redirect_uri": code.redirect_uri}
    for sent in (data, data | {"client_id": app.client_id}):
        refused(ana.http.post("/token", data=sent | {"code_verifier": code.verifier or ""}), 401, "invalid_client")
    granted(app.redeem(code))


def test_ca_01_a_confidential_client_is_nobody_without_authentication(app: App, service: App, ana: Browser) -> None:
    """The attacker knows a client's id, which is public, and a code of it."""
    code = app.code(ana)
    issuer = app.provider.issuer
    data = {"grant_type": "authorization_code", "code": code.code, "redirect_uri": code.redirect_uri}
    for client in ({}, {"client_id": app.client_id}, {"client_id": app.client_id, "client_secret": ""}):
        refused(send("POST", f"{issuer}/token", data=data | client), 401, "invalid_client")
    client = {"client_id": service.client_id}
    refused(send("POST", f"{issuer}/token", data={"grant_type": "client_credentials"} | client), 401, "invalid_client")


def test_ca_02_two_ways_of_authenticating_at_once_are_refused(app: App, service: App) -> None:
    """The attacker authenticates as himself in one way and names his victim in the other."""
    url, data = f"{app.provider.issuer}/token", {"grant_type": "client_credentials"}
    own = {"client_id": service.client_id, "client_secret": service.basic[1]}
    for more in (own, {"client_secret": service.basic[1]}, {"client_id": app.client_id}):
        answer = send("POST", url, data=data | more, auth=service.basic)
        assert answer.status_code in (400, 401)
        assert answer.json()["error"] in ("invalid_request", "invalid_client")
    assertion = {"client_assertion": "e30.e30.", "client_assertion_type": "urn:ietf:params:oauth:x"}
    assert send("POST", url, data=data | assertion, auth=service.basic).status_code in (400, 401)
    two = [("Authorization", credentials_of(each)["Authorization"]) for each in (service, app)]
    answer = send("POST", url, content=urlencode(data), headers=[*two, ("Content-Type", FORM)])
    assert answer.status_code in (400, 401)


def test_a_client_id_beside_basic_may_be_the_same(service: App) -> None:
    granted(service.post({"grant_type": "client_credentials", "client_id": service.client_id}))


def test_ca_03_a_method_other_than_the_registered_one_is_refused(provider: Provider, service: App) -> None:
    """The right secret, sent in the way that the client did not register."""
    url, data = f"{provider.issuer}/token", {"grant_type": "client_credentials"}
    own = {"client_id": service.client_id, "client_secret": service.basic[1]}
    refused(send("POST", url, data=data | own), 401, "invalid_client")
    by_post = register(
        provider,
        redirect_uris=(),
        grant_types=("client_credentials",),
        token_endpoint_auth_method="client_secret_post",
    )
    granted(by_post.post(data))
    refused(send("POST", url, data=data, auth=by_post.basic), 401, "invalid_client")


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":secret").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"%00:%00").decode(),
        "Basic " + base64.b64encode(b"a\0b:c").decode(),
        "Basic " + base64.b64encode(b"%ff:%ed%a0%80").decode(),
        "Basic " + base64.b64encode(b"x" * 20_000 + b":y").decode(),
        "Bearer abc",
        "Digest username=x",
        "Negotiate",
        "x",
    ],
    ids=lambda header: header[:40],
)
def test_ca_01_a_malformed_authorization_header_is_invalid_client(service: App, authorization: str) -> None:
    """The attacker's header is none of ours, or holds what no secret holds."""
    data = {"grant_type": "client_credentials"}
    answer = send("POST", f"{service.provider.issuer}/token", data=data, headers={"Authorization": authorization})
    refused(answer, 401, "invalid_client")
    assert answer.headers["www-authenticate"] == 'Basic realm="token"'


@pytest.mark.parametrize("change", ["cut", "longer", "case", "padding", "space", "other", "empty", "hash"])
def test_ca_05_a_secret_that_is_nearly_right_is_wrong(service: App, change: str) -> None:
    """The attacker has most of a secret, or its hash from a copy of the database."""
    secret = service.basic[1]
    wrong = {
        "cut": secret[:-1],
        "longer": secret + "A",
        "case": secret.swapcase(),
        "padding": secret + "=",
        "space": secret + " ",
        "other": "x" * 43,
        "empty": "",
        "hash": "0" * 64,
    }[change]
    data = {"grant_type": "client_credentials"}
    headers = credentials_of(service, secret=quote(wrong, safe=""))
    refused(send("POST", f"{service.provider.issuer}/token", data=data, headers=headers), 401, "invalid_client")


def test_ca_05_unknown_client_and_wrong_secret_get_the_same_answer(service: App) -> None:
    """The attacker looks for client ids that exist."""
    data = {"grant_type": "client_credentials"}
    url = f"{service.provider.issuer}/token"
    wrong = send("POST", url, data=data, headers=credentials_of(service, secret="x" * 43))
    unknown = send("POST", url, data=data, headers=credentials_of(service, client_id="0" * 32))
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content)
    assert wrong.headers.keys() == unknown.headers.keys()


def test_ca_07_a_secret_is_kept_as_a_hash_alone(service: App) -> None:
    """Whoever copies the database must not find a secret in it."""
    folder = service.provider.folder / "data"
    for file in folder.rglob("*"):
        assert file.is_dir() or service.basic[1].encode() not in file.read_bytes()
    assert service.basic[1] not in service.provider.log.read_text()


def test_ca_07_a_rotated_secret_ends_the_old_one(provider: Provider) -> None:
    """The old secret leaked; its owner rotates it."""
    app = register(provider, redirect_uris=(), grant_types=("client_credentials",))
    granted(app.post({"grant_type": "client_credentials"}))
    fresh = App(provider, provider.cli("client", "rotate-secret", app.client_id))
    assert fresh.basic != app.basic
    refused(app.post({"grant_type": "client_credentials"}), 401, "invalid_client")
    granted(fresh.post({"grant_type": "client_credentials"}))


def test_ca_12_a_public_client_gains_nothing_by_a_secret(provider: Provider, ana: Browser) -> None:
    """A public client sends some secret to be taken for a confidential one."""
    app = register(provider, public=True)
    url, data = f"{provider.issuer}/token", {"grant_type": "client_credentials", "client_id": app.client_id}
    refused(send("POST", url, data=data), 400, "unauthorized_client")
    refused(send("POST", url, data=data | {"client_secret": "x"}), 401, "invalid_client")
    refused(
        send("POST", url, data={"grant_type": "client_credentials"}, auth=(app.client_id, "x")), 401, "invalid_client"
    )
    with pytest.raises(Exception, match="metadata"):
        register(provider, public=True, grant_types=("authorization_code", "client_credentials"))
    granted(app.redeem(app.code(ana)))


ERROR_TEXT = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 5.2


def test_a_description_is_fixed_text_that_repeats_nothing_of_the_request(app: App) -> None:
    marker = "canary-in-the-coal-mine"
    for data in (
        {"grant_type": marker},
        {"grant_type": "authorization_code", "code": marker, "redirect_uri": marker, "code_verifier": marker * 3},
        {"grant_type": "refresh_token", "refresh_token": marker},
        {marker: marker},
    ):
        answer = app.post(data)
        assert answer.status_code == 400
        assert marker not in answer.text
        assert ERROR_TEXT.fullmatch(answer.json()["error_description"])
        assert marker not in str(answer.headers)


@pytest.mark.parametrize("missing", ["code", "refresh_token"])
def test_what_a_grant_needs_and_is_missing_is_invalid_request(app: App, missing: str) -> None:
    grant = {"code": "authorization_code", "refresh_token": "refresh_token"}[missing]
    refused(app.post({"grant_type": grant, "redirect_uri": app.client["redirect_uris"][0]}), 400, "invalid_request")


def test_cd_10_two_bodies_on_one_connection_are_two_requests(service: App) -> None:
    """The attacker lets a second body follow the first, hoping that it is read as a part of it."""
    body = b"grant_type=client_credentials"
    head = [
        b"POST /token HTTP/1.1",
        f"Host: {service.provider.host}".encode(),
        f"Authorization: {credentials_of(service)['Authorization']}".encode(),
        f"Content-Type: {FORM}".encode(),
        f"Content-Length: {len(body)}".encode(),
    ]
    first = b"\r\n".join(head) + b"\r\n\r\n" + body
    second = b"\r\n".join([*head, b"Connection: close"]) + b"\r\n\r\n" + body
    answer = raw(service.provider, first + second)
    assert answer.count(b"HTTP/1.1 200") == 2
    ambiguous = b"\r\n".join([*head, b"Content-Length: 5", b"Connection: close"]) + b"\r\n\r\n" + body
    assert status_of(raw(service.provider, ambiguous)) == 400


def test_tk_18_the_id_token_says_who_how_and_when(provider: Provider, app: App) -> None:
    """Each claim of an ID token is what the app's checks need, exactly (OpenID Connect Core section 2)."""
    before = int(time.time())
    tokens = app.tokens(Browser(provider.issuer), nonce="n-0S6_WzA2Mj")
    claims = verified(provider, tokens["id_token"])
    header = part(tokens["id_token"], 0)
    assert header.keys() == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    assert claims.keys() == {
        *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"),
    }
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (provider.issuer, app.client_id, "n-0S6_WzA2Mj")
    assert claims["exp"] - claims["iat"] == 900
    assert before <= claims["auth_time"] <= claims["iat"] <= time.time()
    assert claims["amr"] == ["pwd"]
    metadata = send("GET", f"{provider.issuer}/.well-known/openid-configuration").json()
    assert claims["acr"] in metadata["acr_values_supported"]
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()
    assert claims["at_hash"] == base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
    assert claims["sub"] == userinfo(provider, tokens["access_token"]).json()["sub"]


def test_tk_18_auth_time_is_of_the_sign_in_and_not_of_the_token(provider: Provider, app: App) -> None:
    """A later token of the same session must not claim a sign-in that did not happen."""
    browser = Browser(provider.issuer)
    first = claims_of(app.tokens(browser)["id_token"])
    time.sleep(1.1)
    tokens = app.tokens(browser)
    later = claims_of(tokens["id_token"])
    assert (later["auth_time"], later["sid"]) == (first["auth_time"], first["sid"])
    assert later["iat"] > first["iat"]
    assert claims_of(tokens["access_token"])["auth_time"] == first["auth_time"]
    again = claims_of(app.tokens(browser, prompt="login")["id_token"])
    assert again["auth_time"] > first["auth_time"]


def test_two_browsers_of_one_person_are_two_sessions(provider: Provider, app: App) -> None:
    one, two = (claims_of(app.tokens(Browser(provider.issuer))["id_token"]) for _ in range(2))
    assert one["sub"] == two["sub"]
    assert one["sid"] != two["sid"]


def test_tk_21_an_access_token_is_one_of_rfc_9068(provider: Provider, app: App, ana: Browser) -> None:
    """A resource server tells it from an ID token, and finds no more of the person in it than it needs."""
    issued = [app.tokens(ana)["access_token"] for _ in range(3)]
    for token in issued:
        claims, header = verified(provider, token), part(token, 0)
        assert header.keys() == {"alg", "kid", "typ"}
        assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
        assert claims.keys() == {
            *("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "grant", "auth_time", "acr", "amr"),
        }
        assert (claims["iss"], claims["aud"], claims["client_id"]) == (provider.issuer, provider.issuer, app.client_id)
        assert claims["exp"] - claims["iat"] == 900
        assert len(token) < 4096
        assert "example.test" not in str(claims)
    assert len({claims_of(token)["jti"] for token in issued}) == 3
    assert len({claims_of(token)["grant"] for token in issued}) == 3
