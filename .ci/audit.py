"""Asks whether anything in the lock files has a known vulnerability, and never takes silence for a no.

Fails on a vulnerability that is high (for Python packages no severity is known, so: on any) and on a package
that was skipped. A source of advisories that cannot be reached, or that a mirror does not serve, is said loudly.
Anything else that it answers fails.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
# What pip-audit ends with when it is the network that failed, or the server itself.
PYTHON_UNREACHABLE = re.compile(
    r"^.*(exceptions\.(ConnectionError|ProxyError|SSLError|\w*Timeout)|5\d\d Server Error|Could not connect).*",
    flags=re.MULTILINE,
)


class Unreachable(Exception):
    """Nobody could be asked, so nothing is known."""


class Failed(Exception):
    """The audit itself did not work."""


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def python_lock() -> str:
    """The lock without its markers: pip-audit leaves out, in silence, what only other platforms need."""
    return re.sub(r" ; .* \\$", r" \\", (ROOT / "requirements-dev.lock").read_text(), flags=re.MULTILINE)


def pip_audit(lock: str) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(lock)
        file.flush()
        options = "--require-hashes", "--disable-pip", "--format=json", "--progress-spinner=off"
        done = run(str(BIN / "pip-audit"), *options, f"--requirement={file.name}")
    if not done.stdout and (said := PYTHON_UNREACHABLE.search(done.stderr)):
        raise Unreachable(said[0])
    if not done.stdout:
        raise Failed(done.stderr)
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return packages


def python_findings() -> list[str]:
    lock = python_lock()
    packages = pip_audit(lock)
    skipped = {package["name"]: package["skip_reason"] for package in packages if "skip_reason" in package}
    expected = set(re.findall(r"^([\w.-]+)==", lock, flags=re.MULTILINE))
    skipped |= dict.fromkeys(expected - {package["name"] for package in packages}, "it was not looked at")
    findings = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {flaw['fix_versions']}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]
    print(f"Python: {len(expected)} packages, {len(skipped)} skipped, {len(findings)} vulnerabilities")
    if skipped:
        findings.append(f"SKIPPED: {', '.join(skipped)}. Of the first: {next(iter(skipped.values()))}")
    return findings


def npm_findings() -> list[str]:
    done = run(str(BIN / "npm"), "audit", "--json", cwd=ROOT / "tests" / "interop")
    report = json.loads(done.stdout or "{}")
    status = report.get("statusCode")
    # An error that npm made itself has no message; one of the network has no status. A mirror may not serve advisories.
    if "message" in report and (status is None or status in {404, 405} or status >= 500):
        raise Unreachable(report["message"])
    if "vulnerabilities" not in report:
        raise Failed(done.stdout + done.stderr)
    flaws = {name: flaw["severity"] for name, flaw in report["vulnerabilities"].items()}
    print(f"npm: {report['metadata']['dependencies']['total']} packages, vulnerable: {flaws or 'none'}")
    return [f"{name}: {severity}" for name, severity in flaws.items() if severity in {"high", "critical"}]


def main() -> None:
    findings: list[str] = []
    for ecosystem, ask in {"Python": python_findings, "npm": npm_findings}.items():
        try:
            findings += ask()
        except Unreachable as reason:
            print(f"{ecosystem} WAS NOT AUDITED, because the source of advisories cannot be asked: {reason}")
        except Failed as reason:
            findings.append(f"{ecosystem} WAS NOT AUDITED:\n{reason}")
    sys.exit("\n".join(findings) or None)


if __name__ == "__main__":
    main()
