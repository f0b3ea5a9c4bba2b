"""What a person is asked before an app gets anything, what is remembered of it, and how it is taken back."""

import re

import pytest

from idp.web import own
from tests.provider import CALLBACK, PASSWORD, Browser, Provider, answer_of, forms, token_request, tokens_for
from tests.signin.conftest import BEN, BENS_PASSWORD, App, People
from tests.signin.reading import count, heading_of, page_of, path_of, post, query, step_of, title_of

CONSENTS = "SELECT count(*) FROM consents"


def listed(text: str, heading: str) -> str:
    """The list under a heading, as text."""
    found = re.search(rf"<h2>{heading}</h2>\s*<ul[^>]*>(.*?)</ul>", text, re.DOTALL)
    return re.sub(r"<[^>]+>", " ", found[1]) if found else ""


def test_co05_the_page_says_who_asks_for_what_in_whose_name_and_what_it_does_not_get(
    provider: Provider, at_consent: Browser, app: App
) -> None:
    """An app hopes to be allowed by somebody who cannot tell who asks, in whose name, and for what."""
    text = page_of(at_consent).text
    assert heading_of(page_of(at_consent)) == "Allow Billing access?"
    assert '<b class="host"><bdi dir="ltr">app.example.com</bdi></b>' in text
    assert "<bdi>Ana Example</bdi>" in text
    assert "<bdi>ana@example.test</bdi>" in text
    gets, not_ = listed(text, "Billing will get"), listed(text, "It will not get")
    assert "Your profile" in gets
    assert "Your e-mail address" in gets
    assert "openid" not in gets
    assert "Your password" in not_
    assert "Your phone number" in not_
    assert "Only Billing gets this" in text
    assert "Your choice is remembered" in text
    assert 'You can withdraw it on <a href="/account/apps">your page' in text
    assert 'type="checkbox"' not in text
    assert {"allow", "deny"} <= set(forms(text)[1].buttons)


def test_staying_connected_is_said_in_words(browser: Browser, app: App) -> None:
    browser.open(app.url(scope="openid offline_access", prompt="consent"))
    browser.submit(username=BEN, password=BENS_PASSWORD)
    assert "until you withdraw it" in listed(page_of(browser).text, "Billing will get")


def test_a_choice_is_remembered(at_consent: Browser, app: App) -> None:
    at_consent.submit("allow", action="/consent")
    assert "code" in answer_of(at_consent.open(app.url()))
    assert "code" in answer_of(at_consent.open(app.url(scope="openid")))  # less than before


def test_a_choice_of_one_person_is_none_of_another(provider: Provider, at_consent: Browser, app: App) -> None:
    at_consent.submit("allow", action="/consent")
    other = Browser(provider.issuer)
    other.open(app.url())
    other.submit(username=BEN, password=BENS_PASSWORD)
    assert step_of(other) == "consent"


def test_only_what_is_new_is_asked_for(browser: Browser, app: App) -> None:
    browser.sign_in(app.url(scope="openid profile"))
    browser.open(app.url(scope="openid profile email"))
    text = page_of(browser).text
    assert "Your e-mail address" in listed(text, "Billing will get")
    assert "Your profile" not in listed(text, "Billing will get")
    assert "Your profile" in listed(text, "You allowed before")
    browser.submit("allow", action="/consent")
    assert "code" in answer_of(browser.open(app.url(scope="openid profile email")))


def test_prompt_consent_asks_again_and_for_everything(browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    for _ in range(2):
        browser.open(app.url(prompt="consent"))
        assert step_of(browser) == "consent"
        assert "Your profile" in listed(page_of(browser).text, "Billing will get")
    assert "code" in answer_of(browser.submit("allow", action="/consent"))


def test_prompt_consent_is_not_met_by_a_consent_in_another_tab(browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    browser.open(app.url(prompt="consent"))
    waiting = path_of(browser)
    browser.open(app.url(prompt="consent"))
    browser.submit("allow", action="/consent")
    browser.open(waiting)
    assert step_of(browser) == "consent"


def test_co07_a_no_is_told_to_the_app_and_gives_nothing(provider: Provider, at_consent: Browser, app: App) -> None:
    """An app that was told no looks for a code, a grant, or a consent that was remembered all the same."""
    grants = count(provider, "SELECT count(*) FROM grants")
    codes = count(provider, "SELECT count(*) FROM handles")
    answer = answer_of(at_consent.submit("deny", action="/consent"))
    assert answer.keys() == {"error", "error_description", "error_uri", "state", "iss"}
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "state-123", provider.issuer)
    assert count(provider, CONSENTS) == 0
    assert count(provider, "SELECT count(*) FROM grants") == grants
    assert count(provider, "SELECT count(*) FROM handles") == codes
    at_consent.open(app.url())
    assert step_of(at_consent) == "consent"


def test_co07_a_no_to_more_takes_nothing_back(browser: Browser, app: App) -> None:
    """An app asks for more than before and is told no: that is no way to sign the person out of it."""
    browser.sign_in(app.url(scope="openid profile"))
    browser.open(app.url())
    assert answer_of(browser.submit("deny", action="/consent"))["error"] == "access_denied"
    assert "code" in answer_of(browser.open(app.url(scope="openid profile")))


def test_co07_a_no_by_form_post(browser: Browser, app: App) -> None:
    """An app that chose form_post is told no, and gets an error there with its state and our name."""
    browser.open(app.url(response_mode="form_post"))
    browser.submit(username=BEN, password=BENS_PASSWORD)
    page = browser.submit("deny", action="/consent")
    (form,) = forms(page.text)
    assert form.action == CALLBACK
    assert form.fields["error"] == "access_denied"
    assert (form.fields["state"], form.fields["iss"]) == ("state-123", browser.issuer)


def test_an_answer_by_form_post_waits_for_a_click_where_no_script_runs(browser: Browser, app: App) -> None:
    page = browser.sign_in(app.url(response_mode="form_post"))
    (form,) = forms(page.text)
    assert form.action == CALLBACK
    assert form.fields.keys() == {"code", "state", "iss"}
    assert 'id="continue"' in page.text
    assert title_of(page).startswith("Back to Billing")
    assert page.headers["cache-control"] == "no-store"


def test_an_app_asks_again_after_its_access_was_withdrawn(provider: Provider, browser: Browser, app: App) -> None:
    tokens = tokens_for(provider, app.client, browser)
    page = browser.open(own.APPS)
    assert "Billing" in page.text
    assert "app.example.com" in page.text
    browser.submit(action="/withdraw")
    assert "No app has access" in page_of(browser).text
    refused = token_request(provider, app.client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    browser.open(app.url())
    assert step_of(browser) == "consent"


def test_withdrawing_twice_is_as_good_as_once(browser: Browser, app: App) -> None:
    browser.sign_in(app.url())
    page = browser.open(own.APPS)
    for _ in range(2):
        browser.page = page
        browser.submit(action="/withdraw")
        assert "No app has access" in page_of(browser).text


def test_withdrawing_from_an_app_that_is_not_there_changes_nothing(
    provider: Provider, browser: Browser, app: App
) -> None:
    browser.sign_in(app.url())
    token = forms(browser.open("/").text)[0].fields["csrf"]
    for client_id in ("never-was", "%00", "..%2f..", "%0d%0aX-A:%20b", "'"):
        answer = post(browser, f"{own.APPS}/{client_id}/withdraw", csrf=token)
        assert answer.status_code in (303, 404), client_id
        assert "x-a" not in answer.headers
    assert count(provider, CONSENTS) == 1


def test_a_permission_of_the_apps_own_is_shown_by_its_name(provider: Provider, browser: Browser) -> None:
    own = App(provider.create_client("--scope", "openid invoices.read", "--public", name="Invoices"))
    query(provider, "DELETE FROM consents")
    browser.open(own.url(scope="openid invoices.read"))
    browser.submit(username=BEN, password=BENS_PASSWORD)
    assert "invoices.read" in listed(page_of(browser).text, "Invoices will get")
    assert PASSWORD not in page_of(browser).text


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_decision_that_was_sent_twice_counts_once(
    provider: Provider, at_consent: Browser, app: App, decision: str
) -> None:
    form = next(form for form in forms(page_of(at_consent).text) if form.action.endswith("/consent"))
    first = post(at_consent, form.action, **form.fields | {"decision": decision})
    second = post(at_consent, form.action, **form.fields | {"decision": "allow"})
    if decision == "allow":
        assert "code" in answer_of(first)
        again = at_consent.open(second.headers["location"])  # it began again and had nothing left to ask
        assert "code" in answer_of(again)
    else:
        assert first.headers["location"] == second.headers["location"] == path_of(at_consent)
        assert answer_of(at_consent.open(path_of(at_consent)))["error"] == "access_denied"
        assert count(provider, CONSENTS) == 0
        at_consent.open(second.headers["location"])
        assert step_of(at_consent) == "consent"  # and here it asks again


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (("--name", "Your Bank"), True),
        (("--redirect-uri", CALLBACK, "--redirect-uri", "https://elsewhere.example.net/cb"), True),
        (("--redirect-uri", CALLBACK, "--redirect-uri", f"{CALLBACK}/two"), False),
        (("--name", "Your Bank", "--keep-consents"), False),
    ],
    ids=["name", "host", "path", "kept"],
)
def test_co_06_an_app_that_people_would_not_know_any_more_is_allowed_anew(
    provider: Provider, people: People, browser: Browser, change: tuple[str, ...], *, asked: bool
) -> None:
    """A harmless app is allowed by many; then it changes its name, or sends people to another host."""
    app = App(provider.create_client(name="Dice"))
    browser.sign_in(app.url())
    assert "code" in answer_of(browser.open(app.url()))
    provider.cli("client", "update", app.client_id, *change)
    answer = browser.open(app.url())
    if asked:
        assert step_of(browser) == "consent"
        browser.submit("allow", action="/consent")
        answer = browser.open(app.url())
    assert "code" in answer_of(answer)
