"""Every setting: its default, what it means, and what it may hold."""

import re
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from idp.settings.joining import JoiningSettings
from idp.settings.kinds import LOOPBACK_HOSTS, Duration, Listed, Moment, RangeUrl, RedisUrl, Sender, SmtpUrl, number

PREFIX = "IDP_"
MIN_SECRET_KEY = 32
MOST_PASSKEY_ORIGINS = 5
OPTIONAL, REQUIRED = "optional", "required"
ALLOW, REFUSE = "allow", "refuse"
_SCOPE_TEXT = re.compile(r"[\x21\x23-\x3c\x3e-\x5b\x5d-\x7e]{1,128}=.{1,100}")
_NETLOC = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Settings(JoiningSettings):
    """Each field is a setting; its description is what `docs/settings.md` says of it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False
    )

    issuer: str = Field(description="The public URL of the provider, such as https://id.example.com.")
    name: str = Field("", description="What people see as the name of the provider; by default the issuer's host.")
    data_dir: Path = Field(Path("data"), description="Where the provider keeps its files; made with mode 0700.")
    database_url: str = Field(
        "", description="sqlite:///FILE or postgresql://...; by default idp.db in the data directory."
    )
    database_pool: int = Field(10, ge=1, le=200, description="Connections to PostgreSQL that one worker holds at most.")
    secret_key: Listed = Field(
        (),
        description="The sealing keys, the newest first, with commas or newlines between; "
        "by default a file made on first start.",
        json_schema_extra={"secret": True},
    )
    passkey_origins: Listed = Field(
        (),
        description="Other sites that may use this provider's passkeys, such as a host that it moves to: at most five "
        "origins, comma-separated.",
    )
    language: str = Field("en", description="The language of who asks for none that is offered, such as de.")
    languages: Listed = Field(
        (), description="The languages that are offered, comma-separated, such as en,de; by default all that there are."
    )
    scope_texts: Listed = Field(
        (), description="Words for scopes of your own on the consent page: SCOPE=TEXT, comma-separated."
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="The port to listen on.")
    workers: int = Field(1, ge=1, le=256, description="Worker processes; one for each core is a good number.")
    tls_cert: Path | None = Field(None, description="A certificate chain in PEM, where no proxy terminates TLS.")
    tls_key: Path | None = Field(None, description="The certificate's private key in PEM.")
    trusted_proxies: Listed = Field(
        (),
        description="Your own proxies, as addresses and networks: their X-Forwarded-For is believed. "
        "By default nobody's.",
    )
    code_lifetime: Duration = Field(
        timedelta(seconds=60), description="How long an authorization code may be redeemed."
    )
    attempt_lifetime: Duration = Field(timedelta(minutes=30), description="How long a person may take to sign in.")
    session_idle_lifetime: Duration = Field(timedelta(hours=12), description="A session unused for so long ends.")
    session_absolute_lifetime: Duration = Field(
        timedelta(days=14), description="A session ends after so long in any case."
    )
    refresh_idle_lifetime: Duration = Field(timedelta(days=30), description="A refresh token unused for so long ends.")
    refresh_absolute_lifetime: Duration = Field(
        timedelta(days=180), description="A family of refresh tokens ends after so long in any case."
    )
    refresh_grace: Duration = Field(
        timedelta(seconds=10),
        description="How long the refresh token before the current one gets the same successor again; 0s to 60s.",
    )
    grants_per_app: int = Field(
        100,
        ge=1,
        le=10000,
        description="Grants of one person that one app keeps; beyond it the oldest end, ten at a time.",
    )
    access_token_lifetime: Duration = Field(timedelta(minutes=15), description="How long an access token is valid.")
    id_token_lifetime: Duration = Field(timedelta(minutes=15), description="How long an ID token is valid.")
    signing_key_bits: Annotated[Literal[2048, 3072], BeforeValidator(number)] = Field(
        2048, description="The size of new RSA signing keys."
    )
    jwks_max_age: Duration = Field(
        timedelta(minutes=5),
        description="How long others may cache the JWKS; a key is published at least so long before use.",
    )
    password_memory_kib: int = Field(19456, ge=8192, le=1048576, description="argon2id's memory for one password.")
    password_time_cost: int = Field(2, ge=1, le=20, description="argon2id's passes over its memory.")
    password_parallelism: int = Field(1, ge=1, le=16, description="argon2id's lanes.")
    password_threads: int = Field(
        2, ge=1, le=64, description="Passwords that one worker hashes at the same time, at most one on each core."
    )
    password_queue: int = Field(
        32, ge=0, le=10000, description="Passwords that may wait for a thread; beyond it the answer is 503."
    )
    password_min_length: int = Field(12, ge=12, le=64, description="The fewest characters of a new password.")
    password_min_length_alone: int = Field(
        12,
        ge=12,
        le=64,
        description="The same where it stands alone: no second factor is required, and its person has none. "
        "15 are advised.",
    )
    breach_api: RangeUrl = Field(
        "",
        description="A range API that new passwords are looked up in, such as https://api.pwnedpasswords.com/range; "
        "by default nobody is asked.",
    )
    breach_api_failure: Literal["allow", "refuse"] = Field(
        "allow", description="What happens to a new password while that API cannot be asked."
    )
    second_factor: Literal["optional", "required"] = Field(
        "optional", description="Whether everybody needs a second factor, or only who has set one up."
    )
    second_factor_from: Moment | None = Field(
        None,
        description="From when on it is required, such as 2027-03-01 (UTC): before, people are asked to set one up, "
        "and may put it off. By default at once.",
    )
    fresh_proof: Duration = Field(
        timedelta(minutes=5),
        ge=timedelta(minutes=1),
        le=timedelta(minutes=20),
        description="How long ago people may have proved who they are to change how they sign in; 1m to 20m.",
    )
    failures_before_wait: int = Field(
        9,
        ge=3,
        le=99,
        description="Wrong passwords in a row of one address, or of a known device, for one account that cost nothing; "
        "then 5 seconds, doubled each time, up to 15 minutes.",
    )
    failures_before_lock: int = Field(
        20,
        ge=5,
        le=99,
        description="Wrong passwords in a row for one account, from anywhere, that cost its person nothing; from then "
        "on strangers wait, longer each time, and at 100 they are locked out. "
        "Devices that the person signed in with are exempt.",
    )
    failures_per_address: int = Field(
        50,
        ge=5,
        le=100000,
        description="Wrong passwords and codes of one address, or IPv6 network, at once; then one every 12 seconds.",
    )
    requests_per_client: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Requests a minute that each app may send to the token, introspection and revocation endpoints; "
        "0 is no limit.",
    )
    smtp_url: SmtpUrl = Field(
        "",
        description="The server that takes your mail: smtp://USER:PASSWORD@HOST with STARTTLS, smtps://... with TLS, "
        "or smtp+plain://HOST without, for a relay of your own; by default none.",
    )
    mail_from: Sender = Field(
        "", description="The sender of mails, such as Example <id@example.com>; by default no-reply@ the issuer's host."
    )
    mails_per_minute: int = Field(
        300,
        ge=1,
        le=1_000_000,
        description="Mails that people may ask for in a minute, all together; each address and each network gets few "
        "of them.",
    )
    email_codes: Literal["off", "second_factor", "sign_in"] = Field(
        "off",
        description="What a code, or a link, by mail is good for: nothing, a second factor for who has no better one, "
        "or also signing in without a password.",
    )
    recovery: Literal["off", "mail"] = Field(
        "mail",
        description="Whether people who forgot their password, or lost their second factors, get back in by mail; it "
        "needs IDP_SMTP_URL.",
    )
    recovery_wait: Duration = Field(
        timedelta(hours=24),
        ge=timedelta(hours=1),
        le=timedelta(days=30),
        description="How long a recovery by mail that takes second factors away has to wait, so that their person can "
        "stop it; 1h to 30d.",
    )
    support: str = Field(
        "",
        max_length=200,
        description="Whom people ask who cannot sign in, in words that they are shown: a mail address, a phone number, "
        "a place.",
    )
    captcha: Literal["off", "turnstile", "hcaptcha", "recaptcha"] = Field(
        "off",
        description="Whose riddle people are asked, as the last resort, in a network from which passwords are guessed; "
        "by default nobody's.",
    )
    captcha_site_key: str = Field("", description="The public key that the service gave you.")
    captcha_secret: str = Field(
        "", description="The secret key that the service gave you.", json_schema_extra={"secret": True}
    )
    redis_url: RedisUrl = Field(
        "",
        description="Where limits are counted: redis://HOST, rediss://HOST, or redis+cluster://HOST; "
        "by default in the database.",
    )
    prune_interval: Duration = Field(timedelta(minutes=10), description="How often a worker removes what has expired.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least severe line to log.")
    log_format: Literal["json", "text"] = Field(
        "json", description="One JSON object a line, or text for a person to read."
    )

    @field_validator("issuer")
    @classmethod
    def _issuer_is_an_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            message = "write a URL such as https://id.example.com"
            raise ValueError(message)
        if parts.path or parts.query or parts.fragment or value.endswith(("/", "?", "#")):
            message = f"it has no path and no slash at its end: write {parts.scheme}://{parts.netloc}"
            raise ValueError(message)
        if value != value.lower() or not value.isascii():
            message = "write it in lower case, international names in their xn-- form"
            raise ValueError(message)
        if value != f"{parts.scheme}://{parts.netloc}" or not _NETLOC.fullmatch(parts.netloc):
            message = "it holds characters that no host name holds"
            raise ValueError(message)
        if parts.port == _DEFAULT_PORTS[parts.scheme]:  # an Origin header and most clients leave it out
            message = f"leave out the port, which {parts.scheme} implies: write {parts.scheme}://{parts.hostname}"
            raise ValueError(message)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            message = "http is for loopback addresses only; people's passwords need https"
            raise ValueError(message)
        return value

    @field_validator("secret_key")
    @classmethod
    def _secret_keys_are_long(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:  # defaults are not validated: somebody set it, and another key would seal the database
            message = "it is set and holds no key; unset it to use the file in the data directory"
            raise ValueError(message)
        if any(len(key) < MIN_SECRET_KEY for key in value):
            message = f"each key needs at least {MIN_SECRET_KEY} characters; `openssl rand -base64 32` makes one"
            raise ValueError(message)
        return value

    @field_validator(
        *("code_lifetime", "attempt_lifetime", "session_idle_lifetime", "session_absolute_lifetime"),
        *("refresh_idle_lifetime", "refresh_absolute_lifetime", "access_token_lifetime", "id_token_lifetime"),
        "prune_interval",
    )
    @classmethod
    def _lasts(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            message = "at least 1s"
            raise ValueError(message)
        return value

    @field_validator("scope_texts")
    @classmethod
    def _scope_texts_are_pairs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_SCOPE_TEXT.fullmatch(each) for each in value):
            message = "write SCOPE=TEXT, such as invoices:read=Read your invoices"
            raise ValueError(message)
        return value

    @field_validator("passkey_origins")
    @classmethod
    def _passkey_origins_are_few_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        hosts = [each.removeprefix("https://") for each in value]
        if not all(
            text == f"https://{host}" and _NETLOC.fullmatch(host) for text, host in zip(value, hosts, strict=True)
        ):
            message = "write https origins such as https://login.example.com, without a path"
            raise ValueError(message)
        if len(value) > MOST_PASSKEY_ORIGINS:
            message = "browsers look at five of them and no more"
            raise ValueError(message)
        return value

    @field_validator("refresh_grace")
    @classmethod
    def _grace_is_short(cls, value: timedelta) -> timedelta:
        if value > timedelta(seconds=60):
            message = "at most 60s"
            raise ValueError(message)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ip_network(each)
            except ValueError:
                message = f"{each} is no address and no network such as 10.0.0.0/8"
                raise ValueError(message) from None
        return value

    @field_validator("database_url")
    @classmethod
    def _database_is_known(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://")):
            message = "write sqlite:///FILE or postgresql://USER@HOST/NAME"
            raise ValueError(message)
        if value.startswith("sqlite:///") and Path(value.removeprefix("sqlite:///")).name in ("", ":memory:"):
            message = "name a file after sqlite:///, such as sqlite:////var/lib/idp/idp.db"
            raise ValueError(message)
        return value

    @classmethod
    def settings_customise_sources(  # the parameters are the library's
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @cached_property
    def secure(self) -> bool:
        """Whether browsers reach the provider by https."""
        return self.issuer.startswith("https://")

    def requires_second_factor(self, now: datetime) -> bool:
        """Whether everybody needs one by now."""
        return self.second_factor == REQUIRED and (self.second_factor_from is None or now >= self.second_factor_from)

    @cached_property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(each) for each in self.trusted_proxies)

    @property
    def loopback(self) -> bool:
        return urlsplit(self.issuer).hostname in LOOPBACK_HOSTS

    @cached_property
    def scope_words(self) -> dict[str, str]:
        return {name: text for name, _, text in (each.partition("=") for each in self.scope_texts)}

    @cached_property
    def issuer_port(self) -> int:
        return urlsplit(self.issuer).port or (443 if self.secure else 80)

    @cached_property
    def site_name(self) -> str:
        return self.name or urlsplit(self.issuer).hostname or self.issuer

    @property
    def mails_codes(self) -> bool:
        return self.email_codes != "off"

    @property
    def mail_recovers(self) -> bool:
        return self.recovery == "mail" and bool(self.smtp_url)

    @property
    def mail_signs_in(self) -> bool:
        return self.email_codes == "sign_in"

    @property
    def sender(self) -> str:
        return self.mail_from or f"no-reply@{urlsplit(self.issuer).hostname}"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'idp.db'}"

    @property
    def database_file(self) -> Path | None:
        """The file of SQLite; PostgreSQL has none of ours."""
        file = self.database.removeprefix("sqlite:///")
        return None if file == self.database else Path(file)

    @property
    def development_file(self) -> Path:
        """Where development mode keeps what it drew, and so the mark of a data directory that is its own."""
        return self.data_dir / "development.json"
