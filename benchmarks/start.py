"""What a start costs: CPU time until a client is there, each in a fresh process that finds nothing but what the client needs.

As it comes, `httpx.AsyncClient()` has read the certificates and ours has not, for ours does so with the first connection. Like
for like, both try one https connection to a loopback port that is closed. httpx imports click and rich where it finds them, so
each process finds the packages of its client and those that they require, and no others.
"""

from __future__ import annotations

import re
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from benchmarks.clients import DOCUMENT, generated
from benchmarks.figures import Figure

__all__ = ("measure",)

RAW = "httpx"
NEEDED = {
    RAW: ["httpx"],
    "sessions-us": ["sessions-us"],
    "openai-python": ["openai"],
    "githubkit": ["githubkit"],
    "generated client": ["httpx", "attrs", "python-dateutil"],
}
"""The distributions of each."""

OWN = [str(DOCUMENT.parents[1] / folder) for folder in ("src", "generated")]

AS_IT_COMES = {
    RAW: "import asyncio, httpx; httpx.AsyncClient()",
    "sessions-us": "import asyncio; from sessions_us import UserClient; UserClient('key')",
    "openai-python": "import asyncio, openai; openai.AsyncOpenAI(api_key='key')",
    "githubkit": "import asyncio, githubkit; githubkit.GitHub('key')",
    "generated client": "import asyncio; from plain_sessions.client import AuthenticatedClient; "
    "AuthenticatedClient(base_url='https://127.0.0.1', token='key').get_async_httpx_client()",
}

LIKE_FOR_LIKE = {
    RAW: """
import asyncio, httpx
async def main():
    async with httpx.AsyncClient() as http:
        try: await http.get("https://127.0.0.1:{port}/api/sessions/s1")
        except httpx.ConnectError: return
    raise SystemExit("somebody answered")
asyncio.run(main())
""",
    "sessions-us": """
import asyncio
from sessions_us import TransportError, UserClient
async def main():
    async with UserClient("key", base_url="https://127.0.0.1:{port}", retries=0) as user:
        try: await user.sessions.get("s1")
        except TransportError: return
    raise SystemExit("somebody answered")
asyncio.run(main())
""",
    "openai-python": """
import asyncio, openai
async def main():
    async with openai.AsyncOpenAI(api_key="key", base_url="https://127.0.0.1:{port}/api", max_retries=0) as client:
        try: await client.get("/sessions/s1", cast_to=object)
        except openai.APIConnectionError: return
    raise SystemExit("somebody answered")
asyncio.run(main())
""",
    "githubkit": """
import asyncio, githubkit
from githubkit.exception import RequestError
async def main():
    async with githubkit.GitHub("key", base_url="https://127.0.0.1:{port}", http_cache=False, auto_retry=False) as client:
        try: await client.arequest("GET", "/api/sessions/s1")
        except RequestError: return
    raise SystemExit("somebody answered")
asyncio.run(main())
""",
    "generated client": """
import asyncio, httpx
from plain_sessions.client import AuthenticatedClient
from plain_sessions.api.sessions import get_session
async def main():
    async with AuthenticatedClient(base_url="https://127.0.0.1:{port}", token="key") as client:
        try: await get_session.asyncio("s1", client=client)
        except httpx.ConnectError: return
    raise SystemExit("somebody answered")
asyncio.run(main())
""",
}


def measure(quick: bool) -> list[Figure]:
    """The figures of a start."""
    with closed_port() as port, tempfile.TemporaryDirectory() as folder:
        places = {name: [str(place) for place in folder_of(name, Path(folder) / name)] for name in AS_IT_COMES}
        comes = _figure("import and first client, as it comes", AS_IT_COMES, places, 1.0, quick)
        like = {name: code.format(port=port) for name, code in LIKE_FOR_LIKE.items()}
        return [comes, _figure("import and first client, like for like", like, places, 1.15, quick)]


def _figure(work: str, codes: dict[str, str], places: dict[str, list[str]], goal: float, quick: bool) -> Figure:
    took = seconds(codes, places, 3 if quick else 25)
    base, ours = took.pop(RAW), took.pop("sessions-us")
    beside = {name: each / base for name, each in took.items()}
    why = f"{(ours - base) * 1000:.0f} ms beyond the {base * 1000:.0f} of httpx are modules and classes of ours and of attrs"
    return Figure(f"{work}, against httpx", ours / base, "ratio", goal, beside, why)


def seconds(codes: dict[str, str], places: dict[str, list[str]], turns: int) -> dict[str, float]:
    """Seconds of CPU time that each takes in a fresh interpreter: the medians of so many turns, after one that compiles."""
    samples: dict[str, list[float]] = {name: [] for name in codes}
    for turn in range(turns + 1):
        for name, code in codes.items():
            timed = f"import time; began = time.process_time()\n{code}\nprint(time.process_time() - began)"
            paths = f"import sys; sys.path[:0] = {places[name]!r}\n"
            program = [sys.executable, "-S", "-E", "-c", paths + timed]
            told = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True).stdout
            if turn:
                samples[name].append(float(told))
    return {name: statistics.median(each) for name, each in samples.items()}


@contextmanager
def closed_port() -> Iterator[int]:
    """A loopback port that is taken, and that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def folder_of(name: str, folder: Path) -> list[Path]:
    """Where a client is found with what it requires, and nothing else."""
    folder.mkdir()
    for required in _required(NEEDED[name]):
        for top in {Path(file).parts[0] for file in distribution(required).files or ()} - {"..", "__pycache__"}:
            place = Path(str(distribution(required).locate_file(top)))
            if place.exists() and not top.endswith(".pth") and not (folder / top).exists():
                (folder / top).symlink_to(place)
    own = {"sessions-us": [Path(each) for each in OWN], "generated client": [_generated()]}
    return [*own.get(name, []), folder]


def _required(names: list[str]) -> set[str]:
    """The distributions that these need, and themselves."""
    found: set[str] = set()
    seen: set[str] = set()
    left = [*names]
    while left:
        wanted, extras = _parsed(left.pop())
        try:
            requires = distribution(wanted).requires or []
        except PackageNotFoundError:  # for another Python or system
            continue
        found.add(wanted)
        asked = (line for line in requires if set(_EXTRA.findall(line)) <= extras)
        new = {line.partition(";")[0].strip() for line in asked} - seen
        seen |= new
        left += new
    return found


_NAME = re.compile(r"([\w.-]+)(?:\[([\w.,-]+)\])?")
_EXTRA = re.compile(r"""extra == ['"]([\w.-]+)""")


def _parsed(requirement: str) -> tuple[str, set[str]]:
    """The name of a requirement, and the extras that it asks for."""
    match = _NAME.match(requirement)
    assert match is not None
    return match[1].lower(), set((match[2] or "").split(","))


def _generated() -> Path:
    return Path(str(generated("client").__file__)).parents[1]
