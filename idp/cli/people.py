"""Naming a person on the command line."""

import click

from idp.cli.run import fail
from idp.services import Services
from idp.store import users
from idp.store.users import Person

WHO = click.argument("who", metavar="EMAIL|ID")


async def find_person(services: Services, who: str) -> Person:
    person = await users.find(services.database, who) or await users.find_by_email(services.database, who)
    if person is None:
        fail(f"There is no person {who}.")
    return person
