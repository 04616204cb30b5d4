"""The order of events, for whatever servers and callers do: hypothesis writes the scripts, in virtual time."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import run
from support.waiting import outcome

from sessions_us import CallEnded, CallEvent, ClientEvent, Quota, RetryPolicy, UserClient
from sessions_us.quota.clock import LoopClock

LETTERS = {
    "CallStarted": "b",
    "RequestQueued": "q",
    "RequestGranted": "g",
    "RequestSent": "s",
    "ResponseReceived": "r",
    "RequestThrottled": "t",
    "RequestFailed": "f",
    "RetryScheduled": "y",
    "CacheHit": "h",
    "ResponseShared": "j",
    "SchemaDrift": "d",
    "RequestRefused": "x",
    "CallEnded": "e",
}
SENT = "q?gs(rt?f?|f)"
CUT_SHORT = "(q?g?)"  # an attempt that is not sent: its caller left, it was refused, or the client was closed
ATTEMPTS = (
    f"y?({SENT}(y{SENT})*(y{CUT_SHORT})?|{CUT_SHORT})"  # the first "y": after the attempts of a call that was joined
)
CALL = re.compile(f"b{ATTEMPTS}j?h?d*x?e")
END = re.compile("x?e")

_serial = count()


@dataclass(frozen=True)
class Does:
    """What the server does with one request, after some seconds."""

    what: str
    after: float


class Wire(httpx.AsyncBaseTransport):
    """A server that follows a script, and then answers well at once."""

    def __init__(self, script: Sequence[Does]) -> None:
        self._script = deque(script)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        does = self._script.popleft() if self._script else Does("200", 0)
        await asyncio.sleep(does.after)
        row = {"id": "r1", "name": "Room"}
        body: Any = row if request.url.path.endswith("r1") or request.method != "GET" else [row]
        match does.what:
            case "connect":
                raise httpx.ConnectError("no")
            case "reset":
                raise httpx.ReadError("no")
            case "cut":
                return httpx.Response(200, stream=Cut())
            case "odd":
                return httpx.Response(200, json={**row, "createdAt": "tomorrow"}, headers={"x-request-id": "odd"})
            case "no json":
                return httpx.Response(200, content=b"{")
            case "later":
                return httpx.Response(503, headers={"retry-after": "7"})
            case status:
                return httpx.Response(int(status), json=body)


class Cut(httpx.AsyncByteStream):
    """A body that breaks off."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{"
        raise httpx.ReadError("no")


@dataclass(frozen=True)
class Asks:
    """One call, when it begins, and when its caller leaves; None: never."""

    what: str
    at: float
    leaves: float | None
    gives_up: bool
    options: dict[str, Any]


DOES = st.builds(
    Does,
    st.sampled_from(["200", "200", "404", "429", "500", "later", "connect", "reset", "cut", "odd", "no json"]),
    st.sampled_from([0, 1, 4, 40]),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "max_wait": st.sampled_from([0, 3, 15]),
        "timeout": st.sampled_from([2, 10]),
        "retries": st.builds(RetryPolicy, attempts=st.integers(1, 3), backoff=st.just(4.0)),
        "cache_ttl": st.sampled_from([5, 50]),
        "stale_while_revalidate": st.just(30),
        "stale_if_error": st.just(30),
        "strict": st.booleans(),
    },
)
ASKS = st.builds(
    Asks,
    what=st.sampled_from(["get", "get", "get", "create", "list", "request"]),
    at=st.sampled_from([0, 0, 1, 5, 12, 30]),
    leaves=st.sampled_from([None, None, None, 0.5, 2, 8, 20]),
    gives_up=st.booleans(),
    options=OPTIONS,
)


async def made(user: UserClient, asks: Asks) -> None:
    """Make one call, as its caller does."""
    await asyncio.sleep(asks.at)
    options, loop, gone = dict(asks.options), asyncio.get_running_loop(), None
    strict = user if not options.pop("strict", False) else user.with_options(strict=True)
    if asks.gives_up and asks.leaves is not None:
        options["abort_on"] = gone = loop.create_future()
        loop.call_later(asks.leaves, gone.set_result, None)
    client = strict.with_options(**options)
    calls = {
        "get": lambda: client.rooms.get("r1"),
        "create": lambda: client.rooms.create(name="Room"),
        "list": lambda: client.rooms.list().collect(limit=2),
        "request": lambda: client.request("GET", "/api/other"),
    }
    call = asyncio.ensure_future(calls[asks.what]())
    await asyncio.wait([call], timeout=None if gone is not None else asks.leaves)
    call.cancel()
    await asyncio.wait([call])
    if not call.cancelled():
        call.exception()


async def told(script: Sequence[Does], asked: Sequence[Asks], closes: float | None) -> list[ClientEvent]:
    """What a client tells of these calls."""
    events: list[ClientEvent] = []
    loop = asyncio.get_running_loop()
    user = UserClient(
        "key",
        base_url=f"http://events-{next(_serial)}.test",
        allow_http=True,
        quota=Quota(limit=3, window=20),
        clock=LoopClock(loop.time),
        transport=Wire(script),
        on_event=events.append,
    )
    async with user:
        calls = [asyncio.ensure_future(outcome(made(user, each))) for each in asked]
        await asyncio.wait(calls, timeout=closes)
    await asyncio.gather(*calls)
    return events


@settings(max_examples=300)
@given(
    script=st.lists(DOES, max_size=8),
    asked=st.lists(ASKS, min_size=1, max_size=5),
    closes=st.sampled_from([None, None, 3, 9]),
)
def test_any_call_tells_its_events_in_order(script, asked, closes):
    """The parts of an attempt, the attempts, and one end. A request that others share may go on after it."""
    events = run(told(script, asked, closes))

    calls: dict[int, list[CallEvent]] = {}
    for event in events:
        if isinstance(event, CallEvent):
            calls.setdefault(event.call, []).append(event)
    reads = sum(each.what != "create" for each in asked)
    for number, heard in calls.items():
        text = "".join(LETTERS[type(event).__name__] for event in heard)
        assert len({event.operation for event in heard}) == 1
        assert text.count("e") == 1, f"call {number}: {text}"
        end = next(event for event in heard if isinstance(event, CallEnded))
        if text.endswith("e"):
            assert CALL.fullmatch(text), f"call {number}: {text}"
            assert end.attempts == text.count("s")
        else:  # its caller left, and another one waits for the same read
            assert reads > 1
            assert heard[0].operation != "create_room"
            assert end.outcome not in {"answered", "shared", "cached"}
            assert CALL.fullmatch(END.sub("", text) + "e"), f"call {number}: {text}"
        assert -1e-6 <= end.waited <= end.elapsed + 1e-6
