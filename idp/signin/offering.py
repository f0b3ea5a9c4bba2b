"""Offering a passkey to who came without one of this device: once in thirty days, by a cookie that names nobody."""

import hmac
from dataclasses import replace
from datetime import timedelta

from starlette.responses import Response

from idp.protocol.params import Params
from idp.signin import interaction as dispatcher
from idp.signin.interaction import Interaction
from idp.store.ids import hash_of
from idp.web import cookies

EVERY = timedelta(days=30)
ABLE = "can"  # what the script says where the browser can make a passkey
_ANSWERED = "answered"
_LATER = "~"  # before the mark of a sign-in that lacks a second step yet


def begun(interaction: Interaction, form: Params) -> Interaction:
    """To be offered one, if what was sent is right: where that is possible, and was not done lately."""
    able = form.get("passkeys") == ABLE
    lately = _cookie(interaction)
    return replace(interaction, offers_passkey=able and (lately is None or lately.startswith(_LATER)))


def is_shown(interaction: Interaction) -> bool:
    """Whether this attempt is the one that offers it, and the offer was not answered yet."""
    return hmac.compare_digest((_cookie(interaction) or "").removeprefix(_LATER), _mark(interaction))


def show(response: Response, interaction: Interaction) -> None:
    """In this attempt, and in no other one for a while, whether it is answered or not."""
    _write(response, interaction, _mark(interaction))


def put_off(response: Response, interaction: Interaction) -> None:
    """Until its person is signed in: who never is was offered nothing."""
    lifetime = interaction.services.settings.attempt_lifetime
    cookies.write(response, interaction.services.settings, cookies.OFFERED, _LATER + _mark(interaction), lifetime)


def drop(response: Response, interaction: Interaction) -> None:
    """Their second step was a passkey of this device."""
    if is_shown(interaction):
        _write(response, interaction, _ANSWERED)


def answered(response: Response, interaction: Interaction) -> Response:
    _write(response, interaction, _ANSWERED)
    return response


async def later(interaction: Interaction, _: Params) -> Response:
    """Not now."""
    interaction = replace(interaction, offers_passkey=False)
    async with interaction.services.database.transaction() as transaction:
        code = await dispatcher.settle(transaction, interaction)
    return answered(dispatcher.proceed(interaction, code), interaction)


def _mark(interaction: Interaction) -> str:
    return hash_of(interaction.attempt.id)[:16]


def _cookie(interaction: Interaction) -> str | None:
    return cookies.read(interaction.request.headers, interaction.services.settings, cookies.OFFERED)


def _write(response: Response, interaction: Interaction, value: str) -> None:
    cookies.write(response, interaction.services.settings, cookies.OFFERED, value, EVERY)
