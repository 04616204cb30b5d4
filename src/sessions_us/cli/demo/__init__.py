"""`sessions-us demo`."""

from __future__ import annotations

import typer

from .. import fail
from ..sandbox import Family, Limit, Window

__all__ = ("demo",)


def demo(window: Window = 3.0, limit: Limit = 10, headers: Family = "draft-6") -> None:
    """Show the client at work on a sandbox.

    It starts a sandbox, and creates bookings, sessions and events there within the limit. The API's own window is 60
    seconds; this one is short so that you see several of them. The exit status is 1 if a request was refused or lost.

    \b
    Examples:
      sessions-us demo
      sessions-us demo --window 60 --headers nestjs
    """
    from .show import run

    problems = run(window=window, limit=limit, headers=headers)
    raise typer.Exit(max((fail(problem, 1) for problem in problems), default=0))
