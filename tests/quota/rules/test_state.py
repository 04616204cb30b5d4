"""Whose turn it is: the lanes, the reserve, ageing, and what stays of a state that others go on with."""

from __future__ import annotations

import pytest

from sessions_us.quota.rules.headers import Report
from sessions_us.quota.rules.reading import Reading
from sessions_us.quota.rules.state import HEARTBEAT, STALE_AFTER, Decision, Lane, QuotaState, Ticket
from sessions_us.quota.rules.window import InFlight, Window

NEW = QuotaState.new(10, 60.0)


def counted(remaining: int, *, refills: bool | None = False, latest: float = 60.0, limit: int = 10) -> Window:
    reading = Reading(0.0, limit, remaining, latest, latest, latest, latest)
    return Window(limit, 60.0, has_headers=True, reading=reading, refills=refills)


def queued(state: QuotaState, *lanes: Lane, now: float = 0.0) -> tuple[QuotaState, list[Ticket]]:
    tickets = []
    for lane in lanes:
        state, ticket = state.queue(lane, now)
        tickets.append(ticket)
    return state, tickets


def test_numbers_of_tickets_and_arrivals_follow_each_other() -> None:
    """A repeated request has an arrival number already; the next new one still comes after all."""
    state, tickets = queued(NEW._replace(background_at=7.0), "interactive", "background")
    assert [(ticket.number, ticket.arrival) for ticket in tickets] == [(0, 0), (1, 1)]
    assert (state.leases, state.arrivals, state.background_at) == (2, 2, 7.0)
    state, again = state.queue("interactive", 1.0, arrival=0)
    assert (again.number, again.arrival, state.leases, state.arrivals) == (2, 0, 3, 2)
    state, far = state.queue("interactive", 1.0, arrival=8)
    assert (far.arrival, state.arrivals) == (8, 9)


def test_what_got_a_429_goes_first_in_its_lane() -> None:
    state, (first, background) = queued(NEW, "interactive", "background")
    state, front = state.queue("interactive", 1.0, front=True)
    state, back = state.queue("background", 1.0, front=True)
    assert state.waiting == (front, first, back, background)
    assert state.interactive == (front, first)
    assert state.background == (back, background)


def test_a_ticket_that_is_gone_can_leave_and_can_not_be_promoted() -> None:
    state, (first, second, third) = queued(NEW, "background", "background", "background")
    rest = state.leave(third)
    assert rest.waiting == (first, second)
    assert rest.leave(third) is rest
    assert rest.promote(third) is rest
    assert state.leave(second).leave(second).waiting == (first, third)
    assert NEW.leave(first) is NEW


def test_a_promoted_ticket_keeps_its_arrival() -> None:
    """It goes before what came later, also in the other lane."""
    state, (background, other, interactive) = queued(NEW, "background", "background", "interactive")
    state = state.promote(background)
    assert state.waiting == (background._replace(lane="interactive"), interactive, other)


def test_background_work_goes_first_at_the_moment_at_which_it_has_aged() -> None:
    """Two windows after it began to wait, or after background work was last granted."""
    state, (background, interactive) = queued(
        NEW._replace(window=counted(9, latest=500.0)), "background", "interactive"
    )
    assert state.due_at() == 120.0
    assert state.decision(119.9, 2) == Decision(interactive)
    assert state.decision(120.0, 2) == Decision(background)
    later = state._replace(background_at=30.0)
    assert later.decision(149.9, 2) == Decision(interactive)
    assert later.decision(150.0, 2) == Decision(background)


def test_background_work_leaves_the_reserve_until_the_last_tenth() -> None:
    state, (background,) = queued(NEW._replace(window=counted(3)), "background")
    assert state.decision(1.0, 2) == Decision(background)
    state = state._replace(window=counted(2))
    assert state.decision(1.0, 2) == Decision(None, wake=54.0)
    assert state.decision(1.0, 1) == Decision(background)
    assert state.decision(54.0, 2) == Decision(background)


@pytest.mark.parametrize("lane", ["interactive", "background"])
def test_the_first_request_of_all_is_a_probe(lane: Lane) -> None:
    state, (ticket,) = queued(NEW, lane)
    assert state.decision(0.0, 2) == Decision(ticket, probe=True)
    known, (ticket,) = queued(NEW._replace(window=counted(9)), lane)
    assert known.decision(0.0, 2) == Decision(ticket, probe=False)


def test_the_reserve_is_at_most_a_fifth_and_half_of_it_where_the_next_slot_is_near() -> None:
    """Near is one and a half times the mean time between two slots: 9 s of 60 with a limit of 10."""
    assert [NEW.reserved(reserve) for reserve in (0, 1, 2, 3)] == [0, 1, 2, 2]
    assert QuotaState.new(14, 60.0).reserved(9) == 2
    assert NEW._replace(window=counted(5, refills=True, latest=9.0)).reserved(2) == 1
    assert NEW._replace(window=counted(5, refills=True, latest=9.1)).reserved(2) == 2
    assert NEW._replace(window=counted(5, refills=False, latest=9.0)).reserved(2) == 2
    assert NEW._replace(window=counted(5, refills=True, latest=1.0, limit=15)).reserved(3) == 2


def test_an_answer_brings_the_clock_of_the_server() -> None:
    state, (ticket,) = queued(NEW, "interactive")
    state = state.grant(state.decision(0.0, 2), 0.0)
    state, others = state.answered(ticket.number, 1.0, 200, Report(remaining=9, reset_at=1060.0, date=1000.0))
    assert (state.window.offset, others) == (999.0, 0)


def test_what_remains_when_nobody_uses_the_key() -> None:
    """What was in flight may have counted, and nobody waits."""
    state, _ = queued(NEW, "interactive", "background")
    state = state.grant(state.decision(0.0, 2), 0.0)._replace(background_at=5.0)
    left = state.left(9.0)
    assert (left.waiting, left.background_at, left.window.flights) == ((), None, ())
    assert (tuple(left.window.log), tuple(left.window.unconfirmed)) == ((9.0,), (9.0,))
    assert (left.leases, left.arrivals) == (2, 2)


def test_a_state_on_another_clock() -> None:
    state = NEW.left(1.0)._replace(window=counted(4))
    assert state.moved(0.0) is state
    moved = state.moved(100.0).window.reading
    assert moved == Reading(100.0, 10, 4, 160.0, 160.0, 160.0, 160.0)


@pytest.mark.parametrize(
    ("limit", "seconds", "expected"),
    [(10, 60.0, (20, 30.0)), (15, 60.0, (15, 30.0)), (10, 45.0, (20, 45.0)), (15, 45.0, (15, 45.0))],
)
def test_another_configuration_replaces_what_the_server_did_not_say(
    limit: int, seconds: float, expected: tuple[int, float]
) -> None:
    state = QuotaState.new(limit, seconds).expecting((10, 60.0), (20, 30.0))
    assert (state.window.limit, state.window.seconds) == expected


def test_a_process_that_was_thought_dead_gets_its_places_back() -> None:
    """In order, and with a lease that was given to a ticket and never handed out."""
    state, (mine, yours, urgent) = queued(NEW, "background", "background", "interactive")
    window = state.window._replace(flights=(InFlight(mine.number, 1.0), InFlight(77, 1.0)))
    state = state._replace(window=window, waiting=(yours._replace(heartbeat=STALE_AFTER),), arrivals=1)
    state = state.alive([mine, urgent], STALE_AFTER)
    assert [ticket.number for ticket in state.waiting] == [urgent.number, mine.number, yours.number]
    assert {ticket.heartbeat for ticket in state.waiting} == {STALE_AFTER}
    assert state.window.flights == (InFlight(77, 1.0),)
    assert state.arrivals == urgent.arrival + 1
    assert state._replace(arrivals=9).alive([mine], STALE_AFTER + HEARTBEAT).arrivals == 9
    assert state.alive([mine, urgent], STALE_AFTER) is state
