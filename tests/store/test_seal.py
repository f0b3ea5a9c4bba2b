"""Secrets at rest: what is sealed opens in its place, unaltered, under our keys, and nowhere else."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.store.ids import draw
from idp.store.seal import SealBroken, Sealer, seal_under, unseal_under
from tests.store.world import SECRET_KEY

OLD_KEY, NEW_KEY = SECRET_KEY, "the secret key that comes after it, as long"
SEALER = Sealer([OLD_KEY])
KEY = bytes(range(32))


@given(plain=st.binary(max_size=200), purpose=st.text(), row=st.text())
def test_what_is_sealed_opens(plain: bytes, purpose: str, row: str) -> None:
    assert SEALER.unseal(SEALER.seal(plain, purpose, row), purpose, row) == plain


def test_a_value_opens_in_no_other_row_and_no_other_column() -> None:
    sealed = SEALER.seal(b"plain", "seed", "row")
    for purpose, row in (("seed", "row2"), ("credential", "row"), ("seed:row", ""), ("", "seed:row")):
        with pytest.raises(SealBroken):
            SEALER.unseal(sealed, purpose, row)


def test_a_value_that_was_altered_in_any_byte_does_not_open() -> None:
    sealed = SEALER.seal(b"plain", "seed", "row")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(SealBroken):
            SEALER.unseal(bytes(altered), "seed", "row")


def test_a_value_that_was_cut_or_lengthened_does_not_open() -> None:
    sealed = SEALER.seal(b"plain", "seed", "row")
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            SEALER.unseal(sealed[:length], "seed", "row")
    with pytest.raises(SealBroken):
        SEALER.unseal(sealed + b"\0", "seed", "row")


def test_another_key_opens_nothing_and_the_error_says_neither_value_nor_key() -> None:
    sealed = Sealer([OLD_KEY]).seal(b"plain", "seed", "row")
    with pytest.raises(SealBroken, match="the seed of row was sealed under a key that is not among") as broken:
        Sealer([NEW_KEY]).unseal(sealed, "seed", "row")
    assert "plain" not in str(broken.value)
    assert NEW_KEY not in str(broken.value)


def test_the_same_value_is_never_sealed_the_same_way_twice() -> None:
    sealed = {SEALER.seal(b"plain", "seed", "row") for _ in range(1000)}
    assert len({value[5:17] for value in sealed}) == 1000  # the nonces: one that repeats opens both values


def test_keys_rotate_by_standing_in_a_list_the_newest_first() -> None:
    old = Sealer([OLD_KEY]).seal(b"plain", "seed", "row")
    both = Sealer([NEW_KEY, OLD_KEY])
    assert both.unseal(old, "seed", "row") == b"plain"
    assert not both.is_newest(old)
    new = both.seal(b"plain", "seed", "row")
    assert both.is_newest(new)
    assert Sealer([NEW_KEY]).unseal(new, "seed", "row") == b"plain"
    assert Sealer([OLD_KEY, NEW_KEY]).unseal(new, "seed", "row") == b"plain"


def test_keyed_hashes_have_a_key_of_their_own_for_each_purpose_and_each_secret_key() -> None:
    keys = {Sealer([secret]).subkey(purpose) for secret in (OLD_KEY, NEW_KEY) for purpose in ("csrf", "seed")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    assert Sealer([NEW_KEY, OLD_KEY]).subkey("csrf") == Sealer([NEW_KEY]).subkey("csrf")


def test_what_is_sealed_under_a_persons_key_opens_under_it_alone() -> None:
    sealed = seal_under(KEY, b"plain", "row")
    assert unseal_under(KEY, sealed, "row") == b"plain"
    wrong = ((KEY[::-1], sealed, "row"), (KEY, sealed[:-1], "row"), (KEY, sealed, "row2"), (KEY, b"", "row"))
    for key, value, context in wrong:
        with pytest.raises(SealBroken):
            unseal_under(key, value, context)


def test_threads_never_seal_with_the_same_nonce() -> None:
    """Two threads that share a page of random bytes could take the same ones, and one nonce used twice opens GCM."""

    def drawn(_: int) -> list[bytes]:
        return [draw(12) for _ in range(20_000)]

    with ThreadPoolExecutor(8) as threads:
        nonces = [nonce for each in threads.map(drawn, range(8)) for nonce in each]
    assert len(set(nonces)) == len(nonces) == 160_000
