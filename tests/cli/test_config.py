"""`idp config`: what is set, from where, and whether it would do."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.settings import Settings
from tests.cli.conftest import Many
from tests.provider import Provider, installed

SECRET = "0123456789abcdef0123456789abcdef0123456789"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Provider]:
    """An installation that is not running."""
    with installed(tmp_path) as provider:
        yield provider


def settings_of(provider: Provider) -> dict[str, tuple[str, str]]:
    return {each["name"]: (each["value"], each["origin"]) for each in provider.cli("config", "show")}


def test_every_setting_is_shown_with_its_origin_and_no_secret(here: Provider, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    (tmp_path / "level").write_text("warning\n")
    toml = tmp_path / "idp.toml"
    toml.write_text('refresh_grace = "5s"\nport = 9000\nhost = "::1"\n')
    here.environment |= {
        "IDP_CONFIG": str(toml),
        "IDP_SECRET_KEY_FILE": str(tmp_path / "key"),
        "IDP_LOG_LEVEL_FILE": str(tmp_path / "level"),
        "IDP_DATABASE_URL": "postgresql://idp:hunter2@db.example.com/idp",
        "IDP_SMTP_URL": "smtp://id:hunter3@mail.example.com",
        "IDP_CAPTCHA_SECRET": "hunter4",
        "IDP_PORT": "9001",
    }
    shown = settings_of(here)
    assert set(shown) == {f"IDP_{name.upper()}" for name in Settings.model_fields}
    assert shown["IDP_ISSUER"] == (here.issuer, "IDP_ISSUER")
    assert shown["IDP_SECRET_KEY"] == ("(set)", "IDP_SECRET_KEY_FILE")
    assert shown["IDP_LOG_LEVEL"] == ("warning", "IDP_LOG_LEVEL_FILE")
    assert shown["IDP_REFRESH_GRACE"] == ("5s", str(toml))
    assert shown["IDP_HOST"] == ("::1", str(toml))
    assert shown["IDP_PORT"] == ("9001", "IDP_PORT")  # the environment counts before the file
    assert shown["IDP_DATABASE_URL"] == ("postgresql://idp:...@db.example.com/idp", "IDP_DATABASE_URL")
    assert shown["IDP_CODE_LIFETIME"] == ("1m", "default")
    output = here.shell("config", "show").stdout + here.run("config", "check").stdout
    assert SECRET not in output
    assert "hunter" not in output
    assert shown["IDP_SMTP_URL"][0] == "smtp://id:...@mail.example.com"


def test_without_an_issuer_it_is_shown_as_not_set(here: Provider) -> None:
    del here.environment["IDP_ISSUER"]
    assert settings_of(here)["IDP_ISSUER"] == ("", "not set")
    done = here.shell("config", "check")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: IDP_ISSUER is not set.")


def test_check_says_what_would_be_served(here: Provider) -> None:
    database = f"sqlite:///{here.environment['IDP_DATA_DIR']}/idp.db"
    assert here.cli("config", "check") == {"ok": True, "issuer": here.issuer, "database": database}


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("IDP_ISUER", "https://id.example.com", "There is no setting IDP_ISUER. The nearest is IDP_ISSUER."),
        ("IDP_ISSUER", "http://id.example.com", "http is for loopback addresses only"),
        ("IDP_TLS_KEY", "key.pem", "belong together"),
        ("IDP_LOG_LEVEL_FILE", "/nowhere/at/all", "which cannot be read"),
        ("IDP_DATABASE_URL", "sqlite:///", "name a file after sqlite:///"),
        ("IDP_SECRET_KEY", "", "it is set and holds no key"),
        ("IDP_EMAIL_CODES", "sign_in", "IDP_SMTP_URL names no server"),
        ("IDP_SIGN_UP", "open", "IDP_SMTP_URL names no server"),
        ("IDP_SIGN_UP", "domains", "IDP_SMTP_URL names no server"),
        ("IDP_SIGN_UP_DOMAINS", "example.com", "counts with IDP_SIGN_UP=domains alone"),
        ("IDP_CAPTCHA", "turnstile", "set IDP_CAPTCHA_SITE_KEY and IDP_CAPTCHA_SECRET too"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(here: Provider, setting: str, value: str, reason: str) -> None:
    here.environment[setting] = value
    done = here.shell("config", "check", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_makes_something_says_what_and_where_and_makes_it_for_us_alone(
    here: Provider, tmp_path: Path
) -> None:
    """In the wrong directory a command finds nothing, makes it all anew, and would seem to work."""
    data = tmp_path / "data"
    here.environment |= {"IDP_DATABASE_URL": f"sqlite:///{tmp_path}/idp.db", "IDP_DATA_DIR": os.path.relpath(data)}
    first = here.shell("user", "show", "ana@example.test")
    made, error = first.stderr.splitlines()
    assert made == f"Made a new database ({tmp_path}/idp.db) and a new secret key ({data}/secrets/secret_key)."
    assert (first.returncode, error) == (1, "Error: There is no person ana@example.test.")
    assert data.stat().st_mode & 0o777 == 0o700
    (data / "secrets" / "secret_key").unlink()
    checked = here.shell("config", "check", "--json")
    assert checked.stderr == f"Made a new secret key ({data}/secrets/secret_key).\n"
    (tmp_path / "idp.db").unlink()
    assert here.shell("migrate").stderr == f"Made a new database ({tmp_path}/idp.db).\n"
    assert here.shell("user", "list").stderr == ""


def test_a_file_with_an_unknown_name_or_that_is_no_toml_is_refused(here: Provider, tmp_path: Path) -> None:
    toml = tmp_path / "idp.toml"
    here.environment["IDP_CONFIG"] = str(toml)
    toml.write_text('isuer = "https://id.example.com"\n')
    done = here.shell("config", "show")
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: There is no setting isuer in {toml}. The nearest is issuer.\n",
    )
    toml.write_text("issuer = \n")
    done = here.shell("config", "show")
    assert (done.returncode, f"{toml} is not TOML" in done.stderr) == (1, True)


def test_every_command_has_help_and_a_wrong_one_is_a_usage_error(here: Provider, run_many: Many) -> None:
    groups = ("user", "client", "key", "config")
    helped = [["--help"], ["--version"], *([name, "-h"] for name in (*groups, "serve", "dev", "migrate", "prune"))]
    wrong = [
        ["nothing"],
        ["serve", "--port", "many"],
        ["serve", "--port", "65536"],
        ["serve", "--workers", "0"],
        ["key", "turn"],
        ["config"],
        ["user", "show"],
        ["prune", "--all"],
    ]
    done = run_many(here, [*helped, *wrong])
    assert [each.code for each in done] == [0] * len(helped) + [2] * len(wrong)
    assert all(each.stdout and not each.stderr for each in done[: len(helped)])
    assert all(each.stderr and not each.stdout for each in done[len(helped) :])
