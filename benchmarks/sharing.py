"""A site with four workers behind keys of 10 requests a minute: what each way to call the API makes of its visitors.

`python benchmarks/sharing.py [--scene burst|pages] [--headers draft-6] [--workers 4]`
Each way gets a fresh sandbox, and workers that are processes of their own with real sockets.

*burst*: 200 visitors in one second, who look at `--pages` booking pages.
*pages*: six visitors on six pages; the same six pages once more, by other workers; fourteen visitors on fourteen other pages at
once; and then a visitor who books, for which the GUEST key has all of its budget. In every way a view costs one request.

- plain httpx: one AsyncClient in each worker, no retries.
- generated client alone: the generated package's own functions for request and answer, with plain httpx in between. It has no
  class of a client to call (`Transport` is ours), and one without retries would send just the same.
- openai-python: its `AsyncOpenAI`, pointed at the sandbox, with the two retries that it makes unless told otherwise.
- sessions-us: `cache_ttl` and the stale options, `max_wait=5`, and one SQLiteStore for all workers, for the quota and the copies.
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
from typing import Any, NamedTuple

import httpx
from sessions_us_api.api.booking_pages import list_booking_page_slots

from sessions_us import GuestClient, Quota, SQLiteStore, UserClient
from sessions_us._calls.decoding import Decoder
from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.limits import HEADER_FAMILIES

PATIENCE = 5.0  # seconds that a visitor waits for a page
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
END = START + timedelta(days=7)
BODY = {"start": START.isoformat(timespec="milliseconds"), "end": END.isoformat(timespec="milliseconds")}
WAYS = ("plain httpx", "generated client alone", "openai-python", "sessions-us")

Slots = Callable[[str], Awaitable[Sequence[object]]]
Book = Callable[[str, str], Awaitable[object]]
ADA = {"participantName": "Ada", "participantEmail": "ada@example.com"}


@asynccontextmanager
async def client(way: str, url: str, keys: Sequence[str], folder: str) -> AsyncIterator[tuple[Slots, Book]]:
    """One way to ask for the free slots of a booking page, and to book one as a guest."""
    user_key, guest_key = keys
    if way == "sessions-us":
        store = SQLiteStore(Path(folder) / "quota.db")
        common: dict[str, Any] = {"base_url": url, "max_wait": PATIENCE, "cache_store": store}
        async with (
            UserClient(
                user_key,
                quota=Quota(limit=10, window=60, store=store),
                cache_ttl=30,
                stale_while_revalidate=60,
                stale_if_error=300,
                **common,
            ) as user,
            GuestClient(guest_key, quota=Quota(limit=10, window=60, store=store), **common) as guest,
        ):
            yield (
                lambda page: user.booking_pages.slots(page, start=START, end=END),
                lambda page, start: guest.bookings.create(
                    booking_page_id=page, start_at=start, participant_name="Ada", participant_email="ada@example.com"
                ),
            )
        return
    if way == "openai-python":
        from openai import AsyncOpenAI

        async with AsyncOpenAI(api_key="none", base_url=url) as theirs:

            async def ask(page: str) -> Sequence[object]:
                headers = {"x-api-key": user_key}
                path = f"/api/booking-pages/{page}/slots"
                got: Any = await theirs.post(path, cast_to=object, body=BODY, options={"headers": headers})
                return list(got)

            async def order(page: str, start: str) -> object:
                headers, body = {"x-api-key": guest_key}, {"bookingPageId": page, "startAt": start, **ADA}
                return await theirs.post(
                    "/api/guests/bookings", cast_to=object, body=body, options={"headers": headers}
                )

            yield ask, order
        return
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": user_key}, timeout=30) as plain:

        async def by_hand(page: str) -> Sequence[object]:
            answer = await plain.post(f"/api/booking-pages/{page}/slots", json=BODY)
            return list(answer.raise_for_status().json())

        async def generated(page: str) -> Sequence[object]:
            answer = await plain.request(**list_booking_page_slots._get_kwargs(page, body=BODY))
            decode = Decoder()
            return list_booking_page_slots._parse_response(answer.raise_for_status().json(), decode)

        async def book(page: str, start: str) -> object:
            body = {"bookingPageId": page, "startAt": start, **ADA}
            answer = await plain.post("/api/guests/bookings", json=body, headers={"x-api-key": guest_key})
            return answer.raise_for_status().json()

        yield by_hand if way == "plain httpx" else generated, book


class Visit(NamedTuple):
    """A visitor of one worker: seconds after the beginning of the act, the page, and the slot to book; empty to look only."""

    after: float
    page: str
    slot: str = ""


async def work(arguments: argparse.Namespace) -> None:
    """One worker: for each line, an act, it says how many of its visitors were served in time."""
    keys = sys.stdin.readline().split()
    async with client(arguments.work, arguments.url, keys, arguments.folder) as (slots, book):
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            begin, visits = json.loads(line)

            async def served(each: Visit, begin: float) -> bool:
                await asyncio.sleep(max(0.0, begin + each.after - time.monotonic()))
                try:
                    async with asyncio.timeout(PATIENCE):
                        return bool(await (book(each.page, each.slot) if each.slot else slots(each.page)))
                except Exception:
                    return False

            print(sum(await asyncio.gather(*(served(Visit(*each), begin) for each in visits))), flush=True)


class Outcome(NamedTuple):
    """What an act came to: requests that the sandbox got, its 429s, and visitors who were served in time."""

    requests: int
    refused: int
    served: int


async def measure(way: str, arguments: argparse.Namespace) -> list[Outcome]:
    """The acts of a scene, one after the other."""
    async with Sandbox(limit=10, window=60, latency=(0.05, 0.15), headers=arguments.headers) as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as http:
            pages = [row["id"] for row in (await http.get("/api/booking-pages")).json()]
            free = (await http.post(f"/api/booking-pages/{pages[0]}/slots", json=BODY)).json()
        sandbox.limiter.reset()
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--work", way, "--url", sandbox.url, "--folder", folder]
            pipe = asyncio.subprocess.PIPE
            workers = [
                await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
                for _ in range(arguments.workers)
            ]
            for worker in workers:
                await tell(worker, f"{sandbox.user_key} {sandbox.guest_key}")
            for worker in workers:
                await heard(worker)
            outcomes = []
            for act in acts(arguments, pages, free[0]["startAt"]):
                before = len(sandbox.requests)
                begin = time.monotonic() + 0.2  # all processes of a host share this clock
                for number, worker in enumerate(workers):
                    await tell(worker, json.dumps([begin, act[number :: len(workers)]]))
                served = sum([int(await heard(worker)) for worker in workers])
                arrived = sandbox.requests[before:]
                outcomes.append(Outcome(len(arrived), sum(each.status == 429 for each in arrived), served))
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.close()
                await worker.wait()
        return outcomes


def acts(arguments: argparse.Namespace, pages: list[str], slot: str) -> list[list[Visit]]:
    """Who comes. The visits of an act go to the workers in turn."""
    if arguments.scene == "burst":
        shown, visitors, workers = pages[: arguments.pages], arguments.visitors, arguments.workers
        return [[Visit(number / visitors, shown[number // workers % len(shown)]) for number in range(visitors)]]
    six, others = pages[:6], pages[6:20]
    again = [six[(number + 1) % 6] for number in range(6)]
    return [[Visit(0.0, page) for page in act] for act in (six, again, others)] + [[Visit(0.0, pages[0], slot)]]


async def tell(worker: asyncio.subprocess.Process, line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line.encode() + b"\n")
    await worker.stdin.drain()


async def heard(worker: asyncio.subprocess.Process) -> str:
    assert worker.stdout is not None
    return (await worker.stdout.readline()).decode()


async def main(arguments: argparse.Namespace) -> None:
    visitors, workers, pages = arguments.visitors, arguments.workers, arguments.pages
    if arguments.scene == "burst":
        print(f"{visitors} visitors in one second, {workers} workers, booking pages: {pages}, 10 requests per 60 s")
        print(f"{'':26}{'requests':>10}{'429s':>8}{'served in 5 s':>16}")
    else:
        print(f"{workers} workers, 10 requests per 60 s and key; requests / 429s / served in 5 s")
        print(f"{'':26}{'6 on 6 pages':>16}{'the same again':>16}{'14 on 14 others':>18}{'1 books':>12}")
    for way in WAYS:
        outcomes = await measure(way, arguments)
        if arguments.scene == "burst":
            ((requests, refused, served),) = outcomes
            print(f"{way:26}{requests:10}{refused:8}{served:16}", flush=True)
        else:
            shown = [f"{each.requests} / {each.refused} / {each.served}" for each in outcomes]
            print(f"{way:26}{shown[0]:>16}{shown[1]:>16}{shown[2]:>18}{shown[3]:>12}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", choices=("burst", "pages"), default="burst", help="who comes")
    parser.add_argument("--pages", type=int, default=1, help="how many booking pages the visitors of a burst look at")
    parser.add_argument(
        "--headers", choices=HEADER_FAMILIES, default="draft-6", help="what the server tells of its limit"
    )
    parser.add_argument("--visitors", type=int, default=200, help="of a burst")
    parser.add_argument("--workers", type=int, default=4)
    for name in ("--work", "--url", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    given = parser.parse_args()
    asyncio.run(work(given) if given.work else main(given))
