"""What an endpoint receives: everything it may use, passed explicitly."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from idp.challenges import Challenges
from idp.hashing import PasswordHashing
from idp.keys import Keys
from idp.outside.breaches import Breaches
from idp.outside.captcha import Captcha
from idp.outside.mail import Mailer
from idp.quotas import Quotas
from idp.settings import Settings
from idp.store.db import Database
from idp.store.seal import Sealer
from idp.store.volatile import Volatile
from idp.stuffing import Stuffing
from idp.turns import Turns

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """`development` is true under `idp dev` alone."""

    settings: Settings
    database: Database
    sealer: Sealer
    keys: Keys
    hashing: PasswordHashing
    clock: Clock
    development: bool
    challenges: Challenges
    breaches: Breaches
    mailer: Mailer
    captcha: Captcha
    volatile: Volatile
    turns: Turns
    stuffing: Stuffing
    quotas: Quotas


def services_of(request: HTTPConnection) -> Services:
    services = request.scope["idp.services"]
    assert isinstance(services, Services)  # noqa: S101  # the front puts it there
    return services
