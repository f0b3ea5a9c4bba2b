"""`idp user invite`: a link with which somebody makes an account of their own, whoever else may."""

from dataclasses import replace
from typing import Any

import click

from idp import audit
from idp.audit import COMMAND_LINE, Event
from idp.cli.claims import claim_option, claims_of, without_empty
from idp.cli.run import fail, json_option, settings_for_serving, show, with_services
from idp.services import Services
from idp.store import users
from idp.store.users import NotAnEmail
from idp.web import sign_ups
from idp.web.languages import language
from idp.web.sign_ups import INVITATION_LIFETIME, Joining, NotAName


@click.command()
@click.argument("email")
@click.option("--name", help="What the person is called; they may change it.")
@claim_option
@click.option("--print", "printed", is_flag=True, help="Print the link for you to hand over, and mail nothing.")
@click.option(
    "--verified", is_flag=True, help="The address is known to be the person's, though the link is not mailed."
)
@json_option
def invite(
    *, email: str, name: str | None, pairs: tuple[str, ...], printed: bool, verified: bool, as_json: bool
) -> None:
    """Mail somebody a link with which they make their account; without a mail server it is printed."""
    claims = without_empty(claims_of(pairs, name))
    hands_over = printed or not settings_for_serving().smtp_url  # a link needs the issuer, too
    joining = Joining(email, claims, invited=True, verified=verified or not hands_over)
    show(with_services(lambda services: _invite(services, joining, hands_over=hands_over)), as_json=as_json)


async def _invite(services: Services, joining: Joining, *, hands_over: bool) -> dict[str, Any]:
    joining = replace(joining, email=_address(joining.email), claims=_named(joining.claims))
    if await users.find_by_email(services.database, joining.email) is not None:
        fail(f"There is already a person with the address {joining.email}.")
    now = services.clock()
    until = now + INVITATION_LIFETIME
    record = {"email": joining.email, "expires_at": until, "mailed": not hands_over}
    async with services.database.transaction() as transaction:
        await audit.record(transaction, services, Event.USER_INVITED, COMMAND_LINE, mailed=not hands_over)
        if not hands_over:
            await sign_ups.send(transaction, services, joining, now, language(services.settings.language))
            return record
        secret = await sign_ups.issue(transaction, joining, now, until)
    return record | {"link": sign_ups.url(services, secret)}


def _address(email: str) -> str:
    try:
        return users.check_email(email)
    except NotAnEmail as error:
        fail(f"{email!r} is not an e-mail address: {error}.")


def _named(claims: dict[str, Any]) -> dict[str, Any]:
    """Only with a name that its person could give as well."""
    if "name" not in claims:
        return claims
    try:
        return claims | {"name": sign_ups.name_of(claims["name"])}
    except NotAName:
        fail("That is no name: write at most 64 characters, and nothing that looks like an address.")
