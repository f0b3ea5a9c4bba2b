"""One answer of a device, sent many times at once, and to every node."""

import json
from itertools import cycle

from tests.authenticators import Device
from tests.provider import Browser, authorize_url
from tests.races.arena import ROUNDS, Arena, sizes
from tests.races.swarm import request
from tests.races.test_signin import assert_working_end
from tests.signin.passkeys import given, options_of
from tests.signin.reading import path_of, token_of


def test_ra_12_wa_04_an_answer_sent_many_times_at_once_signs_in_once(arena: Arena) -> None:
    """The attacker recorded the answer, and sends it to every node at the moment at which its owner does."""
    arena.new_code()
    device = Device(arena.provider.issuer)
    given(arena.provider, device)
    url = authorize_url(arena.client, arena.proof.challenge, scope="openid email offline_access")
    with arena.swarm() as one, arena.other_swarm() as other:
        for size, swarm in zip(sizes(ROUNDS // 5), cycle([other, one]), strict=False):
            browser = Browser(arena.provider.issuer)
            browser.open(url)
            sent = json.dumps(device.get(options_of(browser)))
            filled = {"csrf": token_of(browser), "credential": sent}
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)
            headers = {"Cookie": cookies, "Origin": browser.issuer}
            answers = swarm.at_once([request("POST", f"{path_of(browser)}/passkey", filled, headers)] * size)
            assert {answer.status for answer in answers} == {303}
            winners = [answer for answer in answers if any("_session_" in value for _, value in answer.headers)]
            assert len(winners) == 1
            assert_working_end(arena, browser, winners[0])
