"""What the tests of the sign-in read from pages and from the database."""

import json
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2

from idp.store import attempts
from idp.store.ids import hash_of
from idp.store.seal import Sealer
from tests.provider import Browser, Provider, forms

CODES = "SELECT count(*) FROM handles WHERE kind = 'code'"
SESSIONS = "SELECT count(*) FROM sessions WHERE ended_at IS NULL"


def query(provider: Provider, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of the provider's SQLite file."""
    with closing(sqlite3.connect(provider.folder / "data" / "idp.db", timeout=30)) as database, database:
        return database.execute(sql, values).fetchall()


def forget_events(provider: Provider) -> None:
    """As who owns the database can, so that a test counts its own alone."""
    query(provider, "DROP TRIGGER IF EXISTS audit_stays")
    query(provider, "DELETE FROM audit")


def count(provider: Provider, sql: str, *values: Any) -> int:
    return int(query(provider, sql, *values)[0][0])


def eventually(provider: Provider, sql: str, expected: int, seconds: float = 20) -> None:
    """For what a worker does beside answering."""
    deadline = time.monotonic() + seconds
    while (found := count(provider, sql)) != expected:
        assert time.monotonic() < deadline, f"{sql}: {found}"
        time.sleep(0.05)


def state_of(provider: Provider) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a post may change, but for the log of events and when a session was seen."""
    tables = {
        "attempts": "*",
        "sessions": "id, cookie_hash, user_id, authenticated_at, ended_at",
        "consents": "*",
        "grants": "*",
        "handles": "*",
        "credentials": "*",
    }
    return {table: query(provider, f"SELECT {columns} FROM {table} ORDER BY 1") for table, columns in tables.items()}  # noqa: S608


def walked_away(provider: Provider, minutes: int = 6) -> None:
    """As if whatever was proved in the attempts that are open had been proved so long ago; nothing changed since."""
    past = timedelta(minutes=minutes)
    for attempt_id, stored in query(provider, "SELECT id, proofs FROM attempts WHERE proofs IS NOT NULL"):
        proofs = [
            [factor, (datetime.fromisoformat(at) - past).isoformat(), *more] for factor, at, *more in json.loads(stored)
        ]
        query(provider, "UPDATE attempts SET proofs = ? WHERE id = ?", json.dumps(proofs), attempt_id)
    query(provider, "UPDATE credentials SET updated_at = '2026-01-01T00:00:00.000000Z'")
    query(provider, "UPDATE users SET devices_valid_from = NULL")


def expire(provider: Provider, browser: Browser, ago: timedelta = timedelta(hours=3)) -> str:
    """Makes the attempt of the page as old as one that was left open for an evening; its new address."""
    page, path = page_of(browser), path_of(browser)
    sealer = Sealer([(provider.folder / "data" / "secrets" / "secret_key").read_text().strip()])
    began = attempts.unseal(sealer, path.rsplit("/", 1)[-1])
    assert began is not None
    long_ago = replace(began, expires_at=datetime.now(UTC) - ago)
    aged = f"/signin/{attempts.seal(sealer, long_ago)}"
    headers = {"content-type": page.headers["content-type"], "x-request-id": page.headers["x-request-id"]}
    browser.page = httpx2.Response(
        page.status_code, headers=headers, text=page.text.replace(path, aged), request=page.request
    )
    return aged


def page_of(browser: Browser) -> httpx2.Response:
    assert browser.page is not None
    return browser.page


def path_of(browser: Browser) -> str:
    """The address of the attempt that the browser looks at, also on a page at the authorization endpoint."""
    found = re.search(r'action="(/signin/[^/"]+)/', page_of(browser).text)
    return found[1] if found else page_of(browser).url.path


def token_of(browser: Browser) -> str:
    """The token in the first form of the page."""
    return forms(page_of(browser).text)[0].fields["csrf"]


def sid_of(provider: Provider, browser: Browser) -> str:
    """The session that this browser used last."""
    (cookie,) = [value for name, value in browser.http.cookies.items() if "session" in name]
    ((sid,),) = query(provider, "SELECT id FROM sessions WHERE cookie_hash = ?", hash_of(cookie.partition(".")[0]))
    return str(sid)


def choose(browser: Browser, name: str) -> httpx2.Response:
    """Presses the button of this person on the page that asks which account it is."""
    buttons = re.findall(r'<button id="(account-\d)"[^>]*><b><bdi>([^<]+)<', page_of(browser).text)
    return browser.submit(next(button for button, of in buttons if of == name), action="/select")


def step_of(browser: Browser) -> str | None:
    """Which step the page is, as it tells its own script."""
    found = re.search(r'data-step="([\w-]+)"', page_of(browser).text)
    return found[1] if found else None


def heading_of(response: httpx2.Response) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", response.text, re.DOTALL)
    assert found is not None, response.text
    return found[1]


def title_of(response: httpx2.Response) -> str:
    found = re.search(r"<title>(.*?)</title>", response.text, re.DOTALL)
    assert found is not None, response.text
    return found[1]


def reference_in(response: httpx2.Response) -> str:
    found = re.search(r'class="ref"[^>]*>([^<]+)<', response.text)
    assert found is not None, response.text
    return found[1]


def stripped(response: httpx2.Response) -> str:
    """The page without what differs from one answer to the next: the form's token, the attempt, the reference."""
    text = re.sub(r'name="csrf" value="[^"]+"', 'name="csrf"', response.text)
    text = re.sub(r"challenge&#34;:&#34;[\w-]+", "challenge", text)
    text = re.sub(r"/signin/[\w-]+", "/signin/ATTEMPT", text)
    return text.replace(response.headers["x-request-id"], "REFERENCE")


def post(browser: Browser, path: str, origin: str | None = "", **fields: str) -> httpx2.Response:
    """A form as a page of the provider would send it, or one at `origin`; its answer, not followed."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if origin is not None:
        headers["Origin"] = origin or browser.issuer
    return browser.http.post(path, content=urlencode(fields), headers=headers)
