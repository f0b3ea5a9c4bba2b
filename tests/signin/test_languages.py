"""In which language a page and a mail are: what the app, the person, the browser and the operator say of it."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx2
import pytest

from tests.mail import Catcher, text_of
from tests.provider import EMAIL, PASSWORD, Browser, Provider, foot_of, running
from tests.signin.conftest import App
from tests.signin.reading import eventually, heading_of, page_of, post, query, step_of

FOOT = "/language"
ENGLISH, GERMAN, ARABIC = ("en", "ltr"), ("de", "ltr"), ("ar", "rtl")
HOSTILE = ["../../etc/passwd", "de\x00", "x" * 10_000, "%0d%0aSet-Cookie: a=b", "-", "дe"]


def tongue(response: httpx2.Response) -> tuple[str, str]:
    found = re.search(r'<html lang="([^"]*)" dir="([^"]*)">', response.text)
    assert found is not None, response.text[:200]
    return found[1], found[2]


def choose(browser: Browser, tag: str) -> httpx2.Response:
    """Presses the button of a language at the foot of the page, in a browser that says where it comes from."""
    form = foot_of(page_of(browser).text)
    browser.http.headers["Referer"] = str(page_of(browser).url)
    try:
        return browser._follow(post(browser, FOOT, **form.fields, language=tag))
    finally:
        del browser.http.headers["Referer"]


def accepting(provider: Provider, header: str) -> Browser:
    browser = Browser(provider.issuer)
    browser.http.headers["Accept-Language"] = header
    return browser


@pytest.mark.parametrize(
    ("ui_locales", "chosen", "header", "expected"),
    [
        ("", None, "", ENGLISH),
        ("", None, "ar, de;q=0.5", ARABIC),
        ("", "de", "ar", GERMAN),
        ("fr ar de", "de", "en", ARABIC),
        ("fr it", "de", "ar", GERMAN),
        ("fr it", None, "fr", ENGLISH),
    ],
)
def test_80_the_app_comes_first_then_the_person_then_the_browser_then_the_operator(
    provider: Provider, app: App, ui_locales: str, chosen: str | None, header: str, expected: tuple[str, str]
) -> None:
    browser = accepting(provider, header)
    if chosen is not None:
        browser.open("/")
        choose(browser, chosen)
    assert tongue(browser.open(app.url(ui_locales=ui_locales))) == expected


@pytest.mark.parametrize("hostile", HOSTILE)
def test_un_07_what_is_no_language_leaves_the_page_in_the_operators(provider: Provider, app: App, hostile: str) -> None:
    """The attacker sends a path, a header or ten kilobytes as a language, wherever one may be sent."""
    assert tongue(Browser(provider.issuer).open(app.url(ui_locales=hostile[:6000]))) == ENGLISH
    if hostile.isprintable() and hostile.isascii():
        assert tongue(accepting(provider, hostile).open("/")) == ENGLISH
        own = httpx2.get(f"{provider.issuer}/", headers={"Cookie": f"idp_language_{provider.port}={hostile}.1"})
        assert tongue(own) == ENGLISH
    answer = post(Browser(provider.issuer), FOOT, back="/", language=hostile)
    assert answer.status_code in (303, 403)  # a control character is in no form
    assert answer.headers.get("set-cookie") is None


def test_a_choice_in_a_sign_in_comes_before_what_its_app_wants_and_the_next_sign_in_begins_as_the_app_wants(
    browser: Browser, app: App
) -> None:
    assert tongue(browser.open(app.url(ui_locales="ar"))) == ARABIC
    assert tongue(choose(browser, "de")) == GERMAN
    browser.submit(action="/identify", username=EMAIL)
    assert (step_of(browser), tongue(page_of(browser))) == ("password", GERMAN)
    browser.submit(action="/password", password=PASSWORD)
    assert (step_of(browser), tongue(page_of(browser))) == ("consent", GERMAN)
    assert tongue(browser.open(app.url(ui_locales="ar", prompt="login"))) == ARABIC


def test_choosing_leads_back_to_the_same_page_of_the_same_sign_in(at_password: Browser) -> None:
    before = page_of(at_password).url.path
    choose(at_password, "ar")
    assert page_of(at_password).url.path == before
    assert heading_of(page_of(at_password)) == "تسجيل الدخول إلى Billing"
    at_password.submit(action="/password", password=PASSWORD)
    assert step_of(at_password) == "consent"


def test_82_an_error_page_and_an_account_page_are_in_the_language_and_can_be_switched(provider: Provider) -> None:
    browser = accepting(provider, "de")
    assert tongue(browser.open("/nowhere?a=1")) == GERMAN
    assert heading_of(page_of(browser)) == "Diese Seite gibt es nicht"
    choose(browser, "en")
    assert str(page_of(browser).url).endswith("/nowhere?a=1")
    assert heading_of(page_of(browser)) == "There is no such page"
    browser.open("/confirm/security")
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    assert heading_of(choose(browser, "de")) == "Sicherheit"
    assert page_of(browser).url.path == "/account/security"


def test_what_a_post_was_refused_for_is_said_in_the_language_and_leads_back_to_a_page(at_password: Browser) -> None:
    choose(at_password, "de")
    answer = post(at_password, page_of(at_password).url.path + "/password", csrf="wrong")
    assert heading_of(answer) == "Diesem Formular konnte nicht vertraut werden"
    foot = foot_of(answer.text)
    assert foot.fields["back"] == page_of(at_password).url.path


def test_a_fault_that_was_kept_is_said_in_the_language_of_who_looks(at_password: Browser) -> None:
    at_password.submit(action="/password", password="not the right one")
    assert "is not right. Check both" in page_of(at_password).text
    assert "stimmt nicht. Prüfen Sie beides" in choose(at_password, "de").text


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "evil", "", "/a\r\nX: y", "/ä", "/" + "a" * 9000],
)
def test_ru_04_the_way_back_never_leaves_the_provider(provider: Provider, back: str) -> None:
    """The attacker sends a person by the form for languages to a site of his own."""
    browser = Browser(provider.issuer)
    answer = post(browser, FOOT, back=back, language="de")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    browser.http.headers["Referer"] = (
        back if back.isascii() and back.isprintable() else f"{provider.issuer}//evil.example"
    )
    assert post(browser, FOOT, language="de").headers["location"] == "/"
    browser.http.headers["Referer"] = f"{provider.issuer}.evil.example/"
    assert post(browser, FOOT, language="de").headers["location"] == "/"


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_cs_02_another_site_chooses_no_language_for_anybody(provider: Provider, origin: str) -> None:
    """The attacker's page posts the form, so that people read what they do not understand."""
    answer = post(Browser(provider.issuer), FOOT, origin, back="/", language="ar")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_form_that_is_none_is_refused(provider: Provider) -> None:
    twice = urlencode([("language", "de"), ("language", "ar"), ("back", "/")])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert httpx2.post(provider.issuer + FOOT, content=twice, headers=headers).status_code == 403
    assert httpx2.post(provider.issuer + FOOT, json={"language": "de"}).status_code == 403


def test_the_cookie_of_a_language_opens_nothing_and_is_read_strictly(provider: Provider) -> None:
    answer = post(Browser(provider.issuer), FOOT, back="/", language="de")
    assert re.fullmatch(
        rf"idp_language_{provider.port}=de\.[0-9]{{13}}; HttpOnly; Max-Age=34560000; Path=/; SameSite=lax",
        answer.headers["set-cookie"],
    )
    for value in ("de", "de.", "de.x", "fr.1", ".1"):
        cookie = {"Cookie": f"idp_language_{provider.port}={value}", "Accept-Language": "ar"}
        assert tongue(httpx2.get(f"{provider.issuer}/", headers=cookie)) == ARABIC


def test_an_operator_offers_some_languages_and_says_which_is_the_first(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("languages")
    with running(folder, languages="de,ar", language="de") as provider:
        document = httpx2.get(f"{provider.issuer}/.well-known/openid-configuration").json()
        assert document["ui_locales_supported"] == ["de", "ar"]
        browser = accepting(provider, "en")
        assert tongue(browser.open("/")) == GERMAN
        foot = foot_of(page_of(browser).text)
        assert foot.buttons[""] == ("language", "ar")
        assert post(browser, FOOT, back="/", language="en").headers.get("set-cookie") is None


def test_one_language_alone_has_no_switch(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("one"), languages="en") as provider:
        assert FOOT not in httpx2.get(f"{provider.issuer}/").text


def test_pages_for_developers_stay_in_english(provider: Provider) -> None:
    found = httpx2.get(f"{provider.issuer}/errors/invalid_grant", headers={"Accept-Language": "ar"})
    assert tongue(found) == ENGLISH
    assert FOOT not in found.text


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    with running(tmp_path_factory.mktemp("mails"), smtp_url=mail_server.url, email_codes="sign_in") as provider:
        provider.create_user()
        provider.create_user("dana@example.test", name="Dana Example")
        provider.cli("user", "update", "dana@example.test", "--claim", "locale=ar-EG")
        yield provider


@pytest.mark.slow
@pytest.mark.parametrize(
    ("email", "header", "subject", "sentence"),
    [
        (EMAIL, "de", "Anmeldung bei localhost", "ignorieren Sie diese E-Mail"),
        (EMAIL, "", "Signing in to localhost", "ignore this mail"),
        ("dana@example.test", "de", "تسجيل الدخول إلى localhost", "فيمكن تجاهل هذه الرسالة"),
    ],
)
def test_82_a_mail_is_in_the_persons_own_language_or_that_of_the_request(
    mailing: Provider, mail_server: Catcher, email: str, header: str, subject: str, sentence: str
) -> None:
    eventually(mailing, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mail_server.clear()
    query(mailing, "DELETE FROM counters")
    browser = accepting(mailing, header)
    browser.open(App(mailing.create_client()).url())
    browser.submit(action="/identify", username=email)
    browser.submit(action="/send-code")
    mail = mail_server.newest()
    assert mail["Subject"] == subject
    assert sentence in text_of(mail)
    html = mail.get_body(("html",))
    assert html is not None
    assert re.search(r'<html lang="(\w+)" dir="(\w+)">', html.get_content()) is not None
