"""`idp explain`: why a request was refused, and what to change."""

import re
import textwrap
from typing import Any

import click

from idp.cli.run import fail, json_option, show, show_list, with_services
from idp.protocol import story
from idp.protocol.difference import Piece, visible
from idp.protocol.story import Story
from idp.services import Services
from idp.store import clients, refusals
from idp.store.prune import KEEP_REFUSALS
from idp.store.refusals import Refusal

_CONFUSED = str.maketrans("OILU", "011V")  # as Crockford reads what was misread


@click.command()
@click.argument("reference", required=False)
@click.option("--last", type=click.IntRange(1, 500), metavar="N", help="List the newest N refusals instead.")
@json_option
def explain(reference: str | None, last: int | None, as_json: bool) -> None:
    """Tell why a request was refused, by the reference on its page or in its header X-Request-Id."""
    if (reference is None) == (last is None):
        raise click.UsageError("Say a reference, such as 5C98-AQNF, or --last N.")
    if last is not None:
        _list(last, as_json=as_json)
        return
    refusal, name = with_services(lambda services: _find(services, _canonical(reference or "")))
    if as_json:
        show(_record(refusal), as_json=True)
    else:
        click.echo("\n".join(_lines(refusal, name, story.tell(refusal.details))))


def _canonical(reference: str) -> str:
    text = re.sub(r"[^0-9A-Z]", "", reference.upper()).translate(_CONFUSED)
    return f"{text[:4]}-{text[4:]}"


async def _find(services: Services, reference: str) -> tuple[Refusal, str]:
    found = await refusals.find(services.database, reference)
    if found is None:
        fail(
            f"Nothing is kept under {visible(reference)}. It was no refusal, is older than {KEEP_REFUSALS.days} days, "
            "or was one of so many that they were only counted. The log has its line."
        )
    client = await clients.show(services.database, found.client_id) if found.client_id else None
    return found, visible(client.client.client_name) if client else ""


def _list(most: int, *, as_json: bool) -> None:
    async def work(services: Services) -> list[Refusal]:
        return await refusals.last(services.database, most)

    records = [_record(each) for each in with_services(work)]
    show_list(records, ("at", "reference", "endpoint", "client_id", "error", "reason"), as_json=as_json)


def _record(refusal: Refusal) -> dict[str, Any]:
    told = story.tell(refusal.details)
    return {
        "reference": refusal.reference,
        "at": refusal.at,
        "endpoint": refusal.endpoint,
        "client_id": refusal.client_id or None,
        "error": refusal.error,
        "description": told.description,
        "reason": told.reason or told.description,
        "rule": told.rule.demand if told.rule else None,
        "section": told.rule.section if told.rule else None,
        "received": told.received,
        "expected": list(told.expected),
        "what_to_change": told.rule.cure if told.rule else None,
        "whose_turn": told.rule.turn.value if told.rule else None,
        "not_stored": refusal.details.get("not_stored", 0),
    }


def _lines(refusal: Refusal, name: str, told: Story) -> list[str]:
    client = f"{name} ({refusal.client_id})" if refusal.client_id else "nobody that is known here"
    lines = [
        f"{refusal.reference}  {refusal.at:%Y-%m-%d %H:%M:%S} UTC  {refusal.endpoint}",
        "",
        f"App         {client}",
        f"Answer      {refusal.error}: {told.description}",
    ]
    if told.reason:
        lines += _wrapped("Reason", told.reason)
    lines += _values(told)
    if told.rule is not None:
        cure = told.rule.cure.replace("CLIENT_ID", refusal.client_id or "CLIENT_ID")
        lines += ["", *_wrapped("The rule", told.rule.demand), *_wrapped("", told.rule.section)]
        lines += [*_wrapped("To change", cure), *_wrapped("Whose turn", told.rule.turn.value)]
    if more := refusal.details.get("not_stored"):
        lines += ["", f"Before this one {more} refusals of this client were counted and not stored."]
    return lines


def _values(told: Story) -> list[str]:
    lines = [] if told.received is None else ["", f"Received    {told.received}"]
    if told.difference is not None:
        lines.append(f"            {told.difference.marks}")
    lines += [f"{'Expected' if index == 0 else '':<10}  {each}" for index, each in enumerate(told.expected)]
    if told.difference is not None:
        lines += ["", f"Beside {told.difference.expected}", *map(_piece, told.difference.pieces)]
    return lines


def _wrapped(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        100,
        initial_indent=f"{name:<12}",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _piece(piece: Piece) -> str:
    if not piece.received:
        return f"  at {piece.at}: {piece.expected} is missing"
    if not piece.expected:
        return f"  at {piece.at}: {piece.received} is too much"
    return f"  at {piece.at}: {piece.received} instead of {piece.expected}"
