from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idp.protocol.errors import InvalidRequest
from idp.protocol.params import parse

# RFC 6749 appendix B: the characters of its example, form-encoded.
APPENDIX_B = "+%25%26%2B%C2%A3%E2%82%AC"


def test_parameters_are_decoded_as_in_appendix_b_of_rfc_6749() -> None:
    assert parse(f"a={APPENDIX_B}").get("a") == " %&+£€"


@pytest.mark.parametrize("encoded", ["state=x&scope=a+b", b"state=x&scope=a+b"], ids=["text", "bytes"])
def test_text_and_bytes_mean_the_same(encoded: str | bytes) -> None:
    assert parse(encoded).values == {"state": "x", "scope": "a b"}


@pytest.mark.parametrize("encoded", ["", "state=", "state", "state=&", "&&", "=x&state="])
def test_an_empty_value_is_an_absent_one(encoded: str) -> None:
    """RFC 6749 section 3.1."""
    assert parse(encoded).get("state") is None


@pytest.mark.parametrize("encoded", ["", "code=", "other=1"])
def test_a_missing_parameter_that_is_needed_is_refused_by_name(encoded: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(encoded).require("code")
    assert refused.value.description == "The parameter code is missing."


def test_a_parameter_that_is_needed_and_there_is_given() -> None:
    assert parse("code=abc").require("code") == "abc"


@pytest.mark.parametrize(
    "encoded",
    [
        *("state=a&state=a", "state=a&state=b", "state=a&state=", "state=&state=a", "state&state", "state=a&sta%74e=b"),
        *("unknown=1&unknown=2", "=1&=2"),
    ],
)
def test_az_01_a_parameter_sent_twice_is_refused_with_the_same_value_or_another(encoded: str) -> None:
    """Two readers of one request pick different values: one checks the first, the other uses the last."""
    with pytest.raises(InvalidRequest) as refused:
        parse(encoded).refuse_repeated()
    assert refused.value.description == "A parameter was sent more than once."


def test_az_01_until_it_is_refused_the_first_value_stands() -> None:
    """The attacker sends a parameter twice, for the second value to replace the first that was looked at."""
    twice = parse("state=a&state=b&scope=c")
    assert (twice.get("state"), set(twice.repeated)) == ("a", {"state"})


def test_parameters_that_come_once_are_not_repeated() -> None:
    parse("state=a&State=a&nonce=a").refuse_repeated()


@pytest.mark.parametrize("character", ["%00", "%01", "%08", "%0B", "%0C", "%0E", "%1B", "%1F", "%7F", "\x00", "\x1b"])
@pytest.mark.parametrize("template", ["state=a{}b", "state={}", "sta{}te=a"])
def test_un_02_a_control_character_is_refused_in_names_and_values(template: str, character: str) -> None:
    """NUL ends a string for one reader and not for the next; PostgreSQL fails on it."""
    with pytest.raises(InvalidRequest):
        parse(template.format(character))


@pytest.mark.parametrize(
    "value",
    ["%FF", "%C3%28", "%C0%AF", "%ED%A0%80", "%F8%88%80%80%80", "%E2%82"],
    ids=["no such byte", "no continuation", "overlong slash", "lone surrogate", "five bytes", "cut short"],
)
def test_un_02_what_is_not_utf_8_is_refused_and_never_replaced(value: str) -> None:
    """The attacker sends bytes that are no UTF-8, which one decoder drops and another replaces."""
    with pytest.raises(InvalidRequest) as refused:
        parse(f"state={value}")
    assert refused.value.description == "The parameters are not valid UTF-8."


def test_un_02_raw_bytes_beyond_ascii_are_refused() -> None:
    """The attacker sends bytes beyond ASCII unencoded, which two programs read as different letters."""
    with pytest.raises(InvalidRequest):
        parse("state=é".encode())


@pytest.mark.parametrize(
    ("encoded", "value"),
    [("state=a%2520b", "a%20b"), ("state=a%2Bb", "a+b"), ("state=a+b", "a b"), ("state=a;b=c", "a;b=c")],
)
def test_un_04_a_value_is_decoded_once_and_only_the_ampersand_separates(encoded: str, value: str) -> None:
    """The attacker encodes a value twice, or separates by a semicolon, for two readers to see different values."""
    assert parse(encoded).values == {"state": value}


def test_as_many_fields_as_may_be_are_read() -> None:
    assert len(parse("&".join(f"p{number}=1" for number in range(100))).values) == 100


@pytest.mark.parametrize("field", ["p{}=1", "p=1", "p{}", "="])
def test_one_field_more_is_refused_whatever_it_holds(field: str) -> None:
    """Thousands of fields cost the server more than the sender."""
    with pytest.raises(InvalidRequest) as refused:
        parse("&".join(field.format(number) for number in range(101)))
    assert refused.value.description == "There are too many parameters."


def test_what_was_parsed_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        parse("state=a").values["state"] = "b"  # type: ignore[index]


@given(st.one_of(st.binary(), st.text(), st.text(alphabet="ab=&%+;0cC3\x00é")))
@example(b"%")
@example("&" * 1000)
@example("\ud800=\udfff")
def test_parsing_raises_nothing_but_invalid_request(encoded: str | bytes) -> None:
    try:
        found = parse(encoded)
    except InvalidRequest:
        return
    assert all(found.values.values())
    assert len(found.values) <= 100


@given(st.dictionaries(st.text("abcä£€", min_size=1), st.text("abc +&=;%ä€\t\n", min_size=1), max_size=100))
def test_what_a_browser_encodes_is_read_as_it_was(values: dict[str, str]) -> None:
    found = parse(urlencode(values))
    assert (dict(found.values), found.repeated) == (values, frozenset())
