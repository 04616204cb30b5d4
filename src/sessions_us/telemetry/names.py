"""What spans and metrics call an operation and its server. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from sessions_us_api.operations import OPERATIONS

__all__ = ("Operation", "Server", "known", "operation_of", "server_of")

Attributes = dict[str, str | int | float]


class Operation(NamedTuple):
    """An operation.

    Attributes:
        name: its operationId; the method where the document has no operation, because a path has ids.
        method: of HTTP.
        template: its path in the document; None where it has none.
        is_list: whether each call of it reads a page.
    """

    name: str
    method: str
    template: str | None
    is_list: bool


class Server(NamedTuple):
    """The server of a client."""

    address: str
    port: int


@lru_cache(1000)
def operation_of(event_operation: str) -> Operation:
    """Return the operation that an event names."""
    described = OPERATIONS.get(event_operation)
    if described is None:
        method = event_operation.partition(" ")[0]
        return Operation(method, method, None, is_list=False)
    return Operation(described.id, described.method, described.path, described.pagination is not None)


@lru_cache(1000)
def server_of(origin: str) -> Server:
    """Return the server of an origin."""
    parts = urlsplit(origin)
    return Server(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def known(**attributes: str | float | None) -> Attributes:
    """Return attributes of this library's own, without those that are None."""
    return {f"sessions_us.{name}": value for name, value in attributes.items() if value is not None}
