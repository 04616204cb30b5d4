"""A web site on this machine that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer; `length` is what the header says, where that is not the truth."""

    body: bytes = b""
    content_type: str = "text/html"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


class Website:
    """Answers by path; `otherwise` answers for every other one."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply | Callable[[Any], None]] = {}
        self.otherwise = Reply(b"nothing here", "text/plain", 404)
        self.requests: list[str] = []
        #: Set when the site closes, for replies that would never end.
        self.closing = threading.Event()
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        self.requests.append(path)
        reply = self.replies.get(path, self.otherwise)
        if not isinstance(reply, Reply):
            reply(handler)
            return
        handler.send_response(reply.status)
        length = len(reply.body) if reply.length is None else reply.length
        for name, value in {"content-type": reply.content_type, "content-length": str(length), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reply.body)


@contextmanager
def website() -> Iterator[Website]:
    """A site that is up while the block runs."""
    site = Website()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                site.answer(self)
            except ConnectionError:  # who asked has left, as it should with some of these answers
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.closing.set()
            server.shutdown()
            thread.join()
