"""Whatever callers, servers and clocks do to the limiter, in any order: nobody is forgotten, and nothing is lost."""

# One test of rules here reads private attributes: `nobody_waits_while_something_is_free` asks the state (`_replica.state`) and
# the bucket (`_has_room` of one of `_dispatchers`) whether a request could go now. No snapshot says this, because it is the very
# decision that is tested, made a second time from outside.

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.clock import VirtualLoop
from support.server_models import Server, Style

from sessions_us.errors import ClientClosedError, QuotaTimeoutError
from sessions_us.quota import Lane, Lease, Limiter, Quota
from sessions_us.quota.clock import LoopClock, Timer

T = TypeVar("T")


class WatchedClock(LoopClock):
    """A clock that shows the timer that was set last, as long as it may fire."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.loop_timer: asyncio.TimerHandle | None = None

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        def fire() -> None:
            self.loop_timer = None
            callback()

        timer = super().call_at(when, fire)
        assert isinstance(timer, asyncio.TimerHandle)
        self.loop_timer = timer
        return timer

    @property
    def timer(self) -> asyncio.TimerHandle | None:
        return None if self.loop_timer is None or self.loop_timer.cancelled() else self.loop_timer


class Owner:
    """A client, which can leave and come again."""


class Caller:
    """One call of `acquire`, in a task of its own."""

    def __init__(self, machine: QuotaMachine, lane: Lane, patience: float | None, owner: Owner) -> None:
        self.machine, self.lane, self.owner = machine, lane, owner
        self.cancelled = False
        self.asked: int | None = None  # its number, in the order in which they came
        self.granted = self.closed = False
        self.deadline = None if patience is None else machine.clock() + patience
        self.task = machine.loop.create_task(self.call())

    async def call(self) -> None:
        self.asked = self.machine.asked = self.machine.asked + 1
        try:
            lease = await self.machine.limiter.acquire(lane=self.lane, deadline=self.deadline, owner=self.owner)
        except QuotaTimeoutError:
            return
        except ClientClosedError:
            self.closed = True
            return
        self.machine.granted(self, lease)

    @property
    def waiting(self) -> bool:
        return not self.task.done() and not self.cancelled


class QuotaMachine(RuleBasedStateMachine):
    """Random acquire, cancel, refund, done, unknown, 429, leave and clock jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.jumped = 0.0
        self.callers: list[Caller] = []
        self.leases: list[Lease] = []
        self.asked = 0
        self.owners = Owner(), Owner()
        self.asleep = False  # the clock jumped, and no timer has fired since

    @initialize(
        model=st.sampled_from(["fixed", "log", "nest", "gcra"]), limit=st.sampled_from([1, 3, 10]), told=st.booleans()
    )
    def begin(self, model: str, limit: int, told: bool) -> None:
        self.server = Server(model, Style("x-ratelimit" if told else "none"), limit=limit)
        self.timers = WatchedClock(self.clock)
        self.limiter = Limiter(Quota(limit=limit), clock=self.timers)
        self.limit = limit

    def clock(self) -> float:
        return self.loop.time() + self.jumped

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(step)

    def settle(self) -> None:
        """Let everybody run who can, without time passing."""
        for _ in range(6):
            self.run(asyncio.sleep(0))

    def granted(self, caller: Caller, lease: Lease) -> None:
        assert caller.asked is not None
        caller.granted = True
        line = [
            each.asked
            for each in self.callers
            if each.lane == caller.lane and each.waiting and not each.granted and each.asked is not None
        ]
        assert all(asked > caller.asked for asked in line), "first come, first served"
        assert not caller.cancelled
        self.leases.append(lease)

    # -- what may happen ---------------------------------------------------------------------------------------------

    @rule(
        lane=st.sampled_from(["interactive", "interactive", "background"]),
        patience=st.sampled_from([None, None, 0.0, 5.0, 90.0]),
        whose=st.integers(0, 1),
    )
    def ask(self, lane: Lane, patience: float | None, whose: int) -> None:
        self.callers.append(Caller(self, lane, patience, self.owners[whose]))

    @rule(turns=st.integers(0, 3))
    def let_run(self, turns: int) -> None:
        for _ in range(turns):
            self.run(asyncio.sleep(0))

    @precondition(lambda self: any(caller.waiting for caller in self.callers))
    @rule(pick=st.integers(0, 99))
    def cancel(self, pick: int) -> None:
        """At whatever await it stands: not begun, waiting, or handed a lease that it has not seen."""
        waiting = [caller for caller in self.callers if caller.waiting]
        caller = waiting[pick % len(waiting)]
        caller.cancelled = caller.task.cancel()

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 99), end=st.sampled_from(["done", "done", "done", "unknown", "unseen", "refund", "429"]))
    def finish(self, pick: int, end: str) -> None:
        lease = self.leases.pop(pick % len(self.leases))
        self.run(self.end(lease, end))
        self.asleep = False

    @precondition(lambda self: self.leases and any(caller.waiting for caller in self.callers))
    @rule(pick=st.integers(0, 99), end=st.sampled_from(["done", "refund"]), first=st.booleans())
    def finish_and_cancel(self, pick: int, end: str, first: bool) -> None:
        """A turn comes, and its caller is cancelled in the same moment: before it, or after it without having seen it."""
        lease = self.leases.pop(pick % len(self.leases))
        caller = next(caller for caller in self.callers if caller.waiting)

        async def both() -> None:
            if first:
                caller.cancelled = caller.task.cancel()
            await self.end(lease, end)
            if not first:
                caller.cancelled = caller.task.cancel()

        self.run(both())
        self.asleep = False

    async def end(self, lease: Lease, end: str) -> None:
        if end == "refund":
            await lease.refund()
        elif end == "429":
            await lease.done(429, [("Retry-After", "7")])
        elif end == "unseen":
            await lease.unknown()
        else:
            answer = self.server.hit(self.clock())
            await (lease.unknown() if end == "unknown" else lease.done(answer.status, answer.headers))

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))
        self.asleep = self.asleep and seconds < 61.0

    @rule(seconds=st.sampled_from([0.5, 30.0, 5000.0]))
    def jump(self, seconds: float) -> None:
        """The machine was suspended: the clock is ahead of the loop's timers."""
        self.jumped += seconds
        self.asleep = True

    @rule(whose=st.integers(0, 9))
    def leave(self, whose: int) -> None:
        """Its own waiters are failed, and none of the other one's."""
        if whose >= len(self.owners):
            return
        self.settle()
        waiting = [caller for caller in self.callers if caller.waiting]
        self.run(self.limiter.leave(self.owners[whose]))
        self.settle()
        for caller in waiting:
            assert caller.closed if caller.owner is self.owners[whose] else not caller.closed

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def never_more_leases_than_the_limit(self) -> None:
        if hasattr(self, "limiter"):
            assert len(self.leases) <= self.limit
            assert self.limiter.snapshot().in_flight <= self.limit

    @invariant()
    def nobody_waits_while_something_is_free(self) -> None:
        if not hasattr(self, "limiter"):
            return
        self.settle()
        if not any(caller.waiting for caller in self.callers) or self.asleep:
            return
        state, reserve = self.limiter._replica.state, self.limiter.quota.reserve
        # Timers may be a tick late, so what has just become free does not count, nor what has just ceased to be.
        decisions = [state.decision(now, reserve) for now in (self.clock(), self.clock() - 0.002)]
        dispatcher = self.limiter._dispatchers.get(self.loop)
        assert dispatcher is not None
        free = all(decision.ticket is not None and dispatcher._has_room(state, decision) for decision in decisions)
        if free and self.jumped and (timer := self.timers.timer) is not None:
            # The bucket does not see the clock jump. Where it refused, the dispatcher looks again when one more has leaked.
            free = timer.when() > self.loop.time() + state.window.seconds / state.window.limit
        assert not free
        assert self.timers.timer is not None or self.leases, "somebody waits, and nothing will ever wake anybody"

    @invariant()
    def what_is_counted_is_what_is_out(self) -> None:
        if not hasattr(self, "limiter"):
            return
        self.settle()
        snapshot = self.limiter.snapshot()
        assert snapshot.in_flight == len(self.leases)
        assert sum(snapshot.waiting.values()) == sum(caller.waiting for caller in self.callers)
        assert 0 <= snapshot.remaining <= self.limit

    def teardown(self) -> None:
        """Everybody who is still there is served, in the end, and everything returns to zero."""
        if not hasattr(self, "limiter"):
            return
        for _ in range(4 * len(self.callers) + 100):
            self.settle()
            while self.leases:
                self.run(self.end(self.leases.pop(), "done"))
                self.settle()
            if not any(caller.waiting for caller in self.callers):
                break
            self.run(asyncio.sleep(20))
        assert not any(caller.waiting for caller in self.callers), "somebody waits forever"
        for caller in self.callers:
            assert caller.task.done()
            if not caller.task.cancelled():
                assert caller.task.exception() is None
        snapshot = self.limiter.snapshot()
        assert (snapshot.in_flight, sum(snapshot.waiting.values())) == (0, 0)
        assert self.timers.timer is None or math.isfinite(self.timers.timer.when())
        self.loop.close()


TestQuotaMachine = QuotaMachine.TestCase
TestQuotaMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
