"""How a process parts from a store that fails, and comes back: pure decisions."""

from __future__ import annotations

from sessions_us.quota.rules.headers import parse_report
from sessions_us.quota.rules.state import HEARTBEAT, STALE_AFTER, QuotaState
from sessions_us.quota.rules.window import Window
from sessions_us.quota.stores.failover import Share, fail_back, fail_over

HEADERS = [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "7"), ("X-RateLimit-Reset", "50")]


def granted(state: QuotaState, now: float, expires_at: float = 99.0) -> tuple[QuotaState, int]:
    state, ticket = state.queue("interactive", now)
    return state.grant(state.decision(now, 0), now, expires_at), ticket.number


def sent(state: QuotaState, lease: int, now: float) -> QuotaState:
    return state._replace(window=state.window.sent(lease, now, probe=False, expires_at=99.0))


def known() -> QuotaState:
    """A state with a valid count: 7 of 10 left for 50 seconds."""
    state, lease = granted(QuotaState.new(10, 60.0), 1.0)
    state, _ = state.answered(lease, 1.1, 200, parse_report(HEADERS))
    return state


def test_alone_others_requests_count_and_others_places_do_not() -> None:
    """What others have in flight may have been counted; their places in the queue are not this process's to serve."""
    state, mine = granted(known(), 70.0)
    state, _ = state.queue("interactive", 70.0)
    state, own = state.queue("background", 70.0)

    alone = fail_over(state, {own.number}, {mine}, 71.0, 12345)
    assert [flight.lease for flight in alone.window.flights] == [mine]
    assert (alone.interactive, alone.background) == ((), (own,))
    assert alone.leases == 12345

    deserted = fail_over(state, {own.number}, set(), 71.0, 12345)
    assert deserted.window.flights == ()
    assert tuple(deserted.window.unconfirmed) == (71.0,)


def test_a_process_that_is_alone_expects_others_that_are_alone_too() -> None:
    """They fire at the same count, so one at a time goes out, and not the last."""
    before = known()
    assert fail_over(before, set(), set(), 2.0, 1).window.shares_key_until == 2.0 + 3 * 60.0
    alone, _ = granted(fail_over(before, set(), set(), 2.0, 1), 2.0)
    assert alone.window.capacity(2.0).free == 0


def test_back_together_neither_count_holds_and_nothing_is_forgotten() -> None:
    """What was counted on either side is kept, a lease that ended meanwhile is in doubt, and one probe asks the server again."""
    ended, kept, fresh, others = 100, 101, 102, 103
    shared = sent(sent(known(), ended, 5.0), kept, 5.1)
    mine = fail_over(shared, set(), {ended, kept}, 6.0, 1000)
    mine = mine.lost([ended], 7.0)
    mine = sent(mine, fresh, 8.0)
    theirs = sent(shared, others, 6.5)

    together = fail_back(theirs, mine, {ended}, 9.0, shares_key_for=10.0)

    assert {flight.lease for flight in together.window.flights} == {kept, fresh, others}
    assert together.window.reading is None
    assert 9.0 in together.window.unconfirmed
    assert together.window.shares_key_until is not None
    assert together.window.shares_key_until >= 19.0
    assert set(theirs.window.log) | set(mine.window.log) <= set(together.window.log)
    assert together.window.capacity(9.0).free == 0  # no probe while a request is in flight that may be counted or not


def test_a_429_on_either_side_closes_both() -> None:
    """It was the key that was blocked, not the process."""
    shared, lease = granted(known(), 5.0)
    mine = fail_over(shared, set(), {lease}, 6.0, 1000)
    mine, _ = mine.answered(lease, 6.5, 429, parse_report([("Retry-After", "30")]))

    together = fail_back(shared, mine, {lease}, 9.0, shares_key_for=10.0)

    assert together.window.blocked_until == mine.window.blocked_until
    assert together.window.capacity(30.0).free == 0


def test_a_share_is_a_part_of_the_limit_in_any_window() -> None:
    """Counted until one window after the end of each request; at least one request is always in it."""
    window, share = Window(10, 60.0), Share(0.25)
    assert share.left(window, 1, 0.0) == 1
    assert share.left(window, 2, 0.0) == 0
    share.spend(window, 10.0)
    share.spend(window, 20.0)
    assert share.left(window, 0, 69.9) == 0
    assert share.left(window, 0, 70.1) == 1
    assert share.left(window, 1, 70.1) == 0
    assert Share(0.01).left(window, 0, 0.0) == 1


def test_a_heart_that_stops_gives_up_its_place_and_one_that_beats_again_gets_it_back() -> None:
    """At its old place, with its old arrival."""
    state, first = QuotaState.new(10, 60.0).queue("interactive", 0.0)
    state, second = state.queue("interactive", 1.0)
    state = state.alive([second], STALE_AFTER)
    assert state.tidied(STALE_AFTER - 0.1) is state
    without = state.tidied(STALE_AFTER)
    assert [ticket.number for ticket in without.interactive] == [second.number]
    assert [ticket.number for ticket in without.alive([first], 7.0).interactive] == [first.number, second.number]
    beating = state.alive([first], 1.0)
    assert beating is state
    assert state.alive([first], HEARTBEAT).interactive[0].heartbeat == HEARTBEAT


def test_a_lease_that_is_over_counts_as_lost() -> None:
    """Its process may have died before or after it sent the request."""
    state, lease = granted(QuotaState.new(10, 60.0), 1.0, expires_at=11.0)
    assert state.tidied(10.9) is state
    after = state.tidied(11.0)
    assert after.window.flights == ()
    assert tuple(after.window.unconfirmed) == (11.0,)
    assert after.window.probe is None
    assert lease not in [flight.lease for flight in after.window.flights]


def test_a_share_remembers_one_window_only() -> None:
    """It counts while the store is well, too, for years perhaps."""
    share, window = Share(0.5), Window(10, 60.0)
    for minute in range(1000):
        share.spend(window, 60.0 * minute)
    assert share.ended.count == 1
    assert share.left(window, 3, 60.0 * 999) == 1
    assert share.left(window, 4, 60.0 * 999) == 0
