"""A document of the same API as a NestJS application would publish it: nothing in it is called what we call it."""

# ruff: noqa: E501 - a table

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def model(required: list[str] | None = None, /, **properties: Any) -> Json:
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def content(schema: Any) -> Json:
    return {"content": {"application/json": {"schema": schema}}}


TEXT: Json = {"type": "string"}
TIME: Json = {"format": "date-time", "type": "string"}
WHOLE: Json = {"type": "number"}
ID = {"name": "sessionId", "required": True, "in": "path", "schema": TEXT}


def listed(item: Json) -> Json:
    """A page as a generic PaginatedDto and what ApiExtraModels makes of it."""
    return {"allOf": [ref("PaginatedDto"), {"properties": {"data": {"type": "array", "items": item}}}]}


def operation(
    identifier: str, tag: str, answer: Any = None, body: str | None = None, *parameters: Json, status: str = "200"
) -> Json:
    response: Json = {"description": ""} if answer is None else {"description": "", **content(answer)}
    result: Json = {
        "operationId": identifier,
        "parameters": list(parameters),
        "responses": {status: response},
        "tags": [tag],
    }
    if body is not None:
        result["requestBody"] = {"required": True, **content(ref(body))}
    return {**result, "security": [{"x-api-key": []}]}


def path_id(name: str) -> Json:
    return {"name": name, "required": True, "in": "path", "schema": TEXT}


def document() -> Json:
    """A new copy of it: paths without /api, which is in the server's address; DTOs; a page object in the query."""
    page = {"name": "page", "required": False, "in": "query", "schema": {"minimum": 1, "default": 1, "type": "number"}}
    limit = {"name": "limit", "required": False, "in": "query", "schema": {"type": "number"}}
    booking_page, session = "BookingPagesController", "SessionsController"
    return {
        "openapi": "3.0.0",
        "info": {"title": "Sessions API", "description": "", "version": "2.4", "contact": {}},
        "tags": [],
        "servers": [{"url": "https://api.app.sessions.us/api"}],
        "paths": {
            "/booking-pages": {
                "get": operation(f"{booking_page}_findAll", "Booking pages", listed(ref("BookingPageDto")), None, page, limit),
                "post": operation(f"{booking_page}_create", "Booking pages", None, "CreateBookingPageDto", status="201"),
            },
            "/booking-pages/{pageId}": {
                "get": operation(f"{booking_page}_findOne", "Booking pages", ref("BookingPageDto"), None, path_id("pageId")),
                "patch": operation(f"{booking_page}_update", "Booking pages", ref("BookingPageDto"), "UpdateBookingPageDto", path_id("pageId")),
                "delete": operation(f"{booking_page}_remove", "Booking pages", None, None, path_id("pageId")),
            },
            "/booking-pages/{pageId}/slots": {
                "post": operation(f"{booking_page}_slots", "Booking pages", {"type": "array", "items": model(start=TIME, end=TIME)}, "SlotQueryDto", path_id("pageId"), status="201"),
            },
            "/bookings": {"get": operation("BookingsController_findAll", "Bookings", {"type": "array", "items": ref("BookingEntity")}, None, page)},
            "/bookings/{bookingId}": {
                "post": operation("BookingsController_cancel", "Bookings", ref("BookingEntity"), None, path_id("bookingId"), status="201"),
            },
            "/sessions": {
                "get": operation(f"{session}_findAll", "Sessions", {"type": "array", "items": ref("SessionDto")}, None, page),
                "post": operation(f"{session}_create", "Sessions", ref("SessionDto"), "CreateSessionDto", status="201"),
            },
            "/sessions/{sessionId}": {
                "get": operation(f"{session}_findOne", "Sessions", ref("SessionDto"), None, ID),
                "put": operation(f"{session}_update", "Sessions", ref("SessionDto"), "CreateSessionDto", ID),
                "delete": operation(f"{session}_remove", "Sessions", None, None, ID),
            },
            "/sessions/{sessionId}/participants": {
                "get": operation(f"{session}_participants", "Sessions", {"type": "array", "items": ref("ParticipantDto")}, None, ID),
            },
            "/sessions/{sessionId}/recordings": {
                "get": operation(f"{session}_recordings", "Sessions", {"type": "array", "items": ref("RecordingDto")}, None, ID),
            },
            "/sessions/{sessionId}/recordings/{recordingId}": {
                "get": operation(f"{session}_recording", "Sessions", ref("RecordingDto"), None, ID, path_id("recordingId")),
            },
            "/events": {
                "get": operation("EventsController_findAll", "Events", listed(ref("EventDto")), None, page),
                "post": operation("EventsController_create", "Events", ref("EventDto"), "CreateEventDto", status="201"),
            },
            "/webhooks": {
                "get": operation("WebhooksController_findAll", "Webhooks", {"type": "array", "items": ref("WebhookDto")}, None),
                "post": operation("WebhooksController_create", "Webhooks", ref("WebhookDto"), "CreateWebhookDto", status="201"),
            },
            "/webhooks/{webhookId}": {"delete": operation("WebhooksController_remove", "Webhooks", None, None, path_id("webhookId"))},
            "/health": {"get": operation("AppController_health", "App", model(["status"], status={"type": "string", "enum": ["ok", "down"]}))},
        },
        "components": {
            "securitySchemes": {"x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": {
                "PaginatedDto": model(["total", "page"], total=WHOLE, page=WHOLE),
                "BaseDto": model(["id", "createdAt"], id={**TEXT, "format": "uuid"}, createdAt=TIME),
                "BookingPageDto": {"allOf": [ref("BaseDto"), model(["name"], name=TEXT, owner=ref("UserDto"), minutes=WHOLE)]},
                "BookingEntity": model(["id"], id=WHOLE, status={"type": "string", "enum": ["booked", "cancelled"]}, startAt=TIME, page=ref("BookingPageDto")),
                "SessionDto": model(["id", "name", "status"], id=TEXT, name=TEXT, status=ref("SessionStatus"), startAt=TIME, sessionLink=TEXT,
                                    host={"nullable": True, "allOf": [ref("UserDto")]}, room=model(id=TEXT, name=TEXT), parent=ref("SessionDto")),
                "SessionStatus": {"type": "string", "enum": ["planned", "running", "ended"]},
                "Session": model(token=TEXT),
                "UserDto": model(["id"], id=TEXT, email=TEXT, firstName=TEXT, lastName=TEXT),
                "ParticipantDto": model(["id"], id=TEXT, isOwner={"type": "boolean"}, guest=ref("UserDto"), user=ref("UserDto")),
                "RecordingDto": {**model(["id"], id=TEXT, url=TEXT, login=ref("Session"), files={"type": "array", "items": model(name=TEXT, size=WHOLE)})},
                "EventDto": model(["id"], id=TEXT, name=TEXT, session=ref("SessionDto"), visibility={"type": "string", "enum": ["public", "private"]}),
                "WebhookDto": model(["id"], id=TEXT, url=TEXT, trigger={"type": "string", "enum": ["SESSION_CREATED", "EVENT_CREATED"]}),
                "CreateWebhookDto": model(["url", "trigger"], url=TEXT, trigger=TEXT),
                "CreateBookingPageDto": model(["name"], name=TEXT),
                "UpdateBookingPageDto": model(name=TEXT),
                "CreateSessionDto": model(["name", "startAt", "hostId"], name=TEXT, startAt=TIME, hostId=TEXT),
                "CreateEventDto": model(["name"], name=TEXT, capacity=WHOLE),
                "SlotQueryDto": model(["from", "to"], **{"from": TIME, "to": TIME}),
            },
        },
    }  # fmt: skip
