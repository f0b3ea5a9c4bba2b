"""The addresses that browsers and password managers look for."""

import httpx2
import pytest

from idp.settings import SettingsError, load
from tests.provider import TLS, Provider, running

ORIGINS = "https://login.example.com,https://example.org:8443"


def get(provider: Provider, path: str) -> httpx2.Response:
    return httpx2.get(f"{provider.issuer}/.well-known/{path}", follow_redirects=False, timeout=30, verify=TLS)


def test_42_password_managers_find_the_pages_of_passkeys_and_of_the_password(provider: Provider) -> None:
    answer = get(provider, "passkey-endpoints")
    pages = {"enroll": f"{provider.issuer}/account/passkey", "manage": f"{provider.issuer}/account/security"}
    assert (answer.status_code, answer.json()) == (200, pages)
    assert answer.headers["content-type"] == "application/json"
    answer = get(provider, "change-password")
    assert (answer.status_code, answer.headers["location"]) == (302, "/account/password")
    assert get(provider, "resource-that-should-not-exist-whose-status-code-should-not-be-200").status_code == 404


def test_43_other_sites_are_named_only_where_the_operator_set_them(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert get(provider, "webauthn").status_code == 404
    with running(tmp_path_factory.mktemp("related"), passkey_origins=ORIGINS) as related:
        answer = get(related, "webauthn")
        assert answer.json() == {"origins": ["https://login.example.com", "https://example.org:8443"]}
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "wrong",
    [
        *("http://login.example.com", "login.example.com", "https://login.example.com/", "https://a@example.com"),
        *("https://", "https://LOGIN.example.com", ",".join(f"https://{number}.example.com" for number in range(6))),
    ],
)
def test_43_an_origin_that_is_none_or_one_too_many_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="IDP_PASSKEY_ORIGINS"):
        load({"IDP_ISSUER": "https://id.example.com", "IDP_PASSKEY_ORIGINS": wrong})
