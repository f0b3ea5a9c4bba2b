from dataclasses import replace

import pytest

from idp.protocol.clients import AUTH_METHODS, DEFAULT_PROFILE, PROFILES
from tests.protocol.samples import CONFIDENTIAL, PUBLIC


@pytest.mark.parametrize(
    ("method", "public"), [("client_secret_basic", False), ("client_secret_post", False), ("none", True)]
)
def test_a_client_is_public_if_it_does_not_authenticate(method: str, public: bool) -> None:
    assert replace(CONFIDENTIAL, token_endpoint_auth_method=method).public is public


def test_the_methods_above_are_all() -> None:
    assert set(AUTH_METHODS) == {"client_secret_basic", "client_secret_post", "none"}


@pytest.mark.parametrize(
    ("public", "profile", "required"),
    [
        (False, "oauth2.1", True),
        (False, "oidc-certified", False),
        (True, "oauth2.1", True),
        (True, "oidc-certified", True),
    ],
)
def test_a_public_client_needs_pkce_in_every_profile(public: bool, profile: str, required: bool) -> None:
    """Nothing but the verifier tells a public client from who stole its code."""
    client = replace(PUBLIC if public else CONFIDENTIAL, profile=profile)
    assert client.pkce_required is required


def test_the_default_profile_needs_pkce() -> None:
    assert PROFILES[DEFAULT_PROFILE].pkce_required


@pytest.mark.parametrize("grant_type", ["client_credentials", "password", "Authorization_Code", "authorization", ""])
def test_a_client_may_use_no_grant_but_its_own(grant_type: str) -> None:
    assert not CONFIDENTIAL.may_use(grant_type)
    assert CONFIDENTIAL.may_use("authorization_code")
