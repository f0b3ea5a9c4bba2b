"""The whole story of a refusal, for who may hear it: the rule, what came, what was expected, and what to change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp.protocol import difference, rules
from idp.protocol.difference import Difference, harmless, visible
from idp.protocol.errors import OAuthError
from idp.protocol.rules import Rule

_MOST_EXPECTED = 20
_WITH_DIFFERENCE = "redirect_uri"


@dataclass(frozen=True)
class Story:
    """All of it is readable ASCII. `reason` is empty where the description says it all."""

    description: str
    reason: str
    rule: Rule | None
    received: str | None
    expected: tuple[str, ...]
    difference: Difference | None


def details(error: OAuthError) -> dict[str, Any]:
    """What is kept of a refusal: nothing long, and nothing that looks like a credential."""
    kept: dict[str, Any] = {"description": error.description, "reason": harmless(error.reason)}
    if error.received is not None:
        kept["received"] = harmless(error.received)
    if error.expected:
        kept["expected"] = [harmless(each) for each in error.expected[:_MOST_EXPECTED]]
    return kept


def tell(kept: Mapping[str, Any]) -> Story:
    """Of what `details` kept."""
    description, reason = kept["description"], kept["reason"]
    received, expected = kept.get("received"), tuple(kept.get("expected", ()))
    compared = received is not None and _WITH_DIFFERENCE in f"{description} {reason}"
    return Story(
        description=description,
        reason="" if reason == description else visible(reason),
        rule=rules.find(description, reason),
        received=None if received is None else visible(received),
        expected=tuple(map(visible, expected)),
        difference=difference.between(received, expected) if compared and received else None,
    )
