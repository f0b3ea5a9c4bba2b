"""Signing keys that are rotated while tokens are issued and checked."""

import base64
import json
import threading
import time
from typing import Any

from tests.races.arena import Arena
from tests.races.load import Load
from tests.races.swarm import Address, Line, basic, bearer, request

ROTATIONS = 3
JWKS_MAX_AGE = 1.0


def kid_of(token: str) -> str:
    header = token.partition(".")[0]
    kid: str = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
    return kid


class Jwks:
    """As a resource server keeps it: for as long as it may."""

    def __init__(self, node: Address) -> None:
        self._line = Line(node)
        self._kids: set[str] = set()
        self._until = 0.0

    def has(self, kid: str) -> bool:
        if time.monotonic() >= self._until:
            answer = self._line.ask(request("GET", "/jwks"))
            assert answer.header("cache-control") == f"public, max-age={JWKS_MAX_AGE:.0f}"
            self._kids = {key["kid"] for key in answer.json()["keys"]}
            self._until = answer.sent + JWKS_MAX_AGE
        return kid in self._kids


def keep_checking(
    issuing: Address, checking: Address, headers: dict[str, str], refresh_token: str, stop: threading.Event
) -> dict[str, Any]:
    """Refreshes, and shows each token, and the very first one, to a resource server and to userinfo."""
    issuer, userinfo, jwks = Line(issuing), Line(checking), Jwks(checking)
    tokens: list[str] = []
    refused: list[str] = []
    while not stop.is_set():
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = issuer.ask(request("POST", "/token", form, headers))
        assert answer.status == 200, (answer.status, answer.body)
        refresh_token = answer.json()["refresh_token"]
        tokens.append(answer.json()["access_token"])
        for token in (tokens[-1], tokens[0]):
            if not jwks.has(kid_of(token)):
                refused.append(f"the JWKS lacks {kid_of(token)}")
            seen = userinfo.ask(request("GET", "/userinfo", headers=bearer(token)))
            if seen.status != 200:
                refused.append(f"userinfo refuses {kid_of(token)}: {seen.status} {seen.header('www-authenticate')}")
        time.sleep(0.01)
    return {"refused": refused, "checked": 2 * len(tokens), "kids": sorted({kid_of(token) for token in tokens})}


def test_ra_10_no_token_is_refused_while_the_keys_are_rotated(arena: Arena) -> None:
    """Situation: one worker signs with a key that another one, or a resource server, does not know yet or any more."""
    first, last = arena.other_nodes[0], arena.other_nodes[-1]
    arguments = [(first, last, basic(arena.client), arena.new_tokens()["refresh_token"]) for _ in range(6)]
    with Load(keep_checking, arguments) as load:
        for _ in range(ROTATIONS):
            deadline = time.monotonic() + 60
            while (rotated := arena.other.run("key", "rotate", "--json")).returncode != 0:
                assert "may be used from" in rotated.stderr
                assert time.monotonic() < deadline
        time.sleep(7)  # until every worker has followed
        results = load.end()
    for result in results:
        assert result["refused"] == []
        assert len(result["kids"]) == ROTATIONS + 1
