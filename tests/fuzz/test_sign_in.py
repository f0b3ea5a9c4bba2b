"""The steps of sign-ins, posted in any order from two browsers: a code takes what the audit says was proved for it."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import argon2
import httpx2
import pyotp
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from starlette.testclient import TestClient

from idp import quick_json
from idp.app import create_app
from idp.factors import recovery, totp
from idp.factors.passkey import text_of
from idp.outside.mail import Mail, MailFailed
from idp.protocol.claims import ACR_PASSWORD, ACR_TWO_FACTORS
from idp.services import Services
from idp.settings import load
from idp.store import credentials
from idp.store.ids import hash_of
from idp.store.outbox import Leased
from idp.store.seal import Sealer
from tests.authenticators import UP, VERIFIED, Device
from tests.oauth.wire import with_services
from tests.provider import CALLBACK, PASSWORD, Provider, authorize_url, forms, installed, pkce
from tests.signin.passkeys import given

# Ana has an app, Ben nothing but a password, Leah a leaked one, and Pia a passkey as well.
ANA, BEN, LEAH, PIA = PEOPLE = ("ana@example.test", "ben@example.test", "leah@example.test", "pia@example.test")
LEAKED = "password1234"
DEVICE = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODES = ["AAAA-BBBB-CCCC-DDD0", "AAAA-BBBB-CCCC-DDD1", "AAAA-BBBB-CCCC-DDD2"]
METHOD = {"password": "pwd", "totp": "otp", "recovery": "otp", "email": "mca", "passkey": "pop"}
QUALIFIERS = {"mfa", "user"}
FORMS = (
    *("identify", "password", "factor", "new-password", "enrol", "later", "consent", "select", "switch"),
    *("no-passkey", "passkey", "new-passkey", "nothing", "send-code", "email"),
)
PATIENCE = 300
CHALLENGE = pkce().challenge
PICK = st.integers(0, 1000)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.sampled_from(["login", "consent", "select_account", "none"]),
        "max_age": st.sampled_from(["0", "60", "3600"]),
        "acr_values": st.sampled_from([ACR_TWO_FACTORS, f"{ACR_TWO_FACTORS} {ACR_PASSWORD}"]),
        "login_hint": st.sampled_from(PEOPLE),
        "claims": st.just(f'{{"id_token":{{"acr":{{"essential":true,"value":"{ACR_TWO_FACTORS}"}}}}}}'),
    },
)

HONEST: list[dict[str, str]] = [{}, {}, {}, {"acr_values": ACR_TWO_FACTORS}, {"max_age": "0"}]


@dataclass
class Clock:
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


@dataclass
class Ground:
    """An installation in this process. `start` is what the tables that a sign-in changes held when nobody had been."""

    http: TestClient
    clock: Clock
    file: Path
    clients: list[dict[str, Any]]
    sealer: Sealer
    passkeys: dict[str, Device] = field(default_factory=dict)
    start: list[tuple[Any, ...]] = field(default_factory=list)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file, timeout=30)) as database, database:
            return database.execute(sql, values).fetchall()

    def mailed(self) -> list[Mail]:
        """What waits for a mail server that takes nothing."""
        rows = self.query("SELECT id, payload FROM outbox WHERE kind = 'mail' ORDER BY id")
        return [Mail(**Leased(row_id, payload, 0).data(self.sealer)) for row_id, payload in rows]

    def reset(self) -> None:
        changing = ("credentials", "sessions", "consents", "handles", "attempts", "audit")
        for table in (*changing, "email_codes", "outbox", "counters"):
            self.query(f"DELETE FROM {table}")  # noqa: S608
        for row in self.start:
            self.query(f"INSERT INTO credentials VALUES ({','.join('?' * len(row))})", *row)  # noqa: S608


@dataclass(frozen=True)
class Asked:
    """What an attempt began with, when, and in which browser."""

    client: int
    parameters: dict[str, str]
    began: datetime


@dataclass(frozen=True)
class Seen:
    """A row of the audit, and the request that wrote it."""

    request: int
    attempt: str
    browser: int
    event: str
    person: str
    client_id: str | None
    session_id: str | None
    details: dict[str, Any]
    at: datetime


@dataclass
class Tab:
    """A browser: its cookies, and the page that it looks at."""

    cookies: dict[str, str] = field(default_factory=dict)
    page: httpx2.Response | None = None


class SignIns(RuleBasedStateMachine):
    """Three people, three apps, and everything that was ever posted."""

    ground: ClassVar[Ground]
    reached: ClassVar[Counter[str]] = Counter()

    @initialize()
    def nobody_is_signed_in(self) -> None:
        self.ground.reset()
        self.tabs = [Tab(), Tab()]
        self.attempts: dict[str, Asked] = {}
        self.tokens: dict[tuple[str, int], list[str]] = {}
        self.posted: list[tuple[str, dict[str, str]]] = []
        self.events: list[Seen] = []
        self.known: set[str] = set()
        self.requests = 0
        self.passwords = dict(zip(PEOPLE, (PASSWORD, PASSWORD, LEAKED, PASSWORD), strict=True))
        self.passkeys = {
            who: replace(device, passkeys=[*device.passkeys]) for who, device in self.ground.passkeys.items()
        }
        self.answers: dict[str, tuple[str, bool]] = {}  # whose they are, and whether the device verified the person
        self.counted: dict[str, int] = {}
        self.sent: dict[int, str] = {}
        self.devices, self.secret_shown = {ANA: DEVICE}, DEVICE
        self.names: dict[str, str] = dict(self.ground.query("SELECT pseudonym, email FROM users"))
        self.ids: dict[str, str] = dict(self.ground.query("SELECT id, email FROM users"))

    @rule(pick=PICK, parameters=REQUESTS)
    def begin(self, pick: int, parameters: dict[str, str]) -> None:
        browser, client = pick % 2, pick // 2 % len(self.ground.clients)
        url = authorize_url(self.ground.clients[client], CHALLENGE, scope="openid", **parameters)
        self.visit(browser, url, Asked(client, parameters, self.ground.clock.now))

    @rule(pick=PICK, seconds=st.sampled_from([1, 31, 250, 400, 1900]))
    def time_passes(self, pick: int, seconds: int) -> None:
        self.ground.clock.now += timedelta(seconds=seconds)

    @rule(pick=PICK, who=st.sampled_from(PEOPLE), parameters=st.sampled_from(HONEST))
    def an_honest_sign_in(self, pick: int, who: str, parameters: dict[str, str]) -> None:
        self.begin(pick, parameters)
        for _ in range(9):
            self.go_on(pick, who, honest=True)

    @rule(pick=PICK, who=st.sampled_from(PEOPLE), honest=st.booleans())
    def go_on(self, pick: int, who: str, honest: bool) -> None:
        """What the page that a browser looks at asks for, or something else; nothing where it asks for nothing."""
        browser = pick % 2
        page = self.tabs[browser].page
        found = re.search(r'data-step="([\w-]+)"', page.text) if page is not None else None
        if page is None or found is None:
            return
        path, shown = path_of(page), re.search(r'<p class="name row"><bdi>([^<]+)<', page.text)
        person = shown[1] if shown and honest else who
        form = ("no-passkey", "new-passkey")[pick // 2 % 2] if found[1] == "offer" else found[1]
        if ('id="send-code"' in page.text and pick % 3 == 0) or 'id="send"' in page.text:
            form = "send-code"
        if form == "enrol" and f"{path}/later" in page.text and pick % 3:
            form = "later"
        elif form == "enrol" and pick % 4 == 1:
            form = "new-passkey"
        if 'id="passkey"' in page.text and person in self.passkeys and (not honest or pick % 3):
            form = "passkey"
        self.fill(browser, path, form, person, pick, spoil=not honest and pick % 4 == 3)

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK, form=st.sampled_from(FORMS), who=st.sampled_from(PEOPLE), old=st.sampled_from([-1, -1, -2, -3]))
    def post_anything(self, pick: int, form: str, who: str, old: int) -> None:
        """Any form of any attempt, also of the other browser's, with a token that this browser saw there."""
        browser, path = pick % 2, list(self.attempts)[pick // 2 % len(self.attempts)]
        self.fill(browser, path, form, who, pick, spoil=pick % 4 == 3, old=old)

    @precondition(lambda self: self.posted)
    @rule(pick=PICK)
    def replay(self, pick: int) -> None:
        """What was posted before comes again, as it was, from either browser."""
        self.post(pick % 2, *self.posted[-1 - pick // 2 % min(len(self.posted), 12)])

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK)
    def go_back(self, pick: int) -> None:
        self.visit(pick % 2, list(self.attempts)[pick // 2 % len(self.attempts)], None)

    def fill(self, browser: int, path: str, form: str, who: str, pick: int, *, spoil: bool, old: int = -1) -> None:
        """Posts a form of an attempt with what belongs into it, or something that does not."""
        if form in ("passkey", "new-passkey"):
            options = self.request(browser, "GET", f"{path}/{form}")
            asked = options.json() if options.headers["content-type"] == "application/json" else None
            fields = {"credential": self.credential(form, who, asked or {}, pick, spoil=spoil)}
        else:
            fields = self.fields(form, who, self.tabs[browser].page, pick, spoil=spoil)
        self.post(browser, f"{path}/{form}", {**fields, "csrf": self.token(path, browser, old)})

    def fields(self, form: str, who: str, page: httpx2.Response | None, pick: int, *, spoil: bool) -> dict[str, str]:
        text, wrong = "" if page is None else page.text, spoil
        secret = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', text)
        self.ground.clock.now += timedelta(seconds=30)  # the next code, so that an honest one is not spent already
        able = {"passkeys": "can"} if pick % 2 else {}
        if form == "identify":
            return {"username": who} | ({"password": self.passwords[who], **able} if pick % 5 == 4 else {})
        if form == "password":
            return {"password": "wrong" if wrong else self.passwords[who], **able}
        if form == "email" or (form == "factor" and (f"{path_of(page)}/send-code" in text if page else pick % 5 == 0)):
            return {"method": "email", "code": self.mailed_to(who, wrong)}
        if form == "factor" and pick % 3 == 2:
            return {"method": "recovery", "code": CODES[pick % len(CODES)]}
        if form == "factor":
            return {"method": "totp", "code": "000000" if wrong else self.code(self.devices.get(who, DEVICE))}
        if form == "enrol":
            return {"code": self.code(secret[1].replace(" ", "")) if secret else "123456", "name": "Phone"}
        if form == "new-password":
            return {"new_password": LEAKED if wrong else f"wok plum fjord {pick}"}
        sids = re.findall(r'name="sid" value="([^"]+)"', text)
        return {"decision": "deny" if wrong else "allow", "sid": sids[pick % len(sids)] if sids else "0" * 32}

    def credential(self, form: str, who: str, asked: dict[str, Any], pick: int, *, spoil: bool) -> str:
        """What somebody's device answers to what a page asks for; a spoilt answer has not verified its person."""
        device, flags = self.passkeys.setdefault(who, Device(ISSUER)), UP if spoil else VERIFIED
        if form == "new-passkey":
            anybody = {"challenge": "AAAA", "rp": {"id": "localhost"}, "user": {"id": text_of(bytes(64))}}
            answer = device.create(anybody | asked, flags=flags)
        elif device.passkeys:
            passkey = device.passkeys[pick % len(device.passkeys)]
            answer = device.get({"challenge": "AAAA"} | asked, passkey, flags=flags)
        else:
            return "{}"
        sent = json.dumps(answer)
        self.answers[sent] = who, form == "passkey" and not spoil
        return sent

    def mailed_to(self, who: str, wrong: bool) -> str:
        """The newest code; a wrong one is one that somebody else was sent."""
        mails = [mail for mail in self.ground.mailed() if (mail.to == who) != wrong]
        found = re.search(r"^ +([0-9]{4} [0-9]{4})$", mails[-1].text, re.MULTILINE) if mails else None
        return found[1] if found else "12345678"

    def code(self, secret: str) -> str:
        return pyotp.TOTP(secret).at(self.ground.clock.now)

    def token(self, path: str, browser: int, number: int) -> str:
        seen = self.tokens.get((path, browser), ["."])
        return seen[max(number, -len(seen))]

    def post(self, browser: int, path: str, form: dict[str, str]) -> None:
        self.posted.append((path, form))
        self.sent[self.requests + 1] = form.get("credential", "")
        self.arrived(browser, self.request(browser, "POST", path, form), path.rpartition("/")[0])
        if "new_password" in form and any(
            each.event == "password.replaced" and each.request >= self.requests - 6 for each in self.events[-8:]
        ):
            whose = next(each.person for each in reversed(self.events) if each.event == "password.replaced")
            self.passwords[whose] = form["new_password"]
        for each in self.events[-8:]:
            if (each.event, each.details.get("factor")) == (
                "factor.enrolled",
                "totp",
            ) and each.person not in self.devices:
                self.devices[each.person] = self.secret_shown

    def visit(self, browser: int, url: str, asked: Asked | None) -> None:
        self.arrived(browser, self.request(browser, "GET", url), url, asked)

    def arrived(self, browser: int, response: httpx2.Response, before: str, asked: Asked | None = None) -> None:
        """Follows redirects while they stay here. A new attempt asks for what the one before it asked for."""
        asked = asked or self.attempts.get(before)
        attempt = before
        while response.is_redirect and not response.headers["location"].startswith(CALLBACK):
            attempt = urlsplit(response.headers["location"]).path
            response = self.request(browser, "GET", response.headers["location"])
        assert response.status_code < 500, response.text[:500]
        if response.is_redirect:
            code = parse_qs(urlsplit(response.headers["location"]).query).get("code")
            if code is not None:
                assert asked is not None
                self.check(browser, self.attempts.get(attempt, asked), code[0])
            return
        self.tabs[browser].page = response
        path = path_of(response)
        if path:
            now = self.ground.clock.now
            if path not in self.attempts and asked is not None:
                began = asked.began if before not in self.attempts else now
                self.attempts[path] = Asked(asked.client, asked.parameters, began)
            self.tokens.setdefault((path, browser), []).append(forms(response.text)[0].fields["csrf"])

    def request(self, browser: int, method: str, path: str, form: dict[str, str] | None = None) -> httpx2.Response:
        tab, http = self.tabs[browser], self.ground.http
        http.cookies.clear()
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in tab.cookies.items()), "Origin": ISSUER}
        if tab.page is not None and (shown := re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', tab.page.text)):
            self.secret_shown = shown[1].replace(" ", "")
        response = http.request(method, path, data=form, headers=headers if tab.cookies else {"Origin": ISSUER})
        for cookie in response.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            tab.cookies[name] = value
            if not value or "max-age=0" in cookie.lower():
                del tab.cookies[name]
        self.requests += 1
        self.look(browser, urlsplit(path).path)
        return response

    def look(self, browser: int, path: str) -> None:
        """What the audit says of this request."""
        attempt = "/".join(path.split("/")[:3])
        rows = self.ground.query("SELECT id, at, event, pseudonym, client_id, session_id, details FROM audit")
        for row_id, at, event, pseudonym, client_id, session_id, details in sorted(rows):
            if row_id not in self.known:
                self.known.add(row_id)
                person, told = self.names.get(pseudonym, ""), quick_json.decode(details)
                moment = datetime.fromisoformat(at)
                seen = Seen(self.requests, attempt, browser, event, person, client_id, session_id, told, moment)
                self.events.append(seen)

    def check(self, browser: int, asked: Asked, code: str) -> None:
        """A code was given: everything that it takes has happened, for this person, in this browser."""
        ((stored,),) = self.ground.query("SELECT data FROM handles WHERE hash = ?", hash_of(code))
        given: dict[str, Any] = quick_json.decode(stored)
        person, client, now = self.ids[given["user_id"]], self.ground.clients[asked.client], self.ground.clock.now
        began = [each for each in self.events if each.event == "sign_in.succeeded" and each.session_id == given["sid"]]
        assert began, "no sign-in that the audit knows"
        assert {each.person for each in began} == {person}
        assert {each.browser for each in began} == {browser}, "a session moved to another browser"
        amr = given["amr"]
        assert list(amr) == began[-1].details["amr"].split()
        proofs = [each for success in began for each in self.proofs_before(success)]
        methods, shown = set(amr) - QUALIFIERS, {METHOD[each.details["factor"]] for each in proofs}
        assert methods <= shown, "a factor that nobody proved"
        verified = self.check_passkeys(proofs) and "pop" in amr
        assert ("user" in amr) == ("pop" in amr)
        assert ("mfa" in amr) == (given["acr"] == ACR_TWO_FACTORS) == (len(methods) > 1 or verified)
        assert amr != ["pop", "user"], "a passkey stood alone that had not verified its person"
        enrolled = self.ground.query("SELECT factor FROM credentials WHERE user_id = ?", given["user_id"])
        factors = {factor for (factor,) in enrolled}
        second = "totp" in factors or factors >= {"passkey", "recovery"}
        strict = asked.parameters.get("acr_values") == ACR_TWO_FACTORS or "claims" in asked.parameters
        due = client["second_factor"] == "required" and client["second_factor_from"] is None
        if second or strict or due:
            assert "mfa" in amr, "one factor where two are needed"
        assert methods & {"otp", "pop"} or not second, "a mail stood in for a device"
        self.check_mails(proofs)
        self.check_freshness(asked, datetime.fromisoformat(given["auth_time"]), now)
        assert not self.leaked(began[-1]), "a session by a password that others know"
        given_here = [each for each in self.events if each.event == "consent.given" and each.person == person]
        assert any(each.client_id == client["client_id"] for each in given_here), "nobody allowed it"
        self.reached.update(self.kinds(began[-1], amr))

    def check_passkeys(self, proofs: list[Seen]) -> bool:
        """Each answer came from its person's device and counted once; whether one of them had verified the person."""
        by_passkey = {each.request: each for each in proofs if each.details["factor"] == "passkey"}
        sent = {self.sent[request]: each for request, each in by_passkey.items() if self.sent.get(request)}
        assert bool(sent) == bool(by_passkey), "a passkey that was never used"
        for answer, proof in sent.items():
            assert self.answers[answer][0] == proof.person, "a passkey of another person"
            assert self.counted.setdefault(answer, proof.request) == proof.request, "an answer that counted twice"
        return any(self.answers[answer][1] for answer in sent)

    def check_mails(self, proofs: list[Seen]) -> None:
        """A code was mailed to this person in the sign-in, and the browser, in which it was right."""
        for proof in proofs:
            if proof.details["factor"] == "email":
                here = (proof.attempt, proof.browser, proof.person)
                assert any(
                    each.event == "email_code.sent"
                    and (each.attempt, each.browser, each.person) == here
                    and each.request < proof.request
                    for each in self.events
                ), "a code that was mailed for another sign-in"

    def check_freshness(self, asked: Asked, auth_time: datetime, now: datetime) -> None:
        since = asked.began if "login" in asked.parameters.get("prompt", "") else None
        if since is not None:
            assert auth_time >= since, "the session was there before prompt=login"
        if "max_age" in asked.parameters:
            age = int(asked.parameters["max_age"])
            assert auth_time >= asked.began - timedelta(seconds=age), "too old when the attempt began"
            assert auth_time >= now - timedelta(seconds=max(age, PATIENCE) + 1), "too old when the code was given"

    def proofs_before(self, success: Seen) -> list[Seen]:
        """What was proved for this sign-in: in its attempt, by its person, in its browser."""
        return [
            each
            for each in self.events
            if (each.attempt, each.person, each.browser) == (success.attempt, success.person, success.browser)
            and each.event in ("factor.accepted", "sign_in.succeeded")
            and each.request <= success.request
        ]

    def leaked(self, success: Seen) -> bool:
        """Whether the password that it rests on was found on a list, and not replaced."""
        known = False
        for request in sorted({each.request for each in self.events if each.request <= success.request}):
            here = [each for each in self.events if each.request == request and each.attempt == success.attempt]
            events = {each.event for each in here if each.person == success.person}
            if "password.replaced" in events:
                known = False
            elif any(each.details.get("factor") == "password" for each in here if each.event in PROVED):
                known = "password.leaked" in events
        return known

    def kinds(self, success: Seen, amr: list[str]) -> Iterator[str]:
        events = {each.event for each in self.events if each.attempt == success.attempt}
        yield "two factors" if "mfa" in amr else "one factor"
        yield from (f"mail and {'more' if 'mfa' in amr else 'nothing'}" for each in amr if each == "mca")
        yield from (f"passkey and {'nothing' if len(amr) == 3 else 'more'}" for each in amr if each == "pop")
        yield from (name for name in ("password.replaced", "factor.enrolled", "factor.put_off") if name in events)


PROVED = ("factor.accepted", "sign_in.succeeded")
ISSUER = "http://localhost:8000"


def path_of(page: httpx2.Response) -> str:
    found = re.search(r'action="(/signin/[^/"]+)/', page.text)
    return found[1] if found else ""


class NoServer:
    """Takes nothing, so that all that was written can be read in the outbox."""

    async def send(self, mail: Mail, message_id: str, now: datetime) -> None:
        raise MailFailed


@contextmanager
def laid(folder: Path, email_codes: str) -> Iterator[Ground]:
    with installed(folder, issuer=ISSUER, log_level="error", email_codes=email_codes) as provider:
        policies: list[tuple[str, ...]] = [(), ("--second-factor", "required")]
        policies.append(("--second-factor", "required", "--second-factor-from", "2999-01-01"))
        clients = [provider.create_client(*policy) for policy in policies]
        for person in (ANA, BEN, PIA):
            provider.create_user(person)
        leaked = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(LEAKED)
        provider.cli("user", "create", LEAH, "--password-hash-stdin", stdin=leaked)
        passkeys = give_devices(provider)
        clock = Clock()
        sealer = Sealer([(provider.folder / "data" / "secrets" / "secret_key").read_text().strip()])
        app = create_app(load(provider.environment), clock=clock, mailer=NoServer())
        with TestClient(app, base_url=ISSUER) as http:
            http.follow_redirects = False
            ground = Ground(http, clock, provider.folder / "data" / "idp.db", clients, sealer, passkeys)
            ground.start = ground.query("SELECT * FROM credentials")
            ground.query("DROP TRIGGER audit_stays")  # each run begins with an empty audit
            yield ground


def give_devices(provider: Provider) -> dict[str, Device]:
    passkey = Device(ISSUER)
    given(provider, passkey, PIA)
    ana = provider.cli("user", "show", ANA)["sub"]

    async def work(services: Services) -> None:
        now = services.clock()
        async with services.database.transaction() as transaction:
            device = totp.device(DEVICE, "Phone")
            await credentials.add(transaction, services.sealer, ana, totp.NAME, device, now, "totp:fuzz")
            await credentials.add(transaction, services.sealer, ana, recovery.NAME, recovery.data(CODES), now)

    with_services(provider, work)
    return {PIA: passkey}


def walk_each_way() -> None:
    """So that each is gone at least once, whatever is drawn."""
    for who in PEOPLE:
        for first in (0, 4):  # where nothing more is asked for, and where a second step may be put off
            usual = SignIns()
            usual.nobody_is_signed_in()
            for pick in (first, *range(12)):
                usual.an_honest_sign_in(pick, who, {})
    usual.nobody_is_signed_in()
    usual.begin(2, {})
    for pick in (24, 2, 0):  # a password that was filled in, then a passkey, and the consent
        usual.go_on(pick, PIA, honest=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("email_codes", "ways"),
    [("off", {"factor.enrolled", "factor.put_off"}), ("sign_in", {"mail and nothing", "mail and more"})],
)
def test_mf_02_mf_03_in_whatever_order_steps_are_posted_a_code_takes_all_that_it_takes(
    tmp_path: Path, email_codes: str, ways: set[str]
) -> None:
    """The attacker skips, repeats, reorders, mixes and replays the steps of several people in two browsers."""
    with laid(tmp_path, email_codes) as ground:
        SignIns.ground, SignIns.reached = ground, Counter()
        walk_each_way()
        run_state_machine_as_test(
            SignIns,
            settings=settings(
                max_examples=max(8, settings().max_examples // 3),
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    wanted = {"one factor", "two factors", "password.replaced", "passkey and nothing", "passkey and more", *ways}
    assert wanted <= SignIns.reached.keys(), "the fuzzer got nowhere"
