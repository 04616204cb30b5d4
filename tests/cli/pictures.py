"""Take the pictures of docs/terminal.md: what the command shows on a terminal of 80 × 24. Needs tmux.

python tests/cli/pictures.py
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sessions_us.sandbox import Sandbox

DOCS = Path(__file__).parents[2] / "docs" / "terminal.md"
ID = "5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3"
SHOTS = (
    ("list sessions --limit 8", "more may follow"),
    (f"get sessions {ID}", "participants  "),
    ("export sessions --to sessions.ndjson", "waiting for the quota"),
    ("quota --watch", "in flight"),
)
"""Commands, and the words that show that it is time for the picture."""
HEAD = """# On a terminal

What the command shows on a terminal of 80 columns and 24 lines, against a sandbox that allows ten requests in twenty seconds.
`python tests/cli/pictures.py` takes these pictures with tmux.
"""


class Tmux:
    """A terminal of 80 × 24 of its own."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        self._name = f"pictures-{os.getpid()}"
        shell = {"PS1": "$ ", "PATH": f"{place}{os.pathsep}{os.environ['PATH']}", **environment}
        told = [f"{name}={value}" for name, value in shell.items()]
        self._run("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", str(place), "env", *told, "sh")

    def picture(self, command: str, words: str) -> str:
        """Type a command, and return the screen once it shows some words; then stop the command."""
        self._run("send-keys", f"clear; sessions-us {command}", "Enter")
        deadline = time.monotonic() + 120
        while words not in (screen := self._run("capture-pane", "-p")) and time.monotonic() < deadline:
            time.sleep(0.3)
        self._run("send-keys", "C-c", "")
        if words not in screen:
            raise SystemExit(f"{command} did not show {words!r}:\n{screen}")
        time.sleep(3)
        return f"$ sessions-us {command}\n{screen.strip()}"

    def close(self) -> None:
        self._run("kill-server")

    def _run(self, *arguments: str) -> str:
        return subprocess.run(["tmux", "-L", self._name, *arguments], capture_output=True, text=True, check=True).stdout


async def main() -> None:
    async with Sandbox(limit=10, window=20.0) as sandbox:
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
        planned = {"startAt": start.isoformat(), "plannedEnd": (start + timedelta(hours=1)).isoformat()}
        sandbox.load({"sessions": [{"id": ID, "name": "Kick-off of the new product", **planned}]})
        with tempfile.TemporaryDirectory() as directory:
            shim = Path(directory) / "sessions-us"
            shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m sessions_us.cli "$@"\n')
            shim.chmod(0o700)
            told = {
                "SESSIONS_BASE_URL": sandbox.url,
                "SESSIONS_USER_KEY": sandbox.user_key,
                "SESSIONS_QUOTA": "10/20s",
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            }
            tmux = Tmux(Path(directory), told)
            try:
                shots = [await asyncio.to_thread(tmux.picture, command, words) for command, words in SHOTS]
            finally:
                tmux.close()
    DOCS.write_text("\n".join([HEAD, *(f"```text\n{shot}\n```\n" for shot in shots)]), "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
