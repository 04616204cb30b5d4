"""One stage of a call alone: an inner stage that does what a test tells it, and calls to send through."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from sessions_us import RetryPolicy, StatusError, TransportError
from sessions_us._send.call import Answer, Call, Identity, Request
from sessions_us._send.options import Options
from sessions_us.quota import Lane
from sessions_us.quota.clock import Clock

__all__ = ("ALICE", "Inner", "answer", "lost", "read", "refusal", "write")

ALICE = Identity("alice", "https://api.test", is_guest=False)


def answer(name: str = "Room") -> Answer:
    return Answer(200, name.encode())


def refusal(status: int, retry_after: float | None = None) -> StatusError:
    """The error of a status."""
    return StatusError.of(status)(
        "x", status_code=status, body=None, headers={}, method="GET", path="/", retry_after=retry_after
    )


def lost(sent: Any) -> TransportError:
    """The error of an attempt without an answer."""
    return TransportError("x", sent=sent, method="GET", path="/")


class Inner:
    """A stage that gives these outcomes, one for each call; the last one for all further ones.

    Attributes:
        calls: what was sent.
        gate: outcomes come as soon as it is open.
        refuses: what `check` raises.
        closed: how often it was closed.
    """

    def __init__(self, *outcomes: Answer | Exception, held: bool = False) -> None:
        self._outcomes = deque(outcomes or (answer(),))
        self.calls: list[Call] = []
        self.gate = asyncio.Event()
        self.refuses: Exception | None = None
        self.closed = 0
        if not held:
            self.gate.set()

    async def send(self, call: Call) -> Answer:
        """As the retry stage does, where the call has no lease; else as http does."""
        self.calls.append(call)
        if call.lease is None:
            call.waiters.sent()
        await self.gate.wait()
        outcome = self._outcomes.popleft() if len(self._outcomes) > 1 else self._outcomes[0]
        if call.lease is not None:
            if isinstance(outcome, TransportError):
                await (call.lease.refund() if outcome.sent == "no" else call.lease.unknown())
            else:
                await call.lease.done(outcome.status_code if isinstance(outcome, Answer | StatusError) else 200, [])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def check(self) -> None:
        if self.refuses is not None:
            raise self.refuses

    async def aclose(self) -> None:
        self.closed += 1


def read(clock: Clock, path: str = "/api/rooms/r1", *, lane: Lane = "interactive", **options: Any) -> Call:
    """A GET of a room."""
    request = Request("get_room", "GET", path, (), None, repeatable=True, invalidates=())
    return Call(request, _options(options), ALICE, lane, clock)


def write(clock: Clock, path: str = "/api/rooms/r1", *, lane: Lane = "interactive", **options: Any) -> Call:
    """A PUT of a room, which changes what GET answers."""
    request = Request("update_room", "PUT", path, (), b"{}", repeatable=False, invalidates=("get_room", "list_rooms"))
    return Call(request, _options(options), ALICE, lane, clock)


def _options(options: dict[str, Any]) -> Options:
    return Options(**{"retries": RetryPolicy(attempts=1), **options})
