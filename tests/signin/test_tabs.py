"""Back button, reload, bookmark and ten parallel tabs all end in a working page; a blocked cookie ends in one too."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.provider import EMAIL, PASSWORD, TLS, Browser, Provider, answer_of, authorize_url, forms, pkce, redeem
from tests.signin.conftest import App
from tests.signin.reading import (
    CODES,
    SESSIONS,
    count,
    heading_of,
    page_of,
    path_of,
    post,
    reference_in,
    state_of,
    step_of,
    token_of,
)


def finish(browser: Browser) -> dict[str, str]:
    """What the app is told when the person does what each page asks."""
    for _ in range(6):
        page = page_of(browser)
        if page.is_redirect:
            break
        if 'id="allow"' in page.text:
            browser.submit("allow", action="/consent")
        elif "/identify" in page.text:
            browser.submit(action="/identify", username=EMAIL)
        elif "/password" in page.text:
            browser.submit(action="/password", password=PASSWORD)
        else:
            raise AssertionError(page.text)
    return answer_of(page_of(browser))


@pytest.mark.parametrize("steps", [0, 1, 2], ids=["identify", "password", "consent"])
def test_ten_tabs_in_one_browser_each_finish(provider: Provider, app: App, browser: Browser, steps: int) -> None:
    """Each tab stands at the same step when the first one goes on; the others then send what they still show."""
    proofs, tabs = [pkce() for _ in range(10)], []
    for number, proof in enumerate(proofs):
        browser.open(authorize_url(app.client, proof.challenge, state=f"tab-{number}"))
        if steps > 0 and step_of(browser) == "identify":
            browser.submit(action="/identify", username=EMAIL)
        if steps > 1 and step_of(browser) == "password":
            browser.submit(action="/password", password=PASSWORD)
        tabs.append(page_of(browser))
    assert len({tab.url for tab in tabs}) == 10
    for number, (tab, proof) in enumerate(zip(tabs, proofs, strict=True)):
        browser.page = tab
        answer = finish(browser)
        assert answer["state"] == f"tab-{number}"
        assert redeem(provider, app.client, answer["code"], proof.verifier).status_code == 200


def test_a_form_that_was_shown_before_somebody_signed_in_elsewhere_leads_to_its_page_as_it_is_now(
    at_password: Browser, app: App
) -> None:
    stale = page_of(at_password)
    at_password.open(app.url())
    at_password.submit(username=EMAIL)
    at_password.submit(password=PASSWORD)
    at_password.page = stale
    at_password.submit(action="/password", password=PASSWORD)
    assert step_of(at_password) == "consent"
    assert page_of(at_password).url == stale.url


@pytest.mark.parametrize("steps", [0, 1, 2], ids=["identify", "password", "consent"])
def test_a_reload_shows_the_same_step(app: App, browser: Browser, steps: int) -> None:
    browser.open(app.url())
    if steps > 0:
        browser.submit(username=EMAIL)
    if steps > 1:
        browser.submit(password=PASSWORD)
    before = step_of(browser)
    assert browser.open(path_of(browser)).status_code == 200
    assert step_of(browser) == before == ["identify", "password", "consent"][steps]
    assert finish(browser)["code"]


def test_the_back_button_after_the_end_gives_the_app_another_code(at_consent: Browser) -> None:
    path = path_of(at_consent)
    first = finish(at_consent)["code"]
    again = answer_of(at_consent.open(path))
    assert again["code"] != first
    assert again["state"] == "state-123"


def test_a_form_of_an_attempt_that_is_done_goes_on_to_the_app(at_consent: Browser) -> None:
    asked = page_of(at_consent)
    first = finish(at_consent)["code"]
    at_consent.page = asked
    assert answer_of(at_consent.submit("allow", action="/consent"))["code"] != first


@pytest.mark.parametrize(("path", "fields"), [("password", {"password": PASSWORD}), ("consent", {"decision": "allow"})])
def test_a_form_that_is_sent_twice_at_once_ends_at_the_app_both_times(
    app: App, browser: Browser, path: str, fields: dict[str, str]
) -> None:
    browser.open(app.url())
    browser.submit(username=EMAIL)
    if path == "consent":
        browser.submit(password=PASSWORD)
    form = next(form for form in forms(page_of(browser).text) if form.action.endswith(path))
    cookies = dict(browser.http.cookies)

    def send(_: int) -> Browser:
        twin = Browser(browser.issuer)
        twin.http.cookies.update(cookies)
        twin._follow(twin.http.post(form.action, data=form.fields | fields, headers={"Origin": browser.issuer}))
        return twin

    with ThreadPoolExecutor(2) as pool:
        answers = [finish(twin) for twin in pool.map(send, range(2))]
    assert len({answer["code"] for answer in answers}) == 2


@pytest.mark.parametrize("path", ["identify", "password", "consent", "switch", "send-code"])
def test_the_address_of_a_form_leads_back_to_the_page_when_it_is_opened(at_password: Browser, path: str) -> None:
    answer = at_password.http.get(f"{path_of(at_password)}/{path}")
    assert (answer.status_code, answer.headers["location"]) == (303, path_of(at_password))


def test_se02_an_attempt_of_another_browser_cannot_be_adopted(
    provider: Provider, at_password: Browser, app: App
) -> None:
    """The attacker begins a sign-in and sends its address to somebody who would finish it for him."""
    path, other = path_of(at_password), Browser(provider.issuer)
    other.open(app.url())
    own_cookie = dict(other.http.cookies)
    form = forms(page_of(at_password).text)[0]
    answer = post(other, form.action, **form.fields | {"password": PASSWORD})
    assert answer.headers["location"].startswith("/authorize?")
    assert "idp_session" not in str(other.http.cookies)
    other.open(path)
    assert dict(other.http.cookies) == own_cookie
    assert step_of(other) == "identify"  # of a sign-in of its own
    assert path_of(other) != path
    assert finish(other)["code"]
    assert finish(at_password)["code"]  # and the first browser lost nothing


def test_where_another_browser_begins_anew_it_repeats_the_request(
    provider: Provider, browser: Browser, app: App
) -> None:
    asked = app.url(prompt="login", max_age="600", login_hint=EMAIL)
    browser.open(asked)
    other = Browser(provider.issuer)
    other.open(app.url())
    location = other.http.get(path_of(browser)).headers["location"]
    sent, repeated = parse_qs(urlsplit(asked).query), parse_qs(urlsplit(location).query)
    assert repeated == sent | {"response_mode": ["query"]}


def test_a_script_that_asks_for_the_step_of_another_cookies_sign_in_gets_no_code(
    provider: Provider, browser: Browser, app: App
) -> None:
    """Its page would follow the redirect to the app, be stopped by its policy, and wait for ever."""
    browser.open(app.url())
    other = Browser(provider.issuer)
    other.sign_in(app.url())
    codes = count(provider, CODES)
    answer = other.http.get(f"{path_of(browser)}/step")
    assert (answer.status_code, answer.json()) == (200, {"step": None})
    assert count(provider, CODES) == codes


def test_ten_tabs_opened_at_once_in_a_fresh_browser_each_finish(provider: Provider, app: App) -> None:
    """None of them knew the cookie of another: the browser keeps the last one, and the others begin again with it."""
    proofs = [pkce() for _ in range(10)]
    fresh = [Browser(provider.issuer) for _ in proofs]
    for tab, proof in zip(fresh, proofs, strict=True):
        tab.open(authorize_url(app.client, proof.challenge))
    cookies = fresh[-1].http.cookies
    for tab, proof in zip(fresh, proofs, strict=True):
        tab.http.cookies = cookies
        tab.submit(action="/identify", username=EMAIL)
        assert EMAIL in page_of(tab).text or page_of(tab).is_redirect
        assert redeem(provider, app.client, finish(tab)["code"], proof.verifier).status_code == 200


@pytest.mark.parametrize("response_mode", ["query", "form_post"])
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_every_post_is_answered_by_a_redirect(browser: Browser, app: App, response_mode: str, decision: str) -> None:
    """Or a reload would ask whether to send the password again."""
    browser.open(app.url(response_mode=response_mode, prompt="consent"))
    form = {"csrf": token_of(browser), "username": EMAIL, "password": PASSWORD}
    answer = post(browser, f"{path_of(browser)}/identify", **form)
    assert answer.status_code == 303
    browser.open(answer.headers["location"])
    assert step_of(browser) == "consent"
    answer = post(browser, f"{path_of(browser)}/consent", csrf=token_of(browser), decision=decision)
    assert answer.status_code == 303
    if response_mode == "form_post":
        page = browser.open(answer.headers["location"])
        assert ('name="code"' if decision == "allow" else 'value="access_denied"') in page.text


def test_a_session_cookie_that_is_not_kept_is_said_so(at_consent: Browser, app: App) -> None:
    session = next(name for name in at_consent.http.cookies if "session" in name)
    at_consent.http.cookies.delete(session)
    page = at_consent.open(path_of(at_consent))
    assert (page.status_code, heading_of(page)) == (400, "Your browser does not keep our cookie")
    assert f'href="{path_of(at_consent)}"' in page.text


@pytest.mark.parametrize("by_link", [False, True])
def test_a_browser_that_keeps_no_cookie_is_told_so_and_sent_in_no_circle(
    provider: Provider, app: App, by_link: bool
) -> None:
    browser, hops = Browser(provider.issuer), 0
    browser.open(app.url())
    browser.http.cookies.clear()
    path, form = path_of(browser), forms(page_of(browser).text)[0]
    fields = form.fields | {"username": EMAIL}
    answer = browser.http.get(path) if by_link else post(browser, form.action, **fields)
    while answer.is_redirect:
        hops += 1
        assert hops <= 3
        answer = httpx2.get(provider.issuer + answer.headers["location"], timeout=30, verify=TLS)
    assert (answer.status_code, heading_of(answer)) == (400, "Your browser does not keep our cookie")
    assert reference_in(answer) == answer.headers["x-request-id"]


def test_a_link_to_an_attempt_that_never_was_says_so(browser: Browser, app: App) -> None:
    browser.open(app.url())
    answer = browser.open("/signin/never-was")
    assert (answer.status_code, heading_of(answer)) == (410, "This sign-in is over")


def test_az27_two_hundred_open_tabs_cost_one_cookie(provider: Provider, app: App, browser: Browser) -> None:
    """A page opens sign-ins by the hundred in one browser, until its cookies are too many for any server."""
    for _ in range(200):
        browser.open(app.url())
    sent = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    assert len(browser.http.cookies) == 1
    assert len(sent) < 200
    assert finish(browser)["code"]


def test_a_tab_that_asks_how_far_it_is_changes_nothing(provider: Provider, at_consent: Browser) -> None:
    """Its script asks when the tab is looked at again, also after another tab has finished the same attempt."""
    path = path_of(at_consent)
    assert at_consent.http.get(f"{path}/step").json() == {"step": "consent"}
    finish(at_consent)
    attempts = count(provider, "SELECT count(*) FROM attempts")
    codes = count(provider, "SELECT count(*) FROM handles")
    assert at_consent.http.get(f"{path}/step").json() == {"step": None}
    assert count(provider, "SELECT count(*) FROM attempts") == attempts
    assert count(provider, "SELECT count(*) FROM handles") == codes


def test_do_09_opening_sign_ins_writes_nothing(provider: Provider, app: App) -> None:
    """The attacker opens sign-ins by the thousand, to fill the disk."""
    before = state_of(provider)
    for _ in range(20):
        browser = Browser(provider.issuer)
        browser.open(app.url(state="s" * 1000, nonce="n" * 1000))
        browser.open(path_of(browser))
        assert step_of(browser) == "identify"
        assert browser.http.get(f"{path_of(browser)}/step").json() == {"step": "identify"}
    assert state_of(provider) == before


def test_a_request_that_is_too_long_for_an_address_is_kept_and_signs_in(browser: Browser, app: App) -> None:
    state = '"' * 2000
    browser.open(app.url(state=state, nonce='"' * 1000))
    assert len(path_of(browser)) < 100
    browser.open(path_of(browser))
    assert finish(browser)["state"] == state


def test_a_visitor_who_did_nothing_has_no_session(provider: Provider, browser: Browser, app: App) -> None:
    before = count(provider, SESSIONS)
    browser.open("/")
    assert not browser.http.cookies
    browser.open(app.url())
    browser.submit(username=EMAIL)
    assert count(provider, SESSIONS) == before
    assert [name for name in browser.http.cookies if "session" in name] == []
