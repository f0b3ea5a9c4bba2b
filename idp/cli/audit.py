"""`idp audit`: whether the record of what happened is whole."""

import re

import click

from idp.cli.run import fail, json_option, show, with_services
from idp.services import Services
from idp.store import audit_chain
from idp.store.audit_chain import Broken, Verified

_EXPECTED = re.compile(r"([1-9][0-9]{0,9}):([0-9a-f]{64})")


@click.group()
def audit() -> None:
    """The record of what happened."""


@audit.command()
@click.option("--expect", metavar="NUMBER:DIGEST", help="A seal that the log named (audit_sealed): it must be there.")
@json_option
def verify(expect: str | None, as_json: bool) -> None:
    """Compare every row with the seals; exit code 1 and the place where rows were changed, removed or added."""
    named = None if expect is None else _EXPECTED.fullmatch(expect)
    if expect is not None and named is None:
        message = "write the number and the digest of a seal, as the line audit_sealed of the log has them"
        raise click.BadParameter(message, param_hint="--expect")
    expected = None if named is None else (int(named[1]), named[2])

    async def work(services: Services) -> Verified | str:
        try:
            return await audit_chain.verify(services.database, services.sealer, expected)
        except Broken as error:
            return str(error)

    found = with_services(work)
    if isinstance(found, str):
        fail(f"The audit was tampered with: {found}.")
    last = found.last
    record = {
        "whole": True,
        "rows": found.rows,
        "not_sealed_yet": found.newer,
        "seals": last.number if last else 0,
        "last": f"{last.number}:{last.digest}" if last else None,
    }
    show(record, as_json=as_json)
