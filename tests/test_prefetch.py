"""Pages that are fetched ahead: never too many, never in front of urgent work, and nothing stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from attrs import Factory, define
from hypothesis import given, settings
from hypothesis import strategies as st
from support import clock
from support.scripted import Behaviour, Say, Scripted

from sessions_us import ClientClosedError, Pager, Quota, QuotaTimeoutError, RetryPolicy, ServerError, UserClient
from sessions_us.paging import PageFacts


@dataclass
class Item:
    id: str


@define
class Server:
    """Pages of 20 in memory, each `takes` seconds; `before` runs before each request."""

    count: int
    base: int = 1
    takes: float = 4.0
    before: Callable[[Server], None] = lambda server: None
    asked: list[int | None] = Factory(list)
    lanes: list[str] = Factory(list)
    under_way: int = 0
    most_under_way: int = 0

    async def fetch(self, number: int | None, lane: str) -> tuple[list[Item], list[Any]]:
        self.asked.append(number)
        self.lanes.append(lane)
        self.before(self)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.under_way -= 1
        first = 0 if number is None else max(0, number - self.base) * 20
        names = [f"r{row}" for row in range(first, min(first + 20, self.count))]
        return [Item(name) for name in names], [{"id": name} for name in names]

    def pager(self, prefetch: int, *, proven: bool = True, **options: Any) -> Pager[Item]:
        facts = PageFacts(
            origin=f"https://{uuid4()}.test", parameter="page", base=self.base, base_is_proven=proven, size=20
        )
        return Pager(self.fetch, facts, prefetch=prefetch, **options)


def names(count: int, start: int = 0) -> list[str]:
    return [f"r{row}" for row in range(start, count)]


async def now() -> float:
    return asyncio.get_running_loop().time()


async def nothing_left() -> None:
    """Every other task ends by itself, soon. A loop closes what `break` left in a task of its own, a moment later."""
    for turn in range(50):
        if turn > 5 and len(asyncio.all_tasks()) == 1:
            return
        await asyncio.sleep(0)
    raise AssertionError(asyncio.all_tasks())


def test_pages_are_fetched_while_the_reader_works():
    """Five pages of 4 s to fetch and 5 s to work on take 4 + 5 x 5 s, not 5 x 9 s; without prefetch they do."""

    async def read(prefetch: int) -> float:
        started = await now()
        async for _ in Server(100, takes=4).pager(prefetch, verify_end=False).pages():
            await asyncio.sleep(5)
        return await now() - started

    assert clock.run(read(1)) == pytest.approx(4 + 5 * 5)
    assert clock.run(read(0)) == pytest.approx(5 * 9 + 4)  # and the empty page at the end


@pytest.mark.parametrize("prefetch", [0, 1, 3, 100])
@pytest.mark.parametrize("proven", [True, False])
def test_no_more_than_so_many_pages_beyond_the_one_that_is_read(prefetch, proven):
    """However long the reader takes; and one after the other, for a page says which is next."""

    async def read() -> None:
        server = Server(200)
        pager, pages_read = server.pager(prefetch, proven=proven), 0
        async for page in pager.pages():
            pages_read += 1
            await asyncio.sleep(1000)
            ahead = len(server.asked) - pages_read - (not proven and pages_read > 1)
            assert ahead == min(prefetch, 11 + (not proven and pages_read == 1) - pages_read), page.number
            assert server.under_way == 0
        assert server.most_under_way == 1
        await nothing_left()

    clock.run(read())


@settings(deadline=None)
@given(
    count=st.integers(0, 90),
    base=st.sampled_from([0, 1]),
    verify_end=st.booleans(),
    proven=st.booleans(),
    prefetch=st.integers(1, 6),
    work=st.sampled_from([0.0, 1.0, 4.0, 9.0]),
)
def test_the_same_items_for_the_same_requests(count, base, verify_end, proven, prefetch, work):
    """Fetching ahead changes when a page is asked for, and nothing else: no item, no order, no request more."""

    async def read(ahead: int) -> tuple[list[str], list[int | None]]:
        server, got = Server(count, base), []
        async for item in server.pager(ahead, proven=proven, verify_end=verify_end):
            got.append(item.id)
            if work:
                await asyncio.sleep(work)
        return got, server.asked

    assert clock.run(read(prefetch)) == clock.run(read(0))
    assert clock.run(read(prefetch))[0] == names(count)


def test_only_the_first_page_is_urgent():
    """What is fetched ahead is background work, even for a reader whose own calls are all interactive, until it waits for it."""

    async def read(work: float, **options: Any) -> list[str]:
        async def hurry(number: int | None) -> None:
            server.lanes.append(f"hurry {number}")

        server = Server(45)
        async for _ in server.pager(2, hurry=hurry, **options).pages():
            if work:
                await asyncio.sleep(work)
        return server.lanes

    assert clock.run(read(9)) == ["interactive", "background", "background"]
    assert clock.run(read(0)) == ["interactive", "background", "background"]
    assert clock.run(read(9, lane="interactive")) == ["interactive", "background", "background"]
    assert clock.run(read(2, lane="interactive")) == [
        "interactive",
        "background",
        "hurry 2",
        "background",
        "hurry 3",
    ]
    assert clock.run(read(9, lane="background")) == ["background"] * 3


def test_the_cursor_stays_with_the_reader():
    """Pages that were fetched and not read are read again by who goes on there."""

    async def read() -> None:
        server = Server(100)
        pager = server.pager(3)
        async for item in pager:
            if item.id == "r25":
                await asyncio.sleep(1000)
                break
        assert len(server.asked) == 5
        assert pager.cursor == "page:2"

        other = server.pager(0, page=pager.cursor)
        assert [item.id async for item in other] == names(100, 20)

    clock.run(read())


@pytest.mark.parametrize("at", [0.0, 1.0, 4.5, 100.0])
@pytest.mark.parametrize("how", ["break", "error", "aclose", "cancel"])
def test_an_iteration_that_ends_early_leaves_no_task_and_the_next_goes_on(how, at):
    """Whatever was under way is broken off; what was fetched is not fetched again."""

    async def read(pager: Pager[Item], got: list[str]) -> None:
        async with aclosing(pager.pages()) as pages:
            async for page in pages:
                got += [item.id for item in page.items]
                await asyncio.sleep(at)
                if how == "aclose":
                    return
                if how == "cancel":
                    asyncio.current_task().cancel()  # type: ignore[union-attr]

    async def scene() -> None:
        server, got = Server(100), []
        pager = server.pager(2)
        if how == "break":
            async for item in pager:
                got.append(item.id)
                if len(got) == 20:
                    await asyncio.sleep(at)
                    break
        elif how == "error":
            with pytest.raises(ZeroDivisionError):
                async for item in pager:
                    got.append(item.id)
                    if len(got) == 20:
                        await asyncio.sleep(at)
                        raise ZeroDivisionError
        else:
            reading = asyncio.create_task(read(pager, got))
            await asyncio.wait([reading])
            assert reading.cancelled() == (how == "cancel")
        await nothing_left()
        assert server.under_way == 0
        before, fetched = len(server.asked), min(2, int(at // 4))
        assert server.most_under_way == 1

        got += [item.id async for item in pager]

        assert got == names(100)
        assert len(server.asked) == before + 5 - fetched
        await nothing_left()

    clock.run(scene())


def test_a_reader_that_is_cancelled_while_it_waits_for_a_page():
    """The wait ends at once, the request with it, and the page comes with the next iteration."""

    async def scene() -> None:
        server, got = Server(60, takes=100), []
        pager = server.pager(1)

        async def read() -> None:
            async for item in pager:
                got.append(item.id)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(150):
                await read()
        await nothing_left()
        assert (server.under_way, got) == (0, names(20))

        await read()
        assert got == names(60)
        assert server.asked == [None, 2, 2, 3, 4]

    clock.run(scene())


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
@pytest.mark.parametrize("work", [0.0, 50.0])
def test_an_error_comes_when_the_reader_reaches_its_page(failing, work):
    """All items before it are given first; iterated again, the Pager goes on with the page that failed, asked for once more."""

    async def scene() -> None:
        def fail_once(server: Server) -> None:
            if len(server.asked) == failing and not failed:
                failed.append(True)
                raise OSError("broken")

        failed: list[bool] = []
        server, got = Server(75, before=fail_once), []
        pager = server.pager(3)
        with pytest.raises(OSError, match="broken"):
            async for item in pager:
                got.append(item.id)
                await asyncio.sleep(work)
        assert got == names(20 * (failing - 1))
        assert len(server.asked) == failing, "what comes after a page that failed is not known"
        await nothing_left()

        got += [item.id async for item in pager]

        assert got == names(75)
        assert len(server.asked) == 5

    clock.run(scene())


def test_an_error_that_nobody_reached_is_forgotten():
    """Who comes later asks anew: perhaps it is over."""

    async def scene() -> None:
        def fail_second(server: Server) -> None:
            if len(server.asked) == 2:
                raise OSError("broken")

        server = Server(45, before=fail_second)
        pager = server.pager(1)
        async for _ in pager:
            await asyncio.sleep(10)
            break
        await nothing_left()

        assert [item.id for item in await pager.collect()] == names(45, 1)

    clock.run(scene())


def test_impatience_begins_when_the_reader_waits():
    """That the quota refused a page while nobody waited for it is nobody's error; while somebody does, it is."""

    def refuse(*requests: int) -> Callable[[Server], None]:
        def before(server: Server) -> None:
            if len(server.asked) in requests:
                raise QuotaTimeoutError("Not sent.", retry_after=None, lane="background", position=1)

        return before

    async def scene() -> None:
        server = Server(45, before=refuse(2))
        got = []
        async for item in server.pager(1):
            got.append(item.id)
            await asyncio.sleep(1)
        assert got == names(45)
        assert server.asked == [None, 2, 2, 3]

        server = Server(45, before=refuse(2))
        with pytest.raises(QuotaTimeoutError):
            async for _ in server.pager(1):
                pass
        assert server.asked == [None, 2]

    clock.run(scene())


def test_two_readers_share_the_pages():
    """Each item goes to one of them; one that leaves does not end what the other waits for."""

    async def scene() -> None:
        server, got = Server(200), []
        pager = server.pager(2)

        async def read(pause: float, until: int) -> None:
            async for item in pager:
                got.append(item.id)
                await asyncio.sleep(pause)
                if len(got) >= until:
                    break

        await asyncio.gather(read(0.1, 1000), read(0.3, 70), read(0, 1000))

        assert sorted(got) == sorted(names(200))
        assert server.most_under_way == 1
        assert len(server.asked) == 11
        await nothing_left()

    clock.run(scene())


def test_collect_fetches_nothing_ahead():
    """It has no other work to do meanwhile, and may want no more; what was fetched for another reader it takes."""

    async def scene() -> None:
        server = Server(100)
        pager = server.pager(2)
        assert [item.id for item in await pager.collect(limit=20)] == names(20)
        await asyncio.sleep(1000)
        assert server.asked == [None]

        async for item in pager:
            assert item.id == "r20"
            await asyncio.sleep(1000)
            break
        await nothing_left()
        assert server.asked == [None, 2, 3, 4]

        assert [item.id for item in await pager.collect(limit=40)] == names(61, 21)
        assert server.asked == [None, 2, 3, 4]
        assert [item.id for item in await pager.collect()] == names(100, 61)
        assert server.asked == [None, 2, 3, 4, 5, 6]

    clock.run(scene())


def test_a_pager_goes_on_in_another_event_loop():
    """What was under way in a loop that was thrown away will never come; what was fetched there is kept."""
    server = Server(65)
    pager, got = server.pager(1), []

    async def begin() -> AsyncIterator[Item]:
        items = pager.__aiter__()
        got.extend([(await anext(items)).id for _ in range(20)])
        await asyncio.sleep(2)
        return items

    loop = clock.VirtualLoop()
    kept = loop.run_until_complete(begin())
    tasks = asyncio.all_tasks(loop)

    async def go_on() -> None:
        got.extend([item.id async for item in pager])

    clock.run(go_on())

    assert got == names(65)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, kept.aclose(), return_exceptions=True))  # type: ignore[attr-defined]
    loop.close()


@pytest.mark.parametrize("bad", [-1, True, False, 1.0, "2", None])
def test_a_number_of_pages_or_one_clear_error(bad):
    """Before anything is sent."""
    with pytest.raises(ValueError, match="prefetch is how many pages to fetch ahead, 0 or more, not"):
        UserClient("key").sessions.list(prefetch=bad)


class Pages(Scripted):
    """A list of full pages on a real socket, and single objects beside it; `script` comes before."""

    def __init__(self, count: int, *script: Behaviour) -> None:
        super().__init__(*script, Say(404))
        self._count = count

    @property
    def asked(self) -> list[str]:
        return [arrived.target.removeprefix("/api/sessions") for arrived in self.arrived]

    def _next(self) -> Behaviour:
        if len(self._script) > 1:
            return self._script.popleft()
        url = urlsplit(self.arrived[-1].target)
        if url.path != "/api/sessions":
            return Say(body={"id": "one"})
        page = int(parse_qs(url.query).get("page", ["1"])[0])
        rows = [{"id": f"p{page}-{row}"} for row in range(20)] if page <= self._count else []
        return Say(body=rows)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


def _at_rest(user: UserClient) -> bool:
    snapshot = user.quota.snapshot()
    return snapshot.under_way == 0 and snapshot.waiting["background"] == 1


@pytest.mark.anyio
async def test_the_reserve_is_left_to_urgent_work():
    """However far ahead it may fetch, eight of ten requests go out; two are there at once for whoever is urgent."""
    before = asyncio.all_tasks()
    async with Pages(50) as server:
        async with UserClient(f"key-{uuid4()}", base_url=server.url, quota=Quota(limit=10, window=60)) as user:
            async with aclosing(user.sessions.list(prefetch=40).pages()) as pages:
                await anext(pages)
                await _until(lambda: _at_rest(user))
                assert len(server.arrived) == 8

                urgent = user.with_options(max_wait=0)
                await urgent.sessions.get("one")
                await urgent.rooms.get("two")
                with pytest.raises(QuotaTimeoutError):
                    await urgent.rooms.get("three")
                # Several are under way at once, and which of them arrives first is the network's business.
                assert sorted(target for target in server.asked if "page" in target) == [
                    f"?page={number}" for number in range(1, 8)
                ]
            assert user.quota.snapshot().waiting["background"] == 0
            await _only(before)


@pytest.mark.anyio
async def test_a_reader_whose_calls_are_interactive_gets_the_page_it_waits_for():
    """What was begun in the background for it is promoted once it waits, and no request is sent twice."""
    async with Pages(50) as server:
        quota = Quota(limit=10, window=60)
        async with UserClient(f"key-{uuid4()}", base_url=server.url, quota=quota) as user:
            async with asyncio.timeout(20):
                async with aclosing(user.with_options(lane="interactive").sessions.list(prefetch=40).pages()) as pages:
                    await anext(pages)
                    await _until(lambda: _at_rest(user))
                    assert len(server.arrived) == 8
                    for _ in range(7):  # the first page was asked for twice, for its number was not known
                        await anext(pages)
                    await _until(lambda: _at_rest(user))
                    assert len(server.arrived) == 9
            assert len({*server.asked}) == 9


def _others(before: set[asyncio.Task[Any]]) -> list[str]:
    """Tasks that are neither the server's nor were there before."""
    return [repr(task) for task in asyncio.all_tasks() - before if "Scripted" not in repr(task)]


async def _only(before: set[asyncio.Task[Any]]) -> None:
    for _ in range(100):
        if not _others(before):
            return
        await asyncio.sleep(0)
    raise AssertionError(_others(before))


@pytest.mark.anyio
@pytest.mark.parametrize("spent", [True, False])
async def test_closing_the_client_ends_what_is_fetched_ahead(spent):
    """When `aclose` returns, no task of it is left; the reader gets what was fetched, then hears that the client is closed."""
    before = asyncio.all_tasks()
    async with Pages(50) as server:
        quota = Quota(limit=5 if spent else 10**6, window=60, reserve=1)
        user = UserClient(f"key-{uuid4()}", base_url=server.url, quota=quota)
        pages = user.sessions.list(prefetch=1000 if spent else 20).pages()
        await anext(pages)
        if spent:
            await _until(lambda: _at_rest(user))
        await user.aclose()
        assert _others(before) == []

        with pytest.raises(ClientClosedError):
            async with asyncio.timeout(20):
                async for _ in pages:
                    pass
        await _only(before)


@pytest.mark.anyio
async def test_a_page_that_the_server_refused_is_asked_for_again():
    """Over a socket: the error has the reader's attributes, and the next iteration is complete."""
    full = [Say(body=[{"id": f"p{page}-{row}"} for row in range(20)]) for page in (1, 1, 2)]
    async with Pages(4, *full, Say(500)) as server:
        once = RetryPolicy(attempts=1)
        quota = Quota(limit=10**6, window=60)
        async with UserClient(f"key-{uuid4()}", base_url=server.url, retries=once, quota=quota) as user:
            pager, got = user.sessions.list(prefetch=5), []
            with pytest.raises(ServerError) as caught:
                async for session in pager:
                    got.append(session.id)
            assert (caught.value.status_code, len(got), len(server.arrived)) == (500, 40, 4)

            got += [session.id async for session in pager]

            assert got == [f"p{page}-{row}" for page in (1, 2, 3, 4) for row in range(20)]
            assert server.asked == ["", "?page=1", "?page=2", "?page=3", "?page=3", "?page=4", "?page=5"]
