"""A copy of a state to change before it is given out.

The quota's states are values: what was given out never changes, so that a decision can be made again on what it was made on.
They are not frozen, though, since a copy that is changed attribute by attribute costs a sixth of `attrs.evolve`, and each request
takes four.
"""

from __future__ import annotations

from typing import TypeVar

__all__ = ("draft",)

T = TypeVar("T")


def draft(state: T) -> T:
    """The same, to be changed by whoever asked, and by nobody once it is given out. For classes with a `__dict__`."""
    copy = object.__new__(state.__class__)
    copy.__dict__ = state.__dict__.copy()
    return copy
