"""The application: what happens to a request, from its arrival to its answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from .call import Handler, RoutedRequest
from .faults import ConnectionDropped, Fault, FaultPlan
from .limits import ServerLimit
from .refusals import Refusal
from .routes import ROUTES
from .state import State
from .traffic import KeyRole, ReceivedRequest, Traffic

_JSON = "application/json; charset=utf-8"
_LARGEST_BODY = 100 * 1024  # what Express takes unless told otherwise
_UNAUTHORIZED = Refusal(401, "Unauthorized: x-api-key is missing or unknown")
_SUCCESS = {"POST": 201, "DELETE": 204}

_ROUTES = [Route(path, endpoint=handler, methods=[method]) for (method, path), handler in ROUTES.items()]


@dataclass(slots=True)
class _Answer:
    status: int
    content: bytes = b""
    media_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Application:
    """An ASGI application.

    A request with a known key is counted first, then refused or carried out, at the moment when it has arrived; latency delays
    the answer. So a client that gives up waiting may have changed something, as with a real server. 401 comes before the
    count, 429 before everything else, and 403 for a GUEST key outside `/api/guests` before 404 for the object.
    """

    def __init__(
        self,
        state: State,
        keys: Mapping[str, KeyRole],
        limiter: ServerLimit,
        faults: FaultPlan,
        traffic: Traffic,
        clock: Callable[[], float],
        latency: Callable[[], float],
    ) -> None:
        self._state = state
        self._keys = keys
        self._limiter = limiter
        self._faults = faults
        self._traffic = traffic
        self._clock = clock
        self._latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the sandbox speaks HTTP only, not {scope['type']}")
        content = await _read(receive)
        if content is None:
            return
        with self._state.lock:
            number, fault, answer = self._decide(scope, content)
        delay = self._latency()
        if delay > 0:
            await asyncio.sleep(delay)
        if fault is not None and isinstance(fault.what, str):
            if fault.what == "cut":
                await _cut(answer, send)
            raise ConnectionDropped(abrupt=fault.what == "reset")
        self._traffic.answered(number, answer.status)
        headers = {"Date": formatdate(self._clock(), usegmt=True), **answer.headers}
        if answer.media_type is not None:
            # Not as the response's media type: Starlette would add a charset to what it is told.
            headers["Content-Type"] = answer.media_type
        response = Response(answer.content, answer.status, headers)
        await response(scope, receive, send)

    def _decide(self, scope: Scope, content: bytes) -> tuple[int, Fault | None, _Answer]:
        method, headers, now = scope["method"], Headers(scope=scope), self._clock()
        # Routed as sent: an encoded slash is part of an id, and not of the path's structure.
        path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "backslashreplace")
        query_string = scope["query_string"].decode("ascii", "backslashreplace")
        query = tuple(parse_qsl(query_string, keep_blank_values=True))
        role = self._keys.get(headers.get("x-api-key", ""))
        number = self._traffic.arrived(
            ReceivedRequest(
                method, path, MappingProxyType(dict(query)), query_string, headers, bytes(content), role, now
            )
        )
        fault = self._faults.take(method, path, counted=False)
        if fault is not None:
            return number, fault, self._failed(fault) or self._carry_out(method, path, query, headers, content, role)
        if role is None:
            return number, None, _refused(_UNAUTHORIZED)
        if self._limiter.headers == "nestjs" and _find(method, path) is None:
            return number, None, _refused(Refusal(404, f"Cannot {method} {path}"))
        verdict = self._limiter.take(role, now)
        if not verdict.admitted:
            return number, None, _Answer(429, verdict.body, verdict.media_type, verdict.headers)
        fault = self._faults.take(method, path, counted=True)
        answer = (fault and self._failed(fault)) or self._carry_out(method, path, query, headers, content, role)
        answer.headers = {**verdict.headers, **answer.headers}
        return number, fault, answer

    @staticmethod
    def _failed(fault: Fault) -> _Answer | None:
        """The answer in place of the operation's; None where the operation is to be carried out all the same."""
        if fault.what == "reset":
            return _Answer(500)
        if isinstance(fault.what, int):
            return _Answer(fault.what, fault.body, fault.media_type, dict(fault.headers))
        return None

    def _carry_out(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...],
        headers: Headers,
        content: bytes,
        role: KeyRole | None,
    ) -> _Answer:
        try:
            if role is None:
                raise _UNAUTHORIZED
            found = _find(method, path)
            if found is None:
                raise Refusal(404, f"Cannot {method} {path}")
            handler, noun_id = found
            # USER keys reach the guests' paths too: nobody says that they don't, and USER is recommended for general use.
            if role == "guest" and not path.startswith("/api/guests/"):
                raise Refusal(403, "Forbidden: this operation needs a key with the role USER")
            if len(content) > _LARGEST_BODY:
                raise Refusal(413, "request entity too large")
            result = handler(RoutedRequest(self._state, role, noun_id, query, content, headers.get("content-type", "")))
        except Refusal as refusal:
            return _refused(refusal)
        status = _SUCCESS.get(method, 200)
        return _Answer(status) if status == 204 else _Answer(status, _encode(result), _JSON)


def _find(method: str, path: str) -> tuple[Handler, str] | None:
    """The handler for a path, and the decoded id in it. A wrong method is as unknown as a wrong path, as in Express."""
    for route in _ROUTES:
        match, found = route.matches({"type": "http", "method": method, "path": path, "root_path": ""})
        if match is Match.FULL:
            return route.endpoint, unquote(found["path_params"].get("id", ""))
    return None


def _encode(result: Any) -> bytes:
    return json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()


def _refused(refusal: Refusal) -> _Answer:
    return _Answer(refusal.status, _encode(refusal.body()), _JSON)


async def _read(receive: Receive) -> bytes | None:
    """The body, or as much of it as shows that it is too large; None if the client is gone."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if len(content) <= _LARGEST_BODY:
            content += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(content)


async def _cut(answer: _Answer, send: Send) -> None:
    """Promise the whole answer, send half of it."""
    content = answer.content or b"{}"
    length = (b"content-length", str(len(content)).encode())
    media_type = (b"content-type", (answer.media_type or _JSON).encode())
    await send({"type": "http.response.start", "status": answer.status, "headers": [length, media_type]})
    await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
