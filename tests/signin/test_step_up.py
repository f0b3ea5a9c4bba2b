"""Step-up: what an app or the policy for it asks beyond a session, and what tokens say of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS
from tests.oauth.wire import claims_of
from tests.provider import (
    EMAIL,
    PASSWORD,
    TLS,
    Browser,
    Provider,
    answer_of,
    authorize_url,
    pkce,
    redeem,
    running,
    token_request,
)
from tests.signin.conftest import App
from tests.signin.reading import SESSIONS, count, page_of, path_of, query, step_of
from tests.signin.test_second_factor import Device, allowed, identity, secret_of, send, with_password

ESSENTIAL = json.dumps({"id_token": {"acr": {"essential": True, "values": [ACR_TWO_FACTORS]}}})


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("stepping")) as provider:
        provider.create_user()
        yield provider


@pytest.fixture(scope="module")
def registered(installation: Provider) -> App:
    return App(installation.create_client("--audience", "https://api.example.com"))


@pytest.fixture
def app(installation: Provider, registered: App) -> App:
    """An app with its operator's usual policy; Ana has a password alone, no session, and allowed nothing."""
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    for table in ("sessions", "grants", "consents"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    policy(installation, registered)
    return registered


def policy(
    installation: Provider, app: App, rule: str = "optional", since: datetime | None = None, **more: Any
) -> None:
    """As `idp client update` would set it."""
    values = (rule, since and since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), more.get("max_age"), app.client_id)
    query(
        installation,
        "UPDATE clients SET second_factor = ?, second_factor_from = ?, max_age = ? WHERE client_id = ?",
        *values,
    )


@pytest.fixture
def browser(installation: Provider) -> Browser:
    return Browser(installation.issuer)


def age(installation: Provider, by: timedelta) -> None:
    """As if everybody had signed in so much earlier."""
    moment = (datetime.now(UTC) - by).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    query(installation, "UPDATE sessions SET authenticated_at = ?", moment)


def with_device(browser: Browser, app: App) -> Device:
    """Ana sets up a device, and allows the app."""
    browser.open(app.url(acr_values=ACR_TWO_FACTORS))
    if step_of(browser) == "identify":
        browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    device = Device(secret_of(browser))
    browser.submit(action="/enrol", code=device.code())
    allowed(browser)
    return device


def tokens(installation: Provider, browser: Browser, app: App, **parameters: str) -> dict[str, Any]:
    proof = pkce()
    code = answer_of(browser.open(authorize_url(app.client, proof.challenge, **parameters)))["code"]
    found: dict[str, Any] = redeem(installation, app.client, code, proof.verifier).json()
    return found


def test_an_essential_acr_is_met_by_stepping_up(installation: Provider, browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    browser.open(app.url(claims=ESSENTIAL))
    assert step_of(browser) == "password"
    assert "Billing asks you to confirm that it is you." in page_of(browser).text
    browser.submit(action="/password", password=PASSWORD)
    device = Device(secret_of(browser))
    browser.submit(action="/enrol", code=device.code())
    assert "code" in answer_of(page_of(browser))
    assert identity(installation, browser, app, claims=ESSENTIAL)["acr"] == ACR_TWO_FACTORS


def test_who_met_a_stronger_class_is_told_the_one_that_an_app_insists_on(
    installation: Provider, browser: Browser, app: App
) -> None:
    with_device(browser, app)
    weaker = ESSENTIAL.replace(ACR_TWO_FACTORS, ACR_PASSWORD)
    told = tokens(installation, browser, app, claims=weaker)
    assert claims_of(told["id_token"])["acr"] == claims_of(told["access_token"])["acr"] == ACR_PASSWORD
    assert identity(installation, browser, app)["acr"] == ACR_TWO_FACTORS


@pytest.mark.parametrize("prompt", ["", "none", "login"])
def test_an_essential_acr_that_does_not_exist_here_ends_at_the_app(
    installation: Provider, browser: Browser, app: App, prompt: str
) -> None:
    browser.sign_in(app.url())
    gold = ESSENTIAL.replace(ACR_TWO_FACTORS, "urn:mace:incommon:iap:gold")
    answer = answer_of(browser.open(app.url(claims=gold, prompt=prompt)))
    assert (answer["error"], answer["state"]) == ("unmet_authentication_requirements", "state-123")
    meaning = httpx2.get(answer["error_uri"], verify=TLS)
    assert "acr_values_supported" in meaning.text


def test_az_16_no_claim_is_given_that_was_not_allowed(installation: Provider, browser: Browser, app: App) -> None:
    """The app asks for the address past the scopes that the person allowed."""
    wanted = json.dumps({"id_token": {"email": {"essential": True}}, "userinfo": {"email": {"essential": True}}})
    browser.sign_in(app.url(scope="openid"))
    told = tokens(installation, browser, app, scope="openid", claims=wanted)
    assert "email" not in claims_of(told["id_token"])
    authorization = {"Authorization": f"Bearer {told['access_token']}"}
    assert set(httpx2.get(f"{installation.issuer}/userinfo", headers=authorization, verify=TLS).json()) == {"sub"}


@pytest.mark.parametrize("claims", ["{", "x" * 5000, "[" * 3000, '{"id_token":{"acr":1}}'], ids=lambda text: text[:9])
def test_az_16_claims_of_another_shape_are_refused(installation: Provider, app: App, claims: str) -> None:
    """The attacker sends wrong types, deep nesting, and more than there is room for."""
    assert answer_of(Browser(installation.issuer).open(app.url(claims=claims)))["error"] == "invalid_request"


def test_az_14_a_sub_in_claims_is_the_only_person_who_will_do(
    installation: Provider, browser: Browser, app: App
) -> None:
    """Somebody else is signed in than the one whom the app expects."""
    browser.sign_in(app.url())
    ana = identity(installation, browser, app)["sub"]
    for sub, error in ((ana, None), ("0" * 32, "login_required")):
        claims = json.dumps({"id_token": {"sub": {"value": sub}}})
        assert answer_of(browser.open(app.url(claims=claims, prompt="none"))).get("error") == error


def test_an_essential_acr_is_not_lost_when_the_sign_in_begins_again_in_another_browser(
    installation: Provider, browser: Browser, app: App
) -> None:
    browser.open(app.url(claims=ESSENTIAL))
    other = Browser(installation.issuer)
    other.open(app.url())
    other.open(path_of(browser))
    other.submit(action="/identify", username=EMAIL)
    other.submit(action="/password", password=PASSWORD)
    assert step_of(other) == "enrol"


def test_stepping_up_by_a_code_says_why_and_asks_nobody_who_they_are(
    installation: Provider, browser: Browser, app: App
) -> None:
    device = with_device(browser, app)
    query(installation, "UPDATE sessions SET acr = ?, amr = 'pwd'", ACR_PASSWORD)
    browser.open(app.url(acr_values=ACR_TWO_FACTORS))
    assert step_of(browser) == "factor"
    text = page_of(browser).text
    assert "Billing asks you to confirm that it is you." in text
    assert EMAIL in text
    assert 'name="username"' not in text
    browser.submit(action="/factor", code=device.code(1))
    assert "code" in answer_of(page_of(browser))


@pytest.mark.parametrize("minutes", [11, 9])
def test_max_age_is_judged_again_when_the_code_is_given(
    installation: Provider, browser: Browser, app: App, minutes: int
) -> None:
    """Of two people who read the question for long, one is asked for the password again; neither goes in a circle."""
    browser.sign_in(app.url(scope="openid"))
    browser.open(app.url(max_age="600"))
    assert step_of(browser) == "consent"
    age(installation, timedelta(minutes=minutes))
    browser.submit(action="/consent", button="allow")
    if minutes > 10:
        assert step_of(browser) == "password"
        browser.submit(action="/password", password=PASSWORD)
        browser.submit(action="/consent", button="allow")
    assert "code" in answer_of(page_of(browser))


def test_az_12_a_question_that_is_read_for_minutes_sends_nobody_in_a_circle(
    installation: Provider, browser: Browser, app: App
) -> None:
    """max_age=0: what is proved after the app asked is fresh for as long as a person may need, and no longer."""
    for minutes, step in ((4, None), (6, "password")):
        query(installation, "DELETE FROM consents")
        browser.open(app.url(max_age="0"))
        if step_of(browser) == "identify":
            browser.submit(action="/identify", username=EMAIL)
        browser.submit(action="/password", password=PASSWORD)
        assert step_of(browser) == "consent"
        query(installation, "UPDATE sessions SET authenticated_at = ?", moment_ago(minutes))
        shift_start(installation, minutes)
        browser.submit(action="/consent", button="allow")
        assert step_of(browser) == step


def moment_ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shift_start(installation: Provider, minutes: int) -> None:
    """As if the attempts had begun before."""
    query(installation, "UPDATE attempts SET fresh_since = ?", moment_ago(minutes + 1))


def test_an_app_may_not_lean_on_a_session_for_longer_than_its_policy_says(
    installation: Provider, browser: Browser, app: App
) -> None:
    browser.sign_in(app.url())
    age(installation, timedelta(minutes=30))
    assert "code" in answer_of(browser.open(app.url(prompt="none")))
    policy(installation, app, max_age=1200)
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"
    assert answer_of(browser.open(app.url(prompt="none", max_age="86400")))["error"] == "login_required"
    browser.open(app.url())
    browser.submit(action="/password", password=PASSWORD)
    assert "code" in answer_of(page_of(browser))
    assert answer_of(browser.open(app.url(prompt="none", max_age="0")))["error"] == "login_required"


def test_an_app_whose_policy_requires_two_factors_gets_nobody_by_one(
    installation: Provider, browser: Browser, app: App
) -> None:
    browser.sign_in(app.url())
    policy(installation, app, "required")
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"
    browser.open(app.url())
    assert step_of(browser) == "password"
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "enrol"
    assert "Billing asks you for a second step" in page_of(browser).text
    assert 'id="later"' not in page_of(browser).text
    send(browser, "/later")
    browser.open(path_of(browser))
    assert step_of(browser) == "enrol"


TOMORROW = datetime.now(UTC) + timedelta(days=1)


def test_before_a_policy_starts_a_device_may_be_put_off(installation: Provider, browser: Browser, app: App) -> None:
    policy(installation, app, "required", TOMORROW)
    with_password(browser, app.url())
    assert step_of(browser) == "enrol"
    assert f"From {TOMORROW:%-d %b %Y} (UTC) on, Billing asks you" in page_of(browser).text
    assert count(installation, SESSIONS) == 0
    browser.submit("later", action="/later")
    assert "code" in allowed(browser)
    assert "code" in answer_of(browser.open(app.url(prompt="none"))), "nobody is asked at each app that they open"
    put_off = count(installation, "SELECT count(*) FROM audit WHERE event = 'factor.put_off'")
    assert put_off == 1
    policy(installation, app, "required", datetime.now(UTC) - timedelta(minutes=1))
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"


def test_a_device_that_is_set_up_before_the_policy_starts_counts_at_once(
    installation: Provider, browser: Browser, app: App
) -> None:
    policy(installation, app, "required", TOMORROW)
    with_password(browser, app.url())
    device = Device(secret_of(browser))
    browser.submit(action="/enrol", code=device.code())
    assert "code" in allowed(browser)
    other = Browser(installation.issuer)
    with_password(other, app.url())
    assert step_of(other) == "factor"
    send(other, "/later")
    other.open(path_of(other))
    assert step_of(other) == "factor", "who has a second factor puts nothing off"


def test_mf_02_what_an_app_asks_for_itself_is_not_put_off(installation: Provider, browser: Browser, app: App) -> None:
    """The attacker, who has the password, presses a button that another page had."""
    policy(installation, app, "required", TOMORROW)
    with_password(browser, app.url(claims=ESSENTIAL))
    assert 'id="later"' not in page_of(browser).text
    send(browser, "/later")
    assert count(installation, SESSIONS) == 0


def test_everybody_may_put_it_off_until_the_day_that_the_server_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    day = f"{TOMORROW:%-d %b %Y}"
    folder = tmp_path_factory.mktemp("announced")
    with running(folder, second_factor="required", second_factor_from=f"{TOMORROW:%Y-%m-%d}") as provider:
        provider.create_user()
        app, browser = App(provider.create_client()), Browser(provider.issuer)
        with_password(browser, app.url())
        assert f"From {day} (UTC) on, localhost asks everybody" in page_of(browser).text
        browser.submit("later", action="/later")
        assert "code" in allowed(browser)


def test_mf_11_what_tokens_say_is_what_the_audit_saw(installation: Provider, browser: Browser, app: App) -> None:
    """An API trusts acr, amr and auth_time: they are compared with what the audit recorded at that moment."""
    with_password(browser, app.url())
    allowed(browser)
    assert_as_audited(installation, browser, app, ACR_PASSWORD)
    device = with_device(browser, app)
    assert_as_audited(installation, browser, app, ACR_TWO_FACTORS)
    browser.open(app.url(prompt="login"))
    browser.submit(action="/password", password=PASSWORD)
    browser.submit(action="/factor", code=device.code(1))
    assert_as_audited(installation, browser, app, ACR_TWO_FACTORS)


def assert_as_audited(installation: Provider, browser: Browser, app: App, acr: str) -> None:
    told = tokens(installation, browser, app, scope="openid email")
    refreshed = token_request(
        installation, app.client, grant_type="refresh_token", refresh_token=told["refresh_token"]
    ).json()
    auth = (app.client_id, app.client["client_secret"])
    introspected = httpx2.post(
        f"{installation.issuer}/introspect", data={"token": refreshed["access_token"]}, auth=auth, verify=TLS
    ).json()
    said = [claims_of(each[name]) for each in (told, refreshed) for name in ("id_token", "access_token")]
    sid = said[0]["sid"]
    ((amr, proved_at),) = query(
        installation,
        "SELECT json_extract(details, '$.amr'), at FROM audit"
        " WHERE event = 'sign_in.succeeded' AND session_id = ? ORDER BY at DESC LIMIT 1",
        sid,
    )
    first = query(
        installation,
        "SELECT max(at) FROM audit WHERE event = 'factor.accepted' AND json_extract(details, '$.factor') = 'password'"
        " AND at <= ?",
        proved_at,
    )[0][0]
    since = datetime.fromisoformat(first if "otp" in amr else proved_at)
    for claims in (*said, introspected):
        assert (claims["acr"], claims["amr"]) == (acr, amr.split())
        assert abs(claims["auth_time"] - since.timestamp()) <= 1


def test_mf_11_no_acr_is_kept_after_its_factor_was_taken_away(
    installation: Provider, browser: Browser, app: App
) -> None:
    """The operator resets somebody's device; what was proved with it must not go on in any token."""
    with_device(browser, app)
    told = tokens(installation, browser, app, scope="openid email")
    installation.cli("user", "reset-factors", EMAIL)
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"
    refreshed = token_request(installation, app.client, grant_type="refresh_token", refresh_token=told["refresh_token"])
    assert refreshed.json()["error"] == "invalid_grant"
    auth = (app.client_id, app.client["client_secret"])
    asked = httpx2.post(
        f"{installation.issuer}/introspect", data={"token": told["access_token"]}, auth=auth, verify=TLS
    )
    assert asked.json() == {"active": False}
    again = Browser(installation.issuer)
    with_password(again, app.url())
    allowed(again)
    assert identity(installation, again, app)["acr"] == ACR_PASSWORD


def test_the_audit_names_the_session_that_a_new_sign_in_renewed(installation: Provider, app: App) -> None:
    browser = Browser(installation.issuer)
    with_password(browser, app.url())
    allowed(browser)
    browser.open(app.url(prompt="login"))
    browser.submit(action="/password", password=PASSWORD)
    allowed(browser)
    ((sid,),) = query(installation, "SELECT id FROM sessions")
    told = query(
        installation, "SELECT session_id FROM audit WHERE event = 'sign_in.succeeded' ORDER BY id DESC LIMIT 2"
    )
    assert told == [(sid,), (sid,)]
