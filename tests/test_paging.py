from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from attrs import Factory, define
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_us import Page, Pager
from sessions_us.paging import PageFacts

pytestmark = pytest.mark.anyio
_origins = map("https://origin-{}.test".format, itertools.count())


@define
class Item:
    id: str | None


@define
class Server:
    """A list behind pages of 20, in memory; `before` runs before each request and may change the list."""

    rows: list[dict[str, Any]]
    base: int = 1
    size: int = 20
    before: Callable[[Server], None] = lambda server: None
    asked: list[int | None] = Factory(list)
    lanes: list[str] = Factory(list)

    async def fetch(self, number: int | None, lane: str) -> tuple[list[Item], list[Any]]:
        self.before(self)
        self.asked.append(number)
        self.lanes.append(lane)
        index = 0 if number is None else max(0, number - self.base)
        raw = self.rows[index * self.size : (index + 1) * self.size]
        return [Item(str(row["id"])) for row in raw if "id" in row], raw

    def pager(self, facts: PageFacts | None = None, **options: Any) -> Pager[Item]:
        return Pager(self.fetch, facts or unproven(), **options)


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{number}"} for number in range(count)]


def unproven(origin: str | None = None) -> PageFacts:
    return PageFacts(origin=origin or next(_origins), parameter="page", base=1, base_is_proven=False, size=20)


def proven(base: int = 1) -> PageFacts:
    return PageFacts(origin=next(_origins), parameter="page", base=base, base_is_proven=True, size=20)


async def ids(pager: Pager[Item]) -> list[str | None]:
    return [item.id async for item in pager]


@settings(deadline=None)
@given(count=st.integers(0, 130), base=st.sampled_from([0, 1]), verify_end=st.booleans(), known=st.booleans())
async def test_every_item_once_in_order_whatever_the_base(count, base, verify_end, known):
    """No page is lost in silence if pages turn out to count from 0, and none is given twice if from 1."""
    server = Server(rows(count), base=base)

    got = await ids(server.pager(proven(base) if known else None, verify_end=verify_end))

    assert got == [row["id"] for row in server.rows]
    assert server.asked[0] is None
    least = count // 20 + 1 + (verify_end and count % 20 > 0)
    one_more = not known and base == 1 and len(server.asked) > 1
    assert len(server.asked) == least + one_more


async def test_it_sends_nothing_until_it_is_iterated():
    """Making a Pager is free."""
    server = Server(rows(3))

    pager = server.pager()

    assert server.asked == []
    assert await ids(pager) == ["r0", "r1", "r2"]


async def test_the_base_is_learnt_once_for_an_origin():
    """The second Pager of the process asks for no page twice."""
    facts, server = unproven(), Server(rows(45))
    await ids(server.pager(facts))
    first, server.asked = server.asked, []

    await ids(server.pager(facts))

    assert first == [None, 1, 2, 3]
    assert server.asked == [None, 2, 3]


async def test_first_page_interactive_the_others_background():
    """A person waits for the first page; an export for the rest."""
    server = Server(rows(45))

    await ids(server.pager(proven()))

    assert server.lanes == ["interactive", "background", "background"]


async def test_items_that_shift_while_reading_are_given_once():
    """Newest first: what is added pushes older rows onto the next page."""
    serial = itertools.count()
    server = Server(rows(60), before=lambda server: server.rows.insert(0, {"id": f"new{next(serial)}"}))

    got = await ids(server.pager())

    assert len(got) == len(set(got))
    assert {f"r{number}" for number in range(60)} <= set(got)


async def test_an_item_that_moves_to_the_first_page_is_found_when_that_is_read_again():
    """While the base is unknown, page 1 is read twice; what came onto it in between is not lost."""

    def delete_the_first_after_one_request(server: Server) -> None:
        if len(server.asked) == 1:
            del server.rows[0]

    server = Server(rows(45), before=delete_the_first_after_one_request)

    assert sorted(await ids(server.pager())) == sorted(f"r{number}" for number in range(45))


@pytest.mark.parametrize("start", [None, 0, 1])
async def test_a_server_that_ignores_page_is_no_endless_loop(start):
    """The same rows again are the end."""
    server = Server(rows(20))

    async def fetch(number: int | None, lane: str) -> tuple[list[Item], list[Any]]:
        return await server.fetch(None, lane)

    got = await ids(Pager(fetch, unproven(), page=start))

    assert got == [f"r{number}" for number in range(20)]


async def test_a_page_number_to_start_at_is_the_servers():
    """An integer is sent as it is, and counted on from there."""
    server = Server(rows(70))

    got = await ids(server.pager(page=3))

    assert got == [f"r{number}" for number in range(40, 70)]
    assert server.asked == [3, 4]


async def test_page_zero_may_be_page_one():
    """A server that counts from 1 and takes 0 for the first page does not end the list."""
    server = Server(rows(45), base=1)

    assert await ids(server.pager(page=0)) == [f"r{number}" for number in range(45)]


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("consumed", [0, 1, 19, 20, 21, 40, 44, 45])
async def test_a_cursor_goes_on_in_another_process_at_least_once(base, consumed):
    """Wherever the first reader stopped, nothing is missing, and no more than one page comes twice."""
    server = Server(rows(45), base=base)
    pager = server.pager()
    first = await pager.collect(limit=consumed)

    rest = await ids(server.pager(page=pager.cursor))

    both = [item.id for item in first] + rest
    assert set(both) == {row["id"] for row in server.rows}
    assert len(both) <= 45 + 20


async def test_what_fails_on_the_last_item_of_a_page_is_not_lost():
    """The cursor stays on a page until its reader comes back for more."""
    server = Server(rows(40))
    pager = server.pager(proven())
    with pytest.raises(RuntimeError, match="r19"):
        async for item in pager:
            if item.id == "r19":
                raise RuntimeError(item.id)

    rest = await ids(server.pager(proven(), page=pager.cursor))

    assert "r19" in rest


async def test_the_end_is_a_place_too():
    """Going on from the end of a list sends nothing."""
    server = Server(rows(3))
    pager = server.pager()
    await ids(pager)

    again = server.pager(page=pager.cursor)

    assert await ids(again) == []
    assert server.asked == [None]


@pytest.mark.parametrize("bad", [-1, True, "2", "page:", "page:x", "page:-1", 1.0])
async def test_a_bad_cursor_is_refused_at_once(bad):
    """Before anything is sent."""
    with pytest.raises(ValueError, match="cursor"):
        Server([]).pager(page=bad)


@pytest.mark.parametrize("failing", [1, 2, 3])
async def test_it_survives_an_error_and_goes_on_with_the_page_that_failed(failing):
    """An async generator that raised would be finished, and a second `async for` would look complete."""

    def fail_once(server: Server) -> None:
        if len(server.asked) + 1 == failing and not failed:
            failed.append(True)
            raise OSError("broken")

    failed: list[bool] = []
    server = Server(rows(45), before=fail_once)
    pager, got = server.pager(proven()), []
    with pytest.raises(OSError, match="broken"):
        async for item in pager:
            got.append(item.id)

    got += await ids(pager)

    assert got == [f"r{number}" for number in range(45)]


async def test_collect_loses_nothing_when_a_page_fails():
    """The items that it had are given again."""

    def fail_second(server: Server) -> None:
        if len(server.asked) == 1 and not failed:
            failed.append(True)
            raise OSError("broken")

    failed: list[bool] = []
    server = Server(rows(30), before=fail_second)
    pager = server.pager(proven())
    with pytest.raises(OSError, match="broken"):
        await pager.collect()

    assert [item.id for item in await pager.collect()] == [f"r{number}" for number in range(30)]


async def test_pages_come_whole_with_their_raw_rows():
    """A row without an id is no item, and stays in raw."""
    server = Server([*rows(20), {"name": "no id"}, {"id": "last"}])

    pages = [page async for page in server.pager(proven()).pages()]

    assert [(page.number, len(page.items), len(page.raw)) for page in pages] == [(1, 20, 20), (2, 1, 2)]
    assert {"name": "no id"} in pages[1].raw
    assert isinstance(pages[0], Page)


async def test_rows_are_counted_raw():
    """A page of 20 rows of which none can be understood is not the end of the list."""
    server = Server([*({"name": n} for n in range(20)), {"id": "reached"}])

    assert await ids(server.pager(proven())) == ["reached"]


async def test_pages_after_items_start_with_the_rest_of_the_page():
    """Changing over from items to pages loses nothing."""
    pager = Server(rows(25)).pager(proven())
    async for _ in pager:
        break

    pages = [page async for page in pager.pages()]

    assert [len(page.items) for page in pages] == [19, 5]


async def test_larger_pages_than_documented_are_no_end():
    """If the first page has 50 rows, a page of 50 is full and one of 30 is the last."""
    server = Server(rows(130), size=50)

    assert len(await ids(server.pager(proven()))) == 130


async def test_for_and_await_say_what_to_use_instead():
    """The two mistakes that everybody makes once."""
    pager = Server([]).pager()

    with pytest.raises(TypeError, match="async for"):
        for _ in pager:
            pass
    with pytest.raises(TypeError, match="collect"):
        await pager
    with pytest.raises(ValueError, match="limit"):
        await pager.collect(limit=-1)
