"""What keeps a limit of 10 requests in a window: ours, aiolimiter, pyrate-limiter,
adaptive-rate-limiter, openai-python's retry, and no limiter.

`nox -s benchmarks -- quota [--real] [--servers 'draft-6; nest'] [--patterns burst] [--strategies sessions-us] [--json FILE]`.
Against nine servers (see servers.py), which count the 429s. `--real` is 10 per 60 s and takes a quarter of an hour. Without it
the window is 4 s, where a reset in whole seconds is coarse: judge 429s by that, and time by `--real`.

The cells run side by side, each with a key of its own, since all they do is wait; their starts are spread, so that they don't
wait for each other's use of the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks.figures import Figure, Unit, machine
from benchmarks.ideal import ADMITS, ideal
from benchmarks.patterns import PATTERNS, Cell, Done, Timing, arrivals
from benchmarks.servers import ROOT, Hit, Servers, Speed
from benchmarks.strategies import SHARED, STRATEGIES, Destination

SERVERS = tuple(ADMITS)
QUICK = Speed(window=4, nearest=0.01, farthest=0.03)
WINDOWS = "draft-6", "legacy", "floor", "none", "nest", "aligned"
"""The servers that count or announce a window, whose reset frees all of it."""

Plan = dict[tuple[str, int, int], list[Cell]]
"""(strategy, which of, how many processes of a pattern) -> cells."""


class CellResult(NamedTuple):
    """One cell of the table. Times in seconds.

    Attributes:
        refused: 429s, by the server's own log.
        lost: requests whose caller got an error.
        makespan: from the first call to the last answer.
        ratio: that, divided by the ideal.
        untold: that, divided by the ideal of somebody who is not told what others took before.
        median, longest: waits from call to answer, of the requests that were served.
        interactive: the longest wait of an interactive request behind background work; None if one was lost.
    """

    server: str
    strategy: str
    pattern: str
    refused: int
    lost: int
    makespan: float
    ratio: float
    untold: float
    median: float | None
    longest: float | None
    interactive: float | None

    def __str__(self) -> str:
        untold = f" ({self.untold:.2f})" if self.untold < self.ratio - 0.005 else ""
        parts = [f"{self.refused} / {self.lost} / {self.ratio:.2f}{untold}"]
        parts += ["none" if wait is None else f"{wait:.1f}" for wait in (self.median, self.longest)]
        if self.pattern == "interactive":
            parts.append("lost" if self.interactive is None else f"{self.interactive:.2f}")
        return " / ".join(parts)


def plan(options: argparse.Namespace, urls: dict[str, str], speed: Speed, directory: str) -> Plan:
    """The cells of each process; their starts are seconds after the first one."""
    runs = [
        (strategy, server, pattern)
        for pattern in options.patterns
        for server in options.servers
        for strategy in options.strategies
        if strategy in SHARED or pattern != "two, one store"
    ]
    processes: defaultdict[tuple[str, int, int], list[Cell]] = defaultdict(list)
    for number, (strategy, server, pattern) in enumerate(runs):
        key = f"{strategy} {server} {pattern}".replace(" ", "-").replace(",", "")
        file = f"{directory}/{key}.db" if pattern == "two, one store" else None
        place = Destination(urls[server], key, speed.limit, speed.window, file)
        start = number * options.spread / len(runs)
        parts = 2 if pattern.startswith("two") else 1
        for part in range(parts):
            processes[strategy, part, parts].append(Cell(server, strategy, pattern, place, start, part, parts))
    return processes


class StrategyProcess:
    """A process of one strategy, in which several cells run side by side."""

    async def begin(self, strategy: str) -> None:
        """Start it, and wait until it is ready."""
        pipe = asyncio.subprocess.PIPE
        program = sys.executable, "-m", "benchmarks.patterns", strategy
        self._process = await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe, cwd=ROOT, limit=2**20)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        if await self._output.readline() != b"ready\n":
            raise SystemExit(f"A process for {strategy} did not start.")

    async def run(self, cells: Sequence[Cell], first: float, found: list[Done]) -> None:
        """Run cells, the first one at an epoch second. What it tells is found, even if it has to be ended."""
        moved = [cell._replace(start=first + cell.start) for cell in cells]
        self._input.write(json.dumps(moved).encode() + b"\n")
        async for line in self._output:
            server, strategy, pattern, calls = json.loads(line)
            found.append(Done(server, strategy, pattern, [Timing(*call) for call in calls]))
        await self._process.wait()

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def work(processes: Plan, options: argparse.Namespace, speed: Speed) -> list[Done]:
    """All processes at once."""
    found: list[Done] = []
    workers = [StrategyProcess() for _ in processes]
    try:
        async with asyncio.timeout(120):
            starting = zip(workers, processes, strict=True)
            await asyncio.gather(*(worker.begin(strategy) for worker, (strategy, _, _) in starting))
        first = time.time() + speed.window / 2 + 2  # some patterns begin with what others take
        async with asyncio.timeout(options.spread + 12 * speed.window + 30):
            running = zip(workers, processes.values(), strict=True)
            await asyncio.gather(*(worker.run(cells, first, found) for worker, cells in running))
    except TimeoutError:
        print("Some cells did not end in time; they are missing below.", file=sys.stderr)
    finally:
        for worker in workers:
            await worker.end()
    return found


def judge(cell: Cell, calls: Sequence[Timing], hits: Sequence[Hit], speed: Speed) -> CellResult:
    """What a cell came to: the calls of all its processes, and the server's log of its key."""
    start = min(call.called for call in calls)
    before = [hit.at for hit in hits if hit.admitted and hit.at < start]
    best, untold = (
        ideal(
            cell.server,
            [at for at, _ in sorted(arrivals(cell.pattern, start, speed.limit, speed.window))],
            before=before,
            limit=speed.limit,
            window=speed.window,
            latency=(speed.nearest + speed.farthest) / 2,
            sequential=cell.pattern == "sequential",
            told=told,
        )
        for told in (True, False)
    )
    makespan = max(call.answered for call in calls) - start
    waits = sorted(call.answered - call.called for call in calls if not call.lost)
    urgent = [call for call in calls if call.lane == "interactive"] if cell.pattern == "interactive" else []
    served = bool(urgent) and not any(call.lost for call in urgent)
    return CellResult(
        cell.server,
        cell.strategy,
        cell.pattern,
        refused=sum(not hit.admitted for hit in hits if hit.at >= start),
        lost=sum(call.lost for call in calls),
        makespan=makespan,
        ratio=makespan / best,
        untold=makespan / untold,
        median=statistics.median(waits) if waits else None,
        longest=max(waits, default=None),
        interactive=max(call.answered - call.called for call in urgent) if served else None,
    )


async def cells(options: argparse.Namespace, speed: Speed) -> list[CellResult]:
    async with Servers(options.servers, speed) as servers:
        with tempfile.TemporaryDirectory() as directory:
            processes = plan(options, servers.urls, speed, directory)
            found = await work(processes, options, speed)
        logs = {kind: await servers.log(kind) for kind in options.servers}
    parts: defaultdict[tuple[str, str, str], list[list[Timing]]] = defaultdict(list)
    for done in found:
        parts[done.server, done.strategy, done.pattern].append(done.calls)
    results = []
    for cell in (cell for cells in processes.values() for cell in cells if cell.part == 0):
        calls = parts[cell.server, cell.strategy, cell.pattern]
        if len(calls) == cell.parts:
            results.append(judge(cell, list(chain(*calls)), logs[cell.server][cell.place.key], speed))
    return results


def measure(quick: bool) -> list[Figure]:
    """The figures of who keeps the limit."""
    speed = QUICK if quick else Speed()
    patterns, servers = (["burst"], ["draft-6"]) if quick else (["burst", "sequential"], list(WINDOWS))
    spread = 0.0 if quick else 30.0
    chosen = argparse.Namespace(patterns=patterns, servers=servers, strategies=list(STRATEGIES), spread=spread)
    results = asyncio.run(cells(chosen, speed))
    where = f"{' and '.join(patterns)}, 10 requests per {speed.window} s, on {', '.join(servers)}"
    refused, lost, slowest = (
        {name: float(of(each)) for name in STRATEGIES if (each := [one for one in results if one.strategy == name])}
        for of in (_refused, _lost, _slowest)
    )
    coarse = "a reset told in whole seconds is coarse in so short a window" if quick else ""
    rows: tuple[tuple[str, Unit, dict[str, float], float, str], ...] = (
        ("429s", "count", refused, 0, ""),
        ("requests lost", "count", lost, 0, ""),
        ("time ÷ ideal, the slowest", "ratio", slowest, 1.05, coarse),
    )
    return [
        Figure(f"{name}: {where}", of.pop("sessions-us"), unit, goal, of, why) for name, unit, of, goal, why in rows
    ]


def _refused(results: Iterable[CellResult]) -> int:
    return sum(each.refused for each in results)


def _lost(results: Iterable[CellResult]) -> int:
    return sum(each.lost for each in results)


def _slowest(results: Iterable[CellResult]) -> float:
    return max(each.ratio for each in results)


def table(results: Iterable[CellResult], options: argparse.Namespace) -> Iterable[str]:
    """Markdown: a table for each pattern, a row for each server."""
    cells = {(result.pattern, result.server, result.strategy): result for result in results}
    for pattern in options.patterns:
        columns = [name for name in options.strategies if any((pattern, server, name) in cells for server in SERVERS)]
        if not columns:
            continue
        yield f"\n**{pattern}**\n"
        yield f"| | {' | '.join(columns)} |"
        yield "|---" * (len(columns) + 1) + "|"
        for server in options.servers:
            row = (str(cells.get((pattern, server, name), "did not end")) for name in columns)
            yield f"| {server} | {' | '.join(row)} |"


def control(results: Iterable[CellResult]) -> str:
    """How well the machine kept up: what is sent at once, without any limiter, is answered after a round trip."""
    waits = [each.longest for each in results if each.strategy == "no limiter" and each.longest is not None]
    if not waits:
        return "The strategy 'no limiter', whose longest waits tell how well the machine kept up, did not run."
    median, longest = statistics.median(waits), max(waits)
    return f"Longest waits without any limiter: median {median:.1f} s, longest {longest:.1f} s. Times are as coarse as that."


def misses(results: Iterable[CellResult]) -> Iterable[str]:
    """Where ours does not keep what it promises."""
    for result in results:
        if result.strategy != "sessions-us":
            continue
        where = f"{result.pattern}, {result.server}"
        alone = result.pattern != "two processes"  # who know nothing of each other can't promise it
        if result.lost:
            yield f"{where}: {result.lost} requests were lost"
        if alone and result.refused > (result.pattern == "exhausted"):
            yield f"{where}: {result.refused} 429s"
        if alone and result.server in WINDOWS and result.ratio > 1.05:
            told = f", {result.untold:.3f} of it for one who is not told" if result.untold < result.ratio else ""
            yield f"{where}: {result.ratio:.3f} of the ideal time{told}"
        if result.interactive is not None and result.interactive >= 1:
            yield f"{where}: an interactive request waited {result.interactive:.2f} s"


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(";")]
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {'; '.join(sorted(unknown))}. There are: {'; '.join(known)}")
        return chosen

    return parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true", help="10 requests per 60 s, as the API has it")
    parser.add_argument("--spread", type=float, help="seconds over which the starts of the cells are spread")
    for what, known in {"servers": SERVERS, "patterns": PATTERNS, "strategies": tuple(STRATEGIES)}.items():
        parser.add_argument(
            f"--{what}", type=_names(known), default=list(known), metavar="NAMES", help="; between them"
        )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    options = parser.parse_args()
    speed = Speed() if options.real else QUICK
    if options.spread is None:
        options.spread = 540.0 if options.real else 90.0
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    results = asyncio.run(cells(options, speed))
    print(began, json.dumps(machine()), sep="\n")
    print(f"{speed.limit} requests per {speed.window} s, {speed.nearest:g}-{speed.farthest:g} s of latency each way.")
    print("429s / requests lost / time ÷ ideal / median wait / longest wait, s (/ longest interactive wait, s)")
    print("In brackets: time ÷ the ideal of one who is not told what others took before, where that differs.")
    print("\n".join(table(results, options)))
    print(f"\n{control(results)}")
    print("\nBounds that ours missed:", "".join(f"\n* {miss}" for miss in misses(results)) or "none")
    if options.json:
        options.json.write_text(json.dumps([result._asdict() for result in results], indent=1))


if __name__ == "__main__":
    main()
