"""Every operation against Prism: it validates each request from spec/openapi.json, and answers from it.

`python tests/prism/check.py PATH-TO-PRISM`; `nox -s prism` installs Prism and runs this.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from uuid import uuid4

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.operations import CASES, World

from sessions_us import GuestClient, SchemaDrift, SessionsError, UserClient

SPEC = Path(__file__).parents[2] / "spec" / "openapi.json"


class Unlimited(httpx.AsyncHTTPTransport):
    """Prism makes up rate-limit headers, and we would keep to them."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        for name in [name for name in response.headers if "rate" in name.lower() or name.lower() == "retry-after"]:
            del response.headers[name]
        return response


async def listening(port: int) -> None:
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise SystemExit("Prism did not start within a minute")


async def check(url: str) -> int:
    world = World(**{name: str(uuid4()) for name in World.__annotations__})
    failed = 0
    drifts: list[object] = []
    for case in CASES:
        kind = UserClient if case.role == "user" else GuestClient
        async with (
            Unlimited() as wire,
            kind(str(uuid4()), base_url=url, transport=wire, on_event=drifts.append) as client,
        ):
            try:
                await case.call(client, world)
            except SessionsError as error:
                failed += 1
                print(f"{case.operation}: {error!r} {getattr(error, 'body', '')!r}"[:600])
    surprises = [event for event in drifts if isinstance(event, SchemaDrift)]
    print(f"{len(CASES) - failed} of {len(CASES)} operations accepted, {len(surprises)} surprises in the answers")
    for surprise in surprises:
        print(surprise)
    return failed


async def main(prism: str) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = await asyncio.create_subprocess_exec(
        prism, "mock", str(SPEC), "--port", str(port), "--errors", stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await listening(port)
        return await check(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        await server.wait()


if __name__ == "__main__":
    raise SystemExit(1 if asyncio.run(main(sys.argv[1])) else 0)
