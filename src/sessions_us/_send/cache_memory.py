"""The memory of the cache: copies of what reads answered, bounded in number and bytes. The least recently used go first.

An OrderedDict does what a library would: the two bounds and the removal of what a write invalidates take twenty lines, and a
dependency of every user would have to earn more than that. It is pure: whoever asks says what time it is. Several threads use it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, Union

from .trail import Trails

if TYPE_CHECKING:
    from ..errors import StatusError
    from .call import Answer, Name, Which

__all__ = ("CacheMemory", "Copy", "Outcome", "size_of")

Outcome: TypeAlias = Union["Answer", "StatusError"]
"""An answer, or the error that told the end of a list."""

MOST_COPIES: Final = 1024
MOST_BYTES: Final = 16 * 1024 * 1024


class Copy(NamedTuple):
    """What may be given again: one answer, or those of a walk over a list.

    Attributes:
        answers: as they came, in order; the last one of a walk may be the error that told its end.
        kept_at: when the first one came, on the limiter's clock, seconds.
        operation: whose answer it is; None where the document does not know.
        failed: how many renewals failed since.
        renew_at: no renewal begins earlier, on the limiter's clock.
        version: which no other copy has, in any process.
    """

    answers: tuple[Outcome, ...]
    kept_at: float
    operation: str | None
    failed: int = 0
    renew_at: float = 0.0
    version: str = ""


class CacheMemory:
    """The copies of all clients of a process.

    Args:
        most: copies at most.
        most_bytes: bytes of their bodies and names at most; a body that is larger alone is not kept.

    Attributes:
        lock: held while it changes. Who decides whether to keep a copy holds it until the copy is kept.
        copies: what is kept, by the name of the read; the least recently used first.
        trails: the reads that are not over, and the writes that spoil them.
        renewals: the tasks that renew copies, by the name of the read.
    """

    def __init__(self, most: int = MOST_COPIES, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self.renewals: dict[Name, asyncio.Task[None]] = {}
        self.start_over()

    def start_over(self) -> None:
        """Know nothing, as in a new process. Tasks of a loop that this process was forked from are kept, and never run."""
        self.lock = threading.RLock()
        self.copies: OrderedDict[Name, Copy] = OrderedDict()
        self._bytes = 0
        self.trails = Trails(self.lock)
        self._inherited, self.renewals = self.renewals, {}

    def get(self, name: Name) -> Copy | None:
        with self.lock:
            copy = self.copies.get(name)
            if copy is not None:
                self.copies.move_to_end(name)
            return copy

    def put(self, name: Name, copy: Copy) -> None:
        size = _size(name, copy)
        with self.lock:
            self.remove(name)
            if size > self._most_bytes:
                return
            self.copies[name] = copy
            self._bytes += size
            while len(self.copies) > self._most or self._bytes > self._most_bytes:
                self.remove(next(iter(self.copies)))

    def drop(self, which: Which) -> None:
        """Forget those whose name and operation are meant."""
        with self.lock:
            for name in [name for name, copy in self.copies.items() if which(name, copy.operation)]:
                self.remove(name)

    def remove(self, name: Name) -> None:
        """Forget one."""
        with self.lock:
            copy = self.copies.pop(name, None)
            if copy is not None:
                self._bytes -= _size(name, copy)


def _size(name: Name, copy: Copy) -> int:
    asked = sum(len(text) for pair in name.params for text in pair)
    return sum(map(size_of, copy.answers)) + len(name.path) + asked + len(name.body or b"")


def size_of(outcome: Outcome) -> int:
    """How many bytes an answer takes, roughly."""
    body = outcome.body
    return len(body) if isinstance(body, bytes) else len(str(body))
