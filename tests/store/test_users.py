"""People: one account for an address, however it is written, on both databases alike."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.store import users
from idp.store.tables import User
from idp.store.users import NotAnEmail, canonical, check_email
from tests.store.world import HOUR, NOW, World

KELVIN, LIGATURE, LONG_S = "\N{KELVIN SIGN}", "\N{LATIN SMALL LIGATURE FI}", "\N{LATIN SMALL LETTER LONG S}"
FULL_WIDTH = {ord(letter): ord(letter) + 0xFEE0 for letter in "anexmpl"}
TWINS = {
    "ana@example.com": (
        "ANA@EXAMPLE.COM",
        "Ana@Example.Com",
        f"{'ana'.translate(FULL_WIDTH)}@example.com",
        f"ana@{'example'.translate(FULL_WIDTH)}.com",
    ),
    "kim@example.com": (f"{KELVIN}im@example.com",),
    "fiona@example.com": (f"{LIGATURE}ona@example.com",),
    "sam@example.com": (f"{LONG_S}am@example.com",),
    "strasse@example.com": ("straße@example.com", "STRASSE@example.com", "STRAẞE@example.com"),
    "σίσυφος@example.com": ("ΣΊΣΥΦΟΣ@example.com", "σίσυφοσ@example.com"),
    "ren\N{LATIN SMALL LETTER E WITH ACUTE}@example.com": ("rene\N{COMBINING ACUTE ACCENT}@example.com",),
}
TWIN_PAIRS = [(first, twin) for first, twins in TWINS.items() for twin in twins]
REFUSED = {
    "nothing": "",
    "no at": "ana.example.com",
    "two ats": "ana@home@example.com",
    "no name": "@example.com",
    "no domain": "ana@",
    "space inside": "ana maria@example.com",
    "space around": " ana@example.com",
    "newline": "ana@example.com\n",
    "NUL": "ana\0@example.com",
    "quotes": '"ana"@example.com',
    "angle brackets": "<ana@example.com>",
    "two addresses": "ana@example.com,bo@example.com",
    "zero-width space": "an\N{ZERO WIDTH SPACE}a@example.com",
    "zero-width joiner": "an\N{ZERO WIDTH JOINER}a@example.com",
    "soft hyphen": "an\N{SOFT HYPHEN}a@example.com",
    "word joiner": "ana\N{WORD JOINER}@example.com",
    "right-to-left override": "ana\N{RIGHT-TO-LEFT OVERRIDE}@example.com",
    "combining mark": "ana\N{COMBINING LONG STROKE OVERLAY}@example.com",
    "dotted capital I": "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}da@example.com",
    "lone surrogate": "ana\ud800@example.com",
    "full-width at that makes two": "ana\N{FULLWIDTH COMMERCIAL AT}home@example.com",
    "parenthesised digit": "ana\N{PARENTHESIZED DIGIT ONE}@example.com",
    "too long": "a" * 64 + "@" + "b" * 190,
}


async def create(world: World, email: str) -> str | None:
    async with world.database.transaction() as transaction:
        return await users.create(transaction, world.sealer, email, {}, NOW, verified=False)


async def test_a_person_is_found_by_id_and_by_address(world: World) -> None:
    user_id = await world.person("Ana@Example.com", name="Ana", zoneinfo="Europe/Paris")
    person = await users.find(world.database, user_id)
    assert person is not None
    assert (person.email, person.name, person.email_verified_at) == ("Ana@Example.com", "Ana", NOW)
    assert person.claims == {"name": "Ana", "zoneinfo": "Europe/Paris"}
    assert await users.find_by_email(world.database, "ana@example.com") == person
    assert await users.listed(world.database) == [person]
    assert await users.find(world.database, "nobody") is None
    assert await users.find_by_email(world.database, "nobody@example.com") is None


@pytest.mark.parametrize(("email", "twin"), TWIN_PAIRS)
async def test_un_01_un_10_an_address_and_its_twin_are_one_account(world: World, email: str, twin: str) -> None:
    """A second account under an address that a mail server or a database takes for the first one's."""
    user_id = await create(world, email)
    assert user_id is not None
    assert await create(world, twin) is None
    for written in (email, twin, f" {twin} "):
        person = await users.find_by_email(world.database, written)
        assert person is not None
        assert (person.id, person.email) == (user_id, email)


@pytest.mark.parametrize("email", REFUSED.values(), ids=REFUSED)
def test_un_01_what_cannot_be_an_address_is_refused(email: str) -> None:
    """An address that looks like somebody's, or that means two things to two programs."""
    with pytest.raises(NotAnEmail):
        check_email(email)


async def test_un_02_nothing_is_found_by_what_no_database_holds(world: World) -> None:
    """A NUL in a path or a name makes one database refuse the question, and the answer a 500."""
    await world.person("ana@example.com")
    assert await users.find_by_email(world.database, "ana\0@example.com") is None
    assert await users.find(world.database, "\0") is None


async def test_a_refused_address_leaves_no_row(world: World) -> None:
    with pytest.raises(NotAnEmail):
        await create(world, REFUSED["zero-width space"])
    assert await world.count(User) == 0


def test_a_dotless_i_is_another_letter() -> None:
    assert canonical("\N{LATIN SMALL LETTER DOTLESS I}da@example.com") != canonical("ida@example.com")


@given(st.emails() | st.from_regex(r"\A\w{1,20}@\w{1,20}\.\w{2,6}\Z"))
def test_the_canonical_form_of_an_accepted_address_is_its_own(email: str) -> None:
    """Otherwise who types the address as we show it would not find the account."""
    try:
        check_email(email)
    except NotAnEmail:
        return
    form = canonical(email)
    assert canonical(form) == form


async def test_ra_05_of_twenty_twins_created_at_once_there_is_one(world: World) -> None:
    """Two registrations of one address race, and the second one gets an account beside the first."""
    spellings = ("ana@example.com", *TWINS["ana@example.com"])
    created = await asyncio.gather(*(create(world, spellings[number % 5]) for number in range(20)))
    assert [user_id is not None for user_id in created].count(True) == 1
    assert await world.count(User) == 1


async def test_tk_19_an_id_is_never_given_again(world: World) -> None:
    """Whoever gets a departed colleague's address gets the accounts that apps keep under the id."""
    seen = set()
    for _ in range(50):
        user_id = await create(world, "ana@example.com")
        assert user_id is not None
        seen.add(user_id)
        async with world.database.transaction() as transaction:
            assert await users.delete_user(transaction, user_id)
            assert not await users.delete_user(transaction, user_id)
    assert len(seen) == 50


async def test_a_person_is_disabled_once_and_enabled_once(world: World) -> None:
    user_id = await world.person()
    async with world.database.transaction() as transaction:
        assert await users.disable(transaction, user_id, NOW)
        assert not await users.disable(transaction, user_id, NOW + HOUR)
    person = await users.find(world.database, user_id)
    assert person is not None
    assert person.disabled_at == NOW
    async with world.database.transaction() as transaction:
        assert await users.enable(transaction, user_id)
        assert not await users.enable(transaction, user_id)
    person = await users.find(world.database, user_id)
    assert person is not None
    assert person.disabled_at is None


async def test_claims_are_replaced_and_the_time_of_it_is_kept(world: World) -> None:
    user_id = await world.person(name="Ana", nickname="A")
    async with world.database.transaction() as transaction:
        await users.update_claims(transaction, user_id, {"name": "Ána ☃"}, NOW + HOUR)
    person = await users.find(world.database, user_id)
    assert person is not None
    assert (person.claims, person.created_at, person.updated_at) == ({"name": "Ána ☃"}, NOW, NOW + HOUR)
