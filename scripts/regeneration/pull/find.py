"""Taking in the real document from its address, from the page that shows it, or from a file.

Looking is separate from finding: fetching.py asks, page.py says what a page holds, published.py whether it is a
document. Here is the order in which they are asked, and the choice between several documents.
"""

from __future__ import annotations

import asyncio
import json
import time
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from regeneration.document import Document, InputError
from regeneration.provenance import sha256
from regeneration.pull import fetching
from regeneration.pull.fetching import Fetched, Fetcher, ForeignError, parse_url, shown
from regeneration.pull.page import Clues, read_page
from regeneration.pull.published import Published, decode, form_of, read
from regeneration.time_limit import time_limit

#: Scripts and addresses of a page that are looked into.
_SCRIPTS, _ADDRESSES = 3, 10
#: Seconds beyond the deadline of fetching, whose messages say more.
_GRACE = 5.0
_CURE = "give the address of the document itself, or save it and give the file"
_HEAD = """\
# Where spec/upstream.json comes from: the document as it was published, written by `scripts/regenerate.py --pull`.
# `urls` is what a pull without an argument tries, in this order.
"""


@dataclass(frozen=True)
class Pulled:
    """A document that was taken in.

    Attributes:
        data: the new spec/upstream.json.
        record: the new spec/upstream.toml.
        document: the document, parsed.
        notes: what the person who pulled should know, one sentence each.
    """

    data: bytes
    record: bytes
    document: Document
    notes: tuple[str, ...]


@dataclass
class _Finds:
    """The documents that one address or file led to, and why others could not be read."""

    documents: list[Published] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)

    def take(self, clues: Clues, place: str) -> None:
        """Read what is embedded in a page."""
        self.problems += [InputError(f"{place}: {flaw}; {_CURE}") for flaw in clues.flaws]
        for text in clues.embedded:
            self.read(text, place)

    def read(self, text: str, place: str) -> None:
        try:
            self.documents.append(read(text, "json", place))
        except InputError as error:
            self.problems.append(error)


def pull(source: str | None, record: bytes, known: Collection[str]) -> Pulled:
    """Find a document and read it.

    Args:
        source: an address, a file, or None for the `urls` of the record.
        record: spec/upstream.toml as it is.
        known: the path templates that we know, to tell our document from another.

    Raises:
        InputError: no usable document; one line that says why.
    """
    with time_limit(fetching.TOTAL_SECONDS + _GRACE, "what was found could not be read"):
        return _pull(source, record, known)


def _pull(source: str | None, record: bytes, known: Collection[str]) -> Pulled:
    before = tomllib.loads(record.decode())
    urls = [str(url) for url in before.get("urls", [])]
    if source is not None and "://" not in source:
        asked, documents = source, _from_file(Path(source))
    elif source is None and not urls:
        raise InputError("spec/upstream.toml has no `urls`; name an address or a file")
    else:
        asked, documents = asyncio.run(_from_urls(urls if source is None else [source]))
    chosen = max(documents, key=lambda document: _shared(document.document, known))
    note = f"took {chosen.title!r} from {chosen.place}"
    if len(documents) > 1:
        titles = ", ".join(repr(document.title) for document in documents)
        note += f", the best match of {len(documents)} documents: {titles}"
    address = shown(asked) if "://" in asked else f"file:{Path(asked).name}"
    found = chosen.place if chosen.place != address and "://" in asked else None
    digest = sha256(chosen.data)
    if (before.get("origin"), before.get("url"), before.get("sha256")) == ("pulled", address, digest):
        return Pulled(chosen.data, record, chosen.document, (note, "the document has not changed"))
    return Pulled(chosen.data, _record(address, found, digest, urls), chosen.document, (note,))


def _record(address: str, found: str | None, digest: str, urls: Sequence[str]) -> bytes:
    lines = ['origin = "pulled"', f"url = {_toml(address)}"]
    lines += [f"found_at = {_toml(found)}"] if found else []
    lines += [f"pulled_at = {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", f'sha256 = "{digest}"']
    lines += ["urls = [", *(f"  {_toml(url)}," for url in urls), "]"]
    return (_HEAD + "\n".join(lines) + "\n").encode()


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _shared(document: Document, known: Iterable[str]) -> int:
    """How many of our paths a document has, whatever their parameters and the prefix of the server are called."""
    return len(_normal(document["paths"]) & _normal(known))


def _normal(paths: Iterable[str]) -> set[str]:
    parts = (path.strip("/").removeprefix("api/").split("/") for path in paths)
    return {"/".join("{}" if part.startswith("{") else part for part in path) for path in parts}


def _from_file(path: Path) -> list[Published]:
    text = _read_file(path)
    form = form_of(text, "", path.name)
    if form is not None:
        return [read(text, form, str(path))]
    finds = _Finds()
    finds.take(read_page(text), str(path))
    return _all(finds, f"{path} is neither JSON nor YAML nor a page with a document in it; {_CURE}")


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(fetching.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > fetching.MAX_BYTES:
        raise InputError(f"{path} is larger than {fetching.MAX_BYTES // 1_000_000} MB; no document of an API is")
    return decode(data, "", str(path))


def _all(finds: _Finds, otherwise: str) -> list[Published]:
    if finds.documents:
        return finds.documents
    foreign = [problem for problem in finds.problems if isinstance(problem, ForeignError)]
    raise next(iter([*foreign, *finds.problems]), InputError(otherwise))


async def _from_urls(urls: Sequence[str]) -> tuple[str, list[Published]]:
    """The first address that leads to a document."""
    deadline = time.monotonic() + fetching.TOTAL_SECONDS
    problems: list[InputError] = []
    async with fetching.client() as client:
        for url in urls:
            try:
                start = parse_url(url)
                return url, await _explore(Fetcher(client, start, deadline), start)
            except InputError as error:
                problems.append(error)
    raise InputError("; ".join(str(problem) for problem in problems))


async def _explore(fetcher: Fetcher, start: httpx.URL) -> list[Published]:
    """Every document that an address leads to; at least one, or an InputError."""
    answer = await fetcher.get(start)
    text, place = _text(answer), shown(answer.url)
    form = form_of(text, answer.content_type, answer.url.path)
    if form is not None:
        return [read(text, form, place)]
    finds = _Finds()
    await _follow(fetcher, answer.url, [answer.url.path.rstrip("/") + "-json"], finds)  # where NestJS has it whole
    if finds.documents:
        return finds.documents
    finds.problems.clear()
    pages = [read_page(text)]
    for source in pages[0].scripts[:_SCRIPTS]:
        pages += await _script(fetcher, answer.url, source, finds)
    for clues in pages:
        finds.take(clues, place)
    if not finds.documents and not any(clues.flaws for clues in pages):
        addresses = dict.fromkeys(address for clues in pages for address in clues.addresses)
        await _follow(fetcher, answer.url, list(addresses)[:_ADDRESSES], finds)
    asks = "asks for a password; log in with a browser, and then"
    nothing = "is neither JSON nor YAML nor a page that leads to a document;"
    return _all(finds, f"{place} {asks if pages[0].login else nothing} {_CURE}")


async def _script(fetcher: Fetcher, base: httpx.URL, source: str, finds: _Finds) -> list[Clues]:
    """What a script of the page says; nothing if it is no script, as where a server answers everything with its page."""
    try:
        text = _text(await fetcher.get(_join(base, source)))
    except InputError as error:
        finds.problems.append(error)
        return []
    return [] if text.lstrip().startswith("<") else [read_page(text)]


async def _follow(fetcher: Fetcher, base: httpx.URL, addresses: Sequence[str], finds: _Finds) -> None:
    """Read the documents at these addresses."""
    for address in addresses:
        try:
            answer = await fetcher.get(_join(base, address))
            text, place = _text(answer), shown(answer.url)
            form = form_of(text, answer.content_type, answer.url.path)
            if form is None:
                raise InputError(f"{place} is named as a document, but is a page; {_CURE}")
            finds.documents.append(read(text, form, place))
        except InputError as error:
            finds.problems.append(error)


def _join(base: httpx.URL, address: str) -> httpx.URL:
    try:
        return base.join(address)
    except httpx.InvalidURL as error:
        raise InputError(f"{shown(base)} names {address!r}, which is no address: {error}") from error


def _text(answer: Fetched) -> str:
    return decode(answer.body, answer.content_type, shown(answer.url))
