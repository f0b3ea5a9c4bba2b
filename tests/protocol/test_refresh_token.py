import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol.claims import Authentication
from idp.protocol.errors import InvalidGrant
from idp.protocol.grants import refresh_token
from idp.protocol.grants.refresh_token import Decision, End, Family, Presented, Repeat, Rotate, decide, mint, read
from tests.protocol.samples import NOW

SEED = bytes(range(32))
ID = "0190a5b0c0de7000800000000000abcd"
OTHER_ID = ID[:-1] + "e"
GRACE = timedelta(seconds=10)
NEVER = timedelta(0)
MOMENT = timedelta(microseconds=1)
LIMIT = NOW + timedelta(hours=1)
CURRENT = 5
FAMILY = Family(
    grant_id=ID,
    client_id="billing",
    user_id="ana",
    scope=("openid",),
    seed=SEED,
    generation=CURRENT,
    rotated_at=NOW,
    idle_expires_at=NOW + timedelta(days=30),
    expires_at=NOW + timedelta(days=180),
    ended_at=None,
    ended_reason=None,
    lost=None,
    authentication=Authentication("s1", NOW, ("pwd",), "urn:x"),
)


def decision(
    generation: int = CURRENT,
    family: Family = FAMILY,
    *,
    client_id: str = "billing",
    after: timedelta = timedelta(0),
    grace: timedelta = GRACE,
) -> Decision:
    return decide(read(mint(ID, generation, SEED)), family, client_id, NOW + after, grace)


def refused(token: str, family: Family | None = FAMILY, *, after: timedelta = timedelta(0)) -> str:
    with pytest.raises(InvalidGrant) as caught:
        decide(read(token), family, "billing", NOW + after, GRACE)
    assert caught.value.description == "The refresh token is not valid."
    return caught.value.reason


def test_a_token_is_family_generation_and_the_hmac_of_both() -> None:
    """Written down on its own: a token that people hold must be valid after the next release too."""
    mac = hmac.new(SEED, f"refresh:{ID}:5".encode(), hashlib.sha256).digest()
    assert mint(ID, 5, SEED) == f"{ID}.5." + base64.urlsafe_b64encode(mac).decode().rstrip("=")


def test_a_token_is_taken_apart_into_what_it_was_made_of() -> None:
    token = mint(ID, 5, SEED)
    assert read(token) == Presented(ID, 5, token.rsplit(".", 1)[1])


@given(st.integers(0, 9_999_999_999), st.binary(min_size=32, max_size=32))
def test_every_generation_can_be_read_again(generation: int, seed: bytes) -> None:
    token = mint(ID, generation, seed)
    found = read(token)
    assert (found.family, found.generation) == (ID, generation)
    assert f"{found.family}.{found.generation}.{found.mac}" == token


@given(
    st.tuples(st.integers(0, 50), st.binary(min_size=32, max_size=32)),
    st.tuples(st.integers(0, 50), st.binary(min_size=32, max_size=32)),
)
def test_no_two_generations_or_seeds_share_a_mac(one: tuple[int, bytes], other: tuple[int, bytes]) -> None:
    same = mint(ID, *one).rsplit(".", 1)[1] == mint(ID, *other).rsplit(".", 1)[1]
    assert same == (one == other)


MAC = mint(ID, CURRENT, SEED).rsplit(".", 1)[1]


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", f"{ID}.5", f"{ID}.5.", f"{ID}..{MAC}", f".5.{MAC}", f"{ID}.5.{MAC}.", f"{ID}.5.{MAC}.x"),
        *(
            f"{ID}.05.{MAC}",
            f"{ID}.+5.{MAC}",
            f"{ID}.-5.{MAC}",
            f"{ID}.5e0.{MAC}",
            f"{ID}. 5.{MAC}",
            f"{ID}.\u0665.{MAC}",
        ),
        *(f"{ID}.{'9' * 11}.{MAC}", f"{ID}.{'9' * 5000}.{MAC}", f"{ID}.00.{MAC}", f"{ID}.0x5.{MAC}"),
        *(
            f"{ID.upper()}.5.{MAC}",
            f"{ID[:-1]}.5.{MAC}",
            f"{ID}0.5.{MAC}",
            f"{ID[:-1]}g.5.{MAC}",
            f"{ID[:-1]}é.5.{MAC}",
        ),
        *(f"{ID}.5.{MAC[:-1]}", f"{ID}.5.{MAC}A", f"{ID}.5.{MAC}=", f"{ID}.5.{MAC[:-1]}=", f"{ID}.5.{MAC[:-1]}+"),
        *(f"{ID}.5.{MAC}\n", f" {ID}.5.{MAC}", f"{ID}.5.{MAC}\x00", f"{ID}.5.{MAC[:-1]}\n", f"{ID}.5.{MAC[:-1]}é"),
    ],
)
def test_cd_07_a_token_that_is_cut_extended_or_spelt_otherwise_is_refused(token: str) -> None:
    """The attacker has most of a refresh token, or spells one in another way."""
    with pytest.raises(InvalidGrant) as caught:
        read(token)
    assert caught.value.reason == "not a refresh token of this provider"


@given(
    st.one_of(
        st.text(), st.text("0123456789abcdef.-_"), st.from_regex(r"\A[0-9a-f]{32}\.[0-9]{1,3}\.[A-Za-z0-9_-]{43}\Z")
    )
)
def test_reading_raises_nothing_but_invalid_grant_and_forgets_nothing(token: str) -> None:
    try:
        found = read(token)
    except InvalidGrant:
        return
    assert f"{found.family}.{found.generation}.{found.mac}" == token


@given(st.integers(0, len(mint(ID, CURRENT, SEED)) - 1), st.sampled_from("0123456789abcdefABCXYZ-_.=\n"))
def test_cd_07_a_token_with_any_character_changed_is_refused(position: int, character: str) -> None:
    """Also the last one, whose low two bits hold nothing: one token has one spelling."""
    good = mint(ID, CURRENT, SEED)
    token = good[:position] + character + good[position + 1 :]
    if token == good:
        assert decision() == Rotate(CURRENT)
    else:
        refused(token)


def test_a_wrong_mac_touches_nothing_whatever_else_is_true() -> None:
    """Who could end a family without its token would sign strangers out at will."""
    wrong = {
        "another seed": mint(ID, CURRENT, bytes(32)),
        "another family": f"{ID}.{CURRENT}.{mint(OTHER_ID, CURRENT, SEED).rsplit('.', 1)[1]}",
        "another generation": f"{ID}.{CURRENT - 2}.{MAC}",
        "zeros": f"{ID}.{CURRENT}.{'A' * 43}",
    }
    for token in wrong.values():
        for family in (
            FAMILY,
            replace(FAMILY, client_id="other"),
            replace(FAMILY, ended_reason="x", lost="the person"),
        ):
            assert refused(token, family) == "wrong mac"


def test_a_token_of_one_family_is_nothing_to_the_row_of_another() -> None:
    assert refused(mint(OTHER_ID, CURRENT, SEED), replace(FAMILY, seed=bytes(32))) == "wrong mac"


def test_a_family_that_does_not_exist_is_refused() -> None:
    assert refused(mint(ID, CURRENT, SEED), None) == "no such family"


AGES = {"zero": timedelta(0), "just in time": GRACE - MOMENT, "just late": GRACE, "an hour": timedelta(hours=1)}
CLIENTS = ("billing", "other")
LIVES = {
    "alive": FAMILY,
    "ended": replace(FAMILY, ended_reason="reuse"),
    "person gone": replace(FAMILY, lost="the person"),
    "idle": replace(FAMILY, idle_expires_at=NOW),
    "old": replace(FAMILY, expires_at=NOW),
}


def expected(generation: int, age: str, grace: timedelta, client_id: str, life: str) -> Decision | str:
    """The table of the module's docstring, row by row; the first that fits holds. A text is a refusal's reason."""
    in_grace = grace == GRACE and age in ("zero", "just in time")
    rows: list[tuple[bool, Decision | str]] = [
        (life == "ended", "the grant was ended: reuse"),
        (client_id == "other", End("refresh token used by another client")),
        (life == "person gone", "the person is no longer active"),
        (life == "idle", f"unused for too long: it expired at {NOW:%Y-%m-%dT%H:%M:%SZ}"),
        (life == "old", f"too old: the family expired at {NOW:%Y-%m-%dT%H:%M:%SZ}"),
        (generation == CURRENT, Rotate(CURRENT)),
        (generation > CURRENT, "generation ahead of the database: it lost its last commits"),
        (generation == CURRENT - 1 and in_grace, Repeat(CURRENT)),
        (True, End(f"refresh token reused: generation {generation}, current {CURRENT}")),
    ]
    return next(outcome for fits, outcome in rows if fits)


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("client_id", CLIENTS)
@pytest.mark.parametrize("grace", [GRACE, NEVER], ids=["grace", "no grace"])
@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("generation", [0, CURRENT - 2, CURRENT - 1, CURRENT, CURRENT + 1, CURRENT + 1000])
def test_rt_01_the_whole_table_of_decisions(
    generation: int, age: str, grace: timedelta, client_id: str, life: str
) -> None:
    """A stolen token is used beside the honest one: whoever comes second with an old one proves the theft."""
    outcome = expected(generation, age, grace, client_id, life)
    family = LIVES[life]
    if isinstance(outcome, str):
        with pytest.raises(InvalidGrant) as caught:
            decision(generation, family, client_id=client_id, after=AGES[age], grace=grace)
        assert (caught.value.reason, caught.value.description) == (outcome, "The refresh token is not valid.")
    else:
        assert decision(generation, family, client_id=client_id, after=AGES[age], grace=grace) == outcome


def test_rt_01_an_older_generation_ends_the_family_even_within_the_grace() -> None:
    """The attacker uses a token of two generations ago, while the grace of the last one still runs."""
    assert isinstance(decision(CURRENT - 2), End)


def test_rt_03_within_the_grace_the_same_successor_is_given_as_often_as_it_is_asked_for() -> None:
    """A lost response logs nobody out, and nothing forks."""
    answers = {decision(CURRENT - 1, after=timedelta(seconds=second)) for second in range(10)}
    assert answers == {Repeat(CURRENT)}


def test_rt_04_the_successor_of_a_repeat_is_a_token_that_rotates_next() -> None:
    """An honest app's answer was lost: what it gets on asking again must be alive, and not the token it had."""
    repeated = decision(CURRENT - 1)
    assert isinstance(repeated, Repeat)
    assert decision(repeated.generation) == Rotate(CURRENT)


@pytest.mark.parametrize("before", [timedelta(0), MOMENT, timedelta(milliseconds=5), timedelta(seconds=1)])
def test_rt_01_without_a_grace_the_loser_of_a_race_is_reuse_though_its_clock_was_read_before_the_winners(
    before: timedelta,
) -> None:
    """Two requests at once read the clock before the row, and two machines never show the same time."""
    assert isinstance(decision(CURRENT - 1, after=-before, grace=NEVER), End)


def test_with_a_grace_a_clock_that_is_behind_changes_nothing() -> None:
    assert decision(CURRENT - 1, after=-timedelta(seconds=1)) == Repeat(CURRENT)
    assert decision(after=-timedelta(seconds=1)) == Rotate(CURRENT)


@pytest.mark.parametrize("generation", [0, CURRENT - 1, CURRENT, CURRENT + 1])
def test_rt_05_and_rt_06_a_right_token_from_another_client_proves_a_leak(generation: int) -> None:
    """The attacker, himself a client, shows a refresh token that was given to another."""
    assert decision(generation, client_id="other") == End("refresh token used by another client")
    assert isinstance(decision(generation, client_id="Billing"), End)


@pytest.mark.parametrize(
    "family", [replace(FAMILY, idle_expires_at=LIMIT), replace(FAMILY, expires_at=LIMIT)], ids=["idle", "absolute"]
)
def test_rt_08_a_token_is_dead_from_the_moment_either_limit_is_reached(family: Family) -> None:
    """The attacker uses a refresh token that he found at the very moment at which it ends."""
    assert decision(family=family, after=timedelta(hours=1) - MOMENT) == Rotate(CURRENT)
    assert refused(mint(ID, CURRENT, SEED), family, after=timedelta(hours=1)).endswith(
        f"expired at {LIMIT:%Y-%m-%dT%H:%M:%SZ}"
    )


def test_rt_09_a_token_dies_with_its_reason() -> None:
    """The attacker uses a refresh token whose person, client or session is gone, or that was ended."""
    assert "no longer active" in refused(mint(ID, CURRENT, SEED), replace(FAMILY, lost="the person"))
    assert refused(mint(ID, CURRENT, SEED), replace(FAMILY, ended_reason="x")) == "the grant was ended: x"


def test_a_database_that_lost_its_last_commits_accuses_nobody() -> None:
    assert "lost its last commits" in refused(mint(ID, CURRENT + 1, SEED))


def test_the_first_token_of_a_family_rotates_and_has_no_predecessor() -> None:
    first = replace(FAMILY, generation=0)
    assert decision(0, first) == Rotate(0)
    with pytest.raises(InvalidGrant):
        read(f"{ID}.-1.{MAC}")


@given(
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from(CLIENTS),
    st.timedeltas(timedelta(days=-400), timedelta(days=400)),
    st.timedeltas(timedelta(0), timedelta(seconds=60)),
    st.booleans(),
    st.sampled_from([None, "ended"]),
)
def test_nothing_but_a_live_familys_own_client_gets_a_token(
    presented: int,
    current: int,
    client_id: str,
    after: timedelta,
    grace: timedelta,
    alive: bool,
    ended: str | None,
) -> None:
    family = replace(FAMILY, generation=current, lost=None if alive else "the session", ended_reason=ended)
    try:
        found = decision(presented, family, client_id=client_id, after=after, grace=grace)
    except InvalidGrant:
        return
    assert ended is None
    if isinstance(found, End):
        assert client_id == "other" or presented < current
        return
    assert alive
    assert client_id == "billing"
    assert after < timedelta(days=30)
    assert found.generation == current
    assert presented == current - (1 if isinstance(found, Repeat) else 0)
    assert isinstance(found, Rotate) or after < grace


def test_a_whole_life_of_a_family_gives_one_line_of_tokens() -> None:
    """Every step from what the last one gave: rotation, a repeat, rotation, then the theft is found out."""
    family, tokens = replace(FAMILY, generation=0), [mint(ID, 0, SEED)]
    for _ in range(3):
        outcome = decide(read(tokens[-1]), family, "billing", NOW, GRACE)
        assert isinstance(outcome, Rotate)
        family = replace(family, generation=outcome.generation + 1)
        tokens.append(mint(ID, family.generation, SEED))
        assert decide(read(tokens[-2]), family, "billing", NOW, GRACE) == Repeat(family.generation)
    assert len(set(tokens)) == 4
    assert all(isinstance(decide(read(old), family, "billing", NOW, GRACE), End) for old in tokens[:-2])


def test_the_seed_has_256_bits_and_so_has_the_mac() -> None:
    assert refresh_token.SEED_BYTES == 32
    assert len(base64.urlsafe_b64decode(MAC + "=")) == 32
