"""Runs every row and prints it: `make bench`, or `make bench JSON=FILE`."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.bench.flows import FLOWS, Flow, Target
from tests.bench.storm import AT_ONCE, storm
from tests.provider import CHEAP_PASSWORDS, PASSWORD, Provider, installed
from tests.servers import running_postgres

CONNECTIONS = 8
STORM = "password_storm"
CONSTANT_HASHER = ("tests.bench.server",)
AS_INSTALLED = ("idp", "serve")
WARM_UP = 1.5
CALLBACK = "https://app.example.com/callback"


@dataclass(frozen=True)
class Row:
    name: str
    backend: str
    per_s: float
    p50_ms: float
    p99_ms: float
    fraction_of_limit: float | None
    cpu_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rows", nargs="*", default=[*(flow.name for flow in FLOWS), STORM])
    parser.add_argument("--backends", nargs="*", default=["sqlite", "postgres"])
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server_core, load_core = cores[0], cores[-1]
    os.sched_setaffinity(0, {server_core})
    rate = signing_rate()
    os.sched_setaffinity(0, {load_core})
    print(f"RS256 signatures per second on one thread: {rate:.0f}")
    print(f"one worker on core {server_core}, load on core {load_core}, {CONNECTIONS} connections")
    print("passwords: a constant hasher stands in for argon2id; all else as a fresh install has it\n")
    rows: list[Row] = []
    facts: dict[str, object] = {}
    for backend in chosen.backends:
        with suppress(pytest.skip.Exception), database(backend) as url:
            rows += measure_backend(backend, url, server_core, rate, chosen, facts)
            if STORM in chosen.rows and backend == "sqlite":
                rows.append(measure_storm(server_core, facts))
    if chosen.json:
        report = {"signing_rate": rate, "rows": [asdict(row) for row in rows], **facts}
        chosen.json.write_text(json.dumps(report, indent=2) + "\n")


@contextmanager
def database(backend: str) -> Iterator[str]:
    if backend == "sqlite":
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="idp-bench-pg-") as folder, running_postgres(Path(folder)) as url:
        yield f"{url}/postgres"


def measure_backend(
    backend: str, url: str, core: int, rate: float, chosen: argparse.Namespace, facts: dict[str, object]
) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="idp-bench-") as folder, installed(Path(folder), url) as provider:
        target = target_of(provider)
        started = start(provider, core, CONSTANT_HASHER)
        assert provider.process is not None
        pid = provider.process.pid
        rows = []
        print(f"{backend:<20}{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}{'of limit':>10}{'CPU ms':>9}")
        for flow in FLOWS:
            if flow.name in chosen.rows:
                row = uvloop.run(measure(flow, target, backend, rate, pid, chosen.seconds))
                rows.append(row)
                share = "" if row.fraction_of_limit is None else f"{row.fraction_of_limit:.2f}"
                times = f"{row.p50_ms:>9.2f}{row.p99_ms:>9.2f}"
                print(f"  {row.name:<18}{row.per_s:>12.0f}{times}{share:>10}{row.cpu_ms:>9.3f}")
        memory = pss_mib(pid)
        print(f"  memory of the worker: {memory:.0f} MiB (PSS); ready {started:.2f} s after the command\n")
        facts[f"{backend}_memory_mib"], facts[f"{backend}_start_s"] = round(memory, 1), round(started, 2)
    return rows


def measure_storm(core: int, facts: dict[str, object]) -> Row:
    """With argon2id as a fresh install has it."""
    with tempfile.TemporaryDirectory(prefix="idp-bench-") as folder, installed(Path(folder)) as provider:
        for name in CHEAP_PASSWORDS:
            del provider.environment[name]
        target = target_of(provider)
        start(provider, core, AS_INSTALLED)
        assert provider.process is not None
        pid = provider.process.pid
        before, cpu = pss_mib(pid), cpu_seconds(pid)
        found = uvloop.run(storm(target))
        used, grown = cpu_seconds(pid) - cpu, peak_mib(pid) - before
        per_s, count = len(found.sign_ins) / found.elapsed, len(found.sign_ins)
        p50, p99 = (found.sign_ins[int(count * share)] * 1000 for share in (0.5, 0.99))
        print(f"{AT_ONCE} sign-ins at once, passwords hashed with argon2id as a fresh install has it")
        print(f"  {STORM:<18}{per_s:>12.0f}{p50:>9.0f}{p99:>9.0f}   told to come back {found.sent_back} times")
        for name, (idle, busy) in (("token", found.token), ("jwks", found.jwks)):
            facts[f"storm_{name}_p99_ms"] = [round(idle * 1000, 2), round(busy * 1000, 2)]
            ratio = f"{busy / idle:.1f} times"
            print(f"  p99 of {name}: {idle * 1000:.2f} ms before, {busy * 1000:.2f} ms in the storm, {ratio}")
        facts["storm_memory_mib"] = round(grown, 1)
        print(f"  memory at its highest: {grown:.0f} MiB more than before\n")
        return Row(STORM, "sqlite", round(per_s, 1), round(p50, 3), round(p99, 3), None, round(used / count * 1000, 3))


def target_of(provider: Provider) -> Target:
    service = ("--grant-type", "client_credentials", "--scope", "reports.read")
    return Target(
        provider.port,
        app=provider.create_client(redirect_uri=CALLBACK),
        service=provider.create_client(*service, redirect_uri=None),
        email=provider.create_user()["email"],
        password=PASSWORD,
    )


def start(provider: Provider, core: int, module: Sequence[str]) -> float:
    """Starts the server on its core; the seconds until it answers."""
    began = time.perf_counter()
    with provider.log.open("ab") as log:
        provider.process = subprocess.Popen(
            ["taskset", "-c", str(core), sys.executable, "-m", *module],
            env=provider.environment | {"IDP_PORT": str(provider.port)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    provider.wait()
    return time.perf_counter() - began


async def measure(flow: type[Flow], target: Target, backend: str, rate: float, pid: int, seconds: float) -> Row:
    flows = [flow(target) for _ in range(CONNECTIONS)]
    for each in flows:
        await each.prepare()
    await asyncio.gather(*(repeat(each, WARM_UP, []) for each in flows))
    taken: list[float] = []
    cpu, began = cpu_seconds(pid), time.perf_counter()
    await asyncio.gather(*(repeat(each, seconds, taken) for each in flows))
    elapsed, used = time.perf_counter() - began, cpu_seconds(pid) - cpu
    for each in flows:
        each.connection.close()
    taken.sort()
    per_s = len(taken) / elapsed
    return Row(
        name=flow.name,
        backend=backend,
        per_s=round(per_s, 1),
        p50_ms=round(taken[len(taken) // 2] * 1000, 3),
        p99_ms=round(taken[int(len(taken) * 0.99)] * 1000, 3),
        fraction_of_limit=round(per_s * flow.signatures / rate, 3) if flow.signatures else None,
        cpu_ms=round(used / len(taken) * 1000, 3),
    )


async def repeat(flow: Flow, seconds: float, taken: list[float]) -> None:
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        await flow.once()
        taken.append(time.perf_counter() - began)


def signing_rate() -> float:
    key = rsa.generate_private_key(65537, 2048)
    message = b"m" * 600
    for seconds in (0.3, 2.0):
        count, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            key.sign(message, padding.PKCS1v15(), hashes.SHA256())
            count += 1
    return count / elapsed


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """The most memory that it ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:", 1)[1].split()[0]) / 1024


def pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
