"""Two documents of the same API, spelled alike: the same operation has the same path in both.

An operation is its method and the template of its path. What a parameter of the path is called, and whether a prefix
such as /api stands in the paths or in the address of the server, says nothing about which operation it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from regeneration.document import METHODS, Document, InputError, Route, copied, follow, routes

_BRACES = re.compile(r"\{([^{}]*)\}")
#: Where the API is known to live; documents of some frameworks leave it out.
_USUAL_PREFIX = "/api"
#: On an operation: the path at which its server has it, where that is not the one that it has here.
_SERVED_AT = "x-served-at"

Key = tuple[str, str]


@dataclass(frozen=True)
class Aligned:
    """A document in the spelling of another.

    Attributes:
        document: it; `x-served-at` stands on the operations that the document's server has elsewhere.
        renamed: of each operation, the path parameters that are called otherwise: from their name to the other's.
        notes: operations that turned out to be the same one.
    """

    document: Document
    renamed: dict[Key, dict[str, str]]
    notes: tuple[str, ...]


def template(path: str) -> str:
    """A path without the names of its parameters."""
    return _BRACES.sub("{}", path.rstrip("/") or "/")


def by_key(document: Document) -> dict[Key, Route]:
    """Each operation by method and template."""
    return {(route.method, template(route.path)): route for route in routes(document)}


def align(document: Document, reference: Document) -> Aligned:
    """Spell a sound document as the reference does, where it has the same paths."""
    known = by_key(reference)
    spelled = {template(route.path): route.path for route in known.values()}
    prefix = _prefix(document, set(known))
    result = {key: copied(value) for key, value in document.items() if key != "paths"}
    result["paths"] = {}
    if prefix:
        result["servers"] = _servers_without(result.get("servers", []), prefix)
    renamed: dict[Key, dict[str, str]] = {}
    notes: list[str] = []
    for path, item in document["paths"].items():
        full = template(prefix + path)
        spelling = spelled.setdefault(full, prefix + (path.rstrip("/") or "/"))
        names = dict(zip(_BRACES.findall(path), _BRACES.findall(spelling), strict=True))
        changed = {ours: theirs for theirs, ours in names.items() if ours != theirs}
        target = result["paths"].setdefault(spelling, {})
        for key, value in copied(item).items():
            if key not in METHODS:
                target.setdefault(key, value)
            elif key in target:
                notes.append(f"{key.upper()} {path}: there under another spelling too; this one is left out")
            else:
                for parameter in value.get("parameters", []):
                    if parameter.get("in") == "path":
                        parameter["name"] = names[parameter["name"]]
                target[key] = value
                place = _place(document, (value, item), prefix, _with_names(path, names))
                if place != spelling:
                    value[_SERVED_AT] = place
                if changed:
                    renamed[key, full] = changed
    return Aligned(result, renamed, tuple(notes))


def served_at(route: Route) -> str:
    """The path at which the document's server has an operation of an aligned document."""
    return str(route.operation.get(_SERVED_AT, route.path))


def elsewhere(route: Route) -> str:
    """Where an operation is that is not served at its path, in words that many may share; empty if it is."""
    place, path = served_at(route), route.path
    if place == path:
        return ""
    if place == f"{path}/":
        return "with a slash at its end"
    while path.count("/") > 1 and place.rpartition("/")[2] == path.rpartition("/")[2]:
        place, path = place.rpartition("/")[0], path.rpartition("/")[0]
    return f"under {place or '/'}, not {path or '/'} (servers and paths together)"


def unmarked(document: Document) -> Document:
    """A copy without the marks of where operations are served."""
    result: Document = copied(document)
    for route in routes(result):
        route.operation.pop(_SERVED_AT, None)
    return result


def recognise(document: Document, reference: Document) -> None:
    """See to it that a document is of the same API, before anything is made of it.

    Raises:
        InputError: it has fewer than half of the operations of the reference; the message says what to do.
    """
    known = {(path.removeprefix(_USUAL_PREFIX), method) for method, path in by_key(reference)}
    paths = document.get("paths")
    found = {
        (_plain(path), method.lower())
        for path, given in (paths.items() if isinstance(paths, dict) else ())
        if isinstance(item := follow(document, given), dict)
        for method in item
    }
    shared = len(known & {(path.removeprefix(_USUAL_PREFIX), method) for path, method in found})
    if 2 * shared >= len(known):
        return
    ends = {path for path, _ in known}
    moved = Counter(path.removesuffix(end) for path, _ in found for end in ends if path.endswith(f"/{end.lstrip('/')}"))
    told = f"this is another API: it has {shared} of the {len(known)} operations that the client knows"
    prefix, count = max(moved.items(), key=lambda pair: (pair[1], len(pair[0])), default=("", 0))
    if 2 * count >= len(ends) and prefix not in ("", _USUAL_PREFIX):
        told = (
            f"{told}, but {count} of its paths are ours under {prefix}. If the API is there now, replace {_USUAL_PREFIX}/ "
            f"by {prefix}/ in spec/overlay.yaml and spec/reconstructed.json"
        )
    raise InputError(f"{told}. --accept takes it in all the same")


def _plain(path: str) -> str:
    """The template of a path, also where its parameters are written as in Express."""
    return template(re.sub(r"/:\w+\??", "/{}", f"/{path.strip().lstrip('/')}"))


def _prefix(document: Document, known: set[Key]) -> str:
    """What has to stand before the paths: what the address of the server says, unless the operations say otherwise."""
    candidates = [*_server_paths(document), "", _USUAL_PREFIX]
    found = [(route.method, route.path) for route in routes(document)]
    counts = [sum((method, template(prefix + path)) in known for method, path in found) for prefix in candidates]
    return candidates[counts.index(max(counts))]


def _with_names(path: str, names: dict[str, str]) -> str:
    return _BRACES.sub(lambda match: f"{{{names[match[1]]}}}", path)


def _place(document: Document, holders: Iterable[Document], prefix: str, path: str) -> str:
    """Where an operation is: its path below that of its server; with the host, if that is another than the document's.

    Where no server is named, the document does not say what stands before its paths, and the prefix counts.
    """
    of_document = _address(document)
    own = next((address for holder in holders if (address := _address(holder)) is not None), of_document)
    if own is None:
        return prefix + path
    host, before = own
    moved = host if host and (of_document is None or host != of_document[0]) else ""
    return f"{moved}{before}{path}"


def _server_paths(document: Document) -> Iterable[str]:
    address = _address(document)
    if address is not None:
        yield address[1]


def _address(holder: Document) -> tuple[str, str] | None:
    """The host and the path of the first server, its variables as they are by default; None if it names none."""
    servers = holder.get("servers")
    server = servers[0] if isinstance(servers, list) and servers else None
    url = server.get("url") if isinstance(server, dict) else None
    if not isinstance(server, dict) or not isinstance(url, str):
        return None
    variables = server.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    parts = urlsplit(url)
    return parts.netloc, parts.path.rstrip("/")


def _servers_without(servers: list[Document], prefix: str) -> list[Document]:
    result = []
    for server in servers:
        parts = urlsplit(server["url"])
        path = parts.path.rstrip("/").removesuffix(prefix)
        result.append({**server, "url": urlunsplit(parts._replace(path=path)) or "/"})
    return result
