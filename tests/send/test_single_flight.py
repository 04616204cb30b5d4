"""Single flight: a read that is in flight is not sent again."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from support.clock import HandClock
from support.rooms import SPENT, client, spend, warm
from support.scripted import Numbered, Say
from support.stages import Inner, answer, read, refusal, write
from support.waiting import cancelled, outcome, start, until

from sessions_us import (
    ClientClosedError,
    ConfigurationError,
    DecodeError,
    NotFoundError,
    Quota,
    QuotaTimeoutError,
    RequestTimeoutError,
    ResponseShared,
    RetryPolicy,
    RetryScheduled,
    ServerError,
    UserClient,
)
from sessions_us._send.single_flight import Flights, SingleFlight

pytestmark = pytest.mark.anyio

DAY = datetime(2026, 5, 4, tzinfo=UTC)


# -- what is shared ------------------------------------------------------------------------------------------------------


async def test_same_reads_are_one_request():
    """Each caller gets a model of its own. An event tells each caller that was served by another call's request."""
    events: list[Any] = []
    async with Numbered(held=True) as server, client(server, on_event=events.append) as user:
        calls = start(*(user.rooms.get("r1") for _ in range(20)))
        await until(lambda: server.arrived)
        server.release()
        rooms = await asyncio.gather(*calls)

    assert server.requests == ["GET /api/rooms/r1"]
    assert len({id(room) for room in rooms}) == 20
    assert {room.name for room in rooms} == {"1"}
    assert sum(isinstance(event, ResponseShared) for event in events) == 19


async def test_different_reads_are_not_shared():
    """Another id, another page, another body, and another key make another read."""
    async with Numbered() as server, client(server) as user, client(server) as other:
        await asyncio.gather(
            user.rooms.get("r1"),
            user.rooms.get("r2"),
            other.rooms.get("r1"),
            user.rooms.list(page=1).collect(limit=1),
            user.rooms.list(page=2).collect(limit=1),
            user.booking_pages.slots("p1", start=DAY, end=DAY),
            user.booking_pages.slots("p1", start=DAY, end=DAY.replace(day=5)),
        )

    assert len(server.arrived) == 7


async def test_slots_are_shared_and_writes_are_not():
    """A POST that only computes is a read. Two writes that look the same are two."""
    async with Numbered() as server, client(server) as user:
        await asyncio.gather(*(user.booking_pages.slots("p1", start=DAY, end=DAY) for _ in range(5)))
        assert len(server.arrived) == 1
        await asyncio.gather(*(user.rooms.create(name="Room") for _ in range(5)))
        assert len(server.arrived) == 6


async def test_clients_of_one_key_share():
    """Clients of one key, and requests by path, share a read."""
    key = f"key-{uuid4()}"
    async with Numbered(held=True) as server, client(server, key) as one, client(server, key) as other:
        calls = start(one.rooms.get("r1"), other.rooms.get("r1"), other.request("get", "/api/rooms/r1"))
        await until(lambda: server.arrived)
        server.release()
        await asyncio.gather(*calls)

    assert len(server.arrived) == 1


async def test_errors_are_copies():
    """Each caller gets an error of its own: notes and a traceback that no other caller adds to. They share its body."""
    async with Numbered() as server, client(server) as user:
        server.status = 404
        errors = await asyncio.gather(*(outcome(user.rooms.get("r1")) for _ in range(3)))

    assert {type(error) for error in errors} == {NotFoundError}
    assert len({id(error) for error in errors}) == 3
    assert len({id(error.body) for error in errors}) == 1
    errors[0].add_note("mine")
    assert [getattr(error, "__notes__", []) for error in errors] == [["mine"], [], []]
    assert {str(error) for error in errors} == {str(errors[0])}
    assert len(server.arrived) == 1


async def test_each_caller_decodes_for_itself():
    """The same bytes are an error for a strict caller and a model for a tolerant one."""
    async with Numbered() as server, client(server) as user:
        server.then(Say(body={"id": "r1", "name": 5}))
        strict, tolerant = await asyncio.gather(
            outcome(user.with_options(strict=True).rooms.get("r1")), outcome(user.rooms.get("r1"))
        )

    assert isinstance(strict, DecodeError)
    assert tolerant.name is None
    assert len(server.arrived) == 1


# -- callers that leave --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [0, 1, 2])
async def test_each_caller_can_be_cancelled(who):
    """A cancelled caller, even the one that began the read, takes nothing away from the others."""
    async with Numbered(held=True) as server, client(server) as user:
        calls = start(*(user.rooms.get("r1") for _ in range(3)))
        await until(lambda: server.arrived)
        calls[who].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[who]
        server.release()
        rest = await asyncio.gather(*(call for call in calls if call is not calls[who]))

    assert [room.name for room in rest] == ["1", "1"]
    assert len(server.arrived) == 1


async def test_the_last_caller_ends_the_request():
    """The connection is closed and the lease has ended when the cancellation of the last caller is through."""
    async with Numbered(held=True) as server, client(server) as user:
        calls = start(*(user.rooms.get("r1") for _ in range(3)))
        await until(lambda: server.arrived)
        await cancelled(*calls)

        assert user.quota.snapshot().in_flight == 0
        await until(lambda: server.gone)
        server.release()
        assert (await user.rooms.get("r1")).name == "2"


async def test_the_last_caller_leaves_the_queue():
    """A read without callers gives its place in the queue back."""
    async with Numbered() as server, client(server) as user:
        await spend(user, server)
        calls = start(*(user.rooms.get("r1") for _ in range(3)))
        await until(lambda: user.quota.snapshot().waiting["interactive"])
        assert user.quota.snapshot().waiting["interactive"] == 1
        await cancelled(*calls)

        assert user.quota.snapshot().waiting["interactive"] == 0
        assert server.arrived == []


async def test_no_error_is_left_unretrieved():
    """The event loop has nothing to complain of, whatever the moment at which callers are cancelled."""
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, context: complaints.append(context))
    async with Numbered() as server, client(server) as user:
        server.status = 404
        for turn in range(12):
            calls = start(*(user.rooms.get("r1") for _ in range(3)))
            for _ in range(turn):
                await asyncio.sleep(0)
            await cancelled(*calls)
        assert user.quota.snapshot().in_flight == 0
    gc.collect()
    loop.set_exception_handler(None)

    assert complaints == []


# -- patience ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["hasty", "patient"])
async def test_deadlines_are_each_callers_own(first):
    """A caller that cannot wait so long fails at once, whoever came first. The other waits on in the same place."""
    async with Numbered() as server, client(server) as user:
        await spend(user, server)
        hasty, patient = user.with_options(max_wait=5), user
        order = (hasty, patient) if first == "hasty" else (patient, hasty)
        calls = start(*(each.rooms.get("r1") for each in order))
        refused = calls[order.index(hasty)]
        with pytest.raises(QuotaTimeoutError) as caught:
            await refused

        assert (caught.value.lane, caught.value.position) == ("interactive", 1)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 35
        assert not calls[order.index(patient)].done()
        assert user.quota.snapshot().waiting["interactive"] == 1
        assert server.arrived == []
        await cancelled(*calls)


async def test_a_refused_read_leaves_the_queue():
    """The read leaves the queue when all its callers were refused."""
    async with Numbered() as server, client(server) as user:
        await spend(user, server)
        calls = (outcome(user.with_options(max_wait=wait).rooms.get("r1")) for wait in (1, 2, 3))
        errors = await asyncio.gather(*calls)

        assert {type(error) for error in errors} == {QuotaTimeoutError}
        assert user.quota.snapshot().waiting["interactive"] == 0


async def test_a_late_reading_refuses_the_hasty():
    """The first answer tells that the quota is spent. Callers whose deadline that exceeds fail then, and no others."""
    async with Numbered(held=True) as server, client(server) as user:
        server.headers = SPENT
        probe = asyncio.create_task(user.rooms.get("probe"))
        await until(lambda: server.arrived)
        calls = start(user.rooms.get("r1"), user.with_options(max_wait=30).rooms.get("r1"))
        await until(lambda: user.quota.snapshot().waiting["interactive"])
        server.release()
        await probe
        with pytest.raises(QuotaTimeoutError):
            await calls[1]

        assert not calls[0].done()
        await cancelled(*calls)


async def test_max_wait_bounds_a_joined_read():
    """For a caller that joined, all its time is waiting. A caller that may not wait joins nobody. What was sent, was sent."""
    clock = HandClock()
    async with Numbered() as server, client(server, clock=clock) as user:
        await warm(user, server)
        first = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        hasty = asyncio.create_task(user.with_options(max_wait=5).rooms.get("r1"))
        await until(lambda: clock.timers)
        clock.advance(4.9)
        await asyncio.sleep(0)
        assert not hasty.done()
        clock.advance(0.2)
        with pytest.raises(RequestTimeoutError, match=r"no answer within the 5 s of max_wait") as caught:
            await hasty
        assert caught.value.sent == "unknown"
        own = asyncio.create_task(user.with_options(max_wait=0).rooms.get("r1"))
        await until(lambda: len(server.arrived) == 2)
        server.release()

        assert {(await first).id, (await own).id} == {"r1"}
        assert len(server.arrived) == 2


async def test_a_long_back_off_fails_the_hasty():
    """A caller that cannot wait for the next attempt gets the failure of the last one, and at once."""
    pausing = asyncio.Event()
    hear = lambda event: pausing.set() if isinstance(event, RetryScheduled) else None  # noqa: E731
    async with Numbered() as server, client(server, on_event=hear, retries=RetryPolicy()) as user:
        server.status, server.headers = 503, {"retry-after": "30"}
        patient, hasty = start(*(each.rooms.get("r1") for each in (user, user.with_options(max_wait=25))))
        async with asyncio.timeout(10):  # at once, and not when its patience is over
            with pytest.raises(ServerError):
                await hasty
            await pausing.wait()
            with pytest.raises(ServerError):
                await user.with_options(max_wait=25).rooms.get("r1")

        assert not patient.done()
        assert len(server.arrived) == 1
        await cancelled(patient)


async def test_a_probe_takes_no_time_from_others():
    """A caller that allows more than the call that it joined goes on when that fails. The rest of its own attempts are left."""
    async with Numbered(held=True) as server, client(server, retries=RetryPolicy(attempts=2, backoff=0)) as user:
        probe = user.with_options(timeout=0.1, retries=RetryPolicy(attempts=1))
        hasty, *patient = start(*(each.rooms.get("r1") for each in (probe, user, user)))
        await until(lambda: server.arrived)
        with pytest.raises(RequestTimeoutError, match=r"took longer than 0\.1 s"):
            await hasty
        await until(lambda: len(server.arrived) == 2)
        server.release()
        rooms = await asyncio.gather(*patient)

    assert [room.name for room in rooms] == ["2", "2"]
    assert len(server.arrived) == 2


async def test_a_joined_call_has_its_own_timeout():
    """It leaves the other call when its own attempts would be over, and the other call goes on."""
    async with Numbered(held=True) as server, client(server) as user:
        patient = start(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        loop, probe = asyncio.get_running_loop(), user.with_options(timeout=0.1, retries=RetryPolicy(attempts=2))
        began = loop.time()
        with pytest.raises(RequestTimeoutError, match=r"GET /api/rooms/r1.*within its timeout of 0\.1 s") as caught:
            await probe.rooms.get("r1")
        took = loop.time() - began
        server.release()
        room = await patient[0]

    assert 0.19 < took < 5
    assert (caught.value.sent, caught.value.method) == ("unknown", "GET")
    assert room.name == "1"


@pytest.mark.parametrize("first", ["one attempt", "three attempts"])
async def test_attempts_are_each_callers_own(first):
    """The caller that allows one has its error after one. The other has three, whoever began."""
    told: list[Any] = []
    async with Numbered() as server, client(server) as user:
        await warm(user, server)
        server.status = 503
        one = user.with_options(retries=RetryPolicy(attempts=1))
        three = user.with_options(retries=RetryPolicy(attempts=3, backoff=0))

        async def hear(each: UserClient) -> None:
            await outcome(each.rooms.get("r1"))
            told.append((each, len(server.arrived)))

        calls = start(*(hear(each) for each in ((one, three) if first == "one attempt" else (three, one))))
        await until(lambda: server.arrived)
        server.release()
        await asyncio.gather(*calls)

    assert dict(told)[three] == 3
    assert dict(told)[one] <= 2  # it heard of the first, while the second was on its way
    assert len(server.arrived) == 3


# -- lanes ---------------------------------------------------------------------------------------------------------------


async def test_the_most_urgent_lane_counts():
    """An interactive caller that joins a background read raises its lane."""
    async with Numbered() as server, client(server) as user:
        await spend(user, server)
        export = user.with_options(lane="background")
        calls = start(export.rooms.get("r1"), export.rooms.get("r2"))
        await until(lambda: user.quota.snapshot().waiting["background"] == 2)
        calls += start(user.rooms.get("r2"))
        await until(lambda: user.quota.snapshot().waiting["interactive"])

        assert user.quota.snapshot().waiting == {"interactive": 1, "background": 1}
        await cancelled(*calls)
        assert user.quota.snapshot().waiting == {"interactive": 0, "background": 0}


async def test_a_lane_is_raised_before_the_queue():
    """Both calls begin in the same moment, before the read has reached the queue."""
    async with Numbered() as server, client(server) as user:
        await spend(user, server)
        calls = start(user.with_options(lane="background").rooms.get("r1"), user.rooms.get("r1"))
        await until(lambda: sum(user.quota.snapshot().waiting.values()))

        assert user.quota.snapshot().waiting == {"interactive": 1, "background": 0}
        await cancelled(*calls)


# -- a transport that raises what is no Exception ------------------------------------------------------------------------


class _Halt(BaseException):
    """Not an Exception."""


class _Raising(httpx.AsyncBaseTransport):
    """Raises it once the gate is open; counts its requests."""

    def __init__(self, problem: BaseException) -> None:
        self.problem, self.requests, self.gate = problem, 0, asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.requests > 5:
            raise ValueError("sent again and again")
        await self.gate.wait()
        raise self.problem


async def _any_outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except BaseException as error:
        return error


@pytest.mark.parametrize("make", [asyncio.CancelledError, GeneratorExit, _Halt, ClientClosedError])
@pytest.mark.parametrize("callers", [1, 3])
async def test_what_a_transport_raises_is_not_sent_again(make, callers):
    """Nobody cancelled or closed anything. All callers get it after one attempt, as the caller of a write does."""
    transport = _Raising(make("x"))
    key = f"key-{uuid4()}"
    async with client("http://localhost", key, transport=transport, retries=RetryPolicy(backoff=0)) as user:
        calls = start(*(_any_outcome(user.rooms.get("r1")) for _ in range(callers)))
        await until(lambda: transport.requests)
        transport.gate.set()
        reads = await asyncio.gather(*calls)
        assert [type(error) for error in reads] == [make] * callers
        assert transport.requests == (callers if make is ClientClosedError else 1)
        assert user.quota.snapshot().in_flight == 0
        assert type(await _any_outcome(user.rooms.update("r1", name="n"))) is make


async def test_a_task_of_others_that_was_cancelled_is_not_awaited_again():
    """The transport waits for it, to learn a token, say. The read's place in the quota counts as used."""
    token = asyncio.ensure_future(asyncio.sleep(60))

    class Awaiting(httpx.AsyncBaseTransport):
        requests = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.requests += 1
            if self.requests > 5:
                raise ValueError("sent again and again")
            await token
            raise AssertionError

    transport = Awaiting()
    async with client("http://localhost", transport=transport, quota=Quota(limit=10)) as user:
        call = asyncio.ensure_future(_any_outcome(user.rooms.get("r1")))
        await until(lambda: transport.requests)
        token.cancel()
        assert type(await call) is asyncio.CancelledError
        snapshot = user.quota.snapshot()

    assert transport.requests == 1
    assert (snapshot.in_flight, snapshot.remaining) == (0, 9)


# -- the stage alone -----------------------------------------------------------------------------------------------------


def stage(inner: Inner, flights: Flights | None = None) -> SingleFlight:
    return SingleFlight(inner, flights={} if flights is None else flights)


async def test_alone_it_shares_and_forgets():
    """The second of two same reads joins the first. Once it has landed, nothing is in flight."""
    clock, inner, flights = HandClock(), Inner(answer(), held=True), Flights()
    flight = stage(inner, flights)
    calls = start(flight.send(read(clock)), flight.send(read(clock)), flight.send(read(clock, "/api/rooms/r2")))
    await until(lambda: len(inner.calls) == 2)
    assert len(flights) == 2
    inner.gate.set()

    assert await asyncio.gather(*calls) == [answer()] * 3
    assert [call.request.path for call in inner.calls] == ["/api/rooms/r1", "/api/rooms/r2"]
    assert flights == {}


async def test_alone_it_copies_errors():
    """An error is delivered to each caller as a copy."""
    clock, inner = HandClock(), Inner(refusal(404), held=True)
    flight = stage(inner)
    calls = start(outcome(flight.send(read(clock))), outcome(flight.send(read(clock))))
    await until(lambda: inner.calls)
    inner.gate.set()
    one, other = await asyncio.gather(*calls)

    assert type(one) is type(other) is NotFoundError
    assert one is not other
    assert len(inner.calls) == 1


async def test_alone_a_write_is_not_joined():
    """Two writes are two. A write that was sent lets nobody join a read that it concerns."""
    clock, inner, flights = HandClock(), Inner(held=True), Flights()
    flight = stage(inner, flights)
    before = start(flight.send(read(clock)))
    await until(lambda: inner.calls)
    writes = start(flight.send(write(clock)), flight.send(write(clock)))
    await until(lambda: len(inner.calls) == 3)
    inner.gate.set()
    await asyncio.gather(*writes)
    after = start(flight.send(read(clock)))
    await asyncio.gather(*before, *after)

    assert [call.request.method for call in inner.calls] == ["GET", "PUT", "PUT", "GET"]
    assert flights == {}


async def test_alone_a_closed_flight_begins_again():
    """A call that joined another client's read sends for itself when that client is closed. Its deadline stays."""
    clock, flights = HandClock(), Flights()
    theirs, ours = Inner(held=True), Inner()
    other, flight = stage(theirs, flights), stage(ours, flights)
    calls = start(other.send(read(clock)), flight.send(read(clock, max_wait=50)))
    await until(lambda: theirs.calls)
    deadline = clock.now() + 50
    clock.advance(10)
    await other.aclose()

    assert isinstance(await outcome(calls[0]), ClientClosedError)
    assert await calls[1] == answer()
    assert ours.calls[0].waiters.first.deadline == deadline
    assert (theirs.closed, ours.closed) == (1, 0)


async def test_alone_it_asks_the_inner_stage_first():
    """No flight begins, and none is joined, if the inner stage cannot send."""
    clock, flights = HandClock(), Flights()
    inner, refusing = Inner(held=True), Inner()
    calls = start(stage(inner, flights).send(read(clock)))
    await until(lambda: flights)
    refusing.refuses = ConfigurationError("another event loop")
    with pytest.raises(ConfigurationError, match="another event loop"):
        await stage(refusing, flights).send(read(clock))
    await cancelled(*calls)

    assert refusing.calls == []
    assert flights == {}
