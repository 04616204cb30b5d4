"""Lists under any history: `python tests/list_histories.py --histories 200000 --seed 1 --processes 2`.

A history is a server, what the document says of it, and lists that are read one after the other or at once, while rows come and
go. Each is drawn at random, run through a client of its own, and judged: nothing that was there is missing without a word, and
every list ends. What is wrong is printed with its number; `--only NUMBER` runs that one alone.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import multiprocessing
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from support.list_server import BELOW, TOP, ListServer, Paging, document_says

from sessions_us import (
    CacheHit,
    ClientEvent,
    Pager,
    PagingError,
    PagingSurprise,
    Quota,
    RetryPolicy,
    ServerError,
    SessionsError,
    UserClient,
)

T = TypeVar("T")
Pick = Callable[[Sequence[T]], T]

PLENTY = Quota(limit=1_000_000, window=1.0)
ONCE = RetryPolicy(attempts=1)
MOST_REQUESTS = 1000
"""Of one list: more are no end."""

OPERATIONS = {path: "list_" + path.replace("-", "_") for path in TOP} | {
    "booking-pages/p1/bookings": "list_booking_page_bookings",
    "booking-pages/p1/collaborators": "list_booking_page_collaborators",
}
_serial = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens while a list is read.

    Attributes:
        at: after how many answers to the reader.
        when: before the next page is made, or while it is on its way.
        who: others, of whom the client hears nothing, or another task with the same client.
        what: happens to the list, or to the server.
        rows: how many.
        place: of the first row, in percent of the list.
    """

    at: int
    when: Literal["made", "sent"]
    who: Literal["others", "task"]
    what: Literal["insert", "delete", "fail"]
    rows: int
    place: int


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One list, read once.

    Attributes:
        path: of the list.
        verify_end: as the Pager takes it.
        how: `collect()`, `async for item`, or `.pages()`.
        deletes: the reader deletes each n-th item that it got; 0: none.
        batch: how many are deleted at a time.
        creates: how many rows the reader adds, one for each item.
        pause: after how many items another client goes on from the cursor; None: never.
        changes: what happens meanwhile.
        beside: whether it is read at the same time as the one before.
    """

    path: str
    verify_end: bool = False
    how: Literal["collect", "items", "pages"] = "items"
    deletes: int = 0
    batch: int = 1
    creates: int = 0
    pause: int | None = None
    changes: tuple[Change, ...] = ()
    beside: bool = False


@dataclass(frozen=True, kw_only=True)
class History:
    """A server, what the document says of it, and what happens.

    Attributes:
        rows: of each list at the beginning.
        paging: of the server.
        base, size: as the document says; None: it does not.
        copies: the options cache_ttl, stale_while_revalidate and stale_if_error.
        readings: the lists that are read.
    """

    rows: int
    paging: Paging
    base: int | None = None
    size: int | None = 20
    copies: tuple[float, float, float] = (0, 0, 0)
    readings: tuple[Reading, ...] = ()

    @property
    def hides_short_pages(self) -> bool:
        """Whether a page may have fewer rows than the document says and still not be the last: only a verified list is whole."""
        return self.size is not None and (self.paging.size < self.size or bool(self.paging.lengths))

    @property
    def is_possible(self) -> bool:
        """Whether a reader can get everything, whatever it takes."""
        paging = self.paging
        if paging.beyond in {"last", "wrap"} and paging.nameless != "none":
            return False
        return not paging.shuffled and not paging.ignored

    @property
    def is_unknowable(self) -> bool:
        """Whether nothing can tell a reader that rows are missing: each answer is one that a whole list could give."""
        return self.paging.shuffled or (self.paging.ignored and self.hides_short_pages)


def draw(pick: Pick[Any]) -> History:
    """A history; `pick` chooses one of several."""
    size = pick([20, 20, 20, 5, 7, 10, 50])
    paging = Paging(
        base=pick([1, 0, 1, None]),
        size=size,
        ignored=pick([False] * 9 + [True]),
        shuffled=pick([False] * 19 + [True]),
        beyond=pick(["empty", "empty", "404", "416", "last", "wrap"]),
        nameless=pick(["none"] * 6 + ["some", "all"]),
        changing=pick([False, False, True]),
        lengths=pick([{}] * 9 + [{1: size - 3}]),
    )
    copies = pick([(0, 0, 0)] * 6 + [(0, 1000, 0), (1000, 0, 0), (0, 0, 1000), (0, 1000, 1000)])
    return History(
        rows=size * pick([2, 0, 1, 3, 4, 6]) + pick([0, 0, 1, 3, size - 1]),
        paging=paging,
        base=pick([None, None, None, paging.base]),
        size=pick([20, 20, 20, None, size]),
        copies=copies,
        readings=tuple(_reading(pick, size, at_once=not any(copies)) for _ in range(pick([1, 2, 3]))),
    )


def _reading(pick: Pick[Any], size: int, *, at_once: bool) -> Reading:
    path = pick(["rooms", "rooms", "sessions", "bookings", "booking-pages", "events", *BELOW])
    can_delete = path != "events"
    each = pick([0, 0, 0, 1, 1, 2, 3]) if can_delete else 0
    return Reading(
        path=path,
        verify_end=pick([True, False]),
        how=pick(["items", "pages", "collect"]),
        deletes=each,
        batch=pick([1, 1, 3, size, 2 * size + 1]),
        creates=0 if each else pick([0, 0, 0, 0, 3, 2 * size]),
        pause=pick([None, None, None, 0, 1, size - 1, size, size + 1, 3 * size]),
        changes=tuple(_change(pick, size, can_delete=can_delete) for _ in range(pick([0, 0, 1, 1, 2, 3, 4]))),
        beside=at_once and pick([False, False, True]),
    )


def _change(pick: Pick[Any], size: int, *, can_delete: bool) -> Change:
    what = pick(["insert", "insert", "delete", "delete", "fail"])
    counts = [1, 2, size - 1, size, size + 1, 2 * size, 3 * size, 4 * size + 1]
    return Change(
        at=pick([0, 1, 1, 2, 2, 3, 4, 5, 7]),
        when=pick(["made", "sent"]),
        who="others" if what == "fail" or (what == "delete" and not can_delete) else pick(["others", "task"]),
        what=what,
        rows=pick([1, 2, 3] if what == "fail" else counts[:5] if what == "delete" else counts),
        place=pick([0, 0, 10, 50, 90]),
    )


@dataclass
class Got:
    """What one reading gave.

    Attributes:
        rows: names of the rows, in order, of each Pager that it took.
        complete: what the last Pager said of itself.
        error: that ended it.
        must: what had to be given.
        requests: for pages of this list, failed ones left out.
        news: how many of the answers had a row that this reading had not had from the server.
        copies: whether copies were given.
        surprised: whether a PagingSurprise was told.
        removed: how many rows this client's own writes deleted meanwhile.
    """

    rows: list[list[str]] = field(default_factory=list)
    complete: bool | None = None
    error: SessionsError | None = None
    must: set[str] = field(default_factory=set)
    requests: int = 0
    news: int = 0
    copies: bool = False
    surprised: bool = False
    removed: int = 0

    @property
    def is_loud(self) -> bool:
        return isinstance(self.error, PagingError) or (self.complete is False and self.surprised)


class Run:
    """One history in one client, which nothing before it has touched."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.server = ListServer(0, history.paging)
        read = {reading.path for reading in history.readings}
        for path in self.server.lists:
            self.server.insert(path, history.rows if path in read else history.paging.size + 1)
        self.events: list[ClientEvent] = []
        self.place = f"https://history-{next(_serial)}.test"
        self.known: dict[str, list[set[str]]] = {}
        self.suspicious: set[str] = set()
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self.most_requests = 0
        self._writes: dict[str, int] = {}

    def client(self) -> UserClient:
        ttl, revalidate, if_error = self.history.copies
        return UserClient(
            "key",
            base_url=self.place,
            quota=PLENTY,
            retries=ONCE,
            transport=self.server,
            cache_ttl=ttl,
            stale_while_revalidate=revalidate,
            stale_if_error=if_error,
            on_event=self.events.append,
        )

    async def run(self) -> None:
        with document_says(base=self.history.base, size=self.history.size):
            async with self.client() as self.user:
                await self._forget_copies()  # also: from now on a write can be sent while a page is on its way
                for together in _together(self.history.readings):
                    await self._read_all(together)
                self.server.failing = 0
                await self._forget_copies()
                for path in self.server.lists:
                    await self._read_all([Reading(path=path, how="pages")], quiet=True)

    async def _forget_copies(self) -> None:
        """A write of which nobody knows what it changes drops all copies."""
        await self.user.request("PUT", "/api/anything", json={})

    async def _read_all(self, readings: Sequence[Reading], *, quiet: bool = False) -> None:
        readings = [self._careful(reading) for reading in readings]
        self._changes(readings)
        asked, told = len(self.server.asked), len(self.events)
        self.server.answers_until = asked + MOST_REQUESTS
        watches = []
        for reading in readings:
            await self._due(reading.path, "made")
            watches.append(self.server.watch(reading.path))
        found = await asyncio.gather(*(self._read(reading) for reading in readings))
        self._pending = {}
        await self._settle()
        for reading, watch, got in zip(readings, watches, found, strict=True):
            got.must = set(watch.must)
            self.server.unwatch(reading.path, watch)
            self._count(reading, got, asked, told)
            self._judge(reading, got, alone=len(readings) == 1, quiet=quiet)

    def _careful(self, reading: Reading) -> Reading:
        """Where a page may be short, only a verified list is whole, or one after a contradiction was seen."""
        if not self.history.hides_short_pages or OPERATIONS[reading.path] in self.suspicious:
            return reading
        return Reading(**{**vars(reading), "verify_end": True})

    # -- what happens meanwhile ----------------------------------------------------------------------------------------

    def _changes(self, readings: Sequence[Reading]) -> None:
        self._pending: dict[str, list[Change]] = {}
        self._answered: Counter[str] = Counter()
        for reading in readings:
            self._pending.setdefault(reading.path, []).extend(reading.changes)
        self.server.before_page = lambda path: self._due(path, "made")
        self.server.after_page = self._sent

    async def _sent(self, path: str) -> None:
        self._answered[path] += 1
        await self._due(path, "sent")

    async def _due(self, path: str, when: str) -> None:
        pending = self._pending.get(path, [])
        for change in [each for each in pending if each.at <= self._answered[path] and each.when == when]:
            if change in pending:
                pending.remove(change)
                await self._happens(path, change)

    async def _happens(self, path: str, change: Change) -> None:
        rows = self.server.lists[path]
        first = len(rows) * change.place // 100
        chosen = rows[first : first + change.rows]
        if change.what == "fail":
            self.server.failing += change.rows
        elif change.who == "others":
            if change.what == "insert":
                self.server.insert(path, change.rows)
            else:
                self.server.delete(path, chosen)
        elif change.what == "insert":
            for _ in range(min(change.rows, 30)):
                await self.user.request("POST", f"/api/{path}", json={})
        else:
            for row in chosen:
                await self._delete(path, row)

    async def _delete(self, path: str, row: str) -> None:
        """Deletes with the method of the list's resource."""
        if row not in self.server.lists[path]:
            return
        self._writes[path] = self._writes.get(path, 0) + 1
        match path.split("/"):
            case ["booking-pages", page, "collaborators"]:
                await self.user.booking_pages.collaborators.delete(page, collaborator_id=row)
            case ["booking-pages", _, "bookings"]:
                await self.user.bookings.delete(row)
            case [name]:
                await getattr(self.user, name.replace("-", "_")).delete(row)

    async def _settle(self) -> None:
        """Lets what goes on in the background come to its end."""
        if not any(self.history.copies):
            return
        seen = -1
        while seen != self.server.requests:
            seen = self.server.requests
            for _ in range(60):
                await asyncio.sleep(0)

    # -- readers -------------------------------------------------------------------------------------------------------

    def pager(self, user: UserClient, reading: Reading, cursor: str | None) -> Pager[Any]:
        options = {"page": cursor, "verify_end": reading.verify_end}
        match reading.path.split("/"):
            case ["booking-pages", page, "collaborators"]:
                return user.booking_pages.collaborators.list(page, **options)
            case ["booking-pages", page, "bookings"]:
                return user.booking_pages.bookings(page, **options)
            case [name]:
                return getattr(user, name.replace("-", "_")).list(**options)
        raise ValueError(reading.path)

    async def _read(self, reading: Reading) -> Got:
        got, pagers = Got(), [self.pager(self.user, reading, None)]
        try:
            if await self._walk(reading, pagers[0], got, reading.pause):
                async with self.client() as another:
                    pagers.append(self.pager(another, reading, pagers[0].cursor))
                    await self._walk(reading, pagers[1], got, None)
        except SessionsError as error:
            got.error = error
        got.complete = pagers[-1].complete
        if any(pager.complete is False for pager in pagers):
            got.complete = False  # the cursor of a list that was read to its end says no more than that
        return got

    async def _walk(self, reading: Reading, pager: Pager[Any], got: Got, pause: int | None) -> bool:
        """Reads on after a failure of the server. Whether it stopped before the end."""
        rows: list[str] = []
        got.rows.append(rows)
        for _ in range(20):
            try:
                return await self._walk_once(reading, pager, rows, pause)
            except ServerError:
                continue
        raise AssertionError("the server fails for ever")

    async def _walk_once(self, reading: Reading, pager: Pager[Any], rows: list[str], pause: int | None) -> bool:
        if reading.how == "collect":
            rows += [item.id for item in await pager.collect(limit=pause)]
            return pause is not None
        batch: list[str] = []
        if reading.how == "pages":
            if pause == 0:
                return True
            async for page in pager.pages():
                rows += [row["name"] for row in page.raw]
                await self._work(reading, [item.id for item in page.items], batch)
                if pause is not None and len(rows) >= pause:
                    return True
        else:
            if pause == 0:
                return True
            async for item in pager:
                rows.append(item.id)
                await self._work(reading, [item.id], batch)
                if pause is not None and len(rows) >= pause:
                    return True
        return False

    async def _work(self, reading: Reading, items: list[str], batch: list[str]) -> None:
        """What the reader does with what it got."""
        for item in items:
            serial = int(item.rpartition("-")[2])
            if reading.deletes and serial % reading.deletes == 0:
                batch.append(item)
            created = self.counts[f"created {reading.path}"]
            if created < reading.creates:
                self.counts[f"created {reading.path}"] += 1
                await self.user.request("POST", f"/api/{reading.path}", json={})
        if len(batch) >= reading.batch:
            for row in batch:
                await self._delete(reading.path, row)
            batch.clear()

    # -- the verdict ---------------------------------------------------------------------------------------------------

    def _count(self, reading: Reading, got: Got, asked: int, told: int) -> None:
        operation, had = OPERATIONS[reading.path], set[str]()
        for each in self.server.asked[asked:]:
            if each.path == reading.path and each.status != 503:
                got.requests += 1
                got.news += not had.issuperset(each.rows)
                had.update(each.rows)
        for event in self.events[told:]:
            if getattr(event, "operation", None) == operation:
                got.copies |= isinstance(event, CacheHit)
                got.surprised |= isinstance(event, PagingSurprise)
        got.removed = self._writes.pop(reading.path, 0)
        if got.surprised and self.history.hides_short_pages:
            self.suspicious.add(operation)
        self.counts["lists"] += 1
        self.most_requests = max(self.most_requests, got.requests)

    def _judge(self, reading: Reading, got: Got, *, alone: bool, quiet: bool) -> None:
        history = self.history
        if reading.how != "pages":
            got.must = {row for row in got.must if history.paging.has_id(row)}
        given = [row for rows in got.rows for row in rows]
        missing = got.must.difference(given)
        earlier = self.known.setdefault(reading.path, [])
        if missing and got.copies and any(rows.issubset(given) or rows.isdisjoint(missing) for rows in earlier):
            missing = set()  # they came after the copies were made
        if any(history.copies):
            earlier.append({row for row in got.must if history.paging.has_id(row)})
        # Each own deletion may cost two returns that find nothing.
        bound = 3 * got.news + 3 + 2 * got.removed + (100 if history.paging.nameless != "none" else 0)
        if alone and not any(history.copies) and reading.pause is None:
            if got.requests > bound:
                self._wrong(reading, f"{got.requests} requests, {got.news} with news, {got.removed} removed")
            odd = history.paging.shuffled or history.paging.nameless != "none"
            may = reading.creates or odd or any(change.who == "task" for change in reading.changes)
            if isinstance(got.error, PagingError) and not may and got.requests <= 3 * got.news - 2:
                self._wrong(reading, f"PagingError after {got.requests} requests, {got.news} with news")
        elif got.requests > 5 * bound + 20:
            self._wrong(reading, f"{got.requests} requests, {got.news} with news, {got.removed} removed")
        if got.error is not None and not isinstance(got.error, PagingError):
            self._wrong(reading, f"ended with {got.error!r}")
        elif got.error is None and got.complete is None:
            self._wrong(reading, "complete is None at the end")
        elif missing and not got.is_loud:
            if history.is_unknowable:
                self.counts["short without a word, unknowable"] += 1
            else:
                self._wrong(reading, f"{len(missing)} of {len(got.must)} missing, complete={got.complete}")
        elif missing and history.is_possible and not isinstance(got.error, PagingError):
            self._wrong(reading, f"{len(missing)} of {len(got.must)} missing where all can be had")
        elif isinstance(got.error, PagingError) and history.is_possible and quiet:
            self._wrong(reading, f"PagingError for a quiet list, {got.requests} requests")
        if history.paging.nameless == "none" and reading.how != "pages":
            for rows in got.rows:
                twice = len(rows) - len(set(rows))
                if twice:
                    self._wrong(reading, f"{twice} rows twice")
        if quiet and history.is_possible:
            self._judge_quiet(reading, got)
        self.counts["loud"] += got.is_loud
        self.counts["PagingError"] += isinstance(got.error, PagingError)

    def _judge_quiet(self, reading: Reading, got: Got) -> None:
        paging = self.history.paging
        if got.complete is not True and paging.is_honest:
            self._wrong(reading, f"a quiet list is complete={got.complete}")
        more = 2 if paging.is_honest else 4
        if paging.beyond == "404" and "/" in reading.path:
            more += 1  # the unnumbered page is asked for once more, in case the parent is gone
        if paging.nameless != "none":
            more += 1  # the first page is asked for twice, to see what changes in its rows
        pages = max(1, len(self.server.cut(reading.path)))
        if got.requests > pages + more:
            self._wrong(reading, f"a quiet list of {pages} pages took {got.requests} requests")

    def _wrong(self, reading: Reading, what: str) -> None:
        self.problems.append(f"{reading.path}: {what}; {reading}")


def _together(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Those that are read at the same time, together."""
    groups: list[list[Reading]] = []
    for reading in readings:
        if reading.beside and groups:
            groups[-1].append(reading)
        else:
            groups.append([reading])
    return groups


async def run(history: History) -> Run:
    """Runs a history; what was wrong is in `problems`."""
    done = Run(history)
    await done.run()
    return done


# -- by the thousand ---------------------------------------------------------------------------------------------------


def drawn(seed: int, number: int) -> History:
    """The history of this number."""
    return draw(random.Random(f"{seed} {number}").choice)


async def _run_all(seed: int, numbers: Sequence[int]) -> tuple[Counter[str], int, list[str]]:
    logging.getLogger("sessions_us").setLevel(logging.ERROR)  # each surprise is a line
    counts, most, wrong = Counter[str](), 0, list[str]()
    for number in numbers:
        done = await run(drawn(seed, number))
        counts += done.counts
        counts["histories"] += 1
        counts["requests"] += done.server.requests
        most = max(most, done.most_requests)
        counts["wrong"] += bool(done.problems)
        wrong += [f"--only {number}: {problem}\n    {done.history}" for problem in done.problems[:1]]
    return counts, most, wrong


def explore(seed: int, numbers: Sequence[int]) -> tuple[Counter[str], int, list[str]]:
    """Runs the histories of these numbers: counts, the most requests of a list, and what was wrong."""
    return asyncio.run(_run_all(seed, numbers))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int, help="the number of one history")
    parser.add_argument("--show", type=int, default=10, help="how many wrong ones to print")
    given = parser.parse_args()
    numbers = range(given.histories) if given.only is None else range(given.only, given.only + 1)
    chunks = [numbers[start : start + 1000] for start in range(0, len(numbers), 1000)]
    counts, most, wrong = Counter[str](), 0, list[str]()
    # A process for each thousand, since a process remembers the quota of each server that it ever met.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, mp_context=context, max_tasks_per_child=1) as pool:
        for some, highest, bad in pool.map(explore, itertools.repeat(given.seed), chunks):
            counts += some
            most = max(most, highest)
            wrong += bad
    for line in wrong[: given.show]:
        print(line)
    print(f"seed {given.seed}:", ", ".join(f"{counts[name]} {name}" for name in sorted(counts) if " rooms" not in name))
    print(f"most requests of a list: {most}; wrong histories: {counts['wrong']}")
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
