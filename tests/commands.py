"""Commands of `idp`, each in a process of its own: forked from one that has imported everything, which is faster.

What a command is when a shell starts it is tested in tests/cli.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from idp.cli import main

SECONDS = 120
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([__name__])


def run(arguments: Sequence[str], environment: Mapping[str, str], stdin: str) -> subprocess.CompletedProcess[str]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_text(stdin, encoding="utf-8")
        process = _FORKING.Process(target=_run, args=(list(arguments), dict(environment), folder))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), SECONDS)
        printed = [(folder / file).read_text(encoding="utf-8") for file in ("out", "err")]
        return subprocess.CompletedProcess(list(arguments), process.exitcode, *printed)


def _run(arguments: list[str], environment: dict[str, str], folder: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(folder / "in", os.O_RDONLY), 0)
    for number, file in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / file, os.O_WRONLY | os.O_CREAT), number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0, encoding="utf-8"),
        os.fdopen(1, "w", encoding="utf-8"),
        os.fdopen(2, "w", encoding="utf-8"),
    )
    main(arguments, prog_name="idp")
