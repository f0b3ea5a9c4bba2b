"""Languages: every sentence is in every one of them, and what a request says of them is judged."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from idp.settings import Settings, SettingsError
from idp.web import languages
from idp.web.folder import LANGUAGES, TEMPLATES
from idp.web.languages import accepted, best, language
from idp.wording import Month, Text, counted, dumped, loaded
from tests.wordings import KEYWORDS, messages

ROOT = Path(__file__).parents[2]
NOT_FOR_PEOPLE = ("dev/", "story.html", "meaning.html")  # for who develops the app, in English
NOW = datetime(2026, 11, 28, 5, 4, 3, tzinfo=UTC)
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
MARK = re.compile(r"<[^>]+>")
SHOWN_ATTRIBUTES = re.compile(r'\b(?:aria-label|alt|title|placeholder|data-[a-z]+)="[^"{]*[A-Za-z]+ [^"{]*"')
OFFERED = ("ar", "de", "en", "pt-BR", "zh-Hans")


def faults(catalogue: Catalog, wanted: set[str | tuple[str, str]]) -> Iterator[str]:
    """What is wrong with a language file."""
    found = {message.id: message for message in catalogue if message.id}
    yield from (f"lacks {each!r}" for each in wanted - set(found))
    yield from (f"left over: {each!r}" for each in set(found) - wanted)
    yield from (f"left over: {each!r}" for each in catalogue.obsolete)
    for key, message in found.items():
        strings = [
            str(each or "")
            for each in (message.string if isinstance(message.string, tuple | list) else [message.string])
        ]
        if message.fuzzy:
            yield f"fuzzy: {key!r}"
        if not all(strings) or len(strings) != (catalogue.num_plurals if isinstance(key, tuple) else 1):
            yield f"not whole: {key!r}"
        english = key if isinstance(key, str) else key[1]
        names, marks = set(PLACEHOLDER.findall(english)), sorted(MARK.findall(english))
        may_lack = {"count"} if isinstance(key, tuple) else set()
        for string in strings:
            said = set(PLACEHOLDER.findall(string))
            if not names - may_lack <= said <= names or sorted(MARK.findall(string)) != marks:
                yield f"other placeholders or marks: {string!r}"


@pytest.mark.parametrize("tag", [tag for tag in languages.existing() if tag != languages.SOURCE])
def test_a_language_has_every_sentence_and_no_other(tag: str) -> None:
    with (LANGUAGES / f"{tag}.po").open("rb") as file:
        catalogue = read_po(file, locale=tag.replace("-", "_"), abort_invalid=True)
    assert len(messages()) > 300
    assert list(faults(catalogue, set(messages()))) == []


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ('msgid "Go %(where)s"\nmsgstr "Geh %(wohin)s"', "other placeholders"),
        ('msgid "Go %(where)s"\nmsgstr "Geh"', "other placeholders"),
        ('msgid "Go %(where)s"\nmsgstr ""', "not whole"),
        ('#, fuzzy\nmsgid "Go %(where)s"\nmsgstr "Geh %(where)s"', "fuzzy"),
        ('#~ msgid "Go %(where)s"\n#~ msgstr "Geh %(where)s"', "left over"),
        ('msgid "Stay"\nmsgstr "Bleib"', "left over"),
        ("", "lacks"),
    ],
)
def test_a_fault_of_a_language_file_is_found(entry: str, fault: str) -> None:
    catalogue = read_po(BytesIO(entry.encode()), locale="de")
    assert any(each.startswith(fault) for each in faults(catalogue, {"Go %(where)s"}))


def test_every_text_in_the_code_can_be_found_by_who_translates() -> None:
    """A sentence that is put together at run time is in no language."""
    computed = [
        (path.relative_to(ROOT / "idp").as_posix(), ast.unparse(node))
        for path in sorted((ROOT / "idp").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Text", "counted")
        and not isinstance(node.args[0], ast.Constant)
    ]
    assert {file for file, _ in computed} == {"web/problems.py", "wording.py"}  # sentences that were texts before
    assert len(computed) == 4


def bare(source: str) -> list[str]:
    """Words in a template that stand outside of every translation."""
    text = re.sub(r"\{%-?\s*trans\b.*?endtrans\s*[+-]?%\}|\{#.*?#\}", "", source, flags=re.DOTALL)
    in_attributes = SHOWN_ATTRIBUTES.findall(text)
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    text = re.sub(r'[\w-]+="[^"]*"', "", re.sub(r"<[^>]*>", "", text))
    return in_attributes + re.findall(r"[^\W\d_][^<>]*", text)


def templates() -> list[str]:
    found = [
        path.relative_to(TEMPLATES).as_posix() for kind in ("html", "txt") for path in TEMPLATES.rglob(f"*.{kind}")
    ]
    return sorted(each for each in found if not each.startswith(NOT_FOR_PEOPLE))


@pytest.mark.parametrize("template", templates())
def test_no_template_has_a_word_outside_of_a_translation(template: str) -> None:
    source = (TEMPLATES / template).read_text(encoding="utf-8")
    if not source.lstrip().startswith(("<", "{")):  # the attributes of a tag that other templates write
        source = f"<p {source}>"
    assert bare(source) == []


@pytest.mark.parametrize(
    "source", ["<p>Hello</p>", '<a aria-label="Go on">x', "{{ name }} will get", "{% if a %}Yes{% endif %}"]
)
def test_a_word_outside_of_a_translation_is_found(source: str) -> None:
    assert bare(source)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["de"], "de"),
        (["DE-at"], "de"),
        (["de_AT"], "de"),
        (["fr", "ar-EG", "de"], "ar"),
        (["pt"], "pt-BR"),
        (["pt-PT"], "pt-BR"),
        (["zh-Hans-CN"], "zh-Hans"),
        (["fr", "it"], None),
        ([], None),
    ],
)
def test_the_nearest_language_that_is_offered_is_taken(wanted: list[str], found: str | None) -> None:
    assert best(wanted, OFFERED) == found


@pytest.mark.parametrize(
    "hostile",
    [
        "../",
        "../../etc/passwd",
        "de\x00",
        "de\r\nSet-Cookie: a=b",
        "d" * 10_000,
        "-",
        "de-",
        "*",
        "",
        "дe",
        "%s",
        "a-" * 5000,
    ],
)
def test_un_07_a_language_that_is_none_is_no_language(hostile: str) -> None:
    """The attacker names a file, a header or ten kilobytes where a language is expected."""
    assert best([hostile], ("ar", "en")) is None
    assert best(accepted(hostile), ("ar", "en")) is None


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("de", ["de"]),
        ("en;q=0.5, de-AT, ar;q=0.9", ["de-AT", "ar", "en"]),
        ("de;q=0, en", ["en"]),
        ("de;q=2, en", ["en"]),
        ("de;q=x", []),
        ("", []),
        (",;,", []),
        ("de," * 1000, []),
    ],
)
def test_what_a_browser_accepts_is_read_by_weight(header: str, tags: list[str]) -> None:
    assert accepted(header) == tags


def test_a_person_is_written_to_in_their_own_language_or_else_that_of_who_caused_it() -> None:
    settings = Settings(issuer="https://id.example.com", language="ar")
    assert languages.of_person(settings, {"locale": "de-AT"}, language("en")).tag == "de"
    assert languages.of_person(settings, {"locale": "../x"}, language("en")).tag == "en"
    assert languages.of_person(settings, {"locale": 7}, None).tag == "ar"
    assert languages.of_person(settings, {}, None).tag == "ar"


def test_a_language_that_there_is_not_cannot_be_offered() -> None:
    languages.check(Settings(issuer="https://id.example.com", languages=("de",), language="de"))
    with pytest.raises(SettingsError, match="there is no fr"):
        languages.check(Settings(issuer="https://id.example.com", languages=("en", "fr")))
    with pytest.raises(SettingsError, match="en is not offered"):
        languages.check(Settings(issuer="https://id.example.com", languages=("de",)))


@pytest.mark.parametrize(
    ("tag", "time", "day", "month"),
    [
        ("en", "28 November 2026, 05:04:03\u00a0UTC", "28 Nov 2026", "Nov 2026"),
        ("de", "28. November 2026, 05:04:03\u00a0UTC", "28.11.2026", "Nov. 2026"),
    ],
)
def test_times_name_their_zone_and_are_written_as_the_language_writes_them(
    tag: str, time: str, day: str, month: str
) -> None:
    shown = language(tag).words
    assert [shown(NOW), shown(NOW.date()), shown(Month(NOW.date()))] == [time, day, month]


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "دقيقة واحدة"), (2, "دقيقتان"), (3, "3 دقائق"), (11, "11 دقيقة"), (100, "100 دقيقة"), (103, "103 دقائق")],
)
def test_a_number_takes_the_form_that_its_language_has_for_it(count: int, words: str) -> None:
    assert language("ar").words(counted("%(count)s minute", "%(count)s minutes", count)) == words


def test_a_text_within_a_text_is_in_the_same_language() -> None:
    wait = Text("Since %(day)s (UTC)", {"day": Text("%(site)s can send mail.", {"site": "X"})})
    nested = Text("Error: %(title)s", {"title": Text("Too many mails")})
    assert language("de").words(nested) == "Fehler: Zu viele E-Mails"
    assert str(nested) == "Error: Too many mails"
    assert language("en").words(wait) == "Since X can send mail. (UTC)"


def test_a_text_is_kept_and_comes_back_as_it_was() -> None:
    for text in (
        Text("100 % of it"),
        Text("At %(place)s", {"place": "“home”"}),
        counted("%(count)s a", "%(count)s b", 2),
    ):
        assert loaded(dumped(text)) == text
        assert str(loaded(dumped(text))) == str(text)


def test_what_a_text_holds_is_not_read_as_a_form_of_a_sentence() -> None:
    assert str(Text("“%(name)s” is set up", {"name": "%(secret)s %s %"})) == "“%(secret)s %s %” is set up"


def test_the_name_of_a_language_is_in_that_language() -> None:
    assert [(each, language(each).name, language(each).direction) for each in ("en", "de", "ar")] == [
        ("en", "English", "ltr"),
        ("de", "Deutsch", "ltr"),
        ("ar", "العربية", "rtl"),
    ]


def test_the_extractor_sees_what_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('Text("One")\ncounted("a %(count)s", "b %(count)s", 3)\n')
    found = extract_from_dir(str(tmp_path), [("**.py", "python")], keywords=KEYWORDS)
    assert [message for _, _, message, _, _ in found] == ["One", ("a %(count)s", "b %(count)s")]
