"""The protocol of sinks, to which an export writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

__all__ = ("Row", "Sink")

Row = Mapping[str, Any]
"""A row as the server sent it: decoded JSON by wire names, with its children nested under their names."""


class Sink(Protocol):
    """Receives rows. An export calls it in one worker thread, one method at a time.

    A failure raises; an `OSError` becomes an `ExportError` that names the file.

    Attributes:
        identity: kind and absolute place of the sink, without secrets, so that a state is never used with another sink.
        rows_per_commit: how many rows may wait until they are written and committed.
        seconds_per_commit: how long rows may wait. Until then they are in the state.
    """

    @property
    def identity(self) -> str: ...
    @property
    def rows_per_commit(self) -> int: ...
    @property
    def seconds_per_commit(self) -> float: ...

    def open(self, checkpoint: str | None, resources: Sequence[str]) -> None:
        """Open the sink, and undo everything after `checkpoint`.

        Args:
            checkpoint: the result of the last `commit` that the state has; None: nothing was committed.
            resources: the resources of the rows.

        Raises:
            ExportError: the content does not match the checkpoint, or, without a checkpoint, is not this export's.
        """
        ...

    def write(self, resource: str, rows: Sequence[Row]) -> None:
        """Write rows. A row supersedes an earlier row with its id, at the latest in `finish`."""
        ...

    def commit(self) -> str:
        """Make all written rows durable. Returns the checkpoint."""
        ...

    def finish(self, counts: Mapping[str, int]) -> Iterator[str]:
        """End a run. Afterwards the sink has each row once.

        Args:
            counts: the number of distinct rows of each resource.

        Yields:
            Checkpoints, if anything changes. Each is committed to the state before the next is requested.
        """
        ...

    def close(self) -> None:
        """Release the resources of `open`. It is always called, even without `open`, and must not write."""
        ...
