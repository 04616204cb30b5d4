"""Where the pages of one list come from: its facts, its requests, and whether it contradicted the document before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import evolve

from .._send.call import Request
from .._send.trail import Trail
from ..events import PagingSurprise
from ..quota import Lane
from .operation import Endpoint, described, request_for
from .walk import PageFacts

if TYPE_CHECKING:
    from .calls import Calls

__all__ = ("ListSource",)

T = TypeVar("T")

_doubted: set[tuple[str, str]] = set()
"""The lists, by origin and operation, whose pages contradicted the document. It only makes readers more careful."""


class ListSource(Generic[T]):
    """The pages of one list, as a Pager asks for them.

    Attributes:
        parameter: the query parameter for the page number.

    Raises:
        ValueError: an id that can't stand in a path.
    """

    def __init__(self, calls: Calls, endpoint: Endpoint[list[T]], path: tuple[str, ...]) -> None:
        _, operation = described(endpoint)
        if operation.pagination is None:
            raise TypeError(f"{operation.id} is not paginated")
        self._paging = paging = operation.pagination
        if paging.names_first and paging.base is None:
            raise TypeError(f"{operation.id} needs a page, and the document does not say whether the first is 0 or 1")
        self._facts = PageFacts(operation.id, base=paging.base, size=paging.size, below_id=bool(path))
        self.parameter: str = paging.parameter
        self._calls = calls
        self._endpoint = endpoint
        self._path = path
        self._doubt = (calls.identity.origin, operation.id)
        self._request(None)  # a bad id fails here and not in the midst of the iteration

    def patient(self) -> ListSource[T]:
        """The same for a renewal, which no caller waits for."""
        return ListSource(evolve(self._calls, options=self._calls.options.for_nobody()), self._endpoint, self._path)

    async def page(self, number: int | None, lane: Lane, trail: Trail) -> tuple[list[T], list[Any]]:
        """The understood rows of a page, and all its rows raw.

        Raises:
            StartAgain: the copies of an earlier walk don't go on from here.
            SessionsError: what a request raises.
        """
        return await self._calls.page(self._endpoint, self._request(number), lane, trail)

    @property
    def facts(self) -> PageFacts:
        """What the document says; if the pages contradicted it before, it is not believed how long they are."""
        return evolve(self._facts, size=None) if self._doubt in _doubted else self._facts

    def doubt(self) -> None:
        """The pages of this list contradicted the document."""
        _doubted.add(self._doubt)

    def tell(self, surprise: PagingSurprise) -> None:
        """The pages are not as described."""
        self._calls.tell_paging(surprise)

    def _request(self, number: int | None) -> Request:
        paging, params = self._paging, list(self._paging.fixed)
        if number is None and paging.names_first:
            number = paging.base
        if number is not None:
            params.append((paging.parameter, str(number * paging.step)))
        return request_for(self._endpoint, self._path, params=params)
