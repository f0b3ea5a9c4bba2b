"""`idp user recover`: a way back in for somebody whom you know."""

import click

from idp.cli.people import WHO, find_person
from idp.cli.run import fail, json_option, show, with_services
from idp.services import Services
from idp.web import recoveries


@click.command()
@WHO
@click.option("--second-factors", is_flag=True, help="The link also takes second factors and passkeys away.")
@json_option
def recover(*, who: str, second_factors: bool, as_json: bool) -> None:
    """Print a link by which a person sets a new password, once, within 24 hours.

    Be sure that it is the person who asks, and give the link to nobody else: whoever has it has the account.
    """

    async def work(services: Services) -> dict[str, str]:
        person = await find_person(services, who)
        if person.disabled_at is not None and person.disowned_at is None:
            fail(f"{person.email} is disabled: `idp user enable` comes first.")
        async with services.database.transaction() as transaction:
            link = await recoveries.by_operator(transaction, services, person, drops=second_factors)
        return {"sub": person.id, "email": person.email, "link": link}

    show(with_services(work), as_json=as_json)
