"""The state of an export: how far its lists are read, all rows, and their children, in one SQLite file.

The file is the truth, and sinks are written from it. Pages go in here, `children.py` decides what belongs to each row, and
`versions.py` is what sinks get. Memory stays flat: rows are read one by one.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from attrs import astuple, frozen

from .children import Children
from .due import Order, expected_change, is_newest_first
from .plan import Resource
from .report import ResourceReport, RowIds
from .rows import as_json, digest_of, is_same, key_of
from .statefile import StateFile
from .versions import Versions

__all__ = ("JobState", "Progress", "Vanished")

Vanished = Literal["keep", "mark", "delete"]
"""What becomes of rows that the server no longer has."""

_MOST_PASSES: Final = 5
_TOLD: Final = 20
_FAILED: Final = (
    "deleted_at IS NULL AND erased IS NULL AND key IN"
    " (SELECT c.key FROM children c WHERE c.resource = rows.resource AND c.asked IS NULL AND NOT c.due)"
)
"""Rows with children that could not be read, in this run or an earlier one."""
_TABLES: Final = (
    """CREATE TABLE resources (
        name TEXT PRIMARY KEY, pass INTEGER NOT NULL DEFAULT 1, pages INTEGER NOT NULL DEFAULT 0, cursor TEXT,
        listed INTEGER NOT NULL DEFAULT 0, proven INTEGER NOT NULL DEFAULT 1, start INTEGER NOT NULL DEFAULT 0, began REAL,
        moved INTEGER NOT NULL DEFAULT 0, moved_before INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,
        added INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0, odd INTEGER NOT NULL DEFAULT 0,
        known INTEGER NOT NULL DEFAULT 0, complete INTEGER NOT NULL DEFAULT 0, as_of REAL)""",
    """CREATE TABLE rows (
        seq INTEGER PRIMARY KEY, resource TEXT NOT NULL, key TEXT NOT NULL, has_id INTEGER NOT NULL,
        row TEXT NOT NULL, sum INTEGER NOT NULL, written BLOB, version INTEGER NOT NULL DEFAULT 0,
        run INTEGER NOT NULL, start INTEGER NOT NULL, first_pass INTEGER NOT NULL, pass INTEGER NOT NULL, page INTEGER NOT NULL,
        due INTEGER NOT NULL DEFAULT 0, awaits INTEGER NOT NULL DEFAULT 0, expected REAL, lack TEXT, deleted_at TEXT,
        erased INTEGER, UNIQUE (resource, key))""",
    "CREATE INDEX waiting ON rows (resource, seq) WHERE due",
    "CREATE INDEX changes ON rows (version)",
    """CREATE TABLE children (
        resource TEXT, key TEXT, name TEXT, value TEXT, sum INTEGER, asked REAL, start INTEGER, due INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (resource, key, name)) WITHOUT ROWID""",
    "CREATE TABLE notices (resource TEXT, key TEXT, name TEXT, PRIMARY KEY (resource, key, name)) WITHOUT ROWID",
)


_LOOK_UP: Final = (
    "SELECT row, sum, written, version, deleted_at, run, start, pass, page FROM rows WHERE resource = ? AND key = ?"
)
_SEE: Final = (
    "UPDATE rows SET first_pass = CASE WHEN run = :run THEN first_pass ELSE :pass END, lack = CASE WHEN run = :run THEN lack END,"
    " run = :run, start = :start, pass = :pass, page = :page, expected = :expected WHERE resource = :resource AND key = :key"
)
"""For a row that is as it was."""
_STORE: Final = (
    "INSERT INTO rows (run, start, first_pass, pass, page, expected, resource, key, has_id, row, sum, written, version) VALUES"
    " (:run, :start, :pass, :pass, :page, :expected, :resource, :key, :has_id, :row, :sum, :written, :version)"
    " ON CONFLICT DO UPDATE SET first_pass = CASE WHEN run = :run THEN first_pass ELSE :pass END, lack = NULL, run = :run,"
    " start = :start, pass = :pass, page = :page, expected = :expected, row = :row, sum = :sum, written = :written,"
    " version = :version, deleted_at = NULL, erased = NULL"
)


class _Seen(NamedTuple):
    """A row of a page, and what the state had of it before.

    Attributes:
        key: its key.
        row: the row.
        text: the row as JSON.
        changed: whether it is new, or says something else than before.
        written, version, deleted_at, run, start, pass_, page: from before.
    """

    key: str
    row: dict[str, Any]
    text: str
    changed: bool
    written: bytes | None = None
    version: int = 0
    deleted_at: str | None = None
    run: int = 0
    start: int = 0
    pass_: int = 0
    page: int = 0

    @property
    def is_other(self) -> bool:
        """Whether sinks get it once more."""
        return self.changed or self.deleted_at is not None

    @property
    def content(self) -> dict[str, object]:
        """Whether it has an id, its JSON, and the checksum of that."""
        return {"has_id": key_of(self.row) is not None, "row": self.text, "sum": zlib.crc32(self.text.encode())}


@frozen
class Progress:
    """The progress of a resource in this run.

    Attributes:
        number: number of the pass over its list, from 1.
        pages: pages read in this pass.
        cursor: where the pass goes on; None is the beginning.
        listed: whether this pass has read the list to its end.
        done: whether no further pass is needed.
        seen: rows that this run has seen.
        waiting: rows that wait for their children.
        due: the usual number of requests for these children.
        known: rows of earlier runs.
    """

    number: int
    pages: int
    cursor: str | None
    listed: bool
    done: bool
    seen: int
    waiting: int
    due: int
    known: int


class JobState:
    """The state of one job. It is used in one thread.

    Args:
        path: the file. It is created if it does not exist.
        job: the properties of the job, by the names that errors use.
        resources: the resources of the job, in order.
        patience: how long after a session's end missing takeaways and transcripts are asked for.
        clock: tells the time.
        new_key: whether the job's key may be another one than before. If it is, the next run is a new and a full one.

    Attributes:
        run: the number of this run.
        versions: the rows as sinks get them.
        children: what belongs to the rows.

    Raises:
        ExportError: the file is unusable, damaged, in use, of another version, or of another job. Every method may raise it.
    """

    def __init__(
        self,
        path: Path,
        job: Mapping[str, str],
        resources: Sequence[Resource],
        patience: timedelta,
        clock: Callable[[], datetime],
        *,
        new_key: bool = False,
    ) -> None:
        self._resources = {resource.name: resource for resource in resources}
        self._clock = clock
        self._file = file = StateFile(path, _TABLES, job, new_key=new_key)
        try:
            if file.has_new_key:
                self._begin_again()
            self.run: int = self._number("run")
            self._start = self._number("start") + 1
            file.set("start", str(self._start))
            self.versions: Versions = Versions(file, self._resources, clock)
            self.children: Children = Children(file, self.versions, self._resources, self._start, patience, clock)
            self._seen = Counter(file.counts("SELECT resource, COUNT(*) FROM rows WHERE run = ? GROUP BY 1", self.run))
            file.commit()
        except BaseException:
            file.close()
            raise

    # -- the run -----------------------------------------------------------------------------------------------------

    @property
    def is_finished(self) -> bool:
        """Whether the last run has ended, so that the next is a new one."""
        return self._file.get("finished") != "no"

    @property
    def is_quick(self) -> bool:
        """Whether this run is a quick one, which stops each list at the first page of known, unchanged rows."""
        return self._file.get("quick") == "yes"

    def proven_since(self, moment: datetime) -> bool:
        """Return whether the last full pass over each list began after a moment, and proved it complete."""
        (count,) = self._file.one("SELECT COUNT(*) FROM resources WHERE complete AND as_of >= ?", moment.timestamp())
        return bool(count == len(self._resources))

    def _begin_again(self) -> None:
        """Make the next run a new and a full one.

        Another key may be another user's, who sees other rows: no earlier pass proves anything about the lists that it gets.
        """
        self._file.set("finished", "yes")
        self._file.change("UPDATE resources SET complete = 0")

    def begin_run(self, *, quick: bool) -> None:
        """Start a new run over all lists."""
        self.run += 1
        self._file.set("run", str(self.run))
        self._file.set("finished", "no")
        self._file.set("quick", "yes" if quick else "no")
        for name in self._resources:
            self._file.change("INSERT OR IGNORE INTO resources (name) VALUES (?)", name)
        self._file.change(
            "UPDATE resources SET pass = 1, pages = 0, cursor = NULL, listed = 0, proven = 1, moved = 0, moved_before = 0,"
            " done = 0, added = 0, changed = 0, odd = 0,"
            " known = (SELECT COUNT(*) FROM rows WHERE resource = name AND erased IS NULL)"
        )
        self._file.commit()
        self._seen.clear()

    def resume_run(self) -> None:
        """Go on with an interrupted run. It ends after a pass that begins now, so that it has no older rows."""
        self._file.change("UPDATE resources SET done = 0")

    def end_run(self) -> None:
        self._file.set("finished", "yes")
        self._file.commit()

    def commit(self) -> None:
        """Commit the changes."""
        self._file.commit()

    def close(self) -> None:
        """Close the file. Uncommitted changes are lost."""
        self._file.close()

    # -- lists -------------------------------------------------------------------------------------------------------

    def progress(self, resource: str) -> Progress:
        """Return the progress of a resource."""
        number, pages, cursor, listed, done, known = self._file.one(
            "SELECT pass, pages, cursor, listed, done, known FROM resources WHERE name = ?", resource
        )
        seen, waiting, due = self._seen[resource], self.children.waiting(resource), self.children.due(resource)
        return Progress(number, pages, cursor, bool(listed), bool(done), seen, waiting, due, known)

    def begin_pass(self, resource: str) -> None:
        """Record when a pass begins. Rows are at least as new as that."""
        self._file.change(
            "UPDATE resources SET start = ?, began = ? WHERE name = ? AND pages = 0",
            self._start,
            self._clock().timestamp(),
            resource,
        )

    def note_page(self, resource: str, number: int, rows: Sequence[Any], after: str) -> bool:
        """Record the rows of a page, and the cursor after it. Children that may have changed become due.

        Returns:
            Whether a quick run may stop here: the newest rows are first, on this page and in the whole list as the last full
            pass read it; the rows of this page are known and unchanged; and none of those behind it is expected to have
            changed.
        """
        this_pass, pages = self._file.one("SELECT pass, pages FROM resources WHERE name = ?", resource)
        objects = [row for row in rows if isinstance(row, dict)]
        is_known = self._note_rows(self._resources[resource], objects, this_pass, number)
        if not self.is_quick:
            self._note_order(resource, rows, is_first=pages == 0)
        self._file.change(
            "UPDATE resources SET pages = pages + 1, cursor = ?, odd = odd + ? WHERE name = ?",
            *(after, len(rows) - len(objects), resource),
        )
        may_stop = is_known and is_newest_first(rows) and self._is_newest_first(resource)
        return may_stop and not self._expects_change(resource)

    def _note_order(self, resource: str, rows: Sequence[Any], *, is_first: bool) -> None:
        """Record whether the pages of this full pass have the newest rows first, each before those of the next page."""
        before = Order() if is_first else self._order(resource)
        self._file.set(f"order {resource}", json.dumps(astuple(before.after(rows))))

    def _order(self, resource: str) -> Order:
        found = self._file.get(f"order {resource}")
        return Order(is_newest_first=False) if found is None else Order(*json.loads(found))

    def _is_newest_first(self, resource: str) -> bool:
        """Return whether the last full pass found the newest rows first."""
        return self._order(resource).is_newest_first

    def note_end(self, resource: str, is_proven: bool) -> None:
        """Record that this pass has read the list to its end, and whether the end is certain."""
        self._file.change("UPDATE resources SET listed = 1, proven = ? WHERE name = ?", is_proven, resource)

    def _note_rows(self, resource: Resource, rows: Sequence[dict[str, Any]], this_pass: int, page: int) -> bool:
        """Record the rows of a page. Returns whether an earlier run had them all, unchanged."""
        by_key = {key_of(row) or f"\0{digest_of(row).hex()}": row for row in rows}  # without an id: its digest
        before = self._file.lookups(_LOOK_UP, [(resource.name, key) for key in by_key])
        seen = [self._seen_now(key, row, before) for (key, row), before in zip(by_key.items(), before, strict=True)]
        now = self._clock()
        sights = [
            {
                "run": self.run,
                "start": self._start,
                "pass": this_pass,
                "page": page,
                "expected": expected_change(each.row, now),
                "resource": resource.name,
                "key": each.key,
            }
            for each in seen
        ]
        self._file.change_each(_SEE, [sight for sight, each in zip(sights, seen, strict=True) if not each.is_other])
        others = [
            (sight, each, self._version(resource, each))
            for sight, each in zip(sights, seen, strict=True)
            if each.is_other
        ]
        self._file.change_each(
            _STORE,
            [
                {**sight, **each.content, "written": written, "version": version}
                for sight, each, (written, version) in others
            ],
        )
        renewed = [each.written is None for _, each, (_, version) in others if version != each.version]
        if renewed:
            self.versions.count(resource.name, added=sum(renewed), changed=len(renewed) - sum(renewed))
        if any(each.run == self.run and each.pass_ == this_pass and each.page != page for each in seen):
            self._file.change("UPDATE resources SET moved = 1 WHERE name = ?", resource.name)
        self._seen[resource.name] += sum(each.run != self.run for each in seen)
        for each in seen if resource.children else ():
            if each.changed or each.start != self._start:
                self.children.decide(resource.name, each.key, each.row, changed=each.changed)
        return all(each.run not in {0, self.run} and not each.changed for each in seen)

    def _seen_now(self, key: str, row: dict[str, Any], before: tuple[Any, ...] | None) -> _Seen:
        """Return a row of a page beside what is stored of it. If it says the same, the stored text stays."""
        text = as_json(row)
        if before is None:
            return _Seen(key, row, text, changed=True)
        stored, sum_, *rest = before
        changed = stored != text and not is_same(self._file.text(stored, sum_), text)
        return _Seen(key, row, text if changed else stored, changed, *rest)

    def _version(self, resource: Resource, seen: _Seen) -> tuple[bytes | None, int]:
        """Return digest and version of a row that is new or another. One without children is complete, and gets new ones."""
        renewed = None if resource.children else self.versions.next(seen.text, seen.written)
        return renewed or (seen.written, seen.version)

    def _expects_change(self, resource: str) -> bool:
        """Return whether a row that this run has not seen should have begun, or was on, since the last full pass."""
        return bool(
            self._file.query(
                "SELECT 1 FROM rows r JOIN resources f ON f.name = r.resource WHERE r.resource = ? AND r.run < ?"
                " AND r.deleted_at IS NULL AND r.expected > f.as_of AND r.expected <= ? LIMIT 1",
                *(resource, self.run, self._clock().timestamp()),
            )
        )

    def recall(self, resource: str) -> None:
        """Make children due that this run's pages do not: those that webhooks noted or that could not be read, and what a quick
        run does not list."""
        if self.is_quick:
            self.children.recall_awaited(resource, self.run)
        self.children.recall_failed(resource)
        self.children.recall_noted(resource)

    def advance(self, resource: str) -> bool:
        """Decide after a pass whether another one is needed. Returns True if not.

        Page numbers are not a snapshot: a deletion before the reader's position moves a row past it. A pass missed no row
        that was there all the time if it saw no row twice, and if the next pass sees all of its rows again: then nothing
        before the position was deleted. If the end of the list is uncertain, a further pass proves no more.

        A pass that an earlier process began does not end a run: the first rows of it may be old.
        """
        number, moved_before, proven, start, began = self._file.one(
            "SELECT pass, moved_before, proven, start, began FROM resources WHERE name = ?", resource
        )
        if self.is_quick:
            self._file.change("UPDATE resources SET done = 1 WHERE name = ?", resource)
            return True
        (missing,) = self._file.one(
            "SELECT COUNT(*) FROM rows WHERE resource = ? AND run = ? AND pass = ?", resource, self.run, number - 1
        )
        quiet = number > 1 and not moved_before and not missing
        done = start == self._start and (quiet or number >= _MOST_PASSES)
        if done:
            complete = quiet and bool(proven)
            self._file.change(
                "UPDATE resources SET done = 1, complete = ?, as_of = ? WHERE name = ?", complete, began, resource
            )
        else:
            self._file.change(
                "UPDATE resources SET pass = pass + 1, pages = 0, cursor = NULL, listed = 0, moved_before = moved, moved = 0,"
                " odd = 0 WHERE name = ?",
                resource,
            )
        return done

    def part_with(self, vanished: Vanished) -> None:
        """Mark or erase the rows that the server no longer has. Does nothing for a list that is not proven complete."""
        if self.is_quick or vanished == "keep":
            return
        for resource in self._resources:
            gone = self._file.query(
                "SELECT key FROM rows r JOIN resources f ON f.name = r.resource WHERE r.resource = ? AND f.complete AND r.has_id"
                " AND NOT (r.run = ? AND r.pass = f.pass) AND erased IS NULL AND (deleted_at IS NULL OR ?)",
                *(resource, self.run, vanished == "delete"),
            )
            for (key,) in gone:
                if vanished == "delete":
                    self.versions.erase(resource, key, self.run)
                else:
                    self.versions.mark(resource, key)

    # -- the report --------------------------------------------------------------------------------------------------

    def report(self, resource: str) -> ResourceReport:
        """Return the report of a resource for this run."""
        number, complete, as_of, added, changed, odd = self._file.one(
            "SELECT pass, complete, as_of, added, changed, odd FROM resources WHERE name = ?", resource
        )
        (rows,) = self._file.one(
            "SELECT COUNT(*) FROM rows WHERE resource = ? AND version > 0 AND erased IS NULL", resource
        )
        full, zone = not self.is_quick, self._clock().tzinfo
        return ResourceReport(
            rows=rows,
            added=added,
            changed=changed,
            passes=number if full else 0,
            complete=bool(complete),
            as_of=None if as_of is None else datetime.fromtimestamp(as_of, zone),
            appeared=self._row_ids("run = ? AND first_pass > 1", resource, self.run),
            gone=self._row_ids("run = ? AND pass < ?", resource, self.run, number),
            vanished=self._row_ids("? AND run < ? AND COALESCE(erased, ?) = ?", resource, full, *[self.run] * 3),
            orphaned=self._row_ids(
                "run = ? AND (lack = 'unaskable' OR lack = 'gone' AND pass < ?)", resource, self.run, number
            ),
            failed=self._row_ids(_FAILED, resource),
            awaited=self._row_ids("awaits AND deleted_at IS NULL", resource),
            odd=odd,
        )

    def _row_ids(self, which: str, resource: str, *values: object) -> RowIds:
        query = f"SELECT key FROM rows WHERE resource = ? AND {which} ORDER BY key"  # noqa: S608  # in our own words
        found = self._file.stream(query, resource, *values)
        first = tuple(key.removeprefix("\0") for (key,) in islice(found, _TOLD))
        return RowIds(len(first) + sum(1 for _ in found), first)

    def _number(self, name: str) -> int:
        return int(self._file.get(name) or 0)
