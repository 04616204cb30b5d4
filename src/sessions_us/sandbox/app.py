"""The application: what happens to a request, from its arrival to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from types import MappingProxyType
from typing import Protocol
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .call import Handler, RoutedRequest
from .faults import ConnectionDropped, Fault, FaultPlan
from .limits import Noise, ServerLimit
from .refusals import Refusal
from .reply import JSON, Reply, json_reply, refused
from .routes import find
from .state import Key, State
from .traffic import ReceivedRequest, Traffic

_LARGEST_BODY = 100 * 1024  # what Express takes unless told otherwise
_UNAUTHORIZED = Refusal(401, "Unauthorized: x-api-key is missing or unknown")
_SUCCESS = {"POST": 201, "DELETE": 204}


class Beside(Protocol):
    """What is served beside the API: neither counted nor recorded."""

    largest_body: int

    def serves(self, path: str) -> bool: ...
    def answer(self, method: str, path: str, query: dict[str, str], headers: Headers, content: bytes) -> Reply: ...


class Application:
    """An ASGI application.

    A request with a known key is counted first, then refused or carried out, at the moment when it has arrived; latency delays
    the answer. So a client that gives up waiting may have changed something, as with a real server. 401 comes before the
    count, 429 before everything else, and 403 for a GUEST key outside `/api/guests` before 404 for the object.
    """

    def __init__(
        self,
        state: State,
        limiter: ServerLimit,
        noise: Noise,
        faults: FaultPlan,
        traffic: Traffic,
        clock: Callable[[], float],
        latency: Callable[[], float],
        beside: Beside,
    ) -> None:
        self._state = state
        self._limiter = limiter
        self._noise = noise
        self._faults = faults
        self._traffic = traffic
        self._clock = clock
        self._latency = latency
        self._beside = beside
        self._in_flight = 0

    @property
    def is_busy(self) -> bool:
        """Whether a request has arrived and was not answered yet."""
        return self._in_flight > 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the sandbox speaks HTTP only, not {scope['type']}")
        # Routed as sent: an encoded slash is part of an id, and not of the path's structure.
        path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "backslashreplace")
        self._in_flight += 1
        try:
            if self._beside.serves(path):
                await self._serve_beside(path, scope, receive, send)
            else:
                await self._serve(path, scope, receive, send)
        finally:
            self._in_flight -= 1

    async def _serve_beside(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        content = await _read(receive, self._beside.largest_body)
        if content is not None:
            query = dict(parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True))
            answer = self._beside.answer(scope["method"], path, query, Headers(scope=scope), content)
            await self._send(answer, scope, receive, send)

    async def _serve(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        content = await _read(receive, _LARGEST_BODY)
        if content is None:
            return
        with self._state.lock:
            self._state.catch_up()
            record, fault, answer = self._decide(path, scope, content)
        delay = self._latency() + (fault.delay if fault else 0.0)
        if delay > 0:
            await asyncio.sleep(delay)
        if fault is not None and isinstance(fault.what, str):
            self._traffic.answered(replace(record, remaining=answer.remaining, resets_in=answer.resets_in))
            if fault.what == "cut":
                await _cut(answer, send)
            raise ConnectionDropped(abrupt=fault.what == "reset")
        self._traffic.answered(
            replace(record, status=answer.status, remaining=answer.remaining, resets_in=answer.resets_in)
        )
        await self._send(answer, scope, receive, send)

    async def _send(self, answer: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(answer.headers)
        if "date" not in headers:
            headers["Date"] = formatdate(self._clock(), usegmt=True)
        if answer.media_type is not None:
            # Not as the response's media type: Starlette would add a charset to what it is told.
            headers["Content-Type"] = answer.media_type
        await Response(answer.content, answer.status, headers)(scope, receive, send)

    def _decide(self, path: str, scope: Scope, content: bytes) -> tuple[ReceivedRequest, Fault | None, Reply]:
        method, headers, now = scope["method"], Headers(scope=scope), self._clock()
        query_string = scope["query_string"].decode("ascii", "backslashreplace")
        query = tuple(parse_qsl(query_string, keep_blank_values=True))
        key = self._state.keys.get(headers.get("x-api-key", ""))
        found = find(method, path)
        record = self._traffic.arrived(
            ReceivedRequest(
                method,
                path,
                MappingProxyType(dict(query)),
                query_string,
                headers,
                content,
                key.role if key else None,
                now,
                route=found[1] if found else None,
                number=self._traffic.number(),
            )
        )
        fault = self._faults.take(method, path, counted=False)
        if fault is not None:
            return record, fault, self._failed(fault) or self._carry_out(record, found, query, key)
        if key is None:
            return record, None, refused(_UNAUTHORIZED)
        if self._limiter.headers == "nestjs" and found is None:
            return record, None, refused(_unknown(record))
        for moment in self._noise.between(key.counter, now, self._limiter.window):
            self._limiter.take(key.counter, moment, by_others=True)
        verdict = self._limiter.take(key.counter, now)
        if verdict.admitted:
            fault = self._faults.take(method, path, counted=True)
            answer = (fault and self._failed(fault)) or self._carry_out(record, found, query, key)
            answer.headers = _beneath(verdict.headers, answer.headers)
        else:
            answer = Reply(429, verdict.body, verdict.media_type, verdict.headers)
        answer.remaining, answer.resets_in = verdict.remaining, verdict.resets_in
        return record, fault, answer

    @staticmethod
    def _failed(fault: Fault) -> Reply | None:
        """The answer in place of the operation's; None where the operation is to be carried out all the same."""
        if fault.what == "reset":
            return Reply(500)
        if isinstance(fault.what, int):
            return Reply(fault.what, fault.body, fault.media_type, dict(fault.headers))
        return None

    def _carry_out(
        self,
        record: ReceivedRequest,
        found: tuple[Handler, str, str] | None,
        query: tuple[tuple[str, str], ...],
        key: Key | None,
    ) -> Reply:
        try:
            if key is None:
                raise _UNAUTHORIZED
            if found is None:
                raise _unknown(record)
            handler, template, noun_id = found
            # USER keys reach the guests' paths too: nobody says that they don't, and USER is recommended for general use.
            if key.role == "guest" and not template.startswith("/api/guests/"):
                raise Refusal(403, "Forbidden: this operation needs a key with the role USER")
            if len(record.body) > _LARGEST_BODY:
                raise Refusal(413, "request entity too large")
            user = self._state.users.get(key.user_id)
            if user is None:
                raise _UNAUTHORIZED
            media_type = record.headers.get("content-type", "")
            result = handler(RoutedRequest(self._state, user, key.role, noun_id, query, record.body, media_type))
        except Refusal as refusal:
            return refused(refusal)
        status = _SUCCESS.get(record.method, 200)
        return Reply(status) if status == 204 else json_reply(status, result)


def _beneath(usual: Mapping[str, str], special: Mapping[str, str]) -> dict[str, str]:
    """Both headers; where both have one, the special one, whose names are in lower case."""
    return {name: value for name, value in usual.items() if name.lower() not in special} | dict(special)


def _unknown(record: ReceivedRequest) -> Refusal:
    return Refusal(404, f"Cannot {record.method} {record.path}")


async def _read(receive: Receive, largest: int) -> bytes | None:
    """The body, or as much of it as shows that it is too large; None if the client is gone."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if len(content) <= largest:
            content += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(content)


async def _cut(answer: Reply, send: Send) -> None:
    """Promise the whole answer, send half of it."""
    content = answer.content or b"{}"
    length = (b"content-length", str(len(content)).encode())
    media_type = (b"content-type", (answer.media_type or JSON).encode())
    await send({"type": "http.response.start", "status": answer.status, "headers": [length, media_type]})
    await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
