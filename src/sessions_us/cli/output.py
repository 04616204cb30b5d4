"""Print rows for programs, tables for people."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from .fields import picked, value_at
from .statuses import Status
from .text import json_line, one_line

__all__ = (
    "AsJson",
    "Form",
    "Output",
    "OutputOption",
    "form_of",
    "note",
    "print_all",
    "print_json",
    "print_rows",
    "require_output",
    "screen",
    "wants_json",
)

Form = bool | None
"""True: NDJSON; False: a table; None: a table on a terminal, else NDJSON."""

AsJson = Annotated[
    Form, typer.Option("--json/--table", help="NDJSON or a table; by default a table on a terminal, else NDJSON.")
]


class Output(StrEnum):
    """The forms of rows."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


OutputOption = Annotated[
    Output | None, typer.Option("--output", "-o", help="The form of the rows; json is one array of them.")
]


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        raise typer.Exit(Status.BROKEN_PIPE)


def screen(*, stderr: bool = False) -> Console:
    """Return a console for the output. It prints texts as they are, without markup or highlighting."""
    console = _Screen(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.width:  # COLUMNS=0
        console.width = 80
    return console


def wants_json(form: Form) -> bool:
    """Return whether to print rows as NDJSON."""
    return not sys.stdout.isatty() if form is None else form


def note(text: str) -> None:
    """Print a line on stderr."""
    screen(stderr=True).print(Text(f"sessions-us: {one_line(text)}"), soft_wrap=True)


def require_output() -> None:
    """Check before any request is sent that there is an output for its answer.

    Raises:
        OSError: the standard output is closed, so that rows would be lost.
    """
    if getattr(sys.stdout, "name", None) == os.devnull:  # `main` put it in the place of a closed one
        raise OSError("the standard output is closed, so that all rows would be lost: use >/dev/null if that is meant")


def form_of(form: Form, output: Output | None) -> Output:
    """Return the form of rows, before any request is sent.

    Raises:
        OSError: the standard output is closed, so that rows would be lost.
        ValueError: two forms were given.
    """
    require_output()
    if output is None:
        return Output.NDJSON if wants_json(form) else Output.TABLE
    if form is not None:
        raise ValueError("--output and --json or --table exclude each other")
    return output


def print_json(answer: Any) -> None:
    """Print an answer, if it is not empty: indented on a terminal, else in one line."""
    if answer is None:
        return
    if not sys.stdout.isatty():
        print_rows([answer])
        return
    lines = json.dumps(answer, indent=2, ensure_ascii=False).splitlines()
    screen().print(Text("\n".join(map(_clean, lines))), soft_wrap=True)


def _clean(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip(" "))]
    return indent + one_line(line)


def print_all(rows: Sequence[Any], output: Output, columns: Mapping[str, str], paths: Sequence[str] = ()) -> None:
    """Print all rows of a command.

    Args:
        rows: JSON values, whole.
        output: their form.
        columns: headings, and the paths of their values; for a table and for CSV.
        paths: the chosen fields, for JSON; none are all.
    """
    from .table import table

    match output:
        case Output.NDJSON:
            print_rows(picked(rows, paths))
        case Output.JSON:
            _write("[" + ",\n ".join(json_line(row, ascii=_is_plain()) for row in picked(rows, paths)) + "]\n")
        case Output.CSV:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")  # as other programs of a pipe expect
            writer.writerow(columns)
            writer.writerows([_csv_cell(row, where) for where in columns.values()] for row in rows)
            _write(text.getvalue())
        case Output.TABLE:
            console = screen()
            console.print(table(columns, rows, console.width))


def _csv_cell(row: Any, where: str) -> str:
    value = value_at(row, where)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=_is_plain(), separators=(",", ":"))


def print_rows(rows: Iterable[Any]) -> None:
    """Print rows as NDJSON in UTF-8, or in ASCII if the output has another encoding, and flush."""
    _write("".join(f"{json_line(row, ascii=_is_plain())}\n" for row in rows))


def _write(text: str) -> None:
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise typer.Exit(Status.BROKEN_PIPE) from None


def _is_plain() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
