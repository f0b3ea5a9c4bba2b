"""A second factor: set up, asked for, never skipped, and each code counted once."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pyotp
import pytest

from idp.factors import totp
from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS
from idp.services import Services
from idp.signin.second import MOST_MISSES
from idp.store import credentials
from tests.oauth.wire import claims_of, with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, pkce, redeem
from tests.signin.conftest import BEN, BENS_PASSWORD, App
from tests.signin.reading import (
    SESSIONS,
    count,
    heading_of,
    page_of,
    path_of,
    post,
    query,
    step_of,
    title_of,
    token_of,
    walked_away,
)

STEP = timedelta(seconds=totp.STEP_SECONDS)


class Device:
    """What an authenticator app holds; its codes go forward, so that none is used twice unless a test wants it."""

    def __init__(self, secret: str) -> None:
        self.totp = pyotp.TOTP(secret)

    def code(self, steps: int = 0) -> str:
        return str(self.totp.at(datetime.now(UTC) + steps * STEP))


def with_password(browser: Browser, url: str, email: str = EMAIL, password: str = PASSWORD) -> None:
    """As far as the password alone leads."""
    browser.open(url)
    browser.submit(action="/identify", username=email)
    browser.submit(action="/password", password=password)


def send(browser: Browser, path: str, **fields: str) -> None:
    """A post that its page would not send, with the page's token."""
    post(browser, path_of(browser) + path, csrf=token_of(browser), **fields)


def at_setup(browser: Browser, app: App) -> None:
    """Ana, who is signed in and has no device, is asked for two factors: her password first, although she is."""
    browser.open(app.url(acr_values=ACR_TWO_FACTORS))
    assert step_of(browser) == "password"
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "enrol"


def secret_of(browser: Browser) -> str:
    found = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', page_of(browser).text)
    assert found is not None
    return found[1].replace(" ", "")


def codes_of(browser: Browser) -> list[str]:
    return re.findall(r"<li>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})</li>", page_of(browser).text)


def enrolled(provider: Provider, app: App, email: str = EMAIL, password: str = PASSWORD) -> tuple[Device, list[str]]:
    """A person who has set up a device: it, and their recovery codes. The step of the device may be used again."""
    browser = Browser(provider.issuer)
    with_password(browser, app.url(), email, password)
    device, codes = Device(secret_of(browser)), codes_of(browser)
    browser.submit(action="/enrol", code=device.code(), name="Phone")
    rewind(provider)
    return device, codes


def rewind(provider: Provider, **changes: Any) -> None:
    """As if no code of any device had been used, nor a wrong one entered."""
    query(provider, "DELETE FROM failures")

    async def work(services: Services) -> None:
        for (user_id,) in query(provider, "SELECT DISTINCT user_id FROM credentials"):
            for stored in await credentials.of_person(services.database, services.sealer, user_id, totp.NAME):
                async with services.database.transaction() as transaction:
                    data = stored.data | {"last_step": -1} | changes
                    assert await credentials.replace(transaction, services.sealer, stored, data, services.clock())

    with_services(provider, work)


def challenged(provider: Provider, app: App, **parameters: str) -> Browser:
    """A browser in which Ana has entered her password and is asked for a code."""
    browser = Browser(provider.issuer)
    with_password(browser, app.url(**parameters))
    assert step_of(browser) == "factor"
    return browser


def allowed(browser: Browser) -> dict[str, str]:
    """What the app is answered, after the consent where it is asked for."""
    if page_of(browser).status_code == 200:
        browser.submit(action="/consent", button="allow")
    return answer_of(page_of(browser))


def identity(provider: Provider, browser: Browser, app: App, **parameters: str) -> dict[str, Any]:
    """The claims of an ID token that the app gets without anybody being asked."""
    proof = pkce()
    code = answer_of(browser.open(authorize_url(app.client, proof.challenge, **parameters)))["code"]
    return claims_of(redeem(provider, app.client, code, proof.verifier).json()["id_token"])


def test_who_needs_a_second_factor_sets_it_up_at_the_next_sign_in(strict: Provider, billing: App) -> None:
    browser = Browser(strict.issuer)
    with_password(browser, billing.url())
    assert step_of(browser) == "enrol"
    assert heading_of(page_of(browser)) == "Set up a second step"
    text = page_of(browser).text
    assert "<svg" in text
    assert "style=" not in text
    secret, codes = secret_of(browser), codes_of(browser)
    assert len(set(codes)) == 10
    uri = unescape(re.search(r'href="(otpauth:[^"]+)"', text)[1])  # type: ignore[index]
    assert pyotp.parse_uri(uri).secret == secret
    browser.open(path_of(browser))
    assert (secret_of(browser), codes_of(browser)) == (secret, codes), "a reload shows the same"
    browser.submit(action="/enrol", code=Device(secret).code(), name="Phone")
    assert step_of(browser) == "consent"
    assert "code" in allowed(browser)
    told = identity(strict, browser, billing)
    assert (told["acr"], told["amr"]) == (ACR_TWO_FACTORS, ["pwd", "otp", "mfa"])
    listed = strict.cli("user", "factors", EMAIL)
    assert [(each["factor"], each["name"]) for each in listed] == [
        ("password", None),
        ("totp", "Phone"),
        ("recovery", "10 left"),
    ]


def test_ot_06_an_abandoned_or_wrong_setup_changes_nothing(strict: Provider, billing: App) -> None:
    """The attacker, who has the password, leaves a device half set up, or guesses its first code."""
    browser = Browser(strict.issuer)
    with_password(browser, billing.url())
    before = query(strict, "SELECT * FROM credentials ORDER BY id")
    browser.submit(action="/enrol", code="000000", name="Phone")
    assert step_of(browser) == "enrol"
    assert title_of(page_of(browser)).startswith("Error: ")
    assert query(strict, "SELECT * FROM credentials ORDER BY id") == before
    assert count(strict, SESSIONS) == 0


def test_a_sign_in_takes_password_and_code_and_tells_both(strict: Provider, billing: App) -> None:
    device, _ = enrolled(strict, billing)
    browser = challenged(strict, billing)
    assert "Phone" in page_of(browser).text
    assert count(strict, "SELECT count(*) FROM audit WHERE event = 'factor.accepted'") > 0
    browser.submit(action="/factor", code=device.code())
    assert "code" in allowed(browser)
    assert identity(strict, browser, billing)["amr"] == ["pwd", "otp", "mfa"]


@pytest.mark.parametrize("spelling", ["{0}{1} {2}", " {0}{1}{2} ", "{0}-{1}-{2}"], ids=["space", "around", "hyphens"])
def test_a_code_may_be_typed_as_apps_show_it(strict: Provider, billing: App, spelling: str) -> None:
    device, _ = enrolled(strict, billing)
    browser, code = challenged(strict, billing), device.code()
    browser.submit(action="/factor", code=spelling.format(code[:2], code[2:4], code[4:]))
    assert "code" in allowed(browser)


def test_ot_01_ot_02_a_code_that_was_used_is_worth_nothing_in_any_spelling(strict: Provider, billing: App) -> None:
    """The attacker saw the code being typed, and types it again, in letters that only look other."""
    device, _ = enrolled(strict, billing)
    code = device.code()
    browser = challenged(strict, billing)
    browser.submit(action="/factor", code=code)
    assert "code" in allowed(browser)
    full_width = code.translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"})
    thief = challenged(strict, billing)
    for again in (code, f"{code[:3]} {code[3:]}", full_width, f"{code}\u200b"):
        thief.submit(action="/factor", code=again)
        assert step_of(thief) == "factor", ascii(again)


def test_ot_04_a_code_counts_one_step_before_and_after_and_no_further(strict: Provider, billing: App) -> None:
    """The attacker kept an old code, or read a later one off a device whose clock he moved."""
    device, _ = enrolled(strict, billing)
    while datetime.now(UTC).second % 30 > 25:  # not at the edge of a step
        time.sleep(0.5)
    for steps, right in ((-2, False), (2, False), (-1, True)):
        browser = challenged(strict, billing)
        browser.submit(action="/factor", code=device.code(steps))
        assert (step_of(browser) != "factor") == right, steps
    browser = challenged(strict, billing)
    browser.submit(action="/factor", code=device.code(1))
    assert step_of(browser) != "factor"
    browser = challenged(strict, billing)
    browser.submit(action="/factor", code=device.code())
    assert step_of(browser) == "factor", "an older step after a newer one"


def test_ot_03_after_some_wrong_codes_the_password_is_asked_for_again(strict: Provider, billing: App) -> None:
    """The attacker, who has the password, guesses codes."""
    device, _ = enrolled(strict, billing)
    browser = challenged(strict, billing)
    for _ in range(MOST_MISSES):
        assert step_of(browser) == "factor"
        browser.submit(action="/factor", code="000000")
    assert step_of(browser) == "password"
    assert "Too many wrong codes" in page_of(browser).text
    sessions = count(strict, SESSIONS)
    send(browser, "/factor", method="totp", code=device.code())
    assert count(strict, SESSIONS) == sessions


def test_a_recovery_code_stands_in_for_a_lost_device_once(strict: Provider, billing: App) -> None:
    _, codes = enrolled(strict, billing)
    browser = challenged(strict, billing)
    assert "You have 10. Each works once: after this one 9 will be left." in page_of(browser).text
    typed = codes[3].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    browser.submit(action="/factor", method="recovery", code=typed)
    assert "code" in allowed(browser)
    again = challenged(strict, billing)
    assert "You have 9. Each works once: after this one 8 will be left." in page_of(again).text
    again.submit(action="/factor", method="recovery", code=codes[3])
    assert step_of(again) == "factor"


def test_ot_08_a_recovery_code_is_no_password_and_nobody_elses(strict: Provider, billing: App) -> None:
    """The attacker found somebody's recovery codes: alone, or beside his own password, they open nothing."""
    _, bens = enrolled(strict, billing, BEN, BENS_PASSWORD)
    enrolled(strict, billing)
    browser = Browser(strict.issuer)
    browser.open(billing.url())
    browser.submit(action="/identify", username=BEN)
    browser.submit(action="/password", password=bens[0])
    assert step_of(browser) == "password"
    browser = challenged(strict, billing)
    browser.submit(action="/factor", method="recovery", code=bens[0])
    assert step_of(browser) == "factor"
    assert len(bens) == 10


def test_mf_02_nothing_is_reached_past_the_code(strict: Provider, billing: App) -> None:
    """The attacker knows the password, and posts the later steps first, empty or unknown ones, or starts again."""
    enrolled(strict, billing)
    browser = challenged(strict, billing)
    base, sessions = path_of(browser), count(strict, SESSIONS)
    for path, fields in (
        ("/consent", {"decision": "allow"}),
        ("/enrol", {"code": "123456"}),
        ("/factor", {}),
        ("/factor", {"method": "password", "code": PASSWORD}),
        ("/factor", {"method": "totp"}),
        ("/select", {"sid": "0" * 32}),
        ("/nothing", {}),
    ):
        send(browser, path, **fields)
        browser.open(base)
        assert step_of(browser) == "factor", path
    browser.open(billing.url())
    assert step_of(browser) in ("identify", "password")
    assert answer_of(browser.open(billing.url(prompt="none")))["error"] == "login_required"
    assert count(strict, SESSIONS) == sessions
    assert "nothing" in heading_of(browser.open("/")).lower()


def test_mf_03_a_password_of_one_and_a_code_of_another_make_nobody(strict: Provider, billing: App) -> None:
    """The attacker proves his own second factor in a sign-in in which he knows the password of somebody else."""
    bens, codes = enrolled(strict, billing, BEN, BENS_PASSWORD)
    enrolled(strict, billing)
    browser = challenged(strict, billing)
    browser.submit(action="/factor", code=bens.code())
    assert step_of(browser) == "factor"
    send(browser, "/identify", username=BEN, password=BENS_PASSWORD)
    browser.open(path_of(browser))
    assert BEN in page_of(browser).text, "from here on it is about Ben alone"
    assert EMAIL not in page_of(browser).text
    browser.submit(action="/factor", method="recovery", code=codes[0])
    allowed(browser)
    assert identity(strict, browser, billing)["sub"] == strict.cli("user", "show", BEN)["sub"]


@pytest.mark.parametrize("command", ["disable", "reset-factors"])
def test_mf_15_what_changes_while_a_code_is_awaited_counts(strict: Provider, billing: App, command: str) -> None:
    """The attacker has the password and a code ready, when his victim's account is disabled or its factors reset."""
    device, _ = enrolled(strict, billing)
    browser = challenged(strict, billing)
    sessions = count(strict, SESSIONS)
    strict.cli("user", command, EMAIL)
    try:
        browser.submit(action="/factor", code=device.code())
        assert count(strict, SESSIONS) <= sessions
        assert "code=" not in str(page_of(browser).headers.get("location"))
    finally:
        strict.cli("user", "enable", EMAIL)


def test_setting_up_a_device_ends_the_sessions_that_began_without_one(
    provider: Provider, browser: Browser, app: App
) -> None:
    elsewhere = Browser(provider.issuer)
    elsewhere.sign_in(app.url())
    browser.sign_in(app.url())
    at_setup(browser, app)
    try:
        browser.submit(action="/enrol", code=Device(secret_of(browser)).code())
        assert "code" in allowed(browser)
        assert answer_of(elsewhere.open(app.url(prompt="none")))["error"] == "login_required"
        assert "code" in answer_of(browser.open(app.url(prompt="none")))
    finally:
        provider.cli("user", "reset-factors", EMAIL)


def test_mf_11_an_app_that_asks_for_two_factors_gets_them_and_is_told_the_truth(
    provider: Provider, browser: Browser, app: App
) -> None:
    """An app trusts acr: a session of one factor must not pass for two, however it is asked for."""
    browser.sign_in(app.url())
    before = identity(provider, browser, app)
    assert (before["acr"], before["amr"]) == (ACR_PASSWORD, ["pwd"])
    either = f"{ACR_TWO_FACTORS} {ACR_PASSWORD}"
    assert identity(provider, browser, app, acr_values=either)["acr"] == ACR_PASSWORD
    assert identity(provider, browser, app, acr_values="1 2 urn:unknown")["acr"] == ACR_PASSWORD
    assert answer_of(browser.open(app.url(acr_values=ACR_TWO_FACTORS, prompt="none")))["error"] == "login_required"
    at_setup(browser, app)
    try:
        browser.submit(action="/enrol", code=Device(secret_of(browser)).code())
        after = identity(provider, browser, app, acr_values=ACR_TWO_FACTORS)
        assert (after["acr"], after["amr"]) == (ACR_TWO_FACTORS, ["pwd", "otp", "mfa"])
        assert after["auth_time"] >= before["auth_time"], "the password was proved again"
    finally:
        provider.cli("user", "reset-factors", EMAIL)


def test_mf_07_a_session_alone_sets_up_no_device(provider: Provider, browser: Browser, app: App) -> None:
    """The attacker has a session cookie of his victim, and would make a device of his own the second factor."""
    browser.sign_in(app.url())
    browser.open(app.url(acr_values=ACR_TWO_FACTORS))
    assert step_of(browser) == "password"
    send(browser, "/enrol", code="123456")
    send(browser, "/factor", method="totp", code="123456")
    browser.open(path_of(browser))
    assert step_of(browser) == "password"
    assert [each["factor"] for each in provider.cli("user", "factors", EMAIL)] == ["password"]


def test_a_session_steps_up_by_the_code_alone(provider: Provider, browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    at_setup(browser, app)
    try:
        device = Device(secret_of(browser))
        browser.submit(action="/enrol", code=device.code())
        allowed(browser)
        query(provider, "UPDATE sessions SET acr = ?, amr = 'pwd' WHERE ended_at IS NULL", ACR_PASSWORD)
        browser.open(app.url())
        assert step_of(browser) == "factor", "one factor is not enough for who has two"
        browser.submit(action="/factor", code=device.code(1))
        assert identity(provider, browser, app)["amr"] == ["pwd", "otp", "mfa"]
    finally:
        provider.cli("user", "reset-factors", EMAIL)


def test_who_has_a_device_is_asked_for_it_though_nobody_has_to(provider: Provider, app: App) -> None:
    browser = Browser(provider.issuer)
    browser.sign_in(app.url())
    at_setup(browser, app)
    try:
        device = Device(secret_of(browser))
        browser.submit(action="/enrol", code=device.code())
        other = Browser(provider.issuer)
        with_password(other, app.url())
        assert step_of(other) == "factor"
        other.submit(action="/factor", code=device.code(1))
        assert "code" in allowed(other)
    finally:
        provider.cli("user", "reset-factors", EMAIL)


@pytest.mark.parametrize("method", ["totp", "recovery"])
def test_ra_03_one_code_used_eight_times_at_once_lets_one_in(strict: Provider, billing: App, method: str) -> None:
    """The attacker sends a code that he saw at the very moment at which its owner does."""
    device, codes = enrolled(strict, billing)
    browsers = [challenged(strict, billing) for _ in range(8)]
    before = count(strict, SESSIONS)
    code = device.code() if method == "totp" else codes[0]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda each: each.submit(action="/factor", method=method, code=code), browsers))
    assert count(strict, SESSIONS) == before + 1
    assert sorted(str(step_of(browser)) for browser in browsers) == ["consent", *["factor"] * 7]


def test_lg_02_no_secret_of_a_second_factor_is_written_anywhere(strict: Provider, billing: App) -> None:
    """The attacker reads the log, or a copy of the database, and looks for what opens the second door."""
    device, codes = enrolled(strict, billing)
    for method, code in (("totp", device.code()), ("recovery", codes[0]), ("totp", "not-a-code-canary")):
        challenged(strict, billing).submit(action="/factor", method=method, code=code)
    written = strict.log.read_bytes()
    written += b"".join(path.read_bytes() for path in (strict.folder / "data").rglob("*") if path.is_file())
    secret = device.totp.secret
    for canary in (
        secret,
        totp.grouped(secret),
        *codes,
        *(code.replace("-", "") for code in codes),
        "not-a-code-canary",
    ):
        assert canary.encode() not in written


def test_mf_07_of_several_who_set_up_a_device_at_once_one_does(strict: Provider, billing: App) -> None:
    """The attacker, who has the password, waits on the page that sets up a device until its owner has set up hers."""
    browsers = [Browser(strict.issuer) for _ in range(6)]
    for browser in browsers:
        with_password(browser, billing.url())
        assert step_of(browser) == "enrol"
    codes = [Device(secret_of(browser)).code() for browser in browsers]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda pair: pair[0].submit(action="/enrol", code=pair[1]), zip(browsers, codes, strict=True)))
    assert sorted(str(step_of(browser)) for browser in browsers) == ["consent", *["factor"] * 5]
    assert [each["factor"] for each in strict.cli("user", "factors", EMAIL)] == ["password", "totp", "recovery"]
    assert count(strict, SESSIONS) == 1


def test_mf_07_a_page_that_somebody_walked_away_from_sets_up_no_device(strict: Provider, billing: App) -> None:
    """The attacker sits down at the victim's browser, where an app was to be set up, and takes his own phone for it."""
    browser = Browser(strict.issuer)
    with_password(browser, billing.url())
    secret = secret_of(browser)
    walked_away(strict)
    browser.submit(action="/enrol", code=Device(secret).code(), name="Phone")
    assert step_of(browser) == "password"
    assert "That took a while" in page_of(browser).text
    assert count(strict, "SELECT count(*) FROM credentials WHERE factor <> 'password'") == 0
    browser.submit(action="/password", password=PASSWORD)
    assert secret_of(browser) == secret, "what the person's app shows already stays right"
    browser.submit(action="/enrol", code=Device(secret).code(), name="Phone")
    assert step_of(browser) == "consent"


def test_se_07_after_a_session_went_idle_both_factors_are_asked_for_again(strict: Provider, billing: App) -> None:
    """The attacker finds a browser that was left open over night, and has the person's device, or their password."""
    device, _ = enrolled(strict, billing)
    browser = challenged(strict, billing)
    browser.submit(action="/factor", code=device.code())
    allowed(browser)
    assert "code" in answer_of(browser.open(billing.url(prompt="none")))
    query(strict, "UPDATE sessions SET seen_at = '2026-01-01T00:00:00.000000Z'")
    assert answer_of(browser.open(billing.url(prompt="none")))["error"] == "login_required"
    browser.open(billing.url())
    assert step_of(browser) == "password"
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "factor"
