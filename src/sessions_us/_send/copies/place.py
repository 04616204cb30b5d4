"""The protocol of a place where copies lie: what `SharedCopies` asks of it, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

__all__ = ("MOST_BYTES", "MOST_COPIES", "WRITTEN", "CopyPlace", "FoundCopy", "Kept")

MOST_COPIES: Final = 1024
MOST_BYTES: Final = 16 * 1024 * 1024
"""What a place holds at most, as names and bytes of copies. The oldest go first."""

WRITTEN: Final = "-"
"""What a stamp begins with while a write is in flight. Nothing that was asked for then may be kept."""


class FoundCopy(NamedTuple):
    """What is found under a name.

    Attributes:
        stamp: the generations of the scopes, now; behind `WRITTEN` while a write of one of them is in flight.
        version: of the copy; empty if there is none that is of these generations.
        age: seconds since the server answered.
        text: the copy; None if that version is known.
    """

    stamp: str
    version: str = ""
    age: float = 0.0
    text: bytes | None = None


class Kept(NamedTuple):
    """A copy to keep.

    Attributes:
        stamp: the generations that were found before the read was sent, when no write was in flight.
        version: its own, which no other copy has.
        age: seconds since the server answered.
        ttl: seconds for which it may be of use, from then on.
        text: the copy.
    """

    stamp: str
    version: str
    age: float
    ttl: float
    text: bytes


class CopyPlace(Protocol):
    """Where copies lie. Names and scopes are digests.

    Each scope has a generation, made when it is first asked for and never used again. A copy is good only for the generations
    that were there before it was read.

    Each method but the last raises `StoreFailure` if the place can't be used, at the latest after its time limit.
    """

    async def find(self, name: str, scopes: Sequence[str], known: str) -> FoundCopy:
        """Look for a copy, of which the version `known` need not be sent."""
        ...

    async def keep(self, name: str, scopes: Sequence[str], kept: Kept) -> None:
        """Keep a copy, unless its generations are over, a write is in flight, or a later copy is there."""
        ...

    async def remove(self, name: str) -> None:
        """Drop a copy."""
        ...

    async def claim(self, name: str, version: str, seconds: float) -> bool:
        """Return whether nobody else renews this copy. Nobody else is told so for so many seconds."""
        ...

    async def begin(self, write: str, scopes: Sequence[str], seconds: float) -> None:
        """A write is sent now. Raise the generations, and keep nothing until it has ended, or for so many seconds."""
        ...

    async def end(self, write: str, scopes: Sequence[str]) -> None:
        """A write has ended. Raise the generations."""
        ...

    async def aclose(self) -> None:
        """Close files and connections. The next step opens them again."""
        ...
