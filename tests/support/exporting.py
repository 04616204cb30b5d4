"""A process that reads lists for ever, in the background, with a key that others use too. It says each page that it got."""

from __future__ import annotations

import asyncio
import os

from sessions_us import Quota, SQLiteStore, UserClient


async def main() -> None:
    quota = Quota.parse(os.environ["SITE_QUOTA"])
    quota = Quota(quota.limit, quota.window, reserve=0, store=SQLiteStore(os.environ["SITE_STORE"], timeout=20))
    async with UserClient(quota=quota, timeout=60) as user:
        while True:
            async for _ in user.with_options(lane="background").sessions.list(prefetch=2).pages():
                print("page", flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
