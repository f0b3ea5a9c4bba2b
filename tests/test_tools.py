"""The project's own tools: each of them fails when it should, and nothing is passed over in silence."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".ci"
NO_FLAW = {"name": "one", "version": "1.0", "vulns": []}
FLAW = {"name": "one", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "one", "skip_reason": "it was not found"}
BULK = "POST https://registry.example/-/npm/v1/security/advisories/bulk"
NO_FLAWS = {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 3}}}


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "FAST", "MAKEFLAGS")}
    return subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=120, check=False
    )


def program(path: Path, output: object, errors: str = "") -> None:
    """One that prints this, and then fails, as both do when they found something."""
    path.with_suffix(".out").write_text(json.dumps(output) if output else "")
    path.with_suffix(".err").write_text(errors)
    path.write_text('#!/bin/sh\ncat "$0.out"\ncat "$0.err" >&2\nexit 1\n')
    path.chmod(0o755)


def audit(
    folder: Path, package: object = NO_FLAW, npm: object = NO_FLAWS, errors: str = ""
) -> subprocess.CompletedProcess[str]:
    """What becomes of an audit of one Python package, where pip-audit and npm say this."""
    programs = folder / "bin"
    for each in (programs, folder / ".ci", folder / "tests" / "interop"):
        each.mkdir(parents=True)
    shutil.copy(TOOLS / "audit.py", folder / ".ci")
    (folder / "requirements-dev.lock").write_text("one==1.0 \\\n    --hash=sha256:00\n")
    (programs / "python").symlink_to(sys.executable)
    program(programs / "pip-audit", package and {"dependencies": [package]}, errors)
    program(programs / "npm", npm)
    return run(programs / "python", ".ci/audit.py", cwd=folder)


def test_an_audit_without_findings_passes_and_says_what_was_asked(tmp_path: Path) -> None:
    done = audit(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Python: 1 packages, 0 skipped, 0 vulnerabilities",
        "npm: 3 packages, vulnerable: none",
    ]


@pytest.mark.parametrize(("package", "said"), [(FLAW, "one 1.0: PYSEC-1"), (SKIPPED, "SKIPPED: one."), ({}, "SKIPPED")])
def test_a_flawed_package_fails_the_audit_and_so_does_one_that_nobody_looked_at(
    tmp_path: Path, package: dict[str, object], said: str
) -> None:
    done = audit(tmp_path, package or {**NO_FLAW, "name": "another"})
    assert (done.returncode, said in done.stderr) == (1, True), done


@pytest.mark.parametrize(("severity", "code"), [("moderate", 0), ("high", 1), ("critical", 1)])
def test_an_npm_package_fails_the_audit_where_the_flaw_is_high(tmp_path: Path, severity: str, code: int) -> None:
    done = audit(tmp_path, npm={**NO_FLAWS, "vulnerabilities": {"two": {"severity": severity}}})
    assert (done.returncode, f"two: {severity}" in done.stderr) == (code, bool(code)), done
    assert severity in done.stdout


@pytest.mark.parametrize(
    "answer",
    [
        {"message": f"405 Method Not Allowed - {BULK}", "statusCode": 405},
        {"message": f"404 Not Found - {BULK}", "statusCode": 404},
        {"message": f"503 Service Unavailable - {BULK}", "statusCode": 503},
        {"message": "connect ECONNREFUSED 192.0.2.1:443"},
    ],
)
def test_a_source_of_npm_advisories_that_cannot_be_asked_is_said_loudly(
    tmp_path: Path, answer: dict[str, object]
) -> None:
    done = audit(tmp_path, npm=answer)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"npm WAS NOT AUDITED, because the source of advisories cannot be asked: {answer['message']}" in done.stdout


@pytest.mark.parametrize(
    "answer", [{"message": f"401 Unauthorized - {BULK}", "statusCode": 401}, {"error": {"code": "ENOLOCK"}}, None]
)
def test_any_other_answer_about_npm_fails_the_audit(tmp_path: Path, answer: object) -> None:
    done = audit(tmp_path, FLAW, npm=answer)
    assert (done.returncode, "npm WAS NOT AUDITED" in done.stderr) == (1, True), done
    assert "PYSEC-1" in done.stderr  # what was found besides is told all the same


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("requests.exceptions.ProxyError: HTTPSConnectionPool(host='advisories.example', port=443)", 0),
        ("requests.exceptions.ConnectTimeout: HTTPSConnectionPool(host='advisories.example', port=443)", 0),
        ("requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url: https://advisories.example", 0),
        ("requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: https://advisories.example", 1),
        ("ValueError: something else", 1),
    ],
)
def test_only_the_network_or_a_broken_server_excuses_pip_audit(tmp_path: Path, last: str, code: int) -> None:
    trace = f"Traceback (most recent call last):\n    raise ServiceError\n{last}\n\npip_audit.ServiceError"
    done = audit(tmp_path, package=None, errors=trace)
    assert (done.returncode, "Python WAS NOT AUDITED" in done.stdout + done.stderr) == (code, True), done
    assert last in done.stdout + done.stderr


def report(folder: Path, **counts: int) -> str:
    file = folder / "report.xml"
    suite = " ".join(f'{name}="{count}"' for name, count in counts.items())
    file.write_text(f"<testsuites><testsuite {suite}/></testsuites>")
    return str(file)


@pytest.mark.parametrize(
    ("counts", "code", "said"),
    [
        ({"tests": 9, "skipped": 2}, 0, "7 passed, 0 failed, 2 skipped\n"),
        ({"tests": 9, "failures": 1, "errors": 1, "skipped": 2}, 1, "5 passed, 2 failed, 2 skipped\n"),
        ({"tests": 2, "skipped": 2}, 1, "0 passed, 0 failed, 2 skipped\n"),
        ({}, 1, "0 passed, 0 failed, 0 skipped\n"),
    ],
)
def test_the_tally_fails_where_a_test_failed_or_none_ran(
    tmp_path: Path, counts: dict[str, int], code: int, said: str
) -> None:
    done = run(sys.executable, TOOLS / "tally.py", report(tmp_path, **counts), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, said)


def test_the_tally_fails_without_a_report(tmp_path: Path) -> None:
    done = run(sys.executable, TOOLS / "tally.py", tmp_path / "absent.xml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no test report")


@pytest.mark.parametrize(("check", "code"), [("true", 0), ("false", 1)])
def test_a_run_tests_although_the_checks_failed_and_ends_with_the_tally(tmp_path: Path, check: str, code: int) -> None:
    (tmp_path / ".ci").mkdir()
    for name in ("run", "tally.py"):
        shutil.copy(TOOLS / name, tmp_path / ".ci")
    written = report(tmp_path, tests=3)
    (tmp_path / "Makefile").write_text(
        f"check:\n\t@{check}\ntest:\n\t@cp {written} $(patsubst --junit-xml=%,%,$(ARGS))\n"
    )
    done = run("bash", ".ci/run", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, "3 passed, 0 failed, 0 skipped")


@pytest.mark.parametrize("changed", [None, "requirements.lock", "requirements-dev.lock", "pyproject.toml"])
def test_a_lock_that_no_longer_fits_is_named(tmp_path: Path, changed: str | None) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(TOOLS / "lock.py", tmp_path / ".ci")
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("click", "clack") if name == changed else text, encoding="utf-8")
    done = run(sys.executable, ".ci/lock.py", "--check", cwd=tmp_path)
    stale = {None: [], "requirements-dev.lock": ["requirements-dev.lock"]}.get(
        changed, ["requirements.lock", "requirements-dev.lock"]
    )
    assert done.stderr == (f"not what `make lock` would write: {', '.join(stale)}\n" if stale else "")
    assert done.returncode == bool(stale)


WITH_REPORTING = (sys.executable, "-m", "pytest", "-p", "tests.reporting", "-p", "no:cacheprovider")
SOME_SKIPS = """
import pytest
def test_runs(): pass
@pytest.mark.skip(reason="not today")
def test_is_marked(): raise AssertionError
def test_finds_nothing(): pytest.skip("not installed: postgres")
@pytest.mark.xfail(reason="known")
def test_is_known_to_fail(): raise AssertionError
"""


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "failed", "skipped"), [("", 0, 2), ("true", 2, 0)])
def test_with_ci_a_skip_is_a_failure(tmp_path: Path, ci: str, failed: int, skipped: int) -> None:
    (tmp_path / "test_some.py").write_text(SOME_SKIPS)
    done = run(*WITH_REPORTING, "test_some.py", cwd=tmp_path, CI=ci)
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("some "))
    assert row[1:5] == [str(number) for number in (4, 2, failed, skipped)]
    assert done.returncode == bool(failed)
    assert ("With CI=true a skip is a failure" in done.stdout) == bool(failed)
    assert ("Skipped for want of postgres (1)" in done.stdout) == bool(skipped)


def test_with_ci_a_file_that_skips_itself_is_a_failure_too(tmp_path: Path) -> None:
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.skip('all of it', allow_module_level=True)\n")
    done = run(*WITH_REPORTING, "test_whole.py", cwd=tmp_path, CI="true")
    assert "With CI=true a skip is a failure" in done.stdout
    assert done.returncode not in (0, 5)  # 5: no tests ran


def test_the_command_of_a_checkout_works_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "idp").symlink_to(ROOT / ".venv" / "bin" / "idp")
    done = run(tmp_path / "idp", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.startswith("idp, version")) == (0, True), done.stderr
