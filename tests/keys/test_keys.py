"""Signing keys: made, rotated, followed by every worker, and published for as long as anybody needs them."""

import asyncio
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt
from joserfc.jwk import KeySet

from idp import keys
from idp.keys import RELOAD_EVERY, BadSigningKey, Keys, RotatedElsewhere, RotationTooEarly
from idp.settings import Settings
from idp.store import keys as stored_keys
from idp.store.keys import StoredKey
from idp.store.prune import prune
from tests.store.world import NOW, SECOND, World

SETTINGS = Settings(issuer="http://localhost:8000")
READY = NOW + SETTINGS.jwks_max_age + RELOAD_EVERY


async def states(world: World) -> dict[str, str]:
    return {key.kid: key.state for key in await stored_keys.stored(world.database, world.sealer)}


async def ensure(world: World) -> None:
    await keys.ensure(world.database, world.sealer, SETTINGS, NOW)


async def rotate(world: World, after: timedelta = READY - NOW, *, early: bool = False) -> str:
    return await keys.rotate(world.database, world.sealer, SETTINGS, NOW + after, early=early)


def published(ring: keys.Ring) -> set[str]:
    return {key["kid"] for key in json.loads(ring.jwks)["keys"]}


async def test_of_many_first_starts_at_once_there_is_one_current_key_and_one_next(world: World) -> None:
    await asyncio.gather(*(ensure(world) for _ in range(4)))
    assert sorted((await states(world)).values()) == ["current", "next"]


async def test_a_second_start_makes_no_keys(world: World) -> None:
    await ensure(world)
    before = await states(world)
    await ensure(world)
    assert await states(world) == before


async def test_the_table_holds_one_next_key_and_one_current_key(world: World) -> None:
    """Whatever a program with a bug writes."""
    for active_at in (None, NOW):
        for number, added in ((1, True), (2, False)):
            key = StoredKey(f"{active_at}{number}", "RS256", b"pem", NOW, active_at, None, None)
            async with world.database.transaction() as transaction:
                assert await stored_keys.add(transaction, world.sealer, key) == added
    assert sorted((await states(world)).values()) == ["current", "next"]


async def test_tk_22_the_jwks_holds_public_members_alone_and_the_next_key_before_its_use(world: World) -> None:
    """An app reads a private key in the JWKS, or meets a signature by a key that it has never seen."""
    await ensure(world)
    for rotations in range(1, 4):
        ring = await keys.load(world.database, world.sealer)
        for key in json.loads(ring.jwks)["keys"]:
            assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
            assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
            assert len(key["n"]) == 342  # 2048 bits
        assert published(ring) == set(await states(world))
        assert await rotate(world, rotations * (READY - NOW)) in published(ring)


async def test_tk_22_a_key_is_not_used_before_everybody_can_have_read_of_it(world: World) -> None:
    """Tokens are refused by apps that cached the JWKS a moment before the rotation."""
    await ensure(world)
    before = await states(world)
    with pytest.raises(RotationTooEarly, match="05:06:07 UTC and may be used from 05:11:12 UTC on"):
        await rotate(world, READY - NOW - SECOND)
    assert await states(world) == before
    await rotate(world, READY - NOW)


async def test_km_02_a_key_that_leaked_is_replaced_at_once(world: World) -> None:
    """Somebody else signs with our key while we wait."""
    await ensure(world)
    (coming,) = [kid for kid, state in (await states(world)).items() if state == "next"]
    assert await rotate(world, timedelta(0), early=True) == coming
    assert (await states(world))[coming] == "current"


async def test_a_rotation_moves_each_key_on_and_makes_a_new_next_one(world: World) -> None:
    await ensure(world)
    before = await states(world)
    kid = await rotate(world)
    after = await states(world)
    assert sorted(after.values()) == ["current", "next", "retired"]
    assert before[kid] == "next"
    assert after[kid] == "current"
    assert [after[key] for key, state in before.items() if state == "current"] == ["retired"]


async def test_ra_10_of_rotations_at_once_one_wins_and_the_keys_move_once(world: World) -> None:
    """Two operators press the button, and a key signs that was never published."""
    await ensure(world)
    done = await asyncio.gather(*(rotate(world) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(each, str) for each in done) == 1
    assert all(isinstance(each, str | RotatedElsewhere | RotationTooEarly) for each in done), done
    assert sorted((await states(world)).values()) == ["current", "next", "retired"]


async def test_ra_10_a_token_signed_before_a_rotation_is_verified_after_it_and_the_other_way_round(
    world: World,
) -> None:
    """An app has the JWKS of before, or of after, and meets a token of the other side."""
    await ensure(world)
    slow_worker = Keys(await keys.load(world.database, world.sealer))
    fast_worker = Keys(slow_worker.ring)
    await rotate(world)
    assert await fast_worker.reload(world.database, world.sealer)
    assert fast_worker.ring.kid != slow_worker.ring.kid
    for signer in (slow_worker, fast_worker):
        token = signer.sign({"sub": "ana"}, "at+jwt")
        for reader in (slow_worker, fast_worker):
            public = KeySet.import_key_set(json.loads(reader.ring.jwks))
            assert jwt.decode(token, public, algorithms=["RS256"]).claims == {"sub": "ana"}


async def test_a_worker_whose_keys_are_the_same_reloads_nothing(world: World) -> None:
    await ensure(world)
    worker = Keys(await keys.load(world.database, world.sealer))
    ring = worker.ring
    assert not await worker.reload(world.database, world.sealer)
    assert worker.ring is ring


async def test_a_token_names_its_key_and_its_type(world: World) -> None:
    await ensure(world)
    worker = Keys(await keys.load(world.database, world.sealer))
    public = worker.ring.published[worker.ring.kid]
    token = jwt.decode(worker.sign({"sub": "ana"}, "at+jwt"), public, algorithms=["RS256"])
    assert token.header == {"alg": "RS256", "kid": worker.ring.kid, "typ": "at+jwt"}


async def test_tk_22_a_retired_key_stays_until_the_last_token_that_it_signed_has_expired(world: World) -> None:
    """Tokens are refused by apps that no longer find the key which signed them."""
    await ensure(world)
    (retiring,) = [kid for kid, state in (await states(world)).items() if state == "current"]
    await rotate(world)
    last_signature = READY + RELOAD_EVERY
    last_use = last_signature + SETTINGS.access_token_lifetime
    await prune(world.database, last_use)
    assert retiring in published(await keys.load(world.database, world.sealer))
    await prune(world.database, last_use + SETTINGS.jwks_max_age + timedelta(minutes=5))
    assert retiring not in published(await keys.load(world.database, world.sealer))
    assert sorted((await states(world)).values()) == ["current", "next"]


async def test_the_size_of_new_keys_is_a_setting(world: World) -> None:
    bigger = SETTINGS.model_copy(update={"signing_key_bits": 3072})
    await keys.ensure(world.database, world.sealer, bigger, NOW)
    ring = await keys.load(world.database, world.sealer)
    assert {len(key["n"]) for key in json.loads(ring.jwks)["keys"]} == {512}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


BAD_KEYS = {
    "short": pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
    "exponent 3": pem(rsa.generate_private_key(3, 2048)),
    "elliptic curve": pem(ec.generate_private_key(ec.SECP256R1())),
    "public": rsa.generate_private_key(65537, 2048)
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "cut off": pem(rsa.generate_private_key(65537, 2048))[:600],
    "empty": b"",
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # the short key is what it warns of
@pytest.mark.parametrize("private_key", BAD_KEYS.values(), ids=BAD_KEYS)
async def test_km_06_a_stored_key_that_others_could_sign_with_is_not_used(world: World, private_key: bytes) -> None:
    """A weak key gets into the database, by an import or a generator gone wrong, and whoever breaks it signs as us."""
    await ensure(world)
    worker = Keys(await keys.load(world.database, world.sealer))
    ring = worker.ring
    async with world.database.transaction() as transaction:
        retired = StoredKey("bad", "RS256", private_key, NOW, NOW, NOW, NOW)
        assert await stored_keys.add(transaction, world.sealer, retired)
    with pytest.raises(BadSigningKey, match=r"^The signing key bad in the database cannot be used: \S.*backup\.$"):
        await keys.load(world.database, world.sealer)
    with pytest.raises(BadSigningKey):
        await worker.reload(world.database, world.sealer)
    assert worker.ring is ring, "a worker goes on with the keys that it has"
