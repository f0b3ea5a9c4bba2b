"""Sending what the outbox holds: beside the requests and never in one, by whichever worker comes first."""

import asyncio

import structlog

from idp.outside.mail import Mail, MailFailed, MailRefused
from idp.services import Services
from idp.store import outbox
from idp.store.outbox import Leased
from idp.store.seal import SealBroken

log = structlog.get_logger("idp.delivery")

AT_ONCE = 4  # of one worker


async def deliver_due(services: Services) -> None:
    """Tries everything that is due, once."""
    while leased := await outbox.lease(services.database, outbox.MAIL, AT_ONCE, services.clock()):
        ended = await asyncio.gather(*(_deliver(services, each) for each in leased), return_exceptions=True)
        if failed := [each for each in ended if isinstance(each, Exception)]:  # the others were not disturbed by it
            raise failed[0]


async def _deliver(services: Services, leased: Leased) -> None:
    try:
        mail = Mail(**leased.data(services.sealer))
        await services.mailer.send(mail, leased.id, services.clock())
    except (SealBroken, TypeError) as error:  # it must not hold up the others
        await _give_up(services, leased, f"it cannot be read: {type(error).__name__}")
    except MailRefused as error:
        await _give_up(services, leased, str(error))
    except MailFailed as error:
        log.warning("mail_failed", id=leased.id, attempt=leased.attempts, reason=str(error))
        async with services.database.transaction() as transaction:
            await outbox.later(transaction, leased, str(error), services.clock())
    else:
        async with services.database.transaction() as transaction:
            await outbox.done(transaction, leased)


async def _give_up(services: Services, leased: Leased, why: str) -> None:
    log.error("mail_given_up", id=leased.id, attempt=leased.attempts, reason=why)
    async with services.database.transaction() as transaction:
        await outbox.give_up(transaction, leased, why)
