from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.dev.demo_api import BEARER, KEYS_LIVE_AT_MOST, KEYS_LIVE_BY_DEFAULT, create_demo_api, lifetime_of
from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS
from tests.dev.provider import API, ISSUER, Hosts, LittleProvider, access_token_claims, rsa_key, sign
from tests.protocol.hostile import HOSTILE
from tests.protocol.hostile.claims import other_audiences
from tests.protocol.hostile.good import Good, Named, fits_a_header


@dataclass
class Clock:
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api(hosts: Hosts, provider: LittleProvider, clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    transport = hosts.transport()
    hosts.apps[ISSUER] = provider.app()
    hosts.apps[API] = create_demo_api(
        issuer=ISSUER, audience=API, required_scope="demo.read", transport=transport, clock=clock
    )
    async with httpx2.AsyncClient(transport=transport, base_url=API) as client:
        yield client


async def me(api: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await api.get("/me", headers={"Authorization": f"Bearer {token}"})


async def test_a_genuine_token_is_accepted(api: httpx2.AsyncClient, provider: LittleProvider) -> None:
    answer = await me(api, provider.access_token())
    assert answer.status_code == 200
    body = answer.json()
    assert (body["sub"], body["client_id"], body["scope"]) == ("ana", "demo", "openid demo.read")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_the_audience_may_be_one_of_several(api: httpx2.AsyncClient, provider: LittleProvider) -> None:
    assert (await me(api, provider.access_token(aud=["https://other.example", API]))).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": ""}])
async def test_a_request_without_a_token_is_challenged_without_an_error_code(
    api: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await api.get("/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="demo-api"'


@pytest.mark.parametrize("group", (HOSTILE | {"tk_07 other audiences": other_audiences}).values())
async def test_tk_16_no_hostile_token_is_accepted(
    api: httpx2.AsyncClient, provider: LittleProvider, clock: Clock, group: Callable[[Good], Named]
) -> None:
    """The attacker sends a token with a fault that some library somewhere did not see."""
    (key,) = provider.keys
    assert key.private_key is not None
    header = {"alg": "RS256", "kid": key.kid, "typ": "at+jwt"}
    good = Good(key.private_key, header, access_token_claims(int(clock.now.timestamp())))
    assert (await me(api, good.token)).status_code == 200
    for name, token in group(good):
        if fits_a_header(token):
            assert (await me(api, token)).status_code == 401, name


@pytest.mark.parametrize("name", ["client_id", "jti"])
async def test_a_token_that_is_no_access_token_of_rfc_9068_is_invalid(
    api: httpx2.AsyncClient, provider: LittleProvider, clock: Clock, name: str
) -> None:
    claims = access_token_claims(int(clock.now.timestamp()))
    del claims[name]
    assert_invalid(await me(api, sign(claims, provider.keys[0])))


async def test_a_token_lives_until_its_end_and_a_little_leeway(
    api: httpx2.AsyncClient, provider: LittleProvider, clock: Clock
) -> None:
    token = provider.access_token(exp=int(clock.now.timestamp()) + 900)
    clock.pass_(seconds=920)
    assert (await me(api, token)).status_code == 200
    clock.pass_(seconds=20)
    answer = await me(api, token)
    assert_invalid(answer)
    assert answer.json()["error_description"] == "expired"


@given(
    st.one_of(
        st.text("aZ0._~+/-", min_size=1),
        st.from_regex(r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){1,4}", fullmatch=True),
    )
)
async def test_no_text_makes_the_api_fail(token: str) -> None:
    hosts = Hosts({ISSUER: LittleProvider([]).app()})
    app = create_demo_api(issuer=ISSUER, audience=API, required_scope=None, transport=hosts.transport())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=API) as api:
        assert_invalid(await me(api, token))


async def test_two_authorization_headers_are_a_bad_request(api: httpx2.AsyncClient, provider: LittleProvider) -> None:
    token = provider.access_token()
    answer = await api.get("/me", headers=[("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")])
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


async def test_a_token_in_the_query_is_not_looked_at(api: httpx2.AsyncClient, provider: LittleProvider) -> None:
    answer = await api.get("/me", params={"access_token": provider.access_token()})
    assert answer.status_code == 401
    assert "error" not in answer.headers["www-authenticate"]


@pytest.mark.parametrize("scope", ["openid", "demo.readx demo", ""])
async def test_a_token_without_the_scope_is_forbidden_and_the_answer_names_the_scope(
    api: httpx2.AsyncClient, provider: LittleProvider, scope: object
) -> None:
    answer = await me(api, provider.access_token(scope=scope))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="demo.read"' in answer.headers["www-authenticate"]


async def test_keys_are_downloaded_once_for_as_long_as_the_provider_allows(
    api: httpx2.AsyncClient, provider: LittleProvider, clock: Clock
) -> None:
    for _ in range(5):
        assert (await me(api, provider.access_token())).status_code == 200
    assert provider.downloads_of_keys == 1
    clock.pass_(seconds=3601)
    assert (await me(api, provider.access_token(exp=int(clock.now.timestamp()) + 60))).status_code == 200
    assert provider.downloads_of_keys == 2


async def test_a_key_that_is_new_at_the_provider_is_picked_up(
    api: httpx2.AsyncClient, provider: LittleProvider, clock: Clock
) -> None:
    assert (await me(api, provider.access_token())).status_code == 200
    provider.keys.insert(0, rsa_key("second"))
    clock.pass_(seconds=60)
    assert (await me(api, provider.access_token())).status_code == 200
    assert provider.downloads_of_keys == 2


async def test_a_key_that_the_provider_withdrew_is_refused_when_the_cache_ends(
    api: httpx2.AsyncClient, provider: LittleProvider, clock: Clock
) -> None:
    token = provider.access_token(exp=int(clock.now.timestamp()) + 9000)
    assert (await me(api, token)).status_code == 200
    provider.keys[:] = [rsa_key("second")]
    clock.pass_(seconds=3601)
    assert_invalid(await me(api, token))


async def test_invented_kids_do_not_make_the_api_flood_the_provider(
    api: httpx2.AsyncClient, provider: LittleProvider, clock: Clock
) -> None:
    claims = access_token_claims(int(clock.now.timestamp()))
    unknown = sign(claims, rsa_key("invented"))
    for _ in range(5):
        assert_invalid(await me(api, unknown))
    assert provider.downloads_of_keys == 1
    clock.pass_(seconds=11)
    for _ in range(5):
        assert_invalid(await me(api, unknown))
    assert provider.downloads_of_keys == 2


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_a_short_key_is_not_trusted(api: httpx2.AsyncClient, provider: LittleProvider, clock: Clock) -> None:
    short = rsa_key("short", 1024)
    provider.keys.append(short)
    assert_invalid(await me(api, sign(access_token_claims(int(clock.now.timestamp())), short)))
    assert (await me(api, provider.access_token())).status_code == 200


async def test_keys_that_cannot_be_had_are_the_apis_trouble_and_not_the_tokens(
    api: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.alive = False
    answer = await me(api, provider.access_token())
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    provider.alive = True
    assert (await me(api, provider.access_token())).status_code == 200


async def test_a_discovery_document_of_another_issuer_gives_no_keys(
    api: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    provider.metadata["issuer"] = "https://other.example"
    assert (await me(api, provider.access_token())).status_code == 503
    assert provider.downloads_of_keys == 0


async def test_the_front_page_explains_the_api(api: httpx2.AsyncClient) -> None:
    body = (await api.get("/")).json()
    assert (body["issuer"], body["audience"], body["required_scope"]) == (ISSUER, API, "demo.read")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("POST", "/me", 405)])
async def test_what_is_not_there_is_said_as_everything_else_is(
    api: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await api.request(method, path)
    assert (answer.status_code, answer.json()["development_mode"]) == (status, "Not for real data.")
    assert "GET /" in answer.json()["message"]
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("header", "lifetime"),
    [
        ("public, max-age=600", timedelta(minutes=10)),
        ("MAX-AGE=60", timedelta(minutes=1)),
        ("", KEYS_LIVE_BY_DEFAULT),
        ("max-age=soon", KEYS_LIVE_BY_DEFAULT),
        ("max-age=-1", KEYS_LIVE_BY_DEFAULT),
        ("max-age=999999999", KEYS_LIVE_AT_MOST),
        ("no-store", timedelta(0)),
        ("no-cache, max-age=600", timedelta(0)),
    ],
)
def test_cache_control_says_how_long_keys_live(header: str, lifetime: timedelta) -> None:
    assert lifetime_of(header) == lifetime


def test_a_bearer_scheme_is_written_in_any_case() -> None:
    assert BEARER.fullmatch("bEARER abc") is not None


def assert_invalid(answer: httpx2.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="demo-api", error="invalid_token", ')


ENOUGH = {"acr": ACR_TWO_FACTORS, "amr": ["pwd", "otp", "mfa"]}


@pytest.mark.parametrize(
    ("claims", "age", "status"),
    [
        (ENOUGH, 0, 200),
        (ENOUGH, 300, 200),
        (ENOUGH, 301, 401),
        ({**ENOUGH, "acr": ACR_PASSWORD}, 0, 401),
        ({**ENOUGH, "acr": [ACR_TWO_FACTORS]}, 0, 401),
        ({"amr": ["mfa"]}, 0, 401),
        (ENOUGH, None, 401),
    ],
)
async def test_mf_11_what_is_sensitive_wants_two_factors_and_a_fresh_sign_in(
    api: httpx2.AsyncClient,
    provider: LittleProvider,
    clock: Clock,
    claims: dict[str, object],
    age: int | None,
    status: int,
) -> None:
    """RFC 9470 section 3: the attacker has a token of a sign-in with one factor, or of an old one."""
    now = clock.now.replace(microsecond=0)
    clock.now = now
    signed_in = {} if age is None else {"auth_time": int(now.timestamp()) - age}
    token = provider.access_token(**claims, **signed_in)
    answer = await api.get("/payroll", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    if status == 401:
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge
        assert f'acr_values="{ACR_TWO_FACTORS}", max_age="300"' in challenge


async def test_a_token_without_the_scope_is_not_asked_for_more(
    api: httpx2.AsyncClient, provider: LittleProvider
) -> None:
    headers = {"Authorization": f"Bearer {provider.access_token(scope='openid')}"}
    assert (await api.get("/payroll", headers=headers)).status_code == 403
