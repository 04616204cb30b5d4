"""UserClient and GuestClient: which resources each key reaches, and how the stages of a call are put together."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypedDict, TypeVar, Unpack

from attrs import evolve

from ._calls.calls import Calls
from ._flags import check_flags
from ._send.cache import Cache
from ._send.call import Identity
from ._send.connections import Connections, running_loop
from ._send.http import Http
from ._send.listener import ASYNC_LISTENER, is_async, listener
from ._send.options import Options
from ._send.origin import Origin
from ._send.retry import Retry
from ._send.retry_policy import RetryPolicy
from ._send.shared_writes import SharedWrites
from ._send.single_flight import SingleFlight
from .errors import ConfigurationError
from .events import ClientEvent, logger
from .keys import ApiKey, GuestKey, UserKey
from .quota import Lane, Limiter, Quota, QuotaSnapshot
from .quota.clock import Clock
from .quota.registry import limiter_for

if TYPE_CHECKING:
    import httpx

    from ._send.copies.shared_copies import SharedCopies
    from .quota import RedisStore, SQLiteStore
    from .resources.booking_pages import BookingPages
    from .resources.bookings import Bookings
    from .resources.events import Events
    from .resources.guests import GuestBookings, GuestEvents
    from .resources.rooms import Rooms
    from .resources.sessions import Sessions
    from .resources.webhooks import Webhooks

__all__ = ("CallOptions", "ClientOptions", "ClientQuota", "GuestClient", "UserClient")

K = TypeVar("K", bound=ApiKey)

_ALLOW_HTTP = "SESSIONS_ALLOW_HTTP"  # 1 allows plain http, for a sandbox in another container


class SharedOptions(TypedDict, total=False):
    """What can be set for a client, and for a copy of it by `with_options`.

    Attributes:
        timeout: seconds of wall time for one attempt, from connecting to the last byte; 30 unless given. It holds for a caller
            that joined the same read of another call, too.
        max_wait: seconds that all waiting of one call may take: for the quota, for back-off, for a Retry-After, for the same read
            of another call. None, the default, is as long as it takes. A call lasts at most `max_wait` + attempts × `timeout`.
        strict: an answer that is not as described is a `DecodeError`, where it would have been an event. False unless given.
        cache_ttl: seconds for which the answer to a read (a GET, or `slots`) is given again without a request; 0 unless given. A
            write by any client of the key drops what it invalidates, `forget()` drops all, and an answer that came later takes
            the place of a copy, also if it was asked for with 0. The same read never goes out twice at a time anyway.
            Reads are the same if all of their arguments are: `slots(start=datetime.now(UTC))` never is, so round such moments.
        stale_while_revalidate: seconds beyond `cache_ttl` for which a copy is given at once, while background work renews it. A
            renewal is one attempt. After one that failed the next begins `cache_ttl` seconds later, or 5 if that is more; the 5
            double with each failure, up to 300.
        stale_if_error: seconds beyond `cache_ttl` for which a copy stands in where a new answer can't be had: for a
            `QuotaTimeoutError`, a `TransportError`, a 5xx or a 429.
    """

    timeout: float
    max_wait: float | None
    strict: bool
    cache_ttl: float
    stale_while_revalidate: float
    stale_if_error: float


class CallOptions(SharedOptions, total=False):
    """What `with_options` takes.

    Attributes:
        retries: which failures are tried again, how often and how patiently; a number is how often at most, 0 for never.
        lane: `interactive` or `background` for all calls. None is the default: background for a Pager's pages after the first,
            interactive for everything else.
        abort_on: a future of the running event loop. Once it is done, nobody waits for the answers any more: calls that wait for
            the quota, and reads, end with a `CallAbandonedError`, and no further one is sent. A write that was sent goes on to
            its end.
        headers: further headers of each request, for instance of tracing; none that the client sets itself.
        query: further parameters of each request, for instance a filter that no document tells; none that the client sets itself.
    """

    retries: RetryPolicy | int
    lane: Lane | None
    abort_on: asyncio.Future[None] | None
    headers: Mapping[str, str]
    query: Mapping[str, str]


class ClientOptions(SharedOptions, total=False):
    """What a client takes besides its key.

    Attributes:
        base_url: of the server; None is `SESSIONS_BASE_URL`, else https://api.app.sessions.us.
        quota: how many requests the server allows, also as a text such as `"10/60s"`; None is what the
            environment says, see `Quota.from_env`: 10 per 60 s unless set.
            Clients of the same key and origin share one budget; clients of different keys do if they were given the same object.
        retries: which failures are tried again, how often and how patiently; a number is how often at most, 0 for never. None is
            `RetryPolicy()`.
        on_event: a function that gets what happens (see `sessions_us.events`), at once, so it must be quick. What it raises is
            logged.
        transport: an `httpx.AsyncBaseTransport` to send with. The client does not close it.
        clock: times the quota, back-off, `max_wait` and the cache, but not `timeout`: for tests. All clients of a key have the
            same one. It can't be had with a store that other processes use.
        cache_store: where processes share copies of reads: a `SQLiteStore` for this host (in a file of its own, beside the one
            that the store names, with `.copies` at its end), a `RedisStore` for many. None: each process has its own. How old a
            copy may be is for `cache_ttl` and its like to say. All clients of the key, and of the guests that write there, must
            have the same one, because a write of a client without it ends no copy of other processes. docs/caching.md says
            what it promises, costs and stores.
        app_info: the application's name and version, such as `acme-site/2.1`, for the user agent.
        allow_http: allow plain http to a host other than this one. The key can be read on its way. So does
            `SESSIONS_ALLOW_HTTP=1`.
    """

    base_url: str | None
    quota: Quota | str | None
    retries: RetryPolicy | int | None
    on_event: Callable[[ClientEvent], None] | None
    transport: httpx.AsyncBaseTransport | None
    clock: Clock | None
    cache_store: SQLiteStore | RedisStore | None
    app_info: str
    allow_http: bool


class ClientQuota:
    """The quota as this process knows it."""

    __slots__ = ("_limiter",)

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def snapshot(self) -> QuotaSnapshot:
        """Limit, requests remaining, seconds until the window resets, and how many wait in each lane. Sends nothing."""
        return self._limiter.snapshot()

    async def refresh(self) -> QuotaSnapshot:
        """The same after a look into the store that other processes use too. Sends nothing.

        Raises:
            ConfigurationError: the store can't be used.
        """
        return await self._limiter.refresh()


class _Client(Generic[K]):
    """What both kinds of client have."""

    _kind: ClassVar[type[ApiKey]]
    _owner: bool = True

    def __init__(
        self,
        api_key: str | K | None = None,
        *,
        base_url: str | None = None,
        quota: Quota | str | None = None,
        retries: RetryPolicy | int | None = None,
        on_event: Callable[[ClientEvent], None] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        cache_store: SQLiteStore | RedisStore | None = None,
        app_info: str = "",
        allow_http: bool = False,
        **options: Unpack[SharedOptions],
    ) -> None:
        """Needs no event loop and sends nothing. `ClientOptions` says what the options mean.

        Args:
            api_key: the key; None reads it from the environment: the file of `SESSIONS_USER_KEY_FILE`, else `SESSIONS_USER_KEY`
                (`SESSIONS_GUEST_…` for a `GuestClient`).

        Raises:
            ConfigurationError: no usable key, a base_url that would expose the key, another quota for the same key, or
                an option that makes no sense.
        """
        key = self._kind.resolve(api_key)
        del api_key  # so that no traceback from here on holds it
        if isinstance(key, ConfigurationError):
            raise key
        _log_as_asked()
        quota = Quota.parse(quota) if isinstance(quota, str) else Quota.from_env() if quota is None else quota
        _check_kinds(quota=quota, on_event=on_event, transport=transport, clock=clock, app_info=app_info)
        check_flags(allow_http=allow_http)
        if clock is not None and cache_store is not None:
            raise ConfigurationError("cache_store goes by the time that all processes share; leave out `clock`")
        defaults = Options(retries=RetryPolicy() if retries is None else retries, **options)
        origin = Origin.of(base_url, allow_http=allow_http or os.environ.get(_ALLOW_HTTP) == "1")
        limiter = limiter_for(key.digest(f"quota at {origin}"), str(origin), quota, clock, self._kind.role)

        # Each call goes through these stages. The innermost is the first.
        http = Http(Connections(origin, key, transport, app_info), key, limiter.clock.now)
        shared = None if cache_store is None else _shared_copies(cache_store, limiter.clock.now)
        retry = Retry(http if shared is None else SharedWrites(http, shared), limiter)
        single_flight = SingleFlight(retry)
        cache = Cache(single_flight, limiter.clock.now, shared)

        identity = Identity(key.digest("sharing"), origin.base_url, is_guest=isinstance(key, GuestKey))
        self._calls = Calls(cache, key, identity, defaults, listener(on_event), limiter.clock)
        self._limiter, self._key, self._keepers = limiter, key, (cache, single_flight)

    @property
    def quota(self) -> ClientQuota:
        """The quota of this client's key, shared with every other client of the key in this process."""
        return ClientQuota(self._limiter)

    def fingerprint(self, purpose: str) -> str:
        """A name for this client's key at its origin, to tell later whose work something is.

        Args:
            purpose: what the name is for; each purpose has another one.

        Returns:
            The origin and a digest of the key that can't be turned back.
        """
        return f"{self._calls.identity.origin}#{self._key.digest(purpose)}"

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """A cheap copy with other options, on the same connections and quota. Closing the copy does nothing.

        A copy of a subclass has the attributes that its original had at this moment.

        Args:
            options: see `CallOptions`. What is not given stays.

        Raises:
            ConfigurationError: an option that makes no sense.
        """
        copy, kind = type(self).__new__(type(self)), type(self)
        own = {
            name: each
            for name, each in vars(self).items()
            if not isinstance(getattr(kind, name, None), cached_property)
        }
        match object.__getstate__(self):
            case (_, dict() as slots):  # those of a subclass with `__slots__`
                for name, each in slots.items():
                    object.__setattr__(copy, name, each)
        vars(copy).update(own, _calls=evolve(self._calls, options=evolve(self._calls.options, **options)), _owner=False)
        return copy

    def forget(self) -> None:
        """Drop all copies of the key's reads, and keep or share nothing that was asked for before now. Sends nothing.

        For what the client can't know: a webhook says that something changed, or another program wrote. All clients of the key
        in this process forget; with `cache_store`, those of all processes do.
        """
        identity, (cache, _) = self._calls.identity, self._keepers
        for stage in self._keepers:
            stage.forget(identity.owns)
        cache.forget_shared(identity)

    async def request(
        self, method: str, path: str, *, json: object | None = None, params: Mapping[str, object] | None = None
    ) -> Any:
        """Reaches any path of the API through the same quota, retries and errors.

        Args:
            method: an HTTP method. Only GET is repeated after an ambiguous failure.
            path: from `/api` on, percent-encoded; it can't lead to another origin.
            json: the JSON body; None is no body. Date-times, models and zones are sent as in `extra`.
            params: the query: texts, numbers, date-times, or lists of these; None values are left out.

        Returns:
            The decoded JSON, whatever it is (hence `Any`); None for an empty body.

        Raises:
            ValueError: a path that would lead elsewhere, or a path and a query of more than 60,000 characters.
            TypeError: a value that neither JSON nor a query can hold, or a name that is no string.
            SessionsError: see `sessions_us.errors`.
        """
        return await self._calls.raw(method, path, body=json, params=params)

    async def aclose(self) -> None:
        """Close the connections. Twice is harmless.

        Reads, and calls that wait for the quota, fail with `ClientClosedError`. Writes in flight are waited for, each at most
        as long as its `timeout`.
        """
        if self._owner:
            running_loop()
            await self._calls.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} can't be pickled or copied: it holds connections and a secret")

    def __repr__(self) -> str:
        calls = getattr(self, "_calls", None)  # a traceback may show a client that could not be made
        where = "nothing" if calls is None else calls.identity.origin
        return f"<{type(self).__name__} for {where}>"


class UserClient(_Client[UserKey]):
    """The API for a key of the role USER.

    `async with UserClient() as user:` reads `SESSIONS_USER_KEY`.
    """

    _kind = UserKey

    @cached_property
    def booking_pages(self) -> BookingPages:
        """Booking pages, their slots, bookings and collaborators."""
        from .resources.booking_pages import BookingPages

        return BookingPages(self._calls)

    @cached_property
    def bookings(self) -> Bookings:
        """Bookings."""
        from .resources.bookings import Bookings

        return Bookings(self._calls)

    @cached_property
    def rooms(self) -> Rooms:
        """Rooms."""
        from .resources.rooms import Rooms

        return Rooms(self._calls)

    @cached_property
    def sessions(self) -> Sessions:
        """Sessions, their participants, takeaways and transcripts."""
        from .resources.sessions import Sessions

        return Sessions(self._calls)

    @cached_property
    def events(self) -> Events:
        """Events."""
        from .resources.events import Events

        return Events(self._calls)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Webhooks (observed on the wire, not on the official page)."""
        from .resources.webhooks import Webhooks

        return Webhooks(self._calls)


class GuestClient(_Client[GuestKey]):
    """The API for a key of the role GUEST: what a guest may do, and nothing else.

    `async with GuestClient() as guest:` reads `SESSIONS_GUEST_KEY`.
    """

    _kind = GuestKey

    @cached_property
    def bookings(self) -> GuestBookings:
        """Bookings as a guest."""
        from .resources.guests import GuestBookings

        return GuestBookings(self._calls)

    @cached_property
    def events(self) -> GuestEvents:
        """Registration to events as a guest."""
        from .resources.guests import GuestEvents

        return GuestEvents(self._calls)


def _shared_copies(store: object, now: Callable[[], float]) -> SharedCopies:
    from ._send.copies import place_at
    from ._send.copies.shared_copies import SharedCopies

    return SharedCopies(place_at(store), now)


def _log_as_asked() -> None:
    """`SESSIONS_LOG` turns the log on for people without a logging setup of their own."""
    level = os.environ.get("SESSIONS_LOG", "").strip().upper()
    if level not in {"", "DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ConfigurationError(f"SESSIONS_LOG is debug, info, warning or error, not {level.lower()!r}")
    if level:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logger.setLevel(level)


def _check_kinds(*, quota: object, on_event: object, transport: object, clock: object, app_info: object) -> None:
    """Says at once what would otherwise fail at the first call, far from its cause."""
    if not isinstance(quota, Quota):
        raise ConfigurationError(f"quota is a Quota, such as Quota.parse('10/60s'), not {quota!r}")
    if on_event is not None and not callable(on_event):
        raise ConfigurationError(f"on_event is a function that takes an event, not {on_event!r}")
    if is_async(on_event):
        raise ConfigurationError(ASYNC_LISTENER)
    if isinstance(transport, type) or not (transport is None or hasattr(transport, "handle_async_request")):
        raise ConfigurationError(f"transport is an httpx.AsyncBaseTransport, not {transport!r}")
    if clock is not None and not (hasattr(clock, "now") and hasattr(clock, "call_at")):
        raise ConfigurationError(f"clock has now() and call_at(when, callback), and {clock!r} has not")
    if not isinstance(app_info, str) or not (app_info.isascii() and app_info.isprintable()):
        raise ConfigurationError(f"app_info is a name and a version, such as 'acme-site/2.1', not {app_info!r}")
