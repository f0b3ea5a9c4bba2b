"""npm's openid-client, as a relying party: it checks every answer by its own reading of the specifications."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.provider import CALLBACK, EMAIL, Browser, Provider, answer_of, forms
from tests.servers import INTEROP

SCOPE = "openid profile email offline_access"
BYE = "https://app.example.com/bye"
METHODS = ["client_secret_basic", "client_secret_post", "none"]


class Refused(Exception):
    """What the library would not accept, as it explains it."""

    def __init__(self, explained: dict[str, Any]) -> None:
        super().__init__(json.dumps(explained))
        self.explained = explained


@dataclass
class RelyingParty:
    """The script as a process; a command is a call."""

    process: subprocess.Popen[str]

    def __call__(self, command: str, **given: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self.process.stdin.flush()
        line = json.loads(self.process.stdout.readline())
        if "refused" in line:
            raise Refused(line["refused"])
        answer: dict[str, Any] = line["answer"]
        return answer

    def begin(self, scope: str = SCOPE, **parameters: str) -> str:
        """The URL that the browser is sent to."""
        url: str = self("begin", redirect_uri=CALLBACK, scope=scope, parameters=parameters)["url"]
        return url


@pytest.fixture
def relying_party(node: str) -> Iterator[RelyingParty]:
    # Standard error stays the test's, where a failure shows it.
    command = [node, "--unhandled-rejections=strict", str(Path("relying_party.mjs"))]
    with subprocess.Popen(
        command, cwd=INTEROP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield RelyingParty(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module", params=METHODS)
def client(request: pytest.FixtureRequest, provider: Provider) -> dict[str, Any]:
    method: str = request.param
    arguments = ["--public"] if method == "none" else ["--auth-method", method]
    return provider.create_client(*arguments, name=f"App that authenticates by {method}")


@pytest.fixture(scope="module")
def app(provider: Provider) -> dict[str, Any]:
    return provider.create_client()


@pytest.fixture
def browser(provider: Provider) -> Browser:
    return Browser(provider.issuer)


def test_it_discovers_a_provider_with_pkce_and_an_issuer_in_every_answer(
    provider: Provider, app: dict[str, Any], relying_party: RelyingParty
) -> None:
    found = relying_party("discover", issuer=provider.issuer, client=app)
    assert found["issuer"] == provider.issuer
    assert found["supportsPKCE"] is True
    assert found["authorization_response_iss_parameter_supported"] is True


def test_a_person_signs_in_and_the_tokens_are_refreshed(
    provider: Provider, client: dict[str, Any], relying_party: RelyingParty, browser: Browser
) -> None:
    relying_party("discover", issuer=provider.issuer, client=client)
    sent_to = browser.sign_in(relying_party.begin(max_age="3600")).headers["location"]
    first = relying_party("finish", url=sent_to)
    assert first["claims"]["iss"] == provider.issuer
    assert first["claims"]["aud"] == client["client_id"]
    assert set(first["scope"].split()) == set(SCOPE.split())
    person = relying_party("userinfo", subject=first["claims"]["sub"])
    assert person["email"] == EMAIL
    second = relying_party("refresh")
    assert second["claims"]["sub"] == first["claims"]["sub"]
    assert second["claims"]["auth_time"] == first["claims"]["auth_time"]
    assert second["refresh_token"] != first["refresh_token"]
    assert relying_party("userinfo", subject=first["claims"]["sub"]) == person


def test_the_answer_may_come_as_a_posted_form(
    provider: Provider, app: dict[str, Any], relying_party: RelyingParty, browser: Browser
) -> None:
    relying_party("discover", issuer=provider.issuer, client=app)
    page = browser.sign_in(relying_party.begin(response_mode="form_post"))
    assert page.status_code == 200
    [form] = [form for form in forms(page.text) if form.action == CALLBACK]
    assert relying_party("finish", form=form.fields)["claims"]["iss"] == provider.issuer


def test_without_a_prompt_a_session_gives_tokens_and_no_session_login_required(
    provider: Provider, app: dict[str, Any], relying_party: RelyingParty, browser: Browser
) -> None:
    relying_party("discover", issuer=provider.issuer, client=app)
    stranger = browser.open(relying_party.begin(prompt="none")).headers["location"]
    with pytest.raises(Refused) as refused:
        relying_party("finish", url=stranger)
    assert refused.value.explained["name"] == "AuthorizationResponseError"
    assert refused.value.explained["error"] == "login_required"
    browser.sign_in(relying_party.begin())
    known = browser.open(relying_party.begin(prompt="none")).headers["location"]
    assert relying_party("finish", url=known)["claims"]["iss"] == provider.issuer


def test_a_person_who_denies_is_an_access_denied_with_state_and_issuer(
    provider: Provider, relying_party: RelyingParty, browser: Browser
) -> None:
    new = provider.create_client(name="App that nobody allows")
    relying_party("discover", issuer=provider.issuer, client=new)
    browser.open(relying_party.begin())
    browser.submit(action="/identify", username=EMAIL)
    browser.submit(action="/password", password="correct horse battery staple")
    denied = browser.submit(action="/consent", button="deny").headers["location"]
    with pytest.raises(Refused) as refused:
        relying_party("finish", url=denied)
    assert refused.value.explained["name"] == "AuthorizationResponseError"
    assert refused.value.explained["error"] == "access_denied"


def test_a_code_works_once(
    provider: Provider, app: dict[str, Any], relying_party: RelyingParty, browser: Browser
) -> None:
    relying_party("discover", issuer=provider.issuer, client=app)
    sent_to = browser.sign_in(relying_party.begin()).headers["location"]
    relying_party("finish", url=sent_to)
    with pytest.raises(Refused) as refused:
        relying_party("finish", url=sent_to)
    assert refused.value.explained["error"] == "invalid_grant"
    with pytest.raises(Refused) as refused:
        relying_party("refresh")
    assert refused.value.explained["error"] == "invalid_grant"


def test_an_answer_of_another_issuer_is_noticed(
    provider: Provider, app: dict[str, Any], relying_party: RelyingParty, browser: Browser
) -> None:
    """Attack: a mix-up, in which the answer of one provider is taken for that of another (RFC 9207)."""
    relying_party("discover", issuer=provider.issuer, client=app)
    sent_to = browser.sign_in(relying_party.begin())
    assert answer_of(sent_to)["iss"] == provider.issuer
    parts = urlsplit(sent_to.headers["location"])
    kept = "&".join(pair for pair in parts.query.split("&") if not pair.startswith("iss="))
    for query in (kept, kept + "&iss=https://other.example.com"):
        with pytest.raises(Refused) as refused:
            relying_party("finish", url=urlunsplit(parts._replace(query=query)))
        assert refused.value.explained["code"] == "OAUTH_INVALID_RESPONSE"
        assert "iss" in json.dumps(refused.value.explained)


def test_a_wrong_secret_is_an_invalid_client(
    provider: Provider, app: dict[str, Any], relying_party: RelyingParty, browser: Browser
) -> None:
    relying_party("discover", issuer=provider.issuer, client=app | {"client_secret": "wrong"})
    sent_to = browser.sign_in(relying_party.begin()).headers["location"]
    with pytest.raises(Refused) as refused:
        relying_party("finish", url=sent_to)
    assert refused.value.explained["name"] == "WWWAuthenticateChallengeError"
    assert refused.value.explained["status"] == 401


def test_a_person_signs_out_through_the_app_and_comes_back(
    provider: Provider, relying_party: RelyingParty, browser: Browser
) -> None:
    leaving = provider.create_client("--post-logout-redirect-uri", BYE, name="App with a way out")
    found = relying_party("discover", issuer=provider.issuer, client=leaving)
    assert found["end_session_endpoint"] == f"{provider.issuer}/logout"
    tokens = relying_party("finish", url=browser.sign_in(relying_party.begin()).headers["location"])
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "a b&c"}
    url = relying_party("end_session", parameters=parameters)["url"]
    assert browser.open(url).headers["location"] == f"{BYE}?state=a+b%26c"
    assert answer_of(browser.open(relying_party.begin(prompt="none")))["error"] == "login_required"
    url = relying_party("end_session", parameters={"post_logout_redirect_uri": BYE})["url"]  # it adds the client_id
    browser.sign_in(relying_party.begin())
    assert "Sign out?" in browser.open(url).text
    assert browser.submit().headers["location"] == BYE


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_service_gets_a_token_for_itself(provider: Provider, relying_party: RelyingParty, method: str) -> None:
    arguments = ["--grant-type", "client_credentials", "--scope", "reports.read reports.write"]
    service = provider.create_client(*arguments, "--auth-method", method, redirect_uri=None)
    relying_party("discover", issuer=provider.issuer, client=service)
    tokens = relying_party("client_credentials", scope="reports.read")
    assert tokens["scope"] == "reports.read"
    assert "refresh_token" not in tokens
    assert "id_token" not in tokens


def test_tokens_are_introspected_and_revoked(
    provider: Provider, relying_party: RelyingParty, app: dict[str, Any], browser: Browser
) -> None:
    relying_party("discover", issuer=provider.issuer, client=app)
    location = browser.sign_in(relying_party.begin()).headers["location"]
    subject = relying_party("finish", url=location)["claims"]["sub"]
    for kind in ("access_token", "refresh_token"):
        told = relying_party("introspect", token=kind)
        assert (told["active"], told["sub"], told["client_id"]) == (True, subject, app["client_id"])
    relying_party("revoke", token="access_token")
    assert relying_party("introspect", token="access_token") == {"active": False}
    relying_party("refresh", scope=None)
    relying_party("revoke", token="refresh_token")
    for kind in ("access_token", "refresh_token"):
        assert relying_party("introspect", token=kind) == {"active": False}
    with pytest.raises(Refused) as caught:
        relying_party("refresh", scope=None)
    assert caught.value.explained["error"] == "invalid_grant"
