"""Calls that are cut short, clients in odd loops, servers that dawdle: nothing stays behind, and nothing hangs."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.interrupted import FINE, SCENES, SPENT, Interrupted, made, read, whole, write
from support.limiters import limiter_of
from support.scripted import Say, Scripted, Silence, Slowly
from support.waiting import Pools, cancelled, left_behind, record_pools, tasks, until

from sessions_us import (
    ConfigurationError,
    RateLimitedError,
    RetryPolicy,
    ServerError,
    SessionsError,
    UserClient,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> Pools:
    return record_pools(monkeypatch)


@contextlib.asynccontextmanager
async def client(server: Scripted, **options: Any) -> AsyncIterator[UserClient]:
    """A client that leaves no waiter and no lease in the limiter."""
    key = f"key-{uuid4()}"
    async with UserClient(key, base_url=server.url, **options) as user:
        limiter = limiter_of(key, server.url)
        yield user
    assert not limiter.in_use


async def soon_left_behind(user: UserClient, before: set[asyncio.Task[Any]], pools: Pools) -> list[str]:
    """What a call that is over must not leave. What is cancelled or closed says so a moment later."""
    for _ in range(50):
        await asyncio.sleep(0)
    return left_behind(user, before, pools)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
async def test_cancelled_at_a_point_nothing_is_left(scene, pools):
    """At each point where it can be: no task, no connection, no lease, no place in the queue; the next call works."""
    policy = RetryPolicy(attempts=4, backoff=0.001)
    point = 0
    while True:
        async with Scripted(*scene.script) as server:
            async with client(server, retries=policy) as user:
                if scene.warm:
                    await user.sessions.get("warm")
                before = tasks()
                interrupted = Interrupted(scene.call(user), point)
                call = asyncio.ensure_future(whole(interrupted))
                if scene.ends:
                    await asyncio.wait([call], timeout=60)
                else:  # it would wait for ever; where it has no such point any more, it is all tried
                    while not call.done() and not (interrupted.cancelled or await _rests(call)):
                        await asyncio.sleep(0)
                    if not interrupted.cancelled:
                        call.cancel()
                    await asyncio.wait([call], timeout=60)
                assert call.done(), f"cancelled at point {point}, and goes on"
                if interrupted.cancelled:
                    assert call.cancelled() or call.exception() is None, point
                    assert await soon_left_behind(user, before, pools) == [], f"cancelled at point {point}"
                else:
                    assert await soon_left_behind(user, before, pools) == []
                    _ = call.cancelled() or call.exception()
                    break
                server.then(FINE)
                if scene is not SCENES["a spent quota"]:
                    assert await user.with_options(timeout=20).sessions.get("again")
        point += 1

    assert point >= 1


async def _rests(call: asyncio.Task[object]) -> bool:
    """Whether the call waits for something that won't come by itself."""
    for _ in range(2000):
        await asyncio.sleep(0)
        if call.done():
            return True
    return True


async def test_a_timeout_around_a_call(pools):
    """`asyncio.timeout` and a TaskGroup that fails are cancellations too."""
    async with Scripted(Silence(), Silence(), FINE) as server:
        async with client(server) as user:
            before = tasks()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await read(user)
            with pytest.raises(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(whole(read(user)))
                    group.create_task(_fail(server))

            assert await soon_left_behind(user, before, pools) == []
            assert await read(user)


async def _fail(server: Scripted) -> None:
    while len(server.arrived) < 2:
        await asyncio.sleep(0)
    raise ValueError("another task of the group")


DAWDLING = {
    "nothing said": Silence(),
    "headers a byte at a time": Slowly(b"HTTP/1.1 200 OK\r\nx-long: " + b"a" * 10_000, 0.01),
    "a body a byte at a time": Slowly(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + b"1" * 9999, 0.01),
    "a Retry-After of a year": Say(503, None, {"retry-after": "31536000"}),
    "a 429 with a Retry-After of a minute": Say(429, None, {"retry-after": "60"}),
    "a 503 with a Retry-After of a minute": Say(503, None, {"retry-after": "60"}),
    "a quota spent for a minute, and a 503": Say(503, None, {**SPENT, "retry-after": "0"}),
}


@pytest.mark.parametrize("fault", DAWDLING.values(), ids=DAWDLING.keys())
async def test_no_call_outlasts_its_deadline(fault):
    """`max_wait` + attempts x `timeout` is 1.5 s here; ten times that is left to a busy machine."""
    policy = RetryPolicy(attempts=3, backoff=100, backoff_max=100)
    async with Scripted(fault) as server:
        async with client(server, timeout=0.4, max_wait=0.3, retries=policy) as user:
            async with asyncio.timeout(15):
                with pytest.raises(SessionsError):
                    await read(user)


async def test_a_pause_beyond_max_wait_is_an_error():
    """The call fails before the pause, not after it. The error tells the time."""
    for status, kind, call in ((429, RateLimitedError, read), (503, ServerError, read), (503, ServerError, write)):
        async with Scripted(Say(status, None, {"retry-after": "120"})) as server:
            async with client(server, max_wait=60) as user:
                with pytest.raises(kind) as caught:
                    async with asyncio.timeout(30):
                        await call(user)
        assert caught.value.retry_after == 120
        assert len(server.arrived) == 1


async def test_total_bounds_the_retries_of_a_call():
    """No further attempt starts when the total is over, or would be after the pause."""
    policy = RetryPolicy(attempts=9, total=0.0, backoff=0.001)
    patient = RetryPolicy(attempts=3, total=600, backoff=0.001)
    long_pause = RetryPolicy(attempts=3, total=60, backoff=0.001)
    async with Scripted(Say(502)) as server, client(server) as user:
        for each, requests in ((policy, 1), (patient, 3)):
            before = len(server.arrived)
            with pytest.raises(ServerError):
                await read(user.with_options(retries=each))
            assert len(server.arrived) - before == requests
    async with Scripted(Say(503, None, {"retry-after": "90"})) as server:
        async with client(server, retries=long_pause) as user:
            async with asyncio.timeout(30):
                with pytest.raises(ServerError):
                    await read(user)
    spent = Say(429, None, {**SPENT, "retry-after": "90"})
    async with Scripted(spent) as server:
        async with client(server, retries=long_pause) as user:
            async with asyncio.timeout(30):
                with pytest.raises(RateLimitedError):
                    await read(user)


async def test_a_second_cancellation(pools):
    """A timeout and a cancellation at the same moment leave no connection behind."""
    async with Scripted(FINE, Silence(), FINE) as server:
        async with client(server) as user:
            await read(user)
            before = tasks()
            call = asyncio.ensure_future(whole(read(user)))
            while len(server.arrived) < 2:
                await asyncio.sleep(0)
            while not call.done():
                call.cancel()
                await asyncio.sleep(0)

            assert call.cancelled()
            assert await soon_left_behind(user, before, pools) == []
            assert await read(user)


async def test_closing_while_calls_are_in_flight():
    """From another task: each call ends, with an answer or with an error of ours."""
    async with Scripted(FINE, Silence()) as server:
        user = UserClient(f"key-{uuid4()}", base_url=server.url, timeout=5)
        await read(user)
        calls = [asyncio.ensure_future(whole(read(user))) for _ in range(3)]
        while len(server.arrived) < 2:
            await asyncio.sleep(0)
        await user.aclose()
        async with asyncio.timeout(30):
            outcomes = await asyncio.gather(*calls, return_exceptions=True)

        assert all(isinstance(outcome, SessionsError) for outcome in outcomes), outcomes
        assert user.quota.snapshot().in_flight == 0


async def test_two_loops_at_once_are_refused():
    """A client belongs to one running loop; another thread's gets one clear line, and the first goes on."""
    async with Scripted(FINE) as server, client(server) as user:
        await read(user)

        def elsewhere() -> object:
            return asyncio.run(whole(read(user)))

        with pytest.raises(ConfigurationError, match="one client for each"):
            await asyncio.to_thread(elsewhere)
        assert await read(user)


SCRIPT = """
import asyncio, sys, threading
sys.path[:0] = [{tests!r}]
from support.scripted import Say, Scripted
from sessions_us import ClientClosedError, UserClient

server = Scripted(Say(body={{"id": "s1"}}))
ready, end = threading.Event(), threading.Event()

async def serve():
    async with server:
        ready.set()
        while not end.is_set():
            await asyncio.sleep(0.01)

thread = threading.Thread(target=asyncio.run, args=(serve(),))
thread.start()
ready.wait()
user = UserClient("key", base_url=server.url)

async def main(close):
    both = await asyncio.gather(user.sessions.get("s1"), user.rooms.get("s1"))
    if close:
        await user.aclose()
        try:
            await user.sessions.get("s1")
        except ClientClosedError:
            print("closed")
    return len(both)

{run}
try:
    run(main(False))
except ClientClosedError:
    print("closed for good")
end.set()
thread.join()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_one_client_under_several_runs(loop):
    """A second `asyncio.run`, whose predecessor closed nothing, works; after `aclose` it says so; in a process of its own."""
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    run = "from asyncio import run" if loop == "asyncio" else "from uvloop import run"
    script = SCRIPT.format(
        tests=str(Path(__file__).parent),
        run=f"{run}\nprint(run(main(False)))\nprint(run(main(False)))\nprint(run(main(True)))",
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == ["2", "2", "closed", "2", "closed for good"]
    assert "Event loop is closed" not in done.stderr
    assert done.stderr == ""


async def gives_up(user: UserClient, server: Scripted) -> None:
    """A call that is cut off takes its pool along, unless the client believes that another exchange is in flight."""
    server.then(Silence())
    server.arrived.clear()
    call = asyncio.ensure_future(whole(user.sessions.get("held back")))
    await until(lambda: server.arrived, 60)
    await cancelled(call)
    await until(lambda: not server.open_connections, 60)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
async def test_cancelled_after_turns_nothing_is_left(scene, pools):
    """The same after each number of turns of the loop, whatever of the call's inner tasks is at work in that turn."""
    policy = RetryPolicy(attempts=4, backoff=0.001)
    for turns in range(60):
        async with Scripted(*scene.script) as server:
            async with client(server, retries=policy) as user:
                if scene.warm:
                    await user.sessions.get("warm")
                before = tasks()
                call = asyncio.ensure_future(made(scene, user))
                for _ in range(turns):
                    await asyncio.sleep(0)
                finished = call.done()
                call.cancel()
                await asyncio.wait([call], timeout=60)

                assert call.cancelled() or finished or call.exception() is None, turns
                _ = call.cancelled() or call.exception()
                assert await soon_left_behind(user, before, pools) == [], f"cancelled after {turns} turns"
                kept = [len(pool.connections) for pool in pools if pool.connections]
                assert len(kept) <= 1, f"{turns} turns: a pool that is used no more has connections"
                # The server's side of what was closed hears of it a moment later.
                await until(lambda kept=kept: server.open_connections <= sum(kept), 60)
                if scene is not SCENES["a spent quota"]:
                    await gives_up(user, server)
        if finished:
            break
