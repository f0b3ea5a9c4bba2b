"""What the page of every step is given."""

from collections.abc import Mapping

from starlette.responses import Response

from idp.outside.captcha import Widget
from idp.protocol import redirects
from idp.signin import working
from idp.signin.interaction import Interaction
from idp.signin.loading import form_token
from idp.signin.steps import Step
from idp.web.pages import page
from idp.wording import Text

_GUESSED_AT = (Step.IDENTIFY, Step.PASSWORD, Step.EMAIL, Step.FACTOR)


def common(interaction: Interaction, step: Step) -> dict[str, object]:
    return {
        "app": _app(interaction),
        "csrf": form_token(interaction),
        "action": f"{interaction.url}/{step}",
        "switch_action": f"{interaction.url}/switch",
        "recover": f"{interaction.url}/recover",
        "step": step.value,
        "here": _here(interaction),
        "fixed": False,
        "work": working.asked(interaction),
        "captcha": working.widget(interaction) if step in _GUESSED_AT else None,
    }


def _here(interaction: Interaction) -> str:
    """Where the choice of a language leads back to, unless the browser says where it was made.

    At the address of the app's request another sign-in begins, for which `ui_locales` would count anew.
    """
    request, asked = interaction.request, interaction.asked
    can_come_back = request.method == "GET" and (request.scope["path"] == interaction.url or not asked.ui_locales)
    return "" if can_come_back else interaction.url


def _app(interaction: Interaction) -> dict[str, str]:
    host = redirects.host_of(interaction.asked.redirect_uri)
    return {"name": interaction.client.client_name, "host": host}


def confirming(interaction: Interaction) -> Text:
    return Text("%(app)s asks you to confirm that it is you.", {"app": interaction.client.client_name})


def step_page(interaction: Interaction, template: str, context: Mapping[str, object]) -> Response:
    """Its posts may end at an app, and a riddle comes from elsewhere."""
    widget = context["captcha"]
    origins = widget.service.origins if isinstance(widget, Widget) else ()
    return page(interaction.request, f"signin/{template}.html", context, form_action=None, origins=origins)
