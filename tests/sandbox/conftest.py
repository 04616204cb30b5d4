"""A sandbox on a real socket, and plain httpx clients whose every answer is checked against spec/openapi.json."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters

from sessions_us.sandbox import Sandbox

SPEC = Path(__file__).parents[2] / "spec" / "openapi.json"
# A Monday morning: office hours lie ahead.
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class _Asked:
    """A request as openapi-core wants it, sent to the server that the document names."""

    request: httpx.Request
    host_url: str = "https://api.app.sessions.us"
    parameters: RequestParameters = field(default_factory=RequestParameters)

    @property
    def path(self) -> str:
        return self.request.url.raw_path.partition(b"?")[0].decode()

    @property
    def method(self) -> str:
        return self.request.method.lower()

    @property
    def content_type(self) -> str:
        return str(self.request.headers.get("content-type", ""))

    @property
    def body(self) -> bytes:
        return self.request.content


@dataclass
class _Answered:
    response: httpx.Response

    @property
    def status_code(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> dict[str, Any]:
        return dict(self.response.headers)

    @property
    def content_type(self) -> str:
        return str(self.response.headers.get("content-type", "")).partition(";")[0]

    @property
    def data(self) -> bytes:
        return self.response.content


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SPEC.read_text("utf-8"))
    return loaded


def _nullable_references(node: Any) -> Any:
    """A nullable reference as validators understand it.

    `allOf` beside `nullable` is how such a document says it, and how code generators read it. To the letter of OpenAPI 3.0.3 the
    reference still refuses null, and openapi-core keeps to the letter.
    """
    if isinstance(node, list):
        return [_nullable_references(each) for each in node]
    if not isinstance(node, dict):
        return node
    read = {name: _nullable_references(each) for name, each in node.items()}
    if read.get("nullable") is True and "allOf" in read:
        return {"anyOf": [{"allOf": read["allOf"]}, {"type": "object", "nullable": True, "maxProperties": 0}]}
    return read


@pytest.fixture(scope="session")
def openapi(document: dict[str, Any]) -> OpenAPI:
    return OpenAPI.from_dict(_nullable_references(document))


@pytest.fixture
def checked(openapi: OpenAPI) -> dict[str, list[Any]]:
    """An event hook for httpx that checks each answer."""

    async def check(response: httpx.Response) -> None:
        await response.aread()
        openapi.validate_response(_Asked(response.request), _Answered(response))

    return {"response": [check]}


@pytest.fixture
async def sandbox(anyio_backend: str, clock: Clock) -> AsyncIterator[Sandbox]:
    async with Sandbox(limit=1000, clock=clock) as serving:
        yield serving


@pytest.fixture
async def user(sandbox: Sandbox, checked: dict[str, list[Any]]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": sandbox.user_key}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, event_hooks=checked) as client:
        yield client


@pytest.fixture
async def guest(sandbox: Sandbox, checked: dict[str, list[Any]]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": sandbox.guest_key}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, event_hooks=checked) as client:
        yield client


@pytest.fixture
def unused_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
