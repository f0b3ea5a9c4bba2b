"""Every table."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text
from sqlmodel import Field, SQLModel

from idp.store.columns import json_column, only_where, sealed_column, time_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING


class Instance(SQLModel, table=True):
    """One row, named `instance`: what this database belongs to, and a value that only its sealing keys open."""

    __tablename__ = "instance"
    name: str = Field(primary_key=True)
    id: str
    created_at: datetime = time_column()
    key_check: bytes = sealed_column("key_check")


class SigningKey(SQLModel, table=True):
    """A key is next until `active_at`, current until `retired_at`, and published until `expires_at`."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        Index("ix_signing_keys_one_next", "algorithm", unique=True, **only_where("active_at IS NULL")),
        Index(
            "ix_signing_keys_one_current",
            "algorithm",
            unique=True,
            **only_where("active_at IS NOT NULL AND retired_at IS NULL"),
        ),
    )
    kid: str = Field(primary_key=True)
    algorithm: str
    private_key: bytes = sealed_column("signing_key")
    created_at: datetime = time_column()
    active_at: datetime | None = time_column(nullable=True)
    retired_at: datetime | None = time_column(nullable=True)
    expires_at: datetime | None = time_column(nullable=True)


class User(SQLModel, table=True):
    """A person. `audit_key` opens the personal parts of their audit rows and goes with this row.

    Devices that they signed in with before `devices_valid_from` are known no more, and links that were mailed before
    `links_valid_from` do nothing. Who was told of a sign-in that was not theirs locked it at `disowned_at`, which
    disables it as well. Second factors may be recovered by mail from `recovery_from` on.
    Who has the `former_email` may take the account back for some days after `email_changed_at`. Mails from before
    `recovered_at` lock it no more.
    """

    __tablename__ = "users"
    id: str = Field(primary_key=True)
    pseudonym: str = Field(unique=True)
    email: str
    email_canonical: str = Field(unique=True)
    email_verified_at: datetime | None = time_column(nullable=True)
    claims: dict[str, Any] = json_column()
    audit_key: bytes = sealed_column("audit_key")
    created_at: datetime = time_column()
    updated_at: datetime = time_column()
    disabled_at: datetime | None = time_column(nullable=True)
    devices_valid_from: datetime | None = time_column(nullable=True)
    disowned_at: datetime | None = time_column(nullable=True)
    links_valid_from: datetime | None = time_column(nullable=True)
    recovery_from: datetime | None = time_column(nullable=True)
    former_email: str | None = None
    email_changed_at: datetime | None = time_column(nullable=True)
    recovered_at: datetime | None = time_column(nullable=True)


class Credential(SQLModel, table=True):
    """A factor of a person. `data` is sealed JSON, written back by compare-and-set on `version`.

    `lookup` finds it and is unique: `password:USER`, since a person has one, and `passkey:HASH` of its id.
    """

    __tablename__ = "credentials"
    id: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    factor: str
    lookup: str | None = Field(default=None, unique=True)
    data: bytes = sealed_column("credential")
    version: int
    created_at: datetime = time_column()
    updated_at: datetime = time_column()


class ClientRow(SQLModel, table=True):
    """A client's metadata, as RFC 7591 names it, and how its people have to sign in; `max_age` is in seconds.

    Tokens that it got for itself before `tokens_valid_from` count no more, nor does what people allowed it before
    `consents_valid_from`.
    """

    __tablename__ = "clients"
    client_id: str = Field(primary_key=True)
    client_name: str
    token_endpoint_auth_method: str
    redirect_uris: list[str] = json_column()
    post_logout_redirect_uris: list[str] = json_column()
    grant_types: list[str] = json_column()
    scope: str = Field(sa_column=Column(Text, nullable=False))
    audience: list[str] = json_column()
    profile: str
    second_factor: str = Field(sa_column=Column(String, nullable=False, server_default="optional"))
    second_factor_from: datetime | None = time_column(nullable=True)
    max_age: int | None = None
    created_at: datetime = time_column()
    updated_at: datetime = time_column()
    disabled_at: datetime | None = time_column(nullable=True)
    tokens_valid_from: datetime | None = time_column(nullable=True)
    consents_valid_from: datetime | None = time_column(nullable=True)


class ClientSecret(SQLModel, table=True):
    """A secret of a client; only its hash is kept."""

    __tablename__ = "client_secrets"
    id: str = Field(primary_key=True)
    client_id: str = Field(foreign_key="clients.client_id", ondelete="CASCADE", index=True)
    secret_hash: str
    created_at: datetime = time_column()
    expires_at: datetime | None = time_column(nullable=True)


class Handle(SQLModel, table=True):
    """Something that is taken once: the hash of its secret, and what it stands for. A used row stays for a while."""

    __tablename__ = "handles"
    hash: str = Field(primary_key=True)
    kind: str
    data: dict[str, Any] = json_column()
    created_at: datetime = time_column()
    expires_at: datetime = time_column(index=True)
    used_at: datetime | None = time_column(nullable=True)


class Attempt(SQLModel, table=True):
    """What has happened in one sign-in since it began; what it began with is sealed in its URL.

    A session older than `fresh_since` does not count for it; `session_id` is the session that began or was
    chosen in it, and `consented_by` who allowed the app in it. Until a session begins, `proofs` says what `person`
    has proved, and `misses` counts their wrong codes. A code was asked for by mail at `mailed_at`.
    """

    __tablename__ = "attempts"
    id: str = Field(primary_key=True)
    username: bytes | None = sealed_column("username", nullable=True)
    fault: str | None = None
    fresh_since: datetime | None = time_column(nullable=True)
    session_id: str | None = None
    consented_by: str | None = None
    person: str | None = None
    proofs: list[list[Any]] | None = json_column(nullable=True)
    misses: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    mailed_at: datetime | None = time_column(nullable=True)
    version: int
    expires_at: datetime = time_column(index=True)
    done_at: datetime | None = time_column(nullable=True)


class EmailCodeRow(SQLModel, table=True):
    """The codes that one sign-in had mailed to one address, whether or not somebody has it.

    `id` is a hash of both. `codes` are keyed hashes, with their times, and empty once one was used.
    """

    __tablename__ = "email_codes"
    id: str = Field(primary_key=True)
    user_id: str | None = None
    codes: list[list[str]] = json_column()
    tries: int
    sends: int
    sent_at: datetime = time_column()
    expires_at: datetime = time_column(index=True)


class OutboxRow(SQLModel, table=True):
    """Something that is to be sent out. `payload` is sealed JSON, `attempts` the number of the lease that holds it.

    Until `due_at` nobody tries; without it everybody has given up, for the reason in `error`.
    """

    __tablename__ = "outbox"
    id: str = Field(primary_key=True)
    kind: str
    payload: bytes = sealed_column("outbox")
    attempts: int
    error: str | None = None
    created_at: datetime = time_column()
    due_at: datetime | None = time_column(nullable=True, index=True)
    expires_at: datetime = time_column(index=True)


class Session(SQLModel, table=True):
    """A person signed in with one browser. `id` is the sid of tokens; the cookie's hash changes at each sign-in.

    `origin` is sealed JSON: what the browser is called, and its address.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_ended_at", "ended_at", **only_where("ended_at IS NOT NULL")),)
    id: str = Field(primary_key=True)
    cookie_hash: str = Field(unique=True)
    user_id: str = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    created_at: datetime = time_column()
    authenticated_at: datetime = time_column()
    seen_at: datetime = time_column()
    expires_at: datetime = time_column(index=True)
    amr: str
    acr: str
    ended_at: datetime | None = time_column(nullable=True)
    origin: bytes | None = sealed_column("session_origin", nullable=True)


class Consent(SQLModel, table=True):
    """What a person allowed a client."""

    __tablename__ = "consents"
    user_id: str = Field(primary_key=True, foreign_key="users.id", ondelete="CASCADE")
    client_id: str = Field(primary_key=True, foreign_key="clients.client_id", ondelete="CASCADE", index=True)
    scope: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = time_column()
    updated_at: datetime = time_column()


class Grant(SQLModel, table=True):
    """What a code gave, and with a seed the whole family of its refresh tokens. Ending it ends every token."""

    __tablename__ = "grants"
    __table_args__ = (
        Index("ix_grants_ended_at", "ended_at", **only_where("ended_at IS NOT NULL")),
        Index("ix_grants_of_person", "user_id", "client_id", "ended_at", "id"),
    )
    id: str = Field(primary_key=True)
    client_id: str = Field(foreign_key="clients.client_id", ondelete="CASCADE", index=True)
    user_id: str = Field(foreign_key="users.id", ondelete="CASCADE")
    session_id: str
    offline: bool
    scope: str = Field(sa_column=Column(Text, nullable=False))
    auth_time: datetime = time_column()
    amr: str
    acr: str
    seed: bytes | None = sealed_column("seed", nullable=True)
    generation: int
    created_at: datetime = time_column()
    rotated_at: datetime = time_column()
    expires_at: datetime = time_column(index=True)
    ended_at: datetime | None = time_column(nullable=True)
    ended_reason: str | None = None


class RevokedToken(SQLModel, table=True):
    """An access token that was revoked by itself, until it would have expired."""

    __tablename__ = "revoked_tokens"
    jti: str = Field(primary_key=True)
    expires_at: datetime = time_column(index=True)


class Refusal(SQLModel, table=True):
    """Why a request was refused, under the reference that its answer carried. There are few rows, for a while."""

    __tablename__ = "refusals"
    __table_args__ = (Index("ix_refusals_client_id_id", "client_id", "id"),)
    id: str = Field(primary_key=True)
    reference: str = Field(index=True)
    at: datetime = time_column(index=True)
    endpoint: str
    client_id: str
    error: str
    details: dict[str, Any] = json_column()


class FailureRow(SQLModel, table=True):
    """Wrong passwords or codes in a row. `key` is a keyed hash of whose they were, and of where they came from."""

    __tablename__ = "failures"
    key: str = Field(primary_key=True)
    count: int
    newest: datetime = time_column(index=True)


class CounterRow(SQLModel, table=True):
    """How much of a limit is used up: until `full_at`, in ms since 1970, it is more than nothing (GCRA)."""

    __tablename__ = "counters"
    key: str = Field(primary_key=True)
    full_at: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))


# What people are told of what happened to them: not each refresh of each app, which are most of the rows.
TOLD = "pseudonym IS NOT NULL AND event NOT IN ('refresh.rotated', 'refresh.repeated')"


class AuditRow(SQLModel, table=True):
    """What happened. `personal` is sealed under the person's own key, or the provider's where there is no person."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_of_person", "pseudonym", "id", **only_where(TOLD)),)
    id: str = Field(primary_key=True)
    at: datetime = time_column()
    event: str
    request_id: str | None = None
    pseudonym: str | None = None
    client_id: str | None = None
    grant_id: str | None = None
    session_id: str | None = None
    details: dict[str, Any] = json_column()
    personal: bytes | None = sealed_column("audit_personal", nullable=True)


class AuditSealRow(SQLModel, table=True):
    """What vouches for the audit rows since the seal before it; see `audit_chain`. `number` has ten digits."""

    __tablename__ = "audit_seals"
    number: str = Field(primary_key=True)
    created_at: datetime = time_column()
    seal: bytes = sealed_column("audit_seal")


for _model in (Attempt, Session, Consent, Grant, RevokedToken, FailureRow, CounterRow, AuditRow):
    # Small rows under time-ordered keys: without a rowid beside them SQLite keeps one tree for the table, not two.
    SQLModel.metadata.tables[str(_model.__tablename__)].dialect_options["sqlite"]["with_rowid"] = False


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model; hot paths speak Core."""
    return SQLModel.metadata.tables[str(model.__tablename__)]
