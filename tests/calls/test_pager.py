"""A Pager as its reader has it: items, pages, cursor, errors. What happens to rows meanwhile is in test_lists_lose_nothing.py."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.list_server import ListServer, Paging, document_says

from sessions_us import (
    ClientEvent,
    Page,
    Pager,
    PagingSurprise,
    Quota,
    RequestGranted,
    RetryPolicy,
    Room,
    ServerError,
    UserClient,
)

pytestmark = pytest.mark.anyio


def client(server: ListServer, **options: object) -> UserClient:
    """A client with a key and an origin of its own, which waits for nothing. What one list contradicts is known of its origin."""
    plenty, once = Quota(limit=1_000_000, window=1.0), RetryPolicy(attempts=1)
    origin = f"https://{uuid4()}.example"
    return UserClient(f"key-{uuid4()}", base_url=origin, transport=server, quota=plenty, retries=once, **options)  # type: ignore[arg-type]


def pager(server: ListServer, **arguments: object) -> Pager[Room]:
    return client(server).rooms.list(**arguments)  # type: ignore[arg-type]


def asked(server: ListServer) -> list[str | None]:
    return [request.page for request in server.asked]


async def ids(pager: Pager[Any]) -> list[str]:
    return [item.id async for item in pager]


@pytest.fixture
def base_known() -> Iterator[None]:
    """The document says that pages count from 1."""
    with document_says(base=1):
        yield


@settings(deadline=None)
@given(count=st.integers(0, 130), base=st.sampled_from([0, 1]), verify_end=st.booleans(), known=st.booleans())
async def test_every_item_once_in_order(count, base, verify_end, known):
    """Whatever number the first page has, and whether or not the document says so."""
    server = ListServer(count, Paging(base=base))

    with document_says(base=base if known else None):
        got = await ids(pager(server, verify_end=verify_end))

    assert got == server.lists["rooms"]
    assert asked(server)[0] is None
    goes_on = count >= 20 or (verify_end and count > 0)
    probe = not known and base == 1 and goes_on
    assert len(server.asked) == max(1, math.ceil(count / 20)) + probe + (count > 0 and (verify_end or count % 20 == 0))


async def test_a_page_number_may_be_a_text():
    """As it comes out of a query string."""
    server = ListServer(93)

    assert await ids(pager(server, page="3")) == server.lists["rooms"][40:]


async def test_nothing_is_sent_until_iterated():
    """Making a Pager is free."""
    server = ListServer(3)
    rooms = pager(server)

    assert server.asked == []
    assert await ids(rooms) == server.lists["rooms"]


async def test_proofs_go_in_the_first_pages_lane():
    """A person waits for the first page and for what only proves the base or the end; an export waits for the rest."""
    server, lanes = ListServer(45), []

    def hear(event: object) -> None:
        if isinstance(event, RequestGranted):
            lanes.append(event.lane)

    await client(server, on_event=hear).rooms.list(verify_end=True).collect()

    assert asked(server) == [None, "1", "2", "3", "4"]
    assert lanes == ["interactive", "interactive", "background", "background", "interactive"]


async def test_a_page_number_to_start_at(base_known):
    """An integer is sent as it is, and counted on from there."""
    server = ListServer(70)

    assert await ids(pager(server, page=3)) == server.lists["rooms"][40:]
    assert asked(server) == ["3", "4"]


async def test_page_zero_may_be_page_one():
    """A server that takes 0 and 1 for the first page does not end the list."""
    server = ListServer(45, Paging(base=None))

    assert await ids(pager(server, page=0)) == server.lists["rooms"]


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("consumed", [0, 1, 19, 20, 21, 40, 44, 45])
async def test_a_cursor_goes_on_elsewhere(base, consumed):
    """Wherever the first reader stopped, nothing is missing, and no more than one page comes twice."""
    server = ListServer(45, Paging(base=base))
    rooms = pager(server)
    first = await rooms.collect(limit=consumed)
    assert len(first) == consumed

    rest = await ids(pager(server, page=rooms.cursor))

    both = [item.id for item in first] + rest
    assert set(both) == set(server.lists["rooms"])
    assert len(both) <= 45 + 20


async def test_a_cursor_goes_on_behind_its_page():
    """A page that was stored need not be read again."""
    server = ListServer(45)
    rest: list[str] = []
    async for page in pager(server).pages():
        rest = await ids(pager(server, page=page.after))
        break

    assert rest == server.lists["rooms"] or rest == server.lists["rooms"][20:]
    assert set(server.lists["rooms"][20:]) <= set(rest)


async def test_what_fails_on_the_last_item_is_not_lost():
    """The cursor stays on a page until its reader comes back for more."""
    server = ListServer(40)
    rooms, last = pager(server), server.lists["rooms"][19]
    with pytest.raises(RuntimeError, match=last):
        async for item in rooms:
            if item.id == last:
                raise RuntimeError(item.id)

    assert last in await ids(pager(server, page=rooms.cursor))


@pytest.mark.parametrize(("paging", "complete"), [(Paging(), True), (Paging(ignored=True), False)])
async def test_the_end_is_a_place_too(paging, complete):
    """Going on from the end of a list sends nothing, and says as much of it as the list did."""
    server = ListServer(23, paging)
    rooms = pager(server)
    await ids(rooms)
    sent = len(server.asked)

    again = pager(server, page=rooms.cursor)

    assert rooms.complete is again.complete is complete
    assert await ids(again) == []
    assert (again.complete, len(server.asked)) == (complete, sent)


@pytest.mark.parametrize(("count", "end"), [(45, "end"), (60, "page")])
async def test_behind_the_last_page_is_the_end(count, end):
    """As soon as that is known: a full page may not be the last."""
    after = [page.after async for page in pager(ListServer(count, Paging(base=0))).pages()]

    assert [each.partition(":")[0] for each in after] == ["page", "page", end]


async def test_behind_a_page_that_ends_a_list_in_doubt_is_an_end_in_doubt():
    """The last look at a list that is the same for any page shows one more row."""
    server = ListServer(2, Paging(ignored=True, size=2))

    async def change_last(path: str) -> None:
        if len(server.asked) == 3:
            server.lists["rooms"][1] = "another"

    server.after_page = change_last
    with document_says(size=2):
        pages = [page async for page in pager(server).pages()]

    assert [len(page.new_rows) for page in pages] == [2, 1]
    assert pages[1].after == "end:doubtful"


@pytest.mark.parametrize("cursor", ["start", "page:3", "page:3:0f", "end", "end:doubtful"])
async def test_where_nothing_was_read_the_cursor_is_what_was_given(cursor):
    """Whoever stored it may store it again."""
    assert pager(ListServer(), page=cursor).cursor == cursor


async def test_the_largest_number_of_a_page():
    """Larger ones are refused, see below."""
    assert pager(ListServer(), page=10**18 - 1).cursor == f"page:{10**18 - 1}"


HUGE = "9" * 5000


@pytest.mark.parametrize("bad", [-1, True, "-2", "²", "page:", "page:x", "page:-1", 1.0, 10**18, HUGE, f"page:{HUGE}"])
async def test_a_bad_cursor_is_refused_at_once(bad):
    """Before anything is sent."""
    with pytest.raises(ValueError, match="cursor"):
        pager(ListServer(), page=bad)


@pytest.mark.parametrize("failing", [0, 1, 2, 3])
async def test_it_goes_on_with_the_page_that_failed(failing):
    """An async generator that raised would be finished, and a second `async for` would look complete."""
    server = ListServer(45)

    async def fail_once(path: str) -> None:
        server.failing = len(server.asked) == failing

    server.before_page = fail_once
    rooms, got = pager(server), []
    with pytest.raises(ServerError):
        async for item in rooms:
            got.append(item.id)

    got += await ids(rooms)

    assert got == server.lists["rooms"]


async def test_failures_do_not_count_as_pages():
    """A server that fails for a while is no list without end."""
    server = ListServer(45)
    server.failing = 20
    rooms = pager(server)
    for _ in range(20):
        with pytest.raises(ServerError):
            await rooms.collect()

    assert len(await rooms.collect()) == 45


async def test_collect_loses_nothing_when_a_page_fails():
    """The items that it had are given again."""
    server = ListServer(30)

    async def fail_second(path: str) -> None:
        server.failing = len(server.asked) == 1

    server.before_page = fail_second
    rooms = pager(server)
    with pytest.raises(ServerError):
        await rooms.collect()

    assert [item.id for item in await rooms.collect()] == server.lists["rooms"]


async def test_pages_come_whole_with_their_raw_rows(base_known):
    """A row without an id is no item, and stays in raw."""
    server = ListServer(24, Paging(nameless="some"))

    pages = [page async for page in pager(server).pages()]

    assert [(page.number, len(page.raw)) for page in pages] == [(1, 20), (2, 4)]
    assert [len(page.items) for page in pages] == [sum("id" in row for row in page.raw) for page in pages]
    assert any("id" not in row for row in pages[0].raw)
    assert isinstance(pages[0], Page)


async def test_rows_are_counted_raw(base_known):
    """A page of 20 rows of which none can be understood is not the end of the list."""
    server = ListServer(45, Paging(nameless="all"))

    assert [len(page.raw) async for page in pager(server).pages()] == [20, 20, 5]


async def test_pages_after_items_start_with_the_rest():
    """Changing over from items to pages loses nothing."""
    rooms = pager(ListServer(25, Paging(base=0)))
    async for _ in rooms:
        break

    assert [len(page.items) async for page in rooms.pages()] == [19, 5]


async def test_larger_pages_than_documented_are_no_end():
    """If the first page has 50 rows, a page of 30 is not taken for a full one, nor for the last."""
    server = ListServer(130, Paging(size=50))

    assert len(await ids(pager(server))) == 130


async def test_for_and_await_say_what_to_use_instead():
    """The two mistakes that everybody makes once."""
    rooms = pager(ListServer())

    with pytest.raises(TypeError, match="async for"):
        for _ in rooms:
            pass
    with pytest.raises(TypeError, match="collect"):
        await rooms
    with pytest.raises(TypeError, match="verify_end is True or False, not 'no'"):
        pager(ListServer(), verify_end="no")
    with pytest.raises(ValueError, match=r"^limit is the greatest number of items, 0 or more$"):
        await rooms.collect(limit=-1)


async def test_a_slow_reader_of_copies_begins_once():
    """Copies that are renewed while a reader is between two pages are no reason to begin again, and to renew them again."""
    server = ListServer(100)
    user = client(server, stale_while_revalidate=1000)
    await user.rooms.list().collect()
    before, others, got = len(server.asked), asyncio.all_tasks(), []
    async for page in user.rooms.list().pages():
        got += [room.id for room in page.items]
        if renewals := asyncio.all_tasks() - others:
            await asyncio.wait(renewals)

    assert got == server.lists["rooms"]
    assert len(server.asked) == 2 * before


@pytest.mark.parametrize("beyond", ["404", "416"])
async def test_a_walk_of_copies_ends_where_the_first_did(beyond, base_known):
    """An error that told the end is kept with the pages before it: what has ended is not asked again."""
    server = ListServer(40, Paging(beyond=beyond))
    user = client(server, cache_ttl=600)

    first = await ids(user.rooms.list())
    sent = len(server.asked)

    assert await ids(user.rooms.list()) == first == server.lists["rooms"]
    assert (sent, len(server.asked)) == (3, 3)


@pytest.mark.parametrize(("base", "numbers"), [(None, [1, 1, 2]), (0, [0, 1, 2]), (1, [1, 2, 3])])
async def test_pages_have_the_numbers_of_the_server(base, numbers):
    """A first page that was asked for without a number has number 1 where the document does not say another."""
    with document_says(base=base):
        rooms = pager(ListServer(50, Paging(base=base or 0)))
        assert [page.number async for page in rooms.pages()] == numbers


async def test_a_whole_page_leaves_no_rest(base_known):
    """`pages` begins with the next one."""
    rooms = pager(ListServer(45))
    await rooms.collect(limit=20)

    assert [len(page.items) async for page in rooms.pages()] == [20, 5]


async def test_a_page_gives_what_is_new_once(base_known):
    """Rows that came before, and those that a page has twice, are in `raw` alone."""
    server = ListServer(0)
    server.lists["rooms"] = [*(f"old {number}" for number in range(20)), "old 3", "b", "a", "b", "c"]

    last = [page async for page in pager(server).pages()][1]

    assert [item.id for item in last.items] == [row["id"] for row in last.new_rows] == ["b", "a", "c"]
    assert [row["id"] for row in last.raw] == ["old 3", "b", "a", "b", "c"]


@pytest.mark.parametrize(("consumed", "left"), [(5, 0), (20, 20)])
async def test_where_a_collect_began_is_where_its_failure_leaves_the_cursor(consumed, left, base_known):
    """A page of which everything was taken is consumed, and no other."""
    server = ListServer(45)
    rooms, got = pager(server), 0
    async for _ in rooms:
        got += 1
        if got == consumed:
            break
    server.failing = 1
    with pytest.raises(ServerError):
        await rooms.collect()

    assert await ids(pager(server, page=rooms.cursor)) == server.lists["rooms"][left:]


async def test_a_row_that_moves_up_while_a_collect_fails_is_not_lost(base_known):
    """One's own deletion pulls it onto a page that was consumed."""
    server = ListServer(60)
    user = client(server)
    await user.rooms.update("any", name="any")  # the client knows the quota, so that two requests may be in flight
    rooms = user.rooms.list()
    got = [item.id for item in await rooms.collect(limit=20)]

    async def delete_then_fail(path: str) -> None:
        if len(server.asked) == 2:
            await user.rooms.delete(server.lists["rooms"][0])
            server.failing = 1

    server.before_page = delete_then_fail
    with pytest.raises(ServerError):
        await rooms.collect()

    assert set(server.lists["rooms"]) <= {*got, *await ids(pager(server, page=rooms.cursor))}


async def test_a_list_that_was_contradicted_is_read_to_an_end_that_was_seen():
    """From then on, in this process, and no other list is."""
    server, events = ListServer(30, Paging(base=0, size=50)), list[ClientEvent]()
    user = client(server, on_event=events.append)
    for path, rooms in [("rooms", user.rooms.list), ("sessions", user.sessions.list)]:
        server.lists[path] = server.lists[path][:7]
        await ids(rooms())
    assert asked(server) == [None, None]

    server.insert("rooms", 30)
    await ids(user.rooms.list())
    server.asked.clear()
    server.delete("rooms", server.lists["rooms"][7:])
    await ids(user.rooms.list())
    await ids(user.sessions.list())

    assert [(request.path, request.page) for request in server.asked] == [
        ("rooms", None),
        ("rooms", "1"),
        ("sessions", None),
    ]
    assert [event.operation for event in events if isinstance(event, PagingSurprise)] == ["list_rooms"]


async def test_a_lane_is_that_of_all_pages():
    """Whoever names one gets it for the first page and for the last proof too."""
    server, lanes = ListServer(45), []

    def hear(event: object) -> None:
        if isinstance(event, RequestGranted):
            lanes.append(event.lane)

    await client(server, on_event=hear, lane="background").rooms.list(verify_end=True).collect()

    assert lanes == ["background"] * 5


async def test_copies_that_do_not_go_on(base_known):
    """One page was read in one go. The list begins again, and gives each row once."""
    server = ListServer(45)
    user = client(server, cache_ttl=600)
    await user.rooms.list().collect(limit=5)
    server.insert("rooms", 25)
    rooms = user.rooms.list()

    given = [row["id"] async for page in rooms.pages() for row in page.new_rows]

    assert sorted(given) == sorted(server.lists["rooms"])
    assert asked(server) == [None, None, "2", "3", "4"]
    assert (rooms.requests, rooms.complete) == (4, True)


async def test_copies_are_renewed_as_they_were_read(base_known):
    """From the same page on, to the same end, and behind all that is urgent."""
    server, lanes = ListServer(85), []

    def hear(event: object) -> None:
        if isinstance(event, RequestGranted):
            lanes.append(event.lane)

    user = client(server, stale_while_revalidate=1000, on_event=hear)
    first = await user.rooms.list(page=3, verify_end=True).collect()
    lanes.clear()
    others = asyncio.all_tasks()
    assert await user.rooms.list(page=3, verify_end=True).collect() == first
    if renewals := asyncio.all_tasks() - others:
        await asyncio.wait(renewals)

    assert asked(server) == ["3", "4", "5", "6"] * 2
    assert lanes == ["background"] * 4


async def test_no_more_copies_are_renewed_than_there_are(base_known):
    """Who read one page of a list does not cost it another."""
    server = ListServer(85)
    user = client(server, stale_while_revalidate=1000)
    others = asyncio.all_tasks()
    for _ in range(2):
        await user.rooms.list().collect(limit=5)
    if renewals := asyncio.all_tasks() - others:
        await asyncio.wait(renewals)

    assert asked(server) == [None, None]
