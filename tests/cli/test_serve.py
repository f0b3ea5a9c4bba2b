"""`idp serve` and `idp migrate`: what they refuse, in words, and serving over TLS."""

import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.provider import TLS, Provider, installed
from tests.servers import free_port


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Provider]:
    """An installation that is not running."""
    with installed(tmp_path) as provider:
        yield provider


def refusal(provider: Provider, *arguments: str) -> str:
    """Why it did not start: one error, nothing on standard output, no traceback."""
    done = provider.shell("serve", "--port", str(provider.port), *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("Error: ") == 1
    return done.stderr


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed one for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


def test_without_a_public_https_url_nothing_is_served(here: Provider) -> None:
    here.environment["IDP_ISSUER"] = "http://id.example.com"
    assert "http is for loopback addresses only" in refusal(here)
    del here.environment["IDP_ISSUER"]
    assert "IDP_ISSUER is not set" in refusal(here)


def test_a_port_in_use_is_said_in_words(here: Provider) -> None:
    here.start()
    for more in ((), ("--workers", "2")):
        assert f"Nothing can listen on 127.0.0.1, port {here.port}: Address already in use." in refusal(here, *more)


@pytest.mark.slow
def test_tls_needs_both_files_and_they_must_fit(here: Provider, tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path)
    assert "belong together" in refusal(here, "--tls-cert", str(cert))
    assert "cannot be used" in refusal(here, "--tls-cert", str(cert), "--tls-key", str(tmp_path / "absent.pem"))
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    assert "cannot be used" in refusal(here, "--tls-cert", str(cert), "--tls-key", str(other))


def test_https_is_served_with_a_certificate(here: Provider, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    here.environment["IDP_ISSUER"] = issuer = f"https://localhost:{here.port}"
    with here.log.open("wb") as log:
        here.process = subprocess.Popen(
            [sys.executable, "-m", "idp", "serve", "--port", str(here.port), "--tls-cert", cert, "--tls-key", key],
            env=here.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    trusted = ssl.create_default_context(cafile=str(cert))
    with httpx2.Client(verify=trusted, timeout=5) as http:
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = http.get(f"{issuer}/.well-known/openid-configuration")
                break
            except httpx2.HTTPError:
                assert here.process.poll() is None, here.log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
    assert answer.json()["issuer"] == issuer
    serving = next(line for line in here.log_lines() if line["event"] == "serving")
    assert (serving["tls"], serving["issuer"]) == (True, issuer)


def test_a_first_start_makes_a_key_for_us_alone_and_refuses_one_that_others_can_read(here: Provider) -> None:
    here.start()
    data = Path(here.environment["IDP_DATA_DIR"])
    key = data / "secrets" / "secret_key"
    assert (data.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o700, 0o600)
    assert (data / "idp.db").stat().st_mode & 0o777 == 0o600
    made = next(line for line in here.log_lines() if line["event"] == "secret_key_made")
    assert made["file"] == str(key)
    assert {"file": str(data / "idp.db")}.items() <= next(
        line for line in here.log_lines() if line["event"] == "database_made"
    ).items()
    assert key.read_text().strip() not in here.log.read_text()
    assert here.process is not None
    process = here.process
    here.stop(signal.SIGINT)
    assert process.returncode == 0
    key.chmod(0o644)
    assert "can be read by others (mode 0644)" in refusal(here)
    done = here.shell("client", "list")  # no other command uses it either
    assert (done.returncode, "can be read by others" in done.stderr) == (1, True)
    key.chmod(0o600)
    here.environment["IDP_SECRET_KEY"] = secrets.token_urlsafe(32)
    assert "This database was sealed under another secret key." in refusal(here)


@pytest.mark.slow
def test_several_workers_serve_one_port(here: Provider) -> None:
    here.start("--workers", "2")
    client = here.create_client("--grant-type", "client_credentials", "--scope", "reports.read", redirect_uri=None)
    answers = [
        httpx2.post(
            f"{here.issuer}/token",
            data={"grant_type": "client_credentials"},
            auth=(client["client_id"], client["client_secret"]),
            verify=TLS,
        )
        for _ in range(10)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert here.process is not None
    process = here.process
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 0


def test_two_first_starts_at_once_are_one_installation_and_both_end_well(tmp_path: Path) -> None:
    with installed(tmp_path) as one, installed(tmp_path) as other:
        other.log = tmp_path / "other.log"
        pair = (one, other)
        for each in pair:
            with each.log.open("wb") as log:
                command = [sys.executable, "-m", "idp", "serve", "--port", str(each.port)]
                each.process = subprocess.Popen(
                    command, env=each.environment, stdout=log, stderr=log, start_new_session=True
                )
        for each in pair:
            each.wait()
        first, second = (httpx2.get(f"{each.issuer}/jwks", verify=TLS).json() for each in pair)
        assert first == second
        assert len(first["keys"]) == 2
        processes = [each.process for each in pair if each.process]
        for each in pair:
            each.stop(signal.SIGTERM)
        assert [process.returncode for process in processes] == [0, 0]


def test_migrating_is_a_command_of_its_own_and_may_be_repeated(here: Provider) -> None:
    first = here.cli("migrate")
    assert set(first) == {"revision"}
    assert here.cli("migrate") == first


def test_a_database_that_cannot_be_had_is_said_in_words(here: Provider, tmp_path: Path) -> None:
    here.environment["IDP_DATABASE_URL"] = f"postgresql://idp@127.0.0.1:{free_port()}/idp"
    assert "the database cannot be reached" in refusal(here)
    without = tmp_path / "without"
    without.mkdir()
    (without / "asyncpg.py").write_text('raise ModuleNotFoundError("no driver", name="asyncpg")\n')
    here.environment["PYTHONPATH"] = str(without)
    assert "PostgreSQL needs its driver: install this package with its extra `postgres`" in refusal(here)


def test_a_postgres_database_that_does_not_exist_is_said_in_words(here: Provider, postgres_url: str) -> None:
    here.environment["IDP_DATABASE_URL"] = f"{postgres_url}/absent"
    assert 'database "absent" does not exist' in refusal(here)
