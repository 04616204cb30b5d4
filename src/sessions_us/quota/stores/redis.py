"""The states of all hosts, in Redis or Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
from typing import TYPE_CHECKING, Any

from sessions_us.errors import ConfigurationError
from sessions_us.quota.rules.state import QuotaState
from sessions_us.quota.stores import codec, store
from sessions_us.quota.stores.store import Held, OnStoreFailure, StoreFailure

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ("RedisStore",)

_log = logging.getLogger("sessions_us")
_SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
_IDLE = 7200.0  # seconds, twice the longest time for which a 429 can close a window

# Compare and set, and the server's time. ARGV: the version that is known, the one to replace ("" only reads), the new one, the
# state to set, and after how many milliseconds without use it goes. The state comes back only if its version is not the known.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local held = redis.call('HMGET', KEYS[1], 'version', 'at', 'ledger')
local version = held[1] or '0'
if ARGV[2] == version then
  redis.call('HSET', KEYS[1], 'version', ARGV[3], 'at', now, 'ledger', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return {now, ARGV[3]}
elseif ARGV[1] == version or version == '0' then
  return {now, version}
end
return {now, version, held[2] or '0', held[3] or ''}
"""
_DIGEST = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RedisStore:
    """The quota of all processes on all hosts that use the same Redis or Valkey server (7 or newer).

    One small script compares and sets, so that no update is lost, and tells the server's time, so that no host's clock
    matters. A key is named `sessions-us:quota:1:{…}` after a digest, never after an API key; it is gone after two hours, or ten
    windows if those are longer, in which nobody used it.

    Two stores with the same URL and options are equal. Needs the extra `redis`.

    Args:
        url: `redis://`, `rediss://` (TLS), `unix://`, `valkey://` or `valkeys://`, with user and password if there are any. A
            password never shows in the store's repr, its events or its errors.
        cluster: the URL is that of a node of a cluster.
        on_store_failure: what to do while the server can't be reached: `"local"`, go on alone with a share of the quota, or
            `"refuse"`, send nothing (`QuotaTimeoutError`). Both are events, and end by themselves.
        share: which part of the quota this process uses alone: 1 divided by how many processes there are is safe.
        timeout: seconds for one step.

    Raises:
        ConfigurationError: an argument that makes no sense, or the extra is missing.
    """

    shared = True

    def __init__(
        self,
        url: str,
        *,
        cluster: bool = False,
        on_store_failure: OnStoreFailure = "local",
        share: float = 0.5,
        timeout: float = 2.0,
    ) -> None:
        scheme, _, rest = str(url).partition("://")
        if scheme not in _SCHEMES or not rest:
            raise ConfigurationError(
                "RedisStore needs a URL such as redis://host:6379/0 or rediss://user:password@host."
            )
        self._url = f"{_SCHEMES[scheme]}://{rest}"
        self._cluster = cluster
        self.fallback: float | None = store.fallback(on_store_failure, share)
        self._timeout = store.seconds(timeout)
        self._where = _without_secrets(url)
        self._client: Redis | RedisCluster | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._steps = 0
        self._closing = False
        self._known: dict[str, Held] = {}
        self._make()  # a URL that redis-py can't use is refused now; nothing connects yet

    async def load(self, name: str) -> Held:
        """What is held under a name.

        Raises:
            StoreFailure: the server can't be reached, or refuses.
        """
        return await self._step(name, "", 0, "", 0)

    async def swap(self, name: str, version: int, state: QuotaState) -> tuple[bool, Held]:
        """Set the state if its version is still this one. (True, what was set), or (False, the newer one).

        Raises:
            StoreFailure: as for `load`; it may have been set all the same.
        """
        new, idle = store.new_version(), max(_IDLE, 10 * state.window.seconds)
        held = await self._step(name, str(version), new, codec.to_text(state), round(idle * 1000))
        if held.version != new:
            return False, held
        # Also when the answer was lost and the step repeated: it finds its own version there.
        self._known[name] = held = Held(new, state, held.now)
        return True, held

    async def aclose(self) -> None:
        """Close the connections. The next step opens them again."""
        self._closing = True
        if not self._steps:
            await self._close()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._same() == self._same()

    def __hash__(self) -> int:
        return hash(self._same())

    def __repr__(self) -> str:
        return f"RedisStore({self._where!r})"

    def _same(self) -> tuple[object, ...]:
        return self._url, self._cluster, self.fallback, self._timeout

    # -- the server --------------------------------------------------------------------------------------------------

    async def _step(self, name: str, replace: str, new: int, state: str, idle: int) -> Held:
        from redis.exceptions import RedisClusterException, RedisError

        known = self._known.get(name)
        arguments = ("" if known is None else str(known.version), replace, str(new), state, str(idle))
        self._closing = False
        self._steps += 1
        try:
            async with asyncio.timeout(self._timeout):
                return self._held(
                    name, known, await self._ask(f"sessions-us:quota:{codec.FORMAT}:{{{name}}}", arguments)
                )
        except TimeoutError:
            problem = "no answer in time"
        except (RedisError, RedisClusterException, OSError) as caught:
            problem = type(caught).__name__  # not its words: they may quote the URL
        finally:
            self._steps -= 1
            if self._closing and not self._steps:
                await self._close()
        await self._close()  # nobody knows in what state its connection is
        raise StoreFailure(problem)

    async def _ask(self, key: str, arguments: tuple[str, ...]) -> list[bytes]:
        from redis.exceptions import NoScriptError

        client = self._connected()
        try:
            answer: Any = await client.evalsha(_DIGEST, 1, key, *arguments)
        except NoScriptError:  # the first time, or after the server was started anew
            answer = await client.eval(_SCRIPT, 1, key, *arguments)
        return list(answer)

    def _held(self, name: str, known: Held | None, answer: list[bytes]) -> Held:
        now, version = float(answer[0]), int(answer[1])
        if len(answer) < 4:
            return Held(version, known.state if known is not None and known.version == version else None, now)
        state = None
        try:
            codec.check_time(float(answer[2]), now)
            state = codec.from_text(answer[3].decode(errors="replace"))
        except codec.Unreadable as problem:
            _log.warning("%r: what it holds is not used (%s); the count begins anew", self, problem)
        self._known[name] = held = Held(version, state, now)
        return held

    def _connected(self) -> Redis | RedisCluster:
        """The connections of the running loop; those of a loop that has ended are forgotten."""
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
        # One repetition at once, for a connection that the server closed meanwhile; what more there is to do is ours.
        retry = Retry(NoBackoff(), 1)
        try:
            if self._cluster:
                return RedisCluster.from_url(self._url, retry=retry, socket_timeout=self._timeout)
            client = Redis.from_url(
                self._url, retry=retry, socket_timeout=self._timeout, socket_connect_timeout=self._timeout
            )
            pool: Any = client.connection_pool  # untyped there
            pool.make_connection()  # which connects nowhere, but looks at each option of the query
            return client
        except (ValueError, TypeError):
            raise ConfigurationError(f"RedisStore({self._where!r}): the URL can't be used.") from None

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is None or self._loop is not asyncio.get_running_loop():
            return
        with contextlib.suppress(Exception):  # it is of no use any more, however it ends
            async with asyncio.timeout(self._timeout):
                await client.aclose()


def _without_secrets(url: str) -> str:
    """Where the server is. User, password and query, which may hold them too, are left out."""
    scheme, _, rest = url.partition("://")
    user, _, place = rest.rpartition("@")
    if re.search("[/?#]", user):
        return f"{scheme}://***"  # a password that was not escaped, or a query: nobody knows where it begins
    return f"{scheme}://{re.split('[?#]', place)[0]}"
