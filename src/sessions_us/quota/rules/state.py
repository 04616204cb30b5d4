"""The quota of one key as a value: the window, and the tickets that wait for it. Pure.

A store keeps this value. It holds everything that several processes have to agree on, and nothing else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import inf
from operator import attrgetter
from typing import Literal, NamedTuple

from .headers import Report
from .window import Window

__all__ = ("Decision", "Lane", "QuotaState", "Ticket", "in_order")

AGE = 2  # windows after which one background ticket goes first

Lane = Literal["interactive", "background"]

HEARTBEAT = 2.0  # seconds between two heartbeats of a waiting process
STALE_AFTER = 6.0  # seconds without a heartbeat, after which a process counts as dead


class Ticket(NamedTuple):
    """A place in a lane.

    Attributes:
        number: unique in the state; also the number of its lease.
        lane: where it waits.
        arrival: its order inside the lane; a repeated request keeps the number of its first attempt.
        since: when it began to wait, seconds.
        front: whether it goes before all others of its lane, as after a 429.
        heartbeat: when its process was last known to be alive.
    """

    number: int
    lane: Lane
    arrival: int
    since: float
    front: bool
    heartbeat: float

    @property
    def order(self) -> tuple[bool, bool, int, int]:
        return self.lane == "background", not self.front, self.arrival, self.number


class Decision(NamedTuple):
    """Which ticket is granted next.

    Attributes:
        ticket: None if no ticket can be granted now.
        probe: nothing is known of the window, so this request is the probe (rule 1).
        wake: when to decide again; infinite: when something changes.
    """

    ticket: Ticket | None
    probe: bool = False
    wake: float = inf


class QuotaState(NamedTuple):
    """The quota of one key as a value.

    Attributes:
        window: what is known of the server's count.
        waiting: the tickets, in order: those of the interactive lane, then those of the background lane.
        arrivals: the next arrival number.
        leases: the number of the next ticket and its lease.
        background_at: when background work was last granted.
    """

    window: Window
    waiting: tuple[Ticket, ...] = ()
    arrivals: int = 0
    leases: int = 0
    background_at: float | None = None

    @classmethod
    def new(cls, limit: int, seconds: float) -> QuotaState:
        """Return an empty state: nothing sent, nothing known, no tickets."""
        return cls(Window(limit, seconds))

    # -- tickets ---------------------------------------------------------------------------------------------------

    @property
    def interactive(self) -> tuple[Ticket, ...]:
        """The tickets of the interactive lane."""
        return self.waiting[: self._urgent()]

    @property
    def background(self) -> tuple[Ticket, ...]:
        """The tickets of the background lane."""
        return self.waiting[self._urgent() :]

    def queue(
        self, lane: Lane, now: float, *, arrival: int | None = None, front: bool = False
    ) -> tuple[QuotaState, Ticket]:
        """Put the ticket of a new request into its lane."""
        ticket = Ticket(self.leases, lane, self.arrivals if arrival is None else arrival, now, front, now)
        place = self.ahead(ticket) if self.waiting else 0
        waiting = (*self.waiting[:place], ticket, *self.waiting[place:])
        arrivals = max(self.arrivals, ticket.arrival + 1)
        return QuotaState(self.window, waiting, arrivals, self.leases + 1, self.background_at), ticket

    def leave(self, ticket: Ticket) -> QuotaState:
        """Remove a ticket. Nothing happens if it is gone already."""
        waiting = self._without(ticket)
        return self if waiting is self.waiting else self._replace(waiting=waiting)

    def promote(self, ticket: Ticket) -> QuotaState:
        """Move a background ticket to the interactive lane. It keeps its arrival number."""
        rest = self.leave(ticket)
        if rest is self:
            return self
        return rest._replace(waiting=in_order([*rest.waiting, ticket._replace(lane="interactive")]))

    def ahead(self, ticket: Ticket) -> int:
        """How many tickets go before this one."""
        return bisect_left(self.waiting, ticket.order, key=_order)

    def decision(self, now: float, reserve: int) -> Decision:
        """Decide which ticket is granted next: interactive before background, first come first served inside a lane.

        Background work leaves the last `reserve` slots of a window free until its last tenth. Where no window was seen to end
        yet, or where slots refill one by one, it leaves them free all the time. And it ages: if no background work was granted
        for two windows, one background ticket goes before interactive work.
        """
        if not self.waiting:
            return Decision(None)
        capacity = self.window.capacity(now)
        if capacity.free < 1:
            return Decision(None, wake=capacity.wake)
        first, due_at = self.waiting[0], self.due_at()
        if first.lane == "interactive":
            return Decision(self.background[0] if now >= due_at else first, probe=not capacity.known)
        # Without a known window there is no last tenth: only age frees the reserve.
        last_tenth = self.window.last_tenth()
        freed_at = due_at if last_tenth is None else last_tenth
        if now >= freed_at or capacity.slots > self.reserved(reserve):
            return Decision(first, probe=not capacity.known)
        return Decision(None, wake=min(capacity.wake, freed_at))

    def reserved(self, reserve: int) -> int:
        """How many slots of a window background work leaves free: never more than a fifth.

        Half of them where the next slot is near, because a weighted counter would lose speed all the time.
        """
        kept = min(reserve, self.window.limit // 5)
        return (kept + 1) // 2 if self.window.refills_soon() else kept

    def due_at(self) -> float:
        """When the first ticket of the background lane has aged; infinite: the lane is empty."""
        if not self.waiting or self.waiting[-1].lane == "interactive":
            return inf
        since = self.waiting[self._urgent()].since
        return (since if self.background_at is None else max(since, self.background_at)) + AGE * self.window.seconds

    def _without(self, ticket: Ticket) -> tuple[Ticket, ...]:
        if self.waiting and self.waiting[0] is ticket:
            return self.waiting[1:]
        place = self.ahead(ticket)
        if place == len(self.waiting) or self.waiting[place].number != ticket.number:
            return self.waiting
        return (*self.waiting[:place], *self.waiting[place + 1 :])

    def _urgent(self) -> int:
        return bisect_left(self.waiting, True, key=lambda ticket: ticket.lane == "background")

    # -- leases ------------------------------------------------------------------------------------------------------

    def grant(self, decision: Decision, now: float, expires_at: float | None = None) -> QuotaState:
        """Turn the decision's ticket into a lease of the same number."""
        ticket = decision.ticket
        if ticket is None:
            return self
        window = self.window.sent(ticket.number, now, probe=decision.probe, expires_at=expires_at)
        background_at = now if ticket.lane == "background" else self.background_at
        return QuotaState(window, self._without(ticket), self.arrivals, self.leases, background_at)

    def answered(self, lease: int, now: float, status: int, report: Report) -> tuple[QuotaState, int]:
        """End a lease with an answer. The number counts the requests of other clients that the answer revealed."""
        window, used_by_others = self.window.learnt(report, now).answered(lease, now, status, report)
        return self._replace(window=window), used_by_others

    def lost(self, leases: Iterable[int], now: float) -> QuotaState:
        """End leases whose requests were sent and got no answer."""
        return self._replace(window=self.window.lost(leases, now))

    def refunded(self, lease: int) -> QuotaState:
        """End a lease whose request never left this machine."""
        return self._replace(window=self.window.refunded(lease))

    # -- another user of the key -------------------------------------------------------------------------------------

    def left(self, now: float) -> QuotaState:
        """What remains when nobody uses the key any more: its tickets are gone, and what was in flight may have counted."""
        window = self.window.lost([flight.lease for flight in self.window.flights], now)
        return self._replace(window=window, waiting=(), background_at=None)

    def moved(self, seconds: float) -> QuotaState:
        """Return the state on a clock that is ahead by so many seconds. It has no tickets."""
        return self._replace(window=self.window.moved(seconds)) if seconds else self

    def expecting(self, before: tuple[int, float], after: tuple[int, float]) -> QuotaState:
        """Return the state with another configured limit and window in the place of those before. What was learnt stays."""
        window = self.window
        limit = after[0] if window.limit == before[0] else window.limit
        seconds = after[1] if window.seconds == before[1] else window.seconds
        return self._replace(window=window._replace(limit=limit, seconds=seconds))

    # -- several processes -------------------------------------------------------------------------------------------

    def tidied(self, now: float) -> QuotaState:
        """Clean up after dead processes: count expired leases as lost, remove tickets whose heartbeat is stale."""
        window = self.window.expired(now)
        waiting = tuple([ticket for ticket in self.waiting if now < ticket.heartbeat + STALE_AFTER])
        if window is self.window and len(waiting) == len(self.waiting):
            return self
        return self._replace(window=window, waiting=waiting)

    def alive(self, tickets: Sequence[Ticket], now: float) -> QuotaState:
        """Set the heartbeat of these tickets to now. A ticket that was removed as stale gets its place back.

        Nothing changes as long as all heartbeats are recent. A lease of such a ticket was never handed out, because it waits.
        """
        beating = {(ticket.number, ticket.lane) for ticket in self.waiting if now < ticket.heartbeat + HEARTBEAT}
        if all((ticket.number, ticket.lane) in beating for ticket in tickets):
            return self
        own, window = {ticket.number for ticket in tickets}, self.window
        for flight in self.window.flights:
            if flight.lease in own:
                window = window.refunded(flight.lease)
        others = [ticket for ticket in self.waiting if ticket.number not in own]
        return self._replace(
            window=window,
            waiting=in_order([*others, *[ticket._replace(heartbeat=now) for ticket in tickets]]),
            arrivals=max(self.arrivals, *[ticket.arrival + 1 for ticket in tickets]),
        )


_order = attrgetter("order")


def in_order(tickets: Iterable[Ticket]) -> tuple[Ticket, ...]:
    """Sort tickets in the order in which they are granted."""
    return tuple(sorted(tickets, key=_order))
