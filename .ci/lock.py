"""Writes the lock files, and with --check says without a network whether they are what `make lock` wrote.

The first line of each lock is a digest of what it was made from and of its own lines: after a change to
pyproject.toml, or to a line of a lock by hand, the digest no longer fits.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMPILE = [
    "pip",
    "compile",
    "--quiet",
    "--no-header",
    "--generate-hashes",
    "--universal",
    "--python-version=3.11",
]
# The dev lock is a superset of the first one, version for version, so that one .venv serves both.
LOCKS = {
    "requirements.lock": [],
    "requirements-dev.lock": ["--all-extras", "--group=dev", "--constraints=requirements.lock"],
}
SEAL = "# `make lock` wrote this; do not edit. sha256 of its inputs and its lines: "


def inputs(name: str) -> str:
    """What decides the contents of a lock, but for the day on which it is made."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    kinds = "requires-python", "dependencies", "optional-dependencies"
    wanted = [declared["project"].get(kind) for kind in kinds] + [declared["dependency-groups"]]
    constraints = "" if name == "requirements.lock" else (ROOT / "requirements.lock").read_text()
    return json.dumps([COMPILE, LOCKS[name], wanted, constraints])


def seal(name: str, body: str) -> str:
    return SEAL + hashlib.sha256((inputs(name) + body).encode()).hexdigest() + "\n"


def write(name: str, uv: str, *options: str) -> None:
    subprocess.run(
        [uv, *COMPILE, "pyproject.toml", *LOCKS[name], *options, f"--output-file={name}"],
        cwd=ROOT,
        check=True,
    )
    body = (ROOT / name).read_text()
    (ROOT / name).write_text(seal(name, body) + body)


def is_fresh(name: str) -> bool:
    first, _, body = (ROOT / name).read_text().partition("\n")
    return first + "\n" == seal(name, body)


def main() -> None:
    match sys.argv[1:]:
        case ["--check"]:
            if stale := [name for name in LOCKS if not is_fresh(name)]:
                sys.exit(f"not what `make lock` would write: {', '.join(stale)}")
        case [uv, *options]:
            for name in LOCKS:
                write(name, uv, *options)
        case _:
            sys.exit("usage: lock.py --check | lock.py UV [option of uv pip compile ...]")


if __name__ == "__main__":
    main()
