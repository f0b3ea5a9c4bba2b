"""What an operator can set: read once, checked, frozen."""

from idp.settings.fields import (
    MIN_SECRET_KEY,
    PREFIX,
    REFUSE,
    REQUIRED,
    Settings,
)
from idp.settings.joining import BY_DOMAIN, BY_INVITATION, OPEN
from idp.settings.kinds import LOOPBACK_HOSTS, duration, moment
from idp.settings.reading import CONFIG, FILE_SUFFIX, SettingsError, is_secret, load, origins, shown

__all__ = [
    "BY_DOMAIN",
    "BY_INVITATION",
    "CONFIG",
    "FILE_SUFFIX",
    "LOOPBACK_HOSTS",
    "MIN_SECRET_KEY",
    "OPEN",
    "PREFIX",
    "REFUSE",
    "REQUIRED",
    "Settings",
    "SettingsError",
    "duration",
    "is_secret",
    "load",
    "moment",
    "origins",
    "shown",
]
