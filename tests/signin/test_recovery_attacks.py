"""Getting back in, attacked: by who has the mailbox, an old link, a former address, or a sign-in that was begun."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from idp.factors import passkey
from idp.services import Services
from idp.store import credentials, users
from idp.web.notices import NOT_ME
from idp.web.recoveries import PAGE
from tests.mail import Catcher, code_in, mailed_link, text_of
from tests.oauth.wire import with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, pkce, redeem, running
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
    step_of,
    token_of,
)
from tests.signin.test_recovery import (
    CLAIMED,
    EARLY,
    LOCKED,
    NEW,
    OVER,
    after_the_wait,
    app,
    asked,
    factors_of,
    installation,
    opened,
    outcome,
    provider,
    recovered,
    settled,
    signs_in,
    strict_app,
)
from tests.signin.test_second_factor import Device, allowed, enrolled, secret_of, with_password

__all__ = ["app", "installation", "provider", "strict_app"]
pytestmark = pytest.mark.slow

STARTS = "SELECT recovery_from FROM users WHERE email = ?"


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """Where a code by mail signs in, and a second factor is going to be required."""
    folder = tmp_path_factory.mktemp("mailing")
    later = {"second_factor": "required", "second_factor_from": "2099-01-01"}
    with running(folder, smtp_url=mail_server.url, email_codes="sign_in", **later) as provider:
        provider.create_user()
        yield provider


def mail_about(mails: Catcher, number: int, subject: str) -> str:
    """The text of the one among so many."""
    mails.newest(number)
    return text_of(next(mail for mail in mails.mails if subject in str(mail["subject"])))


def link_of(text: str, page: str) -> str:
    found = re.search(rf"({page}/[\w-]{{43}})$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


def locks(provider: Provider, link: str) -> str:
    """What the link that locks leads to, with its button pressed where there is one."""
    browser = opened(provider, link)
    if heading_of(page_of(browser)) == "Was it not you?":
        browser.submit(action=NOT_ME)
    return heading_of(page_of(browser))


def aged(provider: Provider, minutes: int) -> None:
    """As if the factors that there are had been set up so long before."""
    then = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="microseconds")[:26] + "Z"
    query(provider, "UPDATE credentials SET created_at = ?", then)


def with_a_passkey_instead(provider: Provider) -> None:
    """As if Ana had made a passkey, and had no password."""

    async def work(services: Services) -> None:
        person = await users.find_by_email(services.database, EMAIL)
        assert person is not None
        async with services.database.transaction() as transaction:
            await credentials.remove(transaction, person.id, credentials.PASSWORD)
            data, now = {"name": "Hers"}, services.clock()
            await credentials.add(transaction, services.sealer, person.id, passkey.NAME, data, now, "passkey:hers")

    with_services(provider, work)


def code_by_mail(provider: Provider, url: str, mails: Catcher) -> tuple[Browser, str]:
    """A browser that asked for a code, and the code."""
    browser = Browser(provider.issuer)
    browser.open(url)
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/send-code")
    return browser, code_in(mails.newest(1)).replace(" ", "")


def as_new(provider: Provider, mails: Catcher) -> None:
    settled(provider, mails)
    for table in ("sessions", "grants", "consents", "failures", "counters", "email_codes", "outbox", "handles"):
        query(provider, f"DELETE FROM {table}")  # noqa: S608
    provider.cli("user", "set-password", EMAIL, "--password-stdin", stdin=PASSWORD + "\n")
    settled(provider, mails)


def test_rl_01_a_reset_gives_no_new_guesses_at_the_second_factor(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """The attacker reads the mailbox, guesses codes until they are locked, resets, and guesses on."""
    device, _ = enrolled(provider, strict_app)
    settled(provider, mail_server)
    guessing = Browser(provider.issuer)
    with_password(guessing, app.url())
    guessing.submit(action="/factor", code="000000")
    query(provider, "UPDATE failures SET count = 100")
    asked(provider, app)
    recovered(provider, mailed_link(mail_server.newest(), PAGE))
    again = Browser(provider.issuer)
    with_password(again, app.url(), EMAIL, NEW)
    assert step_of(again) == "factor"
    post(again, f"{path_of(again)}/factor", csrf=token_of(again), method="totp", code=device.code())
    assert count(provider, SESSIONS) == 0


def test_rc_03_a_strangers_factor_goes_whichever_mail_the_person_answers(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """The attacker sets up a factor, and a while later does what sends a newer mail, whose link the person takes."""
    thief = Browser(provider.issuer)
    with_password(thief, strict_app.url())
    thief.submit(action="/enrol", code=Device(secret_of(thief)).code(), name="Mine")
    mail_server.newest(2)
    aged(provider, minutes=20)
    settled(provider, mail_server)
    allowed(thief)
    assert locks(provider, mailed_link(mail_server.newest(), NOT_ME)) == LOCKED
    link = mailed_link(mail_server.newest(2), PAGE)
    after_the_wait(provider)
    recovered(provider, link)
    assert factors_of(provider) == {"password"}


def test_rc_03_the_mailbox_alone_takes_no_factor_away_that_was_long_there(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """The attacker reads the mailbox alone, locks the account by an old mail, and hopes for the second factor to go."""
    enrolled(provider, strict_app)
    link = link_of(mail_about(mail_server, 2, "was added"), NOT_ME)
    query(provider, "UPDATE credentials SET created_at = '2026-01-01T00:00:00.000000Z'")
    settled(provider, mail_server)
    assert locks(provider, link) == LOCKED
    recovered(provider, mailed_link(mail_server.newest(), PAGE))
    assert "totp" in factors_of(provider)
    assert signs_in(provider, app, NEW) == "factor"


def test_rc_03_a_link_of_before_is_judged_by_what_the_account_has_now(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker keeps a link, and uses it at once when the person has a passkey and no password any more."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    with_a_passkey_instead(provider)
    browser = opened(provider, link)
    if heading_of(page_of(browser)) == "Set a new password":
        browser.submit(action=PAGE, password=NEW)
    assert factors_of(provider) == {"passkey"}


def test_rc_04_a_link_that_went_to_a_former_address_recovers_nothing(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """Who has an address that once was the person's takes a link that was mailed there to the account of today."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    moved = "UPDATE users SET email = 'new@example.test', email_canonical = 'new@example.test' WHERE email = ?"
    query(provider, moved, EMAIL)
    assert outcome(provider, link) == OVER


def test_rc_05_a_link_to_one_address_verifies_no_other(provider: Provider, app: App, mail_server: Catcher) -> None:
    """Who had the link mailed to an address of theirs has it verify another one, which the account got meanwhile."""
    asked(provider, app, CLAIMED)
    link = mailed_link(mail_server.newest(), PAGE)
    moved = "UPDATE users SET email = 'boss@example.test', email_canonical = 'boss@example.test' WHERE email = ?"
    query(provider, moved, CLAIMED)
    browser = opened(provider, link)
    if heading_of(page_of(browser)) == "Set a new password":
        browser.submit(action=PAGE, password=NEW)
    assert provider.cli("user", "show", "boss@example.test")["email_verified"] is False


def test_rc_03_a_link_of_before_the_account_was_disabled_stays_over(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker asks for a link, the operator disables the account and enables it again, and the link counts on."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    provider.cli("user", "disable", EMAIL)
    provider.cli("user", "enable", EMAIL)
    assert outcome(provider, link) == OVER


def test_rl_08_locking_it_again_makes_nobody_wait_longer(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """The attacker kept old mails, and locks with one after the other: the person's wait begins anew each time."""
    enrolled(provider, strict_app)
    older = link_of(mail_about(mail_server, 2, "A new sign-in"), NOT_ME)
    link = link_of(mail_about(mail_server, 2, "was added"), NOT_ME)
    settled(provider, mail_server)
    assert locks(provider, link) == LOCKED
    way_back = mailed_link(mail_server.newest(), PAGE)
    before = query(provider, STARTS, EMAIL)
    assert locks(provider, older) == LOCKED
    assert query(provider, STARTS, EMAIL) == before
    assert outcome(provider, way_back) == EARLY


def test_rl_08_mails_of_before_a_recovery_lock_nothing_after_it(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker copied old mails, and locks the person out again and again who has long got back in."""
    Browser(provider.issuer).sign_in(app.url())
    old = mailed_link(mail_server.newest(), NOT_ME)
    mail_server.newest(2)
    settled(provider, mail_server)
    asked(provider, app)
    recovered(provider, mailed_link(mail_server.newest(), PAGE))
    assert locks(provider, old) == OVER
    assert signs_in(provider, App(provider.create_client()), NEW) == "consent"


def test_a_password_that_will_stand_alone_is_judged_as_one(
    provider: Provider, app: App, strict_app: App, mail_server: Catcher
) -> None:
    """A stranger's factor, which goes with the recovery, makes no shorter password good enough."""
    attacker = Browser(provider.issuer)
    with_password(attacker, strict_app.url(), CLAIMED)
    attacker.submit(action="/enrol", code=Device(secret_of(attacker)).code(), name="Mine")
    asked(provider, app, CLAIMED)
    link = mailed_link(mail_server.newest(), PAGE)
    after_the_wait(provider)
    browser = opened(provider, link)
    browser.submit(action=PAGE, password="gr7xukwo2qv5")  # as long as one beside a second factor
    assert page_of(browser).status_code == 400


def test_rc_07_a_code_by_mail_of_before_dies_with_the_reset(mailing: Provider, mail_server: Catcher) -> None:
    """The attacker read a code in the mailbox before the person took it back, and enters it after the reset."""
    as_new(mailing, mail_server)
    app = App(mailing.create_client())
    thief, code = code_by_mail(mailing, app.url(), mail_server)
    recovered(mailing, mailing.cli("user", "recover", EMAIL)["link"].removeprefix(mailing.issuer))
    thief.submit(action="/email", code=code)
    assert step_of(thief) == "email"
    assert count(mailing, SESSIONS) == 0


def test_rc_07_what_was_proved_by_mail_before_dies_with_the_reset(mailing: Provider, mail_server: Catcher) -> None:
    """The attacker proved a code by mail, stopped before the session began, and goes on after the reset."""
    as_new(mailing, mail_server)
    app = App(mailing.create_client())
    thief, code = code_by_mail(mailing, app.url(), mail_server)
    thief.submit(action="/email", code=code)
    assert step_of(thief) == "enrol"
    recovered(mailing, mailing.cli("user", "recover", EMAIL)["link"].removeprefix(mailing.issuer))
    thief.submit(action="/later")
    assert count(mailing, SESSIONS) == 0


def test_rc_07_a_code_that_an_app_has_yet_to_redeem_dies_with_the_reset(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker keeps an authorization code back, and redeems it after the owner has recovered the account."""
    proof = pkce()
    code = answer_of(Browser(provider.issuer).sign_in(authorize_url(app.client, proof.challenge)))["code"]
    mail_server.newest(2)
    settled(provider, mail_server)
    asked(provider, app)
    recovered(provider, mailed_link(mail_server.newest(), PAGE))
    assert redeem(provider, app.client, code, proof.verifier).json()["error"] == "invalid_grant"


def test_rc_05_a_link_that_locks_gets_nobody_in(provider: Provider, app: App, mail_server: Catcher) -> None:
    """The attacker takes the secret of a link that locks, which lives for weeks, to the page of a new password."""
    Browser(provider.issuer).sign_in(app.url())
    secret = mailed_link(mail_server.newest(), NOT_ME).rpartition("/")[2]
    browser = opened(provider, f"{PAGE}/{secret}")
    assert heading_of(page_of(browser)) == OVER
    locking = opened(provider, f"{NOT_ME}/{secret}")
    post(locking, PAGE, csrf=token_of(locking), password=NEW)
    assert signs_in(provider, app, NEW) == "password"


def test_se_02_a_link_of_the_attackers_takes_no_form_of_the_persons(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker has the person open a link to the attacker's account while the person's own form is open."""
    asked(provider, app)
    asked(provider, app, CLAIMED)
    mail_server.newest(2)
    mine, theirs = (
        next(mailed_link(mail, PAGE) for mail in mail_server.mails if mail["to"] == to) for to in (EMAIL, CLAIMED)
    )
    browser = opened(provider, mine)
    form = page_of(browser)
    browser.http.get(theirs if theirs.startswith("http") else f"{provider.issuer}{theirs}", follow_redirects=False)
    browser.page = form
    browser.submit(action=PAGE, password=NEW)
    assert page_of(browser).status_code == 403
    assert signs_in(provider, app, NEW, CLAIMED) == "password"


def test_lg_02_a_link_that_a_mail_program_mangled_is_in_no_log(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker reads logs and events, where a link is that was opened with a dot or a slash behind it."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    secret, browser = link.rpartition("/")[2], Browser(provider.issuer)
    for mangled in (f"{link}.", f"{link}/", f"{link}%3E", f"/{link}", f"{link}?utm=1", link.upper(), f"{link}/x"):
        answer = browser.http.get(f"{provider.issuer}{mangled}", follow_redirects=False)
        assert answer.status_code in (303, 307, 404), mangled
    for method in ("POST", "HEAD", "PUT"):
        browser.http.request(method, f"{provider.issuer}{link}")
    assert secret not in provider.log.read_text()
    kept = [str(row) for table in ("audit", "refusals") for row in query(provider, f"SELECT * FROM {table}")]  # noqa: S608
    assert not [row for row in kept if secret in row]


def test_xi_04_no_name_that_is_typed_makes_a_mail_or_a_failure(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker types headers, lines, and other people's addresses where the address goes."""
    names = (
        f"{EMAIL}\r\nBcc: evil@example.test",
        f"{EMAIL},evil@example.test",
        f"evil@example.test <{EMAIL}>",
        f"{EMAIL}\u2028evil@example.test",
        f"{EMAIL}\x00",
        "x" * 319,
        "\u202e" * 5,
    )
    for name in names:
        browser = asked(provider, app, name)
        assert page_of(browser).status_code in (200, 400), name
    eventually(provider, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    assert not mail_server.mails
    provider.check_log()


def test_rc_13_the_mailed_address_is_kept_by_no_cache_and_told_to_nobody(
    provider: Provider, app: App, mail_server: Catcher
) -> None:
    """The attacker looks into caches and at what the next page is told of where its reader came from."""
    asked(provider, app)
    link = mailed_link(mail_server.newest(), PAGE)
    answer = httpx2.get(f"{provider.issuer}{link}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "Path=/; SameSite=lax" in answer.headers["set-cookie"]
