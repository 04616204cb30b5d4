"""Copies in Redis or Valkey, for the processes of many hosts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final

from ...quota.stores.redis_scripts import RedisScripts, Script
from .place import MOST_BYTES, MOST_COPIES, WRITTEN, FoundCopy, Kept

__all__ = ("RedisPlace",)

_UNUSED: Final = 8 * 24 * 3600  # seconds without use after which the server forgets all of it
# What is within braces decides the node of a cluster: the scripts use these keys together.
_KEYS: Final = tuple(
    f"{{sessions-us:copies:1}}:{what}" for what in ("generations", "writes", "copies", "about", "order")
)

# What every script begins with. The server's time counts, so that no host's clock matters.
_BEGIN = (
    f"local UNUSED, WRITTEN = {_UNUSED}, '{WRITTEN}'"
    + """
local GENERATIONS, WRITES, COPIES, ABOUT, ORDER = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local function lasting()
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, UNUSED) end
end
local function raise(from)
  for at = from, #ARGV, 2 do redis.call('HSET', GENERATIONS, ARGV[at], ARGV[at + 1]) end
end
local function stamp(from)
  local tokens = {''}
  local writes = redis.call('ZRANGEBYSCORE', WRITES, string.format('(%.6f', now), '+inf')
  for at = from, #ARGV, 2 do
    for _, write in ipairs(writes) do
      if string.sub(write, 1, #ARGV[at]) == ARGV[at] then tokens[1] = WRITTEN end
    end
    if redis.call('HSETNX', GENERATIONS, ARGV[at], ARGV[at + 1]) == 1 then lasting() end
    tokens[#tokens + 1] = redis.call('HGET', GENERATIONS, ARGV[at])
  end
  return table.concat(tokens)
end
local function about(name)
  local text = redis.call('HGET', ABOUT, name)
  if not text then return nil end
  local stamp, version, at, expires, claimed, size = string.match(text, '^(%S*) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return {stamp=stamp, version=version, at=tonumber(at), expires=tonumber(expires), claimed=tonumber(claimed), size=size}
end
local function describe(name, each)
  local format = '%s %s %.6f %.6f %.6f %s'
  redis.call('HSET', ABOUT, name,
    string.format(format, each.stamp, each.version, each.at, each.expires, each.claimed, each.size))
end
local function remove(name)
  local each = about(name)
  if each then redis.call('HINCRBY', GENERATIONS, 'bytes', -each.size) end
  redis.call('HDEL', COPIES, name) redis.call('HDEL', ABOUT, name) redis.call('ZREM', ORDER, name)
end
"""
)


# ARGV: the name, the known version; then each scope with a token for its generation if it has none.
_FIND = Script(
    _BEGIN
    + """
local now_is, each = stamp(3), about(ARGV[1])
if not each or each.stamp ~= now_is or each.expires <= now then return {now_is} end
local age = string.format('%.6f', now - each.at)
if each.version == ARGV[2] then return {now_is, each.version, age} end
local text = redis.call('HGET', COPIES, ARGV[1])
if not text then return {now_is} end
return {now_is, each.version, age, text}
"""
)

# ARGV: the name, stamp, version, age, its time to live, the text, and what is kept at most; then scopes and tokens.
_KEEP = Script(
    _BEGIN
    + """
local name, at, size = ARGV[1], now - ARGV[4], #ARGV[6] + #ARGV[1]
local each = about(name)
if stamp(9) ~= ARGV[2] or (each and each.stamp == ARGV[2] and each.at > at) then return end
remove(name)
for _, other in ipairs(redis.call('ZRANGE', ORDER, 0, 7)) do
  local old = about(other)
  if not old or old.expires <= now then remove(other) end
end
redis.call('HSET', COPIES, name, ARGV[6])
redis.call('ZADD', ORDER, at, name)
redis.call('HINCRBY', GENERATIONS, 'bytes', size)
describe(name, {stamp=ARGV[2], version=ARGV[3], at=at, expires=at + ARGV[5], claimed=0, size=size})
while redis.call('ZCARD', ORDER) > tonumber(ARGV[7]) or tonumber(redis.call('HGET', GENERATIONS, 'bytes')) > tonumber(ARGV[8]) do
  local oldest = redis.call('ZRANGE', ORDER, 0, 0)[1]
  if not oldest then redis.call('HSET', GENERATIONS, 'bytes', 0) break end
  remove(oldest)
end
lasting()
"""
)

# ARGV: the name.
_REMOVE = Script(_BEGIN + "remove(ARGV[1])")

# ARGV: the name, the version, the seconds.
_CLAIM = Script(
    _BEGIN
    + """
local each = about(ARGV[1])
if not each or each.version ~= ARGV[2] or each.claimed > now then return 0 end
each.claimed = now + ARGV[3]
describe(ARGV[1], each)
return 1
"""
)

# ARGV: the write, the seconds; then each scope with the token of its next generation.
_WRITE = Script(
    _BEGIN
    + """
raise(3)
redis.call('ZREMRANGEBYSCORE', WRITES, '-inf', string.format('%.6f', now))
for at = 3, #ARGV, 2 do
  local write = ARGV[at] .. ' ' .. ARGV[1]
  if ARGV[2] == '' then redis.call('ZREM', WRITES, write) else redis.call('ZADD', WRITES, now + ARGV[2], write) end
end
lasting()
"""
)


class RedisPlace:
    """Copies on a server. Whoever can read its keys can read the copies; their names are digests.

    Args:
        server: the connections, which are this place's alone.
    """

    def __init__(self, server: RedisScripts) -> None:
        self._server = server

    async def find(self, name: str, scopes: Sequence[str], known: str) -> FoundCopy:
        stamp, *copy = await self._run(_FIND, name, known, *_with_tokens(scopes))
        if not copy:
            return FoundCopy(stamp.decode())
        version, age, *text = copy
        return FoundCopy(stamp.decode(), version.decode(), float(age), text[0] if text else None)

    async def keep(self, name: str, scopes: Sequence[str], kept: Kept) -> None:
        await self._run(_KEEP, name, *kept, MOST_COPIES, MOST_BYTES, *_with_tokens(scopes))

    async def remove(self, name: str) -> None:
        await self._run(_REMOVE, name)

    async def claim(self, name: str, version: str, seconds: float) -> bool:
        return bool(await self._run(_CLAIM, name, version, seconds))

    async def begin(self, write: str, scopes: Sequence[str], seconds: float) -> None:
        await self._run(_WRITE, write, seconds, *_with_tokens(scopes))

    async def end(self, write: str, scopes: Sequence[str]) -> None:
        await self._run(_WRITE, write, "", *_with_tokens(scopes))

    async def aclose(self) -> None:
        await self._server.aclose()

    async def _run(self, script: Script, *arguments: str | int | float | bytes) -> Any:
        return await self._server.run(script, _KEYS, arguments)


def _with_tokens(scopes: Sequence[str]) -> list[str]:
    return [each for scope in scopes for each in (scope, secrets.token_hex(8))]
