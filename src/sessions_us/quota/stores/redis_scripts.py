"""A Redis or Valkey server of several processes: its connections, and the scripts that run there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError
from .store import StoreFailure

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ("RedisScripts", "Script")


class Script:
    """A Lua script, and the digest by which the server knows it once it has seen it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest: str = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisScripts:
    """The connections to a server. They belong to the running event loop.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with user and password if there are any.
        shown: the store as errors may show it, without secrets.
        cluster: the URL is that of a node of a cluster.
        timeout: seconds for one step.

    Raises:
        ConfigurationError: a URL that redis-py can't use, or the extra is missing. Nothing connects yet.
    """

    def __init__(self, url: str, shown: str, timeout: float, *, cluster: bool) -> None:
        self._url = url
        self._shown = shown
        self._timeout = timeout
        self._cluster = cluster
        self._client: Redis | RedisCluster | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._steps = 0
        self._closing = False
        self._make()

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | float | bytes]) -> Any:
        """Run a script, and return its answer.

        Raises:
            StoreFailure: the server can't be reached, refuses, or took too long. The script may have run.
        """
        from redis.exceptions import RedisClusterException, RedisError

        self._closing = False
        self._steps += 1
        try:
            async with asyncio.timeout(self._timeout):
                return await self._evaluated(script, keys, arguments)
        except TimeoutError:
            await self._close()  # the state of the connection is unknown
            raise StoreFailure("no answer in time") from None
        except (RedisError, RedisClusterException, OSError) as problem:
            await self._close()
            raise StoreFailure(type(problem).__name__) from None  # not its message, which may quote the URL
        finally:
            self._steps -= 1
            if self._closing and not self._steps:
                await self._close()

    async def aclose(self) -> None:
        """Close the connections. The next step opens them again."""
        self._closing = True
        if not self._steps:
            await self._close()

    async def _evaluated(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | int | float | bytes]
    ) -> Any:
        from redis.exceptions import NoScriptError

        client: Any = self._connected()
        try:
            return await client.evalsha(script.digest, len(keys), *keys, *arguments)
        except NoScriptError:  # the first time, or after a restart of the server
            return await client.eval(script.text, len(keys), *keys, *arguments)

    def _connected(self) -> Redis | RedisCluster:
        """Return the connections of the running loop. Those of another loop are dropped."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = self._make(), loop
        return self._client

    def _make(self) -> Redis | RedisCluster:
        try:
            from redis.asyncio import Redis, RedisCluster
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ModuleNotFoundError:
            raise ConfigurationError("RedisStore needs an extra: pip install 'sessions-us[redis]'") from None
        # One repetition at once, for a connection that the server closed meanwhile. The replica handles all else.
        retry = Retry(NoBackoff(), 1)
        try:
            if self._cluster:
                return RedisCluster.from_url(self._url, retry=retry, socket_timeout=self._timeout)
            client = Redis.from_url(
                self._url, retry=retry, socket_timeout=self._timeout, socket_connect_timeout=self._timeout
            )
            pool: Any = client.connection_pool  # redis-py has no type for it
            pool.make_connection()  # checks each option of the query, and does not connect
            return client
        except (ValueError, TypeError):
            raise ConfigurationError(f"RedisStore({self._shown!r}): the URL can't be used.") from None

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is None or self._loop is not asyncio.get_running_loop():
            return
        with contextlib.suppress(Exception):  # it is not used again, however this ends
            async with asyncio.timeout(self._timeout):
                await client.aclose()
