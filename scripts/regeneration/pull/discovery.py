"""Where a page keeps its OpenAPI document: in itself, in one of its scripts, or at an address that it names.

Pure: text in, clues out. Pages differ, and the same kind of page differs between versions; so nothing here depends on
the layout of one, only on the names that they give to the document and to its address. How the known kinds write them:

- swagger-ui-express and NestJS: `"swaggerDoc": {…}` or `"url"`, `"urls"`, `"swaggerUrl"` in swagger-ui-init.js, beside
  options that may hold functions, so that the whole is no JSON;
- FastAPI: `SwaggerUIBundle({url: '/openapi.json', …` in the page; stock Swagger UI: the same in swagger-initializer.js;
- Redoc: `<redoc spec-url>`, `Redoc.init('address' or {…}`, `__redoc_state = {… "spec": {"data": {…`,
  `__redoc_definition = {…`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Literal
from urllib.parse import urlsplit

from regeneration.pull.javascript import tokens

Kind = Literal["json", "yaml", "page", "script"]

_OPENAPI_LINE = re.compile(r"^[\"']?(openapi|swagger)[\"']?[ \t]*:", re.MULTILINE)
_OPENAPI_OBJECT = re.compile(r"\{\s*\"(openapi|swagger)\"\s*:")
_REDOC_INIT = re.compile(r"\bRedoc\s*\.\s*init\s*$")
#: Names of what is the document, lower case. A failure under one of the first is worth telling; the others are common.
_DOCUMENT_NAMES = {"swaggerdoc", "spec", "__redoc_definition", "__redoc_state", "redoc.init"}
_PERHAPS_DOCUMENT_NAMES = {"data", "definition", "content", "swaggerspec", "openapi", "openapispec", "apispec"}
_ADDRESS_NAMES = {"url", "swaggerurl", "specurl", "spec-url", "openapiurl", "configurl", "redoc.init"}
_ADDRESS_ATTRIBUTES = {"spec-url", "apidescriptionurl"}
#: Libraries, by name: large, and never the place of a document.
_LIBRARY = re.compile(r"bundle|standalone|preset|jquery|react|vue|polyfill|\.min\.", re.IGNORECASE)
_INITIALIZER = re.compile(r"init", re.IGNORECASE)
_STOCK_HOSTS = {"petstore.swagger.io", "petstore3.swagger.io"}
_SPLICED = re.compile(r"url = options\.swaggerUrl \|\| url|window\.onload = function")
_PLACEHOLDER = "<% swaggerOptions %>"
#: Bounds on what a page can make us try.
_ATTEMPTS, _ADDRESSES = 100, 1000

DOLLARS = (
    "swagger-ui-express replaces `$$`, `$&`, `$'` and `` $` `` in a document by other text; "
    "pull the document itself, from another address or as a file"
)


@dataclass
class Clues:
    """What a page or a script says of its document.

    Attributes:
        embedded: documents that stand in it, as JSON text.
        templated: whether they came through the template of swagger-ui-express or NestJS.
        addresses: where documents are said to be, as written.
        scripts: sources of scripts, as written, the likely ones first.
        base: what relative addresses are relative to, if it is not the page.
        flaws: why something that should be a document is none.
        login: whether it asks for a password.
        stock: whether it shows the example document of Swagger UI.
        missing: why a script could not be read.
    """

    embedded: list[str] = field(default_factory=list)
    templated: bool = False
    addresses: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    base: str | None = None
    flaws: list[str] = field(default_factory=list)
    login: bool = False
    stock: bool = False
    missing: list[str] = field(default_factory=list)

    def add(self, other: Clues) -> None:
        """Take over what a script of the page says."""
        self.embedded += [text for text in other.embedded if text not in self.embedded]
        self.addresses += [address for address in other.addresses if address not in self.addresses]
        self.flaws += other.flaws
        self.templated |= other.templated
        self.stock |= other.stock


def kind(text: str, content_type: str, name: str) -> Kind:
    """What a body is, by its own look before what its sender calls it (a catch-all calls everything what it likes).

    Args:
        text: the body.
        content_type: as sent, or empty.
        name: the path or file name it was asked for by.
    """
    start = text[:4096].lstrip()
    if start.startswith("<"):
        return "page"
    if start.startswith(("{", "[")):
        return "json"
    path = _path(name).lower()
    if "yaml" in content_type or path.endswith((".yaml", ".yml")):
        return "yaml"
    if "javascript" in content_type or path.endswith((".js", ".mjs")):
        return "script"
    return "yaml" if _OPENAPI_LINE.search(text) else "script"


def read_page(text: str) -> Clues:
    """The clues in an HTML page and its inline scripts."""
    parser = _Page()
    parser.feed(text)
    parser.close()
    clues = parser.clues
    if parser.in_script:  # a browser would not run it either
        clues.flaws.append("the page is cut off in the middle of a script")
        del parser.inline[-1:]
    clues.scripts = sorted(
        (script for script in dict.fromkeys(clues.scripts) if not _LIBRARY.search(_path(script))),
        key=lambda script: not _INITIALIZER.search(_path(script)),
    )
    for script in parser.inline:
        clues.add(read_script(script))
    return clues


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.clues = Clues()
        self.inline: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        address = next((attributes[name] for name in attributes if name in _ADDRESS_ATTRIBUTES), None)
        if tag == "script":
            self.in_script = "src" not in attributes
            self.inline += [""] if self.in_script else []
            self.clues.scripts += [] if self.in_script else [attributes["src"]]
            address = attributes.get("data-url") or address
        elif tag == "base" and self.clues.base is None:
            self.clues.base = attributes.get("href")
        elif tag == "input" and attributes.get("type", "").lower() == "password":
            self.clues.login = True
        elif tag == "link" and "service-desc" in attributes.get("rel", "").lower().split():
            address = attributes.get("href")
        if address:
            _add_address(self.clues, address)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self.in_script = False

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.inline[-1] += data

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """To a browser `<![` begins a comment, whatever follows; the library raises at what it does not know."""
        return self.rawdata.find(">", i) + 1 or -1


def read_script(source: str, *, quoted: bool = False) -> Clues:
    """The clues in JavaScript, or in the JSON of a script element.

    Args:
        source: the script.
        quoted: whether it was itself found in a string of a script (then strings in it are not looked into again).
    """
    clues = Clues()
    position, attempts = 0, 0
    while position is not None:
        position, attempts = _scan(source, position, clues, attempts, quoted)
    return clues


def _scan(source: str, start: int, clues: Clues, attempts: int, quoted: bool) -> tuple[Any, int]:
    """Read on from a position, up to the end of the next document (given back, or None at the end of the source)."""
    name, last = "", ""  # what the value being read belongs to, and the word or string just read
    for token in tokens(source, start):
        if token.kind == "string":
            last = token.text
            _take_string(clues, name, last, quoted)
        elif token.kind == "word":
            last = token.text
        elif token.text in ":=" and last and source[token.end : token.end + 1] not in ("=", ">"):
            name, last = last.lower(), ""
        elif token.text == "(":
            name = _called(source, token.start, last) or name
            last = ""
        elif token.text == "{":
            likely = name in _DOCUMENT_NAMES or name in _PERHAPS_DOCUMENT_NAMES
            if (likely or _OPENAPI_OBJECT.match(source, token.start)) and attempts < _ATTEMPTS:
                attempts += 1
                end = _decode(source, token.start, name, clues)
                if end is not None:
                    return (end or None), attempts
            name, last = "", ""
        else:
            name = "" if token.text in ",;}" else name
            last = ""
    return None, attempts


def _take_string(clues: Clues, name: str, text: str, quoted: bool) -> None:
    if name in _ADDRESS_NAMES:
        _add_address(clues, text)
    elif name == "json.parse" and not quoted:
        clues.add(read_script(text, quoted=True))


def _called(source: str, position: int, word: str) -> str:
    if word == "parse":
        return "json.parse"
    return "redoc.init" if word == "init" and _REDOC_INIT.search(source[max(0, position - 80) : position]) else ""


def _decode(source: str, start: int, name: str, clues: Clues) -> int | None:
    """Take the object there if it is a document.

    Returns:
        Where it ends; None if it is something else, to be looked into; 0 if it is a document that cannot be read, whose
        inside would be misread as clues.
    """
    try:
        value, end = json.JSONDecoder().raw_decode(source, start)
    except (ValueError, RecursionError) as error:
        if name not in _DOCUMENT_NAMES and not _OPENAPI_OBJECT.match(source, start):
            return None
        clues.flaws.append(_flaw(source, start, name, error))
        return 0
    if not ("openapi" in value or "swagger" in value):
        return None
    text = source[start:end]
    clues.templated |= name == "swaggerdoc"
    if name == "swaggerdoc" and _PLACEHOLDER in text:
        clues.flaws.append(f"the document is damaged, it holds `{_PLACEHOLDER}`: {DOLLARS}")
    elif text not in clues.embedded:
        clues.embedded.append(text)
    return end


def _flaw(source: str, start: int, name: str, error: Exception) -> str:
    if name == "swaggerdoc" and len(_SPLICED.findall(source)) > 2:  # the template has each once
        return f"the document is damaged, the template of its page stands in it: {DOLLARS}"
    if isinstance(error, json.JSONDecodeError) and _is_end(source, error):
        return f"the document in it is cut off ({error})"
    return f"the document in it is not JSON ({error}); no JavaScript is run"


def _is_end(source: str, error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated string") or error.pos >= len(source.rstrip()) - 1


def _add_address(clues: Clues, address: str) -> None:
    address = address.strip()
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    if parts.hostname in _STOCK_HOSTS:
        clues.stock = True
    elif address and parts.scheme in ("", "http", "https") and len(clues.addresses) < _ADDRESSES:
        clues.addresses += [address] if address not in clues.addresses else []


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""


def guesses(path: str) -> list[str]:
    """Where the document of a page at this path often is, if the page does not say."""
    stem = path.removesuffix("index.html").rstrip("/")
    beside = [stem + ending for ending in ("-json", ".json", "-yaml", "/openapi.json", "/swagger.json") if stem]
    rooted = ["/openapi.json", "/swagger.json", "/openapi.yaml", "/v3/api-docs"]
    return list(dict.fromkeys([*beside, *rooted]))


def dollars(document: Any) -> int:
    """How many strings hold a `$` that `$$` could have been, had the document come through a template that eats one.

    Names that begin with `$`, such as $ref, and references do not count: JSON Schema has no doubled ones.
    """
    count, stack = 0, [document]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            count += sum("$" in key[1:] for key in value)
            stack += [item for key, item in value.items() if not key.startswith("$")]
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, str):
            count += "$" in value
    return count
