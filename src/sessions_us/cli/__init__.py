"""The command `sessions-us`. Needs the extra `cli`; `demo` and `sandbox` need the extra `sandbox` too.

A failure is one line on stderr, with an exit status for each kind (`statuses.py`). Output is a table on a terminal and
NDJSON in a pipe.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from .statuses import Status, failure

__all__ = ("main",)

# What may be missing, and the extras that bring it; the packages `sandbox` and `pipelines` speak for their libraries.
_EXTRAS = {
    "typer": "cli,sandbox",
    "rich": "cli,sandbox",
    "sessions_us.sandbox": "cli,sandbox",
    "sessions_us.pipelines": "cli,pipelines",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit.

    Args:
        arguments: the arguments of the command; None is those of this process.
    """
    # The parent process closed it (`>&-`), which is no failure.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where a letter can't be printed, a question mark is enough
    logging.getLogger("sessions_us").setLevel(logging.ERROR)  # warnings are also events, which are shown
    status = _run(sys.argv[1:] if arguments is None else list(arguments))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = Status.BROKEN_PIPE
    if status == Status.BROKEN_PIPE:
        _abandon(sys.stdout)
    try:
        sys.stderr.flush()
    except OSError:  # the status says what nobody could read
        _abandon(sys.stderr)
    sys.exit(status)


def _nowhere() -> io.TextIOWrapper:
    return Path(os.devnull).open("w", encoding="utf-8")  # as long as the process


def _abandon(stream: TextIO) -> None:
    """Let a stream lead nowhere: the interpreter flushes once more at its end, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(arguments: list[str]) -> int:
    try:
        from .commands import run

        return run(arguments)
    except KeyboardInterrupt:  # while commands are still being loaded
        return Status.INTERRUPTED
    except Exception as error:
        if isinstance(error, ImportError) and error.name in _EXTRAS:
            return fail(f"an extra is missing: pip install 'sessions-us[{_EXTRAS[error.name]}]'", Status.USAGE)
        return fail(*failure(error))


def fail(message: str, status: int) -> int:
    """Print a failure on stderr, in one line, if stderr can take it.

    Returns:
        The status.
    """
    from .text import one_line

    with suppress(OSError):
        print(f"sessions-us: {one_line(message)}", file=sys.stderr)  # noqa: T201  # this is a terminal program
    return status
