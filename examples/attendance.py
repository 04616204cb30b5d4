"""Counts in how many sessions each person was, the most frequent first: a fan-out over the participants of all sessions.

Run it: SESSIONS_USER_KEY=… python attendance.py
"""

import asyncio
from collections import Counter

from sessions_us import NotFoundError, Session, SessionsError, UserClient

SHOWN = 10


async def people(user: UserClient, session: Session) -> set[str]:
    """The addresses of all who took part. Some guests give none."""
    try:
        participants = await user.sessions.participants.list(session.id)
    except NotFoundError:  # it was deleted after its page was read
        return set()
    persons = [participant.user or participant.guest for participant in participants]
    return {person.email.lower() for person in persons if person is not None and person.email}


async def attendance(user: UserClient) -> Counter[str]:
    """Asks for a page of sessions, then for the participants of all of them at once, and so on.

    The quota decides when each request is sent, so this earns no 429; a page at a time keeps the queue short.
    """
    counted: Counter[str] = Counter()
    async for page in user.sessions.list(verify_end=True).pages():
        async with asyncio.TaskGroup() as group:  # if one fails, the others are cancelled
            over = [session for session in page.items if session.ended_at is not None]
            tasks = [group.create_task(people(user, session)) for session in over]
        for task in tasks:
            counted.update(task.result())
    return counted


async def main() -> None:
    async with UserClient() as client:
        counted = await attendance(client.with_options(lane="background"))
    for email, sessions in counted.most_common(SHOWN):
        print(f"{sessions:4} {email}")
    print(f"{len(counted)} people")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except* SessionsError as errors:
        error = errors.exceptions[0]
        raise SystemExit(f"{type(error).__name__}: {error}") from None
