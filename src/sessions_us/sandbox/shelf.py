"""The objects of one kind, by id, with the lists that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar


class Dated(Protocol):
    @property
    def created_at(self) -> datetime: ...


Noun = TypeVar("Noun", bound=Dated)


class Shelf(dict[str, Noun]):
    """A dictionary that keeps each user's list, newest first, until an object is added, changed or removed.

    A list of 20,000 objects is sorted once, and not for each page that is read.

    Args:
        is_own: whether an object is a user's, by the user's id.
    """

    def __init__(self, is_own: Callable[[Noun, str], bool]) -> None:
        super().__init__()
        self._is_own = is_own
        self._lists: dict[str, list[Noun]] = {}

    def changed(self) -> None:
        """Make the lists again, because the owner or the age of an object changed."""
        self._lists.clear()

    def own(self, user_id: str) -> list[Noun]:
        """Return the objects of a user, newest first. Don't change the list."""
        found = self._lists.get(user_id)
        if found is None:
            found = self._lists[user_id] = newest(each for each in self.values() if self._is_own(each, user_id))
        return found

    def put(self, loaded: Mapping[str, Noun]) -> None:
        """Put objects in. Existing ones keep their places; the first of the new ones is the newest."""
        new = [each for each in loaded if each not in self]
        self.changed()
        super().update(loaded)
        for each in new:
            super().__delitem__(each)
        super().update((each, loaded[each]) for each in reversed(new))

    def __setitem__(self, id: str, noun: Noun) -> None:
        super().__setitem__(id, noun)
        self.changed()

    def __delitem__(self, id: str) -> None:
        super().__delitem__(id)
        self.changed()

    def pop(self, id: str, *default: Any) -> Any:
        self.changed()
        return super().pop(id, *default)

    def clear(self) -> None:
        self.changed()
        super().clear()


def newest(nouns: Iterable[Noun]) -> list[Noun]:
    """Return objects newest first; of two made in the same millisecond, the later one first."""
    rows = list(nouns)
    rows.reverse()
    rows.sort(key=lambda each: each.created_at, reverse=True)
    return rows
