"""What happens between the beginning of a post and its transaction: here while the service of riddles is asked."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from starlette.testclient import TestClient

from idp.app import create_app
from idp.outside.captcha import Service, Widget
from idp.outside.mail import Mail, MailFailed
from idp.protocol.claims import ACR_TWO_FACTORS
from idp.settings import load
from idp.store.outbox import Leased
from idp.store.seal import Sealer
from tests.provider import EMAIL, PASSWORD, Browser, Provider, authorize_url, installed, pkce
from tests.signin.reading import SESSIONS, count, query, step_of
from tests.signin.test_email_codes import give_device
from tests.signin.test_second_factor import allowed

ISSUER = "http://localhost:8000"
FIELD = "riddle-response"


class Meanwhile:
    """Every riddle is solved, and while it is judged something happens."""

    widget: Widget | None = Widget(Service("", f"{ISSUER}/api.js", "riddle", FIELD, (ISSUER,)), "public")

    def __init__(self) -> None:
        self.happens: Callable[[], object] = lambda: None

    async def solved(self, answer: str) -> bool:
        self.happens()
        return True

    async def close(self) -> None:
        return None


class NoServer:
    async def send(self, mail: Mail, message_id: str, now: datetime) -> None:
        raise MailFailed


@pytest.fixture(scope="module")
def meanwhile() -> Meanwhile:
    return Meanwhile()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder: Path = tmp_path_factory.mktemp("meanwhile")
    with installed(folder, issuer=ISSUER, failures_per_address="5", email_codes="second_factor") as provider:
        provider.create_user()
        yield provider


@pytest.fixture(scope="module")
def http(installation: Provider, meanwhile: Meanwhile) -> Iterator[TestClient]:
    app = create_app(load(installation.environment), mailer=NoServer(), captcha=meanwhile)
    with TestClient(app, base_url=ISSUER) as http:
        http.follow_redirects = False
        yield http


def at_code(installation: Provider, http: TestClient) -> tuple[Browser, str]:
    """A session by a password alone, at an app that needs two factors, and the code that was mailed for it."""
    for table in ("sessions", "counters", "failures", "email_codes", "outbox", "consents"):
        query(installation, f"DELETE FROM {table}")  # noqa: S608
    query(installation, "DELETE FROM credentials WHERE factor <> 'password'")
    http.cookies.clear()
    browser = Browser(ISSUER)
    browser.http = http
    client = installation.create_client()
    browser.open(authorize_url(client, pkce().challenge))
    browser.submit(action="/identify", username=EMAIL, password=PASSWORD)
    allowed(browser)
    browser.open(authorize_url(client, pkce().challenge, acr_values=ACR_TWO_FACTORS))
    assert step_of(browser) == "factor"
    browser.submit(action="/send-code")
    http.cookies.delete("idp_device_8000")  # a known device is asked no riddle
    sealer = Sealer([(installation.folder / "data" / "secrets" / "secret_key").read_text().strip()])
    ((row_id, payload),) = query(installation, "SELECT id, payload FROM outbox")
    text = str(Leased(row_id, payload, 0).data(sealer)["text"])
    browser.submit(action="/factor", code="00000000")
    assert count(installation, "SELECT count(*) FROM failures") > 0
    full_at = datetime.now(UTC) + timedelta(minutes=2.5)
    query(installation, "UPDATE counters SET full_at = ?", int(full_at.timestamp() * 1000))
    return browser, next(line.strip() for line in text.splitlines() if line.startswith("    "))


def test_the_code_is_right_where_nothing_happens(
    installation: Provider, http: TestClient, meanwhile: Meanwhile
) -> None:
    browser, code = at_code(installation, http)
    meanwhile.happens = lambda: None
    browser.submit(action="/factor", code=code, **{FIELD: "an answer"})
    assert query(installation, "SELECT amr FROM sessions WHERE ended_at IS NULL") == [("pwd mca mfa",)]


def test_mf_15_no_second_factor_brings_a_session_back_that_was_ended_meanwhile(
    installation: Provider, http: TestClient, meanwhile: Meanwhile
) -> None:
    """The thief has the victim's session and mailbox, and his code is on its way when the victim ends all sessions."""
    browser, code = at_code(installation, http)
    meanwhile.happens = lambda: query(installation, "UPDATE sessions SET ended_at = '2026-01-01T00:00:00.000000Z'")
    browser.submit(action="/factor", code=code, **{FIELD: "the session's"})
    assert count(installation, SESSIONS) == 0


def test_mf_15_a_mail_is_no_second_factor_once_there_is_a_better_one_though_it_was_on_its_way(
    installation: Provider, http: TestClient, meanwhile: Meanwhile
) -> None:
    """The attacker has the password and the mailbox, and his code is on its way when the victim sets up a device."""
    browser, code = at_code(installation, http)

    def set_up() -> None:
        elsewhere = Thread(target=give_device, args=(installation,))
        elsewhere.start()
        elsewhere.join()

    meanwhile.happens = set_up
    browser.submit(action="/factor", code=code, **{FIELD: "the device's"})
    assert query(installation, "SELECT amr FROM sessions WHERE ended_at IS NULL") == [("pwd",)]
