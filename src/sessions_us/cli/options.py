"""Read the values of options: names of resources, and durations. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from math import isnan
from typing import TypeVar

import typer
from typer.models import ArgumentInfo

__all__ = ("a_number", "choice", "days", "duration_of", "help_alone", "one_of", "unknown")

E = TypeVar("E", bound=StrEnum)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def choice(kind: type[E]) -> Callable[[str], E]:
    """Return a parser for the names of a kind, in any case, with `_` or `-`, in the singular too."""

    def parse(text: str) -> E:
        spelled = _spelled(text)
        found = next((each for each in kind if _spelled(each.value) in {spelled, f"{spelled}s"}), None)
        if found is None:
            raise typer.BadParameter(unknown(text, kind))
        return found

    parse.__name__ = kind.__name__
    return parse


def one_of(kind: type[StrEnum], *, several: bool = False, metavar: str = "RESOURCE") -> ArgumentInfo:
    """Return the argument that is one name of a kind, or several."""
    dots, word = ("...", "Some") if several else ("", "One")
    names = list(kind)
    argument: ArgumentInfo = typer.Argument(
        metavar=f"{metavar}{dots}",
        help=f"{word} of {', '.join(names)}.",
        parser=choice(kind),
        autocompletion=lambda: names,
    )
    return argument


def a_number(value: float | None) -> float | None:
    """Refuse NaN, which is within any bounds."""
    if value is not None and isnan(value):
        raise typer.BadParameter("nan is no number")
    return value


def unknown(text: str, names: Iterable[str]) -> str:
    """Return what to say of a name that does not exist."""
    known = [str(name) for name in names]
    near = get_close_matches(_spelled(text), map(_spelled, known), 1)
    meant = next((name for name in known if near and _spelled(name) == near[0]), None)
    hint = f" Did you mean {meant}?" if meant else ""
    return f"{text!r} is not one of {', '.join(known)}.{hint}"


def help_alone(context: typer.Context) -> None:
    """Show the help of a group of commands if none of them is named."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _spelled(name: str) -> str:
    return name.lower().replace("_", "-")


def days(text: str) -> timedelta:
    """Return a duration such as `7d`, `12h` or `0`."""
    if (duration := duration_of(text)) is None:
        raise typer.BadParameter(f"{text!r} is no duration: give a number and a unit, such as 7d, 12h or 30m")
    return duration


def duration_of(text: str) -> timedelta | None:
    """Return a duration such as `7d` or `0`; None for what is none."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([smhdw])", text.strip().lower())
    if found is None:
        return timedelta(0) if text.strip() == "0" else None
    return timedelta(**{_UNITS[found[2]]: float(found[1])})
