"""What the type checkers must see of what goes through dlt. Checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

import dlt
from dlt.extract import DltSource

from sessions_us import Quota, UserClient, UserKey
from sessions_us.pipelines import DltSink, Sink, export, sessions_source

url: Sink = DltSink("duckdb:///out.duckdb")
destination: Sink = DltSink(dlt.destinations.postgres("postgresql://user:password@host/database"), dataset="sessions")


async def job(user: UserClient) -> None:
    await export(user, ["sessions"], DltSink("duckdb:///out.duckdb"), state="out.state")


assert_type(sessions_source(), DltSource)
sessions_source(UserKey("key"), resources=["sessions"], children=False, base_url="https://…", quota=Quota(limit=3))
sessions_source(quotas=Quota(limit=3))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
sessions_source("key", timeout="long")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
DltSink(42)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
