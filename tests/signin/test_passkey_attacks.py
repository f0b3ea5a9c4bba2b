"""Attacks on passkeys in a sign-in: challenges of the wrong kind, hostile bytes, and many at the same moment."""

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from webauthn.helpers import encode_cbor

from idp import enrolment
from idp.factors import passkey as rules
from idp.factors.passkey import bytes_of, verification
from idp.factors.passkey.verification import Expected, Refused
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.services import Services
from idp.store import users
from tests.authenticators import ED, SYNCED, UP, VERIFIED, Change, Device
from tests.oauth.wire import claims_of, with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, pkce, redeem
from tests.signin.conftest import BEN, BENS_PASSWORD, App
from tests.signin.passkeys import given, options_of, send, use
from tests.signin.reading import SESSIONS, count, page_of, path_of, post, query, step_of, token_of

PASSKEYS = "SELECT count(*) FROM credentials WHERE factor = 'passkey'"
COPIED = "SELECT count(*) FROM audit WHERE event = 'passkey.copied'"
QUICK = 2  # seconds, of which an idle machine needs hundredths
SENT_TWICE = "was sent twice"
NO_CHALLENGE_OF_IT = "person or ceremony"


@pytest.fixture
def device(provider: Provider, app: App) -> Device:
    """A device without a passkey; nobody has one, nor a session."""
    query(provider, "DELETE FROM sessions")
    return Device(provider.issuer)


def at_identify(provider: Provider, app: App, **parameters: str) -> Browser:
    browser = Browser(provider.issuer)
    browser.open(app.url(**parameters))
    return browser


def with_password(
    provider: Provider, app: App, email: str = EMAIL, password: str = PASSWORD, able: str = "can", **parameters: str
) -> Browser:
    """As far as a password leads in a browser that can make passkeys."""
    browser = at_identify(provider, app, **parameters)
    browser.submit(action="/identify", username=email)
    browser.submit(action="/password", password=password, passkeys=able)
    return browser


def recovery_codes(provider: Provider, email: str = EMAIL) -> list[str]:
    """Gives a person new ones, as another tab of theirs would."""

    async def work(services: Services) -> list[str]:
        person = await users.find_by_email(services.database, email)
        assert person is not None
        codes = enrolment.setup(services, "test").recovery_codes
        async with services.database.transaction() as transaction:
            await enrolment.replace_recovery_codes(transaction, services, person.id, codes, services.clock())
        return codes

    return with_services(provider, work)


def without_recovery_codes(provider: Provider) -> None:
    query(provider, "DELETE FROM credentials WHERE factor = 'recovery'")


def to(browser: Browser, step: str) -> None:
    """Loads the page of the same attempt anew, which is now at this step."""
    browser.open(path_of(browser))
    assert step_of(browser) == step


def reason(provider: Provider) -> str:
    """Of the last refusal, as it is kept for who runs the provider."""
    return str([line["reason"] for line in provider.log_lines() if line["event"] == "refused"][-1])


def allowed(browser: Browser) -> dict[str, str]:
    if step_of(browser) == "consent":
        browser.submit(action="/consent", button="allow")
    return answer_of(page_of(browser))


def test_wa_04_a_challenge_to_make_a_passkey_is_refused_where_one_is_used(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker has a device answer the page that makes a passkey, and sends that where one is asked for.

    All else is the same: the attempt, the browser, the person, and that it is not their first passkey.
    """
    given(provider, device)
    browser = with_password(provider, app)
    assert step_of(browser) == "offer"
    sent = device.get(options_of(browser))
    recovery_codes(provider)
    to(browser, "factor")
    send(browser, sent)
    assert step_of(browser) == "factor"
    assert SENT_TWICE in page_of(browser).text
    assert NO_CHALLENGE_OF_IT in reason(provider)
    use(browser, device)
    assert step_of(browser) == "consent", "a challenge of its own is taken in the same place"


def test_wa_04_a_challenge_to_use_a_passkey_is_refused_where_one_is_made(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker takes the challenge of a second step, and makes a passkey of his own with it in the same attempt."""
    given(provider, device)
    browser = with_password(provider, app)
    creation = options_of(browser)
    recovery_codes(provider)
    to(browser, "factor")
    asked = options_of(browser)
    without_recovery_codes(provider)
    to(browser, "offer")
    other = Device(provider.issuer)
    send(browser, other.create(creation | {"challenge": asked["challenge"]}), "/new-passkey")
    assert step_of(browser) == "offer"
    assert "The passkey was not saved" in page_of(browser).text
    assert NO_CHALLENGE_OF_IT in reason(provider)
    assert count(provider, PASSKEYS) == 1
    send(browser, other.create(creation), "/new-passkey")
    assert count(provider, PASSKEYS) == 2, "a challenge of its own is taken in the same place"


def test_wa_04_a_challenge_of_the_page_before_a_name_makes_no_passkey(strict: Provider, billing: App) -> None:
    """The attacker keeps the challenge that anybody may see, and makes a passkey with it once a password was right."""
    browser = at_identify(strict, billing)
    asked = options_of(browser)
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "enrol"
    made = Device(strict.issuer).create(options_of(browser) | {"challenge": asked["challenge"]})
    send(browser, made, "/new-passkey")
    assert step_of(browser) == "enrol"
    assert NO_CHALLENGE_OF_IT in reason(strict)
    assert count(strict, PASSKEYS) == 0


@pytest.mark.parametrize("rp_id", ["evil.example", "id.localhost", "", "LOCALHOST"])
def test_wa_07_a_passkey_of_another_relying_party_is_not_taken(
    provider: Provider, app: App, device: Device, rp_id: str
) -> None:
    """The attacker has a passkey made for a site of his own, and registers it here."""
    browser = with_password(provider, app)
    options = options_of(browser)
    assert options["rp"]["id"] == "localhost"
    send(browser, device.create(options | {"rp": {"id": rp_id}}), "/new-passkey")
    assert step_of(browser) == "offer"
    assert "RP ID hash" in reason(provider)
    assert count(provider, PASSKEYS) == 0


@pytest.mark.parametrize("rp_id", ["evil.example", "example.com", "login.id.example.com", ""])
def test_wa_07_the_hash_of_the_relying_party_is_compared_when_a_passkey_is_made(rp_id: str) -> None:
    """The attacker registers a passkey of a site beside, above or below this one."""
    ours = rules.creation_options(
        challenge=b"c" * 32, rp=("id.example.com", "Example"), user_handle=b"h" * 64, account=("a", "A"), known=()
    )
    expected = Expected(b"c" * 32, "id.example.com", "https://id.example.com")
    device, now = Device("https://id.example.com"), datetime(2027, 1, 15, tzinfo=UTC)
    theirs = verification.read(json.dumps(device.create(ours | {"rp": {"id": rp_id}})))
    with pytest.raises(Refused, match="RP ID hash"):
        verification.registered(theirs, expected, b"h" * 64, now)
    assert verification.registered(verification.read(json.dumps(device.create(ours))), expected, b"h" * 64, now)


def of_type(ceremony: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda said: said | {"type": ceremony}


def test_wa_07_client_data_of_a_use_make_no_passkey(provider: Provider, app: App, device: Device) -> None:
    """The attacker has a device sign for a sign-in, and sends it as a new passkey."""
    browser = with_password(provider, app)
    send(browser, device.create(options_of(browser), client=of_type("webauthn.get")), "/new-passkey")
    assert step_of(browser) == "offer"
    assert "another ceremony" in reason(provider)
    assert count(provider, PASSKEYS) == 0


def test_wa_07_client_data_of_a_new_passkey_sign_nobody_in(provider: Provider, app: App, device: Device) -> None:
    """The attacker has a device sign while a passkey is made, and sends it as a sign-in."""
    given(provider, device)
    browser = at_identify(provider, app)
    use(browser, device, client=of_type("webauthn.create"))
    assert step_of(browser) == "identify"
    assert "another ceremony" in reason(provider)
    assert count(provider, SESSIONS) == 0


def together(browsers: list[Browser], answers: list[str], path: str) -> list[str]:
    """Posts an answer from each browser at the same moment; the cookies that each was given."""
    barrier, forms = Barrier(len(browsers)), [(path_of(each) + path, token_of(each)) for each in browsers]

    def press(number: int) -> str:
        where, token = forms[number]
        barrier.wait()
        response = post(browsers[number], where, csrf=token, credential=answers[number])
        assert response.status_code == 303
        browsers[number]._follow(response)
        return " ".join(response.headers.get_list("set-cookie"))

    with ThreadPoolExecutor(len(browsers)) as pool:
        return list(pool.map(press, range(len(browsers))))


def test_wa_09_of_two_who_make_a_passkey_with_one_id_at_once_one_has_it(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker sees the id of a passkey that is being made, and makes one with it at the same moment."""
    for name in (b"first", b"second", b"third"):
        query(provider, "DELETE FROM sessions")
        browsers = [with_password(provider, app), with_password(provider, app, BEN, BENS_PASSWORD)]
        answers = [json.dumps(device.create(options_of(each), credential_id=name)) for each in browsers]
        before = count(provider, PASSKEYS)
        together(browsers, answers, "/new-passkey")
        assert count(provider, PASSKEYS) == before + 1


def test_wa_08_a_synced_passkey_that_is_used_in_eight_places_at_once_is_not_taken_for_a_copy(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker, or a person with many devices, uses a passkey that counts nothing at the same moment as others."""
    device.flags = SYNCED
    given(provider, device)
    copied = count(provider, COPIED)
    browsers = [at_identify(provider, app) for _ in range(8)]
    cookies = together(browsers, [json.dumps(device.get(options_of(each))) for each in browsers], "/passkey")
    inside = ["_session_" in each for each in cookies]
    assert any(inside)
    for browser, signed_in in zip(browsers, inside, strict=True):
        assert signed_in or SENT_TWICE in page_of(browser).text
    assert count(provider, SESSIONS) == sum(inside)
    assert (count(provider, COPIED), count(provider, PASSKEYS)) == (copied, 1)
    again = at_identify(provider, app)
    use(again, device)
    assert "code" in allowed(again)


CBOR: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "no CBOR": lambda _: b"<html>",
    "nothing": lambda _: b"",
    "cut off": lambda right: encode_cbor(right)[:-20],
    "nested arrays": lambda _: b"\x81" * 9000,
    "nested arrays without an end": lambda _: b"\x9f" * 9000,
    "nested maps": lambda _: b"\xa1\0" * 4500,
    "nested tags": lambda _: b"\xc1" * 9000,
    "bytes of huge length": lambda _: b"\x5b" + b"\xff" * 8,
    "text of huge length": lambda _: b"\x7b" + b"\x0f" + b"\xff" * 7,
    "an array of huge length": lambda _: b"\x9b" + b"\x0f" + b"\xff" * 7,
    "many arrays of huge length": lambda _: b"\x9a\x05\xff\xff\xff" * 1500,
    "a map of huge length": lambda _: b"\xbb" + b"\x0f" + b"\xff" * 7,
    "data of huge length": lambda _: b"\xa3cfmtdnonegattStmt\xa0hauthData\x5b" + b"\x7f" + b"\xff" * 7,
    "an array that holds itself": lambda _: b"\xd8\x1c\x81\xd8\x1d\0",
    "a number of thousands of digits": lambda _: b"\xa1cfmt\xc2\x59\x20\0" + b"\xff" * 8192,
    "a fraction with a huge exponent": lambda _: b"\xa1cfmt\xc5\x82\x1b\x7f" + b"\xff" * 7 + b"\1",
    "a time that no calendar has": lambda _: b"\xa1cfmt\xc1\x1b" + b"\xff" * 8,
    "longer than an answer may be": lambda right: encode_cbor(right | {"more": bytes(20_000)}),
    "a megabyte": lambda right: encode_cbor(right | {"more": bytes(1_000_000)}),
}


@pytest.mark.parametrize("hostile", CBOR.values(), ids=CBOR.keys())
def test_wa_11_hostile_bytes_in_place_of_a_new_passkey_are_refused_soon(
    provider: Provider, app: App, device: Device, hostile: Callable[[dict[str, Any]], bytes]
) -> None:
    """The attacker sends bytes that are long to read, that have no end, or that are nothing."""
    browser = with_password(provider, app)
    options = options_of(browser)
    sent = json.dumps(device.create(options, attestation=hostile))
    path, token, began = path_of(browser), token_of(browser), time.perf_counter()
    response = post(browser, f"{path}/new-passkey", csrf=token, credential=sent)
    assert time.perf_counter() - began < QUICK
    assert response.status_code in (303, 400, 413)
    assert count(provider, PASSKEYS) == 0
    to(browser, "offer")
    send(browser, device.create(options_of(browser)), "/new-passkey")
    assert count(provider, PASSKEYS) == 1, "the same page goes on working"


def handle_of(browser: Browser) -> bytes:
    return bytes_of(options_of(browser)["user"]["id"])


def test_wa_17_a_user_handle_is_random_and_says_nothing_of_its_person(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker reads the handle from a found device, and looks whose it is by what he knows of people."""
    ana, ben = with_password(provider, app), with_password(provider, app, BEN, BENS_PASSWORD)
    handles = [handle_of(ana), handle_of(ben), handle_of(ana)]
    assert [len(each) for each in handles] == [64] * 3
    assert len(set(handles)) == 3, "two people's differ, and two that are drawn for one person"
    for row in query(provider, "SELECT id, pseudonym, email, email_canonical FROM users"):
        for known in (str(each).encode() for each in row):
            for told in (known, hashlib.sha256(known).digest(), hashlib.sha512(known).digest()[:32]):
                assert not any(told in handle for handle in handles)
    send(ana, device.create(options := options_of(ana)), "/new-passkey")
    again = with_password(provider, app)
    assert options_of(again)["user"]["id"] == options["user"]["id"], "all passkeys of a person have the first one's"


def told_and_recorded(
    provider: Provider, app: App, browser: Browser, **parameters: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The claims of an ID token that the app gets without anybody being asked again, and the row of the sign-in."""
    allowed(browser)
    proof = pkce()
    code = answer_of(browser.open(authorize_url(app.client, proof.challenge, **parameters)))["code"]
    told = claims_of(redeem(provider, app.client, code, proof.verifier).json()["id_token"])
    ((session, details),) = query(
        provider,
        "SELECT session_id, details FROM audit WHERE event = 'sign_in.succeeded' ORDER BY id DESC LIMIT 1",
    )
    ((live,),) = query(provider, "SELECT id FROM sessions WHERE ended_at IS NULL")
    assert session == live
    return told, json.loads(details)


def assert_same(told: dict[str, Any], recorded: dict[str, Any], amr: list[str]) -> None:
    assert told["amr"] == recorded["amr"].split() == amr
    assert told["acr"] == ACR_TWO_FACTORS
    assert recorded["factor"] in ("passkey", "recovery")


@pytest.mark.parametrize(("flags", "key"), [(VERIFIED, "pop"), (SYNCED, "swk")], ids=["bound to its device", "synced"])
def test_mf_11_an_app_is_told_of_a_passkey_what_the_record_says(
    provider: Provider, app: App, device: Device, flags: int, key: str
) -> None:
    """The attacker signs in with one thing, and an app or the operator is told of a better one."""
    device.flags = flags
    given(provider, device)
    browser = at_identify(provider, app)
    use(browser, device)
    assert_same(*told_and_recorded(provider, app, browser), [key, "user", "mfa"])


def test_mf_11_an_app_is_told_of_a_password_and_a_touch_what_the_record_says(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker signs in with one thing, and an app or the operator is told of a better one."""
    device.flags = UP
    given(provider, device)
    recovery_codes(provider)
    browser = with_password(provider, app)
    use(browser, device)
    assert_same(*told_and_recorded(provider, app, browser), ["pwd", "pop", "user", "mfa"])


def test_mf_11_an_app_is_told_of_a_password_and_a_recovery_code_what_the_record_says(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker signs in with one thing, and an app or the operator is told of a better one."""
    given(provider, device)
    codes = recovery_codes(provider)
    browser = with_password(provider, app, able="")
    browser.submit(action="/factor", method="recovery", code=codes[0])
    assert_same(*told_and_recorded(provider, app, browser), ["pwd", "otp", "mfa"])


@pytest.mark.parametrize(("flags", "key"), [(VERIFIED, "pop"), (SYNCED, "swk")], ids=["bound to its device", "synced"])
def test_mf_11_an_app_is_told_of_a_passkey_that_was_just_made_what_the_record_says(
    strict: Provider, billing: App, flags: int, key: str
) -> None:
    """The attacker signs in with one thing, and an app or the operator is told of a better one."""
    browser = with_password(strict, billing)
    assert step_of(browser) == "enrol"
    send(browser, Device(strict.issuer, flags).create(options_of(browser)), "/new-passkey")
    assert_same(*told_and_recorded(strict, billing, browser), ["pwd", key, "user", "mfa"])


def more(said: dict[str, Any]) -> dict[str, Any]:
    return {"new": {"a": [1, None, "x"]}, **said, "another": True}


def more_inside(sent: dict[str, Any]) -> dict[str, Any]:
    return more(sent | {"response": more(sent["response"])})


def test_wa_15_what_is_not_known_of_an_answer_is_passed_over(provider: Provider, app: App, device: Device) -> None:
    """The attacker has nothing of it; browsers add members as they like, and their people must not be locked out."""
    maker = with_password(provider, app)
    send(maker, device.create(options_of(maker), client=more, answer=more_inside), "/new-passkey")
    assert step_of(maker) == "consent"
    browser = at_identify(provider, app)
    use(browser, device, client=more, answer=more_inside)
    assert "code" in allowed(browser)


def doubled(text: str, member: str) -> str:
    """A member that stands there twice, with the same value both times."""
    value = json.JSONDecoder().raw_decode(text, text.index(f'"{member}": ') + len(member) + 4)[0]
    twice = text.replace(f'"{member}": ', f'"{member}": {json.dumps(value)}, "{member}": ', 1)
    assert json.loads(twice) == json.loads(text)
    return twice


@pytest.mark.parametrize("member", ["type", "challenge", "origin", "crossOrigin", "new"])
def test_wa_15_client_data_that_say_something_twice_are_refused(
    provider: Provider, app: App, device: Device, member: str
) -> None:
    """The attacker writes a member twice, so that the browser's reader and ours each take another one."""
    given(provider, device)
    browser = at_identify(provider, app)
    use(browser, device, client=more, raw_client=lambda raw: doubled(raw.decode(), member).encode())
    assert step_of(browser) == "identify"
    assert "stands twice" in reason(provider)
    assert count(provider, SESSIONS) == 0


@pytest.mark.parametrize("member", ["id", "rawId", "response", "signature", "userHandle", "clientDataJSON", "rk"])
def test_wa_15_an_answer_that_says_something_twice_is_refused(
    provider: Provider, app: App, device: Device, member: str
) -> None:
    """The attacker writes a member twice, so that a filter before us and we each take another one."""
    given(provider, device)
    browser = at_identify(provider, app)
    send(browser, doubled(json.dumps(device.get(options_of(browser))), member))
    assert step_of(browser) == "identify"
    assert "stands twice" in reason(provider)
    assert count(provider, SESSIONS) == 0


def test_wa_15_a_new_passkey_that_says_something_twice_is_refused(provider: Provider, app: App, device: Device) -> None:
    """The attacker writes a member twice, so that a filter before us and we each take another one."""
    browser = with_password(provider, app)
    for member in ("id", "attestationObject", "transports"):
        send(browser, doubled(json.dumps(device.create(options_of(browser))), member), "/new-passkey")
        assert step_of(browser) == "offer"
        assert "stands twice" in reason(provider)
    assert count(provider, PASSKEYS) == 0


SLOW = b"\xd8\x23\x79" + (7823).to_bytes(2) + b"(?i)" + "[\x01-\uffff]".encode() * 1117  # a regular expression (tag 35)


def test_wa_11_a_regular_expression_in_place_of_a_new_passkey_is_refused_soon(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker sends a regular expression that takes long to compile, and nobody else is answered meanwhile."""
    browser = with_password(provider, app)
    sent = json.dumps(device.create(options_of(browser), attestation=lambda _: SLOW))
    path, token, began = path_of(browser), token_of(browser), time.perf_counter()
    assert post(browser, f"{path}/new-passkey", csrf=token, credential=sent).status_code == 303
    assert time.perf_counter() - began < QUICK


def test_wa_11_a_regular_expression_beside_a_wrong_signature_is_refused_soon(
    provider: Provider, app: App, device: Device
) -> None:
    """The attacker, who signs in nowhere, names a passkey that he has here, and sends what takes long to read."""
    given(provider, device)
    browser = at_identify(provider, app)
    slow = b"\xa1\x61a" + SLOW.replace(b"\x01", b"\x02")
    sent = device.get(options_of(browser), data=lambda data: data + slow, flags=VERIFIED | ED, signature=lambda _: b"x")
    path, token, began = path_of(browser), token_of(browser), time.perf_counter()
    assert post(browser, f"{path}/passkey", csrf=token, credential=json.dumps(sent)).status_code == 303
    assert time.perf_counter() - began < QUICK


@pytest.mark.parametrize(
    "wrong",
    [lambda right: encode_cbor(right) + b"\0", lambda right: right | {"attStmt": []}],
    ids=["something after it", "a statement that is a list"],
)
def test_wa_11_an_attestation_that_is_not_the_one_that_was_asked_for_is_refused(
    provider: Provider, app: App, device: Device, wrong: Change
) -> None:
    """The attacker hides bytes where nobody looks."""
    browser = with_password(provider, app)
    send(browser, device.create(options_of(browser), attestation=wrong), "/new-passkey")
    assert count(provider, PASSKEYS) == 0
