"""`idp dev`: one command, three servers, and what to open printed last."""

import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.provider import Provider, installed


def three_free_ports() -> int:
    """The first of three neighbours that nobody uses."""
    for _ in range(100):
        port = 20_000 + secrets.randbelow(10_000)  # below those that the system hands out
        sockets = [socket.socket() for _ in range(3)]
        try:
            for number, each in enumerate(sockets):
                each.bind(("127.0.0.1", port + number))
        except OSError:
            continue
        else:
            return port
        finally:
            for each in sockets:
                each.close()
    raise RuntimeError("no free ports")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Provider]:
    with installed(tmp_path) as provider:
        provider.port = three_free_ports()
        del provider.environment["IDP_ISSUER"]
        yield provider


def start(provider: Provider) -> tuple[subprocess.Popen[str], str, float]:
    """The process, what it printed once everything could be opened, and the seconds until then."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "idp", "dev", "--port", str(provider.port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=provider.environment,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    return process, "".join(lines), time.monotonic() - began


def stop(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    more, _ = process.communicate(timeout=30)
    return process.returncode, more.strip()


def password_in(text: str) -> str:
    match = re.search(r"password +(\S+)", text)
    assert match is not None
    return match[1]


def test_it_listens_on_loopback_alone_unless_told_otherwise(here: Provider) -> None:
    done = here.run("dev", "--host", "0.0.0.0", "--port", str(here.port))  # noqa: S104  # what it must refuse
    assert (done.returncode, done.stdout) == (1, "")
    assert "listens on loopback only" in done.stderr
    assert "--allow-remote" in done.stderr
    assert not Path(here.environment["IDP_DATA_DIR"]).exists()


def test_a_taken_port_is_said_plainly(here: Provider) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", here.port + 1))
        taken.listen()
        done = here.run("dev", "--port", str(here.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: Port {here.port + 1} is taken")


def test_it_prints_what_to_open_ends_on_ctrl_c_and_keeps_the_password(
    here: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    process, printed, cold = start(here)
    try:
        urls = [f"http://localhost:{here.port + number}" for number in range(3)]
        assert all(url in printed for url in urls)
        assert "ana@example.test" in printed
        assert [httpx2.get(url).status_code for url in (*urls, f"{urls[0]}/dev/mail")] == [200, 200, 200, 200]
        assert httpx2.get(f"{urls[2]}/me").status_code == 401
        here.environment["IDP_ISSUER"] = urls[0]
        here.cli("user", "set-password", "ana@example.test", "--password-stdin", stdin="something else entirely\n")
    finally:
        ended = stop(process)
    assert ended == (0, "")  # nothing is printed after what to open
    again, printed_again, warm = start(here)
    try:
        assert printed_again == printed
        assert demo_user_may_sign_in(urls[1], password_in(printed_again))
    finally:
        assert stop(again) == (0, "")
    with capsys.disabled():
        print(f" [idp dev: cold {cold:.1f} s, warm {warm:.1f} s] ", end="")  # noqa: T201  # measured, not judged
    assert warm < 30


def demo_user_may_sign_in(app: str, password: str) -> bool:
    """Whether the password is right at the provider that the demo app sends people to."""
    with httpx2.Client(follow_redirects=True, timeout=30) as http:
        page = http.get(f"{app}/sign-in")
        form = dict(re.findall(r'name="(csrf)" value="([^"]*)"', page.text))
        form |= {"username": "ana@example.test", "password": password}
        signin = re.search(r'action="(/signin/[^"]+/identify)"', page.text)
        assert signin is not None
        answer = http.post(str(page.url.join(signin[1])), data=form)
        return 'id="allow"' in answer.text
