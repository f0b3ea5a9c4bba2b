"""A pytest plugin: each suite's share in the summary, and with CI=true a skip is a failure."""

import os
from collections import Counter, defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from _pytest.terminal import TerminalReporter

# How a skip begins that `make test-deps` would have spared.
NOT_INSTALLED = "not installed: "


@dataclass
class Share:
    seconds: float = 0
    outcomes: Counter[str] = field(default_factory=Counter)


def suite_of(nodeid: str) -> str:
    """The first folder under tests/; for a file that lies in none, its name."""
    file, _, _ = nodeid.partition("::")
    first, _, _ = file.removeprefix("tests/").partition("/")
    return first.removeprefix("test_").removesuffix(".py")


# With FAST=1 the suites that start many processes, and all that needs PostgreSQL, wait for the whole run.
LEFT_OUT_WHEN_FAST = ("browser", "cli", "docs", "interop", "races")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not os.environ.get("FAST"):
        return
    left_out = [item for item in items if suite_of(item.nodeid) in LEFT_OUT_WHEN_FAST or "[postgres" in item.name]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def shares_of(reporter: TerminalReporter) -> dict[str, Share]:
    shares: dict[str, Share] = defaultdict(Share)
    for outcome, reports in reporter.stats.items():
        for report in reports:
            if isinstance(report, pytest.TestReport | pytest.CollectReport):
                share = shares[suite_of(report.nodeid)]
                share.seconds += getattr(report, "duration", 0)
                share.outcomes[outcome] += outcome != ""  # a setup or a teardown that went well
    return shares


def absent_in(reporter: TerminalReporter) -> Counter[str]:
    """The programs that skipped tests asked for, and how many tests did."""
    reasons = (str(report.longrepr) for report in reporter.stats.get("skipped", []))
    return Counter(reason.partition(NOT_INSTALLED)[2].strip("')") for reason in reasons if NOT_INSTALLED in reason)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    terminalreporter.section("suites")
    terminalreporter.line(f"{'':16}{'tests':>8}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>9}")
    for suite, share in sorted(shares_of(terminalreporter).items()):
        done = share.outcomes
        passed, failed = done["passed"] + done["xfailed"], done["failed"] + done["error"]
        counts = [sum(done.values()), passed, failed, done["skipped"]]
        terminalreporter.line(f"{suite:16}" + "".join(f"{n:8}" for n in counts) + f"{share.seconds:9.1f}")
    if absent := absent_in(terminalreporter):
        wanted = ", ".join(f"{program} ({tests})" for program, tests in absent.items())
        terminalreporter.line(f"Skipped for want of {wanted}. `make test-deps` installs what they need.", red=True)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def without_skip(report: Report) -> Report:
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"With CI=true a skip is a failure: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return without_skip((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return without_skip((yield))
