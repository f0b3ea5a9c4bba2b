"""`idp user invite`: a link by mail or by hand, with which somebody makes their account, whatever the settings say."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mail import Catcher, link_in, text_of
from tests.provider import EMAIL, Browser, Provider, installed, running
from tests.signin.joining import LINKS, NEW, NEW_NAME, NEW_PASSWORD, PAGE, PEOPLE, as_new, joined
from tests.signin.reading import count, heading_of, page_of, query, title_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["closed", "invitation", "domains", "open"])
def any_house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher
) -> Iterator[Provider]:
    domains = {"sign_up_domains": "elsewhere.test"} if request.param == "domains" else {}
    settings = {"smtp_url": mail_server.url, "sign_up": request.param} | domains
    with running(tmp_path_factory.mktemp("inviting"), **settings) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def house(any_house: Provider, mail_server: Catcher) -> Provider:
    as_new(any_house, mail_server)
    return any_house


@pytest.fixture(scope="module")
def without_mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("by_hand"), sign_up="invitation") as provider:
        provider.create_user()
        yield provider


def claims_of(provider: Provider) -> dict[str, Any]:
    shown: dict[str, Any] = provider.cli("user", "show", NEW)
    return shown


def test_an_invitation_comes_by_mail_in_every_mode_and_keeps_the_operators_claims(
    house: Provider, mail_server: Catcher
) -> None:
    told = house.cli("user", "invite", NEW, "--name", NEW_NAME, "--claim", "nickname=Zo")
    assert (told["email"], told["mailed"], "link" in told) == (NEW, True, False)
    mail = mail_server.newest()
    assert "invite you to make an account" in text_of(mail)
    browser = Browser(house.issuer)
    browser.open(link_in(mail, PAGE))
    assert f'name="name" value="{NEW_NAME}"' in page_of(browser).text
    assert heading_of(joined(browser, name="Zoe E.")) == "Your account is ready"
    person = claims_of(house)
    assert person["claims"] == {"nickname": "Zo", "name": "Zoe E."}
    assert person["email_verified"] is True
    assert count(house, "SELECT count(*) FROM audit WHERE event = 'user.invited'") >= 1


def test_a_second_invitation_leaves_the_first_one_good_and_one_makes_the_account(
    house: Provider, mail_server: Catcher
) -> None:
    for number in (1, 2):
        house.cli("user", "invite", NEW)
        mail_server.newest(number)
    first, second = Browser(house.issuer), Browser(house.issuer)
    first.open(link_in(mail_server.newest(1), PAGE))
    second.open(link_in(mail_server.newest(2), PAGE))
    joined(first)
    assert joined(second).status_code == 409
    assert count(house, PEOPLE) == 2


def test_rc_05_a_link_that_was_handed_over_does_not_show_whose_the_address_is(without_mail: Provider) -> None:
    """The attacker has the operator's printed link, and not the mailbox."""
    for arguments, verified in (((), False), (("--print",), False), (("--verified",), True)):
        told = without_mail.cli("user", "invite", NEW, *arguments)
        assert told["mailed"] is False
        browser = Browser(without_mail.issuer)
        browser.open(told["link"])
        joined(browser)
        assert claims_of(without_mail)["email_verified"] is verified
        without_mail.cli("user", "delete", NEW)


def test_a_printed_link_is_not_mailed(house: Provider, mail_server: Catcher) -> None:
    told = house.cli("user", "invite", NEW, "--print")
    assert told["link"].startswith(f"{house.issuer}{PAGE}/")
    assert count(house, "SELECT count(*) FROM outbox") == 0
    assert count(house, LINKS) == 1
    ((since, until),) = query(house, "SELECT created_at, expires_at FROM handles WHERE kind = 'sign_up'")
    assert since[11:] == until[11:]
    assert int(until[8:10]) != int(since[8:10])


def test_an_invited_person_has_a_way_in_with_a_refused_password_too(without_mail: Provider) -> None:
    told = without_mail.cli("user", "invite", NEW)
    browser = Browser(without_mail.issuer)
    browser.open(told["link"])
    assert title_of(joined(browser, password="short")).startswith("Error: ")
    assert heading_of(joined(browser, password=NEW_PASSWORD)) == "Your account is ready"
    without_mail.cli("user", "delete", NEW)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((EMAIL,), "There is already a person with the address"),
        (("ANA@EXAMPLE.TEST",), "There is already a person with the address"),
        (("zoe",), "is not an e-mail address"),
        (("zo\u200be@example.test",), "is not an e-mail address"),
        ((NEW, "--name", "See https://evil.example"), "That is no name"),
        ((NEW, "--name", "x" * 65), "That is no name"),
        ((NEW, "--claim", "email=eve@evil.test"), "write NAME=VALUE with one of"),
    ],
)
def test_xi_12_who_cannot_be_invited_is_not(without_mail: Provider, arguments: tuple[str, ...], reason: str) -> None:
    """The attacker gets an operator's script to invite under a name that is a link, or somebody who is there."""
    done = without_mail.run("user", "invite", *arguments)
    assert done.returncode != 0
    assert reason in done.stderr
    assert count(without_mail, LINKS) == 0


def test_a_link_needs_the_issuer(tmp_path_factory: pytest.TempPathFactory) -> None:
    with installed(tmp_path_factory.mktemp("nowhere")) as provider:
        del provider.environment["IDP_ISSUER"]
        done = provider.run("user", "invite", NEW)
        assert done.returncode == 1
        assert "IDP_ISSUER" in done.stderr
