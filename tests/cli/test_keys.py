"""`idp key` and `idp prune`: rotation without a refused token, and sealing under another secret key."""

import secrets
import time
from pathlib import Path

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from idp.services import Services
from idp.store import keys as stored_keys
from tests.oauth.wire import sql, with_services
from tests.provider import TLS, Provider, installed, running, token_request, tokens_for

SHAPE = {"kid", "state", "algorithm", "created_at", "active_at", "retired_at", "expires_at"}


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def published(provider: Provider) -> set[str]:
    return {key["kid"] for key in httpx2.get(f"{provider.issuer}/jwks", verify=TLS).json()["keys"]}


def states(provider: Provider) -> dict[str, str]:
    return {key["kid"]: key["state"] for key in provider.cli("key", "list")}


def token_for_service(provider: Provider, client: dict[str, object]) -> str:
    return str(token_request(provider, client, grant_type="client_credentials").json()["access_token"])


def test_a_rotation_that_comes_too_early_is_refused(provider: Provider) -> None:
    keys = provider.cli("key", "list")
    assert all(set(key) == SHAPE for key in keys)
    assert sorted(key["state"] for key in keys) == ["current", "next"]
    done = provider.shell("key", "rotate", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "may be used from" in done.stderr
    assert provider.cli("key", "list") == keys


@pytest.mark.slow
def test_a_running_server_follows_a_rotation_and_refuses_no_token(tmp_path: Path) -> None:
    with running(tmp_path, jwks_max_age="1s") as provider:
        provider.create_user()
        client = provider.create_client("--grant-type", "authorization_code", "--grant-type", "client_credentials")
        before = tokens_for(provider, client)
        first = kid_of(before["access_token"])
        assert published(provider) == set(states(provider))
        deadline = time.monotonic() + 60
        while provider.shell("key", "rotate").returncode != 0:  # the next key must have been published for long enough
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert sorted(states(provider).values()) == ["current", "next", "retired"]
        assert states(provider)[first] == "retired"
        while kid_of(token_for_service(provider, client)) == first:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert states(provider)[kid_of(token_for_service(provider, client))] == "current"
        assert published(provider) == set(states(provider))
        bearer = {"Authorization": f"Bearer {before['access_token']}"}
        assert httpx2.get(f"{provider.issuer}/userinfo", headers=bearer, verify=TLS).status_code == 200


@pytest.mark.slow
def test_a_leaked_key_is_replaced_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as provider:
        before = states(provider)
        rotated = provider.cli("key", "rotate", "--now")
        assert rotated["state"] == "current"
        assert before[rotated["kid"]] == "next"
        deadline = time.monotonic() + 60
        while published(provider) != set(states(provider)):
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.mark.slow
def test_the_secret_key_is_rotated_without_ending_anybodys_access(tmp_path: Path) -> None:
    old, new = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    with installed(tmp_path, secret_key=old) as provider:
        provider.start()
        provider.create_user()
        client = provider.create_client()
        tokens = tokens_for(provider, client, scope="openid offline_access")
        provider.stop()
        provider.environment["IDP_SECRET_KEY"] = f"{new},{old}"
        provider.start()
        assert provider.cli("key", "reseal")["resealed"] > 4
        assert provider.cli("key", "reseal") == {"resealed": 0}
        provider.stop()
        provider.environment["IDP_SECRET_KEY"] = new
        provider.start()
        again = token_request(provider, client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert again.status_code == 200
        tokens_for(provider, client)  # the password opens too
        provider.stop()
        provider.environment["IDP_SECRET_KEY"] = old
        refused = provider.shell("serve")
        assert (refused.returncode, "another secret key" in refused.stderr) == (1, True)


def test_a_stored_key_that_is_too_short_stops_the_start_and_is_named(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  # that it is short is what stops the start
    short = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with installed(tmp_path) as provider:
        kid = next(iter(states(provider)))

        async def damage(services: Services) -> bytes:
            return services.sealer.seal(short, stored_keys.PURPOSE, kid)

        sql(provider, "UPDATE signing_keys SET private_key = ? WHERE kid = ?", with_services(provider, damage), kid)
        refused = provider.shell("serve")
    assert refused.returncode == 1
    assert f"Error: The signing key {kid} in the database cannot be used: its modulus has 1024 bits" in refused.stderr


def test_pruning_says_what_it_removed(provider: Provider) -> None:
    removed = provider.cli("prune")
    tables = {"handles", "attempts", "sessions", "grants", "signing_keys", "revoked_tokens", "refusals"}
    assert set(removed) == tables | {"failures", "counters", "email_codes", "outbox"}
    assert set(removed.values()) == {0}
