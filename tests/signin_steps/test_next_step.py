import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.signin.steps import Demand, Progress, Step, next_step

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
STRANGER = Progress(
    identified=False, selectable=False, session_user=None, auth_time=None, allowed=frozenset(), consented_by=None
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
    progress = Progress(identified, selectable, user, auth_time, ALLOWED[allowed], consented_by)
    step = next_step(progress, Demand(subject, SCOPE, FRESH_SINCE[fresh_since], asks))
    if not COUNTS[session, fresh_since] or subject == "bob":
        assert step is (Step.PASSWORD if identified else Step.SELECT if selectable else Step.IDENTIFY)
    elif not ENOUGH[allowed] or not ASKED[asks, consented_by]:
        assert step is Step.CONSENT
    else:
        assert step is Step.DONE


def test_the_table_is_whole() -> None:
    assert len(TABLE) == 2 * 2 * 3 * 4 * 5 * 3 * 2 * 2


@pytest.mark.parametrize(
    ("progress", "demand", "step"),
    [
        (STRANGER, Demand(None, SCOPE, None, ask_consent=False), Step.IDENTIFY),
        (SIGNED_IN, Demand(None, frozenset({"openid"}), None, ask_consent=False), Step.DONE),
        (SIGNED_IN, Demand(None, frozenset({"openid"}), NOW + MOMENT, ask_consent=False), Step.PASSWORD),
        (SIGNED_IN, Demand(None, frozenset({"openid", "email"}), None, ask_consent=False), Step.CONSENT),
        (SIGNED_IN, Demand(None, frozenset({"openid"}), None, ask_consent=True), Step.CONSENT),
    ],
    ids=["a stranger", "single sign-on", "prompt=login", "a new scope", "prompt=consent"],
)
def test_what_happens_to_whom(progress: Progress, demand: Demand, step: Step) -> None:
    assert next_step(progress, demand) is step


def test_az_12_a_consent_never_stands_in_for_a_sign_in() -> None:
    """What was allowed in this attempt, by whoever it was, proves nobody's identity."""
    consented = Progress(True, False, None, None, SCOPE, "ana")
    assert next_step(consented, Demand(None, SCOPE, None, ask_consent=True)) is Step.PASSWORD


@pytest.mark.parametrize(("user", "auth_time"), [("ana", None), (None, NOW)])
def test_half_a_session_is_none(user: str | None, auth_time: datetime | None) -> None:
    assert (
        next_step(Progress(True, False, user, auth_time, SCOPE, user), Demand(None, SCOPE, None, ask_consent=False))
        is Step.PASSWORD
    )


def test_co_02_the_consent_of_who_was_signed_in_before_is_not_that_of_who_is_now() -> None:
    """Somebody signs in over an attempt in which another person pressed Allow."""
    allowed_by_bob = Progress(True, False, "ana", NOW, SCOPE, "bob")
    assert next_step(allowed_by_bob, Demand(None, SCOPE, None, ask_consent=True)) is Step.CONSENT


def test_co_02_consent_that_was_withdrawn_meanwhile_is_asked_for_again_though_it_was_given_in_this_attempt() -> None:
    """An app keeps a sign-in open while its person withdraws what was allowed in it, and then finishes it."""
    withdrawn = Progress(True, False, "ana", NOW, frozenset(), "ana")
    assert next_step(withdrawn, Demand(None, SCOPE, None, ask_consent=False)) is Step.CONSENT


TIMES = st.one_of(st.none(), st.timedeltas(timedelta(-9), timedelta(9)).map(lambda offset: NOW + offset))
SCOPES = st.frozensets(st.sampled_from(["openid", "email", "profile"]))
PEOPLE = st.sampled_from([None, "ana", "bob"])
PROGRESS = st.builds(Progress, st.booleans(), st.booleans(), PEOPLE, TIMES, SCOPES, PEOPLE)
DEMAND = st.builds(Demand, PEOPLE, SCOPES, TIMES, st.booleans())


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


@given(PROGRESS, DEMAND)
def test_the_same_facts_always_give_the_same_step_and_more_proof_never_goes_back(
    progress: Progress, demand: Demand
) -> None:
    demand = replace(demand, subject=None if demand.subject is None else "ana")
    order = [Step.SELECT, Step.IDENTIFY, Step.PASSWORD, Step.CONSENT, Step.DONE]
    signed_in = Progress(True, False, "ana", NOW + timedelta(days=10), progress.allowed, progress.consented_by)
    consented = Progress(True, False, "ana", NOW + timedelta(days=10), progress.allowed | demand.scope, "ana")
    steps = [next_step(each, demand) for each in (progress, signed_in, consented)]
    assert steps == [next_step(each, demand) for each in (progress, signed_in, consented)]
    assert order.index(steps[1]) >= order.index(Step.CONSENT)
    assert steps[2] is Step.DONE
    assert order.index(steps[0]) <= order.index(steps[2])
