"""Several real processes that share a key, and what they told."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from sessions_us.sandbox import Sandbox

__all__ = ("Fleet", "Worker")

WORKER = Path(__file__).with_name("fleet_worker.py")


class Worker:
    """One process: what it told so far, each line a dictionary."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.told: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())
        self._news = asyncio.Event()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.told.append(json.loads(line))
            self._news.set()
        self._news.set()

    async def until(self, what: str, count: int = 1) -> None:
        """Wait until it told something so many times; fails if it ends before."""
        while len(self.all(what)) < count:
            assert not self._reading.done(), f"it ended without {what}: {self.told}"
            self._news.clear()
            await self._news.wait()

    def all(self, *what: str) -> list[dict[str, Any]]:
        return [each for each in self.told if each["what"] in what]

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    async def kill(self) -> None:
        """SIGKILL: it can neither end its leases nor leave the queue."""
        self.process.kill()
        await self.process.wait()

    async def end(self) -> int:
        await self._reading
        return await self.process.wait()


class Fleet:
    """Processes for one sandbox and one store. Each has calls of its own, numbered by hundreds."""

    def __init__(self, sandbox: Sandbox, store: str, *, calls: int = 15, **options: object) -> None:
        self.sandbox = sandbox
        self.workers: list[Worker] = []
        self._options: dict[str, object] = {
            "store": store,
            "url": sandbox.url,
            "key": sandbox.user_key,
            "limit": sandbox.limiter.limit,
            "window": sandbox.limiter.window,
            "calls": calls,
            **options,
        }

    async def start(self, count: int) -> None:
        """Start them, and let them go when all are ready."""
        for number in range(count):
            options = {**self._options, "first": 100 * number}
            words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(WORKER),
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self.workers.append(Worker(process))
        await asyncio.gather(*(worker.until("ready") for worker in self.workers))
        for worker in self.workers:
            worker.begin()

    async def end(self) -> None:
        """Wait for all, and see that none failed."""
        assert [await worker.end() for worker in self.workers] == [0] * len(self.workers), self.all("failed")

    def all(self, *what: str) -> list[dict[str, Any]]:
        return [each for worker in self.workers for each in worker.all(*what)]

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.process.returncode is None:
                await worker.kill()
            await worker.end()
            assert worker.process.stdin is not None
            worker.process.stdin.close()

    # -- what came out -----------------------------------------------------------------------------------------------

    def arrivals(self) -> dict[int, float]:
        """When each call arrived at the server, by the server's clock."""
        return {int(request.query["call"]): request.at for request in self.sandbox.requests}

    def makespan(self) -> float:
        """Seconds from the first arrival to the last."""
        moments = self.arrivals().values()
        return max(moments) - min(moments)

    def overtaken(self, by: float) -> list[tuple[int, int]]:
        """Pairs of calls: the first was called and yet granted later than the second, both by more than so many seconds."""
        called = {each["call"]: each["called"] for each in self.all("done")}
        granted = {each["call"]: each["at"] for each in self.all("granted")}
        return [
            (early, late)
            for early in called
            for late in called
            if called[late] - called[early] > by and granted[early] - granted[late] > by
        ]
