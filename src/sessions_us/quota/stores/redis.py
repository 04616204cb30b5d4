"""The states of the processes of all hosts, in Redis or Valkey."""

from __future__ import annotations

import re
from functools import partial

from ..._flags import check_flags
from ...errors import ConfigurationError
from .codec import FORMAT
from .redis_scripts import RedisScripts, Script
from .shared_store import Change, Found, OnStoreFailure, SharedStore

__all__ = ("RedisStore",)

_SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
_IDLE = 7200.0  # seconds, twice the longest time for which a 429 can close a window

# Compare and set, and return the server's time. ARGV: the version that is known, the one to replace ("" only reads), the new
# one, the state to set, and its time to live in milliseconds. The state comes back only if its version is not the known one.
_SCRIPT = Script("""
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local held = redis.call('HMGET', KEYS[1], 'version', 'at', 'state')
local version = held[1] or '0'
if ARGV[2] == version then
  redis.call('HSET', KEYS[1], 'version', ARGV[3], 'at', now, 'state', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return {now, ARGV[3]}
elseif ARGV[1] == version or version == '0' then
  return {now, version}
end
return {now, version, held[2] or '0', held[3] or ''}
""")


class RedisStore(SharedStore):
    """The quota of all processes on all hosts that use the same Redis or Valkey server (7 or newer).

    One small script compares and sets, so that no update is lost, and returns the server's time, so that no host's clock
    matters. A Redis key is `sessions-us:quota:3:{digest}` and never contains an API key. It expires after two hours without
    use, or ten windows if those are longer.

    Two stores with the same URL and options are equal. Needs the extra `redis`.

    Args:
        url: `redis://`, `rediss://` (TLS), `unix://`, `valkey://` or `valkeys://`, with user and password if there are any. A
            password never shows in the store's repr, its events or its errors.
        cluster: the URL is that of a node of a cluster.
        on_store_failure: what to do while the server can't be reached: `"local"`, go on alone with a share of the quota, or
            `"refuse"`, send nothing (`QuotaTimeoutError`). Both emit an event, and end when the server can be reached again.
        share: the part of the quota that this process uses alone. 1 divided by the number of processes is safe.
        timeout: seconds for one step.

    Raises:
        ConfigurationError: an argument that makes no sense, or the extra is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster: bool = False,
        on_store_failure: OnStoreFailure = "local",
        share: float = 0.5,
        timeout: float = 2.0,
    ) -> None:
        check_flags(cluster=cluster)
        scheme, _, rest = str(url).partition("://")
        scheme = scheme.lower()
        if scheme not in _SCHEMES or not rest:
            raise ConfigurationError(
                "RedisStore needs a URL such as redis://host:6379/0 or rediss://user:password@host."
            )
        self._url = f"{_SCHEMES[scheme]}://{rest}"
        self._cluster = cluster
        super().__init__((self._url, cluster), _without_secrets(url), on_store_failure, share, timeout)
        self._copy = partial(
            type(self), url, cluster=cluster, on_store_failure=on_store_failure, share=share, timeout=timeout
        )
        self._server = self.server()

    def server(self) -> RedisScripts:
        """Return connections of their own to the same server."""
        return RedisScripts(self._url, self._shown, self.timeout, cluster=self._cluster)

    async def aclose(self) -> None:
        """Close the connections. The next step opens them again."""
        await self._server.aclose()

    async def _ask(self, name: str, known: int | None, change: Change | None) -> Found:
        arguments: tuple[str | int, ...] = ("" if known is None else known, "", 0, "", 0)
        if change is not None:
            idle = max(_IDLE, 10 * change.state.window.seconds)
            arguments = (arguments[0], change.replaced, change.version, change.text, round(idle * 1000))
        answer = await self._server.run(_SCRIPT, (f"sessions-us:quota:{FORMAT}:{{{name}}}",), arguments)
        now, version, *written = answer
        if not written:
            return Found(int(version), float(now))
        return Found(int(version), float(now), float(written[0]), written[1].decode(errors="replace"))


def _without_secrets(url: str) -> str:
    """Remove user, password and query from a URL."""
    scheme, _, rest = url.partition("://")
    user, _, place = rest.rpartition("@")
    if re.search("[/?#]", user):
        return f"{scheme}://***"  # an unescaped password, or a query: its start is unknown
    return f"{scheme}://{re.split('[?#]', place)[0]}"
