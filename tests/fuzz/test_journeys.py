"""People, apps and thieves in any order: what never happens, whatever the order is."""

from collections import Counter
from typing import Any, ClassVar

import httpx2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.fuzz.ground import Ground, check, laid
from tests.oauth.wire import App, Code, send
from tests.provider import EMAIL, PASSWORD, Browser, Provider, answer_of, authorize_url, forms, pkce

WORDS = st.sampled_from([PASSWORD, EMAIL, "wrong", "", "ben@example.test", "allow", "deny", "\u202e", "x" * 400])
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.sampled_from(["none", "login", "consent", "select_account"]),
        "max_age": st.sampled_from(["0", "3600"]),
        "scope": st.sampled_from(["openid", "openid profile email offline_access"]),
        "response_mode": st.sampled_from(["query", "form_post"]),
        "redirect_uri": st.sampled_from(["https://evil.test/cb", "https://app.example.com/callback"]),
        "login_hint": st.sampled_from([EMAIL, "ben@example.test"]),
    },
)
PICK = st.integers(0, 1000)


class Journeys(RuleBasedStateMachine):
    """Two browsers, two apps, and everything that they were ever given."""

    ground: ClassVar[Ground]
    reached: ClassVar[Counter[str]] = Counter()

    @initialize()
    def nobody_is_signed_in(self) -> None:
        issuer = self.ground.provider.issuer
        self.browsers = [Browser(issuer), Browser(issuer)]
        self.apps = [self.ground.apps["confidential"], self.ground.apps["by post"]]
        self.codes: list[tuple[App, Code]] = []
        self.redeemed: dict[str, int] = {}
        self.refresh_tokens: list[tuple[App, str]] = []
        self.current: dict[str, set[str]] = {}  # the newest tokens that were given, by family and generation

    @rule(pick=PICK, parameters=REQUESTS)
    def begin(self, pick: int, parameters: dict[str, str]) -> None:
        """A tab goes to the authorization endpoint; where the app is answered, it keeps the code."""
        app, browser, proof = self.apps[pick % 2], self.browsers[pick // 2 % 2], pkce()
        page = browser.open(authorize_url(app.client, proof.challenge, **parameters))
        self.seen(browser, page, app, proof.verifier, parameters)
        browser.verifier, browser.app, browser.parameters = proof.verifier, app, parameters  # type: ignore[attr-defined]

    @rule(pick=PICK)
    def sign_in(self, pick: int) -> None:
        """An honest journey of Ana's, so that there is something to steal."""
        app, browser, proof = self.apps[pick % 2], self.browsers[pick // 2 % 2], pkce()
        self.seen(browser, browser.sign_in(authorize_url(app.client, proof.challenge)), app, proof.verifier, {})

    @rule(pick=PICK)
    def go_all_the_way(self, pick: int) -> None:
        """What the honest app does then, at once."""
        self.sign_in(pick)
        if self.codes:
            self.redeem(len(self.codes) - 1, thief=False)
        if self.refresh_tokens:
            self.refresh(len(self.refresh_tokens) - 1, thief=False)

    @precondition(lambda self: any(browser.page is not None for browser in self.browsers))
    @rule(pick=PICK, words=st.lists(WORDS, min_size=2, max_size=2), honest=st.booleans())
    def press(self, pick: int, words: list[str], honest: bool) -> None:
        """Any button of the page that a browser looks at, with what belongs into the fields or something else."""
        browser = self.browsers[pick % 2]
        found = forms(browser.page.text) if browser.page is not None else []
        found = [form for form in found if form.action.startswith("/")]
        if not found:
            return
        form = found[pick % len(found)]
        given = dict(zip(("username", "password"), (EMAIL, PASSWORD) if honest else words, strict=True))
        fields = {name: given[name] for name in given if name in form.fields}
        button = sorted(form.buttons)[pick % len(form.buttons)] if form.buttons else None
        page = browser.submit(button, form.action, **fields)
        app = getattr(browser, "app", self.apps[0])
        self.seen(browser, page, app, getattr(browser, "verifier", ""), getattr(browser, "parameters", {}))

    @rule(pick=PICK, path=st.sampled_from(["/", "/signed-out", "/logout"]))
    def wander(self, pick: int, path: str) -> None:
        check(self.ground, self.browsers[pick % 2].open(path))

    @precondition(lambda self: self.codes)
    @rule(pick=PICK, thief=st.booleans())
    def redeem(self, pick: int, thief: bool) -> None:
        """A code, by its app or another one, perhaps again."""
        app, code = self.codes[pick % len(self.codes)]
        by = next(each for each in self.apps if each is not app) if thief else app
        answer = by.redeem(code)
        check(self.ground, answer)
        if answer.status_code == 200:
            assert by is app
            self.redeemed[code.code] = self.redeemed.get(code.code, 0) + 1
            assert self.redeemed[code.code] == 1
            self.reached["redeemed"] += 1
            self.keep(app, answer.json())

    @precondition(lambda self: self.refresh_tokens)
    @rule(pick=PICK, thief=st.booleans())
    def refresh(self, pick: int, thief: bool) -> None:
        """Any refresh token that was ever given; a family never has two tokens of one generation."""
        app, token = self.refresh_tokens[pick % len(self.refresh_tokens)]
        by = next(each for each in self.apps if each is not app) if thief else app
        answer = by.refresh(token)
        check(self.ground, answer)
        if answer.status_code == 200:
            assert by is app
            self.reached["refreshed"] += 1
            self.keep(app, answer.json())

    @precondition(lambda self: self.refresh_tokens)
    @rule(pick=PICK, endpoint=st.sampled_from(["introspect", "revoke"]), thief=st.booleans())
    def ask_or_end(self, pick: int, endpoint: str, thief: bool) -> None:
        app, token = self.refresh_tokens[pick % len(self.refresh_tokens)]
        by = self.ground.apps["confidential"] if (app is not self.ground.apps["confidential"]) == thief else app
        if by.client["token_endpoint_auth_method"] != "client_secret_basic":
            return
        answer = send("POST", f"{self.ground.provider.issuer}/{endpoint}", data={"token": token}, auth=by.basic)
        check(self.ground, answer)
        if endpoint == "introspect" and by is not app:
            assert answer.json() == {"active": False}

    def seen(
        self, browser: Browser, page: httpx2.Response, app: App, verifier: str, parameters: dict[str, str]
    ) -> None:
        check(self.ground, page)
        if page.is_redirect and "code=" in page.headers["location"]:
            assert parameters.get("redirect_uri") != "https://evil.test/cb"
            self.codes.append((app, Code(answer_of(page)["code"], verifier, app.client["redirect_uris"][0])))

    def keep(self, app: App, tokens: dict[str, Any]) -> None:
        token = tokens.get("refresh_token")
        if token is None:
            return
        family_and_generation = token.rpartition(".")[0]
        self.current.setdefault(family_and_generation, set()).add(token)
        assert len(self.current[family_and_generation]) == 1, "the family forked"
        self.refresh_tokens.append((app, token))


def test_in_whatever_order_things_happen_what_must_not_does_not(provider: Provider) -> None:
    provider.create_user("ben@example.test", name="Ben Example")
    Journeys.ground = laid(provider)
    examples = settings().max_examples // 3
    run_state_machine_as_test(
        Journeys,
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    provider.check_log()
    assert Journeys.reached.keys() == {"redeemed", "refreshed"}, "the fuzzer got nowhere"
