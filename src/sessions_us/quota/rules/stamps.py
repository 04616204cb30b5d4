"""The moments at which requests were answered, in order, as a value. Pure.

Each request adds one, and a limit of a million a minute keeps as many. A tuple of them would be copied whole for each request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import overload

__all__ = ("Stamps", "stamps_of")

_FULL = 256

Chunk = tuple[float, ...]


class Stamps:
    """Moments in order. It never changes; what adds or drops moments returns another, which shares most of its chunks.

    Args:
        chunks: the moments; all chunks but the first and the last are full.
    """

    __slots__ = ("_chunks", "_count")

    def __init__(self, chunks: tuple[Chunk, ...] = ()) -> None:
        self._chunks = chunks
        self._count = sum(map(len, chunks))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[float]:
        for chunk in self._chunks:
            yield from chunk

    @overload
    def __getitem__(self, place: int) -> float: ...

    @overload
    def __getitem__(self, place: slice) -> Chunk: ...

    def __getitem__(self, place: int | slice) -> float | Chunk:
        if place == -1 and self._chunks:
            return self._chunks[-1][-1]
        return tuple(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stamps) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Stamps({list(self)})"

    def plus(self, stamp: float) -> Stamps:
        """Return these and one more."""
        *full, last = self._chunks or ((),)
        chunks = (*self._chunks, (stamp,)) if len(last) == _FULL else (*full, (*last, stamp))
        return Stamps(chunks)

    def within(self, seconds: float, now: float) -> Stamps:
        """Return those of the last `seconds`."""
        chunks = self._chunks
        if not chunks or now < chunks[0][0] + seconds:
            return self
        kept = [chunk for chunk in chunks if now < chunk[-1] + seconds]
        if kept:
            kept[0] = tuple([stamp for stamp in kept[0] if now < stamp + seconds])
        return Stamps(tuple(kept))


def stamps_of(moments: Iterable[float]) -> Stamps:
    """Return moments, which are in order, as stamps."""
    if isinstance(moments, Stamps):
        return moments
    whole = tuple(moments)
    return Stamps(tuple([whole[at : at + _FULL] for at in range(0, len(whole), _FULL)]))
