"""Sentences for people, as they are before anybody knows in which language they are read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Text:
    """The English sentence, under which each language has its own; `%(name)s` stands for an argument.

    An argument is a string, which stays as it is, a number, a day, a time, or another text. `plural` is the sentence
    for any other `count` than one.
    """

    message: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    plural: str = ""

    def __hash__(self) -> int:
        return hash((self.message, self.plural))

    def __str__(self) -> str:
        """In English, for the command line and the log."""
        return filled(self.plural if self.plural and self.arguments["count"] != 1 else self.message, self.arguments)


@dataclass(frozen=True)
class Month:
    """As an argument: the month of a day."""

    day: date

    def __str__(self) -> str:
        return f"{self.day:%b %Y}"


def counted(singular: str, plural: str, count: int) -> Text:
    """Both with `%(count)s`."""
    return Text(singular, {"count": count}, plural)


def filled(sentence: str, arguments: Mapping[str, object]) -> str:
    return sentence % arguments if arguments else sentence


def dumped(text: Text) -> str:
    """To be kept until it is shown; its arguments are strings and numbers."""
    return json.dumps([text.message, dict(text.arguments), text.plural], separators=(",", ":"))


def loaded(kept: str) -> Text:
    message, arguments, plural = json.loads(kept)
    return Text(message, arguments, plural)
