"""From a request to an inbox, when the mail server, a worker or the machine does not do as it should."""

import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from idp.store.seal import Sealer
from tests.mail import Catcher, catching, code_in
from tests.provider import EMAIL, Browser, Provider, authorize_url, pkce, running
from tests.servers import free_port
from tests.signin.reading import eventually, query, step_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory, mail_server: Catcher) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("delivery")
    with running(folder, smtp_url=mail_server.url, email_codes="sign_in") as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def catcher(mailing: Provider, mail_server: Catcher) -> Catcher:
    mail_server.clear()
    for table in ("outbox", "email_codes", "counters"):
        query(mailing, f"DELETE FROM {table}")  # noqa: S608
    return mail_server


@pytest.fixture(scope="module")
def url(mailing: Provider) -> str:
    return authorize_url(mailing.create_client(), pkce().challenge)


def ask(provider: Provider, url: str, email: str = EMAIL) -> float:
    """Asks for a code by mail: how long the answer took, in seconds."""
    browser = Browser(provider.issuer)
    browser.open(url)
    browser.submit(action="/identify", username=email)
    start = time.perf_counter()
    browser.submit(action="/send-code")
    taken = time.perf_counter() - start
    assert step_of(browser) == "email"
    return taken


def due_now(provider: Provider) -> None:
    """The pause is over."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="microseconds")[:26] + "Z"
    query(provider, "UPDATE outbox SET due_at = ? WHERE due_at IS NOT NULL", past)


def test_re_36_what_the_server_does_not_take_now_is_tried_again_and_comes_once(
    mailing: Provider, catcher: Catcher, url: str
) -> None:
    """Situation: the mail server is busy for some minutes."""
    catcher.answer = "451 busy"
    ask(mailing, url)
    eventually(mailing, "SELECT count(*) FROM outbox WHERE error = 'SMTPDataError 451'", 1)
    (waiting,) = mailing.cli("mail", "list")
    assert (waiting["attempts"], waiting["error"]) == (1, "SMTPDataError 451")
    assert waiting["due_at"] > waiting["created_at"]
    catcher.answer = "250 OK"
    due_now(mailing)
    catcher.newest()
    eventually(mailing, "SELECT count(*) FROM outbox", 0)
    assert len(catcher.mails) == 1
    (line,) = [line for line in mailing.log_lines() if line["event"] == "mail_failed"][-1:]
    assert (line["reason"], line["attempt"]) == ("SMTPDataError 451", 1)


def test_re_36_what_it_refuses_for_good_is_set_aside_and_told_to_the_operator(
    mailing: Provider, catcher: Catcher, url: str
) -> None:
    """Situation: the mailbox is gone, and every further try harms the sender's good name."""
    catcher.answer = "550 no such mailbox ana@example.test"
    ask(mailing, url)
    eventually(mailing, "SELECT count(*) FROM outbox WHERE due_at IS NULL", 1)
    (waiting,) = mailing.cli("mail", "list")
    assert (waiting["due_at"], waiting["error"]) == (None, "SMTPRecipientsRefused 550")
    due_now(mailing)
    time.sleep(1.5)
    assert catcher.tried == 1
    (line,) = [line for line in mailing.log_lines() if line["event"] == "mail_given_up"]
    assert EMAIL not in str(line)
    assert EMAIL not in str(waiting)


def test_re_36_nobody_waits_for_a_server_that_is_slow(mailing: Provider, catcher: Catcher, url: str) -> None:
    """Situation: the mail server takes seconds for each message, and people ask for codes meanwhile."""
    catcher.slow = 8
    ask(mailing, url)
    eventually(mailing, "SELECT count(*) FROM outbox WHERE attempts = 1", 1)
    assert max(ask(mailing, url, f"s{number}@example.test") for number in range(4)) < catcher.slow
    assert catcher.mails == []
    catcher.newest()
    eventually(mailing, "SELECT count(*) FROM outbox WHERE kind = 'mail'", 0)
    assert len(catcher.mails) == 1


def test_re_36_a_row_that_nothing_opens_holds_up_no_other(mailing: Provider, catcher: Catcher, url: str) -> None:
    """Situation: a secret key was dropped, or a row altered, while messages waited."""
    foreign = Sealer(["another secret key, which is long enough"]).seal(b"{}", "outbox", "broken")
    times = ["2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"]
    columns = "id, kind, payload, attempts, created_at, due_at, expires_at"
    query(mailing, f"INSERT INTO outbox ({columns}) VALUES ('broken', 'mail', ?, 0, ?, ?, ?)", foreign, *times)  # noqa: S608
    ask(mailing, url)
    catcher.newest()
    eventually(mailing, "SELECT count(*) FROM outbox", 1)
    (waiting,) = mailing.cli("mail", "list")
    assert (waiting["id"], waiting["due_at"], waiting["error"]) == ("broken", None, "it cannot be read: SealBroken")


def test_re_36_mail_waits_for_a_server_that_is_down_and_survives_a_kill(tmp_path: Path) -> None:
    """Situation: the machine of the mail server is down, and the provider is killed and started again meanwhile."""
    port = free_port()
    with running(tmp_path, smtp_url=f"smtp+plain://127.0.0.1:{port}", email_codes="sign_in") as provider:
        provider.create_user()
        browser = Browser(provider.issuer)
        browser.open(authorize_url(provider.create_client(), pkce().challenge))
        browser.submit(action="/identify", username=EMAIL)
        browser.submit(action="/send-code")
        eventually(provider, "SELECT count(*) FROM outbox WHERE attempts > 0 AND error IS NOT NULL", 1)
        provider.stop(signal.SIGKILL)
        provider.start()
        with catching(port) as catcher:
            due_now(provider)
            mail = catcher.newest(seconds=40)
            eventually(provider, "SELECT count(*) FROM outbox", 0)
            assert len(catcher.mails) == 1
        browser.submit(action="/email", code=code_in(mail))
        assert step_of(browser) == "consent"


def test_re_36_two_workers_send_a_burst_once_each(tmp_path: Path, mail_server: Catcher) -> None:
    """Situation: several workers look at the same second, and many mails wait."""
    mail_server.clear()
    with running(tmp_path, smtp_url=mail_server.url, email_codes="sign_in", workers="2") as provider:
        people = [f"p{number}@example.test" for number in range(12)]
        for email in people:
            provider.create_user(email)
        url = authorize_url(provider.create_client(), pkce().challenge)
        asking = [threading.Thread(target=ask, args=(provider, url, email)) for email in people]
        for each in asking:
            each.start()
        for each in asking:
            each.join()
        mail_server.newest(12, seconds=40)
        eventually(provider, "SELECT count(*) FROM outbox", 0)
        assert sorted(mail["to"] for mail in mail_server.mails) == sorted(people)


def test_a_message_can_be_tried_by_hand(mailing: Provider, catcher: Catcher) -> None:
    assert mailing.cli("mail", "test", "op@example.test") == {"sent": True, "to": "op@example.test"}
    assert catcher.mails[0]["to"] == "op@example.test"
    catcher.answer = "550 no"
    done = mailing.run("mail", "test", "op@example.test")
    assert (done.returncode, done.stderr) == (1, "Error: The mail was not sent: SMTPRecipientsRefused 550.\n")
    done = mailing.run("mail", "test", "no address")
    assert (done.returncode, done.stderr) == (1, "Error: The mail was not sent: not an address.\n")
