"""A request that was routed to an operation, as the handler of the route gets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from . import serializer
from .body import Body, is_json, parse, with_query
from .records import Person
from .refusals import Refusal
from .state import State
from .traffic import KeyRole

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class RoutedRequest:
    """The id is the only parameter that a path of this API has; empty where it has none. The user is the key's."""

    state: State
    user: Person
    role: KeyRole
    id: str
    query: tuple[tuple[str, str], ...]
    content: bytes
    media_type: str

    def body(self) -> Body:
        return Body(parse(self.content, self.media_type), self._hint())

    def body_or_query(self, *arrays: str) -> Body:
        return Body(with_query(parse(self.content, self.media_type), self.query, arrays), self._hint())

    def _hint(self) -> str | None:
        if not self.content or is_json(self.media_type):
            return None
        return f"the body was not looked at: its Content-Type is {self.media_type!r} and not application/json"

    def page(self, rows: Sequence[Row], serialize: Callable[[Row], serializer.Json]) -> list[serializer.Json]:
        """Return one page of rows; no other row is serialized."""
        return [serialize(row) for row in serializer.page_of(rows, dict(self.query), self.state.page_base)]

    def require_own(self, is_own: bool) -> None:
        """Refuse to change what belongs to another user."""
        if not is_own:
            raise Refusal(403, "Forbidden: it belongs to another user")


# The JSON of the answer; None from a DELETE, and where the answer is null.
Handler = Callable[[RoutedRequest], object]
Routes = Mapping[tuple[str, str], Handler]
