"""The pages of a sign-in and what their buttons do."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.responses import JSONResponse, RedirectResponse, Response

from idp import audit, new_passwords
from idp.audit import Event
from idp.factors import passkey, totp
from idp.factors.password import MAX_LENGTH
from idp.protocol import scopes
from idp.protocol.authorize import CONSENT, LOGIN
from idp.protocol.errors import AccessDenied
from idp.protocol.params import Params
from idp.settings import BY_INVITATION, REQUIRED
from idp.signin import accounts, by_email, new_passkey, offering, remembered, replacing, sign_up, with_passkey
from idp.signin import interaction as dispatcher
from idp.signin.authenticate import WRONG_PASSWORD, with_password
from idp.signin.every_page import common, confirming, step_page
from idp.signin.factor_page import NOT_RIGHT, factor_page
from idp.signin.interaction import MAX_USERNAME, Interaction
from idp.signin.loading import DENIED, typed_name
from idp.signin.proving import OTHER_PERSON, TOOK_LONG
from idp.signin.second import TOO_MANY, WRONG_CODE, email_of, setup
from idp.signin.steps import Step
from idp.store import attempts, consents, credentials, sessions, users
from idp.store.attempts import Attempt
from idp.store.db import Transaction
from idp.web import answers, devices, notices, problems, qr
from idp.web import sessions as browser_sessions
from idp.web.origin import origin_of
from idp.wording import Text

NO_NAME = "no_name"
_WRONG = {
    "summary": Text("That did not work"),
    "field": "password",
    "message": Text("The e-mail address or the password is not right. Check both and try again."),
}
_TOO_MANY = {
    "summary": Text("Too many wrong codes"),
    "field": "password",
    "message": Text("Enter your password again, and then a code that your app shows at that moment."),
}
_TOOK_LONG = {
    "summary": Text("That took a while"),
    "field": "password",
    "message": Text("Enter your password again, so that nobody else changes how you sign in. Nothing else is lost."),
}
_PASSWORD_FAULTS = {WRONG_PASSWORD: _WRONG, TOO_MANY: _TOO_MANY, TOOK_LONG: _TOOK_LONG}
_NO_NAME = {
    "summary": Text("Who are you?"),
    "field": "username",
    "message": Text("Enter the e-mail address you sign in with."),
}
_OTHER_PERSON = {
    "summary": Text("That is another account"),
    "field": "username",
    "message": Text("You are signed in, but the app asks for the account that you used there before."),
}
_OTHER_PAGES = ("recover", "sign-up")
_NAME_FAULTS = {NO_NAME: _NO_NAME, OTHER_PERSON: _OTHER_PERSON}


async def show(interaction: Interaction) -> Response:
    """The page of the step that is next, or the way back to the app."""
    if interaction.attempt.fault == DENIED:
        return await _denied(interaction)
    step = await interaction.step()
    if step is Step.DONE:
        return await dispatcher.finish(interaction)
    step = _by_other_way(interaction, step)
    if step is not Step.CONSENT and await _session_was_lost(interaction):
        problem = problems.NO_COOKIES.with_link(interaction.url, Text("Try again"))
        return problems.problem_page(interaction.request, problem)
    return await _PAGES[step](interaction)


def _by_other_way(interaction: Interaction, step: Step) -> Step:
    """The page of the password or of the mail, whichever was asked for by a link."""
    asked = interaction.request.query_params
    if step is Step.EMAIL and asked.get("by") == "password":
        return Step.PASSWORD
    by_link = step is Step.PASSWORD and "link" in asked and interaction.services.settings.mail_signs_in
    return Step.EMAIL if by_link else step


def _first_step(interaction: Interaction) -> dict[str, object]:
    """What a waiting tab compares with, so that it stays on the page that was asked for."""
    return {"step": (Step.EMAIL if interaction.mailed else Step.PASSWORD).value}


async def _session_was_lost(interaction: Interaction) -> bool:
    """Whether a session began in this attempt and lives, but the browser did not bring its cookie, nor another's."""
    sid, services = interaction.attempt.session_id, interaction.services
    if sid is None or interaction.signed_in:
        return False
    return await sessions.is_alive(services.database, sid, services.clock(), services.settings.session_idle_lifetime)


async def step(interaction: Interaction) -> Response:
    """Which step is next, for a waiting tab that wonders whether another one went on."""
    return JSONResponse({"step": await interaction.step()})


async def step_of_none(_: Interaction) -> Response:
    """The attempt is over: nothing is begun or given until its page itself is asked for."""
    return JSONResponse({"step": None})


def step_elsewhere(_: Attempt) -> Response:
    """Another tab replaced the cookie: nor here, where a script would follow the app's code to the app."""
    return JSONResponse({"step": None})


async def identify(interaction: Interaction, form: Params) -> Response:
    """Who is signing in; a password manager may have filled the password as well."""
    username = typed_name(form)
    if username is None or len(username) > MAX_USERNAME:
        await _save(interaction, username="", fault=NO_NAME)
        return RedirectResponse(interaction.url, 303)
    if form.get("password") is not None:
        return await with_password(offering.begun(interaction, form), username, form)
    await _save(interaction, username=username, fault=None)
    return RedirectResponse(interaction.url, 303)


async def password(interaction: Interaction, form: Params) -> Response:
    username = interaction.attempt.username
    if not username or form.get("password") is None:
        return RedirectResponse(interaction.url, 303)
    return await with_password(offering.begun(interaction, form), username, form)


async def select(interaction: Interaction, form: Params) -> Response:
    """One of those who are signed in here."""
    session = next((each for each in interaction.signed_in if each.sid == form.get("sid")), None)
    if session is None:
        return RedirectResponse(interaction.url, 303)
    services = interaction.services
    attempt = interaction.attempt.anew(session_id=session.sid, username=session.email, fault=None)
    await browser_sessions.seen(services, session, services.clock())
    async with services.database.transaction() as transaction:
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt, session=session))
    response = dispatcher.proceed(interaction, code)
    browser_sessions.write(response, services, accounts.first(session, interaction.signed_in))
    return response


async def consent(interaction: Interaction, form: Params) -> Response:
    """Allow or deny; anything else shows the page again."""
    decision, session = form.get("decision"), interaction.session
    if await interaction.step() is not Step.CONSENT or session is None or decision not in ("allow", "deny"):
        return RedirectResponse(interaction.url, 303)
    if decision == "deny":
        await _deny(interaction, session.user_id)
        return RedirectResponse(interaction.url, 303)
    services, now = interaction.services, interaction.services.clock()
    attempt = replace(interaction.attempt, consented_by=session.user_id)
    async with services.database.transaction() as transaction:
        allowed = frozenset(interaction.asked.scope)
        await consents.give(transaction, session.user_id, interaction.client.client_id, allowed, now)
        await _record(interaction, transaction, Event.CONSENT_GIVEN, session.user_id)
        await _tell_of_consent(transaction, interaction, session.user_id)
        code = await dispatcher.settle(transaction, replace(interaction, attempt=attempt))
    return dispatcher.proceed(interaction, code)


async def switch(interaction: Interaction, form: Params) -> Response:
    """Not you? Then the session of this browser does not count for this attempt either.

    `forget`: nor shall this device know any more who signed in last. `go` only leads to another page of the sign-in:
    a link would have the long address of it once more.
    """
    services = interaction.services
    if form.get("go") in _OTHER_PAGES:
        return RedirectResponse(f"{interaction.url}/{form.get('go')}", 303)
    await _save(interaction, username="", fault=None, fresh_since=services.clock(), session_id=None)
    response = RedirectResponse(interaction.url, 303)
    if form.get("forget"):
        remembered.forget(response, services)
        devices.forget(response, services)
    return response


async def _deny(interaction: Interaction, user_id: str) -> None:
    services = interaction.services
    async with services.database.transaction() as transaction:
        attempt = replace(interaction.attempt, fault=DENIED)
        if await attempts.save(transaction, services.sealer, attempt):
            await _record(interaction, transaction, Event.CONSENT_DENIED, user_id)


async def _denied(interaction: Interaction) -> Response:
    await _save(interaction, done_at=interaction.services.clock())
    error = AccessDenied("The person did not allow the access.")
    return answers.refusal(interaction.request, interaction.answer_to, error, interaction.client.client_name)


async def _record(interaction: Interaction, transaction: Transaction, event: Event, user_id: str) -> None:
    await audit.record(
        transaction,
        interaction.services,
        event,
        origin_of(interaction.request),
        user_id=user_id,
        client_id=interaction.client.client_id,
        scope=" ".join(interaction.asked.scope),
    )


async def _tell_of_consent(transaction: Transaction, interaction: Interaction, user_id: str) -> None:
    person, app = await users.find(transaction, user_id), interaction.client.client_name
    if person is not None:
        services, request = interaction.services, interaction.request
        await notices.tell(transaction, services, person, Event.CONSENT_GIVEN, request=request, app=app)


async def _save(interaction: Interaction, **changes: object) -> None:
    """Of two posts at the same moment one is lost, and its person sees the page of the other."""
    services = interaction.services
    async with services.database.transaction() as transaction:
        await attempts.save(transaction, services.sealer, interaction.attempt.anew(**changes))


async def _select_page(interaction: Interaction) -> Response:
    context = common(interaction, Step.SELECT) | {
        "accounts": [{"sid": each.sid, "name": each.name, "email": each.email} for each in interaction.signed_in],
        "error": None,
    }
    return step_page(interaction, "select", context)


async def _identify_page(interaction: Interaction) -> Response:
    other = interaction.asked.subject is not None and bool(interaction.signed_in) and not interaction.attempt.fault
    context = common(interaction, Step.IDENTIFY) | {
        "username": interaction.asked.login_hint or "",
        "reason": Text(
            "%(app)s asks for the account that you used there before.", {"app": interaction.client.client_name}
        )
        if other
        else None,
        "error": _NAME_FAULTS.get(interaction.attempt.fault or "") or with_passkey.fault_of(interaction),
        "passkey": await with_passkey.context(interaction, Step.IDENTIFY, first=_by_passkey_last(interaction)),
        "sign_up": sign_up.page_of(interaction),
        "by_invitation": interaction.services.settings.sign_up == BY_INVITATION,
    }
    return step_page(interaction, "identify", context)


async def _password_page(interaction: Interaction) -> Response:
    username = interaction.attempt.username
    known = await remembered.find(interaction.request, interaction.services, interaction.browser)
    returning = known is not None and known.email == username
    session = interaction.session
    again = session is not None and session.email == username
    enrolled = await credentials.enrolled(interaction.services.database, session.user_id) if session and again else ()
    by_mail = interaction.services.settings.mail_signs_in
    context = common(interaction, Step.PASSWORD) | _first_step(interaction)
    context |= {
        "username": username,
        "person": {"name": known.name, "email": known.email} if known and returning else None,
        "returning": returning,
        "error": _PASSWORD_FAULTS.get(interaction.attempt.fault or "")
        or by_email.told(interaction)
        or with_passkey.fault_of(interaction),
        "email_action": f"{interaction.url}/send-code" if by_mail else None,
        "email_first": by_mail and remembered.by_mail(interaction.request, interaction.services),
        "passkey": await with_passkey.context(
            interaction, Step.PASSWORD, first=passkey.NAME in enrolled or _by_passkey_last(interaction)
        ),
        "reason": confirming(interaction) if again else None,
        "fixed": again and LOGIN not in interaction.asked.prompt,
        "sign_up": None if again or returning else sign_up.page_of(interaction),
    }
    return step_page(interaction, "password", context)


def _by_passkey_last(interaction: Interaction) -> bool:
    return remembered.by_passkey(interaction.request, interaction.services)


async def _email_page(interaction: Interaction) -> Response:
    username = interaction.attempt.username or ""
    context = common(interaction, Step.EMAIL) | _first_step(interaction)
    context |= {
        "username": username,
        "mail": by_email.context(interaction, username),
        "error": by_email.told(interaction) or with_passkey.fault_of(interaction),
        "passkey": await with_passkey.context(interaction, Step.EMAIL),
    }
    return step_page(interaction, "email", context)


async def _new_password_page(interaction: Interaction) -> Response:
    refusal, alone = replacing.refusal_of(interaction), await replacing.stands_alone(interaction)
    context = common(interaction, Step.NEW_PASSWORD) | {
        "username": await email_of(interaction),
        "least": new_passwords.least(interaction.services, alone=alone),
        "most": MAX_LENGTH,
        "error": refusal
        and {"summary": Text("That password cannot be used"), "field": "new-password", "message": refusal},
    }
    return step_page(interaction, "new_password", context)


async def _enrol_page(interaction: Interaction) -> Response:
    """Of an authenticator app, which works everywhere, or of a passkey, where that was chosen: both would be heavy."""
    by = interaction.request.query_params.get("by")
    if by == "passkey" or (by is None and new_passkey.fault_of(interaction) is not None):
        return await _enrol_passkey_page(interaction)
    shown = setup(interaction)
    email = await email_of(interaction)
    uri = totp.uri(shown.secret, email, interaction.services.settings.site_name)
    context = common(interaction, Step.ENROL) | {
        "username": email,
        "qr_code": qr.svg(uri),
        "uri": uri,
        "secret": totp.grouped(shown.secret),
        "recovery_codes": shown.recovery_codes,
        "why": _why_enrol(interaction),
        "later_action": None if interaction.demand.two_factors else f"{interaction.url}/later",
        "error": NOT_RIGHT if interaction.attempt.fault == WRONG_CODE else None,
    }
    return step_page(interaction, "enrol", context)


async def _enrol_passkey_page(interaction: Interaction) -> Response:
    context = common(interaction, Step.ENROL) | {
        "username": await email_of(interaction),
        "recovery_codes": setup(interaction).recovery_codes,
        "why": _why_enrol(interaction),
        "error": new_passkey.fault_of(interaction),
    }
    return step_page(interaction, "enrol_passkey", context)


def _why_enrol(interaction: Interaction) -> Text:
    settings, since = interaction.services.settings, interaction.required_from
    day = None if interaction.demand.two_factors or since is None else since.date()
    about: dict[str, object] = {"app": interaction.client.client_name, "site": settings.site_name, "day": day}
    if interaction.asked.asks_for_two_factors or since is None or settings.second_factor != REQUIRED:
        if day is None:
            return Text("%(app)s asks you for a second step at each sign-in.", about)
        return Text("From %(day)s (UTC) on, %(app)s asks you for a second step at each sign-in.", about)
    if day is None:
        return Text("%(site)s asks everybody for a second step at each sign-in.", about)
    return Text("From %(day)s (UTC) on, %(site)s asks everybody for a second step at each sign-in.", about)


async def _offer_page(interaction: Interaction) -> Response:
    assert interaction.session is not None  # noqa: S101  # the step is OFFER only with one
    context = common(interaction, Step.OFFER) | {
        "later_action": f"{interaction.url}/no-passkey",
        "error": new_passkey.fault_of(interaction),
    }
    return step_page(interaction, "offer", context)


async def _consent_page(interaction: Interaction) -> Response:
    session = interaction.session
    assert session is not None  # noqa: S101  # the step is CONSENT only with one
    before = await consents.find(interaction.services.database, session.user_id, interaction.client.client_id)
    if CONSENT in interaction.asked.prompt:
        before = frozenset()
    own_words = interaction.services.settings.scope_words
    asked = [(scope, scopes.describe(scope, own_words)) for scope in interaction.asked.scope]
    context = common(interaction, Step.CONSENT) | {
        "account": {"name": session.name, "email": session.email},
        "scopes": [
            {"name": name, "title": text.title, "line": text.line} for name, text in asked if name not in before
        ],
        "already": [{"title": text.title} for name, text in asked if name in before],
        "withheld": [Text("Your password"), *_withheld(interaction.asked.scope)],
        "audience_line": Text("Only %(app)s gets this, at the address above.", {"app": interaction.client.client_name}),
        "remembered_line": Text(
            "Your choice is remembered: you are asked again only when the app wants something new."
        ),
    }
    return step_page(interaction, "consent", context)


def _withheld(asked: tuple[str, ...]) -> list[Text | str]:
    return [scopes.STANDARD[scope].title for scope in ("email", "address", "phone") if scope not in asked]


_PAGES: dict[Step, Callable[[Interaction], Awaitable[Response]]] = {
    Step.SELECT: _select_page,
    Step.IDENTIFY: _identify_page,
    Step.PASSWORD: _password_page,
    Step.EMAIL: _email_page,
    Step.FACTOR: factor_page,
    Step.NEW_PASSWORD: _new_password_page,
    Step.ENROL: _enrol_page,
    Step.OFFER: _offer_page,
    Step.CONSENT: _consent_page,
}
