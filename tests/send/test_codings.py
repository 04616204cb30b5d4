"""Content-Encoding as servers send it: what can be read is read, what is odd is told, and the bytes are never lost."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from support.further import further
from support.rooms import client
from support.scripted import Say, Scripted

from sessions_us import DecodeError, SchemaDrift, Session, UserClient

pytestmark = pytest.mark.anyio

PLAIN = json.dumps({"id": "s1", "name": "Kick-off " * 40}).encode()
HALVES = gzip.compress(PLAIN[:200]) + gzip.compress(PLAIN[200:])
RAW = zlib.compressobj(wbits=-15)
DEFLATED = RAW.compress(PLAIN) + RAW.flush()
BROTLI = b"\x8b\x03\x80" + b'{"id":"s1"}' + b"\x03"
START, END = datetime(2026, 5, 4, 9, tzinfo=UTC), datetime(2026, 5, 4, 10, tzinfo=UTC)

READ = {
    "gzip": ("gzip", gzip.compress(PLAIN), ""),
    "in capitals": ("GZIP", gzip.compress(PLAIN), ""),
    "gzip in two members": ("gzip", HALVES, ""),
    "deflate": ("deflate", zlib.compress(PLAIN), ""),
    "deflate without zlib's header": ("deflate", DEFLATED, ""),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(PLAIN)), ""),
    "a charset": ("UTF-8", PLAIN, "Content-Encoding 'utf-8'"),
    "none": ("none", PLAIN, "Content-Encoding 'none'"),
    "a coding that it has not": ("br", PLAIN, "Content-Encoding 'br'"),
    "more after the end": ("gzip", gzip.compress(PLAIN) + b"\0\0garbage", "bytes after the end of the gzip"),
}
BROKEN = {
    "really br": ("br", BROTLI, BROTLI, "no JSON, Content-Encoding 'br'"),
    "not gzip": ("gzip", PLAIN, PLAIN, "the body is no valid gzip, though its Content-Encoding says so"),
    "damaged": ("gzip", HALVES[:30] + b"\xff" * 9 + HALVES[39:], None, "the body is no valid gzip"),
    "cut off": ("gzip", HALVES[:-20], None, "the gzip of the body ends too early"),
    "200 members": ("gzip", gzip.compress(b" ") * 200, b" " * 100, "more than 100 members of gzip"),
}


async def create(user: UserClient) -> Session:
    return await user.sessions.create(name="Kick-off", start_at=START, planned_end=END, time_zone="Europe/Bucharest")


@pytest.mark.parametrize(("coding", "body", "odd"), READ.values(), ids=READ)
async def test_what_can_be_read_is_read(coding, body, odd):
    """The id of what was created is not lost, whatever the coding is called."""
    events: list[Any] = []
    async with Scripted(Say(201, body, {"content-encoding": coding})) as server:
        async with client(server, on_event=events.append) as user:
            assert (await create(user)).id == (await user.request("GET", "/api/sessions/s1"))["id"] == "s1"

    drifts = [each.problem for each in events if isinstance(each, SchemaDrift)]
    assert drifts == ([odd, odd] if odd else [])


@pytest.mark.parametrize(("coding", "body", "kept", "why"), BROKEN.values(), ids=BROKEN)
async def test_what_cannot_be_read_is_kept(coding, body, kept, why):
    """The error says what was wrong, and has the bytes: decompressed as far as that went, or as they came."""
    async with Scripted(Say(201, body, {"content-encoding": coding})) as server, client(server) as user:
        with pytest.raises(DecodeError, match="the write happened") as caught:
            await create(user)
        assert await user.rooms.create(name="Studio") is None

    assert why in str(caught.value)
    assert caught.value.body if kept is None else caught.value.body == kept


@pytest.mark.parametrize("coding", ["gzip, gzip", *further("gzip", "deflate")])
async def test_a_bomb_is_cut_at_the_bound(coding):
    """Memory is bounded by what a body may be, and not by what it says it is."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([*(packer.compress(bytes(2**20)) for _ in range(256)), packer.flush()])
    for _ in coding.split(",")[1:]:
        packed = gzip.compress(packed)
    async with Scripted(Say(201, packed, {"content-encoding": coding})) as server, client(server) as user:
        tracemalloc.start()
        with pytest.raises(DecodeError, match="longer than 33554432 bytes"):
            await create(user)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 5 * 32 * 2**20
