"""Six ways to count "so many requests per window", as servers do it, in virtual time; and the headers they tell it with.

They are written from what the servers do, not from what the client expects of them, so that each checks the other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import NamedTuple

__all__ = ("MODELS", "ROUNDINGS", "Answer", "Count", "Server", "Style")

Headers = list[tuple[str, str]]

EPOCH = 1_790_000_040.0  # what the servers' clocks say at virtual second 0: whole minutes
EXACT = 1e-9  # a slot that is free "at" a moment is free from then on, whatever the last bit says


class Count(NamedTuple):
    """What a server counted for one request. `retry` is the time left of a block, for a refusal."""

    admitted: bool
    remaining: int
    reset: float
    retry: float


class Fixed:
    """A window that starts with the first request after the last one ended (express-rate-limit, rate-limiter-flexible)."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.start, self.used = -math.inf, 0

    def begin(self, now: float) -> float:
        return now

    def hit(self, now: float) -> Count:
        if now >= self.start + self.window:
            self.start, self.used = self.begin(now), 0
        left = self.start + self.window - now
        admitted = self.used < self.limit
        self.used += admitted
        return Count(admitted, self.limit - self.used, left, left)


class Aligned(Fixed):
    """A window that the clock cuts (throttled-py's fixed window)."""

    def begin(self, now: float) -> float:
        return math.floor(now / self.window) * self.window


class Log:
    """The requests of the last window, exactly; the reset is that of the next slot (the moving window of `limits`)."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.hits: deque[float] = deque()

    def hit(self, now: float) -> Count:
        while self.hits and self.hits[0] + self.window <= now + EXACT:
            self.hits.popleft()
        admitted = len(self.hits) < self.limit
        if admitted:
            self.hits.append(now)
        left = self.hits[0] + self.window - now
        return Count(admitted, self.limit - len(self.hits), left, left)


class Nest:
    """NestJS: announces a window, counts a log, counts refused requests too, and blocks for a whole window after one."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.hits: deque[float] = deque()
        self.ends = -math.inf
        self.blocked: float | None = None

    def hit(self, now: float) -> Count:
        while self.hits and self.hits[0] + self.window <= now + EXACT:
            self.hits.popleft()
        if now >= self.ends:
            self.ends = now + self.window
        if self.blocked is not None and now >= self.blocked:
            self.blocked = None
            self.hits.clear()
        if self.blocked is None:
            self.hits.append(now)
            if len(self.hits) > self.limit:
                self.blocked = now + self.window
        admitted = self.blocked is None
        retry = 0.0 if self.blocked is None else self.blocked - now
        return Count(admitted, max(0, self.limit - len(self.hits)), self.ends - now, retry)


class Weighted:
    """A counter for each window of the clock, the last one's weighted by how much of it is still in the last `window` seconds."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.index, self.current, self.previous = 0, 0, 0

    def hit(self, now: float) -> Count:
        index = math.floor(now / self.window)
        if index != self.index:
            self.previous = self.current if index == self.index + 1 else 0
            self.index, self.current = index, 0
        begun = index * self.window
        weighted = self.previous * (1 - (now - begun) / self.window)
        admitted = math.floor(weighted + EXACT) + self.current < self.limit
        self.current += admitted
        used = math.floor(weighted + EXACT) + self.current
        left = self._until_below(used, begun) - now
        return Count(admitted, max(0, self.limit - used), left, left)

    def _until_below(self, used: int, begun: float) -> float:
        """When the weighted count is less than `used`."""
        if used > self.current:  # while the last window still fades
            return begun + self.window * (1 - (used - self.current) / self.previous) + 1e-6
        return begun + self.window * (2 - used / self.current) + 1e-6


class Gcra:
    """A bucket that refills one by one; the reset is when it is full again (throttled-py)."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.each = window / limit
        self.full = -math.inf

    def hit(self, now: float) -> Count:
        full = max(now, self.full) + self.each
        admitted = full <= now + self.window + EXACT
        if admitted:
            self.full = full
        left = self.full - now
        return Count(
            admitted, math.floor((self.window - left) / self.each + EXACT), left, max(0.0, full - now - self.window)
        )


MODELS: dict[str, Callable[[int, float], Fixed | Log | Nest | Weighted | Gcra]] = {
    "fixed": Fixed,
    "aligned": Aligned,
    "log": Log,
    "nest": Nest,
    "weighted": Weighted,
    "gcra": Gcra,
}

ROUNDINGS: dict[str, Callable[[float], float]] = {
    "ceil": lambda seconds: math.ceil(seconds),
    "floor": lambda seconds: math.floor(seconds),
    "round": lambda seconds: round(seconds),
    "exact": lambda seconds: seconds,
}


class Style(NamedTuple):
    """How a server tells it: the family of headers, the rounding, and how far its clock is off."""

    family: str = "x-ratelimit"
    rounding: str = "ceil"
    epoch: bool = False
    skew: float = 0.0


class Answer(NamedTuple):
    """A status, headers, and whether the request was let through."""

    status: int
    headers: Headers


class Server:
    """A model with a style. `refused` counts its 429s."""

    def __init__(self, model: str, style: Style, *, limit: int = 10, window: float = 60.0) -> None:
        self.model = MODELS[model](limit, window)
        self.name, self.style, self.limit, self.window = model, style, limit, window
        self.refused = 0
        self.arrivals: list[float] = []

    def hit(self, now: float) -> Answer:
        """A request arrives at `now`."""
        now += self.style.skew
        count = self.model.hit(now)
        self.arrivals.append(now)
        self.refused += not count.admitted
        date: Headers = [("Date", formatdate(math.floor(EPOCH + now), usegmt=True))]
        if count.admitted:
            return Answer(200, date + self._said(now, count))
        retry: Headers = [("Retry-After", self._number(count.retry))]
        return Answer(429, date + retry + ([] if self.name == "nest" else self._said(now, count)))

    def _said(self, now: float, count: Count) -> Headers:
        limit, remaining = str(self.limit), str(count.remaining)
        reset = self._number(EPOCH + now + count.reset if self.style.epoch else count.reset)
        match self.style.family:
            case "none":
                return []
            case "draft-6":
                names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
            case "draft-7":
                return [("RateLimit", f"limit={limit}, remaining={remaining}, reset={reset}")]
            case "draft-8":
                policy = f'"p"; q={limit}; w={self.window:g}'
                return [("RateLimit", f'"p"; r={remaining}; t={reset}'), ("RateLimit-Policy", policy)]
            case "x-rate-limit":
                names = ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset")
            case _:
                names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
        return list(zip(names, (limit, remaining, reset), strict=True))

    def _number(self, seconds: float) -> str:
        rounded = ROUNDINGS[self.style.rounding](seconds)
        return f"{rounded:.6f}" if self.style.rounding == "exact" else str(int(rounded))
