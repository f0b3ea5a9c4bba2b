"""What every suite shares."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.reporting import suite_of

pytest_plugins = ["tests.reporting", "tests.servers", "tests.provider"]

# A busy machine is slow, not wrong. (With CI=true Hypothesis draws the same examples every time, by itself.)
settings.register_profile(
    "ours",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=20 if os.environ.get("FAST") else 100,
)
settings.load_profile("ours")


# With FAST=1 the suites that start many processes, and all that needs PostgreSQL, wait for the whole run.
LEFT_OUT_WHEN_FAST = ("browser", "cli", "interop", "races")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not os.environ.get("FAST"):
        return
    left_out = [item for item in items if suite_of(item.nodeid) in LEFT_OUT_WHEN_FAST or "[postgres" in item.name]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
