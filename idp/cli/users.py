"""`idp user`: people."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from idp import audit, new_passwords
from idp.audit import COMMAND_LINE, Event
from idp.cli.claims import claim_option, claims_of, without_empty
from idp.cli.people import WHO, find_person
from idp.cli.recover import recover
from idp.cli.run import fail, json_option, show, show_list, with_services
from idp.factors import password as password_rules
from idp.factors import recovery
from idp.factors.foreign_hashes import UnknownHash
from idp.factors.password import UnacceptablePassword
from idp.factors.proofs import FACTORS, SECOND, asks_for_second
from idp.services import Services
from idp.store import credentials, grants, sessions, users
from idp.store.db import Transaction
from idp.store.users import NotAnEmail, Person
from idp.web import notices, throttle

_PASSWORD_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
_HASH_STDIN = click.option(
    "--password-hash-stdin", is_flag=True, help="Read from standard input a hash that another system made of it."
)


@click.group()
def user() -> None:
    """People who may sign in."""


@dataclass(frozen=True)
class _New:
    email: str
    claims: dict[str, Any]
    password: str | None
    is_hash: bool
    verified: bool


@user.command()
@click.argument("email")
@click.option("--name", help="What the person is called.")
@claim_option
@_PASSWORD_STDIN
@_HASH_STDIN
@click.option("--verified", is_flag=True, help="The address is known to be the person's.")
@json_option
def create(
    *,
    email: str,
    name: str | None,
    pairs: tuple[str, ...],
    password_stdin: bool,
    password_hash_stdin: bool,
    verified: bool,
    as_json: bool,
) -> None:
    """Create a person."""
    claims = without_empty(claims_of(pairs, name))
    given = _given(password_stdin=password_stdin, password_hash_stdin=password_hash_stdin)
    new = _New(email, claims, given, password_hash_stdin, verified)
    show(_record(with_services(lambda services: _create(services, new))), as_json=as_json)


async def _create(services: Services, new: _New) -> Person:
    encoded = None
    if new.password is not None:
        about = new_passwords.about(new.email, new.claims)
        encoded = await _encoded(services, new.password, about, is_hash=new.is_hash, alone=True)
    now = services.clock()
    async with services.database.transaction() as transaction:
        try:
            user_id = await users.create(
                transaction, services.sealer, new.email, new.claims, now, verified=new.verified
            )
        except NotAnEmail as error:
            fail(f"{new.email!r} is not an e-mail address: {error}.")
        if user_id is None:
            fail(f"There is already a person with the address {new.email}.")
        if encoded is not None:
            await credentials.add(transaction, services.sealer, user_id, credentials.PASSWORD, {"hash": encoded}, now)
        await _record_event(transaction, services, Event.USER_CREATED, user_id)
    return await find_person(services, user_id)


@user.command("list")
@json_option
def list_users(as_json: bool) -> None:
    """List everybody."""

    async def work(services: Services) -> list[Person]:
        return await users.listed(services.database)

    records = [_record(person) for person in with_services(work)]
    show_list(records, ("sub", "email", "name", "email_verified", "disabled_at"), as_json=as_json)


@user.command("show")
@WHO
@json_option
def show_user(who: str, as_json: bool) -> None:
    """Show one person."""
    show(_record(with_services(lambda services: find_person(services, who))), as_json=as_json)


@user.command()
@WHO
@click.option("--name", help="What the person is called.")
@claim_option
@json_option
def update(who: str, name: str | None, pairs: tuple[str, ...], as_json: bool) -> None:
    """Change a person's claims; an empty value removes one."""
    changes = claims_of(pairs, name)
    if not changes:
        raise click.UsageError("Say what to change: --name or --claim.")

    async def work(services: Services) -> Person:
        person = await find_person(services, who)
        claims = without_empty(person.claims | changes)
        async with services.database.transaction() as transaction:
            await users.update_claims(transaction, person.id, claims, services.clock())
            await _record_event(transaction, services, Event.USER_UPDATED, person.id)
        return await find_person(services, person.id)

    show(_record(with_services(work)), as_json=as_json)


@user.command("set-password")
@WHO
@_PASSWORD_STDIN
@_HASH_STDIN
@json_option
def set_password(who: str, *, password_stdin: bool, password_hash_stdin: bool, as_json: bool) -> None:
    """Set a person's password. Their sessions and tokens end."""
    given = _given(password_stdin=password_stdin, password_hash_stdin=password_hash_stdin)
    plain_or_hash = _ask_password() if given is None else given

    async def work(services: Services) -> Person:
        person = await find_person(services, who)
        about = new_passwords.about(person.email, person.claims)
        alone = not asks_for_second(await credentials.enrolled(services.database, person.id))
        encoded = await _encoded(services, plain_or_hash, about, is_hash=password_hash_stdin, alone=alone)
        await _replace_password(services, person, encoded)
        return person

    show(_record(with_services(work)), as_json=as_json)


async def _replace_password(services: Services, person: Person, encoded: str) -> None:
    async with services.database.transaction() as transaction:
        transaction.durable()
        # Locks the person and the old one, as a sign-in does: nobody proves it after the time that the new one bears.
        await users.held(transaction, person.id)
        await credentials.changed_at(transaction, person.id, credentials.PASSWORD)
        now, data, factor = services.clock(), {"hash": encoded}, credentials.PASSWORD
        stored = await credentials.find(transaction, services.sealer, person.id, factor)
        if not await credentials.put(transaction, services.sealer, person.id, factor, stored, data, now):
            fail("Somebody else changed the password at the same moment.")
        await _end_access(transaction, person, "password set", services)
        await _record_event(transaction, services, Event.USER_PASSWORD_SET, person.id)
        await notices.tell(transaction, services, person, Event.USER_PASSWORD_SET, request=None)


@user.command()
@WHO
@json_option
def disable(who: str, as_json: bool) -> None:
    """Keep a person from signing in. Their sessions and tokens end."""

    async def work(services: Services) -> Person:
        person = await find_person(services, who)
        async with services.database.transaction() as transaction:
            if await users.disable(transaction, person.id, services.clock()):
                await _end_access(transaction, person, "person disabled", services)
                await _record_event(transaction, services, Event.USER_DISABLED, person.id)
        return await find_person(services, person.id)

    show(_record(with_services(work)), as_json=as_json)


@user.command()
@WHO
@json_option
def enable(who: str, as_json: bool) -> None:
    """Let a disabled person sign in again; what was ended stays ended."""

    async def work(services: Services) -> Person:
        person = await find_person(services, who)
        async with services.database.transaction() as transaction:
            if await users.enable(transaction, person.id):
                await _record_event(transaction, services, Event.USER_ENABLED, person.id)
        return await find_person(services, person.id)

    show(_record(with_services(work)), as_json=as_json)


@user.command()
@WHO
@json_option
def delete(who: str, as_json: bool) -> None:
    """Delete a person. The audit keeps a pseudonym; what was personal in it can no longer be read."""

    async def work(services: Services) -> Person:
        person = await find_person(services, who)
        async with services.database.transaction() as transaction:
            await _record_event(transaction, services, Event.USER_DELETED, person.id)
            await users.delete_user(transaction, person.id)
        if not await services.database.scrub():
            click.echo("The database's log still holds what was deleted: run `idp prune` in a while.", err=True)
        return person

    person = with_services(work)
    show({"sub": person.id, "deleted": True}, as_json=as_json)


@user.command()
@WHO
@json_option
def factors(who: str, as_json: bool) -> None:
    """Show how a person can prove who they are."""

    async def work(services: Services) -> list[dict[str, Any]]:
        person = await find_person(services, who)
        return [
            {"factor": name, "name": _name_of(name, stored.data), "created_at": stored.created_at}
            for name in FACTORS
            for stored in await credentials.of_person(services.database, services.sealer, person.id, name)
        ]

    show_list(with_services(work), ("factor", "name", "created_at"), as_json=as_json)


def _name_of(factor: str, data: dict[str, Any]) -> str | None:
    if factor == recovery.NAME:
        return f"{recovery.remaining(data)} left"
    return data.get("name")


@user.command("reset-factors")
@WHO
@json_option
def reset_factors(who: str, as_json: bool) -> None:
    """Take away a person's second factors, when all of them are lost. Their sessions and tokens end.

    Be sure that it is the person who asks.
    """

    async def work(services: Services) -> Person:
        person = await find_person(services, who)
        async with services.database.transaction() as transaction:
            # First: it locks the person, so that what somebody is adding right now is seen afterwards, and goes too.
            await _end_access(transaction, person, "second factors reset", services)
            for name in SECOND:
                if await credentials.remove(transaction, person.id, name):
                    event = Event.FACTOR_REMOVED
                    await audit.record(transaction, services, event, COMMAND_LINE, user_id=person.id, factor=name)
                    await notices.tell(transaction, services, person, event, name, request=None)
        return person

    show(_record(with_services(work)), as_json=as_json)


user.add_command(recover)


@user.command()
@WHO
@json_option
def unlock(who: str, as_json: bool) -> None:
    """Forget the wrong passwords and codes that strangers tried, so that nobody has to wait because of them."""

    async def work(services: Services) -> Person:
        person = await find_person(services, who)
        async with services.database.transaction() as transaction:
            await throttle.unlock(transaction, services, person.email)
            await _record_event(transaction, services, Event.ACCOUNT_UNLOCKED, person.id)
        return person

    show(_record(with_services(work)), as_json=as_json)


async def _end_access(transaction: Transaction, person: Person, reason: str, services: Services) -> None:
    """Devices that somebody signed in with are strangers again, and nobody waits for what was tried before."""
    now, user_id = services.clock(), person.id
    await users.disown_devices(transaction, user_id, now)
    await throttle.unlock(transaction, services, person.email)
    await sessions.end_all_of(transaction, user_id, now)
    await grants.end_of_user(transaction, user_id, reason, now)


async def _record_event(transaction: Transaction, services: Services, event: Event, user_id: str) -> None:
    await audit.record(transaction, services, event, COMMAND_LINE, user_id=user_id)


def _given(*, password_stdin: bool, password_hash_stdin: bool) -> str | None:
    if password_stdin and password_hash_stdin:
        raise click.UsageError("Standard input is read once: give the password or its hash.")
    return _read_password() if password_stdin or password_hash_stdin else None


def _read_password() -> str:
    """Exactly one newline at the end is dropped: it is the shell's, all else is the person's."""
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        fail("That password cannot be used: it is not UTF-8, and a browser sends nothing else.")


def _ask_password() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password: give it with --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


async def _encoded(services: Services, given: str, about: Sequence[str], *, is_hash: bool, alone: bool) -> str:
    """The hash that is kept: of an acceptable password, or one that another system made."""
    try:
        if is_hash:
            return password_rules.acceptable_hash(given)
        await new_passwords.judge(services, given, about, asker="", alone=alone)
    except UnknownHash as error:
        fail(f"That hash cannot be used: {error}.")
    except UnacceptablePassword as error:
        fail(str(error))
    return await services.hashing.hash(given, asker="")


def _record(person: Person) -> dict[str, Any]:
    return {
        "sub": person.id,
        "email": person.email,
        "email_verified": person.email_verified_at is not None,
        "name": person.claims.get("name"),
        "claims": person.claims,
        "created_at": person.created_at,
        "updated_at": person.updated_at,
        "disabled_at": person.disabled_at,
        "disowned_at": person.disowned_at,
        "recovery_from": person.recovery_from,
    }
