"""A copy of a state that may be changed until it is returned.

The quota's states are values: a state never changes once it was returned, so a decision can be repeated on the same state.
They are not frozen, because a request takes four copies, and changing the attributes of a copy costs a sixth of `attrs.evolve`.
"""

from __future__ import annotations

from typing import TypeVar

__all__ = ("draft",)

T = TypeVar("T")


def draft(state: T) -> T:
    """Copy a state. The caller may change the copy until it returns it. For classes with a `__dict__`."""
    copy = object.__new__(state.__class__)
    copy.__dict__ = state.__dict__.copy()
    return copy
