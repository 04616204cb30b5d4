"""`sessions-us sandbox`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from ..sandbox.clock import Time
from ..sandbox.fields import Fields
from ..sandbox.limits import HeaderFamily
from .json_input import json_in
from .options import a_number

__all__ = ("Family", "Limit", "Window", "sandbox")

Window = Annotated[
    float,
    typer.Option(
        min=0.1, max=3600, callback=a_number, help="Length of the sandbox's window in seconds; the API's is 60."
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="Requests that each key may send in a window.")]
Family = Annotated[HeaderFamily, typer.Option(help="The family of the rate-limit headers.")]

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_DROPS = ("reset", "lost", "cut")


def _fault(text: str) -> dict[str, Any]:
    what, _, chance = text.partition(":")
    try:
        return {"status": what if what in _DROPS else int(what), "chance": float(chance or 1), "times": None}
    except ValueError:
        raise typer.BadParameter(f"{text!r} must look like 502:0.05, a status and the part of requests") from None


def _noise(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)/(\d*)(s|min|h)", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} must look like 3/min, a number of requests and a time")
    return float(found[1]), float(found[2] or 1) * _SECONDS[found[3]]


def _data(path: Path) -> Any:
    try:
        return json_in(path)
    except OSError as error:
        raise typer.BadParameter(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not JSON in UTF-8: {error}") from None


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any that is free.")] = 8099,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 is every one of this machine.")
    ] = "127.0.0.1",
    limit: Limit = 10,
    window: Window = 60.0,
    headers: Family = "draft-6",
    latency: Annotated[float, typer.Option(min=0, max=60, callback=a_number, help="Seconds before each answer.")] = 0.0,
    user_key: Annotated[str, typer.Option(help="The USER key.")] = "sandbox-user-key",
    guest_key: Annotated[str, typer.Option(help="The GUEST key.")] = "sandbox-guest-key",
    data: Annotated[Path | None, typer.Option(help="A JSON file with objects to begin with.", metavar="FILE")] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Begin without the usual objects.")] = False,
    seed: Annotated[int, typer.Option(help="Makes ids and data repeatable.")] = 1,
    fields: Annotated[Fields, typer.Option(help="Send what is known, or also what is only inferred.")] = "known",
    fault: Annotated[
        list[str] | None,
        typer.Option(help="A failure and the part of the requests that get it. May be repeated.", metavar="502:0.05"),
    ] = None,
    noise: Annotated[str, typer.Option(help="Requests of others on each key.", metavar="3/min")] = "0/min",
    deliver_to: Annotated[
        str | None, typer.Option(help="Deliver the webhooks of all triggers to this URL.", metavar="URL")
    ] = None,
    time: Annotated[Time, typer.Option(help="Whether the clock runs, or stands still until it is advanced.")] = "runs",
    quiet: Annotated[bool, typer.Option("--quiet", help="Don't log the requests.")] = False,
) -> None:
    """Serve a Sessions API on this machine.

    It prints its address and keys, and logs each request with what is left of its key's quota to standard error. A browser
    finds a page at the address. Ctrl-C ends it.

    \b
    Examples:
      sessions-us sandbox
      sessions-us sandbox --port 0 --limit 5 --window 10 --headers x-ratelimit --latency 0.2
      sessions-us sandbox --empty --data seed.json --deliver-to http://localhost:3000/hooks
      sessions-us sandbox --fault 502:0.05 --fault reset:0.01 --noise 3/min
    """
    from ..sandbox import serve

    options = {
        "limit": limit,
        "window": window,
        "headers": headers,
        "latency": latency,
        "user_key": user_key,
        "guest_key": guest_key,
        "data": None if data is None else _data(data),
        "empty": empty,
        "seed": seed,
        "fields": fields,
        "faults": [_fault(each) for each in fault or ()],
        "noise": _noise(noise),
        "deliver_to": deliver_to,
        "time": time,
    }
    try:
        serve(port, host=host, quiet=quiet, **options)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
