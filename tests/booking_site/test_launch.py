from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from support.site import PATIENCE, SITE, launched, started


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


def test_four_workers_share_one_quota() -> None:
    """Twelve visitors at once, each with another question, ten requests a minute: nobody's is answered 429, as many as there
    is quota for are served, and the others are told when to come back."""
    with started(limit=10, window=60.0, workers=4) as site:
        page = site.page("Europe/Bucharest")
        site.sandbox.limiter.reset()
        today = datetime.now(UTC).date()
        asked = [f"{page}?week={today + timedelta(weeks=ahead)}" for ahead in range(2, 14)]

        def visit(address: str) -> httpx.Response:
            return httpx.get(address, timeout=PATIENCE)  # a connection each, so any worker may get it

        with ThreadPoolExecutor(len(asked)) as crowd:
            answers = list(crowd.map(visit, asked))
        waits = [int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 503]
        sent = site.sandbox.requests[1:]

        assert {answer.status_code for answer in answers} == {200, 503}
        assert all(5 < wait <= 61 for wait in waits)
        assert len(sent) == 10
        assert [each.status for each in sent if each.status == 429] == []


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
