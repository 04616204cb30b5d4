"""The sandbox's page in a real browser: `nox -s browser`. With SESSIONS_WRITE_DOCS=1 it also makes the pictures of the docs."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from sessions_us.sandbox import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="these tests need the group `browser`: nox -s browser")
expect = playwright.expect
expect.set_options(timeout=60_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing: apt-get install chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-lcd-text"]  # fewer colours in the pictures
SIZES = [(390, 844), (1280, 800)]
PICTURES = Path(__file__).parents[1] / "docs" / "sandbox" if os.environ.get("SESSIONS_WRITE_DOCS") == "1" else None
MONDAY = datetime(2026, 3, 2, 9, 30, tzinfo=UTC).timestamp()
CONTRAST = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((part) => part / 255).map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" && element.parentElement ? ground(element.parentElement) : color;
  };
  return [...document.querySelectorAll("h1, h2, th, td, dt, code, button, label, a, select, p")]
    .filter((each) => each.innerText && each.offsetParent)
    .map((each) => {
      const [a, b] = [light(getComputedStyle(each).color), light(ground(each))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), each.innerText.slice(0, 40)];
    })
    .filter(([ratio]) => ratio < 4.5);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Of this module alone: while it runs, no other test of this thread can have an event loop.
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(Sandbox()) as serving:
        yield serving


@pytest.fixture
def busy() -> Iterator[Sandbox]:
    """One that is in use, and the same each time."""
    made = Sandbox(
        clock=lambda: MONDAY, user_key="sandbox-user-key", guest_key="sandbox-guest-key", port=8099 if PICTURES else 0
    )
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(made) as serving:
        hooks = [{"url": "http://127.0.0.1:1/hook", "trigger": each} for each in ("SESSION_STARTED", "TAKEAWAY_READY")]
        serving.load(
            {"webhooks": hooks, "sessions": [{"id": name, "name": name} for name in ("Kick-off", "Retrospective")]}
        )
        serving.start_session("Kick-off")
        serving.end_session("Retrospective")
        serving.fail(502, path="/api/events")
        for path in ("/api/sessions", "/api/events", "/api/sessions/5645d810-4e29-4c2c-b9a5-84d71a6429dd/participants"):
            ask(serving, path)
        portal.call(serving.settle)
        yield serving


def visit(browser: Browser, sandbox: Sandbox, width: int = 1280, height: int = 800, scheme: str = "light") -> Page:
    """The page, which may log no error."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(sandbox.url)
    expect(page.locator("#user-key")).to_have_text(sandbox.user_key)
    return page


def picture(page: Page, path: Path) -> None:
    """Of the whole page, in 64 colours, which is a quarter of the bytes and looks the same."""
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(page.screenshot(full_page=True)))
    image.convert("RGB").quantize(64).save(path, optimize=True)


def ask(sandbox: Sandbox, path: str = "/api/rooms") -> int:
    return httpx.get(sandbox.url + path, headers={"x-api-key": sandbox.user_key}, timeout=60).status_code


def test_the_log_is_live(browser: Browser, sandbox: Sandbox) -> None:
    """Requests appear with their status and what is left of the quota; the keys stand beside it."""
    page = visit(browser, sandbox)
    ask(sandbox, "/api/rooms/<b>none</b>")
    row = page.locator("#log tr").first
    expect(row).to_contain_text("GET /api/rooms/%3Cb%3Enone%3C/b%3E")
    assert row.locator("td").all_inner_texts()[1:] == ["user", "GET /api/rooms/%3Cb%3Enone%3C/b%3E", "404", "9"]
    expect(page.locator("#user-left")).to_contain_text("9 of 10 left")
    expect(page.locator("#guest-key")).to_have_text(sandbox.guest_key)
    expect(page.locator("#objects")).to_contain_text("23 rooms")


def test_a_session_is_started_and_ended(browser: Browser, sandbox: Sandbox) -> None:
    """By its buttons; a name that is HTML stays text."""
    sandbox.load({"sessions": [{"id": "s", "name": "<img src=x onerror=alert(1)>"}]})
    page = visit(browser, sandbox)
    row = page.locator("#sessions tr").first
    expect(row).to_contain_text("<img src=x onerror=alert(1)>")
    row.get_by_role("button", name="Start").click()
    expect(row).to_contain_text("live")
    row.get_by_role("button", name="End").click()
    expect(row).to_contain_text("over")
    assert sandbox.data["sessions"][0]["endedAt"] is not None


def test_faults_triggers_time_and_reset(browser: Browser, sandbox: Sandbox) -> None:
    """Each control does what it says, and what the sandbox refuses is shown."""
    sandbox.load({"webhooks": [{"url": "http://127.0.0.1:1/", "trigger": "EVENT_PUBLISHED"}]})
    page, told = visit(browser, sandbox), "#told"
    page.select_option("select[name=status]", "503")
    page.get_by_role("button", name="Add fault").click()
    expect(page.locator(told)).to_have_text("The fault waits for its request")
    assert [ask(sandbox), ask(sandbox)] == [503, 200]
    page.fill("input[name=path]", "/rooms")
    page.get_by_role("button", name="Add fault").click()
    expect(page.locator(told)).to_contain_text("no operation is /rooms")
    page.select_option("#triggers", "EVENT_PUBLISHED")
    page.get_by_role("button", name="Trigger").click()
    expect(page.locator(told)).to_have_text("EVENT_PUBLISHED was triggered: see “Webhooks delivered”")
    expect(page.locator("#deliveries")).to_contain_text("EVENT_PUBLISHED")
    page.select_option("#triggers", "EVENT_ENDED")
    page.get_by_role("button", name="Trigger").click()
    expect(page.locator(told)).to_have_text("Nothing was delivered: no webhook has the trigger EVENT_ENDED")
    before = sandbox.clock.now()
    page.get_by_role("button", name="+ 1 hour").click()
    expect(page.locator(told)).to_have_text("The clock went on by 1 hour")
    assert sandbox.clock.now() - before >= 3600
    page.get_by_role("button", name="Stop it").click()
    expect(page.get_by_role("button", name="Let it run")).to_be_visible()
    assert sandbox.time == "still"
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(told)).to_have_text("As at the beginning")
    expect(page.locator("#log tr")).to_have_count(0)
    assert (sandbox.requests, sandbox.data["webhooks"], sandbox.time) == ([], [], "runs")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_fits_and_can_be_read(browser: Browser, busy: Sandbox, width: int, height: int, scheme: str) -> None:
    """Nothing is wider than the screen, every button can be reached, and text stands out from its ground."""
    page = visit(browser, busy, width, height, scheme)
    expect(page.locator("#log tr")).to_have_count(3)
    expect(page.locator("#deliveries tr")).to_have_count(3)
    expect(page.locator("#triggers option")).to_have_count(17)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    boxes = page.evaluate(
        "[...document.querySelectorAll('button')].map((each) => each.getBoundingClientRect().toJSON())"
    )
    assert all(box["left"] >= 0 and box["right"] <= width for box in boxes)
    assert page.evaluate(CONTRAST) == []
    if PICTURES:
        picture(page, PICTURES / f"page-{width}-{scheme}.png")
