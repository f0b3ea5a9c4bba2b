"""Claims of OpenID Connect on the command line."""

import json
import re
from typing import Any

import click

from idp.protocol.claims import SCOPE_CLAIMS

_FROM_ELSEWHERE = ("email", "email_verified", "updated_at")
CLAIMS = frozenset(name for names in SCOPE_CLAIMS.values() for name in names if name not in _FROM_ELSEWHERE)
MAX_CLAIM = 1000
claim_option = click.option(
    "--claim",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="A claim of OpenID Connect, such as given_name=Ana.",
)


def claims_of(pairs: tuple[str, ...], given_name: str | None) -> dict[str, Any]:
    """What was given, the empty values too: they remove a claim."""
    claims: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in CLAIMS:
            raise click.UsageError(f"--claim {pair}: write NAME=VALUE with one of {', '.join(sorted(CLAIMS))}.")
        claims[name] = _typed(name, value.strip())
    if given_name is not None:
        claims["name"] = _typed("name", given_name.strip())
    return claims


def without_empty(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value != ""}


def _typed(name: str, value: str) -> Any:  # a JSON value
    """OpenID Connect Core section 5.1: address is an object, phone_number_verified a boolean, all else text."""
    if name == "address" and value:
        return _address(value)
    _check_text(name, value)
    return value.lower() == "true" if name == "phone_number_verified" and value else value


def _address(value: str) -> dict[str, str]:
    """Section 5.1.1: all members are text, which may have several lines."""
    try:
        found = json.loads(value) if value.startswith("{") else {"formatted": value}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(member, str) for member in found.values()):
        raise click.UsageError("--claim address: write text, or a JSON object whose values are text.")
    _check_text("address", re.sub(r"[\r\n]", "", "".join((*found, *found.values()))))
    return found


def _check_text(name: str, text: str) -> None:
    if len(text) > MAX_CLAIM or not text.isprintable():
        raise click.UsageError(f"{name}: write at most {MAX_CLAIM} printable characters.")
