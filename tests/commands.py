"""Commands of `idp`, each in a process of its own: forked from one that has imported everything, which is faster.

What a command is when a shell starts it is tested in tests/cli.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from idp.cli import main

SECONDS = 120
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([__name__, "idp.cli.serve", "uvicorn.protocols.http.httptools_impl"])


class Running:
    """A command that goes on, such as a server, at the head of a process group. It writes to `log`."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        files = (os.devnull, str(log), str(log))
        self._process = _started(arguments, environment, files)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Below zero where a signal ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("idp", timeout or 0)
        return self._process.exitcode


def run(arguments: Sequence[str], environment: Mapping[str, str], stdin: str) -> subprocess.CompletedProcess[str]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_text(stdin, encoding="utf-8")
        process = _started(arguments, environment, (str(folder / "in"), str(folder / "out"), str(folder / "err")))
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), SECONDS)
        printed = [(folder / file).read_text(encoding="utf-8") for file in ("out", "err")]
        return subprocess.CompletedProcess(list(arguments), process.exitcode, *printed)


def _started(
    arguments: Sequence[str], environment: Mapping[str, str], files: tuple[str, str, str]
) -> ForkServerProcess:
    process = _FORKING.Process(target=_run, args=(list(arguments), dict(environment), files))
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str], files: tuple[str, str, str]) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(files[0], os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(files[number], os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8") for number in (1, 2))
    main(arguments, prog_name="idp")
