"""Where a proof of work is offered: on the page to which somebody goes back whose network used up its guesses."""

import json

from idp.signin.interaction import Interaction
from idp.web import work
from idp.web.work import Worker


def worker(interaction: Interaction) -> Worker:
    return Worker(interaction.attempt.id, interaction.browser)


def url(interaction: Interaction) -> str:
    return f"{interaction.url}?{work.ASKED}"


def asked(interaction: Interaction) -> str | None:
    """The challenge, for the page's script."""
    if work.ASKED not in interaction.request.query_params:
        return None
    return json.dumps(work.asked(interaction.services, worker(interaction)), separators=(",", ":"))
