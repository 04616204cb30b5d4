"""Plans a session, invites people to it, and shows what the last hours brought.

Run it: SESSIONS_USER_KEY=… python quickstart.py

To try it without an account, run `sessions-us sandbox` in another terminal, and set SESSIONS_BASE_URL and
SESSIONS_USER_KEY to what it prints.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from sessions_us import SessionsError, UserClient


async def main() -> None:
    # Without arguments the client reads SESSIONS_USER_KEY and, if it is set, SESSIONS_BASE_URL.
    async with UserClient() as user:
        # A Pager sends nothing until it is iterated, and no more pages than it needs: five sessions are one request.
        print("The newest sessions:")
        for session in await user.sessions.list().collect(limit=5):
            print(f"  {session.name}, {session.start_at:%d %B %H:%M}" if session.start_at else f"  {session.name}")

        # Date-times carry a time zone; a naive one is refused before anything is sent.
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
        session = await user.sessions.create(
            name="Kick-off", start_at=start, planned_end=start + timedelta(hours=1), time_zone="Europe/Bucharest"
        )
        print(f"Planned {session.name}: {session.session_link}")

        await user.sessions.participants.add(session.id, emails=["ada@example.com", "charles@example.com"])

        # Calls may run side by side. The quota decides when each is sent, so this never earns a 429.
        present, fresh = await asyncio.gather(
            user.sessions.participants.list(session.id), user.sessions.get(session.id)
        )
        print(f"{fresh.name} has {len(present)} participants")

        await user.sessions.delete(session.id)  # only because this is an example

        quota = user.quota.snapshot()  # sends nothing
        print(f"{quota.remaining} of {quota.limit} requests left in this window")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SessionsError as error:  # the root of all errors that the client raises on purpose
        raise SystemExit(f"{type(error).__name__}: {error}") from None
