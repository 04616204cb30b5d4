"""Events: which ones a call tells, in which order, and what the log makes of them."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
import logging
import pickle
import re
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args
from uuid import uuid4

import httpx
import pytest
from support.clock import HandClock, run
from support.command import python
from support.rooms import PLENTY, QUICK, SESSION, SPENT, client, read, spend, write
from support.scripted import Arrived, Behaviour, Numbered, Reset, Say, Scripted, Silence, unused_port
from support.waiting import cancelled, outcome, start, until

from sessions_us import (
    CacheHit,
    CallEnded,
    CallEvent,
    ClientEvent,
    DecodeError,
    Quota,
    QuotaTimeoutError,
    RateLimitedError,
    RequestFailed,
    RequestQueued,
    RequestRefused,
    RequestSent,
    RequestThrottled,
    ResponseReceived,
    ResponseShared,
    RetryScheduled,
    SchemaDrift,
    StatusError,
    TransportError,
    UserClient,
    events,
)
from sessions_us.quota.clock import LoopClock

pytestmark = pytest.mark.anyio

E = TypeVar("E", bound=ClientEvent)

ID = {"x-request-id": "abc"}
FINE = Say(body=SESSION, headers=ID)
ODD = Say(body={**SESSION, "startAt": "tomorrow"}, headers=ID)
ENDED: dict[str, Any] = {
    "outcome": "answered",
    "status_code": 200,
    "error": None,
    "attempts": 1,
    "waited": 0.0,
    "elapsed": 0.1,
}
CUT = Say(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", close=True)


class Heard(list[ClientEvent]):
    """What a client told."""

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self if isinstance(event, kind)]

    def of_call(self, number: int) -> str:
        """The kinds of the events of a call, in their order."""
        return " ".join(type(event).__name__ for event in self.of(CallEvent) if event.call == number)

    @property
    def ends(self) -> list[str]:
        """How the calls ended, in the order of their ends."""
        return [event.outcome for event in self.of(CallEnded)]

    def the_end(self) -> CallEnded:
        """The end of the only call. All events are its own, and the end is the last."""
        (end,) = self.of(CallEnded)
        assert {event.call for event in self.of(CallEvent)} == {end.call}
        assert self[-1] is end
        return end


@dataclass
class End:
    """A call of one attempt or more, and how it ends."""

    script: Sequence[Behaviour]
    outcome: str
    status: int | None = None
    error: str | None = None
    attempts: int = 1
    request_id: str | None = None
    call: Callable[[UserClient], Awaitable[object]] = read
    options: dict[str, Any] = field(default_factory=dict)


ENDS = {
    "an answer": End([FINE], "answered", 200, request_id="abc"),
    "a write": End([Say(201, SESSION)], "answered", 201, call=write),
    "a path of the API": End(
        [FINE], "answered", 200, request_id="abc", call=lambda user: user.request("GET", "/api/x")
    ),
    "no such object": End([Say(404, headers=ID)], "status_error", 404, "NotFoundError", request_id="abc"),
    "an answer after failures": End([Say(500), Reset(), FINE], "answered", 200, attempts=3, request_id="abc"),
    "an answer after a broken body": End([CUT, FINE], "answered", 200, attempts=2, request_id="abc"),
    "failures only": End([Say(500)], "status_error", 500, "ServerError", attempts=3),
    "silence": End(
        [Silence()], "transport_error", None, "RequestTimeoutError", options={"timeout": 0.05, "retries": 0}, call=write
    ),
    "a reset": End([Reset()], "transport_error", None, "TransportError", call=write),
    "a broken body of a write": End([CUT], "decode_error", 200, "DecodeError", call=write, options={"strict": True}),
    "no JSON": End([Say(body=b"{", headers=ID)], "decode_error", 200, "DecodeError", request_id="abc"),
    "a surprise": End([ODD], "answered", 200, request_id="abc"),
    "a strict reader": End([ODD], "decode_error", 200, "DecodeError", request_id="abc", options={"strict": True}),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_a_call_has_one_end(end: End) -> None:
    """It says what came of the call, and what it took."""
    heard = Heard()
    async with Scripted(*end.script) as server:
        async with client(server, **{"retries": QUICK, "on_event": heard.append, **end.options}) as user:
            await outcome(end.call(user))

    told = heard.the_end()
    assert (told.outcome, told.status_code, told.error) == (end.outcome, end.status, end.error)
    assert (told.attempts, told.request_id) == (end.attempts, end.request_id)
    assert len(heard.of(RequestSent)) == end.attempts
    assert 0 <= told.waited <= told.elapsed


async def test_the_order_of_events():
    """As `sessions_us.events` says."""
    heard = Heard()
    throttled = Say(429, headers={"retry-after": "0"})
    async with Scripted(throttled, CUT, ODD) as server:
        async with client(server, retries=QUICK, on_event=heard.append) as user:
            await read(user)

    first = "RequestGranted RequestSent ResponseReceived RequestThrottled"
    second = "RetryScheduled RequestGranted RequestSent ResponseReceived RequestFailed"
    third = "RetryScheduled RequestGranted RequestSent ResponseReceived SchemaDrift"
    told = heard.of_call(heard.the_end().call).replace("RequestQueued ", "")
    assert told == f"CallStarted {first} {second} {third} CallEnded"
    assert {event.operation for event in heard.of(CallEvent)} == {"get_session"}


async def test_a_retry_that_comes_too_late_is_not_told(lines):
    """The server asks for more than `max_wait`: there is one request, and no word of another. With more patience it is told."""
    heard = Heard()
    throttled = Say(429, headers={"retry-after": "60"})
    async with Scripted(throttled, throttled) as server:
        async with client(server, retries=QUICK, max_wait=3, on_event=heard.append) as user:
            await outcome(read(user))
            assert not heard.of(RetryScheduled)
            assert (heard.the_end().outcome, heard.the_end().attempts) == ("status_error", 1)
            assert [text for _, text in lines() if "attempt" in text] == []


async def test_a_retry_after_a_429_tells_the_known_wait():
    """Of the Retry-After, which the quota waits for."""
    heard = Heard()
    async with Scripted(Say(429, headers={"retry-after": "60"})) as server:
        async with client(server, retries=QUICK, on_event=heard.append) as user:
            reading = start(read(user))
            await until(lambda: heard.of(RequestQueued))
            await cancelled(*reading)

    (retry,) = heard.of(RetryScheduled)
    assert (retry.attempt, retry.reason) == (2, "429")
    assert 60 <= retry.delay <= 61


# -- calls that send nothing -------------------------------------------------------------------------------------------


async def test_a_refusal():
    """Its place, and when it could have been sent."""
    heard = Heard()
    async with Numbered() as server, client(server, on_event=heard.append) as user:
        await spend(user, server)
        heard.clear()
        with pytest.raises(QuotaTimeoutError) as caught:
            await user.with_options(lane="background", max_wait=1).rooms.get("r1")

    refused, end = heard.of(RequestRefused)[0], heard.the_end()
    assert (end.outcome, end.error, end.attempts, end.status_code) == ("refused", "QuotaTimeoutError", 0, None)
    assert (refused.lane, refused.position, refused.retry_after) == ("background", 1, caught.value.retry_after)
    assert heard.of_call(end.call).endswith("RequestRefused CallEnded")


async def test_no_refusal_once_it_was_sent():
    """The second attempt would come too late: the call fails as its first one did."""
    heard = Heard()
    spent = Say(503, headers={**SPENT, "retry-after": "1"})
    async with Scripted(spent) as server:
        async with client(server, retries=QUICK, max_wait=5, on_event=heard.append) as user:
            await outcome(read(user))

    assert not heard.of(RequestRefused)
    assert (heard.the_end().outcome, heard.the_end().attempts) == ("status_error", 1)


async def test_a_closed_client():
    """Before the call, and while it waits."""
    heard = Heard()
    async with Numbered() as server, client(server, on_event=heard.append) as user:
        await spend(user, server)
        heard.clear()
        waiting = start(outcome(user.rooms.get("r1")))
        await until(lambda: heard.of(RequestQueued))
        await user.aclose()
        await asyncio.gather(*waiting, outcome(user.rooms.create(name="Room")))

    assert heard.ends == ["closed", "closed"]
    assert {end.error for end in heard.of(CallEnded)} == {"ClientClosedError"}


async def test_a_call_that_nobody_waits_for():
    """`abort_on` ends it, in the queue or in flight."""
    heard = Heard()
    async with Numbered(held=True) as server, client(server, on_event=heard.append) as user:
        gone = asyncio.get_running_loop().create_future()
        (call,) = start(outcome(user.with_options(abort_on=gone).rooms.get("r1")))
        await until(lambda: server.arrived)
        gone.set_result(None)
        await call

    assert (heard.the_end().outcome, heard.the_end().error) == ("abandoned", "CallAbandonedError")
    assert heard.of(RequestFailed)[0].reason == "CancelledError"


async def test_a_cancelled_call():
    """While it waits for the quota."""
    heard = Heard()
    async with Numbered() as server, client(server, on_event=heard.append) as user:
        await spend(user, server)
        heard.clear()
        calls = start(user.rooms.get("r1"))
        await until(lambda: heard.of(RequestQueued))
        await cancelled(*calls)

    end = heard.the_end()
    assert (end.outcome, end.attempts, end.waited) == ("cancelled", 0, end.elapsed)
    assert heard.of_call(end.call) == "CallStarted RequestQueued CallEnded"


@pytest.mark.parametrize("call", [read, write])
async def test_a_call_that_is_cancelled_in_flight(call):
    """The server may have acted on it."""
    heard = Heard()
    async with Scripted(Silence()) as server, client(server, on_event=heard.append) as user:
        calls = start(call(user))
        await until(lambda: server.arrived)
        await cancelled(*calls)

    (failed,) = heard.of(RequestFailed)
    assert (failed.reason, failed.sent, failed.attempt) == ("CancelledError", "unknown", 1)
    assert (heard.the_end().outcome, heard.the_end().attempts) == ("cancelled", 1)


async def test_any_other_exception():
    """Of a caller's own transport, say."""

    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise ZeroDivisionError

    heard = Heard()
    async with client("http://127.0.0.1", transport=Broken(), on_event=heard.append) as user:
        assert isinstance(await outcome(read(user)), ZeroDivisionError)

    assert (heard.the_end().outcome, heard.the_end().error) == ("failed", "ZeroDivisionError")


# -- attempts ------------------------------------------------------------------------------------------------------------


async def test_an_attempt_that_never_left():
    """Nobody listens."""
    heard = Heard()
    async with client(f"http://127.0.0.1:{unused_port()}", on_event=heard.append, retries=QUICK) as user:
        await outcome(write(user))

    failed = heard.of(RequestFailed)
    assert [(each.attempt, each.reason, each.sent) for each in failed] == [(n, "ConnectError", "no") for n in (1, 2, 3)]
    assert {(each.operation, each.method, each.path) for each in failed} == {("create_room", "POST", "/api/rooms")}
    assert heard.the_end().attempts == 3


@pytest.mark.parametrize(("does", "reason"), [(Reset(), "ReadError"), (CUT, "RemoteProtocolError")])
async def test_an_attempt_that_may_have_arrived(does, reason):
    """No answer came, or not all of it."""
    heard = Heard()
    async with Scripted(does) as server, client(server, on_event=heard.append) as user:
        await outcome(read(user))

    (failed,) = heard.of(RequestFailed)
    assert (failed.sent, failed.reason) == ("unknown", reason)
    assert len(heard.of(ResponseReceived)) == (does is CUT)


def test_an_attempt_that_took_too_long() -> None:
    """It took what the call allows."""

    async def main() -> Heard:
        heard, clock = Heard(), LoopClock(asyncio.get_running_loop().time)
        options: dict[str, Any] = {"clock": clock, "transport": Slow(), "timeout": 2}
        async with client("http://127.0.0.1", on_event=heard.append, **options) as user:
            await outcome(write(user))
        return heard

    (failed,) = run(main()).of(RequestFailed)
    assert (failed.sent, failed.reason, failed.elapsed) == ("unknown", "TimeoutError", pytest.approx(2))


# -- shared reads --------------------------------------------------------------------------------------------------------


async def test_joined_reads():
    """Each caller has a number and an end of its own. The joined one tells whom it joined, and that it sent nothing."""
    heard = Heard()
    async with Numbered(held=True) as server, client(server, on_event=heard.append) as user:
        server.headers = ID
        calls = start(user.rooms.get("r1"), user.rooms.get("r1"))
        await until(lambda: server.arrived)
        server.release()
        await asyncio.gather(*calls)

    (shared,), ends = heard.of(ResponseShared), {end.outcome: end for end in heard.of(CallEnded)}
    assert (shared.call, shared.joined) == (ends["shared"].call, ends["answered"].call)
    assert heard.of_call(shared.call) == "CallStarted ResponseShared CallEnded"
    assert (ends["shared"].attempts, ends["shared"].waited) == (0, ends["shared"].elapsed)
    assert {end.request_id for end in ends.values()} == {"abc"} == {shared.request_id}


async def test_a_joined_read_that_fails():
    """It says whose failure it is, before its end; with a copy instead, before that."""
    heard = Heard()
    async with Scripted(FINE, Say(500, headers=ID), held=True) as server:
        server.release()
        async with client(server, on_event=heard.append, cache_ttl=0.001, stale_if_error=600) as user:
            await read(user)
            await asyncio.sleep(0.01)
            heard.clear()
            plain = user.with_options(stale_if_error=0)
            calls = start(outcome(read(plain)), outcome(read(plain)), read(user))
            await asyncio.gather(*calls)

    first, *joined = heard.of(CallEnded)
    assert {each.joined for each in heard.of(ResponseShared)} == {first.call}
    assert {each.request_id for each in heard.of(ResponseShared)} == {"abc"}
    told = {end.outcome: heard.of_call(end.call) for end in joined}
    assert told["status_error"] == "CallStarted ResponseShared CallEnded"
    assert told["cached"] == "CallStarted ResponseShared CacheHit CallEnded"


async def test_a_joined_read_whose_first_caller_leaves():
    """The request goes on with the number of the call that began it, after that one's end."""
    heard = Heard()
    async with Numbered(held=True) as server, client(server, on_event=heard.append) as user:
        first, second = start(user.rooms.get("r1"), user.rooms.get("r1"))
        await until(lambda: server.arrived)
        await cancelled(first)
        server.release()
        await second

    (shared,) = heard.of(ResponseShared)
    assert heard.of_call(shared.joined) == "CallStarted RequestGranted RequestSent CallEnded ResponseReceived"
    assert heard.ends == ["cancelled", "shared"]


async def test_a_joined_read_that_sends_again():
    """It has more attempts than the call that it joined, and counts those of its own."""
    heard = Heard()
    async with Scripted(Say(500), FINE, held=True) as server, client(server, on_event=heard.append) as user:
        calls = start(outcome(read(user)), read(user.with_options(retries=QUICK)))
        await until(lambda: server.arrived)
        server.release()
        await asyncio.gather(*calls)

    assert [(end.outcome, end.attempts) for end in heard.of(CallEnded)] == [("status_error", 1), ("answered", 1)]
    assert [sent.attempt for sent in heard.of(RequestSent)] == [1, 2]
    assert {len({event.call for event in heard.of(kind)}) for kind in (CallEnded, RequestSent)} == {2}


# -- copies --------------------------------------------------------------------------------------------------------------


async def test_a_copy():
    """Nothing is sent for it. The request id is that of the request that got it."""
    heard = Heard()
    async with Numbered() as server, client(server, cache_ttl=60, on_event=heard.append) as user:
        server.headers = ID
        await user.rooms.get("r1")
        heard.clear()
        await user.rooms.get("r1")

    end = heard.the_end()
    assert (end.outcome, end.status_code, end.attempts, end.request_id) == ("cached", 200, 0, "abc")
    assert heard.of_call(end.call) == "CallStarted CacheHit CallEnded"


async def test_a_renewal_is_a_call():
    """The caller gets the copy at once; what is asked meanwhile has a number of its own."""
    clock, heard = HandClock(), Heard()
    async with Numbered() as server:
        options = {"cache_ttl": 10, "stale_while_revalidate": 60, "clock": clock, "on_event": heard.append}
        async with client(server, **options) as user:
            await user.rooms.get("r1")
            clock.advance(20)
            heard.clear()
            await user.rooms.get("r1")
            await until(lambda: len(heard.ends) == 2)

    cached, renewed = heard.of(CallEnded)
    assert (cached.outcome, renewed.outcome) == ("cached", "answered")
    assert heard.of_call(cached.call) == "CallStarted CacheHit CallEnded"
    assert heard.of_call(renewed.call) == "CallStarted RequestGranted RequestSent ResponseReceived CallEnded"


async def test_a_renewal_that_fails():
    """It has an end too."""
    clock, heard = HandClock(), Heard()
    async with Numbered() as server:
        options = {"cache_ttl": 10, "stale_while_revalidate": 60, "clock": clock, "on_event": heard.append}
        async with client(server, **options) as user:
            await user.rooms.get("r1")
            clock.advance(20)
            server.status = 500
            await user.rooms.get("r1")
            await until(lambda: len(heard.ends) == 3)

    assert heard.ends == ["answered", "cached", "status_error"]


@pytest.mark.parametrize("trouble", ["a failure", "a refusal"])
async def test_a_copy_instead_of_an_error(trouble):
    """The attempt is told, and no refusal: the caller has an answer."""
    clock, heard = HandClock(), Heard()
    async with Numbered() as server:
        options = {"cache_ttl": 10, "stale_if_error": 60, "clock": clock, "on_event": heard.append, "max_wait": 1}
        async with client(server, **options) as user:
            await user.rooms.get("r1")
            clock.advance(20)
            if trouble == "a refusal":
                await spend(user, server)
            else:
                server.status = 502
            heard.clear()
            await user.rooms.get("r1")

    end = heard.the_end()
    assert (end.outcome, end.attempts) == ("cached", int(trouble == "a failure"))
    assert [hit.why for hit in heard.of(CacheHit)] == ["stale-if-error"]
    assert not heard.of(RequestRefused)


async def test_each_page_of_a_list_is_a_call():
    """Also of one that is given from copies."""
    heard = Heard()
    rows = lambda first: Say(body=[{"id": f"r{first + n}", "name": "Room"} for n in range(20)])  # noqa: E731

    def page(arrived: Arrived) -> Say:
        number = int(arrived.target.partition("page=")[2] or 1)
        return rows(number * 20) if number < 3 else Say(body=[])

    async with Scripted(page) as server, client(server, cache_ttl=60, on_event=heard.append) as user:
        await user.rooms.list().collect()
        asked = len(server.arrived)
        await user.rooms.list().collect()

    assert heard.ends == ["answered"] * asked + ["cached"] * asked
    assert len({end.call for end in heard.of(CallEnded)}) == 2 * asked


async def test_a_list_that_goes_on_with_copies():
    """A page that can't be had ends as its request did, though the list is read again from copies."""
    clock, heard = HandClock(), Heard()

    def page(arrived: Arrived) -> Say:
        return Say(body=[{"id": "r1", "name": "Room"}], headers=PLENTY)

    async with Scripted(page) as server:
        options = {"cache_ttl": 10, "stale_if_error": 60, "clock": clock, "on_event": heard.append}
        async with client(server, **options) as user:
            await user.rooms.list().collect()
            clock.advance(20)
            server.then(Say(502))
            heard.clear()
            assert await user.rooms.list().collect()

    assert heard.ends == ["status_error", "cached"]


# -- numbers, ids and times ----------------------------------------------------------------------------------------------


async def test_numbers_are_unique_in_the_process():
    """Several threads and loops draw from one counter."""
    heard = Heard()

    async def calls() -> None:
        async with Scripted(FINE) as server, client(server, on_event=heard.append) as user:
            for _ in range(20):
                await read(user)

    threads = [threading.Thread(target=asyncio.run, args=(calls(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)

    assert len({end.call for end in heard.of(CallEnded)}) == len(heard.of(CallEnded)) == 80


@pytest.mark.parametrize("header", ["x-request-id", "request-id", "x-correlation-id", "cf-ray"])
async def test_the_request_id_is_on_events_and_errors(header):
    """Of answers that are errors and of others, in whatever header the server sends it."""
    heard = Heard()
    say = [Say(status, body, {header: f"id {number}"}) for number, (status, body) in enumerate([(503, 1), (200, b"{")])]
    async with Scripted(*say) as server:
        async with client(server, retries=QUICK, on_event=heard.append) as user:
            error = await outcome(read(user))
            server.then(Say(404, headers={header: "id 2"}))
            missing = await outcome(read(user))

    assert isinstance(error, DecodeError)
    assert isinstance(missing, StatusError)
    assert (error.request_id, missing.request_id) == ("id 1", "id 2")
    assert [event.request_id for event in heard.of(ResponseReceived)] == ["id 0", "id 1", "id 2"]
    assert [event.request_id for event in heard.of(RetryScheduled)] == ["id 0"]
    assert [event.request_id for event in heard.of(CallEnded)] == ["id 1", "id 2"]


async def test_the_request_id_of_an_answer_that_breaks_off():
    """It is all that the operator of the server needs to find the request."""
    heard = Heard()
    broken = b'HTTP/1.1 200 OK\r\ncontent-length: 50\r\nx-request-id: id 0\r\n\r\n{"id"'
    async with Scripted(Say(raw=broken, close=True)) as server, client(server, on_event=heard.append) as user:
        error = await outcome(read(user))
    async with Scripted(Reset()) as server, client(server) as user:
        unanswered = await outcome(read(user))

    assert isinstance(error, TransportError)
    assert isinstance(unanswered, TransportError)
    assert (error.request_id, unanswered.request_id) == ("id 0", None)
    assert pickle.loads(pickle.dumps(error)).request_id == "id 0"
    assert [event.request_id for event in heard.of(CallEnded)] == ["id 0"]


async def test_a_request_id_that_echoes_the_key():
    """It is redacted wherever it goes."""
    heard, key = Heard(), f"secret-{uuid4()}"
    async with Scripted(Say(503, b"", {"x-request-id": key}), Say(body=b"{", headers={"x-request-id": key})) as server:
        async with client(server, key, retries=QUICK, on_event=heard.append) as user:
            error = await outcome(read(user))

    assert isinstance(error, DecodeError)
    assert error.request_id == "[api key]"
    assert key not in repr(heard)


async def test_a_drift_names_its_call():
    """And the answer that surprised."""
    heard = Heard()
    async with Scripted(ODD) as server, client(server, on_event=heard.append) as user:
        await read(user)

    (drift,) = heard.of(SchemaDrift)
    assert (drift.call, drift.operation, drift.request_id) == (heard.the_end().call, "get_session", "abc")


async def test_a_429_is_told():
    """With the pause that the server asks for."""
    heard = Heard()
    async with Scripted(Say(429, headers={"retry-after": "20", **ID})) as server:
        async with client(server, on_event=heard.append) as user:
            assert isinstance(await outcome(read(user)), RateLimitedError)

    (throttled,) = heard.of(RequestThrottled)
    end = heard.the_end()
    assert (throttled.retry_after, throttled.request_id, throttled.call) == (20.0, "abc", end.call)
    assert (end.outcome, end.status_code, end.error) == ("status_error", 429, "RateLimitedError")


class Slow(httpx.AsyncBaseTransport):
    """Answers after 3 seconds: with these statuses, then with 200. Each asks for a pause of 10."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3)
        status = self._statuses.pop(0) if self._statuses else 200
        return httpx.Response(status, json=SESSION, headers={} if status == 200 else {"retry-after": "10"})


def test_seconds_waited_and_in_all() -> None:
    """Waiting is what no request of the call is in flight for."""

    async def main() -> tuple[Heard, Heard]:
        alone, together = Heard(), Heard()
        clock = LoopClock(asyncio.get_running_loop().time)
        options: dict[str, Any] = {"clock": clock, "retries": QUICK}
        async with client("http://127.0.0.1", transport=Slow(503), on_event=alone.append, **options) as user:
            await read(user)
        async with client("http://127.0.0.1", transport=Slow(), on_event=together.append, **options) as user:
            first = asyncio.create_task(read(user))
            await asyncio.sleep(1)
            await asyncio.gather(first, read(user))
        return alone, together

    alone, together = run(main())
    end = alone.the_end()
    assert (end.attempts, end.waited, end.elapsed) == (2, pytest.approx(10, abs=0.1), pytest.approx(16, abs=0.1))
    ends = [(end.outcome, round(end.waited, 1), round(end.elapsed, 1)) for end in together.of(CallEnded)]
    assert sorted(ends) == [("answered", 0, 3), ("shared", 2, 2)]


def test_seconds_waited_for_the_quota() -> None:
    """One a minute: the second call waits for the first one's place."""

    async def main() -> Heard:
        heard = Heard()
        clock = LoopClock(asyncio.get_running_loop().time)
        options: dict[str, Any] = {"clock": clock, "quota": Quota(limit=1, window=60), "transport": Slow()}
        async with client("http://127.0.0.1", on_event=heard.append, **options) as user:
            await asyncio.gather(user.rooms.get("r1"), user.rooms.get("r2"))
        return heard

    first, second = run(main()).of(CallEnded)
    assert (first.waited, round(first.elapsed)) == (0, 3)
    assert second.waited >= 60
    assert second.elapsed - second.waited == pytest.approx(3, abs=0.1)


# -- the documentation ---------------------------------------------------------------------------------------------------


def test_the_documentation_names_every_event() -> None:
    """With all its fields, and every outcome. Its example counts outcomes."""
    guide = (Path(__file__).parents[1] / "docs" / "events.md").read_text("utf-8")
    rows = {name: row for row in guide.splitlines() if row.startswith("|") for name in re.findall(r"`(\w+)`", row)[:2]}
    base = {field.name for field in fields(CallEvent)}
    for name in sorted(set(events.__all__) - {"CallEvent", "ClientEvent", "ExportProgress"}):
        named = set(re.findall(r"`(\w+)`", rows[name]))
        own = {field.name for field in fields(getattr(events, name))} - (base if "`call`" not in rows[name] else set())
        assert own <= named | base, name
    assert set(get_args(events.Outcome)) <= rows.keys()

    names: dict[str, Any] = {}
    (example,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    exec(example.partition("user = ")[0], names)
    names["count"](events.CallEnded(call=1, operation="get_room", **ENDED))
    assert names["outcomes"] == {("get_room", "answered"): 1}


# -- the log -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """Level and text of what was logged since."""
    caplog.set_level(logging.INFO, "sessions_us")
    return lambda: [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "sessions_us"]


async def test_a_429_and_a_retry_in_the_log(lines):
    """With operation, number of the call and request id, though nobody listens. No path, and so no id of an object."""
    said = Say(503, headers={"retry-after": "0", **ID})
    async with Scripted(Say(429, headers={"retry-after": "0", **ID}), said, FINE) as server:
        async with client(server, retries=QUICK) as user:
            await user.sessions.get("private")

    throttled, again, once_more = lines()
    subject = throttled[1].partition(":")[0]
    assert subject.startswith("get_session (call ")
    assert subject.endswith(", request abc)")
    assert throttled == ("WARNING", f"{subject}: the server answered 429, and asked to wait 0.0 s")
    assert again[0] == "INFO"  # a slow machine has used up a part of the second
    assert re.fullmatch(rf"{re.escape(subject)}: attempt 2 follows in [01]\.\d s at the earliest, after 429", again[1])
    assert once_more == ("INFO", f"{subject}: attempt 3 follows in 0.0 s at the earliest, after 503")
    assert "private" not in str(lines())


async def test_a_long_wait_and_a_refusal_in_the_log(lines):
    """Each is one line. A call by method and path is named by its method."""
    heard = Heard()
    async with Numbered() as server, client(server, on_event=heard.append) as user:
        await spend(user, server)
        heard.clear()
        waiting = start(user.request("GET", "/api/private"))
        await until(lambda: heard.of(RequestQueued))
        await outcome(user.with_options(max_wait=1).rooms.get("private"))
        await cancelled(*waiting)

    waits, refused = lines()
    assert waits[0] == refused[0] == "INFO"
    assert waits[1].startswith(f"GET (call {heard.of(RequestQueued)[0].call}) waits for the quota: lane interactive")
    assert refused[1].startswith(
        f"get_room (call {heard.of(RequestRefused)[0].call}): not sent: position 2 in the lane"
    )
    assert "private" not in str(lines())


async def test_a_drift_in_the_log(lines):
    """Once for each operation and field."""
    async with Scripted(ODD) as server, client(server) as user:
        await read(user)
        await read(user)

    ((level, text),) = lines()
    assert level == "INFO"
    assert text.startswith("get_session (call ")
    assert text.endswith(", request abc): not as described: no date-time at startAt")


async def test_a_server_cant_write_the_log(caplog, lines):
    """Names of fields and ids of requests are one line, escaped and bounded, at every level; so is an error's message."""
    caplog.set_level(logging.DEBUG, "sessions_us")
    forged = "x\r\nWARNING sessions_us: all is lost\x1b[2J\u202e\u2028" + "y" * 3000
    odd = Say(body={**SESSION, forged: 1}, headers={"x-request-id": "\x1b[31m" + "z" * 3000})
    refused = Say(404, {"message": "\x1b]0;title\x07" + "w" * 3000}, headers={"x-request-id": "\x1b[31m" + "z" * 3000})
    async with Scripted(Say(429, headers={"retry-after": "0", **odd.headers}), odd, refused) as server:
        async with client(server, retries=QUICK) as user:
            await read(user)
            failure = await outcome(read(user))

    told = [text for _, text in lines()] + [str(failure)]
    assert any("not as described" in text for text in told)
    assert any("the server answered 429" in text for text in told)
    assert all(text.isprintable() for text in told)
    assert max(map(len, told)) < 800


async def test_every_event_at_debug(caplog):
    """Whether anybody listens or not."""
    caplog.set_level(logging.DEBUG, "sessions_us")
    async with Scripted(FINE) as server:
        for options in ({}, {"on_event": lambda event: None}):
            caplog.clear()
            async with client(server, **options) as user:
                await read(user)
            told = [each.getMessage().partition("(")[0] for each in caplog.records if each.name == "sessions_us"]
            assert told == ["CallStarted", "RequestGranted", "RequestSent", "ResponseReceived", "CallEnded"]


def test_the_log_of_a_program_without_a_logging_setup() -> None:
    """`SESSIONS_LOG=info` is enough."""
    code = """
import asyncio, httpx
from sessions_us import UserClient

async def main():
    answers = iter([httpx.Response(429, headers={"retry-after": "0"}), httpx.Response(200, json={"id": "r"})])
    transport = httpx.MockTransport(lambda request: next(answers))
    async with UserClient("key", base_url="http://127.0.0.1", transport=transport) as user:
        await user.rooms.get("private")

asyncio.run(main())
"""
    heard = python("-c", code, SESSIONS_LOG="info").stderr
    assert "WARNING sessions_us: get_room (call 1): the server answered 429" in heard
    assert "INFO sessions_us: get_room (call 1): attempt 2 follows" in heard
    assert "private" not in heard


READ = CallEnded(call=1, operation="get_room", **ENDED)


def test_an_event_is_a_value() -> None:
    """Equal, hashed, copied, printed and pickled by its fields; nothing of another class is equal to it."""
    drift = SchemaDrift(operation="x", field="a", problem="b")

    assert copy.copy(READ) == copy.deepcopy(READ) == pickle.loads(pickle.dumps(READ)) == READ
    assert hash(copy.copy(READ)) == hash(READ)
    assert READ not in (drift, repr(READ))
    assert repr(drift) == "SchemaDrift(call=0, operation='x', request_id=None, field='a', problem='b')"


def test_an_event_is_a_dataclass() -> None:
    """Its fields can be listed, and a copy can differ in one; it never changes itself."""
    other = dataclasses.replace(READ, call=2)

    assert [each.name for each in fields(SchemaDrift)] == ["call", "operation", "request_id", "field", "problem"]
    assert dataclasses.asdict(READ) == {
        "call": 1, "operation": "get_room", "request_id": None, "outcome": "answered", "status_code": 200,
        "error": None, "attempts": 1, "waited": 0.0, "elapsed": 0.1,
    }  # fmt: skip
    assert other != READ
    assert dataclasses.replace(other, call=1) == READ
    with pytest.raises(dataclasses.FrozenInstanceError):
        READ.call = 3  # type: ignore[misc]


def test_an_event_takes_names_only() -> None:
    """All of those without a default."""
    assert {each.kind for each in inspect.signature(CallEnded).parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    with pytest.raises(TypeError, match=r"CallEnded\.__init__\(\) missing 8 required keyword-only arguments"):
        CallEnded()  # type: ignore[call-arg]
