"""Write a sink from the state: all rows of what has changed, or the changes alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from ..errors import ExportError
from .sink import Sink
from .versions import Versions

__all__ = ("SinkDelivery",)

T = TypeVar("T")

_SHARE: Final = 50
"""A write may come again after this many times the seconds that it took, so that large sinks do not slow an export."""


class SinkDelivery:
    """One sink of a run. After a failure it is only closed.

    Args:
        sink: the sink.
        versions: the rows that it is written from.
    """

    def __init__(self, sink: Sink, versions: Versions) -> None:
        self._sink = sink
        self._versions = versions
        self._failed = False
        self._version = 0
        self._checkpoint = ""
        self._written_at = time.monotonic()
        self._took = 0.0

    def open(self, resources: Sequence[str]) -> None:
        """Check that the sink can be used, and find out what it has."""
        version, checkpoint = self._versions.delivered(self._sink.identity)
        is_there = self._step(lambda: self._sink.open(checkpoint, resources))
        self._version, self._checkpoint = (version if is_there else 0), checkpoint or ""
        self._versions.deliver(self._sink.identity, self._version, self._checkpoint)  # from here on its place is known

    @property
    def is_due(self) -> bool:
        """Whether changes have waited long enough."""
        if self._version == self._versions.last:
            return False
        waited = time.monotonic() - self._written_at
        return waited >= max(self._sink.seconds_per_commit, _SHARE * self._took)

    def write(self) -> None:
        """Bring the sink up to date with the state, which is committed. It is durable before the state is told."""
        if self._failed or (self._checkpoint and self._version == self._versions.last):
            return
        began = time.monotonic()
        if self._sink.is_whole:
            self._write_whole()
        else:
            self._write_changes()
        self._written_at = time.monotonic()
        self._took = self._written_at - began

    def _write_whole(self) -> None:
        version = self._versions.last
        for name in self._versions.changed(self._version) if self._version else self._versions.resources:
            self._step(partial(self._sink.write, name, self._versions.rows(name)))
        self._commit(version)

    def _write_changes(self) -> None:
        while changes := list(self._versions.changes(self._version, self._sink.rows_per_commit)):
            for each in changes:
                self._step(partial(self._sink.write, each.resource, each.rows, each.erased))
            self._commit(changes[-1].version)
        if not self._checkpoint:
            self._commit(self._version)

    def _commit(self, version: int) -> None:
        self._checkpoint = self._step(self._sink.commit)
        self._version = version
        self._versions.deliver(self._sink.identity, version, self._checkpoint)

    def _step(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except OSError as error:
            self._failed = True
            raise ExportError(
                f"{self._sink.identity} can't be used: {error.strerror or error}. Put that right and run the same export "
                "again; what was committed is untouched"
            ) from error
        except BaseException:
            self._failed = True
            raise
