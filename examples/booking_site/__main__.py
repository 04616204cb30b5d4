"""Runs the site with one command: `python examples/booking_site`. See README.md.

With SESSIONS_USER_KEY and SESSIONS_GUEST_KEY it serves the real API's data; without, it starts a sandbox beside the site.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEYS = ("SESSIONS_USER_KEY", "SESSIONS_GUEST_KEY")


def port(text: str) -> int:
    """Type of `--port`."""
    if not 0 <= (number := int(text)) <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port: 0 to 65535")
    return number


def count(text: str) -> int:
    """Type of what there is at least one of."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def seconds(text: str) -> float:
    """Type of a length of time."""
    if not 0 < (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds: more than 0")
    return number


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="booking_site", description="A booking site on the Sessions API, or on a sandbox."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=port, default=8000, help="port to listen on; 0 takes a free one")
    parser.add_argument("--workers", type=count, default=4, help="processes that share the keys' quota")
    parser.add_argument("--limit", type=count, default=10, help="requests per window that the sandbox allows each key")
    parser.add_argument("--window", type=seconds, default=60.0, help="seconds of the sandbox's window")
    return parser.parse_args()


async def check() -> None:
    """Says once what each worker would fail by; uvicorn starts those that fail again and again."""
    from sessions_us import ConfigurationError, GuestClient, Quota, UserClient

    try:
        Quota.from_env()
        async with UserClient(), GuestClient():
            pass
    except ConfigurationError as error:
        sys.exit(str(error))


@contextlib.asynccontextmanager
async def upstream(limit: int, window: float) -> AsyncIterator[dict[str, str]]:
    """The environment for the API that is served: the real one where there are keys, else a sandbox's."""
    given = [name for name in KEYS if os.environ.get(name)]
    if len(given) == 1:
        (missing,) = set(KEYS) - set(given)
        sys.exit(f"{given[0]} is set and {missing} is not: the site needs both, or none for the sandbox.")
    if given:
        await check()
        yield {}
        return
    from sessions_us.sandbox import Sandbox

    async with Sandbox(limit=limit, window=window, fields="all") as sandbox:
        yield {
            "SESSIONS_BASE_URL": sandbox.url,
            "SESSIONS_USER_KEY": sandbox.user_key,
            "SESSIONS_GUEST_KEY": sandbox.guest_key,
            "SESSIONS_QUOTA": f"{limit}/{window:g}s",
            "BOOKING_SITE_SANDBOX": "1",
            "BOOKING_SITE_HOST": "Grace Hopper",
            "BOOKING_SITE_EVENTS": " ".join(each["id"] for each in sandbox.data["events"] if each["isPublished"]),
        }


def listening(host: str, port: int) -> socket.socket:
    """Takes the port for the workers. Nobody else can have it from here on, also who starts a site in the same moment."""
    taken = socket.create_server((host, port))
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # uvicorn does so for ports that it takes itself
    return taken


def kept_in() -> str | None:
    """The directory that is to outlive the site."""
    kept = os.environ.get("BOOKING_SITE_DATA")
    if kept and not Path(kept).is_dir():
        sys.exit(f"BOOKING_SITE_DATA: there is no directory {kept}; make it first.")
    return kept


async def main() -> int:
    asked = options()
    try:
        taken = listening(asked.host, asked.port)
    except OSError as error:
        sys.exit(f"Port {asked.port} can't be had ({error.strerror}): choose another one with --port.")
    kept = kept_in()
    with tempfile.TemporaryDirectory(prefix="booking-site-", ignore_cleanup_errors=True) as data:
        async with upstream(asked.limit, asked.window) as api:
            # All workers need the same, so it is decided here.
            own = {
                "BOOKING_SITE_DATA": kept or data,
                "BOOKING_SITE_SECRET": os.environ.get("BOOKING_SITE_SECRET") or secrets.token_urlsafe(32),
                "BOOKING_SITE_ADMIN_PASSWORD": os.environ.get("BOOKING_SITE_ADMIN_PASSWORD")
                or secrets.token_urlsafe(9),
            }
            return await serve(asked.host, taken, asked.workers, {**os.environ, **own, **api})


async def serve(host: str, taken: socket.socket, workers: int, environment: Mapping[str, str]) -> int:
    """The workers, until they end or somebody ends us."""
    stop = told_to_stop()
    port = taken.getsockname()[1]
    arguments = [f"{HERE.name}.app:app", "--app-dir", str(HERE.parent), "--workers", str(workers)]
    # Visitors who are being served get some seconds when the site ends.
    quiet = ["--log-level", "warning", "--timeout-graceful-shutdown", "10"]
    if sys.platform == "win32":  # where a process inherits no socket, uvicorn takes the port again
        taken.close()
    inherited = () if sys.platform == "win32" else (taken.fileno(),)
    where = ["--fd", str(*inherited)] if inherited else ["--host", host, "--port", str(port)]
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", *arguments, *quiet, *where, pass_fds=inherited, env=environment
    )
    taken.close()  # so that nobody waits for an answer where the workers have ended
    ended = asyncio.create_task(server.wait())
    try:
        if await answers(host, port, ended):
            source = "a sandbox" if "BOOKING_SITE_SANDBOX" in environment else "the Sessions API"
            print(f"The site:       http://{host}:{port}/ ({workers} workers, {source})")
            print(f"The admin page: http://{host}:{port}/admin, password {environment['BOOKING_SITE_ADMIN_PASSWORD']}")
            print("Ctrl-C ends it.", flush=True)
        await asyncio.wait([ended, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:  # also where nobody reads what is printed: workers that are left would keep the port
        if not ended.done():
            server.terminate()
        code = await ended
    return 0 if stop.is_set() else code


def told_to_stop() -> asyncio.Event:
    """Is set when somebody ends us, or closes our terminal."""
    stop = asyncio.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup makes it
            with contextlib.suppress(NotImplementedError):  # Windows
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def answers(host: str, port: int, ended: asyncio.Task[int]) -> bool:
    """Waits until a worker answers. False if the server ended instead."""
    while not ended.done():
        try:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /static/icon.svg HTTP/1.0\r\n\r\n")
            answered = await reader.readline()
            writer.close()
            if answered:
                return True
        except OSError:
            await asyncio.sleep(0.1)
    return False


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(main()))
