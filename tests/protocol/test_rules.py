"""Every refusal there is breaks a rule that says what to change."""

import ast
import re
from pathlib import Path

import pytest

from idp.protocol import errors, rules
from idp.protocol.errors import OAuthError
from idp.protocol.rules import RULES
from idp.web import problems

PACKAGE = Path(errors.__file__).parents[1]
# Told to who registers a client, who sees the reason at once.
AT_REGISTRATION = {"InvalidRedirectUri", "InvalidClientMetadata"}
CLASSES = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, OAuthError)}


def text_of(node: ast.expr, names: dict[str, str]) -> str:
    """What the expression says, with a word where something is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(each, names) for each in node.values)
    if isinstance(node, ast.FormattedValue):
        return text_of(node.value, names) if isinstance(node.value, ast.Name | ast.Attribute) else "word"
    found = names.get(ast.unparse(node).rpartition(".")[2])
    return "word" if found is None else found


def refusals() -> list[tuple[str, str, str]]:
    """Where each one stands, its description, and its reason."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {"FAILED": "Client authentication failed.", "WRONG_SECRET": "wrong client secret"}
        names["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
        names["NOT_VALID"] = f"The {'authorization code' if 'code' in path.stem else 'refresh token'} is not valid."
        names |= {
            target.id: text_of(node.value, {})
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant | ast.JoinedStr)
        }
        for node in ast.walk(tree):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name in CLASSES - AT_REGISTRATION and node.args:
                said = [text_of(argument, names) for argument in node.args]
                if said != ["The refresh token is not valid.", "word"]:  # its cause is that of a decision: see below
                    found.append((f"{path.name}:{node.lineno}", said[0], (said + said)[1]))
    return found


@pytest.mark.parametrize(("where", "description", "reason"), refusals())
def test_every_refusal_has_a_rule(where: str, description: str, reason: str) -> None:
    assert rules.find(description, reason) is not None, (description, reason)


@pytest.mark.parametrize(
    "reason", ["refresh token used by another client", "refresh token reused: generation 1, current 3"]
)
def test_what_ends_a_family_has_a_rule(reason: str) -> None:
    assert rules.find("The refresh token is not valid.", reason) is not None


def rejections() -> list[tuple[str, str, str]]:
    """What the guard refuses: where it stands, the title of its page, and its reason."""
    return [
        (f"{path.name}:{node.lineno}", getattr(problems, ast.unparse(node.args[0]).rpartition(".")[2]).title, reason)
        for path in sorted((PACKAGE / "web").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Rejected"
        for reason in [_literal(node.args[1], path)]
    ]


def _literal(node: ast.expr, path: Path) -> str:
    """The reason, also where a line above gives it a name."""
    if isinstance(node, ast.Name):
        assigned = re.search(rf'^ +{node.id} = f?"(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
        assert assigned is not None, node.id
        return assigned[1]
    return text_of(node, {})


def test_all_that_the_guard_refuses_is_looked_at() -> None:
    """What is refused somewhere else in another way would have no rule, and no test that asks for one."""
    assert len(rejections()) >= 10
    assert {title for _, title, _ in rejections()} > {problems.MISDIRECTED.title, problems.TOO_SLOW.title}


@pytest.mark.parametrize(("where", "title", "reason"), rejections())
def test_everything_that_the_guard_refuses_has_a_rule(where: str, title: str, reason: str) -> None:
    assert rules.find(title, reason) is not None, (title, reason)


def test_every_page_that_refuses_has_a_rule() -> None:
    pages = (problems.FORGED, problems.NO_COOKIES, problems.GONE, problems.UNKNOWN_CLIENT, problems.WRONG_REDIRECT)
    for page in (*pages, problems.TOO_SLOW):
        assert rules.find(str(page.title), str(page.title)) is not None


def test_a_rule_says_what_where_and_how() -> None:
    for rule in RULES:
        for sentence in (rule.demand, rule.cure):
            assert re.fullmatch(r"\S.{3,}[.]", sentence), sentence
        assert re.search(r"(section|appendix) ", rule.section), rule.section


def test_what_breaks_no_rule_of_ours_has_none() -> None:
    assert rules.find("The moon is full.", "astronomy") is None
