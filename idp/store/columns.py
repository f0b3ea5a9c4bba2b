"""The kinds of columns: times, JSON, sealed bytes, and partial indexes."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, DateTime, Dialect, LargeBinary, String, Text, text
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field

from idp import quick_json


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC: timestamptz on PostgreSQL, text that sorts on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(27) if dialect.name == "sqlite" else DateTime(timezone=True))

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        return _as_text if dialect.name == "sqlite" else _aware

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        return _from_text if dialect.name == "sqlite" else _in_utc


def _aware(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        message = "a time without a zone"
        raise ValueError(message)
    return value


@lru_cache(maxsize=256)  # most of a request's times are one
def _as_text(value: datetime | None) -> str | None:
    aware = _aware(value)
    if aware is None:
        return None
    in_utc = aware if aware.tzinfo is UTC else aware.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds")[:26] + "Z"


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _in_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value as text, the same on every database."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:
        return _json_text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:
        return _json_value


def _json_text(value: Any) -> str | None:  # a JSON value
    return None if value is None else quick_json.encode(value).decode()


def _json_value(text: str | None) -> Any:  # a JSON value
    return None if text is None else quick_json.decode(text)


def time_column(*, nullable: bool = False, index: bool = False) -> Any:  # SQLModel's Field is Any
    return Field(sa_column=Column(UtcTime, nullable=nullable, index=index))


def json_column(*, nullable: bool = False) -> Any:  # SQLModel's Field is Any
    return Field(sa_column=Column(Json, nullable=nullable))


def sealed_column(purpose: str, *, nullable: bool = False) -> Any:  # SQLModel's Field is Any
    """A column of sealed bytes: `idp key reseal` finds it by its purpose."""
    return Field(sa_column=Column(LargeBinary, nullable=nullable, info={"purpose": purpose}))


def only_where(condition: str) -> dict[str, Any]:
    """A partial index, on both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
