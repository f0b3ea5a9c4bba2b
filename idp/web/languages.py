"""Languages: in which one a request is answered, and what sentences, days and times are in it.

A language is one file, `templates/languages/TAG.po`. What it lacks is said in English.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from io import BytesIO

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from starlette.requests import Request
from starlette.responses import Response

from idp.services import services_of
from idp.settings import Settings, SettingsError
from idp.web import cookies
from idp.web.folder import LANGUAGES
from idp.wording import Month, Text, filled

SOURCE = "en"
_FORMATS = {SOURCE: "en-GB"}  # days before months, and 24 hours
_MOST_WISHES, _LONGEST_HEADER = 20, 500
_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,5}")
_WISH = re.compile(r"\s*([A-Za-z0-9-]{1,50})\s*(?:;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?")
_CHOSEN_AT = re.compile(r"[0-9]{1,14}")


@dataclass(frozen=True)
class Language:
    tag: str
    name: str
    direction: str
    formats: Locale
    translations: NullTranslations

    def sentence(self, message: str, plural: str = "", count: object = 1) -> str:
        if not plural:
            return str(self.translations.ugettext(message))
        return str(self.translations.ungettext(message, plural, int(str(count))))

    def words(self, told: object) -> object:
        """What is shown of anything that a page or a mail is given."""
        if isinstance(told, Text):
            arguments = {name: self.words(value) for name, value in told.arguments.items()}
            return filled(self.sentence(told.message, told.plural, told.arguments.get("count")), arguments)
        if isinstance(told, datetime):
            return self._time(told)
        if isinstance(told, date):
            return format_date(told, "medium", self.formats)
        if isinstance(told, Month):
            return format_skeleton("yMMM", told.day, locale=self.formats)
        return told

    def _time(self, at: datetime) -> str:
        """With its zone, which no line break parts from it."""
        return format_datetime(at, "long", UTC, self.formats).replace(" UTC", "\u00a0UTC")


@lru_cache(maxsize=64)
def language(tag: str) -> Language:
    """One of those that there are."""
    locale = Locale.parse(tag, sep="-")
    direction = "rtl" if locale.character_order == "right-to-left" else "ltr"
    formats = Locale.parse(_FORMATS.get(tag, tag), sep="-")
    return Language(tag, locale.display_name or tag, direction, formats, _translations(tag))


def _translations(tag: str) -> NullTranslations:
    if tag == SOURCE:
        return NullTranslations()
    compiled = BytesIO()
    with (LANGUAGES / f"{tag}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=tag.replace("-", "_")))
    compiled.seek(0)
    return Translations(compiled)


@lru_cache(maxsize=1)
def existing() -> tuple[str, ...]:
    return tuple(sorted({SOURCE, *(path.stem for path in LANGUAGES.glob("*.po"))}))


def offered(settings: Settings) -> tuple[str, ...]:
    return settings.languages or existing()


def others(settings: Settings, shown: Language) -> list[Language]:
    """What the foot of a page can be switched to."""
    return [language(tag) for tag in offered(settings) if tag != shown.tag]


def check(settings: Settings) -> None:
    """Raises SettingsError for a language that there is not."""
    unknown = [tag for tag in settings.languages if tag not in existing()]
    if unknown:
        raise SettingsError(f"IDP_LANGUAGES: there is no {unknown[0]}. There are {', '.join(existing())}.")
    if settings.language not in offered(settings):
        among = ", ".join(offered(settings))
        raise SettingsError(f"IDP_LANGUAGE: {settings.language} is not offered. Take one of {among}.")


def language_of(request: Request) -> Language:
    """What `wish` said in a sign-in, or else the person's choice, their browser's, and the operator's."""
    found = request.scope.get("idp.language")
    if not isinstance(found, Language):
        found = request.scope["idp.language"] = _chosen(request, (), None)
    return found


def wish(request: Request, ui_locales: Sequence[str], since: datetime) -> None:
    """The app of a sign-in that began at `since` names languages: they come before what the person chose until then."""
    request.scope["idp.language"] = _chosen(request, ui_locales, since)


def of_person(settings: Settings, claims: Mapping[str, object], asking: Language | None) -> Language:
    """For a mail: the person's own language, or that of the request that causes it."""
    own = claims.get("locale")
    tag = best([own] if isinstance(own, str) else [], offered(settings))
    return language(tag) if tag else asking or language(settings.language)


def remember(response: Response, settings: Settings, tag: str, now: datetime) -> None:
    value = f"{tag}.{int(now.timestamp() * 1000)}"
    cookies.write(response, settings, cookies.LANGUAGE, value, cookies.BROWSER_LIFETIME)


def best(wanted: Iterable[object], offered: Sequence[str]) -> str | None:
    """The first that is offered, by itself, in less detail (RFC 4647 section 3.4), or as spoken elsewhere."""
    known = {tag.lower(): tag for tag in offered}
    spoken = {tag.lower().partition("-")[0]: tag for tag in reversed(offered)}
    for each in list(wanted)[:_MOST_WISHES]:
        tag = each.replace("_", "-").lower() if isinstance(each, str) else ""
        while _TAG.fullmatch(tag):
            if tag in known:
                return known[tag]
            if "-" not in tag:
                break
            tag = tag.rpartition("-")[0]
        if tag in spoken:
            return spoken[tag]
    return None


def accepted(header: str) -> list[str]:
    """The tags of an Accept-Language, the dearest first (RFC 9110 section 12.5.4); none of one that is malformed."""
    parts = [_WISH.fullmatch(part) for part in header.split(",")] if len(header) <= _LONGEST_HEADER else []
    wishes = [(float(part[2] or 1), part[1]) for part in parts if part]
    return [tag for weight, tag in sorted(wishes, key=lambda each: -each[0]) if weight > 0]


def _chosen(request: Request, ui_locales: Sequence[str], since: datetime | None) -> Language:
    settings = services_of(request).settings
    tags, (own, at) = offered(settings), _cookie(request, settings)
    chosen = best([own], tags)
    asked = best(ui_locales, tags)
    overruled = chosen is not None and since is not None and at >= int(since.timestamp() * 1000)
    said = best(accepted(request.headers.get("accept-language", "")), tags)
    return language((chosen if overruled else asked) or chosen or said or settings.language)


def _cookie(request: Request, settings: Settings) -> tuple[str, int]:
    """What the person chose, and when, in milliseconds since 1970."""
    tag, _, at = (cookies.read(request.headers, settings, cookies.LANGUAGE) or "").rpartition(".")
    return (tag, int(at)) if _CHOSEN_AT.fullmatch(at) else ("", 0)
