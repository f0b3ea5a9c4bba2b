"""Running the command line as scripts do: as processes, beside a server that runs."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from tests.provider import Provider

# Starting Python costs more than a command does: a table of refusals runs in one process.
_MANY = """
import json, sys
from click.testing import CliRunner
from idp.cli import main
for arguments in json.load(sys.stdin):
    done = CliRunner().invoke(main, arguments)
    print(json.dumps([done.exit_code, done.stdout, done.stderr]))
"""


class Done(NamedTuple):
    """What became of a command."""

    code: int
    stdout: str
    stderr: str


Many = Callable[[Provider, Sequence[Sequence[str]]], list[Done]]


@pytest.fixture
def run_many() -> Many:
    """Runs several commands, one after the other."""

    def run(provider: Provider, commands: Sequence[Sequence[str]]) -> list[Done]:
        done = subprocess.run(
            [sys.executable, "-c", _MANY],
            input=json.dumps([list(each) for each in commands]),
            capture_output=True,
            text=True,
            env=provider.environment,
            timeout=120,
            check=True,
        )
        return [Done(*json.loads(line)) for line in done.stdout.splitlines()]

    return run
