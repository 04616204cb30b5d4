"""Every fault on real sockets: how a call ends, what the server really received, and what the quota counts.

`docs/reliability.md` is what these tests found. `SESSIONS_WRITE_DOCS=1` writes it again.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpcore
import pytest
from sessions_us_api.operations import OPERATIONS
from support.faults import FAULTS, LIMIT, MATTER_MOST, Fault
from support.further import further
from support.operations import CASES, Case, World
from support.scripted import Behaviour, Early, Say, Scripted, unused_port

from sessions_us import (
    DecodeError,
    GuestClient,
    RequestSent,
    RetryPolicy,
    RetryScheduled,
    SessionsError,
    StatusError,
    TransportError,
    UserClient,
)
from sessions_us._send.body import read

pytestmark = pytest.mark.anyio

REPORT = Path(__file__).parents[1] / "docs" / "reliability.md"
DAY = datetime(2026, 5, 4, tzinfo=UTC)
OPERATIONS_TRIED: dict[str, Callable[[UserClient], Awaitable[object]]] = {
    "read": lambda user: user.sessions.get("s1"),
    "write": lambda user: user.rooms.create(name="Room"),
    "delete": lambda user: user.rooms.delete("r1"),
    "slots": lambda user: user.booking_pages.slots("p1", start=DAY, end=DAY),
    "list": lambda user: user.sessions.list().collect(),
}
GOOD = {"read": {"id": "s1"}, "write": {"id": "r1"}, "delete": None, "slots": [], "list": []}
WORLD = World("p1", "p2", "c1", "b1", "b2", "r1", "s1", "u1", "e1", "w1")
POLICY = RetryPolicy(attempts=3, backoff=0.001)


@dataclass(frozen=True)
class Seen:
    """What a call came to.

    Attributes:
        cell: in words, with the number of requests that the server read.
        outcome: what it returned or raised.
        received: requests that the server read.
        sent: attempts that the client made.
        snapshot: of the quota, right afterwards.
    """

    cell: str
    outcome: object
    received: int
    sent: int
    snapshot: Any


def words(outcome: object) -> str:
    kind = type(outcome).__name__
    if isinstance(outcome, StatusError):
        asked = "" if outcome.retry_after is None else f" after {outcome.retry_after:.15g} s"
        return f"{kind} {outcome.status_code}{asked}"
    if isinstance(outcome, TransportError):
        return f"{kind} sent={outcome.sent}"
    if isinstance(outcome, DecodeError):
        return f"{kind} {outcome.status_code}"
    if isinstance(outcome, list):
        return f"{len(outcome)} rows"
    return "None" if outcome is None else kind


async def seen(
    call: Callable[[Any], Awaitable[object]], *script: Behaviour, role: str = "user", patience: float
) -> Seen:
    """Makes one call to a server that does this."""
    events: list[object] = []
    kind = UserClient if role == "user" else GuestClient
    async with Scripted(*(script or (Say(),))) as server:
        url = server.url if script else f"http://127.0.0.1:{unused_port()}"
        options: dict[str, Any] = {"retries": POLICY, "timeout": patience, "max_wait": 5, "on_event": events.append}
        async with kind(f"key-{uuid4()}", base_url=url, **options) as client:
            outcome: object
            try:
                async with asyncio.timeout(100):
                    outcome = await call(client)
            except SessionsError as error:
                outcome = error
            snapshot = client.quota.snapshot()
        while server.open_connections:  # it reads what was sent before the client gave up
            await asyncio.sleep(0)
        received = len(server.arrived)
    sent = sum(isinstance(event, RequestSent) for event in events)
    return Seen(f"{words(outcome)} x{received}", outcome, received, sent, snapshot)


_rows: dict[str, dict[str, Seen]] = {}


async def row(fault: Fault) -> dict[str, Seen]:
    """What the five kinds of operations come to under a fault that stays. Computed once."""
    if fault.name not in _rows:
        script = () if fault.does is None else (fault.does,)
        calls = (seen(call, *script, patience=fault.patience) for call in OPERATIONS_TRIED.values())
        _rows[fault.name] = dict(zip(OPERATIONS_TRIED, await asyncio.gather(*calls), strict=True))
    return _rows[fault.name]


@pytest.mark.parametrize("fault", [*FAULTS[::2], *further(*FAULTS[1::2])], ids=lambda fault: fault.name)
async def test_a_fault_that_stays(fault):
    """Which error, how many requests the server received, and a quota that counts what may have counted, no more."""
    cells = await row(fault)

    assert {name: cell.cell for name, cell in cells.items()} == {name: fault.expected(name) for name in cells}
    for name, cell in cells.items():
        read = name in {"read", "slots", "list"}
        charged = fault.charged[0 if read else 1] if fault.charged else cell.received
        remaining = fault.remaining if fault.remaining is not None else LIMIT - charged
        assert (cell.snapshot.in_flight, sum(cell.snapshot.waiting.values())) == (0, 0)
        assert cell.snapshot.remaining == remaining, name
        if isinstance(cell.outcome, StatusError | TransportError | DecodeError):
            assert cell.outcome.method
            assert cell.outcome.path.startswith("/api/")


PASSING = [fault for fault in FAULTS if fault.does is not None and fault.patience > 5]


@pytest.mark.parametrize("fault", [*PASSING[1::2], *further(*PASSING[::2])], ids=lambda fault: fault.name)
async def test_a_fault_that_passes(fault):
    """Met once, then all is well: what may be sent again is, and succeeds; everything else was sent once."""
    assert fault.does is not None
    calls = (seen(call, fault.does, Say(body=GOOD[name]), patience=30) for name, call in OPERATIONS_TRIED.items())
    for name, result in zip(OPERATIONS_TRIED, await asyncio.gather(*calls), strict=True):
        stays = fault.expected(name)
        early = isinstance(fault.does, Early)
        again = name in {"read", "slots", "list"} if early else not stays.endswith("x1")

        assert result.received == (0 if early else 1) + again, name
        assert isinstance(result.outcome, SessionsError) == (not again and "Error" in stays), name
        assert (result.snapshot.in_flight, sum(result.snapshot.waiting.values())) == (0, 0)


_operations: dict[str, dict[str, Seen]] = {}


async def operation_row(case: Case) -> dict[str, Seen]:
    if case.operation not in _operations:
        calls = (
            seen(lambda client: case.call(client, WORLD), does, role=case.role, patience=30)
            for does in MATTER_MOST.values()
        )
        _operations[case.operation] = dict(zip(MATTER_MOST, await asyncio.gather(*calls), strict=True))
    return _operations[case.operation]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.operation)
async def test_an_operation_under_the_worst_faults(case):
    """Sent again only if doing it twice does no harm; said to be unknown where it is; done where the server said 2xx."""
    cells = await operation_row(case)
    repeatable = case.method == "GET" or case.operation == "list_booking_page_slots"
    times = 3 if repeatable else 1
    must_answer = repeatable or case.operation in {"create_session", "create_event", "create_webhook"}

    assert {name: cell.cell for name, cell in cells.items()} == {
        "reset after reading": f"TransportError sent=unknown x{times}",
        "502": f"ServerError 502 x{times}",
        "odd body": "DecodeError 200 x1" if must_answer else "None x1",
    }
    for cell in cells.values():
        assert cell.snapshot.in_flight == 0
        assert cell.snapshot.remaining == LIMIT - cell.received
    if must_answer and not repeatable:
        assert "the write happened" in str(cells["odd body"].outcome)


def test_all_operations_are_tried():
    """None is left out of the table."""
    assert {case.operation for case in CASES} == set(OPERATION_IDS)
    assert len(CASES) == 47


async def test_a_bomb_is_not_unpacked_to_be_measured():
    """64 MB that travel as 64 kB cost no more memory than the bound allows."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([*(packer.compress(bytes(2**20)) for _ in range(64)), packer.flush()])

    async def stream() -> AsyncGenerator[bytes, None]:
        yield packed

    tracemalloc.start()
    body = await read(stream(), "gzip", 2**20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (len(body.content), body.flaw) == (2**20, "the body is longer than 1048576 bytes")
    assert peak < 8 * 2**20


OPERATION_IDS = [operation.id for operation in OPERATIONS.values()]


@pytest.mark.parametrize("name", OPERATIONS_TRIED)
async def test_a_connection_closed_between_requests(name):
    """An idle connection that was closed is noticed before it is used: even a write goes out on a fresh one."""
    async with Scripted(Say(body={"id": "s1"}, close=True), Say(body=GOOD[name])) as server:
        async with UserClient(f"key-{uuid4()}", base_url=server.url, retries=POLICY) as user:
            await user.sessions.get("s1")
            while server.open_connections:
                await asyncio.sleep(0)
            await asyncio.sleep(0)

            await OPERATIONS_TRIED[name](user)

    assert (len(server.arrived), server.connections) == (2, 2)


@pytest.mark.parametrize(("idle", "connections"), [(1, 1), (3, 2)])
async def test_an_idle_connection_is_dropped_early(idle, connections, monkeypatch):
    """A server closes them after 5 seconds; a write that meets that moment would be ambiguous. The clock is the pool's own."""
    ahead = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead)
    monkeypatch.setattr(sys.modules[httpcore.AsyncHTTP11Connection.has_expired.__module__], "time", clock)
    async with Scripted(Say(body={"id": "s1"}), Say(body=GOOD["write"])) as server:
        async with UserClient(f"key-{uuid4()}", base_url=server.url) as user:
            await user.sessions.get("s1")
            ahead = idle
            await OPERATIONS_TRIED["write"](user)

    assert (len(server.arrived), server.connections) == (2, connections)


@pytest.mark.parametrize("name", OPERATIONS_TRIED)
async def test_a_connection_closed_under_a_request(name):
    """No client can win this race. A read goes out again at once, without back-off; a write ends in doubt."""
    events: list[object] = []
    policy = RetryPolicy(attempts=2, backoff=1000, backoff_max=1000)
    script = Say(body={"id": "s1"}), Say(raw=b"", close=True), Say(body=GOOD[name])
    async with Scripted(*script) as server:
        options: dict[str, Any] = {"base_url": server.url, "retries": policy, "on_event": events.append}
        async with UserClient(f"key-{uuid4()}", **options) as user:
            await user.sessions.get("s1")
            if name in {"write", "delete"}:
                with pytest.raises(TransportError) as caught:
                    await OPERATIONS_TRIED[name](user)
                assert caught.value.sent == "unknown"
            else:
                await OPERATIONS_TRIED[name](user)
            snapshot = user.quota.snapshot()

    retries = [event for event in events if isinstance(event, RetryScheduled)]
    assert [event.delay for event in retries] == ([] if name in {"write", "delete"} else [0.0])
    assert len(server.arrived) == 2 + len(retries)
    assert (snapshot.remaining, snapshot.in_flight) == (LIMIT - len(server.arrived), 0)


TITLE = """# What happens when something fails

Found by `tests/test_faults.py`, which makes each call against a server on a real socket that misbehaves, and written by it;
do not edit. A cell says how the call ends, and how many requests the server has received (`x3`: three). The client was
allowed 3 attempts, 5 seconds of waiting in all, and 30 seconds for each attempt (2 where the server says nothing).

Reads, `slots` and lists are sent again after a failure that may pass. A write or a delete is sent again only if it provably
never left this machine, or if the server said that it did nothing (429, and 503 with a Retry-After that can be read).
`sent=unknown` tells that the server may have acted; look before you send it again. A write that was answered 2xx has
happened, however odd the rest of the answer: `None`, and an event that tells. `after 7 s` is the pause that the server
asked for, in the error's `retry_after`. In every cell the quota counts afterwards what the server may have counted, and no
call has left a lease, a place in the queue or a connection behind.
"""


async def report() -> str:
    """The tables as Markdown."""
    lines = [TITLE, "## A fault that stays", ""]
    lines += ["| fault | " + " | ".join(OPERATIONS_TRIED) + " |", "|---" * (1 + len(OPERATIONS_TRIED)) + "|"]
    for fault in FAULTS:
        cells = await row(fault)
        lines.append(f"| {fault.name} | " + " | ".join(cells[name].cell for name in OPERATIONS_TRIED) + " |")
    lines += ["", "## Every operation, under the three faults that matter most", ""]
    lines += ["| operation | " + " | ".join(MATTER_MOST) + " |", "|---" * (1 + len(MATTER_MOST)) + "|"]
    for case in sorted(CASES, key=lambda case: case.operation):
        cells = await operation_row(case)
        lines.append(f"| `{case.operation}` | " + " | ".join(cells[name].cell for name in MATTER_MOST) + " |")
    return "\n".join(lines) + "\n"


async def test_the_document_tells_what_was_found():
    """docs/reliability.md is this run's result, and nothing in it is a hang, a loss or a second sending."""
    text = await report()
    if os.environ.get("SESSIONS_WRITE_DOCS"):
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(text, encoding="utf-8")

    assert REPORT.read_text(encoding="utf-8") == text, "SESSIONS_WRITE_DOCS=1 writes it again"
    for fault in FAULTS:
        for name, cell in (await row(fault)).items():
            told_nothing_done = "429" in cell.cell or " after " in cell.cell or "sent=no" in cell.cell
            assert name not in {"write", "delete"} or told_nothing_done or cell.sent == 1, "sent twice"
            assert not (cell.received and "sent=no" in cell.cell), "lost"
