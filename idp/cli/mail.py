"""`idp mail`: whether mail can be sent, and what was not sent yet."""

from dataclasses import asdict

import click

from idp.cli.run import fail, json_option, show, show_list, with_services
from idp.outside.mail import MailFailed
from idp.services import Services
from idp.store import outbox
from idp.store.ids import new_id
from idp.web import mails
from idp.web.languages import language
from idp.wording import Text

_COLUMNS = ("id", "kind", "created_at", "attempts", "due_at", "error")


@click.group()
def mail() -> None:
    """Try the mail server, and look at what waits for it."""


@mail.command("test")
@click.argument("address")
@json_option
def send_test(address: str, as_json: bool) -> None:
    """Send a message to ADDRESS at once; exit code 1 and the reason if the server does not take it."""

    async def work(services: Services) -> str | None:
        now, subject = services.clock(), Text("A test message of %(site)s", {"site": services.settings.site_name})
        message = mails.written(services, address, subject, "test", {}, language(services.settings.language))
        try:
            await services.mailer.send(message, new_id(now), now)
        except MailFailed as error:
            return str(error)
        return None

    if reason := with_services(work):
        fail(f"The mail was not sent: {reason}.")
    show({"sent": True, "to": address}, as_json=as_json)


@mail.command("list")
@json_option
def list_waiting(as_json: bool) -> None:
    """What was not sent yet, and why; without `due_at` nobody tries again."""
    waiting = with_services(lambda services: outbox.listed(services.database))
    show_list([asdict(each) for each in waiting], _COLUMNS, as_json=as_json)
