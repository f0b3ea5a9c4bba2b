"""Getting back into an account: the links for it, what each may do and from when on, and what is done.

Who reads a person's mail may set a new password at once. What takes second factors away waits, and every mail about it
says so, so that the person can stop it: by signing in with both factors, or by the link that locks the account.
"""

from collections.abc import Sequence
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
from idp.store.credentials import Listed
from idp.store.db import Connection, Transaction
from idp.store.users import Person, canonical
from idp.web import languages, links, mails, notices, throttle
from idp.web.links import Link
from idp.web.notices import Notice
from idp.web.origin import network_of, origin_of
from idp.wording import Text

PAGE = "/recover"
LIFETIME = timedelta(hours=1)
OF_OPERATOR = timedelta(hours=24)
WINDOW = timedelta(days=7)  # after a wait
_DROPS, _STARTS, _BY_MAIL, TICKET = "drops", "starts", "by_mail", "ticket"
_SET_PASSWORD = Notice(
    Text("You are back in your account"), Text("A new password was set for your account by a link for it.")
)
_FACTORS_GONE = Notice(
    Text("You are back in your account"),
    Text("A new password was set for your account by a link for it, and second factors of it count no more."),
)


class State(Enum):
    """What may be done with a link now."""

    READY = "ready"
    EARLY = "early"
    OVER = "over"


@dataclass(frozen=True)
class Recovery:
    """A link, its person, and all that the person has."""

    link: Link
    person: Person
    factors: Sequence[Listed]

    @property
    def gone(self) -> Sequence[Listed]:
        """What it takes away: all second factors, or what somebody else may have set up."""
        if self.link.data[_DROPS]:
            return [each for each in self.factors if each.factor in SECOND]
        return _doubtful(self.person, self.factors)

    @property
    def remaining(self) -> frozenset[str]:
        return frozenset(each.factor for each in self.factors if each not in self.gone)

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
            return State.OVER if self.by_mail and _must_wait(self.person, self.factors) else State.READY
        if person.recovery_from != self.starts:
            return State.OVER
        return State.READY if now >= self.starts else State.EARLY


async def find(connection: Connection, link: Link) -> Recovery | None:
    """None where the person's links were called in, or it was mailed to an address that is not theirs any more."""
    person = await links.person_of(connection, link)
    if person is None or link.data[notices.EMAIL] != canonical(person.email):
        return None
    return Recovery(link, person, await credentials.listed(connection, person.id))


async def accused(connection: Connection, link: Link, now: datetime) -> Person | None:
    """Whose account a link would lock; None where it was mailed to an address that is not theirs any more.

    What was mailed before the account was recovered locks it no more.
    """
    person = await links.person_of(connection, link, revocable=False)
    recovered_at = None if person is None else person.recovered_at
    if recovered_at is not None and datetime.fromisoformat(link.data["at"]) < recovered_at:
        return None
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
    factors = await credentials.listed(transaction, person.id if person else "")
    starts = _starts(services, person, factors, now, lost=lost) if person else None
    drops = starts is not None and person is not None and not _doubtful(person, factors)
    until = now + LIFETIME if starts is None else starts + WINDOW
    about = {_DROPS: drops, _STARTS: starts and starts.isoformat(), _BY_MAIL: True, TICKET: ticket}
    about |= {notices.EMAIL: canonical(person.email if person else address)}
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
    claims = person.claims if person else {}
    language = languages.of_person(services.settings, claims, languages.language_of(request))
    mail = mails.written(services, to, Text("A new password for your account"), "recover", context, language)
    await mails.put(transaction, services, mail, until, decoy=person is None)


async def by_operator(transaction: Transaction, services: Services, person: Person, *, drops: bool) -> str:
    """A link that whoever runs the provider hands to the person; it says nothing about who has the address."""
    now = services.clock()
    about = {_DROPS: drops, _STARTS: None, _BY_MAIL: False, TICKET: None, notices.EMAIL: canonical(person.email)}
    secret = await links.issue(transaction, handles.RECOVERY, person.id, now, now + OF_OPERATOR, **about)
    await audit.record(transaction, services, Event.RECOVERY_ASKED, COMMAND_LINE, subject=person.subject, waits=False)
    notice = Notice(
        Text("A way back into your account"), Text("A link was made for your account by which a new password is set.")
    )
    await notices.send(transaction, services, person, notice, request=None)
    return links.url(services, PAGE, secret)


async def complete(
    transaction: Transaction, request: Request, services: Services, link: Link, new_hash: str
) -> Person | None:
    """Sets the password and ends all that anybody had of the account; None where the link does that no more.

    It signs nobody in, and second factors are asked for as before, but those that it takes away.
    """
    transaction.durable()
    user_id = str(link.data["user_id"])
    await users.held(transaction, user_id)
    await credentials.changed_at(transaction, user_id, password.NAME)
    now = services.clock()  # by now: what was proved while others were waited for is older
    recovery = await find(transaction, link)
    if recovery is None or recovery.state(now) is not State.READY:
        return None
    if not await links.take(transaction, handles.RECOVERY, link, now):
        return None
    person = recovery.person
    stored = await credentials.find(transaction, services.sealer, user_id, password.NAME)
    data = {"hash": new_hash}
    await credentials.put(transaction, services.sealer, user_id, password.NAME, stored, data, now)
    dropped = await _drop(transaction, request, services, recovery)
    await _end_access(transaction, services, person, now)
    guessed = throttle.KINDS if dropped else (throttle.PASSWORD, throttle.EMAIL)
    await throttle.unlock(transaction, services, person.email, network_of(request), guessed)
    await users.recovered(transaction, user_id, now, by_mail=recovery.by_mail)
    origin = origin_of(request)
    await audit.record(transaction, services, Event.RECOVERY_COMPLETED, origin, subject=person.subject, dropped=dropped)
    notice = _FACTORS_GONE if dropped else _SET_PASSWORD
    await notices.send(transaction, services, person, notice, request=request)
    return person


async def lock_out(transaction: Transaction, request: Request, services: Services, link: Link) -> Person | None:
    """It was not them: ends all access and keeps everybody out until the person has recovered the account."""
    transaction.durable()
    await users.held(transaction, str(link.data["user_id"]))
    now = services.clock()
    person = await accused(transaction, link, now)
    if person is None or not await links.take(transaction, handles.NOT_ME, link, now):
        return None
    restored = await _restore_email(transaction, person, link, now)
    if person.disowned_at is not None and not restored:
        return person  # locked already: what began then goes on
    await users.lock_out(transaction, person.id, now - notices.NOT_ME_LIFETIME, now)
    await _end_access(transaction, services, person, now)
    origin, about = origin_of(request), person.subject
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


def _doubtful(person: Person, factors: Sequence[Listed]) -> Sequence[Listed]:
    """What somebody else may have set up who was in the account, once its person said so."""
    since = person.disowned_at
    if since is None:
        return ()
    return [each for each in factors if each.factor != password.NAME and each.created_at >= since]


def _must_wait(person: Person, factors: Sequence[Listed]) -> bool:
    """Whether a mail alone would get past something that its reader has not got."""
    names = {each.factor for each in factors}
    if person.email_verified_at is None and not names.isdisjoint(SECOND):
        return True
    return bool(_doubtful(person, factors)) or (passkey.NAME in names and password.NAME not in names)


def _starts(
    services: Services, person: Person, factors: Sequence[Listed], now: datetime, *, lost: bool
) -> datetime | None:
    """From when on the link for this person counts; None is at once. Asked for again it is no sooner and no later."""
    if not lost and not _must_wait(person, factors):
        return None
    pending = person.recovery_from
    return pending if pending is not None and now < pending + WINDOW else now + services.settings.recovery_wait


async def _drop(transaction: Transaction, request: Request, services: Services, recovery: Recovery) -> bool:
    """Takes factors away, and what was allowed before anybody had shown that the address is theirs."""
    person, gone = recovery.person, recovery.gone
    for each in gone:
        await credentials.remove(transaction, person.id, each.factor, each.id)
    for name in sorted({each.factor for each in gone}):
        await audit.record(
            transaction, services, Event.FACTOR_REMOVED, origin_of(request), subject=person.subject, factor=name
        )
    if recovery.by_mail and person.email_verified_at is None:
        await consents.withdraw_all(transaction, person.id)
    return bool(gone)


async def _end_access(transaction: Transaction, services: Services, person: Person, now: datetime) -> None:
    await users.disown_devices(transaction, person.id, now)
    await sessions.end_all_of(transaction, person.id, now)
    await grants.end_of_user(transaction, person.id, "account recovered", now)


def _waiting(person: Person, starts: datetime, until: datetime) -> Notice:
    about: dict[str, object] = {"starts": starts, "until": until}
    if person.disowned_at is not None:
        return Notice(
            Text("Your account is locked"),
            Text(
                "From %(starts)s until %(until)s the link below sets a new password and unlocks your account. "
                "Passkeys, apps and recovery codes that were set up in the last thirty days are taken away then.",
                about,
            ),
        )
    return Notice(
        Text("Somebody asked for a way back into your account"),
        Text(
            "From %(starts)s until %(until)s the link below sets a new password and takes all second factors and "
            "passkeys away. Signing in with both factors before calls it off.",
            about,
        ),
    )
