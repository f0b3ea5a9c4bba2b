"""The account pages: what changes how a person signs in wants fresh proof, from a page of ours, and is theirs alone."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

import httpx2
import pyotp
import pytest

from idp.protocol.claims import ACR_TWO_FACTORS
from idp.web import own
from tests.authenticators import Device
from tests.oauth.wire import claims_of
from tests.provider import EMAIL, PASSWORD, TLS, Browser, Provider, authorize_url, forms, running, tokens_for
from tests.signin.conftest import BEN, BENS_PASSWORD
from tests.signin.passkeys import given
from tests.signin.reading import SESSIONS, count, heading_of, page_of, post, query, sid_of, step_of

ANOTHER_PASSWORD = "seven bright green umbrellas"
SECURITY_HEADING, OLD = "Security", timedelta(minutes=6)
CODE = re.compile(r"<li>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})</li>")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("account")) as provider:
        provider.create_user()
        provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
        yield provider


@pytest.fixture
def provider(installation: Provider) -> Iterator[Provider]:
    """Ana and Ben as they were created, signed in nowhere."""
    before = query(installation, "SELECT id, data, version FROM credentials")
    yield installation
    for each, data, version in before:
        query(installation, "UPDATE credentials SET data = ?, version = ? WHERE id = ?", data, version, each)
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    query(installation, "DELETE FROM sessions")


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider where everybody needs a second factor."""
    with running(tmp_path_factory.mktemp("careful"), second_factor="required") as provider:
        provider.create_user()
        yield provider


def signed_in(provider: Provider, page: str = own.SECURITY, email: str = EMAIL, password: str = PASSWORD) -> Browser:
    """A browser that looks at a page of the account, its person having signed in for it a moment ago."""
    browser = Browser(provider.issuer)
    browser.open(page)
    browser.submit(action="/identify", username=email)
    browser.submit(action="/password", password=password)
    return browser


def age(provider: Provider, browser: Browser, by: timedelta = OLD) -> None:
    """As if the person had proved who they are so long ago."""
    then = (datetime.now(UTC) - by).isoformat(sep=" ")
    query(provider, "UPDATE sessions SET authenticated_at = ? WHERE id = ?", then, sid_of(provider, browser))


def secret_on(page: httpx2.Response) -> str:
    found = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', page.text)
    assert found is not None
    return found[1].replace(" ", "")


def code_of(secret: str, steps: int = 0) -> str:
    return str(pyotp.TOTP(secret).at(datetime.now(UTC) + steps * timedelta(seconds=30)))


def with_device(provider: Provider, name: str = "Phone") -> tuple[Browser, str, list[str]]:
    """A person who has just set up an app, and looks at the overview; its secret, and the recovery codes."""
    browser = signed_in(provider, own.AUTHENTICATOR)
    secret, codes = secret_on(page_of(browser)), CODE.findall(page_of(browser).text)
    browser.submit(code=code_of(secret), name=name)
    return browser, secret, codes


def factors(provider: Provider) -> list[str]:
    return [name for (name,) in query(provider, "SELECT factor FROM credentials ORDER BY 1") if name != "password"]


def last_event(provider: Provider) -> str:
    return str(query(provider, "SELECT event FROM audit ORDER BY id DESC LIMIT 1")[0][0])


@pytest.mark.parametrize("page", [page for page in own.PAGES if page != own.HOME])
def test_who_is_not_signed_in_signs_in_for_the_page_and_comes_back_to_it(provider: Provider, page: str) -> None:
    browser = Browser(provider.issuer)
    browser.open(page)
    assert step_of(browser) == "identify"
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    # there are no recovery codes without a device, and nothing to confirm of an address that is
    assert page_of(browser).url.path == (own.SECURITY if page in (own.RECOVERY_CODES, own.ADDRESS) else page)


def test_a_person_signs_in_at_the_home_page_without_any_app(provider: Provider) -> None:
    browser = Browser(provider.issuer)
    browser.open(own.confirm(own.HOME))
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    assert heading_of(page_of(browser)) == "You are signed in"
    assert count(provider, "SELECT count(*) FROM handles WHERE kind = 'code'") == 0  # nobody would redeem it


@pytest.mark.parametrize(
    "page", ["nowhere", "/evil.example", "\\evil.example", "account", "security/", "%2Fevil.example", ""]
)
def test_ru_11_confirming_leads_to_pages_of_ours_alone(provider: Provider, page: str) -> None:
    """The attacker sends a link that confirms who somebody is and then goes to a page of the attacker's."""
    browser = Browser(provider.issuer)
    answer = browser.open(f"/confirm/{page}")
    assert (answer.status_code, answer.is_redirect) == (404, False)


def test_the_sign_in_of_our_own_pages_is_no_app_at_the_authorization_endpoint(provider: Provider) -> None:
    own_client = {"client_id": own.CLIENT_ID, "redirect_uris": [provider.issuer + own.SECURITY]}
    assert Browser(provider.issuer).open(authorize_url(own_client, "x" * 43)).status_code == 400


@pytest.mark.parametrize("page", [own.PASSWORD, own.AUTHENTICATOR])
def test_mf_07_an_old_session_shows_nothing_that_opens_the_account(provider: Provider, page: str) -> None:
    """The attacker finds a browser in which somebody signed in this morning, and sets up a device of his own."""
    browser = signed_in(provider)
    age(provider, browser)
    browser.open(own.SECURITY)
    assert heading_of(page_of(browser)) == SECURITY_HEADING  # which shows no secret
    browser.open(page)
    assert step_of(browser) == "password"
    browser.submit(action="/password", password=PASSWORD)
    assert page_of(browser).url.path == page


def test_mf_07_a_post_with_an_old_session_changes_nothing(provider: Provider) -> None:
    """The attacker posts the form of a page that was left open."""
    browser = signed_in(provider, own.AUTHENTICATOR)
    secret = secret_on(page_of(browser))
    age(provider, browser)
    browser.submit(code=code_of(secret))
    assert step_of(browser) == "password"
    assert factors(provider) == []


@pytest.mark.parametrize("strict", ["", "A" * 43])
def test_cs_02_a_post_without_the_strict_cookie_changes_nothing(provider: Provider, strict: str) -> None:
    """The attacker found a way to have our form posted from another site: browsers leave the Strict cookie out."""
    browser = signed_in(provider, own.AUTHENTICATOR)
    secret, name = secret_on(page_of(browser)), f"idp_strict_{provider.port}"
    del browser.http.cookies[name]
    if strict:
        browser.http.cookies.set(name, strict)
    browser.submit(code=code_of(secret))
    assert factors(provider) == []
    assert step_of(browser) == "password"  # a moment ago is not enough without it
    if not strict:
        browser.submit(action="/password", password=PASSWORD)
        assert page_of(browser).url.path == own.AUTHENTICATOR


def test_an_app_that_was_added_is_asked_for_at_the_next_sign_in(provider: Provider) -> None:
    browser, secret, codes = with_device(provider, "My phone")
    assert "My phone" in page_of(browser).text
    assert len(set(codes)) == 10
    other = signed_in(provider)
    assert step_of(other) == "factor"
    other.submit(action="/factor", code=code_of(secret, 1))
    assert heading_of(page_of(other)) == SECURITY_HEADING
    third = signed_in(provider)
    third.submit(action="/factor", method="recovery", code=codes[3])
    assert "You have 9 left" in page_of(third).text


def test_the_first_app_ends_sessions_that_began_without_it_and_this_one_has_two_factors_now(
    provider: Provider,
) -> None:
    signed_in(provider)
    browser, _, _ = with_device(provider)
    assert count(provider, SESSIONS) == 1
    client = provider.create_client()
    assert claims_of(tokens_for(provider, client, browser)["id_token"])["acr"] == ACR_TWO_FACTORS


def test_several_apps_each_count_and_the_codes_are_kept(provider: Provider) -> None:
    browser, first, _ = with_device(provider, "Phone")
    browser.open(own.AUTHENTICATOR)
    assert CODE.findall(page_of(browser).text) == []
    second = secret_on(page_of(browser))
    assert second != first
    browser.submit(code=code_of(second), name="Tablet")
    assert factors(provider) == ["recovery", "totp", "totp"]
    for secret in (first, second):
        other = signed_in(provider)
        other.submit(action="/factor", code=code_of(secret, 1))
        assert heading_of(page_of(other)) == SECURITY_HEADING


def test_ot_06_nothing_counts_before_its_first_code_and_a_wrong_one_loses_nothing(provider: Provider) -> None:
    """The attacker makes somebody abandon a setup, so that they have a second factor that nobody holds."""
    browser = signed_in(provider, own.AUTHENTICATOR)
    secret = secret_on(page_of(browser))
    wrong = "000000" if code_of(secret) != "000000" else "111111"
    page = browser.submit(code=wrong, name="Phone")
    assert "The code is not right" in page.text
    assert secret_on(page) == secret
    assert factors(provider) == []
    browser.submit(code=code_of(secret))
    assert factors(provider) == ["recovery", "totp"]


def test_the_last_app_takes_the_recovery_codes_with_it(provider: Provider) -> None:
    browser, _, _ = with_device(provider)
    page = browser.submit(action="/remove")
    assert "was removed" in page.text
    assert factors(provider) == []
    assert last_event(provider) == "factor.removed"
    assert heading_of(page_of(signed_in(provider))) == SECURITY_HEADING


def test_mf_10_nobody_removes_what_is_another_persons(provider: Provider) -> None:
    """The attacker puts the id of somebody else's device into the address of the form."""
    browser, _, _ = with_device(provider)
    action = next(form.action for form in forms(page_of(browser).text) if form.action.endswith("/remove"))
    ben = signed_in(provider, own.PASSWORD, BEN, BENS_PASSWORD)
    token = forms(page_of(ben).text)[0].fields["csrf"]
    for path in (action, action.replace("/remove", "x/remove")):  # theirs, and one that does not exist
        answer = post(ben, path, csrf=token)
        assert (answer.status_code, answer.headers["location"]) == (303, own.SECURITY)
    assert factors(provider) == ["recovery", "totp"]


def test_where_everybody_needs_a_second_factor_the_last_one_stays(careful: Provider) -> None:
    browser = Browser(careful.issuer)
    browser.open(own.SECURITY)
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    browser.submit(action="/enrol", code=code_of(secret_on(page_of(browser))))
    assert heading_of(page_of(browser)) == SECURITY_HEADING
    page = browser.submit(action="/remove")
    assert "your only second step" in page.text
    assert factors(careful) == ["recovery", "totp"]


def test_new_recovery_codes_count_once_they_are_said_to_be_kept(provider: Provider) -> None:
    browser, _, old = with_device(provider)
    browser.open(own.RECOVERY_CODES)
    seen = CODE.findall(page_of(browser).text)
    assert set(seen).isdisjoint(old)
    other = signed_in(provider)
    other.submit(action="/factor", method="recovery", code=old[0])
    assert heading_of(page_of(other)) == SECURITY_HEADING
    browser.submit()
    third = signed_in(provider)
    third.submit(action="/factor", method="recovery", code=old[1])
    assert step_of(third) == "factor"
    third.submit(action="/factor", method="recovery", code=seen[1])
    assert heading_of(page_of(third)) == SECURITY_HEADING


def test_ot_08_a_form_that_was_used_does_not_bring_used_codes_back(provider: Provider) -> None:
    """The attacker, who has a used recovery code, posts the form again with which it was made."""
    browser, _, _ = with_device(provider)
    page = browser.open(own.RECOVERY_CODES)
    form, codes = forms(page.text)[0], CODE.findall(page.text)
    browser.submit()
    other = signed_in(provider)
    other.submit(action="/factor", method="recovery", code=codes[0])
    post(browser, form.action, **form.fields)
    third = signed_in(provider)
    third.submit(action="/factor", method="recovery", code=codes[0])
    assert step_of(third) == "factor"


def test_a_new_password_counts_at_once_and_ends_everything_elsewhere(provider: Provider) -> None:
    client = provider.create_client("--grant-type", "authorization_code", "--grant-type", "refresh_token")
    elsewhere = Browser(provider.issuer)
    tokens_for(provider, client, elsewhere)
    browser = signed_in(provider, own.PASSWORD)
    page = browser.submit(current=PASSWORD, password=ANOTHER_PASSWORD, elsewhere="end")
    assert "Your new password counts" in page.text
    assert elsewhere.open(own.SECURITY).url.path != own.SECURITY
    assert (
        count(provider, "SELECT count(*) FROM grants WHERE ended_at IS NULL AND client_id = ?", client["client_id"])
        == 0
    )
    assert heading_of(browser.open(own.SECURITY)) == SECURITY_HEADING
    assert step_of(signed_in(provider)) == "password"
    assert heading_of(page_of(signed_in(provider, password=ANOTHER_PASSWORD))) == SECURITY_HEADING


def test_sessions_elsewhere_stay_where_the_person_says_so(provider: Provider) -> None:
    other = signed_in(provider)
    browser = signed_in(provider, own.PASSWORD)
    browser.submit(current=PASSWORD, password=ANOTHER_PASSWORD, elsewhere="")
    assert heading_of(other.open(own.SECURITY)) == SECURITY_HEADING


@pytest.mark.parametrize("current", ["", "not the right one", PASSWORD.upper()])
def test_pw_08_a_password_is_not_changed_without_the_present_one(provider: Provider, current: str) -> None:
    """The attacker sits down at an open screen and takes the account by setting a password of his own."""
    browser = signed_in(provider, own.PASSWORD)
    page = browser.submit(current=current, password=ANOTHER_PASSWORD)
    assert "is not right" in page.text
    assert last_event(provider) == "password.not_changed"
    assert heading_of(page_of(signed_in(provider))) == SECURITY_HEADING


def test_pw_08_a_password_is_not_changed_by_a_stale_session(provider: Provider) -> None:
    """The attacker has a session of this morning, and even the password."""
    browser = signed_in(provider, own.PASSWORD)
    age(provider, browser)
    browser.submit(current=PASSWORD, password=ANOTHER_PASSWORD)
    assert step_of(browser) == "password"
    assert heading_of(page_of(signed_in(provider))) == SECURITY_HEADING


@pytest.mark.parametrize("new", ["short", "password1234", "a" * 300, EMAIL])
def test_a_new_password_that_is_too_weak_is_refused_with_the_reason(provider: Provider, new: str) -> None:
    browser = signed_in(provider, own.PASSWORD)
    page = browser.submit(current=PASSWORD, password=new)
    assert page.url.path == own.PASSWORD
    assert re.search(r'role="alert"[^>]*><p>[^<]{20,}', page.text)
    assert "<title>Error: " in page.text
    assert heading_of(page_of(signed_in(provider))) == SECURITY_HEADING


def test_xi_01_nobody_else_puts_words_onto_an_account_page(provider: Provider) -> None:
    """The attacker sends a link to a page of the account which says what he wants it to say."""
    browser, other = signed_in(provider, own.PASSWORD), signed_in(provider, own.PASSWORD)
    said = other.submit(current="wrong", password=ANOTHER_PASSWORD)
    assert "is not right" in said.text
    for told in (str(said.url.params["told"]), "Call 555-0100", "A" * 200, ""):
        page = browser.open(f"{own.PASSWORD}?{httpx2.QueryParams(told=told)}")
        assert 'role="alert"' not in page.text
        assert 'role="status"><p' not in page.text


def test_mf_15_who_is_disabled_meanwhile_changes_nothing(provider: Provider) -> None:
    """The operator disables an account while its thief is at the form that would keep them in."""
    browser = signed_in(provider, own.AUTHENTICATOR)
    secret = secret_on(page_of(browser))
    provider.cli("user", "disable", EMAIL)
    browser.submit(code=code_of(secret))
    provider.cli("user", "enable", EMAIL)
    assert factors(provider) == []


def test_ra_02_a_setup_that_is_posted_eight_times_at_once_makes_one_device(provider: Provider) -> None:
    """The attacker, or an impatient person, sends the same form again and again."""
    browser = signed_in(provider, own.AUTHENTICATOR)
    form, secret = forms(page_of(browser).text)[0], secret_on(page_of(browser))
    fields = form.fields | {"code": code_of(secret)}
    cookie = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())

    def send(_: int) -> int:
        headers = {"Cookie": cookie, "Origin": provider.issuer}
        url = urljoin(provider.issuer, form.action)
        return httpx2.post(url, data=fields, headers=headers, timeout=30, verify=TLS).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(8))) == {303}
    assert factors(provider) == ["recovery", "totp"]


@pytest.mark.parametrize("taken", ["authenticator", "recovery codes"])
def test_se_06_what_a_person_takes_away_ends_what_others_got_in_by_with_it(provider: Provider, taken: str) -> None:
    """The thief signed in with the victim's stolen device, and adds one of his own after the stolen one was removed."""
    browser, secret, _ = with_device(provider)
    thief = Browser(provider.issuer)
    thief.open(f"{own.SECURITY}")
    thief.submit(action="/identify", username=EMAIL)
    thief.submit(action="/password", password=PASSWORD)
    thief.submit(action="/factor", method="totp", code=code_of(secret, 1))
    assert heading_of(page_of(thief)) == SECURITY_HEADING
    assert count(provider, SESSIONS) == 2
    if taken == "authenticator":
        page = browser.submit(action="/remove")
    else:
        browser.open(own.RECOVERY_CODES)
        page = browser.submit(action=own.RECOVERY_CODES)
    assert "all your other sessions ended" in page.text
    assert count(provider, SESSIONS) == 1
    thief.open(own.AUTHENTICATOR)
    assert step_of(thief) in ("identify", "password")


def test_of_two_setups_in_two_tabs_the_second_says_that_its_recovery_codes_do_not_count(provider: Provider) -> None:
    first = signed_in(provider, own.AUTHENTICATOR)
    second = Browser(provider.issuer)
    second.http = first.http
    second.open(own.AUTHENTICATOR)
    page = first.submit(code=code_of(secret_on(page_of(first))), name="Phone")
    assert "recovery codes on that page" not in page.text
    page = second.submit(code=code_of(secret_on(page_of(second))), name="Tablet")
    assert "is set up" in page.text
    assert "The recovery codes on that page do not count" in page.text
    page = second.open(own.AUTHENTICATOR)
    assert "recovery codes" not in page.text
    page = second.submit(code=code_of(secret_on(page)), name="Watch")
    assert "is set up" in page.text
    assert "recovery codes on that page" not in page.text


@pytest.mark.parametrize("verifies", [True, False])
def test_a_passkey_that_cannot_stand_alone_is_no_other_way_in(provider: Provider, verifies: bool) -> None:
    ben = provider.cli("user", "show", BEN)["sub"]
    given(provider, Device(provider.issuer), BEN)
    given(provider, Device(provider.issuer), BEN, verifies=verifies)
    browser = signed_in(provider, own.SECURITY, BEN, BENS_PASSWORD)
    query(provider, "UPDATE credentials SET factor = 'lost' WHERE factor = 'password' AND user_id = ?", ben)
    try:
        (first, _) = [form.action for form in forms(page_of(browser).text) if form.action.endswith("/remove")]
        page = browser.submit(action=first)
        assert ("This is all that you can sign in with" in page.text) is not verifies
    finally:
        query(provider, "UPDATE credentials SET factor = 'password' WHERE factor = 'lost'")
