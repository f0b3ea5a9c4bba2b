"""Codes and links by mail: instead of a password, and as a second factor for who has no better one."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from idp.factors import totp
from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS
from idp.services import Services
from idp.store import credentials, users
from tests.mail import Catcher, code_in, link_in, text_of
from tests.oauth.wire import with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, running
from tests.signin.conftest import App
from tests.signin.reading import (
    SESSIONS,
    count,
    eventually,
    heading_of,
    page_of,
    path_of,
    post,
    query,
    reference_in,
    step_of,
    stripped,
    title_of,
    token_of,
)
from tests.signin.test_second_factor import Device, allowed, enrolled, identity, rewind, send, with_password

pytestmark = pytest.mark.slow

NOBODY = "bob@example.test"  # as long as Ana's address
CLAIMED = "cal@example.test"  # whose address nobody verified
GONE = "dis@example.test"
EVENTS = "SELECT count(*) FROM audit WHERE event = ?"


@pytest.fixture(scope="module")
def open_to_mail(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """A provider where a code by mail is all that it takes."""
    folder = tmp_path_factory.mktemp("mailing")
    with running(folder, smtp_url=mail_server.url, email_codes="sign_in") as provider:
        provider.create_user()
        provider.cli("user", "create", CLAIMED)
        provider.create_user(GONE)
        provider.cli("user", "disable", GONE)
        yield provider


@pytest.fixture(scope="module")
def for_seconds(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """A provider where it is a second factor alone."""
    folder = tmp_path_factory.mktemp("seconding")
    with running(folder, smtp_url=mail_server.url, email_codes="second_factor") as provider:
        provider.create_user()
        provider.cli("user", "create", CLAIMED, "--password-stdin", stdin=PASSWORD + "\n")
        yield provider


def as_new(provider: Provider, mails: Catcher) -> None:
    """Nobody is signed in, has a device, has guessed, or has mail on its way."""
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mails.clear()
    for table in ("sessions", "grants", "consents", "failures", "counters", "email_codes", "outbox"):
        query(provider, f"DELETE FROM {table}")  # noqa: S608
    query(provider, "DELETE FROM credentials WHERE factor <> 'password'")


@pytest.fixture
def app(open_to_mail: Provider, mail_server: Catcher) -> App:
    as_new(open_to_mail, mail_server)
    return App(open_to_mail.create_client())


@pytest.fixture
def shop(for_seconds: Provider, mail_server: Catcher) -> App:
    """An app for which two factors are needed."""
    as_new(for_seconds, mail_server)
    return App(for_seconds.create_client("--second-factor", "required"))


def asked_for(provider: Provider, app: App, email: str = EMAIL, **parameters: str) -> Browser:
    """A browser in which somebody asked for a code by mail."""
    browser = Browser(provider.issuer)
    browser.open(app.url(**parameters))
    browser.submit(action="/identify", username=email)
    browser.submit(action="/send-code")
    assert step_of(browser) == "email"
    return browser


def may_ask_again(provider: Provider) -> None:
    long_ago = (datetime.now(UTC) - timedelta(seconds=31)).isoformat(timespec="microseconds")[:26] + "Z"
    query(provider, "UPDATE email_codes SET sent_at = ?", long_ago)


def grow_old(provider: Provider) -> None:
    """Ten minutes pass for every code."""
    for row_id, stored in query(provider, "SELECT id, codes FROM email_codes"):
        until = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        codes = [[code, link, until] for code, link, _ in json.loads(stored)]
        query(provider, "UPDATE email_codes SET codes = ? WHERE id = ?", json.dumps(codes), row_id)


def told(browser: Browser) -> str:
    """What the page says is wrong."""
    found = re.search(r'class="wrong"[^>]*>([^<]+)<', page_of(browser).text)
    return found[1] if found else ""


def wrong(mail_code: str) -> str:
    return f"{(int(mail_code.replace(' ', '')) + 1) % 10**8:08d}"


def test_a_code_by_mail_signs_in_and_tokens_tell_how(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    browser = asked_for(open_to_mail, app)
    mail = mail_server.newest()
    assert (mail["to"], mail["from"], mail["auto-submitted"]) == (EMAIL, "no-reply@localhost", "auto-generated")
    assert len(mail_server.mails) == 1
    browser.submit(action="/email", code=code_in(mail))
    assert "code" in allowed(browser)
    claims = identity(open_to_mail, browser, app)
    assert (claims["amr"], claims["acr"]) == (["mca"], ACR_PASSWORD)
    eventually(open_to_mail, "SELECT count(*) FROM outbox", 0)


@pytest.mark.parametrize("spelling", ["{0}{1}", "{0} {1}", " {0}-{1} "])
def test_a_code_may_be_typed_as_the_mail_shows_it(
    open_to_mail: Provider, mail_server: Catcher, app: App, spelling: str
) -> None:
    browser = asked_for(open_to_mail, app)
    browser.submit(action="/email", code=spelling.format(*code_in(mail_server.newest()).split()))
    assert "code" in allowed(browser)


def test_ot_13_a_link_is_pressed_and_not_just_fetched(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    """A mail scanner fetches every link before the person does, in their browser or without it."""
    browser = asked_for(open_to_mail, app)
    link = link_in(mail_server.newest())
    scanner = Browser(open_to_mail.issuer)
    for _ in range(3):
        assert scanner.open(link).status_code == 403
        assert browser.open(link).status_code == 200
    assert count(open_to_mail, SESSIONS) == 0
    assert step_of(browser) == "email"
    assert "Press the button" in page_of(browser).text
    browser.submit(action="/email")
    assert "code" in allowed(browser)


def test_ot_13_the_code_stands_where_no_lock_screen_shows_it(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """Somebody beside a locked phone reads the subject of the mail that just came."""
    asked_for(open_to_mail, app)
    mail = mail_server.newest()
    code = code_in(mail)
    assert not re.search(r"[0-9]{4}", mail["subject"])
    assert code not in text_of(mail)[:60]
    html = mail.get_body(("html",))
    assert html is not None
    assert code in html.get_content()
    assert link_in(mail) in html.get_content()


def test_ot_09_a_code_counts_in_the_sign_in_that_asked_for_it_and_in_no_other(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker has the victim read out a code, and types it where he himself asked for one, or for none."""
    asked_for(open_to_mail, app)
    code = code_in(mail_server.newest())
    attacker = asked_for(open_to_mail, app)
    attacker.submit(action="/email", code=code)
    assert "not the code" in told(attacker)
    idle = Browser(open_to_mail.issuer)
    idle.open(app.url())
    idle.submit(action="/identify", username=EMAIL)
    send(idle, "/email", code=code)
    assert count(open_to_mail, SESSIONS) == 0


def test_ot_09_a_code_counts_in_the_browser_that_asked_for_it_and_in_no_other(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker has the address of the victim's sign-in and the code from the mail, but not the browser."""
    victim = asked_for(open_to_mail, app)
    mail = mail_server.newest()
    attacker = Browser(open_to_mail.issuer)
    attacker.open(app.url())
    answer = post(attacker, path_of(victim) + "/email", csrf=token_of(victim), code=code_in(mail))
    assert "/authorize?" in answer.headers["location"], "his own sign-in begins"
    answer = attacker.open(link_in(mail))
    assert (answer.status_code, heading_of(answer)) == (403, "Go on where you began")
    assert count(open_to_mail, SESSIONS) == 0


def test_ot_09_five_tries_are_all_in_one_sign_in_however_many_mails_there_were(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker asks for one mail after the other, to have more codes that one guess may hit."""
    browser = asked_for(open_to_mail, app)
    code = code_in(mail_server.newest())
    for number in range(5):
        if number < 4:
            may_ask_again(open_to_mail)
            browser.submit(action="/send-code")
        browser.submit(action="/email", code=wrong(code))
    assert step_of(browser) == "password", "another way than by mail"
    assert "too many" in told(browser)
    send(browser, "/email", code=code)
    may_ask_again(open_to_mail)
    browser.submit(action="/send-code")
    assert step_of(browser) == "password"
    assert count(open_to_mail, SESSIONS) == 0
    mail_server.newest(5)
    assert len(mail_server.mails) == 5
    browser.submit(action="/password", password=PASSWORD)
    assert "code" in allowed(browser), "who knows the password is not kept out"


def test_ot_09_a_code_counts_once(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    """The attacker, who looks over a shoulder, sends the same code and the link again from the same browser."""
    browser = asked_for(open_to_mail, app)
    mail, form = mail_server.newest(), token_of(browser)
    path = path_of(browser)
    browser.submit(action="/email", code=code_in(mail))
    assert "code" in allowed(browser)
    sessions = query(open_to_mail, "SELECT id, cookie_hash FROM sessions")
    for code in (code_in(mail), link_in(mail).rpartition("/")[2]):
        post(browser, path + "/email", csrf=form, code=code)
    assert query(open_to_mail, "SELECT id, cookie_hash FROM sessions") == sessions
    assert json.loads(str(query(open_to_mail, "SELECT codes FROM email_codes")[0][0])) == []


def test_ot_09_after_ten_minutes_a_code_is_old_and_the_page_says_so(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker finds a mail of this morning in a mailbox that stands open."""
    browser = asked_for(open_to_mail, app)
    code = code_in(mail_server.newest())
    grow_old(open_to_mail)
    browser.submit(action="/email", code=code)
    assert "ten minutes" in told(browser)
    assert title_of(page_of(browser)).startswith("Error: ")
    browser.submit(action="/email", code=wrong(code))
    assert "not the code" in told(browser)
    assert count(open_to_mail, SESSIONS) == 0


@pytest.mark.parametrize(
    "typed",
    ["", "1234567", "１２３４５６７８", "²3456789", "x" * 43, "0" * 5000, "' OR 1=1 --", "1" * 9],
    ids=["nothing", "short", "full width", "superscript", "no link", "huge", "sql", "long"],
)
def test_ot_02_what_is_no_code_is_a_wrong_one(
    open_to_mail: Provider, mail_server: Catcher, app: App, typed: str
) -> None:
    """The attacker types what some library takes for digits, or for nothing at all."""
    browser = asked_for(open_to_mail, app)
    mail_server.newest()
    browser.submit(action="/email", code=typed)
    assert step_of(browser) == "email"
    assert "not the code" in told(browser)


def test_a_second_mail_leaves_the_first_one_good(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    browser = asked_for(open_to_mail, app)
    first = code_in(mail_server.newest())
    may_ask_again(open_to_mail)
    browser.submit(action="/send-code")
    assert code_in(mail_server.newest(2)) != first
    browser.submit(action="/email", code=first)
    assert "code" in allowed(browser)


def test_another_mail_is_sent_after_half_a_minute_and_the_page_counts_it_down(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    browser = asked_for(open_to_mail, app)
    waiting = re.search(r'id="send-again" data-wait="(\d+)"', page_of(browser).text)
    assert waiting is not None
    assert 25 <= int(waiting[1]) <= 30
    browser.submit(action="/send-code")
    assert "on its way" in told(browser)
    may_ask_again(open_to_mail)
    browser.submit(action="/send-code")
    assert told(browser) == ""
    mail_server.newest(2)
    assert len(mail_server.mails) == 2


def test_the_password_stays_a_way(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    browser = asked_for(open_to_mail, app)
    browser.open(path_of(browser) + "?by=password")
    assert step_of(browser) == "email", "a tab that looks whether another one went on stays"
    browser.submit(action="/password", password="not the right one")
    assert step_of(browser) == "password", "and not the code again"
    browser.submit(action="/password", password=PASSWORD)
    assert "code" in allowed(browser)


@pytest.mark.parametrize("email", [NOBODY, CLAIMED, GONE])
def test_en_01_who_has_no_account_sees_the_same_and_gets_no_mail(
    open_to_mail: Provider, mail_server: Catcher, app: App, email: str
) -> None:
    """The attacker asks for codes for addresses, to learn from the answers who has an account here."""

    def answers(who: str) -> list[tuple[int, str]]:
        browser, seen = Browser(open_to_mail.issuer), list[httpx2.Response]()
        browser.http.event_hooks["response"].append(lambda answer: seen.append((answer.read(), answer)[1]))
        browser.open(app.url())
        browser.submit(action="/identify", username=who)
        browser.submit(action="/send-code")
        browser.submit(action="/send-code")
        for _ in range(5):
            if step_of(browser) == "email":
                browser.submit(action="/email", code="00000000")
        found = [(each.status_code, re.sub(r'data-wait="\d+"', "", stripped(each))) for each in seen]
        return [(status, text.replace(who, "WHO")) for status, text in found]

    before = count(open_to_mail, EVENTS, "email_code.sent")
    assert answers(email) == answers(EMAIL)
    assert count(open_to_mail, EVENTS, "email_code.sent") == before + 2
    mail_server.newest()
    assert [mail["to"] for mail in mail_server.mails] == [EMAIL]
    eventually(open_to_mail, "SELECT count(*) FROM outbox WHERE kind <> 'decoy'", 0)
    assert open_to_mail.cli("mail", "list") == []


def test_rl_10_an_inbox_is_not_filled_by_a_stranger(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    """The attacker begins one sign-in after the other with the victim's address, and asks for a mail in each."""
    for _ in range(6):
        asked_for(open_to_mail, app)
    for email in (EMAIL.upper(), NOBODY):
        browser = Browser(open_to_mail.issuer)
        browser.open(app.url())
        browser.submit(action="/identify", username=email)
        answer = browser.submit(action="/send-code")
        if email == NOBODY:
            assert step_of(browser) == "email", "another address has mails of its own"
        else:
            assert (answer.status_code, heading_of(answer)) == (429, "Too many mails")
            assert 1 <= int(answer.headers["retry-after"]) <= 300
            assert reference_in(answer)
    mail_server.newest(6)
    assert len(mail_server.mails) == 6


def test_rl_10_nor_are_many_by_one_network(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    """The attacker has a list of addresses and one machine."""
    browser, answer = Browser(open_to_mail.issuer), None
    browser.open(app.url())
    for number in range(21):
        browser.submit(action="/identify", username=f"p{number}@example.test")
        answer = browser.submit(action="/send-code")
        if number < 20:
            browser.submit(action="/switch")
    assert answer is not None
    assert answer.status_code == 429
    assert mail_server.mails == []


def test_rl_10_a_device_that_its_person_signed_in_with_has_mails_of_its_own(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker uses up the mails to an address, so that its person gets none."""
    browser = Browser(open_to_mail.issuer)
    with_password(browser, app.url())
    allowed(browser)
    for _ in range(6):
        asked_for(open_to_mail, app)
    browser.open(app.url(prompt="login"))
    browser.submit(action="/send-code")
    assert step_of(browser) == "email"


def test_rl_10_asking_again_too_soon_uses_no_mail_up(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    """The attacker presses the button again and again, so that nothing is left of the mails to this address."""
    browser = asked_for(open_to_mail, app)
    for _ in range(10):
        browser.submit(action="/send-code")
        assert "on its way" in told(browser)
    for _ in range(5):
        asked_for(open_to_mail, app)
    mail_server.newest(6)


def test_rl_10_who_knows_the_password_has_mails_of_their_own(
    for_seconds: Provider, mail_server: Catcher, shop: App
) -> None:
    """The attacker asks for mails to an address from many networks, so that its person gets no second factor."""
    limit = int(datetime.now(UTC).timestamp() * 1000) + 86_400_000
    browser = Browser(for_seconds.issuer)
    with_password(browser, shop.url())
    browser.submit(action="/send-code")
    mail_server.newest()
    used = {key for (key,) in query(for_seconds, "SELECT key FROM counters")}
    assert len(used) == 2, "of the network, and of mails to who proved the password"
    query(for_seconds, "UPDATE counters SET full_at = ?", limit)
    browser = Browser(for_seconds.issuer)
    with_password(browser, shop.url())
    answer = browser.submit(action="/send-code")
    assert answer.status_code == 429, "and they have an end, too"


def test_wrong_codes_of_strangers_do_not_lock_the_second_factor(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """Those that were typed instead of a password, by whoever, are counted apart from those after it."""
    browser = asked_for(open_to_mail, app)
    browser.submit(action="/email", code=wrong(code_in(mail_server.newest())))
    query(open_to_mail, "UPDATE failures SET count = 100")
    strict = App(open_to_mail.create_client("--second-factor", "required"))
    may_ask_again(open_to_mail)
    mail_server.clear()
    other = Browser(open_to_mail.issuer)
    with_password(other, strict.url())
    other.submit(action="/send-code")
    other.submit(action="/factor", code=code_in(mail_server.newest()))
    assert "code" in allowed(other)


def test_a_mail_that_is_on_its_way_stays_good_when_the_password_was_tried_meanwhile(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    browser = asked_for(open_to_mail, app)
    mail = mail_server.newest()
    browser.open(path_of(browser) + "?by=password")
    browser.submit(action="/password", password="not the right one")
    browser.submit(action="/send-code")
    assert (step_of(browser), told(browser)[:22]) == ("email", "The last mail is on it")
    browser.open(path_of(browser) + "?by=password")
    browser.submit(action="/password", password="not the right one")
    browser.open(link_in(mail))
    assert "Press the button" in page_of(browser).text
    browser.submit(action="/email")
    assert "code" in allowed(browser)


def test_mf_15_a_mail_counts_no_more_once_there_is_a_better_second_factor(
    for_seconds: Provider, mail_server: Catcher, shop: App
) -> None:
    """The attacker has the password and the mailbox, and is at the code when the victim sets up a device."""
    browser = Browser(for_seconds.issuer)
    with_password(browser, shop.url())
    browser.submit(action="/send-code")
    code = code_in(mail_server.newest())
    give_device(for_seconds)
    send(browser, "/factor", method="email", code=code)
    assert count(for_seconds, SESSIONS) == 0
    browser.open(path_of(browser))
    assert "by e-mail" not in page_of(browser).text


def give_device(provider: Provider) -> None:
    async def work(services: Services) -> None:
        person = await users.find_by_email(services.database, EMAIL)
        assert person is not None
        async with services.database.transaction() as transaction:
            device, now = totp.device("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "Phone"), services.clock()
            await credentials.add(transaction, services.sealer, person.id, totp.NAME, device, now, "totp:mail")

    with_services(provider, work)


def test_rl_01_wrong_codes_of_mails_are_counted_by_themselves_and_slow_the_guesser(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker guesses codes of mails until the person can use neither password nor app any more."""
    browser = asked_for(open_to_mail, app)
    code = code_in(mail_server.newest())
    browser.submit(action="/email", code=wrong(code))
    assert count(open_to_mail, "SELECT count(*) FROM failures") == 2, "of the account, and of it from this network"
    query(open_to_mail, "UPDATE failures SET count = 100")
    answer = browser.submit(action="/email", code=code)
    assert (answer.status_code, heading_of(answer)) == (429, "This account is locked")
    other = Browser(open_to_mail.issuer)
    with_password(other, app.url())
    assert "code" in allowed(other), "its password is looked at all the same"
    open_to_mail.cli("user", "unlock", EMAIL)
    query(open_to_mail, "DELETE FROM failures")
    browser.open(path_of(other))


def test_mf_15_a_person_who_is_disabled_meanwhile_does_not_get_in(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """Whoever was dismissed has a code in the mailbox that was sent just before."""
    browser = asked_for(open_to_mail, app)
    code = code_in(mail_server.newest())
    open_to_mail.cli("user", "disable", EMAIL)
    try:
        browser.submit(action="/email", code=code)
        assert count(open_to_mail, SESSIONS) == 0
    finally:
        open_to_mail.cli("user", "enable", EMAIL)


def test_mf_04_who_has_a_second_factor_is_asked_for_it_after_the_mail(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker reads the victim's mail, and so has a way past the password, but not past the device."""
    strict = App(open_to_mail.create_client("--second-factor", "required"))
    device, _ = enrolled_by_app(open_to_mail, strict)
    mail_server.clear()
    browser = asked_for(open_to_mail, app)
    browser.submit(action="/email", code=code_in(mail_server.newest()))
    assert step_of(browser) == "factor"
    assert "by e-mail" not in page_of(browser).text
    send(browser, "/send-code")
    send(browser, "/factor", method="email", code=code_in(mail_server.newest()))
    assert count(open_to_mail, SESSIONS) == 0
    browser.open(path_of(browser))
    browser.submit(action="/factor", code=device.code())
    assert "code" in allowed(browser)
    assert identity(open_to_mail, browser, app)["amr"] == ["mca", "otp", "mfa"]


def enrolled_by_app(provider: Provider, strict: App) -> tuple[Device, list[str]]:
    """Where a mail would do as a second factor, a device is set up on the account's own page: here, by its form."""
    query(provider, "UPDATE users SET email_verified_at = NULL WHERE email = ?", EMAIL)
    found = enrolled(provider, strict)
    query(provider, "UPDATE users SET email_verified_at = created_at WHERE email = ?", EMAIL)
    query(provider, "DELETE FROM sessions")
    rewind(provider)
    return found


def test_mf_02_two_mails_are_not_two_factors(open_to_mail: Provider, mail_server: Catcher, app: App) -> None:
    """The attacker reads the victim's mail, and answers with it what is asked first and what is asked second."""
    browser = asked_for(open_to_mail, app, acr_values=ACR_TWO_FACTORS)
    browser.submit(action="/email", code=code_in(mail_server.newest()))
    assert step_of(browser) == "enrol"
    may_ask_again(open_to_mail)
    send(browser, "/send-code")
    send(browser, "/factor", method="email", code=code_in(mail_server.newest()))
    assert count(open_to_mail, SESSIONS) == 0


def test_a_mail_is_the_second_factor_of_who_has_no_other(
    for_seconds: Provider, mail_server: Catcher, shop: App
) -> None:
    browser = Browser(for_seconds.issuer)
    with_password(browser, shop.url())
    assert step_of(browser) == "factor"
    assert EMAIL in page_of(browser).text
    browser.submit(action="/send-code")
    assert step_of(browser) == "factor"
    browser.submit(action="/factor", code=code_in(mail_server.newest()))
    assert "code" in allowed(browser)
    claims = identity(for_seconds, browser, shop)
    assert (claims["amr"], claims["acr"]) == (["pwd", "mca", "mfa"], ACR_TWO_FACTORS)


def test_the_link_is_good_for_the_second_factor_too(for_seconds: Provider, mail_server: Catcher, shop: App) -> None:
    browser = Browser(for_seconds.issuer)
    with_password(browser, shop.url())
    browser.submit(action="/send-code")
    browser.open(link_in(mail_server.newest()))
    browser.submit(action="/factor")
    assert "code" in allowed(browser)


def test_a_session_steps_up_by_a_mail(for_seconds: Provider, mail_server: Catcher, shop: App) -> None:
    easy = App(for_seconds.create_client())
    browser = Browser(for_seconds.issuer)
    with_password(browser, easy.url())
    allowed(browser)
    browser.open(shop.url())
    assert step_of(browser) == "factor"
    eventually(for_seconds, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mail_server.clear()  # of the mail about the sign-in
    browser.submit(action="/send-code")
    browser.submit(action="/factor", code=code_in(mail_server.newest()))
    assert "code" in allowed(browser)
    assert identity(for_seconds, browser, shop)["amr"] == ["pwd", "mca", "mfa"]


def test_five_wrong_codes_of_a_second_factor_lead_back_to_the_password(
    for_seconds: Provider, mail_server: Catcher, shop: App
) -> None:
    browser = Browser(for_seconds.issuer)
    with_password(browser, shop.url())
    browser.submit(action="/send-code")
    code = code_in(mail_server.newest())
    for _ in range(5):
        browser.submit(action="/factor", code=wrong(code))
    assert step_of(browser) == "password"
    browser.submit(action="/password", password=PASSWORD)
    send(browser, "/factor", method="email", code=code)
    assert count(for_seconds, SESSIONS) == 0


def test_an_address_that_nobody_verified_is_no_factor(for_seconds: Provider, mail_server: Catcher, shop: App) -> None:
    """Whoever made the account may have given an address that is somebody else's."""
    browser = Browser(for_seconds.issuer)
    with_password(browser, shop.url(), CLAIMED)
    assert step_of(browser) == "enrol"
    send(browser, "/send-code")
    assert count(for_seconds, "SELECT count(*) FROM email_codes") == 0


def test_mf_02_where_a_mail_is_a_second_factor_alone_it_signs_nobody_in(
    for_seconds: Provider, mail_server: Catcher, shop: App
) -> None:
    """The attacker posts the forms that another setting would show."""
    browser = Browser(for_seconds.issuer)
    browser.open(App(for_seconds.create_client()).url())
    browser.submit(action="/identify", username=EMAIL)
    assert "/send-code" not in page_of(browser).text
    send(browser, "/send-code")
    send(browser, "/email", code="12345678")
    assert count(for_seconds, "SELECT count(*) FROM email_codes") == 0
    browser.open(path_of(browser))
    assert step_of(browser) == "password"


def test_until_two_factors_are_needed_people_are_asked_for_a_better_one_and_may_put_it_off(
    for_seconds: Provider, mail_server: Catcher, shop: App
) -> None:
    soon = App(for_seconds.create_client("--second-factor", "required", "--second-factor-from", "2999-01-01"))
    browser = Browser(for_seconds.issuer)
    with_password(browser, soon.url())
    assert step_of(browser) == "enrol"
    browser.submit(action="/later")
    assert "code" in allowed(browser)


def test_where_mail_is_off_no_form_does_anything(provider: Provider, people: object) -> None:
    browser = Browser(provider.issuer)
    browser.open(App(provider.create_client()).url())
    browser.submit(action="/identify", username=EMAIL)
    assert "/send-code" not in page_of(browser).text
    send(browser, "/send-code")
    send(browser, "/email", code="12345678")
    browser.open(path_of(browser))
    browser.submit(action="/password", password=PASSWORD)
    assert "code" in allowed(browser)
    assert count(provider, "SELECT count(*) FROM email_codes") == 0
    assert provider.cli("mail", "list") == []
    done = provider.run("mail", "test", EMAIL)
    assert (done.returncode, done.stderr) == (1, "Error: The mail was not sent: IDP_SMTP_URL is not set.\n")


@pytest.mark.parametrize("path", ["/email/" + "x" * 43, "/email/x", "/email/" + "%00" * 5])
def test_a_link_that_nobody_made_leads_nowhere(open_to_mail: Provider, app: App, path: str) -> None:
    answer = Browser(open_to_mail.issuer).open(path)
    assert answer.status_code in (404, 410)
    assert reference_in(answer)


def test_lg_02_neither_code_nor_link_is_left_in_the_log_or_the_database(
    open_to_mail: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker reads the log, or the files of the database, while the code still counts."""
    browser = asked_for(open_to_mail, app)
    mail = mail_server.newest()
    code, link = code_in(mail), link_in(mail)
    browser.submit(action="/email", code=wrong(code))
    browser.open(link)
    files = [open_to_mail.log, *(open_to_mail.folder / "data").glob("idp.db*")]
    assert len(files) > 1
    written = b"".join(file.read_bytes() for file in files)
    for secret in (code, code.replace(" ", ""), link.rpartition("/")[2]):
        assert secret.encode() not in written
    browser.submit(action="/email")
    assert "code" in allowed(browser)
