"""Reads the settings once, from the environment, files and one TOML file, and says what is wrong with them."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from idp.settings.fields import PREFIX, Settings

FILE_SUFFIX = "_FILE"
CONFIG = "IDP_CONFIG"


class SettingsError(Exception):
    """A setting that cannot be used; the text says which one, why, and what to write instead."""


def load(
    environment: Mapping[str, str] | None = None,
    *,
    fallback: Mapping[str, Any] | None = None,
    **given: Any,  # a value of any setting
) -> Settings:
    """The settings: what is `given`, then the environment, `..._FILE`, the TOML file, `fallback`, and the defaults.

    Raises SettingsError for a value that cannot be used and for a name that no setting has.
    """
    found = {name: value for name, (value, _) in origins(environment).items()}
    try:
        return Settings(**{**(fallback or {}), **found, **given})
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(each["loc"], each["msg"]) for each in error.errors())) from None


def _explain(location: tuple[int | str, ...], message: str) -> str:
    name = f"{PREFIX}{str(location[0]).upper()}"
    if message == "Field required":
        return f"{name} is not set. It is the public URL of this provider, such as https://id.example.com."
    return f"{name}: {message.removeprefix('Value error, ')}."


def origins(environment: Mapping[str, str] | None = None) -> dict[str, tuple[Any, str]]:
    """Each setting that is set, with its raw value and where it came from."""
    environment = os.environ if environment is None else environment
    from_toml = _from_toml(environment.get(CONFIG))
    from_environment = _from_environment(environment)
    return from_toml | from_environment


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name == CONFIG:
            continue
        field = name.removeprefix(PREFIX).lower()
        if field in Settings.model_fields:
            found[field] = (_utf8(environment[name], name), name)
        elif name.endswith(FILE_SUFFIX) and (field := field.removesuffix("_file")) in Settings.model_fields:
            if f"{PREFIX}{field.upper()}" in environment:
                message = f"{PREFIX}{field.upper()} and {name} are both set; keep one of them."
                raise SettingsError(message)
            found[field] = (_read(environment[name], name), name)
        else:
            raise SettingsError(
                _unknown(name, name, [CONFIG, *(PREFIX + each.upper() for each in Settings.model_fields)])
            )
    return found


def _from_toml(path: str | None) -> dict[str, tuple[Any, str]]:
    if not path:
        return {}
    try:
        document = tomllib.loads(_read(path, CONFIG))
    except tomllib.TOMLDecodeError as error:
        message = f"{path} is not TOML: {error}."
        raise SettingsError(message) from None
    for name in document:
        if name not in Settings.model_fields:
            raise SettingsError(_unknown(f"{name} in {path}", name, list(Settings.model_fields)))
    return {name: (tuple(value) if isinstance(value, list) else value, path) for name, value in document.items()}


def _utf8(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SettingsError(f"{name} is not UTF-8.") from None
    return value


def _read(path: str, name: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{name} names the file {path}, which cannot be read: {error}."
        raise SettingsError(message) from None


def _unknown(shown: str, name: str, known: list[str]) -> str:
    """The nearest of the known names is told too, where one is near without the prefix."""
    bare = {each.removeprefix(PREFIX).lower(): each for each in known}
    nearest = difflib.get_close_matches(name.removeprefix(PREFIX).lower(), bare, n=1)
    return f"There is no setting {shown}." + (f" The nearest is {bare[nearest[0]]}." if nearest else "")


def is_secret(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("secret"))


def shown(value: object) -> str:
    """A value as a person would write it; the password in a URL is left out."""
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
        unit, size = next(((u, s) for u, s in units if seconds and seconds % s == 0), ("s", 1))
        return f"{seconds // size}{unit}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return ",".join(str(each) for each in value)
    without_password = re.sub(r"(://[^:/@]*):.*@", r"\1:...@", "" if value is None else str(value))
    return re.sub(r"([?&]password=)[^&]*", r"\1...", without_password)
