"""The limit of requests per key, and how its state is told in headers. Pure: time comes in as an argument."""

from __future__ import annotations

import base64
import json
import math
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, get_args

HeaderFamily = Literal["nestjs", "x-ratelimit", "x-rate-limit", "epoch", "draft-6", "draft-7", "draft-8", "none"]
HEADER_FAMILIES: tuple[HeaderFamily, ...] = get_args(HeaderFamily)

# The servers behind these names tell Retry-After with a 429; nobody knows for the other two.
_TELLS_RETRY_AFTER = {"nestjs", "x-ratelimit", "epoch", "draft-6", "draft-7", "draft-8"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, what is left of the window, the headers that say so, and for a refusal the body and its
    media type."""

    admitted: bool
    remaining: int
    resets_in: int
    headers: dict[str, str]
    body: bytes = b""
    media_type: str = ""


@dataclass(slots=True)
class _Count:
    ends: float
    used: int = 0
    # Only the NestJS server keeps these: it announces a window but enforces a log.
    hits: deque[float] = field(default_factory=deque)
    blocked_until: float | None = None


class ServerLimit:
    """Counts the requests of each key.

    A fixed window opens with a key's first request and lasts `window` seconds; this is what express-rate-limit (`epoch`,
    `draft-6`, `draft-7`, `draft-8`) and @fastify/rate-limit (`x-ratelimit`) do, and what `x-rate-limit` and `none` do here.
    `nestjs` is @nestjs/throttler: its headers speak of such a window, while it enforces a sliding log, and a refusal shuts the
    key out for one more whole window, with Retry-After as the only header. (The real one counts per route and address unless
    told otherwise; here it counts per key like the rest.)

    What counts: every request with a known key, whatever its answer is, 403, 404 and 400 included, but not a 404 for a path
    that does not exist on `nestjs`, whose guards do not run there. A 429 counts with none of them in a way that matters: in a
    fixed window the budget is gone anyway, and `nestjs` does not count while it blocks. A request with an unknown key has no
    counter.

    Args:
        limit: requests per window.
        window: seconds; whole seconds are told, rounded up.
        headers: the family of headers.
        retry_after: whether a 429 carries Retry-After (seconds, rounded up); None does as the named server does.
    """

    def __init__(self, limit: int, window: float, headers: HeaderFamily, retry_after: bool | None = None) -> None:
        if limit < 1 or not window > 0:
            raise ValueError(f"limit must be at least 1 and window more than 0 seconds, not {limit} and {window}")
        if headers not in HEADER_FAMILIES:
            raise ValueError(f"headers must be one of {', '.join(HEADER_FAMILIES)}, not {headers!r}")
        self.limit = limit
        self.window = window
        self.headers = headers
        self.retry_after: bool = headers in _TELLS_RETRY_AFTER if retry_after is None else retry_after
        self.admitted: int = 0
        self.refused: int = 0
        self._counts: dict[str, _Count] = {}
        # Draft 8 names the counter that was used: a tag of its own, since one derived from the key would tell of the key.
        self._partitions: dict[str, str] = {}

    def take(self, key: str, now: float, *, by_others: bool = False) -> Verdict:
        """Count one request of `key` (a name for it, not the secret) at `now`, in seconds since the epoch.

        A request `by_others` takes its place in the window, and is in neither `admitted` nor `refused`.
        """
        count = self._counts.get(key)
        if count is None or _whole(count.ends - now) <= 0:
            fresh = _Count(now + self.window)
            if count is not None and self.headers == "nestjs":
                fresh.hits, fresh.blocked_until = count.hits, count.blocked_until
            count = self._counts[key] = fresh
        if self.headers == "nestjs":
            wait = self._log(count, now)
        else:
            count.used += 1
            wait = None if count.used <= self.limit else count.ends - now
        remaining, resets_in = max(0, self.limit - count.used), _whole(count.ends - now)
        if wait is None:
            self.admitted += not by_others
            return Verdict(True, remaining, resets_in, self._tell(key, count, now))
        self.refused += not by_others
        seconds = _whole(wait)
        headers = {} if self.headers == "nestjs" else self._tell(key, count, now)
        if self.retry_after:
            headers["Retry-After"] = str(seconds)
        return Verdict(False, 0, seconds, headers, *_refusal(self.headers, seconds))

    def left(self, key: str, now: float) -> tuple[int, int]:
        """Return how many requests are left in the window of `key`, and in how many seconds it ends; 0 if none is open."""
        count = self._counts.get(key)
        ends = _whole(count.ends - now) if count else 0
        return (max(0, self.limit - count.used), ends) if count and ends > 0 else (self.limit, 0)

    def reset(self) -> None:
        """Forget what was counted, as if every window had ended."""
        self._counts.clear()

    def _log(self, count: _Count, now: float) -> float | None:
        if count.blocked_until is not None:
            if _whole(count.blocked_until - now) > 0:
                return count.blocked_until - now
            count.blocked_until = None
            count.hits.clear()
        while count.hits and count.hits[0] + self.window <= now:
            count.hits.popleft()
        count.hits.append(now)
        count.used = len(count.hits)
        if count.used <= self.limit:
            return None
        count.blocked_until = now + self.window
        return self.window

    def _tell(self, key: str, count: _Count, now: float) -> dict[str, str]:
        limit, remaining = str(self.limit), str(max(0, self.limit - count.used))
        left, period = str(_whole(count.ends - now)), _whole(self.window)
        match self.headers:
            case "nestjs" | "x-ratelimit":
                return _three("X-RateLimit", limit, remaining, left)
            case "x-rate-limit":
                return _three("X-Rate-Limit", limit, remaining, left)
            case "epoch":
                return _three("X-RateLimit", limit, remaining, str(_whole(count.ends)))
            case "draft-6":
                return {"RateLimit-Policy": f"{limit};w={period}", **_three("RateLimit", limit, remaining, left)}
            case "draft-7":
                told = f"limit={limit}, remaining={remaining}, reset={left}"
                return {"RateLimit-Policy": f"{limit};w={period}", "RateLimit": told}
            case "draft-8":
                tag = self._partitions.setdefault(key, base64.b64encode(secrets.token_bytes(9)).decode())
                policy = f'"api"; q={limit}; w={period}; pk=:{tag}:'
                return {"RateLimit-Policy": policy, "RateLimit": f'"api"; r={remaining}; t={left}'}
            case _:
                return {}


def _three(prefix: str, limit: str, remaining: str, reset: str) -> dict[str, str]:
    return {f"{prefix}-Limit": limit, f"{prefix}-Remaining": remaining, f"{prefix}-Reset": reset}


def _whole(seconds: float) -> int:
    # Servers count in whole milliseconds; without that, the noise of floats turns 60 s into 61.
    return math.ceil(round(seconds, 3))


def _refusal(family: str, seconds: int) -> tuple[bytes, str]:
    """The body of a 429 as the named server writes it: express sends text, the others JSON."""
    body: dict[str, object]
    match family:
        case "epoch" | "draft-6" | "draft-7" | "draft-8":
            return b"Too many requests, please try again later.", "text/html; charset=utf-8"
        case "nestjs":
            body = {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"}
        case "x-ratelimit":
            message = f"Rate limit exceeded, retry in {seconds} seconds"
            body = {"statusCode": 429, "error": "Too Many Requests", "message": message}
        case _:
            body = {"statusCode": 429, "message": "Too Many Requests", "error": "Too Many Requests"}
    return json.dumps(body).encode(), "application/json; charset=utf-8"


class Noise:
    """Other users of the keys: one request after the other, evenly spread.

    Args:
        count: requests of each key.
        seconds: in this time; 0 requests is silence.
        since: the moment from which on they come.
    """

    def __init__(self, count: float, seconds: float, since: float) -> None:
        if not (count >= 0 and seconds > 0):
            raise ValueError(f"noise must be 0 or more requests in more than 0 seconds, not {count} in {seconds}")
        self._gap = seconds / count if count else math.inf
        self._since = since
        self._last: dict[str, float] = {}

    def restart(self, since: float) -> None:
        """Forget what came, and come from this moment on."""
        self._since = since
        self._last.clear()

    def between(self, key: str, now: float, window: float) -> list[float]:
        """Return the moments of the requests since the last call; those before the last two windows matter no more."""
        last = self._last.get(key, self._since)
        self._last[key] = now
        if self._gap == math.inf:
            return []
        first = math.floor(max(last - self._since, now - self._since - 2 * window) / self._gap) + 1
        return [
            self._since + number * self._gap for number in range(first, math.floor((now - self._since) / self._gap) + 1)
        ]
