"""Several people in one browser: the chooser, and what an app may say of whom it wants."""

from typing import Any

import jwt
import pytest

from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, pkce, redeem
from tests.signin.conftest import BEN, BENS_PASSWORD, App, People
from tests.signin.reading import (
    choose,
    count,
    heading_of,
    page_of,
    path_of,
    post,
    query,
    sid_of,
    state_of,
    step_of,
    token_of,
)

LIVE = "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND user_id = ?"


def tokens(
    provider: Provider, app: App, browser: Browser, answer_with: str | None, **parameters: str
) -> dict[str, Any]:
    """What the app gets when, asked which account it is, the person chooses this one."""
    proof = pkce()
    page = browser.open(authorize_url(app.client, proof.challenge, **parameters))
    if answer_with is not None:
        assert step_of(browser) == "select"
        page = choose(browser, answer_with)
    if 'id="allow"' in page.text:
        page = browser.submit("allow", action="/consent")
    tokens: dict[str, Any] = redeem(provider, app.client, answer_of(page)["code"], proof.verifier).json()
    return tokens


def sub(tokens: dict[str, Any]) -> str:
    return str(jwt.decode(tokens["id_token"], options={"verify_signature": False})["sub"])


@pytest.fixture
def both(browser: Browser, app: App) -> Browser:
    """A browser in which first Ana and then Ben signed in."""
    browser.sign_in(app.url())
    browser.open(app.url(prompt="select_account"))
    browser.submit(action="/switch")
    browser.sign_in(page_of(browser).url.path, BEN, BENS_PASSWORD)
    return browser


def test_who_is_signed_in_alone_is_asked_only_where_the_app_wants_it(
    provider: Provider, browser: Browser, app: App, people: People
) -> None:
    browser.sign_in(app.url())
    assert sub(tokens(provider, app, browser, None)) == people.ana.sub
    assert sub(tokens(provider, app, browser, "Ana Example", prompt="select_account")) == people.ana.sub


def test_se_15_the_app_gets_the_account_that_the_person_chose(
    provider: Provider, both: Browser, app: App, people: People
) -> None:
    """Two accounts in one browser: the app of one is signed in to the other, which was used last."""
    assert sub(tokens(provider, app, both, "Ana Example")) == people.ana.sub
    assert sub(tokens(provider, app, both, "Ben Example")) == people.ben.sub


def test_each_keeps_a_session_of_their_own(provider: Provider, both: Browser, app: App, people: People) -> None:
    anas, bens = (
        jwt.decode(tokens(provider, app, both, name)["id_token"], options={"verify_signature": False})
        for name in ("Ana Example", "Ben Example")
    )
    assert anas["sid"] != bens["sid"]
    assert anas["auth_time"] <= bens["auth_time"]


def test_nobody_is_signed_in_so_nobody_can_be_chosen(browser: Browser, app: App) -> None:
    browser.open(app.url(prompt="select_account"))
    assert step_of(browser) == "identify"


def test_who_this_browser_knows_is_not_put_forward_where_the_app_asks_for_a_choice(browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    for name in [name for name in browser.http.cookies if "session" in name]:
        browser.http.cookies.delete(name)
    browser.open(app.url(prompt="select_account"))
    assert step_of(browser) == "identify"
    assert EMAIL not in page_of(browser).text


def test_az_10_prompt_none_with_two_people_signed_in_is_no_code_for_either(both: Browser, app: App) -> None:
    """An app asks silently, and hopes for whichever account was used last."""
    assert answer_of(both.open(app.url(prompt="none")))["error"] == "account_selection_required"


@pytest.mark.parametrize(("hint", "name"), [(EMAIL, "ana"), (EMAIL.upper(), "ana"), (BEN, "ben")])
def test_a_login_hint_chooses_among_those_who_are_signed_in(
    provider: Provider, both: Browser, app: App, people: People, hint: str, name: str
) -> None:
    both.sign_in(app.url(login_hint=hint))  # so that nothing is left to ask
    for prompt in ({}, {"prompt": "none"}):
        assert sub(tokens(provider, app, both, None, login_hint=hint, **prompt)) == getattr(people, name).sub


def test_az_14_a_login_hint_of_nobody_here_is_never_silently_somebody_else(browser: Browser, app: App) -> None:
    """Ana is signed in, and the app asks for Ben: it must not get Ana without her having chosen herself."""
    browser.sign_in(app.url())
    assert answer_of(browser.open(app.url(login_hint=BEN, prompt="none")))["error"] == "account_selection_required"
    browser.open(app.url(login_hint=BEN))
    assert step_of(browser) == "select"
    browser.submit(action="/switch")
    assert f'value="{BEN}"' in page_of(browser).text


def test_an_id_token_hint_is_answered_for_its_person(
    provider: Provider, both: Browser, app: App, people: People
) -> None:
    anas = tokens(provider, app, both, "Ana Example")["id_token"]
    for prompt in ({}, {"prompt": "none"}):
        assert sub(tokens(provider, app, both, None, id_token_hint=anas, **prompt)) == people.ana.sub


def test_az_14_with_another_person_signed_in_a_hint_gives_no_code_until_its_own_signs_in(
    provider: Provider, browser: Browser, app: App, people: People
) -> None:
    """The app asks for Ben, of whom it has an ID token, while Ana is signed in and signs in once more."""
    other = Browser(provider.issuer)
    other.sign_in(app.url(), BEN, BENS_PASSWORD)
    bens = tokens(provider, app, other, None)["id_token"]
    browser.sign_in(app.url())
    assert answer_of(browser.open(app.url(id_token_hint=bens, prompt="none")))["error"] == "login_required"
    proof = pkce()
    browser.open(authorize_url(app.client, proof.challenge, id_token_hint=bens))
    assert step_of(browser) == "identify"
    assert BEN not in page_of(browser).text  # a stolen token must not tell whose it is
    browser.submit(username=EMAIL, password=PASSWORD)
    assert step_of(browser) == "identify"
    assert "the app asks for the account that you used there before" in page_of(browser).text
    page = browser.submit(username=BEN, password=BENS_PASSWORD)
    code = answer_of(page)["code"]
    assert sub(redeem(provider, app.client, code, proof.verifier).json()) == people.ben.sub


@pytest.mark.parametrize("cookie", [None, "another"])
def test_az_14_a_hint_is_not_lost_with_the_cookie_that_the_sign_in_began_with(
    provider: Provider, browser: Browser, app: App, cookie: str | None
) -> None:
    """The app asks for Ben, and the sign-in begins again for whoever is signed in, since its cookie was replaced."""
    other = Browser(provider.issuer)
    other.sign_in(app.url(), BEN, BENS_PASSWORD)
    bens = tokens(provider, app, other, None)["id_token"]
    browser.sign_in(app.url())
    browser.open(app.url(id_token_hint=bens))
    path = path_of(browser)
    (name,) = [name for name in browser.http.cookies if "browser" in name]
    browser.http.cookies.delete(name)
    if cookie is not None:
        browser.http.cookies.set(name, cookie)
    for page in (browser.open(path), post(browser, f"{path}/identify", username=EMAIL, password=PASSWORD)):
        assert page.status_code == (400 if cookie is None else 410)
        assert "/authorize?" not in page.text


def test_az_14_a_forged_hint_is_told_to_the_app(provider: Provider, browser: Browser, app: App) -> None:
    """The attacker signs a hint himself, sends an access token as one, or one that another app was given."""
    browser.sign_in(app.url())
    given = tokens(provider, app, browser, None)
    another = App(provider.create_client(name="Another"))
    browser.sign_in(another.url())
    foreign = tokens(provider, another, browser, None)["id_token"]
    forged = jwt.encode({"sub": "ana"}, "k" * 32, headers={"typ": "JWT"})
    for hint in (forged, given["access_token"], foreign, given["id_token"][:-4] + "AAAA", "x"):
        answer = answer_of(browser.open(app.url(id_token_hint=hint)))
        assert answer["error"] == "invalid_request"
        assert "id_token_hint" in answer["error_description"]


def test_an_expired_session_is_chosen_and_then_proved_anew(both: Browser, app: App) -> None:
    both.open(app.url(prompt="login select_account"))
    choose(both, "Ana Example")
    assert step_of(both) == "password"
    assert f'value="{EMAIL}"' in page_of(both).text
    assert "code" in answer_of(both.submit(action="/password", password=PASSWORD))


def test_a_choice_holds_for_its_attempt_alone(both: Browser, app: App) -> None:
    both.open(app.url(scope="openid", prompt="consent"))
    choose(both, "Ana Example")
    path = path_of(both)
    assert "<bdi>Ana Example</bdi>" in page_of(both).text
    both.open(app.url())
    assert step_of(both) == "select"
    choose(both, "Ben Example")
    both.open(path)
    assert step_of(both) == "consent"
    assert "<bdi>Ana Example</bdi>" in page_of(both).text


def test_se_15_nobody_is_chosen_who_is_not_signed_in_here(provider: Provider, both: Browser, app: App) -> None:
    """The attacker posts the session id of somebody else's browser, which apps learn as sid."""
    other = Browser(provider.issuer)
    other.sign_in(app.url(), BEN, BENS_PASSWORD)
    both.open(app.url())
    before = state_of(provider)
    for sid in (sid_of(provider, other), "", "0" * 32, "' OR 1=1 --", "é"):
        answer = post(both, f"{path_of(both)}/select", sid=sid, csrf=token_of(both))
        assert answer.status_code == 303
        assert not answer.headers.get_list("set-cookie")
    assert state_of(provider) == before


def test_who_proves_again_who_they_are_has_one_session_in_this_browser(
    provider: Provider, both: Browser, app: App, people: People
) -> None:
    before = count(provider, LIVE, people.ana.sub)
    both.open(app.url(prompt="login", login_hint=EMAIL))
    both.submit(action="/password", password=PASSWORD)
    assert count(provider, LIVE, people.ana.sub) == before
    both.open(app.url(prompt="select_account"))
    assert page_of(both).text.count('id="account-') == 2


@pytest.mark.slow
def test_se_17_of_more_accounts_than_five_the_one_unused_for_longest_is_signed_out(
    provider: Provider, browser: Browser, app: App
) -> None:
    """A browser signs in account after account, for its cookie and its list to grow without an end."""
    for number in range(6):
        email = f"one-of-six-{number}@example.test"
        if not query(provider, "SELECT 1 FROM users WHERE email = ?", email):
            provider.create_user(email, PASSWORD, f"Number {number}")
        browser.open(app.url(prompt="login"))
        if step_of(browser) != "identify":
            browser.submit(action="/switch")
        browser.submit(username=email, password=PASSWORD)
    browser.open(app.url(prompt="select_account"))
    assert page_of(browser).text.count('id="account-') == 5
    assert "Number 0" not in page_of(browser).text
    ((first, pseudonym),) = query(provider, "SELECT id, pseudonym FROM users WHERE email = 'one-of-six-0@example.test'")
    assert count(provider, LIVE, first) == 0
    ended = "SELECT count(*) FROM audit WHERE event = 'session.signed_out' AND pseudonym = ?"
    assert count(provider, ended, pseudonym) > 0


def test_ones_own_page_shows_who_else_is_signed_in_and_changes_to_them(both: Browser) -> None:
    page = both.open("/")
    assert "<bdi>Ben Example</bdi>" in page.text.partition("Also signed in here")[0]
    (button,) = [line for line in page.text.splitlines() if "Ana Example" in line]
    sid = button.partition('value="')[2].partition('"')[0]
    assert post(both, "/switch-account", sid=sid, csrf=token_of(both)).status_code == 303
    assert "<bdi>Ana Example</bdi>" in both.open("/").text.partition("Also signed in here")[0]


def test_lo_03_signing_out_ends_everybodys_session_in_this_browser(
    provider: Provider, both: Browser, app: App, people: People
) -> None:
    """On a shared computer somebody signs out, and the account behind theirs stays open for the next one."""
    kept = dict(both.http.cookies)
    live = [count(provider, LIVE, each.sub) for each in (people.ana, people.ben)]
    both.open("/")
    both.submit(action="/sign-out")
    assert [count(provider, LIVE, each.sub) for each in (people.ana, people.ben)] == [number - 1 for number in live]
    both.http.cookies.update(kept)
    assert heading_of(both.open("/")) == "Nothing to do here"


def test_two_tabs_that_sign_two_people_in_at_once_leave_no_dead_page(
    provider: Provider, at_consent: Browser, app: App
) -> None:
    """Of two cookies that are set at once one is lost, and with it Ana's session, in which her sign-in goes on."""
    ben = Browser(provider.issuer)
    ben.sign_in(app.url(), BEN, BENS_PASSWORD)
    path = path_of(at_consent)
    for cookie in ben.http.cookies.jar:
        if "session" in cookie.name:
            at_consent.http.cookies.jar.set_cookie(cookie)
    at_consent.open(path)
    assert step_of(at_consent) == "password"
    assert f'value="{EMAIL}"' in page_of(at_consent).text
    at_consent.submit(action="/password", password=PASSWORD)
    assert step_of(at_consent) == "consent"
    at_consent.open(app.url(prompt="select_account"))
    assert page_of(at_consent).text.count('id="account-') == 2
