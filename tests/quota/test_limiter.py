"""The limiter at its front door, in virtual time: the order of requests, and what becomes of those that give up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from support.clock import VirtualLoop, run
from support.server_models import Server, Style

from sessions_us.errors import ClientClosedError, QuotaTimeoutError
from sessions_us.events import ClientEvent, OtherClientsSeen, RequestGranted, RequestQueued
from sessions_us.quota import Lane, Lease, Limiter, MemoryStore, Quota
from sessions_us.quota.clock import LoopClock

RTT = 0.2


class World:
    """A limiter and a server, and what was heard."""

    def __init__(
        self, model: str = "fixed", style: Style | None = None, quota: Quota | None = None, limit: int = 10
    ) -> None:
        self.server = Server(model, style or Style(), limit=limit)
        self.events: list[ClientEvent] = []
        self.loop = asyncio.get_running_loop()
        self.limiter = Limiter(quota or Quota(), clock=LoopClock(self.loop.time), emit=self.events.append)
        self.order: list[str] = []

    async def call(self, operation: str = "", lane: Lane = "interactive", deadline: float | None = None) -> Lease:
        """One request, there and back; gives its ended lease."""
        lease = await self.limiter.acquire(lane=lane, deadline=deadline, operation=operation)
        self.order.append(operation)
        await self.end(lease)
        return lease

    async def end(self, lease: Lease) -> int:
        try:
            await asyncio.sleep(RTT / 2)
            answer = self.server.hit(self.loop.time())
            await asyncio.sleep(RTT / 2)
        except asyncio.CancelledError:
            await lease.unknown()
            raise
        await lease.done(answer.status, answer.headers)
        return answer.status

    async def exhaust(self) -> None:
        """Use up the window."""
        await asyncio.gather(*(self.call("used") for _ in range(10)))
        self.order.clear()
        self.events.clear()

    def start(self, *calls: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
        return [self.loop.create_task(call) for call in calls]


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in virtual time; it fails if everybody waits for nothing."""

    def wrapper(**fixtures: object) -> None:
        async def main() -> None:
            await test(**fixtures)

        run(main())

    wrapper.__name__, wrapper.__doc__ = test.__name__, test.__doc__
    wrapper.__signature__ = __import__("inspect").signature(test)  # type: ignore[attr-defined]
    return wrapper


# -- lanes -----------------------------------------------------------------------------------------------------------


@virtual
async def test_interactive_goes_before_background_and_each_lane_is_first_come_first_served() -> None:
    """Those who wait go by lane, then by arrival."""
    world = World()
    await world.exhaust()
    lanes: list[tuple[str, Lane]] = [
        ("b1", "background"),
        ("i1", "interactive"),
        ("b2", "background"),
        ("i2", "interactive"),
    ]
    await asyncio.gather(*(world.call(operation, lane) for operation, lane in lanes))
    assert world.order == ["i1", "i2", "b1", "b2"]


@virtual
async def test_a_newcomer_does_not_pass_those_who_wait() -> None:
    """A place that becomes free is handed over: who asks at that very moment comes after."""
    world = World()
    await world.exhaust()
    waiting = world.start(*(world.call(f"old {number}") for number in range(12)))
    await asyncio.sleep(60.0)
    while "old 0" not in world.order:
        await asyncio.sleep(0.01)
    waiting += world.start(*(world.call(f"new {number}") for number in range(5)))
    await asyncio.gather(*waiting)
    assert world.order == [f"old {number}" for number in range(12)] + [f"new {number}" for number in range(5)]


@virtual
async def test_a_repeated_request_keeps_its_place_and_one_after_429_goes_first() -> None:
    """An old arrival number goes before newer ones; `front` before all of its lane."""
    world = World()
    first = await world.limiter.acquire(lane="interactive", deadline=None)
    await world.end(first)
    await asyncio.gather(*(world.call() for _ in range(9)))
    world.order.clear()

    async def again(operation: str, arrival: int | None, front: bool = False) -> None:
        lease = await world.limiter.acquire(lane="interactive", deadline=None, arrival=arrival, front=front)
        assert arrival is None or lease.arrival == arrival
        world.order.append(operation)
        await world.end(lease)

    calls = (again("new", None), again("old", first.arrival), again("front", 10**6, front=True))
    await asyncio.gather(*world.start(*calls))
    assert world.order == ["front", "old", "new"]


@virtual
async def test_what_is_given_back_is_there_for_the_next() -> None:
    """In our own pace too: ten that were never sent leave ten."""
    world = World()
    await world.call()
    await asyncio.sleep(61)
    for _ in range(3):
        first = await world.limiter.acquire(lane="interactive", deadline=None)
        assert await world.end(first) == 200
        leases = [await world.limiter.acquire(lane="interactive", deadline=None) for _ in range(5)]
        for lease in leases:
            await lease.refund()
    waits = [(await world.call()).waited for _ in range(7)]
    assert waits == [0] * 7
    assert world.server.refused == 0


@virtual
async def test_background_work_leaves_the_reserve_until_the_last_tenth_of_the_window() -> None:
    """8 of 10 for an export; the other two go at once to whoever is urgent, or to the export in the last 6 seconds."""
    world = World()
    start = world.loop.time()
    exports = world.start(*(world.call("export", "background") for _ in range(30)))
    await asyncio.sleep(30)
    assert len(world.order) == 8
    urgent = await world.call("urgent")
    assert urgent.waited == 0
    await asyncio.sleep(start + 52 - world.loop.time())
    assert len(world.order) == 9
    await asyncio.sleep(8)
    assert world.order.count("export") == 9
    for task in exports:
        task.cancel()
    await asyncio.gather(*exports, return_exceptions=True)
    assert world.server.refused == 0


@virtual
async def test_the_reserve_stays_where_slots_come_back_one_by_one() -> None:
    """A bucket's first reset is seconds away and brings back one slot: that is no last tenth of a window."""
    world = World("gcra")
    start = world.loop.time()
    exports = world.start(*(world.call("export", "background") for _ in range(30)))
    for second in (30, 90):
        await asyncio.sleep(start + second - world.loop.time())
        urgent = await world.call("urgent")
        assert urgent.waited == 0
    await asyncio.gather(*exports)
    assert world.loop.time() < start + 150
    assert world.server.refused == 0


@virtual
async def test_the_reserve_stays_where_a_reset_is_the_next_slot() -> None:
    """A server that counts a log tells when the next slot comes back, which is no last tenth of a window either."""
    world = World("log")
    start = world.loop.time()
    exports = world.start(*(world.call("export", "background") for _ in range(30)))
    for second in (30, 90, 150):
        await asyncio.sleep(start + second - world.loop.time())
        urgent = await world.call("urgent")
        assert urgent.waited == 0
    await asyncio.gather(*exports)
    assert world.loop.time() < start + 240
    assert world.server.refused == 0


@virtual
async def test_a_key_that_was_used_up_before_is_not_a_key_in_use() -> None:
    """The first answer is a 429: nothing tells that whoever used the key is still there."""
    world = World("fixed")
    for _ in range(10):
        world.server.model.hit(world.loop.time())
    start = world.loop.time()
    await asyncio.gather(*world.start(*(world.call(f"{n}") for n in range(30))))
    assert world.server.refused == 1
    assert world.loop.time() < start + 190


@virtual
async def test_a_small_limit_has_no_reserve() -> None:
    """The reserve is at most a fifth: of 4 that is none."""
    world = World(quota=Quota(limit=4), limit=4)
    await asyncio.gather(*(world.call("export", "background") for _ in range(4)))
    assert world.loop.time() < 1002


@pytest.mark.parametrize("family", ["x-ratelimit", "none"])
@virtual
async def test_background_work_moves_under_constant_interactive_load(family: str) -> None:
    """However much interactive work waits, two windows do not pass without some background work."""
    world = World(style=Style(family))
    urgent = world.start(*(world.call("urgent") for _ in range(300)))
    exports = world.start(*(world.call("export", "background") for _ in range(20)))
    await asyncio.sleep(1200)
    assert 8 <= world.order.count("export") <= 11
    assert world.server.refused == 0
    for task in urgent + exports:
        task.cancel()
    await asyncio.gather(*urgent, *exports, return_exceptions=True)


# -- deadlines -------------------------------------------------------------------------------------------------------


@virtual
async def test_a_wait_that_is_known_to_be_too_long_is_refused_at_once() -> None:
    """No time passes, and the error tells when it would have been possible."""
    world = World()
    await world.exhaust()
    before = world.loop.time()
    with pytest.raises(QuotaTimeoutError) as caught:
        await world.call(deadline=before + 30)
    assert world.loop.time() == before
    assert caught.value.retry_after is not None
    assert caught.value.retry_after == pytest.approx(60, abs=1.5)
    assert (caught.value.lane, caught.value.position) == ("interactive", 1)
    lease = await world.call(deadline=before + caught.value.retry_after + 0.1)
    assert lease.waited == pytest.approx(caught.value.retry_after, abs=0.1)


@virtual
async def test_the_place_in_the_queue_counts() -> None:
    """Behind ten others it takes one window more."""
    world = World()
    await world.exhaust()
    waiting = world.start(*(world.call() for _ in range(10)))
    await asyncio.sleep(0)
    with pytest.raises(QuotaTimeoutError) as caught:
        await world.call(deadline=world.loop.time() + 90)
    assert caught.value.position == 11
    assert caught.value.retry_after == pytest.approx(120, abs=3)
    await asyncio.gather(*waiting)


@virtual
async def test_a_wait_is_refused_as_soon_as_it_becomes_known_to_be_too_long() -> None:
    """While the first window is explored nothing is known; when it is used up, everything is."""
    world = World()
    calls = world.start(*(world.call(deadline=world.loop.time() + 20) for _ in range(12)))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, QuotaTimeoutError) for outcome in outcomes) == 2
    assert world.loop.time() < 1003


async def refused_at_once(world: World, lane: Lane) -> None:
    """A wait of five seconds is refused without waiting, and the moment that the error tells is right."""
    before = world.loop.time()
    with pytest.raises(QuotaTimeoutError) as caught:
        await world.call(lane=lane, deadline=before + 5)
    assert world.loop.time() == before
    assert caught.value.retry_after is not None
    lease = await world.call(lane=lane)
    assert lease.waited == pytest.approx(caught.value.retry_after, abs=0.1)


@virtual
async def test_background_work_is_refused_at_once_for_the_reserve_of_a_server_that_tells_nothing() -> None:
    """The last slots come free when the log says so; that is known, though no reset is."""
    world = World(style=Style("none"))
    await asyncio.gather(*(world.call() for _ in range(8)))
    await refused_at_once(world, "background")


@virtual
async def test_background_work_is_not_refused_where_its_age_lets_it_go_in_time() -> None:
    """Each two windows one of it goes before all that is interactive: the first is served, and the second would be too late."""
    world = World()
    await world.exhaust()
    callers = world.start(*(world.call("urgent") for _ in range(60)))
    await asyncio.sleep(1.0)
    first, second = world.start(
        *(world.call(operation, "background", world.loop.time() + 190.0) for operation in ("first", "second"))
    )
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    with pytest.raises(QuotaTimeoutError):
        await second
    await first
    assert world.order.index("first") < 30
    await asyncio.gather(*callers)


@virtual
async def test_background_work_is_not_refused_where_our_own_log_has_room_in_time() -> None:
    """NestJS counts a log: what is beyond the reserve comes back before the window that it announces ends."""
    world = World("nest")
    for after, count in ((0.0, 1), (40.0, 4), (25.0, 4)):  # four are in the log when the server announces a new window
        await asyncio.sleep(after)
        await asyncio.gather(*(world.call() for _ in range(count)))
    asked = world.loop.time()
    await world.call("export", "background", asked + 45.0)
    assert 20.0 < world.loop.time() - asked < 45.0


@virtual
async def test_a_wait_for_other_clients_is_refused_at_once() -> None:
    """The slot that stays free for another client, and the half of the limit beyond which no probe goes out, are known waits."""
    world = World()
    await world.call()
    world.server.hit(world.loop.time())
    for _ in range(7):  # 9 of 10 are used, one by another client
        await world.call()
    await refused_at_once(world, "interactive")

    world = World()
    world.server.hit(world.loop.time())
    await asyncio.sleep(40)
    await world.call()
    world.server.hit(world.loop.time())
    for _ in range(5):
        await world.call()
    await asyncio.sleep(25)  # the window is over, and more than half of the limit was ours a moment ago
    await refused_at_once(world, "interactive")


@virtual
async def test_a_wait_of_which_nothing_is_known_is_refused_when_it_is_over() -> None:
    """An answer may come at any moment, so only the deadline can end it."""
    world = World()
    leases = [await world.limiter.acquire(lane="interactive", deadline=None)]
    before = world.loop.time()
    with pytest.raises(QuotaTimeoutError) as caught:
        await world.call(deadline=before + 5)
    assert world.loop.time() == pytest.approx(before + 5, abs=0.01)
    assert caught.value.retry_after is None
    await leases[0].refund()


@virtual
async def test_no_patience_is_enough_for_a_free_place() -> None:
    """A deadline of now does not matter to who need not wait."""
    world = World()
    await world.call(deadline=world.loop.time())
    with pytest.raises(QuotaTimeoutError):
        await asyncio.gather(world.call(), *(world.call(deadline=world.loop.time()) for _ in range(9)))


# -- giving up -------------------------------------------------------------------------------------------------------


@virtual
async def test_a_waiter_cancelled_before_its_turn_stops_nobody() -> None:
    """The others move up."""
    world = World()
    await world.exhaust()
    first, second = world.start(world.call("first"), world.call("second"))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert first.cancelled()
    assert world.order == ["second"]
    assert world.limiter.snapshot().in_flight == 0


@virtual
async def test_a_waiter_cancelled_in_the_moment_of_its_turn_gives_it_back() -> None:
    """The lease was handed over, but its caller never saw it: the next one gets it at once."""
    world = World()
    held = await world.limiter.acquire(lane="interactive", deadline=None)
    first, second = world.start(world.call("first"), world.call("second"))
    await asyncio.sleep(1)
    await held.refund()  # hands the turn to the first, whose task has not run yet
    first.cancel()
    before = world.loop.time()
    await asyncio.gather(first, second, return_exceptions=True)
    assert first.cancelled()
    assert world.order == ["second"]
    assert world.loop.time() == pytest.approx(before + RTT, abs=0.01)


@virtual
async def test_a_waiter_cancelled_and_passed_over_in_one_moment_stops_nobody() -> None:
    """It is cancelled, and the turn comes before it could withdraw: it is the next one's."""
    world = World()
    held = await world.limiter.acquire(lane="interactive", deadline=None)
    first, second = world.start(world.call("first"), world.call("second"))
    await asyncio.sleep(1)
    first.cancel()
    await held.refund()
    await asyncio.gather(first, second, return_exceptions=True)
    assert world.order == ["second"]


@virtual
async def test_cancelling_at_any_moment_loses_nothing() -> None:
    """Each of 60 callers is cancelled at another moment of its trip; the rest are served, and everything returns to zero."""
    for moment in range(60):
        world = World()
        calls = world.start(*(world.call(str(number)) for number in range(12)))
        for _ in range(moment):
            await asyncio.sleep(0.01 * (moment % 7))
        calls[moment % 12].cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(outcome, BaseException) for outcome in outcomes) <= 1
        lease = await world.limiter.acquire(lane="interactive", deadline=None)
        await lease.refund()
        snapshot = world.limiter.snapshot()
        assert sum(snapshot.waiting.values()) == 0
        assert snapshot.in_flight == 0


@virtual
async def test_ending_a_lease_again_does_nothing() -> None:
    """Exactly one end counts: the first."""
    world = World()
    lease = await world.limiter.acquire(lane="interactive", deadline=None)
    assert await world.end(lease) == 200
    left = world.limiter.snapshot().remaining
    await lease.unknown()
    await lease.refund()
    await lease.done(429, [("Retry-After", "60")])
    assert world.limiter.snapshot().remaining == left == 9


@virtual
async def test_a_refund_is_free_and_a_lost_request_is_not() -> None:
    """What never left costs nothing; what may have arrived is counted until the server says otherwise."""
    world = World()
    await world.call()
    assert world.limiter.snapshot().remaining == 9
    lease = await world.limiter.acquire(lane="interactive", deadline=None)
    assert world.limiter.snapshot().remaining == 8
    await lease.refund()
    assert world.limiter.snapshot().remaining == 9
    lease = await world.limiter.acquire(lane="interactive", deadline=None)
    await lease.unknown()
    assert world.limiter.snapshot().remaining == 8
    await world.call()  # the server did not see the lost one
    assert world.limiter.snapshot().remaining == 8


# -- what servers say ------------------------------------------------------------------------------------------------


@virtual
async def test_after_a_429_nobody_goes_until_the_server_allows_it() -> None:
    """Retry-After closes the gate for all, one probe opens it, and the refused one is first."""
    world = World()
    lease = await world.limiter.acquire(lane="interactive", deadline=None, operation="refused")
    waiting = world.start(world.call("other"))
    await asyncio.sleep(0)
    await lease.done(429, [("Retry-After", "20")])
    assert world.limiter.snapshot().resets_in == pytest.approx(21)
    again = await world.limiter.acquire(lane="interactive", deadline=None, arrival=lease.arrival, front=True)
    assert world.loop.time() == pytest.approx(1021, abs=0.1)
    assert not waiting[0].done()
    await world.end(again)
    await waiting[0]


@virtual
async def test_a_429_that_says_nothing_closes_for_a_window() -> None:
    """Nothing is known, so a whole window has to pass."""
    world = World()
    lease = await world.limiter.acquire(lane="interactive", deadline=None)
    await lease.done(429, [])
    await world.call()
    assert world.loop.time() == pytest.approx(1061, abs=0.5)


@pytest.mark.parametrize("limit", [1, 3, 5, 25, 100])
@virtual
async def test_another_limit_is_learnt(limit: int) -> None:
    """The server's limit is used to the full, be it lower or higher than the configured one."""
    world = World(limit=limit)
    await asyncio.gather(*(world.call() for _ in range(limit)))
    assert world.loop.time() < 1005
    assert world.limiter.snapshot().limit == limit
    await asyncio.gather(*(world.call() for _ in range(limit)))
    assert 1060 < world.loop.time() < 1065
    assert world.server.refused == 0


@virtual
async def test_another_window_is_learnt() -> None:
    """A policy header tells the window; the second one begins when it says."""
    world = World(style=Style("draft-8"))
    world.server = Server("fixed", Style("draft-8"), limit=10, window=10.0)
    await asyncio.gather(*(world.call() for _ in range(20)))
    assert world.limiter.snapshot().window == 10.0
    assert world.loop.time() == pytest.approx(1012, abs=1.5)
    assert world.server.refused == 0


@virtual
async def test_an_answer_without_headers_does_not_switch_them_off() -> None:
    """An unmatched route answers without rate headers. It may have counted, until the next answer tells."""
    world = World()
    await world.call()
    lease = await world.limiter.acquire(lane="interactive", deadline=None)
    await lease.done(404, [])
    assert world.limiter.snapshot().remaining == 8
    await world.call()
    assert world.limiter.snapshot().remaining == 8
    await asyncio.gather(*(world.call() for _ in range(8)))
    assert world.limiter.snapshot().remaining == 0
    assert world.server.refused == 0


@virtual
async def test_a_log_behind_an_announced_window_is_used_as_soon_as_the_start_is_no_longer_slow() -> None:
    """Not only at the window's end: nobody waits while our own log has room."""
    world = World("nest")
    world.server.hit(world.loop.time() - 50.0)  # somebody's, so that the window that we see first ends soon
    start = world.loop.time()
    await asyncio.gather(*(world.call() for _ in range(11)))
    assert world.server.refused == 0
    assert world.loop.time() - start < 63.0


@virtual
async def test_only_answers_without_headers_never_stop_the_client() -> None:
    """A server whose every answer lacks what the first had is still used, at most `limit` per window."""
    world = World()
    await world.call()
    times = []
    for _ in range(30):
        lease = await world.limiter.acquire(lane="interactive", deadline=None)
        times.append(world.loop.time())
        await asyncio.sleep(RTT)
        await lease.done(404, [])
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[10:], strict=False))
    assert world.loop.time() < 1000 + 4 * 65


@virtual
async def test_another_client_on_the_key_is_seen() -> None:
    """The server counted more than we sent."""
    world = World()
    await world.call()
    world.server.hit(world.loop.time())
    world.server.hit(world.loop.time())
    await world.call()
    assert [event for event in world.events if isinstance(event, OtherClientsSeen)] == [
        OtherClientsSeen(used_by_others=2)
    ]


@virtual
async def test_the_bucket_is_a_new_one_in_a_window_that_an_answer_shows() -> None:
    """A clock's window may end before it is used up: nobody then waits for our own pace in the next one."""
    world = World("aligned")
    cut = (world.loop.time() // 60.0 + 3.0) * 60.0
    await asyncio.gather(*(world.call() for _ in range(2)))
    await asyncio.sleep(cut - 2.0 - world.loop.time())
    await asyncio.gather(*(world.call() for _ in range(6)))
    await asyncio.sleep(cut - world.loop.time())
    await asyncio.gather(*(world.call() for _ in range(10)))
    assert world.server.refused == 0
    assert world.loop.time() - cut < 2.0


@virtual
async def test_the_bucket_holds_back_a_server_that_lies() -> None:
    """A server that says that nothing was used is sent what the bucket lets out, in each window that it announces: 10, and 10 a
    minute, and not a hundred a second."""
    world = World()
    headers = [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "10"), ("X-RateLimit-Reset", "50")]
    start, sent = world.loop.time(), 0
    while world.loop.time() < start + 300:
        lease = await world.limiter.acquire(lane="interactive", deadline=None)
        sent += 1
        await asyncio.sleep(0.01)
        await lease.done(200, headers)
    assert 50 <= sent <= 6 * 19


# -- telling ---------------------------------------------------------------------------------------------------------


@virtual
async def test_a_long_wait_is_logged_once_with_position_and_time(caplog: pytest.LogCaptureFixture) -> None:
    """One line at INFO for each wait of more than two seconds; none for a short one."""
    caplog.set_level(logging.INFO, "sessions_us")
    world = World()
    await world.exhaust()
    assert caplog.messages == []
    await asyncio.gather(world.call("sessions.list"), world.call("rooms.list"))
    assert len(caplog.messages) == 2
    assert "rooms.list" in caplog.messages[1]
    assert "position 2" in caplog.messages[1]
    assert "60 s" in caplog.messages[1]


@virtual
async def test_a_wait_that_becomes_long_is_logged_then(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was known when it began; after two seconds it is said that nothing is known."""
    caplog.set_level(logging.INFO, "sessions_us")
    world = World()
    held = await world.limiter.acquire(lane="interactive", deadline=None)
    waiting = world.start(world.call("rooms.list"))
    await asyncio.sleep(1.9)
    assert caplog.messages == []
    await asyncio.sleep(0.2)
    assert len(caplog.messages) == 1
    assert "not known" in caplog.messages[0]
    await held.refund()
    await asyncio.gather(*waiting)


@virtual
async def test_events_tell_of_waiting_and_of_turns() -> None:
    """Queued with the position and the expected wait, granted with the wait; each caller may bring its own listener."""
    world = World()
    await world.exhaust()
    own: list[ClientEvent] = []
    lease = await world.limiter.acquire(lane="background", deadline=None, operation="export", emit=own.append)
    assert world.events == []
    queued, granted = own
    assert isinstance(queued, RequestQueued)
    assert (queued.lane, queued.position, queued.operation) == ("background", 1, "export")
    assert isinstance(granted, RequestGranted)
    assert queued.expected_wait == pytest.approx(granted.waited, abs=0.1) == pytest.approx(lease.waited)
    await lease.refund()


@virtual
async def test_a_snapshot_tells_what_is_known() -> None:
    """Before the first answer it is what was configured; then what the server says."""
    world = World()
    fresh = world.limiter.snapshot()
    assert (fresh.limit, fresh.window, fresh.remaining, fresh.resets_in, fresh.in_flight) == (10, 60.0, 10, None, 0)
    await world.exhaust()
    waiting = world.start(world.call(), world.call(lane="background"))
    await asyncio.sleep(1)
    used = world.limiter.snapshot()
    assert (used.remaining, dict(used.waiting)) == (0, {"interactive": 1, "background": 1})
    assert used.resets_in == pytest.approx(59.5, abs=2)
    await asyncio.gather(*waiting)


# -- loops and ends --------------------------------------------------------------------------------------------------


@virtual
async def test_closing_fails_all_who_wait() -> None:
    """Nobody hangs: those of the owner that wait, in either lane, hear that it is closed. Its lease can still be ended."""
    world = World()
    held = await world.limiter.acquire(lane="interactive", deadline=None, owner=world)
    lanes: tuple[Lane, Lane] = ("interactive", "background")
    waiting = world.start(*(world.limiter.acquire(lane=lane, deadline=None, owner=world) for lane in lanes))
    await asyncio.sleep(1)
    await world.limiter.leave(world)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, ClientClosedError) for outcome in outcomes)
    await held.unknown()
    assert world.limiter.snapshot().in_flight == 0


@virtual
async def test_who_leaves_takes_only_its_own() -> None:
    """Two clients share a limiter; one closes, the other's calls go on."""
    world = World()
    held = await world.limiter.acquire(lane="interactive", deadline=None)
    mine, yours = World, type("Yours", (), {})
    one = world.loop.create_task(world.limiter.acquire(lane="interactive", deadline=None, owner=mine))
    two = world.loop.create_task(world.limiter.acquire(lane="interactive", deadline=None, owner=yours))
    await asyncio.sleep(1)
    await world.limiter.leave(mine)
    await held.refund()
    with pytest.raises(ClientClosedError):
        await one
    await (await two).refund()
    assert world.limiter.in_use
    await world.limiter.leave(yours)
    assert not world.limiter.in_use


def test_a_new_loop_keeps_what_is_known_and_drops_who_is_gone() -> None:
    """Two `asyncio.run` in a row, or a limiter made before any: the key's history is the key's, not the loop's."""
    now = 1000.0
    limiter = Limiter(Quota(), clock=LoopClock(lambda: now))

    async def first() -> None:
        lease = await limiter.acquire(lane="interactive", deadline=None)
        headers = [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "1"), ("X-RateLimit-Reset", "60")]
        await lease.done(200, headers)
        await limiter.acquire(lane="interactive", deadline=None)  # its loop ends before it does

    async def second() -> None:
        nonlocal now
        snapshot = limiter.snapshot()
        assert (snapshot.remaining, snapshot.in_flight) == (0, 1)
        now += 62
        lease = await limiter.acquire(lane="interactive", deadline=None)
        await lease.refund()
        assert limiter.snapshot().in_flight == 0

    run(first())
    run(second())


def test_two_loops_at_once_share_one_state() -> None:
    """A second running loop sees what the first one has in flight, and is told that it would have to wait."""
    limiter = Limiter(Quota())
    other = VirtualLoop()

    async def inner() -> None:
        with pytest.raises(QuotaTimeoutError):
            await limiter.acquire(lane="interactive", deadline=limiter.clock.now())

    async def both() -> None:
        lease = await limiter.acquire(lane="interactive", deadline=None)
        await asyncio.to_thread(other.run_until_complete, inner())
        await lease.refund()

    asyncio.run(both())
    other.close()


@virtual
async def test_two_limiters_with_one_store_share_one_state() -> None:
    """A store that is given to two limiters holds one count for a name, and another for another."""
    loop = asyncio.get_running_loop()
    store = MemoryStore()
    one, two, other = (Limiter(Quota(store=store), name=name, clock=LoopClock(loop.time)) for name in ("a", "a", "b"))
    lease = await one.acquire(lane="interactive", deadline=None)
    with pytest.raises(QuotaTimeoutError):
        await two.acquire(lane="interactive", deadline=loop.time())
    await (await other.acquire(lane="interactive", deadline=None)).refund()
    await lease.refund()
    await (await two.acquire(lane="interactive", deadline=None)).refund()


@virtual
async def test_the_first_window_starts_slowly_and_the_next_does_not() -> None:
    """A twin may be starting too: one, two, four in flight at first; once a window was quiet, all that is left at once."""
    world = World()
    calls = world.start(*(world.call() for _ in range(20)))
    seen = []
    for _ in range(4):
        await asyncio.sleep(RTT * 0.75)
        seen.append(world.limiter.snapshot().in_flight)
        await asyncio.sleep(RTT * 0.25)
    assert seen == [1, 2, 4, 2]  # the fourth time three are left: one of them might be a twin's
    await asyncio.sleep(1061.5 - world.loop.time())
    assert world.limiter.snapshot().in_flight == 9
    await asyncio.gather(*calls)


@virtual
async def test_a_server_without_headers_closes_with_429_too() -> None:
    """Retry-After holds though our own log has room; after it, one at a time for a window."""
    world = World(style=Style("none"))
    await world.call()
    await asyncio.sleep(100)
    lease = await world.limiter.acquire(lane="interactive", deadline=None)
    await lease.done(429, [("Retry-After", "200")])
    calls = world.start(*(world.call() for _ in range(3)))
    await asyncio.sleep(199)
    assert world.order == [""]
    await asyncio.sleep(2.1)
    assert world.limiter.snapshot().in_flight == 1
    await asyncio.gather(*calls)
    assert world.loop.time() == pytest.approx(1000 + RTT + 100 + 201 + 3 * RTT, abs=0.1)
