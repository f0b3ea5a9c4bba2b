"""Passwords: any Unicode, never cut short, and hashed anew when what a hash costs is changed."""

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import httpx2
import pytest

from idp.secret_keys import secret_keys
from idp.services import Services
from idp.settings import load
from idp.store import credentials
from idp.store.seal import Sealer
from tests.oauth.wire import with_services
from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, installed, pkce, running
from tests.signin.conftest import App
from tests.signin.reading import heading_of, path_of, post, query, step_of, token_of

SPACED = "  twelve  spaces  "
UNICODE = "Pass-\u00e9-\ufb01-\U0001f511-\u4e2d\u6587"
LONGEST = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(256))


@pytest.fixture(scope="module")
def persons(provider: Provider) -> None:
    for number, password in enumerate((SPACED, UNICODE, LONGEST)):
        provider.create_user(f"p{number}@example.test", password)


def step_after(provider: Provider, app: App, who: str, password: str) -> str | None:
    browser = Browser(provider.issuer)
    browser.open(app.url(prompt="consent"))
    browser.submit(username=who)
    browser.submit(password=password)
    return step_of(browser)


@pytest.mark.parametrize(
    ("who", "password", "right"),
    [
        ("p0", SPACED, True),
        ("p0", SPACED.strip(), False),
        ("p0", SPACED + " ", False),
        ("p1", UNICODE, True),
        ("p1", "Pass-e\u0301-fi-\U0001f511-\u4e2d\u6587", True),  # as another keyboard composes the same text
        ("p1", "Pass-e-fi-\U0001f511-\u4e2d\u6587", False),
        ("p2", LONGEST, True),
        ("p2", LONGEST + "a", False),
        ("p2", LONGEST[:-1], False),
        ("p2", LONGEST * 4 + "a", False),
    ],
)
def test_a_password_is_the_text_that_was_set(
    provider: Provider, app: App, persons: None, who: str, password: str, right: bool
) -> None:
    assert (step_after(provider, app, f"{who}@example.test", password) == "consent") is right


@pytest.mark.parametrize("length", [64, 72, 73, 257, 1025, 20000])
def test_a_password_that_is_too_long_is_wrong_and_never_cut_short(
    provider: Provider, at_password: Browser, length: int
) -> None:
    page = at_password.submit(password=PASSWORD + "x" * (length - len(PASSWORD)))
    assert (page.status_code, step_of(at_password)) == (200, "password")
    assert "is not right" in page.text


def test_a_body_beyond_all_measure_is_refused(provider: Provider, at_password: Browser) -> None:
    token = token_of(at_password)
    answer = post(at_password, f"{path_of(at_password)}/password", csrf=token, password="x" * 70_000)
    assert (answer.status_code, heading_of(answer)) == (413, "That was too much")


@pytest.mark.parametrize("who", ["ANA@example.test", " ana@example.test ", "Ana@Example.TEST", "\uff41na@example.test"])
def test_an_address_is_found_however_it_is_typed(provider: Provider, app: App, who: str) -> None:
    assert step_after(provider, app, who, PASSWORD) == "consent"


@pytest.mark.parametrize(
    "body",
    [
        b"username=ana%00@example.test",
        b"username=%ff%fe",
        b"username=%c0%80",
        b"username=%1b[31m",
        b"username=%ed%a0%80",
        b"username=\xff",
        b"%00=1",
    ],
)
def test_un02_characters_that_no_keyboard_sends_are_refused(
    provider: Provider, browser: Browser, app: App, body: bytes
) -> None:
    """The attacker sends a name with a NUL, an escape code, a lone surrogate, or bytes that are no UTF-8."""
    browser.open(app.url())
    answer = browser.http.post(
        f"{path_of(browser)}/identify",
        content=body + f"&csrf={token_of(browser)}".encode(),
        headers={"Origin": provider.issuer, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, heading_of(answer)) == (400, "That was not understood")
    browser.open(path_of(browser))
    assert step_of(browser) == "identify"


def stored_hash(provider: Provider) -> str:
    """What the database keeps of Ana's password."""
    sealer = Sealer(secret_keys(load(provider.environment)))
    ((identifier, data),) = query(provider, "SELECT id, data FROM credentials WHERE factor = 'password'")
    return str(json.loads(sealer.unseal(data, "credential", identifier))["hash"])


@pytest.mark.slow
def test_pw01_a_sign_in_renews_a_hash_whose_cost_is_out_of_date(tmp_path: Path) -> None:
    """Whoever steals the database looks for hashes that are still as cheap to guess as they were years ago."""
    with installed(tmp_path) as provider:
        provider.create_user()
        client = provider.create_client()
        before = stored_hash(provider)
        assert before.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
        provider.environment |= {"IDP_PASSWORD_MEMORY_KIB": "9000", "IDP_PASSWORD_TIME_COST": "2"}
        provider.start()
        rehashed = "SELECT count(*) FROM audit WHERE event = 'password.rehashed'"
        hashes = []
        for password in ("wrong", PASSWORD, PASSWORD):
            browser = Browser(provider.issuer)
            browser.open(authorize_url(client, pkce().challenge, prompt="login"))
            browser.submit(username=EMAIL)
            browser.submit(password=password)
            hashes.append(stored_hash(provider))
        assert hashes[0] == before
        assert hashes[1].startswith("$argon2id$v=19$m=9000,t=2,p=1$")
        assert hashes[1].split("$")[4] != before.split("$")[4]  # with a new salt
        assert hashes[2] == hashes[1]
        assert query(provider, rehashed) == [(1,)]


def test_pw01_two_persons_with_one_password_have_two_hashes(provider: Provider, people: object) -> None:
    """Whoever steals the database looks for people with the same password, to guess all of them at once."""
    provider.create_user("same@example.test")
    sealer = Sealer(secret_keys(load(provider.environment)))
    rows = query(provider, "SELECT id, data FROM credentials WHERE factor = 'password'")
    hashes = [json.loads(sealer.unseal(data, "credential", identifier))["hash"] for identifier, data in rows]
    assert len(hashes) == len(set(hashes)) >= 3
    assert len({each.split("$")[4] for each in hashes}) == len(hashes)


def nices(pid: int) -> set[int]:
    """How nice the threads of a process are."""
    stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return {int(stat.rsplit(")", 1)[1].split()[16]) for stat in stats}


@pytest.mark.slow
def test_pw_12_a_storm_of_sign_ins_is_told_to_come_back_and_keeps_out_of_the_way(tmp_path: Path) -> None:
    """The attacker sends more passwords at once than can be hashed, to stop everything else."""
    slow = {"password_memory_kib": "65536", "password_time_cost": "4"}
    with running(tmp_path, password_threads="1", password_queue="1", **slow) as provider:
        client = provider.create_client()

        def guess(number: int) -> httpx2.Response:
            browser = Browser(provider.issuer)
            browser.open(authorize_url(client, pkce().challenge))
            return browser.submit(action="/identify", username=f"{number}@example.test", password="wrong")

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(guess, range(12)))
        busy = [answer for answer in answers if answer.status_code == 503]
        assert busy
        assert all(2 <= int(answer.headers["retry-after"]) <= 10 for answer in busy)
        assert {answer.status_code for answer in answers} == {200, 503}
        assert provider.process is not None
        assert 19 in nices(provider.process.pid)


def test_pw_12_a_storm_from_one_address_keeps_nobody_out_who_comes_from_another(tmp_path: Path) -> None:
    """The attacker keeps every place of the queue taken, so that nobody else's password is looked at."""
    slow = {"password_memory_kib": "65536", "password_time_cost": "4"}
    with running(tmp_path, password_threads="1", password_queue="3", trusted_proxies="127.0.0.1", **slow) as provider:
        client = provider.create_client()
        email = provider.create_user()["email"]

        def arrive(address: str) -> Browser:
            browser = Browser(provider.issuer)
            browser.http.headers["X-Forwarded-For"] = address
            browser.open(authorize_url(client, pkce().challenge))
            return browser

        def storm(numbered: tuple[int, Browser]) -> int:
            number, browser = numbered
            return browser.submit(action="/identify", username=f"{number}@x.test", password="wrong").status_code

        crowd, person = [arrive("198.51.100.7") for _ in range(12)], arrive("198.51.100.8")
        with ThreadPoolExecutor(12) as pool:
            stormed = [pool.submit(storm, each) for each in enumerate(crowd)]
            while not any(each.done() for each in stormed):  # the first to be told to come back: no place is left
                time.sleep(0.01)
            answer = person.submit(action="/identify", username=email, password=PASSWORD)
            assert not all(each.done() for each in stormed)
        assert 'id="allow"' in answer.text, answer.status_code
        assert 503 in [each.result() for each in stormed]


FOREIGN = {
    "bcrypt": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "Django": "pbkdf2_sha256$1000$salt$"
    + base64.b64encode(hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 1000)).decode(),
    "SSHA": "{SSHA}"
    + base64.b64encode(
        hashlib.sha1(PASSWORD.encode() + b"saltsalt", usedforsecurity=False).digest() + b"saltsalt"
    ).decode(),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_pw_01_who_comes_from_elsewhere_signs_in_with_the_old_password_and_gets_a_hash_of_ours(
    provider: Provider, app: App, name: str
) -> None:
    """The attacker steals the database long after a move from a weaker system, and hopes for what is left of it."""
    email = f"{name.lower()}@example.test"
    provider.cli("user", "create", email, "--password-hash-stdin", stdin=FOREIGN[name] + "\n")
    assert step_after(provider, app, email, PASSWORD + "x") == "password"
    assert hash_of(provider, email) == FOREIGN[name]
    assert step_after(provider, app, email, PASSWORD) == "consent"
    assert hash_of(provider, email).startswith("$argon2id$")
    assert step_after(provider, app, email, PASSWORD) == "consent"


def hash_of(provider: Provider, email: str) -> str:
    """The kept hash of a person's password."""

    async def work(services: Services) -> str:
        _, stored = await credentials.find_with_person(services.database, services.sealer, email, credentials.PASSWORD)
        assert stored is not None
        return str(stored.data["hash"])

    return with_services(provider, work)
