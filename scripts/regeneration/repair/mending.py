"""A published document, put into the form that OpenAPI asks for.

Only what the documents of NestJS, swagger-jsdoc and zod are known to have is put right here, where its meaning is plain
and taking it out would lose it. All else that the validator refuses is taken out by pruning.py; the drive tells what that breaks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openapi_python_client.strings import ClassName, PythonIdentifier

from regeneration.class_file import class_file, free
from regeneration.document import METHODS, Document, InputError, copied, follow, references
from regeneration.pointers import redirect
from regeneration.repair.pruning import prune

_BRACES = re.compile(r"\{([^{}]*)\}")
_EXPRESS = re.compile(r"/:([A-Za-z_]\w*)\??")
#: Class names that the generated modules import themselves; see lowering.py.
_TAKEN_CLASSES = {"Any", "TYPE_CHECKING"}
#: Names that the generated functions use themselves; see validation.py.
_TAKEN_PARAMETERS = {"body", "params", "quote"}
#: Extensions that mean something to us, and something else to whoever else writes them.
_OURS = {"x-pagination", "x-envelope", "x-key-role", "x-repeatable", "x-observed", "x-removes", "x-served-at"}
#: What a security scheme is that nobody declares: by the names that NestJS gives them, else the vendor's own words.
_UNDECLARED: dict[str, tuple[Document, str]] = {
    "bearer": ({"type": "http", "scheme": "bearer"}, "Authorization: Bearer"),
    "basic": ({"type": "http", "scheme": "basic"}, "Authorization: Basic"),
    "oauth2": ({"type": "http", "scheme": "bearer"}, "Authorization: Bearer"),
    "cookie": ({"type": "apiKey", "in": "cookie", "name": "connect.sid"}, "a cookie"),
}
_USUAL_KEY: tuple[Document, str] = ({"type": "apiKey", "in": "header", "name": "x-api-key"}, "x-api-key in the header")


@dataclass(frozen=True)
class Mended:
    """A sound document.

    Attributes:
        document: it.
        defects: what was put right or left out, in words that begin with the place.
    """

    document: Document
    defects: tuple[str, ...]


def mend(document: Document, *, valid: bool = False) -> Mended:
    """Mend a document; the given one is left as it is.

    Args:
        valid: whether it is known to be valid OpenAPI, so that it need not be validated once more.

    Raises:
        InputError: it has no operations, a reference leads out or nowhere, or it is beyond mending.
    """
    for reference in references(document):
        follow(document, {"$ref": reference})
    mending = _Mending(copied(document))
    mending.run()
    pruned = [] if valid else prune(mending.document)
    return Mended(mending.document, tuple(dict.fromkeys([*mending.defects, *pruned])))


class _Mending:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.defects: list[str] = []

    def run(self) -> None:
        self._version()
        self._component_names()
        self._paths()
        for node in _objects(self.document):
            self._required_flags(node)
        self._repeated_ids()
        self._keys()

    def _version(self) -> None:
        """OpenAPI 3.0 or 3.1; where 3.0 has words of 3.1, as zod and TypeBox write them, it is 3.1."""
        version = str(self.document.get("openapi"))
        if not version.startswith(("3.0", "3.1")):
            self.defects.append(f"the document is OpenAPI {version}; read as 3.1")
            version = "3.1.1"
        elif version.startswith("3.0") and any(map(_is_modern, _objects(self.document))):
            self.defects.append(f"the document is OpenAPI {version} with the null of 3.1; read as 3.1")
            version = "3.1.0"
        self.document["openapi"] = version if version.count(".") == 2 else f"{version[:3]}.0"

    def _component_names(self) -> None:
        """Names as OpenAPI allows them, no two of which would be one class."""
        schemas = _object(_object(self.document, "components"), "schemas")
        names: dict[str, str] = {}
        classes: dict[str, str] = {}
        for name in schemas:
            plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_") or "Schema"
            wanted = f"{plain}Schema" if ClassName(plain, "field_") in _TAKEN_CLASSES else plain
            wanted = free(wanted, names.values())
            known = classes.get(class_file(plain))
            if known is not None:
                self.defects.append(
                    f"{name}: the schemas {known!r} and {name!r} would be one class; this one is called {wanted}"
                )
            elif wanted != name:
                self.defects.append(f"{name}: no usable name of a schema; called {wanted}")
            classes[class_file(wanted)] = name
            names[name] = wanted
        if schemas:
            redirect(self.document, names)
            self.document["components"]["schemas"] = {names[name]: schema for name, schema in schemas.items()}

    # Paths

    def _paths(self) -> None:
        result: Document = {}
        for path, given in _object(self.document, "paths").items():
            item = copied(follow(self.document, given))
            if not path.startswith("x-") and isinstance(item, dict):
                tidy, names = self._template(path)
                if tidy in result:
                    self.defects.append(f"{path}: the same path as another; its operations are added to that")
                shared = item.pop("parameters", [])
                for method in METHODS:
                    if isinstance(item.get(method), dict):
                        self._operation(f"{method.upper()} {tidy}", tidy, item[method], shared, names)
                result[tidy] = {**item, **result.get(tidy, {})}
        self.document["paths"] = result
        if not any(method in item for item in result.values() for method in METHODS):
            raise InputError("the document has no operations")

    def _template(self, path: str) -> tuple[str, dict[str, str]]:
        """The path with braces around the names of parameters; and what each name has become."""
        tidy = f"/{path.strip().lstrip('/')}"
        tidy = tidy if "{" in tidy else _EXPRESS.sub(r"/{\1}", tidy)
        names: dict[str, str] = {}
        for given in _BRACES.findall(tidy):
            name = re.sub(r"[^A-Za-z0-9_-]+", "_", given.strip()).lstrip("_-0123456789").rstrip("_-") or "id"
            while name in names.values():
                name += "2"
            names[given] = name
        tidy = _BRACES.sub(lambda match: f"{{{names[match[1]]}}}", tidy)
        if tidy != path:
            self.defects.append(f"{path}: no usable path; read as {tidy}")
        return tidy, names

    def _operation(self, place: str, path: str, operation: Document, shared: Any, names: dict[str, str]) -> None:
        own = operation.pop("parameters", [])
        given = [*(own if isinstance(own, list) else []), *(shared if isinstance(shared, list) else [])]
        parameters = self._parameters(place, _BRACES.findall(path), given, names)
        if parameters:
            operation["parameters"] = parameters
        for extension in sorted(_OURS & operation.keys()):
            del operation[extension]
            self.defects.append(f"{place}: {extension} is the vendor's, and no word of the overlay; left out")
        if not _object(operation, "responses"):
            self.defects.append(f"{place}: no answers are declared")
            operation["responses"] = {"default": {"description": ""}}
        for response in operation["responses"].values():
            if isinstance(response, dict) and "$ref" not in response and "description" not in response:
                self.defects.append(f"{place}: an answer has no description")
                response["description"] = ""

    def _parameters(self, place: str, wanted: list[str], given: list[Any], names: dict[str, str]) -> list[Any]:
        """Each parameter once, those of the path as the path names them."""
        result: dict[object, Any] = {}
        for number, entry in enumerate(given):
            parameter = copied(follow(self.document, entry))
            name, where = (parameter.get(key) if isinstance(parameter, dict) else None for key in ("name", "in"))
            if not isinstance(name, str) or where not in ("path", "query"):  # for the validator to judge
                result.setdefault(f"{where} {name}".lower() if isinstance(name, str) else number, parameter)
                continue
            if where == "path":
                name = parameter["name"] = names.get(name, name)
                if name not in wanted:
                    self.defects.append(f"{place}: the path has no place for the parameter {name!r}; left out")
                    continue
                if parameter.get("required") is not True:
                    parameter["required"] = True
                    self.defects.append(f"{place}: the path parameter {name!r} is not required, but always is")
            key = (where, str(PythonIdentifier(name, "field_")))
            if key in result or (where == "query" and name in _TAKEN_PARAMETERS):
                if key not in result or result[key]["name"] != name:
                    self.defects.append(
                        f"{place}: the query parameter {name!r} has no name of its own in Python; left out"
                    )
                continue
            result[key] = parameter
        declared = {
            parameter["name"] for key, parameter in result.items() if isinstance(key, tuple) and key[0] == "path"
        }
        for name in dict.fromkeys(wanted):
            if name not in declared:
                self.defects.append(f"{place}: the path parameter {name!r} is not declared; read as text")
                result[name] = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        return list(result.values())

    # Everywhere

    def _required_flags(self, node: Document) -> None:
        """`required: true` on a field, as decorators have it, belongs to the object around it."""
        for name, field in _object(node, "properties").items():
            if isinstance(field, dict) and isinstance(field.get("required"), bool):
                if field.pop("required"):
                    node["required"] = list(dict.fromkeys([*(node.get("required") or []), name]))
                self.defects.append(f"{name}: required belongs to the object around it; read as meant")

    def _repeated_ids(self) -> None:
        operations = list(self._operations())
        names = [name for operation in operations if isinstance(name := operation.get("operationId"), str)]
        for name, count in Counter(names).items():
            if count > 1:
                self.defects.append(f"{name}: {count} operations have this operationId; it names none of them")
                for operation in operations:
                    if operation.get("operationId") == name:
                        del operation["operationId"]

    def _keys(self) -> None:
        """Security schemes that are asked for and not declared, as decorators leave them behind."""
        declared = _object(_object(self.document, "components"), "securitySchemes")
        asked = [each for holder in (self.document, *self._operations()) for each in holder.get("security") or []]
        for name in dict.fromkeys(name for each in asked if isinstance(each, dict) for name in each):
            if name not in declared:
                scheme, words = _UNDECLARED.get(name, _USUAL_KEY)
                self.document.setdefault("components", {}).setdefault("securitySchemes", {})[name] = dict(scheme)
                self.defects.append(f"{name}: the security scheme is not declared; read as {words}")

    def _operations(self) -> Iterator[Document]:
        for item in self.document["paths"].values():
            yield from (item[method] for method in METHODS if isinstance(item.get(method), dict))


def _object(holder: Document, key: str) -> Document:
    """What stands there, if it is an object; else an empty one."""
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _objects(node: Any) -> Iterator[Document]:
    """Every object of a document."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _objects(inner)


def _is_modern(node: Document) -> bool:
    """Whether a schema has a word for null that OpenAPI 3.0 does not know."""
    kind = node.get("type")
    return kind == "null" or (isinstance(kind, list) and "null" in kind)
