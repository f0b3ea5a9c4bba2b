"""PW-04, PW-05, PW-11: hostile text in every field for a password; one that is years old; a list that never answers."""

import time
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise
from urllib.parse import quote_plus, urljoin

import httpx2
import pytest

from idp.outside.breaches import SECONDS
from idp.signin.steps import Step
from idp.web import own
from tests.outside.test_breaches import serving
from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, forms, pkce, running
from tests.signin.reading import count, page_of, query, state_of, step_of
from tests.signin.test_leaked_password import HASH, LEAKED
from tests.signin.test_passwords import LONGEST
from tests.signin.test_second_factor import with_password

LEAH = "leah@example.test"
GOOD = "wok plum fjord"
ASTRAL = "".join(chr(0x1F300 + number * 37) for number in range(12))
MARKED = "Z\u00fcrich-\u00c5ngstr\u00f6m-\ud55c\uae00-\U0001f511"  # NFC
REFUSED = {
    "a lone surrogate": quote_plus(GOOD) + "%ED%A0%80",
    "a pair of surrogates": quote_plus(GOOD) + "%ED%A0%BD%ED%B4%91",
    "bytes that are no UTF-8": quote_plus(GOOD) + "%FF%FE",
    "an overlong slash": quote_plus(GOOD) + "%C0%AF",
    "a sequence that is cut off": quote_plus(GOOD) + "%F0%9F%94",
    "beyond Unicode": quote_plus(GOOD) + "%F4%90%80%80",
    "NUL": quote_plus(GOOD) + "%00x",
    "an escape code": quote_plus(GOOD) + "%1B[31m",
    "257 characters": quote_plus(LONGEST + "a"),
    "257 astral characters": quote_plus((ASTRAL * 22)[:257]),
    "spaces alone": "+" * 14,
    "other spaces alone": quote_plus("\u3000\u2003\u00a0" * 5),
    "nothing": "",
}
ACCEPTED = {
    "256 characters": quote_plus(LONGEST),
    "astral characters": quote_plus(ASTRAL),
    "a broken escape": "%G1" + quote_plus(GOOD) + "%",
    "markup": quote_plus("'\"><script>wok plum</script>"),
    "spaces around": f"++{quote_plus(GOOD)}++",
    "combining characters alone": quote_plus("a\u0301\u0323e\u0302\u031bo\u0308\u0328u\u030c\u0330" * 2),
}
ALL = REFUSED | ACCEPTED


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Ana has a good password, and Leah one that others know."""
    with running(tmp_path_factory.mktemp("hostile")) as provider:
        provider.create_user()
        provider.cli("user", "create", LEAH, "--verified", "--password-hash-stdin", stdin=HASH)
        yield provider


@pytest.fixture
def provider(installation: Provider) -> Iterator[Provider]:
    """Both with the passwords that they began with, signed in nowhere."""
    before = query(installation, "SELECT id, data, version FROM credentials")
    yield installation
    for each, data, version in before:
        query(installation, "UPDATE credentials SET data = ?, version = ? WHERE id = ?", data, version, each)
    for table in ("sessions", "failures"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608


@pytest.fixture(scope="module")
def url(installation: Provider) -> str:
    """An authorization request."""
    return authorize_url(installation.create_client(), pkce().challenge)


def send(browser: Browser, action: str, field: str, encoded: str, **others: str) -> httpx2.Response:
    """Posts the form of the page with this text, encoded already, in a field; the answer, not followed."""
    form = next(form for form in forms(page_of(browser).text) if form.action.endswith(action))
    fields = {name: value for name, value in form.fields.items() if name != field} | others
    pairs = [f"{name}={quote_plus(value)}" for name, value in fields.items()]
    return browser.http.post(
        urljoin(str(page_of(browser).url), form.action),
        content="&".join([*pairs, f"{field}={encoded}"]),
        headers={"Origin": browser.issuer, "Content-Type": "application/x-www-form-urlencoded"},
    )


def at_password(provider: Provider, url: str, email: str = EMAIL) -> Browser:
    browser = Browser(provider.issuer)
    browser.open(url)
    browser.submit(action="/identify", username=email)
    return browser


def at_account(provider: Provider, url: str) -> Browser:
    browser = Browser(provider.issuer)
    with_password(browser, own.PASSWORD)
    return browser


def at_replacement(provider: Provider, url: str) -> Browser:
    browser = Browser(provider.issuer)
    with_password(browser, url, LEAH, LEAKED)
    assert step_of(browser) == Step.NEW_PASSWORD
    return browser


def at_account_send(browser: Browser, encoded: str) -> httpx2.Response:
    return send(browser, own.PASSWORD, "password", encoded, current=PASSWORD)


def at_replacement_send(browser: Browser, encoded: str) -> httpx2.Response:
    return send(browser, "/new-password", "new_password", encoded)


# Where one is set: whose it is, the one that they have, the page, and its form.
Setting = tuple[str, str, Callable[[Provider, str], Browser], Callable[[Browser, str], httpx2.Response]]
SETTINGS: dict[str, Setting] = {
    "account page": (EMAIL, PASSWORD, at_account, at_account_send),
    "replacement": (LEAH, LEAKED, at_replacement, at_replacement_send),
}


def signs_in(provider: Provider, url: str, email: str, encoded: str) -> bool:
    """Whether this is the password, which may be one that others know."""
    browser = at_password(provider, url, email)
    browser._follow(send(browser, "/password", "password", encoded))
    return step_of(browser) in ("consent", Step.NEW_PASSWORD)


def stored(provider: Provider) -> list[tuple[object, ...]]:
    return query(provider, "SELECT id, data, version, updated_at FROM credentials ORDER BY id")


@pytest.mark.parametrize("name", ALL)
def test_pw_04_any_text_as_a_password_at_the_sign_in_is_wrong_or_not_understood(
    provider: Provider, url: str, name: str
) -> None:
    """The attacker sends what no keyboard does as a password, for an error page or for something that is kept."""
    browser, before = at_password(provider, url), state_of(provider)
    answer = send(browser, "/password", "password", ALL[name])
    assert answer.status_code in (303, 400)
    after = state_of(provider)
    assert {**after, "attempts": []} == {**before, "attempts": []}
    if answer.status_code == 400:
        assert after == before
    browser.open(url)
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "consent", "nobody is kept out by it"


@pytest.mark.parametrize("name", ALL)
def test_pw_04_any_text_as_the_present_password_changes_nothing(provider: Provider, url: str, name: str) -> None:
    """The attacker, at an open session, sends what no keyboard does as the password that there is."""
    browser, before = at_account(provider, url), stored(provider)
    answer = send(browser, own.PASSWORD, "current", ALL[name], password=GOOD)
    assert answer.status_code in (303, 403)
    assert stored(provider) == before


@pytest.mark.parametrize("where", SETTINGS)
@pytest.mark.parametrize("name", REFUSED)
def test_pw_04_a_new_password_that_is_refused_is_not_kept(provider: Provider, url: str, name: str, where: str) -> None:
    """The attacker has somebody set a password that is cut short, or kept as another text than was typed."""
    email, old, arrive, put = SETTINGS[where]
    browser, before = arrive(provider, url), stored(provider)
    answer = put(browser, REFUSED[name])
    assert answer.status_code in (303, 400, 403)
    assert stored(provider) == before
    assert signs_in(provider, url, email, quote_plus(old))


@pytest.mark.parametrize("where", SETTINGS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_pw_04_a_new_password_of_any_characters_counts_as_it_was_typed(
    provider: Provider, url: str, name: str, where: str
) -> None:
    """The attacker knows which characters are dropped from a password, and guesses what is left of it."""
    email, old, arrive, put = SETTINGS[where]
    assert put(arrive(provider, url), ACCEPTED[name]).status_code == 303
    assert signs_in(provider, url, email, ACCEPTED[name])
    assert not signs_in(provider, url, email, ACCEPTED[name] + "x")
    assert not signs_in(provider, url, email, quote_plus(old))


@pytest.mark.parametrize("where", SETTINGS)
def test_pw_04_a_password_that_is_set_composed_counts_however_another_keyboard_writes_it(
    provider: Provider, url: str, where: str
) -> None:
    """The attacker locks nobody out: the same text from another keyboard is the same password, and no other text is."""
    email, _, arrive, put = SETTINGS[where]
    decomposed = unicodedata.normalize("NFD", MARKED)
    wide = MARKED.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    bare = "".join(each for each in decomposed if not unicodedata.combining(each))
    assert unicodedata.is_normalized("NFC", MARKED)
    assert len({MARKED, decomposed, wide, bare}) == 4
    assert put(arrive(provider, url), quote_plus(MARKED)).status_code == 303
    typed = (MARKED, decomposed, wide, bare, MARKED[:-1])
    found = [signs_in(provider, url, email, quote_plus(each)) for each in typed]
    assert found == [True, True, True, False, False]


def test_pw_11_a_password_of_years_ago_is_good_and_nobody_is_asked_for_another(provider: Provider, url: str) -> None:
    """The attacker counts on people who, made to change a good password, take the last one with a digit more."""
    long_ago = "2009-01-01T00:00:00.000000Z"
    query(provider, "UPDATE credentials SET created_at = ?, updated_at = ?", long_ago, long_ago)
    query(provider, "UPDATE users SET created_at = ?, updated_at = ?", long_ago, long_ago)
    browser = at_password(provider, url)
    browser.submit(action="/password", password=PASSWORD)
    assert step_of(browser) == "consent"
    assert page_of(at_account(provider, url)).url.path == own.PASSWORD


def fastest(action: Callable[[], object], times: int = 3) -> float:
    """A busy machine is slow now and then; a wait that is too long is long each time."""
    taken = []
    for _ in range(times):
        began = time.monotonic()
        action()
        taken.append(time.monotonic() - began)
    return min(taken)


def failures_of_list(provider: Provider) -> int:
    return sum(line.get("event") == "breach_api_failed" for line in provider.log_lines())


def test_pw_05_a_list_that_never_answers_holds_nobody_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The attacker takes the list of leaked passwords off the net, so that nobody can sign in or change a password."""
    assert SECONDS <= 0.3
    with serving(b"") as silent, running(tmp_path_factory.mktemp("silent"), breach_api=silent.url) as provider:
        provider.create_user()
        silent.asked.clear()
        url = authorize_url(provider.create_client(), pkce().challenge)
        browsers = [at_password(provider, url) for _ in range(3)]
        waiting = iter(browsers)
        assert fastest(lambda: next(waiting).submit(action="/password", password=PASSWORD)) < 1
        assert [step_of(browser) for browser in browsers] == ["consent"] * 3
        assert (len(silent.asked), failures_of_list(provider)) == (3, 3)
        changing = at_account(provider, url)
        passwords = [PASSWORD, *(f"{GOOD} {number}" for number in ("anvil", "lantern", "moss"))]
        pairs = iter(pairwise(passwords))

        def change() -> None:
            current, new = next(pairs)
            changing.open(own.PASSWORD)
            changing.submit(action=own.PASSWORD, current=current, password=new)

        assert fastest(change) < 1
        assert "Your new password counts" in page_of(changing).text
        assert failures_of_list(provider) == len(silent.asked) == 3 + 1 + 3
        assert count(provider, "SELECT count(*) FROM audit WHERE event = 'user.password_set'") == 3
