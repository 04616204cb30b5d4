"""How fast requests could be done by somebody who knew all that the server counts. Pure; times are epoch seconds.

Such a one sends each request in the very moment at which the server admits it. What a client's time is divided by. The other
measure is somebody who knows the server, but not what others took before: he learns it from the first answers, and where these
tell nothing of it, or shut him out, from one 429.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ("ADMITS", "ideal")

Admits = Callable[[Sequence[float], float, int, float], float]
"""When a request that comes at a moment would be admitted, after others were: (admitted, now, limit, window) -> moment."""

_HAIR = 1e-6


def _fixed(admitted: Sequence[float], now: float, limit: int, window: float) -> float:
    """A window that opens with the first request after the last one ended."""
    start, used = -math.inf, 0
    for at in admitted:
        if at >= start + window:
            start, used = at, 0
        used += 1
    return now if now >= start + window or used < limit else start + window


def _aligned(admitted: Sequence[float], now: float, limit: int, window: float) -> float:
    """A window that the clock cuts."""
    index = now // window
    used = sum(at // window == index for at in admitted)
    return now if used < limit else (index + 1) * window


def _log(admitted: Sequence[float], now: float, limit: int, window: float) -> float:
    """The requests of the last window, exactly."""
    return now if len(admitted) < limit else max(now, admitted[-limit] + window)


def _counter(admitted: Sequence[float], now: float, limit: int, window: float) -> float:
    """The clock's window, and the last one's weighted by how much of it is still in the last `window` seconds."""
    while True:
        begun = now // window * window
        current = sum(begun <= at < begun + window for at in admitted)
        previous = sum(begun - window <= at < begun for at in admitted)
        room = limit - current  # the weighted count of the last window has to be less
        if room > 0:
            faded = now if previous < room else max(now, begun + window * (1 - room / previous) + _HAIR)
            if faded < begun + window:
                return faded
        now = begun + window


def _gcra(admitted: Sequence[float], now: float, limit: int, window: float) -> float:
    """A bucket that refills one by one."""
    each, full = window / limit, -math.inf
    for at in admitted:
        full = max(at, full) + each
    return max(now, full + each - window)


ADMITS: dict[str, Admits] = {
    "draft-6": _fixed,
    "legacy": _fixed,
    "floor": _fixed,
    "none": _fixed,
    "nest": _log,
    "aligned": _aligned,
    "counter": _counter,
    "moving": _log,
    "gcra": _gcra,
}


def ideal(
    kind: str,
    arrivals: Sequence[float],
    *,
    before: Sequence[float],
    limit: int,
    window: float,
    latency: float,
    sequential: bool = False,
    told: bool = True,
) -> float:
    """Seconds from the first call to the last answer.

    Args:
        kind: of server.
        arrivals: when each request is called for, in order. One by one, only the first counts.
        before: when the server admitted requests of others on the same key, in order.
        limit, window: what it allows: requests, seconds.
        latency: seconds each way.
        sequential: each request is called for when the one before is answered.
        told: what others took before is known, too.
    """
    admitted, answered, taken = list(before), arrivals[0], len(before)
    opens = -math.inf
    for arrival in arrivals:
        reached = max((answered if sequential else arrival) + latency, opens)
        if admitted:
            reached = max(reached, admitted[-1])
        at = ADMITS[kind](admitted, reached, limit, window)
        # Told neither before nor with the 429, or shut out.
        dumb = kind == "none" or (kind == "nest" and len(admitted) == taken)
        if not told and taken and dumb and at > reached:
            at = opens = reached + window  # a 429, and all is free a window later
            admitted, taken = [], 0
        admitted.append(at)
        answered = at + latency
    return answered - arrivals[0]
