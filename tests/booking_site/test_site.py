from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest
from booking_site.catalog import Catalog
from booking_site.diary import Diary
from booking_site.monitor import Board
from booking_site.once import once
from booking_site.site_file import SiteFile

from sessions_us.sandbox import Sandbox

pytestmark = pytest.mark.anyio

Serve = Callable[[Sandbox], AbstractAsyncContextManager[httpx.AsyncClient]]
ADA = {"name": "Ada Lovelace", "email": "ada@example.com", "guests": ""}


def links(answer: httpx.Response, css_class: str) -> list[str]:
    """The addresses behind the links of a class."""
    return [unescape(each) for each in re.findall(rf'class="{css_class}"[^>]* href="([^"]+)"', answer.text)]


def hidden(answer: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text)
    return {name: unescape(value) for name, value in found}


def free_week(sandbox: Sandbox) -> str:
    """The address of a week which is ahead in every zone: all its times are free, whatever day and hour it is now."""
    return f"/pages/{sandbox.team_page_id}?week={datetime.now(UTC).date() + timedelta(weeks=2)}"


async def open_form(visitor: httpx.AsyncClient, sandbox: Sandbox, slot: int = 3) -> tuple[str, dict[str, str]]:
    """Where the form for a free time goes, and what it holds."""
    page = await visitor.get(free_week(sandbox))
    form = await visitor.get(links(page, "slot")[slot])
    return f"/pages/{sandbox.team_page_id}/book", hidden(form)


def booked(sandbox: Sandbox) -> list[int]:
    """How the API answered to each booking."""
    return [each.status for each in sandbox.requests if (each.method, each.path) == ("POST", "/api/guests/bookings")]


def test_workers_that_start_in_the_same_moment_all_open_the_files(tmp_path: Path) -> None:
    """Each creates what is not there yet, and waits while another one does: a worker that fails to start ends the site."""

    def start(number: int) -> None:
        file = SiteFile(tmp_path / f"{number}.site")
        for opened in (Diary, Catalog):
            opened(file)
        Board(tmp_path / f"{number}.board")

    with ThreadPoolExecutor(8) as workers:
        for number in range(50):
            list(workers.map(start, [number] * 8))


async def test_a_form_that_is_sent_twice_books_once(serve: Serve) -> None:
    """Two clicks at once, and a third one later, lead to the same booking, and the API hears of one."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        first, second = await asyncio.gather(*(visitor.post(where, data=form | ADA) for _ in range(2)))
        third = await visitor.post(where, data=form | ADA)

        assert [first.status_code, second.status_code, third.status_code] == [303] * 3
        assert first.headers["location"] == second.headers["location"] == third.headers["location"]
        assert booked(sandbox) == [201]
        assert "Ada Lovelace" in (await visitor.get(first.headers["location"])).text


def choices(answer: httpx.Response) -> list[str]:
    """The times that a form offers in place of one that is gone."""
    return re.findall(r'<input type="radio" name="start" value="([^"]+)">', answer.text)


async def test_who_comes_second_is_offered_other_times_and_keeps_what_they_typed(serve: Serve) -> None:
    """A time that somebody else took meanwhile is a 409 with times near it; with one of them the same form books."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        _, other = await open_form(visitor, sandbox)
        assert (await visitor.post(where, data=form | ADA)).status_code == 303
        late = await visitor.post(where, data=other | ADA | {"name": "Mary Jackson"})

        assert late.status_code == 409
        assert "took this time a moment ago" in late.text
        assert 'value="Mary Jackson"' in late.text
        assert form["start"] not in {*choices(late), hidden(late).get("start")}, "the same time can't be sent again"
        asked = hidden(late) | ADA | {"name": "Mary Jackson"}
        none = await visitor.post(where, data=asked)
        assert (none.status_code, "Choose a time" in none.text, choices(none)) == (422, True, choices(late))
        chosen = await visitor.post(where, data=hidden(none) | asked | {"start": choices(none)[5]})
        assert "Mary Jackson" in (await visitor.get(chosen.headers["location"])).text
        assert booked(sandbox) == [201, 409, 201]


async def test_other_times_wait_until_they_can_be_had(serve: Serve) -> None:
    """With the USER budget used up, a visitor whose time is gone keeps the form, and a button that asks again."""
    async with Sandbox(limit=6, window=3600.0) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        _, other = await open_form(visitor, sandbox)
        assert (await visitor.post(where, data=form | ADA)).status_code == 303
        await use_up(visitor)
        late = await visitor.post(where, data=other | ADA)

        assert (late.status_code, choices(late)) == (409, [])
        assert "Show free times</button>" in late.text
        assert 'value="Ada Lovelace"' in late.text
        again = await visitor.post(where, data=hidden(late) | ADA)
        assert (again.status_code, 'value="Ada Lovelace"' in again.text) == (422, True)


async def test_a_form_that_failed_may_be_sent_again(serve: Serve) -> None:
    """When the API did nothing, the same form books at the second attempt."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        sandbox.fail(403, path="/api/guests/bookings", body='{"message": "upstream words"}')
        failed = await visitor.post(where, data=form | ADA)
        again = await visitor.post(where, data=form | ADA)

        assert failed.status_code == 502
        assert "upstream words" not in failed.text
        assert 'value="Ada Lovelace"' in failed.text
        assert again.status_code == 303
        assert booked(sandbox) == [403, 201]


async def test_a_second_click_takes_over_from_one_that_failed(serve: Serve) -> None:
    """Of two clicks at once the first is refused, for whatever reason; the second, which waited for it, books."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        sandbox.fail(403, path="/api/guests/bookings")
        answers = await asyncio.gather(*(visitor.post(where, data=form | ADA) for _ in range(2)))

        assert sorted(answer.status_code for answer in answers) == [303, 502]
        assert booked(sandbox) == [403, 201]


async def test_an_answer_that_got_lost_is_not_booked_again(serve: Serve) -> None:
    """When nobody can tell whether it worked, the visitor is told so, and the same form does nothing more."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        sandbox.fail("lost", path="/api/guests/bookings")
        lost = await visitor.post(where, data=form | ADA)
        again = await visitor.post(where, data=form | ADA)

        assert lost.headers["location"] == again.headers["location"]
        assert "whether your booking arrived" in (await visitor.get(lost.headers["location"])).text
        assert len(booked(sandbox)) == 1


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
async def test_other_sites_can_not_send_forms(serve: Serve, headers: dict[str, str]) -> None:
    """What another site's page sends in the visitor's name is refused before the API hears of it."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)

        assert (await visitor.post(where, data=form | ADA, headers=headers)).status_code == 403
        del visitor.headers["Sec-Fetch-Site"]
        for origin in ({}, {"Origin": "http://elsewhere"}, {"Origin": "null"}):
            assert (await visitor.post(where, data=form | ADA, headers=origin)).status_code == 403
        assert booked(sandbox) == []
        assert (await visitor.post(where, data=form | ADA, headers={"Origin": "http://site"})).status_code == 303


async def test_a_booking_opens_to_its_link_alone(serve: Serve) -> None:
    """The id without its token, or with another booking's, opens nothing, and changes nothing."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        made = []
        for slot in (1, 3):
            where, form = await open_form(visitor, sandbox, slot)
            made.append((await visitor.post(where, data=form | ADA)).headers["location"].partition("?")[0])
        (_, one, token), (_, other, _) = (each.removeprefix("/").split("/") for each in made)
        before = len(sandbox.requests)

        assert one != other
        assert (await visitor.get(f"/bookings/{one}/{token}")).status_code == 200
        for wrong in (
            f"/bookings/{other}/{token}",
            f"/bookings/{one}/{token[:-1]}",
            f"/bookings/{one}/x",
            f"/bookings/{one}",
        ):
            assert (await visitor.get(wrong)).status_code == 404
            cancelled = await visitor.post(f"{wrong}/cancel", data={"once": "once-upon-a-time"})
            assert cancelled.status_code in {404, 405}
        assert len(sandbox.requests) == before, "a page about a booking costs no request"


async def test_moving_and_cancelling_reach_the_api_once(serve: Serve) -> None:
    """Each is one request; a booking that was cancelled elsewhere can be cancelled here, for that is what was wanted."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        link = (await visitor.post(where, data=form | ADA)).headers["location"].partition("?")[0]
        chosen = links(await visitor.get(f"{link}/move"), "slot")[5]
        moved = await visitor.post(f"{link}/move", data=hidden(await visitor.get(chosen)))
        assert moved.headers["location"] == f"{link}?done=moved"
        booking = link.split("/")[2]
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.guest_key}) as elsewhere:
            (await elsewhere.post(f"/api/guests/bookings/{booking}")).raise_for_status()
        cancelled = await visitor.post(f"{link}/cancel", data=hidden(await visitor.get(f"{link}/cancel")))

        assert cancelled.headers["location"] == f"{link}?done=cancelled"
        assert "Cancelled booking" in (await visitor.get(f"{link}?done=cancelled")).text
        writes = [
            (each.method, each.status) for each in sandbox.requests if each.path == f"/api/guests/bookings/{booking}"
        ]
        assert writes == [("PUT", 200), ("POST", 201), ("POST", 409)]


async def test_without_a_hosts_name_the_pages_still_read_well(serve: Serve) -> None:
    """Two keys are enough: the title and the brand say "with us"."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        front = (await visitor.get("/")).text

        assert "· Book with us</title>" in front
        assert "<span>Book with us</span>" in front
        assert "Book a time with us" in front


@pytest.mark.parametrize("zone", ["Etc/GMT+5", "Asia/Tokyo", "UTC"])
async def test_the_zone_that_is_shown_is_the_one_that_is_chosen(serve: Serve, zone: str) -> None:
    """Also one that a browser or the API may name though the list to choose from does without it."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        shown = await visitor.get(f"/pages/{sandbox.team_page_id}", params={"zone": zone})

        assert re.findall(r'<option value="([^"]+)" selected>', shown.text) == [zone]


async def test_a_time_at_an_end_of_the_calendar_is_none(serve: Serve) -> None:
    """In another zone it would be beyond the calendar, so there is no such time, whatever zone the visitor has."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        for start in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
            for zone in ("America/New_York", "Asia/Tokyo"):
                asked = {"start": start, "zone": zone}
                answer = await visitor.get(f"/pages/{sandbox.team_page_id}/book", params=asked)
                assert answer.status_code == 404, asked


async def test_a_booking_is_not_moved_into_the_past(serve: Serve) -> None:
    """A time that passed while the page was open is said to be over, and the API is not asked."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        link = (await visitor.post(where, data=form | ADA)).headers["location"].partition("?")[0]
        before = len(sandbox.requests)
        open_page = hidden(await visitor.get(f"{link}/move?start=2020-01-01T10:00:00Z"))
        answer = await visitor.post(f"{link}/move", data=open_page)

        assert answer.status_code == 422
        assert "This time is over" in answer.text
        assert len(sandbox.requests) == before


async def test_an_empty_quota_is_a_503_that_says_when(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A visitor for whom there is no copy gets a page with Retry-After; those for whom there is an old one see it."""
    from booking_site import desk

    for kind in ("TIMES", "FACTS"):  # old at once
        monkeypatch.setattr(desk, kind, replace(getattr(desk, kind), fresh=0.0, renewed=0.0))
    async with Sandbox(limit=2, window=3600.0) as sandbox, serve(sandbox) as visitor:
        here, elsewhere = free_week(sandbox), "/events"
        seen = await visitor.get(here)
        busy = await visitor.get(elsewhere)
        again = await visitor.get(here)

        assert (seen.status_code, busy.status_code, again.status_code) == (200, 503, 200)
        assert 60 < int(busy.headers["retry-after"]) <= 3660
        assert f"try again in {busy.headers['retry-after']} seconds" in busy.text
        assert links(again, "slot") == links(seen, "slot") != []
        assert [each.status for each in sandbox.requests if each.status == 429] == []


async def test_a_busy_moment_costs_nobody_their_form(serve: Serve) -> None:
    """Without quota the form comes back as it was, with Retry-After, and books later."""
    async with Sandbox(limit=4, window=3600.0) as sandbox, serve(sandbox) as visitor:
        forms = [await open_form(visitor, sandbox, slot) for slot in range(5)]
        answers = [await visitor.post(where, data=form | ADA) for where, form in forms]

        assert [answer.status_code for answer in answers] == [303] * 4 + [503]
        assert int(answers[-1].headers["retry-after"]) > 60
        assert 'value="ada@example.com"' in answers[-1].text
        assert booked(sandbox) == [201] * 4


async def test_visitors_of_all_zones_share_one_question(serve: Serve) -> None:
    """Thirty visitors at once, from everywhere, cost one request, and one behind them for what the page is called."""
    zones = ("Asia/Tokyo", "America/New_York", "Europe/Bucharest", "Pacific/Auckland", "UTC")
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        asked = f"{free_week(sandbox)}&zone="
        answers = await asyncio.gather(*(visitor.get(asked + zones[number % 5]) for number in range(30)))

        assert {answer.status_code for answer in answers} == {200}
        api = f"/api/booking-pages/{sandbox.team_page_id}"
        assert paths(sandbox) == [f"{api}/slots", api]


def paths(sandbox: Sandbox) -> list[str]:
    return [each.path for each in sandbox.requests]


async def use_up(visitor: httpx.AsyncClient) -> None:
    """Look at pages until the site has no request of the USER key left."""
    pages = re.findall(r'href="(/pages/[^"]+)"', (await visitor.get("/")).text)
    for page in pages:
        if (await visitor.get(page)).status_code == 503:
            return
    pytest.fail("the budget is not used up")


async def test_a_view_costs_a_request_at_most(serve: Serve) -> None:
    """The list, then each page that it leads to, this week's times and the next one's: facts came with the list."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        pages = re.findall(r'href="(/pages/[^"]+)"', (await visitor.get("/")).text)[:6]
        this_monday = datetime.now(UTC).date() - timedelta(days=datetime.now(UTC).weekday())
        for page in pages:
            assert (await visitor.get(page)).status_code == 200
            for week in (0, 1):
                assert (await visitor.get(f"{page}?week={this_monday + timedelta(weeks=week)}")).status_code == 200

        assert len(pages) == 6
        assert paths(sandbox) == ["/api/booking-pages", *(f"/api/booking-pages/{page[7:]}/slots" for page in pages)]


async def test_a_page_that_was_never_listed_is_asked_for_once(serve: Serve) -> None:
    """Who has its address alone sees its times at once; what it is called is learnt behind them, once."""
    async with Sandbox(limit=100, fields="all") as sandbox, serve(sandbox) as visitor:
        page = f"/pages/{sandbox.team_page_id}"
        first, second, third = [await visitor.get(page) for _ in range(3)]

        assert "<h1>Book a time</h1>" in first.text
        assert "<h1>Team intro</h1>" in second.text
        assert "30 min" in third.text
        api = f"/api/booking-pages/{sandbox.team_page_id}"
        assert paths(sandbox) == [f"{api}/slots", api]


async def test_a_booking_needs_no_request_of_the_user_key(serve: Serve) -> None:
    """With that budget used up by visitors who look around, a filled-in form books; so does one whose page was never seen."""
    async with Sandbox(limit=6, window=3600.0) as sandbox, serve(sandbox) as visitor:
        where, form = await open_form(visitor, sandbox)
        await use_up(visitor)
        before = len(sandbox.requests)
        opened = await visitor.get(links(await visitor.get(free_week(sandbox)), "slot")[6])
        made = await visitor.post(where, data=form | ADA)
        other = await visitor.post(where, data=hidden(opened) | ADA)

        assert [made.status_code, other.status_code] == [303, 303]
        assert "Ada Lovelace" in (await visitor.get(made.headers["location"])).text
        assert [each.key_role for each in sandbox.requests[before:]] == ["guest"] * 2


async def test_a_registration_needs_no_request_of_the_user_key(serve: Serve) -> None:
    """Nor does a form that comes back, which keeps what was typed and can be sent again."""
    async with Sandbox(limit=6, window=3600.0, fields="all") as sandbox, serve(sandbox) as visitor:
        event = re.findall(r'href="(/events/[^"]+)"', (await visitor.get("/events")).text)[0]
        await use_up(visitor)
        before = len(sandbox.requests)
        form = hidden(await visitor.get(event)) | {"first_name": "Ada", "email": "ada@example.com"}
        sandbox.fail(403, path=f"/api/guests{event}/register")
        failed = await visitor.post(event, data=form)
        again = await visitor.post(event, data=hidden(failed) | {"first_name": "Ada", "email": "ada@example.com"})

        assert (failed.status_code, 'value="ada@example.com"' in failed.text) == (502, True)
        assert again.headers["location"] == f"{event}?done=registered"
        assert [(each.key_role, each.status) for each in sandbox.requests[before:]] == [("guest", 403), ("guest", 201)]


async def test_a_busy_registration_gives_the_form_back(serve: Serve) -> None:
    """With the GUEST budget used up: filled in, with when to try again, on a button that does."""
    async with Sandbox(limit=2, window=3600.0) as sandbox, serve(sandbox) as visitor:
        event = re.findall(r'href="(/events/[^"]+)"', (await visitor.get("/events")).text)[0]
        for number in range(3):
            form = hidden(await visitor.get(event)) | {"first_name": "Ada", "email": f"ada{number}@example.com"}
            answer = await visitor.post(event, data=form)

        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 60
        assert "Try again</button>" in answer.text
        assert 'value="ada2@example.com"' in answer.text
        assert hidden(answer)["once"] == form["once"]


async def test_events_are_those_that_the_site_names(serve: Serve) -> None:
    """The API's list has drafts and private ones too: these are neither shown nor can anybody register for them here."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        drafts = [each["id"] for each in sandbox.data["events"] if not each["isPublished"]]
        shown = re.findall(r'href="/events/([^"]+)"', (await visitor.get("/events")).text)
        before = len(sandbox.requests)
        for draft in drafts[:2]:
            assert (await visitor.get(f"/events/{draft}")).status_code == 404
            form = {"once": "once-upon-a-time", "first_name": "Ada", "email": "ada@example.com"}
            assert (await visitor.post(f"/events/{draft}", data=form)).status_code == 404

        assert shown
        assert not set(shown) & set(drafts)
        assert len(sandbox.requests) == before == 1


async def test_a_booking_can_be_joined_and_put_into_a_calendar(serve: Serve) -> None:
    """Its page names who else was invited. Where the meeting is costs one request, once, when somebody asks."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        await visitor.get("/")
        where, form = await open_form(visitor, sandbox)
        answers = ADA | {"guests": "mary@example.com, joan@example.com"}
        link = (await visitor.post(where, data=form | answers)).headers["location"].partition("?")[0]
        before = len(sandbox.requests)
        page = await visitor.get(link)
        entry = await visitor.get(f"{link}/booking.ics")
        assert len(sandbox.requests) == before
        joined = [await visitor.get(f"{link}/join") for _ in range(2)]

        assert "mary@example.com, joan@example.com" in page.text
        assert f'href="{link}/join"' in page.text
        assert {each.headers["location"].rpartition("/")[0] for each in joined} == {"https://app.sessions.us/session"}
        assert len(sandbox.requests) == before + 1
        assert entry.headers["content-type"].startswith("text/calendar")
        unfolded = entry.text.replace("\r\n ", "")
        start = datetime.fromisoformat(form["start"])
        assert f"\r\nDTSTART:{start:%Y%m%dT%H%M%SZ}\r\n" in unfolded
        assert f"\r\nDTEND:{start + timedelta(minutes=30):%Y%m%dT%H%M%SZ}\r\n" in unfolded
        assert "Also invited: mary@example.com\\, joan@example.com" in unfolded
        assert f"http://site{link}" in unfolded
        assert all(len(line.encode()) <= 75 for line in entry.text.split("\r\n"))


async def test_ids_and_names_are_enough(serve: Serve) -> None:
    """The API promises no more: every page works without durations, zones, times of events, and descriptions."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        await visitor.post("/admin", data={"password": "open sesame"})
        event = re.findall(r'href="(/events/[^"]+)"', (await visitor.get("/events")).text)[0]
        where, form = await open_form(visitor, sandbox)
        link = (await visitor.post(where, data=form | ADA)).headers["location"].partition("?")[0]
        chosen = links(await visitor.get(f"{link}/move"), "slot")[5]
        for address in ("/", free_week(sandbox), event, link, f"{link}/move", chosen, f"{link}/cancel", "/admin"):
            answer = await visitor.get(address)
            assert answer.status_code == 200, address
            assert "None" not in answer.text, address
        assert (
            await visitor.post(event, data={"once": "once-upon-a-time"} | {"first_name": "Ada", "email": "a@b.de"})
        ).status_code == 303


async def test_the_hosts_list_is_one_page_of_the_apis(serve: Serve) -> None:
    """With a way to the next one."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        await visitor.post("/admin", data={"password": "open sesame"})
        first = await visitor.get("/admin")
        assert paths(sandbox) == ["/api/bookings"]
        (older,) = re.findall(r'href="(/admin\?after=[^"]+)"', first.text)
        assert (await visitor.get(unescape(older))).status_code == 200
        assert set(paths(sandbox)) == {"/api/bookings"}


async def test_a_form_for_a_time_that_is_over_is_not_offered(serve: Serve) -> None:
    """There is nothing to fill in for."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        answer = await visitor.get(f"/pages/{sandbox.team_page_id}/book?start=2020-01-01T10:00:00Z")

        assert (answer.status_code, "This time is over" in answer.text) == (404, True)
        assert paths(sandbox) == []


@pytest.mark.parametrize(("old", "present"), [("Asia/Calcutta", "Kolkata"), ("Europe/Kiev", "Kyiv")])
async def test_zones_have_their_present_names(serve: Serve, old: str, present: str) -> None:
    """Chromium still says the old ones."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        shown = await visitor.get(free_week(sandbox), headers={"Cookie": f"zone={old}"})

        assert re.findall(r'<option value="[^"]+" selected>([^<]+)<', shown.text) == [present]
        assert old.partition("/")[2] not in shown.text


async def test_nobody_registers_twice(serve: Serve) -> None:
    """A second registration with the same address is said to be one; wrong fields are named, and cost nothing."""
    async with Sandbox(limit=100, fields="all") as sandbox, serve(sandbox) as visitor:
        listed = await visitor.get("/events")
        event = re.findall(r'href="(/events/[^"]+)"', listed.text)[0]
        answers = []
        for _ in range(2):
            form = hidden(await visitor.get(event)) | {"first_name": "Ada", "email": "ada@example.com"}
            answers.append(await visitor.post(event, data=form))
        wrong = await visitor.post(event, data=form | {"first_name": " ", "email": "ada@"})

        assert [answer.status_code for answer in answers] == [303, 409]
        assert "registered with this address already" in answers[1].text
        assert wrong.status_code == 422
        assert wrong.text.count('aria-invalid="true"') == 2
        registrations = [each for each in sandbox.requests if each.path.endswith("/register")]
        assert [each.status for each in registrations] == [201, 409]


async def test_the_admin_page_opens_to_the_password_alone(serve: Serve) -> None:
    """Neither a wrong password nor a forged cookie opens it, nor its stream; the right one does, until signing out."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        assert 'id="live"' not in (await visitor.get("/admin")).text
        assert (await visitor.post("/admin", data={"password": "open"})).status_code == 403
        for forged in ("99999999999.x", "99999999999.", "x", "²"):
            cookie = {"Cookie": f"admin={forged}".encode()}
            assert (await visitor.get("/admin/live", headers=cookie)).status_code == 401
        opened = await visitor.post("/admin", data={"password": "open sesame"})
        assert opened.status_code == 303
        assert "HttpOnly" in opened.headers["set-cookie"]
        assert 'id="live"' in (await visitor.get("/admin")).text
        await visitor.post("/admin/sign-out")
        assert 'id="live"' not in (await visitor.get("/admin")).text


async def test_no_page_tells_a_key(serve: Serve) -> None:
    """Neither of the two, on any page, nor what the API said of a failure."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        await visitor.post("/admin", data={"password": "open sesame"})
        sandbox.fail(401, path="/api/events", body=f'{{"message": "no such key {sandbox.user_key}"}}')
        failed = await visitor.get("/events")
        assert failed.status_code == 502
        for path in (
            "/",
            f"/pages/{sandbox.team_page_id}",
            "/events",
            "/admin",
            "/nowhere",
            "/pages/..%2f",
            "/pages/%00",
        ):
            answer = await visitor.get(path)
            for text in (answer.text, failed.text, str(answer.headers)):
                assert sandbox.user_key not in text
                assert sandbox.guest_key not in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/pages/nowhere", 404),
        ("/pages/%00", 404),
        ("/pages/x/book?start=soon", 404),
        ("/?after=x", 404),
    ],
)
async def test_what_is_not_there_is_a_page_that_says_so(serve: Serve, path: str, status: int) -> None:
    """Any odd address gets a page in plain words, with a way back."""
    async with Sandbox(limit=100) as sandbox, serve(sandbox) as visitor:
        answer = await visitor.get(path)

        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert 'href="/">To the start</a>' in answer.text
        assert {each.status for each in sandbox.requests} <= {404}


async def acted(diary: Diary, error: Exception | None) -> str:
    async def act() -> str:
        if error is not None:
            raise error
        return "/done"

    return (await once(diary, "nonce-of-a-form", act, uncertain="/uncertain")).headers["location"]


@pytest.mark.parametrize("error", [ValueError("bad"), TypeError("bad")])
async def test_a_form_whose_arguments_were_refused_may_be_sent_again(tmp_path: Path, error: Exception) -> None:
    """Nothing was sent, so the form is not spent."""
    diary = Diary(SiteFile(tmp_path / "site.db"))
    with pytest.raises(type(error)):
        await acted(diary, error)

    assert await acted(diary, None) == "/done"


async def test_a_form_that_ended_in_a_bug_is_spent(tmp_path: Path) -> None:
    """Nobody can tell whether it worked: it does not act again, and the next click is led there at once."""
    diary = Diary(SiteFile(tmp_path / "site.db"))
    with pytest.raises(sqlite3.OperationalError):
        await acted(diary, sqlite3.OperationalError("disk full"))

    async with asyncio.timeout(5):
        assert await acted(diary, None) == "/uncertain"
