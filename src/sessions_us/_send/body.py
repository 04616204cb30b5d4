"""Bodies of answers, decompressed within a bound.

Not by httpx, which expands a chunk a thousandfold, once for each coding, before anybody can see how long it has become.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator

__all__ = ("read_body",)


async def read_body(stream: AsyncGenerator[bytes, None], coding: str, bound: int) -> tuple[bytes, bool]:
    """The body as far as the bound, and whether that is all of it.

    Args:
        stream: the body as it travels. What is not needed of it is not read.
        coding: its Content-Encoding. Only gzip is asked for, and deflate is understood too.
        bound: the greatest number of bytes, decompressed.
    """
    coding = coding.strip().lower()
    if coding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
        return b"", False
    inflate = None if coding in {"", "identity"} else zlib.decompressobj(wbits=47)  # zlib's header or gzip's
    chunks: list[bytes] = []
    size, whole = 0, True
    async for chunk in stream:
        data = chunk
        if inflate is not None:
            try:
                data = inflate.decompress(chunk, bound - size + 1)
            except zlib.error:
                whole = False  # as it came, for whoever has to find out
        chunks.append(data[: bound - size])
        size += len(data)
        whole = whole and size <= bound and not (inflate is not None and inflate.unused_data)
        if not whole:
            await stream.aclose()
            break
    return b"".join(chunks), whole and (inflate is None or inflate.eof or not chunks)
