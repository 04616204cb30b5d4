"""Event loops whose tasks start at once, within `create_task`, and not in the loop's next round."""

from __future__ import annotations

import asyncio
import os

__all__ = ("EagerPolicy", "dress")


class EagerPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes loops with eager tasks. Python 3.12 is the first to have them."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        dress(loop)
        return loop


def dress(loop: asyncio.AbstractEventLoop) -> None:
    """Give a loop eager tasks, if these tests are run with them."""
    if "SESSIONS_EAGER" in os.environ:
        loop.set_task_factory(asyncio.eager_task_factory)
