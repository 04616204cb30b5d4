"""Run every method of the client against a server of a document; the process that does it, with the package to be tried.

It reads the document as JSON from stdin, and writes to stdout what became of each method.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import operator
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from regeneration.answers import body
from regeneration.document import Document, Route, parameters, routes
from regeneration.drive.calls import METHODS
from regeneration.drive.server import Api, ApiServer
from regeneration.drive.values import MOMENT, made
from regeneration.shapes import shape

#: Seconds after which a method is given up.
_PATIENCE = 30.0
_UNHARMED = {"unknown field", "envelope"}
#: What is sent for an argument of which the document says nothing: by name, else by the words of its annotation.
_ARGUMENTS: Mapping[str, Any] = {
    "email": "ada@example.com",
    "emails": ["ada@example.com"],
    "time_zone": "Europe/Bucharest",
    "url": "https://example.com/hook",
}
_ANNOTATED: tuple[tuple[str, Any], ...] = (
    ("datetime", MOMENT),
    ("bool", True),
    ("int", 1),
    ("Sequence[str", ["text"]),
    ("Iterable[str", ["text"]),
    ("Sequence", [{"text": "text"}]),
    ("Mapping", {"text": "text"}),
)


class UnmetError(Exception):
    """A method returned something else than what the server had answered."""


class _Drive:
    def __init__(self, api: Api, url: str) -> None:
        import sessions_us

        self._api = api
        self._drifts: list[Any] = []
        quota = sessions_us.Quota(limit=1_000_000, window=1.0, reserve=0)
        options: dict[str, Any] = {"base_url": url, "quota": quota, "retries": 0, "on_event": self._hear}
        self._clients: dict[str, Any] = {
            "user": sessions_us.UserClient("a-key", **options),
            "guest": sessions_us.GuestClient("a-key", **options),
        }

    def _hear(self, event: object) -> None:
        if type(event).__name__ == "SchemaDrift":
            self._drifts.append(event)

    async def run(self) -> dict[str, str]:
        """The operations of the client, and why the method of each one fails; empty where it works."""
        known = {route.operation["operationId"]: route for route in routes(self._api.made_of_it)}
        results = {}
        for name, method in METHODS.items():
            results[name] = (
                await self._try(method, known[name]) if name in known else "the generated package has no such operation"
            )
        for client in self._clients.values():
            await client.aclose()
        return results

    async def _try(self, name: str, route: Route) -> str:
        self._drifts.clear()
        self._api.exchanges.clear()
        client, _, path = name.partition(".")
        try:
            method = operator.attrgetter(path)(self._clients[client])
            for arguments in _calls(method, self._api, route):
                async with asyncio.timeout(_PATIENCE):
                    await self._call(method, route, arguments)
        except Exception as problem:  # whatever it is, the method does not work
            refused = next((each.refused for each in self._api.exchanges if each.refused), "")
            return refused or f"{type(problem).__name__}: {' '.join(str(problem).split())}"[:300]
        return ""

    async def _call(
        self, method: Callable[..., Any], route: Route, arguments: tuple[list[str], dict[str, Any]]
    ) -> None:
        ids, named = arguments
        promised = str(inspect.signature(method).return_annotation)
        result = method(*ids, **named)
        if promised.startswith("Pager"):
            items = [item async for item in result]
            _compare_rows(items, self._api.rows(route), promised, has_ids=self._has_ids())
        else:
            result = await result
            content, rows = self._api.exchanges[-1].content, self._api.exchanges[-1].rows
            if "list[" in promised and isinstance(content, list):
                _compare_rows(result or [], rows, promised, has_ids=False)
            elif promised != "None":
                _compare_one(result, content, promised)
        has_content = self._api.exchanges[-1].content is not None
        odd = next((drift for drift in self._drifts if _loses(drift) and (drift.field or has_content)), None)
        if odd is not None:
            raise UnmetError(f"loses {odd.field or 'the answer'}: {odd.problem}")

    def _has_ids(self) -> bool:
        rows = self._api.exchanges[0].content
        return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict) and "id" in rows[0]


def _loses(drift: Any) -> bool:
    """Whether something was not understood; an id may be a number, and is read as text."""
    return drift.problem not in _UNHARMED and drift.field.rpartition(".")[2] != "id"


def _model(promised: str) -> str:
    return re.sub(r"\W*(\| None)?$", "", promised).rpartition("[")[2].strip("]")


def _compare_rows(items: list[Any], expected: int, promised: str, *, has_ids: bool) -> None:
    if items and type(items[0]).__name__ != _model(promised):
        raise UnmetError(f"lists {type(items[0]).__name__}, not {_model(promised)}")
    if len(items) != expected:
        raise UnmetError(f"lists {len(items)} of {expected} rows")
    if has_ids and len({item.id for item in items}) != expected:
        raise UnmetError(f"the {expected} rows have not as many ids")


def _compare_one(result: Any, content: Any, promised: str) -> None:
    if result is None:
        if isinstance(content, dict) and content:
            raise UnmetError(f"makes nothing of an answer with {', '.join(sorted(content)[:5])}")
        if not promised.endswith("None"):
            raise UnmetError(f"promises {promised}, and got nothing")
        return
    if type(result).__name__ != _model(promised):
        raise UnmetError(f"returns {type(result).__name__}, not {_model(promised)}")
    sent = content.get("id") if isinstance(content, dict) else None
    if sent is not None and str(getattr(result, "id", sent)) != str(sent):
        raise UnmetError("returns another object than the one that was answered")


def _calls(method: Callable[..., Any], api: Api, route: Route) -> list[tuple[list[str], dict[str, Any]]]:
    """The arguments of two calls: as few as the document and the method allow, and all."""
    signature = inspect.signature(method).parameters.values()
    document, theirs = api.declared(route)
    ids = [_path_value(document, theirs, number) for number, each in enumerate(_ids(signature))]
    named = [
        each
        for each in signature
        if each.kind is each.KEYWORD_ONLY and each.name not in {"extra", "page", "verify_end"}
    ]
    fields = body(document, theirs)
    values = {each.name: _value(each, document, fields) for each in named}
    needed = {each.name for each in named if each.default is each.empty or _wire(each.name) in fields.required}
    if "update" in route.operation["operationId"] and not needed and named:
        needed = {next((each.name for each in named if _wire(each.name) in fields.fields), named[0].name)}
    few = {name: value for name, value in values.items() if name in needed}
    return [(ids, few)] if few == values else [(ids, few), (ids, values)]


def _ids(signature: Any) -> list[inspect.Parameter]:
    return [each for each in signature if each.kind is each.POSITIONAL_OR_KEYWORD]


def _path_value(document: Document, route: Route, number: int) -> str:
    declared = [parameter for parameter in parameters(document, route) if parameter["in"] == "path"]
    schema = declared[number].get("schema", {}) if number < len(declared) else {}
    return str(made((document, {"type": "object", "properties": {"id": schema}}), number + 1)["id"])


def _value(parameter: inspect.Parameter, document: Document, fields: Any) -> Any:
    annotation = str(parameter.annotation)
    plain = _ARGUMENTS.get(parameter.name, next((value for words, value in _ANNOTATED if words in annotation), "text"))
    known = fields.fields.get(_wire(parameter.name))
    if known is None or plain == MOMENT or shape(document, known).type == "anything":
        return plain
    return _as_annotated(annotation, made((document, known), 1), plain)


def _as_annotated(annotation: str, value: Any, plain: Any) -> Any:
    """A value of the document's schema as callers pass it, who go by the annotation: an id that is text stays text."""
    if re.search(r"Sequence\[str|Iterable\[str", annotation):
        rows = value if isinstance(value, list) else plain
        return [str(each) if isinstance(each, int | float) else each for each in rows]
    if re.search(r"Sequence|Iterable|Mapping|bool|int\b|float|Any", annotation) or "str" not in annotation:
        return value
    return plain if isinstance(value, list | dict) else str(value)


def _wire(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _import_all() -> None:
    """Import all that needs no extra: a model that is gone is found where it is imported."""
    import sessions_us
    import sessions_us.resources

    for module in pkgutil.iter_modules(sessions_us.resources.__path__):
        importlib.import_module(f"sessions_us.resources.{module.name}")
    for name in dir(sessions_us):
        getattr(sessions_us, name)


async def _main() -> dict[str, str]:
    given = json.load(sys.stdin)
    api = Api(given["document"], given["made_of_it"], frozenset(given["kept"]))
    server = ApiServer(api)
    try:
        _import_all()
        return await _Drive(api, server.url).run()
    finally:
        server.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main())))
