"""Attacks on signing up: accounts for addresses of others, doors that should be closed, and what is told to whom."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import median
from urllib.parse import quote

import httpx2
import pytest

from idp.services import Services
from idp.store import handles
from tests.authenticators import Device
from tests.mail import Catcher, link_in, text_of
from tests.oauth.wire import send, with_services
from tests.provider import EMAIL, Browser, Provider, installed, running
from tests.signin.conftest import App
from tests.signin.joining import (
    LINKS,
    NEW,
    NEW_NAME,
    NEW_PASSWORD,
    PAGE,
    PEOPLE,
    as_new,
    asked,
    joined,
    opened,
)
from tests.signin.passkeys import options_of
from tests.signin.reading import (
    SESSIONS,
    count,
    eventually,
    heading_of,
    page_of,
    path_of,
    post,
    query,
    state_of,
    step_of,
    stripped,
    title_of,
    token_of,
)

pytestmark = pytest.mark.slow

FOREIGN = "zoe@elsewhere.test"
ANOTHER_PASSWORD = "seven bright green umbrellas"
TABLES = ("handles", "audit", "attempts")
KINDS = ("not_me", "recovery", "verification", "ticket", "email_link", "stored_request", "code", "challenge")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """A provider for whoever has an address at example.test."""
    settings = {"smtp_url": mail_server.url, "sign_up": "domains", "sign_up_domains": "example.test"}
    with running(tmp_path_factory.mktemp("attacked"), **settings) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def app(house: Provider, mail_server: Catcher) -> App:
    as_new(house, mail_server)
    return App(house.create_client())


@pytest.fixture(scope="module", params=["closed", "invitation"])
def closed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("closed"), sign_up=request.param) as provider:
        provider.create_user()
        yield provider


def issued(provider: Provider, kind: str, **data: object) -> str:
    """The secret of a handle, as some page of ours would make it."""

    async def work(services: Services) -> str:
        now = services.clock()
        async with services.database.transaction() as transaction:
            return await handles.issue(transaction, kind, data, now, now.replace(year=now.year + 1))

    return with_services(provider, work)


def test_rc_06_nothing_is_left_in_an_account_for_its_owner_to_find(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker signs up with the victim's address first, with a password of his own, and waits for the victim."""
    attacker = asked(app, house)
    for password in (ANOTHER_PASSWORD, NEW_PASSWORD):
        attacker.open(path_of(attacker))
        attacker.submit(action="/password", password=password)
    assert count(house, PEOPLE) == 1
    for path in (PAGE, f"{PAGE}/passkey"):
        post(attacker, path, csrf=token_of(attacker), name="Mallory", password=ANOTHER_PASSWORD, credential="{}")
    victim = Browser(house.issuer)
    opened(victim, mail_server)
    joined(victim)
    assert query(house, "SELECT factor FROM credentials WHERE factor <> 'password'") == []
    assert count(house, "SELECT count(*) FROM credentials") == 2
    assert count(house, SESSIONS) == 0
    attacker.open(path_of(attacker))
    attacker.submit(action="/password", password=ANOTHER_PASSWORD)
    assert count(house, SESSIONS) == 0


def test_rc_07_whoever_asked_is_not_signed_in_by_who_opens_the_link(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker asks for an account for the victim's address, and waits in his browser for the victim to make it."""
    attacker, victim = asked(app, house), Browser(house.issuer)
    opened(victim, mail_server)
    joined(victim)
    attacker.open(path_of(attacker))
    assert (step_of(attacker), count(house, SESSIONS)) == ("password", 0)
    assert NEW_NAME not in page_of(attacker).text


@pytest.mark.parametrize("path", ["/sign-up", "/sign-up?by=passkey"])
def test_rc_13_looking_at_a_link_uses_nothing_up(house: Provider, mail_server: Catcher, app: App, path: str) -> None:
    """A scanner of mails fetches every link before its reader does, and again."""
    browser = asked(app, house)
    link = link_in(mail_server.newest(), PAGE)
    for _ in range(3):
        scanner = Browser(house.issuer)
        scanner.open(link)
        assert scanner.open(path).status_code == 200
        assert scanner.http.head(link).status_code in (303, 405)
    assert (count(house, PEOPLE), count(house, LINKS)) == (1, 1)
    browser.open(link)
    joined(browser)
    assert count(house, PEOPLE) == 2


def test_rc_13_a_link_makes_one_account_and_leads_nowhere_else(house: Provider, mail_server: Catcher, app: App) -> None:
    """The attacker reads an old mail and uses its link again, or adds to it where it shall lead."""
    browser, link = asked(app, house), link_in(mail_server.newest(), PAGE)
    for added in ("?next=https://evil.example", "?redirect_uri=//evil.example", "?ticket=//evil.example"):
        answer = browser.http.get(link + added)
        assert answer.headers["location"] == PAGE
    browser.open(link)
    token = token_of(browser)
    browser._follow(post(browser, f"{PAGE}?next=//evil.example", csrf=token, name=NEW_NAME, password=NEW_PASSWORD))
    assert step_of(browser) == "password"
    query(house, "DELETE FROM users WHERE email = ?", NEW)
    answer = browser.open(link)
    assert (answer.status_code, heading_of(answer)) == (410, "This link is over")
    answer = post(browser, PAGE, csrf=token, name=NEW_NAME, password=NEW_PASSWORD)
    assert (answer.status_code, heading_of(answer)) == (410, "This link is over")
    assert count(house, PEOPLE) == 1


def test_rc_13_after_an_hour_a_link_is_over(house: Provider, mail_server: Catcher, app: App) -> None:
    """The attacker finds a mail of yesterday in a mailbox that stands open."""
    browser = asked(app, house)
    opened(browser, mail_server)
    token = token_of(browser)
    ((until, since),) = query(house, "SELECT expires_at, created_at FROM handles WHERE kind = 'sign_up'")
    assert datetime.fromisoformat(until) - datetime.fromisoformat(since) == timedelta(hours=1)
    query(house, "UPDATE handles SET expires_at = created_at WHERE kind = 'sign_up'")
    post(browser, PAGE, csrf=token, name=NEW_NAME, password=NEW_PASSWORD)
    assert browser.open(PAGE).status_code == 410
    assert browser.http.get(f"{PAGE}/passkey").json() is None
    assert count(house, PEOPLE) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_rc_10_what_is_good_for_something_else_makes_no_account(house: Provider, app: App, kind: str) -> None:
    """The attacker has some other secret of ours, or writes one as he likes, and shows it as a link to sign up."""
    data = {"email": NEW, "claims": {}, "invited": True, "verified": True, "ticket": ""}
    secret = issued(house, kind, **data)
    browser = Browser(house.issuer)
    for each in (secret, "x" * 43, "x", secret.swapcase()):
        assert browser.open(f"{PAGE}/{each}").status_code == 410, each
        browser.http.post(PAGE, data={"csrf": "x", "name": NEW_NAME, "password": NEW_PASSWORD})
    assert count(house, PEOPLE) == 1


def test_rc_10_a_link_to_sign_up_is_good_for_nothing_else(house: Provider, mail_server: Catcher, app: App) -> None:
    """The attacker shows the link of his own sign-up where links of other kinds count."""
    asked(app, house)
    secret = link_in(mail_server.newest(), PAGE).rpartition("/")[2]
    browser = Browser(house.issuer)
    assert browser.open(f"/email/{secret}").status_code == 410
    assert browser.open(f"/signin/{secret}").status_code == 410
    assert browser.open(f"/authorize/{secret}").status_code == 410
    browser.sign_in(app.url(scope="openid"))
    browser.open(f"/account/address/{secret}")
    assert count(house, LINKS) == 1


def test_rc_10_where_sign_up_is_closed_no_way_leads_to_it(closed: Provider) -> None:
    """The attacker posts the forms that another setting would show, by another app or by none."""
    app, browser = App(closed.create_client()), Browser(closed.issuer)
    browser.open(app.url())
    assert 'id="sign-up"' not in page_of(browser).text
    path, before = path_of(browser), state_of(closed)
    assert browser.http.get(f"{path}/sign-up").headers["location"] == path
    for email in (NEW, EMAIL):
        answer = post(browser, f"{path}/sign-up", csrf=token_of(browser), username=email)
        assert (answer.status_code, answer.headers["location"]) == (303, path)
    other = App(closed.create_client(name="Another"))
    answer = Browser(closed.issuer).open(other.url(prompt="create"))
    assert "error=invalid_request" in answer.headers["location"]
    assert "prompt+holds+a+value" in answer.headers["location"]
    document = send("GET", f"{closed.issuer}/.well-known/openid-configuration").json()
    assert "create" not in document["prompt_values_supported"]
    for target in (PAGE, f"{PAGE}/passkey"):
        post(browser, target, csrf=token_of(browser), name=NEW_NAME, password=NEW_PASSWORD, credential="{}")
    assert state_of(closed) == before
    assert count(closed, PEOPLE) == 1
    assert count(closed, "SELECT count(*) FROM outbox") == 0


def test_rc_10_a_link_of_yesterday_makes_no_account_where_sign_up_was_closed_since(
    tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher
) -> None:
    """The attacker keeps a link in store for the day on which the operator closes the door."""
    mail_server.clear()
    with installed(tmp_path_factory.mktemp("closing"), smtp_url=mail_server.url, sign_up="open") as provider:
        provider.start()
        browser = asked(App(provider.create_client()), provider)
        opened(browser, mail_server)
        token = token_of(browser)
        provider.stop()
        provider.environment["IDP_SIGN_UP"] = "invitation"
        provider.start()
        answer = post(browser, PAGE, csrf=token, name=NEW_NAME, password=NEW_PASSWORD)
        assert answer.status_code == 410
        assert browser.open(PAGE).status_code == 410
        assert browser.http.get(f"{PAGE}/passkey").json() is None
        assert count(provider, PEOPLE) == 0


def answers_to(house: Provider, app: App, email: str) -> list[tuple[int, str]]:
    browser, seen = Browser(house.issuer), list[httpx2.Response]()
    browser.http.event_hooks["response"].append(lambda answer: seen.append((answer.read(), answer)[1]))
    browser.open(app.url(prompt="create"))
    browser.submit(action=PAGE, username=email)
    browser.submit(action=PAGE)
    browser.open(path_of(browser))
    browser.submit(action="/password", password="not the right one")
    browser.open(f"{path_of(browser)}/sign-up")
    return [(each.status_code, stripped(each).replace(email, "WHO")) for each in seen]


@pytest.mark.parametrize("email", [EMAIL, FOREIGN])
def test_en_01_who_has_an_account_and_who_may_have_none_see_the_same(
    house: Provider, mail_server: Catcher, app: App, email: str
) -> None:
    """The attacker asks for accounts for addresses, to learn from the answers who has one, and leaves rows to count."""

    def left() -> dict[str, int]:
        return {table: count(house, f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608

    start = left()
    expected = answers_to(house, app, NEW)
    between = left()
    assert answers_to(house, app, email) == expected
    assert {name: left()[name] - between[name] for name in start} == {
        name: between[name] - start[name] for name in start
    }
    eventually(house, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    to = [mail["to"] for mail in mail_server.mails]
    assert to == [NEW, NEW] + ([EMAIL, EMAIL] if email == EMAIL else [])


def test_en_01_an_answer_takes_as_long_whoever_has_the_address(house: Provider, app: App) -> None:
    """The attacker measures, since reading the page tells him nothing."""
    times: dict[str, list[float]] = {NEW: [], EMAIL: [], FOREIGN: []}
    for _ in range(15):
        for email, taken in times.items():
            query(house, "DELETE FROM counters")
            browser = Browser(house.issuer)
            browser.open(app.url(prompt="create"))
            begun = time.perf_counter()
            post(browser, f"{path_of(browser)}/sign-up", csrf=token_of(browser), username=email)
            taken.append(time.perf_counter() - begun)
    slowest, fastest = max(map(median, times.values())), min(map(median, times.values()))
    assert slowest - fastest < 0.01


def test_en_09_the_page_tells_of_an_address_what_the_operator_set_and_no_more(house: Provider, app: App) -> None:
    """The attacker asks which addresses may join, and learns the domains, which the page says to everybody."""
    browser = Browser(house.issuer)
    browser.open(app.url(prompt="create"))
    assert "<bdi>example.test</bdi>" in page_of(browser).text
    assert EMAIL not in page_of(browser).text


def test_rl_10_mails_to_sign_up_are_few_and_cost_the_owner_none_of_their_codes(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker fills an inbox by asking for one account after the other with the victim's address."""
    for _ in range(6):
        asked(app, house)
    for spelling in (NEW, NEW.upper(), "ｚoe@example.test"):
        browser = asked(app, house, spelling)
        answer = page_of(browser)
        assert (answer.status_code, heading_of(answer)) == (429, "Too many mails")
        assert int(answer.headers["retry-after"]) >= 1
    assert heading_of(page_of(asked(app, house, "yan@example.test"))) == "Look at your mail"
    mail_server.newest(7)
    assert len(mail_server.mails) == 7


def test_rl_10_one_network_has_few_mails_to_ask_for_whatever_the_addresses(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker asks for accounts for one address after the other, to use up the sender's good name."""
    answers = [page_of(asked(app, house, f"a{number}@elsewhere.test")).status_code for number in range(25)]
    assert answers.count(200) == 20
    assert answers[20:] == [429] * 5


@pytest.mark.parametrize(
    "typed",
    [
        *("", "   ", "zoe", "zoe@", "@example.test", "zoe@@example.test", "a@b@example.test"),
        *("zo\u200be@example.test", "zo\u00ade@example.test", "zo\u0301\u0301e@example.test", "\u202eeoz@example.test"),
        *("z\u043ee@example.test", "zoe@ex\u0430mple.test", "\u0437\u043e\u0435@example.test", "z\u03bfe@example.test"),
        *(
            "zoe@stra\u00dfe.test",
            "zoe smith@example.test",
            '"zoe"@example.test',
            "zoe@example.test,eve@evil.test",
        ),
        *("<zoe@example.test>", "z" * 65 + "@example.test", "zoe@" + "e" * 250 + ".test", "zoe@exam ple.test"),
    ],
)
def test_un_01_what_looks_like_another_address_or_is_none_gets_no_mail(
    house: Provider, mail_server: Catcher, app: App, typed: str
) -> None:
    """The attacker types an address that people, databases or mail servers take for somebody else's."""
    browser = asked(app, house, typed)
    assert title_of(page_of(browser)).startswith("Error: ")
    assert 'aria-describedby="where username-error" aria-invalid="true"' in page_of(browser).text
    assert (count(house, LINKS), count(house, "SELECT count(*) FROM outbox")) == (0, 0)


@pytest.mark.parametrize(
    "spelling", ["ZOE@EXAMPLE.TEST", "ｚｏｅ@example.test", " zoe@example.test ", "zoe@ＥＸＡＭＰＬＥ.test"]
)
def test_un_01_of_all_spellings_of_one_address_there_is_one_account(
    house: Provider, mail_server: Catcher, app: App, spelling: str
) -> None:
    """The attacker signs up with another spelling of the victim's address, and is taken for them."""
    first, second = asked(app, house), asked(app, house, spelling)
    opened(first, mail_server)
    joined(first)
    opened(second, mail_server, 2)
    assert joined(second).status_code == 409
    assert count(house, PEOPLE) == 2
    third = asked(app, house, spelling)
    assert heading_of(page_of(third)) == "Look at your mail"
    assert "there is\none already" in text_of(mail_server.newest(3))


@pytest.mark.parametrize("field", ["username", "name", "password"])
@pytest.mark.parametrize("bad", [b"%00", b"%1b", b"%ED%A0%80"])
def test_un_02_bytes_that_are_no_text_are_refused_and_stored_nowhere(
    house: Provider, mail_server: Catcher, app: App, field: str, bad: bytes
) -> None:
    """The attacker sends control characters, or bytes that are no UTF-8, into every field."""
    browser = asked(app, house)
    path = f"{path_of(browser)}/sign-up"
    if field != "username":
        opened(browser, mail_server)
        path = PAGE
    fields = {"name": NEW_NAME, "password": NEW_PASSWORD, "username": NEW, "csrf": token_of(browser)} | {field: ""}
    body = "&".join(f"{name}={quote(value)}" for name, value in fields.items() if name != field).encode()
    body += b"&" + field.encode() + b"=zoe@example.test" + bad
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": house.issuer}
    answer = browser.http.post(path, content=body, headers=headers)
    assert answer.status_code in (400, 403)
    assert (count(house, PEOPLE), count(house, LINKS)) == (1, 1)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "x" * 65,
            "Claim at https://evil.example",
            "evil.example",
            "Ana\u202e",
            "Ana\u200b",
            "a@evil.example",
        ),
        *("www.evil", "//evil", "<b>Ana</b>", "Prize: click", "Ana \\ evil", "Win now at evil.co m"),
    ],
)
def test_xi_12_a_name_holds_no_address_and_is_short(house: Provider, mail_server: Catcher, app: App, name: str) -> None:
    """The attacker makes a link of his name, which mails and pages would bring to others."""
    browser = asked(app, house)
    opened(browser, mail_server)
    answer = joined(browser, name=name)
    assert title_of(answer).startswith("Error: ")
    assert "<b>Ana" not in answer.text
    assert (count(house, PEOPLE), count(house, LINKS)) == (1, 1)


@pytest.mark.parametrize(
    "name", ["Zoë Ōtani-O'Neill", "李 小龍", "Dr. J. R. Smith", "فاطمة", "Zoe  the   3rd", "x" * 64]
)
def test_names_of_people_are_taken(house: Provider, mail_server: Catcher, app: App, name: str) -> None:
    browser = asked(app, house)
    opened(browser, mail_server)
    joined(browser, name=name)
    assert count(house, PEOPLE) == 2


@pytest.mark.parametrize("email", [NEW, EMAIL])
def test_xi_12_a_mail_holds_no_word_of_who_asked_for_it(
    house: Provider, mail_server: Catcher, app: App, email: str
) -> None:
    """The attacker sends mails of ours to victims, with his own text in them: an app's name, a hint, a state."""
    browser = asked(
        app, house, f"  {email} ", login_hint="evil.example", state="evil.example", ui_locales="evil.example"
    )
    mail = mail_server.newest()
    html = mail.get_body(("html",))
    assert html is not None
    written = f"{mail['subject']} {text_of(mail)} {html.get_content()}"
    links = set(re.findall(r"https?://[^\s\"<]+", written))
    assert len(links) == 1
    assert links.pop().startswith(house.issuer + "/")
    assert "evil" not in written
    assert "Billing" not in written
    assert email not in written
    assert step_of(browser) == "password"


def test_cs_02_a_form_of_another_link_or_of_none_makes_no_account(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker has the victim's browser post the form of his own link, so that they use his account."""
    attacker, victim = asked(app, house, "eve@example.test"), asked(app, house)
    opened(attacker, mail_server, 1)
    token = token_of(attacker)
    opened(victim, mail_server, 2)
    for path in (PAGE, f"{PAGE}/passkey"):
        for csrf in (token, "", "x" * 43):
            fields = {"csrf": csrf, "name": NEW_NAME, "password": NEW_PASSWORD, "credential": "{}"}
            assert post(victim, path, **fields).status_code == 403
            assert post(victim, path, "https://evil.example", **fields).status_code == 403
    assert (count(house, PEOPLE), count(house, LINKS)) == (1, 2)


def test_cs_02_a_passkey_that_was_made_for_another_link_is_refused(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker has the victim send a passkey that he made for himself."""
    attacker, victim = asked(app, house, "eve@example.test"), asked(app, house)
    opened(attacker, mail_server, 1)
    device = Device(house.issuer)
    attacker.open(f"{PAGE}?by=passkey")
    made = device.create(options_of(attacker))
    opened(victim, mail_server, 2)
    fields = {"csrf": token_of(victim), "credential": json.dumps(made), "name": NEW_NAME}
    answer = post(victim, f"{PAGE}/passkey", **fields)
    assert title_of(answer).startswith("Error: ")
    assert count(house, PEOPLE) == 1


def test_lg_02_neither_link_nor_password_is_left_in_log_database_or_addresses(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    """The attacker reads the log, the database, or the history of a browser, while the link counts."""
    browser = asked(app, house)
    seen = list[httpx2.Response]()
    browser.http.event_hooks["response"].append(lambda answer: seen.append((answer.read(), answer)[1]))
    link = link_in(mail_server.newest(), PAGE)
    secret = link.rpartition("/")[2]
    opened(browser, mail_server)
    joined(browser, password="canary-7351")
    files = [house.log, *(house.folder / "data").glob("idp.db*")]
    assert len(files) > 1
    written = b"".join(file.read_bytes() for file in files)
    for canary in (secret, "canary-7351"):
        assert canary.encode() not in written
    joined(browser)
    written = b"".join(file.read_bytes() for file in files)
    assert NEW_PASSWORD.encode() not in written
    assert secret not in "".join(answer.text + answer.headers.get("location", "") for answer in seen)
    assert all(answer.headers["referrer-policy"] == "same-origin" for answer in seen)
