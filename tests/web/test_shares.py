"""How many refusals of one client are stored, by the clock."""

from idp.web.refusals import BURST, EVERY, _Share
from tests.store.world import DAY, NOW


def test_a_share_fills_up_again_with_time() -> None:
    share = _Share(BURST, NOW)
    assert [share.take(NOW, stalled=False) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert [share.take(NOW + EVERY, stalled=False) for _ in range(2)] == [True, False]
    assert share.not_stored == 2


def test_a_clock_that_is_set_back_costs_nobody_their_share() -> None:
    share = _Share(BURST, NOW)
    assert share.take(NOW - DAY, stalled=False)
    assert share.take(NOW - DAY + EVERY, stalled=False)
