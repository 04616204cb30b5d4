"""How much of the budget an export uses when it is alone: `nox -s budget`. Takes about four minutes.

A sandbox with 10 requests per 30 s, and `sessions-us export sessions` against it, as a process of its own whose screen is
this one's. Exit status 1 if the export failed, met a 429, or used less than nine tenths of the budget.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from sessions_us.sandbox import ReceivedRequest, Sandbox

LIMIT, WINDOW, SESSIONS, LEAST = 10, 30.0, 38, 0.9


def fill(sandbox: Sandbox) -> None:
    """Makes sessions that have ended, before anything is counted: each costs a request for each of two kinds of children."""
    ended = {"actualStart": "2026-01-01T09:00:00.000Z", "endedAt": "2026-01-01T10:00:00.000Z"}
    sandbox.load({"sessions": [{"name": f"Session {number}", **ended} for number in range(SESSIONS)]})


def used(requests: list[ReceivedRequest]) -> tuple[int, float, float]:
    """Whole windows, their share of the budget that was used, and how long they took, in seconds.

    A window opens with the first request after the last one ended. The last is left out: the job ends in its midst.
    """
    opened: list[float] = []
    for request in requests:
        if not opened or request.at >= opened[-1] + WINDOW:
            opened.append(request.at)
    taken = opened[-1] - opened[0]
    before = sum(request.at < opened[-1] for request in requests)
    return len(opened) - 1, before / (LIMIT * taken / WINDOW), taken


async def main() -> int:
    async with Sandbox(limit=LIMIT, window=WINDOW, latency=0.05, empty=True) as sandbox:
        fill(sandbox)
        begun = len(sandbox.requests)
        with tempfile.TemporaryDirectory() as directory:
            out = Path(directory) / "out.ndjson"
            command = [sys.executable, "-m", "sessions_us.cli", "export", "sessions", "--to", "out.ndjson"]
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=directory,
                env={
                    **os.environ,
                    "SESSIONS_BASE_URL": sandbox.url,
                    "SESSIONS_USER_KEY": sandbox.user_key,
                    "SESSIONS_QUOTA": f"{LIMIT}/{WINDOW:g}s",
                },
            )
            status = await process.wait()
            ids = {json.loads(line)["id"] for line in out.read_text().splitlines()} if out.exists() else set()
        requests = sandbox.requests[begun:]
    windows, share, taken = used(requests)
    refused = sum(request.status == 429 for request in requests)
    print(f"exit status {status}; {len(ids)} of {SESSIONS} sessions; {len(requests)} requests; 429s: {refused}")
    print(f"{windows} whole windows of {WINDOW:g} s took {taken:.1f} s; {share:.1%} of the budget used")
    return 0 if (status, refused, len(ids)) == (0, 0, SESSIONS) and share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
