"""AD-02: every page of the account and every id in its address, asked by everybody whom it does not belong to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.routing import Route

from idp import routes
from idp.web import own
from tests.account.test_account import signed_in, with_device
from tests.authenticators import Device
from tests.provider import EMAIL, Browser, Provider, forms, running, tokens_for
from tests.signin.conftest import BEN, BENS_PASSWORD
from tests.signin.passkeys import given
from tests.signin.reading import post, query, sid_of
from tests.signin.test_csrf import FIELDS

CANARY = "Zinnia Quetzal"
NEVER = "01999999999970000000000000000000"
# But the address of a link that was mailed, which is anybody's who has it, and has tests of its own.
ROUTES = [
    (method, route.path)
    for route in routes.PAGES
    if isinstance(route, Route) and route.path.startswith("/account/") and "{link}" not in route.path
    for method in sorted((route.methods or set()) - {"HEAD"})
]
WITH_ID = [(method, path) for method, path in ROUTES if "{" in path]
# What differs from answer to answer: the reference, what ties a form to its session, and what is told sealed.
VARIES = re.compile(r'[0-9A-Z]{4}-[0-9A-Z]{4}|name="csrf" value="[^"]+"|told=[\w-]+')


@dataclass(frozen=True)
class World:
    provider: Provider
    ana: Browser
    ids: dict[str, str]  # Ana's, by the name that the address has for them

    def path(self, path: str, of: str | None = None) -> str:
        return re.sub(r"{(\w+)}", lambda found: of or self.ids[found[1]], path)

    def belongings(self) -> dict[str, list[tuple[Any, ...]]]:
        of_ana = {
            **{table: f"SELECT * FROM {table} WHERE user_id = ?" for table in ("credentials", "consents", "grants")},  # noqa: S608
            "sessions": "SELECT id, cookie_hash, authenticated_at, ended_at FROM sessions WHERE user_id = ?",
            "users": "SELECT * FROM users WHERE id = ?",
        }
        return {table: query(self.provider, sql, self.ids["user"]) for table, sql in of_ana.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Ana has one of everything, each with a name that nobody else's has; Ben has an account."""
    with running(tmp_path_factory.mktemp("matrix")) as provider:
        provider.create_user(name=CANARY)
        provider.create_user(BEN, BENS_PASSWORD, "Ben Example")
        client = provider.create_client(redirect_uri="https://zinnia.example/callback")
        ana, _, _ = with_device(provider, f"{CANARY}'s phone")
        tokens_for(provider, client, ana)
        given(provider, Device(provider.issuer), name=f"{CANARY}'s key")
        yield World(provider, ana, ids_of(provider, ana, client["client_id"]))


def ids_of(provider: Provider, ana: Browser, client_id: str) -> dict[str, str]:
    factors = dict(query(provider, "SELECT factor, id FROM credentials"))
    ((user,),) = query(provider, "SELECT id FROM users WHERE email = ?", EMAIL)
    return {
        "passkey": factors["passkey"],
        "device": factors["totp"],
        "session": sid_of(provider, ana),
        "client_id": client_id,
        "user": user,
    }


def ask(browser: Browser, method: str, path: str, route: str, **more: str) -> httpx2.Response:
    if method == "GET":
        return browser.http.get(path, params=more)
    found = forms(browser.http.get("/").text)
    token = {"csrf": found[0].fields["csrf"]} if found else {}
    return post(browser, path, **(FIELDS[route] | token | more))


def seen(browser: Browser, answer: httpx2.Response) -> tuple[int, str, str]:
    """What a browser makes of an answer: its status, where it leads, and what stands there."""
    leads = answer.headers.get("location", "")
    shown = browser.http.get(leads).text if leads else answer.text
    return answer.status_code, VARIES.sub("", leads), VARIES.sub("", shown)


def says_nothing_of_ana(text: str, world: World) -> bool:
    return not any(each in text for each in (CANARY, EMAIL, "zinnia.example", *world.ids.values()))


def test_every_id_of_the_account_has_an_owner_here(world: World) -> None:
    assert {name for _, path in WITH_ID for name in re.findall(r"{(\w+)}", path)} < set(world.ids)
    assert len(WITH_ID) >= 5
    assert len(ROUTES) > 20


@pytest.mark.parametrize(("method", "route"), WITH_ID)
def test_ad_02_of_what_is_anothers_it_is_said_what_is_said_of_nothing(world: World, method: str, route: str) -> None:
    """The attacker puts somebody else's ids into the addresses of his own page, to reach it or learn that it exists."""
    ben, before = signed_in(world.provider, own.SECURITY, BEN, BENS_PASSWORD), world.belongings()
    of_ana = seen(ben, ask(ben, method, world.path(route), route))
    assert world.belongings() == before
    assert of_ana == seen(ben, ask(ben, method, world.path(route, NEVER), route))
    assert of_ana[0] == 303
    assert says_nothing_of_ana(of_ana[2], world)


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_ad_02_no_page_is_about_the_person_that_a_request_names(world: World, method: str, route: str) -> None:
    """The attacker adds somebody else's id or address to a request for his own page."""
    ben, before = signed_in(world.provider, own.SECURITY, BEN, BENS_PASSWORD), world.belongings()
    named = {"user_id": world.ids["user"], "sub": world.ids["user"], "account": EMAIL, "sid": world.ids["session"]}
    answer = ask(ben, method, world.path(route), route, **named)
    assert answer.status_code in (200, 303)
    assert answer.status_code == 303 or says_nothing_of_ana(answer.text, world)
    assert world.belongings() == before


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_ad_02_who_is_nobody_is_led_to_a_sign_in(world: World, method: str, route: str) -> None:
    """The attacker has no session, or one that has ended, and opens and posts whatever there is."""
    nobody, before = Browser(world.provider.issuer), world.belongings()
    ended = signed_in(world.provider, own.SECURITY, BEN, BENS_PASSWORD)
    query(world.provider, "UPDATE sessions SET ended_at = seen_at WHERE id = ?", sid_of(world.provider, ended))
    answers = [ask(browser, method, world.path(route), route) for browser in (nobody, ended)]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert answers[0].headers["location"].startswith("/confirm/")
    assert world.belongings() == before
