"""A site with 200 visitors in one second behind one key of 10 requests a minute: what each way to call the API makes of it.

`python benchmarks/sharing.py [--pages 1] [--headers draft-6] [--visitors 200] [--workers 4]`
Each way gets a fresh sandbox, and workers that are processes of their own with real sockets.

- plain httpx: one AsyncClient in each worker, no retries.
- generated client alone: the generated package's own functions for request and answer, with plain httpx in between. It has no
  class of a client to call (`Transport` is ours), and one without retries would send just the same.
- openai-python: its `AsyncOpenAI`, pointed at the sandbox, with the two retries that it makes unless told otherwise.
- sessions-us: `cache_ttl` and the stale options, `max_wait=5`, and one SQLiteStore for all workers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sessions_us_api.api.booking_pages import list_booking_page_slots

from sessions_us import Quota, SQLiteStore, UserClient
from sessions_us._calls.decoding import Decoder
from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.limits import HEADER_FAMILIES

PATIENCE = 5.0  # seconds that a visitor waits for a page
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
END = START + timedelta(days=7)
BODY = {"start": START.isoformat(timespec="milliseconds"), "end": END.isoformat(timespec="milliseconds")}
WAYS = ("plain httpx", "generated client alone", "openai-python", "sessions-us")

Slots = Callable[[str], Awaitable[Sequence[object]]]


@asynccontextmanager
async def client(way: str, url: str, key: str, folder: str) -> AsyncIterator[Slots]:
    """One way to ask for the free slots of a booking page."""
    if way == "sessions-us":
        quota = Quota(limit=10, window=60, store=SQLiteStore(Path(folder) / "quota.db"))
        async with UserClient(
            key,
            base_url=url,
            quota=quota,
            max_wait=PATIENCE,
            cache_ttl=30,
            stale_while_revalidate=60,
            stale_if_error=300,
        ) as user:
            yield lambda page: user.booking_pages.slots(page, start=START, end=END)
        return
    if way == "openai-python":
        from openai import AsyncOpenAI

        async with AsyncOpenAI(api_key="none", base_url=url, default_headers={"x-api-key": key}) as theirs:

            async def ask(page: str) -> Sequence[object]:
                got: Any = await theirs.post(f"/api/booking-pages/{page}/slots", cast_to=object, body=BODY)
                return list(got)

            yield ask
        return
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, timeout=30) as plain:

        async def by_hand(page: str) -> Sequence[object]:
            answer = await plain.post(f"/api/booking-pages/{page}/slots", json=BODY)
            return list(answer.raise_for_status().json())

        async def generated(page: str) -> Sequence[object]:
            answer = await plain.request(**list_booking_page_slots._get_kwargs(page, body=BODY))
            decode = Decoder("list_booking_page_slots")
            return list_booking_page_slots._parse_response(answer.raise_for_status().json(), decode)

        yield by_hand if way == "plain httpx" else generated


async def work(arguments: argparse.Namespace) -> None:
    """One worker's share of the visitors, who come evenly over one second."""
    pages = arguments.page
    async with client(arguments.work, arguments.url, sys.stdin.readline().strip(), arguments.folder) as slots:
        print("ready", flush=True)
        begin = float(await asyncio.to_thread(sys.stdin.readline))

        async def visit(number: int) -> float | None:
            """Seconds until the visitor had slots to see; None for an error, or none in time."""
            came = begin + number / arguments.visitors
            await asyncio.sleep(max(0.0, came - time.monotonic()))
            came = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    return (
                        time.monotonic() - came
                        if await slots(pages[number // arguments.workers % len(pages)])
                        else None
                    )
            except Exception:
                return None

        numbers = range(arguments.number, arguments.visitors, arguments.workers)
        waited = await asyncio.gather(*map(visit, numbers))
    print(json.dumps([seconds for seconds in waited if seconds is not None]))


async def measure(way: str, arguments: argparse.Namespace) -> tuple[int, int, int]:
    """Requests that the sandbox got, its 429s, and visitors who were served in time."""
    async with Sandbox(limit=10, window=60, latency=(0.05, 0.15), headers=arguments.headers) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as http:
            found = [row["id"] for row in (await http.get("/api/booking-pages")).json()]
        sandbox.limiter.reset()
        pages = found[: arguments.pages]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--work", way, "--url", sandbox.url, "--folder", folder]
            command += ["--visitors", str(arguments.visitors), "--workers", str(arguments.workers), "--page", *pages]
            workers = [
                await asyncio.create_subprocess_exec(
                    *command,
                    "--number",
                    str(number),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                )
                for number in range(arguments.workers)
            ]
            before = len(sandbox.requests)
            for worker in workers:
                await tell(worker, sandbox.user_key)
            for worker in workers:
                assert worker.stdout is not None
                await worker.stdout.readline()
            begin = time.monotonic() + 0.2  # all processes of a host share this clock
            for worker in workers:
                await tell(worker, str(begin))
            outputs = await asyncio.gather(*(worker.communicate() for worker in workers))
        served = [seconds for out, _ in outputs for seconds in json.loads(out)]
        arrived = sandbox.requests[before:]
        return len(arrived), sum(each.status == 429 for each in arrived), len(served)


async def tell(worker: asyncio.subprocess.Process, line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line.encode() + b"\n")
    await worker.stdin.drain()


async def main(arguments: argparse.Namespace) -> None:
    visitors, workers, pages = arguments.visitors, arguments.workers, arguments.pages
    print(f"{visitors} visitors in one second, {workers} workers, booking pages: {pages}, 10 requests per 60 s")
    print(f"{'':26}{'requests':>10}{'429s':>8}{'served in 5 s':>16}")
    for way in WAYS:
        requests, refused, served = await measure(way, arguments)
        print(f"{way:26}{requests:10}{refused:8}{served:16}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1, help="how many booking pages the visitors look at")
    parser.add_argument(
        "--headers", choices=HEADER_FAMILIES, default="draft-6", help="what the server tells of its limit"
    )
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    for name in ("--work", "--url", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--page", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    asyncio.run(work(given) if given.work else main(given))
