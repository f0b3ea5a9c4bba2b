import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.signin.steps import Demand, Progress, Step, missing, next_step

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
STRANGER = Progress(
    identified=False,
    mailed=False,
    selectable=False,
    session_user=None,
    auth_time=None,
    proving=None,
    two_factors=False,
    has_second=False,
    leaked=False,
    offered=False,
    allowed=frozenset(),
    consented_by=None,
)
NOTHING = Demand(
    subject=None, scope=frozenset(), fresh_since=None, two_factors=False, announced=False, ask_consent=False
)
SIGNED_IN = replace(STRANGER, identified=True, session_user="ana", auth_time=NOW, allowed=frozenset({"openid"}))

IDENTIFIED = (False, True)
SELECTABLE = (False, True)
SUBJECT = (None, "ana", "bob")
# Whether there is a session, and how old it is beside what is demanded.
SESSIONS = {
    "no session": (None, None),
    "just too old": ("ana", NOW - MOMENT),
    "just fresh enough": ("ana", NOW),
    "fresh": ("ana", NOW + timedelta(seconds=1)),
}
ALLOWED = {
    "nothing": frozenset[str](),
    "a part": frozenset({"openid"}),
    "another": frozenset({"profile"}),
    "all": frozenset({"openid", "email"}),
    "more": frozenset({"openid", "email", "profile"}),
}
CONSENTED_BY = (None, "ana", "bob")
FRESH_SINCE = {"any age": None, "a fresh one": NOW}
ASKS = (False, True)
SCOPE = frozenset({"openid", "email"})
# Who has proved something, whether that or the session makes two factors, whether they have a second, whether others
# know the password, whether a passkey is offered, whether two must be, whether they will have to be; and whether a code
# was mailed.
EITHER = (False, True)
SECONDS = tuple(itertools.product((None, "ana"), EITHER, EITHER, EITHER, EITHER, EITHER, EITHER, EITHER))
TABLE = [
    pytest.param(*row, id=", ".join(map(str, row)))
    for row in itertools.product(IDENTIFIED, SELECTABLE, SUBJECT, SESSIONS, ALLOWED, CONSENTED_BY, FRESH_SINCE, ASKS)
]

# What is next, by three questions: is there a session that counts, did its person allow enough, do they have to be
# asked again although they did.
COUNTS = {
    ("no session", "any age"): False,
    ("no session", "a fresh one"): False,
    ("just too old", "any age"): True,
    ("just too old", "a fresh one"): False,
    ("just fresh enough", "any age"): True,
    ("just fresh enough", "a fresh one"): True,
    ("fresh", "any age"): True,
    ("fresh", "a fresh one"): True,
}
ENOUGH = {"nothing": False, "a part": False, "another": False, "all": True, "more": True}
ASKED = {
    (False, None): True,
    (False, "ana"): True,
    (False, "bob"): True,
    (True, None): False,
    (True, "ana"): True,
    (True, "bob"): False,
}


@pytest.mark.parametrize(
    ("identified", "selectable", "subject", "session", "allowed", "consented_by", "fresh_since", "asks"), TABLE
)
def test_az_10_az_12_and_co_02_the_next_step_of_every_combination(
    identified: bool,
    selectable: bool,
    subject: str | None,
    session: str,
    allowed: str,
    consented_by: str | None,
    fresh_since: str,
    asks: bool,
) -> None:
    """Whoever skips, reorders, repeats or races a step finds the one that is missing."""
    user, auth_time = SESSIONS[session]
    counts = COUNTS[session, fresh_since] and subject != "bob"
    for proving, two_factors, has_second, leaked, offered, demanded, announced, mailed in SECONDS:
        progress = Progress(
            *(identified, mailed, selectable, user, auth_time, proving, two_factors, has_second, leaked, offered),
            *(ALLOWED[allowed], consented_by),
        )
        step = next_step(progress, Demand(subject, SCOPE, FRESH_SINCE[fresh_since], demanded, announced, asks))
        awaited = proving and subject != "bob"
        if counts and (two_factors or not (demanded or has_second)):
            done = ENOUGH[allowed] and ASKED[asks, consented_by]
            assert step is (Step.OFFER if offered else Step.DONE if done else Step.CONSENT)
        elif has_second and not two_factors and (awaited or (counts and not proving)):
            assert step is Step.FACTOR
        elif leaked and awaited:
            assert step is Step.NEW_PASSWORD
        elif (demanded or announced) and not two_factors and awaited:
            assert step is Step.ENROL
        else:
            first = Step.EMAIL if mailed else Step.PASSWORD
            assert step is (first if identified else Step.SELECT if selectable else Step.IDENTIFY)


def test_the_table_is_whole() -> None:
    assert len(TABLE) == 2 * 2 * 3 * 4 * 5 * 3 * 2 * 2


@pytest.mark.parametrize(
    ("progress", "demand", "step"),
    [
        (STRANGER, NOTHING, Step.IDENTIFY),
        (SIGNED_IN, NOTHING, Step.DONE),
        (SIGNED_IN, replace(NOTHING, fresh_since=NOW + MOMENT), Step.PASSWORD),
        (replace(STRANGER, identified=True, mailed=True), NOTHING, Step.EMAIL),
        (SIGNED_IN, replace(NOTHING, scope=SCOPE), Step.CONSENT),
        (SIGNED_IN, replace(NOTHING, ask_consent=True), Step.CONSENT),
        (replace(STRANGER, identified=True, proving="ana", has_second=True), NOTHING, Step.FACTOR),
        (replace(STRANGER, identified=True, proving="ana"), replace(NOTHING, two_factors=True), Step.ENROL),
        (replace(STRANGER, identified=True, proving="ana", leaked=True), NOTHING, Step.NEW_PASSWORD),
        (replace(STRANGER, identified=True, proving="ana", leaked=True, has_second=True), NOTHING, Step.FACTOR),
        (replace(STRANGER, identified=True, proving="ana", leaked=True, two_factors=True), NOTHING, Step.NEW_PASSWORD),
        (
            replace(STRANGER, identified=True, proving="ana", leaked=True),
            replace(NOTHING, two_factors=True),
            Step.NEW_PASSWORD,
        ),
        (replace(STRANGER, identified=True, proving="ana"), replace(NOTHING, announced=True), Step.ENROL),
        (SIGNED_IN, replace(NOTHING, announced=True), Step.DONE),
        (SIGNED_IN, replace(NOTHING, two_factors=True), Step.PASSWORD),
        (replace(SIGNED_IN, has_second=True), NOTHING, Step.FACTOR),
        (replace(SIGNED_IN, has_second=True, two_factors=True), NOTHING, Step.DONE),
        (replace(SIGNED_IN, offered=True), replace(NOTHING, scope=SCOPE), Step.OFFER),
        (replace(STRANGER, identified=True, offered=True), NOTHING, Step.PASSWORD),
        (
            replace(SIGNED_IN, has_second=True),
            replace(NOTHING, two_factors=True, fresh_since=NOW + MOMENT),
            Step.PASSWORD,
        ),
    ],
    ids=[
        *("a stranger", "single sign-on", "prompt=login", "a code by mail", "a new scope", "prompt=consent"),
        *("a code after the password", "a device to be set up"),
        *("a leaked password", "a code before a leaked one is replaced", "a leaked one after the code"),
        "a leaked one is replaced before a device is set up",
        *("a device that may be put off", "single sign-on before a device is needed"),
        *("stepping up without a device", "stepping up", "single sign-on with two factors"),
        *("a passkey is offered first", "and to nobody before they are in", "both anew"),
    ],
)
def test_what_happens_to_whom(progress: Progress, demand: Demand, step: Step) -> None:
    assert next_step(progress, demand) is step


def test_az_12_a_consent_never_stands_in_for_a_sign_in() -> None:
    """What was allowed in this attempt, by whoever it was, proves nobody's identity."""
    consented = replace(STRANGER, identified=True, allowed=SCOPE, consented_by="ana")
    assert next_step(consented, replace(NOTHING, scope=SCOPE, ask_consent=True)) is Step.PASSWORD


@pytest.mark.parametrize(("user", "auth_time"), [("ana", None), (None, NOW)])
def test_half_a_session_is_none(user: str | None, auth_time: datetime | None) -> None:
    half = replace(STRANGER, identified=True, session_user=user, auth_time=auth_time, allowed=SCOPE, two_factors=True)
    assert next_step(half, replace(NOTHING, scope=SCOPE)) is Step.PASSWORD


def test_co_02_the_consent_of_who_was_signed_in_before_is_not_that_of_who_is_now() -> None:
    """Somebody signs in over an attempt in which another person pressed Allow."""
    allowed_by_bob = replace(SIGNED_IN, allowed=SCOPE, consented_by="bob")
    assert next_step(allowed_by_bob, replace(NOTHING, scope=SCOPE, ask_consent=True)) is Step.CONSENT


def test_co_02_consent_that_was_withdrawn_meanwhile_is_asked_for_again_though_it_was_given_in_this_attempt() -> None:
    """An app keeps a sign-in open while its person withdraws what was allowed in it, and then finishes it."""
    withdrawn = replace(SIGNED_IN, allowed=frozenset(), consented_by="ana")
    assert next_step(withdrawn, replace(NOTHING, scope=SCOPE)) is Step.CONSENT


@pytest.mark.parametrize("demanded", [False, True])
def test_mf_02_the_first_factor_alone_is_never_enough_where_two_are_needed(demanded: bool) -> None:
    """The attacker knows the password, and posts, reloads or goes back in any order to be let in without the code."""
    knows_it = replace(STRANGER, identified=True, proving="ana", has_second=not demanded, allowed=SCOPE)
    for progress in (
        knows_it,
        replace(knows_it, session_user="ana", auth_time=NOW),
        replace(knows_it, selectable=True),
    ):
        step = next_step(progress, replace(NOTHING, two_factors=demanded))
        assert step is (Step.ENROL if demanded else Step.FACTOR)


TIMES = st.one_of(st.none(), st.timedeltas(timedelta(-9), timedelta(9)).map(lambda offset: NOW + offset))
SCOPES = st.frozensets(st.sampled_from(["openid", "email", "profile"]))
PEOPLE = st.sampled_from([None, "ana", "bob"])
BOTH = st.booleans()
PROGRESS = st.builds(Progress, BOTH, BOTH, BOTH, PEOPLE, TIMES, PEOPLE, BOTH, BOTH, BOTH, BOTH, SCOPES, PEOPLE)
DEMAND = st.builds(Demand, PEOPLE, SCOPES, TIMES, BOTH, BOTH, BOTH)


@given(PROGRESS, DEMAND)
def test_co_02_a_code_is_never_given_without_a_fresh_session_and_everything_allowed(
    progress: Progress, demand: Demand
) -> None:
    """The attacker reaches the end in whatever order, without one of the things that a code takes."""
    if next_step(progress, demand) is Step.DONE:
        assert progress.session_user is not None
        assert progress.auth_time is not None
        assert demand.fresh_since is None or progress.auth_time >= demand.fresh_since
        assert demand.scope <= progress.allowed
        assert demand.subject in (None, progress.session_user)
        assert not demand.ask_consent or progress.consented_by == progress.session_user
        assert progress.two_factors or not (demand.two_factors or progress.has_second)


@given(PROGRESS, DEMAND)
def test_mf_02_no_session_begins_while_something_is_missing(progress: Progress, demand: Demand) -> None:
    """The attacker has a part of what it takes, or a password that is on a list."""
    if missing(progress, demand) is None:
        assert progress.two_factors or not (progress.has_second or demand.two_factors)
        assert not progress.leaked
    if missing(progress, demand) is Step.NEW_PASSWORD:
        assert progress.two_factors or not progress.has_second, "who has a second factor proves it first"


@given(PROGRESS, DEMAND)
def test_the_same_facts_always_give_the_same_step_and_more_proof_never_goes_back(
    progress: Progress, demand: Demand
) -> None:
    demand = replace(demand, subject=None if demand.subject is None else "ana")
    order = [*(Step.SELECT, Step.IDENTIFY, Step.PASSWORD, Step.EMAIL, Step.FACTOR), *(Step.NEW_PASSWORD, Step.ENROL)]
    order += [Step.OFFER, Step.CONSENT, Step.DONE]
    proved = {"identified": True, "session_user": "ana", "auth_time": NOW + timedelta(days=10), "two_factors": True}
    signed_in = replace(progress, selectable=False, **proved)  # type: ignore[arg-type]
    consented = replace(signed_in, offered=False, allowed=progress.allowed | demand.scope, consented_by="ana")
    steps = [next_step(each, demand) for each in (progress, signed_in, consented)]
    assert steps == [next_step(each, demand) for each in (progress, signed_in, consented)]
    assert order.index(steps[1]) >= order.index(Step.OFFER)
    assert steps[2] is Step.DONE
    assert order.index(steps[0]) <= order.index(steps[2])
