"""Where a proof of work, or a riddle, is offered: on the page to which a refusal leads back."""

import hmac
import json
from datetime import timedelta

from idp.outside.captcha import Widget
from idp.protocol.params import Params
from idp.signin.interaction import Interaction
from idp.web import csrf, riddle, throttle, work
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
    if services.captcha.widget is not None and throttle.is_beyond_work(services, left):
        return f"{interaction.url}?{riddle.ASKED}={_mark(interaction)}"
    return f"{interaction.url}?{work.ASKED}"


def asked(interaction: Interaction) -> str | None:
    """The challenge of a proof of work, for the page's script."""
    if work.ASKED not in interaction.request.query_params:
        return None
    return json.dumps(work.asked(interaction.services, _worker(interaction)), separators=(",", ":"))


def widget(interaction: Interaction) -> Widget | None:
    """The riddle, where a refusal led here: nobody's link makes a page load something from elsewhere."""
    told = interaction.request.query_params.get(riddle.ASKED, "").encode("utf-8", "replace")
    return interaction.services.captcha.widget if hmac.compare_digest(told, _mark(interaction).encode()) else None


def _mark(interaction: Interaction) -> str:
    return csrf.token(interaction.services, f"{riddle.ASKED}:{interaction.attempt.id}", interaction.browser)


def _worker(interaction: Interaction) -> Worker:
    return Worker(interaction.attempt.id, interaction.browser)
