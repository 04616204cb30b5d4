"""Estimate how many requests and seconds are left. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ..quota import QuotaSnapshot
from .plan import Resource
from .state import Progress

__all__ = ("requests_left", "seconds_for")

_PAGE_ROWS: Final = 20
_PASSES: Final = 2
"""Passes over a list in which no row moves."""
_PROOFS: Final = 2
"""Requests of a pass without rows: one for the number of the first page, one for the end."""


def requests_left(progress_of: Mapping[Resource, Progress], *, quick: bool = False) -> int | None:
    """Return how many requests a run still needs if no row moves; None while the length of a list is unknown.

    Args:
        progress_of: the progress of each resource.
        quick: whether the run reads each list once, and only its beginning.
    """
    left = 0
    for progress in progress_of.values():
        read_once = progress.listed or progress.number > 1
        if not read_once and (quick or not progress.known):
            return None
        rows = progress.seen if read_once else max(progress.known, progress.seen)
        pages = math.ceil(rows / _PAGE_ROWS) + _PROOFS
        if not progress.done and not quick:
            left += max(0, _PASSES - progress.number) * pages
            left += 0 if progress.listed else max(1, pages - progress.pages)
        left += progress.due
    return left


def seconds_for(requests: int, quota: QuotaSnapshot) -> float:
    """Return the seconds for a number of requests if no other client uses the key."""
    beyond = requests - quota.remaining
    if beyond <= 0:
        return 0.0
    windows = math.ceil(beyond / quota.limit) - 1
    return (quota.window if quota.resets_in is None else quota.resets_in) + windows * quota.window
