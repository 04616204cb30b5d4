"""The booking site in a real browser: `nox -s browser`. With SESSIONS_WRITE_DOCS=1 it also makes the pictures of its README."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import httpx
import pytest
from support.site import PATIENCE, SITE, Site, started

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="these tests need the group `browser`: nox -s browser")
expect = playwright.expect
expect.set_options(timeout=1000 * PATIENCE)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing: apt-get install chromium")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STRUCTURE = Path(__file__).with_name("structure.js").read_text("utf-8")
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
BUCHAREST, NEW_YORK, CAIRO = (ZoneInfo(name) for name in ("Europe/Bucharest", "America/New_York", "Africa/Cairo"))

Visit = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Of this module alone: while it runs, no other test of this thread can have an event loop.
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """As many requests as the visitors want, and the four workers."""
    with started(limit=1000, window=60.0, workers=4) as site:
        yield site


@pytest.fixture(scope="module")
def scarce() -> Iterator[Site]:
    """Four requests in six seconds, and one worker."""
    with started(limit=4, window=6.0, workers=1) as site:
        yield site


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens pages, each for a visitor of its own; at the end nothing may have been complained of in any console."""
    complaints: list[str] = []
    contexts = []

    def open_page(**options: object) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "timezone_id": "Europe/Bucharest", **options})
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        # Chromium tells of each page with an error's status; that is no mistake of the page.
        is_status = re.compile(r"Failed to load resource: the server responded with a status of (409|422|403|404|503)")
        page.on(
            "console",
            lambda said: None if is_status.match(said.text) else complaints.append(f"{page.url}: {said.text}"),
        )
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def week_of(day: date) -> str:
    return str(day - timedelta(days=day.weekday()))


def week_ahead(weeks: int) -> str:
    """A week that is ahead in every zone, if it is the second one or a later one."""
    return week_of(datetime.now(UTC).date() + timedelta(weeks=weeks))


def monday_in_winter() -> date:
    """A Monday ahead on which New York is seven hours behind Bucharest, and which no other test books."""
    monday = date.fromisoformat(week_ahead(6))
    while monday.month not in {12, 1, 2}:
        monday += timedelta(weeks=1)
    return monday


def next_change(zone: ZoneInfo, *, back: bool) -> date:
    """The next day, from next week on, on which a zone's clocks change."""
    moment = datetime.combine(datetime.now(UTC).date() + timedelta(days=7), time(), UTC)
    while True:
        change = (moment + timedelta(hours=1)).astimezone(zone).utcoffset() - moment.astimezone(zone).utcoffset()
        if change and (change < timedelta()) == back:
            return (moment + timedelta(hours=1)).astimezone(zone).date()
        moment += timedelta(hours=1)


def office_hours(day: date, of: ZoneInfo, seen_from: ZoneInfo) -> list[str]:
    """What the sandbox's pages offer on a working day, as the visitor's clocks show it."""
    opens = datetime.combine(day, time(9), of).astimezone(UTC)
    return [f"{(opens + timedelta(minutes=30 * number)).astimezone(seen_from):%H:%M}" for number in range(16)]


def labels(page: Page, day: date) -> list[str]:
    """The times that a page shows for a day."""
    heading = f"{day:%A} {day.day} {day:%B}"
    shown = page.locator(".day").filter(has=page.get_by_role("heading", name=heading, exact=True))
    return shown.locator(".slot").all_inner_texts()


def fill(page: Page, name: str = "Ada Lovelace", email: str = "ada@example.com") -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_label("E-mail").fill(email)


def test_a_visitor_books_reschedules_and_cancels(site: Site, visit: Visit) -> None:
    """From the list of pages on, each step leads to the next, says what was done, and reaches the API once."""
    page, before = visit(), len(site.writes())
    page.goto(site.url)
    page.get_by_role("link", name="Hiring call 24").click()
    page.get_by_role("link", name="Later week").click()
    chosen = page.locator(".slot").nth(4)
    first = chosen.get_attribute("aria-label")
    chosen.click()
    fill(page)
    page.get_by_label("Who else comes").fill("mary@example.com, joan@example.com")
    page.get_by_role("button", name="Book this time").click()

    expect(page.get_by_role("status")).to_contain_text("booked. Keep this page")
    expect(page.locator(".ticket")).to_contain_text(first.partition(",")[0])
    sent = [each.json for each in site.sandbox.requests if each.path == "/api/guests/bookings"][-1]
    assert sent["guests"] == ["mary@example.com", "joan@example.com"]
    assert sent["timeZone"] == "Europe/Bucharest"

    page.get_by_role("link", name="Reschedule").click()
    chosen = page.locator(".slot").nth(6)
    second = chosen.get_attribute("aria-label")
    assert second != first
    chosen.click()
    page.get_by_role("button", name="Reschedule").click()
    expect(page.get_by_role("status")).to_contain_text("was moved")
    expect(page.locator(".ticket")).to_contain_text(second.partition(",")[0])

    page.get_by_role("link", name="Cancel booking").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_role("status")).to_contain_text("was cancelled")
    page.reload()
    expect(page.get_by_role("link", name="Book another time")).to_be_visible()
    assert site.writes()[before:] == [("POST", 201), ("PUT", 200), ("POST", 201)]


def test_wrong_fields_are_named_beside_them(site: Site, visit: Visit) -> None:
    """What was typed stays, each wrong field says what is wrong, to a screen reader too, and the first has the focus."""
    page, before = visit(), len(site.writes())
    page.goto(f"{site.page('Europe/Bucharest')}/book?start={week_ahead(4)}T08:00:00Z")
    page.get_by_label("E-mail").fill("ada@")
    page.get_by_label("Who else comes").fill("mary@example.com; nobody")
    page.get_by_role("button", name="Book this time").click()

    name, email, guests = (page.locator(f"#{each}") for each in ("name", "email", "guests"))
    expect(name).to_be_focused()
    for field, value, said in (
        (name, "", "Error: Enter your name."),
        (email, "ada@", "Error: Enter an e-mail address such as ada@example.com."),
        (
            guests,
            "mary@example.com; nobody",
            "Error: “nobody” is not an e-mail address. Separate addresses with commas.",
        ),
    ):
        expect(field).to_have_value(value)
        expect(field).to_have_attribute("aria-invalid", "true")
        described_by = field.get_attribute("aria-describedby").split()[0]
        assert " ".join(page.locator(f"#{described_by}").inner_text().split()) == said
    assert page.title().startswith("Error: ")
    page.get_by_role("link", name="Enter an e-mail address").click()
    expect(email).to_be_focused()
    assert site.writes()[before:] == []
    assert page.evaluate(STRUCTURE) == []


def test_two_clicks_book_once(site: Site, visit: Visit) -> None:
    """A form that a script sends twice in the same instant, past our own script, is one booking."""
    page, before = visit(java_script_enabled=True), len(site.writes())
    page.goto(f"{site.page('Europe/Bucharest')}?week={week_ahead(4)}")
    page.locator(".slot").nth(40).click()  # on a Wednesday
    fill(page)
    with page.expect_navigation(url=re.compile("done=booked")):
        page.evaluate("() => { const form = document.querySelector('main form'); form.submit(); form.submit(); }")

    expect(page.get_by_role("status")).to_contain_text("booked. Keep this page")
    assert site.writes()[before:] == [("POST", 201)]


def test_times_are_in_the_browsers_zone_until_another_is_chosen(site: Site, visit: Visit) -> None:
    """A visitor in New York sees Bucharest's office hours as New York's clocks show them; after choosing Bucharest, as there."""
    page, monday = visit(timezone_id="America/New_York"), monday_in_winter()
    page.goto(f"{site.page('Europe/Bucharest')}?week={monday}")

    expect(page.get_by_label("Time zone")).to_have_value("America/New_York")
    assert labels(page, monday) == office_hours(monday, BUCHAREST, NEW_YORK)
    assert labels(page, monday)[0] == "02:00"
    page.get_by_label("Time zone").select_option("Europe/Bucharest")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("zone=Europe"))
    assert labels(page, monday)[0] == "09:00"
    page.locator(".slot").first.click()
    expect(page.locator(".ticket")).to_contain_text(f"Monday {monday.day} {monday:%B %Y} 09:00")
    expect(page.locator(".ticket")).to_contain_text("Bucharest, UTC+2")


def test_times_follow_the_clocks_across_a_change(site: Site, visit: Visit) -> None:
    """In the week in which New York's clocks go forward the page says so; after it, Bucharest's mornings, whose clocks do not
    change yet, are an hour later there."""
    sunday = next_change(NEW_YORK, back=False)
    friday, monday = sunday - timedelta(days=2), sunday + timedelta(days=1)
    page = visit(timezone_id="America/New_York")
    page.goto(f"{site.page('Europe/Bucharest')}?week={week_of(sunday)}")

    expect(page.locator("#clock-change")).to_contain_text(f"go forward on Sunday {sunday.day} {sunday:%B}")
    before = labels(page, friday)
    page.get_by_role("link", name="Later week").click()
    page.wait_for_url(re.compile(f"week={monday}"))
    expect(page.locator("#clock-change")).to_have_count(0)
    after = labels(page, monday)

    assert before == office_hours(friday, BUCHAREST, NEW_YORK)
    assert after == office_hours(monday, BUCHAREST, NEW_YORK)
    assert (before[0], after[0]) == ("02:00", "03:00")


def test_an_hour_that_comes_twice_can_be_booked_twice(site: Site, visit: Visit) -> None:
    """On the night when Cairo's clocks go back, both 23:30s are there, told apart, and each leads to its own moment."""
    day = next_change(CAIRO, back=True)
    page = visit(timezone_id="Africa/Cairo")
    page.goto(f"{site.page('America/Los_Angeles')}?week={week_of(day)}")
    shown = labels(page, day)

    assert shown[-4:] == ["23:00 UTC+3", "23:30 UTC+3", "23:00 UTC+2", "23:30 UTC+2"]
    for offset in ("UTC+3", "UTC+2"):
        page.goto(f"{site.page('America/Los_Angeles')}?week={week_of(day)}")
        page.get_by_role("link", name=f"23:30 {offset}").click()
        expect(page.locator(".ticket")).to_contain_text("23:30")
        expect(page.locator(".ticket")).to_contain_text(f"Cairo, {offset}")


def test_booking_works_without_javascript(site: Site, visit: Visit) -> None:
    """From the list to the cancelled booking; the zone is the page's own, and can be chosen."""
    page, before = visit(java_script_enabled=False, timezone_id="Asia/Tokyo"), len(site.writes())
    page.goto(site.page("America/New_York"))
    expect(page.get_by_label("Time zone")).to_have_value("America/New_York")
    page.get_by_label("Time zone").select_option("UTC")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Later week").click()
    expect(page.get_by_label("Time zone")).to_have_value("UTC")
    page.locator(".slot").nth(2).click()
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_text("Please check:")).to_be_visible()
    fill(page)
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_role("status")).to_contain_text("booked. Keep this page")
    page.get_by_role("link", name="Cancel booking").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_role("status")).to_contain_text("was cancelled")
    assert site.writes()[before:] == [("POST", 201), ("POST", 201)]


def test_the_keyboard_is_enough(site: Site, visit: Visit) -> None:
    """Past the navigation by the skip link, to a time, through the form: each stop can be seen, and no mouse is needed."""
    page, before = visit(), len(site.writes())
    page.goto(f"{site.page('Europe/Bucharest')}?week={week_ahead(5)}")

    def press_until(key: str, wanted: str, most: int = 20) -> None:
        for _ in range(most):
            page.keyboard.press(key)
            is_visible = "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            assert page.evaluate(is_visible), "what has the focus can't be seen"
            if page.evaluate(f"() => document.activeElement.matches({wanted!r})"):
                return
        pytest.fail(f"{wanted} is not reached in {most} steps")

    press_until("Tab", ".skip", most=1)
    page.keyboard.press("Enter")
    press_until("Tab", ".slot")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/book"))
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Ada Lovelace")
    press_until("Tab", "#email", most=1)
    page.keyboard.type("ada@example.com")
    press_until("Tab", "button", most=2)
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("booked. Keep this page")
    assert site.writes()[before:] == [("POST", 201)]


def test_who_comes_second_chooses_another_time(site: Site, visit: Visit) -> None:
    """Two visitors have the same form open. The second keeps what was typed, is offered times near it, and books one."""
    first, second, before = visit(), visit(), len(site.writes())
    for page, name in ((first, "Ada Lovelace"), (second, "Mary Jackson")):
        page.goto(f"{site.page('Europe/Bucharest')}?week={week_ahead(8)}")
        page.locator(".slot").nth(20).click()
        fill(page, name)
    for page in (first, second):
        page.get_by_role("button", name="Book this time").click()
        page.wait_for_load_state()

    expect(second.get_by_role("alert")).to_contain_text("Somebody else took this time")
    expect(second.get_by_label("Your name")).to_have_value("Mary Jackson")
    expect(second.get_by_role("button", name="Book this time")).to_have_count(0)
    assert second.evaluate(STRUCTURE) == []
    second.get_by_role("radio").nth(3).check(force=True)
    second.get_by_role("button", name="Book the time I chose").click()
    expect(second.get_by_role("status")).to_contain_text("booked. Keep this page")
    expect(second.get_by_text("Mary Jackson")).to_be_visible()
    assert site.writes()[before:] == [("POST", 201), ("POST", 409), ("POST", 201)]


def test_ten_requests_a_minute_are_a_crowd_and_a_booking(visit: Visit) -> None:
    """Six browsers on six pages of four workers are served. Of fourteen more on other pages, all get their times that the
    budget allows, and the others are told at once. The first visitor books meanwhile."""
    with started(limit=10, window=60.0, workers=4, fields="known") as site:
        visitors = [visit() for _ in range(6)]
        visitors[0].goto(site.url)
        pages = [each.get_attribute("href") for each in visitors[0].locator(".card a").all()]
        for page, address in zip(visitors, pages, strict=False):
            page.goto(f"{site.url}{address}")
        for page, address in zip(visitors, pages, strict=False):
            expect(page.locator(".days")).to_be_visible()
            assert page.url == f"{site.url}{address}"
        visitors[0].locator(".slot").last.click()
        fill(visitors[0])
        with ThreadPoolExecutor(14) as others:
            crowd = list(others.map(lambda address: httpx.get(f"{site.url}{address}", timeout=PATIENCE), pages[6:]))
        visitors[0].get_by_role("button", name="Book this time").click()
        expect(visitors[0].get_by_role("status")).to_contain_text("booked. Keep this page")

        assert sorted(answer.status_code for answer in crowd) == [200] * 3 + [503] * 11
        told = site.told()
        assert [role for role, _, _ in told] == ["user"] * 10 + ["guest"]
        assert [path for _, path, _ in told if not path.endswith("/slots")] == [
            "/api/booking-pages",
            "/api/guests/bookings",
        ]
        assert 429 not in {status for _, _, status in told}


def test_a_form_that_can_not_be_sent_now_waits_with_its_answers(visit: Visit) -> None:
    """The GUEST key's budget is used up: the form comes back filled in, counts down, and books when sent again."""
    with started(limit=1, window=6.0, workers=1) as site:
        forms, where = [visit(), visit()], site.page("Europe/Bucharest")
        for number, page in enumerate(forms):
            page.goto(f"{where}/book?start={week_ahead(4)}T1{number}:00:00Z")
            fill(page)
        site.sandbox.limiter.reset()
        forms[0].get_by_role("button", name="Book this time").click()
        expect(forms[0].get_by_role("status")).to_contain_text("booked. Keep this page")
        late = forms[1]
        late.get_by_role("button", name="Book this time").click()
        again = late.get_by_role("button", name="Try again")
        booked = late.get_by_role("status")
        expect(again.or_(booked)).to_be_visible()
        if again.count():  # else a slow machine had the window over by then
            expect(late.get_by_label("E-mail")).to_have_value("ada@example.com")
            expect(late.locator(".wait")).to_have_text("Now is a good moment.")
            again.click()
        expect(booked).to_contain_text("booked. Keep this page")
        assert site.writes() == [("POST", 201), ("POST", 201)]


def test_a_visitor_registers_for_an_event(site: Site, visit: Visit) -> None:
    """An event's page names what is missing, registers, and says so."""
    page = visit()
    page.goto(f"{site.url}/events")
    page.locator(".agenda a").first.click()
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_label("First name")).to_be_focused()
    page.get_by_label("First name").fill("Ada")
    page.get_by_label("E-mail").fill("ada@example.com")
    page.get_by_role("button", name="Register").click()

    expect(page.get_by_role("status")).to_contain_text("You are registered")
    sent = [each for each in site.sandbox.requests if each.path.endswith("/register")]
    assert [(each.key_role, each.status, each.json["email"]) for each in sent] == [("guest", 201, "ada@example.com")]


def is_documenting() -> bool:
    return os.environ.get("SESSIONS_WRITE_DOCS") == "1"


def picture(page: Page, name: str) -> None:
    """One of the README's, if they are to be made."""
    if is_documenting() and name.startswith(("list-", "times-", "booking-", "events-")):
        page.screenshot(path=SITE / "screenshots" / f"{name}.png")


def pictures_of_quota(page: Page) -> None:
    """Of the live part of the page as it is now, held still meanwhile."""
    if is_documenting():
        page.evaluate("() => source.close()")
        for size in (PHONE, DESKTOP):
            page.set_viewport_size(size)
            box = page.locator("#live").bounding_box()
            part = {"x": 0, "y": box["y"] - 16, "width": size["width"], "height": box["height"] + 32}
            page.screenshot(path=SITE / "screenshots" / f"quota-{size['width']}.png", full_page=True, clip=part)
        page.reload()


def sign_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/admin")
    page.get_by_label("Password").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#pulse")).to_have_text("live")


@contextmanager
def crowd(*offered: str) -> Iterator[None]:
    """Six visitors, until the block ends. Each asks for two weeks of a page until they are shown, then for the next ones.

    So there is always something to wait for: the site keeps an answer for 70 seconds, four requests in six seconds bring 48
    answers in that time, and each page has 25 pairs of weeks.
    """
    questions = itertools.cycle([(page, week_ahead(ahead)) for ahead in range(2, 52, 2) for page in offered])
    is_over = threading.Event()

    def ask() -> None:
        page, week = next(questions)
        with httpx.Client(timeout=PATIENCE) as visitor:
            while not is_over.wait(0.2):  # a visitor who would wait too long is refused at once
                if visitor.get(page, params={"week": week}).is_success:
                    page, week = next(questions)

    with ThreadPoolExecutor(6) as threads:
        asking = [threads.submit(ask) for _ in range(6)]
        try:
            yield
        finally:
            is_over.set()
    for each in asking:
        each.result()


def test_the_quota_page_moves(scarce: Site, visit: Visit) -> None:
    """While visitors come, the page shows, by itself, that the quota is used up, who waits in which lane, and that copies are
    given in place of requests; and when they have gone, that nobody waits and there is quota again."""
    page, offered = visit(), [scarce.page(zone) for zone in ("Europe/Bucharest", "America/New_York")]
    sign_in(page, scarce)
    user, waits = page.locator("[data-quota=user]"), page.locator("#waiting")
    expect(user.locator("[data-show=limit]")).to_have_text("4")
    sent = int(page.locator("[data-count=sent]").inner_text())

    with crowd(*offered):
        expect(waits).to_contain_text("list_booking_page_slots · interactive")
        expect(user.locator("[data-show=interactive]")).not_to_have_text("0")
        expect(user.locator("[data-show=remaining]")).to_have_text("0")
        expect(waits).to_contain_text("list_booking_page_slots")
        pictures_of_quota(page)
    expect(waits).to_have_text("Nobody.")
    expect(user.locator("[data-show=remaining]")).not_to_have_text("0")
    for _ in range(2):  # the second is given what the first was
        httpx.get(offered[0], timeout=60).raise_for_status()
    expect(page.locator("[data-count=fresh]")).not_to_have_text("0")
    expect(page.locator("[data-count=refused]")).to_have_text("0")
    assert int(page.locator("[data-count=sent]").inner_text()) > sent


def test_every_page_is_for_everybody(site: Site, visit: Visit) -> None:
    """Language, title, landmarks, one h1, labels, names, contrast, room for fingers, and nothing beyond the edge, on each page,
    wide and narrow, light and dark."""
    page = visit()
    found = {}

    def look(name: str, heading: str | re.Pattern[str]) -> None:
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        for size in (PHONE, DESKTOP):
            page.set_viewport_size(size)
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme)
                found[f"{name} {size['width']} {scheme}"] = page.evaluate(STRUCTURE)
                if scheme == "light" or name == "times":
                    picture(page, f"{name}-{size['width']}{'-dark' if scheme == 'dark' else ''}")

    page.goto(site.url)
    look("list", "What would you like to talk about?")
    page.goto(f"{site.page('Europe/Bucharest')}?week={week_ahead(3)}")
    look("times", "Support call 25")
    page.locator(".slot").nth(9).click()
    page.wait_for_url(re.compile("/book"))
    look("form", "Support call 25")
    fill(page)
    page.get_by_role("button", name="Book this time").click()
    expect(page.get_by_role("status")).to_contain_text("booked. Keep this page")
    look("booking", "Support call 25")
    page.get_by_role("link", name="Reschedule").click()
    look("move", "Choose another time")
    page.locator(".slot").nth(2).click()
    look("confirm", "Reschedule to this time?")
    page.go_back()
    page.get_by_role("link", name="Your booking").click()
    page.get_by_role("link", name="Cancel booking").click()
    look("cancel", "Cancel this booking?")
    page.goto(f"{site.url}/events")
    look("events", "Events ahead")
    page.locator(".agenda a").nth(1).click()
    look("event", re.compile("webinar"))
    sign_in(page, site)
    look("host", "Quota and bookings")
    page.set_viewport_size(PHONE)
    assert page.evaluate(
        "() => document.querySelector('.scroll').scrollWidth <= document.querySelector('.scroll').clientWidth"
    )
    page.set_viewport_size(DESKTOP)
    long_name = (
        "() => document.querySelector('td:nth-child(2)').prepend('Wolfeschlegelsteinhausenbergerdorff'.repeat(3))"
    )
    page.evaluate(long_name)
    assert page.locator("td time").first.bounding_box()["height"] < 30, "when is on one line"
    is_within = "() => document.querySelector('.scroll').scrollWidth <= document.querySelector('.scroll').clientWidth"
    assert page.evaluate(is_within), "a long name does not push the others out"
    page.goto(f"{site.url}/nowhere")
    look("missing", "Not found")

    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert len(found) == 4 * 11
