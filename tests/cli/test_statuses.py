"""Each kind of failure is one line on stderr and an exit status of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import COMMAND, environment, python, run
from support.scripted import Say, Scripted, unused_port

from sessions_us.cli.statuses import MEANINGS, Status

pytestmark = pytest.mark.anyio


async def against(server: Scripted, *arguments: str, **changes: str) -> tuple[int | None, str, str]:
    """The command against a server that runs in this test's event loop."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**{"SESSIONS_BASE_URL": server.url, "SESSIONS_USER_KEY": "canary", **changes}),
    )
    stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, stdout.decode(), stderr.decode()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Say(400, {"message": "bad"}), 13),
        (Say(401, {"message": "who"}), 11),
        (Say(403, {"message": "no"}), 11),
        (Say(404, {"message": "where"}), 12),
        (Say(409, {"message": "not now"}), 13),
        (Say(422, {"message": "odd"}), 13),
        (Say(429, {"message": "slow"}, {"retry-after": "7200"}), 14),
        (Say(501, {"message": "broken"}), 16),
        (Say(200, b"<html>"), 17),
    ],
)
async def test_an_answer_has_its_status(answer: Say, status: int) -> None:
    """By what the server said."""
    async with Scripted(answer) as server:
        done = await against(server, "list", "participants", "s1")

    assert done[:2] == (status, "")
    assert len(done[2].splitlines()) == 1
    assert done[2].startswith("sessions-us: ")


async def test_no_answer_is_a_status() -> None:
    """Nobody listens: 15."""
    done = run("webhooks", "remove", "x", SESSIONS_BASE_URL=f"http://127.0.0.1:{unused_port()}", SESSIONS_USER_KEY="k")

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (15, "", 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"SESSIONS_BASE_URL": "http://example.com"},
        {"SESSIONS_QUOTA": "lots"},
        {"SESSIONS_QUOTA_STORE": "redis://"},
    ],
)
async def test_a_setting_that_makes_no_sense_is_a_status(changes: dict[str, str]) -> None:
    """10, and nothing is sent."""
    done = run("list", "rooms", **{"SESSIONS_USER_KEY": "k", "SESSIONS_BASE_URL": "http://127.0.0.1:9", **changes})

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (10, "", 1)


async def test_the_help_tells_them_all() -> None:
    """Every status with its meaning, as docs/cli.md does."""
    told = run("--help").stdout
    written = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")

    assert set(MEANINGS) == set(Status)
    assert [status for status, meaning in MEANINGS.items() if f"  {status:<4}{meaning}\n" not in told] == []
    assert [status for status, meaning in MEANINGS.items() if f"\n| {status:d} | {meaning} |\n" not in written] == []


async def test_a_bug_is_a_line_without_values() -> None:
    """It says where it is, and shows no traceback and nothing of what was handled."""
    program = """
import sys, sessions_us.cli.listing as listing
def broken(*_, **__):
    raise KeyError("canary-value")
listing.batches = broken
from sessions_us.cli import main
main(["list", "rooms"])
"""
    done = python("-c", program, SESSIONS_USER_KEY="canary-key")

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "this is a bug: KeyError in" in done.stderr
    assert "canary" not in done.stderr


EVIL: dict[str, Any] = {
    "id": "s1\x1b[2J",
    "name": "a\x1b]0;title\x07b\x1b[31mc\x9b5md\u202ee\r\nf\x00g\ud800",
    "description": "h\x7f\u2066i",
}


async def test_a_servers_escape_sequences_do_not_reach_the_terminal() -> None:
    """Neither in a table, nor in JSON, nor in a message; and in JSON nothing is lost."""
    import json

    forbidden = "\x1b\x07\x9b\x00\x7f\u202e\u2066"
    async with Scripted(Say(200, [EVIL])) as server:
        table = await against(server, "list", "rooms", "--table")
        lines = await against(server, "list", "rooms", "--json")
    async with Scripted(Say(404, {"message": "no\x1b[2J\x9b\u202e\rway"})) as server:
        failed = await against(server, "list", "participants", "x\u202ey")

    assert [done[0] for done in (table, lines, failed)] == [0, 0, 12]
    assert not [text for done in (table, lines, failed) for text in done[1:] if set(forbidden + "\r") & set(text)]
    assert json.loads(lines[1]) == EVIL
    assert "]0;title" in table[1]


async def test_the_interpreter_is_this_one() -> None:
    """`python -m sessions_us.cli` and the installed command are one and the same."""
    from importlib.metadata import entry_points

    import sessions_us
    from sessions_us.cli import main

    (command,) = entry_points(group="console_scripts", name="sessions-us")

    assert command.load() is main
    assert python("-m", "sessions_us.cli", "--version").stdout == f"sessions-us {sessions_us.__version__}\n"
    assert sys.executable == COMMAND[0]
