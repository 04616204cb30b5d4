"""The target of an export: its sink, and the path of its state. Nothing is opened here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from attrs import field, frozen

if TYPE_CHECKING:
    from ..pipelines import Sink

__all__ = ("Format", "Target", "without_secrets")

Format = Literal["ndjson", "parquet", "dlt"]

_SUFFIXES: dict[str, Format] = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".parquet": "parquet"}
_FILE = re.compile(r"duckdb:///([^?]+)")
# Up to the last `@`, for a password may hold anything, escaped or not; what looks like a port, a path and a query is none.
_PASSWORD = re.compile(r"(?<=://)[^:/?#@\[]*:(?!\d+(?:/[^?#@]*)?[?#])(.*)(?=@)", re.DOTALL)
_VALUE = re.compile(r"(?<==)[^&]+")
_SHORTEST = (
    4  # letters; a value in a query that is shorter is a number or a switch, and its letters are in other words too
)
_HIDDEN = "***"


@frozen
class Target:
    """The target of an export.

    Attributes:
        place: a path or a URL.
        format: format of the sink.
        state: path of the state.
    """

    place: str = field(repr=False)
    format: Format
    state: Path

    @classmethod
    def of(cls, place: str, format: Format | None, state: Path | None, resources: int) -> Target:
        """Make a target, with defaults for what is not given.

        Args:
            place: a path or a URL.
            format: None is the format of the suffix; NDJSON for a directory, dlt for a URL.
            state: None is a path beside the place.
            resources: number of resources.

        Raises:
            ValueError: a default can't be found, or the arguments do not fit.
        """
        if place == "-":
            raise ValueError(
                "--to - would be the standard output, which can't hold an export that goes on where it stopped: give a file, "
                "or use `sessions-us list RESOURCE --json`"
            )
        if not place:
            raise ValueError("--to names no place: give a file, a directory or a URL")
        is_url = "://" in place
        shown = without_secrets(place)
        chosen = format or ("dlt" if is_url else _format(place))
        if place.startswith("duckdb://") and not place.startswith("duckdb:///"):
            raise ValueError(f"{shown} names no file: there are three slashes in duckdb:///sessions.duckdb")
        if is_url and chosen != "dlt":
            raise ValueError(f"--format {chosen} goes into files, and {shown} is a URL")
        is_file = Path(place).suffix.lower() in _SUFFIXES and not Path(place).is_dir()
        if chosen == "ndjson" and is_file and resources > 1:
            raise ValueError(f"{place} is the name of one file: several resources need a directory")
        if state is None:
            found = _FILE.fullmatch(place)
            if place.startswith("duckdb://") and found is None:
                raise ValueError(
                    f"{shown} names no file: a DuckDB file has three slashes, as in duckdb:///sessions.duckdb"
                )
            if chosen == "dlt" and found is None:
                raise ValueError(f"{shown} is no file, so that nothing can lie beside it: give --state FILE")
            state = Path(f"{unquote(found[1]) if found else place.rstrip('/')}.state")
        return cls(place, chosen, state)

    def sink(self) -> Sink:
        """Make the sink.

        Raises:
            ImportError: an extra is missing.
            ConfigurationError: the database is unusable.
        """
        match self.format:
            case "ndjson":
                from ..pipelines import NDJSONSink

                return NDJSONSink(self.place)
            case "parquet":
                from ..pipelines import ParquetSink

                return ParquetSink(self.place)
            case "dlt":
                from ..pipelines import DltSink

                return DltSink(self.place)

    def hide(self, text: str) -> str:
        """Return a text without the password of the target and the values in its query."""
        if "://" not in self.place:
            return text
        text = text.replace(self.place, without_secrets(self.place))
        password, rest = _password(self.place)
        values = [value for value in _VALUE.findall(_query(rest)[2]) if len(value) >= _SHORTEST]
        secrets = {password, unquote(password), *values, *map(unquote, values)}
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return text


def without_secrets(argument: str) -> str:
    """Return an argument without the password of a URL and the values of its query."""
    if "://" not in argument:
        return argument
    password, rest = _password(argument)
    head, separator, query = _query(rest)
    before = argument[: len(argument) - len(password) - len(rest)] + _HIDDEN if password else ""
    return before + head + separator + _VALUE.sub(_HIDDEN, query)


def _password(url: str) -> tuple[str, str]:
    """Return the password in a URL and what follows it; without a password, an empty string and the URL."""
    found = _PASSWORD.search(url)
    return (found[1], url[found.end(1) :]) if found else ("", url)


def _query(url: str) -> tuple[str, str, str]:
    """Split a URL into the part before the query, the separator, and the query."""
    head, separator, query = [*re.split("([?#])", url, maxsplit=1), "", ""][:3]
    return head, separator, query


def _format(path: str) -> Format:
    suffix = Path(path).suffix.lower()
    if not suffix or path.endswith("/") or (suffix not in _SUFFIXES and Path(path).is_dir()):
        return "ndjson"
    if suffix not in _SUFFIXES:
        raise ValueError(f"the name of {path} does not show its format: give --format")
    return _SUFFIXES[suffix]
