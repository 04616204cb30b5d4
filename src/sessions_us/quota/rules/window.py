"""What the server counts, and how much of it is certainly free. Pure: state and `now` in, a new state or a decision out.

**What servers count.** "10 requests per minute" is kept in at least six ways: a window that starts with the first request; one
cut by the clock; a log of the last minute's requests; a log that announces a window (NestJS's default); a weighted mean of two
windows; a bucket that refills one by one (GCRA). They differ in when a slot comes back, and agree on two things: `remaining` is
true at the moment at which it is written, and at the announced reset at least one slot more is free.

**Why a token bucket is not enough.** A bucket of 10 that refills 10 a minute lets 19 requests into some minutes. Nor is an exact
log of our own requests enough if it is stamped when they are *sent*: a server stamps at *arrival*, so a slow request followed by
a fast one is closer together there than here. And neither knows what was used before this process started, or by somebody else.

**The rules**, each with what it is for:

1. With nothing known, or what was known being over, one queued request goes out: the *probe*. At a reset every server has one
   slot free, but only some have more; the answer tells. It waits for requests in flight that the last count does not cover.
2. With a valid count, no more are in flight than it left. Those in flight may be in the count or not, so all are subtracted.
3. Answers overtake each other. One sent after the last count arrived is newer and replaces it. Of two that overlapped, the
   lower count is the later one, unless their resets lie further apart than rounding and the round trip explain: then they are of
   different windows.
4. The reset is the *latest* moment that the headers allow: arrival + seconds + margin, for whole seconds may be rounded down. An
   earlier answer's earlier reset holds as long as nothing can have been freed before the later answer was written.
   A reset on the server's clock is translated by the server's own `Date`, so that nobody's clock needs to be right.
5. Nothing left: wait for the reset, then rule 1. But NestJS announces a window and counts a log, so the reset says little. It
   shows when a window that has just begun is already used, by no more than our own: then one goes out as soon as our own
   log (rule 10) has more room than the count left, unless other clients are about.
6. A 429 closes everything until `Retry-After`, else the reset, else one window; then a probe. Probes that get 429 again double
   the margin. (NestJS blocks a key for a further window, so a request sent too early is dear.)
7. Until one window has passed without another client and without a 429, first two are in flight and then, answer by answer, more,
   and those in flight are subtracted twice: another process may be doing the same.
8. A count that rose by more than our own requests means another client. For three windows one request at a time goes out, and one
   slot stays free: otherwise both fire at the last one. And no probe goes out beyond half of the limit, so that two who queue
   for the same slots take turns. A 429 means another client too, for by the other rules it is not ours; but not the first
   answer's.
9. A request without a countable answer (lost, or answered without headers) may have counted until the moment we gave up. It is
   *in doubt*, and subtracted, until a count whose request was sent later, or until a whole window has passed.
10. A server without such headers: at most `limit` per window by our own log, in which an entry leaves one window after its
    *response*. The server saw it no later than that, and sees the next no earlier than it is sent, so no window of the server's
    holds more, whatever the latency. One at a time for the first window and for the one after a 429, since the start is unknown.
"""

from __future__ import annotations

from math import inf, nextafter
from typing import NamedTuple

import attrs

from sessions_us.quota.rules.draft import draft
from sessions_us.quota.rules.headers import Report
from sessions_us.quota.rules.reading import MARGIN, Reading, later, reset_of

__all__ = ("Capacity", "Effect", "InFlight", "Reading", "Window")

LONGEST_BLOCK = 3600.0  # seconds: a longer Retry-After is a mistake or a ban; a probe an hour harms nobody
WARY_WINDOWS = 3
LIKELY = 1.5  # times the mean between two slots that come back one by one
MOST_STRIKES = 5  # the margin after a row of refused probes is at most 2**5 as long


class InFlight(NamedTuple):
    """A request in flight. `expires_at`: when its lease is over, if it can expire (its process may have died)."""

    lease: int
    sent: float
    expires_at: float | None = None


class Capacity(NamedTuple):
    """What may be sent now.

    Attributes:
        free: how many leases may be given out.
        slots: how many slots are left in the window, or likely to be; more than `free` where caution says so.
        wake: when there may be more without any answer coming in; None: only an answer can change it.
        known: there is a valid count of the server's, or a log that replaces it.
    """

    free: int
    slots: int
    wake: float | None
    known: bool


class Effect(NamedTuple):
    """What an answer meant: how many requests other clients sent, and for how many seconds a 429 closed the window."""

    used_by_others: int = 0
    closed_for: float | None = None


_NOTHING = Effect()


@attrs.define(slots=False)
class Window:
    """The state of one key at one server, a value. Times are seconds on a clock that never goes back.

    Attributes:
        limit, seconds: requests per so many seconds, as the server says or else as configured.
        speaks: whether the server's answers have rate headers; None before the first answer.
        reading: the count that holds (rule 3).
        flights: requests in flight.
        probe: the lease of the probe, while it is in flight.
        doubts: for each request in doubt, the latest moment at which it may have counted (rule 9).
        log: when our own requests of the last window were answered (rule 10).
        own: how many of our own requests may have counted since the reading (rule 8).
        blocked_until: a 429's end.
        strikes: probes in a row that got a 429.
        offset: the server's clock minus ours, never too high.
        quiet_since: since when no other client and no 429 was seen; None before the first answer.
        wary_until: until when other clients are expected.
        rolling: the server counts a log behind the window that it announces (rule 5).
        trickles: slots come back one by one, so that a reset is no window's end; None: not seen yet.
        ramp: how many may be in flight while the start is slow (rule 7).
        opened: how many windows were seen to begin: by a probe, or in an answer.
    """

    limit: int
    seconds: float
    speaks: bool | None = None
    reading: Reading | None = None
    flights: tuple[InFlight, ...] = ()
    probe: int | None = None
    doubts: tuple[float, ...] = ()
    log: tuple[float, ...] = ()
    own: int = 0
    blocked_until: float | None = None
    strikes: int = 0
    offset: float | None = None
    quiet_since: float | None = None
    wary_until: float | None = None
    rolling: bool = False
    trickles: bool | None = None
    ramp: int = 1
    opened: int = 0

    # -- decisions ---------------------------------------------------------------------------------------------------

    def capacity(self, now: float) -> Capacity:
        """How much may be sent now, and when to look again."""
        if self.blocked_until is not None and now < self.blocked_until:
            return Capacity(0, 0, self.blocked_until, known=True)
        reading = self.reading
        if reading is not None and now < reading.expires:
            return self._capacity_by_reading(reading, now)
        if self.probe is not None:
            return Capacity(0, 0, None, known=False)
        if self.speaks is False:
            return self._capacity_by_log(now)
        log, half = self._live(self.log, now), self.limit // 2
        if self.wary_until is not None and now < self.wary_until and len(log) > half:
            return Capacity(0, 0, log[len(log) - half - 1] + self.seconds, known=False)
        left = (reading.remaining if reading else 0) - len(self.flights) - len(self._live(self.doubts, now))
        if left < 0:
            return self._capacity_by_log(now)
        if reading is None or not self.trickles:
            return Capacity(1, self.limit, None, known=False)
        back = (now - reading.expires) // self.trickle
        wake = reading.expires + (back + 1) * self.trickle
        if log:
            wake = min(wake, log[0] + self.seconds)
        return Capacity(1, max(left + 1 + int(back), self.limit - len(log)), wake, known=False)

    def _capacity_by_reading(self, reading: Reading, now: float) -> Capacity:
        """Rules 2, 7 and 8, and what rule 5 says of NestJS."""
        in_flight, doubts = len(self.flights), self._live(self.doubts, now)
        slots = reading.remaining - in_flight - len(doubts)
        free, careful_until, wake = slots, now, reading.expires
        if doubts:
            wake = min(wake, doubts[0] + self.seconds)
        if self.wary_until is not None and now < self.wary_until:
            free, careful_until = min(slots - 1, 1 - in_flight), self.wary_until
        elif self.quiet_since is not None and now < self.quiet_since + self.seconds:
            free, careful_until = min(slots, self.ramp) - in_flight, self.quiet_since + self.seconds
        elif self.rolling and not in_flight:
            log = self._live(self.log, now)
            wake = min(wake, log[0] + self.seconds) if log else wake
            if self.limit - len(log) > max(slots, 0):  # requests in doubt make it negative
                return Capacity(1, self.limit - len(log), wake, known=True)
        if careful_until > now and (slots > max(free, 0) or self.rolling):  # after it our own log may have room
            wake = min(wake, careful_until)
        return Capacity(max(free, 0), max(slots, 0), wake, known=True)

    def _capacity_by_log(self, now: float) -> Capacity:
        """Rule 10. Also for a server that has headers, while requests in doubt forbid a probe: it costs time, never a 429."""
        log, in_flight = self._live(self.log, now), len(self.flights)
        slots = self.limit - in_flight - len(log)
        free, wakes = slots, []
        if log:
            wakes.append(log[0] + self.seconds)
        if self.speaks is not False or not self._calm(now):
            free = min(slots, 1 - in_flight)
            if self.quiet_since is not None and not self._calm(now):
                wakes.append(self.quiet_since + self.seconds)
        return Capacity(max(free, 0), max(slots, 0), min(wakes, default=None), known=self.speaks is False)

    def next_free(self, beyond: int, now: float) -> float:
        """By our own log: when one more slot is free than now, after `beyond` others."""
        log = self._live(self.log, now)
        if beyond < len(log):
            return log[beyond] + self.seconds
        return now + self.seconds + self.windows(beyond - len(log))

    def left(self, now: float) -> int:
        """How many may be sent before the reset: the server's count, else our own."""
        in_flight = len(self.flights)
        if self.blocked_until is not None and now < self.blocked_until:
            return 0
        if self.reading is not None and now < self.reading.expires:
            return max(0, self.reading.remaining - in_flight - len(self._live(self.doubts, now)))
        return max(0, self.limit - in_flight - len(self._live(self.log, now)))

    def resets_at(self, now: float) -> float | None:
        """When there is more at the latest: the end of a 429's block, or the reset; None where neither is known."""
        moments = [self.blocked_until, self.reading.expires if self.reading else None]
        return max((moment for moment in moments if moment is not None and now < moment), default=None)

    def last_tenth(self) -> float | None:
        """When the last tenth of the window begins that the last count told; None where it may be no window."""
        if self.reading is None or self.trickles is not False:
            return None
        # An earlier reset may free one slot alone.
        return min(self.reading.latest - self.seconds / 10, self.reading.expires)

    @property
    def trickle(self) -> float:
        """Where slots come back one by one: the seconds in which the next one most likely does."""
        return LIKELY * self.seconds / self.limit

    def refills_soon(self) -> bool:
        """Slots come back one by one, and the last count told that the next one is near."""
        reading = self.reading
        return bool(self.trickles) and reading is not None and reading.latest - reading.received <= self.trickle

    def windows(self, beyond: int) -> float:
        """The seconds of as many whole windows as so many requests need."""
        return max(0, beyond // self.limit) * self.seconds

    def _calm(self, now: float) -> bool:
        return self.quiet_since is not None and now >= self.quiet_since + self.seconds

    def _live(self, stamps: tuple[float, ...], now: float) -> tuple[float, ...]:
        """The stamps of the last window: what is older can't count any more. Stamps are in order."""
        for place, stamp in enumerate(stamps):
            if now < stamp + self.seconds:
                return stamps[place:] if place else stamps
        return ()

    # -- what happens ------------------------------------------------------------------------------------------------

    def sent(self, lease: int, now: float, *, probe: bool, expires_at: float | None = None) -> Window:
        """A lease was given out. Where nothing was known it is the probe, and the server's next window begins with it."""
        # A clock may stand still, and steps of a store are put together; yet it goes after the answer that let it go.
        moment = now if self.reading is None or now > self.reading.received else nextafter(self.reading.received, inf)
        window = draft(self)
        window.flights = (*self.flights, InFlight(lease, moment, expires_at))
        window.own += 1
        if probe:
            window.probe = lease
            window.opened += 1
        return window

    def refunded(self, lease: int) -> Window:
        """A lease came back: its request never left this machine."""
        window = draft(self)
        window.flights = tuple([flight for flight in self.flights if flight.lease != lease])
        if self.probe == lease:
            window.probe = None
        return window

    def lost(self, lease: int, now: float) -> Window:
        """A request got no answer that counts; the server may have seen it at any moment until now."""
        if not any(flight.lease == lease for flight in self.flights):
            return self
        window = self.refunded(lease)
        window.doubts = (*self._live(self.doubts, now), now)
        window.log = (*self._live(self.log, now), now)
        return window

    def expired(self, now: float) -> Window:
        """Leases that are over count as lost: whoever had them is gone."""
        window = self
        for flight in self.flights:
            if flight.expires_at is not None and flight.expires_at <= now:
                window = window.lost(flight.lease, now)
        return window

    def answered(self, lease: int, now: float, status: int, report: Report) -> tuple[Window, Effect]:
        """A request was answered."""
        for flight in self.flights:
            if flight.lease == lease:
                break
        else:
            return self, _NOTHING
        if status == 429:
            return self._refused(flight, now, report)
        if report.remaining is not None:
            return self._counted(flight, now, report)
        window = self.lost(lease, now)
        if self.quiet_since is None:
            window.quiet_since = now
        # A route that the server does not limit has no headers: that switches them off for no other.
        if not self.speaks:
            window.speaks, window.reading, window.doubts = False, None, ()
        return window, _NOTHING

    def learnt(self, report: Report, now: float) -> Window:
        """What an answer tells of the limit, the window and the server's clock; known before `answered` is told of it."""
        limit, seconds, offset = self.limit, self.seconds, self.offset
        if report.limit:
            limit = report.limit
        if report.window:
            seconds = report.window
        elif report.reset_in and report.reset_in > 1.1 * seconds:
            seconds = report.reset_in
        if report.date is not None:
            offset = max(report.date - now, report.date - now if offset is None else offset)
        if limit == self.limit and seconds == self.seconds and offset == self.offset:
            return self
        window = draft(self)
        window.limit, window.seconds, window.offset = limit, seconds, offset
        return window

    def _answered_at(self, now: float) -> float:
        """When an answer came: after all that are in flight were sent, however coarse the clock."""
        for flight in self.flights:
            if flight.sent > now:
                now = flight.sent
        return now

    def _counted(self, flight: InFlight, now: float, report: Report) -> tuple[Window, Effect]:
        """Rules 3, 4, 7, 8 and 9."""
        remaining = report.remaining or 0
        old, reset = self.reading, reset_of(report, flight.sent, now, self.offset, self.strikes)
        flights = tuple([other for other in self.flights if other is not flight])
        doubts = self.doubts and tuple([stamp for stamp in self._live(self.doubts, now) if stamp > flight.sent])
        if reset is not None:
            earliest, latest = reset[0], max(reset[1], now)
        elif old is not None and now < old.expires and remaining < old.remaining:
            earliest, latest = old.earliest, old.latest  # it only went down: the same window
        else:
            earliest, latest = flight.sent, now + self.seconds
        new = Reading(
            self._answered_at(now), self.limit, remaining, earliest, latest, expires=latest, not_before=earliest
        )
        log = self._live(self.log, now)
        used, others = self.limit - remaining, len(flights) + len(doubts)
        rolling, trickles = self.rolling, self.trickles
        if self.probe == flight.lease:
            begun = earliest + MARGIN >= flight.sent + self.seconds - MARGIN
            rolling |= begun and 1 + others < used <= 1 + others + len(self._live(self.log, flight.sent))
            if begun or self.opened > 1:  # else nobody knows what was used before, or what the reset will free
                trickles = not begun and used > 1 + others

        used_by_others = 0
        if old is not None and old.limit == new.limit:
            used_by_others = max(0, old.remaining - new.remaining - self.own)
        reading, newer = (new, True) if old is None else later(old, new, flight.sent)
        window = draft(self)
        window.speaks, window.reading, window.strikes = True, reading, 0
        window.flights, window.doubts, window.log = flights, doubts, (*log, now)
        window.rolling, window.trickles = rolling, trickles
        window.ramp += 1
        if self.probe == flight.lease:
            window.probe = None
        if newer:
            window.own = others
            # A window that the clock cut before it was used up is seen without a probe.
            cut = old is not None and old.earliest < new.received and old.latest < new.earliest
            window.opened += cut and self.probe is None
        if used_by_others or self.quiet_since is None:
            window.quiet_since = now
        if not used_by_others:
            return window, _NOTHING
        window.wary_until = now + WARY_WINDOWS * self.seconds
        return window, Effect(used_by_others)

    def _refused(self, flight: InFlight, now: float, report: Report) -> tuple[Window, Effect]:
        """Rule 6. It is a count too: nothing left, and more at the end of the block."""
        reset = reset_of(report, flight.sent, now, self.offset, self.strikes)
        wait = report.retry_after
        if wait is None:
            wait = self.seconds if reset is None else max(0.0, reset[1] - now)
        reopens_at = now + min(wait, LONGEST_BLOCK) + MARGIN * 2**self.strikes
        reopens_at = max(reopens_at, self.blocked_until or reopens_at)
        flights = tuple([other for other in self.flights if other is not flight])
        doubts = self.doubts and tuple([stamp for stamp in self._live(self.doubts, now) if stamp > flight.sent])
        probing = self.probe == flight.lease
        # The very first answer only tells that the key was used up before; whoever did that may be gone.
        wary = None if self.quiet_since is None else reopens_at + WARY_WINDOWS * self.seconds
        speaks = True if report.remaining is not None else self.speaks  # NestJS's 429 has nothing but Retry-After
        window = draft(self)
        window.speaks = speaks
        closed = Reading(self._answered_at(now), self.limit, 0, reopens_at, reopens_at, reopens_at, reopens_at)
        window.reading = None if speaks is False else closed
        window.flights, window.doubts, window.log = flights, doubts, (*self._live(self.log, now), now)
        window.own = len(flights) + len(doubts)
        window.blocked_until = window.quiet_since = reopens_at
        window.wary_until, window.rolling, window.ramp = wary, False, 1
        if probing:
            window.probe, window.strikes = None, min(self.strikes + 1, MOST_STRIKES)
        return window, Effect(closed_for=reopens_at - now)
