"""The state of a job: every id with a digest of its row, so that memory stays flat, and the rows that are not in the sink
yet.

Some of these rows wait for their children; the others are complete and wait for the sink. The state commits a checkpoint
after the sink made it durable. The next start undoes what the sink has beyond the checkpoint.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from attrs import frozen

from .plan import Resource
from .report import ResourceReport, RowIds
from .rows import digest_of, key_of
from .sink import Row
from .statefile import StateFile

__all__ = ("Gap", "JobState", "Progress", "Task")

Gap = Literal["orphan", "failed"]
"""Why a row is not complete: it is gone from the server with its children, or its children could not be read."""

_MOST_PASSES: Final = 5
_CHUNK_ROWS: Final = 500
_CHUNK_CHARACTERS: Final = 1_000_000
_TOLD: Final = 20

_TABLES: Final = (
    """CREATE TABLE resources (
        name TEXT PRIMARY KEY, pass INTEGER NOT NULL DEFAULT 1, pages INTEGER NOT NULL DEFAULT 0, cursor TEXT,
        listed INTEGER NOT NULL DEFAULT 0, proven INTEGER NOT NULL DEFAULT 1,
        moved INTEGER NOT NULL DEFAULT 0, moved_before INTEGER NOT NULL DEFAULT 0, complete INTEGER NOT NULL DEFAULT 0,
        done INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0,
        odd INTEGER NOT NULL DEFAULT 0,
        known INTEGER NOT NULL)""",
    """CREATE TABLE rows (
        resource TEXT, key TEXT, listed BLOB NOT NULL, written BLOB, settled INTEGER NOT NULL DEFAULT 0,
        run INTEGER NOT NULL, first_pass INTEGER NOT NULL, pass INTEGER NOT NULL, page INTEGER NOT NULL,
        lack TEXT, PRIMARY KEY (resource, key)) WITHOUT ROWID""",
    """CREATE TABLE queue (
        seq INTEGER PRIMARY KEY, resource TEXT NOT NULL, key TEXT NOT NULL, ready INTEGER NOT NULL, row TEXT NOT NULL,
        sum INTEGER NOT NULL, UNIQUE (resource, key))""",
    "CREATE INDEX next ON queue (resource, ready, seq)",
)


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
        waiting: those of them that wait for their children.
        known: rows of earlier runs.
    """

    number: int
    pages: int
    cursor: str | None
    listed: bool
    done: bool
    seen: int
    waiting: int
    known: int


@frozen
class Task:
    """A row that waits for its children."""

    key: str
    row: Row


class JobState:
    """The state of one job. It is used in one thread.

    Args:
        path: the file. It is created if it does not exist.
        job: the properties of the job, by the names that errors use.
        resources: the resources of the job, in order.

    Raises:
        ExportError: the file is unusable, damaged, in use, of another version, or of another job. Every method may raise it.
    """

    def __init__(self, path: Path, job: Mapping[str, str], resources: Sequence[Resource]) -> None:
        self._resources = {resource.name: resource for resource in resources}
        self._file = file = StateFile(path, _TABLES, job)
        try:
            self.run: int = int(file.get("run") or 0)
            self._seen = Counter(file.counts("SELECT resource, COUNT(*) FROM rows WHERE run = ? GROUP BY 1", self.run))
            self._waiting = Counter(file.counts("SELECT resource, COUNT(*) FROM queue WHERE NOT ready GROUP BY 1"))
            self.ready_rows: int = file.one("SELECT COUNT(*) FROM queue WHERE ready")[0]
        except BaseException:
            file.close()
            raise

    # -- the run -----------------------------------------------------------------------------------------------------

    @property
    def is_finished(self) -> bool:
        """Whether the last run has ended, so that the next is a new one."""
        return self._file.get("finished") != "no"

    @property
    def checkpoint(self) -> str | None:
        """The last checkpoint of the sink."""
        return self._file.get("mark")

    def begin_run(self) -> None:
        """Start a new run over all lists."""
        self.run += 1
        self._file.set("run", str(self.run))
        self._file.set("finished", "no")
        self._file.change("DELETE FROM resources")
        for name in self._resources:
            self._file.change(
                "INSERT INTO resources (name, known) SELECT ?, COUNT(*) FROM rows WHERE resource = ?", name, name
            )
        self._file.commit()
        self._seen.clear()

    def end_run(self) -> None:
        self._file.set("finished", "yes")
        self._file.commit()

    def keep(self, checkpoint: str, *, written: bool = False) -> None:
        """Commit the changes with the sink's checkpoint. `written`: all ready rows are in the sink."""
        self._file.set("mark", checkpoint)
        if written:
            self._file.change("DELETE FROM queue WHERE ready")
        self._file.commit()
        if written:
            self.ready_rows = 0

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
        seen, waiting = self._seen[resource], self._waiting[resource]
        return Progress(number, pages, cursor, bool(listed), bool(done), seen, waiting, known)

    def note_page(self, resource: str, number: int, rows: Sequence[Any], after: str) -> None:
        """Record the rows of a page, and the cursor after it. New rows, and rows that may have changed, are queued."""
        (this_pass,) = self._file.one("SELECT pass FROM resources WHERE name = ?", resource)
        for row in rows:
            if isinstance(row, dict):
                self._note_row(self._resources[resource], row, this_pass, number)
            else:
                self._file.change("UPDATE resources SET odd = odd + 1 WHERE name = ?", resource)
        self._file.change("UPDATE resources SET pages = pages + 1, cursor = ? WHERE name = ?", after, resource)

    def note_end(self, resource: str, is_proven: bool) -> None:
        """Record that this pass has read the list to its end, and whether the end is certain."""
        self._file.change("UPDATE resources SET listed = 1, proven = ? WHERE name = ?", is_proven, resource)

    def _note_row(self, resource: Resource, row: dict[str, Any], this_pass: int, page: int) -> None:
        digest = digest_of(row)
        key = key_of(row) or f"\0{digest.hex()}"  # the key of a row without an id is its digest
        place = (resource.name, key)
        found = self._file.query(
            "SELECT listed, settled, run, pass, page FROM rows WHERE resource = ? AND key = ?", *place
        )
        listed, settled, run, pass_, at = found[0] if found else (None, False, None, None, None)
        if run == self.run:  # later passes look for what was missed, not for what has changed meanwhile
            if pass_ == this_pass and at != page:
                self._file.change("UPDATE resources SET moved = 1 WHERE name = ?", resource.name)
            self._file.change(
                "UPDATE rows SET pass = ?, page = ? WHERE resource = ? AND key = ?", this_pass, page, *place
            )
            return
        self._file.change(
            "INSERT INTO rows (resource, key, listed, run, first_pass, pass, page) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET listed = excluded.listed, run = excluded.run, first_pass = excluded.first_pass,"
            " pass = excluded.pass, page = excluded.page, lack = NULL",
            *(*place, digest, self.run, this_pass, this_pass, page),
        )
        self._seen[resource.name] += 1
        if listed == digest and settled:
            return
        if resource.children:
            self._enqueue(resource.name, key, row)
            self._waiting[resource.name] += 1
        else:
            self._complete(resource.name, key, row, settled=True)

    def advance(self, resource: str) -> bool:
        """Decide after a pass whether another one is needed. Returns True if not.

        Page numbers are not a snapshot: a deletion before the reader's position moves a row past it. A pass missed no row
        that was there all the time if it saw no row twice, and if the next pass sees all of its rows again: then nothing
        before the position was deleted. If the end of the list is uncertain, a further pass proves no more.
        """
        number, moved_before, proven = self._file.one(
            "SELECT pass, moved_before, proven FROM resources WHERE name = ?", resource
        )
        (missing,) = self._file.one(
            "SELECT COUNT(*) FROM rows WHERE resource = ? AND run = ? AND pass = ?", resource, self.run, number - 1
        )
        quiet = number > 1 and not moved_before and not missing
        done = quiet or number >= _MOST_PASSES
        if done:
            complete = quiet and bool(proven)
            self._file.change("UPDATE resources SET done = 1, complete = ? WHERE name = ?", complete, resource)
        else:
            self._file.change(
                "UPDATE resources SET pass = pass + 1, pages = 0, cursor = NULL, listed = 0, moved_before = moved, moved = 0,"
                " odd = 0 WHERE name = ?",
                resource,
            )
        self._file.commit()
        return done

    # -- rows --------------------------------------------------------------------------------------------------------

    def next_task(self, resource: str) -> Task | None:
        """Return the next row that waits for its children."""
        found = self._file.query(
            "SELECT key, row, sum FROM queue WHERE resource = ? AND NOT ready ORDER BY seq LIMIT 1", resource
        )
        return Task(found[0][0], self._row(*found[0][1:])) if found else None

    def complete(self, resource: str, key: str, row: Row, *, settled: bool, gap: Gap | None = None) -> None:
        """Record a row with its children. If the sink has the same row, nothing is written.

        Args:
            resource, key: the resource, and the key of the row.
            row: the row with its children.
            settled: whether its children can no longer change.
            gap: why the row is not complete, if it is not. Then the row in the sink is kept, if there is one.
        """
        self._waiting[resource] -= 1
        self._file.change("UPDATE rows SET lack = ? WHERE resource = ? AND key = ?", gap, resource, key)
        self._complete(resource, key, row, settled=settled, whole=gap is None)

    def _complete(self, resource: str, key: str, row: Row, *, settled: bool, whole: bool = True) -> None:
        digest = digest_of(row)
        (before,) = self._file.one("SELECT written FROM rows WHERE resource = ? AND key = ?", resource, key)
        if before == digest or not (whole or before is None):
            self._file.change("DELETE FROM queue WHERE resource = ? AND key = ?", resource, key)
        else:
            self._enqueue(resource, key, row, ready=True)
            self.ready_rows += 1
            is_new = before is None
            self._file.change(
                "UPDATE resources SET added = added + ?, changed = changed + ? WHERE name = ?",
                is_new,
                not is_new,
                resource,
            )
            self._file.change("UPDATE rows SET written = ? WHERE resource = ? AND key = ?", digest, resource, key)
        self._file.change("UPDATE rows SET settled = ? WHERE resource = ? AND key = ?", settled, resource, key)

    def ready(self, resource: str) -> Iterator[list[Row]]:
        """Yield the rows that wait for the sink, in their order, in chunks that fit into memory."""
        chunk: list[Row] = []
        size = 0
        for text, sum_ in self._file.stream(
            "SELECT row, sum FROM queue WHERE resource = ? AND ready ORDER BY seq", resource
        ):
            chunk.append(self._row(text, sum_))
            size += len(text)
            if len(chunk) >= _CHUNK_ROWS or size >= _CHUNK_CHARACTERS:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def counts(self) -> dict[str, int]:
        """Return how many rows of each resource the sink has once all ready rows are written."""
        counted = self._file.counts("SELECT resource, COUNT(*) FROM rows WHERE written IS NOT NULL GROUP BY 1")
        return {name: counted.get(name, 0) for name in self._resources}

    def report(self, resource: str) -> ResourceReport:
        """Return the report of a resource for this run."""
        number, complete, added, changed, odd = self._file.one(
            "SELECT pass, complete, added, changed, odd FROM resources WHERE name = ?", resource
        )
        return ResourceReport(
            rows=self.counts()[resource],
            added=added,
            changed=changed,
            passes=number,
            complete=bool(complete),
            appeared=self._row_ids("run = ? AND first_pass > 1", resource, self.run),
            gone=self._row_ids("run = ? AND pass < ?", resource, self.run, number),
            vanished=self._row_ids("run < ?", resource, self.run),
            orphaned=self._row_ids("run = ? AND lack = 'orphan'", resource, self.run),
            failed=self._row_ids("run = ? AND lack = 'failed'", resource, self.run),
            odd=odd,
        )

    def _row_ids(self, which: str, resource: str, *values: object) -> RowIds:
        query = f"SELECT key FROM rows WHERE resource = ? AND {which} ORDER BY key"  # noqa: S608  # in our own words
        found = self._file.stream(query, resource, *values)
        first = tuple(key.removeprefix("\0") for (key,) in islice(found, _TOLD))
        return RowIds(len(first) + sum(1 for _ in found), first)

    def _enqueue(self, resource: str, key: str, row: Row, *, ready: bool = False) -> None:
        text = json.dumps(row)  # in ASCII, so that half a surrogate pair does no harm
        self._file.change(
            "INSERT OR REPLACE INTO queue (resource, key, ready, row, sum) VALUES (?, ?, ?, ?, ?)",
            *(resource, key, ready, text, zlib.crc32(text.encode())),
        )

    def _row(self, text: str, sum_: int) -> Row:
        if zlib.crc32(text.encode()) != sum_:
            raise self._file.damaged()
        row: Row = json.loads(text)
        return row
