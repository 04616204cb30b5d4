"""The quota of one key as a value: the window, and the tickets that wait for it. Pure.

A store keeps this value. It holds everything that several processes have to agree on, and nothing else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, NamedTuple

import attrs

from sessions_us.quota.rules.draft import draft
from sessions_us.quota.rules.headers import Report
from sessions_us.quota.rules.window import Window

__all__ = ("Decision", "Lane", "QuotaState", "Ticket")

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
        heartbeat: when its process was last known to be alive; None within one process.
    """

    number: int
    lane: Lane
    arrival: int
    since: float
    front: bool = False
    heartbeat: float | None = None

    @property
    def order(self) -> tuple[bool, int, int]:
        return not self.front, self.arrival, self.number


class Decision(NamedTuple):
    """Which ticket is granted next.

    Attributes:
        ticket: None if no ticket can be granted now.
        probe: nothing is known of the window, so this request is the probe (rule 1).
        wake: when to decide again; None: when something changes.
    """

    ticket: Ticket | None
    probe: bool = False
    wake: float | None = None


@attrs.define(slots=False)
class QuotaState:
    """The quota of one key as a value.

    Attributes:
        window: what is known of the server's count.
        interactive, background: the lanes, each in order.
        arrivals: the next arrival number.
        leases: the number of the next ticket and its lease.
        background_at: when background work was last granted.
    """

    window: Window
    interactive: tuple[Ticket, ...] = ()
    background: tuple[Ticket, ...] = ()
    arrivals: int = 0
    leases: int = 0
    background_at: float | None = None

    @classmethod
    def new(cls, limit: int, seconds: float) -> QuotaState:
        """Return an empty state: nothing sent, nothing known, no tickets."""
        return cls(Window(limit, seconds))

    # -- tickets ---------------------------------------------------------------------------------------------------

    def ticket(
        self,
        lane: Lane,
        now: float,
        *,
        arrival: int | None = None,
        front: bool = False,
        heartbeat: float | None = None,
    ) -> Ticket:
        """Make the ticket of a new request. It takes a place once it is queued or granted."""
        return Ticket(self.leases, lane, self.arrivals if arrival is None else arrival, now, front, heartbeat)

    def queue(self, ticket: Ticket) -> QuotaState:
        """Put a ticket into its lane."""
        state = self._with_line(ticket.lane, _with(self._line(ticket.lane), ticket))
        _use_up(state, ticket)
        return state

    def leave(self, ticket: Ticket) -> QuotaState:
        """Remove a ticket. Nothing happens if it is gone already."""
        line = self._line(ticket.lane)
        rest = _without(line, ticket)
        return self if rest is line else self._with_line(ticket.lane, rest)

    def promote(self, ticket: Ticket) -> QuotaState:
        """Move a background ticket to the interactive lane. It keeps its arrival number."""
        rest = self.leave(ticket)
        if rest is self or ticket.lane == "interactive":
            return self
        rest.interactive = _with(rest.interactive, ticket._replace(lane="interactive"))
        return rest

    def ahead(self, ticket: Ticket) -> int:
        """How many tickets go before this one."""
        place = bisect_left(self._line(ticket.lane), ticket.order, key=_order)
        return place if ticket.lane == "interactive" else place + len(self.interactive)

    def decision(self, now: float, reserve: int, newcomer: Ticket | None = None) -> Decision:
        """Decide which ticket is granted next: interactive before background, first come first served inside a lane.

        Background work leaves the last `reserve` slots of a window free until its last tenth. Where no window was seen to end
        yet, or where slots refill one by one, it leaves them free all the time. And it ages: if no background work was granted
        for two windows, one background ticket goes before interactive work.

        Args:
            newcomer: a ticket to treat as queued.
        """
        urgent, head = _first(self.interactive), _first(self.background)
        if newcomer is not None:
            if newcomer.lane == "interactive":
                urgent = newcomer if urgent is None else min(urgent, newcomer, key=_order)
            else:
                head = newcomer if head is None else min(head, newcomer, key=_order)
        if urgent is None and head is None:
            return Decision(None)
        capacity = self.window.capacity(now)
        if capacity.free < 1:
            return Decision(None, wake=capacity.wake)
        due_at = self.due_at(head) if head else None
        overdue = due_at is not None and now >= due_at
        if urgent and not overdue:
            return Decision(urgent, probe=not capacity.known)
        # Without a known window there is no last tenth: only age frees the reserve.
        last_tenth = self.window.last_tenth()
        may_go = urgent or capacity.slots > self.reserved(reserve)
        if may_go or (overdue if last_tenth is None else now >= last_tenth):
            return Decision(head, probe=not capacity.known)
        wakes = [wake for wake in (capacity.wake, due_at if last_tenth is None else last_tenth) if wake is not None]
        return Decision(None, wake=min(wakes, default=None))

    def reserved(self, reserve: int) -> int:
        """How many slots of a window background work leaves free: never more than a fifth.

        Half of them where the next slot is near, because a weighted counter would lose speed all the time.
        """
        kept = min(reserve, self.window.limit // 5)
        return (kept + 1) // 2 if self.window.refills_soon() else kept

    def is_last(self, ticket: Ticket) -> bool:
        """Whether the ticket is the last of all."""
        return (self.background or self.interactive)[-1] is ticket

    def due_at(self, head: Ticket) -> float:
        """When the first ticket of the background lane has aged."""
        since = head.since if self.background_at is None else max(head.since, self.background_at)
        return since + AGE * self.window.seconds

    def _line(self, lane: Lane) -> tuple[Ticket, ...]:
        return self.interactive if lane == "interactive" else self.background

    def _with_line(self, lane: Lane, line: tuple[Ticket, ...]) -> QuotaState:
        state = draft(self)
        if lane == "interactive":
            state.interactive = line
        else:
            state.background = line
        return state

    # -- leases ------------------------------------------------------------------------------------------------------

    def grant(self, decision: Decision, now: float, expires_at: float | None = None) -> QuotaState:
        """Turn the decision's ticket, queued or not, into a lease of the same number."""
        ticket = decision.ticket
        if ticket is None:
            return self
        state = self._with_line(ticket.lane, _without(self._line(ticket.lane), ticket))
        state.window = self.window.sent(ticket.number, now, probe=decision.probe, expires_at=expires_at)
        if ticket.lane == "background":
            state.background_at = now
        _use_up(state, ticket)
        return state

    def answered(self, lease: int, now: float, status: int, report: Report) -> tuple[QuotaState, int]:
        """End a lease with an answer. The number counts the requests of other clients that the answer revealed."""
        window, used_by_others = self.window.learnt(report, now).answered(lease, now, status, report)
        return self._with_window(window), used_by_others

    def lost(self, lease: int, now: float) -> QuotaState:
        """End a lease whose request was sent and got no answer."""
        return self._with_window(self.window.lost(lease, now))

    def refunded(self, lease: int) -> QuotaState:
        """End a lease whose request never left this machine."""
        return self._with_window(self.window.refunded(lease))

    def _with_window(self, window: Window) -> QuotaState:
        state = draft(self)
        state.window = window
        return state

    # -- several processes -------------------------------------------------------------------------------------------

    def tidied(self, now: float) -> QuotaState:
        """Clean up after dead processes: count expired leases as lost, remove tickets whose heartbeat is stale."""
        window = self.window.expired(now)
        dead = {
            ticket.number
            for line in (self.interactive, self.background)
            for ticket in line
            if ticket.heartbeat is not None and now >= ticket.heartbeat + STALE_AFTER
        }
        if window is self.window and not dead:
            return self
        interactive, background = (
            tuple([ticket for ticket in line if ticket.number not in dead])
            for line in (self.interactive, self.background)
        )
        state = self._with_window(window)
        state.interactive, state.background = interactive, background
        return state

    def alive(self, tickets: Sequence[Ticket], now: float) -> QuotaState:
        """Set the heartbeat of these tickets to now. A ticket that was removed as stale gets its place back.

        Nothing changes as long as all heartbeats are recent. A lease of such a ticket was never handed out, because it waits.
        """
        beating = {
            ticket.number: ticket.lane
            for line in (self.interactive, self.background)
            for ticket in line
            if ticket.heartbeat is not None and now < ticket.heartbeat + HEARTBEAT
        }
        if all(beating.get(ticket.number) == ticket.lane for ticket in tickets):
            return self
        window, arrivals = self.window, self.arrivals
        own = {ticket.number for ticket in tickets}
        interactive = [ticket for ticket in self.interactive if ticket.number not in own]
        background = [ticket for ticket in self.background if ticket.number not in own]
        for lease in own.intersection([flight.lease for flight in window.flights]):
            window = window.refunded(lease)
        for ticket in tickets:
            line = interactive if ticket.lane == "interactive" else background
            line.append(ticket._replace(heartbeat=now))
            arrivals = max(arrivals, ticket.arrival + 1)
        state = self._with_window(window)
        state.interactive = tuple(sorted(interactive, key=_order))
        state.background = tuple(sorted(background, key=_order))
        state.arrivals = arrivals
        return state


def _first(line: tuple[Ticket, ...]) -> Ticket | None:
    return line[0] if line else None


def _use_up(draft: QuotaState, ticket: Ticket) -> None:
    """Reserve the numbers of a ticket. A ticket that was queued before has reserved them already."""
    if ticket.number == draft.leases:
        draft.leases += 1
        draft.arrivals = max(draft.arrivals, ticket.arrival + 1)


def _with(line: tuple[Ticket, ...], ticket: Ticket) -> tuple[Ticket, ...]:
    if not line or line[-1].order < ticket.order:
        return (*line, ticket)
    place = bisect_left(line, ticket.order, key=_order)
    return (*line[:place], ticket, *line[place:])


def _without(line: tuple[Ticket, ...], ticket: Ticket) -> tuple[Ticket, ...]:
    """Remove a ticket. Returns the line itself if the ticket is not in it."""
    if not line or line[0] is ticket:
        return line[1:]
    place = bisect_left(line, ticket.order, key=_order)
    if place == len(line) or line[place].number != ticket.number:
        return line
    return (*line[:place], *line[place + 1 :])


def _order(ticket: Ticket) -> tuple[bool, int, int]:
    return ticket.order
