"""The sandbox as a thing that is started and stopped: sockets, tasks, keys, the command, the extra, the fixture."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from sessions_us.sandbox import Sandbox

SOURCE = Path(__file__).parents[2] / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.anyio
async def test_nothing_is_left_behind() -> None:
    """After leaving: no task, a closed port, a client that is still connected sees the end; entering again works."""
    before = asyncio.all_tasks()
    sandbox = Sandbox()
    for _ in range(2):
        async with sandbox as entered:
            assert entered is sandbox
            address = (urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port)
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET /api/rooms HTTP/1.1\r\nhost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401")
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
        # The end has arrived by now, whether or not our loop has looked at it.
        readable, _, _ = select.select([writer.get_extra_info("socket")], [], [], 0)
        assert readable or reader.at_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert asyncio.all_tasks() == before
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection(*address)
        with pytest.raises(RuntimeError, match="no url"):
            _ = sandbox.url


@pytest.mark.anyio
async def test_on_every_address_it_says_where_this_machine_finds_it() -> None:
    """A client can use the URL, and needs no leave to speak plain http to it."""
    async with Sandbox(host=str(ipaddress.IPv4Address(0))) as sandbox:
        assert urlsplit(sandbox.url).hostname == "127.0.0.1"
        async with httpx.AsyncClient(base_url=sandbox.url) as client:
            assert (await client.get("/_sandbox")).json()["url"] == sandbox.url


@pytest.mark.anyio
async def test_many_requests_at_once() -> None:
    """30 on as many connections: ten are admitted, twenty are refused, and remaining counts down without a gap."""
    async with Sandbox(limit=10) as sandbox:
        limits = httpx.Limits(max_connections=30)
        async with httpx.AsyncClient(
            base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}, limits=limits
        ) as user:
            answers = await asyncio.gather(*(user.get("/api/rooms") for _ in range(30)))
        left = sorted(int(each.headers["ratelimit-remaining"]) for each in answers if each.status_code == 200)
        assert left == list(range(10))
        assert (sandbox.limiter.admitted, sandbox.limiter.refused) == (10, 20)
        assert [record.status for record in sandbox.requests].count(429) == 20


@pytest.mark.anyio
async def test_the_transport_needs_no_socket() -> None:
    """The same application, with the same keys and limit, for any origin and without entering."""
    sandbox = Sandbox(limit=2)
    headers = {"x-api-key": sandbox.user_key}
    async with httpx.AsyncClient(
        transport=sandbox.transport, base_url="https://api.example.org", headers=headers
    ) as user:
        assert [(await user.get("/api/rooms")).status_code for _ in range(3)] == [200, 200, 429]
        assert sandbox.requests[0].path == "/api/rooms"
        with pytest.raises(RuntimeError, match="async with"):
            await sandbox.settle()


@pytest.mark.anyio
async def test_keys_never_reach_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """Not at the lowest level, not with a failing request; and the process's logging is left as it was."""
    caplog.set_level(1)
    access = logging.getLogger("uvicorn.access")
    before = (access.handlers[:], access.propagate, access.level)
    async with Sandbox() as sandbox:
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            await user.get("/api/rooms")
            sandbox.fail("lost")
            with pytest.raises(httpx.RemoteProtocolError):
                await user.get("/api/rooms", headers={"x-api-key": sandbox.guest_key})
        ours = [record for record in caplog.records if record.name.startswith(("uvicorn", "sessions_us"))]
        text = "\n".join(record.getMessage() for record in ours)
        assert sandbox.user_key not in text
        assert sandbox.guest_key not in text
        assert not [record for record in ours if record.levelno >= logging.WARNING]
    assert (access.handlers, access.propagate, access.level) == before


@pytest.mark.anyio
async def test_a_taken_port_is_an_oserror() -> None:
    """Nothing is started then."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = asyncio.all_tasks()
        with pytest.raises(OSError, match="in use"):
            async with Sandbox(port=taken.getsockname()[1]):
                pass
        assert asyncio.all_tasks() == before


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_address_and_keys_once_and_ends_on_a_signal(end: signal.Signals) -> None:
    """The lines can be pasted into a shell; each request is logged with its quota; Ctrl-C ends it without a word, and so does
    the signal by which containers are stopped."""
    command = [sys.executable, "-W", "error", "-c", "from sessions_us.sandbox import serve; serve(0, limit=3)"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        lines = [serving.stdout.readline().strip() for _ in range(4)]
        told = dict(line.split("=", 1) for line in lines[1:])
        assert set(told) == {"SESSIONS_BASE_URL", "SESSIONS_USER_KEY", "SESSIONS_GUEST_KEY"}
        answer = httpx.get(f"{told['SESSIONS_BASE_URL']}/api/rooms", headers={"x-api-key": told["SESSIONS_USER_KEY"]})
        assert (answer.status_code, answer.headers["ratelimit-limit"]) == (200, "3")
        serving.send_signal(end)
        out, err = serving.communicate(timeout=60)
    assert (out, serving.returncode) == ("", 0)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  user   GET    /api/rooms  200  2 left, reset in 60 s\n", err)


def test_a_log_that_nobody_reads_fails_no_request() -> None:
    """As behind `| head`."""
    command = [sys.executable, "-W", "error", "-c", "from sessions_us.sandbox import serve; serve(0)"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        assert serving.stderr is not None
        url = [serving.stdout.readline().strip() for _ in range(4)][1].partition("=")[2]
        serving.stderr.close()
        asked = [httpx.get(f"{url}/api/rooms", headers={"x-api-key": "sandbox-user-key"}) for _ in range(3)]
        serving.terminate()
    assert [answer.status_code for answer in asked] == [200] * 3


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_missing_extra_is_one_line_that_names_it(missing: str) -> None:
    """An ImportError that says what to install; the package itself and its pytest plugin import without the extra."""
    program = (
        "import sys; sys.modules[{0!r}] = None\n"
        "import sessions_us.sandbox, sessions_us.sandbox.pytest_plugin\n"
        "from sessions_us.sandbox import Sandbox"
    )
    result = python("-c", program.format(missing))
    assert result.returncode == 1
    assert (
        result.stderr.splitlines()[-1]
        == f"ImportError: sessions_us.sandbox.Sandbox needs {missing}: pip install 'sessions-us[sandbox]'"
    )


def test_importing_loads_no_server() -> None:
    """Neither the package nor the pytest plugin."""
    program = (
        "import sys, sessions_us.sandbox, sessions_us.sandbox.pytest_plugin\n"
        "print(sorted({'starlette', 'uvicorn', 'httpx', 'anyio'} & set(sys.modules)))"
    )
    assert python("-c", program).stdout == "[]\n"


def test_the_sandbox_does_not_know_the_client() -> None:
    """So that each checks the other: serving imports nothing else of this library but the loader of names."""
    program = (
        "import sys\nfrom sessions_us.sandbox import Sandbox, serve\n"
        "print(sorted(n for n in sys.modules if n.startswith('sessions_us') and '.sandbox' not in n))"
    )
    assert python("-c", program).stdout == "['sessions_us', 'sessions_us._lazy']\n"


def test_the_fixture_serves_plain_and_asynchronous_tests(tmp_path: Path) -> None:
    """A fresh sandbox for each test, set up by its marker."""
    (tmp_path / "test_it.py").write_text(
        """
import asyncio, httpx, pytest

def test_plain(sessions_sandbox):
    answer = httpx.get(sessions_sandbox.url + "/api/rooms", headers={"x-api-key": sessions_sandbox.user_key})
    assert answer.headers["ratelimit-limit"] == "1000"
    assert len(sessions_sandbox.requests) == 1

@pytest.mark.sessions_sandbox(limit=7, empty=True)
@pytest.mark.parametrize("time", [1, 2])
def test_asynchronous(sessions_sandbox, time):
    async def main():
        async with httpx.AsyncClient(headers={"x-api-key": sessions_sandbox.user_key}) as user:
            body = {"url": "http://sessions.invalid", "trigger": "SESSION_CREATED"}
            assert (await user.post(sessions_sandbox.url + "/api/webhooks", json=body)).status_code == 201
            await user.post(sessions_sandbox.url + "/api/sessions", json={"name": "x", "startAt": "2026-01-01"})
            await sessions_sandbox.settle()
            answer = await user.get(sessions_sandbox.url + "/api/sessions")
            assert (len(answer.json()), answer.headers["ratelimit-limit"]) == (1, "7")
        async with httpx.AsyncClient(transport=sessions_sandbox.transport, base_url="http://x") as stranger:
            assert (await stranger.get("/api/rooms")).status_code == 401
    asyncio.run(main())
    assert len(sessions_sandbox.deliveries) == 1
"""
    )
    options = (
        "-q",
        "-W",
        "error",
        "--strict-markers",
        "-p",
        "sessions_us.sandbox.pytest_plugin",
        "-p",
        "no:cacheprovider",
    )
    result = python("-m", "pytest", *options, str(tmp_path), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "3 passed" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"fields": "few"}, "fields must be known or all, not 'few'"),
        ({"noise": (-1, 60)}, "noise must be 0 or more requests in more than 0 seconds"),
        ({"noise": (1, 0)}, "noise must be 0 or more requests in more than 0 seconds"),
    ],
)
def test_a_setting_must_make_sense(setting: dict[str, Any], said: str) -> None:
    """One line that says what it takes."""
    with pytest.raises(ValueError, match=said):
        Sandbox(**setting)


@pytest.mark.anyio
async def test_a_sandbox_serves_once_at_a_time() -> None:
    """A second entering is refused, and the first goes on."""
    async with Sandbox(host="localhost") as sandbox, httpx.AsyncClient(base_url=sandbox.url) as client:
        with pytest.raises(RuntimeError, match="the sandbox is serving already"):
            await sandbox.__aenter__()
        assert (await client.get("/_sandbox")).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/api/rooms", "/_sandbox/data"])
async def test_who_leaves_in_the_middle_of_a_body_hinders_nobody(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A request that never arrived is in no record, and nothing is logged of it."""
    async with Sandbox() as sandbox:
        reader, writer = await asyncio.open_connection(urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port)
        writer.write(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{".encode())
        await writer.drain()
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(base_url=sandbox.url, headers={"x-api-key": sandbox.user_key}) as user:
            assert (await user.get("/api/rooms")).status_code == 200
        assert [each.method for each in sandbox.requests] == ["GET"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.anyio
async def test_a_body_that_is_no_json_is_recorded_as_it_came() -> None:
    """`json` is None then, as without a body."""
    sandbox = Sandbox()
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example.org") as client:
        await client.post("/api/rooms", content=b"{")
        await client.post("/api/rooms", json={"name": "Blue"})
    assert [(each.body, each.json) for each in sandbox.requests] == [
        (b"{", None),
        (b'{"name":"Blue"}', {"name": "Blue"}),
    ]
