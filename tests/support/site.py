"""examples/booking_site as somebody starts it: by its one command, as processes of its own."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from anyio.from_thread import start_blocking_portal

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.fields import Fields

SITE = Path(__file__).parents[2] / "examples" / "booking_site"
PATIENCE = 60.0  # seconds: for a machine with much else to do
_OURS = ("SESSIONS_", "BOOKING_SITE_")


@dataclass
class Launched:
    """A site that runs.

    Attributes:
        url: where it listens.
        password: of its admin page.
        said: what it printed, line by line; it grows.
    """

    url: str
    password: str
    said: list[str]
    process: subprocess.Popen[str]

    def end(self) -> None:
        """As Ctrl-C does: it must end well, and soon."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(PATIENCE) == 0, "\n".join(self.said)


@dataclass
class Site(Launched):
    """The same in front of a sandbox that the test can look into."""

    sandbox: Sandbox = field(kw_only=True)

    def page(self, zone: str) -> str:
        """The address of a booking page with this time zone of its own, and half hours."""
        key = {"x-api-key": self.sandbox.user_key}
        with httpx.Client(base_url=self.sandbox.url, headers=key, timeout=PATIENCE) as api:
            rows = api.get("/api/booking-pages").raise_for_status().json()
            found = [row["id"] for row in rows if (row["timeZone"], row["duration"]) == (zone, 30)]
            if not found:
                new = {"name": "Evening call", "timeZone": zone, "duration": 30}
                found = [api.post("/api/booking-pages", json=new).raise_for_status().json()["id"]]
        return f"{self.url}/pages/{found[0]}"

    def told(self) -> list[tuple[str, str, int]]:
        """Key role, operation's path without ids, and status of each request of the API's, as the sandbox counts them."""
        counted = httpx.get(f"{self.sandbox.url}/_sandbox/requests", timeout=PATIENCE).raise_for_status().json()
        return [(each["keyRole"], each["path"], each["status"]) for each in counted]

    def writes(self) -> list[tuple[str, int]]:
        """What the API was asked to do to bookings, and what it answered."""
        return [(each.method, each.status) for each in self.sandbox.requests if "/guests/bookings" in each.path]


@contextmanager
def launched(*arguments: str, environment: dict[str, str]) -> Iterator[Launched]:
    """The site, until the block ends; it must end well."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with subprocess.Popen(
        [sys.executable, str(SITE), "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**inherited, **environment, "PYTHONUTF8": "1"},
    ) as process:
        said: list[str] = []
        lines: queue.Queue[str] = queue.Queue()

        def read() -> None:
            for line in process.stdout or ():
                said.append(line.rstrip())
                lines.put(line)
            lines.put("")

        reader = threading.Thread(target=read)
        reader.start()
        try:
            while "Ctrl-C" not in (line := lines.get(timeout=PATIENCE)):
                assert line, "\n".join(said)
            found = re.search(r"(http://\S+)/admin, password (\S+)", "\n".join(said))
            assert found is not None
            site = Launched(found[1], found[2], said, process)
            yield site
            site.end()
        finally:
            process.terminate()
            process.wait(PATIENCE)
            reader.join(PATIENCE)


@contextmanager
def started(*, limit: int, window: float, workers: int, fields: Fields = "all") -> Iterator[Site]:
    """The site in front of a sandbox of the test's, as it is in front of the real API."""
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(Sandbox(limit=limit, window=window, fields=fields)) as sandbox,
    ):
        environment = {
            "SESSIONS_BASE_URL": sandbox.url,
            "SESSIONS_USER_KEY": sandbox.user_key,
            "SESSIONS_GUEST_KEY": sandbox.guest_key,
            "SESSIONS_QUOTA": f"{limit}/{window:g}s",
            "BOOKING_SITE_HOST": "Grace Hopper",
            "BOOKING_SITE_EVENTS": " ".join(each["id"] for each in sandbox.data["events"] if each["isPublished"]),
        }
        with launched("--workers", str(workers), environment=environment) as site:
            yield Site(site.url, site.password, site.said, site.process, sandbox=sandbox)
