"""The table of what sessions-us costs: each figure with its goal, and what others reach on the same work in the same run.

`nox -s benchmarks [-- --quick] [--only call decoding] [--json FILE] [--check]`. The whole takes about ten minutes on two idle
cores, `--quick` one. Each part runs in a process of its own, one after the other.

Ratios are of CPU time, measured in turns. They mean something on any machine; microseconds and megabytes belong to the one
that the JSON describes. `--check` compares the ratios and counts with those of an earlier run of the same form, which `--json`
wrote to `baseline/quick.json` or `baseline/whole.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks.figures import Figure, machine, table, worse

HOME = Path(__file__).resolve().parent
PARTS = ("call", "decoding", "start", "stream", "acquire", "quota")
BASELINES = HOME / "baseline"
MOST = 0.2  # of a figure, by which it may be worse than in the baseline


def measured_here(part: str, quick: bool) -> list[Figure]:
    """The figures of a part, measured in this process."""
    figures: Any = importlib.import_module(f"benchmarks.{part}").measure(quick)
    if inspect.iscoroutine(figures):
        figures = asyncio.run(figures)
    return list(figures)


def measured(parts: Sequence[str], quick: bool) -> Iterator[Figure]:
    """The figures of the parts, each measured in a process of its own."""
    for part in parts:
        began = time.monotonic()
        program = [sys.executable, str(HOME / "table.py"), "--part", part, *(["--quick"] if quick else [])]
        told = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True).stdout
        print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        yield from (Figure(*each) for each in json.loads(told.splitlines()[-1]))


def described(figures: Sequence[Figure], began: str) -> dict[str, object]:
    """The figures and the machine, for a file."""
    told = {each.work: each._asdict() | {"verdict": each.verdict} for each in figures}
    return {"began": began, "machine": machine(), "figures": told}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer turns and shorter lists: one minute")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures and the machine there")
    parser.add_argument("--check", action="store_true", help="fail where a ratio is 20 %% worse than in the baseline")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(measured_here(given.part, given.quick)))
        return 0
    before = _baseline(given.quick) if given.check else {}
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    figures = list(measured(given.only, given.quick))
    told = described(figures, began)
    print(f"{began}; {json.dumps(told['machine'])}\n", *table(figures), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return _checked(figures, before) if given.check else 0


def _baseline(quick: bool) -> dict[str, dict[str, object]]:
    """The figures of the earlier run."""
    path = BASELINES / ("quick.json" if quick else "whole.json")
    if not path.exists():
        raise SystemExit(f"There is no {path}, so there is nothing to compare with: write it with --json {path}")
    figures: dict[str, dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return figures


def _checked(figures: Sequence[Figure], before: dict[str, dict[str, object]]) -> int:
    found = list(worse(figures, before, MOST))
    unknown = [each.work for each in figures if each.work not in before]
    print(f"\nMore than {MOST:.0%} worse than in the baseline:", "".join(f"\n* {each}" for each in found) or "nothing")
    if unknown:
        print("Not in the baseline, so not compared:", "".join(f"\n* {each}" for each in unknown))
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
