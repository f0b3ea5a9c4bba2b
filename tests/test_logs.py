"""The log: one line an event, which a collector can read and which does nothing to a terminal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = """
import logging, sys
import structlog
from idp import logs
from idp.settings import load

logs.configure(load(issuer="http://localhost:8000", log_format=sys.argv[1]))
structlog.get_logger("idp.test").info("ours", path="/\\x1b]0;pwned\\x07\\u202e", odd="\\udcff", number=1.5)
try:
    raise ValueError("broken")
except ValueError:
    structlog.get_logger("idp.test").exception("failed")
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application\\x1b[31m")
"""


def lines(log_format: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, log_format], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b""
    return done.stderr.decode("utf-8").splitlines()


def test_every_line_is_json_also_those_of_libraries() -> None:
    found = [json.loads(line) for line in lines("json")]
    assert [line["event"] for line in found] == ["ours", "failed", "Exception in ASGI application\\x1b[31m"]
    assert all({"level", "timestamp"} <= line.keys() for line in found)
    assert [("ValueError: broken" in line.get("exception", "")) for line in found] == [False, True, True]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_nothing_that_came_with_a_request_reaches_the_terminal_as_a_command(log_format: str) -> None:
    text = "\n".join(lines(log_format))
    assert "pwned" in text
    assert not [character for character in text if not character.isprintable() and character != "\n"]


def test_text_is_for_a_person() -> None:
    assert any("ours" in line and "number=1.5" in line for line in lines("text"))
