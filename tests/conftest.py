from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The client is for asyncio; under trio it says so (tests/test_transport.py)."""
    return "asyncio"
