"""Tells how many sessions were held in each week, and how long they were, as CSV: the API read into a polars frame.

Run it with polars installed: SESSIONS_USER_KEY=… python weeks.py > weeks.csv
"""

import asyncio
import sys

import polars as pl

from sessions_us import SessionsError, UserClient

# Given and not guessed: a first page without a single quick session must not decide what the column is.
SCHEMA = {
    "id": pl.String(),
    "started": pl.Datetime("ms", "UTC"),
    "ended": pl.Datetime("ms", "UTC"),
    "quick": pl.Boolean(),
}


async def held(user: UserClient) -> pl.DataFrame:
    """A row for each session that was held."""
    rows = [
        (session.id, session.actual_start, session.ended_at, session.quick_session)
        async for session in user.sessions.list(verify_end=True)
        if session.actual_start is not None and session.ended_at is not None  # any field but the id may be missing
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def by_week(sessions: pl.DataFrame) -> pl.DataFrame:
    """Weeks begin on Monday, in UTC."""
    length = (pl.col("ended") - pl.col("started")).dt.total_minutes()
    return (
        sessions.group_by(pl.col("started").dt.truncate("1w").dt.date().alias("week"))
        .agg(
            pl.len().alias("sessions"),
            pl.col("quick").sum(),
            length.sum().alias("minutes"),
            length.median().alias("median"),
        )
        .sort("week")
    )


async def main() -> None:
    async with UserClient() as user:
        sessions = await held(user.with_options(lane="background"))
    by_week(sessions).write_csv(sys.stdout)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SessionsError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
