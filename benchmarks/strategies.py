"""What keeps a limit: ours, what others offer, and nothing. Each gives a way to send one request.

They are used as their documentation shows it. aiolimiter and pyrate-limiter wait before a request and know nothing of its
answer, so what gets a 429 is lost. openai-python has no limiter, but repeats a 429 twice, after Retry-After where there is one.
adaptive-rate-limiter reads the headers of answers, of one family only, so it is given those of the server under these names; it
repeats nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import httpx

from sessions_us import Quota, SessionsError, UserClient
from sessions_us.quota import Lane, SQLiteStore

if TYPE_CHECKING:
    from adaptive_rate_limiter.scheduler import Scheduler

__all__ = ("SHARED", "STRATEGIES", "Destination", "Lost", "Send")

PATIENCE = 60.0  # seconds for one attempt, of whichever client

Send = Callable[[int, Lane], Awaitable[object]]
"""Sends the request of a number, and returns when it is answered. Only ours and adaptive-rate-limiter know lanes."""


class Lost(Exception):
    """A request was given up: its caller got an error."""


class Destination(NamedTuple):
    """Where to send to, and what is allowed there.

    Attributes:
        key: the API key, whose requests the server counts.
        limit, window: requests per so many seconds.
        file: a file that the processes of the key may share; none for one process alone.
    """

    url: str
    key: str
    limit: int
    window: float
    file: str | None = None


@asynccontextmanager
async def ours(place: Destination) -> AsyncIterator[Send]:
    store = SQLiteStore(place.file) if place.file else None
    quota = Quota(place.limit, place.window, store=store)
    async with UserClient(place.key, base_url=place.url, quota=quota, timeout=PATIENCE) as user:
        lanes: dict[Lane, UserClient] = {"interactive": user, "background": user.with_options(lane="background")}

        async def send(number: int, lane: Lane) -> object:
            try:
                return await lanes[lane].request("GET", f"/api/calls/{number}")
            except SessionsError as error:
                raise Lost(str(error)) from error

        yield send


@asynccontextmanager
async def nothing(place: Destination) -> AsyncIterator[Send]:
    headers, limits = {"x-api-key": place.key}, httpx.Limits(keepalive_expiry=2.0)  # before the server hangs up
    async with httpx.AsyncClient(base_url=place.url, headers=headers, limits=limits, timeout=PATIENCE) as client:

        async def send(number: int, lane: Lane) -> object:
            answer = await client.get(f"/api/calls/{number}")
            if answer.is_error:
                raise Lost(str(answer.status_code))
            return answer.json()

        yield send


@asynccontextmanager
async def aiolimiter(place: Destination) -> AsyncIterator[Send]:
    from aiolimiter import AsyncLimiter

    limiter = AsyncLimiter(place.limit, place.window)
    async with nothing(place) as bare:

        async def send(number: int, lane: Lane) -> object:
            async with limiter:
                return await bare(number, lane)

        yield send


@asynccontextmanager
async def pyrate(place: Destination) -> AsyncIterator[Send]:
    from pyrate_limiter.limiter_factory import create_inmemory_limiter, create_sqlite_limiter

    milliseconds = round(place.window * 1000)
    if place.file:
        limiter = create_sqlite_limiter(place.limit, milliseconds, place.file, use_file_lock=True)
    else:
        limiter = create_inmemory_limiter(place.limit, milliseconds)
    with limiter:
        async with nothing(place) as bare:

            async def send(number: int, lane: Lane) -> object:
                await limiter.try_acquire_async("key")
                return await bare(number, lane)

            yield send


@asynccontextmanager
async def openai(place: Destination) -> AsyncIterator[Send]:
    from openai import AsyncOpenAI, OpenAIError

    url = f"{place.url}/api"
    async with AsyncOpenAI(api_key=place.key, base_url=url, max_retries=2, timeout=PATIENCE) as client:

        async def send(number: int, lane: Lane) -> object:
            try:
                return await client.get(f"/calls/{number}", cast_to=object)
            except OpenAIError as error:
                raise Lost(str(error)) from error

        yield send


_FAMILIES = "ratelimit", "x-ratelimit"
_COUNTS = "limit", "remaining", "reset"


def _renamed(headers: httpx.Headers) -> dict[str, str]:
    """A server's headers under the names that adaptive-rate-limiter reads."""
    told = {
        f"x-ratelimit-{count}-requests": headers[f"{family}-{count}"]
        for family in _FAMILIES
        for count in _COUNTS
        if f"{family}-{count}" in headers
    }
    return told | {name: headers[name] for name in ("retry-after",) if name in headers}


class _Refused(Exception):
    """What adaptive-rate-limiter takes for a 429, and its headers."""

    status_code = 429

    def __init__(self, headers: dict[str, str]) -> None:
        self.cached_rate_limit_headers = headers


def _scheduler(place: Destination) -> Scheduler:
    """adaptive-rate-limiter with one bucket, the key's."""
    from adaptive_rate_limiter import DiscoveredBucket, ProviderInterface, RateLimitInfo, RequestMetadata
    from adaptive_rate_limiter.backends import MemoryBackend
    from adaptive_rate_limiter.scheduler import RateLimiterConfig, StateManager, create_scheduler

    class Provider(ProviderInterface):
        @property
        def name(self) -> str:
            return "sessions"

        async def discover_limits(
            self, force_refresh: bool = False, timeout: float = 30.0
        ) -> dict[str, DiscoveredBucket]:
            return {"key": DiscoveredBucket("key", rpm_limit=place.limit)}

        def parse_rate_limit_response(
            self, headers: dict[str, str], body: object = None, status_code: int | None = None
        ) -> RateLimitInfo:
            return RateLimitInfo(is_rate_limited=status_code == 429)  # its backend reads the headers itself

        async def get_bucket_for_model(self, model_id: str, resource_type: str | None = None) -> str:
            return "key"

    class Client:
        base_url, timeout = place.url, PATIENCE

        def get_headers(self) -> dict[str, str]:
            return {}

    class Classifier:
        async def classify(self, request: dict[str, object]) -> RequestMetadata:
            raise NotImplementedError  # each request comes with its metadata

    provider = Provider()
    return create_scheduler(
        Client(),
        mode="intelligent",
        config=RateLimiterConfig(request_timeout=PATIENCE),
        provider=provider,
        classifier=Classifier(),
        state_manager=StateManager(MemoryBackend(), provider=provider),
    )


@asynccontextmanager
async def adaptive(place: Destination) -> AsyncIterator[Send]:
    from adaptive_rate_limiter import GENERIC, RequestMetadata

    headers = {"x-api-key": place.key}
    limits = httpx.Limits(keepalive_expiry=2.0)
    async with (
        httpx.AsyncClient(base_url=place.url, headers=headers, limits=limits, timeout=PATIENCE) as client,
        _scheduler(place) as scheduler,
    ):

        async def call(number: int) -> object:
            answer = await client.get(f"/api/calls/{number}")
            told = _renamed(answer.headers)
            if answer.is_error:
                raise _Refused(told)
            return {"_response_headers": told, "body": answer.json()}

        async def send(number: int, lane: Lane) -> object:
            asked = RequestMetadata(f"{number}", "key", GENERIC, priority=int(lane == "interactive"))
            queued = await scheduler.submit_request(asked, partial(call, number))
            try:
                return await queued.request.future
            except _Refused as error:
                raise Lost("429") from error

        yield send


STRATEGIES: dict[str, Callable[[Destination], AbstractAsyncContextManager[Send]]] = {
    "sessions-us": ours,
    "aiolimiter": aiolimiter,
    "pyrate-limiter": pyrate,
    "openai-python": openai,
    "adaptive-rate-limiter": adaptive,
    "no limiter": nothing,
}
SHARED = ("sessions-us", "pyrate-limiter")
"""Which have a store that the processes of a host can share."""
