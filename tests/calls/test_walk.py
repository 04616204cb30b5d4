"""Where each request of a list goes, answer by answer. What lists promise is in test_lists_lose_nothing.py.

A list is told as a line. Between bars stand a request, its answer and what the reader got: `2 bc c` is page 2, which has the
rows b and c, of which c is new.

* `start` is the request without a number. A letter is a row with that id, a capital one without. `-` is a page without rows,
  and a number a status.
* `2*`: a person waits for it, so it goes in the interactive lane.
* `2@3`: the cursor is on page 3 meanwhile, and not on the page that is asked for. `c@1`: on page 1, once the reader has the page.
* `bc/1`: another task deletes a row while the page is asked for. `c!1`: the reader does, once it has the page.
* `! …` is a surprise, and the last is how the list ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from support.list_server import PLENTY, document_says

from sessions_us import (
    ClientEvent,
    Pager,
    PagingError,
    PagingSurprise,
    Quota,
    RequestGranted,
    RetryPolicy,
    ServerError,
    SessionsError,
    UserClient,
)

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, kw_only=True)
class Said:
    """A list as it is told.

    Attributes:
        parts: of the line.
        base, size: as the document says; None: it does not.
        below: whether it is a list below an id.
        changing: whether each row has a field that is another in each answer.
        arguments: of the list.
    """

    parts: list[str]
    base: int | None
    size: int | None
    below: bool
    changing: bool
    arguments: dict[str, Any]


def said(
    line: str,
    *,
    base: int | None = 1,
    size: int | None = 2,
    below: bool = False,
    changing: bool = False,
    **arguments: Any,
) -> Said:
    """By default the document says that the first page is 1, and that a page has two rows."""
    parts = line.split(" | ")
    return Said(parts=parts, base=base, size=size, below=below, changing=changing, arguments=arguments)


class Teller(httpx.AsyncBaseTransport):
    """A server that answers as a line says, and tells what came of it.

    Attributes:
        told: what happened, as the parts of a line.
        pager: reads the list.
        delete: deletes a row.
    """

    def __init__(self, list_said: Said) -> None:
        self.told: list[str] = []
        self.pager: Pager[Any]
        self.delete: Callable[[str], Awaitable[Any]]
        requests = [part.split() for part in list_said.parts if part.startswith(("start", *"0123456789"))]
        self._answers = [request[1] for request in requests]
        self._deletes = [int(request[-1].partition("@")[0].partition("!")[2] or 0) for request in requests]
        self._changing = list_said.changing
        self._last = -1  # the place of the last request in `told`
        self._lane = ""

    def hear(self, event: ClientEvent) -> None:
        if isinstance(event, RequestGranted):
            self._lane = event.lane
        if isinstance(event, PagingSurprise):
            self.told.append(f"! {event.expected}; {event.came}")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            return httpx.Response(200, headers=PLENTY)
        number = self.pager.requests
        if number >= len(self._answers):
            return httpx.Response(418, text="one request too many")
        page, answer = request.url.params.get("page", "start"), self._answers[number]
        waits = "*" if self._lane == "interactive" else ""
        self._last = len(self.told)
        self.told.append(f"{page}{waits}{self._elsewhere(page)} {answer}")
        rows, _, deletes = answer.partition("/")
        for _ in range(int(deletes or 0)):
            await self.delete("a row")
        if rows.isdigit():
            return httpx.Response(int(rows))
        return httpx.Response(200, json=[self._row(name) for name in rows.strip("-")])

    async def read(self) -> None:
        """Reads on after a failure of the server."""
        try:
            async for page in self.pager.pages():
                await self._got([row.get("id") or row["name"] for row in page.new_rows])
        except ServerError:
            await self.read()

    async def _got(self, names: list[str]) -> None:
        deletes = self._deletes[self.pager.requests - 1]
        for _ in range(deletes):
            await self.delete("a row")
        asked = self.told[self._last].split()[0].replace("*", "")
        page = asked.rpartition("@")[2]
        self.told[self._last] += " " + "".join(names) + (f"!{deletes}" if deletes else "") + self._elsewhere(page)

    def _elsewhere(self, page: str) -> str:
        """Where the cursor is, if not on this page. What it knows of the top of the list is not told."""
        cursor = ":".join(self.pager.cursor.split(":")[:2]).removeprefix("page:")
        return "" if cursor == page else f"@{cursor}"

    def _row(self, name: str) -> dict[str, Any]:
        row: dict[str, Any] = {"name": name, "id": name} if name.islower() else {"name": name}
        return row | ({"seenAt": self.pager.requests} if self._changing else {})


async def reading(list_said: Said) -> Teller:
    """Reads a list."""
    teller, quota = Teller(list_said), Quota(limit=1_000_000, window=1.0)
    user = UserClient(
        f"key-{uuid4()}",
        base_url=f"https://{uuid4()}.example",
        transport=teller,
        quota=quota,
        retries=RetryPolicy(attempts=1),
        on_event=teller.hear,
    )
    await user.rooms.update("any", name="any")  # the client knows the quota, so that two requests may be in flight
    with document_says(base=list_said.base, size=list_said.size):
        if list_said.below:
            teller.pager, teller.delete = user.booking_pages.bookings("p1", **list_said.arguments), user.bookings.delete
        else:
            teller.pager, teller.delete = user.rooms.list(**list_said.arguments), user.rooms.delete
        try:
            await teller.read()
        except SessionsError as error:
            assert teller.pager.complete is None
            teller.told.append(str(error) if isinstance(error, PagingError) else type(error).__name__)
        else:
            teller.told.append({True: "complete", False: "in doubt"}[bool(teller.pager.complete)])
    return teller


ENDLESS = (
    "list_rooms may never end: {} pages brought {} with new rows. The server seems to ignore the page number, or to order the "
    "rows differently for each request. The rows that were read may not be all"
)

LISTS = {
    # which number the first page has
    "page 1 is the first page again": said("start* ab ab | 1* ab | 2 cd cd | 3 e e | complete", base=None),
    "page 1 is the second page": said("start* ab ab | 1* cd cd | 2 e e | complete", base=None),
    "the document says that the first page is 0": said("start* ab ab | 1 cd cd | 2 - | complete", base=0),
    "from page 3 on": said("3* ef ef | 4 g g | complete", page=3),
    "from page 0, which is page 1 too": said("0*@start ab ab | 1* ab | 2 cd cd | 3 - | complete", base=None, page=0),
    "from page 1, which is the first": said("1*@start ab ab | 2 cd cd | 3 - | complete", page=1),
    # how a list ends
    "there is nothing": said("start* - | complete"),
    "there is no list": said("start* 404 | NotFoundError"),
    "there is no second page": said("start* ab ab | 2 404 | complete"),
    "a second page is refused": said("start* ab ab | 2 416 | complete"),
    "below an id, there is no second page": said("start* ab ab | 2 404 | start*@3 ab | complete", below=True),
    "below an id, a row came since": said("start* ab ab | 2 404 | start*@3 xa x | complete", below=True),
    "below an id, which is gone": said("start* ab ab | 2 404 | start*@3 404 | NotFoundError", below=True),
    "below an id, a second page is refused": said("start* ab ab | 2 416 | complete", below=True),
    "from a page that is not there": said("9* 404 | NotFoundError", page=9),
    "from a cursor behind the end": said("9* 404 | start*@10 a a | complete", page="page:9"),
    "from a cursor behind the end of what is empty": said("9* 404 | start*@10 - | complete", page="page:9"),
    "from a cursor, below an id that is gone": said(
        "9* 404 | start*@10 404 | NotFoundError", page="page:9", below=True
    ),
    "from the end": said("complete", page="end"),
    "from an end in doubt": said("in doubt", page="end:doubtful"),
    "the quota has no place for the proof": said(
        "start* ab ab | 2 c c | 3* 429 | ! a place in the quota to prove the end of the list; a refusal | in doubt",
        verify_end=True,
    ),
    "the quota has no place for a last look": said(
        "start* ab ab | 2 ab | start*@3 429 | ! a place in the quota to prove the end of the list; a refusal | in doubt"
    ),
    "the quota has no place for a page": said("start* ab ab | 2 429 | RateLimitedError"),
    # short pages
    "a short page": said("start* ab ab | 2 c c | complete"),
    "a short page, verified": said("start* ab ab | 2 c c | 3* - | complete", verify_end=True),
    "a short first page, verified": said("start* a a | 1* a | 2* - | complete", base=None, verify_end=True),
    "full pages after a short one": said(
        "start* abc abc | 2 de de | 3* fgh fgh | ! no rows after a page of fewer than 3; 3 rows | 4 - | complete",
        size=3,
        verify_end=True,
    ),
    "short pages after a short one": said(
        "start* abc abc | 2 de de | 3* fg fg | ! no rows after a page of fewer than 3; 2 rows | 4 h h | 5 - | complete",
        size=3,
        verify_end=True,
    ),
    "pages of one row": said(
        "start* a a | 2* b b | ! no rows after a page of fewer than 3; 1 rows | 3 - | complete", size=3, verify_end=True
    ),
    "rows that came before, after an empty page": said(
        "3* -/1 | 2 ab ab | 3 cd cd | 4 de e | 5 ab | 6 - | complete",
        base=None,
        page="page:3",
        verify_end=True,
        below=True,
    ),
    "new rows on a short page that is asked for again": said(
        "start* a a!1 | start b b | 2* - | complete", verify_end=True
    ),
    "longer pages": said("start* abcd abcd | ! at most 2 rows a page; 4 rows | 2 efg efg | 3 hij hij | 4 - | complete"),
    "the document says no size": said("start* ab ab | 2 c c | 3 - | complete", size=None),
    # pages that come again
    "the first page for any page": said(
        "start* ab ab | 2 ab | start*@3 ab | ! another page, or an empty one; a page whose rows came before | in doubt"
    ),
    "the first page for any page, the first number not said": said(
        "start* ab ab | 1* ab | 2 ab | start*@3 ab | "
        "! another page, or an empty one; a page whose rows came before | in doubt",
        base=None,
    ),
    "a short last page again": said("start* ab ab | 2 c c | 3* c | 4* c | start*@5 ab | complete", verify_end=True),
    "a full last page again": said(
        "start* ab ab | 2 cd cd | 3 cd | 4 cd | start*@5 ab | "
        "! another page, or an empty one; a page whose rows came before | in doubt"
    ),
    "a short page again, of a longer list": said(
        "4* abc abc | 5 a | start*@6 a | complete", size=3, page="page:4", verify_end=True
    ),
    "half of the first page": said(
        "start* abcd abcd | 2 efgh efgh | 3 abef | start*@4 abcd | "
        "! another page, or an empty one; a page whose rows came before | in doubt",
        size=4,
    ),
    "less than half of the first page": said(
        "start* ab ab | 2 cde cde | ! at most 2 rows a page; 3 rows | 3 bcd | 4 - | complete"
    ),
    "as many new rows as from the first page": said(
        "start* abcd abcd | 2 efgh efgh | 3 abij ij | 4 k k | complete", size=4
    ),
    "one page was inserted": said("start* ab ab | 2 ab | start*@3 xy xy | 3 cd cd | 4 ef ef | 5 - | complete"),
    "two pages were inserted": said(
        "start* ab ab | 2 cd cd | 3 cd | 4 ab | start*@5 xy xy | 5 ab | 6 cd | 7 ef ef | 8 - | complete"
    ),
    "inserted, and then each page comes again": said(
        "start* ab ab | 2 cd cd | 3 cd | 4 cd | start*@5 xy xy | 5 cd | 6 cd | 7 cd | 8 cd | 9 xy | "
        "start*@10 xy | ! another page, or an empty one; a page whose rows came before | in doubt"
    ),
    "inserted before a page that was asked for again": said(
        "start* ab/1 ab | start cd cd | 1* cd | 2 ab | 3 404 | start*@4 da/1 | complete",
        base=None,
        size=None,
        below=True,
    ),
    "nothing inserted before a page that was asked for again": said(
        "start* ab/2 ab!1 | start bc c | 1* bc | 2 de de | 3 de | 4 de | start*@5 bc | "
        "! another page, or an empty one; a page whose rows came before | in doubt",
        base=None,
        verify_end=True,
    ),
    "from a cursor, and nothing is there any more": said(
        "2* a a | 3* a | start*@4 - | complete", size=3, page="page:2", verify_end=True
    ),
    "from a cursor, and the last look has new rows": said(
        "3* ab ab | 4 ab | start*@5 cd cd | 5 ab | 6 b | complete", base=None, page="page:3"
    ),
    # how often without a new row
    "pages in turns": said(
        "start* ab ab | 2 cd cd | 3 ab | start*@4 cd | 4 ab | 5 cd | start*@6 ab | 6 cd | start*@7 ab | "
        "! another page, or an empty one; a page whose rows came before | in doubt"
    ),
    "pages in turns, the first for page 1": said(
        "start* a a | 1* bc bc | 2 a | start*@3 bc | 3 a | 4 a | 5 a | start*@6 bc | "
        "! another page, or an empty one; a page whose rows came before | in doubt",
        base=None,
        size=None,
    ),
    "pages in turns, after an insertion": said(
        "3* ab ab | ! at most 1 rows a page; 2 rows | 4 ab | start*@5 c c | 5 b | 6 b | 7 b | 8 b | start*@9 a | "
        "" + ENDLESS.format(8, 2),
        size=1,
        page="page:3",
        verify_end=True,
    ),
    # rows that are taken out
    "the reader deletes each row": said("start* ab ab!2 | start cd cd!2 | start e e!1 | complete"),
    "the reader deletes one row": said("start* ab ab!1 | start bc c | 2 d d | complete"),
    "the reader deletes one row of a short page": said("start* ab ab!1 | start - | complete", verify_end=True),
    "the reader deletes more than there are": said(
        "start* a a!3 | start b b!1 | start c c!1 | start - | complete", size=1
    ),
    "another deletes while a page is asked for": said("start* ab ab | 2 cd/1 cd@start | start cd | 2 e e | complete"),
    "another deletes, and it is seen at once": said("start* ab/1 ab | start - | complete"),
    "another deletes more than the reader had": said(
        "start* ab/2 ab | start ab | 1* ab/4 | start - | complete", base=None, verify_end=True
    ),
    "from page 3 on, deleted": said("3* ef ef!2 | 3 gh gh!2 | 3 - | complete", page=3),
    "from page 5 on, deleted while it is asked for": said("5* ab/1 ab | 5 ab/1 | 5 b | complete", page=5),
    "from a cursor, deleted": said("3* ef ef!2@2 | 3 cd cd | 4 gh gh | 5 - | complete", page="page:3"),
    "from a cursor, some pages deleted": said("3* ab ab!4@1 | 2 c c@1 | complete", base=None, page="page:3"),
    "from a cursor, deleted while an empty page is asked for": said(
        "3* -/2 | 1 - | complete", base=None, size=3, page="page:3", verify_end=True, below=True
    ),
    "from a cursor, deleted, and two returns in vain": said(
        "2* abc/6 abc@start | start abc | 1 abc/3 | start - | complete",
        base=None,
        size=None,
        page="page:2",
        verify_end=True,
    ),
    "from a cursor, deleted, with errors of the server": said(
        "4* -/1 | 3 503 | 3 503 | 3 503 | 3 -/1 | start - | complete", size=3, page="page:4", verify_end=True
    ),
    "from a cursor behind the end, deleted": said(
        "3* 404/1 | start*@2 ab ab | 2 a | complete", base=None, page="page:3"
    ),
    "from a cursor, refused, then deleted": said("3* 416 | start*@4 a/1 a@2 | complete", base=None, page="page:3"),
    "two returns in vain, then the end, then back": said(
        "start* ab ab!1 | start ab/1 | start ab/1 | 2@start cd cd | 3@start e e | start ab | 2 cd | 3 - | complete"
    ),
    "returns in vain, and one that finds a row": said(
        "0*@start ab ab | 1* cde/3 cde@start | ! no rows after a page of fewer than 3; 3 rows | 0@start ab/4 | "
        "0@start ab/4 | 1@start - | 0@start f f | 1 - | complete",
        base=None,
        size=3,
        page=0,
        verify_end=True,
    ),
    "deleted at each end": said(
        "start* ab ab | 2 -/1 | start ab | 2 -/1 | start ab | 2 -/1 | "
        "! no deletions by this process while the end is read; deletions without end | in doubt"
    ),
    "deleted at each end, which is a page that is not there": said(
        "start* ab ab | 2 404/1 | start ab | 2 ab | 3 404/1 | 2 ab | 3 ab | 4 404/1 | "
        "! no deletions by this process while the end is read; deletions without end | in doubt"
    ),
    "deleted at each end, with a new row once": said(
        "start* ab ab | 2 -/1 | start ac c | 2 -/1 | start ac | 2 -/1 | start ac | 2 -/1 | "
        "! no deletions by this process while the end is read; deletions without end | in doubt"
    ),
    "deleted during the last look": said(
        "3* a a | 4* a | start*@5 a/1 | 4 - | complete", base=0, page="page:3", verify_end=True
    ),
    "deleted before the last look": said(
        "start* a a | 2* a/1 | start* - | start - | complete", size=3, verify_end=True
    ),
    "deleted before an end that is verified": said(
        "start* a a | 1* a | 2* a/1 | start*@1 - | 1 - | complete", base=None, size=3, verify_end=True
    ),
    "deleted, and the last page again": said(
        "1* a a!4 | 1 b b | 2* b | 3* b | start*@4 b | complete", base=None, size=3, page=1, verify_end=True
    ),
    # in what order
    "each page in another order": said(
        "start* abc abc | 2 adb d | 3 cea e | 4 - | ! rows in one order; rows in another order with each page | "
        "in doubt",
        size=3,
    ),
    "one page in another order": said("start* abc abc | 2 ade de | 3 bfc f | 4 - | complete", size=3),
    "inserted within two pages": said("start* abc abc | 1* axb x | 2 bzc z | 3 d d | complete", base=None, size=3),
    "inserted before old rows": said(
        "1* ab ab | 2 cda cd | ! at most 2 rows a page; 3 rows | 3 ed e | 4 416 | complete", base=None, page=1
    ),
    # rows without an id
    "the first page is asked for twice": said("start* AB AB | start*@2 AB | 2 CD CD | 3 - | complete", verify_end=True),
    "some rows have one": said("start* aB aB | start*@2 aB | 2 Cd Cd | 3 - | complete", changing=True),
    "a field changes": said("start* AB AB | start*@1 AB | 1* CD CD | 2 CD | 3 - | complete", base=None, changing=True),
    "short pages without ids": said(
        "start* A A | start*@1 A | 1* A | 2* A | start*@3 A | complete", base=None, verify_end=True
    ),
    "the first page is another meanwhile": said(
        "start* ABC ABC | start*@2 ADE DE | 2 EA | start*@3 CDE | complete", size=3, verify_end=True
    ),
    "the first page is another meanwhile, with page 1 again": said(
        "start* AB AB | start*@1 CB C | 1* BC | 2 A | 3* 404 | complete", base=None, verify_end=True
    ),
    "deleted, and the first page is another each time": said(
        "start* AB AB | start*@1 CD CD!1@start | start CE E | 1* CE | 2 AB | 3 FG FG | 4 404 | complete",
        base=None,
        verify_end=True,
    ),
    "the first page is gone meanwhile": said("start* A A | start*@1 404 | NotFoundError", base=None, verify_end=True),
    "from a cursor, and its page is gone meanwhile": said(
        "2* A A | 2*@3 404 | complete", base=None, page="page:2", verify_end=True
    ),
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_goes(name):
    """Page by page as it is told."""
    assert (await reading(LISTS[name])).told == LISTS[name].parts


@pytest.mark.parametrize(
    ("first", "pages", "rows"),
    [
        (["start* AB AB", "start*@2 CD CD"], range(2, 31), 31),
        (["start* AB AB", "start*@2 CD CD", "2 a a"], range(3, 33), 33),
    ],
)
async def test_thirty_pages_of_rows_that_nothing_can_name(first, pages, rows):
    """Each has one that was not there before, so that it goes on for ever. A row with an id begins again."""
    line = [*first, *(f"{page} A A" for page in pages), ENDLESS.format(rows, rows)]

    assert (await reading(said(" | ".join(line), size=None, changing=True))).told == line


async def test_many_pages_of_rows_without_ids():
    """Where two answers to the first page are the same, content is a name that can be relied on."""
    rest = [f"{page} {name} {name}" for page, name in enumerate(map(chr, range(0x410, 0x42F)), 2)]
    line = ["start* A A", "start*@2 A", *rest, "33 -", "complete"]

    assert (await reading(said(" | ".join(line), size=None))).told == line


async def test_a_cursor_knows_the_top_of_its_list():
    """Page 3 comes again: since nothing was inserted at the top, the list has ended. Who only has the number can't know."""
    first = said("start* ab ab | 2 cd cd | 3 429 | RateLimitedError")
    cursor = (await reading(first)).pager.cursor

    for page, line in [
        (
            cursor,
            "3* ef ef | 4 ef | start*@5 ab ab | ! another page, or an empty one; a page whose rows came before | in doubt",
        ),
        (3, "3* ef ef | 4 ef | start*@5 ab ab | 5 - | complete"),
    ]:
        assert (await reading(said(line, page=page))).told == line.split(" | ")
