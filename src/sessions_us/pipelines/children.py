"""The children of a state's rows: which are due, which were asked for, and what was answered."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from attrs import frozen

from .due import Asked, is_awaited, is_due
from .plan import Child, Resource
from .rows import as_json, is_same
from .sink import Row
from .statefile import StateFile
from .versions import Versions

__all__ = ("Children", "Gap", "Task")

Gap = Literal["gone", "unaskable", "failed"]
"""Why a row is not complete: the server answered 404 for its children, no path can hold its id, or its children could not be
read."""


@frozen
class Task:
    """A row that waits for children.

    Attributes:
        key: the key of the row.
        children: the children to ask for.
    """

    key: str
    children: tuple[Child, ...]


class Children:
    """Decides what to ask for, and keeps the answers.

    Args:
        file: the file of the state.
        versions: hears of rows that are complete.
        resources: the resources of the job by name.
        start: the number of this process's start of the job.
        patience: how long after a session's end missing takeaways and transcripts are asked for.
        clock: tells the time.
    """

    def __init__(
        self,
        file: StateFile,
        versions: Versions,
        resources: Mapping[str, Resource],
        start: int,
        patience: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._file = file
        self._versions = versions
        self._resources = resources
        self._start = start
        self._patience = patience
        self._clock = clock
        self._waiting = Counter(file.counts("SELECT resource, COUNT(*) FROM rows WHERE due GROUP BY 1"))
        self._due: Counter[tuple[str, str]] = Counter()
        for resource, name, count in file.query(
            "SELECT resource, name, COUNT(*) FROM children WHERE due GROUP BY 1, 2"
        ):
            self._due[resource, name] = count

    def waiting(self, resource: str) -> int:
        """Return the number of rows that wait for children."""
        return self._waiting[resource]

    def due(self, resource: str) -> int:
        """Return the usual number of requests for the children that are due."""
        children = self._resources[resource].children
        return sum(self._due[resource, child.name] * child.usual_requests for child in children)

    def decide(self, resource: str, key: str, row: Row, *, changed: bool) -> None:
        """Make the children of a row due that may have changed. Without any the row is complete."""
        asked, now = self._asked(resource, key), self._clock()
        due = [
            child.name
            for child in self._resources[resource].children
            if is_due(child, row, asked.get(child.name), changed=changed, now=now, patience=self._patience)
        ]
        if due:
            self._make_due(resource, key, due)
        elif not self._file.one("SELECT due FROM rows WHERE resource = ? AND key = ?", resource, key)[0]:
            self._completed(resource, key)

    def _asked(self, resource: str, key: str) -> dict[str, Asked]:
        return {
            name: Asked(value not in {None, "null", "[]"}, start == self._start)
            for name, value, start in self._file.query(
                "SELECT name, value, start FROM children WHERE resource = ? AND key = ? AND asked IS NOT NULL",
                resource,
                key,
            )
        }

    def _make_due(self, resource: str, key: str, names: Sequence[str]) -> None:
        for name in names:
            if self._file.query(
                "SELECT 1 FROM children WHERE resource = ? AND key = ? AND name = ? AND due", resource, key, name
            ):
                continue
            self._due[resource, name] += 1
            self._file.change(
                "INSERT INTO children (resource, key, name, due) VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET due = 1",
                *(resource, key, name),
            )
        (was_due,) = self._file.one("SELECT due FROM rows WHERE resource = ? AND key = ?", resource, key)
        self._waiting[resource] += not was_due
        self._file.change("UPDATE rows SET due = 1 WHERE resource = ? AND key = ?", resource, key)

    def recall_awaited(self, resource: str, run: int) -> None:
        """Make due what is awaited for rows that a run has not listed."""
        for key, text, sum_ in self._file.query(
            "SELECT key, row, sum FROM rows WHERE resource = ? AND awaits AND run < ? AND deleted_at IS NULL",
            *(resource, run),
        ):
            self.decide(resource, key, self._file.json(text, sum_), changed=False)

    def recall_noted(self, resource: str) -> None:
        """Make due what webhooks have noted."""
        children = {child.name for child in self._resources[resource].children}
        for key, name in self._file.query("SELECT key, name FROM notices WHERE resource = ?", resource):
            if name in children and self._file.query(
                "SELECT 1 FROM rows WHERE resource = ? AND key = ? AND erased IS NULL", resource, key
            ):
                self._make_due(resource, key, [name])
        self._file.change("DELETE FROM notices WHERE resource = ?", resource)

    def recall_failed(self, resource: str) -> None:
        """Make due what could not be read, once in each process, whether or not this run lists its row."""
        children = {child.name: child for child in self._resources[resource].children}
        for key, name, text, sum_ in self._file.query(
            "SELECT c.key, c.name, r.row, r.sum FROM children c JOIN rows r ON r.resource = c.resource AND r.key = c.key"
            " WHERE c.resource = ? AND c.asked IS NULL AND NOT c.due AND COALESCE(c.start, 0) < ?"
            " AND r.deleted_at IS NULL AND r.erased IS NULL",
            *(resource, self._start),
        ):
            row = self._file.json(text, sum_)
            if children[name].is_in_rows and row.get(name):  # the list has them by now
                self._file.change(
                    "DELETE FROM children WHERE resource = ? AND key = ? AND name = ?", resource, key, name
                )
            else:
                self._make_due(resource, key, [name])

    def next_task(self, resource: str) -> Task | None:
        """Return the next row that waits for children."""
        found = self._file.query("SELECT key FROM rows WHERE resource = ? AND due ORDER BY seq LIMIT 1", resource)
        if not found:
            return None
        key: str = found[0][0]
        due = {
            name
            for (name,) in self._file.query(
                "SELECT name FROM children WHERE resource = ? AND key = ? AND due", resource, key
            )
        }
        return Task(key, tuple(child for child in self._resources[resource].children if child.name in due))

    def complete(self, resource: str, task: Task, found: Mapping[str, Any], gap: Gap | None = None) -> None:
        """Record the answers for a row.

        Args:
            resource: the resource.
            task: what was asked for.
            found: the children by name. What is missing keeps its earlier value.
            gap: why the row is not complete, if it is not. After `failed` every run asks again, until there is an answer.
        """
        for child in task.children:
            self._due[resource, child.name] -= 1
            if child.name in found or gap != "failed":
                self._answer(resource, task.key, child, found)
            else:
                self._file.change(
                    "UPDATE children SET due = 0, asked = NULL, start = ? WHERE resource = ? AND key = ? AND name = ?",
                    *(self._start, resource, task.key, child.name),
                )
        self._waiting[resource] -= 1
        self._file.change("UPDATE rows SET due = 0, lack = ? WHERE resource = ? AND key = ?", gap, resource, task.key)
        self._completed(resource, task.key)

    def _answer(self, resource: str, key: str, child: Child, found: Mapping[str, Any]) -> None:
        """Record what was found; if nothing was, the earlier value stays."""
        place = (resource, key, child.name)
        before, sum_ = self._file.one(
            "SELECT value, sum FROM children WHERE resource = ? AND key = ? AND name = ?", *place
        )
        text = as_json(found.get(child.name, child.nothing))
        if before is not None and (child.name not in found or is_same(self._file.text(before, sum_), text)):
            text = before
        self._file.change(
            "UPDATE children SET due = 0, value = ?, sum = ?, asked = ?, start = ? WHERE resource = ? AND key = ? AND name = ?",
            *(text, zlib.crc32(text.encode()), self._clock().timestamp(), self._start, *place),
        )

    def _completed(self, resource: str, key: str) -> None:
        """Record that nothing of a row is due, and whether something may still appear."""
        text, sum_ = self._file.one("SELECT row, sum FROM rows WHERE resource = ? AND key = ?", resource, key)
        row, asked, now = self._file.json(text, sum_), self._asked(resource, key), self._clock()
        awaits = any(
            is_awaited(child, row, found=asked[child.name].found, now=now, patience=self._patience)
            for child in self._resources[resource].children
            if child.name in asked
        )
        self._file.change("UPDATE rows SET awaits = ? WHERE resource = ? AND key = ?", awaits, resource, key)
        self._versions.renew(resource, key)
