"""Further documents in the shape of this API, with the idioms of other frameworks: Fastify and zod, Spring, FastAPI, JSON:API.

They stand beside those of support.documents once this module is imported; take `made` and `all_of_them` from here to have all.
"""

from __future__ import annotations

import json
from typing import Any

from support.documents import (
    Json,
    all_of_them,
    answers,
    bodies,
    breaks,
    lists,
    made,
    media,
    moved,
    number,
    objects,
    operations,
    paged,
    renamed,
    repage,
    schemas,
    works,
    wrapped,
)

__all__ = ("all_of_them", "made")


def fields(document: Json) -> list[tuple[Json, str, Json]]:
    """Each field of each component: the properties it stands in, its name and its schema."""
    return [
        (schema["properties"], name, field)
        for schema in schemas(document).values()
        for name, field in list(schema.get("properties", {}).items())
    ]


def text(**more: Any) -> Json:
    return {"type": "string", **more}


def replaced(document: Json, old: str, new: str) -> None:
    changed = json.loads(json.dumps(document).replace(old, new))
    document.clear()
    document.update(changed)


# Null, the OpenAPI 3.1 way


@works
def zod_nullables(document: Json) -> None:
    document["openapi"] = "3.1.1"
    for properties, name, field in fields(document):
        nullable = field.pop("nullable", False)
        if nullable or name not in ("id", "kind"):
            properties[name] = {"anyOf": [field, {"type": "null"}]}


@works
def typebox_nullables(document: Json) -> None:
    document["openapi"] = "3.1.0"
    for properties, name, field in fields(document):
        field.pop("nullable", None)
        if isinstance(field.get("type"), str) and name != "id":
            properties[name] = {**field, "type": [field["type"], "null"]}
            if "enum" in field:
                properties[name]["enum"] = [*field["enum"], None]
        elif name != "id":
            properties[name] = {"oneOf": [{"type": "null"}, field]}


@works
def nulls_of_31_in_30(document: Json) -> None:
    zod_nullables(document)
    document["openapi"] = "3.0.3"


@works
def lists_may_be_null(document: Json) -> None:
    document["openapi"] = "3.1.0"
    replaced(document, '"nullable": true', '"x-nullable": true')
    for each in lists(document):
        each["schema"]["type"] = ["array", "null"]


@works
def references_with_siblings(document: Json) -> None:
    document["openapi"] = "3.1.1"
    document["jsonSchemaDialect"] = "https://spec.openapis.org/oas/3.1/dialect/base"
    replaced(document, '"nullable": true', '"x-nullable": true')
    for _, _, field in fields(document):
        if "allOf" in field and len(field["allOf"]) == 1 and "$ref" in field["allOf"][0]:
            field["$ref"] = field.pop("allOf")[0]["$ref"]
        if "$ref" in field:
            field |= {"description": "said beside", "deprecated": True, "readOnly": True}
    for _, _, each in answers(document):
        if "$ref" in each["schema"]:
            each["schema"]["description"] = "said beside"


@works
def nullable_beside_references(document: Json) -> None:
    for _, _, field in fields(document):
        if "allOf" in field and len(field["allOf"]) == 1:
            field["$ref"] = field.pop("allOf")[0]["$ref"]
            field["nullable"] = True


@works
def nullable_without_a_type(document: Json) -> None:
    for _, _, field in fields(document):
        if field.get("type") == "string" and "enum" not in field and "format" not in field:
            field.pop("type")
            field["nullable"] = True


# Ids and moments


@works
def ids_read_only(document: Json) -> None:
    for schema in schemas(document).values():
        for name, field in schema.get("properties", {}).items():
            if name in ("id", "createdAt", "updatedAt"):
                field["readOnly"] = True
                schema["required"] = list(dict.fromkeys([*schema.get("required", []), name]))


@works
def ids_integers_everywhere(document: Json) -> None:
    for properties, name, _ in fields(document):
        if name == "id":
            properties[name] = number(format="int64")
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            if parameter.get("in") == "path":
                parameter["schema"] = number(format="int64", minimum=1)


@works
def moments_are_integers(document: Json) -> None:
    for properties, name, field in fields(document):
        if field.get("format") == "date-time":
            properties[name] = number(format="int64", description="milliseconds")


@breaks
def moments_are_integers_in_bodies(document: Json) -> None:
    for body in bodies(document):
        for each in body["content"].values():
            for name, field in each["schema"].get("properties", {}).items():
                if field.get("format") == "date-time":
                    each["schema"]["properties"][name] = number(format="int64")


# Several kinds of one thing


@works
def hosts_of_two_kinds(document: Json) -> None:
    for name in ("Person", "Team"):
        kind = text(enum=[name.lower()])
        schemas(document)[f"{name}Host"] = {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": kind, "label": text()},
        }
    variants = [{"$ref": f"#/components/schemas/{name}Host"} for name in ("Person", "Team")]
    mapping = {"person": "PersonHost", "team": "#/components/schemas/TeamHost"}
    schemas(document)["Room"]["properties"]["keeper"] = {
        "oneOf": variants,
        "discriminator": {"propertyName": "kind", "mapping": mapping},
    }


@breaks
def bookings_of_two_kinds(document: Json) -> None:
    for name in ("Single", "Series"):
        kind = {"type": "object", "properties": {"kind": text(enum=[name])}, "required": ["kind"]}
        schemas(document)[f"{name}Booking"] = {"allOf": [{"$ref": "#/components/schemas/Booking"}, kind]}
    variants = [{"$ref": f"#/components/schemas/{name}Booking"} for name in ("Single", "Series")]
    media(document, "/api/bookings")["schema"]["items"] = {
        "oneOf": variants,
        "discriminator": {"propertyName": "kind"},
    }


# Pages


@works
def pages_with_links(document: Json) -> None:
    for operation in paged(document):
        link = {"schema": text(), "description": "rel=next"}
        operation["responses"]["200"]["headers"] = {"Link": link, "X-Total-Count": {"schema": number()}}


@breaks
def links_alone(document: Json) -> None:
    pages_with_links(document)
    repage(document)


@works
def pages_of_json_api(document: Json) -> None:
    repage(
        document,
        {"name": "page[number]", "schema": number(minimum=1, default=1)},
        {"name": "page[size]", "schema": number(default=25, maximum=100)},
    )


@works
def page_as_text(document: Json) -> None:
    repage(document, {"name": "page", "schema": text(default="1", pattern="^[0-9]+$")})


@works
def page_or_cursor(document: Json) -> None:
    repage(document, {"name": "page", "schema": number(default=1)}, {"name": "cursor", "schema": text()})


@breaks
def relay(document: Json) -> None:
    repage(document, {"name": "first", "schema": number(default=20)}, {"name": "after", "schema": text()})


@works
def pages_of_spring(document: Json) -> None:
    repage(
        document,
        {"name": "page", "schema": number(minimum=0, default=0)},
        {"name": "size", "schema": number(minimum=1, default=20)},
        {"name": "sort", "schema": {"type": "array", "items": text()}},
    )
    for each in lists(document):
        rows = each["schema"]
        pageable = {"type": "object", "properties": {"offset": number(), "pageNumber": number()}}
        each["schema"] = {
            "type": "object",
            "properties": {
                "content": rows,
                "pageable": pageable,
                "totalElements": number(),
                "last": {"type": "boolean"},
            },
        }


@breaks
def pages_and_filters_of_numbers(document: Json) -> None:
    repage(document, {"name": "page", "schema": number(default=1)}, {"name": "version", "schema": number()})


@works
def pages_described_by_the_vendor(document: Json) -> None:
    for operation in paged(document):
        operation["x-pagination"] = {"type": "page", "limitParam": "limit", "resultArray": "items"}


@works
def extensions_of_the_vendor(document: Json) -> None:
    for _, _, operation in operations(document):
        operation |= {"x-pagination": True, "x-envelope": "payload", "x-key-role": "admin", "x-removes": "often"}


# Envelopes


@works
def answers_with_success_and_error(document: Json) -> None:
    def wrap(schema: Json) -> Json:
        error = {"type": "object", "nullable": True, "properties": {"code": text(), "message": text()}}
        return {
            "type": "object",
            "required": ["success", "data"],
            "properties": {"success": {"type": "boolean"}, "data": schema, "error": error, "timestamp": text()},
        }

    for each in lists(document):
        each["schema"] = wrap(each["schema"])
    for _, _, each in answers(document):
        if "data" not in each["schema"].get("properties", {}):
            each["schema"] = wrap(each["schema"])


@works
def hal(document: Json) -> None:
    links = {"type": "object", "properties": {"self": {"type": "object", "properties": {"href": text()}}}}
    for path, _, each in answers(document):
        if each["schema"].get("type") == "array":
            inner = {"type": "object", "properties": {path.rpartition("/")[2].rstrip("}"): each["schema"]}}
            each["schema"] = {"type": "object", "properties": {"_embedded": inner, "_links": links}}


@breaks
def json_api(document: Json) -> None:
    for _, _, each in answers(document):
        if each["schema"].get("type") != "array":
            resource = {"id": text(), "type": text(), "attributes": each["schema"]}
            each["schema"] = {
                "type": "object",
                "properties": {"data": {"type": "object", "properties": resource, "required": ["id", "type"]}},
            }


@works
def named_list_answers(document: Json) -> None:
    for number_, each in enumerate(lists(document)):
        schemas(document)[f"ListAnswer{number_}Dto"] = each["schema"]
        each["schema"] = {"$ref": f"#/components/schemas/ListAnswer{number_}Dto"}


@works
def envelopes_named(document: Json) -> None:
    wrapped(document, "data")
    for number_, (_, _, each) in enumerate(list(answers(document))):
        if "data" in each["schema"].get("properties", {}):
            schemas(document)[f"Paginated{number_}"] = each["schema"]
            each["schema"] = {"$ref": f"#/components/schemas/Paginated{number_}"}


# Media types, statuses, bodies


@works
def media_types_with_charset(document: Json) -> None:
    replaced(document, '"application/json"', '"application/json; charset=utf-8"')


@works
def bodies_of_any_type(document: Json) -> None:
    for body in bodies(document):
        body["content"] = {"*/*": body["content"]["application/json"]}


@works
def bodies_of_three_types(document: Json) -> None:
    for body in bodies(document):
        one = body["content"].pop("application/json")
        body["content"] = {
            "multipart/form-data": one,
            "application/x-www-form-urlencoded": json.loads(json.dumps(one)),
            "application/json": json.loads(json.dumps(one)),
        }


@works
def statuses_in_ranges(document: Json) -> None:
    for _, _, operation in operations(document):
        success = next(status for status in operation["responses"] if status[:1] == "2")
        operation["responses"] = {"2XX": operation["responses"][success], "4XX": {"description": ""}}


@works
def statuses_created_and_accepted(document: Json) -> None:
    for path, method, operation in operations(document):
        success = next(status for status in operation["responses"] if status[:1] == "2")
        status = {"post": "201", "put": "202"}.get(method, success)
        operation["responses"] = {status: operation["responses"][success]} if path else {}


@breaks
def bodies_never_empty(document: Json) -> None:
    for body in bodies(document):
        for each in body["content"].values():
            each["schema"] |= {"type": "object", "minProperties": 1}


@breaks
def time_zones_of_another_kind(document: Json) -> None:
    for body in bodies(document):
        for each in body["content"].values():
            if "timeZone" in each["schema"].get("properties", {}):
                each["schema"]["properties"]["timeZone"] = text(pattern="^UTC[+-][0-9]{2}$")


@works
def time_zones_listed(document: Json) -> None:
    for body in bodies(document):
        for each in body["content"].values():
            if "timeZone" in each["schema"].get("properties", {}):
                each["schema"]["properties"]["timeZone"] = text(enum=["Europe/London", "America/New_York"])


# What contradicts itself


@works
def examples_that_contradict(document: Json) -> None:
    for _, _, field in fields(document):
        if "enum" in field:
            field["example"] = "none of them"
        elif field.get("type") == "string":
            field["example"] = 5
        elif field.get("type") in ("integer", "number"):
            field["example"] = "five"
        elif field.get("type") == "boolean":
            field["example"] = "yes"
    for _, _, each in answers(document):
        each["example"] = ["nothing", 5]
    for body in bodies(document):
        for each in body["content"].values():
            each["example"] = "nothing"


@works
def defaults_that_contradict(document: Json) -> None:
    for _, _, field in fields(document):
        if field.get("type") == "string":
            field["default"] = None
        elif field.get("type") == "array":
            field["default"] = {}


@works
def required_as_a_flag(document: Json) -> None:
    for body in bodies(document):
        for each in body["content"].values():
            for field in each["schema"].get("properties", {}).values():
                field["required"] = False
    for schema in schemas(document).values():
        if "id" in schema.get("properties", {}):
            schema.pop("required", None)
            schema["properties"]["id"]["required"] = True


@works
def arrays_without_items(document: Json) -> None:
    for _, _, field in fields(document):
        if field.get("type") == "array":
            field.pop("items")


# Where things are, what they are called


@works
def path_parameters_of_each_noun(document: Json) -> None:
    nouns = {"booking-pages": "bookingPageId", "bookings": "bookingId", "rooms": "roomId", "sessions": "sessionId"}
    for path, item in list(document["paths"].items()):
        noun = nouns.get(path.split("/")[2], "entityId")
        if "{id}" in path:
            for operation in item.values():
                for parameter in operation.get("parameters", []):
                    if parameter.get("in") == "path" and parameter["name"] == "id":
                        parameter["name"] = noun
            document["paths"][path.replace("{id}", f"{{{noun}}}")] = document["paths"].pop(path)


@works
def path_parameters_with_dashes(document: Json) -> None:
    replaced(document, "{id}", "{entity-id}")
    replaced(document, '"name": "id", "in": "path"', '"name": "entity-id", "in": "path"')


@works
def paths_of_express(document: Json) -> None:
    moved(document, lambda path: path.replace("{id}", ":id").replace("{eventIdOrSessionId}", ":eventIdOrSessionId"))


@works
def paths_with_spaces(document: Json) -> None:
    moved(document, lambda path: f" {path} ")


@breaks
def slashes_at_every_end(document: Json) -> None:
    moved(document, lambda path: f"{path}/")


@works
def server_relative(document: Json) -> None:
    moved(document, lambda path: path.removeprefix("/api"))
    document["servers"] = [{"url": "/api"}]


@works
def servers_empty(document: Json) -> None:
    document["servers"] = []


@breaks
def paths_in_camel_case(document: Json) -> None:
    moved(document, lambda path: path.replace("booking-pages", "bookingPages"))


@breaks
def verbs_behind_colons(document: Json) -> None:
    moved(document, lambda path: path.replace("}/clone", "}:clone").replace("}/publish", "}:publish"))


@breaks
def a_tenth_is_missing(document: Json) -> None:
    for path in ("/api/rooms/{id}/share", "/api/sessions/{id}/transcripts", "/api/events/{id}/clone"):
        document["paths"].pop(path, None)
    document["paths"]["/api/bookings/{id}"].pop("delete")


@works
def many_more_operations(document: Json) -> None:
    schemas(document)["Any"] = {"type": "object", "properties": {"id": text()}}
    answer = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Any"}}}}
    for number_ in range(40):
        document["paths"][f"/api/reports/{number_}/{{a}}/{{a-b}}"] = {
            "get": {
                "operationId": "list_rooms",
                "parameters": [
                    {"name": "a", "in": "path", "required": True, "schema": text()},
                    {"name": "a-b", "in": "path", "required": True, "schema": text()},
                    {"name": "class", "in": "query", "schema": text()},
                ],
                "responses": {"200": answer},
            }
        }


@works
def deprecated(document: Json) -> None:
    for _, _, operation in operations(document):
        operation["deprecated"] = True


# Keys


@breaks
def oauth2(document: Json) -> None:
    flow = {"tokenUrl": "https://app.sessions.us/oauth/token", "scopes": {"all": "everything"}}
    document["components"]["securitySchemes"] = {"oauth": {"type": "oauth2", "flows": {"clientCredentials": flow}}}
    document["security"] = [{"oauth": ["all"]}]


@breaks
def open_id(document: Json) -> None:
    scheme = {"type": "openIdConnect", "openIdConnectUrl": "https://app.sessions.us/.well-known/openid-configuration"}
    document["components"]["securitySchemes"] = {"oidc": scheme}
    document["security"] = [{"oidc": []}]


@works
def security_of_some_alone(document: Json) -> None:
    for _, method, operation in operations(document):
        if method == "get":
            operation["security"] = []
        elif method == "post":
            operation["security"] = [{}, {"x-api-key": []}]


@works
def key_as_a_parameter(document: Json) -> None:
    document["security"] = []
    for _, _, operation in operations(document):
        key = {"name": "X-API-Key", "in": "header", "required": True, "schema": text()}
        operation.setdefault("parameters", []).append(key)


@breaks
def key_in_the_query(document: Json) -> None:
    document["components"]["securitySchemes"]["x-api-key"] = {"type": "apiKey", "in": "query", "name": "apiKey"}


@breaks
def two_keys_together(document: Json) -> None:
    document["components"]["securitySchemes"]["tenant"] = {"type": "apiKey", "in": "header", "name": "x-tenant"}
    document["security"] = [{"x-api-key": [], "tenant": []}]


# Names


@works
def components_of_generics(document: Json) -> Json:
    return renamed(document, lambda name: f"Dto<{name}>".replace("<", "_of_").replace(">", "")) or document


@works
def components_with_namespaces(document: Json) -> Json:
    return renamed(document, lambda name: f"Sessions.Api.Models.{name}")


@works
def components_that_python_knows(document: Json) -> None:
    for name in (
        "None",
        "Unset",
        "Response",
        "Operation",
        "Page",
        "Pagination",
        "File",
        "class",
        "TYPE_CHECKING",
        "dict",
    ):
        schemas(document)[name] = {"type": "object", "properties": {"id": text()}}
        schemas(document)["Room"]["properties"][f"a{name}"] = {"$ref": f"#/components/schemas/{name}"}


@works
def fields_that_python_knows(document: Json) -> None:
    for name in (
        "self",
        "cls",
        "from_dict",
        "toDict",
        "additional_properties",
        "src_dict",
        "None",
        "def",
        "1st",
        "",
        "é",
        "a b",
    ):
        schemas(document)["Room"]["properties"][name] = text()


@works
def enums_of_any_values(document: Json) -> None:
    document["openapi"] = "3.1.0"
    replaced(document, '"nullable": true', '"x-nullable": true')
    for _, _, field in fields(document):
        if "enum" in field:
            field["enum"] = [*field["enum"], *(value.title() for value in field["enum"]), "", "a b", 5, None, True]
            field.pop("type", None)


@works
def enums_with_more(document: Json) -> None:
    for _, _, field in fields(document):
        if "enum" in field:
            field["enum"] = [*field["enum"], "SOMETHING_NEW", "something-new"]


@works
def answers_closed(document: Json) -> None:
    for schema in schemas(document).values():
        schema["additionalProperties"] = False


@works
def models_that_contain_each_other(document: Json) -> None:
    room = {"$ref": "#/components/schemas/Room"}
    schemas(document)["Owner"] = {"type": "object", "required": ["room"], "properties": {"room": room}}
    schemas(document)["Room"]["properties"]["owner"] = {"$ref": "#/components/schemas/Owner"}
    schemas(document)["Room"]["required"] = [*schemas(document)["Room"].get("required", []), "owner"]


@works
def definitions_inside_schemas(document: Json) -> None:
    document["openapi"] = "3.1.0"
    replaced(document, '"nullable": true', '"x-nullable": true')
    schemas(document)["Room"]["$defs"] = {"Colour": text(enum=["red", "blue"])}
    schemas(document)["Room"]["properties"]["colour"] = {"$ref": "#/components/schemas/Room/$defs/Colour"}
    schemas(document)["Room"]["properties"]["pair"] = {"type": "array", "prefixItems": [text(), number()]}
    schemas(document)["Room"]["properties"]["exactly"] = {"const": "room"}
    schemas(document)["Room"]["patternProperties"] = {"^x-": True}


@works
def everything_by_reference(document: Json) -> None:
    document["openapi"] = "3.1.0"
    replaced(document, '"nullable": true', '"x-nullable": true')
    components = document["components"]
    for kind in ("responses", "requestBodies", "pathItems"):
        components.setdefault(kind, {})
    for number_, (_, _, operation) in enumerate(operations(document)):
        for status, response in operation["responses"].items():
            if "$ref" in response:
                continue
            components["responses"][f"R{number_}_{status}"] = response
            operation["responses"][status] = {"$ref": f"#/components/responses/R{number_}_{status}"}
        if "requestBody" in operation:
            components["requestBodies"][f"B{number_}"] = operation["requestBody"]
            operation["requestBody"] = {"$ref": f"#/components/requestBodies/B{number_}"}
    for number_, (path, item) in enumerate(document["paths"].items()):
        components["pathItems"][f"P{number_}"] = item
        document["paths"][path] = {"$ref": f"#/components/pathItems/P{number_}"}


@breaks
def objects_beside_empty_ones(document: Json) -> None:
    objects(document, lambda schema: {"anyOf": [schema, {"type": "object", "properties": {}}]})
