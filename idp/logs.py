"""The log: one line an event on standard error, as JSON or as text for a person."""

import json
import logging
import sys
from typing import Any

import structlog

from idp import quick_json
from idp.settings import Settings


def configure(settings: Settings) -> None:
    level = logging.getLevelName(settings.log_level.upper())
    render: Any = _json if settings.log_format == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _escaped, render, _to_bytes],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_forget_record, _escaped, render])
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def _json(_: Any, __: str, event: Any) -> str:
    try:
        return quick_json.encode(event).decode()
    except (UnicodeEncodeError, TypeError):  # bytes that are no text, or something that is no JSON
        return json.dumps(event, default=str)


def _to_bytes(_: Any, __: str, line: Any) -> bytes:
    return str(line).encode("utf-8", "backslashreplace")


def _escaped(_: Any, __: str, event: Any) -> Any:
    """Nothing that came with a request moves the cursor, rings or colours a terminal."""
    return {name: _plain(value) if isinstance(value, str) else value for name, value in event.items()}


def _plain(text: str) -> str:
    return text if text.isprintable() else "\n".join(ascii(line)[1:-1] for line in text.split("\n"))


def _forget_record(_: Any, __: str, event: Any) -> Any:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_, __, event)
