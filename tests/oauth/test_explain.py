"""Why a request was refused: what is kept of it, told apart cause by cause, and never a credential."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from idp.protocol import story
from tests.oauth.wire import App, granted, register, send, sql
from tests.provider import CALLBACK, Browser, Provider, answer_of, pkce, running

NOT_VALID = {"error": "invalid_grant", "error_description": "The authorization code is not valid."}


def kept(provider: Provider, answer: httpx2.Response) -> dict[str, Any]:
    """The row of a refusal, which is written beside the answering."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        query = "SELECT details, client_id, endpoint, error FROM refusals WHERE reference = ?"
        if rows := sql(provider, query, answer.headers["x-request-id"]):
            details, client_id, endpoint, error = rows[0]
            found: dict[str, Any] = json.loads(details)
            return found | {"client_id": client_id, "endpoint": endpoint, "error": error}
        time.sleep(0.02)
    pytest.fail("nothing was kept")


def why(provider: Provider, answer: httpx2.Response) -> str:
    reason: str = kept(provider, answer)["reason"]
    return reason


def test_a_wrong_redirect_uri_is_kept_beside_those_that_are_registered(provider: Provider, app: App) -> None:
    answer = send("GET", provider.issuer + app.url(redirect_uri=CALLBACK + "/"))
    found = kept(provider, answer)
    assert (found["received"], found["expected"]) == (CALLBACK + "/", [CALLBACK])
    assert (found["client_id"], found["endpoint"], found["error"]) == (app.client_id, "/authorize", "invalid_request")
    told = story.tell(found)
    assert told.rule is not None
    assert told.rule.section == "RFC 9700 section 2.1"
    assert told.difference is not None
    assert told.difference.marks == " " * len(CALLBACK) + "^"


def test_so_is_a_wrong_address_after_signing_out(provider: Provider) -> None:
    app = register(provider, post_logout_redirect_uris=("https://app.example.com/bye",))
    asked = {"client_id": app.client_id, "post_logout_redirect_uri": "https://app.example.com/bye/"}
    answer = send("GET", f"{provider.issuer}/logout", params=asked)
    found = kept(provider, answer)
    assert (found["client_id"], found["endpoint"]) == (app.client_id, "/logout")
    told = story.tell(found)
    assert told.rule is not None
    assert told.rule.section == "OpenID Connect RP-Initiated Logout section 3"
    assert told.difference is not None
    assert told.difference.pieces[0].received == "/"


CAUSES: dict[str, tuple[Callable[[Provider, App, Browser], httpx2.Response], str]] = {
    "unknown": (lambda _, app, ana: app.redeem(replace(app.code(ana), code="A" * 43)), "unknown code"),
    "another client": (
        lambda provider, app, ana: register(provider, "Other").redeem(app.code(ana)),
        "the code was given to the client ",
    ),
    "another address": (
        lambda _, app, ana: app.redeem(app.code(ana), redirect_uri="https://app.example.com/other"),
        "redirect_uri is not the one of the authorization request",
    ),
    "no verifier": (lambda _, app, ana: app.redeem(app.code(ana), code_verifier=""), "code_verifier missing"),
    "another verifier": (
        lambda _, app, ana: app.redeem(app.code(ana), code_verifier=pkce().verifier),
        "code_verifier does not match code_challenge",
    ),
}


@pytest.mark.parametrize(("cause", "reason"), CAUSES.values(), ids=CAUSES)
def test_the_causes_of_a_refused_code_are_told_apart_in_what_is_kept_alone(
    provider: Provider, app: App, ana: Browser, cause: Callable[[Provider, App, Browser], httpx2.Response], reason: str
) -> None:
    answer = cause(provider, app, ana)
    assert (answer.status_code, answer.json()) == (400, NOT_VALID)
    assert why(provider, answer).startswith(reason)
    assert story.tell(kept(provider, answer)).rule is not None


def test_a_code_that_was_used_says_when(provider: Provider, app: App, ana: Browser) -> None:
    code = app.code(ana)
    granted(app.redeem(code))
    answer = app.redeem(code)
    assert answer.json() == NOT_VALID
    assert why(provider, answer).startswith("the code was used already, at 20")


def test_an_expired_code_says_when(provider: Provider, app: App, ana: Browser) -> None:
    code = app.code(ana)
    sql(provider, "UPDATE handles SET expires_at = '2026-01-01T00:00:00.000000Z' WHERE kind = 'code'")
    answer = app.redeem(code)
    assert answer.json() == NOT_VALID
    assert why(provider, answer) == "the code expired at 2026-01-01T00:00:00Z"


def test_what_a_code_was_given_for_and_ended_is_named(provider: Provider, app: App) -> None:
    browser = Browser(provider.issuer)
    code = app.code(browser)
    browser.open("/")
    browser.submit(action="/sign-out")
    answer = app.redeem(code)
    assert answer.json() == NOT_VALID
    assert why(provider, answer) == "their session has ended"


def test_the_causes_of_a_refused_refresh_token_are_told_apart(provider: Provider, app: App, ana: Browser) -> None:
    first = app.tokens(ana)["refresh_token"]
    second = granted(app.refresh(first))["refresh_token"]
    granted(app.refresh(second))
    reused = app.refresh(first)
    ended = app.refresh(second)
    changed = app.refresh(second[:-1] + ("A" if second[-1] != "A" else "B"))
    no_token = app.refresh("x")
    foreign = register(provider, "Other").refresh(app.tokens(ana)["refresh_token"])
    answers = {
        reused: "refresh token reused: generation 0, current 2",
        ended: "the grant was ended at 20",
        changed: "wrong mac",
        no_token: "not a refresh token of this provider",
        foreign: "refresh token used by another client",
    }
    for answer, reason in answers.items():
        assert answer.json() == {"error": "invalid_grant", "error_description": "The refresh token is not valid."}
        assert why(provider, answer).startswith(reason)
        assert story.tell(kept(provider, answer)).rule is not None
    assert "refresh token reused: generation 0, current 2" in why(provider, ended)


def test_the_causes_of_a_refused_client_are_told_apart(provider: Provider) -> None:
    service = register(provider, "Service", (), grant_types=("client_credentials",), scope="reports.read")
    provider.cli("client", "rotate-secret", service.client_id)
    url, form = f"{provider.issuer}/token", {"grant_type": "client_credentials"}
    answers = {
        send("POST", url, data=form, auth=service.basic): "wrong client secret: it ended at 20",
        send("POST", url, data=form, auth=(service.client_id, "wrong")): "wrong client secret",
        send("POST", url, data=form, auth=("nobody", "wrong")): "unknown or disabled client",
        send("POST", url, data=form): "no client authentication and no client_id",
        send(
            "POST", url, data=form | {"client_id": service.client_id, "client_secret": "x"}
        ): "used client_secret_post, ",
    }
    for answer, reason in answers.items():
        assert answer.json() == {"error": "invalid_client", "error_description": "Client authentication failed."}
        assert why(provider, answer).startswith(reason)


def test_a_page_that_refuses_is_kept_too(provider: Provider, app: App) -> None:
    browser = Browser(provider.issuer)
    browser.open(app.url())
    answer = browser.submit(csrf="forged")
    assert answer.status_code == 403
    assert kept(provider, answer)["description"] == "This form could not be trusted"


def test_a_posted_request_that_is_gone_is_kept(provider: Provider) -> None:
    answer = send("GET", f"{provider.issuer}/authorize/{'x' * 43}")
    assert answer.status_code == 410
    assert kept(provider, answer)["description"] == "This sign-in is over"


@pytest.mark.slow
def test_the_command_tells_the_story(provider: Provider, app: App) -> None:
    answer = send("GET", provider.issuer + app.url(redirect_uri="https://app.example.com/CALLBACK"))
    kept(provider, answer)
    reference = answer.headers["x-request-id"]
    done = provider.run("explain", reference.lower().replace("-", "").replace("0", "o").replace("1", "l"))
    assert done.returncode == 0, done.stderr
    for said in (reference, app.client_id, "RFC 9700 section 2.1", "https://app.example.com/CALLBACK", CALLBACK):
        assert said in done.stdout
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("Received "))
    received, marks = lines[at : at + 2]
    assert received[marks.index("^") :].startswith("CALLBACK")
    told = provider.cli("explain", reference)
    assert told["whose_turn"] == "the people who run the app"
    assert told["expected"] == [CALLBACK]
    assert reference in [each["reference"] for each in provider.cli("explain", "--last", "50")]


@pytest.mark.parametrize("reference", ["0000-0000", "x", "\u001b[2J", "' OR 1=1"])
def test_a_reference_under_which_nothing_is_kept_says_so(provider: Provider, reference: str) -> None:
    done = provider.run("explain", reference)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nothing is kept under" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("0000-0000", "--last", "1"), ("--last", "0")])
def test_the_command_wants_a_reference_or_a_number(provider: Provider, arguments: tuple[str, ...]) -> None:
    assert provider.run("explain", *arguments).returncode == 2


def test_no_credential_is_kept_whatever_parameter_it_is_sent_in(provider: Provider, app: App, ana: Browser) -> None:
    """An app mixes its parameters up: what it sends in the wrong one must not be readable by who explains."""
    tokens, code = app.tokens(ana), app.code(ana)
    secret, verifier = app.basic[1], code.verifier or ""
    canaries = [secret, verifier, code.code, tokens["access_token"], tokens["refresh_token"], tokens["id_token"]]
    names = ("redirect_uri", "scope", "response_type", "response_mode", "prompt", "max_age", "client_id", "state")
    for number, canary in enumerate(canaries):
        other = register(provider, f"Mixed up {number}")  # with a share of its own
        for name in names:
            send("GET", provider.issuer + other.url(**{name: canary}))
        for data in ({"grant_type": canary}, {"grant_type": "refresh_token", "refresh_token": canary}):
            other.post(data)
        other.redeem(replace(code, code=canary))
        other.redeem(code, redirect_uri=canary)
        send("POST", f"{provider.issuer}/token", data={"grant_type": "x"}, auth=(other.client_id, canary))
        send("GET", f"{provider.issuer}/userinfo", headers={"Authorization": f"Bearer {canary}x"})
        assert kept(provider, other.refresh("x"))
    rows = json.dumps(sql(provider, "SELECT * FROM refusals"))
    log = provider.log.read_text()
    for canary in canaries:
        for part in [part for part in canary.split(".") if len(part) > 40]:
            assert part not in rows
            assert part not in log


@pytest.mark.slow
def test_a_flood_is_counted_and_not_stored(provider: Provider) -> None:
    """Somebody has the same request refused a thousand times, for the table to grow and others' rows to go."""
    app = register(provider, "Flooded")
    for _ in range(200):
        app.refresh("x")
    stored = sql(provider, "SELECT count(*) FROM refusals WHERE client_id = ?", app.client_id)[0][0]
    assert 30 <= stored < 60
    time.sleep(2.1)
    later = kept(provider, app.refresh("x"))
    assert later["not_stored"] > 100


def test_an_answer_never_waits_for_what_is_kept_of_it(provider: Provider, app: App) -> None:
    """Another process holds the database's lock: the refusal is answered all the same, and at once."""
    app.refresh("x")
    with closing(sqlite3.connect(provider.folder / "data" / "idp.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = send("GET", provider.issuer + app.url(response_type="token"))
        took = time.monotonic() - began
        database.execute("ROLLBACK")
    assert answer_of(answer)["error"] == "unsupported_response_type"
    assert took < 1


def test_where_nothing_can_be_kept_the_answer_is_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("explain")) as provider:
        app = register(provider)
        before = send("GET", provider.issuer + app.url(response_type="token"))
        sql(provider, "DROP TABLE refusals")
        after = send("GET", provider.issuer + app.url(response_type="token"))
        assert answer_of(before).keys() == answer_of(after).keys()
        assert answer_of(after)["error"] == "unsupported_response_type"
        until = time.monotonic() + 10
        while "refusal_not_stored" not in provider.log.read_text():
            assert time.monotonic() < until
            time.sleep(0.02)
