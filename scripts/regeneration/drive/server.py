"""A server made from a document alone: its paths, parameters, bodies, security, answers and pages, on a loopback socket.

What the document leaves out of an answer comes from the one that was made of it, so that there is something to answer with.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from openapi_schema_validator import OAS30WriteValidator, OAS31Validator, oas30_format_checker, oas31_format_checker

from regeneration.adopt.alignment import by_key, elsewhere, served_at
from regeneration.answers import answer, content, envelope, inside, is_json, successes
from regeneration.document import Document, Route, follow, parameters
from regeneration.drive.values import made
from regeneration.generate.page_facts import CURSORS, SIZES, ListFacts, left_open, page_facts, plain, which_page
from regeneration.shapes import shape

#: Rows of a list beyond its whole pages; and of a page where the document does not say, which are the vendor's own words.
_REST, _SIZE = 5, 20
#: Rows of a page where a parameter says how many, and the document not, how many without it.
_UNSAID_SIZE = 10
_JSON = "application/json"


@dataclass
class Exchange:
    """What one request was answered with.

    Attributes:
        refused: why it was refused, in words; empty if it was not.
        content: what the answer is about, out of its envelope; None if there is no body.
        rows: of a list, how many there are on all pages together.
    """

    method: str
    path: str
    refused: str = ""
    content: Any = None
    rows: int = 0


@dataclass
class Answered:
    """A status and a body; `media_type` is empty where there is no body."""

    status: int
    body: Any = None
    media_type: str = ""


class RefusedError(Exception):
    """A request that the document does not allow."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Api:
    """What a document says of each request. Pure: no network.

    Args:
        document: as published, sound, and spelled like ours.
        made_of_it: the document that the package was generated from.
        kept: operations by id that only the latter has, and that are served from there.
    """

    document: Document
    made_of_it: Document
    kept: frozenset[str]
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        known = by_key(self.made_of_it)
        self._routes = [(self.document, route, known.get(key)) for key, route in by_key(self.document).items()]
        self._routes += [
            (self.made_of_it, route, route) for route in known.values() if route.operation["operationId"] in self.kept
        ]

    def rows(self, route: Route) -> int:
        """How many rows a list of the document has."""
        found = next(entry for entry in self._routes if entry[2] is not None and entry[2].operation is route.operation)
        return self._total(found[0], found[1])

    def declared(self, route: Route) -> tuple[Document, Route]:
        """What the document says of an operation of the package; the package's own where it does not have it."""
        found = (entry for entry in self._routes if entry[2] is not None and entry[2].operation is route.operation)
        return next(((document, theirs) for document, theirs, _ in found), (self.made_of_it, route))

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Answer a request, and keep what was answered."""
        parts = urlsplit(target)
        exchange = Exchange(method, parts.path)
        self.exchanges.append(exchange)
        try:
            document, route, other = self._find(method, parts.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            self._check_key(document, route, headers, query)
            self._check_parameters(document, route, parts.path, headers, query)
            self._check_body(document, route, headers, body)
            return self._answered(document, route, other, query, exchange)
        except RefusedError as problem:
            exchange.refused = str(problem)
            return Answered(problem.status, {"statusCode": problem.status, "message": str(problem)}, _JSON)
        except Exception as problem:  # of a document nobody knows what to expect
            exchange.refused = f"no answer can be made of the document: {problem!r}"[:300]
            return Answered(500, {"message": exchange.refused}, _JSON)

    # Requests

    def _find(self, method: str, path: str) -> tuple[Document, Route, Route | None]:
        fitting = [entry for entry in self._routes if _fits(served_at(entry[1]), path)]
        fitting.sort(key=lambda entry: entry[1].path.count("{"))
        for entry in fitting:
            if entry[1].method == method.lower():
                return entry
        if fitting:
            there = ", ".join(sorted({entry[1].method.upper() for entry in fitting}))
            raise RefusedError(405, f"the document has no {method} {fitting[0][1].path}, only {there}")
        moved = next((entry[1] for entry in self._routes if _fits(entry[1].path, path)), None)
        there = f", but has it {elsewhere(moved)}" if moved is not None else ""
        raise RefusedError(404, f"the document has no path for {method} {path}{there}")

    def _check_key(
        self, document: Document, route: Route, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> None:
        asked = route.operation.get("security", document.get("security")) or [{}]
        schemes = document.get("components", {}).get("securitySchemes", {})
        wanted = []
        for each in asked:
            named = [follow(document, schemes.get(name)) or {} for name in each]
            if all(_has_key(scheme, headers, query) for scheme in named):
                return
            wanted.append(" and ".join(_key_words(scheme) for scheme in named))
        raise RefusedError(401, f"the document wants the key as {' or '.join(dict.fromkeys(wanted))}")

    def _check_parameters(
        self, document: Document, route: Route, path: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> None:
        names = re.findall(r"\{([^{}]*)\}", served_at(route))
        matched = _pattern(served_at(route)).fullmatch(path)
        segments = dict(zip(names, matched.groups() if matched else (), strict=False))
        sent = {
            "query": query,
            "header": headers,
            "cookie": {},
            "path": {name: unquote(text) for name, text in segments.items()},
        }
        for parameter in parameters(document, route):
            name, where = parameter["name"], parameter["in"]
            if where == "header" and name.lower() in {"accept", "content-type"}:
                continue
            if parameter.get("style") in ("label", "matrix"):
                raise RefusedError(400, f"the {where} parameter {name} is wanted in the style {parameter['style']}")
            value = sent[where].get(name.lower() if where == "header" else name)
            if value is None:
                if parameter.get("required"):
                    raise RefusedError(400, f"the {where} parameter {name} is required")
            elif where != "header" and (problem := _problem(document, parameter.get("schema", {}), value, text=True)):
                raise RefusedError(400, f"the {where} parameter {name}: {problem}")

    def _check_body(self, document: Document, route: Route, headers: Mapping[str, str], body: bytes) -> None:
        declared = follow(document, route.operation.get("requestBody"))
        if declared is None:
            return  # a body that nobody reads does no harm
        content = declared.get("content") or {}
        if not body:
            if declared.get("required"):
                raise RefusedError(400, "a body is required")
            return
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        allowed = {kind, f"{kind.partition('/')[0]}/*", "*/*"}
        media = next((media for name, media in content.items() if name.split(";")[0].strip().lower() in allowed), None)
        if media is None:
            raise RefusedError(415, f"the body has to be {' or '.join(content)}, not {kind or 'without a type'}")
        problem = _problem(document, media.get("schema", {}), json.loads(body))
        if problem:
            raise RefusedError(400, f"the body: {problem}")

    # Answers

    def _answered(
        self, document: Document, route: Route, other: Route | None, query: Mapping[str, str], exchange: Exchange
    ) -> Answered:
        statuses = [status for status in successes(route) if status != "default"]
        status = int(statuses[0].replace("X", "0")) if statuses else 200
        types = content(document, route)
        if statuses == ["204"] or (types and not any(map(is_json, types))):
            exchange.refused = f"the document answers {' or '.join(types) or 'nothing'}, where JSON is meant"
            return Answered(status, "text", next(iter(types), ""))
        schema = answer(document, route)
        whole = None if other is None else answer(self.made_of_it, other)
        if schema is None and whole is None:
            return Answered(status)
        number = len(self.exchanges) * 1000
        otherwise = None if whole is None else (self.made_of_it, whole)
        body = made((document, schema), number, otherwise)
        names = envelope(other) if other is not None else ()
        if names and inside(document, schema, names) is None:
            names = ()
        holder, last = _holder(body, names)
        inner = body if holder is None else holder[last]
        if isinstance(inner, list):
            exchange.rows = self._slice(document, route, other, query)[2]
            inner = self._page(document, route, other, query, schema, otherwise, names)
            if holder is None:
                body = inner
            else:
                holder[last] = inner
        exchange.content = inner
        return Answered(200 if status == 204 else status, body, _JSON)

    def _page(
        self, document: Document, route: Route, other: Route | None, query: Mapping[str, str], schema: Any,
        otherwise: tuple[Document, Any] | None, names: tuple[str, ...],
    ) -> list[Any]:  # fmt: skip
        """The rows of one page; three of them where there are no pages."""

        def row(number: int) -> Any:
            inner = inside(document, schema, names)
            items = shape(document, inner).items
            more = None if otherwise is None else shape(otherwise[0], inside(*otherwise, names)).items
            return made((document, items), number, None if otherwise is None else (otherwise[0], more))

        first, size, total = self._slice(document, route, other, query)
        return [row(number) for number in range(first + 1, min(first + size, total) + 1)]

    def _slice(
        self, document: Document, route: Route, other: Route | None, query: Mapping[str, str]
    ) -> tuple[int, int, int]:
        """How many rows come before, how many there may be, and how many there are in all."""
        declared = {
            parameter["name"]: parameter for parameter in parameters(document, route) if parameter["in"] == "query"
        }
        which, facts = which_page(declared), _facts(self.made_of_it, other)
        name = which["parameter"] if which else facts.parameter if facts and facts.parameter in declared else ""
        is_whole = facts is None and not name and not self._may_be_cut(document, declared)
        if is_whole:
            return 0, 3, 3
        size = self._size(document, route, query)
        total = self._total(document, route)
        limits = shape(document, declared[name].get("schema")).limits if name in declared else {}
        base = limits.get("default", limits.get("minimum", 1))
        base = base if base in (0, 1) else 1
        if name not in query:
            return 0, size, total
        if which and "counts" in which:
            return int(query[name]), size, total
        if int(query[name]) < base:
            raise RefusedError(400, f"the first page is {base}")
        return (int(query[name]) - base) * size, size, total

    def _may_be_cut(self, document: Document, declared: Mapping[str, Document]) -> bool:
        """Whether a parameter of a list without pages may be one of pages all the same."""
        beside = [{"name": "", "in": "query", "schema": {"type": "integer"}}, *declared.values()]
        return any(plain(name) in SIZES | CURSORS for name in declared) or bool(left_open(document, beside, ""))

    def _total(self, document: Document, route: Route) -> int:
        size = self._size(document, route, {})
        return (2 if size <= 50 else 1) * size + _REST

    def _size(self, document: Document, route: Route, query: Mapping[str, str]) -> int:
        for parameter in parameters(document, route):
            if parameter["in"] == "query" and plain(parameter["name"]) in SIZES:
                limits = shape(document, parameter.get("schema")).limits
                sent = query.get(parameter["name"], limits.get("default"))
                if isinstance(sent, int | str) and str(sent).isdigit():
                    return max(1, int(sent))
                return max(1, min(_UNSAID_SIZE, int(limits.get("maximum", _UNSAID_SIZE))))
        return _SIZE


def _facts(document: Document, route: Route | None) -> ListFacts | None:
    return None if route is None else page_facts(document, route)


def _holder(body: Any, names: tuple[str, ...]) -> tuple[Any, str]:
    """What an envelope's last name stands in, and that name."""
    holder: Any = None
    for name in names:
        holder, body = body, body[name]
    return holder, names[-1] if names else ""


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("/".join("([^/]+)" if part[:1] == "{" else re.escape(part) for part in path.split("/")))


def _fits(path: str, sent: str) -> bool:
    return _pattern(path).fullmatch(sent) is not None


def _has_key(scheme: Document, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    if scheme.get("type") == "apiKey":
        where = {"header": headers, "query": query}.get(scheme.get("in", ""), {})
        name = str(scheme.get("name"))
        return bool(where.get(name.lower() if where is headers else name))
    return headers.get("authorization", "").lower().startswith(f"{scheme.get('scheme', 'bearer')} ".lower())


def _key_words(scheme: Document) -> str:
    if scheme.get("type") == "apiKey":
        return f"{scheme.get('name')} in the {scheme.get('in')}"
    return f"Authorization: {str(scheme.get('scheme', 'bearer')).capitalize()} in the header"


def _problem(document: Document, schema: Any, value: Any, *, text: bool = False) -> str:
    """Why a value is not of a schema; empty if it is."""
    modern = document["openapi"].startswith("3.1")
    kind, formats = (OAS31Validator, oas31_format_checker) if modern else (OAS30WriteValidator, oas30_format_checker)
    if text:
        value = _typed(shape(document, schema).type, value)
    whole = {"allOf": [schema], "components": document.get("components", {}), "paths": document["paths"]}
    errors = kind(whole, format_checker=formats).iter_errors(value)
    error = next((each for each in errors if not (modern and _is_only_read(document, each))), None)
    if error is None:
        return ""
    place = ".".join(str(part) for part in error.absolute_path)
    return f"{place}: {error.message[:160]}" if place else str(error.message)[:160]


def _is_only_read(document: Document, error: Any) -> bool:
    """Whether what is missing is required of answers alone, which the validator of OpenAPI 3.1 does not know."""
    fields = shape(document, error.schema).fields if error.validator == "required" else {}
    missing = [name for name in error.validator_value if name not in error.instance] if fields else []
    return bool(missing) and all((follow(document, fields.get(name)) or {}).get("readOnly") for name in missing)


def _typed(kind: str, text: str) -> Any:
    """The value that a parameter's text stands for."""
    try:
        return {"integer": int, "number": float}[kind](text)
    except (KeyError, ValueError):
        return [text] if kind == "array" else text == "true" if kind == "boolean" else text


class ApiServer:
    """An Api on a loopback socket, in a thread of its own."""

    def __init__(self, api: Api) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answered = api.answer(self.command, self.path, headers, body)
            data = json.dumps(answered.body).encode() if answered.media_type else b""
            self.send_response(answered.status)
            if data:
                self.send_header("content-type", answered.media_type)
            if answered.status != 204:
                self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    for method in _methods():
        setattr(Handler, f"do_{method}", Handler.handle_any)
    return Handler


def _methods() -> Iterator[str]:
    yield from ("GET", "POST", "PUT", "PATCH", "DELETE")
