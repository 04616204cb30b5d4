"""A sandbox on a real socket with 45 sessions, which allows as much as anybody asks for, and a client of it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pipelines.chaos import World

from sessions_us import Quota, UserClient
from sessions_us.sandbox import Sandbox, wire


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(limit=100_000, window=1.0, empty=True) as made:
        World(made._state, random.Random(1), 45)
        yield made


@pytest.fixture
async def user(sandbox: Sandbox) -> AsyncIterator[UserClient]:
    async with UserClient(sandbox.user_key, base_url=sandbox.url, quota=Quota(limit=100_000, window=1.0)) as client:
        yield client


def lines(path: Path) -> list[dict[str, Any]]:
    """The rows of an NDJSON file, of which each line must be whole."""
    text = path.read_text("utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def ids(path: Path) -> list[str]:
    return [row["id"] for row in lines(path)]


def session_row(sandbox: Sandbox, id: str) -> dict[str, Any]:
    """A session with what belongs to it, as it must be in a sink."""
    session = sandbox._state.sessions[id]
    return {
        **wire.session(sandbox._state, session),
        "participants": wire.participants(session),
        "transcripts": wire.transcripts(session.transcripts),
        "takeaways": wire.takeaways(session),
    }


def asked(sandbox: Sandbox, ending: str = "") -> list[str]:
    """The paths that were asked for."""
    return [request.path for request in sandbox.requests if request.path.endswith(ending)]
