"""How much slower the sandbox answers than a bare Starlette application with the same bytes, on the same kind of server.

Run it from a checkout: `python benchmarks/sandbox.py [--sessions 20000] [--seconds 2]`. Each server has a process of its own. One
client asks one request after the other, by turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.server import LoopbackServer

ROUNDS = 40


def sandbox(sessions: int, pipe: Connection) -> None:
    async def main() -> None:
        rows = [
            {"id": f"s{number}", "name": f"Session {number}", "startAt": "2030-01-01T09:00:00Z"}
            for number in range(sessions)
        ]
        async with Sandbox(limit=10**9, empty=True, data={"sessions": rows}) as serving:
            pipe.send((serving.url, serving.user_key))
            await asyncio.to_thread(pipe.recv)

    asyncio.run(main())


def bare(bodies: dict[str, bytes], pipe: Connection) -> None:
    async def answer(request: Request) -> Response:
        return Response(bodies[request.url.path], media_type="application/json")

    async def main() -> None:
        server = LoopbackServer(Starlette(routes=[Route("/{path:path}", answer)]), "127.0.0.1", 0)
        await server.start()
        pipe.send((server.url, ""))
        await asyncio.to_thread(pipe.recv)
        await server.stop()

    asyncio.run(main())


class OtherProcess:
    """A connection to a server in another process."""

    def __init__(self, target: object, argument: object) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=target, args=(argument, theirs))  # type: ignore[arg-type]
        self._process.start()
        url, self._key = self._pipe.recv()
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path, headers={"x-api-key": self._key})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        return content

    def rate(self, path: str, seconds: float) -> float:
        count, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            self.get(path)
            count += 1
        return count / passed

    def end(self) -> None:
        self._pipe.send(None)
        self._process.join()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sessions", type=int, nargs="*", default=[100, 20_000])
    arguments.add_argument("--seconds", type=float, default=4.0, help="for each figure")
    options = arguments.parse_args()
    for sessions in options.sessions:
        ours = OtherProcess(sandbox, sessions)
        paths = {"one object": "/api/sessions/s0", "a page of 20": "/api/sessions"}
        bodies = {path: ours.get(path) for path in paths.values()}
        theirs = OtherProcess(bare, bodies)
        for name, path in paths.items():
            turn = options.seconds / ROUNDS / 2
            rates = [(ours.rate(path, turn), theirs.rate(path, turn)) for _ in range(ROUNDS)]
            here, there = (statistics.median(each) for each in zip(*rates, strict=True))
            ratio = statistics.median(one / other for one, other in rates)
            told = {"sessions": sessions, "what": name, "sandbox": round(here), "starlette": round(there)}
            print(json.dumps({**told, "ratio": round(ratio, 2)}))
        ours.end()
        theirs.end()


if __name__ == "__main__":
    main()
