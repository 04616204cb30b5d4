"""The command `sessions-us`. Needs the extra `cli`; `demo` and `sandbox` need the extra `sandbox` too.

Whatever goes wrong is one line on stderr. The exit status is 0; 1 where the work failed; 2 where the command makes no
sense or an extra is missing; 130 after Ctrl-C.
"""

import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from .errors import SessionsError
from .sandbox.limits import HeaderFamily

if TYPE_CHECKING:
    import typer

__all__ = ("main",)

# The libraries of the extras `cli` and `sandbox`; the package `sandbox` speaks for its own.
_OPTIONAL = {"typer", "rich", "sessions_us.sandbox"}

_HELP = """A Sessions API on this machine, and this library at work on it.

\b
Examples:
  sessions-us demo
  sessions-us demo --window 60 --headers nestjs
  sessions-us sandbox --port 8099
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command line and exits.

    Args:
        arguments: what stands after the command's name; None is what this process was given.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where a letter can't be printed, a question mark is enough
    try:
        sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))
    except ImportError as error:
        if error.name not in _OPTIONAL:
            raise
        sys.exit(_fail("an extra is missing: pip install 'sessions-us[cli,sandbox]'", 2))


def _run(arguments: list[str]) -> int:
    import typer

    try:
        status: int | None = _app()(arguments or ["--help"], prog_name="sessions-us", standalone_mode=False)
    except typer.TyperException as error:
        return _fail(error.format_message(), 2)
    except (SessionsError, OSError, ValueError) as error:
        return _fail(f"{error}", 1)
    return status or 0


def _fail(message: str, status: int) -> int:
    print(f"sessions-us: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201  # this is a terminal program
    return status


def _app() -> "typer.Typer":
    """The commands. They are made on demand, because a missing extra must be a line of help and no traceback."""
    import typer

    app = typer.Typer(
        help=_HELP,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,  # they print the locals of frames, and those may hold a key
    )

    seconds = typer.Option(min=0.1, max=3600, help="Length of the sandbox's window in seconds; the API's is 60.")
    count = typer.Option(min=1, help="Requests that each key may send in a window.")
    family = typer.Option(help="The family of headers in which the server tells what is left.")

    @app.callback()
    def commands() -> None:
        pass

    @app.command()
    def demo(
        window: Annotated[float, seconds] = 3.0,
        limit: Annotated[int, count] = 10,
        headers: Annotated[HeaderFamily, family] = "draft-6",
    ) -> None:
        """Shows the client at work on a sandbox that it starts: bookings, sessions and events within the limit.

        The API's own window is 60 seconds; this one is short so that you see several of them. The exit status is 1 if
        a request was refused or lost.

        \b
        Examples:
          sessions-us demo
          sessions-us demo --window 60 --headers nestjs
        """
        from .demo import run

        problems = run(window=window, limit=limit, headers=headers)
        raise typer.Exit(max((_fail(problem, 1) for problem in problems), default=0))

    @app.command()
    def sandbox(
        port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 is any that is free.")] = 8099,
        limit: Annotated[int, count] = 10,
        window: Annotated[float, seconds] = 60.0,
        headers: Annotated[HeaderFamily, family] = "draft-6",
        latency: Annotated[float, typer.Option(min=0, max=60, help="Seconds before each answer.")] = 0.0,
    ) -> None:
        """Serves a Sessions API on this machine until Ctrl-C, and prints its address and keys.

        \b
        Examples:
          sessions-us sandbox
          sessions-us sandbox --port 0 --limit 5 --window 10 --headers x-ratelimit --latency 0.2
        """
        from .sandbox import serve

        serve(port=port, limit=limit, window=window, headers=headers, latency=latency)

    return app


if __name__ == "__main__":
    main()
