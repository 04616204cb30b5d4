"""Print rows for programs, tables for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console

from .statuses import Status
from .text import json_line

__all__ = ("Form", "print_rows", "screen", "wants_json")

Form = bool | None
"""True: NDJSON; False: a table; None: a table on a terminal, else NDJSON."""


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        raise typer.Exit(Status.BROKEN_PIPE)


def screen(*, stderr: bool = False) -> Console:
    """Return a console for the output. It prints texts as they are, without markup or highlighting."""
    return _Screen(stderr=stderr, highlight=False, markup=False, emoji=False)


def wants_json(form: Form) -> bool:
    """Return whether to print rows as NDJSON."""
    return not sys.stdout.isatty() if form is None else form


def print_rows(rows: Iterable[Any]) -> None:
    """Print rows as NDJSON in UTF-8, or in ASCII if the output has another encoding, and flush."""
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    lines = "".join(f"{json_line(row, ascii=plain)}\n" for row in rows)
    try:
        sys.stdout.buffer.write(lines.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise typer.Exit(Status.BROKEN_PIPE) from None
