"""What somebody gets who gets the database, and not our sealing key."""

import subprocess
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from idp import keys
from idp.settings import Settings
from idp.store import attempts as attempt_rows
from idp.store import credentials, handles, instance, users
from idp.store import keys as stored_keys
from idp.store.db import Database
from idp.store.sqlite import SqliteDatabase
from tests.servers import postgres_program
from tests.store.test_attempts import ATTEMPT
from tests.store.world import ADDRESS, MINUTE, NOW, SECRET_KEY, SEED, World

TYPED, HASH = "a password typed as a name", "$argon2id$v=19$a-hash-to-crack"


def dump(database: Database, url: str) -> bytes:
    """A backup as bytes, binary columns included."""
    if isinstance(database, SqliteDatabase):
        return b"".join(path.read_bytes() for path in database.path.parent.glob(f"{database.path.name}*"))
    done = subprocess.run([postgres_program("pg_dump"), "--inserts", url], capture_output=True, check=True)
    binary = [bytes.fromhex(part.split("'")[0]) for part in done.stdout.decode().split("'\\x")[1:]]
    return done.stdout + b"".join(binary)


def spellings(secret: bytes) -> Iterator[bytes]:
    yield from (secret, secret.hex().encode(), b64encode(secret).rstrip(b"="))


async def test_km_03_km_09_a_dump_of_the_database_holds_no_secret(world: World, database_url: str) -> None:
    """A backup is stolen: nobody can sign, refresh, sign in, or redeem with it, nor read who came from where."""
    settings = Settings(issuer="http://localhost:8000")
    await instance.ensure(world.database, world.sealer, NOW)
    await keys.ensure(world.database, world.sealer, settings, NOW)
    person, client = await world.person("ana@example.com"), await world.client()
    session = await world.session(person)
    await world.grant(session, client.client_id)
    async with world.database.transaction() as transaction:
        code = await handles.issue(transaction, handles.CODE, {}, NOW, NOW + MINUTE)
        await attempt_rows.save(transaction, world.sealer, replace(ATTEMPT, username=TYPED))
        await credentials.add(transaction, world.sealer, person, credentials.PASSWORD, {"hash": HASH}, NOW)
        for who in (person, None):
            await world.record(transaction, who)
    found = await users.find(world.database, person)
    assert found is not None
    canaries = [SEED, b"PRIVATE KEY"]
    canaries += [text.encode() for text in (TYPED, ADDRESS, HASH, SECRET_KEY, code, session.cookie)]
    canaries += [world.sealer.unseal(found.audit_key, users.AUDIT_KEY_PURPOSE, person)]
    for key in await stored_keys.stored(world.database, world.sealer):
        private = load_pem_private_key(key.private_key, None)
        der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        canaries += [key.private_key[40:80], der[-64:], der[300:364]]

    dumped = dump(world.database, database_url)
    assert b"ana@example.com" in dumped  # it is the right file, and in clear
    for canary in canaries:
        for spelling in spellings(canary):
            assert spelling not in dumped, canary
