"""Links with which people make an account of their own: for whom there are any, what they say, and the mail with one.

Nothing of an account exists before the link is used, so that nobody can leave a password, a passkey or a session in the
account of an address that is somebody else's.
"""

import re
import unicodedata
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.outside.mail import Mail
from idp.services import Services
from idp.settings import BY_DOMAIN, OPEN, Settings
from idp.store import handles, users
from idp.store.db import Transaction
from idp.store.users import NotAnEmail, canonical
from idp.web import links, mails, own
from idp.web.languages import Language
from idp.web.links import Link
from idp.wording import Text

PAGE = "/sign-up"
LIFETIME, INVITATION_LIFETIME = timedelta(hours=1), timedelta(days=7)
KIND = "sign_up"  # how mails are counted
MAX_NAME = 64
# As a browser judges it before it makes a passkey. What looks like an address of the web has no place in a name that
# others may be told: a dot and two letters after it are enough for a mail program to make a link of it.
NAME_PATTERN = r"(?!.*\S\.\S\S)[^:\/\\@<>]{1,64}"
_NAME = re.compile(r"(?!.*\S\.\S\S)[^:/\\@<>]{1,64}")
_TWINS = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")  # scripts whose letters look like Latin ones


class NotAName(Exception):
    """Text that cannot be a person's name here."""


@dataclass(frozen=True)
class Joining:
    """Whom a link lets in: who has this address, with claims that an operator gave. `ticket` names a sign-in.

    `verified`: the link comes by mail, and so shows that the address is theirs, or an operator knows it.
    """

    email: str
    claims: dict[str, Any]
    invited: bool = False
    verified: bool = True
    ticket: str = ""


def check_address(typed: str) -> str:
    """An address that somebody may sign up with, as it is mailed to and kept. Raises NotAnEmail.

    One that mixes alphabets is refused, since it is made to look like another one; and one that is looked up as another
    one than mail goes to, such as one at a domain with an ß: whoever reads the mail would get the other one's account.
    """
    address = users.check_email(unicodedata.normalize("NFKC", users.check_email(typed.strip())))
    if address.lower() != canonical(address):
        raise NotAnEmail("it is looked up as another one than mail goes to")
    scripts = {unicodedata.name(each, "").partition(" ")[0] for each in address if each.isalpha()}
    if len(scripts) > 1 and not scripts.isdisjoint(_TWINS):
        raise NotAnEmail("it mixes letters of several alphabets")
    return address


def name_of(typed: str) -> str:
    """A name as it is kept. Raises NotAName."""
    name = " ".join(unicodedata.normalize("NFC", typed).split())
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise NotAName
    return name


def may_join(settings: Settings, joining: Joining) -> bool:
    """Whether there may be an account for it, as the settings are now: an invitation is an operator's own decision."""
    if joining.invited or settings.sign_up == OPEN:
        return True
    domains = {canonical(each) for each in settings.sign_up_domains}
    return settings.sign_up == BY_DOMAIN and canonical(joining.email).rpartition("@")[2] in domains


async def issue(transaction: Transaction, joining: Joining, now: datetime, until: datetime) -> str:
    """The secret of a new link. Those that were sent to the same address before count as they did."""
    return await links.issue(transaction, handles.SIGN_UP, None, now, until, **asdict(joining))


def of(link: Link) -> Joining:
    return Joining(**{name: link.data[name] for name in Joining.__dataclass_fields__})


def url(services: Services, secret: str) -> str:
    return links.url(services, PAGE, secret)


def written(services: Services, joining: Joining, secret: str, language: Language, *, has_account: bool) -> Mail:
    """The mail with the link, or that says that there is an account: it holds no word of who asked for it."""
    site = services.settings.site_name
    subject = Text("Your account at %(site)s", {"site": site})
    if joining.invited and not has_account:
        subject = Text("An invitation to %(site)s", {"site": site})
    context = {
        "has_account": has_account,
        "invited": joining.invited,
        "link": url(services, secret),
        "sign_in": services.settings.issuer + own.confirm(own.HOME),
    }
    return mails.written(services, joining.email, subject, "sign_up", context, language)


async def send(
    transaction: Transaction,
    services: Services,
    joining: Joining,
    now: datetime,
    language: Language,
    *,
    has_account: bool = False,
) -> None:
    """A link by mail. As much is done where somebody has the address, or may not join."""
    until = now + (INVITATION_LIFETIME if joining.invited else LIFETIME)
    secret = await issue(transaction, joining, now, until)
    mail = written(services, joining, secret, language, has_account=has_account)
    decoy = not has_account and not may_join(services.settings, joining)
    await mails.put(transaction, services, mail, until, decoy=decoy)
