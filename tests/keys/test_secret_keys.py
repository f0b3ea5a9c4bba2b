"""The sealing keys that are made on first start."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from idp.secret_keys import FILE, secret_keys
from idp.settings import Settings, SettingsError
from tests.servers import requires
from tests.store.world import SECRET_KEY


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(issuer="http://localhost:8000", data_dir=tmp_path / "data")


def test_the_first_start_makes_a_key_for_us_alone_and_later_ones_read_it(settings: Settings) -> None:
    (key,) = secret_keys(settings)
    assert len(key) == 43  # 256 random bits
    assert secret_keys(settings) == (key,)
    file = settings.data_dir / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_two_installations_have_different_keys(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"data_dir": tmp_path / "other"})
    assert secret_keys(settings) != secret_keys(other)


async def test_of_many_first_starts_at_once_all_have_the_same_key(settings: Settings) -> None:
    found = await asyncio.gather(*(asyncio.to_thread(secret_keys, settings) for _ in range(16)))
    assert len(set(found)) == 1


def test_keys_that_were_given_are_used_and_no_file_is_made(settings: Settings) -> None:
    given = settings.model_copy(update={"secret_key": (SECRET_KEY,)})
    assert secret_keys(given) == (SECRET_KEY,)
    assert not settings.data_dir.exists()


def test_a_file_may_hold_several_keys_the_newest_first(settings: Settings) -> None:
    (old,) = secret_keys(settings)
    file = settings.data_dir / FILE
    file.write_text(f"{SECRET_KEY}\n\n{old}\n")
    assert secret_keys(settings) == (SECRET_KEY, old)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_km_04_a_key_that_others_can_read_stops_the_start(settings: Settings, mode: int) -> None:
    """Another account of the machine reads the key that seals everything."""
    secret_keys(settings)
    (settings.data_dir / FILE).chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        secret_keys(settings)


@pytest.mark.parametrize("content", [b"\xff\xfe" * 20, None], ids=["not text", "a folder"])
def test_what_cannot_be_read_stops_the_start_in_words(settings: Settings, content: bytes | None) -> None:
    secret_keys(settings)
    file = settings.data_dir / FILE
    file.unlink()
    if content is None:
        file.mkdir(mode=0o700)
    else:
        file.touch(mode=0o600)
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=str(file)):
        secret_keys(settings)


def test_a_file_in_the_place_of_the_folder_stops_the_start_in_words(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "secrets").touch()
    with pytest.raises(SettingsError, match="secrets cannot be used for the secret key: it is no directory"):
        secret_keys(settings)


def test_a_key_that_we_may_not_read_stops_the_command_in_words(settings: Settings) -> None:
    """Somebody runs a command as themselves, and not as the user that the server runs as."""
    secret_keys(settings)
    (settings.data_dir / FILE).chmod(0)
    command = [sys.executable, "-m", "idp", "config", "check"]
    if os.geteuid() == 0:  # who may read everything
        command = [requires("setpriv"), "--bounding-set=-dac_override,-dac_read_search", *command]
    environment = {"PATH": os.environ["PATH"], "IDP_DATA_DIR": str(settings.data_dir), "IDP_ISSUER": settings.issuer}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    file = settings.data_dir / FILE
    assert done.stderr == f"Error: {file} cannot be used for the secret key: Permission denied.\n"
    assert done.returncode == 1


def test_an_empty_file_stops_the_start_and_is_not_filled(settings: Settings) -> None:
    """A new key would open nothing of what the lost one sealed."""
    secret_keys(settings)
    file = settings.data_dir / FILE
    file.write_text("")
    with pytest.raises(SettingsError, match="backup"):
        secret_keys(settings)
    assert file.read_text() == ""
