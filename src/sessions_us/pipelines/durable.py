"""Write files that are whole at any time: a new one is made durable, and then takes the place of the old one."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ExportError

if sys.platform != "win32":
    import fcntl

__all__ = ("Hold", "fingerprint", "replacing")


class Hold:
    """Locks of open files or directories against other exports, if the system has such locks.

    The lock ends with the process, so nothing needs to be cleaned up after a crash.
    """

    def __init__(self) -> None:
        self._descriptors: dict[Path, int] = {}

    def take(self, path: Path, message: str) -> None:
        """Lock what is at a path now. The lock of what was there before is released.

        Raises:
            ExportError: another export has the lock; with the message. Or there is a pipe or a device, where rows don't last.
        """
        if sys.platform == "win32":
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer must not block
        if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode) and not stat.S_ISDIR(mode):
            os.close(descriptor)
            raise ExportError(f"{path} is no regular file: give the name of one, or a new name")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ExportError(message) from None
        except OSError:
            pass  # a file system that knows no locks
        before, self._descriptors[path] = self._descriptors.get(path), descriptor
        if before is not None:
            os.close(before)

    def close(self) -> None:
        """Release all locks."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a new file to write. If the block does not fail, it takes the place of the file, durably.

    The new file has the mode of the old one before there is a row in it. What a link points to is replaced, not the link.
    """
    path = path.resolve()
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)  # of a process that was killed
        new.touch()
        if path.exists():
            shutil.copymode(path, new)
        yield new
        with new.open("r+b") as file:
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def fingerprint(files: Mapping[str, Path]) -> str:
    """Return size and time of the last change of each file, so that it shows if somebody else changes one."""
    facts = {name: path.stat() for name, path in files.items() if path.exists()}
    return json.dumps({name: [fact.st_size, fact.st_mtime_ns] for name, fact in facts.items()})


def _sync_directory(path: Path) -> None:
    """Make the names in a directory durable, if the system supports that."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
