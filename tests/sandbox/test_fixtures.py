"""The pytest fixtures, as an application's own tests use them: in a run of pytest of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import python

PLUGIN = ("-p", "sessions_us.sandbox.pytest_plugin")

WAITS = """
import asyncio, time
import pytest
from sessions_us import QuotaTimeoutError

pytestmark = [pytest.mark.{mark}, pytest.mark.sessions_sandbox(limit=10, window=60)]

async def test_300_calls_one_after_the_other(sessions_user, sessions_sandbox):
    began = sessions_sandbox.clock.now()
    for _ in range(300):
        await sessions_user.rooms.list().collect(limit=1)
    assert len(sessions_sandbox.requests) == 300
    assert {{each.status for each in sessions_sandbox.requests}} == {{200}}
    assert sessions_sandbox.clock.now() - began >= 29 * 60

async def test_100_calls_at_once(sessions_user, sessions_sandbox):
    ids = [row["id"] for row in sessions_sandbox.data["sessions"]][:100]
    found = await asyncio.gather(*(sessions_user.sessions.get(each) for each in ids))
    assert [each.id for each in found] == ids
    assert {{each.status for each in sessions_sandbox.requests}} == {{200}}

async def test_patience_is_the_sandboxs_too(sessions_user):
    impatient = sessions_user.with_options(max_wait=30)
    with pytest.raises(QuotaTimeoutError):
        for _ in range(11):
            await impatient.rooms.list().collect(limit=1)

async def test_a_write_that_returns_none(sessions_user, sessions_sandbox):
    sessions_sandbox.fail("cut", method="POST")
    assert await sessions_user.rooms.create(name="Blue") is None
    assert "Blue" in [each["name"] for each in sessions_sandbox.data["rooms"]]

async def test_a_guest(sessions_guest, sessions_sandbox):
    event = sessions_sandbox.data["events"][0]["id"]
    assert (await sessions_guest.events.register(event, email="ada@example.org", first_name="Ada")).email == "ada@example.org"
    assert [each.key_role for each in sessions_sandbox.requests] == ["guest"]

@pytest.mark.sessions_sandbox(limit=1000, time="still")
async def test_a_clock_of_ones_own(sessions_sandbox):
    called = []
    sessions_sandbox.clock.call_at(sessions_sandbox.clock.now() + 3600, lambda: called.append(1))
    await asyncio.sleep(0)
    assert called == []
    sessions_sandbox.advance(3600)
    assert called == [1]
"""


def run_tests(folder: Path, text: str, *options: str) -> str:
    """Runs a file of tests; no plugin but those named, and warnings are errors."""
    (folder / "test_it.py").write_text(text)
    arguments = ("-q", "-W", "error", "--strict-markers", "-p", "no:cacheprovider", *PLUGIN, *options)
    done = python("-m", "pytest", *arguments, str(folder), cwd=folder, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    return done.stdout + done.stderr


def test_waits_take_no_time_under_anyio(tmp_path: Path) -> None:
    """300 calls at 10 a minute, without a 429, and without half an hour."""
    text = WAITS.format(mark="anyio") + "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    assert "6 passed" in (told := run_tests(tmp_path, text, "-p", "anyio.pytest_plugin")), told


def test_waits_take_no_time_under_pytest_asyncio(tmp_path: Path) -> None:
    """The same fixtures, another plugin."""
    pytest.importorskip("pytest_asyncio", reason="the group `test` has it")
    text = WAITS.format(mark="asyncio")
    scope = ("-o", "asyncio_default_fixture_loop_scope=function")
    assert "6 passed" in (told := run_tests(tmp_path, text, "-p", "pytest_asyncio.plugin", *scope)), told


def test_workers_of_xdist_have_sandboxes_of_their_own(tmp_path: Path) -> None:
    """Side by side, on ports of their own."""
    text = """
import httpx, pytest

@pytest.mark.parametrize("number", range(6))
def test_alone(sessions_sandbox, number):
    headers = {"x-api-key": sessions_sandbox.user_key}
    for _ in range(3):
        assert httpx.get(sessions_sandbox.url + "/api/rooms", headers=headers).status_code == 200
    assert len(sessions_sandbox.requests) == 3
"""
    assert "6 passed" in (told := run_tests(tmp_path, text, "-p", "xdist.plugin", "-n", "2")), told


def test_clients_are_imported_by_the_tests_that_ask_for_them(tmp_path: Path) -> None:
    """Neither a server nor a client is loaded for tests that use none."""
    text = "import sys\ndef test_it():\n    assert not {'starlette', 'uvicorn', 'httpx'} & set(sys.modules)\n"
    assert "1 passed" in (told := run_tests(tmp_path, text)), told


def test_options_without_a_name_are_an_error(tmp_path: Path) -> None:
    """In silence they would have no effect."""
    text = """
import pytest

@pytest.mark.sessions_sandbox(5)
def test_it(sessions_sandbox):
    pass
"""
    told = run_tests(tmp_path, text)
    assert "takes options by name, such as limit=100, and not 5" in told, told
    assert "1 error" in told, told
