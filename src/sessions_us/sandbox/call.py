"""A request that was routed to an operation, as the handler of the route gets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import serializer
from .body import Body, parse, with_query
from .state import State
from .traffic import KeyRole


@dataclass(frozen=True, slots=True)
class RoutedRequest:
    """The id is the only parameter that a path of this API has; empty where it has none."""

    state: State
    role: KeyRole
    id: str
    query: tuple[tuple[str, str], ...]
    content: bytes
    media_type: str

    def body(self) -> Body:
        return Body(parse(self.content, self.media_type))

    def body_or_query(self, *arrays: str) -> Body:
        return Body(with_query(parse(self.content, self.media_type), self.query, arrays))

    def page(self, rows: list[serializer.Json]) -> list[serializer.Json]:
        return serializer.page_of(rows, dict(self.query), self.state.page_base)


# The JSON of the answer; None from a DELETE, and where the answer is null.
Handler = Callable[[RoutedRequest], object]
Routes = Mapping[tuple[str, str], Handler]
