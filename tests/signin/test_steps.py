"""MF-02, CO-02: no post, in whatever order, gives a code before what the app asks for has been proved and allowed."""

import json
from collections.abc import Mapping

import httpx2
import pytest

from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, forms
from tests.signin.conftest import App
from tests.signin.reading import (
    CODES,
    SESSIONS,
    count,
    heading_of,
    page_of,
    path_of,
    post,
    state_of,
    step_of,
    title_of,
    token_of,
)

MULTIPART = (
    '--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n'
    '--b\r\nContent-Disposition: form-data; name="decision"\r\n\r\nallow\r\n--b--\r\n'
)


def skip_to(browser: Browser, step: str, fields: Mapping[str, str]) -> httpx2.Response:
    """Posts another step's form with the right token of the page; the answer after the redirects here."""
    answer = post(browser, f"{path_of(browser)}/{step}", csrf=token_of(browser), **fields)
    return browser._follow(answer)


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ("identify", {}),
        ("identify", {"username": ""}),
        ("identify", {"username": "   "}),
        ("identify", {"username": "a" * 321}),
        ("password", {}),
        ("password", {"password": PASSWORD}),
        ("password", {"password": PASSWORD, "username": EMAIL}),
        ("consent", {}),
        ("consent", {"decision": "allow"}),
        ("consent", {"decision": "deny"}),
        ("switch", {}),
        ("switch", {"forget": "yes"}),
    ],
)
def test_mf02_nobody_gets_past_the_question_who_they_are(
    provider: Provider, browser: Browser, app: App, step: str, fields: dict[str, str]
) -> None:
    """The attacker posts the form of a later step before he has said who he is."""
    browser.open(app.url())
    codes, sessions = count(provider, CODES), count(provider, SESSIONS)
    skip_to(browser, step, fields)
    assert step_of(browser) == "identify"
    assert (count(provider, CODES), count(provider, SESSIONS)) == (codes, sessions)


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ("password", {}),
        ("password", {"password": ""}),
        ("password", {"password": "wrong"}),
        ("password", {"username": EMAIL}),
        ("consent", {}),
        ("consent", {"decision": "allow"}),
        ("consent", {"decision": "deny"}),
    ],
)
def test_mf02_nobody_gets_past_the_password(
    provider: Provider, at_password: Browser, step: str, fields: dict[str, str]
) -> None:
    """The attacker posts a later step, or nothing, in the place of the right password."""
    codes, sessions = count(provider, CODES), count(provider, SESSIONS)
    skip_to(at_password, step, fields)
    assert step_of(at_password) == "password"
    assert (count(provider, CODES), count(provider, SESSIONS)) == (codes, sessions)


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ("consent", {}),
        ("consent", {"decision": ""}),
        ("consent", {"decision": "yes"}),
        ("consent", {"decision": "ALLOW"}),
        ("consent", {"decision": "allow "}),
        ("consent", {"decision": "allowed"}),
        ("consent", {"allow": "allow"}),
        ("identify", {"username": EMAIL}),
        ("identify", {}),
        ("password", {}),
        ("password", {"password": PASSWORD}),
        ("password", {"password": "wrong"}),
    ],
)
def test_co02_nobody_gets_past_the_consent(
    provider: Provider, at_consent: Browser, step: str, fields: dict[str, str]
) -> None:
    """The attacker posts another step, another value, or nothing, in the place of the button that allows."""
    codes = count(provider, CODES)
    skip_to(at_consent, step, fields)
    assert step_of(at_consent) == "consent"
    assert count(provider, CODES) == codes
    assert count(provider, "SELECT count(*) FROM consents") == 0


@pytest.mark.parametrize("query", ["?decision=allow", "?csrf={token}&decision=allow"])
def test_co02_a_decision_in_the_address_counts_for_nothing(provider: Provider, at_consent: Browser, query: str) -> None:
    """The attacker's link holds the decision, and even the right token."""
    path, token = path_of(at_consent), token_of(at_consent)
    for address in (path, f"{path}/consent"):
        at_consent.open(address + query.format(token=token))
        assert step_of(at_consent) == "consent"
    assert post(at_consent, f"{path}/consent{query.format(token=token)}").status_code == 403
    assert count(provider, "SELECT count(*) FROM consents") == 0


def test_co02_prompt_none_gives_no_code_before_the_person_has_signed_in_and_allowed_it(
    browser: Browser, app: App
) -> None:
    """An app asks by prompt=none for a code before the person has signed in, and before they allowed it."""
    answer = answer_of(browser.open(app.url(prompt="none")))
    assert (answer["error"], answer["state"]) == ("login_required", "state-123")
    browser.open(app.url())
    browser.submit(username=EMAIL)
    browser.submit(password=PASSWORD)
    answer = answer_of(browser.open(app.url(prompt="none")))
    assert (answer["error"], answer["iss"]) == ("consent_required", browser.issuer)
    browser.open(app.url())
    browser.submit("allow", action="/consent")
    assert "code" in answer_of(browser.open(app.url(prompt="none")))


def test_mf02_an_unknown_step_is_refused(at_consent: Browser) -> None:
    """The attacker posts to a step that does not exist, or spells one in another way."""
    for step in ("done", "Consent", "consents", "consent/", "../consent"):
        answer = post(at_consent, f"{path_of(at_consent)}/{step}", csrf=token_of(at_consent), decision="allow")
        assert answer.status_code in (404, 405), step


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", json.dumps({"csrf": "{token}", "decision": "allow"})),
        ("text/plain", "csrf={token}&decision=allow"),
        ("application/x-www-form-urlencoded; charset=utf-16", "csrf={token}&decision=allow"),
        ("multipart/form-data; boundary=b", MULTIPART),
        ("", "csrf={token}&decision=allow"),
        ("application/x-www-form-urlencoded", "csrf={token}&decision=allow&decision=deny"),
        ("application/x-www-form-urlencoded", "csrf={token}&csrf={token}&decision=allow"),
        ("application/x-www-form-urlencoded", "csrf={token}&decision=allow" + "&a=b" * 100),
    ],
)
@pytest.mark.parametrize("path", ["{attempt}/consent", "/sign-out", "/account/apps/{client_id}/withdraw"])
def test_cs03_a_body_that_no_form_of_ours_sends_is_refused(
    provider: Provider, browser: Browser, app: App, content_type: str, body: str, path: str
) -> None:
    """The attacker's page sends what a form or a script may send anywhere unasked: text, JSON, multipart, no type."""
    browser.sign_in(app.url(scope="openid"))
    token = forms(browser.open("/").text)[0].fields["csrf"]
    browser.open(app.url())
    address = path.format(attempt=path_of(browser), client_id=app.client_id)
    if address.endswith("/consent"):
        token = token_of(browser)
    before = state_of(provider)
    answer = browser.http.post(
        address,
        content=body.replace("{token}", token),
        headers={"Content-Type": content_type, "Origin": provider.issuer},
    )
    assert (answer.status_code, heading_of(answer)) in (
        (400, "That was not understood"),
        (403, "This form could not be trusted"),
    )
    assert state_of(provider) == before
    assert post(browser, address, csrf=token, decision="allow").status_code == 303  # a form of ours
    assert state_of(provider) != before


def test_every_post_is_answered_by_a_redirect(browser: Browser, app: App) -> None:
    """So a reload repeats nothing, also after a mistake."""
    browser.open(app.url())
    for fields in ({}, {"username": EMAIL}):
        assert post(browser, f"{path_of(browser)}/identify", csrf=token_of(browser), **fields).status_code == 303
    browser.open(path_of(browser))
    for password in ("", "wrong", PASSWORD):
        fields = {"csrf": token_of(browser), "password": password}
        assert post(browser, f"{path_of(browser)}/password", **fields).status_code == 303
    browser.open(path_of(browser))
    for decision in ("", "deny"):
        fields = {"csrf": token_of(browser), "decision": decision}
        assert post(browser, f"{path_of(browser)}/consent", **fields).status_code == 303


def test_a_missing_name_is_explained_beside_its_field(browser: Browser, app: App) -> None:
    browser.open(app.url())
    page = browser.submit(username=" ")
    assert title_of(page).startswith("Error: ")
    assert 'aria-invalid="true" aria-describedby="username-error"' in page.text
    browser.submit(username=EMAIL)
    assert not title_of(page_of(browser)).startswith("Error: ")


def test_a_password_manager_that_fills_both_fields_at_once_signs_in_at_once(browser: Browser, app: App) -> None:
    browser.open(app.url())
    browser.submit(username=EMAIL, password=PASSWORD)
    assert step_of(browser) == "consent"


def test_a_wrong_password_keeps_the_name_and_empties_the_password(at_password: Browser) -> None:
    page = at_password.submit(password="wrong")
    assert title_of(page).startswith("Error: ")
    assert f'value="{EMAIL}"' in page.text
    assert "wrong" not in page.text.replace('class="wrong"', "")
    assert 'role="alert" tabindex="-1" autofocus' in page.text
    assert 'aria-describedby="caps password-error" aria-invalid="true"' in page.text
    assert title_of(at_password.submit(password=PASSWORD)).startswith("Allow")
