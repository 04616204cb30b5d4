"""Let Python sleep under faketime; python imports this at its start where this directory is on PYTHONPATH.

`time.sleep` waits until a moment of the monotonic clock. faketime leaves that clock alone, as locks and timers need it, and yet
takes the moment for one of the shifted clock, so the system refuses it. Waiting for nothing, with a timeout, needs no moment.
"""

from __future__ import annotations

import os
import select
import time


def _sleep(seconds: float, /) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


if "faketime" in os.environ.get("LD_PRELOAD", ""):
    time.sleep = _sleep
