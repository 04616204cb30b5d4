"""A changed copy of a value: what `attrs.evolve` gives, at a sixth of its cost. The quota takes half a dozen for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

__all__ = ("evolve",)

if TYPE_CHECKING:
    from attrs import evolve  # so that the names and types of the changes are checked
else:
    T = TypeVar("T")

    def evolve(value: T, /, **changes: object) -> T:
        """The same with some attributes changed. For attrs classes without slots, converters and validators."""
        copy = object.__new__(value.__class__)
        attributes = copy.__dict__
        attributes.update(value.__dict__)
        attributes.update(changes)
        return copy
