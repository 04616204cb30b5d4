"""Clients that read the same session and the same page of sessions: ours, those of others, and httpx alone.

Those of others make models with the same fields as ours. openai-python and githubkit are clients of other services; each is
used through its method for any path, as its documentation shows. The generated client is what openapi-python-client makes of
`spec/openapi.json` by itself.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args

import httpx
from sessions_us_api.models.session import Session
from sessions_us_api.types import Model

from benchmarks.loopback import KEY
from benchmarks.turns import Work
from sessions_us import Quota, UserClient

__all__ = ("CLIENTS", "QUOTA", "RAW", "Reads", "generated", "typed")

RAW = "raw httpx + json"
QUOTA = Quota(limit=1_000_000, window=60)
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=2.0)  # as ours
DOCUMENT = Path(__file__).resolve().parents[1] / "spec" / "openapi.json"


class Reads(NamedTuple):
    """What a client does: read one session, and the first page of sessions."""

    one: Work
    page: Work


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[Reads]:
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": KEY}, limits=LIMITS, timeout=None) as http:

        async def one() -> object:
            return (await http.get("/api/sessions/s1")).json()

        async def page() -> object:
            return (await http.get("/api/sessions")).json()

        yield Reads(one, page)


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Reads]:
    async with UserClient(KEY, base_url=url, quota=QUOTA) as user:
        yield Reads(lambda: user.sessions.get("s1"), lambda: user.sessions.list().collect(limit=20))


@asynccontextmanager
async def openai(url: str) -> AsyncIterator[Reads]:
    from openai import AsyncOpenAI, BaseModel

    model = typed(Session, BaseModel)
    many: Any = list[model]  # type: ignore[valid-type]
    async with AsyncOpenAI(api_key=KEY, base_url=f"{url}/api") as client:

        async def one() -> object:
            return await client.get("/sessions/s1", cast_to=model)

        async def page() -> object:
            return await client.get("/sessions", cast_to=many)

        yield Reads(one, page)


@asynccontextmanager
async def githubkit(url: str) -> AsyncIterator[Reads]:
    from githubkit import GitHub, GitHubModel

    model = typed(Session, GitHubModel)
    many: Any = list[model]  # type: ignore[valid-type]
    async with GitHub(KEY, base_url=url, http_cache=False) as client:  # a copy would be no request

        async def one() -> object:
            return (await client.arequest("GET", "/api/sessions/s1", response_model=model)).parsed_data

        async def page() -> object:
            return (await client.arequest("GET", "/api/sessions", response_model=many)).parsed_data

        yield Reads(one, page)


@asynccontextmanager
async def alone(url: str) -> AsyncIterator[Reads]:
    client, get, list_ = (
        generated(name) for name in ("client", "api.sessions.get_session", "api.sessions.list_sessions")
    )
    async with client.AuthenticatedClient(
        base_url=url, token=KEY, prefix="", auth_header_name="x-api-key"
    ) as authenticated:
        yield Reads(
            lambda: get.asyncio("s1", client=authenticated),
            lambda: list_.asyncio(client=authenticated),
        )


CLIENTS: dict[str, Callable[[str], AbstractAsyncContextManager[Reads]]] = {
    RAW: raw,
    "sessions-us": ours,
    "openai-python": openai,
    "githubkit": githubkit,
    "generated client": alone,
}


def typed(model: type[Model], base: type[Any]) -> type[Any]:
    """A pydantic model with the fields of one of ours."""
    from pydantic import Field, create_model

    def shape(ours: Any) -> Any:
        if isinstance(ours, type) and issubclass(ours, Model):
            return typed(ours, base)
        inner = get_args(ours)
        return list[shape(inner[0])] if inner else ours  # type: ignore[misc]

    fields: dict[str, Any] = {}
    for wire, name, ours, required in model.wire_fields():
        fields[name] = (shape(ours), Field(alias=wire)) if required else (shape(ours) | None, Field(None, alias=wire))
    made: type[Any] = create_model(model.__name__, __base__=base, **fields)
    return made


def generated(module: str) -> ModuleType:
    """A module of the client that the generator makes by itself."""
    folder = str(_generated().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(f"plain_sessions.{module}")


@cache
def _generated() -> Path:
    package = Path(_FOLDER.name) / "plain_sessions"
    program = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--overwrite"]
    config = package.with_name("config.json")
    config.write_text('{"post_hooks": []}')
    told = [*program, f"--path={DOCUMENT}", f"--output-path={package}", f"--config={config}"]
    subprocess.run(told, check=True, stdout=subprocess.DEVNULL)
    return package


_FOLDER = tempfile.TemporaryDirectory(prefix="generated-client-")
