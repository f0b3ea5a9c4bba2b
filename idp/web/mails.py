"""Mails: written from the templates, and put where they are sent from when what they tell of is done."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from idp.outside.mail import Mail
from idp.services import Services
from idp.store import outbox
from idp.store.db import Transaction
from idp.web.languages import Language
from idp.web.pages import render
from idp.wording import Text


def written(
    services: Services, to: str, subject: Text, template: str, context: Mapping[str, object], language: Language
) -> Mail:
    """Both parts of `templates/mail/TEMPLATE`."""
    about = str(language.words(subject))
    common = {"site_name": services.settings.site_name, "subject": about, "to": to, **context}
    text, html = (render(f"mail/{template}.{kind}", common, language) for kind in ("txt", "html"))
    return Mail(to, about, text, html)


async def put(transaction: Transaction, services: Services, mail: Mail, until: datetime, *, decoy: bool) -> None:
    """Into the outbox, with what it tells of. A decoy takes as long and goes to nobody."""
    kind = outbox.DECOY if decoy else outbox.MAIL
    await outbox.put(transaction, services.sealer, kind, asdict(mail), services.clock(), until)
