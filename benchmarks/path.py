"""The way of one call through the code: each function that `await user.rooms.get("r")` runs, in order, and how many there are.

`python benchmarks/path.py` prints it for the second call of a client without options; `--check` fails beyond the goal. It is
documentation as much as a measurement: the functions stand in the order in which they are entered, indented by depth.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import httpx
import sessions_us_api

import sessions_us
from sessions_us import Quota, UserClient

MOST_FILES = 26
MOST_FUNCTIONS = 90
ROOTS = {"": Path(sessions_us.__file__).parent, "sessions_us_api/": Path(sessions_us_api.__file__).parent}


class Step(NamedTuple):
    """A function that was entered: its file, its name, and how deep it is."""

    file: str
    function: str
    depth: int


def place_of(filename: str) -> str | None:
    """The file below its package, None where it is none of ours."""
    for name, root in ROOTS.items():
        if Path(filename).is_relative_to(root):
            return name + Path(filename).relative_to(root).as_posix()
    return None


@contextmanager
def recorded() -> Iterator[list[Step]]:
    """The steps while the block runs. A coroutine that goes on is no new step, and a comprehension is no function."""
    steps: list[Step] = []
    entered: set[FrameType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_qualname
        if event != "call" or frame in entered or name.endswith(("comp>", "genexpr>")):
            return
        file = place_of(frame.f_code.co_filename)
        if file is not None:
            entered.add(frame)
            depth, outer = 0, frame.f_back
            while outer is not None:
                depth += place_of(outer.f_code.co_filename) is not None
                outer = outer.f_back
            steps.append(Step(file, name, depth))

    sys.setprofile(note)
    try:
        yield steps
    finally:
        sys.setprofile(None)


async def steps_of_a_read() -> list[Step]:
    """The steps of a client's second `rooms.get`."""
    answer = httpx.MockTransport(lambda request: httpx.Response(200, json={"id": "r", "name": "Room"}))
    async with UserClient("key", base_url="http://127.0.0.1", quota=Quota(1000, 1.0), transport=answer) as user:
        await user.rooms.get("r")
        with recorded() as steps:
            await user.rooms.get("r")
    return steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="fail if the call takes more files or functions than it should"
    )
    check = parser.parse_args().check
    steps = asyncio.run(steps_of_a_read())
    functions = {(step.file, step.function) for step in steps}
    files = {step.file for step in steps}
    for step in steps:
        print(f"{'  ' * step.depth}{step.file}: {step.function}")
    print(f"{len(files)} files, {len(functions)} functions, {len(steps)} calls")
    return int(check and (len(files) > MOST_FILES or len(functions) > MOST_FUNCTIONS))


if __name__ == "__main__":
    raise SystemExit(main())
