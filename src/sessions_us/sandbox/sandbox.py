"""The sandbox: state, keys, limit, faults and webhooks around one application, with a socket while it is entered."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import httpx

from . import data as reading
from . import seed as seeding
from .app import Application
from .clock import SandboxClock
from .delivery import Courier, Delivery
from .faults import DROPS, Drop, Fault, FaultPlan
from .limits import HeaderFamily, ServerLimit
from .loading import load
from .server import LoopbackServer
from .state import State
from .traffic import KeyRole, ReceivedRequest, Traffic
from .transport import InProcessTransport

if TYPE_CHECKING:
    from ..quota.clock import Clock


class Sandbox:
    """A Sessions API on this machine.

    `async with Sandbox() as sandbox:` serves it on `sandbox.url`. Without entering it, `sandbox.transport` works all the same;
    only webhooks need it to be entered.

    Args:
        limit: requests per window and key.
        window: seconds; may be short, for demos.
        headers: which family of rate-limit headers to send, and whose algorithm to follow; see `ServerLimit`.
        retry_after: whether a 429 carries Retry-After; None does as the server behind `headers` does.
        page_base: the number of the first page, 1 or 0. Where it is 1, 0 is the first page too.
        latency: seconds by which each answer is delayed; a pair is a range to draw from.
        seed: makes ids, data and drawn latencies repeatable. The keys are random all the same.
        empty: start without data. A colleague's booking page, `team_page_id`, is there even so.
        extras: also send plausible fields that no source names; see `serializer`.
        webhook_hosts: hosts to deliver webhooks to, besides this machine.
        clock: tells the time, in seconds since the epoch, to which `advance` adds; the default follows the monotonic clock.
        host: the address to listen on.
        port: 0 takes a free one.

    Raises:
        ValueError: an argument makes no sense.
        OSError: on entering: the port is taken.
    """

    def __init__(
        self,
        *,
        limit: int = 10,
        window: float = 60.0,
        headers: HeaderFamily = "draft-6",
        retry_after: bool | None = None,
        page_base: Literal[0, 1] = 1,
        latency: float | tuple[float, float] = 0.0,
        seed: int = 1,
        empty: bool = False,
        extras: bool = False,
        webhook_hosts: Collection[str] = (),
        clock: Callable[[], float] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if page_base not in (0, 1):
            raise ValueError(f"page_base must be 0 or 1, not {page_base}")
        low, high = latency if isinstance(latency, tuple) else (latency, latency)
        if not 0 <= low <= high:
            raise ValueError(f"latency must be seconds, or a pair of them with the lower first, not {latency}")
        self._clock = SandboxClock(clock)
        self._limiter = ServerLimit(limit, window, headers, retry_after)
        self._user_key, self._guest_key = (
            f"sandbox-user-{secrets.token_hex(16)}",
            f"sandbox-guest-{secrets.token_hex(16)}",
        )
        self._faults = FaultPlan()
        self._traffic = Traffic()
        self._courier = Courier(webhook_hosts, self._clock.now)
        self._state = State(self._clock.now, seed, page_base, extras, self._announce)
        if not empty:
            seeding.fill(self._state)
        draw = random.Random(seed)
        keys: dict[str, KeyRole] = {self._user_key: "user", self._guest_key: "guest"}
        self._app = Application(
            self._state,
            keys,
            self._limiter,
            self._faults,
            self._traffic,
            self._clock.now,
            lambda: draw.uniform(low, high),
        )
        self._address = (host, port)
        self._server: LoopbackServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exits = contextlib.AsyncExitStack()

    def __repr__(self) -> str:
        where = self._server.url if self._server else "not serving"
        return f"<Sandbox {where} {self._limiter.limit}/{self._limiter.window:g}s {self._limiter.headers}>"

    async def __aenter__(self) -> Self:
        if self._server is not None:
            raise RuntimeError("the sandbox is serving already")
        self._loop = asyncio.get_running_loop()
        server = LoopbackServer(self._app, *self._address)
        await server.start()
        self._server = server
        courier = asyncio.create_task(self._courier.run(), name="sessions-us sandbox webhooks")
        self._exits.push_async_callback(_end, courier)
        self._exits.push_async_callback(server.stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server = None
        await self._exits.aclose()

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:50123`; without a slash at the end."""
        if self._server is None:
            raise RuntimeError("the sandbox has no url before `async with`; without a socket, use sandbox.transport")
        return self._server.url

    @property
    def user_key(self) -> str:
        return self._user_key

    @property
    def guest_key(self) -> str:
        return self._guest_key

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """For httpx, without a socket. Any origin will do; timeouts have no effect on it."""
        return InProcessTransport(self._app)

    @property
    def requests(self) -> list[ReceivedRequest]:
        """What arrived, in the order of arrival; the last 10 000."""
        return self._traffic.records()

    @property
    def limiter(self) -> ServerLimit:
        """`limiter.admitted` and `limiter.refused` (the 429s) count requests; `limiter.reset()` opens new windows."""
        return self._limiter

    @property
    def deliveries(self) -> list[Delivery]:
        """The webhooks that were delivered or failed; the last 1000."""
        return self._courier.deliveries()

    @property
    def team_page_id(self) -> str:
        """The id of a colleague's booking page. The user may book on it; on a page of their own the API answers 403."""
        return self._state.team_page.id

    @property
    def clock(self) -> Clock:
        """The sandbox's clock. It runs as fast as real time, and `advance` moves it; `now()` is in seconds since the epoch.

        A client with `clock=sandbox.clock` waits for its quota in the sandbox's time.
        """
        return self._clock

    def advance(self, seconds: float) -> None:
        """Advance the sandbox's time: the windows of its limiter, the dates that it writes, and the waits on `clock`.

        Callbacks of `clock.call_at` that become due are called in the order of their moments; those of the running event loop
        before this returns. Latency and the delivery of webhooks take real time.

        Args:
            seconds: 0 or more.

        Raises:
            ValueError: `seconds` is negative, infinite or NaN.
        """
        self._clock.advance(seconds)

    @property
    def data(self) -> dict[str, list[dict[str, Any]]]:
        """A copy of the data: lists of JSON objects by resource, newest first.

        The resources are `rooms`, `booking_pages`, `sessions`, `bookings`, `events` and `webhooks`. An object is as the API sends
        it. A session also has its `participants`, `transcripts` and `takeaways`, and a booking page its `collaborators`. The
        colleague's booking page is among the booking pages, though the user's lists do not have it.
        """
        with self._state.lock:
            return reading.rows_of(self._state)

    def load(self, data: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[str]]:
        """Add and change objects without a request. No webhook is told.

        A row with the `id` of an existing object changes the fields that the row has. Any other row makes an object, with the
        row's `id` or a new one; the first of several is the newest. So `load({"sessions": [{"id": id, "endedAt":
        None}]})` reopens a session, and `load(other.data)` copies another sandbox, but for the namespace in slugs. Nothing is
        removed; see `remove`.

        A new row must have: the `name` of a room, a booking page or a session; the `bookingPageId`, `startAt` and
        `participantName` of a booking; the `session` of an event; the `url` and `trigger` of a webhook. A booking without a
        `sessionId` gets a new session. An event's `session` is a row of a session, or only the `id` of one. An array inside a row
        replaces the one that was there. Taken besides what the API sends are `createdAt` (everywhere but in webhooks),
        `cancelledAt` of a booking, `isPublished` and `isPublic` of an event, `sharedWith` of a room, and a string as a session's
        `takeaways`. `sessionLink`, and a session's `booking` and `event`, are made from the rest.

        Args:
            data: maps the names of `data` to arrays of JSON objects with the API's own names of fields.

        Returns:
            The ids of the rows, by resource, in the order of the rows.

        Raises:
            ValueError: rows are wrong; the message names them. Nothing was changed.
        """
        with self._state.lock:
            return load(self._state, data)

    def remove(self, resource: str, id: str) -> None:
        """Remove an object without a request. A session is removed with its booking or event, and these with their session.

        Args:
            resource: one of the names of `data`.
            id: of the object.

        Raises:
            KeyError: there is no such object.
            ValueError: there is no such resource.
        """
        with self._state.lock:
            reading.remove(self._state, resource, id)

    def fail(
        self,
        status: int | Drop,
        *,
        times: int = 1,
        method: str | None = None,
        path: str | None = None,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        counted: bool = True,
    ) -> None:
        """Let the next requests fail.

        Args:
            status: a number answers with it and does nothing else. `"reset"` resets the connection and does nothing else;
                `"lost"` carries the request out and closes the connection without an answer; `"cut"` carries it out and closes
                the connection in the middle of the answer.
            times: how many requests.
            method: only requests of this method.
            path: only this path, as sent; `*` stands for anything.
            body: what to answer in place of the usual JSON.
            headers: headers to add. A Content-Type here goes with `body`.
            counted: whether the server itself fails, after counting (the window's headers are sent). Otherwise something in front
                of it fails, before keys and limits are looked at.
        """
        if isinstance(status, str) and status not in DROPS:
            raise ValueError(f"status must be a number or one of {', '.join(DROPS)}, not {status!r}")
        if isinstance(status, int) and not 200 <= status <= 599:
            raise ValueError(f"status must be from 200 to 599, not {status}")
        told = httpx.Headers(headers)
        media_type = told.pop("content-type", "application/json; charset=utf-8")
        content = Fault.usual_body(status) if body is None else body.encode() if isinstance(body, str) else body
        self._faults.add(
            Fault(status, times, method.upper() if method else None, path, content, media_type, dict(told), counted)
        )

    def heal(self) -> None:
        """Forget the failures that are still to come."""
        self._faults.clear()

    def start_session(self, session_id: str) -> None:
        """Start a session as its host does in the app: the API has no call for it. Announces …_STARTED.

        Raises:
            KeyError: there is no such session.
        """
        with self._state.lock:
            self._state.start(self._state.sessions[session_id])

    def end_session(self, session_id: str, *, takeaways: str | None = None) -> None:
        """End a session as its host does in the app. Announces …_ENDED and, where there are any, TAKEAWAY_READY and
        TRANSCRIPT_READY.

        Raises:
            KeyError: there is no such session.
        """
        with self._state.lock:
            self._state.end(self._state.sessions[session_id], takeaways)

    async def settle(self) -> None:
        """Wait until every webhook that is due was delivered or failed. From any event loop."""
        if self._loop is None or self._server is None:
            raise RuntimeError("webhooks are delivered inside `async with` only")
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._courier.settle(), self._loop))

    def _announce(self, trigger: str, data: dict[str, Any]) -> None:
        for webhook in list(self._state.webhooks.values()):
            if webhook.trigger == trigger:
                self._courier.send(webhook, {"trigger": trigger, "data": data})


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def serve(port: int = 8099, *, host: str = "127.0.0.1", **options: Any) -> None:
    """Serve a sandbox until Ctrl-C; prints its address and its two keys once, to standard output.

    Args:
        port: 0 takes a free one.
        host: the address to listen on.
        options: as for `Sandbox`.

    Raises:
        OSError: the port is taken.
    """

    async def forever() -> None:
        async with Sandbox(port=port, host=host, **options) as sandbox:
            lines = (
                f"A Sessions API is listening on {sandbox.url}; Ctrl-C ends it.",
                f"SESSIONS_BASE_URL={sandbox.url}",
                f"SESSIONS_USER_KEY={sandbox.user_key}",
                f"SESSIONS_GUEST_KEY={sandbox.guest_key}",
            )
            print(*lines, sep="\n", flush=True)  # noqa: T201
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever())
