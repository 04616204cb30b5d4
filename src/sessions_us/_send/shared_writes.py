"""Writes as other processes see them: their copies end before a write is sent, and again when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from ..errors import ServerError, StatusError, TransportError
from .call import Answer, Call, OuterStage
from .cancel_scope import shield

if TYPE_CHECKING:
    from .copies.shared_copies import SharedCopies

__all__ = ("SharedWrites",)


@define(eq=False, repr=False)
class SharedWrites(OuterStage):
    """The stage that tells other processes of each attempt of a write.

    From just before it is sent until its outcome is known, nothing that it may change is kept or given. If the outcome is never
    known, because the process died, the caller left or the connection broke, that lasts as long as the server may still be
    at work.

    Args:
        inner: sends one attempt.
        copies: what the processes share.
    """

    _copies: SharedCopies

    async def send(self, call: Call) -> Answer:
        """The answer to one attempt.

        Raises:
            SessionsError: what the inner stage raises.
        """
        if call.request.repeatable:
            return await self._inner.send(call)
        try:
            write = await self._copies.begin(call)
        except BaseException:
            if call.lease is not None:
                await call.lease.refund()  # nothing was sent
            raise
        try:
            answer = await self._inner.send(call)
        except (StatusError, TransportError) as error:
            if _tells_the_outcome(error):
                await shield(self._copies.end(call, write))
            raise
        await shield(self._copies.end(call, write))
        return answer

    async def _end(self) -> None:
        await super()._end()
        await self._copies.aclose()  # here, because the stages outside have waited for writes in flight


def _tells_the_outcome(error: StatusError | TransportError) -> bool:
    """Whether the server is not at work on it any more. A proxy answers 5xx while it may be."""
    return error.sent == "no" if isinstance(error, TransportError) else not isinstance(error, ServerError)
