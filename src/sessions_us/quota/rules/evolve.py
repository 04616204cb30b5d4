"""Copies of states in which some attributes differ.

The quota's states are values: a state never changes once it was returned, so a decision can be repeated on the same state.
They are not frozen, because changing the attributes of a copy until it is returned is the cheapest way to make the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ("evolve",)

if TYPE_CHECKING:
    from attrs import evolve
else:
    _new = object.__new__

    def evolve(state, **changes):
        """Do what `attrs.evolve` does at a fifth of its cost, because a request takes five copies. Needs a `__dict__`."""
        copy = _new(state.__class__)
        copy.__dict__ = state.__dict__ | changes
        return copy
