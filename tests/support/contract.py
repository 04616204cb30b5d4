"""Real traffic, checked against spec/openapi.json from both sides by openapi-core."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters

SPEC = Path(__file__).parents[2] / "spec" / "openapi.json"


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SPEC.read_text("utf-8"))
    return loaded


@cache
def contract() -> OpenAPI:
    return OpenAPI.from_dict(document())


def check(response: httpx.Response) -> None:
    """Raises openapi-core's error if an answer, which was read, is not as described."""
    contract().validate_response(_Asked(response.request), _Answered(response))


def check_request(request: httpx.Request) -> None:
    """Raises openapi-core's error if a request is not as described."""
    contract().validate_request(_Asked(request))


class Checked(httpx.AsyncHTTPTransport):
    """Sends over real sockets, and checks what goes and what comes."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        check_request(request)
        response = await super().handle_async_request(request)
        response.request = request
        await response.aread()
        check(response)
        return response


@dataclass
class _Asked:
    """A request as openapi-core wants it, sent to the server that the document names."""

    request: httpx.Request
    host_url: str = "https://api.app.sessions.us"
    parameters: RequestParameters = field(default_factory=RequestParameters)

    def __post_init__(self) -> None:
        self.parameters.query = dict(self.request.url.params)
        self.parameters.header = dict(self.request.headers)

    @property
    def path(self) -> str:
        return self.request.url.raw_path.partition(b"?")[0].decode()

    @property
    def method(self) -> str:
        return self.request.method.lower()

    @property
    def content_type(self) -> str:
        return self.request.headers.get("content-type", "")

    @property
    def body(self) -> bytes | None:
        return self.request.content or None


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
        return self.response.headers.get("content-type", "").partition(";")[0]

    @property
    def data(self) -> bytes:
        return self.response.content
