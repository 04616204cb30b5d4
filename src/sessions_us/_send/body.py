"""Bodies of answers, decompressed within a bound.

Not by httpx, which expands a chunk a thousandfold, once for each coding, before anybody can see how long it has become.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncGenerator
from typing import Any, Final, NamedTuple

__all__ = ("AnswerBody", "LongNumber", "decoded", "parsed", "read")

_NONE: Final = {"", "identity"}
_WBITS: Final = {"gzip": (31,), "x-gzip": (31,), "deflate": (47, -15)}  # with zlib's header or gzip's, and without
_MAGIC: Final = b"\x1f\x8b"
_MOST_CODINGS: Final = 3
_MOST_MEMBERS: Final = 100


class AnswerBody(NamedTuple):
    """The body of an answer.

    Attributes:
        content: its bytes; of a body that is not whole, what could be read.
        flaw: why it is not whole, empty where it is.
        oddity: what was unusual, though the bytes are whole.
    """

    content: bytes
    flaw: str = ""
    oddity: str = ""


async def read(stream: AsyncGenerator[bytes, None], coding: str, bound: int) -> AnswerBody:
    """Read a body as far as the bound.

    Args:
        stream: the body as it travels. What is beyond the bound is not read.
        coding: its Content-Encoding.
        bound: the greatest number of bytes, as they travel and decompressed.
    """
    raw = bytearray()
    async for chunk in stream:
        raw += chunk
        if len(raw) > bound:
            await stream.aclose()
            break
    return decoded(bytes(raw), coding, bound)


def decoded(raw: bytes, coding: str, bound: int) -> AnswerBody:
    """A body without its codings. Only gzip is asked for; deflate, with zlib's header and without, is understood too.

    What is coded in another way is given as it came: it may well be plain, and the coding wrong.
    """
    body = _within(raw, bound)
    codings = [each.strip().lower() for each in coding.split(",")] if coding and raw else []
    for each in reversed(codings[:_MOST_CODINGS]):
        if body.flaw:
            break
        if each in _WBITS:
            body = _inflated(body.content, each, bound)
        elif each not in _NONE:
            body = AnswerBody(body.content, oddity=f"Content-Encoding {each[:40]!r}")
    return body


def _within(content: bytes, bound: int) -> AnswerBody:
    return (
        AnswerBody(content)
        if len(content) <= bound
        else AnswerBody(content[:bound], f"the body is longer than {bound} bytes")
    )


def _inflated(raw: bytes, coding: str, bound: int) -> AnswerBody:
    """A body without one coding: all members of a gzip file, or one stream of deflate."""
    content, rest = b"", raw
    for _ in range(_MOST_MEMBERS):
        found = _member(rest, coding, bound + 1 - len(content))
        if found is None:
            return AnswerBody(content or raw, f"the body is no valid {coding}, though its Content-Encoding says so")
        member, inflate = found
        content += member
        if len(content) > bound:
            return _within(content, bound)
        if not inflate.eof:
            return AnswerBody(content, f"the {coding} of the body ends too early")
        rest = inflate.unused_data
        if not rest.startswith(_MAGIC):
            return AnswerBody(content, oddity=f"bytes after the end of the {coding}" if rest else "")
    return AnswerBody(content, f"more than {_MOST_MEMBERS} members of {coding}")


def _member(data: bytes, coding: str, most: int) -> tuple[bytes, zlib._Decompress] | None:
    """What comes first in the data, decompressed, and the decompressor behind it. None if it is not of that coding."""
    for wbits in _WBITS[coding]:
        inflate = zlib.decompressobj(wbits=wbits)
        try:
            return inflate.decompress(data, most), inflate
        except zlib.error:
            continue
    return None


class LongNumber(str):
    """The text of a whole number that has more digits than Python makes an int of (4300)."""

    __slots__ = ()


def parsed(text: bytes | str) -> Any:
    """Parse JSON as `json.loads` does, but slower: a number that is too long for an int is a `LongNumber`, and no error.

    Raises:
        ValueError, RecursionError: the text is no JSON, or too deep.
    """
    return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int | LongNumber:
    try:
        return int(digits)
    except ValueError:
        return LongNumber(digits)
