import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol.authorize import (
    MAX_LOGIN_HINT,
    MAX_NONCE,
    MAX_STATE,
    AnswerTo,
    AuthorizationRequest,
    Refused,
    client_id_of,
)
from idp.protocol.authorize import (
    judge as judge_with,
)
from idp.protocol.clients import Client
from idp.protocol.errors import InvalidToken, UnknownClient, UnregisteredRedirectUri
from idp.protocol.id_token_hint import IdTokenHint
from idp.protocol.params import Params, from_pairs, parse
from tests.protocol.samples import CALLBACK, CHALLENGE, CONFIDENTIAL, PUBLIC

GOOD = {
    "client_id": "billing",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid email",
    "state": "af0ifjsldkj",
    "nonce": "n-0S6_WzA2Mj",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
# Everything that the endpoint knows, whether it is in a good request or not.
EVERY = (
    *GOOD,
    "response_mode",
    "prompt",
    "max_age",
    "login_hint",
    "request",
    "request_uri",
    "registration",
    "id_token_hint",
)


def request(*repeated: tuple[str, str], **changes: str | None) -> Params:
    """A good request with changes; None takes a parameter out, and `repeated` come after the rest."""
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return from_pairs([*values.items(), *repeated])


# Accepted, and of no effect so far.
WITHOUT_EFFECT = ("claims_locales", "acr_values", "display", "made_up")


def read_hint(token: str) -> IdTokenHint:
    """Stands in for the verifier, which has tables of its own: a hint that names its person and its client."""
    sub, _, client_id = token.partition("@")
    if not client_id:
        raise InvalidToken("The token is not valid.", "signed by a key that is not ours")
    return IdTokenHint(sub, "s1", client_id)


def judge(parameters: Params, client: Client = CONFIDENTIAL) -> tuple[AuthorizationRequest, AnswerTo]:
    return judge_with(parameters, client, read_hint)


def accepted(parameters: Params, client: Client = CONFIDENTIAL) -> AuthorizationRequest:
    return judge(parameters, client)[0]


def refused(parameters: Params, client: Client = CONFIDENTIAL) -> tuple[str, str, AnswerTo]:
    """The error that the app is told, its description, and where it is told."""
    with pytest.raises(Refused) as caught:
        judge(parameters, client)
    return caught.value.error.error, caught.value.error.description, caught.value.answer_to


def test_a_good_request_is_judged_value_by_value() -> None:
    asked, answer_to = judge(
        request(response_mode="form_post", prompt="login consent", max_age="300", login_hint="ana@example.test"),
        CONFIDENTIAL,
    )
    assert asked == AuthorizationRequest(
        client_id="billing",
        redirect_uri=CALLBACK,
        response_mode="form_post",
        scope=("openid", "email"),
        state="af0ifjsldkj",
        nonce="n-0S6_WzA2Mj",
        code_challenge=CHALLENGE,
        prompt=("login", "consent"),
        max_age=300,
        login_hint="ana@example.test",
        subject=None,
    )
    assert (answer_to.address.redirect_uri, answer_to.response_mode, answer_to.state) == (
        CALLBACK,
        "form_post",
        "af0ifjsldkj",
    )


def test_the_least_request_is_enough() -> None:
    asked = accepted(request(scope=None, state=None, nonce=None))
    assert (asked.scope, asked.state, asked.nonce) == (("openid", "profile", "email"), None, None)
    assert (asked.response_mode, asked.prompt, asked.max_age, asked.login_hint) == ("query", (), None, None)


def test_parameters_that_nobody_knows_are_ignored() -> None:
    """RFC 6749 section 3.1."""
    asked = accepted(request(made_up="1", claims="{}", ui_locales="../x", acr_values="y", display="popup"))
    assert asked == accepted(request())


@pytest.mark.parametrize(
    ("sent", "judged"),
    [
        (None, ()),
        ("de-AT de en", ("de-AT", "de", "en")),
        ("de  en", ("de", "en")),
        ("../x de%00 %s en", ("en",)),
        ("x" * 10_000, ()),
        (" ".join(["de"] * 5000), ("de",) * 8),
    ],
)
def test_un_07_of_the_languages_that_an_app_wants_those_that_are_tags_are_kept(
    sent: str | None, judged: tuple[str, ...]
) -> None:
    """The attacker sends a path, control characters, or ten kilobytes of languages."""
    assert accepted(request(ui_locales=sent)).ui_locales == judged


@pytest.mark.parametrize("changes", [{}, {"prompt": "none"}, {"max_age": "0", "nonce": None, "state": None}])
def test_what_was_judged_comes_back_from_json_as_it_was(changes: dict[str, str | None]) -> None:
    asked = accepted(request(**changes))
    assert AuthorizationRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked


@pytest.mark.parametrize(
    "encoded", ["", "client_id=", "response_type=code", "client_id=a&client_id=a", "client_id=&client_id=a"]
)
def test_az_01_a_request_that_does_not_name_one_client_is_shown_to_the_person(encoded: str) -> None:
    """The attacker names no client, or two, for the error to be sent to an address of his choice."""
    with pytest.raises(UnknownClient):
        client_id_of(parse(encoded))


def test_the_client_id_is_read() -> None:
    assert client_id_of(request()) == "billing"


@pytest.mark.parametrize(
    "bad",
    [
        *({"response_type": "token"}, {"response_type": None}, {"scope": "unknown"}, {"scope": '"'}),
        *({"code_challenge": "x"}, {"code_challenge_method": "plain"}, {"code_challenge": None}),
        *({"prompt": "none login"}, {"prompt": "x"}, {"max_age": "-1"}, {"response_mode": "fragment"}),
        *(
            {"request": "e30.e30."},
            {"request_uri": "https://evil.test/"},
            {"registration": "{}"},
            {"state": "s" * 9999},
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("uri", ["https://evil.test/", f"{CALLBACK}/", "javascript:alert(1)", "", None])
def test_ru_02_whatever_else_is_wrong_an_unregistered_address_is_never_redirected_to(
    bad: dict[str, str | None], uri: str | None
) -> None:
    """A provider that looks at the scope first tells the error to the attacker's address: an open redirect."""
    with pytest.raises(UnregisteredRedirectUri):
        judge(request(redirect_uri=uri, **bad), CONFIDENTIAL)


def test_ru_02_with_a_registered_address_each_of_them_is_told_to_the_app() -> None:
    """An honest app sends a bad response_type with its own address, and is told so there with its own state."""
    error, _, answer_to = refused(request(response_type="token"))
    assert (error, answer_to.address.redirect_uri, answer_to.state) == (
        "unsupported_response_type",
        CALLBACK,
        "af0ifjsldkj",
    )


@pytest.mark.parametrize("second", [CALLBACK, "https://evil.test/", ""])
def test_az_01_two_redirect_uris_are_not_redirected_to_even_if_they_are_the_same(second: str) -> None:
    """The attacker sends a second redirect_uri, for one to be checked and the other to be redirected to."""
    with pytest.raises(UnregisteredRedirectUri):
        judge(request(("redirect_uri", second)), CONFIDENTIAL)


@pytest.mark.parametrize("name", [name for name in (*EVERY, "made_up") if name not in ("client_id", "redirect_uri")])
@pytest.mark.parametrize("second", ["same", "other", ""])
def test_az_01_any_other_parameter_sent_twice_is_told_to_the_app(name: str, second: str) -> None:
    """Two readers of one request pick different values: a filter in front of us, and we ourselves."""
    first = GOOD.get(name, "same")
    again = {"same": first, "other": first + "x", "": ""}[second]
    error, description, answer_to = refused(request((name, again), **{name: first}))
    assert (error, description) == ("invalid_request", "A parameter was sent more than once.")
    assert answer_to.state == (None if name == "state" else "af0ifjsldkj")


def test_az_01_a_repeated_response_mode_is_not_followed() -> None:
    """The attacker sends response_mode twice, for the refusal itself to travel in the way that he picked."""
    _, _, answer_to = refused(request(("response_mode", "form_post"), response_mode="form_post"))
    assert answer_to.response_mode == "query"


@pytest.mark.parametrize("mode", [None, "query", "form_post"])
def test_az_05_the_modes_there_are_hold_for_answers_and_refusals(mode: str | None) -> None:
    """An app asks for each mode that there is, and gets neither an answer nor a refusal by another one."""
    expected = mode or "query"
    assert judge(request(response_mode=mode), CONFIDENTIAL)[1].response_mode == expected
    assert refused(request(response_mode=mode, max_age="x"))[2].response_mode == expected


@pytest.mark.parametrize(
    "mode", ["fragment", "query.jwt", "jwt", "fragment.jwt", "web_message", "Query", "query ", "form-post", "none"]
)
def test_az_05_any_other_mode_is_refused_by_query(mode: str) -> None:
    """A code in a fragment is left in the browser's history and to every script of the page."""
    error, _, answer_to = refused(request(response_mode=mode))
    assert (error, answer_to.response_mode) == ("invalid_request", "query")


STATES = {
    "the longest": "s" * MAX_STATE,
    "unicode": "süß\u202e€𝄞",
    "quotes and tags": "\"'><script>alert(1)</script>",
    "another parameter": "x&code=attacker#f?=;",
    "spaces": "  a  ",
    "percent": "%0d%0a%00",
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_az_06_state_comes_back_as_it_was_with_answers_and_refusals(state: str) -> None:
    """The attacker's state holds markup or another parameter."""
    asked, answer_to = judge(request(state=state), CONFIDENTIAL)
    assert (asked.state, answer_to.state) == (state, state)
    assert refused(request(state=state, response_type="token"))[2].state == state


@pytest.mark.parametrize("state", ["a\r\nX-Evil: 1", "a\nb", "a\rb"])
def test_az_06_a_state_with_a_line_break_is_refused(state: str) -> None:
    """The attacker's state holds a line break, which a form would give back as another one."""
    error, description, answer_to = refused(request(state=state))
    assert (error, description, answer_to.state) == ("invalid_request", "The parameter state holds a line break.", None)


@pytest.mark.parametrize("length", [MAX_STATE + 1, 10_000])
def test_az_06_a_state_that_is_too_long_is_refused_and_not_cut(length: int) -> None:
    """The attacker sends a state so long that it would be cut into another one, or reflected at full length."""
    error, description, answer_to = refused(request(state="s" * length))
    assert (error, description, answer_to.state) == ("invalid_request", "The parameter state is too long.", None)


@pytest.mark.parametrize("state", [None, ""])
def test_az_06_without_a_state_none_comes_back(state: str | None) -> None:
    """The attacker leaves state away, or empty, for the app to get one that it never sent."""
    assert judge(request(state=state), CONFIDENTIAL)[1].state is None


@pytest.mark.parametrize("nonce", [None, "n", "n" * 384, "n" * MAX_NONCE, "süß\u202e€𝄞", "\"'><&"])
def test_az_07_a_nonce_is_kept_as_it_was(nonce: str | None) -> None:
    """The attacker hopes that an unusual nonce is changed on its way, so that the app compares another one."""
    assert accepted(request(nonce=nonce)).nonce == nonce


@pytest.mark.parametrize("length", [MAX_NONCE + 1, 65_536])
def test_az_07_a_nonce_that_is_too_long_is_refused_and_not_cut(length: int) -> None:
    """Two nonces that are cut to the same text would be one."""
    assert refused(request(nonce="n" * length))[:2] == ("invalid_request", "The parameter nonce is too long.")


@pytest.mark.parametrize(("value", "seconds"), [(None, None), ("", None), ("0", 0), ("1", 1), ("999999999", 999999999)])
def test_az_13_max_age_is_a_number_of_seconds(value: str | None, seconds: int | None) -> None:
    """An app limits the age of a session, and its 0 must not be taken for no limit."""
    assert accepted(request(max_age=value)).max_age == seconds


@pytest.mark.parametrize(
    "value",
    [
        "-1",
        "+1",
        "1.0",
        "1e3",
        "abc",
        "0x10",
        "1_000",
        " 1",
        "1 ",
        "1\n",
        "1000000000",
        "1" + "0" * 30,
        "٣",
        "²",
        "NaN",
    ],
)
def test_az_13_any_other_max_age_is_refused(value: str) -> None:
    """A max_age that is misread lets an old session pass for a fresh one."""
    assert refused(request(max_age=value))[0] == "invalid_request"


@pytest.mark.parametrize(
    ("value", "prompts"),
    [
        (None, ()),
        ("none", ("none",)),
        ("login", ("login",)),
        ("consent", ("consent",)),
        ("consent login", ("consent", "login")),
        ("login login", ("login",)),
        (" login ", ("login",)),
        ("none none", ("none",)),
    ],
)
def test_prompt_is_a_list(value: str | None, prompts: tuple[str, ...]) -> None:
    assert accepted(request(prompt=value)).prompt == prompts


@pytest.mark.parametrize(
    "value",
    [
        "none login",
        "login none",
        "none consent",
        "none login consent",
        "none select_account",
        "create",
        "NONE",
        "login,consent",
    ],
)
def test_none_stands_alone_and_an_unknown_prompt_is_refused(value: str) -> None:
    """OpenID Connect Core section 3.1.2.1."""
    assert refused(request(prompt=value))[0] == "invalid_request"


@pytest.mark.parametrize(
    ("scope", "got"),
    [
        ("openid openid", ("openid",)),
        ("openid unknown", ("openid",)),
        ("openid address phone", ("openid",)),
        ("email", ("email",)),
        ("openid offline_access", ("openid", "offline_access")),
    ],
)
def test_az_18_scopes_are_cut_to_what_the_client_may_have(scope: str, got: tuple[str, ...]) -> None:
    """An app asks for a scope twice, and for scopes that do not exist or that it may not have."""
    assert accepted(request(scope=scope)).scope == got


@pytest.mark.parametrize(
    "scope", ["openid\temail", "openid\nemail", "öpenid", 'openid "', "unknown", " ".join(map(str, range(1000)))]
)
def test_az_18_scopes_that_are_malformed_or_leave_nothing_are_refused(scope: str) -> None:
    """The attacker's scope holds tabs, quotes or foreign letters, a thousand names, or no name that exists."""
    assert refused(request(scope=scope))[0] == "invalid_scope"


def test_az_20_openid_that_the_client_may_not_have_is_not_granted() -> None:
    """An app that may not have the scope openid asks for it, to get an ID token."""
    client = replace(CONFIDENTIAL, scope=("email",))
    assert accepted(request(scope="openid email"), client).scope == ("email",)
    assert refused(request(scope="openid"), client)[0] == "invalid_scope"


@pytest.mark.parametrize(
    ("response_type", "error"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        *(
            (value, "unsupported_response_type")
            for value in ("token", "id_token", "none", "code token", "code id_token")
        ),
        *((value, "unsupported_response_type") for value in ("Code", "code ", " code", "code code", "password")),
    ],
)
def test_implicit_and_hybrid_do_not_exist(response_type: str | None, error: str) -> None:
    """RFC 9700 section 2.1.2: a token in the front channel leaks by history, referrer and logs."""
    assert refused(request(response_type=response_type))[0] == error


def test_a_client_without_the_grant_gets_no_code() -> None:
    client = replace(CONFIDENTIAL, grant_types=("client_credentials",))
    assert refused(request(), client)[0] == "unauthorized_client"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.test/request.jwt"}, "request_uri_not_supported"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"request": "x", "response_type": None}, "request_not_supported"),
    ],
)
def test_a_request_object_is_refused_under_the_name_of_openid_connect_core(
    changes: dict[str, str | None], error: str
) -> None:
    """To ignore it would be to obey what stands outside it, which an attacker can change (RFC 9101 section 6.3)."""
    assert refused(request(**changes))[0] == error


@pytest.mark.parametrize("profile", ["oauth2.1", "oidc-certified"])
@pytest.mark.parametrize("public", [True, False])
def test_pk_07_pkce_is_asked_for_where_client_or_profile_need_it(public: bool, profile: str) -> None:
    """The attacker takes the challenge out of a request, or shortens it."""
    client = replace(PUBLIC if public else CONFIDENTIAL, profile=profile)
    without = request(code_challenge=None, code_challenge_method=None)
    if public or profile == "oauth2.1":
        assert refused(without, client)[0] == "invalid_request"
    else:
        assert accepted(without, client).code_challenge is None
    assert refused(request(code_challenge="a" * 42), client)[0] == "invalid_request"
    assert accepted(request(), client).code_challenge == CHALLENGE


def test_a_login_hint_is_cut_since_it_only_fills_a_field() -> None:
    assert accepted(request(login_hint="a" * 9999)).login_hint == "a" * MAX_LOGIN_HINT


def test_what_is_wrong_is_told_by_name_and_never_by_value() -> None:
    for name in ("response_type", "response_mode", "scope", "prompt", "max_age", "code_challenge"):
        _, description, _ = refused(request(**{name: "<evil>"}))
        assert name in description
        assert "evil" not in description


VALUES: st.SearchStrategy[str] = st.one_of(
    st.text(max_size=20), st.sampled_from([*GOOD.values(), "none", "login", "query", "form_post", "0", "plain"])
)


@given(
    st.dictionaries(st.sampled_from(EVERY), VALUES),
    st.frozensets(st.sampled_from(EVERY), max_size=1),
    st.sampled_from([CONFIDENTIAL, PUBLIC]),
)
def test_judging_ends_in_a_request_a_refusal_at_the_registered_address_or_a_page_and_nothing_else(
    changes: dict[str, str], repeated: frozenset[str], client: Client
) -> None:
    parameters = Params({**GOOD, **changes}, repeated)
    registered = parameters.get("redirect_uri") == CALLBACK and "redirect_uri" not in repeated
    asked: AuthorizationRequest | None = None
    try:
        asked, answer_to = judge(parameters, client)
    except UnregisteredRedirectUri:
        assert not registered
        return
    except Refused as caught:
        answer_to = caught.answer_to
    assert registered
    assert answer_to.address.redirect_uri == CALLBACK
    if asked is not None:
        assert not repeated
        assert asked.redirect_uri == CALLBACK
        assert set(asked.scope) <= set(client.scope)


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
@pytest.mark.parametrize("value", ["en", "../../etc/passwd", "xx-Klingon de", "x" * 10_000, "<b>", "\u202e"])
def test_un_07_what_has_no_effect_here_may_be_anything(name: str, value: str) -> None:
    """The attacker sends a language, a level or a kind of page that nobody has, or that is a path."""
    assert accepted(request(**{name: value})) == accepted(request())


def test_a_request_of_several_kilobytes_is_judged_like_any_other() -> None:
    asked = accepted(request(state="s" * MAX_STATE, nonce="n" * MAX_NONCE, made_up="x" * 8000))
    assert (asked.state, asked.nonce) == ("s" * MAX_STATE, "n" * MAX_NONCE)


def test_an_id_token_hint_says_for_whom_alone_the_app_is_answered() -> None:
    assert accepted(request(id_token_hint="ana@billing")).subject == "ana"
    assert accepted(request()).subject is None


@pytest.mark.parametrize("hint", ["forged", "ana@another", "ana@"])
def test_az_14_a_hint_that_is_forged_or_of_another_app_is_refused(hint: str) -> None:
    """An app asks after the person of a token that it made up, or that another app lost."""
    error, description, _ = refused(request(id_token_hint=hint))
    assert error == "invalid_request"
    assert "id_token_hint" in description
    assert hint not in description
