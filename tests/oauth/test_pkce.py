"""Proof Key for Code Exchange, over HTTP (RFC 7636)."""

import base64
import hashlib

import pytest

from idp.challenges import KEPT, TIMES, Challenges
from tests.oauth.wire import App, Code, granted, refused, register, send
from tests.provider import Browser, Provider, answer_of, authorize_url, pkce


def test_pk_01_a_code_with_a_challenge_is_worth_nothing_without_the_verifier(app: App, ana: Browser) -> None:
    """The attacker has the code and the client's secret, but not the verifier, and simply leaves it out."""
    code = app.code(ana)
    refused(app.redeem(code, code_verifier=""), 400, "invalid_grant")
    refused(app.redeem(code), 400, "invalid_grant")


@pytest.mark.parametrize("verifier", ["x" * 43, "y" * 128, "short", "z" * 129, "\u00e9" * 43, "a b" * 20, "="])
def test_pk_01_a_wrong_verifier_burns_the_code(app: App, ana: Browser, verifier: str) -> None:
    """The attacker guesses the verifier: one guess, and the code is gone."""
    code = app.code(ana)
    refused(app.redeem(code, code_verifier=verifier), 400, "invalid_grant")
    refused(app.redeem(code), 400, "invalid_grant")


def test_pk_02_a_verifier_without_a_challenge_is_a_downgrade(provider: Provider, ana: Browser) -> None:
    """The attacker strips the challenge from the request of an app that does send it, to inject the code he gets."""
    lax = register(provider, profile="oidc-certified")
    answer = answer_of(ana.sign_in(authorize_url(lax.client)))
    stripped = Code(answer["code"], pkce().verifier, lax.client["redirect_uris"][0])
    refused(lax.redeem(stripped), 400, "invalid_grant")
    refused(lax.redeem(stripped, code_verifier=""), 400, "invalid_grant")


def test_pk_02_a_confidential_client_of_the_lax_profile_may_do_without(provider: Provider, ana: Browser) -> None:
    """An honest app of the lax profile has a secret and sends neither challenge nor verifier: that is no downgrade."""
    lax = register(provider, profile="oidc-certified")
    answer = answer_of(ana.sign_in(authorize_url(lax.client)))
    granted(lax.redeem(Code(answer["code"], None, lax.client["redirect_uris"][0])))
    granted(lax.redeem(lax.code(ana)))


def test_pk_02_a_public_client_needs_pkce_in_every_profile(provider: Provider, ana: Browser) -> None:
    """Nothing else keeps whoever catches the code of a public client from using it."""
    for profile in ("oauth2.1", "oidc-certified"):
        app = register(provider, public=True, profile=profile)
        ana.sign_in(app.url())
        assert answer_of(ana.http.get(authorize_url(app.client)))["error"] == "invalid_request"


def test_pk_05_the_challenge_itself_is_no_verifier(app: App, ana: Browser) -> None:
    """The attacker saw the authorization request, and sends its challenge as if the method had been plain."""
    proof = pkce()
    answer = answer_of(ana.sign_in(authorize_url(app.client, proof.challenge)))
    code = Code(answer["code"], proof.challenge, app.client["redirect_uris"][0])
    refused(app.redeem(code), 400, "invalid_grant")


@pytest.mark.parametrize("method", ["plain", "PLAIN", "s256", "S512", "S256 ", "none"])
def test_pk_05_no_method_but_s256_exists(app: App, ana: Browser, method: str) -> None:
    """The attacker asks for a weaker method."""
    ana.sign_in(app.url())
    answer = answer_of(ana.http.get(app.url(code_challenge_method=method)))
    assert answer["error"] == "invalid_request"
    assert "code" not in answer


GOOD = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B


@pytest.mark.parametrize(
    "challenge",
    [
        GOOD[:-1],
        GOOD + "A",
        GOOD + "=",
        GOOD[:-1] + "=",
        GOOD[:-1] + "+",
        GOOD[:-1] + "/",
        GOOD[:-1] + "~",
        GOOD[:-1] + " ",
        GOOD[:-1] + "\u00e9",
        "A",
        "A" * 128,
        base64.b64encode(hashlib.sha256(b"x").digest()).decode(),
        hashlib.sha256(b"x").hexdigest(),
    ],
)
def test_pk_07_a_challenge_that_is_no_s256_is_refused_at_once(app: App, ana: Browser, challenge: str) -> None:
    """A challenge of the wrong length or alphabet could be met by another string than the app's."""
    ana.sign_in(app.url())
    answer = answer_of(ana.http.get(app.url(code_challenge=challenge)))
    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"])
def test_pk_10_discovery_offers_s256_alone(provider: Provider, path: str) -> None:
    """An app that reads plain there might use it."""
    assert send("GET", provider.issuer + path).json()["code_challenge_methods_supported"] == ["S256"]


def test_pk_11_a_verifier_that_is_nearly_right_is_as_wrong_as_any(app: App, ana: Browser) -> None:
    """The attacker improves his guess letter by letter: each one costs a code, and every answer is the same."""
    answers = []
    for position in (0, 21, 42):
        code = app.code(ana)
        assert code.verifier is not None
        letter = "A" if code.verifier[position] != "A" else "B"
        wrong = code.verifier[:position] + letter + code.verifier[position + 1 :]
        answers.append(app.redeem(code, code_verifier=wrong))
    assert {(answer.status_code, answer.content) for answer in answers} == {(400, answers[0].content)}


def test_pk_08_a_client_that_uses_one_challenge_for_all_is_named_in_the_log(provider: Provider, ana: Browser) -> None:
    """The attacker learns the one verifier that an app uses for every sign-in; its operator should hear of it first."""
    app = register(provider)
    proof = pkce()

    def told() -> list[dict[str, object]]:
        lines = [line for line in provider.log_lines() if line["event"] == "code_challenge_reused"]
        return [line for line in lines if line["client_id"] == app.client_id]

    for times in range(1, TIMES + 3):
        code = answer_of(ana.sign_in(authorize_url(app.client, proof.challenge)))["code"]
        granted(app.redeem(Code(code, proof.verifier, app.client["redirect_uris"][0])))
        assert len(told()) == (times >= TIMES)
    assert proof.challenge not in str(told())


def test_pk_08_what_is_remembered_of_challenges_is_bounded() -> None:
    """The attacker fills the memory of the server with challenges, none of which is used twice."""
    challenges = Challenges()
    assert not any(challenges.used("app", str(number)) for number in range(KEPT + 1))
    assert [challenges.used("app", "0") for _ in range(TIMES)] == [False] * (TIMES - 1) + [True], "it was forgotten"
    assert not any(challenges.used("app", str(KEPT)) for _ in range(TIMES - 2))
    assert challenges.used("app", str(KEPT)), "it was not"
    assert not challenges.used("another app", "0")
