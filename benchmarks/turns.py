"""CPU time of several works in one process, in turns, so that what else happens on the machine hits all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping

__all__ = ("Work", "in_turns")

Work = Callable[[], Awaitable[object]]


async def in_turns(works: Mapping[str, Work], *, turns: int, block: int) -> dict[str, float]:
    """Measure works against each other.

    Args:
        works: what to do, by name.
        turns: how often each has its turn.
        block: how often it is done in a turn; one time of a block is less disturbed than as many times.

    Returns:
        Microseconds of CPU time for doing each once: the lower quartile of its turns.
    """
    samples: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        for _ in range(3 * block):
            await work()
    gc.collect()
    gc.freeze()  # so that a collection between turns looks at little
    gc.disable()  # its pauses belong to whoever happens to run
    for _ in range(turns):
        for name, work in works.items():
            before = time.process_time()
            for _ in range(block):
                await work()
            samples[name].append((time.process_time() - before) / block * 1e6)
        gc.collect()
    gc.enable()
    gc.unfreeze()
    return {name: statistics.quantiles(each, n=4)[0] for name, each in samples.items()}
