"""A canary key in the environment is in nothing that any command writes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import pytest
from support.command import COMMAND, environment, run
from support.further import further
from support.scripted import Reset, Say, Scripted

pytestmark = pytest.mark.anyio

COMMANDS = [
    ["list", "sessions", "--table"],
    ["webhooks", "add", "--url", "https://example.com", "--trigger", "SESSION_ENDED", "--json"],
    ["export", "rooms", "--to", "{}/rooms.ndjson"],
    *further(
        ["list", "sessions", "--json"],
        ["list", "participants", "s1", "--table"],
        ["list", "takeaways", "s1", "--json"],
        ["quota"],
        ["webhooks", "add", "--url", "https://example.com", "--trigger", "SESSION_ENDED"],
        ["webhooks", "remove", "w1"],
    ),
]


def shows(key: str, text: str) -> bool:
    """Whether a key is in a text, as it is or in any way in which JSON can write it."""
    return key in text or json.dumps(key)[1:-1] in text or "".join(f"\\u{ord(each):04x}" for each in key) in text


def echoes(key: str) -> dict[str, Say | Reset]:
    """What a server can say that has heard the key."""
    row = {"id": "s1", "name": f"it is {key}", key: [key], "takeawaysText": key, "url": key, "user": {"email": key}}
    escaped = "".join(f"\\u{ord(each):04x}" for each in key)
    return {
        "in rows": Say(200, [row]),
        "in an object": Say(200, row),
        "in a message": Say(401, f'{{"message": "no such key: {key} {escaped}", "{key}": "{key}"}}'.encode()),
        "in text": Say(501, f"<html>{key}</html>".encode()),
    }


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: "-".join(words[:2]) + words[-1][:7])
async def test_no_command_shows_the_key(tmp_path: Path, arguments: list[str]) -> None:
    """Whatever the server says of it, with the key from the environment and from a file."""
    seen: list[tuple[str, str]] = []
    key, guest = f"canary-{uuid4().hex}", f"guest-{uuid4().hex}"
    file = tmp_path / "key"
    file.write_text(key)
    file.chmod(0o600)
    for number, (how, answer) in enumerate(echoes(key).items()):
        here = tmp_path / str(number)
        here.mkdir()
        # What is read from pages must end.
        answers = [answer, Say(200, [])] if arguments[0] != "webhooks" else [answer]
        source = {"SESSIONS_USER_KEY": key} if number % 2 else {"SESSIONS_USER_KEY_FILE": str(file)}
        async with Scripted(*answers) as server:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *(word.format(here) for word in arguments),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment(SESSIONS_BASE_URL=server.url, SESSIONS_GUEST_KEY=guest, **source),
            )
            stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
            assert server.arrived, "the server was not asked"
        seen.append((how, stdout.decode() + stderr.decode()))
        assert "Traceback" not in seen[-1][1]
        assert len(stderr.decode().splitlines()) <= 5

    assert [how for how, text in seen if shows(key, text) or shows(guest, text)] == []
    assert any("[api key]" in text for _, text in seen) or arguments[:2] in (["quota"], ["webhooks", "remove"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["export", "--help"],
        *further(*([*command, "--help"] for command in (["list"], ["quota"], ["webhooks", "add"], ["spec", "diff"]))),
        ["demo", "--window", "nonsense"],
        ["no-such-command"],
        ["spec", "diff", "missing.json"],
        ["list", "rooms", "--max-wait", "0", "--quota-store", "/no/such/directory/quota.db"],
    ],
    ids=" ".join,
)
async def test_nothing_else_shows_it(arguments: list[str]) -> None:
    """Help, mistakes, and what never gets to the server."""
    key = f"canary-{uuid4().hex}"
    done = run(*arguments, SESSIONS_USER_KEY=key, SESSIONS_GUEST_KEY=f"{key}-guest")

    assert not shows(key, done.stdout + done.stderr)


@pytest.mark.parametrize("tail", ["\r\nx-evil: 1", *further("\x7f", "é", " ")])
async def test_a_key_that_can_not_be_sent_is_not_shown(tmp_path: Path, tail: str) -> None:
    """Neither from the environment nor from a file."""
    key = f"canary-{uuid4().hex}{tail}"
    file = tmp_path / "key"
    file.write_text(key)
    file.chmod(0o600)
    for done in (
        run("list", "rooms", SESSIONS_USER_KEY=key),
        run("list", "rooms", "--key-file", str(file)),
    ):
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (10, "", 1)
        assert key[:30] not in done.stderr
