"""`idp revoke`, as people and scripts call it."""

from typing import Any

import pytest

from tests.oauth.test_introspect import INACTIVE, told
from tests.oauth.wire import App, granted, register
from tests.provider import Browser, Provider, running


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(tmp_path_factory.mktemp("revoke")) as provider:
        provider.create_user()
        yield provider


@pytest.fixture(scope="module")
def app(provider: Provider) -> App:
    return register(provider)


def test_a_token_comes_by_standard_input(provider: Provider, app: App) -> None:
    tokens = app.tokens(Browser(provider.issuer))
    answer = provider.cli("revoke", "token", "-", stdin=tokens["refresh_token"] + "\n")
    assert answer == {"grant_id": tokens["refresh_token"].partition(".")[0], "ended": True}
    assert provider.cli("revoke", "token", "-", stdin=tokens["refresh_token"])["ended"] is False
    assert told(app, tokens["access_token"]) == INACTIVE


def test_what_an_app_got_for_itself_ends_with_it_and_it_may_get_more(provider: Provider) -> None:
    service = register(provider, "Service", (), grant_types=("client_credentials",), scope="reports.read")
    before = granted(service.post({"grant_type": "client_credentials"}))["access_token"]
    assert provider.cli("revoke", "client", service.client_id) == {"client_id": service.client_id, "grants": 0}
    after = granted(service.post({"grant_type": "client_credentials"}))["access_token"]
    assert [told(service, token)["active"] for token in (before, after)] == [False, True]


def test_a_persons_sessions_and_grants_are_counted(provider: Provider, app: App) -> None:
    email = "counted@example.test"
    person = provider.create_user(email)
    browser = Browser(provider.issuer)
    browser.sign_in(app.url(), email)
    app.tokens(browser)
    assert provider.cli("revoke", "user", email) == {"sub": person["sub"], "sessions": 1, "grants": 1}
    assert provider.cli("revoke", "user", person["sub"]) == {"sub": person["sub"], "sessions": 0, "grants": 0}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("token", "x"), "It is not an access token that counts here: not a compact JWS."),
        (("token", "0" * 32 + ".0." + "A" * 43), "It is not a refresh token of this provider"),
        (("grant", "nowhere"), "There is no grant nowhere."),
        (("session", "nowhere"), "There is no session nowhere."),
        (("user", "nobody@example.test"), "There is no person nobody@example.test."),
        (("client", "nobody"), "There is no client nobody."),
    ],
)
def test_what_is_not_there_fails_with_its_reason(provider: Provider, arguments: tuple[str, ...], reason: str) -> None:
    done = provider.shell("revoke", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr


def test_two_secrets_of_a_client_live_at_once_for_as_long_as_was_said(provider: Provider) -> None:
    service = register(provider, "Service", (), grant_types=("client_credentials",), scope="reports.read")
    changed = App(provider, provider.cli("client", "rotate-secret", service.client_id, "--keep-old", "1h"))
    for each in (service, changed):
        granted(each.post({"grant_type": "client_credentials"}))
    old, new = provider.cli("client", "show", service.client_id)["secrets"]
    assert (old["expires_at"] is None, new["expires_at"]) == (False, None)
    provider.cli("client", "rotate-secret", service.client_id)
    for each in (service, changed):
        assert each.post({"grant_type": "client_credentials"}).status_code == 401
    assert len(provider.cli("client", "show", service.client_id)["secrets"]) == 1


@pytest.mark.parametrize("duration", ["soon", "-1h", "1", "9999d"])
def test_a_duration_that_is_none_is_a_usage_error(provider: Provider, app: App, duration: str) -> None:
    done = provider.shell("client", "rotate-secret", app.client_id, f"--keep-old={duration}")
    assert done.returncode == 2
    assert "--keep-old" in done.stderr
