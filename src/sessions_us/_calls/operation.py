"""The one seam to the generated code: an operation in, a request and a parser out.

Nothing else imports a private name of `sessions_us_api`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote, urlencode

from sessions_us_api.operations import OPERATIONS
from sessions_us_api.types import Decode, Operation

from .._send.call import Request
from .._send.origin import api_path
from .arguments import encode, path_id, wire_name, wire_value

__all__ = ("Endpoint", "described", "request_for", "request_to", "sendable")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_LONGEST: Final = 60_000  # characters of a path and its query; httpx refuses a URL of more than 65,536
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class Endpoint(Protocol[T_co]):
    """A generated endpoint module."""

    __name__: str
    _get_kwargs: Callable[..., dict[str, Any]]

    def _parse_response(self, body: object, decode: Decode) -> T_co: ...


def described(endpoint: Endpoint[T]) -> tuple[Callable[[object, Decode], T], Operation]:
    """What makes models of an endpoint's answer, and what the document says of it."""
    return endpoint._parse_response, OPERATIONS[endpoint.__name__.rpartition(".")[2]]


def request_for(
    endpoint: Endpoint[object],
    path: tuple[str, ...],
    *,
    body: object | None = None,
    params: Sequence[tuple[str, str]] = (),
) -> Request:
    """The request of an endpoint.

    Raises:
        ValueError, TypeError: an id that can't stand in a path, or a body that is no JSON.
    """
    _, operation = described(endpoint)
    if body is None and operation.requires_body:
        body = {}
    made = endpoint._get_kwargs(*(path_id(value) for value in path))
    return Request(
        operation.id,
        made["method"].upper(),
        made["url"],
        params,
        None if body is None else encode(body),
        operation.repeatable,
        operation.invalidates,
        operation.removes,
    )


def request_to(method: str, path: str, body: object | None, params: Mapping[str, object] | None) -> Request:
    """The request to any path of the API.

    Raises:
        ValueError: no method of HTTP, a path that would lead elsewhere, or a path or a query that no URL can hold.
        TypeError: the method or the path is no string, or the body or the parameters can't be sent.
    """
    if not all(isinstance(each, str) for each in (method, path)):
        raise TypeError("method and path are strings, such as 'GET' and '/api/rooms'")
    if params is not None and not isinstance(params, Mapping):
        raise TypeError("params maps names to values, such as {'page': 2}")
    method = method.upper()
    if method not in _METHODS:
        raise ValueError(f"method is one of {', '.join(_METHODS)}")
    operations, has_gaps = _operations_at(method, path), "" in path.partition("?")[0].split("/")[1:]
    request = Request(
        operations[0].id if len(operations) == 1 and not has_gaps else f"{method} {path}",
        method,
        api_path(path),
        [pair for name, value in (params or {}).items() for pair in _query(wire_name(name, "params"), value)],
        None if body is None else encode(wire_value(body, "json")),
        repeatable=method == "GET",
        invalidates=() if method in {"HEAD", "OPTIONS"} else None,
        removes=method == "DELETE" or any(each.removes for each in operations),
    )
    return sendable(request)


def sendable(request: Request) -> Request:
    """Return the request if httpx can send its URL. An operation without further parameters needs no such check.

    Raises:
        ValueError: the path and the query are too long, or hold lone surrogates.
    """
    try:
        length = len(quote(request.path, safe="/%")) + len(urlencode(request.params) if request.params else "")
    except UnicodeEncodeError:
        raise ValueError("the path and the query must not hold lone surrogates") from None
    if length > _LONGEST:
        raise ValueError(f"the path and the query are {length} characters long, and at most {_LONGEST} can be sent")
    return request


def _operations_at(method: str, path: str) -> list[Operation]:
    """The operations that a method and a path may mean. One without a parameter in its path comes alone."""
    segments = path.partition("?")[0].split("/")
    found = [each for each in OPERATIONS.values() if each.method == method and _fits(each.path.split("/"), segments)]
    return [each for each in found if "{" not in each.path] or found


def _fits(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        part.startswith("{") or part == segment for part, segment in zip(template, segments, strict=True)
    )


def _query(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A parameter as it goes into the query: several values are several parameters, None is none."""
    match wire_value(value, name):
        case None:
            return
        case str() as text:
            yield name, text
        case list() as items:
            for item in items:
                yield from _query(name, item)
        case dict():
            raise TypeError(f"{name} can't be sent in a query: it is a {type(value).__name__}")
        case plain:
            yield name, encode(plain).decode()
