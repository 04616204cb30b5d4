"""The protocol of sinks, to which an export writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

__all__ = ("Lines", "Row", "Sink")

Row = Mapping[str, Any]
"""A row as the server sent it: decoded JSON by wire names, with its children nested under their names."""


@runtime_checkable
class Lines(Protocol):
    """Rows that are JSON text already: what the state gives to a sink that is whole."""

    def lines(self) -> Iterator[str]:
        """Yield each row as JSON in one line."""
        ...


class Sink(Protocol):
    """Receives rows. An export calls it in one worker thread, one method at a time.

    The state has all rows, so a sink has nothing to remember: what it lost, or did not get to know as committed, is written
    again. A failure raises; an `OSError` becomes an `ExportError` that names the file.

    Attributes:
        identity: kind and absolute place of the sink, without secrets. The state knows it by this name.
        is_whole: whether `write` gets all rows of a resource, and replaces what was there. Otherwise it gets the rows that
            are new or have changed, some of them perhaps twice.
        rows_per_commit: for a sink that is not whole, how many rows are written before each commit.
        seconds_per_commit: how long rows that are new or have changed may wait in the state.
    """

    @property
    def identity(self) -> str: ...
    @property
    def is_whole(self) -> bool: ...
    @property
    def rows_per_commit(self) -> int: ...
    @property
    def seconds_per_commit(self) -> float: ...

    def open(self, checkpoint: str | None, resources: Sequence[str]) -> bool:
        """Check that the place can be used.

        Args:
            checkpoint: the result of the last `commit`; empty if there was none yet; None: this state has never opened it.
            resources: the resources of the rows.

        Returns:
            Whether everything that was committed is there. If not, all rows are written again.

        Raises:
            ExportError: the place can't be used, or holds what is not this export's.
        """
        ...

    def write(self, resource: str, rows: Iterable[Row], erased: Sequence[str] = ()) -> None:
        """Write rows. A row supersedes an earlier row with its id.

        Args:
            resource: the resource.
            rows: all rows, or those that are new or have changed; see `is_whole`.
            erased: for a sink that is not whole, the ids of rows to delete.
        """
        ...

    def commit(self) -> str:
        """Make all written rows durable. Returns the checkpoint, which is not empty."""
        ...

    def close(self) -> None:
        """Release the resources of `open`. It is always called, even without `open`, and must not write."""
        ...
