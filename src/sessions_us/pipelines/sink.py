"""What an export writes into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

__all__ = ("Row", "Sink")

Row = Mapping[str, Any]
"""A row as the server sent it: decoded JSON by wire names, with what belongs to it nested under the names of its children."""


class Sink(Protocol):
    """Where rows go. An export calls it in one worker thread, one method at a time.

    Whatever fails raises; an `OSError` becomes an `ExportError` that names the file.

    Attributes:
        identity: what it is, so that a state is never used with another one: a kind and an absolute place, no secret.
        rows_per_commit: how many rows may wait until they are written and committed.
        seconds_per_commit: how long they may wait. Until then they are safe in the state.
    """

    @property
    def identity(self) -> str: ...
    @property
    def rows_per_commit(self) -> int: ...
    @property
    def seconds_per_commit(self) -> float: ...

    def open(self, checkpoint: str | None, resources: Sequence[str]) -> None:
        """Get ready, and undo whatever came after `checkpoint`.

        Args:
            checkpoint: what the last `commit` answered that the state knows of; None: nothing was ever committed.
            resources: whose rows will come.

        Raises:
            ExportError: what is there is not what the checkpoint says, or, without a checkpoint, is somebody else's.
        """
        ...

    def write(self, resource: str, rows: Sequence[Row]) -> None:
        """Take rows. A row of an id that was written before supersedes that one, at the latest in `finish`."""
        ...

    def commit(self) -> str:
        """Make all that was written durable. The answer is the checkpoint that says so."""
        ...

    def finish(self, counts: Mapping[str, int]) -> Iterator[str]:
        """End a run: afterwards each row is there once.

        Args:
            counts: how many rows there are of each resource, each counted once.

        Yields:
            Marks, if anything changes. Each is kept in the state before the next is asked for.
        """
        ...

    def close(self) -> None:
        """Free what `open` took. Called whatever happened, perhaps without `open`; it must not write."""
        ...
