"""Five hundred people sign in at once: what their passwords cost, and what everybody else notices of it."""

import asyncio
import itertools
import time
from dataclasses import dataclass

from tests.bench.flows import ClientCredentials, CodeFlow, Flow, Jwks, Target
from tests.bench.wire import Answer, Connection

AT_ONCE = 500
ADDRESSES = 100
IDLE_SECONDS = 5.0
PROBE_EVERY = 0.02
MOST_TRIES = 60
PROBES: tuple[type[Flow], type[Flow]] = (ClientCredentials, Jwks)


@dataclass(frozen=True)
class Storm:
    """Times in seconds. `token` and `jwks`: their p99 when nothing else happens, and in the storm."""

    sign_ins: list[float]
    elapsed: float
    sent_back: int
    token: tuple[float, float]
    jwks: tuple[float, float]


async def storm(target: Target) -> Storm:
    """Everybody whom the answer 503 sends back comes back when it says so."""
    idle = await _probe(target, asyncio.create_task(asyncio.sleep(IDLE_SECONDS)))
    people = [Person(target, number) for number in range(AT_ONCE)]
    for person in people:
        await person.prepare()
    began = time.perf_counter()
    crowd = asyncio.create_task(_all(people))
    busy = await _probe(target, crowd)
    return Storm(
        sign_ins=sorted(await crowd),
        elapsed=time.perf_counter() - began,
        sent_back=sum(person.sent_back for person in people),
        token=(_p99(idle[0]), _p99(busy[0])),
        jwks=(_p99(idle[1]), _p99(busy[1])),
    )


class Person(CodeFlow):
    """Has the page of the sign-in open, and a wrong password: it costs what a right one does."""

    def __init__(self, target: Target, number: int) -> None:
        super().__init__(target)
        self.connection = Connection(target.port, f"127.0.1.{number % ADDRESSES + 1}")
        self._name = f"{number}@storm.example"
        self.sent_back = 0

    async def prepare(self) -> None:
        self._cookies: dict[str, str] = {}
        await self.connection.open()
        self._page = await self.browse(self.authorize_path(), self._cookies)

    async def once(self) -> None:
        for _ in range(MOST_TRIES):
            answer = await self._post()
            if answer.status != 503:
                assert answer.status == 303, (answer.status, answer.body[:500])
                return
            self.sent_back += 1
            self.connection.close()
            await asyncio.sleep(int(answer.header("retry-after")))
            await self.connection.open()
        message = f"sent back {MOST_TRIES} times"
        raise AssertionError(message)

    async def _post(self) -> Answer:
        fields = {"username": self._name, "password": "not the right one"}
        return await self.connection.send(self.form(self._page, self._cookies, "", fields))


async def _all(people: list[Person]) -> list[float]:
    async def timed(person: Person) -> float:
        began = time.perf_counter()
        await person.once()
        return time.perf_counter() - began

    return await asyncio.gather(*(timed(person) for person in people))


async def _probe(target: Target, until: asyncio.Task[object]) -> tuple[list[float], list[float]]:
    """Asks for a token and for the keys at a steady pace, however long the answers take, so that none is left out."""
    flows: tuple[list[Flow], list[Flow]] = ([], [])
    found: tuple[list[float], list[float]] = ([], [])
    pending: list[asyncio.Task[None]] = []

    async def one(kind: int) -> None:
        began = time.perf_counter()
        flow = flows[kind].pop(0) if flows[kind] else await _begun(PROBES[kind](target))
        await flow.once()
        found[kind].append(time.perf_counter() - began)
        flows[kind].append(flow)

    start = time.perf_counter()
    for number in itertools.count():
        if until.done():
            break
        await asyncio.sleep(max(0, start + number * PROBE_EVERY - time.perf_counter()))
        pending.append(asyncio.create_task(one(number % 2)))
    await asyncio.gather(*pending)
    return found


async def _begun(flow: Flow) -> Flow:
    await flow.prepare()
    return flow


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]
