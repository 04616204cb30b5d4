"""A process that exports sessions with a key that others use too, and keeps nothing back for them: they go first all the same."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from support.site_workers import quota

from sessions_us import UserClient
from sessions_us.pipelines import NDJSONSink, export


async def main() -> None:
    place = Path(os.environ["EXPORT_PLACE"])
    async with UserClient(quota=quota(), timeout=60) as user:
        await export(user, ["sessions"], NDJSONSink(place / "sessions.ndjson"), state=place / "sessions.state")


if __name__ == "__main__":
    asyncio.run(main())
