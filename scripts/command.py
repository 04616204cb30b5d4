"""Runs a script as a command: what can't be used ends in one line on stderr and the exit status 2."""

from __future__ import annotations

import sys
import tomllib
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ("UnusableError", "arguments_of", "command", "text_of", "toml_of")


class UnusableError(Exception):
    """A file or a tool that a script needs can't be used."""


def command(main: Callable[..., int]) -> int:
    """Run the `main` of a script with the arguments of the command line; return the exit status."""
    try:
        return main(*sys.argv[1:])
    except UnusableError as error:
        reason = str(error)
    except OSError as error:
        reason = _told(error)
    sys.stderr.write(f"{Path(sys.argv[0]).stem}: {reason}\n")
    return 2


def arguments_of(description: str | None) -> ArgumentParser:
    """A parser for the arguments of a script, whose help is its docstring. A wrong argument ends with status 2."""
    return ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        UnusableError: it can't be read.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise UnusableError(_told(error)) from None
    except UnicodeDecodeError:
        raise UnusableError(f"{path}: this is no text in UTF-8") from None


def toml_of(path: Path) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        UnusableError: it can't be read.
    """
    try:
        return tomllib.loads(text_of(path))
    except tomllib.TOMLDecodeError as error:
        raise UnusableError(f"{path}: this is no TOML: {error}") from None


def _told(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
