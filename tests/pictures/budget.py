"""Draws the pictures of docs/budget.md: simulates clients and a server in virtual time, and writes SVG, light and dark.

python tests/pictures/budget.py
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from aiolimiter import AsyncLimiter
from support.clock import run
from support.server_models import Server, Style

from sessions_us.quota import Lane, Limiter, Quota
from sessions_us.quota.clock import LoopClock

WINDOW = 60.0
LATENCY = (0.05, 0.1)  # seconds, each way
START = 1020.0
TO = ROOT / "docs" / "pictures"


class Sent(NamedTuple):
    """One request: who sent it, and in seconds from the start when it was asked for and when the server had it."""

    who: str
    asked: float
    at: float
    refused: bool


class Panel(NamedTuple):
    """One simulation, drawn as a row for each sender."""

    title: str
    result: str
    sent: list[Sent]


class Simulation:
    """Requests of one run against one server that counts a window from its first request.

    Attributes:
        sent: what the server got.
    """

    def __init__(self, family: str = "x-ratelimit") -> None:
        self.sent: list[Sent] = []
        self._server = Server("fixed", Style(family=family))
        self._latency = random.Random(1)
        self._start = asyncio.get_running_loop().time()

    def limiter(self, reserve: int) -> Limiter:
        return Limiter(Quota(reserve=reserve), clock=LoopClock(asyncio.get_running_loop().time))

    async def by_limiter(self, who: str, limiter: Limiter, *, lane: Lane = "interactive", after: float = 0.0) -> None:
        await asyncio.sleep(after)
        lease = await limiter.acquire(lane=lane, deadline=None)
        while (answer := await self._ask(who, after)).status == 429:
            await lease.done(answer.status, answer.headers)
            lease = await limiter.acquire(lane=lane, deadline=None, arrival=lease.arrival, front=True)
        await lease.done(answer.status, answer.headers)

    async def by_bucket(self, who: str, bucket: AsyncLimiter) -> None:
        async with bucket:
            await self._ask(who, 0.0)

    async def _ask(self, who: str, asked: float) -> Any:
        await asyncio.sleep(self._latency.uniform(*LATENCY))
        now = asyncio.get_running_loop().time()
        answer = self._server.hit(now)
        self.sent.append(Sent(who, asked, now - self._start, answer.status == 429))
        await asyncio.sleep(self._latency.uniform(*LATENCY))
        return answer


def refusals(sent: list[Sent]) -> str:
    return f"{sum(each.refused for each in sent)} of {len(sent)} requests got a 429"


def longest(sent: list[Sent], who: str) -> str:
    return f"a visitor waits {max(each.at - each.asked for each in sent if each.who == who):.1f} s at most"


async def bucket() -> Panel:
    simulation, limit = Simulation(), AsyncLimiter(10, WINDOW)
    await asyncio.gather(*(simulation.by_bucket("30 calls", limit) for _ in range(30)))
    return Panel("A token bucket alone (aiolimiter, 10 per minute)", refusals(simulation.sent), simulation.sent)


async def window() -> Panel:
    simulation = Simulation()
    limiter = simulation.limiter(2)
    await asyncio.gather(*(simulation.by_limiter("30 calls", limiter) for _ in range(30)))
    return Panel("sessions-us: the server's window decides", refusals(simulation.sent), simulation.sent)


async def export_and_visitors(title: str, *, lane: Lane, reserve: int) -> Panel:
    simulation = Simulation()
    limiter = simulation.limiter(reserve)
    await asyncio.gather(
        *(simulation.by_limiter("export", limiter, lane=lane) for _ in range(28)),
        *(simulation.by_limiter("visitor", limiter, after=after) for after in (20.0, 80.0)),
    )
    return Panel(title, longest(simulation.sent, "visitor"), simulation.sent)


async def two_processes(title: str, *, shared: bool) -> Panel:
    simulation = Simulation("none")
    first = simulation.limiter(2)
    second = first if shared else simulation.limiter(2)
    await asyncio.gather(
        *(simulation.by_limiter("process 1", first) for _ in range(15)),
        *(simulation.by_limiter("process 2", second) for _ in range(15)),
    )
    return Panel(title, refusals(simulation.sent), simulation.sent)


PICTURES: dict[str, list[Callable[[], Coroutine[Any, Any, Panel]]]] = {
    "bucket-and-window": [bucket, window],
    "lanes-and-reserve": [
        partial(export_and_visitors, "One queue for all", lane="interactive", reserve=0),
        partial(export_and_visitors, "Two lanes, no reserve", lane="background", reserve=0),
        partial(export_and_visitors, "Two lanes and a reserve of 2: the default", lane="background", reserve=2),
    ],
    "shared-key": [
        partial(two_processes, "Two processes, each with its own count", shared=False),
        partial(two_processes, "Two processes with one count, as through a store", shared=True),
    ],
}

PALETTES = {
    "light": {
        "paper": "#ffffff",
        "band": "#eef2f7",
        "ink": "#1f2933",
        "soft": "#52606d",
        "good": "#1668c7",
        "bad": "#c4320a",
    },
    "dark": {
        "paper": "#1b1f24",
        "band": "#262c34",
        "ink": "#e6e9ed",
        "soft": "#a8b3bf",
        "good": "#6cb0ff",
        "bad": "#ff8a65",
    },
}
LEFT, WIDTH, ROW, PER_SECOND = 76, 480, 22, 2.1
FONT = "font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif"


def draw(panels: list[Panel], colours: dict[str, str]) -> str:
    """One panel below the other, on the same axis of seconds."""
    parts: list[str] = []
    top = 8.0
    for panel in panels:
        rows = sorted({each.who for each in panel.sent})
        parts.append(_text(8, top + 14, panel.title, colours["ink"], "font-weight='600'"))
        parts.append(_text(8, top + 32, panel.result, colours["ink"]))
        top += 40
        size = f'width="{WINDOW * PER_SECOND - 3:.1f}" height="{ROW * len(rows) + 6}" rx="4"'
        for begin in (0, 60, 120):  # the first request opens the server's first window
            parts.append(f'<rect x="{_x(begin):.1f}" y="{top}" {size} fill="{colours["band"]}"/>')
        for number, who in enumerate(rows):
            middle = top + 3 + ROW * number + ROW / 2
            parts.append(_text(8, middle + 4, who, colours["soft"]))
            parts += _row([each for each in panel.sent if each.who == who], middle, colours)
        top += ROW * len(rows) + 22
    for second in (0, 60, 120, 180):
        anchor = "text-anchor='start'" if second == 0 else "text-anchor='middle'"
        parts.append(_text(_x(second), top + 2, f"{second} s", colours["soft"], anchor))
    size = f'viewBox="0 0 {WIDTH} {top + 12:.0f}" width="{WIDTH}" height="{top + 12:.0f}"'
    paper = f'<rect width="100%" height="100%" rx="6" fill="{colours["paper"]}"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{FONT}">', paper, *parts, "</svg>", ""])


def _row(sent: list[Sent], middle: float, colours: dict[str, str]) -> list[str]:
    """The requests of one sender, and beside those that went together their number."""
    parts, together = [], 0
    for number, each in enumerate(sent):
        parts.append(_mark(each, middle, colours))
        together += 1
        after = sent[number + 1] if number + 1 < len(sent) else None
        if after is None or after.at - each.at > 3 or after.refused != each.refused:
            has_room = after is None or after.at - each.at > 10
            if together > 1 and has_room and not each.refused:
                parts.append(_text(_x(each.at) + 6, middle + 4, str(together), colours["good"]))
            together = 0
    return parts


def _mark(each: Sent, middle: float, colours: dict[str, str]) -> str:
    x, asked = _x(each.at), _x(each.asked)
    waited = ""
    if each.who == "visitor":  # from the moment of asking to the answer
        line = f'stroke="{colours["soft"]}"'
        waited = f'<circle cx="{asked:.1f}" cy="{middle}" r="3.5" fill="none" {line} stroke-width="1.5"/>'
        waited += f'<path d="M{asked + 3.5:.1f} {middle}H{max(x, asked + 3.5):.1f}" {line} stroke-dasharray="3 3"/>'
    if each.refused:
        return (
            waited + f'<path d="M{x - 3:.1f} {middle - 4}l6 8m0 -8l-6 8" stroke="{colours["bad"]}" stroke-width="2"/>'
        )
    return waited + f'<path d="M{x:.1f} {middle - 7}v14" stroke="{colours["good"]}" stroke-width="2"/>'


def _x(seconds: float) -> float:
    return LEFT + seconds * PER_SECOND


def _text(x: float, y: float, text: str, colour: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" {more}>{escape(text)}</text>'


def main() -> None:
    for name, simulations in PICTURES.items():
        panels = [run(simulate(), start=START) for simulate in simulations]
        for panel in panels:
            print(f"{name}: {panel.title}: {panel.result}")
        for mode, colours in PALETTES.items():
            (TO / f"{name}.{mode}.svg").write_text(draw(panels, colours), "utf-8")


if __name__ == "__main__":
    main()
