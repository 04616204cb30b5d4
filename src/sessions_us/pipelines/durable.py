"""Write files that survive a crash: content that was synced is complete after it."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path
from typing import Final

from ..errors import ExportError

if sys.platform != "win32":
    import fcntl

__all__ = ("checksum", "hold", "replace", "sync", "sync_directory")

_BLOCK: Final = 1 << 20


def sync(path: Path) -> None:
    """Make the contents of a file durable."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def hold(descriptor: int, path: Path) -> None:
    """Lock an open file or directory against other exports until it is closed, if the system has such locks.

    The lock of the state excludes exports with the same state; this one excludes exports with another state.

    Raises:
        ExportError: another export has the lock.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"{path} is in use: another export writes there; wait for its end, or stop it") from None
        except OSError:
            pass  # a file system that knows no locks


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, if the system supports that."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(new: Path, old: Path) -> None:
    """Replace a file by a durable one, atomically."""
    new.replace(old)
    sync_directory(old.parent)


def checksum(path: Path, size: int) -> int:
    """Return the CRC-32 of the first `size` bytes."""
    sum_ = 0
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            sum_ = zlib.crc32(block, sum_)
            size -= len(block)
    return sum_
