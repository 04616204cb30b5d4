"""The application with all commands."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from . import api, demo, export, fail, listing, quota, sandbox, spec, trigger, webhooks
from .access import SENDING, be_verbose
from .statuses import MEANINGS, Status

__all__ = ("HELP", "run")

_STATUSES = "\n".join(f"  {status:<4}{meaning}" for status, meaning in MEANINGS.items())

HELP = f"""The Sessions API from the command line, within its ten requests a minute.

The key comes from SESSIONS_USER_KEY, or from a private file (--key-file), never from an argument. SESSIONS_BASE_URL is the
address and SESSIONS_QUOTA the budget (10/60s), as in the library. Rows are a table on a terminal and NDJSON in a pipe.

\b
Examples:
  sessions-us export sessions --to sessions.ndjson
  sessions-us list sessions
  sessions-us list bookings --all --json | jq .startAt
  sessions-us get sessions 5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3
  sessions-us api GET /api/rooms -f page=2
  sessions-us quota --watch
  sessions-us demo

\b
Exit status:
{_STATUSES}
"""


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"sessions-us {__version__}")
        raise typer.Exit


def _app() -> typer.Typer:
    app = typer.Typer(
        help=HELP,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,  # they print the locals of frames, and those may hold a key
    )

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
        ] = False,
        verbose: Annotated[
            bool, typer.Option("--verbose", "-v", help="Print each request, wait and retry on stderr.")
        ] = False,
    ) -> None:
        if verbose:
            be_verbose()

    for command in (export.export, listing.list_, api.get, api.create, api.cancel, api.api, quota.quota):
        app.command(command.__name__.rstrip("_"), cls=SENDING)(command)
    for other in (demo.demo, sandbox.sandbox, trigger.trigger):
        app.command()(other)
    app.add_typer(webhooks.app, name="webhooks")
    app.add_typer(spec.app, name="spec")
    return app


def run(arguments: list[str]) -> int:
    """Run a command line.

    Returns:
        The exit status.

    Raises:
        Exception: a failure, unless it is an error of the command line.
    """
    given = [*arguments[1:], "--help"] if not arguments or arguments[0] == "help" else arguments
    try:
        status: int | None = _app()(given, prog_name="sessions-us", standalone_mode=False, obj=arguments)
    except typer.TyperException as error:
        return fail(_usage(error), Status.USAGE)
    except typer.Abort:
        return Status.INTERRUPTED
    except SystemExit as ended:  # so typer ends a process whose reader went away
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        return Status.BROKEN_PIPE
    return status or Status.DONE


def _usage(error: typer.TyperException) -> str:
    """Return what is wrong with a command line, in plain words, and where its help is."""
    message = re.sub(r"is not in the range x>=([\d.]+)\.$", r"must be at least \1.", error.format_message())
    message = re.sub(r"is not in the range ([\d.]+)<=x<=([\d.]+)\.$", r"must be from \1 to \2.", message)
    message = re.sub(r"is not a valid (?:int|float)(?: range)?\.$", "is no such number.", message)
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    return f"{message}{'' if message.endswith(('.', '?')) else '.'} Help: {context.command_path} -h"
