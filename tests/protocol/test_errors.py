import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import idp
from idp.protocol import errors
from idp.protocol.errors import OAuthError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, OAuthError) and value is not OAuthError
}
# RFC 6749 sections 4.1.2.1 and 5.2: what error and error_description may hold.
TEXT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
CONSTANT = re.compile(r"_?[A-Z][A-Z_]*")
# Functions whose argument becomes the placeholder of a description, and where it stands.
NAMES_A_PARAMETER = {"require": 0, "_bounded": 1}


def modules() -> Iterator[tuple[str, Path]]:
    for module in pkgutil.walk_packages(idp.__path__, "idp."):
        path = Path(str(importlib.util.find_spec(module.name).origin))  # type: ignore[union-attr]
        yield module.name, path


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in the package, the module it stands in, and the last part of what is called."""
    for module, path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                yield module, node, name


RAISED = [
    pytest.param(module, node.args[0], id=f"{module.removeprefix('idp.')}:{node.lineno}")
    for module, node, name in calls()
    if name in CLASSES and node.args
]


def description(module: str, node: ast.expr) -> str:
    """The text that everybody sees, with `name` for a parameter's name. A constant is looked up where it is used."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(description(module, part) for part in parts)
        case ast.FormattedValue(value=ast.Name(id="name"), conversion=-1, format_spec=None):
            return "name"
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return description(module, value)
        case ast.Name(id=name) if CONSTANT.fullmatch(name):
            return str(getattr(importlib.import_module(module), name))
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if CONSTANT.fullmatch(name):
            return str(getattr(getattr(importlib.import_module(module), owner), name))
        case ast.Attribute(value=ast.Name(id="error"), attr="description"):
            return "the description of another OAuthError"
    raise AssertionError(f"a description may not hold {ast.unparse(node)}")


@pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in CLASSES.items()])
def test_every_error_has_a_code_and_a_status_of_a_refusal(kind: type[OAuthError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.error)
    assert kind.status in (400, 401, 403, 429)


def test_only_who_did_not_prove_who_they_are_gets_401() -> None:
    assert {name for name, kind in CLASSES.items() if kind.status == 401} == {"InvalidClient", "InvalidToken"}


def test_the_codes_are_those_of_the_standards() -> None:
    """RFC 6749, 6750, 7009 and 7591 and OpenID Connect Core section 3.1.2.6: an app branches on these strings."""
    assert {kind.error for kind in CLASSES.values()} == {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
        *("unsupported_response_type", "invalid_scope", "access_denied", "login_required", "consent_required"),
        *("request_not_supported", "request_uri_not_supported", "registration_not_supported", "invalid_token"),
        *("insufficient_scope", "invalid_redirect_uri", "invalid_client_metadata", "account_selection_required"),
        *("unsupported_token_type", "unmet_authentication_requirements", "temporarily_unavailable"),
    }


def test_the_reason_is_for_the_log_and_is_the_description_where_none_is_given() -> None:
    both = errors.InvalidGrant("The code is not valid.", "expired at noon")
    assert (both.description, both.reason, str(both)) == (
        "The code is not valid.",
        "expired at noon",
        "The code is not valid.",
    )
    assert errors.InvalidGrant("The code is not valid.").reason == "The code is not valid."


def test_the_tests_below_see_what_is_raised() -> None:
    assert len(RAISED) > 50


@pytest.mark.parametrize(("module", "argument"), RAISED)
def test_a_description_is_fixed_text_that_never_repeats_what_was_sent(module: str, argument: ast.expr) -> None:
    """A description reaches apps, pages, headers and logs: what an attacker wrote must not travel in it."""
    text = description(module, argument)
    assert TEXT.fullmatch(text)
    assert len(text) <= 200


@pytest.mark.parametrize("expression", ["value", "f'{value}'", "f'{name!r}'", "'a' + value", "params.get('x')"])
def test_a_description_with_anything_else_would_be_found(expression: str) -> None:
    with pytest.raises(AssertionError):
        description("idp.protocol.params", ast.parse(expression, mode="eval").body)


def test_the_parameter_that_a_description_names_is_named_in_the_code() -> None:
    """`require(name)` puts the name into the description: it has to be ours, never the request's."""
    named = [
        (module, node.args[NAMES_A_PARAMETER[name]])
        for module, node, name in calls()
        if name in NAMES_A_PARAMETER and len(node.args) > NAMES_A_PARAMETER[name]
    ]
    assert len(named) > 5
    for module, argument in named:
        assert isinstance(argument, ast.Constant), f"{module}: {ast.unparse(argument)}"


def test_no_error_is_raised_without_a_description() -> None:
    for module, node, name in calls():
        if name in CLASSES:
            assert node.args, f"{module}:{node.lineno} {name}"
