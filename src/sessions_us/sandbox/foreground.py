"""A sandbox in the foreground of a terminal, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from datetime import UTC, datetime
from typing import Any

from .sandbox import Sandbox
from .traffic import ReceivedRequest


def serve(port: int = 8099, *, host: str = "127.0.0.1", quiet: bool = False, **options: Any) -> None:
    """Serve a sandbox until Ctrl-C or SIGTERM. Prints its address and its two keys once, to standard output, and each request
    with what is left of its key's quota to standard error. The keys are `sandbox-user-key` and `sandbox-guest-key` unless others
    are given.

    Args:
        port: 0 takes a free one.
        host: the address to listen on.
        quiet: print no requests.
        options: as for `Sandbox`.

    Raises:
        ValueError: an option makes no sense.
        OSError: the port is taken.
    """
    kept = {"user_key": "sandbox-user-key", "guest_key": "sandbox-guest-key", "log": None if quiet else _print}
    made = Sandbox(port=port, host=host, **{**kept, **options})

    async def forever() -> None:
        async with made as sandbox:
            lines = (
                f"A Sessions API is listening on {sandbox.url}; Ctrl-C ends it.",
                f"SESSIONS_BASE_URL={sandbox.url}",
                f"SESSIONS_USER_KEY={sandbox.user_key}",
                f"SESSIONS_GUEST_KEY={sandbox.guest_key}",
            )
            print(*lines, sep="\n", flush=True)  # noqa: T201
            await _told_to_stop()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever())


async def _told_to_stop() -> None:
    """Wait for SIGTERM: the first process of a container would not be ended by it otherwise."""
    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError, RuntimeError):  # on Windows, and outside the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


def _print(record: ReceivedRequest) -> None:
    at = datetime.fromtimestamp(record.at, UTC).strftime("%H:%M:%S")
    quota = "" if record.remaining is None else f"  {record.remaining} left, reset in {record.resets_in} s"
    status = "dropped" if record.status is None else record.status
    with contextlib.suppress(OSError):  # nobody reads any more
        print(  # noqa: T201
            f"{at}  {record.key_role or '-':5}  {record.method:6} {record.path}  {status}{quota}",
            file=sys.stderr,
            flush=True,
        )
