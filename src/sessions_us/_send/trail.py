"""What stays of a walk over a list: its answers, which are kept together or not at all, and what own writes do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from ..events import Reuse
    from .cache import Copy, Name, Outcome

__all__ = ("StartAgain", "Trail", "Trails", "Write")

Concerns = Callable[["Name", "str | None"], bool]


class Write:
    """A write of this process that has not ended.

    Attributes:
        concerns: tells from the name and the operation of a read whether the write may change its answer.
        removes: whether it may take rows out of lists.
        is_sent: whether it was sent.
        may_have_happened: whether the server may have acted on it.
    """

    __slots__ = ("concerns", "is_sent", "may_have_happened", "removes")

    def __init__(self, concerns: Concerns, *, removes: bool) -> None:
        self.concerns = concerns
        self.removes = removes
        self.is_sent = False
        self.may_have_happened = True

    def sent(self) -> None:
        """It goes out now."""
        self.is_sent = True


class Trails:
    """The walks of this process that are not over, and the writes in flight."""

    def __init__(self) -> None:
        self._trails: WeakSet[Trail] = WeakSet()
        self._writes: set[Write] = set()

    def add(self, trail: Trail) -> None:
        self._trails.add(trail)

    @contextmanager
    def writing(self, write: Write) -> Iterator[Write]:
        """Tell the walks of a write, while it lasts and once it has ended."""
        self._writes.add(write)
        try:
            yield write
        finally:
            self._writes.discard(write)
            if write.may_have_happened:
                for trail in [trail for trail in self._trails if write.concerns(trail.name, trail.operation)]:
                    trail.changed(removed=write.removes)

    def in_flight(self, trail: Trail) -> int:
        """How many writes may take rows out of a list at this moment."""
        return sum(
            write.removes and write.is_sent and write.concerns(trail.name, trail.operation) for write in self._writes
        )


class Trail:
    """One walk over a list, as the cache sees it.

    Args:
        trails: of the process.
        name: of the read that begins the walk.
        operation: whose read it is; None where the document does not know.
        copy: the copies of an earlier walk, which are given again; None: every page is asked for.
        reuse: why these may be given.
        copy_expires_at: until when, on the limiter's clock.
        missed: copies that did not go on where this walk began.

    Attributes:
        answers: what the server answered so far: pages, and the error that told the end.
        size: bytes of these, roughly.
        began_at: when the first answer came, on the limiter's clock.
        kept: the copy that was made of this walk, if it is kept.
        is_spoilt: whether its answers may not be kept, because a write changed what they say.
    """

    def __init__(
        self,
        trails: Trails,
        name: Name,
        operation: str | None,
        *,
        copy: Copy | None = None,
        reuse: Reuse = "fresh",
        copy_expires_at: float = 0.0,
        missed: Copy | None = None,
    ) -> None:
        self.name = name
        self.operation = operation
        self.copy = copy
        self.reuse: Reuse = reuse
        self.copy_expires_at = copy_expires_at
        self.missed = missed
        self.answers: list[Outcome] = []
        self.size = 0
        self.began_at = 0.0
        self.kept: Copy | None = None
        self.is_spoilt = False
        self._trails = trails
        self._removed = 0
        trails.add(self)

    @property
    def is_replayed(self) -> bool:
        """Whether its pages are copies."""
        return self.copy is not None

    @property
    def removed(self) -> int:
        """How many rows this process may have taken out of the list since the last page was asked for."""
        return self._removed + self._trails.in_flight(self)

    def mark(self) -> None:
        """A page is asked for now."""
        self._removed = 0

    def changed(self, *, removed: bool) -> None:
        """A write happened that may change the list."""
        self.is_spoilt = True
        self._removed += removed


class StartAgain(Exception):  # it is no error: the walk begins again with another trail
    """The copies of an earlier walk don't go on. The list is read again from its beginning."""

    def __init__(self, trail: Trail) -> None:
        super().__init__()
        self.trail = trail
