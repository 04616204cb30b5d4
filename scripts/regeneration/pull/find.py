"""Taking in the real document, whatever page it hides behind.

Looking is separate from finding: fetching.py asks, discovery.py says what an answer holds, published.py whether it is a
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
from urllib.parse import unquote

import httpx

from regeneration.document import Document, InputError
from regeneration.provenance import sha256
from regeneration.pull import discovery, fetching
from regeneration.pull.discovery import Clues
from regeneration.pull.fetching import Answer, Fetcher, ForeignError, parse_url, shown
from regeneration.pull.published import Published, decode, read
from regeneration.time_limit import time_limit

_SCRIPTS, _ADDRESSES = 6, 20
#: Seconds beyond the deadline of fetching, whose messages say more.
_GRACE = 5.0
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
    """The documents that one address or file led to, and what is to be said of them."""

    documents: list[Published] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)

    def read(self, text: str, form: discovery.Kind, place: str) -> bool:
        try:
            self.documents.append(read(text, "yaml" if form == "yaml" else "json", place))
        except InputError as error:
            self.problems.append(error)
            return False
        return True


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
        asked, finds = source, _from_file(Path(source))
    elif source is None and not urls:
        raise InputError("spec/upstream.toml has no `urls`; name an address or a file")
    else:
        asked, finds = asyncio.run(_from_urls(urls if source is None else [source], known))
    chosen, note = _choose(finds.documents, known)
    address = shown(asked) if "://" in asked else f"file:{Path(asked).name}"
    found = chosen.place if chosen.place != address and "://" in asked else None
    digest = sha256(chosen.data)
    if (before.get("origin"), before.get("url"), before.get("sha256")) == ("pulled", address, digest):
        return Pulled(chosen.data, record, chosen.document, (*finds.notes, *note, "the document has not changed"))
    return Pulled(chosen.data, _record(address, found, digest, urls), chosen.document, (*finds.notes, *note))


def _record(address: str, found: str | None, digest: str, urls: Sequence[str]) -> bytes:
    lines = ['origin = "pulled"', f"url = {_toml(address)}"]
    lines += [f"found_at = {_toml(found)}"] if found else []
    lines += [f"pulled_at = {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", f'sha256 = "{digest}"']
    lines += ["urls = [", *(f"  {_toml(url)}," for url in urls), "]"]
    return (_HEAD + "\n".join(lines) + "\n").encode()


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _choose(documents: Sequence[Published], known: Collection[str]) -> tuple[Published, list[str]]:
    """The document that has most of our paths; between equals the first."""
    shared = [_shared(document.document, known) for document in documents]
    chosen = documents[shared.index(max(shared))]
    notes = [f"took {chosen.title!r} from {chosen.place}"]
    if len(documents) > 1:
        titles = ", ".join(repr(document.title) for document in documents)
        notes[0] += f", the best match of {len(documents)} documents: {titles}"
    if known and not max(shared):
        notes.append(
            f"warning: none of the {len(_normal(known))} paths that we know is in it; "
            "is this the right API? A page that shares its server with another one may show the other's document"
        )
    return chosen, notes


def _shared(document: Document, known: Iterable[str]) -> int:
    return len(_normal(document["paths"]) & _normal(known))


def _normal(paths: Iterable[str]) -> set[str]:
    """Path templates without the names of their parameters, and without a prefix that may as well be in `servers`."""
    parts = (path.strip("/").removeprefix("api/").split("/") for path in paths)
    return {"/".join("{}" if part.startswith("{") else part for part in path) for path in parts}


def _from_file(path: Path) -> _Finds:
    text, finds = _read_file(path), _Finds()
    form = discovery.kind(text, "", path.name)
    if form in ("json", "yaml"):
        finds.documents.append(read(text, form, str(path)))
        return finds
    clues = _clues(text, form)
    for script in clues.scripts[:_SCRIPTS]:  # a browser that saves a page saves its scripts in a folder beside it
        beside = (path.parent / unquote(script)).resolve()
        if beside.is_relative_to(path.parent.resolve()) and beside.is_file():
            clues.add(_clues(_read_file(beside), "script"))
    _take_embedded(finds, clues, str(path))
    if not finds.documents:
        named = f"; it names {clues.addresses[0]}, pull that" if clues.addresses else ""
        raise _first(finds.problems, f"{path} is neither JSON nor YAML nor a page with a document in it{named}")
    return finds


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(fetching.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > fetching.MAX_BYTES:
        raise InputError(f"{path} is larger than {fetching.MAX_BYTES // 1_000_000} MB; no document of an API is")
    return decode(data, "", str(path))


async def _from_urls(urls: Sequence[str], known: Collection[str]) -> tuple[str, _Finds]:
    """The first address whose document is ours, else the first that has one at all."""
    deadline = time.monotonic() + fetching.TOTAL_SECONDS
    found: list[tuple[str, _Finds]] = []
    problems: list[InputError] = []
    async with fetching.client() as client:
        for url in urls:
            try:
                start = parse_url(url)
                finds = await _explore(Fetcher(client, start, deadline), start)
            except InputError as error:
                problems.append(error)
                continue
            found.append((url, finds))
            if any(_shared(document.document, known) for document in finds.documents):
                return found[-1]
    if found:
        return found[0]
    raise InputError("; ".join(str(problem) for problem in problems))


async def _explore(fetcher: Fetcher, start: httpx.URL) -> _Finds:
    """Every document that an address leads to; at least one, or an InputError."""
    finds = _Finds()
    answer = await fetcher.get(start)
    text, form = _look(answer)
    if form in ("json", "yaml") and not _is_configuration(text, form):
        finds.documents.append(read(text, form, shown(answer.url)))
        return finds
    clues = _clues(text, form)
    base = _join(answer.url, clues.base or "")
    for source in clues.scripts:
        await _add_script(fetcher, base, source, clues)
    _take_embedded(finds, clues, shown(answer.url))
    if clues.templated or clues.flaws:
        await _compare_with_twin(fetcher, answer, finds)
    elif not finds.documents:
        await _follow(fetcher, base, clues.addresses, finds)
        if not finds.documents:
            await _guess(fetcher, answer, finds)
    if not finds.documents:
        raise _first(finds.problems, _nothing(shown(answer.url), clues))
    return finds


def _join(base: httpx.URL, address: str) -> httpx.URL:
    try:
        return base.join(address)
    except httpx.InvalidURL as error:
        raise InputError(f"{shown(base)} names {address!r}, which is no address: {error}") from error


def _look(answer: Answer) -> tuple[str, discovery.Kind]:
    text = decode(answer.body, answer.content_type, shown(answer.url))
    return text, discovery.kind(text, answer.content_type, answer.url.path)


def _clues(text: str, form: discovery.Kind) -> Clues:
    return discovery.read_page(text) if form == "page" else discovery.read_script(text)


def _is_configuration(text: str, form: discovery.Kind) -> bool:
    """Whether it is the JSON in which a page is told where its documents are, not a document itself."""
    if form != "json":
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(value, dict)
        and "openapi" not in value
        and isinstance(value.get("url", value.get("urls")), str | list)
    )


async def _add_script(fetcher: Fetcher, base: httpx.URL, source: str, clues: Clues) -> None:
    """Read a script of the page, unless it comes from elsewhere or is no script (a catch-all answers with its page)."""
    try:
        url = _join(base, source)
        if fetcher.allows(url) and clues.scripts.index(source) < _SCRIPTS:
            text, form = _look(await fetcher.get(url))
            if form != "page":
                clues.add(discovery.read_script(text))
    except InputError as error:
        clues.missing.append(str(error))


def _take_embedded(finds: _Finds, clues: Clues, place: str) -> None:
    for text in clues.embedded:
        finds.read(text, "json", place)
    finds.problems += [InputError(f"{place}: {flaw}") for flaw in clues.flaws]
    doubtful = discovery.dollars(finds.documents[0].document) if clues.templated and finds.documents else 0
    if doubtful:
        finds.notes.append(
            f"warning: {doubtful} strings in the document hold a `$`; if its page is made by swagger-ui-express, "
            "a `$$` has become a `$` there, and nothing in the page tells"
        )


async def _compare_with_twin(fetcher: Fetcher, answer: Answer, finds: _Finds) -> None:
    """Look for the document beside its page: what came through a template may be damaged or another page's.

    NestJS serves it at the page's own path with -json behind it, and others do as NestJS does.
    """
    path = answer.url.path.removesuffix("index.html").rstrip("/")
    beside = _Finds()
    await _follow(fetcher, answer.url, [path + "-json"] if path else [], beside)
    for twin in beside.documents:
        if not finds.documents:
            finds.notes.append(f"warning: {finds.problems[0]}; the document at {twin.place} is taken instead")
        elif twin.document == finds.documents[0].document:
            finds.notes = []
        else:
            titles = f"{finds.documents[0].title!r} and {twin.title!r}"
            finds.notes = [
                f"warning: the page and {twin.place} differ ({titles}); the latter is taken, which no template touched"
            ]
        finds.documents = [twin]


async def _follow(
    fetcher: Fetcher, base: httpx.URL, addresses: Sequence[str], finds: _Finds, *, deeper: bool = True
) -> None:
    """Read the documents at these addresses; JSON that only names further addresses is followed once."""
    for address in addresses[:_ADDRESSES]:
        try:
            answer = await fetcher.get(_join(base, address))
            text, form = _look(answer)
        except InputError as error:
            finds.problems.append(error)
            continue
        if deeper and _is_configuration(text, form):
            await _follow(fetcher, answer.url, discovery.read_script(text).addresses, finds, deeper=False)
        elif form in ("json", "yaml"):
            finds.read(text, form, shown(answer.url))
        else:
            finds.problems.append(InputError(f"{shown(answer.url)} is named as a document, but is a page"))
    if len(addresses) > _ADDRESSES:
        finds.notes.append(f"warning: {len(addresses)} documents are named; the first {_ADDRESSES} were read")


async def _guess(fetcher: Fetcher, answer: Answer, finds: _Finds) -> None:
    """Try the usual addresses; not if the page names one that we refuse, for then it is no matter of guessing."""
    if any(isinstance(problem, ForeignError) for problem in finds.problems):
        finds.problems.sort(key=lambda problem: not isinstance(problem, ForeignError))
        return
    for path in discovery.guesses(answer.url.path):
        guessed = _Finds()
        await _follow(fetcher, answer.url, [path], guessed)
        if guessed.documents:
            finds.documents = guessed.documents[:1]
            finds.notes.append(f"warning: {shown(answer.url)} names no document; {guessed.documents[0].place} has one")
            return


def _nothing(place: str, clues: Clues) -> str:
    if clues.login:
        return f"{place} asks for a password; log in with a browser, save the document and pull the file"
    if clues.stock:
        return f"{place} shows the example document of Swagger UI (petstore), none of its own"
    missing = f" ({clues.missing[0]})" if clues.missing else ""
    return f"{place} is neither JSON nor YAML nor a page that leads to a document{missing}"


def _first(problems: Sequence[InputError], otherwise: str) -> InputError:
    return problems[0] if problems else InputError(otherwise)
