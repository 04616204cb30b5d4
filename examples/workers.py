"""Writes the takeaways of all sessions that are over as Markdown, a file each: one task reads, several work.

Run it: SESSIONS_USER_KEY=… python workers.py notes

The channel between them holds few sessions, so that pages are read no faster than they are worked on: memory stays flat
however many there are.
"""

import sys
from pathlib import Path
from urllib.parse import quote

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from sessions_us import Session, SessionsError, UserClient

WORKERS = 4


async def read(user: UserClient, channel: MemoryObjectSendStream[Session]) -> None:
    """Sends every session that is over, and waits while the channel is full."""
    async with channel:  # its end tells the workers that nothing more will come
        async for session in user.sessions.list(verify_end=True):
            if session.ended_at is not None:
                await channel.send(session)


async def work(user: UserClient, channel: MemoryObjectReceiveStream[Session], folder: Path) -> None:
    """Takes sessions as long as there are any. Each goes to one worker."""
    async with channel:
        async for session in channel:
            takeaways = await user.sessions.takeaways(session.id)
            if takeaways is not None and takeaways.takeaways_text:
                path = anyio.Path(folder, f"{quote(session.id, safe='')}.md")
                await path.write_text(f"# {session.name}\n\n{takeaways.takeaways_text}\n", "utf-8")


async def main(folder: Path) -> None:
    async with UserClient() as client:
        user = client.with_options(lane="background")  # others who use this key go first
        send, receive = anyio.create_memory_object_stream[Session](max_buffer_size=WORKERS)
        # If one of the tasks fails, the others are cancelled, and nothing goes on in the background.
        async with anyio.create_task_group() as group, receive:
            group.start_soon(read, user, send)
            for _ in range(WORKERS):
                group.start_soon(work, user, receive.clone(), folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python workers.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        anyio.run(main, folder)
    except* SessionsError as errors:
        error = errors.exceptions[0]
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    print(f"{len(list(folder.glob('*.md')))} notes in {folder}")
