from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage

import httpx2
import pytest
from starlette.applications import Starlette

from idp.dev.mailbox import Mailbox, mail_routes
from tests.dev.conftest import render

ORIGIN = "http://localhost:9000"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def message(subject: str = "Hello", html: str = "") -> EmailMessage:
    mail = EmailMessage()
    mail["To"] = "ana@example.com"
    mail["Subject"] = subject
    mail.set_content("Olá, Ana.\n")
    if html:
        mail.add_alternative(html, subtype="html")
    return mail


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def browser(mailbox: Mailbox) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=mail_routes(mailbox, render, lambda: NOON, origin=ORIGIN))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ORIGIN) as client:
        yield client


def test_a_message_keeps_its_parts(mailbox: Mailbox) -> None:
    mailbox.deliver(message(html="<p>Olá</p>"), NOON)
    (mail,) = mailbox.newest_first()
    assert (mail.to, mail.subject, mail.received_at) == ("ana@example.com", "Hello", NOON)
    assert (mail.text, mail.html) == ("Olá, Ana.\n", "<p>Olá</p>\n")


async def test_a_message_without_headers_is_caught_too(browser: httpx2.AsyncClient, mailbox: Mailbox) -> None:
    bare = EmailMessage()
    bare.set_content("Hi")
    mailbox.deliver(bare, NOON)
    assert "(no subject)" in (await browser.get("/dev/mail")).text


def test_the_newest_message_comes_first_and_the_oldest_falls_out() -> None:
    mailbox = Mailbox(kept=2)
    for subject in ("one", "two", "three"):
        mailbox.deliver(message(subject), NOON)
    assert [(mail.number, mail.subject) for mail in mailbox.newest_first()] == [(3, "three"), (2, "two")]
    assert mailbox.find(1) is None


async def test_an_empty_mailbox_says_what_comes_there(browser: httpx2.AsyncClient) -> None:
    assert "The codes of sign-ins come here" in (await browser.get("/dev/mail")).text


async def test_a_test_message_is_listed_and_can_be_read(browser: httpx2.AsyncClient) -> None:
    posted = await browser.post("/dev/mail/test", headers={"Sec-Fetch-Site": "same-origin"})
    assert (posted.status_code, posted.headers["location"]) == (303, "/dev/mail")
    listing = (await browser.get("/dev/mail")).text
    assert 'href="/dev/mail/1"' in listing
    assert "A test message" in listing
    assert "2026-11-20 12:00:00 UTC" in listing
    assert "The mail catcher works." in (await browser.get("/dev/mail/1")).text


async def test_html_is_shown_as_source_and_never_runs(browser: httpx2.AsyncClient, mailbox: Mailbox) -> None:
    mailbox.deliver(message("<i>Hi</i>", html="<script>alert(1)</script>"), NOON)
    for path in ("/dev/mail", "/dev/mail/1"):
        page = (await browser.get(path)).text
        assert "<script>alert" not in page
        assert "<i>Hi" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
        {"Sec-Fetch-Site": "same-site", "Origin": ORIGIN},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9001"},
        {},
    ],
)
async def test_another_site_delivers_no_test_message(
    browser: httpx2.AsyncClient, mailbox: Mailbox, headers: dict[str, str]
) -> None:
    assert (await browser.post("/dev/mail/test", headers=headers)).status_code == 403
    assert mailbox.newest_first() == ()


async def test_a_browser_that_sends_only_its_origin_is_believed(browser: httpx2.AsyncClient) -> None:
    assert (await browser.post("/dev/mail/test", headers={"Origin": ORIGIN})).status_code == 303


async def test_a_message_that_is_not_there_is_not_found(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/dev/mail/7")).status_code == 404
