"""Slowing down who guesses passwords and codes, without keeping anybody out of an account that is theirs."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import structlog
from starlette.requests import Request
from starlette.responses import Response

from idp import audit, stuffing
from idp.audit import Event
from idp.factors import throttling
from idp.factors.throttling import NOTHING_HELPS, Failures, Limit, Pace, whole_seconds
from idp.services import Services
from idp.store import failures
from idp.store.db import Connection, Runner, Transaction
from idp.store.users import Person, canonical
from idp.web import devices, problems, riddle, work
from idp.web.guard import Rejected
from idp.web.origin import network_of, origin_of
from idp.web.problems import Problem
from idp.web.refusals import refused_page
from idp.web.work import Worker
from idp.wording import Text

log = structlog.get_logger("idp.web.throttle")

# Counted apart. A mail after the password is asked for by who knows that.
PASSWORD, CODE, EMAIL, SECOND_EMAIL = KINDS = "password", "code", "email", "second_email"
RECOVERY = "recovery"  # a mail that nobody guesses at
_EVERY = timedelta(seconds=12)  # until an address has one more wrong one
_RIDDLES = 3  # times what an address has, on top of it
_STORED = Limit(30, timedelta(seconds=2))


@dataclass(frozen=True)
class Guess:
    """Somebody at this browser tries to prove that they are `person`, whom `name` names, or nobody.

    `kind` is what they try. Whether there is such a person makes no difference to what is counted.
    """

    request: Request
    services: Services
    browser: str
    kind: str
    name: str
    person: Person | None

    @cached_property
    def on_known_device(self) -> bool:
        return devices.known(self.request, self.services, self.browser, self.person, self.services.clock())

    @property
    def network(self) -> str:
        return network_of(self.request)

    @property
    def turn(self) -> str:
        """Under which guesses are judged one by one."""
        return self.key(self.browser) if self.on_known_device else self.key()

    def key(self, where: str = "") -> str:
        """Names nobody: what is typed as a name may be a password."""
        return key_of(self.services, self.kind, canonical(self.name), where)


@dataclass(frozen=True)
class Shown:
    """What came with a form to show that no machine guesses: a proof of the worker's work, an answer to a riddle."""

    worker: Worker
    proof: str | None
    answer: str | None


@dataclass(frozen=True)
class Tries:
    """What counts a wrong guess, by key, and how many there were in a row.

    `here` is the key of a known device with too many of them: a right one makes it a known one again.
    """

    paces: Mapping[str, Pace]
    before: Mapping[str, Failures]
    here: tuple[str, ...] = ()

    def left(self, now: datetime) -> timedelta:
        """How long to wait; zero where the next guess may be now."""
        return max(throttling.wait(pace, self.before.get(key), now) for key, pace in self.paces.items())


async def tries(connection: Connection, guess: Guess) -> Tries:
    """On a device that its person signed in with they count for that device alone, until there were too many."""
    services = guess.services
    own: tuple[str, ...] = ()
    if guess.on_known_device:
        own = (guess.key(guess.browser),)
        paces = {own[0]: throttling.device(services.settings.failures_before_wait)}
        here = Tries(paces, await failures.find(connection, list(paces)))
        if here.left(services.clock()) != NOTHING_HELPS:
            return here
    paces = {
        guess.key(): throttling.account(services.settings.failures_before_lock),
        guess.key(guess.network): throttling.address(services.settings.failures_before_wait),
    }
    return Tries(paces, await failures.find(connection, list(paces)), own)


async def failed(transaction: Transaction, guess: Guess, tried: Tries) -> None:
    """One more wrong one, in the transaction that records it."""
    if guess.kind == PASSWORD:
        await _suspect(transaction, guess)
    for key, pace in sorted(tried.paces.items()):  # so that two transactions never wait for each other
        count = await failures.count(transaction, key, guess.services.clock())
        if pace.last is not None and guess.person is not None and count in (pace.free + 1, pace.last):
            await audit.record(
                transaction,
                guess.services,
                Event.ACCOUNT_SLOWED if count < pace.last else Event.ACCOUNT_LOCKED,
                origin_of(guess.request),
                subject=guess.person.subject,
                factor=guess.kind,
                failures=count,
            )


async def _suspect(transaction: Transaction, guess: Guess) -> None:
    """Tells the operator: it may be too slow for every limit."""
    found = guess.services.stuffing.wrong(guess.services.clock())
    if found is None:
        return
    wrong, right = found
    log.warning("stuffing_suspected", wrong=wrong, right=right, minutes=stuffing.MINUTES)
    await audit.record(
        transaction,
        guess.services,
        Event.STUFFING_SUSPECTED,
        origin_of(guess.request),
        wrong=wrong,
        right=right,
        minutes=stuffing.MINUTES,
    )


async def succeeded(transaction: Transaction, tried: Tries) -> None:
    if tried.before or tried.here:
        await failures.forget(transaction, [*tried.paces, *tried.here])


async def unlock(
    runner: Runner, services: Services, email: str, network: str = "", kinds: Sequence[str] = KINDS
) -> None:
    """Forgets what strangers tried, of passwords and of codes; also what was tried from the person's own network."""
    places = {"", network}
    await failures.forget(runner, [key_of(services, kind, canonical(email), at) for kind in kinds for at in places])


async def address_left(guess: Guess, shown: Shown | None = None) -> timedelta:
    """How long this address has to wait, whoever it wants to be; on a known device not at all.

    With a proof of work it may have used up as much again, and with riddles, where there are any, four times as much:
    who shares it with a guesser gets by, while guesses in the long run are as slow as without it.
    """
    if guess.on_known_device:
        return timedelta(0)
    services = guess.services
    left = await services.volatile.left(_address_key(guess), _address_limit(services), services.clock())
    return timedelta(0) if left and shown is not None and await _gets_by(guess, shown, left) else left


async def burst_left(guess: Guess, shown: Shown) -> timedelta:
    """The same once it is this guess's turn: of a burst that was let in together no more are judged than there may be.

    What came with it was judged before, and counts once.
    """
    services = guess.services
    if guess.on_known_device:
        return timedelta(0)
    left = await services.volatile.left(_address_key(guess), _address_limit(services), services.clock())
    most = _window(services) * (_RIDDLES if shown.answer else 1 if shown.proof else 0)
    return left if left > most else timedelta(0)


async def _gets_by(guess: Guess, shown: Shown, left: timedelta) -> bool:
    services = guess.services
    if not is_beyond_work(services, left):
        return bool(shown.proof) and await work.done(services, shown.worker, shown.proof or "", guess.network)
    if not shown.answer or left > _window(services) * _RIDDLES:
        return False
    return await riddle.solved(services, shown.answer, key_of(services, "riddle", "", guess.network))


def is_beyond_work(services: Services, left: timedelta) -> bool:
    """Whether a network has used up so much that no proof of work helps."""
    return left > _window(services)


def _window(services: Services) -> timedelta:
    return timedelta(milliseconds=_address_limit(services).window)


async def address_failed(guess: Guess) -> None:
    """After the transaction: the counter may be in Redis.

    A known device has its own limit. Nothing else would stop it from using up that of everybody who shares its address.
    """
    services = guess.services
    if guess.on_known_device:
        return
    await services.volatile.spend(_address_key(guess), _address_limit(services), services.clock())


async def store_one(request: Request, services: Services) -> None:
    """Before a row is made for a stranger. Raises Rejected where too many of this address were."""
    key, now = key_of(services, "stored", "", network_of(request)), services.clock()
    if not await services.volatile.take(key, _STORED, now):
        retry = str(whole_seconds(await services.volatile.left(key, _STORED, now)))
        raise Rejected(problems.TOO_MANY_STORED, "too many stored requests of one address", {"Retry-After": retry})


def refused(request: Request, left: timedelta, back: str) -> Response:
    """429, which says how long, and how to go on. `back` is where that is."""
    if left == NOTHING_HELPS:
        return _refused(request, problems.LOCKED, timedelta(days=1), "guesses", back)
    return _refused(request, problems.TOO_MANY_TRIES.after(left), left, "guesses", back)


def no_mail(request: Request, left: timedelta, back: str) -> Response:
    """The same, for mails that were asked for."""
    return _refused(request, problems.TOO_MANY_MAILS.after(left), left, "mails", back)


def _refused(request: Request, problem: Problem, retry: timedelta, policy: str, back: str) -> Response:
    problem = problem.with_link(back, Text("Go back"))
    refused_page(request, problem, str(problem.what))
    response = problems.problem_page(request, problem)
    seconds = whole_seconds(retry)
    response.headers["Retry-After"] = str(seconds)
    response.headers["RateLimit"] = f'"{policy}";r=0;t={seconds}'
    return response


def key_of(services: Services, kind: str, name: str, where: str) -> str:
    """A counter's key, which names nobody."""
    text = f"{kind}\x1f{name}\x1f{where}".encode("utf-8", "surrogatepass")
    return hmac.digest(services.sealer.subkey("throttle"), text, hashlib.sha256).hex()


def _address_key(guess: Guess) -> str:
    return key_of(guess.services, "address", "", guess.network)


def _address_limit(services: Services) -> Limit:
    return Limit(services.settings.failures_per_address, _EVERY)
