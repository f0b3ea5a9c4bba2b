"""Making an account by a link that was mailed: who may, what they do, and where they go on."""

import re
from collections.abc import Iterator

import pytest

from tests.authenticators import UP, Device
from tests.mail import Catcher, link_in, text_of
from tests.oauth.wire import send
from tests.provider import EMAIL, PASSWORD, Browser, Provider, running
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
    with_passkey,
)
from tests.signin.passkeys import use
from tests.signin.reading import SESSIONS, count, eventually, heading_of, page_of, path_of, query, step_of, title_of
from tests.signin.test_second_factor import allowed, identity

pytestmark = pytest.mark.slow

FOREIGN = "zoe@elsewhere.test"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """A provider where everybody may sign up."""
    with running(tmp_path_factory.mktemp("open"), smtp_url=mail_server.url, sign_up="open") as provider:
        provider.create_user()
        yield provider


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """A provider for the people of one domain."""
    settings = {"smtp_url": mail_server.url, "sign_up": "domains", "sign_up_domains": "Example.TEST, other.example"}
    with running(tmp_path_factory.mktemp("club"), **settings) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def app(house: Provider, mail_server: Catcher) -> App:
    as_new(house, mail_server)
    return App(house.create_client())


@pytest.fixture
def members(club: Provider, mail_server: Catcher) -> App:
    as_new(club, mail_server)
    return App(club.create_client())


def test_somebody_makes_an_account_on_the_way_to_an_app(house: Provider, mail_server: Catcher, app: App) -> None:
    browser = Browser(house.issuer)
    browser.open(app.url())
    found = re.search(r'id="sign-up" href="([^"]+)"', page_of(browser).text)
    assert found is not None
    browser.open(found[1])
    assert heading_of(page_of(browser)) == "Create an account"
    browser.submit(action=PAGE, username=NEW)
    assert heading_of(page_of(browser)) == "Look at your mail"
    assert count(house, PEOPLE) == 1, "nothing of an account is there before the address is proved"
    opened(browser, mail_server)
    assert heading_of(page_of(browser)) == "Make your account"
    assert f'value="{NEW}" type="text" autocomplete="username"' in page_of(browser).text
    joined(browser)
    assert step_of(browser) == "password", "they go on where they began"
    assert f'value="{NEW}"' in page_of(browser).text
    assert count(house, SESSIONS) == 0, "a link alone opens no session"
    browser.submit(action="/password", password=NEW_PASSWORD)
    assert "code" in allowed(browser)
    claims = identity(house, browser, app, scope="openid profile email")
    assert (claims["amr"], claims["sub"]) == (["pwd"], query(house, "SELECT id FROM users WHERE email = ?", NEW)[0][0])
    ((stored, verified),) = query(house, "SELECT claims, email_verified_at FROM users WHERE email = ?", NEW)
    assert NEW_NAME in stored
    assert verified is not None
    eventually(house, "SELECT count(*) FROM outbox", 0)
    told = [mail["subject"] for mail in mail_server.mails]
    assert "A new sign-in to your account" not in told, "nobody is told of the browser in which they made the account"


def test_the_passkey_of_a_new_account_signs_in_and_comes_first(house: Provider, mail_server: Catcher, app: App) -> None:
    browser, device = asked(app, house), Device(house.issuer)
    opened(browser, mail_server)
    with_passkey(browser, device)
    assert step_of(browser) == "password"
    assert page_of(browser).text.index('id="use-passkey"') < page_of(browser).text.index('id="password"')
    use(browser, device)
    assert "code" in allowed(browser)
    assert identity(house, browser, app)["amr"] == ["pop", "user", "mfa"]
    assert query(house, "SELECT factor FROM credentials WHERE factor <> 'password'") == [("passkey",)]


@pytest.mark.parametrize("flags", [UP, 0])
def test_a_passkey_that_is_to_stand_alone_is_of_a_device_that_verified_its_user(
    house: Provider, mail_server: Catcher, app: App, flags: int
) -> None:
    browser = asked(app, house)
    opened(browser, mail_server)
    answer = with_passkey(browser, Device(house.issuer), flags=flags)
    assert title_of(answer).startswith("Error: ")
    assert (count(house, PEOPLE), count(house, LINKS)) == (1, 1)
    assert NEW_NAME in answer.text
    browser.open(PAGE)
    joined(browser)
    assert count(house, PEOPLE) == 2, "the link counts still"


def test_a_passkey_that_somebody_has_already_makes_no_account_and_uses_nothing_up(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    browser, device = asked(app, house), Device(house.issuer)
    opened(browser, mail_server)
    with_passkey(browser, device)
    other = asked(app, house, "yan@example.test")
    opened(other, mail_server, 2)
    used = device.passkeys[0].credential_id
    create = device.create
    device.create = lambda options, **more: create(options, credential_id=used)  # type: ignore[method-assign]
    assert title_of(with_passkey(other, device)).startswith("Error: ")
    assert (count(house, PEOPLE), count(house, LINKS)) == (2, 1)


@pytest.mark.parametrize("password", ["", "short", "password1234", f"{NEW} {NEW}", f"{NEW_NAME} 1"])
def test_a_password_that_is_refused_uses_nothing_up_and_the_name_is_kept(
    house: Provider, mail_server: Catcher, app: App, password: str
) -> None:
    browser = asked(app, house)
    opened(browser, mail_server)
    answer = joined(browser, password=password)
    assert title_of(answer).startswith("Error: ")
    assert 'aria-describedby="rules length caps password-error" aria-invalid="true"' in answer.text
    assert f'value="{NEW_NAME}"' in answer.text
    assert NEW_PASSWORD not in answer.text
    assert count(house, PEOPLE) == 1
    joined(browser)
    assert count(house, PEOPLE) == 2


def test_whoever_has_an_account_is_told_so_by_mail(house: Provider, mail_server: Catcher, app: App) -> None:
    browser = asked(app, house, EMAIL.upper())
    text = text_of(mail_server.newest())
    assert "there is\none already" in text
    assert PAGE not in text
    link = re.search(r"^https?://[^/]+(/\S+)$", text, re.MULTILINE)
    assert link is not None
    assert step_of(browser) == "password"
    another = Browser(house.issuer)
    another.open(link[1])
    assert step_of(another) == "identify"


def test_the_other_browser_says_where_to_go_on_and_the_first_one_has_the_address(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    first, other = asked(app, house), Browser(house.issuer)
    opened(other, mail_server)
    answer = joined(other)
    assert heading_of(answer) == "Your account is ready"
    assert other.http.cookies.get(f"idp_link_{house.port}") is None
    first.open(path_of(first))
    assert step_of(first) == "password"
    first.submit(action="/password", password=NEW_PASSWORD)
    assert "code" in allowed(first)


def test_two_links_for_one_address_do_not_disturb_each_other(house: Provider, mail_server: Catcher, app: App) -> None:
    first, second = asked(app, house), asked(app, house)
    opened(first, mail_server, 1)
    opened(second, mail_server, 2)
    joined(second, name="Second")
    answer = joined(first, name="First")
    assert (answer.status_code, heading_of(answer)) == (409, "You have an account already")
    assert query(house, "SELECT claims FROM users WHERE email = ?", NEW) == [('{"name":"Second"}',)]


def test_another_address_and_another_mail_can_be_asked_for(house: Provider, mail_server: Catcher, app: App) -> None:
    browser = asked(app, house, "zoo@example.test")
    browser.submit(action=PAGE)
    assert mail_server.newest(2)["to"] == "zoo@example.test"
    browser.open(f"{path_of(browser)}/sign-up?again")
    browser.submit(action=PAGE, username=NEW)
    assert mail_server.newest(3)["to"] == NEW


@pytest.mark.parametrize("prompt", ["create", "create consent", "create login"])
def test_an_app_sends_people_to_the_page_for_a_new_account_also_where_somebody_is_signed_in(
    house: Provider, mail_server: Catcher, app: App, prompt: str
) -> None:
    browser = Browser(house.issuer)
    browser.sign_in(app.url())
    eventually(house, "SELECT count(*) FROM outbox", 0)  # what is told of the sign-in and the app
    mail_server.clear()
    browser.open(app.url(prompt=prompt))
    assert heading_of(page_of(browser)) == "Create an account"
    browser.submit(action=PAGE, username=NEW)
    opened(browser, mail_server)
    joined(browser)
    browser.submit(action="/password", password=NEW_PASSWORD)
    assert "code" in allowed(browser)
    assert count(house, SESSIONS) == 2


def test_prompt_create_is_supported_where_strangers_may_sign_up(house: Provider, app: App) -> None:
    document = send("GET", f"{house.issuer}/.well-known/openid-configuration").json()
    assert document["prompt_values_supported"] == ["none", "login", "consent", "select_account", "create"]
    answer = Browser(house.issuer).open(app.url(prompt="create none"))
    assert "error=invalid_request" in answer.headers["location"]


def test_an_app_that_names_a_person_gets_no_other_one(house: Provider, mail_server: Catcher, app: App) -> None:
    browser = Browser(house.issuer)
    browser.sign_in(app.url())
    (sub,) = query(house, "SELECT id FROM users")[0]
    named = f'{{"id_token":{{"sub":{{"value":"{sub}"}}}}}}'
    browser.open(app.url(prompt="create login", claims=named))
    assert step_of(browser) == "password"
    assert 'id="sign-up"' not in page_of(browser).text


def test_only_people_of_the_domains_get_a_link_and_the_page_says_which(
    club: Provider, mail_server: Catcher, members: App
) -> None:
    browser = Browser(club.issuer)
    browser.open(members.url(prompt="create"))
    assert "<bdi>other.example</bdi>" in page_of(browser).text
    for email in (FOREIGN, "zoe@sub.example.test", "zoe@example.test.evil.test", "zoe@notexample.test"):
        asked(members, club, email)
    asked(members, club, "ZOE@EXAMPLE.TEST")
    eventually(club, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    assert [mail["to"] for mail in mail_server.mails if "account at" in str(mail["subject"])] == ["ZOE@EXAMPLE.TEST"]


def test_a_signed_in_person_whose_address_nobody_verified_is_another_matter(
    house: Provider, mail_server: Catcher, app: App
) -> None:
    """Who signed up has shown that the address is theirs, and is asked for no more."""
    browser = asked(app, house)
    opened(browser, mail_server)
    joined(browser)
    browser.submit(action="/password", password=NEW_PASSWORD)
    browser.open("/account/security")
    assert "Confirm your address" not in page_of(browser).text
    used = next(mail for mail in mail_server.mails if f"{PAGE}/" in text_of(mail))
    assert browser.open(link_in(used, PAGE)).status_code == 410
    assert PASSWORD not in page_of(browser).text
