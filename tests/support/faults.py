"""Everything that a server or the way to it did to somebody, as data: the fault, and what a caller gets of it.

A cell says how a call ends and how many requests the server has read: `ServerError 502 x3`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from support.scripted import Behaviour, Early, Flood, Reset, Say, Silence, Slowly

__all__ = ("FAULTS", "MATTER_MOST", "Fault")

LIMIT = 10
HTML = b"<html>something before the server</html>"
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: in words.
        does: what the server does; None: there is no server.
        reads: what becomes of a read, `slots` and a list.
        writes: what becomes of a write and a delete.
        but: where an operation differs from that.
        patience: seconds that the client gives each attempt.
        charged: requests that the quota counts, for reads and for writes, where those differ from the ones that arrived.
        remaining: what the quota has left in the end, where the server has a say in that.
    """

    name: str
    does: Behaviour | None
    reads: str
    writes: str
    but: Mapping[str, str] = field(default_factory=dict)
    patience: float = 30.0
    charged: tuple[int, int] | None = None
    remaining: int | None = None

    def expected(self, operation: str) -> str:
        return self.but.get(operation, self.reads if operation in {"read", "slots", "list"} else self.writes)


def http(status: int, body: bytes, *headers: str, close: bool = False) -> Say:
    """An answer whose headers may come twice."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
    return Say(raw="\r\n".join(lines).encode() + b"\r\n\r\n" + body, close=close)


def _statuses() -> list[Fault]:
    bodies = {"HTML": HTML, "JSON": b'{"message":"no"}', "text": b"no", "no body": b""}
    faults = []
    for status in (500, 502, 503, 504, 520, 599):
        times = 3 if status in {500, 502, 503, 504} else 1
        for name, body in bodies.items():
            cell = f"ServerError {status} x"
            faults.append(Fault(f"{status} with {name}", http(status, body), f"{cell}{times}", f"{cell}1"))
    return faults


def _odd_bodies() -> list[Fault]:
    """A write that answered 2xx has happened, whatever it said."""
    odd = {
        "HTML": HTML,
        "invalid JSON": b'{"id": "s1"',
        "the wrong type of JSON": b'"text"',
        "deeply nested JSON": b"[" * 100_000 + b"]" * 100_000,
        "bytes that are no text": b"\xff\xfe\x00",
    }
    nothing = {"list": "0 rows x1", "slots": "0 rows x1"}
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([*(bomb.compress(b" " * 2**20) for _ in range(200)), bomb.flush()])
    return [
        *(Fault(f"200 with {name}", http(200, body), "DecodeError 200 x1", "None x1") for name, body in odd.items()),
        Fault("200 with an empty body", http(200, b""), "DecodeError 200 x1", "None x1", {"slots": "0 rows x1"}),
        Fault("200 with null", http(200, b"null"), "DecodeError 200 x1", "None x1", nothing),
        Fault(
            "gzip that is not gzip",
            http(200, b'{"id":"s1"}', "content-encoding: gzip"),
            "DecodeError 200 x1",
            "None x1",
        ),
        Fault(
            "a coding that nobody asked for", http(200, b"?", "content-encoding: br"), "DecodeError 200 x1", "None x1"
        ),
        Fault(
            "200 MB that travel as 200 kB", http(200, packed, "content-encoding: gzip"), "DecodeError 200 x1", "None x1"
        ),
        Fault("a body of 200 MB", Flood(200 * 2**20), "DecodeError 200 x1", "None x1"),
    ]


def _redirects() -> list[Fault]:
    return [
        Fault(
            f"{status} to another origin",
            http(status, b"", "location: http://127.0.0.1:9/api/sessions/s1"),
            f"StatusError {status} x1",
            f"StatusError {status} x1",
        )
        for status in (301, 302, 307, 308)
    ]


def _retry_after() -> list[Fault]:
    """A 429 always says that nothing was done; how long to wait is the quota's to know."""
    known = {  # value: seconds that the error tells
        "0": "0",
        "0.05": "0.05",
        "Wed, 21 Oct 2015 07:28:00 GMT": "0",
        "Tue, 20 Oct 2015 07:28:00 GMT": "0",
    }
    too_long = {"3601": "3601", "31536000": "31536000"}
    unknown = ["Fri, 31 Dec 9999 23:59:59 GMT", "-5", "nan", "inf", "1e3", "9" * 400, "soon", ""]
    faults = []
    for value, seconds in known.items():
        cell = f"RateLimitedError 429 after {seconds} s x3"
        answer = http(429, b"", f"retry-after: {value}", f"date: {DATE}")
        faults.append(Fault(f"429, Retry-After: {value}", answer, cell, cell, remaining=0))
        cell = f"ServerError 503 after {seconds} s x3"
        answer = http(503, b"", f"retry-after: {value}", f"date: {DATE}")
        faults.append(Fault(f"503, Retry-After: {value}", answer, cell, cell))
    for value, seconds in too_long.items():
        for status, name in ((429, "RateLimitedError"), (503, "ServerError")):
            cell = f"{name} {status} after {seconds} s x1"
            answer = http(status, b"", f"retry-after: {value}", f"date: {DATE}")
            faults.append(
                Fault(f"{status}, Retry-After: {value}", answer, cell, cell, remaining=0 if status == 429 else None)
            )
    for value in unknown:
        shown = value if len(value) < 40 else f"{len(value)} digits"
        cell = "RateLimitedError 429 x1"
        answer = http(429, b"", f"retry-after: {value}", f"date: {DATE}")
        faults.append(Fault(f"429, Retry-After: {shown or 'empty'}", answer, cell, cell, remaining=0))
        answer = http(503, b"", f"retry-after: {value}", f"date: {DATE}")
        faults.append(
            Fault(f"503, Retry-After: {shown or 'empty'}", answer, "ServerError 503 x3", "ServerError 503 x1")
        )
    return faults


def _rate_limit_headers() -> list[Fault]:
    good = json.dumps({"id": "s1"}).encode()
    rows = {"list": "DecodeError 200 x1", "slots": "DecodeError 200 x1", "delete": "None x1"}
    odd = {
        "rate-limit headers twice, which differ": (
            [
                "x-ratelimit-limit: 10",
                "x-ratelimit-remaining: 7",
                "x-ratelimit-reset: 30",
                "x-ratelimit-limit: 99",
                "x-ratelimit-remaining: 0",
                "x-ratelimit-reset: 1",
            ],
            7,
        ),
        "two families of rate-limit headers, which differ": (
            [
                "ratelimit-limit: 10",
                "ratelimit-remaining: 4",
                "ratelimit-reset: 30",
                "x-ratelimit-limit: 10",
                "x-ratelimit-remaining: 9",
                "x-ratelimit-reset: 30",
            ],
            4,
        ),
        "rate-limit headers of nonsense": (
            ["x-ratelimit-limit: many", "x-ratelimit-remaining: -3", "x-ratelimit-reset: " + "9" * 400],
            9,
        ),
    }
    return [
        Fault(name, http(200, good, *headers), "Session x1", "Room x1", rows, remaining=left)
        for name, (headers, left) in odd.items()
    ]


FAULTS = [
    Fault("nobody listens", None, "TransportError sent=no x0", "TransportError sent=no x0"),
    Fault(
        "reset before reading",
        Early(),
        "TransportError sent=unknown x0",
        "TransportError sent=unknown x0",
        charged=(3, 1),
    ),
    Fault("reset after reading", Reset(), "TransportError sent=unknown x3", "TransportError sent=unknown x1"),
    Fault(
        "closed without an answer",
        Say(raw=b"", close=True),
        "TransportError sent=unknown x3",
        "TransportError sent=unknown x1",
    ),
    Fault(
        "accepted, read, and nothing said",
        Silence(),
        "RequestTimeoutError sent=unknown x3",
        "RequestTimeoutError sent=unknown x1",
        patience=2.0,
    ),
    Fault(
        "headers a byte a second",
        Slowly(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 0.2),
        "RequestTimeoutError sent=unknown x3",
        "RequestTimeoutError sent=unknown x1",
        patience=2.0,
    ),
    Fault(
        "a body that never ends",
        Say(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"),
        "RequestTimeoutError sent=unknown x3",
        "None x1",
        patience=2.0,
    ),
    Fault(
        "cut half-way through the body",
        Say(raw=b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"id"', close=True),
        "TransportError sent=unknown x3",
        "None x1",
    ),
    Fault(
        "a Content-Length that is too long",
        Say(raw=b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"id":"s1"}', close=True),
        "TransportError sent=unknown x3",
        "None x1",
    ),
    Fault(
        "a Content-Length that is too short",
        Say(raw=b'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{"id":"s1"}', close=True),
        "DecodeError 200 x1",
        "None x1",
    ),
    Fault(
        "two Content-Lengths",
        Say(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x", close=True),
        "TransportError sent=unknown x3",
        "TransportError sent=unknown x1",
    ),
    Fault(
        "no HTTP at all",
        Say(raw=b"220 mail.example.com ESMTP\r\n", close=True),
        "TransportError sent=unknown x3",
        "TransportError sent=unknown x1",
    ),
    Fault(
        "headers without end",
        Say(raw=b"HTTP/1.1 200 OK\r\nx-long: " + b"a" * 300_000, close=True),
        "TransportError sent=unknown x3",
        "TransportError sent=unknown x1",
    ),
    *_statuses(),
    *_odd_bodies(),
    *_redirects(),
    *_retry_after(),
    *_rate_limit_headers(),
]

MATTER_MOST = {
    "reset after reading": Reset(),
    "502": http(502, HTML),
    "odd body": http(200, HTML),
}
