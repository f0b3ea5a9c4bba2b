"""Every way in, for everybody who may have something more: none of them leads past it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyotp
import pytest

from idp.factors import recovery, totp
from idp.services import Services
from idp.store import credentials, users
from tests.authenticators import UP, Device
from tests.mail import Catcher, code_in, link_in
from tests.oauth.wire import with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, pkce, running
from tests.signin.passkeys import given, options_of, send, use
from tests.signin.reading import SESSIONS, count, eventually, page_of, path_of, post, query, step_of, token_of
from tests.signin.test_email_codes import as_new
from tests.signin.test_second_factor import allowed
from tests.signin.test_second_factor import send as post_form

pytestmark = pytest.mark.slow

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODES = ["AAAA-BBBB-CCCC-DDD0", "AAAA-BBBB-CCCC-DDD1"]
DOORS = ("password", "both at once", "code by mail", "link by mail", "passkey that verified nobody", "recovery code")
NOBODYS = "noa@example.test"


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """A provider that opens every door it has."""
    folder = tmp_path_factory.mktemp("doors")
    with running(folder, smtp_url=mail_server.url, email_codes="sign_in") as provider:
        provider.create_user()
        provider.cli("user", "create", NOBODYS, "--verified")
        yield provider


@pytest.fixture
def url(open_house: Provider, mail_server: Catcher) -> str:
    as_new(open_house, mail_server)
    return authorize_url(open_house.create_client(), pkce().challenge)


def give(provider: Provider, what: str) -> Device:
    """Sets up for Ana what makes a second step; her passkey, where she has one."""
    device = Device(provider.issuer)

    async def work(services: Services) -> None:
        now, person = services.clock(), await users.find_by_email(services.database, EMAIL)
        assert person is not None
        async with services.database.transaction() as transaction:
            if what != "passkey":
                app = totp.device(SECRET, "Phone")
                await credentials.add(transaction, services.sealer, person.id, totp.NAME, app, now, "totp:door")
            codes = recovery.data(CODES)
            await credentials.add(transaction, services.sealer, person.id, recovery.NAME, codes, now)

    with_services(provider, work)
    if what != "authenticator app":
        given(provider, device)
    return device


def go_in(browser: Browser, door: str, device: Device, mails: Catcher) -> None:
    """By this door, and as far as it leads."""
    if door == "passkey that verified nobody":
        device.flags = UP
        use(browser, device)
        return
    if door == "both at once":
        browser.submit(action="/identify", username=EMAIL, password=PASSWORD)
        return
    browser.submit(action="/identify", username=EMAIL)
    if door == "password":
        browser.submit(action="/password", password=PASSWORD)
    elif door == "recovery code":
        post_form(browser, "/factor", method="recovery", code=CODES[0])
    else:
        browser.submit(action="/send-code")
        mail = mails.newest()
        if door == "link by mail":
            browser.open(link_in(mail))
            browser.submit(action="/email")
        else:
            browser.submit(action="/email", code=code_in(mail))


@pytest.mark.parametrize(
    ("has", "door"),
    [
        (has, door)
        for has in ("authenticator app", "passkey", "both")
        for door in DOORS
        if has != "authenticator app" or "passkey" not in door
    ],
)
def test_mf_04_no_door_leads_past_the_second_factor(
    open_house: Provider, mail_server: Catcher, url: str, has: str, door: str
) -> None:
    """The attacker has one thing of the victim's, and looks for the way in at which the other is not asked for."""
    device = give(open_house, has)
    browser = Browser(open_house.issuer)
    browser.open(url)
    go_in(browser, door, device, mail_server)
    assert count(open_house, SESSIONS) == 0
    one_proved = door in ("password", "both at once", "code by mail", "link by mail")
    browser.open(path_of(browser))
    assert step_of(browser) == ("factor" if one_proved else "identify" if "passkey" in door else "password")
    if one_proved:
        code = pyotp.TOTP(SECRET).at(datetime.now(UTC))
        fields = {"method": "recovery", "code": CODES[0]} if has == "passkey" else {"method": "totp", "code": code}
        post_form(browser, "/factor", **fields)
        assert count(open_house, SESSIONS) == 1, "and the way in is not closed"


@pytest.mark.parametrize("has", ["passkey", "both"])
def test_mf_04_a_passkey_that_verified_its_person_is_both(open_house: Provider, url: str, has: str) -> None:
    """The door that needs no other thing is the one at which two were shown."""
    device = give(open_house, has)
    browser = Browser(open_house.issuer)
    browser.open(url)
    use(browser, device)
    assert "code" in allowed(browser)


def test_en_07_before_the_first_factor_nobody_learns_what_the_second_one_is(open_house: Provider, url: str) -> None:
    """The attacker types an address and looks at the page, its options and every form, to learn what the victim has."""
    give(open_house, "both")
    browser = Browser(open_house.issuer)
    browser.open(url)
    browser.submit(action="/identify", username=EMAIL)
    assert options_of(browser).get("allowCredentials", []) == []
    for form in ("factor", "enrol", "new-password", "new-passkey"):
        post(browser, f"{path_of(browser)}/{form}", csrf=token_of(browser), method="totp", code="123456")
    page = browser.open(path_of(browser)).text
    assert step_of(browser) == "password"
    for told in ("Phone", "authenticator", "recovery", "Try another way"):
        assert told not in page
    assert browser.http.get(f"{path_of(browser)}/new-passkey").json() is None


def test_mf_08_the_first_credential_of_who_has_none_takes_their_mail_or_the_operator(
    open_house: Provider, mail_server: Catcher, url: str
) -> None:
    """The attacker finds an account that was made for somebody, and sets its first password, device or passkey."""
    browser = Browser(open_house.issuer)
    browser.open(url)
    browser.submit(action="/identify", username=NOBODYS)
    for form, fields in {
        "password": {"password": ""},
        "new-password": {"new_password": "wok plum fjord"},
        "enrol": {"code": "123456", "name": "Phone"},
        "factor": {"method": "totp", "code": "123456"},
    }.items():
        post_form(browser, f"/{form}", **fields)
    send(browser, "{}", "/new-passkey")
    assert count(open_house, SESSIONS) == 0
    of_nobody = "SELECT count(*) FROM credentials WHERE user_id = (SELECT id FROM users WHERE email = ?)"
    assert count(open_house, of_nobody, NOBODYS) == 0
    browser.open(path_of(browser))
    browser.submit(action="/send-code")
    browser.submit(action="/email", code=code_in(mail_server.newest()))
    assert "code" in allowed(browser)


def test_mf_12_a_mail_is_no_fresh_proof_for_who_has_something_better(
    open_house: Provider, mail_server: Catcher, url: str
) -> None:
    """The attacker has the victim's open browser and mailbox, and adds his own device to the account."""
    give(open_house, "authenticator app")
    browser = Browser(open_house.issuer)
    browser.open(url)
    browser.submit(action="/identify", username=EMAIL, password=PASSWORD)
    browser.submit(action="/factor", method="totp", code=pyotp.TOTP(SECRET).at(datetime.now(UTC)))
    allowed(browser)
    long_ago = "2026-01-01T00:00:00.000000Z"
    query(open_house, "UPDATE sessions SET authenticated_at = ?", long_ago)
    browser.open("/account/authenticator")
    assert step_of(browser) == "password"
    eventually(open_house, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mail_server.clear()  # of those that tell of the sign-in
    browser.submit(action="/send-code")
    browser.submit(action="/email", code=code_in(mail_server.newest()))
    assert step_of(browser) == "factor"
    assert browser.open("/account/authenticator").url.path != "/account/authenticator"
    assert query(open_house, "SELECT authenticated_at FROM sessions WHERE ended_at IS NULL") == [(long_ago,)]


def test_lg_05_a_check_that_fails_lets_nobody_in(tmp_path: Path) -> None:
    """The attacker, or a disk, spoils what a password is compared with, and hopes that no answer counts as yes."""
    with running(tmp_path) as provider:
        provider.create_user()
        browser = Browser(provider.issuer)
        browser.open(authorize_url(provider.create_client(), pkce().challenge))
        query(provider, "UPDATE credentials SET data = X'01020304'")
        browser.submit(action="/identify", username=EMAIL)
        answer = browser.submit(action="/password", password=PASSWORD)
        assert answer.status_code == 500
        assert "Something went wrong here" in page_of(browser).text
        assert count(provider, SESSIONS) == 0
        (failed,) = [line for line in provider.log_lines() if line["event"] == "failed"]
        assert "SealBroken" in str(failed)
        provider.log.write_text("")  # which was meant to be there
