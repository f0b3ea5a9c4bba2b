"""docs/asvs.md has every row of its chapters once, and for each a test that exists or the reason why there is none."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "asvs.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| V.*", DOCUMENT, re.MULTILINE)
]
# How many rows each section of ASVS 5.0.0 has.
SECTIONS = {
    "V3": (1, 3, 5, 8, 8, 1, 5),
    "V6": (3, 12, 8, 6, 8, 4, 2, 4),
    "V7": (3, 4, 2, 5, 3, 2),
    "V9": (3, 4),
    "V10": (2, 3, 5, 16, 5, 2, 3),
}
EXCUSE = re.compile(r"\*\*(Not yet|Not met on purpose|Does not apply)\*\*.{12,}")


def defined(file: str) -> set[str]:
    path = TESTS / file
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_of_its_chapters_is_there_once_and_in_order() -> None:
    numbers = [
        f"{chapter}.{section}.{row}"
        for chapter, sizes in SECTIONS.items()
        for section, size in enumerate(sizes, 1)
        for row in range(1, size + 1)
    ]
    assert [row[0] for row in ROWS] == numbers
    assert {len(row) for row in ROWS} == {4}


def test_every_row_names_tests_that_exist_or_says_why_there_are_none() -> None:
    for number, _, how, tests in ROWS:
        named = re.findall(r"`(\S+)::(test_\w+)`", tests)
        assert len(named) == len(tests.split()), number
        assert not [name for file, name in named if name not in defined(file)], number
        assert named or EXCUSE.match(how), number
