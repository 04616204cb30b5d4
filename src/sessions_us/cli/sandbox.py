"""`sessions-us sandbox`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..sandbox.limits import HeaderFamily

__all__ = ("Family", "Limit", "Window", "sandbox")

Window = Annotated[
    float, typer.Option(min=0.1, max=3600, help="Length of the sandbox's window in seconds; the API's is 60.")
]
Limit = Annotated[int, typer.Option(min=1, help="Requests that each key may send in a window.")]
Family = Annotated[HeaderFamily, typer.Option(help="The family of the rate-limit headers.")]


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 is any that is free.")] = 8099,
    limit: Limit = 10,
    window: Window = 60.0,
    headers: Family = "draft-6",
    latency: Annotated[float, typer.Option(min=0, max=60, help="Seconds before each answer.")] = 0.0,
) -> None:
    """Serve a Sessions API on this machine.

    It prints its address and keys. Ctrl-C ends it.

    \b
    Examples:
      sessions-us sandbox
      sessions-us sandbox --port 0 --limit 5 --window 10 --headers x-ratelimit --latency 0.2
    """
    from ..sandbox import serve

    serve(port=port, limit=limit, window=window, headers=headers, latency=latency)
