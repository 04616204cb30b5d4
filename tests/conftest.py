from __future__ import annotations

import asyncio
import os
import signal

import pytest
from hypothesis import settings
from support.loops import EagerPolicy

# How long an example takes depends on the machine, and says nothing of the code.
settings.register_profile("bounded", derandomize=True, deadline=None)
settings.register_profile("long", derandomize=False, deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("long" if "SESSIONS_LONG_TESTS" in os.environ else "bounded")

# A shell starts what it runs in the background with SIGINT ignored, and so would be what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Which event loops the tests get, those of `asyncio.run` and of other threads included; see `nox -s eager` and `nox -s uvloop`.
if "SESSIONS_EAGER" in os.environ:
    asyncio.set_event_loop_policy(EagerPolicy())
elif "SESSIONS_UVLOOP" in os.environ:
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


@pytest.fixture
def anyio_backend() -> str:
    """The client is for asyncio; under trio it says so (tests/send/test_connections.py)."""
    return "asyncio"
