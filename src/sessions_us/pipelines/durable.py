"""Files that survive a crash: what was said to be there is there after it, whole."""

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
    """Makes the contents of a file durable."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def hold(descriptor: int, path: Path) -> None:
    """Keeps other exports away from an open file or directory until it is closed, where the system has a way to.

    The state keeps away those that have the same state; this keeps away those that have another.

    Raises:
        ExportError: another one has it.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"{path} is in use: another export writes there; wait for its end, or stop it") from None
        except OSError:
            pass  # a file system that knows no locks


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
