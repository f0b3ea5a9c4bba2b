"""Signing in with a passkey: alone, as a second factor, and never by anything less or anybody else's."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp import passkeys
from idp.factors import passkey as rules
from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS
from idp.services import Services
from idp.store import credentials
from tests.authenticators import SYNCED, UP, Device
from tests.oauth.wire import claims_of, with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, pkce, redeem
from tests.signin.conftest import BEN, App, People
from tests.signin.passkeys import given, options_of, send, use
from tests.signin.reading import SESSIONS, count, page_of, path_of, post, query, step_of, title_of, token_of


@pytest.fixture
def device(provider: Provider, app: App) -> Device:
    """A device that verifies its person; nobody has a passkey, a second factor or a session."""
    query(provider, "DELETE FROM credentials WHERE factor <> 'password'")
    query(provider, "DELETE FROM sessions")
    return Device(provider.issuer)


def at_identify(provider: Provider, app: App, **parameters: str) -> Browser:
    browser = Browser(provider.issuer)
    browser.open(app.url(**parameters))
    return browser


def with_password(browser: Browser, email: str = EMAIL, password: str = PASSWORD) -> None:
    browser.submit(action="/identify", username=email)
    browser.submit(action="/password", password=password)


def allowed(browser: Browser) -> dict[str, str]:
    if step_of(browser) == "consent":
        browser.submit(action="/consent", button="allow")
    return answer_of(page_of(browser))


def identity(provider: Provider, browser: Browser, app: App, **parameters: str) -> dict[str, Any]:
    """The claims of an ID token that the app gets, without anybody being asked again."""
    proof = pkce()
    code = answer_of(browser.open(authorize_url(app.client, proof.challenge, **parameters)))["code"]
    return claims_of(redeem(provider, app.client, code, proof.verifier).json()["id_token"])


def lines(provider: Provider, event: str) -> int:
    return count(provider, "SELECT count(*) FROM audit WHERE event = ?", event)


def signed_in(provider: Provider) -> int:
    return count(provider, SESSIONS)


@pytest.mark.parametrize(("flags", "key"), [(0x05, "pop"), (SYNCED, "swk")], ids=["bound to its device", "synced"])
def test_wa_20_mf_11_a_passkey_is_all_it_takes_and_counts_as_two_factors(
    provider: Provider, app: App, device: Device, people: People, flags: int, key: str
) -> None:
    """An app that asks for hardware must never be told of it where a copy may exist."""
    device.flags = flags
    given(provider, device)
    browser = at_identify(provider, app, acr_values=ACR_TWO_FACTORS)
    assert options_of(browser)["allowCredentials"] == []
    use(browser, device)
    assert "code" in allowed(browser)
    told = identity(provider, browser, app)
    assert (told["sub"], told["acr"], told["amr"]) == (people.ana.sub, ACR_TWO_FACTORS, [key, "user", "mfa"])
    assert abs(told["auth_time"] - time.time()) < 60
    assert lines(provider, "sign_in.succeeded") > 0


def test_a_passkey_works_on_the_password_page_too(provider: Provider, app: App, device: Device) -> None:
    given(provider, device)
    browser = at_identify(provider, app)
    browser.submit(action="/identify", username=EMAIL)
    use(browser, device)
    assert "code" in allowed(browser)


def test_wa_01_mf_03_who_was_named_before_signs_in_with_no_other_persons_passkey(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker names somebody and then uses his own passkey, or the other way round."""
    given(provider, device, BEN)
    browser = at_identify(provider, app)
    browser.submit(action="/identify", username=EMAIL)
    use(browser, device)
    assert step_of(browser) == "password"
    assert "another account" in page_of(browser).text
    assert signed_in(provider) == 0


def test_wa_01_mf_03_a_second_factor_is_of_who_proved_the_first(provider: Provider, app: App, device: Device) -> None:
    """The attacker knows Ana's password and uses his own passkey as the second factor."""
    given(provider, device)
    other = Device(provider.issuer)
    given(provider, other, BEN)
    browser = at_identify(provider, app, acr_values=ACR_TWO_FACTORS)
    with_password(browser)
    assert step_of(browser) == "factor"
    use(browser, other)
    assert step_of(browser) == "factor"
    assert signed_in(provider) == 0
    use(browser, device)
    assert "code" in allowed(browser)


def test_an_app_that_waits_for_somebody_else_is_not_given_who_came(
    provider: Provider, app: App, device: Device, people: People
) -> None:
    given(provider, device, BEN)
    first = at_identify(provider, app)
    with_password(first)
    allowed(first)
    proof = pkce()
    code = answer_of(first.open(authorize_url(app.client, proof.challenge)))["code"]
    hint = redeem(provider, app.client, code, proof.verifier).json()["id_token"]
    browser = at_identify(provider, app, id_token_hint=hint)
    use(browser, device)
    assert step_of(browser) == "identify"
    assert "another account" in page_of(browser).text
    assert claims_of(hint)["sub"] == people.ana.sub


def test_wa_07_mf_02_a_passkey_alone_is_refused_where_nobody_was_verified(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker found a security key that asks for a touch and nothing else."""
    device.flags = UP
    given(provider, device)
    browser = at_identify(provider, app)
    use(browser, device)
    assert step_of(browser) == "identify"
    assert "did not check that it is you" in page_of(browser).text
    assert signed_in(provider) == 0


def test_a_passkey_that_verified_nobody_is_a_second_factor(provider: Provider, app: App, device: Device) -> None:
    device.flags = UP
    stored = given(provider, device)
    browser = at_identify(provider, app, acr_values=ACR_TWO_FACTORS)
    with_password(browser)
    assert step_of(browser) == "factor"
    assert [each["id"] for each in options_of(browser)["allowCredentials"]] == [stored["credential_id"]]
    use(browser, device)
    assert "code" in allowed(browser)
    told = identity(provider, browser, app)
    assert (told["acr"], told["amr"]) == (ACR_TWO_FACTORS, ["pwd", "pop", "user", "mfa"])


def test_a_passkey_that_was_made_to_sign_in_sooner_locks_nobody_out_who_has_a_password(
    provider: Provider, app: App, device: Device
) -> None:
    given(provider, device)
    browser = at_identify(provider, app)
    with_password(browser)
    assert "code" in allowed(browser)
    assert identity(provider, browser, app)["acr"] == ACR_PASSWORD
    browser.open(app.url(acr_values=ACR_TWO_FACTORS))
    assert step_of(browser) == "factor", "where two factors are asked for it is the second one"
    use(browser, device)
    assert "code" in allowed(browser)
    told = identity(provider, browser, app, acr_values=ACR_TWO_FACTORS)
    assert told["amr"] == ["pwd", "pop", "user", "mfa"]


def refused(provider: Provider, browser: Browser) -> str:
    """That nobody was signed in; the reason that is kept for who runs the provider."""
    assert step_of(browser) in ("identify", "password", "factor"), page_of(browser).text
    assert title_of(page_of(browser)).startswith("Error: ")
    assert signed_in(provider) == 0
    # In the log, since of many refusals at once only some are stored.
    return str([line["reason"] for line in provider.log_lines() if line["event"] == "refused"][-1])


def test_wa_04_a_challenge_counts_once(provider: Provider, app: App, device: Device) -> None:
    """The attacker recorded an answer and sends it again, in the same sign-in."""
    given(provider, device)
    browser = at_identify(provider, app)
    sent = device.get(options_of(browser))
    wrong = sent | {"response": sent["response"] | {"signature": "AAAA"}}
    send(browser, wrong)
    refused(provider, browser)
    send(browser, sent)
    assert "used before" in refused(provider, browser)


def test_wa_04_a_challenge_is_for_its_own_attempt_browser_and_step(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker has somebody answer the challenge of his own sign-in, or of another step of theirs."""
    given(provider, device)
    mine, theirs = at_identify(provider, app), at_identify(provider, app)
    send(mine, device.get(options_of(theirs)))
    assert "another page" in refused(provider, mine)
    again = Browser(provider.issuer)
    again.http.cookies.update(mine.http.cookies)
    again.open(app.url())
    send(mine, device.get(options_of(again)))
    assert "another page" in refused(provider, mine)
    other = Browser(provider.issuer)
    other.open(app.url(acr_values=ACR_TWO_FACTORS))
    alone = device.get(options_of(other))
    with_password(other)
    assert step_of(other) == "factor"
    send(other, alone)
    assert "another page" in refused(provider, other)


def test_wa_04_a_challenge_of_making_one_is_none_of_using_one(provider: Provider, app: App, device: Device) -> None:
    """The attacker has a passkey made, and takes the challenge of that for a sign-in."""
    given(provider, device)
    browser = at_identify(provider, app)
    made = device.create({"rp": {"id": "localhost"}, "user": {"id": "AAAA"}} | options_of(browser))
    send(browser, made)
    assert "no person has this passkey" in refused(provider, browser)
    device.passkeys.pop()
    use(browser, device, client=lambda said: said | {"type": "webauthn.create"})
    assert "another ceremony" in refused(provider, browser)


@pytest.mark.parametrize(("age", "counts"), [(299, True), (300, False), (-5, True)])
def test_wa_04_a_challenge_counts_for_five_minutes(provider: Provider, age: int, counts: bool) -> None:
    """The attacker keeps an answer for later."""

    async def work(services: Services) -> passkeys.Failed | None:
        now = services.clock()
        earlier = replace(services, clock=lambda: now - timedelta(seconds=age))
        ceremony = passkeys.use("attempt", "browser")
        options = passkeys.request_options(earlier, ceremony)
        at = replace(services, clock=lambda: now)
        try:
            await passkeys._take(at, ceremony, rules.bytes_of(options["challenge"]), now)
        except passkeys.Failed as failed:
            return failed
        return None

    failed = with_services(provider, work)
    assert (failed is None) == counts


def test_wa_04_of_eight_who_send_one_answer_at_once_one_signs_in(provider: Provider, app: App, device: Device) -> None:
    """The attacker sends what he recorded at the same moment as its owner, many times."""
    given(provider, device)
    browser = at_identify(provider, app)
    path, token = path_of(browser), token_of(browser)
    sent = json.dumps(device.get(options_of(browser)))

    def press(_: int) -> str:
        one = Browser(provider.issuer)
        one.http.cookies.update(browser.http.cookies)
        answer = post(one, f"{path}/passkey", csrf=token, credential=sent)
        return " ".join(answer.headers.get_list("set-cookie"))

    with ThreadPoolExecutor(8) as pool:
        cookies = list(pool.map(press, range(8)))
    assert sum("session" in cookie or "account" in cookie for cookie in cookies) == 1
    assert signed_in(provider) == 1


def test_wa_08_a_passkey_that_was_copied_is_refused_and_put_on_record(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker copied the key of a device that counts, and the two counters part."""
    device.counter = 7
    given(provider, device)
    before = lines(provider, "passkey.copied")
    device.counter = 3
    browser = at_identify(provider, app)
    use(browser, device)
    assert "exist twice" in page_of(browser).text
    assert "counter is 4 after 7" in refused(provider, browser)
    assert lines(provider, "passkey.copied") == before + 1
    device.counter = 7
    use(browser, device)
    assert "code" in allowed(browser), "the one that went on counting is still good"


def test_wa_06_a_foreign_passkey_is_unknown_and_only_then_may_the_browser_forget_it(
    provider: Provider, app: App, device: Device
) -> None:
    """A browser that is told to forget a passkey does so for good: never for a mere mistake."""
    given(provider, device)
    browser = at_identify(provider, app)
    use(browser, device, signature=lambda _: b"x")
    refused(provider, browser)
    assert "data-unknown" not in page_of(browser).text
    query(provider, "DELETE FROM credentials WHERE factor = 'passkey'")
    use(browser, device)
    assert "no person has this passkey" in refused(provider, browser)
    assert "data-unknown" in page_of(browser).text
    browser.submit(action="/identify", username=EMAIL)
    assert "data-unknown" not in page_of(browser).text


@pytest.mark.parametrize(
    "sent",
    ["", "{}", "[]", "null", '{"id":7}', "x" * 20_000, '{"id":"AA","id":"AA"}', "\u0000", '{"id":"\\ud83d"}'],
    ids=["nothing", "empty", "a list", "null", "a number", "long", "twice", "NUL", "half a sign"],
)
def test_un_05_an_answer_that_is_none_is_refused_in_words(
    provider: Provider, app: App, device: Device, sent: str
) -> None:
    """The attacker sends anything at all as the answer of a browser."""
    browser = at_identify(provider, app)
    response = post(browser, f"{path_of(browser)}/passkey", csrf=token_of(browser), credential=sent)
    assert response.status_code in (303, 400)
    assert signed_in(provider) == 0


def test_44_the_reason_names_the_site_that_asked_and_the_one_that_is_configured(
    provider: Provider, app: App, device: Device
) -> None:
    given(provider, device)
    browser = at_identify(provider, app)
    device.origin = "https://sso.example.com"
    use(browser, device)
    reason = refused(provider, browser)
    assert "sso.example.com" in reason
    assert provider.issuer in reason
    assert "RP ID localhost" in reason


def test_mf_15_somebody_who_is_disabled_is_refused_in_the_same_words(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker was shut out, and still has the passkey."""
    given(provider, device, BEN)
    query(provider, "UPDATE users SET disabled_at = created_at WHERE email = ?", BEN)
    try:
        browser = at_identify(provider, app)
        use(browser, device)
        assert "The passkey was not accepted" in page_of(browser).text
        assert "disabled" in refused(provider, browser)
    finally:
        query(provider, "UPDATE users SET disabled_at = NULL WHERE email = ?", BEN)


def test_mf_15_a_passkey_that_is_removed_while_it_is_asked_for_counts_no_more(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker holds the prompt open while its owner removes the passkey."""
    given(provider, device)
    browser = at_identify(provider, app)
    sent = device.get(options_of(browser))
    query(provider, "DELETE FROM credentials WHERE factor = 'passkey'")
    send(browser, sent)
    refused(provider, browser)


def test_en_06_what_is_asked_for_tells_nobody_who_has_a_passkey(provider: Provider, app: App, device: Device) -> None:
    """The attacker names people, and looks which of them the page asks a passkey of."""
    given(provider, device)
    shown = []
    for email in (EMAIL, BEN, "nobody@example.test"):
        browser = at_identify(provider, app)
        browser.submit(action="/identify", username=email)
        options = options_of(browser)
        challenge = options.pop("challenge")
        shown.append((len(challenge), options, page_of(browser).status_code))
    assert shown[0] == shown[1] == shown[2]
    assert shown[0][1]["allowCredentials"] == []


def test_the_script_gets_fresh_options_and_none_of_a_sign_in_that_is_over(
    provider: Provider, app: App, device: Device
) -> None:
    given(provider, device)
    browser = at_identify(provider, app)
    path = path_of(browser)
    fresh = browser.http.get(f"{path}/passkey").json()
    assert fresh["challenge"] != options_of(browser)["challenge"]
    send(browser, device.get(fresh))
    assert browser.http.get(f"{path}/passkey").json() is None, "somebody is signed in"
    assert "code" in allowed(browser)
    assert browser.http.get(f"{path}/passkey").json() is None
    stranger = Browser(provider.issuer)
    assert stranger.http.get(f"{path}/passkey").headers["content-type"].startswith("text/html")


def test_a_post_at_another_step_does_nothing(provider: Provider, app: App, device: Device) -> None:
    given(provider, device)
    browser = at_identify(provider, app)
    sent = device.get(options_of(browser))
    with_password(browser)
    assert step_of(browser) == "consent"
    send(browser, sent)
    assert step_of(browser) == "consent"


def test_the_way_that_was_used_last_is_offered_first_and_recovery_codes_last(
    provider: Provider, app: App, device: Device
) -> None:
    given(provider, device)

    async def add(services: Services) -> None:
        ((user_id,),) = query(provider, "SELECT id FROM users WHERE email = ?", EMAIL)
        async with services.database.transaction() as transaction:
            now = services.clock()
            for name, data in (
                ("totp", {"secret": "A" * 32, "name": "Phone", "last_step": 10**9, "misses": 0}),
                ("recovery", {"hashes": ["0" * 64]}),
            ):
                await credentials.add(transaction, services.sealer, user_id, name, data, now, f"{name}:test")

    with_services(provider, add)
    browser = at_identify(provider, app)
    with_password(browser)
    assert step_of(browser) == "factor", "who set up a second step is asked for it"

    def order() -> list[int]:
        text = page_of(browser).text
        places = [text.index(each) for each in ('id="code"', 'id="use-passkey"', 'id="recovery"')]
        return sorted(range(3), key=places.__getitem__)

    assert order() == [0, 1, 2]
    assert "Try another way" in page_of(browser).text

    async def long_ago(services: Services) -> None:
        ((user_id,),) = query(provider, "SELECT id FROM users WHERE email = ?", EMAIL)
        (stored,) = await credentials.of_person(services.database, services.sealer, user_id, "totp")
        async with services.database.transaction() as transaction:
            await credentials.replace(
                transaction, services.sealer, stored, stored.data | {"last_step": 5}, services.clock()
            )

    with_services(provider, long_ago)
    browser.open(path_of(browser))
    assert order() == [1, 0, 2]
    query(provider, "DELETE FROM credentials WHERE lookup = 'totp:test'")
    query(provider, "DELETE FROM credentials WHERE lookup = 'recovery:test'")


@pytest.mark.slow
def test_passkeys_are_shown_to_operators_and_taken_away_by_them(provider: Provider, app: App, device: Device) -> None:
    stored = given(provider, device)
    listed = provider.cli("user", "factors", EMAIL)
    assert [(each["factor"], each["name"]) for each in listed] == [("password", None), ("passkey", stored["name"])]
    provider.cli("user", "reset-factors", EMAIL)
    assert [each["factor"] for each in provider.cli("user", "factors", EMAIL)] == ["password"]
