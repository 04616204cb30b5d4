"""A sandbox on a real socket with 45 sessions, which allows as much as anybody asks for, and a client of it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pipelines.chaos import World

from sessions_us import Quota, UserClient
from sessions_us.sandbox import Sandbox

if TYPE_CHECKING:
    from support.databases import Database


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(limit=100_000, window=1.0, empty=True, fields="all") as made:
        World(made, random.Random(1), 45)
        yield made


@pytest.fixture
async def user(sandbox: Sandbox) -> AsyncIterator[UserClient]:
    async with UserClient(sandbox.user_key, base_url=sandbox.url, quota=Quota(limit=100_000, window=1.0)) as client:
        yield client


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server, which the tests of a module share."""
    from support.databases import BINARIES, postgres  # not for tests that need no database

    if BINARIES is None:
        pytest.skip("PostgreSQL's server is not installed here")
    with postgres() as url:
        yield url


@pytest.fixture(params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    from support.databases import Database

    if request.param == "duckdb":
        return Database(f"duckdb:///{tmp_path}/out.duckdb")
    return Database(request.getfixturevalue("server"))


def lines(path: Path) -> list[dict[str, Any]]:
    """The rows of an NDJSON file, of which each line must be whole."""
    text = path.read_text("utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def ids(path: Path) -> list[str]:
    return [row["id"] for row in lines(path)]


def there(sandbox: Sandbox, resource: str = "sessions") -> dict[str, dict[str, Any]]:
    """The rows that the server has, by their ids and the oldest first, with what belongs to them, as they must be in a sink."""
    return {row["id"]: row for row in reversed(sandbox.data[resource])}


def change(sandbox: Sandbox, id: str, **fields: Any) -> None:
    """Change a session on the server, by the wire names of its fields."""
    sandbox.load({"sessions": [{"id": id, **fields}]})


def asked(sandbox: Sandbox, ending: str = "") -> list[str]:
    """The paths that were asked for."""
    return [request.path for request in sandbox.requests if request.path.endswith(ending)]
