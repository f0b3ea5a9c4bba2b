"""The installations that the races are run on."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.mail import Catcher
from tests.provider import PASSWORD, installed
from tests.races.arena import DORA, Arena, address, another_node
from tests.servers import postgres_program

OTHER = {"refresh_grace": "0s", "password_time_cost": "2", "jwks_max_age": "1s"}
MAIL = {"email_codes": "sign_in", "sign_up": "open", "mails_per_minute": "1000000"}
SECRET_KEY = "a secret key for races that is long enough"


@pytest.fixture(scope="session", params=["sqlite", "postgres", "nodes"])
def arena(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    database_numbers: Iterator[int],
    mail_server: Catcher,
) -> Iterator[Arena]:
    """Two workers on SQLite; two workers on PostgreSQL; two nodes on PostgreSQL."""
    folder = tmp_path_factory.mktemp("races")
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'idp.db'}"
        if request.param != "sqlite":
            server = request.getfixturevalue("postgres_url")
            name, maintenance = f"races_{next(database_numbers)}", f"--maintenance-db={server}/postgres"
            subprocess.run([postgres_program("createdb"), maintenance, name], check=True)
            stack.callback(subprocess.run, [postgres_program("dropdb"), "--force", maintenance, name], check=True)
            url = f"{server}/{name}"
        provider = stack.enter_context(
            installed(folder, url, secret_key=SECRET_KEY, **MAIL | {"smtp_url": mail_server.url})
        )
        provider.create_user()
        provider.cli("user", "create", DORA, "--password-stdin", stdin=PASSWORD + "\n")
        client = provider.create_client()
        workers, count = ((), 2) if request.param == "nodes" else (("--workers", "2"), 1)
        provider.start(*workers)
        more = [stack.enter_context(another_node(provider, *workers)) for _ in range(count - 1)]
        others = [stack.enter_context(another_node(provider, *workers, **OTHER)) for _ in range(count)]
        yield Arena(provider, [address(node) for node in (provider, *more)], others[0], [*map(address, others)], client)
