"""One refresh token, used many times at once."""

from tests.races.arena import Arena, assert_dead, assert_refused, sizes, statuses


def test_rt_01_without_grace_a_refresh_at_once_gives_one_answer_and_ends_the_family(arena: Arena) -> None:
    """Attack: a stolen refresh token is used by thief and client in the same instant, and both want to go on."""
    with arena.other_swarm() as swarm:
        for size in sizes():
            tokens = arena.new_tokens()
            answers = swarm.at_once([arena.refreshment(tokens["refresh_token"])] * size)
            assert statuses(answers) == [200] + [400] * (size - 1)
            for answer in answers:
                if answer.status == 400:
                    assert_refused(answer)
            winner = next(answer for answer in answers if answer.status == 200)
            assert_dead(swarm, arena, winner.json())
            assert_dead(swarm, arena, tokens)


def test_ra_03_rt_03_rt_04_within_the_grace_all_get_the_same_living_successor(arena: Arena) -> None:
    """Attack: the tabs of one app refresh together; one is logged out, or the family forks and hides a thief."""
    before = arena.count("grants")
    with arena.swarm() as swarm:
        made = 0
        for size in sizes():
            made += 1
            first = arena.new_tokens()["refresh_token"]
            answers = swarm.at_once([arena.refreshment(first)] * size)
            assert statuses(answers) == [200] * size
            successors = {answer.json()["refresh_token"] for answer in answers}
            assert len(successors) == 1
            assert first not in successors
            [after] = swarm.at_once([arena.refreshment(successors.pop())])
            assert after.status == 200
            [older] = swarm.at_once([arena.refreshment(first)])
            assert_refused(older)
            assert_dead(swarm, arena, after.json())
    assert arena.count("grants") == before + made
