from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from html import unescape
from subprocess import PIPE, STDOUT
from urllib.parse import urlsplit

import httpx
import pytest
from support.scripted import unused_port
from support.site import PATIENCE, SITE, Site, launched, started


def test_one_command_starts_a_sandbox_and_four_workers() -> None:
    """Without keys. The address and the password that it prints open the site and its admin page; it prints nothing else."""
    with launched(environment={}) as site, httpx.Client(base_url=site.url, timeout=PATIENCE) as visitor:
        assert "4 workers, a sandbox" in site.said[0]
        assert "Grace Hopper" in visitor.get("/").text
        signed_in = visitor.post("/admin", data={"password": site.password}, headers={"Origin": site.url})
        assert signed_in.headers["location"] == "/admin"
        with visitor.stream("GET", "/admin/live") as stream:  # open until the site ends, which ends it in peace
            told = next(stream.iter_lines())
            assert json.loads(told.removeprefix("data: "))["quotas"]["user"]["limit"] == 10
            site.end()
    assert len(site.said) == 3, site.said


def at_once(addresses: list[str]) -> list[httpx.Response]:
    """Visitors who come in the same moment, each over a connection of its own, so that any worker may get it."""
    with ThreadPoolExecutor(len(addresses)) as crowd:
        return list(crowd.map(lambda address: httpx.get(address, timeout=PATIENCE), addresses))


def listed(site: Site) -> list[str]:
    """The pages that the site's list leads to. From now on it knows what they are called."""
    found = re.findall(r'href="(/pages/[^"]+)"', httpx.get(site.url, timeout=PATIENCE).text)
    return [f"{site.url}{each}" for each in found]


def test_six_visitors_of_six_pages_are_served() -> None:
    """By four workers, with ten requests a minute, as one request each; and once more, by whichever worker, as none."""
    with started(limit=10, window=60.0, workers=4, fields="known") as site:
        pages = listed(site)[:6]
        first, again = at_once(pages), at_once(pages * 3)
        told = site.told()

        assert [answer.status_code for answer in first + again] == [200] * 24
        assert [status for _, _, status in told] == [201 if path.endswith("/slots") else 200 for _, path, _ in told]
        assert sorted(path for _, path, _ in told[1:]) == sorted(
            f"/api{urlsplit(page).path.replace('/pages/', '/booking-pages/')}/slots" for page in pages
        )


@pytest.mark.further
def test_fourteen_visitors_get_all_that_there_is() -> None:
    """Fourteen pages at once, after one request for the list: nine are served whole, five are told when to come back, no request
    is answered 429 and none is sent for an answer that nobody gets. A filled-in form books all the same."""
    with started(limit=10, window=60.0, workers=4, fields="known") as site:
        pages = listed(site)[:14]
        answers = at_once(pages)
        served = [answer for answer in answers if answer.status_code == 200]
        waits = [int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 503]

        assert (len(served), len(waits)) == (9, 5)
        assert all('class="days"' in answer.text or "no free time" in answer.text for answer in served)
        assert all(5 < wait <= 61 for wait in waits)
        told = site.told()
        assert (len(told), {role for role, _, _ in told}) == (10, {"user"})
        assert 429 not in {status for _, _, status in told}

        slot = next(found[1] for answer in served if (found := re.search(r'class="slot" href="([^"]+)"', answer.text)))
        form = httpx.get(f"{site.url}{unescape(slot)}", timeout=PATIENCE)
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form.text))
        filled_in = hidden | {"name": "Ada Lovelace", "email": "ada@example.com"}
        where = f"{site.url}{unescape(slot).partition('?')[0]}"
        booked = httpx.post(where, data=filled_in, headers={"Origin": site.url}, timeout=PATIENCE)
        assert booked.headers["location"].startswith("/bookings/")
        assert "Ada Lovelace" in httpx.get(f"{site.url}{booked.headers['location']}", timeout=PATIENCE).text
        assert site.told()[10:] == [("guest", "/api/guests/bookings", 201)]


def refused(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a command that can't start the site."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SESSIONS_", "BOOKING_"))}
    return subprocess.run(
        [sys.executable, str(SITE), "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**environment, **variables},
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--port", "99999"),
        ("--workers", "0"),
        ("--limit", "0"),
        ("--window", "0"),
        ("--window", "nan"),
    ],
)
def test_an_option_that_makes_no_sense_is_said_at_once(arguments: tuple[str, str]) -> None:
    """In a line that names it, before anything starts."""
    done = refused(*arguments)

    assert done.returncode == 2
    assert re.search(rf"error: argument {arguments[0]}: {arguments[1]} is .*\n\Z", done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SESSIONS_QUOTA": "many"}, "SESSIONS_QUOTA: .*"),
        ({"SESSIONS_BASE_URL": "nowhere"}, ".*SESSIONS_BASE_URL.*"),
        ({"SESSIONS_GUEST_KEY": "one\ntwo"}, ".*SESSIONS_GUEST_KEY.*"),
        ({"BOOKING_SITE_DATA": "/nowhere/at/all"}, "BOOKING_SITE_DATA: there is no directory /nowhere/at/all.*"),
    ],
)
def test_settings_that_no_worker_could_start_with_are_said_once(variables: dict[str, str], said: str) -> None:
    """Workers that fail would be started again for ever."""
    done = refused(**{"SESSIONS_USER_KEY": "user-key", "SESSIONS_GUEST_KEY": "guest-key", **variables})

    assert done.returncode == 1
    assert re.fullmatch(said + r"\n", done.stderr)


def test_one_key_without_the_other_is_said_at_once() -> None:
    """The site would fail later, and half."""
    done = refused(SESSIONS_USER_KEY="user-key")

    assert done.returncode == 1
    assert re.fullmatch(r"SESSIONS_USER_KEY is set and SESSIONS_GUEST_KEY is not.*\n", done.stderr)


@pytest.mark.further
@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_a_terminal_that_is_closed_ends_the_site() -> None:
    """With all its workers: nobody answers at its port any more."""
    with launched(environment={}) as site:
        site.process.send_signal(signal.SIGHUP)
        assert site.process.wait(PATIENCE) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(site.url, timeout=PATIENCE)


@pytest.mark.further
@pytest.mark.skipif(sys.platform == "win32", reason="there no process inherits a socket")
def test_two_that_start_at_once_on_one_port() -> None:
    """One has it, and the other says so at once: neither tells of a site that is the other's."""
    command = [sys.executable, str(SITE), "--port", str(unused_port()), "--workers", "1"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SESSIONS_", "BOOKING_"))}
    with ExitStack() as ends:
        both = [
            ends.enter_context(subprocess.Popen(command, stdout=PIPE, stderr=STDOUT, text=True, env=inherited))
            for _ in range(2)
        ]
        for each in both:
            ends.callback(each.terminate)
        first = sorted(each.stdout.readline() for each in both if each.stdout)

    assert first[0].startswith(f"Port {command[3]} can't be had (")
    assert first[1].startswith(f"The site:       http://127.0.0.1:{command[3]}/ ")
    with pytest.raises(httpx.ConnectError):  # though nobody read on
        httpx.get(f"http://127.0.0.1:{command[3]}/", timeout=PATIENCE)
