"""Decide how many requests the server still allows. Pure: a state and `now` in, a new state or a capacity out.

**What servers count.** "10 requests per minute" is kept in at least six ways: a window that starts with the first request; one
cut by the clock; a log of the last minute's requests; a log that announces a window (NestJS's default); a weighted mean of two
windows; a bucket that refills one by one (GCRA). They differ in when a slot comes back, and agree on two things: `remaining` is
true at the moment at which it is written, and at the announced reset at least one slot more is free.

**Why a token bucket is not enough.** A bucket of 10 that refills 10 a minute lets 19 requests into some minutes. Nor is an exact
log of our own requests enough if it is stamped when they are *sent*: a server stamps at *arrival*, so a slow request followed by
a fast one is closer together there than here. And neither knows what was used before this process started, or by other clients.

**The rules**, each with its reason:

1. If nothing is known, or what was known has expired, one queued request goes out: the *probe*. At a reset every server has one
   slot free, but only some have more; the answer shows how many. The probe waits for requests in flight that the last count
   does not cover.
2. With a valid count, no more requests are in flight than the count left. A request in flight may be in the count or not, so all
   are subtracted.
3. Answers overtake each other. An answer whose request was sent after the last count arrived is newer and replaces it. Of two
   that overlapped, the lower count is the later one, unless their resets lie further apart than rounding and the round trip
   explain: then they belong to different windows.
4. The reset is the *latest* moment that the headers allow: arrival + seconds + margin, because whole seconds may be rounded down.
   The earlier reset of an earlier answer holds as long as nothing can have been freed before the later answer was written.
   A reset on the server's clock is translated by the server's own `Date`, so neither clock needs to be right.
5. Nothing left: wait for the reset, then rule 1. But NestJS announces a window and counts a *sliding log*, so its reset says
   little. The window shows this when it has just begun and is already used, by no more than our own requests. Then one request
   goes out as soon as our own log (rule 10) has more room than the count left, unless other clients use the key.
6. A 429 blocks all requests until `Retry-After`, else the reset, else for one window; then a probe goes out. Probes that get 429
   again double the margin. (NestJS blocks a key for a further window, so a request sent too early is expensive.)
7. *Slow start*: until one window has passed without another client and without a 429, first two requests are in flight, then one
   more for each answer. Those in flight are subtracted twice, because another process may be doing the same.
8. A count that rose by more than our own requests means another client. For three windows one request at a time goes out, and one
   slot stays free: otherwise both clients take the last one. And no probe goes out beyond half of the limit, so that two clients
   that queue for the same slots alternate. A 429 means another client too, because the other rules exclude our own; but not if
   it is the first answer.
9. A request without a countable answer (lost, or answered without headers) may have counted until the moment we gave up. It is
   *unconfirmed*, and subtracted, until a count whose request was sent later, or until a whole window has passed.
10. A server without such headers: at most `limit` per window by our own log, in which an entry leaves one window after its
    *response*. The server saw the request no later than that, and sees the next no earlier than it is sent, so no window of the
    server holds more, whatever the latency. One request at a time in the first window and in the one after a 429, because the
    start of the server's window is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, nextafter
from typing import NamedTuple

from .headers import Report
from .reading import MARGIN, Reading, later, reset_of
from .stamps import Stamps, stamps_of

__all__ = ("Capacity", "InFlight", "Reading", "Window")

LONGEST_BLOCK = 3600.0  # seconds; a longer Retry-After is a mistake or a ban, and one probe an hour does no harm
SHARED_KEY_WINDOWS = 3
LIKELY = 1.5  # times the mean time between two slots that refill one by one
MOST_REFUSED_PROBES = 5  # the margin grows to at most 2**5 times its length
_NONE = Stamps()


class InFlight(NamedTuple):
    """A request in flight. `expires_at`: when its lease ends by itself, because its process may have died; None: never."""

    lease: int
    sent: float
    expires_at: float | None = None


class Capacity(NamedTuple):
    """What may be sent now.

    Attributes:
        free: how many leases may be given out.
        slots: how many slots are left in the window, or likely to be; more than `free` where rules 7 and 8 hold some back.
        wake: when there may be more without a further answer; infinite: only an answer can change it.
        known: there is a valid count of the server, or a log that replaces it.
    """

    free: int
    slots: int
    wake: float
    known: bool


class Window(NamedTuple):
    """What is known of one key at one server, as a value. Times are seconds on a monotonic clock.

    Attributes:
        limit, seconds: requests per window and its length, as the server says or else as configured.
        has_headers: whether the server's answers have rate headers; None before the first answer.
        reading: the count that holds (rule 3).
        flights: requests in flight.
        probe: the lease of the probe, while it is in flight.
        unconfirmed: for each unconfirmed request, the latest moment at which it may have counted (rule 9).
        log: when our own requests of the last window were answered (rule 10).
        own: how many of our own requests may have counted since the reading (rule 8).
        blocked_until: when the block of a 429 ends (rule 6).
        refused_probes: probes in a row that got a 429 (rule 6).
        offset: the server's clock minus ours, never too high (rule 4).
        quiet_since: since when no other client and no 429 was seen; None before the first answer (rule 7).
        shares_key_until: until when other clients are expected to use the key (rule 8).
        sliding_log: the server counts a sliding log behind the window that it announces (rule 5).
        refills: slots refill one by one, so a reset is not the end of a window; None: not known yet.
        slow_start: how many may be in flight during the slow start (rule 7).
        opened: how many windows were seen to begin, by a probe or in an answer.
    """

    limit: int
    seconds: float
    has_headers: bool | None = None
    reading: Reading | None = None
    flights: tuple[InFlight, ...] = ()
    probe: int | None = None
    unconfirmed: Stamps = _NONE
    log: Stamps = _NONE
    own: int = 0
    blocked_until: float | None = None
    refused_probes: int = 0
    offset: float | None = None
    quiet_since: float | None = None
    shares_key_until: float | None = None
    sliding_log: bool = False
    refills: bool | None = None
    slow_start: int = 1
    opened: int = 0

    # -- decisions ---------------------------------------------------------------------------------------------------

    def capacity(self, now: float) -> Capacity:
        """Compute how much may be sent now, and when to ask again."""
        if self.blocked_until is not None and now < self.blocked_until:
            return Capacity(0, 0, self.blocked_until, known=True)
        reading = self.reading
        if reading is not None and now < reading.expires:
            return self._capacity_by_reading(reading, now)
        if self.probe is not None:
            return Capacity(0, 0, inf, known=False)
        if self.has_headers is False:
            return self._capacity_by_log(now)
        log, half = self.log.within(self.seconds, now), self.limit // 2
        if self.shares_key_until is not None and now < self.shares_key_until and log.count > half:
            return Capacity(0, 0, tuple(log)[log.count - half - 1] + self.seconds, known=False)
        left = (
            (reading.remaining if reading else 0) - len(self.flights) - self.unconfirmed.within(self.seconds, now).count
        )
        if left < 0:
            return self._capacity_by_log(now)
        if reading is None or not self.refills:
            return Capacity(1, self.limit, inf, known=False)
        back = (now - reading.expires) // self.refill_time
        wake = min(reading.expires + (back + 1) * self.refill_time, log.first + self.seconds)
        return Capacity(1, max(left + 1 + int(back), self.limit - log.count), wake, known=False)

    def _capacity_by_reading(self, reading: Reading, now: float) -> Capacity:
        """Apply rules 2, 7 and 8, and rule 5 for a sliding log."""
        in_flight, unconfirmed = len(self.flights), self.unconfirmed.within(self.seconds, now)
        slots = reading.remaining - in_flight - unconfirmed.count
        free, careful_until, wake = slots, now, min(reading.expires, unconfirmed.first + self.seconds)
        if self.shares_key_until is not None and now < self.shares_key_until:
            free, careful_until = min(slots - 1, 1 - in_flight), self.shares_key_until
        elif self.quiet_since is not None and now < self.quiet_since + self.seconds:
            free, careful_until = min(slots, self.slow_start) - in_flight, self.quiet_since + self.seconds
        elif self.sliding_log and not in_flight:
            log = self.log.within(self.seconds, now)
            wake = min(wake, log.first + self.seconds)
            if self.limit - log.count > max(slots, 0):  # unconfirmed requests can make it negative
                return Capacity(1, self.limit - log.count, wake, known=True)
        if careful_until > now and (slots > max(free, 0) or self.sliding_log):  # after it our own log may have room
            wake = min(wake, careful_until)
        return Capacity(max(free, 0), max(slots, 0), wake, known=True)

    def _capacity_by_log(self, now: float) -> Capacity:
        """Apply rule 10. Also while unconfirmed requests forbid a probe of a server with headers: it costs time, never a 429."""
        log, in_flight = self.log.within(self.seconds, now), len(self.flights)
        slots = self.limit - in_flight - log.count
        free, wake = slots, log.first + self.seconds
        is_quiet = self.quiet_since is not None and now >= self.quiet_since + self.seconds
        if self.has_headers is not False or not is_quiet:
            free = min(slots, 1 - in_flight)
            if self.quiet_since is not None and not is_quiet:
                wake = min(wake, self.quiet_since + self.seconds)
        return Capacity(max(free, 0), max(slots, 0), wake, known=self.has_headers is False)

    def next_free(self, beyond: int, now: float) -> float:
        """When our own log has one more slot free than now, after `beyond` others."""
        log = self.log.within(self.seconds, now)
        if beyond < log.count:
            return tuple(log)[beyond] + self.seconds
        return now + self.seconds + self.windows(beyond - log.count)

    def left(self, now: float) -> int:
        """How many requests may be sent before the reset, by the server's count or else our own."""
        in_flight = len(self.flights)
        if self.blocked_until is not None and now < self.blocked_until:
            return 0
        if self.reading is not None and now < self.reading.expires:
            return max(0, self.reading.remaining - in_flight - self.unconfirmed.within(self.seconds, now).count)
        return max(0, self.limit - in_flight - self.log.within(self.seconds, now).count)

    def resets_at(self, now: float) -> float | None:
        """When more becomes free at the latest: the end of a block, or the reset; None if neither is known."""
        moments = [self.blocked_until, self.reading.expires if self.reading else None]
        return max((moment for moment in moments if moment is not None and now < moment), default=None)

    def is_blank(self, now: float) -> bool:
        """Whether nothing that is known of it holds a request back any more."""
        moments = [self.blocked_until, self.shares_key_until, None if self.reading is None else self.reading.expires]
        moments += [inf if flight.expires_at is None else flight.expires_at + self.seconds for flight in self.flights]
        moments += [self.log.last + self.seconds, self.unconfirmed.last + self.seconds]
        return not any(moment is not None and now < moment for moment in moments)

    def last_tenth(self) -> float | None:
        """When the last tenth of the window begins; None if the reset may not be the end of a window."""
        if self.reading is None or self.refills is not False:
            return None
        # An earlier reset may free one slot alone.
        return min(self.reading.latest - self.seconds / 10, self.reading.expires)

    @property
    def refill_time(self) -> float:
        """The seconds in which the next slot most likely refills, where slots refill one by one."""
        return LIKELY * self.seconds / self.limit

    def refills_soon(self) -> bool:
        """Whether slots refill one by one, and the last count shows that the next one is near."""
        reading = self.reading
        return bool(self.refills) and reading is not None and reading.latest - reading.received <= self.refill_time

    def windows(self, beyond: int) -> float:
        """The length in seconds of the whole windows that `beyond` requests fill."""
        return max(0, beyond // self.limit) * self.seconds

    # -- changes ----------------------------------------------------------------------------------------------------

    def sent(self, lease: int, now: float, *, probe: bool, expires_at: float | None = None) -> Window:
        """A lease was given out. With `probe` the server's next window begins with its request."""
        # Two events can carry the same timestamp (coarse clock, batched store steps). Order this request after the response
        # that released it.
        moment = now if self.reading is None or now > self.reading.received else nextafter(self.reading.received, inf)
        return self._replace(
            flights=(*self.flights, InFlight(lease, moment, expires_at)),
            own=self.own + 1,
            probe=lease if probe else self.probe,
            opened=self.opened + probe,
        )

    def refunded(self, lease: int) -> Window:
        """A lease was refunded: its request never left this machine."""
        return self._ended(lease, self.unconfirmed, self.log)

    def lost(self, leases: Iterable[int], now: float) -> Window:
        """Requests got no countable answer. The server may have seen them at any moment until now (rule 9)."""
        window = self
        for lease in leases:
            if any(flight.lease == lease for flight in window.flights):
                unconfirmed, log = window.unconfirmed.plus(now, self.seconds), window.log.plus(now, self.seconds)
                window = window._ended(lease, unconfirmed, log)
        return window

    def moved(self, seconds: float) -> Window:
        """Return the window on a clock that is ahead by so many seconds. Nothing is in flight."""

        def moved(moment: float | None) -> float | None:
            return None if moment is None else moment + seconds

        reading = self.reading
        if reading is not None:
            received, limit, remaining, *moments = reading
            reading = Reading(received + seconds, limit, remaining, *[moment + seconds for moment in moments])
        return self._replace(
            reading=reading,
            unconfirmed=stamps_of([stamp + seconds for stamp in self.unconfirmed]),
            log=stamps_of([stamp + seconds for stamp in self.log]),
            blocked_until=moved(self.blocked_until),
            offset=None if self.offset is None else self.offset - seconds,
            quiet_since=moved(self.quiet_since),
            shares_key_until=moved(self.shares_key_until),
        )

    def expired(self, now: float) -> Window:
        """Count expired leases as lost, because their processes are gone."""
        over = [each.lease for each in self.flights if each.expires_at is not None and each.expires_at <= now]
        return self.lost(over, now)

    def answered(self, lease: int, now: float, status: int, report: Report) -> tuple[Window, int]:
        """A request was answered. The number counts the requests of other clients that the answer revealed (rule 8)."""
        flights = [flight for flight in self.flights if flight.lease == lease]
        if not flights:
            return self, 0
        flight = flights[0]
        if status == 429:
            return self._refused(flight, now, report)
        if report.remaining is not None:
            return self._counted(flight, now, report)
        window = self.lost((lease,), now)
        if self.quiet_since is None:
            window = window._replace(quiet_since=now)
        # A route that the server does not limit has no headers. Other routes may have them.
        if not self.has_headers:
            window = window._replace(has_headers=False, reading=None, unconfirmed=_NONE)
        return window, 0

    def learnt(self, report: Report, now: float) -> Window:
        """Take the limit, the window and the server's clock from an answer. Call it before `answered`."""
        limit, seconds, offset = report.limit or self.limit, report.window or self.seconds, self.offset
        if not report.window and report.reset_in and report.reset_in > 1.1 * seconds:
            seconds = report.reset_in
        if report.date is not None:
            offset = report.date - now if offset is None else max(report.date - now, offset)
        if limit == self.limit and seconds == self.seconds and offset == self.offset:
            return self
        return self._replace(limit=limit, seconds=seconds, offset=offset)

    def _counted(self, flight: InFlight, now: float, report: Report) -> tuple[Window, int]:
        """Take the count of an answer: rules 3, 7 and 8."""
        old, new = self.reading, self._reading_of(flight, now, report)
        window = self._confirmed(flight, now)
        others = len(window.flights) + window.unconfirmed.count
        kind = self.sliding_log, self.refills
        sliding_log, refills = self._kind_by_probe(flight, new, others) if self.probe == flight.lease else kind
        reading, newer = (new, True) if old is None else later(old, new, flight.sent)
        # A window that the server's clock ended before it was used up begins without a probe.
        cut = old is not None and old.earliest < new.received and old.latest < new.earliest
        used_by_others = 0
        if old is not None and old.limit == new.limit:
            used_by_others = max(0, old.remaining - new.remaining - self.own)
        window = window._replace(
            has_headers=True,
            reading=reading,
            own=others if newer else self.own,
            opened=self.opened + (newer and cut and self.probe is None),
            refused_probes=0,
            slow_start=self.slow_start + 1,
            sliding_log=sliding_log,
            refills=refills,
        )
        if used_by_others:
            shares_key_until = now + SHARED_KEY_WINDOWS * self.seconds
            window = window._replace(quiet_since=now, shares_key_until=shares_key_until)
        elif self.quiet_since is None:
            window = window._replace(quiet_since=now)
        return window, used_by_others

    def _refused(self, flight: InFlight, now: float, report: Report) -> tuple[Window, int]:
        """Apply rule 6. A 429 is a count too: nothing is left until the end of the block."""
        reset = reset_of(report, flight.sent, now, self.offset, self.refused_probes)
        wait = report.retry_after
        if wait is None:
            wait = self.seconds if reset is None else max(0.0, reset[1] - now)
        reopens_at = now + min(wait, LONGEST_BLOCK) + MARGIN * 2**self.refused_probes
        reopens_at = max(reopens_at, self.blocked_until or reopens_at)
        has_headers = True if report.remaining is not None else self.has_headers  # NestJS's 429 has no rate headers
        closed = Reading(self._answered_at(now), self.limit, 0, reopens_at, reopens_at, reopens_at, reopens_at)
        was_probe = self.probe == flight.lease
        window = self._confirmed(flight, now)
        window = window._replace(
            has_headers=has_headers,
            reading=None if has_headers is False else closed,
            own=len(window.flights) + window.unconfirmed.count,
            blocked_until=reopens_at,
            quiet_since=reopens_at,
            # The first answer only shows that the key was used up before. That client may be gone.
            shares_key_until=None if self.quiet_since is None else reopens_at + SHARED_KEY_WINDOWS * self.seconds,
            refused_probes=min(self.refused_probes + was_probe, MOST_REFUSED_PROBES),
            sliding_log=False,
            slow_start=1,
        )
        return window, 0

    def _confirmed(self, flight: InFlight, now: float) -> Window:
        """End a request by a countable answer. It confirms the unconfirmed requests from before it was sent (rule 9)."""
        unconfirmed = self.unconfirmed.within(self.seconds, now).within(0.0, flight.sent)
        return self._ended(flight.lease, unconfirmed, self.log.plus(now, self.seconds))

    def _ended(self, lease: int, unconfirmed: Stamps, log: Stamps) -> Window:
        flights = tuple([flight for flight in self.flights if flight.lease != lease])
        probe = None if self.probe == lease else self.probe
        return self._replace(flights=flights, probe=probe, unconfirmed=unconfirmed, log=log)

    def _reading_of(self, flight: InFlight, now: float, report: Report) -> Reading:
        """Read the count of an answer, and when its reset is (rule 4)."""
        old, remaining = self.reading, report.remaining or 0
        reset = reset_of(report, flight.sent, now, self.offset, self.refused_probes)
        if reset is not None:
            earliest, latest = reset[0], max(reset[1], now)
        elif old is not None and now < old.expires and remaining < old.remaining:
            earliest, latest = old.earliest, old.latest  # the count only went down: it is the same window
        else:
            earliest, latest = flight.sent, now + self.seconds
        return Reading(self._answered_at(now), self.limit, remaining, earliest, latest, latest, earliest)

    def _kind_by_probe(self, flight: InFlight, new: Reading, others: int) -> tuple[bool, bool | None]:
        """Whether the server counts a sliding log (rule 5), and whether slots refill one by one, by a probe's answer."""
        sliding_log, refills, used = self.sliding_log, self.refills, self.limit - new.remaining
        begun = new.earliest + MARGIN >= flight.sent + self.seconds - MARGIN
        sliding_log |= begun and 1 + others < used <= 1 + others + self.log.within(self.seconds, flight.sent).count
        if begun or self.opened > 1:  # otherwise what was used before is unknown, and what the reset will free
            refills = not begun and used > 1 + others
        return sliding_log, refills

    def _answered_at(self, now: float) -> float:
        """When an answer came: not before any request in flight was sent, however coarse the clock is."""
        return max([now, *[flight.sent for flight in self.flights]])
