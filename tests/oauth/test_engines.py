"""The main flows, from the sign-in to the last refresh, on each kind of database."""

from pathlib import Path
from urllib.parse import urlencode

import pytest

from idp.web import own
from tests.oauth.wire import (
    FORM,
    App,
    claims_of,
    forge_of,
    granted,
    parameters_of,
    post_authorize,
    raw_get,
    refused,
    register,
    send,
    status_of,
    userinfo,
    verified,
)
from tests.provider import PASSWORD, Browser, Provider, answer_of, forms, running


def signs_in_and_works(provider: Provider, app: App) -> None:
    browser = Browser(provider.issuer)
    tokens = app.tokens(browser, scope="openid profile email offline_access")
    claims = verified(provider, tokens["id_token"])
    told = userinfo(provider, tokens["access_token"]).json()
    assert (told["sub"], told["email"], told["email_verified"]) == (claims["sub"], "ana@example.test", True)
    again = granted(app.refresh(tokens["refresh_token"]))
    repeated = granted(app.refresh(tokens["refresh_token"]))
    assert repeated["refresh_token"] == again["refresh_token"]
    assert "code" in answer_of(browser.open(app.url(prompt="none")))
    page = browser.open(app.url(response_mode="form_post"))
    assert "code" in forms(page.text)[0].fields


def denies_and_withdraws(provider: Provider) -> None:
    app, browser = register(provider, "Asking"), Browser(provider.issuer)
    browser.open(app.url())
    browser.submit(action="/identify", username="ana@example.test")
    browser.submit(action="/password", password=PASSWORD)
    assert answer_of(browser.submit(action="/consent", button="deny"))["error"] == "access_denied"
    tokens = app.tokens(browser, scope="openid offline_access")
    code = app.code(browser)
    browser.open(own.APPS)
    browser.submit(action=f"/apps/{app.client_id}/withdraw")
    refused(app.redeem(code), 400, "invalid_grant")
    refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert userinfo(provider, tokens["access_token"]).status_code == 401


def replays_and_reuse_end_everything(provider: Provider, app: App) -> None:
    browser = Browser(provider.issuer)
    code = app.code(browser)
    tokens = granted(app.redeem(code))
    refused(app.redeem(code), 400, "invalid_grant")
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    first = app.tokens(browser)
    second = granted(app.refresh(first["refresh_token"]))
    third = granted(app.refresh(second["refresh_token"]))
    refused(app.refresh(first["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(third["refresh_token"]), 400, "invalid_grant")
    assert userinfo(provider, third["access_token"]).status_code == 401


def signing_out_ends_what_hangs_on_the_session(provider: Provider, app: App) -> None:
    browser = Browser(provider.issuer)
    bound, offline = app.tokens(browser), app.tokens(browser, scope="openid offline_access")
    browser.open(f"/logout?id_token_hint={bound['id_token']}")
    refused(app.refresh(bound["refresh_token"]), 400, "invalid_grant")
    granted(app.refresh(offline["refresh_token"]))
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"


def a_posted_request_is_stored(provider: Provider, app: App) -> None:
    browser = Browser(provider.issuer)
    app.code(browser)
    stored = post_authorize(provider, parameters_of(app.url(state="é\U0001f600\"'\\ \u2028")))
    assert answer_of(browser.open(stored.headers["location"]))["state"] == "é\U0001f600\"'\\ \u2028"


def a_service_works(provider: Provider) -> None:
    service = register(provider, "Robot", (), grant_types=("client_credentials",), scope="openid reports.read")
    tokens = granted(service.post({"grant_type": "client_credentials"}))
    assert claims_of(tokens["access_token"])["scope"] == "reports.read"


def a_person_who_is_gone_has_no_tokens(provider: Provider, app: App) -> None:
    for command in ("disable", "delete"):
        email = f"{command}@example.test"
        provider.create_user(email)
        browser = Browser(provider.issuer)
        browser.sign_in(app.url(), email=email)
        code, tokens = app.code(browser), app.tokens(browser)
        provider.cli("user", command, email)
        refused(app.redeem(code), 400, "invalid_grant")
        refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
        assert userinfo(provider, tokens["access_token"]).status_code == 401


HOSTILE = (b"%00", b"a%00b", b"%ff", b"%ed%a0%80", b"%f0%9f%98%80", b"x" * 20_000, b"%27%20OR%201=1")


def what_no_database_likes_breaks_nothing(provider: Provider, app: App) -> None:
    """PostgreSQL refuses NUL in a text, and an index refuses what is too long."""
    for text in HOSTILE:
        for target in (
            b"/authorize?client_id=" + text,
            b"/authorize/" + text,
            b"/signin/" + text,
            b"/signin/" + text + b"/step",
            b"/signin/" + text + b"/" + text,
            b"/account/apps/" + text + b"/withdraw",
            b"/static/" + text,
            b"/" + text,
        ):
            assert 300 <= status_of(raw_get(provider, target)) < 500, target
        body = b"grant_type=client_credentials&client_id=" + text + b"&client_secret=" + text
        answer = send("POST", f"{provider.issuer}/token", content=body, headers={"Content-Type": FORM})
        assert answer.status_code in (400, 401)
        for name in ("code", "refresh_token"):
            grant = "authorization_code" if name == "code" else name
            body = urlencode({"grant_type": grant, "client_id": app.client_id}).encode()
            body += f"&client_secret={app.basic[1]}&{name}=".encode() + text + b"&redirect_uri=" + text
            answer = send("POST", f"{provider.issuer}/token", content=body, headers={"Content-Type": FORM})
            assert answer.status_code in (400, 401)
        for authorization in (b"Basic " + text, b"Bearer " + text):
            assert status_of(raw_get(provider, b"/userinfo", b"Authorization: " + authorization)) == 401
    forge, browser = forge_of(provider), Browser(provider.issuer)
    claims = claims_of(app.tokens(browser)["access_token"])
    for grant in ("a\0b", "\ud800", "x" * 5000, "é"):
        assert userinfo(provider, forge.sign(claims | {"grant": grant})).status_code == 401
    for cookie in ("a%00b", "x" * 5000, '"a"', "a b; b=c"):
        for name in ("browser", "session"):
            header = f"Cookie: idp_{name}_{provider.port}={cookie}".encode()
            assert status_of(raw_get(provider, app.url().encode(), header)) in (200, 303)


@pytest.mark.slow
def test_everything_works_from_sign_in_to_refresh(tmp_path: Path, database_url: str) -> None:
    with running(tmp_path, database_url) as provider:
        provider.create_user()
        app, by_post = register(provider), register(provider, token_endpoint_auth_method="client_secret_post")
        signs_in_and_works(provider, app)
        denies_and_withdraws(provider)
        replays_and_reuse_end_everything(provider, app)
        signing_out_ends_what_hangs_on_the_session(provider, app)
        a_posted_request_is_stored(provider, app)
        a_service_works(provider)
        a_person_who_is_gone_has_no_tokens(provider, app)
        what_no_database_likes_breaks_nothing(provider, by_post)
