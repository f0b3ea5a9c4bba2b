"""`idp serve` as a fresh install has it, but for the password hasher: a constant one, and the bench says so."""

from collections.abc import Callable
from typing import TypeVar

from starlette.types import ASGIApp

from idp import logs
from idp.app import create_app
from idp.cli.serve import prepare, run
from idp.settings import load

T = TypeVar("T")


class ConstantHashing:
    """Accepts what `hash` made of the same password, at no cost: argon2id would be all that is measured."""

    def check(self, asker: str) -> None:
        return None

    async def hash(self, plain: str, asker: str) -> str:
        return f"plain:{plain}"

    async def verify(self, encoded: str | None, plain: str, asker: str) -> bool:
        return encoded is not None

    async def run(self, work: Callable[[], T], asker: str) -> T:
        return work()

    def outdated(self, encoded: str) -> bool:
        return False

    def close(self) -> None:
        return None


def from_environment() -> ASGIApp:
    settings = load()
    logs.configure(settings)
    return create_app(settings, hashing=ConstantHashing())


if __name__ == "__main__":
    bench_settings = load()
    prepare(bench_settings)
    run(bench_settings, "tests.bench.server:from_environment")
