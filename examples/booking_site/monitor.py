"""What the clients of one worker do, gathered from their events, and what all workers do together."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions_us import (
    CacheHit,
    ClientEvent,
    GuestClient,
    RequestGranted,
    RequestQueued,
    RequestSent,
    RequestThrottled,
    ResponseShared,
    UserClient,
)

_SCHEMA = "CREATE TABLE IF NOT EXISTS workers (pid INTEGER PRIMARY KEY, active_at REAL, told_at REAL, state TEXT)"
_COUNTS = ("sent", "fresh", "stale", "rescued", "shared", "refused")
_LATEST = 12
_BEAT = 5.0  # seconds after which a worker tells that it is there, though nothing changed
_LOST = 15.0  # seconds after which one that told nothing is taken for dead

State = dict[str, Any]
"""Plain JSON: it goes to a file and to browsers."""


@dataclass
class _Waiting:
    operation: str
    lane: str
    since: float
    until: float | None


class Monitor:
    """Hears the events of this worker's clients (`hear` is their `on_event`) and counts.

    Args:
        patience: the clients' `max_wait`: nobody waits longer, and who gave up does so without an event.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: list[_Waiting] = []
        self._latest: deque[tuple[float, str]] = deque(maxlen=_LATEST)
        self.counts: dict[str, int] = dict.fromkeys(_COUNTS, 0)
        self.active_at: float = 0.0

    def hear(self, event: ClientEvent) -> None:
        match event:
            case RequestQueued():
                now, wait = time.time(), event.expected_wait
                if event.lane == "interactive" and wait is not None and wait > self._patience:
                    self._note(f"{event.operation} can't go for {wait:.0f} s: refused")
                else:
                    self._waiting.append(
                        _Waiting(event.operation, event.lane, now, None if wait is None else now + wait)
                    )
                    self._note(f"{event.operation} waits, {event.lane}")
            case RequestGranted() if event.waited:
                self._let_go(event.operation)
                self._note(f"{event.operation} may go, after {event.waited:.1f} s")
            case RequestSent():
                self.counts["sent"] += 1
                self._note(f"{event.operation} sent")
            case CacheHit():
                kind = {"fresh": "fresh", "stale-while-revalidate": "stale", "stale-if-error": "rescued"}[event.why]
                self.counts[kind] += 1
                self._note(f"{event.operation} from a copy, {event.age:.0f} s old")
            case ResponseShared():
                self.counts["shared"] += 1
                self._note(f"{event.operation} shared with another visitor")
            case RequestThrottled():
                self.counts["refused"] += 1
                self._note(f"{event.operation} was answered 429")
            case _:
                pass

    def _note(self, text: str) -> None:
        self.active_at = time.time()
        self._latest.append((self.active_at, text))

    def _let_go(self, operation: str) -> None:
        # A lane may have changed while it waited, so the operation is what tells.
        found = next((each for each in self._waiting if each.operation == operation), None)
        if found is not None:
            self._waiting.remove(found)

    def state(self, user: UserClient, guest: GuestClient) -> State:
        """Everything of this worker that the live page shows."""
        now = time.time()
        quotas: State = {}
        for name, client in (("user", user), ("guest", guest)):
            snapshot = client.quota.snapshot()
            quotas[name] = {
                "limit": snapshot.limit,
                "remaining": snapshot.remaining,
                "resets_at": None if snapshot.resets_in is None else round(now + snapshot.resets_in),
                "interactive": snapshot.waiting["interactive"],
                "background": snapshot.waiting["background"],
            }
        for lane in ("interactive", "background"):
            self._forget_who_left(lane, now, sum(quota[lane] for quota in quotas.values()))
        waiting = [
            {"label": each.operation, "lane": each.lane, "since": each.since, "until": each.until}
            for each in self._waiting
        ]
        return {"quotas": quotas, "counts": self.counts, "waiting": waiting, "latest": list(self._latest)}

    def _forget_who_left(self, lane: str, now: float, known: int) -> None:
        """No event tells that somebody gave up. But the queue's length is known, and so is the patience of visitors."""
        mine = [each for each in self._waiting if each.lane == lane]
        gone = mine[: max(0, len(mine) - known)]
        if lane == "interactive":
            gone += [each for each in mine if now - each.since > self._patience + 1 and each not in gone]
        self._waiting = [each for each in self._waiting if each not in gone]


class Board:
    """Where the workers tell each other what they do: one row each, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told, self._told_at = "", 0.0
        with closing(self._connect()) as file:
            file.execute(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5.0, isolation_level=None)

    async def tell(self, active_at: float, state: State) -> None:
        """Write this worker's row, if it changed or is old."""
        text, now = json.dumps(state), time.time()
        if text == self._told and now - self._told_at < _BEAT:
            return
        self._told, self._told_at = text, now

        def step() -> None:
            with closing(self._connect()) as file:
                row = (os.getpid(), active_at, now, text)
                file.execute("INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?)", row)

        await asyncio.to_thread(step)

    async def leave(self) -> None:
        """This worker ends."""

        def step() -> None:
            with closing(self._connect()) as file:
                file.execute("DELETE FROM workers WHERE pid = ?", (os.getpid(),))

        await asyncio.to_thread(step)

    async def read(self) -> State:
        """All workers together. The quotas are as the one knows them who used them last."""

        def step() -> list[tuple[int, str]]:
            with closing(self._connect()) as file:
                query = "SELECT pid, state FROM workers WHERE told_at > ? ORDER BY active_at"
                return file.execute(query, (time.time() - _LOST,)).fetchall()

        states = [(pid, json.loads(text)) for pid, text in await asyncio.to_thread(step)]
        latest = sorted((at, pid, text) for pid, state in states for at, text in state["latest"])
        return {
            "quotas": states[-1][1]["quotas"] if states else {},
            "counts": {name: sum(state["counts"][name] for _, state in states) for name in _COUNTS},
            "waiting": [{**each, "worker": pid} for pid, state in states for each in state["waiting"]],
            "latest": [{"at": at, "worker": pid, "text": text} for at, pid, text in reversed(latest[-_LATEST:])],
            "workers": [pid for pid, _ in states],
            "now": time.time(),
        }
