"""Making a passkey in a sign-in: where it is offered, and as the second step that everybody needs."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from idp.factors.passkey import bytes_of
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.store import credentials
from idp.store.credentials import StoredFactor
from tests.authenticators import SYNCED, Device
from tests.oauth.wire import with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of
from tests.signin.conftest import BEN, BENS_PASSWORD, App
from tests.signin.passkeys import given, options_of, send, use
from tests.signin.reading import (
    SESSIONS,
    count,
    page_of,
    path_of,
    post,
    query,
    step_of,
    title_of,
    token_of,
    walked_away,
)

PASSKEYS = "SELECT count(*) FROM credentials WHERE factor = 'passkey'"


@pytest.fixture
def device(provider: Provider, app: App) -> Device:
    """A device without a passkey; nobody has one."""
    query(provider, "DELETE FROM credentials WHERE factor <> 'password'")
    query(provider, "DELETE FROM sessions")
    return Device(provider.issuer, SYNCED)


def with_password(
    browser: Browser, app: App, able: str = "can", email: str = EMAIL, password: str = PASSWORD, **parameters: str
) -> None:
    """As far as a password leads in a browser that says whether it could make a passkey."""
    browser.open(app.url(**parameters))
    if step_of(browser) == "identify":
        browser.submit(action="/identify", username=email)
    browser.submit(action="/password", password=password, passkeys=able)


def make(browser: Browser, device: Device, **changes: object) -> None:
    send(browser, device.create(options_of(browser), **changes), "/new-passkey")  # type: ignore[arg-type]


def passkeys_of(provider: Provider, email: str = EMAIL) -> list[StoredFactor]:
    ((user_id,),) = query(provider, "SELECT id FROM users WHERE email = ?", email)

    async def work(services: object) -> list[StoredFactor]:
        return await credentials.of_person(services.database, services.sealer, user_id, "passkey")  # type: ignore[attr-defined]

    return with_services(provider, work)


def test_who_came_with_a_password_is_offered_a_passkey_and_signs_in_with_it_from_then_on(
    provider: Provider, app: App, device: Device
) -> None:
    browser = Browser(provider.issuer)
    with_password(browser, app)
    assert step_of(browser) == "offer"
    options = options_of(browser)
    assert options["user"]["name"] == EMAIL
    assert len(bytes_of(options["user"]["id"])) == 64
    assert options["excludeCredentials"] == []
    make(browser, device)
    assert step_of(browser) == "consent"
    assert "code" in answer_of(browser.submit(action="/consent", button="allow"))
    assert count(provider, "SELECT count(*) FROM audit WHERE event = 'factor.enrolled'") > 0
    another = Browser(provider.issuer)
    another.open(app.url())
    use(another, device)
    assert "code" in answer_of(page_of(another))


def test_36_it_is_offered_once_in_thirty_days_on_a_device_and_by_a_cookie_that_names_nobody(
    provider: Provider, app: App, device: Device
) -> None:
    browser = Browser(provider.issuer)
    with_password(browser, app)
    assert step_of(browser) == "offer"
    (cookie,) = [value for name, value in browser.http.cookies.items() if "offered" in name]
    assert re.fullmatch(r"[0-9a-f]{16}", cookie)
    browser.open(path_of(browser))
    assert step_of(browser) == "offer", "a reload shows it again"
    send(browser, "", "/new-passkey")  # nothing was made
    assert step_of(browser) == "offer"
    assert title_of(page_of(browser)).startswith("Error: ")
    path = path_of(browser)
    answer = post(browser, f"{path}/no-passkey", csrf=token_of(browser))
    assert "Max-Age=2592000" in answer.headers["set-cookie"]
    browser.open(path)
    assert step_of(browser) == "consent"
    with_password(browser, app, prompt="login")
    assert step_of(browser) == "consent"
    (cookie,) = [value for name, value in browser.http.cookies.items() if "offered" in name]
    assert cookie == "answered"
    assert count(provider, PASSKEYS) == 0


@pytest.mark.parametrize("able", ["", "cannot"])
def test_88_it_is_offered_to_nobody_whose_browser_cannot_make_one(
    provider: Provider, app: App, device: Device, able: str
) -> None:
    browser = Browser(provider.issuer)
    with_password(browser, app, able)
    assert step_of(browser) == "consent"


def test_it_is_not_offered_to_who_came_with_a_passkey_or_was_signed_in(
    provider: Provider, app: App, device: Device
) -> None:
    given(provider, device)
    browser = Browser(provider.issuer)
    browser.open(app.url())
    use(browser, device)
    assert step_of(browser) == "consent"
    query(provider, "DELETE FROM credentials WHERE factor = 'passkey'")
    other = Browser(provider.issuer)
    with_password(other, app, able="")
    other.open(app.url())
    assert step_of(other) == "consent"


def test_37_who_has_passkeys_gets_no_second_one_on_the_same_device_and_keeps_the_user_handle(
    provider: Provider, app: App, device: Device
) -> None:
    first = given(provider, device)
    browser = Browser(provider.issuer)
    with_password(browser, app)
    options = options_of(browser)
    assert [each["id"] for each in options["excludeCredentials"]] == [first["credential_id"]]
    assert options["user"]["id"] == first["user_handle"]
    make(browser, Device(provider.issuer))
    assert [each.data["user_handle"] for each in passkeys_of(provider)] == [first["user_handle"]] * 2


@pytest.mark.parametrize("whose", [EMAIL, BEN])
def test_wa_09_an_id_that_is_registered_is_refused_whoever_has_it(
    provider: Provider, app: App, device: Device, whose: str
) -> None:
    """The attacker registers the id of another person's passkey, so that it is taken for his."""
    stored = given(provider, device, whose)
    browser = Browser(provider.issuer)
    with_password(browser, app)
    make(browser, device, credential_id=bytes_of(stored["credential_id"]))
    assert step_of(browser) == "offer"
    assert "The passkey was not saved" in page_of(browser).text
    assert count(provider, PASSKEYS) == 1


def test_one_that_a_password_manager_made_by_itself_is_taken_after_a_password(
    provider: Provider, app: App, device: Device
) -> None:
    browser = Browser(provider.issuer)
    with_password(browser, app)
    make(browser, device, flags=0)
    assert step_of(browser) == "consent"
    assert count(provider, PASSKEYS) == 1


def test_wa_04_of_eight_who_send_one_new_passkey_at_once_one_makes_it(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker sends what he saw of a new passkey again, at the same moment."""
    browser = Browser(provider.issuer)
    with_password(browser, app)
    path, token, sent = path_of(browser), token_of(browser), json.dumps(device.create(options_of(browser)))

    def press(_: int) -> int:
        one = Browser(provider.issuer)
        one.http.cookies.update(browser.http.cookies)
        return post(one, f"{path}/new-passkey", csrf=token, credential=sent).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(press, range(8))) == {303}
    assert count(provider, PASSKEYS) == 1


def test_wa_17_of_two_first_passkeys_one_counts_so_that_all_have_one_user_handle(
    provider: Provider, app: App, device: Device
) -> None:
    """Two handles for one person would let a browser forget the one when it is told of the other."""
    browsers = [Browser(provider.issuer), Browser(provider.issuer)]
    for browser in browsers:
        with_password(browser, app)
    answers = [device.create(options_of(browser)) for browser in browsers]
    for browser, answer in zip(browsers, answers, strict=True):
        send(browser, answer, "/new-passkey")
    assert [step_of(browser) for browser in browsers] == ["consent", "offer"]
    make(browsers[1], device)
    assert len({each.data["user_handle"] for each in passkeys_of(provider)}) == 1
    assert count(provider, PASSKEYS) == 2


def test_mf_07_a_passkey_is_made_only_after_a_password_in_this_very_attempt(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker holds the cookie of a session, and adds a passkey of his own to it."""
    browser = Browser(provider.issuer)
    with_password(browser, app, able="")
    browser.submit(action="/consent", button="allow")
    browser.open(app.url(prompt="consent"))
    assert step_of(browser) == "consent"
    assert browser.http.get(f"{path_of(browser)}/new-passkey").json() is None
    for cookie in ("answered", "0" * 16):
        browser.http.cookies.set(f"idp_offered_{provider.port}", cookie, domain="localhost.local")
        post(browser, f"{path_of(browser)}/new-passkey", csrf=token_of(browser), credential="{}")
    assert count(provider, PASSKEYS) == 0
    assert step_of(browser) == "consent"


def test_mf_04_a_passkey_that_was_chosen_as_second_step_is_asked_for_after_every_password(
    strict: Provider, billing: App
) -> None:
    """The attacker knows the password, and tries it at every door."""
    device, browser = Device(strict.issuer), Browser(strict.issuer)
    with_password(browser, billing)
    assert step_of(browser) == "enrol"
    codes = re.findall(r"<li>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})</li>", page_of(browser).text)
    make(browser, device)
    assert step_of(browser) == "consent"
    answer_of(browser.submit(action="/consent", button="allow"))
    for acr_values in ("", ACR_TWO_FACTORS):
        again = Browser(strict.issuer)
        with_password(again, billing, acr_values=acr_values)
        assert step_of(again) == "factor"
        use(again, device)
        assert "code" in answer_of(page_of(again))
    lost = Browser(strict.issuer)
    with_password(lost, billing, able="")
    lost.submit(action="/factor", code="0000-0000-0000-0000")
    assert "The code is not right" in page_of(lost).text
    lost.submit(action="/factor", code=codes[3])
    assert "code" in answer_of(page_of(lost))
    alone = Browser(strict.issuer)
    alone.open(billing.url())
    use(alone, device)
    assert "code" in answer_of(page_of(alone))


def test_setting_up_a_second_step_with_a_wrong_passkey_changes_nothing(strict: Provider, billing: App) -> None:
    browser = Browser(strict.issuer)
    with_password(browser, billing)
    make(browser, Device(strict.issuer), flags=0)
    assert step_of(browser) == "enrol"
    assert "The passkey was not saved" in page_of(browser).text
    assert count(strict, "SELECT count(*) FROM credentials WHERE factor <> 'password'") == 0
    assert count(strict, SESSIONS) == 0


def test_mf_07_a_page_that_somebody_walked_away_from_makes_no_passkey(strict: Provider, billing: App) -> None:
    """The attacker sits down at the victim's browser, where a second step was to be set up, and makes his own."""
    browser = Browser(strict.issuer)
    with_password(browser, billing)
    walked_away(strict)
    make(browser, Device(strict.issuer))
    assert step_of(browser) == "password"
    assert "That took a while" in page_of(browser).text
    assert count(strict, "SELECT count(*) FROM credentials WHERE factor <> 'password'") == 0


def test_who_made_a_passkey_before_a_second_factor_was_required_uses_it_as_that(strict: Provider, billing: App) -> None:
    device = Device(strict.issuer)
    given(strict, device)
    browser = Browser(strict.issuer)
    with_password(browser, billing)
    assert step_of(browser) == "factor"
    use(browser, device)
    assert step_of(browser) == "consent"


def test_mf_03_the_other_persons_page_makes_no_passkey_of_mine(strict: Provider, billing: App) -> None:
    """The attacker has the victim's browser answer what the attacker's page asked for."""
    mine, theirs = Browser(strict.issuer), Browser(strict.issuer)
    with_password(mine, billing)
    with_password(theirs, billing, email=BEN, password=BENS_PASSWORD)
    send(mine, Device(strict.issuer).create(options_of(theirs)), "/new-passkey")
    assert step_of(mine) == "enrol"
    assert count(strict, "SELECT count(*) FROM credentials WHERE factor <> 'password'") == 0


def test_mf_07_an_offer_that_was_left_open_makes_no_passkey(provider: Provider, app: App, device: Device) -> None:
    """The attacker sits down at the victim's browser, where a passkey was offered a while ago, and makes his own."""
    browser = Browser(provider.issuer)
    with_password(browser, app)
    assert step_of(browser) == "offer"
    a_while_ago = (datetime.now(UTC) - timedelta(minutes=6)).isoformat(timespec="microseconds")[:26] + "Z"
    query(provider, "UPDATE sessions SET authenticated_at = ?", a_while_ago)
    send(browser, "{}", "/new-passkey")
    assert step_of(browser) == "consent", "it is not offered any more"
    assert passkeys_of(provider) == []


def test_mf_15_a_session_that_was_ended_meanwhile_makes_no_passkey(
    provider: Provider, app: App, device: Device
) -> None:
    """The thief's answer is on its way when the victim ends all sessions."""
    browser = Browser(provider.issuer)
    with_password(browser, app)
    options = options_of(browser)
    query(provider, "UPDATE sessions SET ended_at = ?", "2026-01-01T00:00:00.000000Z")
    send(browser, device.create(options), "/new-passkey")
    assert passkeys_of(provider) == []
