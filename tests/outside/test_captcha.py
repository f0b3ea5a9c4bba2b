"""Asking a service whether a riddle was solved."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from idp.outside import captcha
from idp.outside.captcha import SERVICES, NoCaptcha, Service, SiteVerify, captcha_of
from idp.settings import load
from tests.riddles import Riddles, asking
from tests.servers import free_port


@pytest.fixture
def riddles() -> Iterator[Riddles]:
    with asking() as riddles:
        yield riddles


async def solved(service: Service, answer: str = "an answer") -> bool:
    asked = SiteVerify(service, "public", "the secret", "localhost")
    try:
        return await asked.solved(answer)
    finally:
        await asked.close()


async def test_the_service_is_asked_with_our_secret_and_the_answer_and_learns_nothing_else(riddles: Riddles) -> None:
    assert await solved(riddles.service)
    assert riddles.asked == [{"secret": ["the secret"], "response": ["an answer"]}]
    assert riddles.encodings == ["identity"], "or what it says could not be read"


@pytest.mark.parametrize(
    "told",
    [
        {"success": False, "hostname": "localhost", "error-codes": ["timeout-or-duplicate"]},
        {"success": True, "hostname": "elsewhere.example"},
        {"success": True},
        {"success": True, "hostname": None},
        {"success": "true", "hostname": "localhost"},
        {"success": 1, "hostname": "localhost"},
        {"hostname": "localhost"},
    ],
    ids=["not solved", "another site", "no site", "null", "a text", "a number", "nothing"],
)
async def test_rl_14_what_was_not_solved_or_was_on_another_site_counts_nothing(
    riddles: Riddles, told: dict[str, Any]
) -> None:
    """The attacker has people solve riddles on a site of his own, and sends their answers here."""
    riddles.answer = told
    with capture_logs() as logs:
        assert not await solved(riddles.service)
    assert logs == [], "it is an answer, and no failure"


@pytest.mark.parametrize(
    "told",
    [500, 302, b"<html>", b"[true]", b"", b"x" * 20_000, b'{"success": true, "hostname": "localhost"'],
    ids=["an error", "a redirect", "a page", "a list", "nothing", "huge", "cut short"],
)
async def test_rl_14_a_service_that_answers_badly_opens_nothing_and_says_so_in_the_log(
    riddles: Riddles, told: Any
) -> None:
    """The attacker brings the service down, or waits until it is, and hopes that no answer counts as a right one."""
    riddles.answer = told
    with capture_logs() as logs:
        assert not await solved(riddles.service, "canary-answer")
    assert [line["event"] for line in logs] == ["captcha_failed"]
    assert "canary" not in str(logs)
    assert "the secret" not in str(logs)


async def test_rl_14_a_service_that_is_down_or_silent_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Situation: the service does not answer, and people wait for it."""
    monkeypatch.setattr(captcha, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for port in (listener.getsockname()[1], free_port()):
            start = time.monotonic()
            assert not await solved(Service(f"http://127.0.0.1:{port}/", "", "", "", ()))
            assert time.monotonic() - start < 2


async def test_nobody_is_asked_without_the_operators_word() -> None:
    nobody = captcha_of(load({"IDP_ISSUER": "https://id.example.com"}))
    assert isinstance(nobody, NoCaptcha)
    assert nobody.widget is None
    assert not await nobody.solved("an answer")
    await nobody.close()


@pytest.mark.parametrize("name", SERVICES)
async def test_the_services_are_asked_over_tls_and_their_scripts_are_among_what_a_page_may_load(name: str) -> None:
    keys = {"IDP_CAPTCHA_SITE_KEY": "public", "IDP_CAPTCHA_SECRET": "secret"}
    found = captcha_of(load({"IDP_ISSUER": "https://id.example.com", "IDP_CAPTCHA": name, **keys}))
    assert found.widget is not None
    service = found.widget.service
    assert found.widget.site_key == "public"
    assert all(url.startswith("https://") for url in (service.verify, service.script, *service.origins))
    host = service.script.split("/")[2]
    allowed = [origin.split("/")[2].removeprefix("*.") for origin in service.origins]
    assert any(host == each or host.endswith("." + each) for each in allowed)
    await found.close()
