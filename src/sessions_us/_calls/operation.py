"""The one seam to the generated code: an operation in, a request and a decoder out.

Nothing else imports a private name of `sessions_us_api`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from sessions_us_api.operations import OPERATIONS
from sessions_us_api.types import Decode, Operation

from .._send.http import Answer, Request, Transport, after_write
from .._send.origin import api_path
from .._send.single_flight import Sharing
from .._send.trail import Trail
from ..errors import DecodeError
from ..events import Emit, PagingSurprise, SchemaDrift
from ..quota import Lane
from .arguments import Extra, json_body, path_id, wire_datetime
from .decoding import UNKNOWN_FIELD, Decoder, NotUnderstood
from .envelopes import object_in, page_in, rows_in
from .options import Options
from .pager import Pager
from .walk import PageFacts

__all__ = ("Calls", "Endpoint")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Path = tuple[str, ...]

_logger = logging.getLogger("sessions_us")

_MOST_LOGGED = 1000  # a server that invents names without end must not fill the memory


class Endpoint(Protocol[T_co]):
    """A generated endpoint module."""

    __name__: str
    _get_kwargs: Callable[..., dict[str, Any]]

    def _parse_response(self, body: object, decode: Decode) -> T_co: ...


class Calls:
    """Calls operations with one client's key and options.

    Attributes:
        options: of the client, for all its calls.
    """

    def __init__(self, sharing: Sharing, options: Options, emit: Emit, logged: set[tuple[str, str, str]]) -> None:
        self.sharing: Sharing = sharing
        self.transport: Transport = sharing.transport
        self.options = options
        self._emit = emit
        self._logged = logged

    def but(self, options: Options) -> Calls:
        """The same connections, quota and key with other options."""
        return Calls(self.sharing, options, self._emit, self._logged)

    async def one(self, endpoint: Endpoint[T], *path: str, **arguments: Any) -> T:
        """The object that an operation answers with.

        Raises:
            DecodeError: there is none: the body is empty, null, or has no object with an id.
        """
        request, answer = await self._send(endpoint, path, **arguments)
        return self._decoded(
            request,
            answer,
            lambda body, decode: object_in(endpoint._parse_response, _operation(endpoint), body, decode),
        )

    async def maybe(self, endpoint: Endpoint[T], *path: str, **arguments: Any) -> T | None:
        """The same for an answer that may say nothing: any 2xx counts, and an empty or odd body is None."""
        request, answer = await self._send(endpoint, path, **arguments)
        return self._if_any(
            request,
            answer,
            lambda body, decode: object_in(endpoint._parse_response, _operation(endpoint), body, decode),
        )

    async def maybe_rows(self, endpoint: Endpoint[list[T]], *path: str, **arguments: Any) -> list[T] | None:
        """The same for a list."""
        request, answer = await self._send(endpoint, path, **arguments)
        return self._if_any(
            request,
            answer,
            lambda body, decode: rows_in(endpoint._parse_response, _operation(endpoint), body, decode)[0],
        )

    async def nothing(self, endpoint: Endpoint[object], *path: str, **arguments: Any) -> None:
        """For an operation whose answer says nothing beyond its status."""
        request, answer = await self._send(endpoint, path, **arguments)
        if answer.flaw:
            self._if_any(request, answer, lambda body, decode: None)

    async def rows(self, endpoint: Endpoint[list[T]], *path: str, **arguments: Any) -> list[T]:
        """The rows that an unpaginated list answers with."""
        request, answer = await self._send(endpoint, path, **arguments)
        return self._decoded(
            request,
            answer,
            lambda body, decode: rows_in(endpoint._parse_response, _operation(endpoint), body, decode)[0],
        )

    def pages(self, endpoint: Endpoint[list[T]], *path: str, page: int | str | None, verify_end: bool) -> Pager[T]:
        """A Pager over a paginated list."""
        return Pager(_Pages(self, endpoint, path), page=page, verify_end=verify_end, lane=self.options.lane)

    async def page(
        self, endpoint: Endpoint[list[T]], request: Request, lane: Lane, trail: Trail
    ) -> tuple[list[T], list[Any]]:
        """The rows of a page that could be understood, and all of them raw.

        Raises:
            StartAgain: copies of an earlier walk don't go on from here.
            DecodeError: it is no page. Nothing where a page should be would end a list that goes on.
        """
        answer = await self.sharing.page(trail, request, self.options, lane)
        if not answer.flaw and not answer.body.strip():
            raise self._not_understood(request, answer, "no page")
        return self._decoded(
            request, answer, lambda body, decode: page_in(endpoint._parse_response, _operation(endpoint), body, decode)
        )

    def tell_paging(self, surprise: PagingSurprise) -> None:
        """The pages of a list are not as described."""
        self._emit(surprise)
        _logger.warning("%s: expected %s, and got %s", surprise.operation, surprise.expected, surprise.came)

    async def raw(self, method: str, path: str, *, body: object | None, params: Mapping[str, object] | None) -> Any:
        """Any path of the API through the same pipeline; the decoded JSON, None for an empty body."""
        method = method.upper()
        if method not in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}:
            raise ValueError("method is one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS")
        query = [pair for name, value in (params or {}).items() for pair in _query(name, value)]
        invalidates = () if method in {"HEAD", "OPTIONS"} else None
        request = Request(
            f"{method} {path}",
            method,
            api_path(path),
            query,
            body,
            repeatable=method == "GET",
            invalidates=invalidates,
            removes=_removes(method, path),
        )
        answer = await self.sharing.send(request, self.options, self.options.lane or "interactive")
        return self._json(request, answer)

    async def _send(
        self,
        endpoint: Endpoint[object],
        path: Path,
        *,
        body: Mapping[str, object] | None = None,
        extra: Extra | None = None,
    ) -> tuple[Request, Answer]:
        request = _request(endpoint, path, body=json_body(body or {}, extra))
        return request, await self.sharing.send(request, self.options, self.options.lane or "interactive")

    def _decoded(self, request: Request, answer: Answer, read: Callable[[object, Decoder], T]) -> T:
        decoder = Decoder(request.operation)
        body = self._json(request, answer)
        try:
            result = read(body, decoder)
        except (NotUnderstood, RecursionError) as error:
            why = str(error)  # raised below, so that the error has no context that holds the body once more
        else:
            why = self._surprised(decoder)
            if not why:
                return result
            del result
        del body  # a traceback that prints locals must not print what a server echoes
        raise self._not_understood(request, answer, why)

    def _if_any(self, request: Request, answer: Answer, read: Callable[[object, Decoder], T]) -> T | None:
        if not answer.flaw and answer.body.strip() in {b"", b"null"}:
            return None
        if request.repeatable:
            self._json(request, answer)  # a write may answer anything; a read that got no JSON got no answer
        try:
            return self._decoded(request, answer, read)
        except DecodeError as error:
            if self.options.strict:
                raise
            problem = str(error).rpartition(": ")[2]
        self._tell(SchemaDrift(operation=request.operation, field="", problem=problem))
        return None

    def _surprised(self, decoder: Decoder) -> str:
        """Tells what surprised; why that is an error, empty where it is none."""
        for drift in decoder.drifts:
            self._tell(drift)
        odd = (drift for drift in decoder.drifts if self.options.strict and drift.problem != UNKNOWN_FIELD)
        return next((f"{drift.problem} at {drift.field or 'the top'}" for drift in odd), "")

    def _json(self, request: Request, answer: Answer) -> Any:
        """The decoded body, None for an empty one."""
        if answer.flaw:
            raise self._not_understood(request, answer, answer.flaw)
        if not answer.body.strip():
            return None
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            pass
        raise self._not_understood(request, answer, "no JSON")

    def _not_understood(self, request: Request, answer: Answer, why: str) -> DecodeError:
        return DecodeError(
            f"{request.method} {request.path} answered {answer.status_code}{after_write(request)}, "
            f"but the answer could not be understood: {self.transport.redact(why)}",
            body=self.transport.redact_bytes(answer.body),
            status_code=answer.status_code,
            method=request.method,
            path=request.path,
        )

    def _tell(self, drift: SchemaDrift) -> None:
        drift = replace(drift, field=self.transport.redact(drift.field)[:200])  # names that the server chose
        self._emit(drift)
        known = (drift.operation, drift.field, drift.problem)
        if known not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(known)
            _logger.info(
                "%s: the answer is not as described: %s at %s", drift.operation, drift.problem, drift.field or "the top"
            )


class _Pages(Generic[T]):
    """Where the pages of one list come from."""

    def __init__(self, calls: Calls, endpoint: Endpoint[list[T]], path: Path) -> None:
        operation = _operation(endpoint)
        if operation.pagination is None:
            raise TypeError(f"{operation.id} is not paginated")
        self.facts: PageFacts = PageFacts(
            operation=operation.id,
            parameter=operation.pagination.parameter,
            base=operation.pagination.base,
            size=operation.pagination.size,
            below_id=bool(path),
        )
        self._calls = calls
        self._endpoint = endpoint
        self._path = path
        self._request(None)  # a bad id fails here and not in the midst of the iteration

    def begin(self, pager: Pager[T], number: int | None) -> Trail:
        return self._calls.sharing.begin(self._request(number), self._calls.options, pager.renew)

    async def page(self, number: int | None, lane: Lane, trail: Trail) -> tuple[list[T], list[Any]]:
        return await self._calls.page(self._endpoint, self._request(number), lane, trail)

    def end(self, trail: Trail) -> None:
        self._calls.sharing.end(trail, self._calls.options)

    @property
    def is_doubted(self) -> bool:
        return self._doubt in _doubted

    def doubt(self) -> None:
        _doubted.add(self._doubt)

    def tell(self, surprise: PagingSurprise) -> None:
        self._calls.tell_paging(surprise)

    @property
    def _doubt(self) -> tuple[str, str]:
        origin = self._calls.transport.origin
        return f"{origin}{origin.prefix}", self.facts.operation

    def _request(self, number: int | None) -> Request:
        params = [] if number is None else [(self.facts.parameter, str(number))]
        return _request(self._endpoint, self._path, params=params)


_doubted: set[tuple[str, str]] = set()
"""The lists, by origin and operation, that were seen not to have the documented page size. It only makes readers more careful."""


def _operation(endpoint: Endpoint[object]) -> Operation:
    return OPERATIONS[endpoint.__name__.rpartition(".")[2]]


def _request(
    endpoint: Endpoint[object], path: Path, *, body: object | None = None, params: Sequence[tuple[str, str]] = ()
) -> Request:
    operation = _operation(endpoint)
    made = endpoint._get_kwargs(*(path_id(value) for value in path))
    return Request(
        operation.id,
        made["method"].upper(),
        made["url"],
        params,
        body,
        operation.repeatable,
        operation.invalidates,
        operation.removes,
    )


def _removes(method: str, path: str) -> bool:
    """Whether a request to any path may take rows out of lists: a DELETE, or what an operation of ours does."""
    segments = path.partition("?")[0].split("/")
    return method == "DELETE" or any(
        operation.removes and operation.method == method and _fits(operation.path.split("/"), segments)
        for operation in OPERATIONS.values()
    )


def _fits(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        part.startswith("{") or part == segment for part, segment in zip(template, segments, strict=True)
    )


def _query(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A parameter as it goes into the query: several values are several parameters, None is none."""
    match value:
        case None:
            return
        case bool():
            yield name, str(value).lower()
        case datetime():
            yield name, wire_datetime(value, name)
        case list() | tuple():
            for item in value:
                yield from _query(name, item)
        case _:
            yield name, str(value)
