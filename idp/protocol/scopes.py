"""Scopes: their syntax, what the standard ones mean to a person, and which of them a request gets."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from idp.protocol.errors import InvalidScope
from idp.wording import Text

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"
MAX_SCOPES = 64
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")


@dataclass(frozen=True)
class ScopeText:
    """A scope in words that a person understands: `title` short, `line` one sentence.

    The operator's own words are in whatever language they are.
    """

    title: Text | str
    line: Text | str


STANDARD = {
    "openid": ScopeText(
        Text("Proof that it is you"), Text("A number that stands for you here, and when you signed in.")
    ),
    "profile": ScopeText(Text("Your profile"), Text("Your name and what else you put in your profile.")),
    "email": ScopeText(Text("Your e-mail address"), Text("The address, and whether it has been confirmed.")),
    "address": ScopeText(Text("Your postal address"), Text("The address in your profile.")),
    "phone": ScopeText(Text("Your phone number"), Text("The number, and whether it has been confirmed.")),
    "offline_access": ScopeText(
        Text("Lasting access"), Text("It keeps this access while you are away, until you withdraw it.")
    ),
}
USER_SCOPES = frozenset(STANDARD)


def describe(scope: str, own: Mapping[str, str]) -> ScopeText:
    """`own` are the operator's words for scopes that no standard defines."""
    if scope in STANDARD:
        return STANDARD[scope]
    return (
        ScopeText(own[scope], "")
        if scope in own
        else ScopeText(scope, Text("A permission that the app defines itself."))
    )


def ordered(scopes: Iterable[str]) -> list[str]:
    """As people read them: the standard ones first."""
    return [*(scope for scope in STANDARD if scope in scopes), *sorted(set(scopes) - USER_SCOPES)]


def parse(text: str) -> tuple[str, ...]:
    """The scopes of a request in their order, each once (RFC 6749 section 3.3)."""
    scopes = tuple(dict.fromkeys(part for part in text.split(" ") if part))
    if len(scopes) > MAX_SCOPES or not all(_SCOPE_TOKEN.fullmatch(scope) for scope in scopes):
        raise InvalidScope("The parameter scope is malformed.", received=text)
    return scopes


def granted(requested: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What an authorization request gets: what it asked for and the client may have.

    Without the parameter it gets the client's default, all that the client may have but for offline_access, which
    has to be asked for (OpenID Connect Core section 11). Scopes that the client may not have are left out
    (OpenID Connect Core section 3.1.2.1); InvalidScope where nothing remains.
    """
    if requested is None:
        scopes = tuple(scope for scope in allowed if scope != OFFLINE_ACCESS)
    else:
        scopes = tuple(scope for scope in parse(requested) if scope in allowed)
    if not scopes:
        raise InvalidScope(
            "The parameter scope names no scope that this client may have.", received=requested, expected=allowed
        )
    return scopes


def narrowed(requested: str | None, before: tuple[str, ...]) -> tuple[str, ...]:
    """What a refresh gets: what was granted, or less (RFC 6749 section 6)."""
    if requested is None:
        return before
    scopes = parse(requested)
    if not scopes or not set(scopes) <= set(before):
        raise InvalidScope("The parameter scope asks for more than was granted.", received=requested, expected=before)
    return scopes


def for_client(requested: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What client_credentials gets: nothing that belongs to a person. May be empty."""
    own = tuple(scope for scope in allowed if scope not in USER_SCOPES)
    if requested is None:
        return own
    asked = tuple(scope for scope in parse(requested) if scope not in USER_SCOPES)
    if not set(asked) <= set(own):
        raise InvalidScope(
            "The parameter scope names a scope that this client may not have.", received=requested, expected=own
        )
    return asked
