"""Calls of operations: typed arguments in, models out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve, field, frozen

from .._foreign_text import escaped
from .._send.body import parsed
from .._send.call import Answer, Call, Identity, Request, Stage
from .._send.listener import everyone
from .._send.options import Options
from .._send.trail import Trail
from ..errors import DecodeError
from ..events import Emit, PagingSurprise, SchemaDrift, logger, subject
from ..keys import ApiKey
from ..quota import Lane
from ..quota.clock import Clock
from .arguments import Extra, json_body
from .decoding import UNKNOWN_FIELD, Decoder, NotUnderstood
from .envelopes import Parse, object_in, page_in, rows_in, unwrapped
from .operation import Endpoint, described, request_for, request_to, sendable

if TYPE_CHECKING:
    from .pager import Pager

__all__ = ("Calls",)

S = TypeVar("S")
T = TypeVar("T")

Reader = Callable[[Parse[S], object, Decoder], T]
"""Finds in a body what an operation answers with, and makes models of it."""

Decode = Callable[[Call, Answer], T]
"""Makes of the answer to a call what its caller gets."""


_NO_WHOLE_MINUTE = re.compile(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:(?!00\.000Z")')

_MOST_LOGGED = 1000  # a server that invents names without end must not fill the memory


@frozen(eq=False, repr=False)
class Calls:
    """Calls operations with one client's key and options.

    Args:
        stage: the outermost one that a call goes through.
        key: the client's, to redact what the server says.
        identity: whose calls these are.
        options: of the client, for all its calls.
        emit: gets the events.
        clock: times what the calls wait for.
        logged: the drifts that were logged.
    """

    _stage: Stage
    _key: ApiKey
    identity: Identity
    options: Options
    _emit: Emit
    _clock: Clock
    _logged: set[tuple[str, str, str]] = field(factory=set)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._stage.aclose()

    # -- the shapes of results ---------------------------------------------------------------------------------------

    async def one(self, endpoint: Endpoint[T], *path: str, **arguments: Any) -> T:
        """The object that an operation answers with.

        Raises:
            DecodeError: there is none: the body is empty, null, or has no object with an id.
        """
        return await self._call(endpoint, path, partial(self._decoded, endpoint, object_in), **arguments)

    async def maybe(self, endpoint: Endpoint[T], *path: str, **arguments: Any) -> T | None:
        """The same for an answer that may say nothing: any 2xx counts, and an empty or odd body is None."""
        return await self._call(endpoint, path, partial(self._if_any, endpoint, object_in), **arguments)

    async def maybe_rows(self, endpoint: Endpoint[list[T]], *path: str, **arguments: Any) -> list[T] | None:
        """The same for a list."""
        return await self._call(endpoint, path, partial(self._if_any, endpoint, rows_in), **arguments)

    async def nothing(self, endpoint: Endpoint[object], *path: str, **arguments: Any) -> None:
        """For an operation whose answer says nothing beyond its status."""
        await self._call(endpoint, path, partial(self._whole, endpoint), **arguments)

    async def rows(self, endpoint: Endpoint[list[T]], *path: str, **arguments: Any) -> list[T]:
        """The rows that an unpaginated list answers with."""
        return await self._call(endpoint, path, partial(self._decoded, endpoint, rows_in), **arguments)

    def pages(self, endpoint: Endpoint[list[T]], *path: str, page: int | str | None, verify_end: bool) -> Pager[T]:
        """A Pager over a paginated list."""
        from .page_source import ListSource
        from .pager import Pager

        source = ListSource(self, endpoint, path)
        self._check_query({source.parameter})
        return Pager(source, page=page, verify_end=verify_end, lane=self.options.lane)

    async def page(
        self, endpoint: Endpoint[list[T]], request: Request, lane: Lane, trail: Trail
    ) -> tuple[list[T], list[Any]]:
        """The rows of a page that could be understood, and all of them raw.

        Raises:
            StartAgain: copies of an earlier walk don't go on from here.
            DecodeError: it is no page. Nothing where a page should be would end a list that goes on.
        """
        return await self._send(request, lane, partial(self._page, endpoint), trail)

    async def raw(self, method: str, path: str, *, body: object | None, params: Mapping[str, object] | None) -> Any:
        """Any path of the API through the same stages; the decoded JSON, None for an empty body."""
        return await self._send(request_to(method, path, body, params), self.options.lane or "interactive", self._raw)

    def tell_paging(self, surprise: PagingSurprise) -> None:
        """The pages of a list are not as described."""
        everyone(self._emit)(surprise)
        logger.warning("%s: expected %s, and got %s", surprise.operation, surprise.expected, surprise.came)

    # -- sending -----------------------------------------------------------------------------------------------------

    async def _call(
        self,
        endpoint: Endpoint[object],
        path: tuple[str, ...],
        decode: Decode[T],
        *,
        body: Mapping[str, object] | None = None,
        extra: Extra | None = None,
    ) -> T:
        fields = None if body is None and extra is None else json_body(body or {}, extra)
        request = request_for(endpoint, path, body=fields)
        if request.method in {"PUT", "PATCH"} and fields is None:
            raise ValueError(
                "an update needs at least one field: what is not given stays, or is lost where PUT replaces all"
            )
        return await self._send(request, self.options.lane or "interactive", decode)

    async def _send(self, request: Request, lane: Lane, decode: Decode[T], trail: Trail | None = None) -> T:
        """A call from its beginning to its end, which is told."""
        if self.options.keeps and request.repeatable and _NO_WHOLE_MINUTE.search(request.content or b""):
            self._tell_near_miss(request.operation)
        if self.options.headers or self.options.query:
            request = self._extended(request)
        call = Call(request, self.options, self.identity, lane, self._clock, everyone(self._emit), trail)
        try:
            answer = await self._stage.send(call)
            result = decode(call, answer)
        except BaseException as error:
            call.ended(error)
            raise
        call.ended(answer)
        return result

    def _extended(self, request: Request) -> Request:
        """The request with the headers and the query of the options.

        Raises:
            ValueError: the query has a parameter that the client sets itself, or is too long.
        """
        self._check_query({name for name, _ in request.params})
        return sendable(evolve(request, params=[*request.params, *self.options.query], headers=self.options.headers))

    def _check_query(self, own: set[str]) -> None:
        if both := own & {name for name, _ in self.options.query}:
            raise ValueError(f"query can't set {min(both)!r} here: the client sets it itself")

    def _tell_near_miss(self, operation: str) -> None:
        """A moment such as now makes a read that nobody asked before, nor will."""
        known = (operation, "", "near miss")
        if known not in self._logged:
            self._logged.add(known)
            logger.warning("%s: no copy serves a time such as now. Round it, at least to minutes", operation)

    # -- decoding ----------------------------------------------------------------------------------------------------

    def _decoded(self, endpoint: Endpoint[S], read: Reader[S, T], call: Call, answer: Answer) -> T:
        decoder, (parse, operation) = Decoder(), described(endpoint)
        body = unwrapped(self._json(call, answer), operation.envelope)
        if answer.oddity:
            decoder.note("", answer.oddity)
        try:
            result = read(parse, body, decoder)
        except (NotUnderstood, RecursionError) as error:
            why = str(error)  # raised below, so that the error has no context that holds the body once more
        else:
            why = self._surprised(call, answer, decoder) if decoder.drifts else ""
            if not why:
                return result
            del result
        del body  # a traceback that prints locals must not print what a server echoes
        raise self._not_understood(call, answer, why)

    def _if_any(self, endpoint: Endpoint[S], read: Reader[S, T], call: Call, answer: Answer) -> T | None:
        if not answer.flaw and answer.body.strip() in {b"", b"null"}:
            return None
        if call.request.repeatable:
            self._json(call, answer)  # a write may answer anything; a read that got no JSON got no answer
        try:
            return self._decoded(endpoint, read, call, answer)
        except DecodeError as error:
            if self.options.strict:
                raise
            problem = str(error).rpartition(": ")[2]
        self._tell(call, answer, "", problem)
        return None

    def _whole(self, endpoint: Endpoint[object], call: Call, answer: Answer) -> None:
        if answer.flaw:
            self._if_any(endpoint, object_in, call, answer)

    def _page(self, endpoint: Endpoint[list[T]], call: Call, answer: Answer) -> tuple[list[T], list[Any]]:
        if not answer.flaw and not answer.body.strip():
            raise self._not_understood(call, answer, "no page")
        return self._decoded(endpoint, page_in, call, answer)

    def _raw(self, call: Call, answer: Answer) -> Any:
        if answer.oddity:
            self._tell(call, answer, "", answer.oddity)
        return self._json(call, answer)

    def _surprised(self, call: Call, answer: Answer, decoder: Decoder) -> str:
        """Tells what surprised. Returns why that is an error, empty where it is none."""
        for place, problem in decoder.drifts:
            self._tell(call, answer, place, problem)
        odd = (each for each in decoder.drifts if self.options.strict and each[1] != UNKNOWN_FIELD)
        return next((f"{problem} at {escaped(place) or 'the top'}" for place, problem in odd), "")

    def _json(self, call: Call, answer: Answer) -> Any:
        """The decoded body, None for an empty one."""
        if answer.flaw:
            raise self._not_understood(call, answer, answer.flaw)
        if not answer.body.strip():
            return None
        for parse in (json.loads, parsed):
            with suppress(ValueError, RecursionError):
                return parse(answer.body)
        raise self._not_understood(call, answer, f"no JSON, {answer.oddity}".removesuffix(", "))

    def _not_understood(self, call: Call, answer: Answer, why: str) -> DecodeError:
        request = call.request
        happened = "" if request.repeatable else " (the write happened)"
        return DecodeError(
            f"{request.method} {request.path} answered {answer.status_code}{happened}, "
            f"but the answer could not be understood: {self._key.redact(why)}",
            body=self._key.redact_bytes(answer.body),
            status_code=answer.status_code,
            method=request.method,
            path=request.path,
            request_id=answer.request_id,
        )

    def _tell(self, call: Call, answer: Answer, field: str, problem: str) -> None:
        drift = SchemaDrift(
            call=call.number,
            operation=call.request.operation,
            request_id=answer.request_id,
            field=self._key.redact(field)[:200],  # names that the server chose
            problem=problem,
        )
        call.emit(drift)
        known = (drift.operation, drift.field, problem)
        if known not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(known)
            logger.info("%s: not as described: %s at %s", subject(drift), problem, escaped(drift.field) or "the top")
