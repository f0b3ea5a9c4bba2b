"""Authorization codes: bound to everything, used once, and dead with what they were given for."""

import itertools
import re
from collections import Counter
from collections.abc import Callable

import pytest

from idp.protocol.client_auth import hash_secret
from idp.services import Services
from idp.store import clients
from idp.store.grants import EVICTED_FROM
from idp.store.ids import new_secret
from idp.web import own
from tests.oauth.wire import (
    App,
    Code,
    claims_of,
    events,
    granted,
    parameters_of,
    post_authorize,
    refused,
    register,
    send,
    sql,
    userinfo,
    with_services,
)
from tests.provider import PASSWORD, Browser, Provider, answer_of, running


def test_cd_02_a_code_is_worth_nothing_to_another_client(provider: Provider, app: App, ana: Browser) -> None:
    """The attacker, himself a client in good standing, caught a code of another app."""
    attacker = register(provider, "Attacker")
    code = app.code(ana)
    refused(attacker.redeem(code), 400, "invalid_grant")
    refused(app.redeem(code), 400, "invalid_grant")
    assert events(provider, "code.refused", attacker.client_id) == 1


def test_cd_02_a_code_is_worth_nothing_to_a_public_client(provider: Provider, app: App, ana: Browser) -> None:
    """The attacker shows the caught code under the id of a client that needs no secret."""
    public = register(provider, "Phone", public=True)
    code = app.code(ana)
    refused(public.redeem(code), 400, "invalid_grant")
    refused(app.redeem(code), 400, "invalid_grant")


def test_cd_02_a_public_client_s_code_is_worth_nothing_to_a_confidential_one(
    provider: Provider, app: App, ana: Browser
) -> None:
    """The other way round: a secret of one client opens nothing of another."""
    public = register(provider, "Phone", public=True)
    code = public.code(ana)
    refused(app.redeem(code), 400, "invalid_grant")
    refused(public.redeem(code), 400, "invalid_grant")


def test_cd_02_a_code_without_a_client_is_refused_and_not_used_up(app: App, ana: Browser) -> None:
    """The attacker leaves the client away; that must not let him burn the codes of others either."""
    code = app.code(ana)
    data = {"grant_type": "authorization_code", "code": code.code, "redirect_uri": code.redirect_uri}
    answer = send("POST", f"{app.provider.issuer}/token", data=data | {"code_verifier": code.verifier or ""})
    refused(answer, 401, "invalid_client")
    wrong = send("POST", f"{app.provider.issuer}/token", data=data, auth=(app.client_id, "wrong"))
    refused(wrong, 401, "invalid_client")
    granted(app.redeem(code))


@pytest.mark.parametrize("uri", ["https://two.example.com/cb", "", "https://one.example.com/cb/", "https://evil.test/"])
def test_cd_03_the_address_at_the_token_endpoint_is_the_one_of_the_request(
    provider: Provider, ana: Browser, uri: str
) -> None:
    """The attacker injects a code that was sent to another address, or leaves the address away."""
    app = register(provider, redirect_uris=("https://one.example.com/cb", "https://two.example.com/cb"))
    code = app.code(ana)
    refused(app.redeem(code, redirect_uri=uri), 400, "invalid_grant")
    refused(app.redeem(code), 400, "invalid_grant")


def refresh_token(app: App, ana: Browser) -> str:
    """The part of it that is secret."""
    return str(app.tokens(ana, scope="openid")["refresh_token"]).rpartition(".")[2]


def stored_request(app: App, ana: Browser) -> str:
    sql(app.provider, "DELETE FROM counters")  # one address may not have so many stored
    return post_authorize(app.provider, parameters_of(app.url())).headers["location"].removeprefix("/authorize/")


def cookie(app: App, browser: Browser, purpose: str) -> str:
    return str(browser.http.cookies[f"idp_{purpose}_{app.provider.port}"])


def session_cookie(app: App, ana: Browser) -> str:
    """That of the next sign-in of the same browser, whose session goes on under a new cookie."""
    ana.open(app.url(prompt="login"))
    ana.submit(action="/password", password=PASSWORD)
    return cookie(app, ana, "session")


def browser_cookie(app: App, ana: Browser) -> str:
    browser = Browser(app.provider.issuer)
    browser.open(app.url())
    return cookie(app, browser, "browser")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("issue", "length"),
    [
        (lambda app, ana: app.code(ana, scope="openid").code, 43),
        (refresh_token, 43),
        (stored_request, 43),
        (session_cookie, 43),
        (browser_cookie, 43),
    ],
    ids=["code", "refresh token", "stored request", "session cookie", "browser cookie"],
)
def test_cd_05_no_secret_can_be_guessed(
    app: App, ana: Browser, issue: Callable[[App, Browser], str], length: int
) -> None:
    """The attacker collects secrets and looks for a pattern: a length, a common beginning, an order in time."""
    ana.sign_in(app.url())
    secrets = [issue(app, ana) for _ in range(200)]
    assert len(set(secrets)) == len(secrets)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", secret) for secret in secrets), "base64url"
    assert {len(secret) for secret in secrets} == {length}, "256 bits"
    for position in range(length - 1):  # the last letter may hold four bits alone
        counted = Counter(secret[position] for secret in secrets)
        assert len(counted) > 40, f"{counted} at {position}"
        assert max(counted.values()) < 20
    rising = sum(earlier < later for earlier, later in itertools.pairwise(secrets))
    assert 60 < rising < 140


@pytest.mark.parametrize("change", ["cut", "longer", "case", "padding", "space", "plus", "empty", "nul"])
def test_cd_07_a_code_that_was_changed_is_none(app: App, ana: Browser, change: str) -> None:
    """The attacker has most of a code, or one that a log changed."""
    code = app.code(ana)
    text = code.code
    changed = {
        "cut": text[:-1],
        "longer": text + "A",
        "case": text.swapcase(),
        "padding": text + "=",
        "space": text + " ",
        "plus": " " + text,
        "empty": "",
        "nul": text + "\0",
    }[change]
    answer = app.redeem(Code(changed, code.verifier, code.redirect_uri))
    refused(answer, 400, "invalid_request" if change in ("empty", "nul") else "invalid_grant")
    granted(app.redeem(code))


@pytest.mark.parametrize("code", ["x" * 43, "é", "😀", "' OR 1=1 --", "x" * 30_000, "../../etc/passwd", "None", "{}"])
def test_a_code_that_nobody_issued_is_invalid_grant(app: App, code: str) -> None:
    refused(app.redeem(Code(code, "v" * 43, app.client["redirect_uris"][0])), 400, "invalid_grant")


def test_a_stored_request_is_no_code_and_a_code_no_stored_request(app: App, ana: Browser) -> None:
    code = app.code(ana)
    assert send("GET", f"{app.provider.issuer}/authorize/{code.code}").status_code == 410
    stored = send("POST", f"{app.provider.issuer}/authorize", data={"client_id": app.client_id})
    name = stored.headers["location"].rpartition("/")[2]
    refused(app.redeem(Code(name, code.verifier, code.redirect_uri)), 400, "invalid_grant")
    granted(app.redeem(code))


def test_ra_01_a_replayed_code_kills_every_token_it_gave(provider: Provider, app: App, ana: Browser) -> None:
    """The attacker redeems a code that was redeemed before: one of the two stole it, so nobody keeps its tokens."""
    code = app.code(ana, scope="openid email offline_access")
    tokens = granted(app.redeem(code))
    assert userinfo(provider, tokens["access_token"]).status_code == 200
    refused(app.redeem(code), 400, "invalid_grant")
    answer = userinfo(provider, tokens["access_token"])
    assert (answer.status_code, 'error="invalid_token"' in answer.headers["www-authenticate"]) == (401, True)
    refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")


def test_a_replayed_code_kills_the_tokens_that_were_refreshed_meanwhile(
    provider: Provider, app: App, ana: Browser
) -> None:
    code = app.code(ana)
    first = granted(app.redeem(code))
    second = granted(app.refresh(first["refresh_token"]))
    refused(app.redeem(code, code_verifier="w" * 43), 400, "invalid_grant")
    for token in (first["access_token"], second["access_token"]):
        assert userinfo(provider, token).status_code == 401
    refused(app.refresh(second["refresh_token"]), 400, "invalid_grant")


def test_a_replay_by_another_client_kills_the_tokens_as_well(provider: Provider, app: App, ana: Browser) -> None:
    attacker = register(provider, "Attacker")
    code = app.code(ana)
    tokens = granted(app.redeem(code))
    refused(attacker.redeem(code), 400, "invalid_grant")
    assert userinfo(provider, tokens["access_token"]).status_code == 401


def test_a_replayed_code_leaves_other_grants_alone(provider: Provider, app: App, ana: Browser) -> None:
    other = app.tokens(ana)
    code = app.code(ana)
    granted(app.redeem(code))
    refused(app.redeem(code), 400, "invalid_grant")
    assert userinfo(provider, other["access_token"]).status_code == 200
    granted(app.refresh(other["refresh_token"]))


def test_a_replay_is_recorded_under_its_name(provider: Provider, ana: Browser) -> None:
    app = register(provider)
    code = app.code(ana)
    granted(app.redeem(code))
    refused(app.redeem(code), 400, "invalid_grant")
    assert events(provider, "code.redeemed", app.client_id) == 1
    assert events(provider, "code.replayed", app.client_id) == 1


def test_cd_14_a_code_dies_with_its_client(provider: Provider, ana: Browser) -> None:
    """An operator deletes a client that turned out to be hostile; it still holds a code."""
    app = register(provider)
    code = app.code(ana)
    provider.cli("client", "delete", app.client_id)
    refused(app.redeem(code), 401, "invalid_client")


def test_cd_14_a_client_that_is_switched_off_redeems_and_refreshes_nothing(provider: Provider, ana: Browser) -> None:
    """A client is disabled between the code and the exchange, and its tokens end with it."""
    app = register(provider)
    tokens, code = app.tokens(ana), app.code(ana)
    sql(provider, "UPDATE clients SET disabled_at = created_at WHERE client_id = ?", app.client_id)
    refused(app.redeem(code), 401, "invalid_client")
    refused(app.refresh(tokens["refresh_token"]), 401, "invalid_client")
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    answer = send("GET", provider.issuer + app.url())
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_cd_14_an_old_secret_redeems_nothing(provider: Provider, ana: Browser) -> None:
    """The secret leaked and was rotated between the code and the exchange."""
    app = register(provider)
    code = app.code(ana)
    fresh = App(provider, app.client | {"client_secret": new_secret()})

    async def rotate(services: Services) -> None:
        now = services.clock()
        async with services.database.transaction() as transaction:
            kept = await clients.add_secret(transaction, app.client_id, hash_secret(fresh.basic[1]), now)
            await clients.end_other_secrets(transaction, app.client_id, but=kept, now=now, until=now)

    with_services(provider, rotate)
    refused(app.redeem(code), 401, "invalid_client")
    granted(fresh.redeem(code))


def test_cd_14_a_client_that_lost_a_grant_type_uses_it_no_more(provider: Provider, ana: Browser) -> None:
    """An operator takes the refresh grant away between the code and the exchange."""
    app = register(provider)
    tokens, code = app.tokens(ana), app.code(ana, scope="openid offline_access")
    provider.cli("client", "update", app.client_id, "--grant-type", "authorization_code")
    given = granted(app.redeem(code))
    assert "refresh_token" not in given
    assert given["scope"] == "openid"
    refused(app.refresh(tokens["refresh_token"]), 400, "unauthorized_client")


def test_cd_14_a_code_dies_with_the_consent(provider: Provider) -> None:
    """Ana withdraws her consent while the app holds a code that it has not shown yet."""
    app = register(provider)
    browser = Browser(provider.issuer)
    code = app.code(browser)
    browser.open(own.APPS)
    browser.submit(action=f"/apps/{app.client_id}/withdraw")
    refused(app.redeem(code), 400, "invalid_grant")


def test_cd_14_a_code_of_a_wider_consent_is_dead_after_a_narrower_one(provider: Provider) -> None:
    """An app keeps a code back until its person has withdrawn what they allowed and allowed less."""
    app, browser = register(provider), Browser(provider.issuer)
    kept = app.code(browser, scope="openid email offline_access")
    browser.open(own.APPS)
    browser.submit(action=f"/apps/{app.client_id}/withdraw")
    narrow = app.code(browser, scope="openid")
    refused(app.redeem(kept), 400, "invalid_grant")
    assert granted(app.redeem(narrow))["scope"] == "openid"


def test_az_19_a_client_that_lost_offline_access_keeps_nothing_offline(provider: Provider) -> None:
    """An app goes on refreshing after its person signed out, though it may not ask for that any more."""
    app, browser = register(provider), Browser(provider.issuer)
    tokens = app.tokens(browser, scope="openid offline_access")
    provider.cli("client", "update", app.client_id, "--scope", "openid profile email")
    token = granted(app.refresh(tokens["refresh_token"]))["refresh_token"]
    browser.open("/")
    browser.submit(action="/sign-out")
    refused(app.refresh(token), 400, "invalid_grant")


def test_cd_14_a_code_dies_with_the_session(provider: Provider, app: App) -> None:
    """Ana signs out while the app holds a code that it has not shown yet."""
    browser = Browser(provider.issuer)
    code = app.code(browser, scope="openid offline_access")
    browser.open("/")
    browser.submit(action="/sign-out")
    refused(app.redeem(code), 400, "invalid_grant")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["disable", "delete", "set-password"])
def test_cd_14_a_code_dies_with_its_person(provider: Provider, app: App, command: str) -> None:
    """A person is disabled or deleted, or gets another password, while an app holds a code."""
    email = f"cd14-{command}@example.test"
    provider.create_user(email)
    browser = Browser(provider.issuer)
    browser.sign_in(app.url(), email=email)
    code, tokens = app.code(browser), app.tokens(browser)
    more = ("--password-stdin",) if command == "set-password" else ()
    provider.cli("user", command, email, *more, stdin="another long password\n" if more else "")
    refused(app.redeem(code), 400, "invalid_grant")
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    refused(app.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"


@pytest.mark.slow
def test_tk_19_who_comes_after_a_deleted_person_is_somebody_else(provider: Provider, app: App) -> None:
    """A new person gets the address of a deleted one: an app must not take them for the same."""
    email, subjects = "tk19@example.test", []
    for _ in range(2):
        created = provider.create_user(email)
        browser = Browser(provider.issuer)
        response = browser.sign_in(app.url(), email=email)
        assert "code" in answer_of(response)
        tokens = app.tokens(browser)
        assert claims_of(tokens["id_token"])["sub"] == created["sub"] == claims_of(tokens["access_token"])["sub"]
        subjects.append(created["sub"])
        provider.cli("user", "delete", email)
        assert userinfo(provider, tokens["access_token"]).status_code == 401
    assert len(set(subjects)) == 2


@pytest.mark.slow
def test_rt_15_an_app_that_signs_in_without_end_keeps_the_newest_grants(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """An app, or who stole its credentials, redeems code after code and lets the table grow without an end."""
    with running(tmp_path_factory.mktemp("few"), grants_per_app="2") as provider:
        provider.create_user()
        app, ana = register(provider), Browser(provider.issuer)
        families = [app.tokens(ana)["refresh_token"] for _ in range(2 + EVICTED_FROM + 1)]
        assert [app.refresh(token).status_code for token in families] == [400] * (EVICTED_FROM + 1) + [200] * 2
        assert events(provider, "grant.evicted", app.client_id) == 1
