"""Requests without a pause, from several processes, while something else happens."""

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from tests.races.swarm import PATIENCE

PROCESSES = 2

_spawn = multiprocessing.get_context("spawn")

Work = Callable[..., Any]  # its arguments, and last the event that tells it to end


class Load:
    """Runs `work`, a function of a module, once for each of `arguments`, each in a thread of one of two processes."""

    def __init__(self, work: Work, arguments: Sequence[tuple[Any, ...]]) -> None:
        self._stop = _spawn.Event()
        self._pipes: list[Connection[Any, Any]] = []
        self._processes = []
        for number in range(PROCESSES):
            here, there = _spawn.Pipe()
            mine = list(arguments[number::PROCESSES])
            process = _spawn.Process(target=_member, args=(work, mine, self._stop, there), daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)
        for pipe in self._pipes:
            assert pipe.recv() == "running"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for process in self._processes:
            process.join(PATIENCE)
        for pipe in self._pipes:
            pipe.close()

    def end(self) -> list[Any]:
        """What each `work` returned."""
        self._stop.set()
        return [result for pipe in self._pipes for result in pipe.recv()]


def _member(
    work: Work, arguments: Sequence[tuple[Any, ...]], stop: threading.Event, pipe: "Connection[Any, Any]"
) -> None:
    pipe.send("running")
    with ThreadPoolExecutor(max(1, len(arguments))) as pool:
        results = [pool.submit(work, *each, stop) for each in arguments]
        pipe.send([result.result() for result in results])
