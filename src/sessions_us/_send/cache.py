"""The cache: copies as old as the options allow. A write drops what it invalidates."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from operator import is_
from typing import TYPE_CHECKING, Final

from attrs import define

from ..errors import QuotaTimeoutError, RateLimitedError, ServerError, SessionsError, StatusError, TransportError
from ..events import CacheHit, Reuse
from .cache_memory import MOST_BYTES, CacheMemory, Copy, Outcome, size_of
from .call import Answer, Call, Identity, Name, OuterStage, Which
from .trail import Renew, StartAgain, Trail
from .waiters import own_copy

if TYPE_CHECKING:
    from .copies.shared_copies import SharedCopies

__all__ = ("Cache",)

_SAYS_NOTHING = (RateLimitedError, ServerError)
"""Statuses that say nothing of what was asked for, so that a copy of it stays as good as it was."""

_PROCESS: Final = CacheMemory()

_REST: Final = 5.0
_LONGEST_REST: Final = 300.0
"""Seconds after a renewal that failed until the next one. They double with each, up to the longest."""


@define(eq=False, repr=False)
class Cache(OuterStage):
    """The stage that keeps answers.

    What is kept belongs to the process: all clients of one key at one origin see the same copies, and a write through any of
    them drops what it invalidates. A guest acts on what belongs to others, so a guest's write drops it for every key of the
    origin.

    A list is kept as it was read in one go, from its beginning; a walk over it is given all from such copies, or reads all
    pages from the server. A single read is a walk of one page.

    Time goes forward only: an answer that came later than a copy takes its place, or drops it where it can't be kept, whatever
    the options of its call.

    With shared copies, what the memory has of a read is made what they have before it is used, and they get what is kept. So a
    write of another process counts as one of this process does.

    Args:
        inner: answers what is not kept.
        now: tells the client's clock, in seconds.
        shared: the copies that processes share; None: they share none.
        memory: what is kept; that of this process unless given.
    """

    _now: Callable[[], float]
    _shared: SharedCopies | None = None
    _memory: CacheMemory = _PROCESS

    async def send(self, call: Call) -> Answer:
        """The answer: a copy, or the inner stage's.

        Raises:
            StartAgain: the copies of an earlier walk don't go on, or stand in for what failed.
            SessionsError: what the inner stage raises.
        """
        if not call.request.repeatable:
            return await self._write(call)
        if call.trail is not None:
            return await self._page(call, call.trail)
        if call.options.keeps or self._shared is not None or call.name in self._memory.copies:
            return await self._read(call)
        try:
            answer = await self._inner.send(call)
        except StatusError as error:
            if not isinstance(error, _SAYS_NOTHING):
                self._memory.remove(call.name)  # it is gone, or not the key's to see any more
            raise
        if call.name in self._memory.copies:
            self._outdate(call, answer)
        return answer

    def forget(self, which: Which) -> None:
        """Something changed: keep no answer that is on its way, and drop copies."""
        self._memory.trails.spoil(which)
        self._memory.drop(which)  # in this order: other threads keep some meanwhile

    def forget_shared(self, identity: Identity) -> None:
        """Drop what processes share of a key."""
        if self._shared is not None:
            self._shared.forget(identity)
            with suppress(RuntimeError):  # no loop runs: it is told with the next call
                asyncio.get_running_loop()
                self._begin(self._shared.tell())

    async def _write(self, call: Call) -> Answer:
        try:
            with self._memory.trails.writing(call):
                return await self._inner.send(call)
        finally:
            if call.waiters.times_sent:
                self._memory.drop(call.concerns)  # after its trails were told: other threads keep some meanwhile

    async def _read(self, call: Call, trail: Trail | None = None) -> Answer:
        trail = trail or Trail(lambda again, _: self._read_again(call.renewal(), again))
        try:
            answer = await self._page(call, trail)
        except StartAgain as again:
            return await self._page(call, again.trail)
        trail.end()
        return answer

    async def _read_again(self, call: Call, trail: Trail) -> None:
        """Renew a copy. It is a call of its own."""
        try:
            answer = await self._read(call, trail)
        except BaseException as error:
            call.ended(error)
            raise
        call.ended(answer)

    # -- walks over lists --------------------------------------------------------------------------------------------

    async def _page(self, call: Call, trail: Trail) -> Answer:
        self.check()
        if not trail.has_begun:
            if self._shared is not None:
                trail.stamp = await self._look(self._shared, call)
            self._begin_walk(call, trail)
        call.stamp = trail.stamp
        if trail.copy is not None:
            return self._next_copy(call, trail, trail.copy)
        if self._shared is None:
            return await self._new_page(call, trail)
        before = self._memory.get(trail.name)
        try:
            return await self._new_page(call, trail)
        finally:
            await self._share(self._shared, call, trail, before)

    async def _new_page(self, call: Call, trail: Trail) -> Answer:
        try:
            answer = await self._inner.send(call)
        except (QuotaTimeoutError, TransportError, *_SAYS_NOTHING) as error:
            if self._shared is not None:  # others may have written meanwhile
                await self._look(self._shared, call)
            self._fall_back(call, trail, error)
            raise
        except StatusError as error:
            if trail.answers:
                self._record(call, trail, own_copy(error))
            else:
                self._memory.remove(trail.name)
            raise
        if answer.flaw:
            self._memory.remove(trail.name)
        elif trail.on_end is None:
            self._outdate(call, answer)
        else:
            self._record(call, trail, answer)
        return answer

    def _begin_walk(self, call: Call, trail: Trail) -> None:
        """Decides whether the walk is given from copies. Else its answers are kept at its end."""
        trail.begin(call, self._memory.trails)
        options, renew, copy = call.options, trail.renew, self._memory.get(trail.name)
        if options.keeps or copy is not None:
            trail.on_end = self._keep
        if copy is None or renew is None:
            return
        fresh_until = copy.kept_at + options.cache_ttl
        stale_until = fresh_until + options.stale_while_revalidate
        if self._now() < fresh_until:
            trail.replay(copy, "fresh", fresh_until)
        elif self._now() < stale_until:
            trail.replay(copy, "stale-while-revalidate", stale_until)
            self._renew(trail.name, copy, renew, options.cache_ttl)

    def _next_copy(self, call: Call, trail: Trail, copy: Copy) -> Answer:
        place = len(trail.answers)  # the first copy is as old as it was a moment ago, when it was chosen
        if trail.is_spoilt or (place and self._now() >= trail.copy_expires_at) or place == len(copy.answers):
            raise StartAgain(Trail())
        trail.answers.append(copy.answers[place])
        return self._reuse(call, copy, place, trail.reuse)

    def _fall_back(self, call: Call, trail: Trail, failure: SessionsError) -> None:
        """A page could not be had. An earlier walk stands in for this one, if it may.

        Raises:
            StartAgain: it does.
        """
        copy, options = self._memory.get(trail.name), call.options
        if not options.keeps or copy is None or trail.renew is None or copy is trail.kept:
            return
        expires_at = copy.kept_at + options.cache_ttl + options.stale_if_error
        if self._now() < expires_at:
            again = Trail(trail.renew)
            again.begin(call, self._memory.trails)
            again.name = trail.name
            again.replay(copy, "stale-if-error", expires_at)
            raise StartAgain(again, failure) from None

    def _record(self, call: Call, trail: Trail, outcome: Outcome) -> None:
        """Note an answer of a walk, and keep what was read of it if nothing better is kept."""
        options = call.options
        if trail.on_end is None or trail.is_spoilt:
            return
        trail.began_at = trail.began_at if trail.answers else self._now()
        trail.answers.append(outcome)
        trail.size += size_of(outcome)
        if trail.size > MOST_BYTES:
            trail.is_spoilt = True
            trail.answers.clear()
            self._memory.remove(trail.name)
            return
        kept = self._memory.get(trail.name)
        of_use = options.cache_ttl + max(options.stale_while_revalidate, options.stale_if_error)
        if kept is None or len(kept.answers) <= len(trail.answers) or self._age(kept) >= of_use:
            self._keep(trail)

    def _keep(self, trail: Trail) -> None:
        """Keep the answers of a walk, unless a later walk is kept."""
        with self._memory.lock:
            kept = self._memory.get(trail.name)
            if trail.answers and not trail.is_spoilt and (kept is None or kept.kept_at <= trail.began_at):
                answers = tuple(trail.answers)
                if kept is None or not _are_same(kept.answers, answers):  # callers that share an answer keep it once
                    kept = Copy(answers, trail.began_at, trail.operation, version=secrets.token_hex(8))
                    self._memory.put(trail.name, kept)
                trail.kept = kept

    def _outdate(self, call: Call, answer: Answer) -> None:
        """An answer that is not kept: an earlier one is not given any more."""
        copy = self._memory.get(call.name)
        if copy is not None and copy.answers[0] is not answer:  # that of another caller of the same flight
            self._memory.remove(call.name)

    # -- copies that processes share ---------------------------------------------------------------------------------------

    async def _look(self, shared: SharedCopies, call: Call) -> str:
        """Make the memory what the others have of a read. Return the stamp for its answer."""
        known = self._memory.get(call.name)
        stamp, copy = await shared.find(call, known)
        if copy is None:
            self._memory.remove(call.name)
        elif copy is not known:
            self._memory.put(call.name, copy)
        return stamp

    async def _share(self, shared: SharedCopies, call: Call, trail: Trail, before: Copy | None) -> None:
        """Make what the others have of a read what the memory has after an answer."""
        after = self._memory.get(trail.name)
        if after is None and before is not None:
            await shared.remove(trail.name)
        elif after is not None and after is trail.kept and after is not before:
            await shared.keep(call, trail.stamp, after)

    # -- copies ------------------------------------------------------------------------------------------------------

    def _age(self, copy: Copy) -> float:
        return self._now() - copy.kept_at

    def _reuse(self, call: Call, copy: Copy, place: int, why: Reuse) -> Answer:
        outcome = copy.answers[place]
        call.answered_by = "cached"
        if call.is_watched:
            call.tell(CacheHit, request_id=outcome.request_id, age=self._age(copy), why=why)
        if isinstance(outcome, StatusError):
            raise own_copy(outcome)
        return outcome

    def _renew(self, name: Name, copy: Copy, renew: Renew, least: float) -> None:
        """Ask again, behind all that is urgent, unless somebody does, or the last renewal failed a short while ago."""
        running = self._memory.renewals.get(name)
        if self._now() < copy.renew_at:
            return
        if running is not None and not running.done() and running.get_loop().is_running():  # in whichever loop
            return
        task = self._memory.renewals[name] = self._begin(self._renewal(name, copy, renew, least))
        task.add_done_callback(lambda _: self._memory.renewals.pop(name, None))

    async def _renewal(self, name: Name, copy: Copy, renew: Renew, least: float) -> None:
        """Ask again. After a failure the copy has a rest, of so many seconds at least."""
        if self._shared is not None and not await self._shared.claim(name, copy):
            return
        try:
            await renew(Trail(), len(copy.answers))
        except (SessionsError, StartAgain):  # the events tell
            rest = max(least, min(_LONGEST_REST, _REST * 2.0**copy.failed))
            with self._memory.lock:
                if self._memory.get(name) is copy:
                    self._memory.put(name, copy._replace(failed=copy.failed + 1, renew_at=self._now() + rest))


def _are_same(these: tuple[Outcome, ...], those: tuple[Outcome, ...]) -> bool:
    return len(these) == len(those) and all(map(is_, these, those))


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_PROCESS.start_over)
