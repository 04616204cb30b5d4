"""What can be set for a client and overridden for single calls."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import Attribute, evolve, field, frozen

from .._flags import check_flags
from ..errors import ConfigurationError
from ..quota import Lane
from .retry_policy import RetryPolicy

__all__ = ("Options",)


def _seconds(options: Options, attribute: Attribute[Any], value: float | None) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None and attribute.name == "max_wait":
        return
    may_be_0 = attribute.name != "timeout"
    least = "0 or more" if may_be_0 else "more than 0"
    if value is None or not number or not (0 < value < float("inf") or (value == 0 and may_be_0)):
        raise ConfigurationError(f"{attribute.name} is a number of seconds, {least}, not {value!r}")


def _lane(options: Options, attribute: Attribute[Any], value: str | None) -> None:
    if value not in {None, "interactive", "background"}:
        raise ConfigurationError(f"lane is 'interactive' or 'background', not {value!r}")


def _policy(value: Any) -> RetryPolicy:
    if isinstance(value, RetryPolicy):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigurationError(f"retries is a RetryPolicy, or a number of retries (0 for none), not {value!r}")
    return RetryPolicy(attempts=value + 1)


def _abort_on(options: Options, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, asyncio.Future):
        raise ConfigurationError(f"abort_on is an asyncio.Future, or None, not {value!r}")


_OURS: Final = {"accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "host"} | {
    "content-encoding",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-api-key",
}
_NAME: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_VALUE: Final = r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?|"

Pairs = tuple[tuple[str, str], ...]


def _headers(given: Any) -> Pairs:
    for name, value in (pairs := _pairs("headers", given)):
        if not re.fullmatch(_NAME, name) or not re.fullmatch(_VALUE, value):
            raise ConfigurationError(f"headers: {name[:40]!r} can't be sent as a header, or its value can't")
        if name.lower() in _OURS:
            raise ConfigurationError(f"headers: {name} is set by the client itself")
    if len({name.lower() for name, _ in pairs}) < len(pairs):
        raise ConfigurationError("headers: one name is given twice, in capitals and in small letters")
    return tuple(sorted((name.lower(), value) for name, value in pairs))


def _query(given: Any) -> Pairs:
    return _pairs("query", given)


def _pairs(what: str, given: Any) -> Pairs:
    """A mapping as pairs. What was converted before stays as it is."""
    pairs = tuple(given.items()) if isinstance(given, Mapping) else given
    if not isinstance(pairs, tuple) or not all(_is_pair(each) for each in pairs):
        raise ConfigurationError(f"{what} is a mapping of strings to strings")  # its values may be secrets
    return tuple((str.__str__(name), str.__str__(value)) for name, value in pairs)  # the text of an enum's member, too


def _is_pair(given: object) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, str) for part in given)


@frozen(eq=False, repr=False, kw_only=True)
class Options:
    """See `UserClient` and `GuestClient` for what each means."""

    timeout: float = field(default=30.0, validator=_seconds)
    max_wait: float | None = field(default=None, validator=_seconds)
    retries: RetryPolicy = field(factory=RetryPolicy, converter=_policy)
    strict: bool = False
    lane: Lane | None = field(default=None, validator=_lane)
    cache_ttl: float = field(default=0.0, validator=_seconds)
    stale_while_revalidate: float = field(default=0.0, validator=_seconds)
    stale_if_error: float = field(default=0.0, validator=_seconds)
    abort_on: asyncio.Future[None] | None = field(default=None, validator=_abort_on)
    headers: Pairs = field(default=(), converter=_headers)
    query: Pairs = field(default=(), converter=_query)
    keeps: bool = field(init=False)
    """Whether answers are to be kept for a while."""

    def __attrs_post_init__(self) -> None:
        check_flags(strict=self.strict)
        keeps = self.cache_ttl > 0 or self.stale_while_revalidate > 0 or self.stale_if_error > 0
        object.__setattr__(self, "keeps", keeps)

    def for_nobody(self) -> Options:
        """Those of a renewal, which no caller waits for: it has time, and one attempt."""
        return evolve(self, max_wait=None, abort_on=None, retries=evolve(self.retries, attempts=1))
