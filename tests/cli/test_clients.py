"""`idp client`, while the server runs."""

import hashlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from tests.cli.conftest import Many
from tests.provider import (
    CALLBACK,
    TLS,
    Browser,
    Provider,
    answer_of,
    authorize_url,
    pkce,
    redeem,
    token_request,
    tokens_for,
)

SHAPE = {
    *("client_id", "client_name", "token_endpoint_auth_method", "redirect_uris", "post_logout_redirect_uris"),
    *("grant_types", "scope", "audience", "profile", "created_at", "updated_at", "disabled_at"),
    *("second_factor", "second_factor_from", "max_age"),
}
# RU-05, and what else cannot be a redirect URI.
BAD_REDIRECT_URIS = (
    "https://*.example.com/callback",
    "https://app.example.com/*",
    "https://app.example.com/(a|b)",
    "https://app.example.com/^callback",
    "https://app.example.com/callback#fragment",
    "https://app.example.com/callback#",
    "https://user@app.example.com/callback",
    "https://user:password@app.example.com/callback",
    "/callback",
    "app.example.com/callback",
    "//app.example.com/callback",
    "javascript:alert(1)",
    "data:text/html,hello",
    "file:///etc/passwd",
    "http://app.example.com/callback",
    "http://127.0.0.1.example.com/callback",
    "https://app.example.com/callback?code=1",
    "https://app.example.com/call back",
    "https://app.example.com/ä",
    "https:///callback",
    "https://app.example.com:0/callback",
    "https://app.example.com\\@evil.example/",
    "com.example.app:/callback",  # a private-use scheme, and the client is not public
    "",
)


def test_an_app_with_every_option(provider: Provider) -> None:
    created = provider.create_client(
        *("--redirect-uri", "https://app.example.com/other"),
        *("--grant-type", "authorization_code", "--grant-type", "refresh_token", "--grant-type", "client_credentials"),
        *("--scope", "openid email reports.read"),
        *("--auth-method", "client_secret_post", "--profile", "oidc-certified"),
        *("--post-logout-redirect-uri", "https://app.example.com/bye"),
        *("--audience", "https://api.example.com", "--audience", "https://other.example.com"),
        *("--second-factor", "required", "--second-factor-from", "2999-03-01T08:00+01:00", "--max-age", "8h"),
        name="Reports",
    )
    assert set(created) == SHAPE | {"client_secret"}
    assert created["client_name"] == "Reports"
    assert created["redirect_uris"] == [CALLBACK, "https://app.example.com/other"]
    assert created["grant_types"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert created["scope"] == "openid email reports.read"
    assert created["token_endpoint_auth_method"] == "client_secret_post"
    assert created["profile"] == "oidc-certified"
    assert created["post_logout_redirect_uris"] == ["https://app.example.com/bye"]
    assert created["audience"] == ["https://api.example.com", "https://other.example.com"]
    assert (created["second_factor"], created["max_age"]) == ("required", 8 * 3600)
    assert datetime.fromisoformat(created["second_factor_from"]) == datetime(2999, 3, 1, 7, tzinfo=UTC)
    changes = ("--second-factor-from", "", "--max-age", "")
    updated = provider.cli("client", "update", created["client_id"], *changes)
    assert (updated["second_factor"], updated["second_factor_from"], updated["max_age"]) == ("required", None, None)
    assert updated["scope"] == created["scope"]
    answer = token_request(provider, created, grant_type="client_credentials")
    assert answer.status_code == 200
    assert answer.json()["scope"] == "reports.read"


def test_ca_07_a_secret_is_shown_once_and_only_its_hash_is_kept(provider: Provider) -> None:
    """The attacker reads the database, its files or the log, and looks for the secrets of apps."""
    created = provider.create_client()
    secret = created["client_secret"]
    assert len(secret) == 43
    shown = provider.shell("client", "show", created["client_id"], "--json")
    listed = provider.shell("client", "list", "--json")
    assert created["client_id"] in shown.stdout
    assert created["client_id"] in listed.stdout
    assert "client_secret" not in {*provider.cli("client", "show", created["client_id"])}
    for text in (shown.stdout, listed.stdout, shown.stderr, provider.log.read_text()):
        assert secret not in text
    data = Path(provider.environment["IDP_DATA_DIR"])
    assert not [path for path in data.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    with sqlite3.connect(data / "idp.db") as database:
        query = "SELECT secret_hash FROM client_secrets WHERE client_id = ?"
        kept = database.execute(query, (created["client_id"],)).fetchall()
    database.close()
    assert kept == [(hashlib.sha256(secret.encode()).hexdigest(),)]


def test_what_a_person_reads_is_a_table(provider: Provider) -> None:
    done = provider.shell("client", "create", "Plain", "--redirect-uri", CALLBACK)
    assert done.returncode == 0
    assert "client_secret" in done.stdout
    assert "client_name                 Plain\n" in done.stdout


def test_a_public_app_has_no_secret_and_may_use_a_scheme_of_its_own(provider: Provider) -> None:
    client = provider.create_client("--public", redirect_uri="com.example.app:/callback")
    assert set(client) == SHAPE
    assert client["token_endpoint_auth_method"] == "none"
    proof = pkce()
    answer = answer_of(Browser(provider.issuer).sign_in(authorize_url(client, proof.challenge)))
    assert redeem(provider, client, answer["code"], proof.verifier).status_code == 200


def test_ru_05_bad_redirect_uris_are_refused(provider: Provider, run_many: Many) -> None:
    """The attacker talks an operator into an address that matches more than it shows, now or later."""
    client_id = provider.create_client()["client_id"]
    app = ["client", "create", "Bad", "--redirect-uri", CALLBACK]
    commands = [[*app, "--redirect-uri", uri] for uri in BAD_REDIRECT_URIS]
    commands += [[*app, "--post-logout-redirect-uri", uri] for uri in BAD_REDIRECT_URIS[:2]]
    commands += [["client", "update", client_id, "--redirect-uri", uri] for uri in BAD_REDIRECT_URIS[:2]]
    for command, done in zip(commands, run_many(provider, commands), strict=True):
        assert (done.code, done.stdout) == (1, ""), command
        assert done.stderr.startswith("Error: "), command
        assert repr(command[-1]) in done.stderr, command
    assert "Bad" not in {each["client_name"] for each in provider.cli("client", "list")}
    assert provider.cli("client", "show", client_id)["redirect_uris"] == [CALLBACK]


def test_what_does_not_fit_together_is_refused(provider: Provider, run_many: Many) -> None:
    redirect = ["--redirect-uri", CALLBACK]
    refused = [
        (["client", "create", "App"], 1, "needs a redirect URI"),
        (["client", "create", " ", *redirect], 1, "the name"),
        (
            ["client", "create", "App", *redirect, "--public", "--auth-method", "client_secret_basic"],
            1,
            "has no secret",
        ),
        (["client", "create", "App", *redirect, "--public", "--grant-type", "client_credentials"], 1, "credentials"),
        (["client", "create", "App", *redirect, "--grant-type", "refresh_token"], 1, "authorization_code"),
        (["client", "create", "App", *redirect, "--grant-type", "client_credentials"], 1, "redirect URI"),
        (["client", "create", "App", *redirect, "--scope", 'openid "'], 1, "scope"),
        (["client", "create", "App", *redirect, "--audience", "api"], 1, "absolute URI"),
        (["client", "create", "App", *redirect, "--audience", "https://api.example.com#x"], 1, "fragment"),
        (["client", "create", "App", *redirect, "--grant-type", "password"], 2, "password"),
        (["client", "create", "App", *redirect, "--auth-method", "private"], 2, "private"),
        (["client", "create", "App", *redirect, "--profile", "loose"], 2, "loose"),
        (["client", "create"], 2, "NAME"),
        (["client", "show", "nobody"], 1, "There is no client nobody."),
        (["client", "update", "nobody", "--name", "X"], 1, "There is no client nobody."),
        (["client", "update", "nobody"], 2, "Say what to change"),
        (["client", "rotate-secret", "nobody"], 1, "There is no client nobody."),
        (["client", "delete", "nobody"], 1, "There is no client nobody."),
    ]
    for (command, code, reason), done in zip(refused, run_many(provider, [each[0] for each in refused]), strict=True):
        assert (done.code, done.stdout) == (code, ""), command
        assert reason in done.stderr, command


def test_a_rotated_secret_replaces_the_old_one_at_once(provider: Provider) -> None:
    client = provider.create_client("--grant-type", "client_credentials", "--scope", "reports.read", redirect_uri=None)
    rotated = provider.cli("client", "rotate-secret", client["client_id"])
    assert set(rotated) == SHAPE | {"client_secret"}
    assert rotated["client_secret"] != client["client_secret"]
    refused = token_request(provider, client, grant_type="client_credentials")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert token_request(provider, rotated, grant_type="client_credentials").status_code == 200
    public = provider.create_client("--public")
    done = provider.shell("client", "rotate-secret", public["client_id"])
    assert (done.returncode, done.stderr) == (1, "Error: A public client has no secret.\n")


def test_a_change_counts_from_the_next_request_on(provider: Provider) -> None:
    client = provider.create_client()
    moved = "https://app.example.com/moved"
    updated = provider.cli("client", "update", client["client_id"], "--name", "Moved", "--redirect-uri", moved)
    assert (updated["client_name"], updated["redirect_uris"]) == ("Moved", [moved])
    assert updated["scope"] == client["scope"]
    assert updated["created_at"] == client["created_at"] < updated["updated_at"]
    before = httpx2.get(provider.issuer + authorize_url(client, pkce().challenge), verify=TLS)
    assert (before.status_code, "cannot be sent back" in before.text) == (400, True)
    assert 'id="continue"' in Browser(provider.issuer).open(authorize_url(updated, pkce().challenge)).text


def test_a_lone_empty_value_empties_a_list(provider: Provider) -> None:
    bye = ("--post-logout-redirect-uri", "https://app.example.com/bye", "--audience", "https://api.example.com")
    client_id = provider.create_client(*bye)["client_id"]
    emptied = provider.cli("client", "update", client_id, "--post-logout-redirect-uri", "", "--audience", "")
    assert (emptied["post_logout_redirect_uris"], emptied["audience"]) == ([], [])
    assert emptied["redirect_uris"] == [CALLBACK]
    service = ("--grant-type", "client_credentials", "--redirect-uri", "", "--scope", "reports.read")
    assert provider.cli("client", "update", client_id, *service)["redirect_uris"] == []


def test_a_deleted_app_has_nothing_left(provider: Provider) -> None:
    client = provider.create_client()
    tokens = tokens_for(provider, client, scope="openid offline_access")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert httpx2.get(f"{provider.issuer}/userinfo", headers=bearer, verify=TLS).status_code == 200
    assert provider.cli("client", "delete", client["client_id"]) == {"client_id": client["client_id"], "deleted": True}
    assert httpx2.get(f"{provider.issuer}/userinfo", headers=bearer, verify=TLS).status_code == 401
    refreshed = token_request(provider, client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.json()["error"] == "invalid_client"
    assert httpx2.get(provider.issuer + authorize_url(client, pkce().challenge), verify=TLS).status_code == 400
