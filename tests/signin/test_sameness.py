"""EN-01, EN-08, EN-13, PW-11: who has an account here looks as who has none; what no page is, and what none says."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx2
import pytest

from idp.factors.message import MOST_TRIES
from idp.factors.throttling import MOST_FAILURES
from idp.signin.steps import Step
from idp.web import own
from tests.mail import Catcher
from tests.provider import EMAIL, PASSWORD, Browser, Provider, running
from tests.signin.conftest import BEN, BENS_PASSWORD, App
from tests.signin.reading import (
    eventually,
    heading_of,
    page_of,
    path_of,
    post,
    query,
    step_of,
    stripped,
    token_of,
)
from tests.signin.test_leaked_password import HASH, LEAKED
from tests.signin.test_second_factor import Device, secret_of, with_password

NOBODY = "bob@example.test"  # as long as Ana's address
CLAIMED = "cal@example.test"  # whose address nobody verified
GONE = "dis@example.test"
LEAH = "leah@example.test"
FREE, LOCK = 3, 5
TYPED = "typed-and-shown-again@example.test"


@dataclass(frozen=True)
class Told:
    """What somebody learns from one answer, but for what differs each time; cookies as names and attributes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


def told(answer: httpx2.Response, who: str) -> Told:
    seconds = answer.headers.get("retry-after", "none")
    headers = [
        (name, re.sub(rf"\b{seconds}\b", "SECONDS", re.sub(r"(/signin/|idp_\w+=)[\w.-]+", r"\1RANDOM", value)))
        for name, value in answer.headers.multi_items()
        if name not in ("date", "x-request-id")
    ]
    text = re.sub(r"<dd>\d+ \w+ \d{4}, [\d:]{8}\u00a0UTC</dd>", "TIME", stripped(answer).replace(who, "WHO"))
    text = re.sub(r'data-wait="\d+"', "data-wait", text).replace(f'content="{seconds};', 'content="SECONDS;')
    return Told(answer.status_code, tuple(sorted(headers)), re.sub(r"Wait \d+ (seconds?|minutes?)", "Wait", text))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    """Behind a proxy, with codes by mail, and with people for every page that there is."""
    folder = tmp_path_factory.mktemp("sameness")
    limits = {"failures_before_wait": str(FREE), "failures_before_lock": str(LOCK), "trusted_proxies": "127.0.0.1"}
    with running(folder, smtp_url=mail_server.url, email_codes="sign_in", **limits) as provider:
        provider.create_user()
        provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
        provider.create_user(GONE)
        provider.cli("user", "disable", GONE)
        provider.cli("user", "create", CLAIMED, "--password-stdin", stdin=PASSWORD + "\n")
        provider.cli("user", "create", LEAH, "--verified", "--password-hash-stdin", stdin=HASH)
        yield provider


@pytest.fixture(scope="module")
def registered(installation: Provider) -> App:
    return App(installation.create_client())


@pytest.fixture(scope="module")
def strict(installation: Provider) -> App:
    """An app that wants two factors."""
    return App(installation.create_client("--second-factor", "required"))


@pytest.fixture
def provider(installation: Provider, mail_server: Catcher) -> Provider:
    """Where nobody has guessed, has a device, is signed in or has mail on its way."""
    eventually(installation, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    mail_server.clear()
    for table in ("sessions", "grants", "consents", "failures", "counters", "email_codes", "outbox"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    return installation


@pytest.fixture
def app(provider: Provider, registered: App) -> App:
    return registered


@dataclass(frozen=True)
class Locking:
    """After how many guesses somebody had to wait and was locked out, and what was said then."""

    before_wait: int
    before_lock: int
    slowed: Told
    locked: Told


def guess_until_locked(provider: Provider, app: App, who: str) -> Locking:
    """Each guess from another network; a wait is waited for."""
    browser, guessed, slowed = Browser(provider.issuer), 0, None
    browser.open(app.url())
    browser.submit(action="/identify", username=who)
    path, token = path_of(browser), token_of(browser)
    while True:
        browser.http.headers["X-Forwarded-For"] = f"198.51.{guessed}.7"
        answer = post(browser, f"{path}/password", csrf=token, password=f"wrong {guessed}")
        if answer.status_code == 303:
            guessed += 1
            assert guessed <= MOST_FAILURES
            continue
        assert answer.status_code == 429
        if slowed is None:
            slowed = guessed, told(answer, who)
        if heading_of(answer) == "This account is locked":
            return Locking(slowed[0], guessed, slowed[1], told(answer, who))
        query(provider, "UPDATE failures SET newest = strftime('%Y-%m-%dT%H:%M:%f000Z', newest, '-15 minutes')")


@pytest.mark.slow
@pytest.mark.parametrize("who", [NOBODY, GONE])
def test_en_08_an_unknown_person_is_locked_after_as_many_guesses_with_the_same_page(
    provider: Provider, app: App, who: str
) -> None:
    """The attacker guesses for a name until it is locked, and counts, to learn whether it is somebody's."""
    known, other = guess_until_locked(provider, app, EMAIL), guess_until_locked(provider, app, who)
    assert (known.before_wait, known.before_lock) == (LOCK + 1, MOST_FAILURES)
    assert heading_of_told(known.slowed) == "Too many tries"
    assert other == known


def heading_of_told(answer: Told) -> str:
    found = re.search(r"<h1[^>]*>([^<]+)<", answer.body)
    assert found is not None
    return found[1]


def answers_by_mail(provider: Provider, app: App, who: str) -> list[Told]:
    """Every answer on the way from the first page past the last wrong code."""
    browser, seen = Browser(provider.issuer), list[httpx2.Response]()
    browser.http.event_hooks["response"].append(lambda answer: seen.append((answer.read(), answer)[1]))
    browser.open(app.url())
    browser.submit(action="/identify", username=who)
    browser.submit(action="/send-code")
    browser.submit(action="/send-code")
    for number in range(MOST_TRIES):
        assert step_of(browser) == "email", number
        browser.submit(action="/email", code="0000000" + str(number))
        query(provider, "DELETE FROM failures")
    assert step_of(browser) == "password"
    send = f"{path_of(browser)}/send-code", f"{path_of(browser)}/email"
    for path in send:
        post(browser, path, csrf=token_of(browser), code="00000000")
    return [told(answer, who) for answer in seen]


@pytest.mark.slow
@pytest.mark.parametrize("who", [NOBODY, CLAIMED, GONE])
def test_en_01_at_the_door_of_codes_by_mail_nothing_but_the_address_differs(
    provider: Provider, app: App, who: str
) -> None:
    """The attacker asks for codes and enters wrong ones, and compares texts, headers, lengths and cookies."""
    known, other = answers_by_mail(provider, app, EMAIL), answers_by_mail(provider, app, who)
    assert len(known) == len(other) == 2 + 2 + 2 * (1 + MOST_TRIES) + 3
    for expected, found in zip(known, other, strict=True):
        assert found == expected
    assert any(name == "set-cookie" for answer in known for name, _ in answer.headers)
    assert any("WHO" in answer.body for answer in known)


@pytest.mark.slow
@pytest.mark.parametrize("who", [NOBODY, GONE])
def test_en_01_en_08_wrong_codes_of_a_mail_make_everybody_wait_after_as_many(
    provider: Provider, app: App, who: str
) -> None:
    """The attacker enters wrong codes until he has to wait, in a sign-in for somebody and in one for nobody."""
    ends = []
    for name in (EMAIL, who):
        browser, tried = Browser(provider.issuer), 0
        browser.open(app.url())
        browser.submit(action="/identify", username=name)
        browser.submit(action="/send-code")
        while browser.submit(action="/email", code="00000000").status_code == 200:
            tried += 1
        ends.append((tried, told(page_of(browser), name)))
    assert ends[0] == ends[1]
    assert (ends[0][0], ends[0][1].status) == (FREE + 1, 429)


@dataclass(frozen=True)
class Visit:
    """Somebody on the way to a page."""

    provider: Provider
    browser: Browser
    app: App
    strict: App

    def identify(self, who: str = EMAIL) -> None:
        self.browser.open(self.app.url())
        self.browser.submit(action="/identify", username=who)

    def password(self, app: App, who: str = EMAIL, password: str = PASSWORD, **parameters: str) -> None:
        with_password(self.browser, app.url(**parameters), who, password)

    def account(self, page: str) -> None:
        with_password(self.browser, page)


def at_identify(visit: Visit) -> None:
    visit.identify(TYPED)
    visit.browser.submit(action="/switch")


def at_wrong_password(visit: Visit) -> None:
    visit.identify(TYPED)
    visit.browser.submit(action="/password", password="wrong")


def at_email(visit: Visit) -> None:
    visit.identify(TYPED)
    visit.browser.submit(action="/send-code")


def at_wrong_code(visit: Visit) -> None:
    at_email(visit)
    visit.browser.submit(action="/email", code="00000000")


def at_factor(visit: Visit) -> None:
    with_device(visit)
    visit.browser.http.cookies.clear()
    visit.password(visit.strict)


def with_device(visit: Visit) -> None:
    visit.account(own.AUTHENTICATOR)
    visit.browser.submit(code=Device(secret_of(visit.browser)).code(), name="Phone")


def at_recovery_codes(visit: Visit) -> None:
    with_device(visit)
    visit.browser.open(own.RECOVERY_CODES)


def at_offer(visit: Visit) -> None:
    visit.identify()
    visit.browser.submit(action="/password", password=PASSWORD, passkeys="can")


def at_select(visit: Visit) -> None:
    visit.browser.sign_in(visit.app.url())
    visit.browser.open(visit.app.url(prompt="login"))
    visit.browser.submit(action="/switch")
    visit.browser.submit(username=BEN, password=BENS_PASSWORD)
    visit.browser.open(visit.app.url(prompt="select_account"))


def at_error(visit: Visit) -> None:
    visit.identify()
    visit.browser.page = post(visit.browser, f"{path_of(visit.browser)}/password", csrf="x", password=PASSWORD)


def wrong_present(visit: Visit) -> None:
    visit.account(own.PASSWORD)
    visit.browser.submit(action=own.PASSWORD, current="wrong", password="seven bright green umbrellas")


SIGN_IN_PAGES: dict[str, tuple[str, Callable[[Visit], object]]] = {
    "identify": ("identify", at_identify),
    "password": ("password", Visit.identify),
    "wrong password": ("password", at_wrong_password),
    "email": ("email", at_email),
    "wrong code": ("email", at_wrong_code),
    "factor": ("factor", at_factor),
    "factor by mail": ("factor", lambda visit: visit.password(visit.strict)),
    "enrol": ("enrol", lambda visit: visit.password(visit.strict, CLAIMED)),
    "new password": (Step.NEW_PASSWORD, lambda visit: visit.password(visit.app, LEAH, LEAKED)),
    "offer": ("offer", at_offer),
    "select": ("select", at_select),
    "consent": ("consent", lambda visit: visit.password(visit.app)),
}
ACCOUNT_PAGES: dict[str, tuple[str, Callable[[Visit], object]]] = {
    "security": (own.SECURITY, lambda visit: visit.account(own.SECURITY)),
    "security with a device": (own.SECURITY, with_device),
    "account password": (own.PASSWORD, lambda visit: visit.account(own.PASSWORD)),
    "account password that is wrong": (own.PASSWORD, wrong_present),
    "authenticator": (own.AUTHENTICATOR, lambda visit: visit.account(own.AUTHENTICATOR)),
    "passkey": (own.PASSKEY, lambda visit: visit.account(own.PASSKEY)),
    "recovery codes": (own.RECOVERY_CODES, at_recovery_codes),
}
PAGES = SIGN_IN_PAGES | ACCOUNT_PAGES | {"error": ("", at_error)}


def visited(visit: Visit, name: str) -> httpx2.Response:
    """The page, which is really that one."""
    expected, way = PAGES[name]
    way(visit)
    page = page_of(visit.browser)
    if name in SIGN_IN_PAGES:
        assert step_of(visit.browser) == expected
    elif name in ACCOUNT_PAGES:
        assert page.url.path == expected
    else:
        assert page.status_code == 403
    return page


@pytest.fixture
def visit(provider: Provider, app: App, strict: App) -> Visit:
    return Visit(provider, Browser(provider.issuer), app, strict)


@pytest.mark.parametrize("name", PAGES)
def test_en_13_no_page_with_a_token_and_what_was_typed_is_compressed(visit: Visit, name: str) -> None:
    """The attacker guesses a token letter by letter from the size of compressed pages that repeat his text."""
    codings = list[str | None]()
    visit.browser.http.event_hooks["response"].append(
        lambda answer: codings.append(answer.headers.get("content-encoding"))
    )
    visit.browser.http.headers["Accept-Encoding"] = "gzip, deflate, br, zstd, *"
    page = visited(visit, name)
    assert 'name="csrf"' in page.text or name in ("error", "security")
    assert set(codings) == {None}


ASKED = re.compile(
    r"password hint|security question|secret question|secret answer|maiden|first pet|favou?rite|born|memorable|"
    r"expire|days? old|months? old|too old|change your password (?:every|regularly)|renew your password|used before",
    re.IGNORECASE,
)
FIELD_OF_ONE = re.compile(r'name="[^"]*(?:hint|question|answer|birth|pet)[^"]*"', re.IGNORECASE)


@pytest.mark.parametrize("name", PAGES)
def test_pw_11_no_page_has_a_hint_a_question_or_an_expiry(visit: Visit, name: str) -> None:
    """The attacker reads the hint, or finds the answer to the question where the person writes of their dog."""
    text = visited(visit, name).text
    assert ASKED.findall(text) == []
    assert FIELD_OF_ONE.findall(text) == []
