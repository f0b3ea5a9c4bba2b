"""The rules that a refusal can break, and finding the one that it did.

A rule is found by the fixed description of its error and, where several causes share one description so that nobody
outside can tell them apart, by the reason. A test holds that every refusal has one.
"""

from idp.protocol.rules import credentials, requests
from idp.protocol.rules.rule import Rule, Turn

__all__ = ["RULES", "Rule", "Turn", "find"]

RULES = (*requests.RULES, *credentials.RULES)


def find(description: str, reason: str) -> Rule | None:
    """The first rule that applies; None for what has no rule, which no refusal of ours is."""
    text = f"{description}\n{reason}"
    return next((rule for rule in RULES if rule.applies.match(text)), None)
