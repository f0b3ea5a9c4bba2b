"""What cannot be recorded does not happen, and a check that fails instead of refusing lets nobody in."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import pytest

from idp.protocol.claims import ACR_TWO_FACTORS
from idp.web import own
from tests.account.test_account import ANOTHER_PASSWORD, code_of, factors, secret_on, signed_in
from tests.authenticators import Device
from tests.provider import (
    EMAIL,
    PASSWORD,
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
from tests.signin.passkeys import given, options_of
from tests.signin.passkeys import send as send_passkey
from tests.signin.reading import (
    CODES,
    SESSIONS,
    count,
    forget_events,
    heading_of,
    page_of,
    query,
    reference_in,
    state_of,
    step_of,
)

REASON = "nothing is recorded"
BROKEN = "Something went wrong here"
SPOILED = "X'01020304'"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("closed")) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def provider(installation: Provider) -> Iterator[Provider]:
    """Ana with a password alone, signed in nowhere; what failed here was meant to."""
    before = query(installation, "SELECT id, data, version FROM credentials")
    yield installation
    for each, data, version in before:
        query(installation, "UPDATE credentials SET data = ?, version = ? WHERE id = ?", data, version, each)
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    for table in ("sessions", "consents", "failures"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    installation.log.write_text("")


@pytest.fixture
def app(provider: Provider) -> App:
    return App(provider.create_client())


@contextmanager
def no_audit(provider: Provider, how: str = "ABORT", event: str = "%") -> Iterator[None]:
    """The disk, or whoever has the database, takes no more records of such events."""
    when, then = f"NEW.event LIKE '{event}'", f"SELECT RAISE({how}, '{REASON}')"
    query(provider, f"CREATE TRIGGER deaf BEFORE INSERT ON audit WHEN {when} BEGIN {then}; END")
    try:
        yield
    finally:
        query(provider, "DROP TRIGGER deaf")


def failed(provider: Provider, answer: httpx2.Response) -> str:
    """The reason in the log of a page that says that we failed."""
    assert (answer.status_code, heading_of(answer)) == (500, BROKEN)
    reference = reference_in(answer)
    lines = [line for line in provider.log_lines() if line["event"] == "failed" and line["reference"] == reference]
    assert len(lines) == 1
    assert "set-cookie" not in answer.headers
    return str(lines[0])


def at_password(provider: Provider, app: App) -> Browser:
    browser = Browser(provider.issuer)
    browser.open(app.url())
    browser.submit(action="/identify", username=EMAIL)
    return browser


def with_device(provider: Provider) -> tuple[Browser, str]:
    """A browser in which Ana has just set up an app, and its secret."""
    browser = signed_in(provider, own.AUTHENTICATOR)
    secret = secret_on(page_of(browser))
    browser.submit(code=code_of(secret, -1), name="Phone")
    assert factors(provider) == ["recovery", "totp"]
    return browser, secret


def at_factor(provider: Provider, app: App) -> Browser:
    browser = at_password(provider, app)
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "factor"
    return browser


@pytest.mark.parametrize("how", ["ABORT", "FAIL", "ROLLBACK"])
def test_lg_06_a_sign_in_that_cannot_be_recorded_does_not_happen(provider: Provider, app: App, how: str) -> None:
    """The attacker has filled the disk, or the log of events, so that nobody sees him sign in."""
    browser = at_password(provider, app)
    page, before = page_of(browser), state_of(provider)
    with no_audit(provider, how):
        assert REASON in failed(provider, browser.submit(action="/password", password=PASSWORD))
        assert state_of(provider) == before
        assert count(provider, SESSIONS) == 0
    browser.page = page
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "consent"


@pytest.mark.parametrize("how", ["ABORT", "ROLLBACK"])
def test_lg_06_of_many_at_once_those_alone_are_answered_that_were_recorded(
    provider: Provider, app: App, how: str
) -> None:
    """The attacker signs in among many others, whose records are written together, while his cannot be."""
    browsers = [at_password(provider, app) for _ in range(8)]
    forget_events(provider)

    def sign_in(number: int) -> tuple[bool, int]:
        right = number % 2 == 0
        password = PASSWORD if right else "not the right one"
        return right, browsers[number].submit(action="/password", password=password).status_code

    with no_audit(provider, how, "sign_in.succeeded"), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(sign_in, range(8)))
    assert {status for right, status in answers if right} <= {500, 503}
    assert {status for right, status in answers if not right} <= {200, 500, 503}
    recorded = sum(status == 200 for _, status in answers)
    assert count(provider, SESSIONS) == 0
    assert count(provider, "SELECT count(*) FROM audit WHERE event = 'sign_in.failed'") == recorded
    assert count(provider, "SELECT coalesce(max(count), 0) FROM failures") == recorded
    assert not any("session" in name for browser in browsers for name in browser.http.cookies)


def test_lg_06_a_wrong_password_that_cannot_be_recorded_is_not_answered_as_one(provider: Provider, app: App) -> None:
    """The attacker guesses where no guess is recorded: he must not learn from the answer whether it was right."""
    answers = []
    with no_audit(provider):
        for password in ("not the right one", PASSWORD):
            browser = at_password(provider, app)
            answer = browser.submit(action="/password", password=password)
            answers.append((answer.status_code, heading_of(answer)))
    assert answers == [(500, BROKEN), (500, BROKEN)]
    assert count(provider, "SELECT count(*) FROM failures") == 0


def test_lg_06_a_consent_that_cannot_be_recorded_gives_no_code(provider: Provider, app: App) -> None:
    """The attacker's app is allowed something while nothing is recorded."""
    browser = at_password(provider, app)
    browser.submit(action="/password", password=PASSWORD)
    page, before = page_of(browser), state_of(provider)
    with no_audit(provider):
        failed(provider, browser.submit(action="/consent", button="allow"))
        assert state_of(provider) == before
        assert answer_of(browser.open(app.url(prompt="none")))["error"] == "consent_required"
    browser.page = page
    assert "code" in answer_of(browser.submit(action="/consent", button="allow"))


def test_lg_06_a_second_factor_that_cannot_be_recorded_is_not_used_up(provider: Provider, app: App) -> None:
    """The attacker has password and code, and sends both while nothing is recorded."""
    _, secret = with_device(provider)
    browser = at_factor(provider, app)
    page, before = page_of(browser), state_of(provider)
    with no_audit(provider):
        failed(provider, browser.submit(action="/factor", code=code_of(secret)))
        assert state_of(provider) == before
    browser.page = page
    browser.submit(action="/factor", code=code_of(secret))
    assert step_of(browser) == "consent"


def test_lg_06_a_device_that_cannot_be_recorded_as_removed_stays(provider: Provider, app: App) -> None:
    """The attacker has the victim's open browser, and removes the device while nothing is recorded."""
    browser, secret = with_device(provider)
    other = at_factor(provider, app)
    other.submit(action="/factor", code=code_of(secret))
    page, before = page_of(browser), state_of(provider)
    with no_audit(provider):
        failed(provider, browser.submit(action="/remove"))
        assert state_of(provider) == before
        assert count(provider, SESSIONS) == 2
    browser.page = page
    assert "was removed" in browser.submit(action="/remove").text
    assert (factors(provider), count(provider, SESSIONS)) == ([], 1)


@pytest.mark.parametrize("change", ["password", "authenticator app", "recovery codes"])
def test_lg_06_a_change_at_the_account_page_that_cannot_be_recorded_is_none(provider: Provider, change: str) -> None:
    """The attacker has the victim's open browser, and changes how they sign in while nothing is recorded."""
    if change == "password":
        browser, done = signed_in(provider, own.PASSWORD), "Your new password counts"
        fields = {"current": PASSWORD, "password": ANOTHER_PASSWORD, "elsewhere": "end"}
    elif change == "authenticator app":
        browser, done = signed_in(provider, own.AUTHENTICATOR), "is set up"
        fields = {"code": code_of(secret_on(page_of(browser))), "name": "Phone"}
    else:
        browser, done, fields = with_device(provider)[0], "recovery codes", dict[str, str]()
        browser.open(own.RECOVERY_CODES)
    page, before = page_of(browser), state_of(provider)
    with no_audit(provider):
        assert REASON in failed(provider, browser.submit(**fields))
        assert state_of(provider) == before
    browser.page = page
    answer = browser.submit(**fields)
    assert (answer.status_code, done in answer.text) == (200, True)
    assert state_of(provider) != before


def test_lg_06_tokens_that_cannot_be_recorded_are_not_given(provider: Provider) -> None:
    """The attacker's app fetches and refreshes tokens while nothing is recorded."""
    client = provider.create_client("--grant-type", "authorization_code", "--grant-type", "refresh_token")
    proof = pkce()
    code = answer_of(Browser(provider.issuer).sign_in(authorize_url(client, proof.challenge)))["code"]
    before = state_of(provider)
    with no_audit(provider):
        answer = redeem(provider, client, code, proof.verifier)
        assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
        assert state_of(provider) == before
    tokens = redeem(provider, client, code, proof.verifier).json()
    before = state_of(provider)
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    with no_audit(provider):
        answer = token_request(provider, client, **fields)
        assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
        assert state_of(provider) == before
    assert "access_token" in token_request(provider, client, **fields).json()


def test_lg_06_a_sign_out_that_cannot_be_recorded_says_so(provider: Provider, app: App) -> None:
    """The attacker wants somebody to believe that they are signed out."""
    browser = signed_in(provider)
    browser.open("/")
    page = page_of(browser)
    with no_audit(provider):
        failed(provider, browser.submit(action="/sign-out"))
        assert count(provider, SESSIONS) == 1
    browser.page = page
    browser.submit(action="/sign-out")
    assert count(provider, SESSIONS) == 0


@pytest.mark.parametrize(
    "command",
    [
        "user disable WHO",
        "user reset-factors WHO",
        "user set-password WHO --password-stdin",
        "user delete WHO",
        "revoke user WHO",
        "client create Unseen --redirect-uri https://unseen.example.com/callback",
        "user create another-WHO",
    ],
)
def test_lg_06_a_command_that_cannot_be_recorded_changes_nothing(provider: Provider, command: str) -> None:
    """The attacker is an operator who changes things where no record is kept."""
    who = f"{command.split(' WHO', maxsplit=1)[0].replace(' ', '-')[:40]}@example.test"
    provider.create_user(who)
    browser = signed_in(provider, own.AUTHENTICATOR, who)
    browser.submit(code=code_of(secret_on(page_of(browser))), name="Phone")
    arguments, new = command.replace("WHO", who).split(), ANOTHER_PASSWORD + "\n"
    tables = ("users", "credentials", "clients", "client_secrets", "grants")

    def stored() -> list[list[tuple[object, ...]]]:
        sessions = query(provider, "SELECT id, ended_at FROM sessions ORDER BY 1")
        return [sessions, *(query(provider, f"SELECT * FROM {table} ORDER BY 1") for table in tables)]  # noqa: S608

    before = stored()
    with no_audit(provider):
        done = provider.run(*arguments, stdin=new)
        assert (done.returncode, done.stdout) == (1, "")
        assert REASON in done.stderr
        assert stored() == before
        assert heading_of(browser.open(own.SECURITY)) == "Security"
    assert provider.run(*arguments, stdin=new).returncode == 0
    assert stored() != before


def test_lg_05_a_passkey_that_cannot_be_read_signs_nobody_in(provider: Provider, app: App) -> None:
    """The attacker, or a disk, spoils what a passkey is checked against, and hopes that no answer counts as yes."""
    device = Device(provider.issuer)
    given(provider, device)
    browser = Browser(provider.issuer)
    browser.open(app.url())
    query(provider, f"UPDATE credentials SET data = {SPOILED} WHERE factor = 'passkey'")  # noqa: S608
    before = count(provider, CODES)
    answer = send_passkey(browser, device.get(options_of(browser)))
    assert "SealBroken" in failed(provider, answer)
    assert (count(provider, SESSIONS), count(provider, CODES)) == (0, before)
    assert answer_of(browser.open(app.url(prompt="none")))["error"] == "login_required"


@pytest.mark.parametrize("method", ["totp", "recovery"])
def test_lg_05_a_second_factor_that_cannot_be_read_is_not_passed(provider: Provider, app: App, method: str) -> None:
    """The attacker, who has the password, spoils the device or the codes, and sends a code."""
    _, secret = with_device(provider)
    query(provider, "DELETE FROM sessions")
    browser = at_factor(provider, app)
    page = page_of(browser)
    query(provider, f"UPDATE credentials SET data = {SPOILED} WHERE factor = ?", method)  # noqa: S608
    for code in (code_of(secret), "", "000000"):
        browser.page = page
        assert "SealBroken" in failed(provider, browser.submit(action="/factor", method=method, code=code))
        assert count(provider, SESSIONS) == 0
    again = at_password(provider, app)
    answer = again.submit(action="/password", password=PASSWORD)
    assert "SealBroken" in failed(provider, answer)
    assert count(provider, SESSIONS) == 0


@pytest.mark.parametrize("stored", ["é", "", b"\xff\xfe", "none", 0])
def test_lg_05_a_secret_of_a_client_that_cannot_be_compared_gives_no_token(
    provider: Provider, app: App, stored: object
) -> None:
    """The attacker, or a disk, spoils the hash of an app's secret, and asks for tokens with any secret."""
    proof, browser = pkce(), at_password(provider, app)
    browser.submit(action="/password", password=PASSWORD)
    browser.submit(action="/consent", button="allow")
    code = answer_of(browser.open(authorize_url(app.client, proof.challenge)))["code"]
    ((right,),) = query(provider, "SELECT secret_hash FROM client_secrets WHERE client_id = ?", app.client_id)
    query(provider, "UPDATE client_secrets SET secret_hash = ? WHERE client_id = ?", stored, app.client_id)
    for secret in (app.client["client_secret"], "é", "none", "0"):
        answer = redeem(provider, app.client | {"client_secret": secret}, code, proof.verifier)
        assert answer.status_code in (401, 500), answer.text
        assert "access_token" not in answer.text
    assert count(provider, "SELECT count(*) FROM grants WHERE client_id = ?", app.client_id) == 0
    query(provider, "UPDATE client_secrets SET secret_hash = ? WHERE client_id = ?", right, app.client_id)
    assert "access_token" in redeem(provider, app.client, code, proof.verifier).json()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("acr", b"\xff"),
        ("acr", ""),
        ("acr", "urn:unknown"),
        ("acr", ACR_TWO_FACTORS + " "),
        ("authenticated_at", "soon"),
        ("expires_at", ""),
        ("expires_at", "soon"),
        ("seen_at", ""),
    ],
)
def test_lg_05_a_session_that_cannot_be_read_gives_no_code(
    provider: Provider, app: App, column: str, value: object
) -> None:
    """The attacker, or a disk, spoils how a session began, and asks for a code with it, also for two factors."""
    browser = at_password(provider, app)
    browser.submit(action="/password", password=PASSWORD)
    browser.submit(action="/consent", button="allow")
    assert "code" in answer_of(browser.open(app.url(prompt="none")))
    query(provider, f"UPDATE sessions SET {column} = ?", value)  # noqa: S608
    before = count(provider, CODES)
    for parameters in ({}, {"acr_values": ACR_TWO_FACTORS}):
        answer = browser.open(app.url(prompt="none", **parameters))
        if answer.status_code == 500:
            failed(provider, answer)
        else:
            assert answer_of(answer)["error"] == "login_required"
    assert count(provider, CODES) == before
