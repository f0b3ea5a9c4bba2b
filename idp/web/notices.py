"""Security mails: what happened to somebody's account, put where they are sent from in the transaction of the event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request

from idp.audit import Event
from idp.factors import passkey, password, recovery, totp
from idp.services import Services
from idp.store import handles
from idp.store.db import Transaction
from idp.store.users import Person, canonical
from idp.web import languages, links, mails, user_agents
from idp.web.origin import origin_of
from idp.wording import Text

KEEP = timedelta(days=2)  # what could not be sent by then is no news
NOT_ME = "/not-me"
NOT_ME_LIFETIME = timedelta(days=30)
WAY_BACK = timedelta(days=7)  # to an address that was changed
EMAIL = "email"  # what a link to this address stands for


@dataclass(frozen=True)
class Notice:
    subject: Text
    what: Text


_NEW_CODES = Text("Your account has new recovery codes. Older ones do not count any more.")
_NEW_PASSWORD = Notice(
    Text("Your password was changed"), Text("Your account has a new password, and the old one does not count.")
)
NEW_DEVICE = Notice(
    Text("A new sign-in to your account"), Text("Somebody signed in to your account in a browser that is new to it.")
)
_NOTICES: Mapping[tuple[Event, str | None], Notice] = {
    (Event.SIGN_IN_SUCCEEDED, recovery.NAME): Notice(
        Text("A recovery code was used"), Text("Somebody signed in to your account with one of your recovery codes.")
    ),
    (Event.FACTOR_ENROLLED, totp.NAME): Notice(
        Text("An authenticator app was added"),
        Text("Your account has a new authenticator app, whose codes count from now on."),
    ),
    (Event.FACTOR_ENROLLED, passkey.NAME): Notice(
        Text("A passkey was added"), Text("Your account has a new passkey, which is all that it takes to sign in.")
    ),
    (Event.FACTOR_ENROLLED, recovery.NAME): Notice(Text("You have new recovery codes"), _NEW_CODES),
    (Event.FACTOR_REMOVED, totp.NAME): Notice(
        Text("An authenticator app was removed"), Text("An authenticator app of your account does not count any more.")
    ),
    (Event.FACTOR_REMOVED, passkey.NAME): Notice(
        Text("A passkey was removed"), Text("A passkey of your account does not count any more.")
    ),
    (Event.FACTOR_REMOVED, recovery.NAME): Notice(
        Text("Your recovery codes were removed"), Text("The recovery codes of your account do not count any more.")
    ),
    (Event.FACTOR_REMOVED, password.NAME): Notice(
        Text("Your password was removed"), Text("Your account has no password any more: you sign in with a passkey.")
    ),
    (Event.USER_PASSWORD_SET, None): _NEW_PASSWORD,
    (Event.PASSWORD_REPLACED, None): _NEW_PASSWORD,
    (Event.PASSKEY_COPIED, None): Notice(
        Text("A passkey may have been copied"),
        Text(
            "A passkey of your account was used in a way that only a copy of it explains, so it was refused. "
            "Remove it, and make a new one."
        ),
    ),
    (Event.CONSENT_GIVEN, None): Notice(
        Text("An app has access to your account"),
        Text("You let an app use your account. Your page says what it may do."),
    ),
}


async def tell(
    transaction: Transaction,
    services: Services,
    person: Person,
    event: Event,
    factor: str | None = None,
    *,
    request: Request | None,
    app: str = "",
) -> None:
    """Nothing where no mail can be sent, or nobody has shown that the address is theirs.

    `request` is None for what an operator did.
    """
    notice = _NOTICES.get((event, factor)) or _NOTICES.get((event, None))
    if notice is not None:
        await send(transaction, services, person, notice, request=request, app=app)


async def send(
    transaction: Transaction,
    services: Services,
    person: Person,
    notice: Notice,
    *,
    request: Request | None,
    app: str = "",
    action: str = "",
) -> None:
    """`action` is a link that the person asked for to go on, beside the one that says that it was somebody else.

    Whose address it was until a few days ago is told, too, so that nobody hides a theft by changing the address.
    """
    if not services.settings.smtp_url or (person.email_verified_at is None and not action):
        return
    now = services.clock()
    context = {
        "what": notice.what,
        "facts": [*_facts(request, app), (Text("Time"), now)],
    }
    asking = languages.language_of(request) if request else None
    language = languages.of_person(services.settings, person.claims, asking)
    former = former_email(person, now)
    for to, link in ((person.email, action), *(((former, ""),) if former else ())):
        about = {EMAIL: canonical(to)}
        secret = await links.issue(transaction, handles.NOT_ME, person.id, now, now + NOT_ME_LIFETIME, **about)
        ways = {"action": link, "not_me": links.url(services, NOT_ME, secret)}
        mail = mails.written(services, to, notice.subject, "notice", context | ways, language)
        await mails.put(transaction, services, mail, now + KEEP, decoy=False)


def former_email(person: Person, now: datetime) -> str | None:
    """The address whose owner may still take the account back."""
    changed_at = person.email_changed_at
    return person.former_email if changed_at is not None and now < changed_at + WAY_BACK else None


def _facts(request: Request | None, app: str) -> list[tuple[Text, Text | str]]:
    if request is None:
        return [(Text("By"), Text("the people who run this service"))]
    device, address = user_agents.in_words(user_agents.device(request)), origin_of(request).address or ""
    facts = [(Text("App"), app), (Text("Device"), device), (Text("Network address"), address)]
    return [(name, value) for name, value in facts if value]
