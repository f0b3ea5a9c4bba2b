from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from idp.settings import Settings, SettingsError, is_secret, load, origins, shown

ISSUER = "https://id.example.com"
KEY = "a-key-of-exactly-32-characters-!"
OTHER_KEY = "another-key-of-thirty-two-characters"
LIFETIMES = [name for name in Settings.model_fields if name.endswith("_lifetime")]


def loaded(**environment: str) -> Settings:
    return load({"IDP_ISSUER": ISSUER, **environment})


def refused(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environment)
    return str(caught.value)


def test_the_issuer_is_the_only_value_without_a_default() -> None:
    assert (
        refused({}) == "IDP_ISSUER is not set. It is the public URL of this provider, such as https://id.example.com."
    )
    assert loaded().issuer == ISSUER


def test_the_defaults_are_those_that_are_promised() -> None:
    settings = loaded()
    assert settings.code_lifetime == timedelta(seconds=60)
    assert settings.attempt_lifetime == timedelta(minutes=30)
    assert (settings.session_idle_lifetime, settings.session_absolute_lifetime) == (
        timedelta(hours=12),
        timedelta(days=14),
    )
    assert (settings.refresh_idle_lifetime, settings.refresh_absolute_lifetime) == (
        timedelta(days=30),
        timedelta(days=180),
    )
    assert settings.access_token_lifetime == settings.id_token_lifetime == timedelta(minutes=15)
    assert settings.refresh_grace == timedelta(seconds=10)
    assert settings.signing_key_bits == 2048
    assert (settings.password_memory_kib, settings.password_time_cost, settings.password_parallelism) == (19456, 2, 1)
    assert (settings.host, settings.port, settings.database) == ("127.0.0.1", 8000, "sqlite:///data/idp.db")


@pytest.mark.parametrize(
    "issuer",
    [
        *(
            "https://id.example.com",
            "https://id.example.com:8443",
            "https://id",
            "https://10.0.0.1",
            "https://[::1]:8443",
        ),
        *("http://localhost:8000", "http://localhost", "http://127.0.0.1:8000", "http://[::1]:8000"),
        *("https://xn--mnchen-3ya.example", "https://a_b.example.com", "http://localhost:443", "https://localhost:80"),
    ],
)
def test_an_issuer_is_an_origin_by_https_or_on_loopback(issuer: str) -> None:
    settings = load({"IDP_ISSUER": issuer})
    assert settings.issuer == issuer
    assert settings.secure is issuer.startswith("https://")


@pytest.mark.parametrize(
    "issuer",
    [
        *("http://id.example.com", "http://localhost.evil.test", "http://127.0.0.2:8000", "http://0.0.0.0:8000"),
        *("http://192.168.0.1", "http://[::]:8000", "http://127.0.0.1.evil.test", "http://localhost@evil.test"),
    ],
)
def test_km_04_an_http_issuer_that_is_not_loopback_is_refused(issuer: str) -> None:
    """Passwords and cookies would cross the network in the clear."""
    assert refused({"IDP_ISSUER": issuer}).startswith("IDP_ISSUER: ")


@pytest.mark.parametrize(
    ("issuer", "instead"),
    [
        ("https://id.example.com/", "https://id.example.com"),
        ("https://id.example.com/auth", "https://id.example.com"),
        ("https://id.example.com//", "https://id.example.com"),
        ("https://id.example.com?x=1", "https://id.example.com"),
        ("https://id.example.com?", "https://id.example.com"),
        ("https://id.example.com#f", "https://id.example.com"),
        ("https://id.example.com#", "https://id.example.com"),
        ("https://id.example.com:443", "https://id.example.com"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_az_09_an_issuer_with_more_than_an_origin_is_refused_and_told_what_to_write(issuer: str, instead: str) -> None:
    """A slash more, and the issuer of the discovery document is not the URL that it was fetched from."""
    assert refused({"IDP_ISSUER": issuer}).endswith(f"write {instead}.")


@pytest.mark.parametrize(
    "issuer",
    [
        *(
            "",
            "id.example.com",
            "//id.example.com",
            "https://",
            "https:id.example.com",
            "ftp://id.example.com",
            "https",
        ),
        *(
            "https://user@id.example.com",
            "https://u:p@id.example.com",
            "https://ID.example.com",
            "HTTPS://id.example.com",
        ),
        *(
            "https://münchen.example",
            "https://id.example.com:",
            "https://id.example.com:0",
            "https://id.example.com:99999",
        ),
        *("https://id.example.com:x", "https://id.example.com:08443", "https://[::1", "https://id.exam ple.com"),
        *(
            "https://id.example.com\n",
            " https://id.example.com",
            "https://id.exa\tmple.com",
            "https://id.example.com\\x",
        ),
        *('https://id.example.com"', "https://id.example.com;x", "https://id.example.com'", "https://*.example.com"),
    ],
    ids=ascii,
)
def test_an_issuer_that_is_no_plain_origin_is_refused(issuer: str) -> None:
    """It goes into every token, header and link as it is written."""
    assert refused({"IDP_ISSUER": issuer}).startswith("IDP_ISSUER: ")


@pytest.mark.parametrize(
    ("issuer", "port", "loopback", "name"),
    [
        ("https://id.example.com", 443, False, "id.example.com"),
        ("https://id.example.com:8443", 8443, False, "id.example.com"),
        ("http://localhost", 80, True, "localhost"),
        ("http://[::1]:8000", 8000, True, "::1"),
    ],
)
def test_what_follows_from_the_issuer(issuer: str, port: int, loopback: bool, name: str) -> None:
    settings = load({"IDP_ISSUER": issuer})
    assert (settings.issuer_port, settings.loopback, settings.site_name) == (port, loopback, name)
    assert load({"IDP_ISSUER": issuer, "IDP_NAME": "Example"}).site_name == "Example"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("IDP_ISUER", "IDP_ISSUER"),
        ("IDP_ISSUER_URL", "IDP_ISSUER"),
        ("IDP_SECRET", "IDP_SECRET_KEY"),
        ("IDP_DATABASE", "IDP_DATABASE_URL"),
        ("IDP_ACCES_TOKEN_LIFETIME", "IDP_ACCESS_TOKEN_LIFETIME"),
        ("IDP_SECRET_KEY_FIEL", "IDP_SECRET_KEY"),
        ("IDP_WORKER", "IDP_WORKERS"),
        ("IDP_CONFG", "IDP_CONFIG"),
    ],
)
def test_an_unknown_variable_is_an_error_that_names_the_nearest_setting(name: str, nearest: str) -> None:
    """A misspelt setting that is ignored leaves an operator safe in the belief that it holds."""
    assert refused({"IDP_ISSUER": ISSUER, name: "x"}) == f"There is no setting {name}. The nearest is {nearest}."


@pytest.mark.parametrize("name", ["IDP_CONFIG_FILE", "IDP_MODEL_CONFIG"])
def test_every_unknown_variable_is_an_error(name: str) -> None:
    assert refused({"IDP_ISSUER": ISSUER, name: "x"}).startswith(f"There is no setting {name}. The nearest is IDP_")


@pytest.mark.parametrize("name", ["IDP_", "IDP_X", "IDP_FILE", "IDP_LDAP", "IDP_ISSUER_FILE_FILE"])
def test_what_is_near_to_no_setting_gets_no_suggestion(name: str) -> None:
    assert refused({"IDP_ISSUER": ISSUER, name: "x"}) == f"There is no setting {name}."


def test_a_value_that_is_not_utf_8_is_refused() -> None:
    """As the environment hands it over: it would be an error on the first page that shows it."""
    assert refused({"IDP_ISSUER": ISSUER, "IDP_NAME": "Caf\udce9"}) == "IDP_NAME is not UTF-8."


def test_variables_of_others_are_none_of_ours() -> None:
    assert load({"IDP_ISSUER": ISSUER, "ISSUER": "x", "PORT": "1", "XIDP_PORT": "2", "IDPPORT": "3"}).port == 8000


def test_a_value_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "issuer").write_text(f"\n{ISSUER}\n", encoding="utf-8")
    (tmp_path / "keys").write_text(f"{KEY},{OTHER_KEY}\n", encoding="utf-8")
    environment = {"IDP_ISSUER_FILE": str(tmp_path / "issuer"), "IDP_SECRET_KEY_FILE": str(tmp_path / "keys")}
    settings = load(environment)
    assert (settings.issuer, settings.secret_key) == (ISSUER, (KEY, OTHER_KEY))
    assert origins(environment)["issuer"] == (ISSUER, "IDP_ISSUER_FILE")


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_may_stand_in_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("some value", encoding="utf-8")
    variable = f"IDP_{name.upper()}"
    assert origins({f"{variable}_FILE": str(file)}) == {name: ("some value", f"{variable}_FILE")}


@pytest.mark.parametrize("value", [ISSUER, ""])
def test_a_value_and_its_file_are_not_both_set(value: str, tmp_path: Path) -> None:
    """Which of the two holds would be a guess."""
    (tmp_path / "issuer").write_text("https://other.example.com", encoding="utf-8")
    reason = refused({"IDP_ISSUER": value, "IDP_ISSUER_FILE": str(tmp_path / "issuer")})
    assert reason == "IDP_ISSUER and IDP_ISSUER_FILE are both set; keep one of them."


@pytest.mark.parametrize("variable", ["IDP_ISSUER_FILE", "IDP_CONFIG"])
@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["not there", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_named(variable: str, content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    if content is not None:
        file.write_bytes(content)
    assert refused({variable: str(file)}).startswith(f"{variable} names the file {file}, which cannot be read: ")


def toml(folder: Path, text: str) -> dict[str, str]:
    file = folder / "idp.toml"
    file.write_text(text, encoding="utf-8")
    return {"IDP_CONFIG": str(file)}


def test_settings_may_stand_in_a_toml_file(tmp_path: Path) -> None:
    environment = toml(
        tmp_path,
        f'issuer = "{ISSUER}"\nport = 9000\ncode_lifetime = "30s"\nsecret_key = ["{KEY}", "{OTHER_KEY}"]\n',
    )
    settings = load(environment)
    assert (settings.issuer, settings.port, settings.code_lifetime) == (ISSUER, 9000, timedelta(seconds=30))
    assert settings.secret_key == (KEY, OTHER_KEY)
    assert origins(environment)["port"] == (9000, environment["IDP_CONFIG"])


@pytest.mark.parametrize(("name", "nearest"), [("isuer", "issuer"), ("IDP_ISSUER", "issuer"), ("level", "log_level")])
def test_an_unknown_name_in_the_toml_file_is_an_error_that_names_the_nearest_setting(
    name: str, nearest: str, tmp_path: Path
) -> None:
    environment = toml(tmp_path, f'{name} = "x"')
    path = environment["IDP_CONFIG"]
    reason = refused(environment)
    assert reason.startswith(f"There is no setting {name} in {path}. The nearest is ")
    assert reason.endswith(f" {nearest}.")


@pytest.mark.parametrize("text", ["issuer", "issuer = ", "[issuer", '{"issuer": "x"}', "issuer = https://x"])
def test_a_file_that_is_no_toml_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    environment = toml(tmp_path, text)
    assert refused(environment).startswith(f"{environment['IDP_CONFIG']} is not TOML: ")


@pytest.mark.parametrize(
    "line", ["issuer = 5", "issuer = []", "[issuer]", "port = 'x'", "code_lifetime = 60", "host = ['a']"]
)
def test_a_value_of_the_wrong_kind_in_the_toml_file_is_named(line: str, tmp_path: Path) -> None:
    name = line.strip("[]").split(" ")[0]
    start = "" if name == "issuer" else f'issuer = "{ISSUER}"\n'
    assert refused(toml(tmp_path, start + line)).startswith(f"IDP_{name.upper()}: ")


def test_what_is_given_holds_before_the_environment_the_file_the_fallback_and_the_default(tmp_path: Path) -> None:
    in_file = toml(tmp_path, f'issuer = "{ISSUER}"\nport = 3\nworkers = 3\nhost = "three"\n')
    settings = load(
        {**in_file, "IDP_PORT": "2", "IDP_WORKERS": "2"},
        fallback={"host": "four", "name": "four", "port": 4},
        port=1,
    )
    assert (settings.port, settings.workers, settings.host, settings.name) == (1, 2, "three", "four")
    assert settings.password_threads == 2


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1s", timedelta(seconds=1)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("3650d", timedelta(days=3650)),
        (" 60s ", timedelta(seconds=60)),
        ("007d", timedelta(days=7)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert loaded(IDP_CODE_LIFETIME=text).code_lifetime == duration


@pytest.mark.parametrize(
    "text",
    [
        *("", "60", "s", "60 s", "1.5h", "-60s", "+60s", "60S", "1h30m", "60sec", "1w", "P1D", "PT60S", "00:01:00"),
        *("60ms", "\u0666\u0660s", "1e3s", "9999999999s", "inf", "1 day", "60s\n60s"),
    ],
    ids=ascii,
)
def test_anything_else_is_no_duration(text: str) -> None:
    """A bare number would be seconds to one reader and minutes to the next."""
    assert refused({"IDP_ISSUER": ISSUER, "IDP_CODE_LIFETIME": text}) == (
        "IDP_CODE_LIFETIME: write a duration as a number and a unit, such as 90s, 15m, 12h or 30d."
    )


@pytest.mark.parametrize("text", ["3651d", "87601h", "999999999d"])
@pytest.mark.parametrize("name", [*LIFETIMES, "prune_interval", "jwks_max_age"])
def test_a_duration_beyond_what_a_clock_can_add_is_refused(name: str, text: str) -> None:
    """`now` plus 999999999 days is an error at the first sign-in rather than at the start."""
    assert refused({"IDP_ISSUER": ISSUER, f"IDP_{name.upper()}": text}) == f"IDP_{name.upper()}: at most 3650d."


@pytest.mark.parametrize("name", [*LIFETIMES, "prune_interval"])
@pytest.mark.parametrize("text", ["0s", "0d"])
def test_nothing_lives_for_no_time_at_all(name: str, text: str) -> None:
    assert refused({"IDP_ISSUER": ISSUER, f"IDP_{name.upper()}": text}) == f"IDP_{name.upper()}: at least 1s."


def test_there_are_the_lifetimes_above() -> None:
    assert len(LIFETIMES) == 8


@pytest.mark.parametrize(("text", "grace"), [("0s", 0), ("10s", 10), ("60s", 60), ("1m", 60)])
def test_the_grace_is_at_most_a_minute_and_may_be_none(text: str, grace: int) -> None:
    assert loaded(IDP_REFRESH_GRACE=text).refresh_grace == timedelta(seconds=grace)


@pytest.mark.parametrize("text", ["61s", "2m", "1h"])
def test_a_longer_grace_is_refused(text: str) -> None:
    """As long as it lasts, a stolen token that was used already is used again."""
    assert refused({"IDP_ISSUER": ISSUER, "IDP_REFRESH_GRACE": text}) == "IDP_REFRESH_GRACE: at most 60s."


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (KEY, (KEY,)),
        (f"{KEY},{OTHER_KEY}", (KEY, OTHER_KEY)),
        (f" {KEY} ,\n{OTHER_KEY},", (KEY, OTHER_KEY)),
        (f"{KEY}\n{OTHER_KEY}\n", (KEY, OTHER_KEY)),
        (f"{KEY}\r\n\r\n{OTHER_KEY}\r\n", (KEY, OTHER_KEY)),
    ],
)
def test_secret_keys_are_listed_the_newest_first(text: str, keys: tuple[str, ...], tmp_path: Path) -> None:
    assert loaded(IDP_SECRET_KEY=text).secret_key == keys
    (tmp_path / "keys").write_text(text, encoding="utf-8")
    assert loaded(IDP_SECRET_KEY_FILE=str(tmp_path / "keys")).secret_key == keys


@pytest.mark.parametrize("text", ["", " ", " , ", "\n"])
def test_a_secret_key_that_is_set_and_empty_is_refused(text: str, tmp_path: Path) -> None:
    """A file that was not mounted would seal a new database under a key that nobody backs up."""
    (tmp_path / "key").write_text(text, encoding="utf-8")
    for environment in (
        {"IDP_SECRET_KEY": text},
        {"IDP_SECRET_KEY_FILE": str(tmp_path / "key")},
        toml(tmp_path, f"secret_key = {text!r}"),
        toml(tmp_path, "secret_key = []"),
    ):
        reason = refused({"IDP_ISSUER": ISSUER, **environment})
        assert reason.startswith("IDP_SECRET_KEY: it is set and holds no key"), environment


@pytest.mark.parametrize("key", ["secret", "changeme", "a", KEY[:-1], "x" * 31])
def test_km_04_a_short_secret_key_is_refused_and_not_repeated(key: str) -> None:
    """Everything that is sealed is as safe as this; an error that shows it writes it into the log."""
    for text in (key, f"{KEY},{key}", f"{key},{KEY}"):
        reason = refused({"IDP_ISSUER": ISSUER, "IDP_SECRET_KEY": text})
        assert reason.startswith("IDP_SECRET_KEY: each key needs at least 32 characters")
        assert len(key) < 8 or key not in reason
        assert KEY not in reason


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("IDP_PORT", ["0", "65536", "-1", "x", "", "80.5"]),
        ("IDP_WORKERS", ["0", "257", "two"]),
        ("IDP_SIGNING_KEY_BITS", ["1024", "4096", "x", "0"]),
        ("IDP_PASSWORD_MEMORY_KIB", ["8191", "0", "1048577"]),
        ("IDP_PASSWORD_TIME_COST", ["0", "21"]),
        ("IDP_PASSWORD_PARALLELISM", ["0", "17"]),
        ("IDP_PASSWORD_THREADS", ["0", "65"]),
        ("IDP_PASSWORD_QUEUE", ["-1", "10001"]),
        ("IDP_LOG_LEVEL", ["trace", "INFO", ""]),
        ("IDP_LOG_FORMAT", ["xml", ""]),
        ("IDP_DATABASE_URL", ["mysql://h/d", "postgres://h/d", "sqlite://", "idp.db", "postgresql+asyncpg://h/d"]),
        ("IDP_DATABASE_URL", ["sqlite:///", "sqlite:////", "sqlite:///.", "sqlite:///:memory:"]),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_the_name_of_its_setting(name: str, values: list[str]) -> None:
    for value in values:
        assert refused({"IDP_ISSUER": ISSUER, name: value}).startswith(f"{name}: "), value


def test_every_value_that_is_wrong_is_named_at_once() -> None:
    reason = refused({"IDP_ISSUER": "x", "IDP_PORT": "0", "IDP_LOG_LEVEL": "loud"})
    assert [line.split(":")[0] for line in reason.splitlines()] == ["IDP_ISSUER", "IDP_PORT", "IDP_LOG_LEVEL"]


def test_the_bits_of_a_key_are_read_from_the_environment() -> None:
    assert loaded(IDP_SIGNING_KEY_BITS="3072").signing_key_bits == 3072


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        loaded().port = 1  # type: ignore[misc]


def test_only_keys_are_secrets_as_a_whole() -> None:
    secret = [name for name, field in Settings.model_fields.items() if is_secret(field)]
    assert secret == ["secret_key", "captcha_secret"]


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_says_in_a_sentence_what_it_is(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description is not None
    assert description.endswith((".", ";"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        (8000, "8000"),
        (Path("data"), "data"),
        ((), ""),
        (("a", "b"), "a,b"),
        (timedelta(0), "0s"),
        (timedelta(seconds=90), "90s"),
        (timedelta(minutes=15), "15m"),
        (timedelta(hours=36), "36h"),
        (timedelta(days=14), "14d"),
        (timedelta(days=1, seconds=1), "86401s"),
        (ISSUER, ISSUER),
        ("http://localhost:8000", "http://localhost:8000"),
        ("sqlite:///data/idp.db", "sqlite:///data/idp.db"),
        ("postgresql://idp@db.example.com:5432/idp", "postgresql://idp@db.example.com:5432/idp"),
    ],
    ids=lambda value: repr(value).replace("postgresql", "a database"),
)
def test_a_value_is_shown_as_a_person_would_write_it(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql://idp:hunter2@db/idp", "postgresql://idp:hunter2@db:5432/idp", "postgresql://:hunter2@db/idp"),
        *(
            "postgresql://idp:a/hunter2@db/idp",
            "postgresql://idp:a@hunter2@db/idp",
            "postgresql://idp:hunter2:b@db/idp",
        ),
        *("postgresql://idp:a%40hunter2@db/idp", "postgresql://db/idp?user=idp&password=hunter2"),
        *("postgresql://db/idp?password=hunter2&user=idp", "postgresql://idp:a?hunter2@db/idp"),
    ],
    ids=lambda url: str(url).removeprefix("postgresql://"),
)
def test_lg_02_the_password_in_a_url_is_not_shown_however_it_is_written(url: str) -> None:
    """Whoever reads the log or the settings that are shown looks for the password of the database."""
    assert "hunter2" not in shown(url)
    assert shown(url).startswith("postgresql://")


@given(st.integers(0, 3650 * 86400))
def test_a_duration_that_is_shown_can_be_written_back(seconds: int) -> None:
    text = shown(timedelta(seconds=seconds))
    assert loaded(IDP_JWKS_MAX_AGE=text).jwks_max_age == timedelta(seconds=seconds)


@given(st.text())
def test_any_issuer_is_taken_as_it_is_or_refused(issuer: str) -> None:
    try:
        settings = load({"IDP_ISSUER": issuer})
    except SettingsError:
        return
    assert settings.issuer == issuer
    assert issuer.startswith(("https://", "http://"))


@pytest.mark.parametrize("url", ["https://api.pwnedpasswords.com/range", "http://127.0.0.1:8080/range", ""])
def test_the_breach_api_is_https_or_this_machine(url: str) -> None:
    assert loaded(IDP_BREACH_API=url).breach_api == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://api.example.com/range", "api.example.com", "https://", "file:///etc/passwd"),
        "https://a.example/?x=1",
        "https://a .example",
    ],
)
def test_a_breach_api_that_others_could_read_or_that_has_no_place_for_a_prefix_is_refused(url: str) -> None:
    assert "write an https URL" in refused({"IDP_ISSUER": ISSUER, "IDP_BREACH_API": url})


@pytest.mark.parametrize(
    "url", ["", "smtp://id%40a.test:p%3Aw@mail.example.com:2525", "smtps://mail.example.com", "smtp+plain://10.0.0.25"]
)
def test_a_mail_server_is_a_url(url: str) -> None:
    assert loaded(IDP_SMTP_URL=url).smtp_url == url


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("mail.example.com", "write smtp://USER"),
        ("http://mail.example.com", "write smtp://USER"),
        ("smtp://", "write smtp://USER"),
        ("smtp://mail.example.com/inbox", "write smtp://USER"),
        ("smtp+plain://id:canary@10.0.0.25", "not sent without TLS"),
    ],
)
def test_a_mail_server_that_is_none_or_would_get_a_password_in_clear_is_refused(url: str, advice: str) -> None:
    said = refused({"IDP_ISSUER": ISSUER, "IDP_SMTP_URL": url})
    assert advice in said
    assert "canary" not in said


def test_mail_comes_from_whoever_is_named_or_from_the_issuers_host() -> None:
    assert load({"IDP_ISSUER": "https://id.example.com:8443"}).sender == "no-reply@id.example.com"
    assert loaded(IDP_MAIL_FROM="Example <id@example.com>").sender == "Example <id@example.com>"
    for sender in ("Example", "id@", "id@example.com\nBcc: eve@example.com", "a b@c"):
        assert "write an address" in refused({"IDP_ISSUER": ISSUER, "IDP_MAIL_FROM": sender})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-03-01", datetime(2027, 3, 1, tzinfo=UTC)),
        (" 2027-03-01T08:30 ", datetime(2027, 3, 1, 8, 30, tzinfo=UTC)),
        ("2027-03-01T08:30+01:00", datetime(2027, 3, 1, 7, 30, tzinfo=UTC)),
        ("2027-03-01T08:30:00Z", datetime(2027, 3, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc_unless_it_names_its_zone(text: str, moment: datetime) -> None:
    settings = loaded(IDP_SECOND_FACTOR="required", IDP_SECOND_FACTOR_FROM=text)
    assert settings.second_factor_from == moment
    assert not settings.requires_second_factor(moment - timedelta(seconds=1))
    assert settings.requires_second_factor(moment)
    assert not loaded(IDP_SECOND_FACTOR_FROM=text).requires_second_factor(moment)
    assert loaded(IDP_SECOND_FACTOR_FROM=shown(moment)).second_factor_from == moment


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-13-01", "01.03.2027"])
def test_anything_else_is_no_moment(text: str) -> None:
    with pytest.raises(SettingsError, match="IDP_SECOND_FACTOR_FROM: write a date such as 2027-03-01"):
        loaded(IDP_SECOND_FACTOR_FROM=text)


@pytest.mark.parametrize("value", ["closed", "invitation", "domains", "open"])
def test_sign_up_is_closed_by_default_and_opens_step_by_step(value: str) -> None:
    assert loaded().sign_up == "closed"
    assert not loaded().sign_up_is_open
    assert loaded(IDP_SIGN_UP=value).sign_up_is_open is (value in ("domains", "open"))


def test_domains_of_sign_up_are_names() -> None:
    assert loaded(IDP_SIGN_UP_DOMAINS="example.com, b\u00fccher.example").sign_up_domains == (
        "example.com",
        "b\u00fccher.example",
    )


@pytest.mark.parametrize(
    "value", ["@example.com", "*.example.com", "ana@example.com", "example", ".example.com", "a b.de"]
)
def test_a_domain_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"write domains such as example\.com"):
        loaded(IDP_SIGN_UP_DOMAINS=value)
