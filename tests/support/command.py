"""The command `sessions-us` as a process: in a pipe, or on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sessions_us.sandbox import Sandbox

COMMAND = (sys.executable, "-m", "sessions_us.cli")
BLOCKER = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from sessions_us.cli import main
main({arguments!r})
"""
_PATIENCE = 60.0


def environment(**changes: str) -> dict[str, str]:
    """Of a process whose settings are only those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SESSIONS_", "NO_COLOR"))}
    if "PYTHONPATH" in kept:  # relative to here, and the command may run elsewhere
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, kept["PYTHONPATH"].split(os.pathsep)))
    return {**kept, "PYTHONUTF8": "1", "COLUMNS": "100", **changes}


def at(sandbox: Sandbox) -> dict[str, str]:
    """The environment of a user of a sandbox."""
    return {
        "SESSIONS_BASE_URL": sandbox.url,
        "SESSIONS_USER_KEY": sandbox.user_key,
        "SESSIONS_QUOTA": f"{sandbox.limiter.limit}/{sandbox.limiter.window:g}s",
    }


def run(*arguments: str, cwd: Path | None = None, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command in a pipe, to its end."""
    return python(*COMMAND[1:], *arguments, cwd=cwd, **changes)


def python(
    *arguments: str, cwd: Path | None = None, measured: bool = True, **changes: str
) -> subprocess.CompletedProcess[str]:
    """The interpreter in a pipe, to its end; not `measured`: without what counts the lines that it runs."""
    told = environment(**changes)
    if not measured:
        told = {name: value for name, value in told.items() if not name.startswith("COVERAGE")}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        cwd=cwd,
        env=told,
    )


def without(blocked: set[str], *arguments: str, cwd: Path | None = None, **changes: str) -> Any:
    """The command where some libraries are not installed."""
    return python("-c", BLOCKER.format(blocked=blocked, arguments=list(arguments)), cwd=cwd, **changes)


@contextlib.contextmanager
def started(*arguments: str, cwd: Path | None = None, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a pipe, while it runs."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=cwd,
        env=environment(**changes),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=_PATIENCE)


def until(happened: Callable[[], object]) -> None:
    """Waits for something that another process does."""
    deadline = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


class Terminal:
    """The command on a terminal of its own.

    Attributes:
        output: what it wrote to the terminal so far.
        status: its exit status, None while it runs.
    """

    def __init__(
        self, *arguments: str, columns: int = 100, lines: int = 40, cwd: Path | None = None, **changes: str
    ) -> None:
        self.output = ""
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        told = environment(TERM="xterm-256color", **changes)
        del told["COLUMNS"]
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=told,
            preexec_fn=lambda: os.login_tty(slave),
        )
        os.close(slave)

    @property
    def status(self) -> int | None:
        return self._process.poll()

    def read(self, *, until: Callable[[str], object] | None = None) -> str:
        """Reads until the output satisfies, else to the end of the process."""
        deadline = time.monotonic() + _PATIENCE
        while until is None or not until(self.output):
            assert time.monotonic() < deadline, f"it did not happen; so far: {self.output!r}"
            ready, _, _ = select.select([self._master], [], [], 0.1)
            if not ready:
                continue
            try:
                said = os.read(self._master, 65536)
            except OSError:  # how Linux tells that nobody has the terminal open any more
                said = b""
            if not said:
                self._process.wait(timeout=_PATIENCE)
                assert until is None or until(self.output), f"it ended without that: {self.output!r}"
                break
            self.output += said.decode("utf-8", "replace")
        return self.output

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=_PATIENCE)
        os.close(self._master)
