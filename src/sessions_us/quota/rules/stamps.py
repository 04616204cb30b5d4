"""The moments at which requests were answered, in order, as a value. Pure.

Each request adds one, and a limit of a million a minute keeps as many. A tuple of them would be copied whole for each request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

__all__ = ("Stamps", "stamps_of")

_FULL = 256

Chunk = tuple[float, ...]


class Stamps:
    """Moments in order. It never changes; what adds or drops moments returns another, which shares most of its chunks.

    Args:
        chunks: the moments; all chunks but the first and the last are full.

    Attributes:
        count: how many they are.
        first: the earliest; infinite if there are none.
        last: the latest; minus infinity if there are none.
    """

    __slots__ = ("chunks", "count", "first", "last")

    def __init__(self, chunks: tuple[Chunk, ...] = ()) -> None:
        self.chunks: tuple[Chunk, ...] = chunks
        self.count: int = sum(map(len, chunks))
        self.first: float = chunks[0][0] if chunks else inf
        self.last: float = chunks[-1][-1] if chunks else -inf

    def __iter__(self) -> Iterator[float]:
        for chunk in self.chunks:
            yield from chunk

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stamps) and tuple(self) == tuple(other)

    def __repr__(self) -> str:
        return f"Stamps({list(self)})"

    def plus(self, stamp: float, seconds: float) -> Stamps:
        """Return those of the last `seconds` before a moment, and the moment."""
        *full, last = self.within(seconds, stamp).chunks or ((),)
        return Stamps((*full, last, (stamp,)) if len(last) == _FULL else (*full, (*last, stamp)))

    def within(self, seconds: float, now: float) -> Stamps:
        """Return those of the last `seconds`."""
        if now < self.first + seconds:
            return self
        kept = [chunk for chunk in self.chunks if now < chunk[-1] + seconds]
        if kept:
            kept[0] = tuple([stamp for stamp in kept[0] if now < stamp + seconds])
        return Stamps(tuple(kept))


def stamps_of(moments: Iterable[float]) -> Stamps:
    """Return moments, which are in order, as stamps."""
    whole = tuple(moments)
    return Stamps(tuple([whole[at : at + _FULL] for at in range(0, len(whole), _FULL)]))
