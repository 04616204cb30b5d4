"""Files that survive a crash: what was said to be there is there after it, whole."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Final

__all__ = ("checksum", "replace", "sync", "sync_directory")

_BLOCK: Final = 1 << 20


def sync(path: Path) -> None:
    """Makes the contents of a file durable."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable, where the system has a way to."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(new: Path, old: Path) -> None:
    """Puts a durable file in the place of another one, at once or not at all."""
    new.replace(old)
    sync_directory(old.parent)


def checksum(path: Path, size: int) -> int:
    """The CRC-32 of the first `size` bytes."""
    sum_ = 0
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            sum_ = zlib.crc32(block, sum_)
            size -= len(block)
    return sum_
