"""Writes docs/methods.md, the list of all methods, from the generated operations and the methods' signatures and docstrings.

python scripts/methods.py [--check]
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from command import arguments_of, command, text_of
from regeneration.drive.calls import METHODS
from sessions_us_api.operations import OPERATIONS

PAGE: Final = Path(__file__).parents[1] / "docs" / "methods.md"

# The class of each attribute of a client, with its module in sessions_us.resources.
CLASSES: Final = {
    "user.booking_pages": ("booking_pages", "BookingPages"),
    "user.booking_pages.collaborators": ("collaborators", "Collaborators"),
    "user.bookings": ("bookings", "Bookings"),
    "user.rooms": ("rooms", "Rooms"),
    "user.sessions": ("sessions", "Sessions"),
    "user.sessions.participants": ("participants", "Participants"),
    "user.events": ("events", "Events"),
    "user.webhooks": ("webhooks", "Webhooks"),
    "guest.bookings": ("guests", "GuestBookings"),
    "guest.events": ("guests", "GuestEvents"),
}

HEAD: Final = """# All {count} methods

`user` is a `UserClient`, `guest` a `GuestClient`. Ids are given by position, everything else by name: required arguments are
marked `=…`, optional ones `?`. What returns a `Pager` is a list: iterate it with `async for`. Everything else is awaited.

*Sent again* says whether a call is sent again when nobody knows what became of the first attempt: see
[Timeouts, retries, deadlines](patience.md). *Known from* says how well the API's side is known: see
[What is known about the API](api.md). [Resources](reference/resources.md) has the docstrings.

This page is written by `scripts/methods.py`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [HEAD.format(count=len(METHODS))]
    for name in CLASSES:
        operations = [each for each, method in METHODS.items() if method.rpartition(".")[0] == name]
        parts.append(
            f"\n## `{name}`\n\n| method | returns | endpoint | sent again | known from |\n|---|---|---|---|---|\n"
        )
        parts += [_row(name, operation) for operation in operations]
    return "".join(parts)


def _row(name: str, operation_id: str) -> str:
    operation, method = OPERATIONS[operation_id], METHODS[operation_id]
    function = _function(name, method.rpartition(".")[2])
    signature = inspect.signature(function)
    known = re.search(r"Known from: (.*?)\.?\s*\Z", inspect.cleandoc(function.__doc__ or ""), re.DOTALL)
    if known is None:
        raise SystemExit(f"{method} does not say what it is known from")
    cells = [
        f"`{method.rpartition('.')[2]}({_arguments(signature)})`",
        f"`{_returned(signature)}`",
        f"`{operation.method} {operation.path}`",
        "yes" if operation.repeatable else "no",
        " ".join(known[1].split()),
    ]
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |\n"


def _function(name: str, method: str) -> Callable[..., Any]:
    module, kind = CLASSES[name]
    function: Callable[..., Any] = getattr(getattr(import_module(f"sessions_us.resources.{module}"), kind), method)
    return function


def _arguments(signature: inspect.Signature) -> str:
    """The arguments as they are called: required ones with `=…`, optional ones with a question mark, ids by name alone."""
    given = []
    for parameter in list(signature.parameters.values())[1:]:
        required = parameter.default is parameter.empty
        if parameter.kind is not parameter.KEYWORD_ONLY:
            given.append(parameter.name if required else f"{parameter.name}?")
        else:
            given.append(f"{parameter.name}=…" if required else f"{parameter.name}?")
    return ", ".join(given)


def _returned(signature: inspect.Signature) -> str:
    return str(signature.return_annotation).replace("builtins.", "")


def main(*arguments: str) -> int:
    """Write the page; with `--check`, say whether it is what it should be."""
    parser = arguments_of(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is not current")
    checks = parser.parse_args(arguments).check
    written = text_of(PAGE) if PAGE.exists() else ""
    if not checks:
        PAGE.write_text(page(), "utf-8")
    elif written != page():
        sys.stderr.write("docs/methods.md is not current: run python scripts/methods.py\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(command(main))
