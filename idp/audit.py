"""The name of every security event, and recording one in the transaction of what it reports."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from idp.services import Services
from idp.store import audit as audit_rows
from idp.store.db import Runner
from idp.store.users import Subject


class Event(StrEnum):
    """Each member's value is stable; its meaning stands in `docs/events.md`."""

    SIGN_IN_SUCCEEDED = "sign_in.succeeded"
    SIGN_IN_FAILED = "sign_in.failed"
    EMAIL_CODE_SENT = "email_code.sent"
    SIGN_UP_ASKED = "sign_up.asked"
    EMAIL_VERIFIED = "email.verified"
    FACTOR_ACCEPTED = "factor.accepted"
    FACTOR_ENROLLED = "factor.enrolled"
    FACTOR_PUT_OFF = "factor.put_off"
    FACTOR_REMOVED = "factor.removed"
    PASSKEY_COPIED = "passkey.copied"
    SIGNED_OUT = "session.signed_out"
    STUFFING_SUSPECTED = "stuffing.suspected"
    ACCOUNT_SLOWED = "account.slowed"
    ACCOUNT_LOCKED = "account.locked"
    ACCOUNT_UNLOCKED = "account.unlocked"
    CONSENT_GIVEN = "consent.given"
    CONSENT_DENIED = "consent.denied"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CODE_REDEEMED = "code.redeemed"
    CODE_REFUSED = "code.refused"
    CODE_REPLAYED = "code.replayed"
    TOKEN_ISSUED = "token.issued"  # noqa: S105  # the name of an event
    REFRESH_ROTATED = "refresh.rotated"
    REFRESH_REPEATED = "refresh.repeated"
    REFRESH_REUSED = "refresh.reused"
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  # the name of an event
    TOKEN_NOT_REVOKED = "token.not_revoked"  # noqa: S105  # the name of an event
    GRANT_REVOKED = "grant.revoked"
    GRANT_EVICTED = "grant.evicted"
    SESSION_REVOKED = "session.revoked"
    USER_REVOKED = "user.revoked"
    CLIENT_REVOKED = "client.revoked"
    PASSWORD_LEAKED = "password.leaked"  # noqa: S105  # the name of an event
    PASSWORD_REPLACED = "password.replaced"  # noqa: S105  # the name of an event
    PASSWORD_REHASHED = "password.rehashed"  # noqa: S105  # the name of an event
    USER_CREATED = "user.created"
    USER_INVITED = "user.invited"
    USER_UPDATED = "user.updated"
    USER_PASSWORD_SET = "user.password_set"  # noqa: S105  # the name of an event
    PASSWORD_NOT_CHANGED = "password.not_changed"  # noqa: S105  # the name of an event
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_DELETED = "user.deleted"
    USER_DISOWNED = "user.disowned"
    EMAIL_CHANGE_ASKED = "email_change.asked"
    USER_EMAIL_CHANGED = "user.email_changed"
    RECOVERY_ASKED = "recovery.asked"
    RECOVERY_CANCELLED = "recovery.cancelled"
    RECOVERY_COMPLETED = "recovery.completed"
    CLIENT_CREATED = "client.created"
    CLIENT_UPDATED = "client.updated"
    CLIENT_SECRET_ROTATED = "client.secret_rotated"  # noqa: S105  # the name of an event
    CLIENT_DELETED = "client.deleted"
    KEY_ROTATED = "key.rotated"
    SECRETS_RESEALED = "secrets.resealed"


@dataclass(frozen=True)
class Origin:
    """Where a request came from: the reference that the person was shown, and their address."""

    reference: str | None
    address: str | None


COMMAND_LINE = Origin(None, None)


async def record(
    transaction: Runner,
    services: Services,
    event: Event,
    origin: Origin,
    *,
    user_id: str | None = None,
    subject: Subject | None = None,
    client_id: str | None = None,
    grant_id: str | None = None,
    session_id: str | None = None,
    **details: Any,  # JSON values about the event, never personal and never a credential
) -> None:
    """About the person `user_id`, or `subject` where that has been read already."""
    await audit_rows.add(
        transaction,
        services.sealer,
        now=services.clock(),
        event=event.value,
        user_id=user_id,
        subject=subject,
        personal={"address": origin.address} if origin.address else {},
        request_id=origin.reference,
        client_id=client_id,
        grant_id=grant_id,
        session_id=session_id,
        details=details,
    )
