"""Signing out, many times at once: an impatient person, two tabs, an app that sends its people twice."""

from urllib.parse import urlencode

from tests.provider import Browser, authorize_url, tokens_for
from tests.races.arena import ROUNDS, SCOPE, Arena, assert_refused, sizes
from tests.races.swarm import request
from tests.races.test_signin import press

ENDED = "audit WHERE event = 'session.signed_out'"


def test_lo_09_signing_out_many_times_at_once_on_every_node_ends_once(arena: Arena) -> None:
    """The page that asks is answered again and again, while the app sends its ID token as often."""
    with arena.swarm() as swarm:
        for size in sizes(ROUNDS // 10):
            browser = Browser(arena.provider.issuer)
            tokens = tokens_for(arena.provider, arena.client, browser, scope="openid email")
            before = arena.count(ENDED)
            browser.open("/logout")
            pressed = press(browser, "")
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)
            query = urlencode({"id_token_hint": tokens["id_token"]})
            sent = request("GET", f"/logout?{query}", headers={"Cookie": cookies})
            answers = swarm.at_once([pressed, sent] * (size // 2))
            assert {(answer.status, answer.header("location")) for answer in answers} == {(303, "/signed-out")}
            assert arena.count(ENDED) == before + 1
            (gone,) = swarm.at_once([arena.refreshment(tokens["refresh_token"])])
            assert_refused(gone)
            url = authorize_url(arena.client, arena.proof.challenge, prompt="none", scope=SCOPE)
            (nobody,) = swarm.at_once([request("GET", url, headers={"Cookie": cookies})])
            assert "error=login_required" in nobody.header("location")
