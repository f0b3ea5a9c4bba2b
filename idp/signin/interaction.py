"""The dispatcher: every request of a sign-in ends here, and `next_step` says what happens."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.factors import message
from idp.factors import proofs as evidence
from idp.factors.proofs import MULTIPLE, SECOND
from idp.protocol.authorize import CONSENT, CREATE, FORM_POST, LOGIN, SELECT_ACCOUNT, AnswerTo, AuthorizationRequest
from idp.protocol.claims import ACR_TWO_FACTORS, Authentication, acr_told
from idp.protocol.clients import Client
from idp.protocol.grants.authorization_code import Code
from idp.services import Services
from idp.settings import REQUIRED
from idp.signin import accounts, remembered
from idp.signin.steps import Demand, Progress, Step, missing, next_step
from idp.store import attempts, consents, credentials, handles, users
from idp.store.attempts import Attempt
from idp.store.db import Connection, Transaction
from idp.store.ids import hash_of, new_id, time_of
from idp.store.prune import KEEP_ATTEMPTS
from idp.store.sessions import SignedIn
from idp.store.users import canonical
from idp.web import answers, own, throttle

MAX_USERNAME = 320
PATIENCE = timedelta(minutes=5)
MAX_URL_PART = 7000  # proxies take lines of 8 KB
_ALWAYS = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Interaction:
    """One request of a sign-in, with everything that is known of it.

    `signed_in` are the sessions of this browser, and `session` the one of them that it is about. `put_off`: the person
    would rather set up a second factor another time. `offers_passkey`: the browser can make a passkey, and its person
    came without one of this device and was not asked lately whether they want one. `enrolled` is what they have set
    up, where this transaction knows it.
    """

    request: Request
    services: Services
    client: Client
    asked: AuthorizationRequest
    answer_to: AnswerTo
    attempt: Attempt
    browser: str
    signed_in: tuple[SignedIn, ...]
    session: SignedIn | None
    put_off: bool = False
    offers_passkey: bool = False
    enrolled: frozenset[str] | None = None

    @property
    def url(self) -> str:
        return f"/signin/{self.attempt.url_part}"

    @property
    def answered_by_get(self) -> bool:
        """Whether the answer is a page, as form_post is, and this is a post: its reload would post again."""
        return self.asked.response_mode == FORM_POST and self.request.method == "POST"

    @property
    def required_from(self) -> datetime | None:
        """Since when, or from when on, the policy asks this person for two factors; None where it never does."""
        settings, client = self.services.settings, self.client
        policies = (
            (settings.second_factor, settings.second_factor_from),
            (client.second_factor, client.second_factor_from),
        )
        return min((since or _ALWAYS for rule, since in policies if rule == REQUIRED), default=None)

    @property
    def proving(self) -> str | None:
        """Whose second factor is asked for: who proved the first one here, or whose session lacks it."""
        return self.attempt.person or (self.session.user_id if self.session else None)

    @property
    def mailed(self) -> bool:
        """Whether a code by mail was asked for, and is good for signing in."""
        return self.attempt.mailed_at is not None and self.services.settings.mail_signs_in

    async def step(self, connection: Connection | None = None) -> Step:
        """What is next, by what the database says now."""
        progress = await self.progress(connection or self.services.database)
        return next_step(progress, self.demand)

    async def missing(self, transaction: Transaction, proof: Authentication) -> Step | None:
        """What is between who has proved something here, which makes `proof`, and their session."""
        progress = await self.progress(transaction)
        return missing(replace(progress, two_factors=proof.acr == ACR_TWO_FACTORS), self.demand)

    async def progress(self, connection: Connection) -> Progress:
        allowed: frozenset[str] = frozenset()
        if self.session is not None:
            allowed = await consents.find(connection, self.session.user_id, self.client.client_id)
        two_factors = self._two_factors
        return Progress(
            identified=bool(self.attempt.username),
            mailed=self.mailed,
            selectable=accounts.selectable(self.signed_in, self.session, self.attempt, self.asked),
            session_user=self.session.user_id if self.session else None,
            auth_time=self.session.authentication.auth_time if self.session else None,
            proving=self.attempt.person,
            two_factors=two_factors,
            has_second=not two_factors and await self._has_second(connection),
            leaked=any(proof.leaked for proof in self.attempt.proofs),
            offered=self.offers_passkey and self._began_here,
            allowed=allowed,
            consented_by=self.attempt.consented_by,
        )

    @cached_property
    def demand(self) -> Demand:
        since = self.required_from
        is_due = since is not None and since <= self.services.clock()
        return Demand(
            subject=self.asked.subject,
            scope=frozenset(self.asked.scope),
            fresh_since=self._fresh_since,
            two_factors=self.asked.asks_for_two_factors or is_due,
            announced=since is not None and not is_due and not self.put_off,
            ask_consent=CONSENT in self.asked.prompt,
        )

    @property
    def _fresh_since(self) -> datetime | None:
        """What was fresh when the attempt began may not be so when the code is given: max_age is judged again.

        PATIENCE is for reading pages and fetching codes, so that nobody is sent round in a circle.
        """
        oldest = _oldest(self.asked, self.client)
        if oldest is None:
            return self.attempt.fresh_since
        by_now = self.services.clock() - max(oldest, PATIENCE)
        return max(self.attempt.fresh_since or by_now, by_now)

    @property
    def _two_factors(self) -> bool:
        """Whether what was proved here, or the session began with, makes two."""
        if self.session is not None:
            return self.session.authentication.acr == ACR_TWO_FACTORS
        return MULTIPLE in evidence.amr(self.attempt.proofs)

    @property
    def _began_here(self) -> bool:
        """Whether the session began in this attempt, and not long ago."""
        if self.session is None:
            return False
        since = max(time_of(self.attempt.id), self.services.clock() - self.services.settings.fresh_proof)
        return self.session.authentication.auth_time >= since

    async def _has_second(self, connection: Connection) -> bool:
        if self.proving is None:
            return False
        enrolled = self.enrolled
        if enrolled is None:
            enrolled = await credentials.enrolled(connection, self.proving)
        if evidence.asks_for_second(enrolled) or not self.demand.two_factors:
            return evidence.asks_for_second(enrolled)
        return not enrolled.isdisjoint(SECOND) or await self._takes_mail(connection)

    async def second_by_mail(self, connection: Connection) -> bool:
        """Whether a code by mail is this person's second factor: it never stands in for a better one."""
        enrolled = await credentials.enrolled(connection, self.proving or "")
        return enrolled.isdisjoint(SECOND) and await self._takes_mail(connection)

    async def _takes_mail(self, connection: Connection) -> bool:
        """And not where a mail was the first one: it would be the same twice."""
        proved = evidence.amr(self.attempt.proofs)
        if self.attempt.person is None and self.session is not None:
            proved = self.session.authentication.amr
        if not self.services.settings.mails_codes or message.AMR in proved:
            return False
        person = await users.find(connection, self.proving or "")
        return person is not None and person.email_verified_at is not None


async def restart(old: Interaction, typed: str | None = None) -> Response:
    """An attempt that expired or is done begins again by itself; who was signing in, or `typed`, is not asked twice."""
    now = old.services.clock()
    attempt = new_attempt(old.asked, old.client, old.browser, now, old.services.settings.attempt_lifetime)
    if old.attempt.done_at is None:
        since = [each for each in (old.attempt.fresh_since, attempt.fresh_since) if each is not None]
        attempt = replace(attempt, username=old.attempt.username, fresh_since=max(since, default=None))
    if typed is not None and len(typed) <= MAX_USERNAME:
        somebody_else = old.session is not None and canonical(typed) != canonical(old.session.email)
        attempt = replace(attempt, username=typed, fresh_since=now if somebody_else else attempt.fresh_since)
    return RedirectResponse((await named(replace(old, attempt=attempt))).url, 303)


async def named(interaction: Interaction) -> Interaction:
    """Under a URL. Only what is too long for one is stored."""
    services, attempt = interaction.services, interaction.attempt
    url_part = attempts.seal(services.sealer, attempt)
    if len(url_part) > MAX_URL_PART:
        await throttle.store_one(interaction.request, services)
        now, data = services.clock(), {"ticket": url_part}
        async with services.database.transaction() as transaction:
            url_part = await handles.issue(transaction, handles.TICKET, data, now, now + KEEP_ATTEMPTS)
    return replace(interaction, attempt=replace(attempt, url_part=url_part))


async def recalled(interaction: Interaction) -> Interaction:
    """With who will most likely sign in, where nothing has happened yet."""
    if interaction.attempt.version > 0 or interaction.attempt.username is not None:
        return interaction
    attempt = replace(interaction.attempt, username=await _expected(interaction))
    return replace(interaction, attempt=attempt)


async def settle(transaction: Transaction, interaction: Interaction) -> str | None:
    """The end of every post, in the transaction of what it recorded: saves the attempt, makes the code if it is done.

    None where something is left to ask, another request of the attempt was faster, or a GET is to give the answer.
    """
    services, attempt = interaction.services, interaction.attempt
    done = not interaction.answered_by_get and await interaction.step(transaction) is Step.DONE
    if done:
        attempt = replace(attempt, done_at=services.clock(), username=None)
    saved = await attempts.save(transaction, services.sealer, attempt)
    return await _issue_code(transaction, interaction) if done and saved else None


def proceed(interaction: Interaction, code: str | None) -> Response:
    """After a post: to the app with its code, to the page of ours that asked, or back to the attempt's page."""
    if code is None:
        return RedirectResponse(interaction.url, 303)
    if interaction.client.client_id == own.CLIENT_ID:
        return RedirectResponse(interaction.asked.redirect_uri, 303)
    return answers.success(interaction.request, interaction.answer_to, code, interaction.client.client_name)


async def finish(interaction: Interaction) -> Response:
    """A GET of an attempt for which nothing is left to ask."""
    async with interaction.services.database.transaction() as transaction:
        code = await settle(transaction, interaction)
    return proceed(interaction, code)


async def give_code(interaction: Interaction) -> Response:
    """Nothing to ask from the start: the attempt was never stored."""
    async with interaction.services.database.transaction() as transaction:
        code = await _issue_code(transaction, interaction)
    return proceed(interaction, code)


async def _issue_code(transaction: Transaction, interaction: Interaction) -> str:
    """An empty one for a page of our own: the session is all that it needs."""
    if interaction.client.client_id == own.CLIENT_ID:
        return ""
    services, now = interaction.services, interaction.services.clock()
    code = _code(interaction, now)
    until = now + services.settings.code_lifetime
    return await handles.issue(transaction, handles.CODE, code.to_json(), now, until)


def _code(interaction: Interaction, now: datetime) -> Code:
    session, asked = interaction.session, interaction.asked
    assert session is not None  # noqa: S101  # next_step demands it
    proof = session.authentication
    return Code(
        grant_id=new_id(now),
        client_id=interaction.client.client_id,
        redirect_uri=asked.redirect_uri,
        scope=asked.scope,
        nonce=asked.nonce,
        code_challenge=asked.code_challenge,
        user_id=session.user_id,
        sid=session.sid,
        auth_time=proof.auth_time,
        amr=proof.amr,
        acr=acr_told(proof.acr, asked.essential_acr),
    )


def new_attempt(
    asked: AuthorizationRequest, client: Client, browser: str, now: datetime, lifetime: timedelta
) -> Attempt:
    return Attempt(
        id=new_id(now),
        browser_hash=hash_of(browser),
        client_id=asked.client_id,
        request=asked.to_json(),
        expires_at=now + lifetime,
        username=None,
        fresh_since=_fresh_since(asked, client, now),
    )


def _fresh_since(asked: AuthorizationRequest, client: Client, now: datetime) -> datetime | None:
    """From when on an authentication counts (OpenID Connect Core section 3.1.2.1, prompt and max_age)."""
    if LOGIN in asked.prompt:
        return now
    oldest = _oldest(asked, client)
    return None if oldest is None else now - oldest


def _oldest(asked: AuthorizationRequest, client: Client) -> timedelta | None:
    """How old an authentication may be, by the app and by the policy for it: the stricter one."""
    ages = [each for each in (asked.max_age, client.max_age) if each is not None]
    return timedelta(seconds=min(ages)) if ages else None


async def _expected(interaction: Interaction) -> str | None:
    """Who will most likely sign in: the person of the session that is not fresh enough, or the last one here.

    A hint that names somebody else is shown in the field, where it can be changed.
    """
    asked = interaction.asked
    if interaction.session is not None:
        return interaction.session.email
    if (interaction.signed_in and asked.subject is None) or not {SELECT_ACCOUNT, CREATE}.isdisjoint(asked.prompt):
        return None
    known = await remembered.find(interaction.request, interaction.services, interaction.browser)
    if known is None or asked.subject not in (None, known.id):
        return None
    return known.email if asked.login_hint is None or canonical(asked.login_hint) == canonical(known.email) else None
