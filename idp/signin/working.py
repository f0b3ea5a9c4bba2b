"""Where a proof of work, or a riddle, is offered: on the page to which a refusal leads back."""

import json
from datetime import timedelta

from idp.outside.captcha import Widget
from idp.protocol.params import Params
from idp.signin.interaction import Interaction
from idp.web import riddle, throttle, work
from idp.web.throttle import Shown
from idp.web.work import Worker


def shown(interaction: Interaction, form: Params) -> Shown:
    """What the page's scripts put into its form."""
    widget = interaction.services.captcha.widget
    answer = None if widget is None else form.get(widget.service.field)
    return Shown(_worker(interaction), form.get(work.FIELD), answer)


def url(interaction: Interaction, left: timedelta) -> str:
    """The page that offers what helps, while there is so long to wait."""
    services = interaction.services
    beyond = services.captcha.widget is not None and throttle.is_beyond_work(services, left)
    return f"{interaction.url}?{riddle.ASKED if beyond else work.ASKED}"


def asked(interaction: Interaction) -> str | None:
    """The challenge of a proof of work, for the page's script."""
    if work.ASKED not in interaction.request.query_params:
        return None
    return json.dumps(work.asked(interaction.services, _worker(interaction)), separators=(",", ":"))


def widget(interaction: Interaction) -> Widget | None:
    """The riddle, where the page is to have one."""
    return interaction.services.captcha.widget if riddle.ASKED in interaction.request.query_params else None


def _worker(interaction: Interaction) -> Worker:
    return Worker(interaction.attempt.id, interaction.browser)
