"""No list loses a row in silence, and every list ends: what happened once, each against a server on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.further import further
from support.list_server import ListServer, Paging, document_says

from sessions_us import (
    ClientEvent,
    NotFoundError,
    Pager,
    PagingError,
    PagingSurprise,
    Quota,
    QuotaTimeoutError,
    RetryPolicy,
    ServerError,
    SessionsError,
    UserClient,
)
from sessions_us.pipelines import NDJSONSink, export
from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio

PLENTY = Quota(limit=1_000_000, window=1.0)
COPIES = {"cache_ttl": 0.0, "stale_while_revalidate": 1000.0}
NEVER_ENDING = [
    Paging(ignored=True),
    Paging(ignored=True, shuffled=True),
    Paging(beyond="wrap"),
    Paging(beyond="last"),
    Paging(base=0, nameless="all", changing=True, beyond="wrap"),
    Paging(base=1, nameless="all", changing=True, beyond="wrap"),
    Paging(nameless="all", changing=True, ignored=True),
    Paging(nameless="some", changing=True, ignored=True),
    Paging(nameless="all", changing=True, shuffled=True, ignored=True),
]
NO_ORDER = [
    Paging(shuffled=True),
    Paging(shuffled=True, beyond="404"),
    Paging(shuffled=True, beyond="wrap"),
    Paging(shuffled=True, beyond="wrap", base=0),
    Paging(shuffled=True, beyond="wrap", nameless="some", changing=True),
]


class Seen(list[ClientEvent]):
    """The events of a client."""

    @property
    def surprises(self) -> list[PagingSurprise]:
        return [event for event in self if isinstance(event, PagingSurprise)]


@contextlib.asynccontextmanager
async def serving(
    rows: int, paging: Paging | None = None, **options: Any
) -> AsyncIterator[tuple[ListServer, UserClient, Seen]]:
    """A server with so many rows in each list, a client of it, and the client's events."""
    seen = Seen()
    async with ListServer(rows, paging) as server:
        async with UserClient(
            "key",
            base_url=server.url,
            quota=PLENTY,
            retries=RetryPolicy(attempts=1),
            on_event=seen.append,
            **options,
        ) as user:
            yield server, user, seen


def after_pages(server: ListServer, number: int, act: Any) -> None:
    """Does something once, after so many answers from now on."""
    due = len(server.asked) + number

    async def now(path: str) -> None:
        if len(server.asked) == due:
            act()

    server.after_page = now


async def ids(pager: Pager[Any]) -> list[str]:
    """The ids that a list gives; each once."""
    given = [item.id async for item in pager]
    assert len(given) == len(set(given))
    return given


async def exported(user: UserClient, place: Path, resource: str = "rooms") -> tuple[list[Any], bool]:
    """The rows that an export wrote, and whether it says that they are all."""
    sink = NDJSONSink(place / f"{resource}.ndjson")
    async with asyncio.timeout(60):
        report = await export(user, [resource], sink, state=place / f"{resource}.state", children=False)
    lines = (place / f"{resource}.ndjson").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines], report.resources[resource].complete


async def all_lists_are_whole(server: ListServer, user: UserClient) -> None:
    """Every list is complete now, verified or not."""
    for verify_end in (False, True):
        assert await ids(user.rooms.list(verify_end=verify_end)) == server.lists["rooms"]
        assert await ids(user.booking_pages.list(verify_end=verify_end)) == server.lists["booking-pages"]
        assert await ids(user.bookings.list(verify_end=verify_end)) == server.lists["bookings"]
        assert await ids(user.sessions.list(verify_end=verify_end)) == server.lists["sessions"]
        assert await ids(user.events.list(verify_end=verify_end)) == server.lists["events"]


# -- deleting what is listed -------------------------------------------------------------------------------------------


async def test_clean_up_deletes_all_rooms():
    """Each room is deleted as it comes; afterwards the other lists are whole."""
    async with Sandbox(limit=100_000, window=1) as box:
        quota = Quota(limit=100_000, window=1.0)
        async with UserClient(box.user_key, base_url=box.url, quota=quota) as user:
            for number in range(70):
                await user.rooms.create(name=f"room {number}")
                await user.booking_pages.create(name=f"page {number}")
            rooms = len(await user.rooms.list(verify_end=True).collect())
            deleted = 0
            async for room in user.rooms.list():
                await user.rooms.delete(room.id)
                deleted += 1

            assert deleted == rooms >= 93
            assert await user.rooms.list().collect() == []
            pages = await user.booking_pages.list().collect()
            assert len(pages) == len(await user.booking_pages.list(verify_end=True).collect()) >= 90


async def test_clean_up_of_93_costs_little():
    """All go, in six requests for pages."""
    async with serving(93) as (server, user, _):
        async for room in user.rooms.list():
            await user.rooms.delete(room.id)

        assert server.lists["rooms"] == []
        assert len(server.asked) <= 7
        await all_lists_are_whole(server, user)


async def test_deleting_in_batches():
    """200 rows, deleted 60 at a time: each is seen."""
    async with serving(200) as (server, user, _):
        before, got, batch = server.lists["rooms"], [], []
        async for room in user.rooms.list():
            got.append(room.id)
            batch.append(room.id)
            if len(batch) == 60:
                for name in batch:
                    await user.rooms.delete(name)
                batch.clear()

        assert sorted(got) == sorted(before)
        assert len(server.asked) <= 14


async def test_deleting_whole_pages():
    """Each page is deleted before the next is asked for."""
    async with serving(110) as (server, user, _):
        async for page in user.rooms.list().pages():
            await asyncio.gather(*(user.rooms.delete(room.id) for room in page.items))

        assert server.lists["rooms"] == []


@pytest.mark.parametrize("first", [0, 30, *further(50, 90)])
@pytest.mark.parametrize("rows", [1, 20, 45])
@pytest.mark.parametrize("number", [1, 2, 3, 5, 6])
async def test_deleted_before_a_page_is_made(number, rows, first):
    """Another task deletes while a page is asked for, and the server gets the deletion first: no row is passed over."""
    async with serving(100) as (server, user, _):
        await user.rooms.update("any", name="any")  # the client knows the quota, so that two requests may be in flight
        gone = server.lists["rooms"][first : first + rows]

        async def before(path: str) -> None:
            if len(server.asked) == number - 1 and gone:
                for name in [gone.pop(0) for _ in range(len(gone))]:
                    await user.rooms.delete(name)

        server.before_page = before

        got = await ids(user.rooms.list())

        assert set(server.lists["rooms"]) <= set(got)


async def test_another_task_writes_between_pages():
    """200 rows; between any two pages another task of the key changes something: 200 are given."""
    async with serving(200) as (server, user, _):
        before = server.lists["rooms"]
        pager, got = user.rooms.list(), []
        async for page in pager.pages():
            got += [room.id for room in page.items]
            await user.rooms.update(before[0], name="other")
            await user.rooms.create(name="new")

        assert set(before) <= set(got)
        assert len(server.asked) <= 35


async def test_another_task_deletes_between_pages():
    """200 rows, of which another task of the key deletes one between any two pages: no other is missing."""
    async with serving(200) as (server, user, _):
        got: list[str] = []
        async for page in user.rooms.list().pages():
            got += [room.id for room in page.items]
            await user.rooms.delete(server.lists["rooms"][0])

        assert set(server.lists["rooms"]) <= set(got)
        assert len(server.asked) <= 210  # a page again for each row that was deleted


async def test_cloning_while_reading_ends():
    """Each room is cloned as it comes, newest first: the list ends, or says that it does not get on."""
    async with serving(93) as (server, user, _):
        before, got = server.lists["rooms"], []
        with contextlib.suppress(PagingError):
            async for room in user.rooms.list():
                got.append(room.id)
                assert len(got) < 1000
                await user.rooms.clone(room.id)

        assert len(server.asked) <= 40
        assert set(before) <= set(got)


# -- copies ------------------------------------------------------------------------------------------------------------


async def test_a_stale_first_page(tmp_path):
    """The first page is a copy, 12 rows were inserted since: all is given, now and later, and exported."""
    async with serving(99, **COPIES) as (server, user, _):
        assert len(await user.rooms.list().collect(limit=5)) == 5
        server.insert("rooms", 12)

        first = await user.rooms.list().collect()

        assert set(server.lists["rooms"]) <= {room.id for room in first}
        fresh = user.with_options(cache_ttl=0.0, stale_while_revalidate=0.0)
        await all_lists_are_whole(server, fresh)
        rows, complete = await exported(fresh, tmp_path)
        assert (len(rows), complete) == (111, True)


async def test_a_copied_first_page_and_a_deletion():
    """The first page is a copy, the next are not, and one row was deleted elsewhere before: none is missing."""
    async with serving(93, cache_ttl=1000.0) as (server, user, _):
        await ids(user.sessions.list())  # nothing that another list showed may make this one less careful
        await user.rooms.list().collect(limit=5)
        server.delete("rooms", server.lists["rooms"][:1])

        got = await ids(user.rooms.list())

        assert set(server.lists["rooms"]) <= set(got)


async def test_a_whole_copy_is_one_list():
    """A list of which every page is a copy is the list as it was, without a request."""
    async with serving(93, cache_ttl=1000.0) as (server, user, _):
        before = await ids(user.rooms.list())
        server.delete("rooms", server.lists["rooms"][:30])
        asked = len(server.asked)

        assert await ids(user.rooms.list()) == before
        assert len(server.asked) == asked


async def test_two_lists_at_once():
    """Two readers of one list, one of which deletes what it gets, both see every row that stays."""
    async with serving(100) as (server, user, _):

        async def clean() -> None:
            async for room in user.rooms.list():
                if int(room.id.rpartition("-")[2]) % 2:
                    await user.rooms.delete(room.id)

        got, _none = await asyncio.gather(ids(user.rooms.list()), clean())

        assert set(server.lists["rooms"]) <= set(got)
        assert len(server.lists["rooms"]) == 50


# -- inserted by others ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("rows", [1, 10, 19, 20, 21, 40, 80])
async def test_inserted_while_the_base_is_probed(base, rows):
    """Rows come between the first two requests: that list and all later ones are whole."""
    async with serving(100, Paging(base=base)) as (server, user, _):
        before = server.lists["rooms"]
        after_pages(server, 1, lambda: server.insert("rooms", rows))

        assert set(before) <= set(await ids(user.rooms.list()))
        await all_lists_are_whole(server, user)


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("rows", [20, 40, 80])
@pytest.mark.parametrize("after", [2, 3, 4])
async def test_whole_pages_are_inserted(tmp_path, after, rows, base):
    """Exactly whole pages come between two requests: no page of old rows ends the list, nor an export."""
    async with serving(100, Paging(base=base)) as (server, user, _):
        before = server.lists["rooms"]
        after_pages(server, after, lambda: server.insert("rooms", rows))

        assert set(before) <= set(await ids(user.rooms.list()))
        after_pages(server, after, lambda: server.insert("rooms", rows))
        written, complete = await exported(user, tmp_path)
        assert {row["id"] for row in written} == set(server.lists["rooms"])
        assert complete


@pytest.mark.parametrize(("rows", "requests"), [(20, 16), (40, 17), (80, 20)])
async def test_200_rows_and_an_insertion(rows, requests):
    """200 of 200 are given, and not for many requests more."""
    async with serving(200) as (server, user, _):
        before = server.lists["rooms"]
        after_pages(server, 4, lambda: server.insert("rooms", rows))

        assert set(before) <= set(await ids(user.rooms.list()))
        assert len(server.asked) <= requests


async def test_20_inserted_in_each_of_two_probes():
    """Base 0, and twenty rows come during the probe of two lists: both are whole, and so are later ones."""
    async with serving(100, Paging(base=0)) as (server, user, _):
        for path, pager in (("rooms", user.rooms.list()), ("sessions", user.sessions.list())):
            before = server.lists[path]
            after_pages(server, 1, lambda path=path: server.insert(path, 20))
            assert set(before) <= set(await ids(pager))
        await all_lists_are_whole(server, user)


# -- short pages -------------------------------------------------------------------------------------------------------


async def test_a_short_page_in_the_middle(tmp_path):
    """Page 2 of 4 has 17 rows: verified the list is whole, then without verifying too, and in an export."""
    async with serving(77, Paging(lengths={1: 17})) as (server, user, seen):
        assert await ids(user.rooms.list(verify_end=True)) == server.lists["rooms"]
        assert seen.surprises
        assert await ids(user.rooms.list()) == server.lists["rooms"]
        rows, complete = await exported(user, tmp_path)
        assert (len(rows), complete) == (77, True)


async def test_pages_of_ten_rows(tmp_path):
    """Pages are half as long as documented: verified the list is whole, then without verifying too, and in an export."""
    async with serving(40, Paging(size=10)) as (server, user, seen):
        assert await ids(user.rooms.list(verify_end=True)) == server.lists["rooms"]
        assert seen.surprises
        assert await ids(user.rooms.list()) == server.lists["rooms"]
        rows, complete = await exported(user, tmp_path)
        assert (len(rows), complete) == (40, True)


async def test_a_small_list_proves_no_page_size():
    """Pages of ten: after a verified list of 7 rows, a verified one of 40 is whole."""
    async with serving(7, Paging(size=10)) as (server, user, _):
        assert len(await ids(user.rooms.list(verify_end=True))) == 7
        server.insert("rooms", 33)

        assert len(await ids(user.rooms.list(verify_end=True))) == 40


async def test_an_unknown_page_size():
    """Where the document gives no size, every list is read to its proven end."""
    with document_says(size=None):
        async with serving(40, Paging(size=10)) as (server, user, _):
            await all_lists_are_whole(server, user)


@pytest.mark.parametrize("size", [21, 50])
async def test_longer_pages_than_documented(size):
    """More rows than a page should have are a surprise, and no end."""
    async with serving(130, Paging(size=size)) as (server, user, seen):
        assert await ids(user.rooms.list()) == server.lists["rooms"]
        assert seen.surprises


# -- how lists end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verify_end", [False, True])
@pytest.mark.parametrize("beyond", ["404", "416"])
@pytest.mark.parametrize("rows", [0, 7, 20, 40, 45])
async def test_no_such_page_is_the_end(tmp_path, rows, beyond, verify_end):
    """A page after the last is answered with a status: the list has ended, and so has an export."""
    async with serving(rows, Paging(beyond=beyond)) as (server, user, _):
        pager = user.rooms.list(verify_end=verify_end)

        assert await ids(pager) == server.lists["rooms"]
        assert pager.complete
        below = user.booking_pages.bookings("p1", verify_end=verify_end)
        assert await ids(below) == server.lists["booking-pages/p1/bookings"]
        written, complete = await exported(user, tmp_path)
        assert (len(written), complete) == (rows, True)


@pytest.mark.parametrize("after", [1, 2, 3, 4])
async def test_the_parent_is_gone(after):
    """The booking page is deleted by others while its bookings are read: an error, not an end."""
    path = "booking-pages/p1/bookings"
    async with serving(100) as (server, user, _):
        after_pages(server, after, lambda: server.lists.pop(path))

        with pytest.raises(NotFoundError):
            await user.booking_pages.bookings("p1").collect()


@pytest.mark.parametrize("paging", NEVER_ENDING, ids=str)
@pytest.mark.parametrize("verify_end", [False, True])
async def test_every_list_ends(paging, verify_end):
    """Whatever a server does with page numbers, a list ends soon: whole, or with a word that it may not be."""
    async with serving(93, paging) as (server, user, seen):
        pager, got = user.rooms.list(verify_end=verify_end), set[str]()
        error = None
        try:
            async with asyncio.timeout(30):
                async for page in pager.pages():
                    got.update(row["name"] for row in page.raw)
        except PagingError as raised:
            error = raised

        assert len(server.asked) <= 110
        missing = set(server.lists["rooms"]) - got
        assert not missing or error is not None or (pager.complete is False and seen.surprises)


@pytest.mark.parametrize("paging", NO_ORDER, ids=str)
@pytest.mark.parametrize("verify_end", [False, True])
async def test_a_list_without_order_ends(paging, verify_end):
    """Each answer has the rows in another order, so that nobody knows which are missing: the list ends all the same."""
    async with serving(93, paging) as (server, user, _):
        with contextlib.suppress(PagingError):
            async with asyncio.timeout(30):
                await user.rooms.list(verify_end=verify_end).collect()

        assert len(server.asked) <= 110


@pytest.mark.parametrize("paging", [*NEVER_ENDING, *NO_ORDER[2:]], ids=str)
async def test_every_export_ends(tmp_path, paging):
    """It does not report rows as all that are not, and it does not go on for ever."""
    async with serving(93, paging) as (server, user, _):
        written, complete = [], False
        with contextlib.suppress(SessionsError):
            written, complete = await exported(user, tmp_path)

        assert len(server.asked) <= 600
        assert not complete or len({row["name"] for row in written}) == 93


async def test_page_is_ignored():
    """20 of 93 rows in four requests, and it says so."""
    async with serving(93, Paging(ignored=True)) as (server, user, seen):
        pager = user.rooms.list()

        assert await ids(pager) == server.lists["rooms"][:20]
        assert pager.complete is False
        assert {surprise.operation for surprise in seen.surprises} == {"list_rooms"}
        assert len(server.asked) == 4


async def test_pages_wrap_around():
    """1,500 rows, each once, in 78 requests."""
    async with serving(0, Paging(beyond="wrap")) as (server, user, _):
        server.insert("rooms", 1500)

        assert await ids(user.rooms.list()) == server.lists["rooms"]
        assert len(server.asked) <= 78


async def test_one_list_that_ignores_page():
    """A list that ignores the page tells nothing of another one, which counts from 0."""
    async with serving(100, Paging(base=0)) as (server, user, _):
        path = "booking-pages/p1/collaborators"
        server.lists[path] = server.lists[path][:3]
        server.paging_of[path] = Paging(ignored=True)
        for _ in range(2):
            assert len(await ids(user.booking_pages.collaborators.list("p1", verify_end=True))) == 3

        await all_lists_are_whole(server, user)


# -- over a cursor -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("consumed", [0, 1, 19, 20, 21, 40, 41, 92, 93])
@pytest.mark.parametrize("deleting", [False, True])
async def test_another_process_goes_on(deleting, consumed, base):
    """Whatever the first reader did with what it got, no row is missing for the two."""
    async with serving(93, Paging(base=base)) as (server, user, _):
        before, got = server.lists["rooms"], []
        pager = user.rooms.list()
        if consumed:
            async for room in pager:
                got.append(room.id)
                if deleting:
                    await user.rooms.delete(room.id)
                if len(got) == consumed:
                    break
        async with UserClient("another", base_url=server.url, quota=PLENTY) as other:
            got += await ids(other.rooms.list(page=pager.cursor))

        assert set(got) == set(before)


# -- what it costs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "plain", "verified"), [(7, 1, 3), (40, 4, 4), (45, 4, 5), (555, 29, 30)])
async def test_what_a_list_costs(rows, plain, verified):
    """No request is wasted, nor is one saved that a row may hang on."""
    async with serving(rows) as (server, user, _):
        for requests, verify_end in [(plain, False), (verified, True), (plain, False)]:
            asked, pager = len(server.asked), user.rooms.list(verify_end=verify_end)
            assert await ids(pager) == server.lists["rooms"]
            assert pager.complete
            assert len(server.asked) - asked == requests


@pytest.mark.parametrize("base", [0, 1])
async def test_a_told_base_saves_the_probe(base):
    """Where the document says what number the first page has, no page is asked for twice."""
    with document_says(base=base):
        async with serving(45, Paging(base=base)) as (server, user, _):
            assert await ids(user.rooms.list()) == server.lists["rooms"]
            assert [each.page for each in server.asked] == [None, str(base + 1), str(base + 2)]


@pytest.mark.parametrize("verify_end", [False, True])
@pytest.mark.parametrize("used", [8, 9])
async def test_a_list_at_the_end_of_a_quota(used, verify_end):
    """With one or two requests left and a short max_wait, seven rows are given, proven or not."""
    async with Sandbox(limit=10, window=60, empty=True) as box:
        async with UserClient(box.user_key, base_url=box.url, max_wait=5) as user:
            for number in range(7):
                await user.rooms.create(name=f"room {number}")
            for _ in range(used - 7):
                await user.sessions.list().collect()

            pager = user.rooms.list(verify_end=verify_end)
            assert len(await pager.collect()) == 7
            assert pager.complete is (not verify_end)


# -- where a reader begins and goes on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [0, 1])
async def test_a_list_from_page_3_gives_nothing_that_stands_before(base):
    """Not even while its reader deletes all that it gets: `list(page=3)` keeps what is on pages 1 and 2."""
    async with serving(100, Paging(base=base)) as (server, user, _):
        kept = server.lists["rooms"][: 40 + 20 * (1 - base)]

        async for room in user.rooms.list(page=3):
            await user.rooms.delete(room.id)

        assert server.lists["rooms"] == kept


@pytest.mark.parametrize("limit", [None, 25, 70])
async def test_what_a_failed_collect_read_is_not_consumed(limit):
    """The cursor stands where it stood before, and the pages come again whole."""
    async with serving(93) as (server, user, _):
        rooms, pager = server.lists["rooms"], user.rooms.list()
        assert [item.id for item in await pager.collect(limit=5)] == rooms[:5]
        after_pages(server, 2 if limit == 70 else 1, lambda: setattr(server, "failing", 1))
        with pytest.raises(ServerError):
            await pager.collect(limit=limit)
        cursor = pager.cursor

        pages = [page async for page in pager.pages()]
        assert [item.id for page in pages for item in page.items] == rooms[5:]
        assert [len(page.new_rows) for page in pages] == [20, 20, 20, 20, 13]
        assert await ids(user.rooms.list(page=cursor)) == rooms


async def test_a_deletion_that_was_refused_costs_nothing():
    """The server says that it did nothing, so no page is read again."""
    async with serving(93) as (server, user, _):
        async for _ in user.rooms.list():
            with pytest.raises(NotFoundError):
                await user.rooms.delete("is not there")

        assert len(server.asked) == 6


async def test_a_refusal_in_the_midst_of_short_pages_is_an_error():
    """Once it is known that pages are short, a short page proves nothing, and what is missing is not taken for an end."""
    async with serving(60, Paging(size=10)) as (server, user, _):
        assert len(await ids(user.rooms.list(verify_end=True))) == 60
        pager = user.with_options(max_wait=0.5).rooms.list()
        server.headers = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "3600"}

        with pytest.raises(QuotaTimeoutError):
            await pager.collect()
        assert pager.complete is None


# -- rows without ids ----------------------------------------------------------------------------------------------------


class Floors(httpx.AsyncBaseTransport):
    """Rows without ids that are the same on each page but for the floor, and differ on a page by name alone."""

    def __init__(self, rows: int, base: int) -> None:
        row = {"seats": 4, "beamer": True}
        self.rows = [row | {"name": f"Room {place % 20}", "floor": place // 20} for place in range(rows)]
        self.base = base

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        place = 20 * (int(request.url.params.get("page", self.base)) - self.base)
        return httpx.Response(200, json=self.rows[place : place + 20])


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("rows", [30, 50, 90])
async def test_rows_that_differ_by_their_page_alone_are_all_given(base, rows):
    """A field that is another on each page is not one that changes."""
    async with UserClient(f"floors {base} {rows}", transport=Floors(rows, base), quota=PLENTY) as user:
        pager = user.rooms.list(verify_end=True)
        given = [row async for page in pager.pages() for row in page.new_rows]

    assert sorted(map(str, given)) == sorted(map(str, Floors(rows, base).rows))
    assert pager.complete is True


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("rows", [7, 20, 93])
async def test_rows_of_which_a_field_changes_are_given_once(base, rows):
    """The first page is asked for twice, so that one sees which field that is."""
    async with serving(rows, Paging(base=base, nameless="all", changing=True)) as (server, user, _):
        pager = user.rooms.list(verify_end=True)
        given = [row["name"] async for page in pager.pages() for row in page.new_rows]

        assert given == server.lists["rooms"]
        assert pager.complete is True
        assert len(server.asked) <= len(server.cut("rooms")) + 3


# -- ends ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2])
async def test_one_insertion_where_the_last_page_comes_again(after):
    """Before the list is given up, a last look shows that it has ended."""
    async with serving(20, Paging(beyond="last")) as (server, user, _):
        before = list(server.lists["rooms"])
        after_pages(server, after, lambda: server.insert("rooms", 20))
        pager = user.rooms.list()

        assert set(before) <= set(await ids(pager))
        assert pager.complete is False


async def test_416_below_an_id_is_the_end():
    """Other than 404 it can't mean that what the list belongs to is gone: nothing is asked for again."""
    async with serving(40, Paging(beyond="416")) as (server, user, _):
        assert len(await ids(user.booking_pages.bookings("p1"))) == 40
        assert len(server.asked) == 4


async def test_a_full_page_that_comes_again_is_never_the_certain_end():
    """Nor where pages are shorter than documented: the server may not go beyond its third page."""
    for size in (10, 20, 30):
        async with serving(100, Paging(size=size, beyond="last")) as (_, user, _):
            pager = user.rooms.list(verify_end=True)
            assert len(await ids(pager)) == 100
            assert pager.complete is (100 % size > 0)


# -- what is told --------------------------------------------------------------------------------------------------------

TOLD = {
    "page is ignored": (93, Paging(ignored=True), "another page, or an empty one", "a page whose rows came before"),
    "longer pages": (130, Paging(size=21), "at most 20 rows a page", "21 rows"),
    "shorter pages": (40, Paging(size=10), "no rows after a page of fewer than 20", "10 rows"),
    "no order": (93, Paging(shuffled=True), "rows in one order", "rows in another order with each page"),
}


@pytest.mark.parametrize("case", TOLD)
async def test_a_surprise_tells_what_came_instead_of_what(case):
    """Once for a list, and in words that somebody can look for."""
    rows, paging, expected, came = TOLD[case]
    async with serving(rows, paging) as (_, user, seen):
        await user.rooms.list(verify_end=True).collect()

        assert seen.surprises == [PagingSurprise(operation="list_rooms", expected=expected, came=came)]


async def test_a_refused_proof_of_the_end_is_told():
    """The rows are given all the same, and whether they are all is in doubt."""
    async with serving(7) as (server, user, seen):
        server.headers = {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "3600"}
        pager = user.with_options(max_wait=0.5).rooms.list(verify_end=True)

        assert len(await pager.collect()) == 7
        assert pager.complete is False
        expected, came = "a place in the quota to prove the end of the list", "a refusal"
        assert seen.surprises == [PagingSurprise(operation="list_rooms", expected=expected, came=came)]


async def test_deletions_without_end_are_told():
    """Where a row is deleted each time that the end is read, the list ends in doubt after three times."""
    async with serving(20) as (server, user, seen):

        async def delete(path: str) -> None:
            if len(server.asked) > 1:
                await user.rooms.delete(server.lists["rooms"][0])

        server.after_page = delete
        pager = user.rooms.list(verify_end=True)

        assert len(await pager.collect()) == 20
        assert pager.complete is False
        assert [each.page for each in server.asked].count("2") == 3
        expected, came = "no deletions by this process while the end is read", "deletions without end"
        assert seen.surprises == [PagingSurprise(operation="list_rooms", expected=expected, came=came)]


async def test_a_list_that_does_not_get_on_tells_which_and_how_far():
    """Thirty pages of rows that nothing can name, of which the first was asked for twice."""
    async with serving(93, Paging(nameless="all", changing=True, shuffled=True, ignored=True)) as (_, user, _):
        with pytest.raises(PagingError) as error:
            await user.rooms.list().collect()

        assert str(error.value) == (
            "list_rooms may never end: 31 pages brought 31 with new rows. The server seems to ignore the page number, or to "
            "order the rows differently for each request. The rows that were read may not be all"
        )
