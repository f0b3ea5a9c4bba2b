"""An app that sends too much waits, alone, and loses nothing."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.provider import TLS, Browser, Provider, authorize_url, pkce, running, token_request, tokens_for
from tests.signin.reading import query

pytestmark = pytest.mark.slow

LIMIT = 20


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(
        tmp_path_factory.mktemp("quotas"), requests_per_client=str(LIMIT), trusted_proxies="127.0.0.1"
    ) as provider:
        provider.create_user()
        yield provider


@pytest.fixture
def client(installation: Provider) -> dict[str, Any]:
    return installation.create_client("--scope", "openid profile email offline_access reports.read")


def use_up(provider: Provider, client: dict[str, Any]) -> httpx2.Response:
    """The first refusal."""
    for _ in range(20 * LIMIT):  # while they are sent, some come back
        answer = token_request(provider, client, grant_type="refresh_token", refresh_token="none")
        if answer.status_code == 429:
            return answer
    raise AssertionError


def test_an_app_that_sends_too_much_is_told_how_long_to_wait(installation: Provider, client: dict[str, Any]) -> None:
    first = token_request(installation, client, grant_type="refresh_token", refresh_token="none")
    assert first.headers["ratelimit-policy"] == f'"client";q={LIMIT};w=60'
    assert first.headers["ratelimit"] == '"client";r=0;t=3'
    assert "retry-after" not in first.headers
    refused = use_up(installation, client)
    assert refused.json()["error"] == "temporarily_unavailable"
    assert refused.headers["ratelimit"] == f'"client";r=0;t={refused.headers["retry-after"]}'
    assert 1 <= int(refused.headers["retry-after"]) <= 3


def test_a_refusal_costs_no_refresh_token_and_no_other_app_anything(
    installation: Provider, client: dict[str, Any]
) -> None:
    other = installation.create_client("--scope", "openid offline_access")
    tokens = tokens_for(installation, client, scope="openid offline_access")
    use_up(installation, client)
    kept = tokens["refresh_token"]
    assert token_request(installation, client, grant_type="refresh_token", refresh_token=kept).status_code == 429
    assert tokens_for(installation, other)["access_token"]
    while (
        answer := token_request(installation, client, grant_type="refresh_token", refresh_token=kept)
    ).status_code == 429:
        time.sleep(int(answer.headers["retry-after"]))
    assert answer.status_code == 200


def test_rl_08_nobody_uses_up_what_a_confidential_client_may_send(
    installation: Provider, client: dict[str, Any]
) -> None:
    """The attacker names somebody else's app a hundred times, so that the app is refused."""
    forged = client | {"client_secret": "x" * 43}
    for _ in range(LIMIT + 10):
        assert token_request(installation, forged, grant_type="refresh_token", refresh_token="none").status_code == 401
    answer = token_request(installation, client, grant_type="refresh_token", refresh_token="none")
    assert answer.json()["error"] == "invalid_grant"


def test_rl_08_a_public_client_is_counted_for_each_address(installation: Provider) -> None:
    """The attacker names a public app, which anybody can, so that its people are refused."""
    client = installation.create_client("--public")
    data = {"grant_type": "refresh_token", "refresh_token": "none", "client_id": client["client_id"]}

    def ask(address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return httpx2.post(
            f"{installation.issuer}/token", data=data, headers=headers, timeout=30, verify=TLS
        ).status_code

    statuses = [ask("198.51.100.7")]
    while statuses[-1] != 429 and len(statuses) < 20 * LIMIT:
        statuses.append(ask("198.51.100.7"))
    assert set(statuses) == {400, 429}
    assert ask("198.51.100.8") == 400
    names = [key for (key,) in query(installation, "SELECT key FROM counters")]
    assert not [key for key in names if "198.51" in key or client["client_id"] in key]


def test_pages_of_the_app_may_read_what_is_left(installation: Provider, client: dict[str, Any]) -> None:
    headers = {"Origin": "https://app.example.com"}
    auth = client["client_id"], client["client_secret"]
    answer = httpx2.post(f"{installation.issuer}/token", auth=auth, headers=headers, timeout=30, verify=TLS)
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed)


def test_without_a_limit_nothing_is_told_and_nothing_counted(tmp_path: Path) -> None:
    with running(tmp_path) as provider:
        client = provider.create_client()
        answer = token_request(provider, client, grant_type="refresh_token", refresh_token="none")
        assert "ratelimit" not in answer.headers
        assert query(provider, "SELECT key FROM counters") == []


def test_rl_10_one_address_stores_no_more_requests_than_it_may(installation: Provider, client: dict[str, Any]) -> None:
    """The attacker posts authorization requests without end, to fill the disk."""
    url, _, encoded = (installation.issuer + authorize_url(client, pkce().challenge)).partition("?")

    def post(address: str) -> httpx2.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": address}
        return httpx2.post(url, content=encoded, headers=headers, timeout=30, verify=TLS)

    answers = [post("203.0.113.7")]
    while answers[-1].status_code != 429 and len(answers) < 200:
        answers.append(post("203.0.113.7"))
    assert len(answers) > 30
    refused = answers[-1]
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert "Too many sign-ins at once" in refused.text
    stored = query(installation, "SELECT count(*) FROM handles WHERE kind = 'stored_request'")[0][0]
    assert stored == len(answers) - 1
    assert post("203.0.113.8").status_code == 303


def test_rl_10_of_a_burst_of_requests_no_more_are_stored_than_may_be(
    installation: Provider, client: dict[str, Any]
) -> None:
    """The attacker posts a hundred at the same moment, so that each finds the limit whole."""
    url, _, encoded = (installation.issuer + authorize_url(client, pkce().challenge)).partition("?")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": "203.0.113.11"}
    began = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        posts = [
            pool.submit(httpx2.post, url, content=encoded, headers=headers, timeout=30, verify=TLS) for _ in range(100)
        ]
    statuses = [each.result().status_code for each in posts]
    assert set(statuses) == {303, 429}
    assert 30 <= statuses.count(303) <= 31 + (time.monotonic() - began) / 2


def test_rl_10_one_address_stores_no_more_long_sign_ins_than_it_may(
    installation: Provider, client: dict[str, Any]
) -> None:
    """The attacker begins sign-ins that are too long for a URL, to fill the disk."""
    browser = Browser(installation.issuer)
    browser.http.headers["X-Forwarded-For"] = "203.0.113.9"
    url = authorize_url(client, pkce().challenge, state='"' * 2000, nonce='"' * 1000)
    statuses = [browser.http.get(f"{installation.issuer}{url}").status_code]
    while statuses[-1] != 429 and len(statuses) < 200:
        statuses.append(browser.http.get(f"{installation.issuer}{url}").status_code)
    assert len(statuses) > 30
    assert set(statuses) == {200, 429}
    assert browser.http.get(f"{installation.issuer}{authorize_url(client, pkce().challenge)}").status_code == 200
