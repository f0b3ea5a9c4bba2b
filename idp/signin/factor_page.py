"""The page that asks for a second factor: the way that was used last, and the others behind it."""

from typing import Any

from starlette.responses import Response

from idp.factors import message, passkey, recovery, totp
from idp.factors.proofs import SECOND
from idp.signin import another_way, by_email, with_passkey
from idp.signin.another_way import Way
from idp.signin.every_page import common, confirming, step_page
from idp.signin.interaction import Interaction
from idp.signin.second import WRONG_CODE, codes_are_locked, email_of
from idp.signin.steps import Step
from idp.store import credentials
from idp.wording import Text

NOT_RIGHT: dict[str, Any] = {
    "summary": Text("That did not work"),
    "field": "code",
    "message": Text("The code is not right, or was used already. Wait for the next one and enter it."),
}


async def factor_page(interaction: Interaction) -> Response:
    services, user_id = interaction.services, interaction.proving
    assert user_id is not None  # noqa: S101  # the step is FACTOR only with one
    has = {
        name: [each.data for each in await credentials.of_person(services.database, services.sealer, user_id, name)]
        for name in SECOND
    }
    by_mail, error = await interaction.second_by_mail(services.database), _fault(interaction)
    locked = await codes_are_locked(interaction, user_id, message.NAME if by_mail else totp.NAME)
    steps_up = interaction.session is not None
    ways = another_way.listed(has, locked=locked, by_mail=by_mail, passkey_first=steps_up)
    email = await email_of(interaction)
    context = common(interaction, Step.FACTOR) | {
        "username": email,
        "methods": [
            {"name": way.name, "title": way.title, "open": error is not None and error["field"] == way.field}
            for way in ways
        ],
        "devices": [data["name"] for data in has[totp.NAME]],
        "locked": locked,
        "remaining": sum(recovery.remaining(data) for data in has[recovery.NAME]),
        "passkey": await _passkey_of_person(interaction, ways, has[passkey.NAME]),
        "mail": by_email.context(interaction, email) if by_mail else None,
        "reason": confirming(interaction) if steps_up else None,
        "fixed": steps_up,
        "error": error,
    }
    return step_page(interaction, "factor", context)


async def _passkey_of_person(
    interaction: Interaction, ways: list[Way], has: list[dict[str, Any]]
) -> dict[str, Any] | None:
    if not has:
        return None
    context = await with_passkey.context(interaction, Step.FACTOR, first=ways[0].name == passkey.NAME)
    return context | {"names": [data["name"] for data in has]}


def _fault(interaction: Interaction) -> dict[str, Any] | None:
    if interaction.attempt.fault == WRONG_CODE:
        return NOT_RIGHT
    return by_email.told(interaction) or with_passkey.fault_of(interaction)
