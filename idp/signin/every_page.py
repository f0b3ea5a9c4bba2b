"""What the page of every step is given."""

from idp.protocol import redirects
from idp.signin import working
from idp.signin.interaction import Interaction
from idp.signin.loading import form_token
from idp.signin.steps import Step


def common(interaction: Interaction, step: Step) -> dict[str, object]:
    return {
        "app": _app(interaction),
        "csrf": form_token(interaction),
        "action": f"{interaction.url}/{step}",
        "switch_action": f"{interaction.url}/switch",
        "step": step.value,
        "work": working.asked(interaction),
    }


def _app(interaction: Interaction) -> dict[str, str]:
    host = redirects.host_of(interaction.asked.redirect_uri)
    return {"name": interaction.client.client_name, "host": host}


def confirming(interaction: Interaction) -> str:
    return f"{interaction.client.client_name} asks you to confirm that it is you."
