"""A rule: what it demands, where it is written, and what to change."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Turn(StrEnum):
    """Who can change it."""

    APP = "the people who run the app"
    OPERATOR = "the operator"
    PERSON = "the person"


@dataclass(frozen=True)
class Rule:
    """`applies` is matched against the description, a line break, and the reason."""

    applies: re.Pattern[str]
    demand: str
    section: str
    cure: str
    turn: Turn = Turn.APP


def rule(applies: str, demand: str, section: str, cure: str, turn: Turn = Turn.APP) -> Rule:
    return Rule(re.compile(applies, re.DOTALL), demand, section, cure, turn)
