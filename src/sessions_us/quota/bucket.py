"""Our own pace: aiolimiter's bucket, asked and charged without waiting in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sessions_us.quota.rules.window import Window

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

__all__ = ("Bucket",)

# The bucket empties slightly early, because a rounding error at the end of a window would cost a whole refill.
_EARLY: Final = 1 - 1e-6


class Bucket:
    """The backstop for a server that lies about what is left.

    aiolimiter's bucket is replaced for each window that the server reports and for each limit that is learnt. Otherwise it would
    cost speed that the server allows. It belongs to the event loop that first asks it.
    """

    def __init__(self) -> None:
        self._limiter: AsyncLimiter | None = None
        self._of: tuple[int, int, float] | None = None
        self._charged = 0
        self._given_back = 0

    def has_room(self, window: Window, *, probe: bool) -> bool:
        """Whether our own pace allows one more request. A probe opens a new window, and with it a new bucket."""
        if probe:
            return True
        limiter = self._current(window)
        # aiolimiter is slow to ask, and cannot be full before `limit` requests.
        return self._charged < window.limit or self._given_back > 0 or limiter.has_capacity()

    def charge(self, window: Window) -> None:
        """Count one request, in a bucket that has room."""
        limiter = self._current(window)
        if self._given_back > 0:
            self._given_back -= 1
            return
        step = limiter.acquire()
        self._charged += 1
        try:
            step.send(None)  # acquire() suspends only if there is no room
        except StopIteration:
            return
        step.close()
        raise RuntimeError("The bucket was charged without room in it.")

    def give_back(self, window: Window) -> None:
        """A counted request was not sent. The next one takes its room, as long as the bucket is the same."""
        self._current(window)
        self._given_back = min(self._given_back + 1, self._charged)

    def _current(self, window: Window) -> AsyncLimiter:
        of = (window.opened, window.limit, window.seconds)
        if self._limiter is None or self._of != of:
            from aiolimiter import AsyncLimiter

            self._limiter, self._of = AsyncLimiter(window.limit, window.seconds * _EARLY), of
            self._charged = self._given_back = 0
        return self._limiter
