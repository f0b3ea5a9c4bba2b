"""Whose sign-in it is: sessions, prompt and max_age, the person this browser knows, and two people in one browser."""

import time
from typing import Any

import jwt
import pytest

from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, pkce, redeem
from tests.signin.conftest import BEN, BENS_PASSWORD, App, People
from tests.signin.reading import CODES, choose, count, expire, heading_of, page_of, path_of, query, step_of


def id_token(provider: Provider, app: App, browser: Browser, **parameters: str) -> dict[str, Any]:
    """The claims that the app gets; every page on the way is answered as Ana would."""
    proof = pkce()
    code = answer_of(browser.sign_in(authorize_url(app.client, proof.challenge, **parameters)))["code"]
    token = redeem(provider, app.client, code, proof.verifier).json()["id_token"]
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def sign_in_as_ben(browser: Browser, app: App) -> None:
    """Another tab of the same browser, in which Ana says that it is not her, and Ben signs in."""
    browser.open(app.url(prompt="login"))
    browser.submit(action="/switch")
    browser.submit(action="/identify", username=BEN)
    browser.submit(action="/password", password=BENS_PASSWORD)


def test_mf03_se15_a_choice_made_by_one_counts_for_them_alone(
    provider: Provider, at_consent: Browser, app: App, people: People
) -> None:
    """Ben signs in in another tab, and then presses the button of a consent page that is still Ana's."""
    asked_of_ana = page_of(at_consent)
    assert "<bdi>Ana Example</bdi>" in asked_of_ana.text
    sign_in_as_ben(at_consent, app)
    at_consent.page = asked_of_ana
    assert "code" in answer_of(at_consent.submit("allow", action="/consent"))
    assert query(provider, "SELECT user_id FROM consents") == [(people.ana.sub,)]


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_mf03_se15_nobody_decides_for_who_signed_in_meanwhile(
    provider: Provider, at_consent: Browser, app: App, people: People, decision: str
) -> None:
    """A consent page was shown for Ana, who was signed in alone; then Ben signs in, and it is not clear whose it is."""
    at_consent.open(app.url())
    asked_of_ana = page_of(at_consent)
    assert "<bdi>Ana Example</bdi>" in asked_of_ana.text
    sign_in_as_ben(at_consent, app)
    codes = count(provider, CODES)
    at_consent.page = asked_of_ana
    at_consent.submit(decision, action="/consent")
    assert count(provider, CODES) == codes
    assert count(provider, "SELECT count(*) FROM consents") == 0
    assert step_of(at_consent) == "select"
    assert path_of(at_consent) in asked_of_ana.text
    choose(at_consent, "Ben Example")
    assert step_of(at_consent) == "consent"
    assert "<bdi>Ben Example</bdi>" in page_of(at_consent).text


def test_se15_what_the_app_learns_is_all_about_one_person(
    provider: Provider, at_consent: Browser, app: App, people: People
) -> None:
    """Ben signs in over a sign-in that Ana left waiting: the app must not learn a part of her beside him."""
    proof = pkce()
    at_consent.open(authorize_url(app.client, proof.challenge))
    waiting = path_of(at_consent)
    sign_in_as_ben(at_consent, app)
    at_consent.open(waiting)
    choose(at_consent, "Ben Example")
    code = answer_of(at_consent.submit("allow", action="/consent"))["code"]
    tokens = redeem(provider, app.client, code, proof.verifier).json()
    claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert claims["sub"] == people.ben.sub
    assert jwt.decode(tokens["access_token"], options={"verify_signature": False})["sub"] == people.ben.sub


def test_mf03_a_password_counts_only_for_who_was_named_last(
    provider: Provider, at_password: Browser, people: People
) -> None:
    """Two tabs of one attempt: Ana is asked for her password in one, Ben names himself in the other."""
    anas = page_of(at_password)
    at_password.submit(action="/switch")
    at_password.submit(action="/identify", username=BEN)
    at_password.page = anas
    at_password.submit(action="/password", password=PASSWORD)
    assert step_of(at_password) == "password"
    assert BEN in page_of(at_password).text
    assert heading_of(at_password.open("/")) == "Nothing to do here"


def test_a_session_signs_in_to_the_next_app_without_a_question(provider: Provider, browser: Browser, app: App) -> None:
    first = id_token(provider, app, browser)
    time.sleep(1)
    answer = id_token(provider, app, browser)
    assert (answer["auth_time"], answer["sid"]) == (first["auth_time"], first["sid"])


def test_az12_prompt_login_gives_no_code_before_the_password(provider: Provider, browser: Browser, app: App) -> None:
    """With a live session and consent: reload, back, another step's form, a wrong password."""
    before = id_token(provider, app, browser)
    codes = count(provider, CODES)
    browser.open(app.url(prompt="login"))
    path = path_of(browser)
    for _ in range(2):
        browser.open(path)
        assert step_of(browser) == "password"
    for step in ("consent", "identify", "password"):
        browser.open(f"{path}/{step}")
        assert step_of(browser) == "password"
    browser.submit(action="/password", password="wrong")
    browser.open("/")
    browser.open(path)
    assert step_of(browser) == "password"
    assert count(provider, CODES) == codes
    answer = answer_of(browser.submit(action="/password", password=PASSWORD))
    assert "code" in answer
    time.sleep(1)
    browser.open(path)  # back, after it is done: it begins again and asks again
    assert step_of(browser) == "password"
    assert count(provider, CODES) == codes + 1
    after = id_token(provider, app, browser, prompt="login")
    assert after["sub"] == before["sub"]
    assert after["auth_time"] > before["auth_time"]


def test_az12_an_expired_prompt_login_still_wants_the_password(provider: Provider, browser: Browser, app: App) -> None:
    """Somebody at Ana's keyboard lets a prompt=login expire, for it to begin again without the prompt."""
    browser.sign_in(app.url())
    browser.open(app.url(prompt="login"))
    browser.open(expire(provider, browser))
    assert step_of(browser) == "password"


def test_prompt_login_says_why_it_asks_and_keeps_the_account(browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    text = browser.open(app.url(prompt="login")).text
    assert "Billing asks you to confirm that it is you." in text
    assert f'value="{EMAIL}"' in text
    assert "readonly" in text


def test_cancelling_a_prompt_login_leaves_the_session_as_it_was(browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    browser.open(app.url(prompt="login"))
    assert "code" in answer_of(browser.open(app.url()))
    assert heading_of(browser.open("/")) == "You are signed in"


def test_max_age_asks_for_the_password_where_the_session_is_older(
    provider: Provider, browser: Browser, app: App
) -> None:
    first = id_token(provider, app, browser, max_age="3600")
    assert "code" in answer_of(browser.open(app.url(max_age="3600")))
    time.sleep(1.1)
    for max_age in ("0", "1"):
        browser.open(app.url(max_age=max_age))
        assert step_of(browser) == "password"
    assert id_token(provider, app, browser, max_age="1")["auth_time"] > first["auth_time"]
    answer = answer_of(browser.open(app.url(max_age="0", prompt="none")))
    assert answer["error"] == "login_required"


def test_login_hint_fills_the_name_and_nothing_more(browser: Browser, app: App) -> None:
    browser.open(app.url(login_hint=BEN))
    assert step_of(browser) == "identify"
    assert f'id="username" name="username" value="{BEN}"' in page_of(browser).text


def test_login_hint_goes_before_the_person_this_browser_knows(browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    browser.open("/")
    browser.submit(action="/sign-out")
    browser.sign_in(app.url())
    browser.open(app.url(prompt="login", login_hint=BEN))
    assert step_of(browser) == "select"
    browser.submit(action="/switch")
    assert step_of(browser) == "identify"
    assert BEN in page_of(browser).text


def known(provider: Provider, browser: Browser, app: App) -> Browser:
    """A browser that knows Ana, whose session is over."""
    browser.sign_in(app.url())
    for name in [name for name in browser.http.cookies if "session" in name]:
        browser.http.cookies.delete(name)
    browser.open(app.url())
    return browser


def test_a_returning_person_is_greeted_and_asked_for_the_password_alone(
    provider: Provider, browser: Browser, app: App
) -> None:
    page = page_of(known(provider, browser, app))
    assert step_of(browser) == "password"
    assert "Welcome back, <bdi>Ana Example</bdi>" in page.text
    assert "Not you?" in page.text
    assert "Forget this account on this device" in page.text


def test_not_you_asks_who_it_is_and_forgets_nothing(provider: Provider, browser: Browser, app: App) -> None:
    known(provider, browser, app).submit(action="/switch")
    assert step_of(browser) == "identify"
    assert EMAIL not in page_of(browser).text
    browser.open(app.url())
    assert step_of(browser) == "password"


def test_forgetting_the_account_on_this_device_forgets_it(provider: Provider, browser: Browser, app: App) -> None:
    known(provider, browser, app).submit(action="/switch", forget="yes")
    assert step_of(browser) == "identify"
    browser.open(app.url())
    assert step_of(browser) == "identify"
    assert "Ana" not in page_of(browser).text


def test_another_browser_is_told_nothing_of_who_was_here(provider: Provider, browser: Browser, app: App) -> None:
    known(provider, browser, app)
    other = Browser(provider.issuer)
    other.open(app.url())
    other.submit(username=EMAIL)
    assert step_of(other) == "password"
    assert "Ana Example" not in page_of(other).text


def test_not_you_on_the_consent_page_leaves_the_choice_to_somebody_else(
    provider: Provider, at_consent: Browser, people: People
) -> None:
    at_consent.submit(action="/switch")
    assert step_of(at_consent) == "identify"
    at_consent.submit(username=BEN, password=BENS_PASSWORD)
    assert step_of(at_consent) == "consent"
    assert "<bdi>Ben Example</bdi>" in page_of(at_consent).text


def test_signing_out_ends_the_session_and_forgets_who_it_was(provider: Provider, browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    browser.open("/")
    page = browser.submit(action="/sign-out")
    assert (page.url.path, heading_of(page)) == ("/signed-out", "You are signed out")
    assert heading_of(browser.open("/")) == "Nothing to do here"
    browser.open(app.url())
    assert step_of(browser) == "identify"
    assert EMAIL not in page_of(browser).text


def test_signing_out_in_one_tab_signs_out_the_others(provider: Provider, at_consent: Browser, app: App) -> None:
    asked = page_of(at_consent)
    at_consent.open("/")
    at_consent.submit(action="/sign-out")
    at_consent.page = asked
    at_consent.submit("allow", action="/consent")
    assert step_of(at_consent) == "password"
    assert count(provider, "SELECT count(*) FROM consents") == 0
