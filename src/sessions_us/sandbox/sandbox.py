"""The sandbox: state, keys, limit, faults and webhooks around one application, with a socket while it is entered."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import httpx

from . import data as reading
from . import seed as seeding
from . import triggers
from .app import Application
from .clock import SandboxClock, SandboxTimer, Time
from .control import Control
from .delivery import Courier, Delivery, host_of
from .faults import Drop, FaultPlan, fault_of
from .fields import Fields
from .limits import HeaderFamily, Noise, ServerLimit
from .loading import load
from .records import WebhookRecord
from .serializer import Json
from .server import LoopbackServer
from .state import TRIGGERS, State
from .traffic import KeyRole, ReceivedRequest, Traffic
from .transport import InProcessTransport

if TYPE_CHECKING:
    from ..quota.clock import Clock

Data = Mapping[str, Sequence[Mapping[str, Any]]]


class Sandbox:
    """A Sessions API on this machine.

    `async with Sandbox() as sandbox:` serves it on `sandbox.url`, with its control API beside it and a page for people at `/`.
    Without entering it, `sandbox.transport` works all the same; only webhooks, and sessions that start and end by themselves,
    need it to be entered.

    Args:
        limit: requests per window and key.
        window: seconds; may be short, for demos.
        headers: which family of rate-limit headers to send, and whose algorithm to follow; see `ServerLimit`.
        retry_after: whether a 429 carries Retry-After; None does as the server behind `headers` does.
        page_base: the number of the first page, 1 or 0. Where it is 1, 0 is the first page too.
        latency: seconds by which each answer is delayed; a pair is a range to draw from.
        seed: makes ids, data and drawn latencies repeatable.
        empty: start without data. A colleague's booking page, `team_page_id`, is there even so.
        data: is loaded at the beginning and after each reset; see `load`.
        fields: `"known"` sends what a client of the live API uses, a captured payload shows or the vendor documents, and the
            least besides that makes the API usable; `"all"` also sends what is only inferred. Webhooks say what captured
            payloads say, always. docs/sandbox.md lists both.
        time: `"runs"` is real time; `"still"` moves with `advance` alone; `"skips"` runs, and skips the waits of clients with
            `clock=sandbox.clock`.
        user_key: the USER key; None makes a random one.
        guest_key: the GUEST key; None makes a random one.
        noise: requests of others on each key, as a pair of a number and seconds; they take places in the windows.
        faults: the arguments of one `fail` each, for the beginning and after each reset.
        deliver_to: a URL to which every webhook of the workspace is delivered.
        webhook_hosts: hosts to deliver webhooks to, besides this machine.
        log: is called with each request, once it is answered.
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
        data: Data | None = None,
        fields: Fields = "known",
        time: Time = "runs",
        user_key: str | None = None,
        guest_key: str | None = None,
        noise: tuple[float, float] = (0.0, 60.0),
        faults: Sequence[Mapping[str, Any]] = (),
        deliver_to: str | None = None,
        webhook_hosts: Collection[str] = (),
        log: Callable[[ReceivedRequest], object] | None = None,
        clock: Callable[[], float] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not isinstance(empty, bool):
            raise ValueError(f"empty must be True or False, not {empty!r}")
        if not isinstance(retry_after, bool | None):
            raise ValueError(f"retry_after must be True, False or None, not {retry_after!r}")
        if not host:
            raise ValueError("host must be an address; 0.0.0.0 is every one of this machine")
        if page_base not in (0, 1):
            raise ValueError(f"page_base must be 0 or 1, not {page_base}")
        if fields not in ("known", "all"):
            raise ValueError(f"fields must be known or all, not {fields!r}")
        low, high = latency if isinstance(latency, tuple) else (latency, latency)
        if not 0 <= low <= high:
            raise ValueError(f"latency must be seconds, or a pair of them with the lower first, not {latency}")
        self._user_key = user_key or f"sandbox-user-{secrets.token_hex(16)}"
        self._guest_key = guest_key or f"sandbox-guest-{secrets.token_hex(16)}"
        if self._user_key == self._guest_key:
            raise ValueError("user_key and guest_key must differ")
        self._clock = SandboxClock(clock, time, lambda: self._app.is_busy)
        self._limiter = ServerLimit(limit, window, headers, retry_after)
        self._fields: Fields = fields
        self._beginning = (seed, empty, data, faults, deliver_to)
        draw = random.Random(seed)
        self._faults = FaultPlan(draw.random)
        self._noise = Noise(*noise, self._clock.now())
        self._traffic = Traffic(log)
        hosts = {*webhook_hosts}
        if deliver_to is not None:
            receiver = host_of(deliver_to)
            if receiver is None:
                raise ValueError(
                    f"deliver_to must be a URL, http or https, with a port that can be, not {deliver_to!r}"
                )
            hosts.add(receiver)
        self._courier = Courier(hosts, self._clock.now)
        keys: dict[str, KeyRole] = {self._user_key: "user", self._guest_key: "guest"}
        self._state = State(self._clock.now, seed, page_base, fields == "all", keys, self._deliver)
        self._app = Application(
            self._state,
            self._limiter,
            self._noise,
            self._faults,
            self._traffic,
            self._clock.now,
            lambda: draw.uniform(low, high),
            Control(self, self._state),
        )
        self._begin()
        self._address = (host, port)
        self._server: LoopbackServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm: SandboxTimer | None = None
        self._exits = contextlib.AsyncExitStack()

    def _begin(self) -> None:
        _, empty, data, faults, deliver_to = self._beginning
        if not empty:
            seeding.fill(self._state)
        if data is not None:
            load(self._state, data)
        if deliver_to is not None:
            subscribed = [
                {"url": deliver_to, "trigger": each, "permission": "organization"} for each in sorted(TRIGGERS)
            ]
            load(self._state, {"webhooks": subscribed})
        for each in faults:
            self.fail(**each)

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
        self._state.agenda.on_change = self._wake_soon
        self._wake_soon()
        courier = asyncio.create_task(self._courier.run(), name="sessions-us sandbox webhooks")
        self._exits.push_async_callback(_end, courier)
        self._exits.push_async_callback(server.stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server = None
        self._state.agenda.on_change = None
        if self._alarm is not None:
            self._alarm.cancel()
        await self._exits.aclose()

    @property
    def url(self) -> str:
        """Where this machine finds it, such as `http://127.0.0.1:50123`; without a slash at the end."""
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
        """The sandbox's clock: `now()` is in seconds since the epoch, `call_at(when, callback)` calls back.

        A client with `clock=sandbox.clock` waits for its quota in the sandbox's time. With `time="skips"`, waiting for
        `call_at` takes no time: when nobody has anything else to do, the clock goes on to the earliest moment.
        """
        return self._clock

    @property
    def time(self) -> Time:
        """How the clock moves: `"runs"`, `"still"` or `"skips"`. May be set."""
        return self._clock.time

    @time.setter
    def time(self, time: Time) -> None:
        self._clock.time = time

    @property
    def fields(self) -> Fields:
        """Which fields are sent."""
        return self._fields

    def advance(self, seconds: float) -> None:
        """Advance the sandbox's time: the windows of its limiter, the dates that it writes, the waits on `clock`, and the
        sessions whose planned starts and ends come: they start and end, and webhooks tell of it.

        Callbacks of `clock.call_at` that become due are called in the order of their moments; those of the running event loop
        before this returns. Latency and the delivery of webhooks take real time.

        Args:
            seconds: 0 or more.

        Raises:
            ValueError: `seconds` is negative, infinite or NaN.
        """
        self._clock.advance(seconds)
        with self._state.lock:
            self._state.catch_up()

    def reset(self) -> None:
        """Begin again: the data, the faults, the windows and how the time moves are as at the beginning, and `requests` and
        `deliveries` are empty. The time is the present, without any `advance`: so it may go back, and a client with
        `clock=sandbox.clock` that knows of a window from before may wait for its end.

        The keys, the settings, and the counts of `limiter` stay."""
        self._clock.reset()  # not inside the lock of the state, which a callback of the clock takes
        with self._state.lock:
            self._noise.restart(self._clock.now())
            self._state.begin()
            self._faults.clear()
            self._limiter.reset()
            self._traffic.clear()
            self._courier.clear()
            self._begin()

    @property
    def data(self) -> dict[str, list[dict[str, Any]]]:
        """A copy of the data: lists of JSON objects by resource, newest first.

        The resources are `users`, `rooms`, `booking_pages`, `sessions`, `bookings`, `events` and `webhooks`, each with the
        objects of the whole workspace. An object is as the API sends it with `fields="all"`, with its `ownerId`, if that is
        another user than the one of `user_key`, with the `bookerId` of a booking, if a user booked, and, in `extra`, with the
        fields that the sandbox does not know. A session also has its
        `participants`, `transcripts` and `takeaways`, and a booking page its `collaborators`.
        """
        with self._state.lock:
            self._state.catch_up()
            return reading.rows_of(self._state)

    def load(self, data: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[str]]:
        """Add and change objects without a request. No webhook is told.

        A row with the `id` of an existing object changes the fields that the row has. Any other row makes an object, with the
        row's `id` or a new one; the first of several is the newest. So `load({"sessions": [{"id": id, "endedAt":
        None}]})` reopens a session, and `load(other.data)` copies another sandbox, but for the namespace in slugs. Nothing is
        removed; see `remove`.

        A new row must have: the `email` of a user; the `name` of a room, a booking page or a session; the `bookingPageId`,
        `startAt` and `participantName` of a booking; the `session` of an event; the `url` and `trigger` of a webhook. A
        booking without a `sessionId` gets a new session. An event's `session` is a row of a session, or only the `id` of
        one. An array inside a row replaces the one that was there. Taken besides what the API sends are `createdAt`
        (everywhere but in webhooks), `cancelledAt` of a booking, `isPublished` and `isPublic` of an event, `sharedWith` of
        a room, and a string as a session's `takeaways`. `sessionLink`, and a session's `booking` and `event`, are made from
        the rest. The `key` of a user is a USER key of their own. Whatever names no owner is of the user of `user_key`; a
        session is of its host. What is planned for later starts and ends by itself.

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
        status: int | Drop | None = None,
        *,
        delay: float = 0.0,
        times: int | None = 1,
        chance: float = 1.0,
        method: str | None = None,
        path: str | None = None,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        counted: bool = True,
    ) -> None:
        """Let the next requests fail, or be answered late.

        Args:
            status: a number answers with it and does nothing else. `"reset"` resets the connection and does nothing else;
                `"lost"` carries the request out and closes the connection without an answer; `"cut"` carries it out and closes
                the connection in the middle of the answer. None carries it out and answers, after `delay`.
            delay: seconds of real time before the answer.
            times: how many requests; None is all of them, until `heal`.
            chance: the probability that a request fails; those that do not are not counted in `times`.
            method: only requests of this method.
            path: only this path, as sent; `*` stands for anything, and `{id}`, with any name, for one segment. As in routes, the
                case of letters matters in an id alone.
            body: what to answer in place of the usual JSON.
            headers: headers to add. A Content-Type here goes with `body`.
            counted: whether the server itself fails, after counting (the window's headers are sent). Otherwise something in front
                of it fails, before keys and limits are looked at.

        Raises:
            ValueError: an argument makes no sense, or no operation has this method and path.
        """
        made = fault_of(
            status,
            delay=delay,
            times=times,
            chance=chance,
            method=method,
            path=path,
            body=body,
            headers=headers or {},
            counted=counted,
        )
        with self._state.lock:
            self._faults.add(made)

    def heal(self) -> None:
        """Forget the failures that are still to come."""
        self._faults.clear()

    def start_session(self, session_id: str) -> None:
        """Start a planned session as its host does in the app: the API has no call for it. Announces …_STARTED.

        Raises:
            KeyError: there is no such session.
            ValueError: it has started or ended, or its booking is cancelled.
        """
        with self._state.lock:
            self._state.catch_up()
            self._state.start(self._state.sessions[session_id])

    def end_session(
        self, session_id: str, *, takeaways: str | None = None, transcript: Iterable[str] | None = None
    ) -> None:
        """End a session as its host does in the app; a planned one starts first. Announces …_ENDED,
        RECORDING_STATUS_CHANGED and, where there are any, TAKEAWAY_READY and TRANSCRIPT_READY.

        Args:
            session_id: of the session.
            takeaways: their text; None makes some, and an empty one means that there are none.
            transcript: what the participants said, in turns; None makes it, and an empty one means that there is none.

        Raises:
            KeyError: there is no such session.
            ValueError: it has ended, or its booking is cancelled, or a text has half a surrogate pair.
            TypeError: `takeaways` is no string, or `transcript` is none of several.
        """
        if not isinstance(takeaways, str | None):
            raise TypeError(f"takeaways must be a string or None, not {takeaways!r}")
        said = None if transcript is None else _turns(transcript)
        _check_text(takeaways or "", *(said or ()))
        with self._state.lock:
            self._state.catch_up()
            self._state.end(self._state.sessions[session_id], takeaways, said)

    def trigger(self, name: str, *, id: str | None = None) -> dict[str, Any]:
        """Deliver a webhook as if its trigger had fired. Nothing changes: no session starts because of SESSION_STARTED.

        Args:
            name: of the trigger.
            id: of the session, booking or event to tell of; None takes the newest that fits.

        Returns:
            What is delivered, `{trigger, data}`, to each webhook that has the trigger and may know of the object.

        Raises:
            KeyError: there is no such object.
            ValueError: there is no such trigger, or nothing that it could tell of, or the object is of another kind.
        """
        with self._state.lock:
            self._state.catch_up()
            session, data = triggers.told(self._state, name, id)
            self._state.tell(name, session, data)
        return {"trigger": name, "data": data}

    async def settle(self) -> None:
        """Wait until every webhook that is due was delivered or failed. From any event loop."""
        if self._loop is None or self._server is None:
            raise RuntimeError("webhooks are delivered inside `async with` only")
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._courier.settle(), self._loop))

    def _deliver(self, webhook: WebhookRecord, payload: Json) -> None:
        self._courier.send(webhook, payload)

    def _wake_soon(self) -> None:
        """Look again at when the next session starts or ends. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._server is None:
            return
        with self._state.lock:
            self._state.catch_up()
            moment = self._state.agenda.next
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if moment is None else self._clock.remind_at(moment.timestamp(), self._wake)


def _turns(transcript: Iterable[str]) -> list[str]:
    """Return what was said, in turns. A string is an iterable too: of letters, which nobody means."""
    turns = None if isinstance(transcript, str) or not isinstance(transcript, Iterable) else list(transcript)
    if turns is None or not all(isinstance(each, str) for each in turns):
        raise TypeError(f"transcript must be a list of strings, one for each turn, not {transcript!r}")
    return turns


def _check_text(*texts: str) -> None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:  # no answer could have it
        raise ValueError("takeaways and transcript can't have half a surrogate pair") from None


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
