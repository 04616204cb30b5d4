"""The server that clients are measured against: in a process of its own, so that none of its time is theirs, and nearly idle.

It answers `/api/sessions` with pages of 20 rows of a list, `/api/sessions/{id}` with the first row, and `/served` with the
number of requests that it had before. Its quota is so high that nobody waits.

Also a program: `python -m benchmarks.loopback KIND ITEMS` tells its port, and ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.rows import ROWS

__all__ = ("KEY", "LIMIT", "serving")

KEY = "benchmark"
LIMIT = 10_000_000
SIZE = 20
HEAD = (
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    f"ratelimit-limit: {LIMIT}\r\nratelimit-remaining: {LIMIT - 1}\r\nratelimit-reset: 60\r\ncontent-length: "
)


class Book:
    """The list that is served."""

    def __init__(self, kind: str, items: int) -> None:
        self._row, self._items, self._served = ROWS[kind], items, 0
        self.answer = lru_cache(10_000)(self._answer)

    def take(self, target: str) -> bytes:
        """The whole answer to a request."""
        if target == "/served":
            return _response(str(self._served).encode())
        self._served += 1
        return self.answer(target)

    def _answer(self, target: str) -> bytes:
        url = urlsplit(target)
        if url.path != "/api/sessions":
            return _response(json.dumps(self._row(0)).encode())
        first = (int(parse_qs(url.query).get("page", ["1"])[0]) - 1) * SIZE
        page = [self._row(number) for number in range(first, min(first + SIZE, self._items))]
        return _response(json.dumps(page).encode())


class Connection(asyncio.Protocol):
    """Reads requests without a body, and writes what the book has."""

    def __init__(self, book: Book) -> None:
        self._book, self._unread = book, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._unread = (self._unread + data).split(b"\r\n\r\n")
        for request in requests:
            self._transport.write(self._book.take(request.split(b" ", 2)[1].decode()))


def _response(body: bytes) -> bytes:
    return f"{HEAD}{len(body)}\r\n\r\n".encode() + body


async def serve(kind: str, items: int) -> None:
    book = Book(kind, items)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(book), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def serving(kind: str = "short", items: int = SIZE) -> Iterator[str]:
    """A server of so many rows of a kind, and its URL."""
    program = [sys.executable, "-m", "benchmarks.loopback", kind, str(items)]
    home = Path(__file__).resolve().parents[1]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=home) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
