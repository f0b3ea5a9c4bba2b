import ast
import inspect
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol import client_auth, pkce
from idp.protocol.errors import InvalidGrant, InvalidRequest
from idp.protocol.grants import refresh_token
from tests.protocol.samples import CHALLENGE, VERIFIER

NOT_BASE64URL = ("=", "+", "/", " ", "\n", ".", "~", "é", "\x00")


def test_the_challenge_of_a_verifier_is_that_of_rfc_7636_appendix_b() -> None:
    assert pkce.s256(VERIFIER) == CHALLENGE


def test_the_verifier_of_the_challenge_is_accepted() -> None:
    pkce.check_verifier(CHALLENGE, VERIFIER)


@pytest.mark.parametrize("required", [True, False])
def test_a_challenge_by_s256_is_taken(required: bool) -> None:
    assert pkce.check_challenge(CHALLENGE, "S256", required=required) == CHALLENGE


def test_a_request_without_a_challenge_is_refused_where_pkce_is_required() -> None:
    with pytest.raises(InvalidRequest):
        pkce.check_challenge(None, None, required=True)


def test_a_request_without_a_challenge_is_taken_where_pkce_is_not_required() -> None:
    assert pkce.check_challenge(None, None, required=False) is None


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("method", ["S256", "plain", ""])
def test_a_method_without_a_challenge_is_refused(method: str, required: bool) -> None:
    """A proxy that strips the challenge alone must not turn PKCE off."""
    with pytest.raises(InvalidRequest):
        pkce.check_challenge(None, method, required=required)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("method", [None, "plain", "PLAIN", "s256", "S256 ", "S512", ""])
def test_any_method_but_s256_is_refused_and_so_is_the_default_of_rfc_7636(method: str | None, required: bool) -> None:
    """Without a method RFC 7636 means plain, in which the challenge is the verifier and hides nothing."""
    with pytest.raises(InvalidRequest):
        pkce.check_challenge(CHALLENGE, method, required=required)


@pytest.mark.parametrize("length", [0, 1, 42, 44, 86, 128])
def test_pk_07_a_challenge_of_the_wrong_length_is_refused(length: int) -> None:
    """The attacker sends a challenge that is shorter or longer than a SHA-256 in base64url."""
    with pytest.raises(InvalidRequest):
        pkce.check_challenge("a" * length, "S256", required=True)


@pytest.mark.parametrize("character", NOT_BASE64URL)
@pytest.mark.parametrize("position", [0, 20, 42])
def test_pk_07_a_challenge_that_is_not_base64url_is_refused(position: int, character: str) -> None:
    """The attacker puts padding, another alphabet, a line break or a NUL into the challenge."""
    with pytest.raises(InvalidRequest):
        pkce.check_challenge(CHALLENGE[:position] + character + CHALLENGE[position + 1 :], "S256", required=False)


@pytest.mark.parametrize("suffix", ["=", "\n", " "])
def test_pk_07_a_challenge_with_something_after_it_is_refused(suffix: str) -> None:
    """The attacker appends something to a right challenge, for a check of its beginning to pass."""
    with pytest.raises(InvalidRequest):
        pkce.check_challenge(CHALLENGE + suffix, "S256", required=True)


def test_pk_01_a_code_with_a_challenge_needs_a_verifier() -> None:
    """Who stole the code redeems it without the verifier that only the app has."""
    with pytest.raises(InvalidGrant) as refused:
        pkce.check_verifier(CHALLENGE, None)
    assert refused.value.reason == "code_verifier missing"


def test_pk_02_a_verifier_without_a_challenge_is_a_downgrade() -> None:
    """The attacker took the challenge out of the request of an app that believes itself protected."""
    with pytest.raises(InvalidGrant):
        pkce.check_verifier(None, VERIFIER)


def test_a_code_without_a_challenge_needs_no_verifier() -> None:
    pkce.check_verifier(None, None)


def test_pk_05_the_challenge_is_not_its_own_verifier() -> None:
    """A server that compares as plain lets whoever saw the authorization request redeem the code."""
    with pytest.raises(InvalidGrant):
        pkce.check_verifier(CHALLENGE, CHALLENGE)


@pytest.mark.parametrize(
    "verifier",
    [VERIFIER[:-1], VERIFIER + "a", VERIFIER.swapcase(), VERIFIER + "=", VERIFIER + "\n", " " + VERIFIER, ""],
)
def test_another_verifier_is_refused(verifier: str) -> None:
    with pytest.raises(InvalidGrant):
        pkce.check_verifier(CHALLENGE, verifier)


@pytest.mark.parametrize("verifier", ["a" * 42, "a" * 129, "a" * 42 + "+", "a" * 42 + "é", "a" * 43 + "\n"])
def test_a_verifier_that_rfc_7636_does_not_allow_is_refused_even_if_its_hash_were_right(verifier: str) -> None:
    challenge = pkce.s256(verifier) if verifier.isascii() else CHALLENGE
    with pytest.raises(InvalidGrant):
        pkce.check_verifier(challenge, verifier)


@pytest.mark.parametrize("verifier", ["a" * 43, "a" * 128, "-._~" * 11])
def test_every_verifier_that_rfc_7636_allows_is_accepted(verifier: str) -> None:
    pkce.check_verifier(pkce.s256(verifier), verifier)


@given(st.text("abcAZ019-._~", min_size=43, max_size=128), st.text("abcAZ019-._~", min_size=43, max_size=128))
def test_a_verifier_is_accepted_for_its_own_challenge_alone(ours: str, theirs: str) -> None:
    challenge = pkce.check_challenge(pkce.s256(ours), "S256", required=True)
    pkce.check_verifier(challenge, ours)
    if ours != theirs:
        with pytest.raises(InvalidGrant):
            pkce.check_verifier(challenge, theirs)


@given(st.text())
def test_a_verifier_raises_nothing_but_invalid_grant(verifier: str) -> None:
    with pytest.raises(InvalidGrant):
        pkce.check_verifier(CHALLENGE, verifier)


def test_every_refused_verifier_gets_the_same_answer() -> None:
    """The description must not tell an attacker which check stopped him."""
    answers = set()
    for challenge, verifier in [(CHALLENGE, None), (None, VERIFIER), (CHALLENGE, CHALLENGE), (CHALLENGE, "short")]:
        with pytest.raises(InvalidGrant) as refused:
            pkce.check_verifier(challenge, verifier)
        answers.add(refused.value.description)
    assert len(answers) == 1


# All that these modules may compare with == or in: what a request says in clear, and what can be counted.
IN_CLEAR = {"client_id", "method", "token_endpoint_auth_method", "scheme", "generation"}


def names_in(node: ast.AST) -> set[str]:
    """What an expression is about: `hash_secret(each.secret).lower()` is about hash_secret and secret."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return names_in(node.func.value).union(*map(names_in, node.args))
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return set[str]().union(*map(names_in, ast.iter_child_nodes(node)))


@pytest.mark.parametrize(
    ("module", "secrets"),
    [
        (pkce, {"check_verifier": {"s256", "verifier", "challenge"}}),
        (client_auth, {"_any_matches": {"hashed", "each"}}),
        (refresh_token, {"is_genuine": {"_mac", "family", "generation", "seed", "mac"}}),
    ],
    ids=["verifier", "client secret", "refresh token"],
)
def test_pk_11_the_comparison_is_the_constant_time_one(module: ModuleType, secrets: dict[str, set[str]]) -> None:
    """The attacker measures how long a refusal takes, to learn how much of his guess is right."""
    tree = ast.parse(inspect.getsource(module))
    early = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
    exits_early = [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.Compare) and any(isinstance(operator, early) for operator in each.ops)
    ]
    assert exits_early
    assert set[str]().union(*map(names_in, exits_early)) <= IN_CLEAR
    in_constant_time = {
        function.name: set[str]().union(*map(names_in, call.args))
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "hmac.compare_digest"
    }
    assert in_constant_time == secrets
    # All of several are compared: `any` of a generator would stop at the first that matches.
    assert not [each for each in ast.walk(tree) if isinstance(each, ast.GeneratorExp)]
