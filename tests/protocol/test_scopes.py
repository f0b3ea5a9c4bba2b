import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol import scopes
from idp.protocol.errors import InvalidScope
from idp.protocol.scopes import MAX_SCOPES, for_client, granted, narrowed

SCOPE_CHARACTERS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\')
SCOPE = st.text(SCOPE_CHARACTERS, min_size=1, max_size=12)
SCOPES = st.lists(SCOPE, max_size=8, unique=True).map(tuple)
ALLOWED = ("openid", "profile", "email", "offline_access", "reports.read")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", ()),
        (" ", ()),
        ("openid", ("openid",)),
        ("openid email", ("openid", "email")),
        ("email openid", ("email", "openid")),
        (" openid  email ", ("openid", "email")),
        ("openid openid", ("openid",)),
        ("a b a c b", ("a", "b", "c")),
        ("OpenID openid", ("OpenID", "openid")),
        ("https://api.example.com/read", ("https://api.example.com/read",)),
        (SCOPE_CHARACTERS, (SCOPE_CHARACTERS,)),
    ],
)
def test_az_18_scopes_are_parsed_in_their_order_each_once(text: str, parsed: tuple[str, ...]) -> None:
    """The attacker repeats scopes, pads them with spaces or changes their case, for two checks to count differently."""
    assert scopes.parse(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        *("openid\temail", "openid\nemail", "openid\r", "openid\x00", "openid\xa0email", "öffnen", "open\u200bid"),
        *('"openid"', "open\\id", "\x7f", "a" * 129, " ".join(f"s{number}" for number in range(MAX_SCOPES + 1))),
    ],
)
def test_az_18_what_is_not_a_scope_token_is_refused(text: str) -> None:
    """RFC 6749 section 3.3: a lenient parser lets a scope be smuggled past one that is strict."""
    with pytest.raises(InvalidScope) as refused:
        scopes.parse(text)
    assert refused.value.description == "The parameter scope is malformed."


@given(st.text())
def test_parsing_raises_nothing_but_invalid_scope(text: str) -> None:
    try:
        parsed = scopes.parse(text)
    except InvalidScope:
        return
    assert len(parsed) == len(set(parsed)) <= MAX_SCOPES
    assert set("".join(parsed)) <= set(SCOPE_CHARACTERS)
    assert set(parsed) == set(text.split(" ")) - {""}


@given(SCOPES)
def test_scopes_that_are_joined_parse_to_themselves(names: tuple[str, ...]) -> None:
    assert scopes.parse(" ".join(names)) == names


@pytest.mark.parametrize(
    ("requested", "got"),
    [
        (None, ("openid", "profile", "email", "reports.read")),
        ("openid", ("openid",)),
        ("email openid", ("email", "openid")),
        ("openid offline_access", ("openid", "offline_access")),
        ("openid unknown", ("openid",)),
        ("openid phone", ("openid",)),
        ("OPENID email", ("email",)),
    ],
)
def test_a_request_gets_what_it_asks_for_and_the_client_may_have(requested: str | None, got: tuple[str, ...]) -> None:
    assert granted(requested, ALLOWED) == got


@pytest.mark.parametrize(
    ("requested", "allowed"),
    [("phone", ALLOWED), ("OPENID", ALLOWED), (" ", ALLOWED), (None, ()), (None, ("offline_access",)), ("openid", ())],
)
def test_a_request_that_gets_nothing_is_refused(requested: str | None, allowed: tuple[str, ...]) -> None:
    with pytest.raises(InvalidScope):
        granted(requested, allowed)


@given(st.one_of(st.none(), SCOPES.map(" ".join)), SCOPES)
def test_az_20_nobody_is_granted_a_scope_that_the_client_may_not_have(
    requested: str | None, allowed: tuple[str, ...]
) -> None:
    """An ID token follows from the scope openid: what is decided from the raw request gives it to any client."""
    try:
        got = granted(requested, allowed)
    except InvalidScope:
        return
    assert got
    assert set(got) <= set(allowed)
    assert requested is None or set(got) <= set(requested.split(" "))


@given(SCOPES)
def test_az_19_offline_access_has_to_be_asked_for(allowed: tuple[str, ...]) -> None:
    """An app that asks for no scope hopes to get offline_access with all the others."""
    assert "offline_access" not in granted(None, ("openid", "offline_access", *allowed))


@pytest.mark.parametrize(
    ("requested", "got"),
    [(None, ("openid", "email")), ("openid", ("openid",)), ("email openid", ("email", "openid"))],
)
def test_a_refresh_gets_what_was_granted_or_less(requested: str | None, got: tuple[str, ...]) -> None:
    assert narrowed(requested, ("openid", "email")) == got


@pytest.mark.parametrize("requested", ["openid email profile", "profile", "openid OPENID", " ", "openid\temail"])
def test_a_refresh_never_gets_more_than_was_granted(requested: str) -> None:
    """RFC 6749 section 6."""
    with pytest.raises(InvalidScope):
        narrowed(requested, ("openid", "email"))


@pytest.mark.parametrize(
    ("requested", "allowed", "got"),
    [
        (None, ("reports.read", "reports.write"), ("reports.read", "reports.write")),
        (None, ("openid", "email", "offline_access", "reports.read"), ("reports.read",)),
        (None, (), ()),
        (None, ("openid",), ()),
        ("reports.read", ("reports.read", "reports.write"), ("reports.read",)),
        ("openid reports.read", ("openid", "reports.read"), ("reports.read",)),
        ("openid profile email address phone offline_access", ALLOWED, ()),
    ],
)
def test_a_client_that_acts_for_itself_gets_nothing_that_belongs_to_a_person(
    requested: str | None, allowed: tuple[str, ...], got: tuple[str, ...]
) -> None:
    assert for_client(requested, allowed) == got


@pytest.mark.parametrize("requested", ["reports.write", "reports.read reports.write", "reports.read\n"])
def test_a_client_that_acts_for_itself_gets_nothing_it_may_not_have(requested: str) -> None:
    with pytest.raises(InvalidScope):
        for_client(requested, ("openid", "reports.read"))


@pytest.mark.parametrize("scope", [*scopes.STANDARD, "reports.read"])
def test_every_scope_has_words_for_the_consent_page(scope: str) -> None:
    words = scopes.describe(scope, {})
    assert words.title
    assert str(words.line).endswith(".")


def test_a_scope_of_an_app_is_shown_by_its_own_name() -> None:
    assert scopes.describe("reports.read", {"other": "Other"}).title == "reports.read"


def test_a_scope_of_an_app_is_shown_in_the_operators_words_and_a_standard_one_never() -> None:
    own = {"reports.read": "Read your reports", "openid": "Nothing of importance"}
    assert scopes.describe("reports.read", own).title == "Read your reports"
    assert scopes.describe("openid", own) == scopes.STANDARD["openid"]


def test_scopes_are_listed_with_the_standard_ones_first() -> None:
    assert scopes.ordered(("z", "email", "a", "openid")) == ["openid", "email", "a", "z"]
