"""`sessions-us spec diff`: compare two documents of the API with the repository's script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from . import fail
from .options import help_alone
from .output import screen
from .statuses import Status
from .text import one_line

__all__ = ("app",)

app: typer.Typer = typer.Typer(
    help="""Look at the API's document. Works in a checkout of the repository.

    \b
    Examples:
      sessions-us spec diff published.json
    """,
    rich_markup_mode=None,
)
app.callback(invoke_without_command=True)(help_alone)

# Only if this file is part of a checkout: a file of this name elsewhere must not be run.
_ROOT = Path(__file__).resolve().parents[3]


@app.command()
def diff(
    documents: Annotated[
        list[Path], typer.Argument(metavar="[OLD] NEW", help="JSON or YAML files; OLD is the recorded one if left out.")
    ],
    format: Annotated[Literal["text", "markdown", "json"], typer.Option(help="Of the report.")] = "text",
) -> None:
    """Show what a newer document of the API changes, by operation.

    This runs `scripts/regenerate.py --diff`, which is not part of an installed package. It needs a checkout that was
    installed with `pip install -e .`, and the dependency group `regenerate` (`pip install --group regenerate`, with pip
    25.1). `nox -s regenerate -- --diff OLD NEW` does the same, and installs what it needs. Exit status: 0 no change, 3 only
    harmless ones, 4 some that break callers or the parsing of answers.

    \b
    Examples:
      sessions-us spec diff published.json
      sessions-us spec diff old.yaml new.yaml --format markdown
    """
    script = _ROOT / "scripts" / "regenerate.py"
    if not script.is_file():
        raise typer.Exit(fail("spec diff needs a checkout of the repository, installed with pip install -e .", 2))
    if len(documents) > 2:
        raise typer.Exit(fail("spec diff compares two documents: [OLD] NEW", Status.USAGE))
    old, new = documents if len(documents) == 2 else (_ROOT / "spec" / "upstream.json", documents[0])
    # It has no use for the keys.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SESSIONS_")}
    done = subprocess.run(  # noqa: S603  # our own script, by our own interpreter
        [sys.executable, str(script), "--diff", str(old), str(new), "--format", format],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**environment, "PYTHONUTF8": "1"},
        check=False,
    )
    console = screen()
    for line in done.stdout.splitlines():
        indent = line[: len(line) - len(line.lstrip(" "))]
        console.print(indent + one_line(line), soft_wrap=True)
    problems = done.stderr.splitlines()
    known = done.returncode in {Status.DONE, Status.USAGE, Status.HARMLESS, Status.BREAKING}
    if problems:
        message = problems[-1].removeprefix("regenerate: ")
        raise typer.Exit(fail(message, done.returncode if known and done.returncode else Status.FAILED))
    raise typer.Exit(done.returncode if known else Status.FAILED)
