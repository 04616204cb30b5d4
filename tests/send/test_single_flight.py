"""Single flight and the short-lived cache: what is in flight or was just answered is not sent again."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import pytest
from sessions_us_api.operations import OPERATIONS
from support.scripted import unused_port

from sessions_us import (
    CacheHit,
    ClientClosedError,
    ConfigurationError,
    DecodeError,
    GuestClient,
    NotFoundError,
    Quota,
    QuotaTimeoutError,
    ResponseShared,
    RetryPolicy,
    RetryScheduled,
    ServerError,
    TransportError,
    UserClient,
)
from sessions_us._send.cache import Cache, Copy, Name
from sessions_us._send.http import Answer

pytestmark = pytest.mark.anyio

DAY = datetime(2026, 5, 4, tzinfo=UTC)
ONCE = RetryPolicy(attempts=1)
SPENT = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "40"}


class Server:
    """Answers on a real socket what `answer` says, each request as soon as `gate` is open, and counts them."""

    def __init__(self, held: bool = False) -> None:
        self.arrived: list[str] = []
        self.gone = 0
        self.gate = asyncio.Event()
        self.status = 200
        self.headers: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        if not held:
            self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def body(self, target: str) -> object:
        """Tells the requests apart: the name is their number."""
        last = target.partition("?")[0].rpartition("/")[2]
        one = {"id": last, "name": str(len(self.arrived))}
        return [one] if last in {"rooms", "sessions", "events", "bookings", "booking-pages", "slots"} else one

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while line := await reader.readline():
                length = 0
                while header := (await reader.readline()).decode().strip().lower():
                    if header.startswith("content-length:"):
                        length = int(header.partition(":")[2])
                await reader.readexactly(length)
                method, target, _ = line.decode().split()
                self.arrived.append(f"{method} {target}")
                status, body = self.status, json.dumps(self.body(target)).encode()
                eof, opened = asyncio.create_task(reader.read(1)), asyncio.create_task(self.gate.wait())
                if not self.gate.is_set():
                    await asyncio.wait([eof, opened], return_when=asyncio.FIRST_COMPLETED)
                    if eof.done():
                        self.gone += 1
                        opened.cancel()
                        return
                eof.cancel()
                await asyncio.gather(eof, opened, return_exceptions=True)
                headers = {"content-length": str(len(body)), "content-type": "application/json", **self.headers}
                head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)


def client(server: Server | str, key: str | None = None, **options: Any) -> UserClient:
    url = server if isinstance(server, str) else server.url
    return UserClient(key or f"key-{uuid4()}", base_url=url, **{"quota": Quota(limit=1000), "retries": ONCE, **options})


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def start(*calls: Awaitable[Any]) -> list[asyncio.Task[Any]]:
    return [asyncio.ensure_future(call) for call in calls]


async def outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except Exception as error:
        return error


async def warm(user: UserClient, server: Server) -> None:
    """The server says that much is left, so that several may be in flight; from now on it answers when the gate opens."""
    server.headers = {"ratelimit-limit": "1000", "ratelimit-remaining": "900", "ratelimit-reset": "40"}
    await user.rooms.get("first")
    server.arrived.clear()
    server.gate.clear()


async def spend(user: UserClient, server: Server) -> None:
    """The server says that nothing is left for 40 seconds."""
    server.headers = SPENT
    await user.rooms.get("first")
    server.arrived.clear()


class Clock:
    """Puts a limiter, and so everything that tells the time by it, under the test's hand."""

    def __init__(self, user: UserClient) -> None:
        self.now = 1000.0
        user._calls.transport.limiter._clock = lambda: self.now


# -- single flight -------------------------------------------------------------------------------------------------------


async def test_identical_reads_in_flight_are_one_request():
    """Each caller gets a model of its own; the events say who was served by another call's request."""
    events: list[Any] = []
    async with Server(held=True) as server, client(server, on_event=events.append) as user:
        calls = start(*(user.rooms.get("r1") for _ in range(20)))
        await until(lambda: server.arrived)
        server.gate.set()
        rooms = await asyncio.gather(*calls)

    assert server.arrived == ["GET /api/rooms/r1"]
    assert len({id(room) for room in rooms}) == 20
    assert {room.name for room in rooms} == {"1"}
    assert sum(isinstance(event, ResponseShared) for event in events) == 19


async def test_what_differs_is_not_shared():
    """Another id, another page, another body, another key."""
    async with Server() as server, client(server) as user, client(server) as other:
        await asyncio.gather(
            user.rooms.get("r1"),
            user.rooms.get("r2"),
            other.rooms.get("r1"),
            user.rooms.list(page=1).collect(limit=1),
            user.rooms.list(page=2).collect(limit=1),
            user.booking_pages.slots("p1", start=DAY, end=DAY),
            user.booking_pages.slots("p1", start=DAY, end=DAY.replace(day=5)),
        )

    assert len(server.arrived) == 7


async def test_slots_are_a_read_and_writes_are_not():
    """A POST that only computes is shared; two writes that look the same are two."""
    async with Server() as server, client(server) as user:
        await asyncio.gather(*(user.booking_pages.slots("p1", start=DAY, end=DAY) for _ in range(5)))
        assert len(server.arrived) == 1
        await asyncio.gather(*(user.rooms.create(name="Room") for _ in range(5)))
        assert len(server.arrived) == 6


async def test_clients_of_one_key_and_requests_by_path_share_too():
    """What counts is what is asked, with which key, of whom."""
    key = f"key-{uuid4()}"
    async with Server(held=True) as server, client(server, key) as one, client(server, key) as other:
        calls = start(one.rooms.get("r1"), other.rooms.get("r1"), other.request("get", "/api/rooms/r1"))
        await until(lambda: server.arrived)
        server.gate.set()
        await asyncio.gather(*calls)

    assert len(server.arrived) == 1


@pytest.mark.parametrize("who", [0, 1, 2])
async def test_each_can_be_cancelled_alone(who):
    """Also the one whose call began it."""
    async with Server(held=True) as server, client(server) as user:
        calls = start(*(user.rooms.get("r1") for _ in range(3)))
        await until(lambda: server.arrived)
        calls[who].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[who]
        server.gate.set()
        rest = await asyncio.gather(*(call for call in calls if call is not calls[who]))

    assert [room.name for room in rest] == ["1", "1"]
    assert len(server.arrived) == 1


async def test_the_request_dies_with_the_last():
    """Its connection is closed and its lease has ended when the last one's cancellation is through."""
    async with Server(held=True) as server, client(server) as user:
        calls = start(*(user.rooms.get("r1") for _ in range(3)))
        await until(lambda: server.arrived)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

        assert user.quota.snapshot().in_flight == 0
        await until(lambda: server.gone)
        server.gate.set()
        assert (await user.rooms.get("r1")).name == "2"


async def test_leaving_the_queue_frees_the_place():
    """The last one who leaves takes the ticket along."""
    async with Server() as server, client(server) as user:
        await spend(user, server)
        calls = start(*(user.rooms.get("r1") for _ in range(3)))
        await until(lambda: user.quota.snapshot().waiting["interactive"])
        assert user.quota.snapshot().waiting["interactive"] == 1
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

        assert user.quota.snapshot().waiting["interactive"] == 0
        assert server.arrived == []


async def test_an_error_of_the_server_reaches_all_as_errors_of_their_own():
    """What one of them does with it changes nothing for the others."""
    async with Server() as server, client(server) as user:
        server.status = 404
        errors = await asyncio.gather(*(outcome(user.rooms.get("r1")) for _ in range(3)))

    assert {type(error) for error in errors} == {NotFoundError}
    assert len({id(error) for error in errors}) == len({id(error.body) for error in errors}) == 3
    assert {str(error) for error in errors} == {str(errors[0])}
    assert len(server.arrived) == 1


async def test_each_is_as_strict_as_it_likes():
    """The same bytes are an error for one and a model for the other."""
    async with Server() as server, client(server) as user:
        server.body = lambda target: {"id": "r1", "name": 5}  # type: ignore[method-assign]
        strict, tolerant = await asyncio.gather(
            outcome(user.with_options(strict=True).rooms.get("r1")), outcome(user.rooms.get("r1"))
        )

    assert isinstance(strict, DecodeError)
    assert tolerant.name is None
    assert len(server.arrived) == 1


@pytest.mark.parametrize("first", ["hasty", "patient"])
async def test_one_deadline_is_none_of_the_others(first):
    """Who can't wait so long hears it at once, whoever came first; the others wait on in the same place."""
    async with Server() as server, client(server) as user:
        await spend(user, server)
        hasty, patient = user.with_options(max_wait=5), user
        order = (hasty, patient) if first == "hasty" else (patient, hasty)
        calls = start(*(each.rooms.get("r1") for each in order))
        refused = calls[order.index(hasty)]
        with pytest.raises(QuotaTimeoutError) as caught:
            await refused

        assert (caught.value.lane, caught.value.position) == ("interactive", 1)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 35
        assert not calls[order.index(patient)].done()
        assert user.quota.snapshot().waiting["interactive"] == 1
        assert server.arrived == []
        calls[order.index(patient)].cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_when_all_are_refused_nobody_waits():
    """The longest of their deadlines is the request's."""
    async with Server() as server, client(server) as user:
        await spend(user, server)
        calls = (outcome(user.with_options(max_wait=wait).rooms.get("r1")) for wait in (1, 2, 3))
        errors = await asyncio.gather(*calls)

        assert {type(error) for error in errors} == {QuotaTimeoutError}
        assert user.quota.snapshot().waiting["interactive"] == 0


async def test_what_is_learnt_while_they_wait_refuses_the_hasty_only():
    """The first answer says that the quota is spent; until then nothing was known."""
    async with Server(held=True) as server, client(server) as user:
        server.headers = SPENT
        probe = asyncio.create_task(user.rooms.get("probe"))
        await until(lambda: server.arrived)
        calls = start(user.rooms.get("r1"), user.with_options(max_wait=30).rooms.get("r1"))
        await until(lambda: user.quota.snapshot().waiting["interactive"])
        server.gate.set()
        await probe
        with pytest.raises(QuotaTimeoutError):
            await calls[1]

        assert not calls[0].done()
        calls[0].cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_to_who_joined_a_request_on_its_way_all_of_it_is_waiting():
    """max_wait bounds a joined flight too. Who may not wait at all joins nobody."""
    async with Server() as server, client(server) as user:
        await warm(user, server)
        first = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        with pytest.raises(QuotaTimeoutError):
            await user.with_options(max_wait=0.01).rooms.get("r1")
        own = asyncio.create_task(user.with_options(max_wait=0).rooms.get("r1"))
        await until(lambda: len(server.arrived) == 2)
        server.gate.set()

        assert {(await first).id, (await own).id} == {"r1"}
        assert len(server.arrived) == 2


async def test_who_joins_a_back_off_that_is_too_long_hears_what_failed():
    """It was sent, and that is what each of them must know."""
    pausing = asyncio.Event()
    hear = lambda event: pausing.set() if isinstance(event, RetryScheduled) else None  # noqa: E731
    async with Server() as server, client(server, on_event=hear, retries=RetryPolicy()) as user:
        server.status, server.headers = 503, {"retry-after": "30"}
        patient, hasty = start(*(each.rooms.get("r1") for each in (user, user.with_options(max_wait=25))))
        async with asyncio.timeout(10):  # at once, and not when its patience is over
            with pytest.raises(ServerError):
                await hasty
            await pausing.wait()
            with pytest.raises(ServerError):
                await user.with_options(max_wait=25).rooms.get("r1")

        assert not patient.done()
        assert len(server.arrived) == 1
        patient.cancel()
        await asyncio.gather(patient, return_exceptions=True)


async def test_the_most_urgent_lane_of_all_counts():
    """A visitor who joins an export's request takes it along, before the export's other work."""
    async with Server() as server, client(server) as user:
        await spend(user, server)
        export = user.with_options(lane="background")
        calls = start(export.rooms.get("r1"), export.rooms.get("r2"))
        await until(lambda: user.quota.snapshot().waiting["background"] == 2)
        calls += start(user.rooms.get("r2"))
        await until(lambda: user.quota.snapshot().waiting["interactive"])

        assert user.quota.snapshot().waiting == {"interactive": 1, "background": 1}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert user.quota.snapshot().waiting == {"interactive": 0, "background": 0}


async def test_a_visitor_may_join_before_the_queue_is_reached():
    """Both calls begin in the same moment."""
    async with Server() as server, client(server) as user:
        await spend(user, server)
        calls = start(user.with_options(lane="background").rooms.get("r1"), user.rooms.get("r1"))
        await until(lambda: sum(user.quota.snapshot().waiting.values()))

        assert user.quota.snapshot().waiting == {"interactive": 1, "background": 0}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_closed_client_ends_its_flights_and_nobody_elses_calls():
    """Another client that had joined sends for itself; its own callers hear that it was closed."""
    key = f"key-{uuid4()}"
    async with Server(held=True) as server, client(server, key) as other:
        one = client(server, key)
        calls = start(one.rooms.get("r1"), one.rooms.get("r1"), other.rooms.get("r1"))
        await until(lambda: server.arrived)
        await one.aclose()

        for call in calls[:2]:
            with pytest.raises(ClientClosedError):
                await call
        await until(lambda: len(server.arrived) == 2)
        server.gate.set()
        assert (await calls[2]).id == "r1"
        assert other.quota.snapshot().in_flight == 0


async def test_closing_leaves_the_flights_of_others():
    """A client that only joined takes its own callers along, not the request."""
    key = f"key-{uuid4()}"
    async with Server(held=True) as server, client(server, key) as one:
        other = client(server, key)
        calls = start(one.rooms.get("r1"), other.rooms.get("r1"))
        await until(lambda: server.arrived)
        await other.aclose()
        with pytest.raises(ClientClosedError):
            await calls[1]
        server.gate.set()

        assert (await calls[0]).name == "1"


def test_a_flight_of_a_loop_that_has_ended_is_not_joined():
    """The next `asyncio.run` sends for itself."""
    port = unused_port()
    user = client(f"http://127.0.0.1:{port}")
    loop = asyncio.new_event_loop()
    abandoned = loop.create_task(user.rooms.get("r1"))
    loop.run_until_complete(asyncio.sleep(0))
    (flight,) = [
        each for name, each in user._calls.sharing._shared.flights.items() if name.key == user._calls.sharing._key
    ]

    assert isinstance(asyncio.run(outcome(user.rooms.get("r1"))), TransportError)

    for task in (abandoned, flight.task):
        task.cancel()
    loop.run_until_complete(asyncio.gather(abandoned, flight.task, return_exceptions=True))
    loop.close()


# -- the cache -----------------------------------------------------------------------------------------------------------


async def test_nothing_is_kept_unless_it_is_asked_for():
    """Freshness is the default."""
    async with Server() as server, client(server) as user:
        assert [(await user.rooms.get("r1")).name for _ in range(2)] == ["1", "2"]


async def test_a_copy_younger_than_its_time_to_live_is_the_answer():
    """Each reader decides how old is too old, and decodes its own."""
    events: list[Any] = []
    async with Server() as server, client(server, cache_ttl=30, on_event=events.append) as user:
        clock = Clock(user)
        first = await user.rooms.get("r1")
        clock.now += 29
        again = await user.rooms.get("r1")
        demanding = await user.with_options(cache_ttl=10).rooms.get("r1")
        clock.now += 31
        late = await user.rooms.get("r1")

    assert [room.name for room in (first, again, demanding, late)] == ["1", "1", "2", "3"]
    assert first is not again
    assert [event for event in events if isinstance(event, CacheHit)] == [
        CacheHit(operation="get_room", age=29.0, why="fresh")
    ]


async def test_a_stale_copy_is_given_at_once_and_renewed():
    """One renewal for all who ask, in the background."""
    async with Server() as server, client(server, cache_ttl=10, stale_while_revalidate=20) as user:
        clock = Clock(user)
        await user.rooms.get("r1")
        clock.now += 15
        server.gate.clear()
        stale = await asyncio.gather(*(user.rooms.get("r1") for _ in range(5)))
        await until(lambda: len(server.arrived) == 2)
        server.gate.set()
        await until(lambda: not user._calls.sharing._tasks)
        renewed = await user.rooms.get("r1")
        clock.now += 31
        too_old = await user.rooms.get("r1")

    assert {room.name for room in stale} == {"1"}
    assert (renewed.name, too_old.name) == ("2", "3")


async def test_a_renewal_goes_on_when_who_joined_it_leaves():
    """It was begun for whoever asks next."""
    async with Server() as server, client(server, cache_ttl=10, stale_while_revalidate=20) as user:
        clock = Clock(user)
        await user.rooms.get("r1")
        clock.now += 15
        server.gate.clear()
        await user.rooms.get("r1")
        visitor = asyncio.create_task(user.with_options(cache_ttl=0, stale_while_revalidate=0).rooms.get("r1"))
        await until(lambda: len(server.arrived) == 2)
        visitor.cancel()
        await asyncio.gather(visitor, return_exceptions=True)
        server.gate.set()
        await until(lambda: not user._calls.sharing._tasks)

        assert (await user.rooms.get("r1")).name == "2"
        assert len(server.arrived) == 2


async def test_a_renewal_waits_in_the_background_and_ends_with_the_client():
    """It stands in front of nobody, nobody hears of its failure, and it is not left behind."""
    async with Server() as server:
        async with client(server, stale_while_revalidate=1000) as user:
            clock = Clock(user)
            await spend(user, server)
            clock.now += 1
            await user.rooms.get("first")
            await until(lambda: user.quota.snapshot().waiting["background"])
            tasks = set(user._calls.sharing._tasks)
            assert len(tasks) == 1
        assert all(task.done() for task in tasks)
        assert server.arrived == []


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_stale_copy_stands_in_for_an_error(status):
    """As long as it is allowed to; without a copy the error is the answer."""
    async with Server() as server, client(server, cache_ttl=10, stale_if_error=60) as user:
        clock = Clock(user)
        await user.rooms.get("r1")
        clock.now += 65
        server.status = status
        assert (await user.rooms.get("r1")).name == "1"
        assert len(server.arrived) == 2
        server.status = 500
        if status != 429:  # after which the quota itself waits, in real time
            clock.now += 70
            with pytest.raises(ServerError):
                await user.rooms.get("r1")


async def test_a_stale_copy_stands_in_for_a_spent_quota_and_a_lost_server():
    """A site goes on showing what it has."""
    async with Server() as server, client(server, stale_if_error=60, max_wait=5) as user:
        await spend(user, server)
        assert (await user.rooms.get("first")).name == "1"
        with pytest.raises(QuotaTimeoutError):
            await user.rooms.get("never seen")
    async with Server() as server:
        user = client(server, stale_if_error=60)
        before = await user.rooms.get("r1")
    async with user:
        after = await user.rooms.get("r1")

    assert after.name == before.name


async def test_a_404_is_the_truth_and_no_copy_stands_in():
    """Only what says nothing about the object is bridged, and no error is kept."""
    async with Server() as server, client(server, cache_ttl=1, stale_if_error=60) as user:
        clock = Clock(user)
        await user.rooms.get("r1")
        clock.now += 2
        server.status = 404
        with pytest.raises(NotFoundError):
            await user.rooms.get("r1")
        server.status = 200
        assert (await user.rooms.get("r1")).name == "3"


async def test_a_renewal_that_learns_of_the_end_drops_the_copy():
    """What is gone is shown once more at most, and no more requests are spent on renewing it; what says nothing about the
    object drops nothing."""
    async with Server() as server, client(server, cache_ttl=1, stale_while_revalidate=60, stale_if_error=60) as user:
        clock = Clock(user)
        await user.rooms.get("r1")
        clock.now += 2
        for server.status in (500, 404):
            assert (await user.rooms.get("r1")).name == "1"
            await until(lambda: not user._calls.sharing._tasks)
        with pytest.raises(NotFoundError):
            await user.rooms.get("r1")
        server.status = 500
        with pytest.raises(ServerError):
            await user.rooms.get("r1")


async def test_a_closed_client_gives_no_copies():
    """Closed is closed."""
    async with Server() as server:
        async with client(server, cache_ttl=60) as user:
            await user.rooms.get("r1")
        with pytest.raises(ClientClosedError):
            await user.rooms.get("r1")


async def cached(user: UserClient, server: Server) -> set[str]:
    """Which of these reads a copy answers."""
    reads = {
        "room": lambda: user.rooms.get("r1"),
        "session": lambda: user.sessions.get("s1"),
        "slots": lambda: user.booking_pages.slots("p1", start=DAY, end=DAY),
        "by path": lambda: user.request("GET", "/api/anything"),
    }
    kept = set()
    for name, read in reads.items():
        before = len(server.arrived)
        await read()
        if len(server.arrived) == before:
            kept.add(name)
    return kept


ALL = {"room", "session", "slots", "by path"}


WRITES = {
    "a room": (lambda user: user.rooms.create(name="Room"), {"session", "slots"}),
    "a session": (lambda user: user.sessions.delete("s1"), {"room"}),
    "a booking": (lambda user: user.bookings.cancel("b1"), {"room"}),
    "a page": (lambda user: user.booking_pages.update("p1", name="Page"), {"room", "session"}),
    "a webhook": (lambda user: user.webhooks.delete("w1"), ALL),
    "who knows": (lambda user: user.request("POST", "/api/anything"), set()),
    "nothing": (lambda user: user.request("HEAD", "/api/anything"), ALL),
}


@pytest.mark.parametrize(("write", "left"), WRITES.values(), ids=WRITES.keys())
async def test_a_write_drops_what_it_invalidates(write, left):
    """As the overlay has it, through any client of the key; a read that the document does not know is dropped by every one."""
    key = f"key-{uuid4()}"
    async with Server() as server, client(server, key, cache_ttl=60) as user, client(server, key) as other:
        async with client(server, cache_ttl=60) as stranger:
            for each in (user, stranger):
                assert await cached(each, server) == set()
                assert await cached(each, server) == ALL
            if write is WRITES["nothing"][0]:
                server.body = lambda target: None  # type: ignore[method-assign]
                await outcome(asyncio.wait_for(other.request("OPTIONS", "/api/anything"), 5))
            else:
                await outcome(write(other))

            assert await cached(user, server) == left
            assert await cached(stranger, server) == ALL


async def test_a_guests_write_drops_what_belongs_to_others():
    """A guest books with a key of its own, and the slot is gone for everybody."""
    async with Server() as server, client(server, cache_ttl=60) as user:
        await cached(user, server)
        async with GuestClient(f"key-{uuid4()}", base_url=server.url) as guest:
            await guest.bookings.cancel("b1")

        assert await cached(user, server) == {"room"}


async def test_a_write_that_was_never_sent_drops_nothing():
    """It was refused for want of quota."""
    async with Server() as server, client(server, cache_ttl=60) as user:
        await spend(user, server)
        with pytest.raises(QuotaTimeoutError):
            await user.with_options(max_wait=1).rooms.create(name="Room")

        assert (await user.rooms.get("first")).name == "1"


async def test_what_was_asked_before_a_write_is_neither_kept_nor_joined():
    """Whoever asks after a write reads what it wrote."""
    async with Server() as server, client(server, cache_ttl=60) as user:
        await warm(user, server)
        before = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        write = asyncio.create_task(user.rooms.update("r1", name="New"))
        await until(lambda: len(server.arrived) == 2)
        server.gate.set()
        await write
        after = await user.rooms.get("r1")

        await before
        assert after.name == "3"
        assert (await user.rooms.get("r1")).name == "3"


async def test_a_write_that_ends_while_a_read_is_on_its_way():
    """The same when the read's answer comes last: it is given to who waited, and not kept."""
    async with Server() as server, client(server, cache_ttl=60) as user:
        await warm(user, server)
        before = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: server.arrived)
        user._calls.sharing._shared.drop(user._calls.sharing._invalidated(("get_room",)))
        joined = asyncio.create_task(user.rooms.get("r1"))
        await until(lambda: len(server.arrived) == 2)
        server.gate.set()

        await before
        assert (await user.rooms.get("r1")).name == (await joined).name
        assert len(server.arrived) == 2


def name(number: int) -> Name:
    return Name("digest", "https://example.com", "GET", f"/api/rooms/{number:04}", (), None)


def test_copies_are_bounded_in_number_and_bytes():
    """The least recently used go first; what is too large alone is not kept."""
    cache = Cache(most=3, most_bytes=1000)
    for number in range(3):
        cache.put(name(number), Copy((Answer(200, b"x" * 100),), 0.0, "get_room"))
    cache.get(name(0))
    cache.put(name(3), Copy((Answer(200, b"x" * 100),), 0.0, "get_room"))
    assert [cache.get(name(number)) is not None for number in range(4)] == [True, False, True, True]

    cache.put(name(0), Copy((Answer(200, b"x" * 800),), 0.0, "get_room"))
    assert [cache.get(name(number)) is not None for number in range(4)] == [True, False, False, True]

    cache.put(name(5), Copy((Answer(200, b"x" * 1001),), 0.0, "get_room"))
    assert cache.get(name(5)) is None
    cache.drop(lambda name, operation: True)
    assert cache._bytes == 0


async def test_no_name_of_a_copy_holds_the_key():
    """What is shared is named by a digest."""
    key = f"key-{uuid4()}"
    async with Server() as server, client(server, key, cache_ttl=60) as user:
        await user.rooms.get("r1")

        assert key not in repr(user._calls.sharing._shared.cache._copies.keys())


def test_every_write_says_what_it_invalidates():
    """Only of webhooks nothing is read; a read invalidates nothing, and what is invalidated is a read."""
    silent = {
        operation.id for operation in OPERATIONS.values() if not operation.repeatable and not operation.invalidates
    }

    assert silent == {"create_webhook", "delete_webhook"}
    for operation in OPERATIONS.values():
        assert not (operation.repeatable and operation.invalidates)
        assert all(OPERATIONS[read].repeatable for read in operation.invalidates)


@pytest.mark.parametrize("option", ["cache_ttl", "stale_while_revalidate", "stale_if_error"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), None, "5", True])
def test_a_time_that_makes_no_sense_is_refused(option, value):
    """Seconds, 0 or more."""
    with pytest.raises(ConfigurationError, match=option):
        UserClient("key", **{option: value})


async def test_nothing_is_left_to_the_garbage_collector():
    """No exception that nobody retrieved, whoever gives up when."""
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, context: complaints.append(context))
    async with Server() as server, client(server) as user:
        server.status = 404
        for turn in range(12):
            calls = start(*(user.rooms.get("r1") for _ in range(3)))
            for _ in range(turn):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        assert user.quota.snapshot().in_flight == 0
    gc.collect()
    loop.set_exception_handler(None)

    assert complaints == []
