"""Trails of reads, and the writes that spoil them.

The answers of a walk over a list are kept together or not at all. A read that a write of this process overtakes is not kept,
and a walk counts the writes that may have taken rows out of its list.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from attrs import define, field

from ..errors import ServerError, SessionsError, StatusError

if TYPE_CHECKING:
    from ..events import Reuse
    from .cache_memory import Copy, Outcome
    from .call import Call, Name, Which

__all__ = ("StartAgain", "Trail", "Trails")

Renew = Callable[["Trail", int], Coroutine[Any, Any, object]]


class Trails:
    """The reads of this process that are not over, and the writes that have not ended.

    Args:
        lock: held while they change.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._trails: WeakSet[Trail] = WeakSet()
        self._writes: set[Call] = set()

    def add(self, trail: Trail) -> None:
        with self._lock:
            self._trails.add(trail)

    def spoil(self, which: Which) -> None:
        """Those whose name and operation are meant began too early to be kept."""
        self._change(which, removed=False)

    def _change(self, which: Which, *, removed: bool) -> None:
        with self._lock:
            for trail in list(self._trails):
                if which(trail.name, trail.operation):
                    trail.changed(removed=removed)

    @contextmanager
    def writing(self, call: Call) -> Iterator[None]:
        """Tell the trails of a write, while it lasts and once it has ended."""
        self._writes.add(call)
        removes = call.request.removes
        try:
            yield
        except StatusError as error:
            removes &= isinstance(error, ServerError)  # any other status says that nothing was done
            raise
        finally:
            self._writes.discard(call)
            if call.waiters.times_sent:
                self._change(call.concerns, removed=removes)

    def in_flight(self, trail: Trail) -> int:
        """How many writes may take rows out of a list at this moment."""
        return sum(
            write.request.removes and write.waiters.times_sent and write.concerns(trail.name, trail.operation)
            for write in self._writes.copy()
        )


@define(eq=False, repr=False)
class Trail:
    """One walk over a list, or one read, as the cache sees it.

    Args:
        renew: walks again, for so many pages, along another trail; None: it takes no copies. A walk that began again asks for
            every page, so that it comes to an end.

    Attributes:
        name: of the read that begins the walk.
        operation: whose read it is; None where the document does not know.
        copy: the copies of an earlier walk, which are given again; None: every page is asked for.
        reuse: why these may be given.
        copy_expires_at: until when, on the client's clock.
        answers: what the server answered so far: pages, and the error that told the end.
        size: bytes of these, roughly.
        began_at: when the first answer came, on the client's clock.
        kept: the copy that was made of this walk, if it is kept.
        stamp: of the copies that processes share, from before the first page was asked for; empty where they can't be used.
        is_spoilt: whether its answers may not be kept, because a write changed what they say.
        on_end: called when the walk comes to the end of its list.
    """

    renew: Renew | None = None
    name: Name = field(init=False)
    operation: str | None = field(default=None, init=False)
    copy: Copy | None = field(default=None, init=False)
    reuse: Reuse = field(default="fresh", init=False)
    copy_expires_at: float = field(default=0.0, init=False)
    answers: list[Outcome] = field(factory=list, init=False)
    size: int = field(default=0, init=False)
    began_at: float = field(default=0.0, init=False)
    kept: Copy | None = field(default=None, init=False)
    stamp: str = field(default="", init=False)
    is_spoilt: bool = field(default=False, init=False)
    on_end: Callable[[Trail], None] | None = field(default=None, init=False)
    _trails: Trails | None = field(default=None, init=False)
    _removed: int = field(default=0, init=False)

    @property
    def has_begun(self) -> bool:
        """Whether it was followed yet."""
        return self._trails is not None

    def begin(self, call: Call, trails: Trails) -> None:
        """The first read goes along it now."""
        self.name, self.operation = call.name, call.documented_operation
        self._trails = trails
        trails.add(self)

    def replay(self, copy: Copy, reuse: Reuse, expires_at: float) -> None:
        """Give these copies, instead of asking."""
        self.copy, self.reuse, self.copy_expires_at = copy, reuse, expires_at

    def end(self) -> None:
        """The walk came to the end of its list. What was given from copies is kept already."""
        if self.on_end is not None and not self.is_replayed:
            self.on_end(self)

    @property
    def is_replayed(self) -> bool:
        """Whether its pages are copies."""
        return self.copy is not None

    @property
    def removed(self) -> int:
        """How many rows this process may have taken out of the list since the last page was asked for."""
        return self._removed + (0 if self._trails is None else self._trails.in_flight(self))

    def mark(self) -> None:
        """A page is asked for now."""
        self._removed = 0

    def changed(self, *, removed: bool) -> None:
        """A write happened that may change what is read."""
        self.is_spoilt = True
        self._removed += removed


class StartAgain(Exception):
    """The copies of an earlier walk don't go on. The list is read again from its beginning, along another trail.

    Attributes:
        trail: the other one.
        failure: how the request of a page failed, for which the other trail stands in; None: nothing was sent.
    """

    def __init__(self, trail: Trail, failure: SessionsError | None = None) -> None:
        super().__init__()
        self.trail = trail
        self.failure = failure
