"""`idp dev`: one command, three servers, and what to open printed last."""

import json
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

from tests.provider import TLS, Provider, installed


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


def start(provider: Provider, *arguments: str) -> tuple[subprocess.Popen[str], str, float]:
    """The process, what it printed once everything could be opened, and the seconds until then."""
    began = time.monotonic()
    with provider.log.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "idp", "dev", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
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
    done = here.shell("dev", "--host", "0.0.0.0", "--port", str(here.port))  # noqa: S104  # what it must refuse
    assert (done.returncode, done.stdout) == (1, "")
    assert "listens on loopback only" in done.stderr
    assert "--allow-remote" in done.stderr
    assert not Path(here.environment["IDP_DATA_DIR"]).exists()


def test_a_taken_port_is_said_plainly(here: Provider) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", here.port + 1))
        taken.listen()
        done = here.shell("dev", "--port", str(here.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: Port {here.port + 1} is taken")


def test_it_prints_what_to_open_ends_on_ctrl_c_and_keeps_the_password(
    here: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    process, printed, cold = start(here, "--port", str(here.port))
    try:
        urls = [f"http://localhost:{here.port + number}" for number in range(3)]
        assert all(url in printed for url in urls)
        assert "ana@example.test" in printed
        pages = [httpx2.get(url, verify=TLS) for url in (*urls, f"{urls[0]}/dev/mail")]
        assert [page.status_code for page in pages] == [200] * 4
        assert httpx2.get(f"{urls[2]}/me", verify=TLS).status_code == 401
        here.environment["IDP_ISSUER"] = urls[0]
        here.cli("user", "set-password", "ana@example.test", "--password-stdin", stdin="something else entirely\n")
    finally:
        ended = stop(process)
    assert ended == (0, "")  # nothing is printed after what to open
    again, printed_again, warm = start(here, "--port", str(here.port))
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
    with httpx2.Client(follow_redirects=True, timeout=30, verify=TLS) as http:
        page = http.get(f"{app}/sign-in")
        form = dict(re.findall(r'name="(csrf)" value="([^"]*)"', page.text))
        form |= {"username": "ana@example.test", "password": password}
        signin = re.search(r'action="(/signin/[^"]+/identify)"', page.text)
        assert signin is not None
        answer = http.post(str(page.url.join(signin[1])), data=form)
        return 'id="allow"' in answer.text


def test_every_page_wears_the_ribbon_and_the_environment_says_port_and_log(here: Provider) -> None:
    here.environment |= {"IDP_PORT": str(here.port), "IDP_LOG_FORMAT": "json"}
    process, printed, _ = start(here)
    try:
        provider, app, api = (f"http://localhost:{here.port + number}" for number in range(3))
        assert all(url in printed for url in (provider, app, api))
        with httpx2.Client(
            follow_redirects=True, timeout=30, headers={"Sec-Fetch-Site": "same-origin"}, verify=TLS
        ) as http:
            pages = [http.get(f"{app}{path}") for path in ("/", "/signed-out", "/nothing", "/callback", "/sign-in")]
            pages += [http.get(f"{provider}{path}") for path in ("/", "/nothing", "/authorize", "/signed-out")]
            pages += [http.post(f"{provider}/dev/mail/test"), http.get(f"{provider}/dev/mail/1")]
            pages += [http.get(f"{provider}/dev/mail/7"), http.get(f"{provider}/dev/mail/test")]
            answers = [http.get(f"{api}/"), http.get(f"{api}/nothing"), http.post(f"{api}/me")]
    finally:
        assert stop(process) == (0, "")
    assert [str(page.url) for page in pages if 'class="ribbon"' not in page.text] == []
    assert [answer.json()["development_mode"] for answer in answers] == ["Not for real data."] * 3
    assert [answer.status_code for answer in answers] == [200, 404, 405]
    lines = here.log.read_text().splitlines()
    assert lines[0].startswith("Made a new database (")
    assert all(json.loads(line)["event"] for line in lines[1:])


def test_development_mode_and_production_share_no_directory(here: Provider) -> None:
    data = Path(here.environment["IDP_DATA_DIR"])
    here.environment["IDP_ISSUER"] = here.issuer
    here.create_client()
    refused = here.shell("dev", "--port", str(here.port))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "was not made by development mode, and people or apps are in it: give another IDP_DATA_DIR" in refused.stderr
    assert not (data / "development.json").exists()
    (data / "development.json").write_text('{"client_id": "demo-app"')
    for command in (["serve", "--port", str(here.port)], ["config", "check"]):
        refused = here.shell(*command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"Error: {data} belongs to development mode")
        assert "give another IDP_DATA_DIR" in refused.stderr
    broken = here.shell("dev", "--port", str(here.port))
    assert (broken.returncode, broken.stdout) == (1, "")
    assert broken.stderr.startswith(f"Error: {data / 'development.json'} cannot be read")
    assert "Traceback" not in broken.stderr


def test_the_two_ports_after_the_last_must_exist(here: Provider) -> None:
    here.environment["IDP_PORT"] = "65534"
    done = here.shell("dev")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: IDP_PORT: at most 65533")
