"""Reading the hints of requests with the keys of this moment."""

from functools import partial

from idp.protocol import id_token_hint
from idp.protocol.id_token_hint import ReadHint
from idp.services import Services


def reader(services: Services) -> ReadHint:
    now = int(services.clock().timestamp())
    return partial(id_token_hint.read, keys=services.keys.ring.published, issuer=services.settings.issuer, now=now)
