"""A published document, put into the form that OpenAPI asks for: its corners as real documents have them.

Pure: a document in, a sound one out, and in words what was put right. Schemas are in schema_mending.py; what the
validator still refuses afterwards is taken out by pruning.py.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from openapi_python_client.strings import ClassName, PythonIdentifier

from regeneration.class_file import class_file, free
from regeneration.document import METHODS, Document, InputError, copied, follow, references
from regeneration.pointers import redirect
from regeneration.repair.pruning import prune
from regeneration.repair.schema_mending import SchemaMender

_BRACES = re.compile(r"\{([^{}]*)\}")
_EXPRESS = re.compile(r"/:([A-Za-z_]\w*)\??")
_STATUS = re.compile(r"[1-5](\d\d|XX)|default")
_ITEM_KEYS = {"summary", "description", "servers", "parameters", "$ref"}
_PLACES = ("path", "query", "header", "cookie")
#: Class names that the generated modules import themselves; see lowering.py.
_TAKEN_CLASSES = {"Any", "TYPE_CHECKING"}
#: Names that the generated functions use themselves; see validation.py.
_TAKEN_PARAMETERS = {"body", "params", "quote"}
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
        version = str(document.get("openapi"))
        if not version.startswith(("3.0", "3.1")):
            self.defects.append(f"the document is OpenAPI {version}; read as 3.1")
            version = "3.1.1"
        elif version.count(".") < 2 or not isinstance(document["openapi"], str):
            version = f"{version[:3]}.0"
        document["openapi"] = version
        self.schemas = SchemaMender(version.startswith("3.1"), self.defects.append)

    def run(self) -> None:
        document = self.document
        self._info()
        components = document.get("components")
        if components is not None and not isinstance(components, dict):
            del document["components"]
            self.defects.append("components is no object; left out")
        for kind, holder in list(document.get("components", {}).items()):
            if not isinstance(holder, dict) and not kind.startswith("x-"):
                del document["components"][kind]
                self.defects.append(f"components.{kind} is no object; left out")
        self._component_names()
        components = document.get("components", {})
        for name, schema in components.get("schemas", {}).items():
            components["schemas"][name] = self.schemas.mend(schema, name)
        self._paths()
        for name, response in components.get("responses", {}).items():
            components["responses"][name] = self._response(response, name)
        for name, body in components.get("requestBodies", {}).items():
            components["requestBodies"][name] = self._body(body, name) or {"content": {}}
        for kind in ("parameters", "headers"):
            for name, parameter in list(components.get(kind, {}).items()):
                self._schema_of(parameter, name)
        self._repeated_ids()
        self._keys()

    def _keys(self) -> None:
        """Security schemes that are asked for and not declared, as decorators leave them behind."""
        declared = self.document.get("components", {}).get("securitySchemes", {})
        operations = [item[method] for item in self.document["paths"].values() for method in METHODS if method in item]
        asked = [each for holder in (self.document, *operations) for each in holder.get("security") or []]
        for name in dict.fromkeys(name for each in asked if isinstance(each, dict) for name in each):
            if name not in declared:
                scheme, words = _UNDECLARED.get(name, _USUAL_KEY)
                self.document.setdefault("components", {}).setdefault("securitySchemes", {})[name] = dict(scheme)
                self.defects.append(f"{name}: the security scheme is not declared; read as {words}")

    def _info(self) -> None:
        info = self.document.get("info")
        info = info if isinstance(info, dict) else {}
        for key, value in (("title", "API"), ("version", "0")):
            if not isinstance(info.get(key), str):
                self.defects.append(f"info.{key} is no text")
                info[key] = str(info.get(key, value))
        self.document["info"] = info

    # Components

    def _component_names(self) -> None:
        """Names as OpenAPI allows them, no two of which would be one class."""
        schemas = self.document.get("components", {}).get("schemas", {})
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
        redirect(self.document, names)
        if schemas:
            self.document["components"]["schemas"] = {names[name]: schema for name, schema in schemas.items()}

    # Paths

    def _paths(self) -> None:
        paths = self.document.get("paths")
        if not isinstance(paths, dict):
            raise InputError("the document has no operations")
        result: Document = {}
        for path, item in paths.items():
            if path.startswith("x-"):
                continue
            item = copied(follow(self.document, item))
            tidy, names = self._template(path)
            if not isinstance(item, dict):
                self.defects.append(f"{path}: the path is no object; left out")
                continue
            if tidy in result:
                self.defects.append(f"{path}: the same path as another; its operations are added to that")
            self._item(tidy, item, names, result.setdefault(tidy, {}))
        self.document["paths"] = result
        if not any(method in item for item in result.values() for method in METHODS):
            raise InputError("the document has no operations")

    def _template(self, path: str) -> tuple[str, dict[str, str]]:
        """The path with braces around the names of parameters and nothing odd in them; and the names that changed."""
        tidy = path if path.startswith("/") else f"/{path}"
        tidy = _EXPRESS.sub(r"/{\1}", re.split(r"[?#]", tidy)[0]) if not _BRACES.search(tidy) else tidy
        names: dict[str, str] = {}

        def parameter(match: re.Match[str]) -> str:
            given = match[1]
            word = re.match(
                r"[A-Za-z][A-Za-z0-9_-]*", re.sub(r"[^A-Za-z0-9_-]+", "_", given.strip()).lstrip("_-0123456789")
            )
            name = word[0].rstrip("_-") if word else "id"
            name = f"{name}_id" if name in _TAKEN_PARAMETERS else name
            taken = {PythonIdentifier(other, "field_") for other in names.values()}
            unique, number = name, 2
            while PythonIdentifier(unique, "field_") in taken:
                unique, number = f"{name}{number}", number + 1
            names[given] = unique
            return f"\0{unique}\1"

        tidy = _BRACES.sub(parameter, tidy)
        tidy = re.sub(r"[{}]", "", tidy).replace("\0", "{").replace("\1", "}")
        if "?" in tidy or "#" in tidy:
            tidy = re.split(r"[?#]", tidy)[0]
        if tidy != path:
            self.defects.append(f"{path}: no usable path; read as {tidy}")
        return tidy, names

    def _item(self, path: str, item: Document, names: dict[str, str], result: Document) -> None:
        shared = item.pop("parameters", [])
        for key, value in item.items():
            method = key.lower()
            if method in METHODS and isinstance(value, dict):
                if method in result:
                    self.defects.append(f"{method.upper()} {path}: there twice; the second is left out")
                    continue
                result[method] = self._operation(f"{method.upper()} {path}", path, value, shared, names)
            elif method in METHODS:
                self.defects.append(f"{method.upper()} {path}: the operation is no object; nothing of it is known")
                result[method] = self._operation(f"{method.upper()} {path}", path, {}, shared, names)
            elif key not in _ITEM_KEYS and not key.startswith("x-"):
                self.defects.append(f"{path}: {key} is no method; left out")
            elif key in _ITEM_KEYS | {"summary"} or key.startswith("x-"):
                result.setdefault(key, value)

    def _operation(self, place: str, path: str, operation: Document, shared: Any, names: dict[str, str]) -> Document:
        own = operation.pop("parameters", [])
        for given in (own, shared):
            if not isinstance(given, list):
                self.defects.append(f"{place}: parameters is no list; left out")
        holders = [*(own if isinstance(own, list) else []), *(shared if isinstance(shared, list) else [])]
        parameters = self._parameters(place, path, holders, names, operation, len(own) if isinstance(own, list) else 0)
        if parameters:
            operation["parameters"] = parameters
        if "requestBody" in operation:
            body = self._body(operation["requestBody"], place)
            if body is None:
                del operation["requestBody"]
            else:
                operation["requestBody"] = body
        operation["responses"] = self._responses(place, operation.get("responses"))
        return operation

    def _parameters(
        self, place: str, path: str, given: list[Any], names: dict[str, str], operation: Document, own: int
    ) -> list[Document]:
        wanted = _BRACES.findall(path)
        result: dict[tuple[str, str], Document] = {}
        identifiers: dict[str, str] = {}
        for index, entry in enumerate(given):
            parameter = copied(follow(self.document, entry))
            if not self._has_place(place, parameter, operation):
                continue
            name: str = parameter["name"]
            where: str = parameter["in"]
            if where == "path":
                name = names.get(name, name)
                parameter["name"] = name
                if name not in wanted:
                    self.defects.append(f"{place}: the path has no place for the parameter {name!r}; left out")
                    continue
            if (name, where) in result:
                if index < own:
                    self.defects.append(f"{place}: the parameter {name!r} is there twice; the second is left out")
                continue
            if where == "query" and not self._can_be_passed(place, name, identifiers):
                continue
            result[name, where] = self._parameter(place, parameter)
        for name in wanted:
            if (name, "path") not in result:
                self.defects.append(f"{place}: the path parameter {name!r} is not declared; read as text")
                result[name, "path"] = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        return list(result.values())

    def _has_place(self, place: str, parameter: Any, operation: Document) -> bool:
        """Whether it is a parameter with a name, in a place for parameters; one in the body becomes the operation's body."""
        if not isinstance(parameter, dict) or not isinstance(parameter.get("name"), str) or not parameter["name"]:
            self.defects.append(f"{place}: a parameter without a name; left out")
            return False
        name, where = parameter["name"], parameter.get("in")
        if where == "body":
            self.defects.append(f"{place}: the parameter {name!r} is in the body; read as the body")
            schema = parameter.get("schema", {})
            operation.setdefault("requestBody", {"content": {"application/json": {"schema": schema}}})
            return False
        if not isinstance(where, str) or where not in _PLACES:
            self.defects.append(f"{place}: the parameter {name!r} is in {where!r}; left out")
            return False
        return True

    def _can_be_passed(self, place: str, name: str, identifiers: dict[str, str]) -> bool:
        """Whether the generated function has a name of its own for a query parameter, which is noted then."""
        identifier = str(PythonIdentifier(name, "field_"))
        if name in _TAKEN_PARAMETERS or identifier in identifiers:
            why = f"beside {identifiers[identifier]!r}" if identifier in identifiers else "of that name"
            self.defects.append(f"{place}: the query parameter {name!r} cannot be passed {why}; left out")
            return False
        identifiers[identifier] = name
        return True

    def _parameter(self, place: str, parameter: Document) -> Document:
        name = parameter["name"]
        if parameter["in"] == "path" and parameter.get("required") is not True:
            parameter["required"] = True
            self.defects.append(f"{place}: the path parameter {name!r} is not required, but it always is; read so")
        self._schema_of(parameter, f"{place}: {name}")
        return parameter

    def _schema_of(self, parameter: Any, place: str) -> None:
        """The type of a parameter or header, also where it stands beside the name, as Swagger 2 has it."""
        if not isinstance(parameter, dict) or "$ref" in parameter:
            return
        if "schema" in parameter:
            parameter["schema"] = self.schemas.mend(parameter["schema"], place)
            parameter.pop("content", None)
        elif not isinstance(parameter.get("content"), dict) or len(parameter["content"]) != 1:
            beside = ("type", "format", "items", "enum", "default", "minimum", "maximum", "pattern", "nullable")
            schema = {key: parameter.pop(key) for key in beside if key in parameter}
            parameter.pop("collectionFormat", None)
            parameter.pop("content", None)
            self.defects.append(f"{place}: has no schema; read as {schema.get('type', 'anything')}")
            parameter["schema"] = self.schemas.mend(schema, place)

    def _body(self, given: Any, place: str) -> Document | None:
        body: Document | None = given if isinstance(given, dict) else None
        if body is not None and "$ref" in body:
            return {"$ref": body["$ref"]}
        if body is None or not isinstance(body.get("content"), dict) or not body["content"]:
            schema = body.get("schema") if body is not None else None
            self.defects.append(f"{place}: the request body has no content; {'read as JSON' if schema else 'left out'}")
            if body is None or schema is None:
                return None
            body = {
                **{key: body[key] for key in body if key != "schema"},
                "content": {"application/json": {"schema": schema}},
            }
        self._content(body, f"{place}: body")
        return body

    def _content(self, holder: Document, place: str) -> None:
        for name, media in list(holder["content"].items()):
            if not isinstance(media, dict):
                self.defects.append(f"{place}: {name} says nothing")
                holder["content"][name] = {}
            elif "schema" in media:
                media["schema"] = self.schemas.mend(media["schema"], place)

    def _responses(self, place: str, responses: Any) -> Document:
        result: Document = {}
        for status, response in responses.items() if isinstance(responses, dict) else ():
            if status.startswith("x-"):
                result[status] = response
            elif _STATUS.fullmatch(known := status.strip().upper().replace("DEFAULT", "default")):
                result[known] = self._response(response, f"{place}: answer {known}")
            else:
                self.defects.append(f"{place}: {status!r} is no status; left out")
        if not any(_STATUS.fullmatch(status) for status in result):
            self.defects.append(f"{place}: no answers are declared")
            result["default"] = {"description": ""}
        return result

    def _response(self, response: Any, place: str) -> Document:
        if isinstance(response, dict) and "$ref" in response:
            return {"$ref": response["$ref"]}
        if not isinstance(response, dict):
            self.defects.append(f"{place}: says nothing")
            return {"description": ""}
        if not isinstance(response.get("description"), str):
            self.defects.append(f"{place}: has no description")
            response["description"] = ""
        if "schema" in response and "content" not in response:
            response["content"] = {"application/json": {"schema": response.pop("schema")}}
            self.defects.append(f"{place}: the schema stands beside the description, as in Swagger 2; read as JSON")
        if "content" in response and not isinstance(response["content"], dict):
            del response["content"]
            self.defects.append(f"{place}: its content is no object; left out")
        if "content" in response:
            self._content(response, place)
        for name, header in list(response["headers"].items()) if isinstance(response.get("headers"), dict) else ():
            self._schema_of(header, f"{place}: {name}")
        return response

    def _repeated_ids(self) -> None:
        operations = [item[method] for item in self.document["paths"].values() for method in METHODS if method in item]
        names = [name for operation in operations if isinstance(name := operation.get("operationId"), str)]
        for name, count in Counter(names).items():
            if count > 1:
                self.defects.append(f"{name}: {count} operations have this operationId; it names none of them")
                for operation in operations:
                    if operation.get("operationId") == name:
                        del operation["operationId"]
