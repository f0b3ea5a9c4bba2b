"""One authorization code, redeemed many times at once."""

from tests.races.arena import Arena, assert_dead, assert_refused, sizes, statuses


def test_ra_01_a_code_redeemed_at_once_gives_one_answer_and_the_replays_kill_it(arena: Arena) -> None:
    """Attack: a stolen code is redeemed by thief and client in the same instant, on every worker and node."""
    with arena.swarm() as swarm:
        for size in sizes():
            answers = swarm.at_once([arena.redemption(arena.new_code())] * size)
            assert statuses(answers) == [200] + [400] * (size - 1)
            for answer in answers:
                if answer.status == 400:
                    assert_refused(answer)
            winner = next(answer for answer in answers if answer.status == 200)
            assert_dead(swarm, arena, winner.json())
