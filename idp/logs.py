"""The log: one line an event on standard error, as JSON or as text for a person."""

import json
import logging
import sys
from typing import Any

import structlog

from idp.settings import Settings


def configure(settings: Settings) -> None:
    level = logging.getLevelName(settings.log_level.upper())
    render: list[Any] = (
        [structlog.processors.JSONRenderer(serializer=_json)]
        if settings.log_format == "json"
        else [_escaped, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_forget_record, *render])
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


_to_json = json.JSONEncoder(default=str).encode  # made once: json.dumps with a default makes one a line


def _json(event: Any, **_: Any) -> str:  # structlog passes the keywords of json.dumps
    return _to_json(event)


def _escaped(_: Any, __: str, event: Any) -> Any:
    """Nothing that came with a request moves the cursor, rings or colours a terminal."""
    return {name: _plain(value) if isinstance(value, str) else value for name, value in event.items()}


def _plain(text: str) -> str:
    return text if text.isprintable() else "\n".join(ascii(line)[1:-1] for line in text.split("\n"))


def _forget_record(_: Any, __: str, event: Any) -> Any:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_, __, event)
