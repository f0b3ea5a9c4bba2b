"""The token endpoint, over HTTP."""

from tests.provider import Provider, token_request, tokens_for


def test_a_code_gives_tokens_and_a_refresh_rotates_them(provider: Provider) -> None:
    client = provider.create_client()
    tokens = tokens_for(provider, client, scope="openid email offline_access")
    again = token_request(provider, client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] != tokens["refresh_token"]


def test_a_service_gets_a_token_for_itself(provider: Provider) -> None:
    client = provider.create_client("--grant-type", "client_credentials", "--scope", "reports.read", redirect_uri=None)
    answer = token_request(provider, client, grant_type="client_credentials")
    assert answer.json()["scope"] == "reports.read"
