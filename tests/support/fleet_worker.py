"""One of several processes that share a key: sends its requests, and tells on standard output what happened when.

Each line is JSON: `{"at": seconds, "what": …}`, with times of the clock that all processes of a host share. It starts as soon as
its standard input says so, and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar

import httpx

from sessions_us import Quota, QuotaTimeoutError, RetryPolicy, SessionsError, UserClient
from sessions_us.events import ClientEvent, RequestGranted, RequestThrottled, StoreRecovered, StoreUnavailable
from sessions_us.quota import RedisStore, SQLiteStore

current: ContextVar[int] = ContextVar("current")


def say(what: str, **more: object) -> None:
    sys.stdout.write(json.dumps({"at": time.monotonic(), "what": what, **more}) + "\n")
    sys.stdout.flush()


def hear(event: ClientEvent) -> None:
    if isinstance(event, RequestGranted):
        say("granted", call=current.get(None))
    if isinstance(event, StoreUnavailable | StoreRecovered | RequestThrottled):
        say(type(event).__name__)


async def call(user: UserClient, number: int) -> None:
    """One request. The sandbox's own log tells when it arrived; `called` is when it was asked for."""
    called = time.monotonic()
    current.set(number)
    try:
        await user.request("GET", "/api/rooms", params={"call": number})
    except QuotaTimeoutError as error:
        say("refused", call=number, called=called, error=str(error))
    except SessionsError as error:
        say("failed", call=number, called=called, error=f"{type(error).__name__}: {error}")
    else:
        say("done", call=number, called=called)


async def main(arguments: argparse.Namespace) -> None:
    policy: Mapping[str, object] = {"on_store_failure": arguments.on_failure, "share": 0.25, "timeout": 1.0}
    kind = RedisStore if "://" in arguments.store else SQLiteStore
    store = kind(arguments.store, **policy)
    await store.load("warm-up")  # the file or the connection is open, as in a process that has run for a while
    quota = Quota(arguments.limit, arguments.window, store=store)
    retries = RetryPolicy(attempts=1)
    async with UserClient("warm-up", transport=httpx.MockTransport(lambda _: httpx.Response(200, json=[]))) as user:
        await user.request("GET", "/api/rooms")  # what is imported at the first call, is now
    # Loading certificates takes longer than the precision to which the order is checked, so it is done before the start.
    async with (
        httpx.AsyncHTTPTransport(limits=httpx.Limits(keepalive_expiry=2)) as transport,
        UserClient(
            arguments.key,
            base_url=arguments.url,
            quota=quota,
            retries=retries,
            timeout=arguments.timeout,
            on_event=hear,
            transport=transport,
        ) as user,
    ):
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        async with asyncio.TaskGroup() as tasks:
            for number in range(arguments.calls):
                tasks.create_task(call(user, arguments.first + number))
                await asyncio.sleep(arguments.spread)
    say("over")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--window", type=float, required=True)
    parser.add_argument("--calls", type=int, default=15)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--spread", type=float, default=0.05)
    parser.add_argument("--timeout", type=float, default=10.0)
    parser.add_argument("--on-failure", default="local")
    asyncio.run(main(parser.parse_args()))
