"""Getting back into an account: the links for it, what each may do and from when on, and what is done.

Who reads a person's mail may set a new password at once. What takes second factors away waits, and every mail about it
says so, so that the person can stop it: by signing in with both factors, or by the link that locks the account.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from starlette.requests import Request

from idp import audit
from idp.audit import COMMAND_LINE, Event
from idp.factors import passkey, password
from idp.factors.proofs import SECOND
from idp.services import Services
from idp.store import consents, credentials, grants, handles, sessions, users
from idp.store.db import Connection, Transaction
from idp.store.users import Person, canonical
from idp.web import links, mails, notices, throttle
from idp.web.links import Link
from idp.web.notices import Notice
from idp.web.origin import network_of, origin_of

PAGE = "/recover"
LIFETIME = timedelta(hours=1)
OF_OPERATOR = timedelta(hours=24)
WINDOW = timedelta(days=7)  # after a wait
_DROPS, _STARTS, _BY_MAIL, TICKET = "drops", "starts", "by_mail", "ticket"
_SET_PASSWORD = Notice("You are back in your account", "A new password was set for your account by a link for it.")
_FACTORS_GONE = Notice(
    "You are back in your account",
    "A new password was set for your account by a link for it, and second factors of it count no more.",
)


class State(Enum):
    """What may be done with a link now."""

    READY = "ready"
    EARLY = "early"
    OVER = "over"


@dataclass(frozen=True)
class Recovery:
    """A link and its person. `newer` are factors that the person may not have set up themselves."""

    link: Link
    person: Person
    newer: tuple[tuple[str, str], ...]

    @property
    def drops(self) -> bool:
        """Whether it takes all second factors away."""
        return bool(self.link.data[_DROPS])

    @property
    def by_mail(self) -> bool:
        return bool(self.link.data[_BY_MAIL])

    @property
    def starts(self) -> datetime | None:
        text = self.link.data[_STARTS]
        return None if text is None else datetime.fromisoformat(text)

    def state(self, now: datetime) -> State:
        """A link to be waited for counts as long as its very recovery is not called off."""
        person = self.person
        if person.disabled_at is not None and person.disowned_at is None:
            return State.OVER  # by who runs the provider
        if self.starts is None:
            return State.OVER if self.newer and self.by_mail else State.READY
        if person.recovery_from != self.starts:
            return State.OVER
        return State.READY if now >= self.starts else State.EARLY


async def find(connection: Connection, link: Link) -> Recovery | None:
    person = await links.person_of(connection, link)
    return None if person is None else await _recovery(connection, link, person)


async def accused(connection: Connection, link: Link, now: datetime) -> Person | None:
    """Whose account a link would lock; None where it was mailed to an address that is not theirs any more."""
    person = await links.person_of(connection, link, revocable=False)
    if person is None or link.data[notices.EMAIL] == canonical(person.email):
        return person
    former = notices.former_email(person, now)
    return person if former is not None and link.data[notices.EMAIL] == canonical(former) else None


async def ask(
    transaction: Transaction,
    request: Request,
    services: Services,
    address: str,
    person: Person | None,
    *,
    lost: bool = False,
    ticket: str | None = None,
) -> None:
    """Mails a link to who is `held`; to nobody, it is as much work. `lost`: they have no second factor any more."""
    now = services.clock()
    starts = None if person is None else await _starts(transaction, services, person, now, lost=lost)
    drops = starts is not None and person is not None and person.disowned_at is None
    until = now + LIFETIME if starts is None else starts + WINDOW
    about = {_DROPS: drops, _STARTS: starts and starts.isoformat(), _BY_MAIL: True, TICKET: ticket}
    secret = await links.issue(transaction, handles.RECOVERY, person.id if person else None, now, until, **about)
    subject, origin = person.subject if person else None, origin_of(request)
    await audit.record(transaction, services, Event.RECOVERY_ASKED, origin, subject=subject, waits=starts is not None)
    url = links.url(services, PAGE, secret)
    if person is not None and starts is not None:
        await users.start_recovery(transaction, person.id, starts)
        await notices.send(transaction, services, person, _waiting(person, starts, until), request=request, action=url)
        return
    context = {"link": url, "locked": person is not None and person.disowned_at is not None}
    to = person.email if person else address
    mail = mails.written(services, to, "A new password for your account", "recover", context)
    await mails.put(transaction, services, mail, until, decoy=person is None)


async def by_operator(transaction: Transaction, services: Services, person: Person, *, drops: bool) -> str:
    """A link that whoever runs the provider hands to the person; it says nothing about who has the address."""
    now = services.clock()
    about = {_DROPS: drops, _STARTS: None, _BY_MAIL: False, TICKET: None}
    secret = await links.issue(transaction, handles.RECOVERY, person.id, now, now + OF_OPERATOR, **about)
    await audit.record(transaction, services, Event.RECOVERY_ASKED, COMMAND_LINE, subject=person.subject, waits=False)
    notice = Notice("A way back into your account", "A link was made for your account by which a new password is set.")
    await notices.send(transaction, services, person, notice, request=None)
    return links.url(services, PAGE, secret)


async def complete(
    transaction: Transaction, request: Request, services: Services, link: Link, new_hash: str
) -> Person | None:
    """Sets the password and ends all that anybody had of the account; None where the link does that no more.

    It signs nobody in, and second factors are asked for as before, but those that it takes away.
    """
    transaction.durable()
    user_id, now = str(link.data["user_id"]), services.clock()
    # Locks the password first, as a sign-in does.
    await credentials.changed_at(transaction, user_id, password.NAME)
    person = await users.held(transaction, user_id)
    current = await links.person_of(transaction, link)
    if person is None or current is None or not await links.take(transaction, handles.RECOVERY, link, now):
        return None
    recovery = await _recovery(transaction, link, person)
    if recovery.state(now) is not State.READY:
        return None
    stored = await credentials.find(transaction, services.sealer, user_id, password.NAME)
    data = {"hash": new_hash}
    await credentials.put(transaction, services.sealer, user_id, password.NAME, stored, data, now)
    dropped = await _drop(transaction, request, services, recovery)
    await _end_access(transaction, request, services, person, now)
    await users.recovered(transaction, user_id, now, by_mail=recovery.by_mail)
    origin = origin_of(request)
    await audit.record(transaction, services, Event.RECOVERY_COMPLETED, origin, subject=person.subject, dropped=dropped)
    notice = _FACTORS_GONE if dropped else _SET_PASSWORD
    await notices.send(transaction, services, person, notice, request=request)
    return person


async def lock_out(transaction: Transaction, request: Request, services: Services, link: Link) -> Person | None:
    """It was not them: ends all access and keeps everybody out until the person has recovered the account."""
    transaction.durable()
    now = services.clock()
    await users.held(transaction, str(link.data["user_id"]))
    person = await accused(transaction, link, now)
    if person is None or not await links.take(transaction, handles.NOT_ME, link, now):
        return None
    since = datetime.fromisoformat(link.data["at"]) - services.settings.fresh_proof
    await users.lock_out(transaction, person.id, since, now)
    await _end_access(transaction, request, services, person, now)
    origin, restored = origin_of(request), await _restore_email(transaction, person, link, now)
    about = person.subject
    await audit.record(transaction, services, Event.USER_DISOWNED, origin, subject=about, restored=restored)
    locked = await users.held(transaction, person.id)
    if locked is not None and locked.disowned_at is not None and services.settings.mail_recovers:
        await ask(transaction, request, services, locked.email, locked)
    return person


async def call_off(transaction: Transaction, request: Request, services: Services, person: Person) -> None:
    """Both factors were proved: nothing is lost, or whoever said so was somebody else."""
    await users.start_recovery(transaction, person.id, None)
    origin = origin_of(request)
    await audit.record(transaction, services, Event.RECOVERY_CANCELLED, origin, subject=person.subject)


async def _restore_email(transaction: Transaction, person: Person, link: Link, now: datetime) -> bool:
    """The former address is the account's again, where the link was mailed to that one."""
    former = person.former_email
    if former is None or link.data[notices.EMAIL] == canonical(person.email):
        return False
    return await users.change_email(transaction, person.id, former, None, now)


async def _recovery(connection: Connection, link: Link, person: Person) -> Recovery:
    since = person.disowned_at
    return Recovery(link, person, tuple(await credentials.newer(connection, person.id, since)) if since else ())


async def _starts(
    connection: Connection, services: Services, person: Person, now: datetime, *, lost: bool
) -> datetime | None:
    """From when on the link for this person counts; None is at once. Asked for again it is no sooner and no later."""
    if person.email_verified_at is None:
        return None  # what there is was never the owner's of the address, and goes
    if person.disowned_at is not None:
        waits = bool(await credentials.newer(connection, person.id, person.disowned_at))
    else:
        enrolled = await credentials.enrolled(connection, person.id)
        waits = lost or (passkey.NAME in enrolled and password.NAME not in enrolled)
    if not waits:
        return None
    pending = person.recovery_from
    return pending if pending is not None and now < pending + WINDOW else now + services.settings.recovery_wait


async def _drop(transaction: Transaction, request: Request, services: Services, recovery: Recovery) -> bool:
    """Takes factors away; also all that was set up before anybody had shown that the address is theirs."""
    person, gone = recovery.person, set()
    if recovery.drops or (recovery.by_mail and person.email_verified_at is None):
        gone = {name for name in SECOND if await credentials.remove(transaction, person.id, name)}
    for factor_id, name in recovery.newer:
        if await credentials.remove(transaction, person.id, name, factor_id):
            gone.add(name)
    for name in sorted(gone):
        await audit.record(
            transaction, services, Event.FACTOR_REMOVED, origin_of(request), subject=person.subject, factor=name
        )
    if recovery.by_mail and person.email_verified_at is None:
        await consents.withdraw_all(transaction, person.id)
    return bool(gone)


async def _end_access(
    transaction: Transaction, request: Request, services: Services, person: Person, now: datetime
) -> None:
    await users.disown_devices(transaction, person.id, now)
    await throttle.unlock(transaction, services, person.email, network_of(request))
    await sessions.end_all_of(transaction, person.id, now)
    await grants.end_of_user(transaction, person.id, "account recovered", now)


def _waiting(person: Person, starts: datetime, until: datetime) -> Notice:
    when = f"{starts:%Y-%m-%d %H:%M} UTC", f"{until:%Y-%m-%d %H:%M} UTC"
    if person.disowned_at is not None:
        return Notice(
            "Your account is locked",
            f"From {when[0]} until {when[1]} the link below sets a new password and unlocks your account. "
            "What was added to it since the sign-in that was not yours is taken away then.",
        )
    return Notice(
        "Somebody asked for a way back into your account",
        f"From {when[0]} until {when[1]} the link below sets a new password and takes all second factors and passkeys "
        "away. Signing in with both factors before calls it off.",
    )
