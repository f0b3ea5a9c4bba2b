"""The sealing keys: given by the operator, or made on first start in the data directory."""

import os
import secrets
import stat
from pathlib import Path

from idp.settings import MIN_SECRET_KEY, Settings, SettingsError

FILE = Path("secrets") / "secret_key"


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """The keys, the newest first. Raises SettingsError where the file cannot be used or can be read by others."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.data_dir / FILE
    try:
        _create(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = "it is no directory" if isinstance(error, FileExistsError) else error.strerror
        raise SettingsError(f"{error.filename or path} cannot be used for the secret key: {reason}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not text; restore it from your backup.") from None
    if mode & 0o077:
        message = (
            f"{path} can be read by others (mode {mode:04o}): `chmod 600 {path}`, "
            "and rotate the key if others have an account here."
        )
        raise SettingsError(message)
    found = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not found:
        message = f"{path} is empty; restore it from your backup, or the database cannot be opened."
        raise SettingsError(message)
    if any(len(key) < MIN_SECRET_KEY for key in found):
        message = f"{path} holds a key of less than {MIN_SECRET_KEY} characters; restore the file from your backup."
        raise SettingsError(message)
    return found


def _create(path: Path) -> None:
    """Exclusively, so that of two first starts one makes it and the other reads it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    if path.exists():
        return
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, (secrets.token_urlsafe(32) + "\n").encode())
        os.fsync(file)
    finally:
        os.close(file)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
