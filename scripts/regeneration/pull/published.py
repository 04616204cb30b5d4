"""An OpenAPI document as somebody published it: from text to JSON, and whether it is one that can be worked with."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Any, Literal

from regeneration.document import Document, InputError, dump_json, follow, parse_json, references
from regeneration.overlay.core_yaml import parse_yaml

#: Levels of objects and lists. Documents have 20 to 40; everything that walks one is written recursively.
MAX_DEPTH = 100
#: Bytes of YAML, which is read a hundred times more slowly than JSON.
MAX_YAML_BYTES = 5_000_000
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)")
_OPENAPI_LINE = re.compile(r"^[\"']?(openapi|swagger)[\"']?[ \t]*:", re.MULTILINE)

Form = Literal["json", "yaml"]


@dataclass(frozen=True)
class Published:
    """A document, the bytes to keep of it, and where they were.

    Attributes:
        data: JSON as it was published, but for a byte order mark; YAML rewritten as JSON.
        place: an address or a file name.
    """

    data: bytes
    document: Document
    place: str

    @property
    def title(self) -> str:
        info = self.document.get("info")
        return str(info.get("title", "without a title")) if isinstance(info, dict) else "without a title"


def decode(body: bytes, content_type: str, place: str) -> str:
    """Text from bytes: in the encoding that their sender names, else in UTF-16 if they begin so, else in UTF-8."""
    named = _CHARSET.search(content_type)
    otherwise = "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        encoding = codecs.lookup(named[1]).name if named else otherwise
    except LookupError:
        encoding = otherwise
    try:
        return body.decode(encoding).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    except (UnicodeDecodeError, LookupError) as error:  # LookupError: a codec that is not for text
        raise InputError(f"{place} is not text: {error}") from error


def form_of(text: str, content_type: str, name: str) -> Form | None:
    """What a body is, by its own look before what its sender calls it; None if it is a page or a script.

    Args:
        text: the body.
        content_type: as sent, or empty.
        name: the path or file name it was asked for by.
    """
    start = text[:4096].lstrip()
    if start.startswith(("{", "[")):
        return "json"
    is_yaml = "yaml" in content_type or name.lower().endswith((".yaml", ".yml")) or _OPENAPI_LINE.search(text)
    return "yaml" if is_yaml and not start.startswith("<") else None


def read(text: str, form: Form, place: str) -> Published:
    """Read a document and refuse what no later stage could use.

    Raises:
        InputError: not JSON or YAML, cut off, a key given twice, an alias that contains itself or expands without
            measure, nested too deeply; not OpenAPI 3; a reference that leads nowhere or out of the document.
    """
    data = text.encode("utf-8", errors="surrogatepass")
    if form == "json":
        if not text.rstrip().endswith(("}", "]")):
            raise InputError(f"{place} is cut off: it begins as JSON does and has no end")
        document = parse_json(data, place)
    else:
        if len(data) > MAX_YAML_BYTES:
            raise InputError(f"{place}: YAML is read up to {MAX_YAML_BYTES // 1_000_000} MB; turn it into JSON first")
        document = _yaml_document(data, place)
    _check_depth(document, place)
    check(document, place)
    return Published(data if form == "json" else dump_json(document), document, place)


def _yaml_document(data: bytes, place: str) -> Document:
    document = parse_yaml(data, place)
    if not isinstance(document, dict):
        raise InputError(f"{place} is not OpenAPI: its YAML is not a mapping")
    return document


def check(document: Document, place: str) -> None:
    """Whether it is OpenAPI 3 with operations and whole references; what the rest of it says is for validation.py."""
    if "openapi" not in document and "swagger" in document:
        raise InputError(
            f"{place} is Swagger {document['swagger']}; convert it first, "
            "for example with `npx swagger2openapi --outfile openapi.json FILE`, and pull openapi.json"
        )
    version = document.get("openapi")
    if version is None:
        raise InputError(f"{place} is not OpenAPI: it has no key `openapi`")
    if not str(version).startswith("3."):
        raise InputError(f"{place} says openapi: {str(version)[:40]!r}; only OpenAPI 3 is read")
    if not document.get("paths") and document.get("webhooks"):
        raise InputError(f"{place} has webhooks and no operations; pull the document of the API that sends them")
    if not isinstance(document.get("paths"), dict) or not document["paths"]:
        raise InputError(f"{place} has no paths; it may be cut off")
    for reference in dict.fromkeys(references(document)):
        try:
            follow(document, {"$ref": reference})
        except InputError as error:
            bundle = "; make one document of it with `npx @redocly/cli bundle FILE -o openapi.json`"
            raise InputError(f"{place}: {error}{bundle if reference[:1] != '#' else ''}") from error


def _check_depth(document: Any, place: str) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [item for node in level if isinstance(node, dict | list) for item in _items(node)]
        if not level:
            return
    raise InputError(f"{place} is nested deeper than {MAX_DEPTH} levels")


def _items(node: Any) -> Any:
    return node.values() if isinstance(node, dict) else node
