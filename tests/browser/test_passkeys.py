"""Passkeys in Chromium, with its virtual authenticator: made, offered by the browser, asked for, and refused."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from idp.protocol.claims import ACR_TWO_FACTORS
from tests.browser.chrome import Windows
from tests.browser.conftest import App, Development, allow, name_oneself, press, sign_in
from tests.browser.keys import SECURITY_KEY, Keys, device_of
from tests.provider import EMAIL, PASSWORD, Provider

BUTTON = "#use-passkey"


def query(provider: Provider, sql: str, *values: str) -> None:
    with closing(sqlite3.connect(provider.folder / "data" / "idp.db", timeout=30)) as database, database:
        database.execute(sql, values)


def until_asked(page: Page, times: int) -> None:
    """Until the page's script has noted so much; the policy lets no function be waited for."""
    for _ in range(200):
        if page.evaluate("asked.length") >= times:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"asked only {page.evaluate('asked')}")


def arrived(page: Page, app: App) -> None:
    page.wait_for_url(f"{app.site.origin}/**")


CLEO = "cleo@example.test"  # no mail is a second factor of hers


def forget_passkeys(provider: Provider, email: str) -> None:
    query(
        provider,
        "DELETE FROM credentials WHERE factor <> 'password' AND user_id IN (SELECT id FROM users WHERE email = ?)",
        email,
    )


@pytest.fixture
def keys(page: Page, provider: Provider) -> Iterator[Keys]:
    """A device at the page's computer; Ana has no passkey."""
    forget_passkeys(provider, EMAIL)
    yield device_of(page)
    forget_passkeys(provider, EMAIL)


def offered(page: Page, app: App) -> None:
    """The page that offers a passkey after a password."""
    page.goto(app.url(prompt="login"))
    sign_in(page)
    expect(page.locator("h1")).to_have_text("Sign in faster next time")


def made(page: Page, app: App) -> None:
    """Ana has a passkey on the device, and is signed in nowhere."""
    offered(page, app)
    press(page, "#make-passkey")
    allow(page)
    page.context.clear_cookies()


def with_hands_off(page: Page, keys: Keys, url: str) -> None:
    """A page on which the browser offers a passkey, and nobody took it yet."""
    keys.hand(there=False)
    page.goto(url)
    page.wait_for_load_state("networkidle")


def ask(page: Page, keys: Keys) -> None:
    """Presses the button, with a finger on the device."""
    keys.hand(there=True)
    press(page, BUTTON)


def test_32_a_person_makes_a_passkey_and_the_demo_app_signs_in_with_it_by_itself(
    windows: Windows, development: Development
) -> None:
    page = windows.page()
    keys = device_of(page)
    page.goto(f"{development.app}/sign-in")
    sign_in(page, development.email, development.password)
    expect(page.locator("h1")).to_have_text("Sign in faster next time")
    press(page, "#make-passkey")
    allow(page)
    page.wait_for_url(f"{development.app}/")
    assert len(keys.credentials) == 1
    page.context.clear_cookies()
    page.goto(f"{development.app}/sign-in")  # the field offers it, and the person takes it
    page.wait_for_url(f"{development.app}/")
    assert page.locator("#person").inner_text() == "Ana Example"


def test_32_33_the_button_asks_for_one_after_what_the_field_waited_for_was_ended(
    page: Page, app: App, keys: Keys
) -> None:
    made(page, app)
    page.add_init_script("""
        const get = navigator.credentials.get.bind(navigator.credentials);
        window.asked = [];
        navigator.credentials.get = (options) => {
          options.signal.addEventListener("abort", () => asked.push(`ended ${options.mediation}`));
          asked.push(`began ${options.mediation}`);
          return get(options);
        };
    """)
    with_hands_off(page, keys, app.url())
    until_asked(page, 1)
    page.locator(BUTTON).click()
    until_asked(page, 3)
    assert page.evaluate("asked") == ["began conditional", "ended conditional", "began undefined"]
    ask(page, keys)
    arrived(page, app)


def test_33_the_button_is_hidden_where_the_browser_knows_no_passkeys(page: Page, app: App) -> None:
    page.add_init_script("delete window.PublicKeyCredential")
    page.goto(app.url())
    expect(page.locator(BUTTON)).to_be_hidden()
    sign_in(page)
    allow(page)
    arrived(page, app)


def test_41_a_prompt_that_was_cancelled_leaves_a_page_that_works(page: Page, app: App, keys: Keys) -> None:
    """Here the device has nothing to offer, which the browser tells no page apart from a person's no."""
    page.goto(app.url())
    page.locator(BUTTON).click()
    told = page.locator("#passkey [role=status]")
    expect(told).to_have_text("No passkey was used. Try again, or go on in another way.")
    assert page.locator(".alert, .wrong").count() == 0
    assert not page.title().startswith("Error")
    name_oneself(page)
    expect(page.locator("#password")).to_be_visible()


def test_wa_19_a_person_whom_the_device_does_not_know_is_as_if_the_prompt_was_cancelled(
    page: Page, app: App, keys: Keys
) -> None:
    """Somebody else holds a finger on it."""
    made(page, app)
    keys.verifies(verified=False)
    with_hands_off(page, keys, app.url())
    keys.hand(there=True)
    page.locator(BUTTON).click()
    expect(page.locator("#passkey [role=status]")).to_contain_text("No passkey was used")


def test_wa_08_a_passkey_that_was_copied_is_refused(page: Page, app: App, keys: Keys) -> None:
    """The attacker's copy of the key counts for itself, and is behind."""
    made(page, app)
    for count in (50, 1):
        keys.change(signCount=count)
        with_hands_off(page, keys, app.url())
        ask(page, keys)
        page.context.clear_cookies(name=f"idp_session_{app.provider.port}")
        page.context.clear_cookies(name=f"idp_account_{app.provider.port}")
    keys.hand(there=False)  # or the browser goes on offering it, to a page that goes on refusing it
    expect(page.locator(".wrong")).to_contain_text("exist twice")


def test_39_a_passkey_that_the_server_does_not_know_is_forgotten_by_the_browser(
    page: Page, app: App, keys: Keys
) -> None:
    made(page, app)
    assert len(keys.credentials) == 1
    query(app.provider, "DELETE FROM credentials WHERE factor = 'passkey'")
    with_hands_off(page, keys, app.url())
    ask(page, keys)
    expect(page.locator(".wrong")).to_contain_text("not known here any more")
    for _ in range(50):
        if not keys.credentials:
            break
        page.wait_for_timeout(100)
    assert keys.credentials == []


def test_29_a_passkey_is_the_second_step_and_other_ways_stand_below(page: Page, app: App, keys: Keys) -> None:
    forget_passkeys(app.provider, CLEO)
    page.goto(app.url(acr_values=ACR_TWO_FACTORS))
    sign_in(page, CLEO)
    expect(page.locator("h1")).to_have_text("Set up a second step")
    press(page, "#by-passkey a")
    press(page, "#make-passkey")
    allow(page)
    page.context.clear_cookies()
    keys.hand(there=False)
    page.goto(app.url())
    sign_in(page, CLEO)
    expect(page.locator("summary")).to_have_text("Use a recovery code")
    expect(page.locator(BUTTON)).to_have_text("Use a passkey")
    ask(page, keys)
    arrived(page, app)
    forget_passkeys(app.provider, CLEO)


def test_wa_19_a_security_key_that_stores_nothing_is_a_second_step(
    windows: Windows, app: App, provider: Provider
) -> None:
    """Whoever has such a key could otherwise not use it, and would do without."""
    page = windows.page()
    forget_passkeys(provider, CLEO)
    keys = device_of(page, **SECURITY_KEY)
    page.goto(app.url(acr_values=ACR_TWO_FACTORS))
    sign_in(page, CLEO, PASSWORD)
    press(page, "#by-passkey a")
    press(page, "#make-passkey")
    allow(page)
    assert [each["isResidentCredential"] for each in keys.credentials] == [False]
    page.context.clear_cookies()
    page.goto(app.url())
    sign_in(page, CLEO, PASSWORD)
    press(page, BUTTON)
    arrived(page, app)
    forget_passkeys(provider, CLEO)


def test_37_a_second_one_on_the_same_device_is_not_made_and_that_is_said_kindly(
    page: Page, app: App, keys: Keys
) -> None:
    made(page, app)
    keys.hand(there=False)
    offered(page, app)
    keys.hand(there=True)
    page.locator("#make-passkey").click()
    expect(page.locator("[role=status]")).to_have_text("There is a passkey for this account on this device already.")
    assert len(keys.credentials) == 1
    press(page, "#later")
    arrived(page, app)


def test_35_a_password_manager_makes_one_without_being_seen_and_else_is_stopped_before_anything_is_asked(
    page: Page, app: App, keys: Keys
) -> None:
    page.add_init_script("""
        const create = navigator.credentials.create.bind(navigator.credentials);
        window.asked = [];
        PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: true });
        navigator.credentials.create = ({ mediation, ...options }) => {
          asked.push(mediation ?? "asked");
          options.signal.addEventListener("abort", () => asked.push("ended"));
          if (mediation !== "conditional" || !sessionStorage.never) return create(options);
          return new Promise((_, no) => { options.signal.onabort = () => no(options.signal.reason); });
        };
    """)
    page.goto(app.url(prompt="login"))
    sign_in(page)
    allow(page)
    page.wait_for_url(f"{app.site.origin}/**")
    assert len(keys.credentials) == 1
    keys.call("clearCredentials")
    page.context.clear_cookies()
    page.goto(app.provider.issuer)
    page.evaluate("sessionStorage.never = 1")
    offered(page, app)
    until_asked(page, 1)
    page.locator("#make-passkey").click()
    page.wait_for_url(f"{app.site.origin}/**")
    assert len(keys.credentials) == 1


def test_35_what_is_made_silently_is_given_up_after_three_seconds(page: Page, app: App, keys: Keys) -> None:
    page.add_init_script("""
        window.asked = [];
        PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: true });
        navigator.credentials.create = ({ signal }) => new Promise((_, no) => {
          const began = performance.now();
          signal.onabort = () => { asked.push(performance.now() - began); no(signal.reason); };
        });
    """)
    offered(page, app)
    until_asked(page, 1)
    (waited,) = page.evaluate("asked")
    assert 2500 < waited < 8000
    assert page.locator("[role=status]").inner_text() == ""
    press(page, "#later")
    arrived(page, app)


def test_36_the_offer_has_two_buttons_of_one_size_and_comes_once(page: Page, app: App, keys: Keys) -> None:
    offered(page, app)
    boxes = [page.locator(each).bounding_box() for each in ("#make-passkey", "#later")]
    sizes = [(box["width"], box["height"]) for box in boxes if box]
    assert sizes[0] == pytest.approx(sizes[1], abs=1)
    press(page, "#later")
    allow(page)
    page.goto(app.url(prompt="login"))
    page.locator("#password").fill(PASSWORD)
    press(page, "#continue")
    arrived(page, app)


def test_36_it_is_not_offered_where_the_computer_has_nothing_to_keep_it_in(page: Page, app: App) -> None:
    page.goto(app.url(prompt="login"))
    sign_in(page)
    expect(page.locator("h1")).not_to_have_text("Sign in faster next time")


def test_32_the_browser_offers_a_passkey_at_the_password_too(page: Page, app: App, keys: Keys) -> None:
    made(page, app)
    keys.hand(there=False)
    page.goto(app.url())
    name_oneself(page)
    expect(page.locator("#password")).to_be_visible()
    page.wait_for_load_state("networkidle")
    keys.hand(there=True)
    page.reload()
    arrived(page, app)


def test_32_nothing_is_asked_for_on_load_where_the_browser_cannot_offer_it(page: Page, app: App, keys: Keys) -> None:
    made(page, app)
    page.add_init_script("""
        window.asked = [];
        PublicKeyCredential.isConditionalMediationAvailable = async () => false;
        navigator.credentials.get = (options) => { asked.push(options.mediation); return new Promise(() => {}); };
    """)
    page.goto(app.url())
    page.wait_for_load_state("networkidle")
    assert page.evaluate("asked") == []
    page.locator(BUTTON).click()
    until_asked(page, 1)
    assert page.evaluate("asked") == [None]


def test_46_the_passkey_stands_first_where_it_was_used_last_and_moves_nothing(page: Page, app: App, keys: Keys) -> None:
    made(page, app)
    page.goto(app.url())
    arrived(page, app)
    with_hands_off(page, keys, app.url(prompt="login"))
    button, field = page.locator(BUTTON), page.locator("#password")
    assert button.bounding_box()["y"] < field.bounding_box()["y"]  # type: ignore[index]
    shifts = page.evaluate("""() => new Promise((done) => {
        new PerformanceObserver((list) => done(list.getEntries().map((each) => each.value)))
          .observe({ type: "layout-shift", buffered: true });
        setTimeout(() => done([]), 500);
    })""")
    assert sum(shifts) < 0.01
    ask(page, keys)
    arrived(page, app)


def test_40_who_came_with_a_phone_is_offered_a_passkey_of_the_computer(page: Page, app: App, keys: Keys) -> None:
    keys.session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": keys.device})
    phone = device_of(page, transport="hybrid")
    page.add_init_script("PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable = async () => true")
    made(page, app)
    query(app.provider, "DELETE FROM consents")
    page.goto(app.url())
    press(page, BUTTON)
    expect(page.locator("h1")).to_have_text("Sign in faster next time")
    assert len(phone.credentials) == 1
    press(page, "#later")
    allow(page)
    arrived(page, app)
