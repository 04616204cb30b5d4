"""What is measured, and how it is told: a figure, its goal, what others reach on the same work, and the machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

__all__ = ("Figure", "Unit", "machine", "table", "worse")

Unit = Literal["ratio", "µs", "MB", "count"]

_PORTABLE: frozenset[Unit] = frozenset({"ratio", "count"})
"""What another machine gives too, more or less. Times and memory belong to one machine."""

_PACKAGES = (
    "sessions-us",
    "httpx",
    "aiolimiter",
    "pyrate-limiter",
    "adaptive-rate-limiter",
    "openai",
    "githubkit",
    "openapi-python-client",
    "limits",
    "throttled-py",
    "uvicorn",
)


class Figure(NamedTuple):
    """One figure of the table.

    Attributes:
        work: what was done; one line of the table, and the name in the JSON.
        value: of sessions-us.
        unit: a ratio is one of CPU times, of which the other stands in `work`, unless that says something else.
        goal: at most this; None where there is none.
        beside: the figures of others on the same work, in the same run.
        why: the reason, where the goal is missed.
    """

    work: str
    value: float
    unit: Unit = "ratio"
    goal: float | None = None
    beside: Mapping[str, float] = {}
    why: str = ""

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "reached" if self.value <= self.goal else f"missed: {self.why or 'no reason is known'}"


def table(figures: Iterable[Figure]) -> Iterator[str]:
    """Markdown: a row for each figure."""
    yield "| work | goal | sessions-us | | beside |"
    yield "|---|---|---|---|---|"
    for each in figures:
        goal = "" if each.goal is None else f"≤ {_told(each.goal, each.unit)}"
        beside = ", ".join(f"{name} {_told(value, each.unit)}" for name, value in each.beside.items())
        yield f"| {each.work} | {goal} | {_told(each.value, each.unit)} | {each.verdict} | {beside} |"


def worse(figures: Iterable[Figure], before: Mapping[str, Mapping[str, object]], most: float) -> Iterator[str]:
    """What got worse than it was in an earlier run, by more than a part of it. Only ratios and counts are compared."""
    for each in figures:
        was = before.get(each.work, {}).get("value")
        if each.unit not in _PORTABLE or not isinstance(was, (int, float)):
            continue
        if each.value > was * (1 + most):
            yield f"{each.work}: {_told(each.value, each.unit)}, and was {_told(was, each.unit)}"


def machine() -> dict[str, object]:
    """On what was measured, and with what."""
    load = [round(each, 1) for each in os.getloadavg()] if hasattr(os, "getloadavg") else None
    return {
        "python": f"{sys.implementation.name} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": load,
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    names = [line for line in told.read_text().splitlines() if line.startswith("model name")] if told.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()


def _told(value: float, unit: Unit) -> str:
    match unit:
        case "ratio":
            return f"{value:.2f}"
        case "µs" | "MB":
            return f"{value:.1f} {unit}"
        case _:
            return f"{value:.0f}"
