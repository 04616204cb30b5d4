"""A long list, read and exported: CPU time beside raw httpx, and whether memory stays flat.

Each measurement is a fresh process: its CPU time and the peak of its resident memory after few items and after many. The CPU time
of a row is the difference of the two divided by that of the rows, so that imports and what is set up once count for nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.clients import RAW
from benchmarks.figures import Figure
from benchmarks.loopback import KEY, LIMIT, SIZE, serving
from sessions_us import Quota, UserClient

__all__ = ("WAYS", "Cost", "measure", "measured")

WRITTEN = f"{RAW} + json.dumps"
STREAMED, NDJSON, PARQUET, DLT = "async for", "export to NDJSON", "export to Parquet", "export to dlt (DuckDB)"
FLAT = 5.0  # MB more for the many items than for the few


class Cost(NamedTuple):
    """What a process took: megabytes of resident memory at its peak, seconds, and seconds of CPU time."""

    memory: float
    wall: float
    cpu: float


# -- what is measured ------------------------------------------------------------------------------------------------


async def raw_rows(url: str) -> AsyncIterator[object]:
    page = 1
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": KEY}) as http:
        while True:
            rows = (await http.get("/api/sessions", params={"page": page})).json()
            for row in rows:
                yield row
            if len(rows) < SIZE:
                return
            page += 1


def client(url: str) -> UserClient:
    return UserClient(KEY, base_url=url, quota=Quota(LIMIT))


async def read_raw(url: str, folder: Path) -> int:
    count = 0
    async for _ in raw_rows(url):
        count += 1
    return count


async def write_raw(url: str, folder: Path) -> int:
    count = 0
    with (folder / "sessions.ndjson").open("w") as out:
        async for row in raw_rows(url):
            out.write(json.dumps(row) + "\n")
            count += 1
    return count


async def stream(url: str, folder: Path) -> int:
    count = 0
    async with client(url) as user:
        async for _ in user.sessions.list():
            count += 1
    return count


async def export_to(kind: str, url: str, folder: Path) -> int:
    from sessions_us import pipelines

    match kind:
        case "NDJSON":
            sink: pipelines.Sink = pipelines.NDJSONSink(folder / "sessions.ndjson")
        case "Parquet":
            sink = pipelines.ParquetSink(folder / "parquet")
        case _:
            import dlt

            sink = pipelines.DltSink(dlt.destinations.duckdb(str(folder / "sessions.duckdb")), pipelines_dir=folder)
    async with client(url) as user:
        report = await pipelines.export(user, ["sessions"], sink, state=folder / "state", children=False)
    return sum(each.rows for each in report.resources.values())


WAYS: dict[str, Callable[[str, Path], Awaitable[int]]] = {
    RAW: read_raw,
    WRITTEN: write_raw,
    STREAMED: stream,
    NDJSON: lambda url, folder: export_to("NDJSON", url, folder),
    PARQUET: lambda url, folder: export_to("Parquet", url, folder),
    DLT: lambda url, folder: export_to("dlt", url, folder),
}


def peak() -> float:
    """The most resident memory that this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # the other figure counts what the parent had before this program was loaded
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 1024)


def measure_here(way: str, url: str) -> None:
    """In the process that is measured."""
    wall, cpu = time.perf_counter(), time.process_time()

    async def read() -> int:
        with tempfile.TemporaryDirectory() as folder:
            return await WAYS[way](url, Path(folder))

    count = asyncio.run(read())
    print(json.dumps([count, peak(), time.perf_counter() - wall, time.process_time() - cpu]))


# -- who measures ----------------------------------------------------------------------------------------------------


def measured(way: str, items: int) -> Cost:
    """What a fresh process takes that reads so many items."""
    with serving("nested", items) as url:
        program = [sys.executable, "-m", "benchmarks.stream", way, url]
        told = subprocess.run(
            program, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[1]
        ).stdout
    count, *cost = json.loads(told.splitlines()[-1])
    if count != items:
        raise RuntimeError(f"{way} gave {count} of {items} items")
    return Cost(*cost)


def measure(quick: bool) -> list[Figure]:
    """The figures of a long list."""
    few, many = (300, 3_000) if quick else (10_000, 50_000)  # buffers are full after the few
    once = PARQUET if quick else DLT  # a turn of it takes as long as all others
    ways = [way for way in WAYS if not (quick and way == DLT)]
    costs: dict[str, list[tuple[Cost, Cost]]] = {way: [] for way in ways}
    for turn in range(2 if quick else 3):
        for way in ways if turn == 0 else [way for way in ways if way != once]:
            costs[way].append((measured(way, few), measured(way, many)))
    row = {
        way: min(much.cpu for _, much in each) - min(little.cpu for little, _ in each) for way, each in costs.items()
    }
    more = {way: statistics.median(much.memory - little.memory for little, much in each) for way, each in costs.items()}
    return [*_of_rows(f"{many:,} items by", row), *_of_memory(f"{few:,} to {many:,} items", more)]


def _of_rows(items: str, row: dict[str, float]) -> list[Figure]:
    models = "decoding and the pager's look at each id are beyond what raw httpx does"
    kept = "each row is also written into the state file, compared with what it was, and given to the sink"
    figures = [
        Figure(f"{items} async for, CPU against {RAW}", row[STREAMED] / row[RAW], "ratio", 1.25, why=models),
        Figure(f"{items} export to NDJSON, CPU against {WRITTEN}", row[NDJSON] / row[WRITTEN], "ratio", 2.5, why=kept),
    ]
    others = [way for way in (PARQUET, DLT) if way in row]
    return figures + [Figure(f"{items} {way}, CPU against {WRITTEN}", row[way] / row[WRITTEN]) for way in others]


def _of_memory(items: str, more: dict[str, float]) -> list[Figure]:
    base = more.pop(RAW)
    return [
        Figure(f"memory, {items}: {way}", mb, "MB", FLAT, {RAW: base}) for way, mb in more.items() if way != WRITTEN
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=list(WAYS))
    parser.add_argument("url")
    given = parser.parse_args()
    measure_here(given.way, given.url)
