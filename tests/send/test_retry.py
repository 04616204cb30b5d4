"""Retries: a place in the quota for each attempt, as often as the policy allows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from support.clock import HandClock
from support.rooms import SESSION, SPENT, read, retrying, write
from support.scripted import Reset, Say, Scripted, unused_port
from support.stages import Inner, answer, lost, refusal
from support.stages import read as reading
from support.stages import write as writing
from support.waiting import cancelled, outcome, start, until

from sessions_us import (
    ClientClosedError,
    Quota,
    QuotaTimeoutError,
    RateLimitedError,
    RetryPolicy,
    RetryScheduled,
    ServerError,
    SessionsError,
    TransportError,
    UserClient,
)
from sessions_us._send.call import Answer, Call
from sessions_us._send.retry import Retry
from sessions_us.events import ClientEvent
from sessions_us.quota import Limiter

pytestmark = pytest.mark.anyio


async def delete(user: UserClient) -> object:
    return await user.rooms.delete("r1")


async def slots(user: UserClient) -> object:
    day = datetime(2026, 5, 4, tzinfo=UTC)
    return await user.booking_pages.slots("p1", start=day, end=day)


AMBIGUOUS = {
    "reset after reading": Reset(),
    "closed without an answer": Say(raw=b"", close=True),
    "500": Say(500, {"message": "oops"}),
    "502 with HTML": Say(502, b"<html>bad gateway</html>"),
    "503 without Retry-After": Say(503),
    "504": Say(504),
    "cut in the midst of the headers": Say(raw=b"HTTP/1.1 200 OK\r\ncontent-le", close=True),
}


@pytest.mark.parametrize("fault", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
@pytest.mark.parametrize("call", [read, slots, write, delete])
async def test_only_reads_are_repeated_when_in_doubt(call, fault):
    """A write that may have happened is the caller's to look into: it was sent once, and the error says so."""
    good = Say(body=[] if call is slots else SESSION)
    async with Scripted(fault, good) as server, retrying(server) as user:
        if call in {read, slots}:
            await call(user)
            assert len(server.arrived) == 2
        else:
            with pytest.raises(SessionsError) as caught:
                await call(user)
            assert len(server.arrived) == 1
            assert isinstance(caught.value, ServerError) or (
                isinstance(caught.value, TransportError) and caught.value.sent == "unknown"
            )


HARMLESS = {
    "429": Say(429, {"message": "slow down"}, {"retry-after": "0"}),
    "503 with Retry-After": Say(503, None, {"retry-after": "0"}),
}


@pytest.mark.parametrize("refusal", HARMLESS.values(), ids=HARMLESS.keys())
@pytest.mark.parametrize("call", [read, write, delete])
async def test_all_is_repeated_that_was_not_done(call, refusal):
    """429 and 503 with Retry-After say so."""
    async with Scripted(refusal, Say(body=SESSION)) as server, retrying(server) as user:
        await call(user)

    assert len(server.arrived) == 2


@pytest.mark.parametrize("call", [read, write, delete])
async def test_what_never_left_is_repeated(call):
    """Nobody listens: no attempt left this machine, and none is charged to the quota."""
    events: list[Any] = []
    async with retrying(f"http://127.0.0.1:{unused_port()}", on_event=events.append) as user:
        with pytest.raises(TransportError) as caught:
            await call(user)
        snapshot = user.quota.snapshot()

    assert caught.value.sent == "no"
    assert sum(isinstance(event, RetryScheduled) for event in events) == 2
    assert (snapshot.remaining, snapshot.in_flight) == (10, 0)


async def test_back_off_is_random():
    """Clients that failed together don't come back together."""
    delays: list[float] = []

    def hear(event: object) -> None:
        if isinstance(event, RetryScheduled):
            delays.append(event.delay)

    policy = RetryPolicy(attempts=4, backoff=0.001, backoff_max=0.001)
    async with Scripted(Say(502)) as server, retrying(server, retries=policy, on_event=hear) as user:
        for call in (read, slots):
            with pytest.raises(ServerError):
                await call(user)

    assert len(set(delays)) == len(delays) == 6
    assert max(delays) < 0.001


async def test_max_wait_refuses_a_long_wait_at_once():
    """Nothing is sent, and the error says when it could have been."""
    async with Scripted(Say(body=SESSION, headers=SPENT)) as server, retrying(server, max_wait=5) as user:
        await read(user)
        with pytest.raises(QuotaTimeoutError) as caught:
            await read(user)

    assert len(server.arrived) == 1
    assert caught.value.retry_after is not None
    assert 39 < caught.value.retry_after < 42
    assert (caught.value.lane, caught.value.position) == ("interactive", 1)


async def test_a_429_beyond_max_wait_is_the_error():
    """It was sent, and that is what the caller must know."""
    async with Scripted(Say(429, None, {"retry-after": "30"})) as server, retrying(server, max_wait=1) as user:
        with pytest.raises(RateLimitedError) as caught:
            await read(user)

    assert caught.value.retry_after == 30
    assert len(server.arrived) == 1


async def test_a_retry_after_of_hours_is_an_error():
    """Nobody wants to wait for that, with or without max_wait."""
    async with Scripted(Say(503, None, {"retry-after": "86400"})) as server, retrying(server) as user:
        with pytest.raises(ServerError) as caught:
            await read(user)

    assert caught.value.retry_after == 86400
    assert len(server.arrived) == 1


# -- the stage alone -----------------------------------------------------------------------------------------------------


class Stack:
    """A retry stage with a limiter of its own, a clock that stands still, and back-off without chance."""

    def __init__(self, inner: Inner, quota: Quota | None = None) -> None:
        self.clock = HandClock()
        self.inner = inner
        self.limiter = Limiter(quota or Quota(limit=1000), clock=self.clock)
        self.events: list[ClientEvent] = []
        self.retry = Retry(inner, self.limiter, jitter=lambda: 0.5)

    @property
    def pauses(self) -> list[float]:
        return [event.delay for event in self.events if isinstance(event, RetryScheduled)]

    @property
    def waiting(self) -> int:
        return self.limiter.snapshot().waiting["interactive"]

    @property
    def sent(self) -> list[str]:
        return [call.request.path.rpartition("/")[2] for call in self.inner.calls]

    async def send(self, call: Call) -> Answer:
        call.emit = self.events.append
        return await self.retry.send(call)

    async def finish(self, *calls: asyncio.Task[Any]) -> None:
        """Let time pass until calls are over."""
        for _ in range(1000):
            await asyncio.sleep(0)
            if all(call.done() for call in calls):
                return
            self.clock.advance(1)
        raise AssertionError("a call waits and nothing wakes it")


PATIENT = RetryPolicy(attempts=3, backoff=10, backoff_max=100)


async def test_alone_it_backs_off_and_sends_again() -> None:
    """Each attempt has a lease and a number of its own."""
    stack = Stack(Inner(refusal(502), lost("unknown"), answer()))
    call = reading(stack.clock, retries=PATIENT)
    (sending,) = start(stack.send(call))
    for attempt, pause in ((1, 5), (2, 10)):
        await until(lambda: stack.clock.timers)
        assert (len(stack.inner.calls), call.attempt) == (attempt, attempt)
        stack.clock.advance(pause - 0.1)
        await asyncio.sleep(0)
        assert len(stack.inner.calls) == attempt
        stack.clock.advance(0.1)
        await until(lambda attempt=attempt: len(stack.inner.calls) > attempt)

    assert await sending == answer()
    assert stack.pauses == [5, 10]
    assert stack.limiter.snapshot().in_flight == 0


async def test_alone_the_last_failure_is_the_error() -> None:
    """The policy allows no more."""
    last = refusal(504)
    stack = Stack(Inner(refusal(502), last))
    (sending,) = start(stack.send(reading(stack.clock, retries=RetryPolicy(attempts=2, backoff=0))))

    assert await outcome(sending) is last
    assert len(stack.inner.calls) == 2


async def test_alone_a_write_in_doubt_is_not_repeated() -> None:
    """It may have happened."""
    stack = Stack(Inner(lost("unknown")))
    with pytest.raises(TransportError):
        await stack.send(writing(stack.clock, retries=PATIENT))

    assert len(stack.inner.calls) == 1


async def test_alone_back_off_counts_as_waiting() -> None:
    """A pause that `max_wait` does not allow is not begun: the failure is the error."""
    stack = Stack(Inner(refusal(502), answer()))
    with pytest.raises(ServerError):
        await stack.send(reading(stack.clock, retries=PATIENT, max_wait=4.9))
    (sending,) = start(stack.send(reading(stack.clock, retries=PATIENT, max_wait=5.1)))

    assert await sending == answer()


async def test_alone_waiting_adds_up() -> None:
    """Time in flight is not waiting; the wait for the quota and the back-off are."""
    stack = Stack(Inner(refusal(502), refusal(502), answer(), held=True))
    (sending,) = start(stack.send(reading(stack.clock, retries=PATIENT, max_wait=14.9)))
    await until(lambda: stack.inner.calls)
    stack.clock.advance(100)
    stack.inner.gate.set()
    await until(lambda: stack.pauses)
    stack.clock.advance(5)

    with pytest.raises(ServerError):
        await sending
    assert (len(stack.inner.calls), stack.pauses) == (2, [5])


async def test_alone_a_refused_retry_tells_the_failure() -> None:
    """The quota allows the next attempt too late. The call was sent, and that is what its caller must know."""
    stack = Stack(Inner(refusal(429), answer()), Quota(limit=1, window=60))
    with pytest.raises(RateLimitedError):
        await stack.send(reading(stack.clock, retries=PATIENT, max_wait=5))

    stack = Stack(Inner(answer()), Quota(limit=1, window=60))
    await stack.send(reading(stack.clock))
    (sending,) = start(stack.send(reading(stack.clock, max_wait=5)))
    for _ in range(10):
        await asyncio.sleep(0)
    stack.clock.advance(5)
    with pytest.raises(QuotaTimeoutError):
        await sending


async def test_alone_total_ends_the_attempts() -> None:
    """No attempt begins later than `total` seconds after the first."""
    stack = Stack(Inner(refusal(502), held=True))
    policy = RetryPolicy(attempts=9, total=60, backoff=100, backoff_max=100)
    (sending,) = start(stack.send(reading(stack.clock, retries=policy)))
    await until(lambda: stack.inner.calls)
    stack.clock.advance(10)
    stack.inner.gate.set()
    await until(lambda: stack.pauses)
    stack.clock.advance(50)

    with pytest.raises(ServerError):
        await sending
    assert (len(stack.inner.calls), stack.pauses) == (2, [50])


async def test_alone_closing_ends_what_waits() -> None:
    """A call that waits for the quota fails, one that backs off sends no more, and the inner stage is closed."""
    stack = Stack(Inner(refusal(503, retry_after=60)), Quota(limit=1, window=60))
    backing_off = start(stack.send(reading(stack.clock, retries=PATIENT)))
    await until(lambda: stack.pauses)
    waiting = start(stack.send(reading(stack.clock)))
    await until(lambda: stack.limiter.snapshot().waiting["interactive"])
    await stack.retry.aclose()
    stack.clock.advance(60)

    for call in waiting + backing_off:
        with pytest.raises(ClientClosedError):
            await call
    assert (len(stack.inner.calls), stack.inner.closed) == (1, 1)
    assert stack.limiter.snapshot().in_flight == 0


async def test_alone_a_cancelled_call_leaves_the_queue() -> None:
    """Neither a place nor a lease is left."""
    stack = Stack(Inner(answer(), held=True), Quota(limit=1, window=60))
    calls = start(stack.send(reading(stack.clock)), stack.retry.send(reading(stack.clock)))
    await until(lambda: stack.limiter.snapshot().waiting["interactive"])
    await cancelled(calls[1])
    stack.inner.gate.set()
    await calls[0]

    snapshot = stack.limiter.snapshot()
    assert (snapshot.in_flight, snapshot.waiting["interactive"]) == (0, 0)
    assert len(stack.inner.calls) == 1


async def test_alone_a_late_lease_is_refunded() -> None:
    """The client is closed between the moment at which a lease is granted and the one at which the call gets it."""
    stack = Stack(Inner(answer(), held=True), Quota(limit=1, window=60))
    calls = start(stack.send(reading(stack.clock)))
    await until(lambda: stack.inner.calls)
    stack.inner.gate.set()
    await calls[0]
    calls = start(stack.send(reading(stack.clock)))
    await until(lambda: stack.limiter.snapshot().waiting["interactive"])
    stack.clock.advance(120)
    assert stack.limiter.snapshot().in_flight == 1
    await stack.retry.aclose()

    assert isinstance(await outcome(calls[0]), ClientClosedError)
    assert stack.limiter.snapshot().in_flight == 0
    assert len(stack.inner.calls) == 1


async def test_alone_a_retry_keeps_its_place() -> None:
    """It goes before calls of its lane that came after its first attempt."""
    stack = Stack(Inner(refusal(502), answer()), Quota(limit=1, window=60))
    first = start(stack.send(reading(stack.clock, "/api/rooms/first", retries=PATIENT)))
    await until(lambda: stack.pauses)
    second = start(stack.send(reading(stack.clock, "/api/rooms/second")))
    await until(lambda: stack.waiting == 1)
    stack.clock.advance(5)
    await until(lambda: stack.waiting == 2)
    await stack.finish(*first, *second)

    assert stack.sent == ["first", "first", "second"]


async def test_alone_a_429_goes_to_the_front() -> None:
    """Its next attempt goes before calls that came earlier."""
    stack = Stack(Inner(refusal(502), refusal(429), answer()), Quota(limit=1, window=60))
    first = start(
        stack.send(reading(stack.clock, "/api/rooms/first", retries=RetryPolicy(backoff=200, backoff_max=200)))
    )
    await until(lambda: stack.pauses)
    second = start(stack.send(reading(stack.clock, "/api/rooms/second", retries=PATIENT)))
    await until(lambda: stack.waiting == 1)
    stack.clock.advance(99)
    await until(lambda: len(stack.inner.calls) == 2 and stack.waiting == 1)
    stack.clock.advance(1)
    await until(lambda: stack.waiting == 2)
    await stack.finish(*first, *second)

    assert stack.sent == ["first", "second", "second", "first"]


async def test_alone_total_bounds_the_queue() -> None:
    """The quota allows the next attempt later than `total` seconds after the first, so that it is not waited for."""
    stack = Stack(Inner(refusal(502)), Quota(limit=1, window=100))
    policy = RetryPolicy(attempts=9, total=20, backoff=10)
    (sending,) = start(stack.send(reading(stack.clock, retries=policy)))
    async with asyncio.timeout(10):
        with pytest.raises(ServerError):
            await sending

    assert (len(stack.inner.calls), stack.pauses) == (1, [])
    assert stack.waiting == 0
