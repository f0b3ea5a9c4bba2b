"""Mails: written from the templates, and put where they are sent from when what they tell of is done."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from idp.outside.mail import Mail
from idp.services import Services
from idp.store import outbox
from idp.store.db import Transaction
from idp.web.pages import render


def written(services: Services, to: str, subject: str, template: str, context: Mapping[str, object]) -> Mail:
    """Both parts of `templates/mail/TEMPLATE`."""
    common = {"site_name": services.settings.site_name, "subject": subject, "to": to, **context}
    return Mail(to, subject, render(f"mail/{template}.txt", common), render(f"mail/{template}.html", common))


async def put(transaction: Transaction, services: Services, mail: Mail, until: datetime, *, decoy: bool) -> None:
    """Into the outbox, with what it tells of. A decoy takes as long and goes to nobody."""
    kind = outbox.DECOY if decoy else outbox.MAIL
    await outbox.put(transaction, services.sealer, kind, asdict(mail), services.clock(), until)
