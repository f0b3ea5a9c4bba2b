"""Refresh tokens with the default grace of ten seconds."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from idp.web import own
from tests.oauth.wire import App, claims_of, events, granted, refused, register, sql, userinfo, verified
from tests.provider import Browser, Provider, answer_of, running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider without a grace."""
    with running(tmp_path_factory.mktemp("strict"), refresh_grace="0s") as provider:
        provider.create_user()
        yield provider


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider where everything ends soon."""
    settings = {"code_lifetime": "2s", "session_absolute_lifetime": "5s"}
    settings |= {"refresh_idle_lifetime": "3s", "refresh_absolute_lifetime": "8s", "refresh_grace": "1s"}
    with running(tmp_path_factory.mktemp("brief"), **settings) as provider:
        provider.create_user()
        yield provider


def test_a_refresh_rotates_and_keeps_who_it_is_for(provider: Provider, app: App, ana: Browser) -> None:
    first = app.tokens(ana)
    time.sleep(1.1)
    second = granted(app.refresh(first["refresh_token"]))
    assert second.keys() == first.keys()
    assert second["refresh_token"] != first["refresh_token"]
    before, after = claims_of(first["id_token"]), verified(provider, second["id_token"])
    same = ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert "nonce" not in after
    assert after["iat"] > before["iat"]
    assert after["at_hash"] != before["at_hash"]
    older, newer = claims_of(first["access_token"]), claims_of(second["access_token"])
    assert older["grant"] == newer["grant"]
    assert older["jti"] != newer["jti"]
    assert userinfo(provider, second["access_token"]).status_code == 200


def test_ten_refreshes_in_a_row_are_one_row(provider: Provider, app: App, ana: Browser) -> None:
    tokens = app.tokens(ana)
    rows = sql(provider, "SELECT count(*) FROM grants")
    for _ in range(10):
        tokens = granted(app.refresh(tokens["refresh_token"]))
    assert sql(provider, "SELECT count(*) FROM grants") == rows


def test_a_refresh_may_ask_for_less_but_not_for_more(app: App, ana: Browser) -> None:
    tokens = app.tokens(ana, scope="openid email")
    less = granted(app.refresh(tokens["refresh_token"], scope="email"))
    assert less["scope"] == "email"
    assert "id_token" not in less
    refused(app.refresh(less["refresh_token"], scope="openid profile"), 400, "invalid_scope")
    refused(app.refresh(less["refresh_token"], scope='"'), 400, "invalid_scope")
    whole = granted(app.refresh(less["refresh_token"]))
    assert whole["scope"] == "openid email", "what was granted once is not lost by asking for less"


def test_with_offline_access_a_refresh_token_outlives_the_session_and_without_it_does_not(
    provider: Provider, app: App
) -> None:
    browser = Browser(provider.issuer)
    bound = app.tokens(browser, scope="openid email")
    offline = app.tokens(browser, scope="openid email offline_access")
    browser.open("/")
    browser.submit(action="/sign-out")
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"
    refused(app.refresh(bound["refresh_token"]), 400, "invalid_grant")
    assert userinfo(provider, bound["access_token"]).status_code == 401
    assert userinfo(provider, offline["access_token"]).status_code == 200
    again = granted(app.refresh(offline["refresh_token"]))
    assert again["scope"] == "openid email offline_access"
    assert userinfo(provider, again["access_token"]).status_code == 200


def test_offline_access_that_was_allowed_before_is_not_asked_again(provider: Provider) -> None:
    app, browser = register(provider), Browser(provider.issuer)
    app.tokens(browser, scope="openid offline_access")
    assert "code" in answer_of(browser.open(app.url(scope="openid offline_access", prompt="none")))


def test_rt_09_signing_out_ends_the_tokens_of_every_app_of_that_session_alone(provider: Provider, app: App) -> None:
    """Somebody took the refresh tokens of a session that Ana then ends by signing out."""
    other = register(provider, "Other")
    here, there = Browser(provider.issuer), Browser(provider.issuer)
    ending = [(app, app.tokens(here)), (other, other.tokens(here))]
    staying = app.tokens(there)
    here.open("/")
    here.submit(action="/sign-out")
    for each, tokens in ending:
        refused(each.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    granted(app.refresh(staying["refresh_token"]))


def test_rt_01_a_refresh_token_used_again_after_its_successor_ends_the_family(provider: Provider, ana: Browser) -> None:
    """The attacker stole a refresh token and uses it after the app rotated twice."""
    app = register(provider)
    first = app.tokens(ana)
    second = granted(app.refresh(first["refresh_token"]))
    third = granted(app.refresh(second["refresh_token"]))
    refused(app.refresh(first["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(third["refresh_token"]), 400, "invalid_grant")
    for tokens in (first, second, third):
        assert userinfo(provider, tokens["access_token"]).status_code == 401
    assert events(provider, "refresh.reused", app.client_id) == 1


def test_rt_01_without_a_grace_the_first_reuse_ends_the_family(strict: Provider) -> None:
    """The attacker uses a stolen refresh token right after the app did."""
    app, browser = register(strict), Browser(strict.issuer)
    first = app.tokens(browser)
    second = granted(app.refresh(first["refresh_token"]))
    refused(app.refresh(first["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(second["refresh_token"]), 400, "invalid_grant")
    for tokens in (first, second):
        assert userinfo(strict, tokens["access_token"]).status_code == 401
    other = app.tokens(browser)
    granted(app.refresh(other["refresh_token"]))


def test_rt_01_the_reuse_of_one_family_leaves_the_others_alone(strict: Provider) -> None:
    """Ana uses the app on two devices; a theft on one must not sign her out on the other."""
    app = register(strict)
    one, two = app.tokens(Browser(strict.issuer)), app.tokens(Browser(strict.issuer))
    granted(app.refresh(one["refresh_token"]))
    refused(app.refresh(one["refresh_token"]), 400, "invalid_grant")
    assert userinfo(strict, two["access_token"]).status_code == 200
    granted(app.refresh(two["refresh_token"]))


def test_rt_03_and_rt_04_a_lost_response_gets_the_same_working_successor_any_number_of_times(
    provider: Provider, ana: Browser
) -> None:
    """The answer to a refresh is lost on the way: the app asks again, and gets no dead token."""
    app = register(provider)
    first = app.tokens(ana)
    answers = [granted(app.refresh(first["refresh_token"])) for _ in range(5)]
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert answers[0]["refresh_token"] != first["refresh_token"]
    assert len({answer["access_token"] for answer in answers}) == 5
    assert events(provider, "refresh.rotated", app.client_id) == 1
    assert events(provider, "refresh.repeated", app.client_id) == 4
    following = granted(app.refresh(answers[0]["refresh_token"]))
    assert userinfo(provider, following["access_token"]).status_code == 200
    refused(app.refresh(first["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(following["refresh_token"]), 400, "invalid_grant")


def test_rt_03_after_the_grace_a_repeat_is_reuse(brief: Provider) -> None:
    """The attacker waits until the grace is over."""
    app = register(brief)
    first = app.tokens(Browser(brief.issuer))
    second = granted(app.refresh(first["refresh_token"]))
    time.sleep(1.2)
    refused(app.refresh(first["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(second["refresh_token"]), 400, "invalid_grant")


@pytest.mark.parametrize("public", [False, True], ids=["confidential", "public"])
def test_rt_05_and_rt_06_a_refresh_token_shown_by_another_client_ends_the_family(
    provider: Provider, app: App, ana: Browser, public: bool
) -> None:
    """The attacker, himself a client, shows a refresh token that he stole from another."""
    thief = register(provider, "Thief", public=public)
    tokens = app.tokens(ana)
    refused(thief.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    assert events(provider, "refresh.reused", thief.client_id) == 1


def test_rt_05_within_the_grace_another_client_ends_the_family_too(provider: Provider, app: App, ana: Browser) -> None:
    """The attacker uses the grace, in which the token before the current one still gets its successor."""
    thief = register(provider, "Thief")
    tokens = app.tokens(ana)
    following = granted(app.refresh(tokens["refresh_token"]))
    refused(thief.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(following["refresh_token"]), 400, "invalid_grant")


def test_rt_06_a_public_client_s_token_is_worth_nothing_to_a_confidential_one(
    provider: Provider, app: App, ana: Browser
) -> None:
    """A secret of one client opens nothing of another."""
    public = register(provider, "Phone", public=True)
    tokens = public.tokens(ana)
    refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    refused(public.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def test_rt_06_without_its_client_s_secret_a_refresh_token_is_worth_nothing_and_stays_alive(
    provider: Provider, app: App, ana: Browser
) -> None:
    """The attacker has the refresh token but not the secret: he gets nothing, and ends nothing."""
    tokens = app.tokens(ana)
    stranger = App(provider, app.client | {"token_endpoint_auth_method": "none"})
    refused(stranger.refresh(tokens["refresh_token"]), 401, "invalid_client")
    forger = App(provider, app.client | {"client_secret": "x" * 43})
    refused(forger.refresh(tokens["refresh_token"]), 401, "invalid_client")
    granted(app.refresh(tokens["refresh_token"]))


def test_cd_07_a_changed_refresh_token_is_none_and_ends_nothing(provider: Provider, app: App, ana: Browser) -> None:
    """The attacker saw where a family stands and makes up tokens, to get one or to sign its person out."""
    first = app.tokens(ana)
    token = granted(app.refresh(first["refresh_token"]))["refresh_token"]
    family, generation, proof = token.split(".")
    changed = [
        token[:-1],
        token + "A",
        token + "=",
        token + "\n",
        f" {token}",
        f"{family}.{generation}.{proof.swapcase()}",
        f"{family}.{int(generation) + 1}.{proof}",
        f"{family}.{int(generation) - 1}.{proof}",
        f"{family}.0{generation}.{proof}",
        f"{family}.+{generation}.{proof}",
        f"{family}.-1.{proof}",
        f"{family}.{'9' * 30}.{proof}",
        f"{family}.\u0661.{proof}",
        f"{family.upper()}.{generation}.{proof}",
        f"{'0' * 32}.{generation}.{proof}",
        f"{family}.{generation}.{'A' * 43}",
        f"{family}.{generation}.",
        f"{family}..{proof}",
        f"{family}.{generation}.{proof}.{proof}",
        "x" * 30_000,
        "é",
    ]
    for wrong in changed:
        if wrong != token:
            refused(app.refresh(wrong), 400, "invalid_grant")
    granted(app.refresh(token))


@pytest.mark.slow
def test_rt_08_and_cd_17_nothing_lives_longer_than_its_lifetime_however_it_is_used(brief: Provider) -> None:
    """The attacker finds what nobody used for long, or refreshes and refreshes to outlive the sign-in it began with."""
    app, browser = register(brief), Browser(brief.issuer)
    code = app.code(browser)
    bound = app.tokens(browser)
    unused, used = (app.tokens(browser, scope="openid offline_access") for _ in range(2))
    began = time.monotonic()

    def wait_until(second: float) -> None:
        time.sleep(max(0, began + second - time.monotonic()))

    for second in (2, 4):
        wait_until(second)
        bound, used = (granted(app.refresh(tokens["refresh_token"])) for tokens in (bound, used))
    refused(app.redeem(code), 400, "invalid_grant")
    refused(app.refresh(unused["refresh_token"]), 400, "invalid_grant")
    wait_until(5.2)
    refused(app.refresh(bound["refresh_token"]), 400, "invalid_grant")
    assert userinfo(brief, bound["access_token"]).status_code == 401
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"
    wait_until(6)
    used = granted(app.refresh(used["refresh_token"]))
    wait_until(8.2)
    refused(app.refresh(used["refresh_token"]), 400, "invalid_grant")


def test_rt_09_a_refresh_token_dies_with_the_consent(provider: Provider) -> None:
    """Ana takes back what she allowed; nothing that the app holds may work on."""
    app = register(provider)
    browser = Browser(provider.issuer)
    offline, bound = app.tokens(browser, scope="openid offline_access"), app.tokens(browser)
    browser.open(own.APPS)
    browser.submit(action=f"/apps/{app.client_id}/withdraw")
    for tokens in (offline, bound):
        refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
        assert userinfo(provider, tokens["access_token"]).status_code == 401
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "consent_required"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["disable", "delete", "set-password"])
def test_rt_09_an_offline_refresh_token_dies_with_its_person(provider: Provider, app: App, command: str) -> None:
    """Somebody leaves, or their password had leaked: nothing that was given for them may work on."""
    email = f"rt09-{command}@example.test"
    provider.create_user(email)
    browser = Browser(provider.issuer)
    browser.sign_in(app.url(scope="openid offline_access"), email=email)
    tokens = app.tokens(browser, scope="openid offline_access")
    granted(app.refresh(tokens["refresh_token"]))
    more = ("--password-stdin",) if command == "set-password" else ()
    provider.cli("user", command, email, *more, stdin="another long password\n" if more else "")
    refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    if command == "disable":
        provider.cli("user", "enable", email)
        refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def test_rt_09_a_refresh_token_dies_with_its_client(provider: Provider, ana: Browser) -> None:
    """An operator deletes a client."""
    app = register(provider)
    tokens = app.tokens(ana)
    provider.cli("client", "delete", app.client_id)
    refused(app.refresh(tokens["refresh_token"]), 401, "invalid_client")
    assert userinfo(provider, tokens["access_token"]).status_code == 401


def test_rt_14_no_token_passes_for_one_of_another_kind(provider: Provider, app: App, ana: Browser) -> None:
    """The attacker shows each kind of token where another one is asked for."""
    tokens = app.tokens(ana)
    code = app.code(ana)
    for wrong in (tokens["refresh_token"], tokens["id_token"], code.code):
        assert userinfo(provider, wrong).status_code == 401
    for wrong in (tokens["access_token"], tokens["id_token"], code.code):
        refused(app.refresh(wrong), 400, "invalid_grant")
    for wrong in (tokens["access_token"], tokens["id_token"], tokens["refresh_token"]):
        data = {"grant_type": "authorization_code", "code": wrong, "redirect_uri": code.redirect_uri}
        refused(app.post(data | {"code_verifier": code.verifier or ""}), 400, "invalid_grant")
    cookies = dict(ana.http.cookies)
    for wrong in cookies.values():
        assert userinfo(provider, str(wrong)).status_code == 401
        refused(app.refresh(str(wrong)), 400, "invalid_grant")
    granted(app.redeem(code))


@contextmanager
def write_lock(provider: Provider) -> Iterator[None]:
    """Another process holds the database's write lock."""
    with closing(sqlite3.connect(provider.folder / "data" / "idp.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.slow
def test_rt_18_a_database_that_cannot_be_written_is_503_and_nothing_is_lost(strict: Provider) -> None:
    """The disk stalls in the moment of a theft: the answer must not say that it was dealt with, nor give a token."""
    app, browser = register(strict), Browser(strict.issuer)
    first, code = app.tokens(browser), app.code(browser)
    second = granted(app.refresh(first["refresh_token"]))
    with write_lock(strict):
        for answer in (app.refresh(first["refresh_token"]), app.redeem(code)):
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
            assert answer.headers["retry-after"].isdigit()
            assert answer.headers["cache-control"] == "no-store"
    granted(app.redeem(code))
    third = granted(app.refresh(second["refresh_token"]))
    refused(app.refresh(first["refresh_token"]), 400, "invalid_grant")
    refused(app.refresh(third["refresh_token"]), 400, "invalid_grant")
