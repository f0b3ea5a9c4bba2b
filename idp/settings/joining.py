"""The settings of who may make an account: strangers, people at some addresses, or whom an operator invites."""

import re
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from idp.settings.kinds import Listed

BY_INVITATION, BY_DOMAIN, OPEN = "invitation", "domains", "open"
_DOMAIN = re.compile(r"[^\s@\"<>(),:;\\\[\]*./]+(\.[^\s@\"<>(),:;\\\[\]*./]+)+")


class JoiningSettings(BaseSettings):
    """A group of `Settings`."""

    sign_up: Literal["closed", "invitation", "domains", "open"] = Field(
        "closed",
        description="Who may make an account: nobody, people whom an operator invites, those with an address of a few "
        "domains as well, or everybody.",
    )
    sign_up_domains: Listed = Field(
        (),
        description="The domains of these addresses, comma-separated: each counts for itself, and not for what is "
        "below it.",
    )

    @field_validator("sign_up_domains")
    @classmethod
    def _domains_are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_DOMAIN.fullmatch(each) for each in value):
            message = "write domains such as example.com, without @ and without *"
            raise ValueError(message)
        return value

    @property
    def sign_up_is_open(self) -> bool:
        """Whether a stranger may ask for an account."""
        return self.sign_up in (BY_DOMAIN, OPEN)
