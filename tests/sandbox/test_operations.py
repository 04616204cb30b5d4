"""What holds for every operation: it exists, it knows the keys, and it knows what it does not know."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from support.contract import document
from support.further import further

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.routes import ROUTES

pytestmark = pytest.mark.anyio
METHODS = ("get", "put", "post", "delete")
OPERATIONS = [
    (method.upper(), path) for path, item in document()["paths"].items() for method in METHODS if method in item
]
GUESTS = "/api/guests/"


def filled(path: str, id: str = "00000000-0000-4000-8000-000000000000") -> str:
    return re.sub(r"\{\w+\}", id, path)


async def test_the_operations_are_those_of_the_document() -> None:
    """47 of them, none more, none less."""
    assert {(method, filled(path)) for method, path in ROUTES} == {
        (method, filled(path)) for method, path in OPERATIONS
    }
    assert len(ROUTES) == 47


@pytest.mark.parametrize(
    "headers", [{}, {"x-api-key": "sandbox-user-0"}, *further({"x-api-key": ""}, {"authorization": "Bearer x"})]
)
async def test_every_operation_refuses_an_unknown_key(sandbox: Sandbox, checked: Any, headers: dict[str, str]) -> None:
    """401 with the usual body, before anything is counted; the record says that no key was known."""
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, event_hooks=checked) as stranger:
        for method, path in OPERATIONS:
            answer = await stranger.request(method, filled(path))
            assert answer.status_code == 401
            assert set(answer.json()) == {"statusCode", "message", "error"}
            assert "ratelimit-remaining" not in answer.headers
    assert {record.key_role for record in sandbox.requests} == {None}
    assert sandbox.limiter.admitted == 0


async def test_a_guest_key_reaches_the_guests_operations_only(guest: httpx.AsyncClient) -> None:
    """403 for the 43 others, before the object is looked for; 400 or 404 for the four."""
    refused = {(method, path): (await guest.request(method, filled(path))).status_code for method, path in OPERATIONS}
    assert {status for (_, path), status in refused.items() if not path.startswith(GUESTS)} == {403}
    assert {status for (_, path), status in refused.items() if path.startswith(GUESTS)} == {400, 404}
    assert sum(path.startswith(GUESTS) for _, path in refused) == 4


async def test_a_user_key_reaches_the_guests_operations_too(user: httpx.AsyncClient) -> None:
    """Nobody says that it does not; 400 and 404 come from the operations themselves."""
    answers = [(await user.request(method, filled(path))).status_code for method, path in OPERATIONS if GUESTS in path]
    assert set(answers) == {400, 404}


@pytest.mark.parametrize("id", ["none", "00000000-0000-4000-8000-000000000000", "a%2Fparticipants", "%C3%A9"])
async def test_an_unknown_id_is_not_found(user: httpx.AsyncClient, id: str) -> None:
    """404 with the usual body from every operation; an encoded slash belongs to the id."""
    body = {"email": "a@b.cd", "firstName": "A"}
    for method, path in [each for each in OPERATIONS if "{" in each[1]]:
        answer = await user.request(method, filled(path, id), json=None if method == "GET" else body)
        assert answer.status_code == 404
        assert (answer.json()["statusCode"], answer.json()["error"]) == (404, "Not Found")
        assert answer.json()["message"].endswith("not found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/nothing"), ("PATCH", "/api/rooms"), ("GET", "/api/rooms//"), ("GET", "/api/rooms/x/y")],
)
async def test_an_unknown_path_is_not_found(sandbox: Sandbox, method: str, path: str) -> None:
    """404 that repeats the request; a known path with another method is no better known."""
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
        answer = await user.request(method, path)
    assert answer.status_code == 404
    assert answer.json() == {"statusCode": 404, "message": f"Cannot {method} {path}", "error": "Not Found"}


@pytest.mark.parametrize("content", [b"{", b"[1]", b'"text"', b"\xff"])
async def test_a_body_must_be_a_json_object(user: httpx.AsyncClient, content: bytes) -> None:
    """400, and nothing is created."""
    headers = {"content-type": "application/json"}
    assert (await user.post("/api/rooms", content=content, headers=headers)).status_code == 400


async def test_ids_are_decoded(user: httpx.AsyncClient) -> None:
    """A percent-encoded id is the same id."""
    room = (await user.get("/api/rooms")).json()[0]
    assert (await user.get(f"/api/rooms/%{ord(room['id'][0]):02X}{room['id'][1:]}")).json() == room


async def test_a_body_must_say_that_it_is_json(user: httpx.AsyncClient) -> None:
    """Without the media type nobody looks at it: the fields are missing."""
    answer = await user.post("/api/rooms", content=b'{"name": "Studio"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 400


async def test_a_body_has_a_bound(sandbox: Sandbox) -> None:
    """413 above 100 KiB."""
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
        answer = await user.post("/api/rooms", json={"name": "x" * 200_000})
        assert answer.status_code == 413
        assert (await user.get("/api/rooms")).status_code == 200


async def test_requests_are_recorded_as_they_arrived(sandbox: Sandbox, user: httpx.AsyncClient) -> None:
    """Method, raw path, query, headers, body, role, status and time; neither key nor body in the representation."""
    await user.post("/api/sessions/a%2Fb/participants", params={"x": "1 2"}, json={"emails": ["ada@example.org"]})
    record = sandbox.requests[-1]
    assert (record.method, record.path, record.query, record.status) == (
        "POST",
        "/api/sessions/a%2Fb/participants",
        {"x": "1 2"},
        404,
    )
    assert record.json == {"emails": ["ada@example.org"]}
    assert record.headers["X-API-Key"] == sandbox.user_key
    assert (record.key_role, record.at) == ("user", 1772431200.0)
    assert sandbox.user_key not in repr(record) + repr(sandbox) + repr(sandbox.requests)
    assert "ada" not in repr(record)
    with pytest.raises(AttributeError):
        record.status = 200  # type: ignore[misc]


async def test_a_body_that_does_not_say_that_it_is_json_is_told_so(sandbox: Sandbox) -> None:
    """It is not looked at, as in Express; what is missing then is refused, and the reason is told beside it."""
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
        answer = await user.post(
            "/api/rooms", content='{"name": "Blue"}', headers={"content-type": "application/x-www-form-urlencoded"}
        )
        empty = await user.post("/api/rooms")
    assert answer.status_code == empty.status_code == 400
    hint = (
        "the body was not looked at: its Content-Type is 'application/x-www-form-urlencoded' and not application/json"
    )
    assert answer.json()["message"] == [*empty.json()["message"], hint]
