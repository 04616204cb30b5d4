"""Read what a response says about the rate limit: every header family in use -> one `Report`. Pure.

It is not known which family the API sends (its help page names three values and no header), so all are read:

* `RateLimit` and `RateLimit-Policy` of the IETF drafts 7 and 8, `RateLimit-*` of the drafts before them;
* `X-RateLimit-*`, `X-Rate-Limit-*` and `X-Retry-*`, also with a policy's name as suffix (`X-RateLimit-Remaining-short`);
* `Retry-After`: seconds, a fraction, or a date.

A reset is a number of seconds, a moment (epoch seconds or milliseconds), or a date. A moment is the *server's*: only its own
`Date` can translate it, never this machine's wall clock. Values that cannot be parsed or are implausible (a reset long before
the answer, a pause of a thousand years) are ignored. Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

__all__ = ("Headers", "Report", "is_near", "parse_report", "parse_retry_after")

Headers = Iterable[tuple[str, str]]

_LONGEST_DELTA = 1e6  # seconds; between here and the first plausible moment a number is neither
_LONGEST_PAUSE = 366 * 86_400.0  # seconds; a longer `Retry-After` is a mistake
_LATEST_WRITTEN = 60.0  # seconds by which an answer's reset may lie before its `Date`, which is written last
_FIRST_EPOCH = 1e8
_FIRST_EPOCH_MS = 1e11
_LAST_EPOCH = 253_402_300_799.0  # the year 9999, where dates end

_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)
_NAME = re.compile(r"(ratelimit|x-ratelimit|x-rate-limit|x-retry)-(limit|remaining|reset|policy)(?:-(.+))?", re.ASCII)
_ITEM = re.compile(r'(?:"[^"]*"|[^,"])+')
_PARAMETER = re.compile(r'(?:"[^"]*"|[^;"])+')
_TIMES = "", ""  # where `Date` and `Retry-After` are
_FAMILIES = ("ratelimit", "x-ratelimit", "x-rate-limit", "x-retry")


class Report(NamedTuple):
    """What one response said. None: it said nothing of this.

    Attributes:
        limit: requests per window.
        window: length of the window in seconds.
        remaining: requests left.
        reset_in: seconds until the reset, counted from when the server wrote the headers.
        reset_at: the reset as a moment on the server's clock, epoch seconds. Never together with `reset_in`.
        exact: the reset has a fraction, so it was not rounded to whole seconds.
        date: when the server answered, on its own clock, epoch seconds.
        retry_after: seconds. It means something on 429 and 503 only: some servers send it with every answer.
    """

    limit: int | None = None
    window: float | None = None
    remaining: int | None = None
    reset_in: float | None = None
    reset_at: float | None = None
    exact: bool = False
    date: float | None = None
    retry_after: float | None = None


class _Policy(NamedTuple):
    """One policy of one family. The reset stays text, because it may be a date."""

    limit: int | None = None
    window: float | None = None
    remaining: int | None = None
    reset: str = ""


def parse_report(headers: Headers) -> Report:
    """Read what a response's headers say about the rate limit. If several policies apply, the tightest counts."""
    groups = _grouped(headers)
    times = groups.get(_TIMES, {})
    limit, window, remaining, reset = _tightest(groups)
    reset_in, reset_at = _reset(reset) if reset else (None, None)
    # Dates are slow to parse, and needed only to translate moments.
    date = None if reset_at is None else _date(times.get("date", ""))
    if reset_at is not None and date is not None and not is_near(reset_at - date):
        reset_at = date = None
    moment = reset_in if reset_at is None else reset_at
    return Report(
        limit=limit or None,  # a limit of 0 is implausible: this request was answered
        window=window if window and window <= _LONGEST_DELTA else None,
        remaining=limit if limit and remaining is not None and remaining > limit else remaining,
        reset_in=reset_in,
        reset_at=reset_at,
        exact=moment is not None and ("." in reset or not moment.is_integer()),
        date=date,
        retry_after=_retry_after(times) if "retry-after" in times else None,
    )


def parse_retry_after(headers: Headers) -> float | None:
    """Return the seconds that `Retry-After` asks to wait: a number, or a date minus the response's own `Date`.

    None if it is missing, invalid, negative, more than a year, or a date in an answer without `Date`. A date in the past is 0.0.
    """
    return _retry_after(_grouped(headers).get(_TIMES, {}))


def is_near(wait: float) -> bool:
    """Whether a reset this many seconds after its answer was written is plausible. Less than 0 is before it."""
    return -_LATEST_WRITTEN <= wait < _LONGEST_DELTA


_Quotas = Mapping[str, _Policy]  # by name, or by the quota itself: limits and windows
_Group = dict[str, str]  # part -> value
_Groups = dict[tuple[str, str], _Group]  # family and policy's name -> group


def _grouped(headers: Headers) -> _Groups:
    """Group the relevant headers. The first of a repeated header counts, but the standard allows lists over several lines."""
    groups: _Groups = {}
    for name, value in headers:
        place = _place(name)
        if place is None:
            continue
        key, part = place
        group = groups.setdefault(key, {})
        if part not in group:
            group[part] = value
        elif key[0] == "ratelimit":
            group[part] += f", {value}"
    return groups


@lru_cache(maxsize=256)
def _place(name: str) -> tuple[tuple[str, str], str] | None:
    """Split a header's name into family, policy's name and part; None for other headers."""
    name = name.lower()
    if name in ("date", "retry-after"):
        return _TIMES, name
    if name == "ratelimit":
        return ("ratelimit", ""), "list"
    match = _NAME.fullmatch(name)
    return match and ((match[1], match[3] or ""), match[2])


def _tightest(groups: _Groups) -> _Policy:
    """Choose the policy with the fewest left of the first family that has counts; else any policy that has a limit."""
    limited = None
    for family in _FAMILIES:
        policies = [
            policy for key, group in groups.items() if key[0] == family for policy in _policies(key, group, groups)
        ]
        counted = [policy for policy in policies if policy.remaining is not None]
        if counted:
            return counted[0] if len(counted) == 1 else min(counted, key=_room)
        limited = limited or next((policy for policy in policies if policy.limit), None)
    return limited or _Policy()


def _room(policy: _Policy) -> tuple[int, float]:
    reset_in, reset_at = _reset(policy.reset)
    return policy.remaining or 0, -(reset_in or reset_at or 0.0)


def _policies(key: tuple[str, str], group: _Group, groups: _Groups) -> Sequence[_Policy]:
    policy = group.get("policy", "")
    if "list" in group:
        items = [_parameters(item) for item in _ITEM.findall(group["list"])]
        if any("r" in parameters for _, parameters in items):  # draft 8: `"name"; r=9; t=60`
            quotas = _quotas(policy)
            return [
                quotas.get(name, _Policy())._replace(
                    remaining=_count(parameters.get("r", "")), reset=parameters.get("t", "")
                )
                for name, parameters in items
            ]
        # Draft 7: `limit=10, remaining=9, reset=60`
        group = {name: value for _, parameters in items for name, value in parameters.items()}
    limit, remaining = group.get("limit", ""), group.get("remaining", "")
    if not limit and key[0] == "x-retry":  # nestjs-rate-limiter: X-RateLimit-Limit, X-Retry-Remaining, X-Retry-Reset
        limit = groups.get(("x-ratelimit", key[1]), {}).get("limit", "")
    count, window = _quota(limit, policy, not remaining)
    return (_Policy(count, window, _count(remaining), group.get("reset", "")),)


@lru_cache(maxsize=64)  # a server sends the same each time
def _quota(limit: str, policy: str, may_lack_limit: bool) -> tuple[int | None, float | None]:
    """Read the limit, and the window of the quota that equals it."""
    quotas = [*(_quotas(policy) or _quotas(limit)).values()]  # `10;w=60`, of the oldest drafts
    count = _count(limit.partition(",")[0].partition(";")[0])
    if count is None and len(quotas) == 1 and may_lack_limit:  # the standard requires no more
        count = quotas[0].limit
    return count, next((quota.window for quota in quotas if quota.limit is not None and quota.limit == count), None)


@lru_cache(maxsize=64)
def _quotas(policy: str) -> _Quotas:
    """Read `"name"; q=10; w=60` or `10;w=60`, or a list of them."""
    quotas: dict[str, _Policy] = {}
    for item in _ITEM.findall(policy) if "=" in policy else ():
        name, parameters = _parameters(item)
        if "w" in parameters or "q" in parameters:
            quotas.setdefault(name, _Policy(_count(parameters.get("q", name)), _number(parameters.get("w", ""))))
    return quotas


def _parameters(item: str) -> tuple[str, dict[str, str]]:
    name = ""
    parameters: dict[str, str] = {}
    for part in _PARAMETER.findall(item):
        key, equals, value = part.strip().partition("=")
        if equals:
            parameters.setdefault(key.strip().lower(), value.strip())
        else:
            name = name or key.strip().strip('"')
    return name, parameters


@lru_cache(maxsize=1024)  # most are small whole numbers
def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _count(text: str) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _reset(text: str) -> tuple[float | None, float | None]:
    """Read a reset as (seconds from now, moment on the server's clock): one of them at most."""
    number = _number(text)
    if number is None:
        return None, _date(text)
    if number < _LONGEST_DELTA:
        return number, None
    moment = number / 1000 if number >= _FIRST_EPOCH_MS else number
    return None, moment if _FIRST_EPOCH <= moment <= _LAST_EPOCH else None


def _retry_after(times: Mapping[str, str]) -> float | None:
    text = times.get("retry-after", "")
    pause = _number(text)
    if pause is None:
        moment = _date(text)
        date = None if moment is None else _date(times.get("date", ""))
        pause = None if moment is None or date is None else max(0.0, moment - date)
    return pause if pause is not None and pause <= _LONGEST_PAUSE else None


def _date(text: str) -> float | None:
    """Read an HTTP date or an ISO date-time as epoch seconds. A date without a zone is UTC, as everywhere in HTTP."""
    text = text.strip()
    if not 8 <= len(text) <= 64:
        return None
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(ValueError, OverflowError):
            moment = parse(text)
            epoch = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            return epoch if _FIRST_EPOCH <= epoch <= _LAST_EPOCH else None
    return None
