"""What every resource has: the calls of its client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._calls.calls import Calls

__all__ = ("ApiResource",)


class ApiResource:
    """A noun of the API."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
