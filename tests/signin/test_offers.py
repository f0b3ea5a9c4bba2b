"""What a person is offered first, and when a passkey: by how they came, and by how they came the last time."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from idp.app import create_app
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.settings import load
from tests.authenticators import SYNCED, UP, VERIFIED, Device
from tests.fuzz.test_sign_in import Clock
from tests.mail import catching, code_in
from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, installed, pkce, running
from tests.signin.conftest import App
from tests.signin.passkeys import given, options_of, send, use
from tests.signin.reading import count, page_of, path_of, post, query, step_of, token_of
from tests.signin.test_leaked_password import HASH, LEAKED, NEW
from tests.signin.test_second_factor import Device as Phone
from tests.signin.test_second_factor import allowed, codes_of, rewind, secret_of

PASSKEYS = "SELECT count(*) FROM credentials WHERE factor = 'passkey'"


@pytest.fixture
def person(provider: Provider, app: App) -> Provider:
    """Ana has a password and nothing else, and no session."""
    query(provider, "DELETE FROM credentials WHERE factor <> 'password'")
    query(provider, "DELETE FROM sessions")
    return provider


def with_password(browser: Browser, url: str, able: str = "can") -> None:
    browser.open(url)
    if step_of(browser) == "identify":
        browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD, passkeys=able)


def offered(browser: Browser) -> str:
    return next((value for name, value in browser.http.cookies.items() if "offered" in name), "")


def first_button(browser: Browser) -> str:
    """Of all that somebody can press on the page to go on."""
    found = re.search(r'<button[^>]* id="(use-passkey|continue|send-code)"', page_of(browser).text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("method", ["totp", "recovery"])
def test_36_it_is_offered_after_the_second_factor_too_and_counts_as_asked_only_then(
    strict: Provider, method: str
) -> None:
    query(strict, "DELETE FROM credentials WHERE factor <> 'password'")
    app, browser = App(strict.create_client()), Browser(strict.issuer)
    with_password(browser, app.url(), able="")
    phone, codes = Phone(secret_of(browser)), codes_of(browser)
    browser.submit(action="/enrol", code=phone.code(), name="Phone")
    rewind(strict)
    again = Browser(strict.issuer)
    with_password(again, app.url())
    assert step_of(again) == "factor"
    assert offered(again).startswith("~"), "nothing was offered yet"
    given_up = dict(again.http.cookies)
    again.submit(action="/factor", method=method, code=phone.code() if method == "totp" else codes[0])
    assert step_of(again) == "offer"
    assert not offered(again).startswith("~")
    send(again, Device(strict.issuer).create(options_of(again)), "/new-passkey")
    assert count(strict, PASSKEYS) == 1
    later = Browser(strict.issuer)
    for name, value in given_up.items():
        later.http.cookies.set(name, value, domain="localhost.local")
    with_password(later, app.url())
    later.submit(action="/factor", method="recovery", code=codes[1])
    assert step_of(later) == "offer", "who gave up before is offered one the next time"


def test_36_who_has_just_made_a_passkey_as_their_second_step_is_offered_no_other(strict: Provider) -> None:
    query(strict, "DELETE FROM credentials WHERE factor <> 'password'")
    app, browser, device = App(strict.create_client()), Browser(strict.issuer), Device(strict.issuer)
    with_password(browser, app.url())
    send(browser, device.create(options_of(browser)), "/new-passkey")
    assert step_of(browser) == "consent"
    allowed(browser)
    again = Browser(strict.issuer)
    with_password(again, app.url())
    assert step_of(again) == "factor"
    use(again, device)
    assert step_of(again) != "offer", "it is of this very device"


def test_36_it_is_offered_after_a_leaked_password_was_replaced(tmp_path: Path) -> None:
    with running(tmp_path) as provider:
        provider.cli("user", "create", EMAIL, "--verified", "--password-hash-stdin", stdin=HASH)
        browser = Browser(provider.issuer)
        browser.open(App(provider.create_client()).url())
        browser.submit(action="/identify", username=EMAIL)
        browser.submit(action="/password", password=LEAKED, passkeys="can")
        assert step_of(browser) == "new-password"
        browser.submit(action="/new-password", new_password=NEW)
        assert step_of(browser) == "offer"


def test_36_46_who_came_by_a_mail_is_offered_a_passkey_and_a_mail_first_the_next_time(tmp_path: Path) -> None:
    with catching() as mails, running(tmp_path, smtp_url=mails.url, email_codes="sign_in") as provider:
        provider.create_user()
        browser, app = Browser(provider.issuer), App(provider.create_client())
        browser.open(app.url())
        browser.submit(action="/identify", username=EMAIL)
        assert first_button(browser) == "continue"
        browser.submit(action="/send-code")
        browser.submit(action="/email", code=code_in(mails.newest()), passkeys="can")
        assert step_of(browser) == "offer"
        post(browser, f"{path_of(browser)}/no-passkey", csrf=token_of(browser))
        browser.open(path_of(browser))
        allowed(browser)
        browser.open(app.url(prompt="login"))
        assert step_of(browser) == "password"
        assert first_button(browser) == "send-code"


@pytest.mark.parametrize(
    ("attachment", "transports", "step"),
    [
        ("cross-platform", ["hybrid", "internal"], "offer"),
        ("cross-platform", [], "offer"),
        ("cross-platform", ["usb", "nfc"], "consent"),
        ("platform", ["internal"], "consent"),
    ],
    ids=["phone", "unknown", "security key", "this device"],
)
@pytest.mark.parametrize("alone", [True, False])
def test_40_who_came_with_a_passkey_of_another_device_is_offered_one_of_this(
    person: Provider, app: App, attachment: str, transports: list[str], step: str, alone: bool
) -> None:
    device, browser = Device(person.issuer), Browser(person.issuer)
    given(person, device, transports=transports)
    if alone:
        browser.open(app.url())
        answer = device.get(options_of(browser)) | {"authenticatorAttachment": attachment}
    else:
        with_password(browser, app.url(acr_values=ACR_TWO_FACTORS))
        assert step_of(browser) == "factor"
        answer = device.get(options_of(browser), flags=UP) | {"authenticatorAttachment": attachment}
    send(browser, answer, passkeys="can")
    assert step_of(browser) == step
    if step == "offer":
        send(browser, Device(person.issuer, SYNCED).create(options_of(browser)), "/new-passkey")
        assert count(person, PASSKEYS) == 2
        assert step_of(browser) == "consent"


def test_35_what_a_browser_made_by_itself_and_was_refused_is_not_told(person: Provider, app: App) -> None:
    browser = Browser(person.issuer)
    with_password(browser, app.url())
    send(browser, "{}", "/new-passkey", silent="yes")
    assert step_of(browser) == "offer"
    assert "Error" not in page_of(browser).text
    assert "was not saved" not in page_of(browser).text
    send(browser, "{}", "/new-passkey")
    assert "was not saved" in page_of(browser).text


@pytest.mark.parametrize("minutes", [4, 6])
def test_mf_07_an_offer_ends_after_five_minutes_though_its_sign_in_goes_on(tmp_path: Path, minutes: int) -> None:
    """The attacker sits down at the victim's browser, where a passkey was offered a while ago, and makes his own."""
    issuer, clock = "http://localhost:8000", Clock()
    with installed(tmp_path, issuer=issuer) as provider:
        provider.create_user()
        client, device = provider.create_client(), Device(issuer)
        with TestClient(create_app(load(provider.environment), clock=clock), base_url=issuer) as http:
            http.follow_redirects = False
            browser = Browser(issuer)
            browser.http = http
            with_password(browser, authorize_url(client, pkce().challenge))
            assert step_of(browser) == "offer"
            path, token = path_of(browser), token_of(browser)
            clock.now += timedelta(minutes=minutes)
            options = http.get(f"{path}/new-passkey").json()
            assert (options is not None) == (minutes < 5)
            sent = "{}" if options is None else None
            if options is not None:
                send(browser, device.create(options), "/new-passkey")
            else:
                post(browser, f"{path}/new-passkey", csrf=token, credential=str(sent))
            assert count(provider, PASSKEYS) == int(minutes < 5)


def test_46_a_passkey_comes_first_where_it_was_used_last_by_a_cookie_that_names_nobody(
    person: Provider, app: App
) -> None:
    device, browser = Device(person.issuer), Browser(person.issuer)
    given(person, device)
    browser.open(app.url())
    assert first_button(browser) == "continue"
    use(browser, device)
    allowed(browser)
    (method,) = [value for name, value in browser.http.cookies.items() if "method" in name]
    assert method == "pop"
    browser.open(app.url(prompt="login"))
    assert first_button(browser) == "use-passkey"
    browser.submit(action="/switch")
    assert step_of(browser) == "identify"
    assert first_button(browser) == "use-passkey"
    browser.submit(action="/identify", username=EMAIL, password=PASSWORD)
    query(person, "DELETE FROM credentials WHERE factor = 'passkey'")
    browser.open(app.url(prompt="login"))
    assert first_button(browser) == "continue", "the last time it was the password"


@pytest.mark.parametrize("method", ["swk<script>", "nothing", ""])
def test_46_a_cookie_that_is_none_of_ours_changes_nothing(person: Provider, app: App, method: str) -> None:
    browser = Browser(person.issuer)
    browser.http.cookies.set(f"idp_method_{person.port}", method, domain="localhost.local")
    browser.open(app.url())
    assert first_button(browser) == "continue"
    assert "<script>" not in page_of(browser).text


def stepping_up(provider: Provider, app: App, prepare: Callable[[], object], **parameters: str) -> Browser:
    browser = Browser(provider.issuer)
    browser.sign_in(app.url())
    prepare()
    browser.open(app.url(**parameters))
    return browser


def test_56_stepping_up_by_the_password_keeps_the_account_and_has_the_passkey_first(person: Provider, app: App) -> None:
    device = Device(person.issuer)
    browser = stepping_up(person, app, lambda: given(person, device), max_age="0")
    assert step_of(browser) == "password"
    assert "asks you to confirm that it is you" in page_of(browser).text
    assert "Not you?" not in page_of(browser).text
    assert first_button(browser) == "use-passkey"
    use(browser, device)
    assert "code" in allowed(browser)


def test_56_stepping_up_by_a_second_factor_keeps_the_account_and_has_the_passkey_first(
    person: Provider, app: App
) -> None:
    device = Device(person.issuer, VERIFIED)
    browser = stepping_up(person, app, lambda: given(person, device), acr_values=ACR_TWO_FACTORS)
    assert step_of(browser) == "factor"
    assert "asks you to confirm that it is you" in page_of(browser).text
    assert "Not you?" not in page_of(browser).text
    assert first_button(browser) == "use-passkey"


def test_56_who_is_asked_to_sign_in_anew_may_be_somebody_else(person: Provider, app: App) -> None:
    browser = stepping_up(person, app, lambda: None, prompt="login")
    assert step_of(browser) == "password"
    assert "Not you?" in page_of(browser).text
