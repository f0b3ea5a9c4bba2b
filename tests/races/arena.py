"""Where the races are run: an installation under several workers or nodes, a person signed in, and a swarm."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from tests.provider import (
    EMAIL,
    PASSWORD,
    Browser,
    Pkce,
    Provider,
    answer_of,
    authorize_url,
    pkce,
    token_request,
)
from tests.races.swarm import Address, Answer, Swarm, basic, bearer, request
from tests.servers import free_port

ROUNDS = 200
FEWEST, MOST = 8, 20
SCOPE = "openid email offline_access"
DORA = "dora@example.test"  # whose address nobody verified, so that no mail is a second factor of hers


def sizes(rounds: int = ROUNDS) -> Iterator[int]:
    """How many requests each round has: 8 to 20."""
    return (FEWEST + number % (MOST - FEWEST + 1) for number in range(rounds))


@dataclass
class Arena:
    """`provider` is the first node, `nodes` are the addresses of all.

    `other` is the same installation under other settings: its servers have no grace for refresh tokens, costlier
    passwords, and a JWKS that may be cached for a second.
    """

    provider: Provider
    nodes: list[Address]
    other: Provider
    other_nodes: list[Address]
    client: dict[str, Any]
    proof: Pkce = field(default_factory=pkce)
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = Browser(self.provider.issuer)

    def swarm(self) -> Swarm:
        return Swarm(self.nodes, MOST)

    def other_swarm(self) -> Swarm:
        return Swarm(self.other_nodes, MOST)

    def new_code(self, **parameters: str) -> str:
        """By single sign-on, but for the first one."""
        url = authorize_url(self.client, self.proof.challenge, **{"scope": SCOPE} | parameters)
        return answer_of(self.browser.sign_in(url, EMAIL, PASSWORD))["code"]

    def redemption(self, code: str) -> bytes:
        """The token request of an honest client."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client["redirect_uris"][0],
            "code_verifier": self.proof.verifier,
        }
        return request("POST", "/token", form, basic(self.client))

    def refreshment(self, refresh_token: str) -> bytes:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return request("POST", "/token", form, basic(self.client))

    def new_tokens(self) -> dict[str, Any]:
        answer = token_request(
            self.provider,
            self.client,
            grant_type="authorization_code",
            code=self.new_code(),
            redirect_uri=self.client["redirect_uris"][0],
            code_verifier=self.proof.verifier,
        )
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def count(self, table: str) -> int:
        """How many rows there are."""
        query = f"SELECT count(*) FROM {table}"  # noqa: S608  # a name that a test gives
        url = self.provider.environment["IDP_DATABASE_URL"]
        if url.startswith("sqlite:///"):
            connection = sqlite3.connect(url.removeprefix("sqlite:///"))
            try:
                return int(connection.execute(query).fetchone()[0])
            finally:
                connection.close()
        return asyncio.run(_counted(url, query))


async def _counted(url: str, query: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


@contextmanager
def another_node(first: Provider, *arguments: str, **settings: str) -> Iterator[Provider]:
    """A server of its own on the database, under the issuer and the keys of `first`."""
    port = free_port()
    folder = first.folder / f"node-{port}"
    folder.mkdir()
    environment = first.environment | {"IDP_DATA_DIR": str(folder / "data")}
    environment |= {f"IDP_{name.upper()}": value for name, value in settings.items()}
    node = Provider(f"http://localhost:{port}", port, folder, environment)
    try:
        node.start(*arguments)
        yield node
        node.check_log()
    finally:
        node.stop()


def nothing_on_its_way(arena: Arena) -> None:
    deadline = time.monotonic() + 40
    while arena.count("outbox WHERE kind = 'mail'"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def address(provider: Provider) -> Address:
    return "127.0.0.1", provider.port, provider.host


def statuses(answers: list[Answer]) -> list[int]:
    return sorted(answer.status for answer in answers)


def assert_refused(answer: Answer) -> None:
    """As a token endpoint refuses a grant (RFC 6749 section 5.2)."""
    assert answer.status == 400, (answer.status, answer.body)
    assert answer.json()["error"] == "invalid_grant"


def assert_dead(swarm: Swarm, arena: Arena, tokens: dict[str, Any]) -> None:
    """Nothing that the client was given works any more, on any node."""
    nodes = len(arena.nodes)
    userinfo = request("GET", "/userinfo", headers=bearer(tokens["access_token"]))
    answers = swarm.at_once([userinfo] * nodes + [arena.refreshment(tokens["refresh_token"])] * nodes)
    assert statuses(answers[:nodes]) == [401] * nodes
    for answer in answers[nodes:]:
        assert_refused(answer)
