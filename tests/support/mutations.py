"""Mutated documents: each made from the reconstruction by one change that a vendor might make, or by one slip.

Run as a script it prints them: `python tests/support/mutations.py` the names, with a name the document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
#: operation, kind of change, place, level
Told = tuple[str, str, str, str]

RECONSTRUCTION = Path(__file__).resolve().parents[2] / "spec" / "reconstructed.json"
KEPT = {
    "/api/booking-pages/{id}/slots",
    "/api/booking-pages/{id}",
    "/api/booking-pages/{id}/collaborators",
    "/api/bookings/{id}",
    "/api/rooms",
    "/api/rooms/{id}",
    "/api/rooms/{id}/share",
    "/api/sessions",
    "/api/sessions/{id}",
    "/api/sessions/{id}/takeaways",
    "/api/events",
}
CALLERS, PARSING, HARMLESS = "breaking for callers", "breaking for parsing", "harmless"
EVERYWHERE = "every operation"


@dataclass(frozen=True)
class Mutation:
    """One change of a document.

    Attributes:
        apply: makes the change in place, or gives another document.
        told: all that a report has to say of it.
        slips: words in the defects that it has to tell of, by operation.
        unfit: targets of overlay actions that no longer match.
    """

    name: str
    apply: Callable[[Json], Json | None]
    told: frozenset[Told] = frozenset()
    slips: tuple[tuple[str, str], ...] = ()
    unfit: tuple[str, ...] = ()

    def __call__(self) -> Json:
        document = original()
        return self.apply(document) or document


def original() -> Json:
    """The part of the reconstruction that the mutations change, which is quicker to validate fifty times than all of it."""
    document: Json = json.loads(RECONSTRUCTION.read_text(encoding="utf-8"))
    document["paths"] = {path: item for path, item in document["paths"].items() if path in KEPT}
    del document["components"]["headers"]
    for item in document["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                response.pop("headers", None)
    for response in document["components"]["responses"].values():
        response.pop("headers", None)
    return document


MUTATIONS: list[Mutation] = []


def mutation(*told: Told, **more: Any) -> Callable[[Callable[[Json], Json | None]], None]:
    def register(apply: Callable[[Json], Json | None]) -> None:
        MUTATIONS.append(Mutation(apply.__name__, apply, frozenset(told), **more))

    return register


def answer(document: Json, method: str, path: str, status: str = "200") -> Json:
    media: Json = document["paths"][path][method]["responses"][status]["content"]["application/json"]
    return media


def body(document: Json, method: str, path: str) -> Json:
    schema: Json = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    return schema


def fields(document: Json, schema: str) -> Json:
    properties: Json = document["components"]["schemas"][schema]["properties"]
    return properties


def moved(document: Json, old: str, new: str) -> Json:
    """Another name for a schema, everywhere."""
    text = json.dumps(document).replace(f'"#/components/schemas/{old}"', f'"#/components/schemas/{new}"')
    result: Json = json.loads(text)
    result["components"]["schemas"][new] = result["components"]["schemas"].pop(old)
    return result


TAKEAWAYS = "GET /api/sessions/{id}/takeaways"
SLOTS = "POST /api/booking-pages/{id}/slots"
COLLABORATORS = "/api/booking-pages/{id}/collaborators"

# Renamed: nothing that anybody sends or gets is another.


@mutation()
def nothing(document: Json) -> None:
    pass


@mutation()
def schema_renamed(document: Json) -> Json:
    return moved(document, "Takeaways", "TakeawayResponseDto")


@mutation()
def every_schema_renamed(document: Json) -> Json:
    for name in list(document["components"]["schemas"]):
        document = moved(document, name, f"{name}Dto")
    return document


@mutation()
def schema_written_out_in_place(document: Json) -> None:
    schema = {**document["components"]["schemas"].pop("Takeaways"), "nullable": True}
    answer(document, "get", "/api/sessions/{id}/takeaways")["schema"] = schema


@mutation()
def operation_ids_and_tags(document: Json) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operation["operationId"] = f"Controller_{method}_{path}"
            operation["tags"] = ["Public API", method]


@mutation()
def prefix_in_the_server(document: Json) -> None:
    document["servers"] = [{"url": "https://api.app.sessions.us/api"}]
    document["paths"] = {path.removeprefix("/api"): item for path, item in document["paths"].items()}


@mutation(
    *(
        (f"{method} /api/rooms/{{id}}", "parameter-renamed", "path parameter id", HARMLESS)
        for method in ("GET", "PUT", "DELETE")
    )
)
def path_parameter_renamed(document: Json) -> None:
    item = document["paths"]["/api/rooms/{roomId}"] = document["paths"].pop("/api/rooms/{id}")
    for operation in item.values():
        operation["parameters"][0]["name"] = "roomId"


@mutation()
def openapi_31(document: Json) -> None:
    def modern(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("nullable") is True:
                del node["nullable"]
                if "type" in node:
                    node["type"] = [node["type"], "null"]
                elif "allOf" in node:
                    node["anyOf"] = [*node.pop("allOf"), {"type": "null"}]
                else:
                    variants = node.get("anyOf", node.get("oneOf"))
                    variants.append({"type": "null"})
            for value in node.values():
                modern(value)
        elif isinstance(node, list):
            for value in node:
                modern(value)

    document["openapi"] = "3.1.0"
    modern(document["components"]["schemas"])
    modern(document["paths"])


# Operations


@mutation(("DELETE /api/rooms/{id}", "operation-removed", "", CALLERS), unfit=("$.paths['/api/rooms/{id}']['delete']",))
def operation_dropped(document: Json) -> None:
    del document["paths"]["/api/rooms/{id}"]["delete"]


@mutation(("GET /api/recordings/{id}", "operation-added", "", HARMLESS))
def operation_added(document: Json) -> None:
    document["paths"]["/api/recordings/{id}"] = {
        "get": json.loads(json.dumps(document["paths"]["/api/rooms/{id}"]["get"]))
    }


@mutation(
    ("POST /api/rooms/{id}/share", "operation-removed", "", CALLERS),
    ("POST /api/rooms/{id}/invite", "operation-added", "", HARMLESS),
    unfit=("$.paths['/api/rooms/{id}/share']['post']",),
)
def operation_moved(document: Json) -> None:
    document["paths"]["/api/rooms/{id}/invite"] = document["paths"].pop("/api/rooms/{id}/share")


@mutation(("GET /api/rooms", "operation-deprecated", "", HARMLESS))
def operation_deprecated(document: Json) -> None:
    document["paths"]["/api/rooms"]["get"]["deprecated"] = True


# Parameters


@mutation(("GET /api/rooms", "parameter-removed", "query parameter page", CALLERS))
def page_dropped(document: Json) -> None:
    del document["paths"]["/api/rooms"]["get"]["parameters"]


@mutation(("GET /api/sessions", "parameter-added", "query parameter workspace", CALLERS))
def required_parameter_added(document: Json) -> None:
    parameter = {"name": "workspace", "in": "query", "required": True, "schema": {"type": "string"}}
    document["paths"]["/api/sessions"]["get"]["parameters"].append(parameter)


@mutation(("GET /api/events", "type-changed", "query parameter page", CALLERS))
def parameter_retyped(document: Json) -> None:
    document["paths"]["/api/events"]["get"]["parameters"][0]["schema"] = {"type": "boolean"}


# Bodies


@mutation(("POST /api/bookings/{id}", "body-removed", "body", CALLERS))
def body_dropped(document: Json) -> None:
    del document["paths"]["/api/bookings/{id}"]["post"]["requestBody"]


@mutation(("PUT /api/sessions/{id}", "body-required", "body", CALLERS))
def body_required(document: Json) -> None:
    document["paths"]["/api/sessions/{id}"]["put"]["requestBody"]["required"] = True


@mutation(("POST /api/sessions", "field-added", "body, hostId", CALLERS))
def required_field_added(document: Json) -> None:
    schema = body(document, "post", "/api/sessions")
    schema["properties"]["hostId"] = {"type": "string"}
    schema["required"].append("hostId")


@mutation(("POST /api/sessions", "field-removed", "body, description", CALLERS))
def body_field_dropped(document: Json) -> None:
    del body(document, "post", "/api/sessions")["properties"]["description"]


@mutation(
    ("POST /api/sessions", "field-required", "body, timeZone", CALLERS),
    ("POST /api/sessions", "field-optional", "body, name", HARMLESS),
)
def body_fields_required_and_not(document: Json) -> None:
    body(document, "post", "/api/sessions")["required"] = ["startAt", "timeZone"]


@mutation(("POST /api/rooms", "enum-added", "body, name", CALLERS))
def body_field_limited(document: Json) -> None:
    name = body(document, "post", "/api/rooms")["properties"]["name"]
    name["enum"] = ["small", "large"]
    name["example"] = "small"


# Answers


@mutation((SLOTS, "field-removed", "answer 201, [].endAt", PARSING))
def answer_field_dropped(document: Json) -> None:
    del fields(document, "Slot")["endAt"]


@mutation((SLOTS, "field-added", "answer 201, [].capacity", HARMLESS))
def answer_field_added(document: Json) -> None:
    fields(document, "Slot")["capacity"] = {"type": "integer"}


@mutation((SLOTS, "type-changed", "answer 201, [].startAt", PARSING))
def answer_field_retyped(document: Json) -> None:
    fields(document, "Slot")["startAt"] = {"type": "integer", "nullable": True, "x-evidence": "inferred"}


@mutation((SLOTS, "null-removed", "answer 201, [].startAt", HARMLESS))
def null_removed(document: Json) -> None:
    del fields(document, "Slot")["startAt"]["nullable"]


@mutation((TAKEAWAYS, "null-removed", "answer 200", HARMLESS))
def answer_never_null(document: Json) -> None:
    media = answer(document, "get", "/api/sessions/{id}/takeaways")
    media["schema"] = {"$ref": "#/components/schemas/Takeaways"}


@mutation((SLOTS, "field-required", "answer 201, [].startAt", HARMLESS))
def answer_field_always_there(document: Json) -> None:
    document["components"]["schemas"]["Slot"]["required"] = ["startAt"]


@mutation(("DELETE /api/rooms/{id}", "status-changed", "answer 204", PARSING))
def success_is_another_status(document: Json) -> None:
    responses = document["paths"]["/api/rooms/{id}"]["delete"]["responses"]
    responses["200"] = responses.pop("204")


@mutation(
    ("GET /api/rooms", "status-removed", "answer 409, 422", HARMLESS),
    ("GET /api/rooms", "status-added", "answer 451", HARMLESS),
)
def errors_other(document: Json) -> None:
    responses = document["paths"]["/api/rooms"]["get"]["responses"]
    del responses["409"], responses["422"]
    responses["451"] = {"description": "For legal reasons."}


@mutation(("GET /api/rooms/{id}", "schema-removed", "answer 200", PARSING))
def answer_left_out(document: Json) -> None:
    del document["paths"]["/api/rooms/{id}"]["get"]["responses"]["200"]["content"]


@mutation(("GET /api/rooms", "type-changed", "answer 200", PARSING))
def rows_in_an_envelope(document: Json) -> None:
    media = answer(document, "get", "/api/rooms")
    media["schema"] = {"type": "object", "properties": {"data": media["schema"], "total": {"type": "integer"}}}


@mutation((EVERYWHERE, "key-changed", "", CALLERS))
def key_elsewhere(document: Json) -> None:
    (scheme,) = (one for one in document["components"]["securitySchemes"].values() if one["name"] == "x-api-key")
    scheme["name"] = "authorization"


@mutation()
def evidence_risen(document: Json) -> None:
    fields(document, "Slot")["startAt"]["x-evidence"] = "documented"


# Slips


@mutation(slips=(("GET /api/rooms/{id}", "not declared"),))
def path_parameter_undeclared(document: Json) -> None:
    del document["paths"]["/api/rooms/{id}"]["get"]["parameters"]


@mutation(slips=(("GET /api/rooms/{id}", "not required"),))
def path_parameter_not_required(document: Json) -> None:
    del document["paths"]["/api/rooms/{id}"]["get"]["parameters"][0]["required"]


@mutation(slips=((EVERYWHERE, "2 operations have this operationId"),))
def operation_ids_twice(document: Json) -> None:
    for path in ("/api/rooms", "/api/events"):
        document["paths"][path]["get"]["operationId"] = "findAll"


@mutation()
def null_beside_a_reference(document: Json) -> None:
    user = fields(document, "Collaborator")["user"]
    fields(document, "Collaborator")["user"] = {**user.pop("anyOf")[0], "nullable": True, **user}


@mutation(
    (SLOTS, "field-added", "answer 201, [].size", HARMLESS),
)
def enum_members_collide(document: Json) -> None:
    fields(document, "Slot")["size"] = {"type": "string", "enum": ["a-b", "a_b", "A-B"]}


@mutation(slips=((EVERYWHERE, "would be one class"),))
def schema_names_collide(document: Json) -> Json:
    return moved(document, "Takeaways", "booking_page")


@mutation(slips=((EVERYWHERE, "no usable name"),))
def schema_name_unusable(document: Json) -> Json:
    return moved(document, "Takeaways", "Result<Takeaways>")


@mutation()
def example_of_the_wrong_type(document: Json) -> None:
    fields(document, "Slot")["startAt"]["example"] = 1772444400


@mutation(slips=((EVERYWHERE, "Slot/properties/startAt/default: left out"),))
def default_of_the_wrong_type(document: Json) -> None:
    fields(document, "Slot")["startAt"]["default"] = ["now"]


@mutation(
    (SLOTS, "type-changed", "answer 201, [].startAt", PARSING),
    slips=((EVERYWHERE, "Slot/properties/startAt/type: left out ('datetime' is not one of"),),
)
def type_unknown(document: Json) -> None:
    start = fields(document, "Slot")["startAt"]
    del start["format"]
    start["type"] = "datetime"


@mutation(
    (SLOTS, "field-required", "answer 201, [].startAt", HARMLESS),
    slips=((EVERYWHERE, "required belongs to the object"),),
)
def required_on_the_field(document: Json) -> None:
    fields(document, "Slot")["startAt"]["required"] = True


@mutation(
    ("GET /api/rooms", "parameter-removed", "query parameter page", CALLERS),
    slips=(("GET /api/rooms", "parameters/0/type: left out"), ("GET /api/rooms", "parameters/0: left out")),
)
def parameter_as_in_swagger_2(document: Json) -> None:
    (parameter,) = document["paths"]["/api/rooms"]["get"]["parameters"]
    parameter.update(parameter.pop("schema"))


@mutation(slips=(("GET /api/rooms", "has no description"),))
def answer_without_description(document: Json) -> None:
    del document["paths"]["/api/rooms"]["get"]["responses"]["200"]["description"]


@mutation(slips=(("GET /api/rooms", "tags: left out"), ("GET /api/rooms", "summary: left out")))
def texts_of_the_wrong_type(document: Json) -> None:
    document["paths"]["/api/rooms"]["get"].update(tags="rooms", summary=["List"])


@mutation(slips=((EVERYWHERE, "no usable path"),))
def path_as_express_writes_it(document: Json) -> None:
    document["paths"]["/api/rooms/:id"] = document["paths"].pop("/api/rooms/{id}")


@mutation(slips=((EVERYWHERE, "no usable path"),))
def path_without_a_slash(document: Json) -> None:
    document["paths"]["api/rooms"] = document["paths"].pop("/api/rooms")


@mutation(slips=(("GET /api/rooms", "colour"),))
def unknown_key_in_an_operation(document: Json) -> None:
    document["paths"]["/api/rooms"]["get"]["colour"] = "red"


if __name__ == "__main__":
    chosen = {each.name: each for each in MUTATIONS}
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(chosen[sys.argv[1]](), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(chosen) + "\n")
