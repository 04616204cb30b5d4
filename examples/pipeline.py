"""Exports all sessions with their participants as NDJSON, a line each, and goes on where it was interrupted.

Run it: SESSIONS_USER_KEY=… python pipeline.py sessions.ndjson

Interrupt it and run it again: it goes on with the page that it was at. The sessions of that page may then be there twice
(at least once, never lost), so let the reader keep one line for each id.
"""

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path

from sessions_us import Session, SessionsError, UserClient

AT_ONCE = 5  # more would only queue: the quota, not the concurrency, decides how fast this goes


async def in_order(lines: Iterable[Coroutine[None, None, str]]) -> list[str]:
    """All of them at once. If one fails the others are cancelled, and nothing goes on in the background."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in lines]
    return [task.result() for task in tasks]


def cut(target: Path) -> None:
    """Drops half a line, which a crash or a full disk may have left: its page is read again."""
    with target.open("a+b") as file:
        file.seek(0)
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))


async def export(user: UserClient, target: Path) -> int:
    """Appends to `target` and returns how many sessions it wrote. The place is kept in a file beside it."""
    place, new = target.with_suffix(".cursor"), target.with_suffix(".new")
    cut(target)
    pager = user.sessions.list(page=place.read_text() if place.exists() else None, verify_end=True)
    slots = asyncio.Semaphore(AT_ONCE)
    written = 0

    async def line(session: Session) -> str:
        async with slots:
            participants = await user.sessions.participants.list(session.id)
        row = session.to_dict() | {"participants": [each.to_dict() for each in participants]}
        return json.dumps(row, ensure_ascii=False) + "\n"

    with target.open("a", encoding="utf-8") as file:
        async for page in pager.pages():
            # The cursor names the page that is being worked on; it moves when the next page is asked for.
            new.write_text(pager.cursor)
            new.replace(place)  # in one step, so that a crash leaves this one or the one before
            # Every line of a page or none: what fails here is fetched again with its page.
            file.writelines(await in_order(map(line, page.items)))
            file.flush()
            written += len(page.items)
            quota = user.quota.snapshot()
            print(f"{written} sessions, {quota.remaining}/{quota.limit} requests left", file=sys.stderr)
    place.unlink(missing_ok=True)
    return written


async def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python pipeline.py sessions.ndjson")
    async with UserClient() as user:
        # An export is in nobody's way: other users of the client, and of its key in this process, go first.
        await export(user.with_options(lane="background"), Path(sys.argv[1]))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except* SessionsError as errors:
        error = errors.exceptions[0]
        raise SystemExit(f"{type(error).__name__}: {error} (run it again to go on)") from None
