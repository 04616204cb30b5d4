"""The window and those who wait for it, as one value: who is next, and who must still wait. Pure.

This is what a store keeps. Everything that several processes have to agree on is in it, and nothing else.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from typing import Literal

import attrs

from sessions_us.quota.headers import Report
from sessions_us.quota.window import Flight, Heard, Sample, Window

__all__ = ("Lane", "Ledger", "Ticket", "Turn")

Lane = Literal["interactive", "background"]


@attrs.frozen
class Ticket:
    """A place in a lane.

    Attributes:
        number: tells it from all others of the ledger.
        lane: where it waits.
        arrival: its order inside the lane; a repeated request brings its old one.
        since: when it began to wait, seconds.
        front: before all others of its lane, as after a 429.
        heartbeat: when its process was last alive; None within one process.
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


@attrs.frozen
class Turn:
    """Whose turn it is.

    Attributes:
        ticket: None for nobody's.
        probe: nothing is known of the window, so the one who goes finds out.
        wake: when to look again; None: when something happens.
    """

    ticket: Ticket | None
    probe: bool = False
    wake: float | None = None


@attrs.frozen
class Ledger:
    """One key's quota.

    Attributes:
        window: what the server counts.
        interactive, background: the lanes, each in order.
        arrivals: the next arrival number.
        leases: the next lease's number, and the next ticket's.
        background_at: when background work was last let through.
    """

    window: Window
    interactive: tuple[Ticket, ...] = ()
    background: tuple[Ticket, ...] = ()
    arrivals: int = 0
    leases: int = 0
    background_at: float | None = None

    @classmethod
    def new(cls, limit: int, period: float) -> Ledger:
        """An empty ledger: nothing sent, nothing known, nobody waiting."""
        return cls(Window(limit, period))

    # -- those who wait ----------------------------------------------------------------------------------------------

    def queue(
        self, lane: Lane, now: float, *, arrival: int | None = None, front: bool = False
    ) -> tuple[Ledger, Ticket]:
        """Take a place in a lane."""
        ticket = Ticket(self.leases, lane, self.arrivals if arrival is None else arrival, now, front)
        line = self._line(lane)
        place = bisect_left(line, ticket.order, key=_order) if line else 0
        line = (*line[:place], ticket, *line[place:])
        ledger = attrs.evolve(
            self,
            interactive=line if lane == "interactive" else self.interactive,
            background=line if lane == "background" else self.background,
            leases=self.leases + 1,
            arrivals=self.arrivals + 1 if arrival is None else self.arrivals,
        )
        return ledger, ticket

    def leave(self, ticket: Ticket) -> Ledger:
        """Give up a place; nothing happens if it is gone already."""
        interactive, background = self._without(ticket)
        return attrs.evolve(self, interactive=interactive, background=background)

    def ahead(self, ticket: Ticket) -> int:
        """How many go before it, as things are."""
        place = bisect_left(self._line(ticket.lane), ticket.order, key=_order)
        return place if ticket.lane == "interactive" else place + len(self.interactive)

    def turn(self, now: float, reserve: int) -> Turn:
        """Who may be sent now: interactive before background, first come first served inside a lane.

        Background work leaves the last `reserve` slots of a window alone until its last tenth. And it ages: once it has seen
        none of its own go for a whole window it goes before interactive work, one request a window, so that it still moves.
        """
        if not self.interactive and not self.background:
            return Turn(None)
        look = self.window.look(now)
        if look.free < 1:
            return Turn(None, wake=look.wake)
        head = self.background[0] if self.background else None
        due_at = self._due_at(head) if head else None
        overdue = due_at is not None and now >= due_at
        if self.interactive and not overdue:
            return Turn(self.interactive[0], probe=not look.known)
        # With a server that tells no window there is no last tenth either: age alone frees the reserve.
        last_tenth = self.window.last_tenth() if look.known else None
        if (
            not look.known
            or self.interactive
            or look.slots > self.kept_back(reserve)
            or (overdue and last_tenth is None)
        ):
            return Turn(head, probe=not look.known)
        if last_tenth is not None and now >= last_tenth:
            return Turn(head, probe=not look.known)
        wakes = [wake for wake in (look.wake, due_at if last_tenth is None else last_tenth) if wake is not None]
        return Turn(None, wake=min(wakes, default=None))

    def kept_back(self, reserve: int) -> int:
        """How many slots of a window background work leaves alone: never more than a fifth."""
        return min(reserve, self.window.limit // 5)

    def earliest(self, ticket: Ticket, now: float, reserve: int) -> float:
        """A lower bound of the moment at which this ticket's turn comes, as far as anything is known."""
        ahead = self.ahead(ticket)
        earliest = self.window.earliest(ahead, now)
        if ticket.lane == "interactive" or earliest > now or self.window.flights or self.interactive:
            return earliest
        look, last_tenth = self.window.look(now), self.window.last_tenth()
        if look.known and last_tenth is not None and 0 < look.slots <= self.kept_back(reserve) + ahead:
            return max(now, last_tenth)
        return earliest

    def _due_at(self, head: Ticket) -> float:
        since = head.since if self.background_at is None else max(head.since, self.background_at)
        return since + self.window.period

    def _line(self, lane: Lane) -> tuple[Ticket, ...]:
        return self.interactive if lane == "interactive" else self.background

    def _without(self, ticket: Ticket) -> tuple[tuple[Ticket, ...], tuple[Ticket, ...]]:
        line = self._line(ticket.lane)
        place = bisect_left(line, ticket.order, key=_order)
        if place < len(line) and line[place].number == ticket.number:
            line = (*line[:place], *line[place + 1 :])
        return (line, self.background) if ticket.lane == "interactive" else (self.interactive, line)

    # -- leases ------------------------------------------------------------------------------------------------------

    def grant(self, turn: Turn, now: float, until: float | None = None) -> Ledger:
        """The ticket whose turn it is becomes a lease, of the same number."""
        ticket = turn.ticket
        if ticket is None:
            return self
        interactive, background = self._without(ticket)
        return attrs.evolve(
            self,
            window=self.window.sent(ticket.number, now, probe=turn.probe, until=until),
            interactive=interactive,
            background=background,
            background_at=now if ticket.lane == "background" else self.background_at,
        )

    def answered(self, lease: int, now: float, status: int, report: Report) -> tuple[Ledger, Heard]:
        """A lease ends with an answer."""
        window, heard = self.window.learnt(report, now).answered(lease, now, status, report)
        return attrs.evolve(self, window=window), heard

    def lost(self, lease: int, now: float) -> Ledger:
        """A lease ends without an answer, though its request was sent."""
        return attrs.evolve(self, window=self.window.lost(lease, now))

    def refunded(self, lease: int) -> Ledger:
        """A lease ends, and its request never left this machine."""
        return attrs.evolve(self, window=self.window.refunded(lease))

    # -- for stores --------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """The ledger as JSON, for a store that other processes read."""
        return json.dumps(attrs.asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Ledger:
        """The inverse of `to_json`."""
        data = json.loads(text)
        window = data.pop("window")
        window["flights"] = tuple(Flight(**flight) for flight in window["flights"])
        window["sample"] = Sample(**window["sample"]) if window["sample"] else None
        for stamps in ("doubts", "log"):
            window[stamps] = tuple(window[stamps])
        for lane in ("interactive", "background"):
            data[lane] = tuple(Ticket(**ticket) for ticket in data[lane])
        return cls(window=Window(**window), **data)


def _order(ticket: Ticket) -> tuple[bool, int, int]:
    return ticket.order
