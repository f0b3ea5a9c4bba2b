"""What every suite shares."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.reporting", "tests.servers", "tests.provider", "tests.mail"]

# A busy machine is slow, not wrong. (With CI=true Hypothesis draws the same examples every time, by itself.)
settings.register_profile(
    "ours",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=20 if os.environ.get("FAST") else 100,
)
settings.load_profile("ours")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
