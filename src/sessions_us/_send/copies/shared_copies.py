"""The copies that several processes share, as the cache asks for them: what goes under which name, and what a failure means."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from attrs import define, field

from ...events import logger
from ...quota.stores import StoreFailure
from ..cache_memory import Copy
from ..call import Answer, Call, Identity, Name
from .place import WRITTEN, CopyPlace, FoundCopy, Kept

__all__ = ("SharedCopies",)

T = TypeVar("T")

_REST: Final = 5.0  # seconds after a failure of the place for which it is not asked again
_CLAIM: Final = 30.0  # seconds for which one process renews a copy
_CARRIED_OUT: Final = 2  # times the timeout of a write: for so long it may still be carried out, whoever sent it

_ALL, _UNDOCUMENTED = "*", "?"
"""The scopes of all reads of a key, and of those whose operation the document does not know."""


@define(eq=False, repr=False)
class SharedCopies:
    """The shared copies of one client.

    While the place can't be used there are no copies, and calls go on. What was written meanwhile is told first of all once it
    can be used again.

    Args:
        place: where they lie.
        now: tells the client's clock, in seconds.
    """

    _place: CopyPlace
    _now: Callable[[], float]
    _untold: set[str] = field(factory=set, init=False)
    _telling: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _is_down: bool = field(default=False, init=False)
    _rests_until: float = field(default=0.0, init=False)
    _last_kept: str = field(default="", init=False)

    async def find(self, call: Call, known: Copy | None) -> tuple[str, Copy | None]:
        """Return the stamp for an answer to this read, empty if the place can't be used, and the copy that is good now."""
        version = "" if known is None else known.version
        scopes = _scopes_of_read(call)
        found = await self._step(lambda: self._place.find(_digest(*call.name), scopes, version))
        if found is None:
            return "", None
        return found.stamp, self._copy(call, found, known)

    def _copy(self, call: Call, found: FoundCopy, known: Copy | None) -> Copy | None:
        if not found.version:
            return None
        if found.text is None:
            return known
        try:
            answers = _from_text(found.text)
        except (ValueError, TypeError):  # damaged, or of another version of this package
            return None
        return Copy(answers, self._now() - found.age, call.documented_operation, version=found.version)

    async def keep(self, call: Call, stamp: str, copy: Copy) -> None:
        """Keep a copy for the others. One of which an error told the end stays with this process."""
        answers = [answer for answer in copy.answers if isinstance(answer, Answer)]
        ttl = call.options.cache_ttl + max(call.options.stale_while_revalidate, call.options.stale_if_error)
        if (
            not stamp
            or stamp.startswith(WRITTEN)
            or len(answers) < len(copy.answers)
            or copy.version == self._last_kept
        ):
            return
        self._last_kept = copy.version  # callers who share an answer come here one after the other
        kept = Kept(stamp, copy.version, self._now() - copy.kept_at, ttl, _to_text(answers))
        await self._step(lambda: self._place.keep(_digest(*call.name), _scopes_of_read(call), kept))

    async def remove(self, name: Name) -> None:
        """Drop a copy."""
        await self._step(lambda: self._place.remove(_digest(*name)))

    async def claim(self, name: Name, copy: Copy) -> bool:
        """Return whether this process is the one to renew a copy."""
        return await self._step(lambda: self._place.claim(_digest(*name), copy.version, _CLAIM)) is not False

    async def begin(self, call: Call) -> str:
        """A write is sent now. Return its name, for `end`."""
        write, scopes, seconds = secrets.token_hex(8), _scopes_of_write(call), _CARRIED_OUT * call.options.timeout
        await self._raise(scopes, lambda: self._place.begin(write, scopes, seconds))
        return write

    async def end(self, call: Call, write: str) -> None:
        """A write has ended, and it is known how."""
        scopes = _scopes_of_write(call)
        await self._raise(scopes, lambda: self._place.end(write, scopes))

    def forget(self, identity: Identity) -> None:
        """Drop all copies of a key, before the place is used again. `tell` does it at once."""
        self._untold.add(_digest(identity.origin, identity.key, _ALL))

    async def tell(self) -> None:
        """Tell what could not be told when it happened."""
        await self._step(self._tell_all)

    async def aclose(self) -> None:
        """Close files and connections."""
        await self._place.aclose()

    async def _raise(self, scopes: Sequence[str], step: Callable[[], Awaitable[None]]) -> None:
        """Take a step that raises the generations of scopes, or have it told later."""
        if scopes:
            await self._step(step)
            if self._is_down:
                self._untold.update(scopes)

    async def _step(self, step: Callable[[], Awaitable[T]]) -> T | None:
        """What the place answers; None if it can't be used."""
        if self._now() < self._rests_until:
            return None
        if self._is_down:
            self._rests_until = self._now() + _REST  # one call tries, the others go on
        try:
            await self._tell_all()
            answered = await step()
        except StoreFailure as failure:
            if not self._is_down:
                logger.warning("the shared copies can't be used, so there are none: %s", failure)
            self._is_down, self._rests_until = True, self._now() + _REST
            return None
        if self._is_down:
            logger.warning("the shared copies can be used again")
        self._is_down, self._rests_until = False, 0.0
        return answered

    async def _tell_all(self) -> None:
        """Tell what could not be told when it happened. Steps that begin meanwhile wait: told twice, it would end their stamps.

        Raises:
            StoreFailure: the place can't be used. All of it is told again.
        """
        if not (self._untold or self._telling.locked()):
            return
        rests_until = self._rests_until
        async with self._telling:
            if self._rests_until > rests_until:
                raise StoreFailure("it could not be used a moment ago")
            untold = [self._untold.pop() for _ in range(len(self._untold))]  # other threads may add to it
            if not untold:
                return
            try:
                await self._place.end("", untold)
            except BaseException:
                self._untold.update(untold)
                raise


def _scopes_of_read(call: Call) -> list[str]:
    """What a write changes if it concerns this read (see `Call.concerns`): with its key, or as a guest of the origin."""
    origin, key = call.identity.origin, call.identity.key
    kinds = (_ALL, call.documented_operation or _UNDOCUMENTED)
    return [_digest(origin, whose, kind) for whose in (key, "") for kind in kinds]


def _scopes_of_write(call: Call) -> list[str]:
    invalidates, identity = call.request.invalidates, call.identity
    kinds = (_ALL,) if invalidates is None else (*invalidates, _UNDOCUMENTED) if invalidates else ()
    return [_digest(identity.origin, "" if identity.is_guest else identity.key, kind) for kind in kinds]


def _digest(*parts: object) -> str:
    """A name that tells nothing: neither path nor parameters, nor the digest of the key that is part of it."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]


def _to_text(answers: Sequence[Answer]) -> bytes:
    rows = [[each.status_code, each.body.decode("latin-1"), each.oddity, each.request_id] for each in answers]
    return json.dumps(rows, ensure_ascii=False).encode()


def _from_text(text: bytes) -> tuple[Answer, ...]:
    """Raises: ValueError, TypeError: this is no such text."""
    return tuple(
        Answer(int(status), body.encode("latin-1"), oddity=str(oddity), request_id=request_id)
        for status, body, oddity, request_id in json.loads(text)
    )
