"""The fields and forms, as a person and a password manager meet them."""

import re

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.chrome import Windows
from tests.browser.conftest import App, allow, name_oneself, press, sign_in
from tests.browser.pages import LEAKED, PAGES, consent, identify, mailed, new_password, password, wrong_password
from tests.provider import EMAIL, PASSWORD

FORM = """() => [...document.querySelectorAll("main input:not([type=hidden]), main button")].map((each) => [
    each.tagName, each.id, each.name, each.type, each.getAttribute("autocomplete")])"""


def attribute(page: Page, selector: str, name: str) -> str | None:
    return page.locator(selector).get_attribute(name)


def test_the_names_that_drivers_and_password_managers_know_stay(page: Page, app: App) -> None:
    """One plain form a step, real fields and buttons, names and ids that a release does not change."""
    identify(page, app)
    assert page.evaluate(FORM) == [
        ["INPUT", "username", "username", "text", "username webauthn"],
        ["INPUT", "password", "password", "password", "current-password"],
        ["BUTTON", "continue", "", "submit", None],
        ["BUTTON", "use-passkey", "", "button", None],
    ]
    password(page, app)
    assert page.evaluate(FORM) == [
        ["BUTTON", "", "", "submit", None],
        ["INPUT", "username", "username", "text", "username"],
        ["INPUT", "password", "password", "password", "current-password webauthn"],
        ["BUTTON", "", "", "button", None],
        ["BUTTON", "continue", "", "submit", None],
        ["BUTTON", "send-code", "", "submit", None],
        ["BUTTON", "use-passkey", "", "button", None],
        ["BUTTON", "sign-up", "go", "submit", None],
        ["BUTTON", "recover", "go", "submit", None],
    ]
    consent(page, app)
    assert page.evaluate(FORM) == [
        ["BUTTON", "", "", "submit", None],
        ["BUTTON", "deny", "decision", "submit", None],
        ["BUTTON", "allow", "decision", "submit", None],
    ]
    page.goto(app.provider.issuer)
    assert attribute(page, "#sign-out", "type") is None
    for form in page.locator("form").all():
        assert form.get_attribute("method") == "post"
    assert page.evaluate("![...document.querySelectorAll('*')].some((each) => each.shadowRoot)")


def test_the_identifier_is_a_text_that_no_device_corrects(page: Page, app: App) -> None:
    identify(page, app)
    wanted = {"type": "text", "inputmode": "email", "autocapitalize": "none", "spellcheck": "false"}
    assert {name: attribute(page, "#username", name) for name in wanted} == wanted


def test_the_password_is_sent_to_no_spelling_service_and_cut_nowhere(page: Page, app: App) -> None:
    for way in (identify, password):
        way(page, app)
        assert attribute(page, "#password", "spellcheck") == "false"
        assert attribute(page, "#password", "autocapitalize") == "off"
        assert attribute(page, "#password", "maxlength") is None
        assert page.locator("input[type=password]").count() == 1


def test_both_fields_are_there_at_each_step_so_that_a_manager_fills_them(page: Page, app: App) -> None:
    identify(page, app)
    box = page.locator("#password").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] < 0  # off-screen, not hidden
    assert attribute(page, "#password", "tabindex") == "-1"
    name_oneself(page)
    assert page.locator("#username").input_value() == EMAIL
    assert attribute(page, "#username", "readonly") is not None


def test_a_manager_that_fills_both_signs_in_with_one_click(page: Page, app: App) -> None:
    identify(page, app)
    page.locator("#username").fill(EMAIL)
    page.locator("#password").evaluate("(field, value) => { field.value = value }", PASSWORD)
    press(page, "#continue")
    allow(page)
    page.wait_for_url(f"{app.site.origin}/callback**")


def test_nobody_is_asked_twice_who_they_are(page: Page, app: App) -> None:
    password(page, app)
    sign_in(page, password="wrong")
    assert page.locator("#username").input_value() == EMAIL
    assert page.locator("input:not([type=hidden]):not([readonly]):visible").count() == 1


@pytest.mark.parametrize("field", ["#username", "#password"])
def test_pasting_works(windows: Windows, app: App, field: str) -> None:
    context = windows.context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    (identify if field == "#username" else password)(page, app)
    page.evaluate("navigator.clipboard.writeText('pasted text')")
    page.locator(field).focus()
    page.keyboard.press("Control+V")
    assert page.locator(field).input_value() == "pasted text"


def test_the_password_can_be_looked_at_and_is_covered_again_before_it_is_sent(page: Page, app: App) -> None:
    password(page, app)
    button = page.get_by_role("button", name="Show password")
    expect(button).to_be_visible()
    assert (button.get_attribute("aria-controls"), button.get_attribute("aria-pressed")) == ("password", "false")
    page.locator("#password").fill("not the right one")
    button.click()
    assert (attribute(page, "#password", "type"), button.get_attribute("aria-pressed")) == ("text", "true")
    button.click()
    assert attribute(page, "#password", "type") == "password"
    button.click()
    page.evaluate(
        "document.querySelector('#password').form.addEventListener('submit', (event) => {"
        " sessionStorage.type = document.querySelector('#password').type })"
    )
    press(page, "#continue")
    assert page.evaluate("sessionStorage.type") == "password"


def test_without_javascript_nothing_is_shown_that_needs_it(windows: Windows, app: App) -> None:
    page = windows.page(java_script_enabled=False)
    password(page, app)
    assert page.locator("[data-reveal]").is_hidden()
    page.goto(f"{app.provider.issuer}/nowhere")
    assert page.locator("[data-copy]").is_hidden()


def test_caps_lock_is_said(page: Page, app: App) -> None:
    password(page, app)
    hint = page.locator("#caps")
    assert (hint.get_attribute("role"), hint.inner_text()) == ("status", "")
    assert "caps" in str(attribute(page, "#password", "aria-describedby"))
    key = "(field, on) => field.dispatchEvent(new KeyboardEvent('keydown', {modifierCapsLock: on, bubbles: true}))"
    page.locator("#password").evaluate(key, True)
    assert hint.inner_text() == "Caps Lock is on."
    page.locator("#password").evaluate(key, False)
    assert hint.inner_text() == ""


@pytest.mark.parametrize("name", ["identify", "password", "consent"])
def test_a_double_click_makes_one_request(page: Page, app: App, name: str) -> None:
    PAGES[name](page, app)
    if name != "consent":
        page.locator({"identify": "#username", "password": "#password"}[name]).fill(EMAIL)
    posts: list[Request] = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    with page.expect_navigation():
        page.locator("#continue, #allow").dblclick(delay=10)
    page.wait_for_timeout(300)
    assert len(posts) == 1


def test_a_button_is_never_disabled_before_it_was_pressed(page: Page, app: App) -> None:
    for way in (identify, password, wrong_password, consent):
        page.context.clear_cookies()
        way(page, app)
        assert page.locator("button:disabled").count() == 0


def test_enter_sends_the_form_from_any_field(windows: Windows, app: App, javascript: bool) -> None:
    page = windows.page(java_script_enabled=javascript)
    identify(page, app)
    page.locator("#username").fill(EMAIL)
    with page.expect_navigation():
        page.locator("#username").press("Enter")
    page.locator("#password").fill("wrong")
    with page.expect_navigation():
        page.locator("#password").press("Enter")
    page.locator("#password").fill(PASSWORD)
    with page.expect_navigation():
        page.locator("#password").press("Enter")
    allow(page)
    page.wait_for_url(f"{app.site.origin}/callback**")


@pytest.mark.parametrize(("name", "field"), [("no name", "#username"), ("wrong password", "#password")])
def test_a_mistake_is_said_first_and_beside_its_field(
    windows: Windows, app: App, javascript: bool, name: str, field: str
) -> None:
    page = windows.page(java_script_enabled=javascript)
    PAGES[name](page, app)
    expect(page).to_have_title(re.compile("^Error: "))
    summary = page.locator("[role=alert]")
    expect(summary).to_be_focused()
    assert attribute(page, field, "aria-invalid") == "true"
    described = str(attribute(page, field, "aria-describedby")).split()
    message = page.locator(f"#{field[1:]}-error")
    assert f"{field[1:]}-error" in described
    expect(message).to_be_visible()
    box, first = summary.bounding_box(), page.locator("h1").bounding_box()
    assert box is not None
    assert first is not None
    assert box["y"] < first["y"]
    if field == "#password":
        assert page.locator("#password").input_value() == ""


@pytest.mark.parametrize("length", [64, 300])
def test_a_long_password_is_kept_as_it_was_typed(page: Page, app: App, length: int) -> None:
    password(page, app)
    typed = "pass word \u00e9\U0001f511" * (length // 12 + 1)
    page.locator("#password").fill(typed)
    assert page.locator("#password").input_value() == typed
    press(page, "#continue")
    assert page.locator("#password-error").count() == 1


def test_the_reference_of_an_error_can_be_copied(windows: Windows, app: App) -> None:
    context = windows.context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{app.provider.issuer}/nowhere")
    page.get_by_role("button", name="Copy reference").click()
    expect(page.locator("dd [role=status]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#reference").inner_text()


def test_the_whole_way_by_keyboard_alone(page: Page, app: App) -> None:
    page.goto(app.url(prompt="consent"))
    page.locator("#username:focus").wait_for()  # a busy machine gives it some time after the page has loaded
    page.keyboard.type(EMAIL)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.locator("#password:focus").wait_for()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")  # Show
    page.keyboard.press("Space")
    assert attribute(page, "#password", "type") == "text"
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Space")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "allow":
            break
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_url(f"{app.site.origin}/callback?*code=*")


def test_a_new_password_says_what_is_asked_before_and_while_it_is_typed(
    windows: Windows, app: App, javascript: bool
) -> None:
    """A manager learns whose it is, and the length is told by the server where no script runs."""
    page = windows.page(java_script_enabled=javascript)
    new_password(page, app)
    field = "#new-password"
    wanted = {"type": "password", "autocomplete": "new-password", "autocapitalize": "off", "spellcheck": "false"}
    assert {name: attribute(page, field, name) for name in wanted} == wanted
    assert attribute(page, field, "maxlength") is None
    assert (page.locator("#username").input_value(), attribute(page, "#username", "autocomplete")) == (
        LEAKED[0],
        "username",
    )
    box = page.locator("#username").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] < 0
    assert page.locator("input[type=password]").count() == 1, "nobody types it twice who can look at it"
    hint = page.locator("#length")
    expect(hint).to_have_text("12 to 256 characters.")
    for typed, told in (
        ("wok plum fj", "1 more character."),
        ("wok \U0001f511", "7 more characters."),
        ("", "12 to 256 "),
    ):
        page.locator(field).fill(typed)
        expect(hint).to_contain_text(told if javascript else "12 to 256 characters.")
    page.locator(field).fill("wok plum fjord")
    expect(hint).to_have_text("Long enough." if javascript else "12 to 256 characters.")


def test_26_another_mail_can_be_asked_for_when_the_count_has_run_down(page: Page, app: App) -> None:
    page.clock.install()
    mailed(page, app)
    again = page.locator("#send-again")
    expect(again).to_be_disabled()
    expect(again).to_have_text(re.compile(r"^Send another mail \(\d+ s\)$"))
    page.clock.fast_forward(31_000)
    expect(again).to_be_enabled()
    expect(again).to_have_text("Send another mail")
    expect(page.locator("#send-again + [role=status]")).to_have_text("You can ask for another mail now.")


CODE_FIELDS = {
    "factor": "#code",
    "enrol": "#code",
    "mailed": "#email-code",
}


@pytest.mark.parametrize("name", CODE_FIELDS)
def test_22_a_code_goes_into_one_field_that_phones_fill(windows: Windows, app: App, name: str) -> None:
    context = windows.context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    PAGES[name](page, app)
    field = page.locator(CODE_FIELDS[name])
    wanted = {"inputmode": "numeric", "autocomplete": "one-time-code", "pattern": "[0-9 \\-]*"}
    assert {name: field.get_attribute(name) for name in wanted} == wanted
    assert page.locator("[autocomplete='one-time-code']").count() == 1
    page.evaluate("navigator.clipboard.writeText('12 3')")
    field.focus()
    page.keyboard.press("Control+V")
    assert field.input_value() == "12 3"


def test_24_the_sixth_digit_sends_the_code_once_and_after_a_mistake_only_what_is_typed_anew(
    page: Page, app: App
) -> None:
    PAGES["factor"](page, app)
    posts: list[Request] = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    page.locator("#code").press_sequentially("12345a")
    page.wait_for_timeout(200)
    assert posts == [], "a letter is no digit"
    page.locator("#code").press("Backspace")
    with page.expect_navigation():
        page.locator("#code").press_sequentially("6")
    assert len(posts) == 1
    expect(page).to_have_title(re.compile("^Error: "))
    page.wait_for_timeout(300)
    assert len(posts) == 1, "the page of a mistake sends nothing by itself"
    with page.expect_navigation():
        page.locator("#code").press_sequentially("12 34-57")
    assert len(posts) == 2
