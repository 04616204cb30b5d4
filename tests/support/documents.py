"""Documents in the shape of this API, each other than ours in ways that a vendor's may be, and servers of the same shapes.

Run as a script it prints them: `python tests/support/documents.py` the names, with a name the document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Change = Callable[[Json], "Json | None"]

RECONSTRUCTION = Path(__file__).resolve().parents[2] / "spec" / "reconstructed.json"
#: Each change by name; `works` are those with which every method has to work, `breaks` those of which it can't.
WORKS: dict[str, Change] = {}
BREAKS: dict[str, Change] = {}


def original() -> Json:
    document: Json = json.loads(RECONSTRUCTION.read_text(encoding="utf-8"))
    return document


def made(*names: str) -> Json:
    """The document with these changes, in this order."""
    document = original()
    for name in names:
        document = (WORKS | BREAKS)[name](document) or document
    return document


def works(change: Change) -> Change:
    WORKS[change.__name__] = change
    return change


def breaks(change: Change) -> Change:
    BREAKS[change.__name__] = change
    return change


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def schemas(document: Json) -> Json:
    result: Json = document["components"]["schemas"]
    return result


def answers(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Each media object that a success answers with."""
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            for media in response.get("content", {}).values() if status[:1] == "2" else ():
                yield path, method, media


def media(document: Json, path: str) -> Json:
    """What a GET answers with."""
    result: Json = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    return result


def lists(document: Json) -> Iterator[Json]:
    """Each media object of an answer that is an array."""
    for _, _, media in answers(document):
        if media["schema"].get("type") == "array":
            yield media


def paged(document: Json) -> Iterator[Json]:
    """Each operation with a page."""
    for _, _, operation in operations(document):
        if any(parameter.get("name") == "page" for parameter in operation.get("parameters", [])):
            yield operation


def repage(document: Json, *parameters: Json) -> None:
    for operation in paged(document):
        kept = [each for each in operation["parameters"] if each.get("name") != "page"]
        operation["parameters"] = [*kept, *({"in": "query", **each} for each in parameters)]


def number(**more: Any) -> Json:
    return {"type": "integer", **more}


def wrapped(document: Json, *names: str, total: bool = True) -> None:
    """Put the rows of every list into an envelope."""
    for media in lists(document):
        schema = media["schema"]
        for name in reversed(names):
            fields = {name: schema, **({"total": number()} if total else {})}
            schema = {"type": "object", "properties": fields, "required": [name]}
        media["schema"] = schema


def objects(document: Json, wrap: Callable[[Json], Json]) -> None:
    """Put every object that is answered into something."""
    for _, _, media in answers(document):
        if media["schema"].get("type") != "array":
            media["schema"] = wrap(media["schema"])


def renamed(document: Json, name: Callable[[str], str]) -> Json:
    text = json.dumps(document)
    for old in schemas(document):
        text = text.replace(f'"#/components/schemas/{old}"', f'"#/components/schemas/{name(old)}"')
    result: Json = json.loads(text)
    result["components"]["schemas"] = {name(old): schema for old, schema in schemas(result).items()}
    return result


def bodies(document: Json) -> Iterator[Json]:
    for _, _, operation in operations(document):
        if "requestBody" in operation:
            yield operation["requestBody"]


def moved(document: Json, place: Callable[[str], str]) -> None:
    document["paths"] = {place(path): item for path, item in document["paths"].items()}


# What a page is called, and how many rows it has.


@works
def page_default_0(document: Json) -> None:
    repage(document, {"name": "page", "schema": number(default=0)})


@works
def page_minimum_1(document: Json) -> None:
    repage(document, {"name": "page", "schema": number(minimum=1)})


@works
def page_required_from_1(document: Json) -> None:
    repage(document, {"name": "page", "required": True, "schema": number(minimum=1)})


@breaks
def page_required(document: Json) -> None:
    repage(document, {"name": "page", "required": True, "schema": {"type": "number"}})


@works
def limit_required(document: Json) -> None:
    repage(document, {"name": "page", "schema": number()}, {"name": "limit", "required": True, "schema": number()})


@works
def per_page_10(document: Json) -> None:
    repage(
        document, {"name": "page", "schema": number()}, {"name": "perPage", "schema": number(default=10, maximum=50)}
    )


@works
def page_size_50(document: Json) -> None:
    repage(document, {"name": "page", "schema": number(default=1)}, {"name": "pageSize", "schema": number(default=50)})


@works
def page_number(document: Json) -> None:
    repage(document, {"name": "pageNumber", "schema": number(default=1)})


@works
def page_index(document: Json) -> None:
    repage(document, {"name": "pageIndex", "schema": number(minimum=0)})


@works
def offset_limit(document: Json) -> None:
    repage(document, {"name": "offset", "schema": number(default=0)}, {"name": "limit", "schema": number(default=20)})


@works
def skip_take(document: Json) -> None:
    repage(document, {"name": "skip", "schema": number(minimum=0)}, {"name": "take", "schema": number(maximum=10)})


@works
def offset_required(document: Json) -> None:
    both = ({"name": name, "required": True, "schema": number(minimum=0)} for name in ("offset", "limit"))
    repage(document, *both)


@works
def size_without_default(document: Json) -> None:
    repage(document, {"name": "page", "schema": number(minimum=1)}, {"name": "limit", "schema": number()})


@works
def take_up_to_15(document: Json) -> None:
    repage(document, {"name": "skip", "schema": number(default=0)}, {"name": "take", "schema": number(maximum=15)})


@breaks
def offset_alone(document: Json) -> None:
    repage(document, {"name": "offset", "schema": number(default=0)})


@breaks
def limit_alone(document: Json) -> None:
    repage(document, {"name": "limit", "schema": number(default=10)})


@breaks
def page_and_count(document: Json) -> None:
    repage(
        document, {"name": "page", "schema": number(default=1)}, {"name": "resultsPerPage", "schema": number(default=9)}
    )


@breaks
def last_key(document: Json) -> None:
    repage(document, {"name": "lastKey", "schema": {"type": "string"}})


@breaks
def limit_as_text(document: Json) -> None:
    text = {"type": "string", "default": "10"}
    repage(document, {"name": "page", "schema": number(default=1)}, {"name": "limit", "schema": text})


@breaks
def page_as_json(document: Json) -> None:
    content = {"application/json": {"schema": number(default=1)}}
    repage(document, {"name": "page", "content": content})


@breaks
def page_in_an_object(document: Json) -> None:
    fields = {"page": number(default=1), "limit": number(default=10)}
    schema = {"type": "object", "properties": fields}
    repage(document, {"name": "pagination", "style": "deepObject", "explode": True, "schema": schema})


@breaks
def participants_may_be_cut(document: Json) -> None:
    operation = document["paths"]["/api/sessions/{id}/participants"]["get"]
    operation["parameters"].append({"name": "count", "in": "query", "schema": number()})


@breaks
def page_not_declared(document: Json) -> None:
    repage(document)


@breaks
def cursor(document: Json) -> None:
    repage(document, {"name": "cursor", "schema": {"type": "string"}}, {"name": "limit", "schema": number(default=20)})


@breaks
def participants_have_pages(document: Json) -> None:
    operation = document["paths"]["/api/sessions/{id}/participants"]["get"]
    operation["parameters"].append({"name": "page", "in": "query", "schema": number(default=1)})


# Parameters that nobody knew of.


@breaks
def workspace_required(document: Json) -> None:
    for _, method, operation in operations(document):
        if method == "get":
            more = {"name": "workspaceId", "in": "query", "required": True, "schema": {"type": "string"}}
            operation.setdefault("parameters", []).append(more)


@works
def workspace_optional(document: Json) -> None:
    for _, method, operation in operations(document):
        if method == "get":
            operation.setdefault("parameters", []).append(
                {"name": "workspaceId", "in": "query", "schema": {"type": "string"}}
            )


@breaks
def header_required(document: Json) -> None:
    for _, _, operation in operations(document):
        more = {"name": "X-Workspace", "in": "header", "required": True, "schema": {"type": "string"}}
        operation.setdefault("parameters", []).append(more)


@breaks
def cookie_required(document: Json) -> None:
    for _, _, operation in operations(document):
        more = {"name": "sid", "in": "cookie", "required": True, "schema": {"type": "string"}}
        operation.setdefault("parameters", []).append(more)


@breaks
def authorization_required(document: Json) -> None:
    more = {"name": "Authorization", "in": "header", "required": True, "schema": {"type": "string"}}
    document["paths"]["/api/bookings"]["get"]["parameters"].append(more)


# Envelopes.


def _envelopes() -> None:
    names = (
        "data",
        "docs",
        "rows",
        "records",
        "content",
        "result",
        "list",
        "entities",
        "values",
        "results",
        "items",
        "bookings",
    )

    def change(name: str) -> Change:
        return lambda document: wrapped(document, name)

    for name in names:
        WORKS[f"rows_in_{name}"] = change(name)


_envelopes()


@works
def rows_in_data_items(document: Json) -> None:
    wrapped(document, "data", "items")


@works
def rows_in_response_result_rows(document: Json) -> None:
    wrapped(document, "response", "rows")


@breaks
def rows_beside_others(document: Json) -> None:
    wrapped(document, "rows")
    for _, _, media in answers(document):
        if "rows" in media["schema"].get("properties", {}):
            other = {"type": "object", "properties": {"rel": {"type": "string"}}}
            media["schema"]["properties"]["links"] = {"type": "array", "items": other}


@works
def objects_in_data(document: Json) -> None:
    objects(document, lambda schema: {"type": "object", "properties": {"data": schema}})


@works
def objects_in_content(document: Json) -> None:
    objects(document, lambda schema: {"type": "object", "properties": {"content": schema, "ok": {"type": "boolean"}}})


@works
def everything_in_data(document: Json) -> None:
    wrapped(document, "data")
    objects_in_data(document)


# Models.


@works
def answers_empty(document: Json) -> None:
    for _, _, media in answers(document):
        media["schema"] = {"type": "object"}


@works
def answers_not_declared(document: Json) -> None:
    for _, _, operation in operations(document):
        for response in operation["responses"].values():
            response.pop("content", None)


@works
def components_empty(document: Json) -> None:
    for name, schema in schemas(document).items():
        if schema.get("type") == "object":
            schemas(document)[name] = {"type": "object"}


@breaks
def mongo_ids(document: Json) -> None:
    for schema in schemas(document).values():
        if "id" in schema.get("properties", {}):
            schema["properties"]["_id"] = schema["properties"].pop("id")
            schema["required"] = ["_id"]


@works
def ids_integers(document: Json) -> None:
    for schema in schemas(document).values():
        if "id" in schema.get("properties", {}):
            schema["properties"]["id"] = number()


@breaks
def ids_objects(document: Json) -> None:
    schemas(document)["Room"]["properties"]["id"] = {"type": "object", "properties": {"$oid": {"type": "string"}}}


@breaks
def ids_in_bodies_integers(document: Json) -> None:
    for body in bodies(document):
        for media in body["content"].values():
            for name in media["schema"].get("properties", {}):
                if name.endswith("Id"):
                    media["schema"]["properties"][name] = number()


@breaks
def time_zones_numbers(document: Json) -> None:
    for body in bodies(document):
        for media in body["content"].values():
            if "timeZone" in media["schema"].get("properties", {}):
                media["schema"]["properties"]["timeZone"] = number()


@works
def ids_uuids(document: Json) -> None:
    for schema in schemas(document).values():
        if "id" in schema.get("properties", {}):
            schema["properties"]["id"] = {"type": "string", "format": "uuid"}
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            if parameter.get("in") == "path":
                parameter["schema"] = {"type": "string", "format": "uuid"}


@works
def dtos(document: Json) -> Json:
    return renamed(document, lambda name: f"{name}Dto")


@works
def lower_case(document: Json) -> Json:
    return renamed(document, lambda name: name[:1].lower() + name[1:])


@works
def same_but_for_case(document: Json) -> None:
    for _, _, media in answers(document):
        if "Collaborator" in json.dumps(media["schema"]):
            media["schema"] = {}
    schemas(document)["collaborator"] = schemas(document).pop("Collaborator")
    answer = {
        "description": "",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/collaborator"}}},
    }
    document["paths"]["/api/me"] = {"get": {"responses": {"200": answer}}}
    text = json.dumps(document).replace("schemas/Collaborator", "schemas/collaborator")
    document.clear()
    document.update(json.loads(text))


@works
def three_names_but_for_case(document: Json) -> None:
    schemas(document)["room"] = {"type": "object", "properties": {"id": {"type": "string"}, "a": number()}}
    inner = {"$ref": "#/components/schemas/room"}
    schemas(document)["ROOM"] = {"type": "object", "properties": {"id": {"type": "string"}, "room": inner}}
    schemas(document)["Room"]["properties"]["last"] = {"$ref": "#/components/schemas/ROOM"}


@works
def property_of_all_of(document: Json) -> None:
    inner = {"type": "object", "properties": {"kind": {"type": "string", "enum": ["a", "b"]}, "n": number()}}
    schemas(document)["Room"]["properties"]["access"] = {"allOf": [inner, {"description": "who may enter"}]}
    schemas(document)["RoomAccess"] = {"type": "object", "properties": {"x": {"type": "string"}}}


@works
def event_is_an_array(document: Json) -> Json:
    result = renamed(document, lambda name: "EventDto" if name == "Event" else name)
    schemas(result)["Event"] = {"type": "array", "items": {"type": "string"}}
    answer = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Event"}}}}
    result["paths"]["/api/event-names"] = {"get": {"responses": {"200": answer}}}
    return result


@works
def event_is_an_array_and_nothing_else(document: Json) -> None:
    for path, _, media in answers(document):
        if path.startswith("/api/events"):
            media["schema"] = {}
    schemas(document)["Event"] = {"type": "array", "items": {"type": "string"}}
    answer = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Event"}}}}
    document["paths"]["/api/event-names"] = {"get": {"responses": {"200": answer}}}


@breaks
def names_are_titles(document: Json) -> None:
    for schema in schemas(document).values():
        if "name" in schema.get("properties", {}):
            schema["properties"]["title"] = schema["properties"].pop("name")


@works
def dates_are_texts(document: Json) -> None:
    for schema in schemas(document).values():
        for field in schema.get("properties", {}).values():
            field.pop("format", None)


@works
def answers_of_any_type(document: Json) -> None:
    for _, _, operation in operations(document):
        for response in operation["responses"].values():
            if "content" in response:
                response["content"] = {"*/*": response["content"]["application/json"]}


@breaks
def lists_of_summaries(document: Json) -> None:
    schemas(document)["RoomSummary"] = {"type": "object", "properties": {"id": {"type": "string"}}}
    media = document["paths"]["/api/rooms"]["get"]["responses"]["200"]["content"]["application/json"]
    media["schema"]["items"] = {"$ref": "#/components/schemas/RoomSummary"}


# Where things are, and with what key.


@breaks
def patch_for_put(document: Json) -> None:
    for item in document["paths"].values():
        if "put" in item:
            item["patch"] = item.pop("put")


@breaks
def under_api_v1(document: Json) -> None:
    moved(document, lambda path: path.replace("/api/", "/api/v1/"))


@works
def prefix_in_the_server(document: Json) -> None:
    moved(document, lambda path: path.removeprefix("/api"))
    document["servers"] = [{"url": "https://api.app.sessions.us/api"}]


@works
def prefix_missing(document: Json) -> None:
    moved(document, lambda path: path.removeprefix("/api"))
    del document["servers"]


@breaks
def prefix_missing_below_the_server(document: Json) -> None:
    moved(document, lambda path: path.removeprefix("/api"))


@breaks
def server_under_api_v1(document: Json) -> None:
    moved(document, lambda path: path.removeprefix("/api"))
    document["servers"] = [{"url": "https://api.app.sessions.us/api/v1"}]


@breaks
def server_with_variables(document: Json) -> None:
    moved(document, lambda path: path.removeprefix("/api"))
    document["servers"] = [{"url": "/public/{version}", "variables": {"version": {"default": "v2"}}}]


@works
def server_with_variables_of_ours(document: Json) -> None:
    moved(document, lambda path: path.removeprefix("/api"))
    document["servers"] = [{"url": "https://{host}/api", "variables": {"host": {"default": "api.app.sessions.us"}}}]


@breaks
def server_above_ours(document: Json) -> None:
    document["servers"] = [{"url": "https://api.app.sessions.us/v3"}]


@breaks
def rooms_on_another_server(document: Json) -> None:
    for path, item in document["paths"].items():
        if "/rooms" in path:
            item["servers"] = [{"url": "https://rooms.app.sessions.us"}]


@breaks
def trailing_slashes(document: Json) -> None:
    moved(document, lambda path: f"{path}/" if path.count("/") == 2 else path)


@works
def path_parameters_renamed(document: Json) -> None:
    text = (
        json.dumps(document)
        .replace("{id}", "{entityId}")
        .replace('"name": "id", "in": "path"', '"name": "entityId", "in": "path"')
    )
    document.clear()
    document.update(json.loads(text))


@breaks
def bearer(document: Json) -> None:
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"bearer": []}]


@breaks
def key_in_another_header(document: Json) -> None:
    document["components"]["securitySchemes"]["x-api-key"]["name"] = "api-key"


@works
def bearer_or_key(document: Json) -> None:
    document["components"]["securitySchemes"]["bearer"] = {"type": "http", "scheme": "bearer"}
    document["security"] = [{"bearer": []}, {"x-api-key": []}]


@breaks
def room_gone(document: Json) -> None:
    del document["paths"]["/api/rooms/{id}"]


@breaks
def another_api(document: Json) -> None:
    document["paths"] = {f"/pets/{path.strip('/')}": item for path, item in document["paths"].items()}


# Bodies.


@works
def bodies_required(document: Json) -> None:
    for body in bodies(document):
        body["required"] = True


@breaks
def body_with_more(document: Json) -> None:
    for path in ("/api/rooms", "/api/bookings"):
        schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        schema.setdefault("properties", {})["hostId"] = {"type": "string"}
        schema["required"] = [*schema.get("required", []), "hostId"]


@breaks
def bodies_of_another_json(document: Json) -> None:
    for body in bodies(document):
        body["content"] = {"application/vnd.api+json": body["content"].pop("application/json")}


@breaks
def bodies_are_forms(document: Json) -> None:
    for body in bodies(document):
        (media,) = body["content"].values()
        body["content"] = {"multipart/form-data": media}


@works
def bodies_named(document: Json) -> None:
    for number_, body in enumerate(bodies(document)):
        media = body["content"]["application/json"]
        schemas(document)[f"Body{number_}Dto"] = media["schema"]
        media["schema"] = {"$ref": f"#/components/schemas/Body{number_}Dto"}
        body["required"] = True


# Answers and requests of other kinds.


@works
def enums_are_numbers(document: Json) -> None:
    for schema in schemas(document).values():
        for name, field in schema.get("properties", {}).items():
            if "enum" in field:
                schema["properties"][name] = number(enum=[0, 1, 2])


@breaks
def rooms_of_two_kinds(document: Json) -> None:
    for name, kind in (("TeamRoom", "team"), ("OwnRoom", "own")):
        fields = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": [kind]}}}
        schemas(document)[name] = {"allOf": [{"$ref": "#/components/schemas/Room"}, fields]}
    variants = [{"$ref": f"#/components/schemas/{name}"} for name in ("TeamRoom", "OwnRoom")]
    media(document, "/api/rooms/{id}")["schema"] = {"oneOf": variants, "discriminator": {"propertyName": "kind"}}


@works
def dates_without_times(document: Json) -> None:
    for schema in schemas(document).values():
        for field in schema.get("properties", {}).values():
            if field.get("format") == "date-time":
                field["format"] = "date"
                field.pop("example", None)


@breaks
def bodies_with_dates_without_times(document: Json) -> None:
    for body in bodies(document):
        for each in body["content"].values():
            for field in each["schema"].get("properties", {}).values():
                if field.get("format") == "date-time":
                    field["format"] = "date"


@works
def bodies_closed(document: Json) -> None:
    for body in bodies(document):
        for each in body["content"].values():
            each["schema"]["additionalProperties"] = False


@breaks
def bodies_closed_without_descriptions(document: Json) -> None:
    bodies_closed(document)
    for body in bodies(document):
        for each in body["content"].values():
            each["schema"].get("properties", {}).pop("description", None)


@breaks
def creates_answer_nothing(document: Json) -> None:
    for path in ("/api/sessions", "/api/events"):
        document["paths"][path]["post"]["responses"] = {"204": {"description": ""}}


@works
def answers_by_default(document: Json) -> None:
    for _, _, operation in operations(document):
        success = next(status for status in operation["responses"] if status[:1] == "2")
        operation["responses"] = {"default": operation["responses"][success]}


@breaks
def rows_beside_others_by_default(document: Json) -> None:
    rows_beside_others(document)
    answers_by_default(document)


@breaks
def answers_of_xml(document: Json) -> None:
    for path in ("/api/rooms", "/api/rooms/{id}"):
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        content["application/xml"] = content.pop("application/json")


@works
def updates_answer_text(document: Json) -> None:
    for _, method, operation in operations(document):
        if method == "put":
            text = {"text/plain": {"schema": {"type": "string"}}}
            operation["responses"] = {"200": {"description": "", "content": text}}


@breaks
def lists_are_maps(document: Json) -> None:
    for each in lists(document):
        each["schema"] = {"type": "object", "additionalProperties": each["schema"]["items"]}


@works
def answers_of_generics(document: Json) -> None:
    fields = {"statusCode": number(), "message": {"type": "string"}}
    schemas(document)["AnswerDto"] = {"type": "object", "properties": fields, "required": ["statusCode"]}
    for _, _, each in answers(document):
        data = {"properties": {"data": each["schema"]}, "required": ["data"]}
        each["schema"] = {"allOf": [{"$ref": "#/components/schemas/AnswerDto"}, data]}


@works
def bodies_are_models(document: Json) -> None:
    schemas(document)["Room"]["properties"]["id"]["readOnly"] = True
    body = document["paths"]["/api/rooms"]["post"]["requestBody"]["content"]["application/json"]
    body["schema"] = {"$ref": "#/components/schemas/Room"}


@works
def keys_not_declared(document: Json) -> None:
    del document["components"]["securitySchemes"]


@breaks
def bearer_not_declared(document: Json) -> None:
    keys_not_declared(document)
    for _, _, operation in operations(document):
        operation["security"] = [{"bearer": []}]


@breaks
def guests_with_another_key(document: Json) -> None:
    schemes = document["components"]["securitySchemes"]
    schemes["guest"] = {"type": "apiKey", "in": "header", "name": "x-guest-key"}
    for path, _, operation in operations(document):
        if "guests" in path:
            operation["security"] = [{"guest": []}]


@works
def parameters_by_reference(document: Json) -> None:
    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    document["components"]["parameters"] = {"Id": identifier}
    for path, item in document["paths"].items():
        if "{id}" in path:
            for operation in item.values():
                kept = [each for each in operation["parameters"] if each.get("in") != "path"]
                operation["parameters"] = kept
            item["parameters"] = [{"$ref": "#/components/parameters/Id"}]


@works
def filters_in_objects(document: Json) -> None:
    fields = {"type": "object", "properties": {"status": {"type": "string"}}}
    for operation in paged(document):
        filters = {"name": "filter", "in": "query", "content": {"application/json": {"schema": fields}}}
        deep = {"name": "where", "in": "query", "style": "deepObject", "explode": True, "schema": fields}
        operation["parameters"] += [filters, deep]


@breaks
def ids_as_labels(document: Json) -> None:
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            if parameter.get("in") == "path":
                parameter["style"] = "label"


@works
def components_that_name_others(document: Json) -> Json:
    result = renamed(document, lambda name: f"{name}Entity")
    for name in list(schemas(result)):
        schemas(result)[f"{name.removesuffix('Entity')}Dto"] = {"$ref": f"#/components/schemas/{name}"}
    for _, _, each in answers(result):
        each["schema"] = json.loads(json.dumps(each["schema"]).replace('Entity"', 'Dto"'))
    return result


@works
def operation_ids_repeated(document: Json) -> None:
    for _, method, operation in operations(document):
        operation["operationId"] = method


# The document itself.


@works
def modern(document: Json) -> None:
    def nulls(node: Any) -> None:
        if isinstance(node, dict):
            if node.pop("nullable", False):
                if isinstance(node.get("type"), str):
                    node["type"] = [node["type"], "null"]
                elif "allOf" in node:
                    node["anyOf"] = [*node.pop("allOf"), {"type": "null"}]
            for value in node.values():
                nulls(value)
        elif isinstance(node, list):
            for value in node:
                nulls(value)

    nulls(document)
    document["openapi"] = "3.1.0"


@works
def only_default_answers(document: Json) -> None:
    for _, _, operation in operations(document):
        success = next(status for status in operation["responses"] if status[:1] == "2")
        operation["responses"] = {"200": operation["responses"][success]}


@works
def answers_no_content(document: Json) -> None:
    for path, method, operation in operations(document):
        if method == "put" or path.endswith(("publish", "toggle-public")):
            operation["responses"] = {"204": {"description": ""}}


@works
def nest(document: Json) -> Json:
    """As a NestJS application would publish it."""
    for _, _, operation in operations(document):
        success = next(status for status in operation["responses"] if status[:1] == "2")
        operation["responses"] = {success: operation["responses"][success]}
        operation.pop("summary", None)
        operation.pop("description", None)
        operation["tags"] = ["Controller"]
    for index, (path, method, operation) in enumerate(operations(document)):
        operation["operationId"] = f"Controller_{method}{index}{path.count('/')}"
    bodies_named(document)
    path_parameters_renamed(document)
    return dtos(document) or document


#: Changes together that single ones do not show.
TOGETHER: tuple[tuple[str, ...], ...] = (
    ("nest", "rows_in_data", "per_page_10"),
    ("nest", "rows_in_data_items", "page_required_from_1"),
    ("nest", "modern", "ids_integers"),
    ("prefix_in_the_server", "dtos", "offset_limit", "rows_in_docs"),
    ("components_empty", "everything_in_data"),
    ("nest", "patch_for_put", "bearer"),
    ("nest", "offset_required", "rows_in_rows", "objects_in_content"),
    ("modern", "bodies_required", "limit_required", "trailing_slashes"),
    ("nest", "cursor", "mongo_ids"),
    ("answers_not_declared", "page_not_declared", "bodies_required"),
    ("bodies_are_models", "modern"),
    ("nest", "answers_of_generics", "operation_ids_repeated"),
)


def all_of_them() -> Iterator[tuple[tuple[str, ...], bool]]:
    """The names of each document's changes, and whether every method has to work with it."""
    yield (), True
    for name in (*WORKS, *BREAKS):
        yield (name,), name in WORKS
    for names in TOGETHER:
        yield names, all(name in WORKS for name in names)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(made(*sys.argv[1:]), indent=1))
    else:
        print("\n".join(" ".join(names) for names, _ in all_of_them()))
