"""Where the page of NestJS or of swagger-ui-express keeps its OpenAPI document: in one of its scripts, or at an address.

Pure: text in, clues out. Nothing depends on the layout of a page, only on what stands before a document (`"swaggerDoc":`,
or the document's own first key) and before an address (`url`). No JavaScript is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_DOCUMENT = re.compile(r"""\bswaggerDoc["']?\s*[:=]\s*(?=\{)|(?=\{\s*"(?:openapi|swagger)"\s*:)""")
_ADDRESS = re.compile(r"""\b(?:url|swaggerUrl|spec-url)["']?\s*[:=]\s*["']([^"'\s<>]+)["']""")
_SCRIPT = re.compile(r"""<script\b[^>]*?\bsrc\s*=\s*["']?([^"'\s>]*init[^"'\s>]*)""", re.IGNORECASE)
_PLACEHOLDER = "<% swaggerOptions %>"
_DAMAGED = "the document in it is cut off, or damaged (swagger-ui-express replaces `$&` and the like)"
_PASSWORD = re.compile(r"""<input\b[^>]*?\btype\s*=\s*["']?password""", re.IGNORECASE)


@dataclass(frozen=True)
class Clues:
    """What a page or a script says of its document.

    Attributes:
        embedded: documents that stand in it, as JSON text.
        flaws: why something that should be a document is none.
        addresses: where documents are said to be, as written.
        scripts: the scripts of the page that may hold a document, as written.
        login: whether it asks for a password.
    """

    embedded: tuple[str, ...]
    flaws: tuple[str, ...]
    addresses: tuple[str, ...]
    scripts: tuple[str, ...]
    login: bool


def read_page(text: str) -> Clues:
    """The clues in the HTML of a page or in one of its scripts."""
    found = list(_documents(text))
    outside = text
    for document, _ in found:
        outside = outside.replace(document, "")
    return Clues(
        embedded=tuple(dict.fromkeys(document for document, flaw in found if not flaw)),
        flaws=tuple(flaw for _, flaw in found if flaw),
        addresses=tuple(dict.fromkeys(_ADDRESS.findall(outside))),
        scripts=tuple(dict.fromkeys(_SCRIPT.findall(outside))),
        login=_PASSWORD.search(outside) is not None,
    )


def _documents(text: str) -> Iterator[tuple[str, str]]:
    """Each document with what is wrong with it; what follows one that cannot be read would be misread, and is left alone."""
    position = 0
    while match := _DOCUMENT.search(text, position):
        try:
            value, position = json.JSONDecoder().raw_decode(text, match.end())
        except (ValueError, RecursionError) as error:
            yield text[match.end() :], f"{_DAMAGED}: {error}"
            return
        document = text[match.end() : position]
        if "openapi" in value or "swagger" in value:
            yield document, f"{_DAMAGED}: it holds {_PLACEHOLDER}" if _PLACEHOLDER in document else ""
