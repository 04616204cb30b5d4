"""A fixture with a local Sessions API; pytest finds it by itself once `sessions-us[sandbox]` is installed.

The fixture is synchronous and its server has a thread and an event loop of its own. So it serves plain tests as well as
asynchronous ones under any plugin, and no test's event loop, however blocked, can stop the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .sandbox import Sandbox

_MARKER = "sessions_sandbox(**options): how the fixture sessions_sandbox sets up its Sandbox, such as limit=100"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def sessions_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A fresh `Sandbox` that is listening. `@pytest.mark.sessions_sandbox(limit=100, empty=True)` sets its options; the
    default limit is 1000 requests a minute, because few tests are about the limit."""
    # Not at the top: pytest loads plugins in every run, and most need no server.
    from anyio.from_thread import start_blocking_portal

    from . import Sandbox

    marker = request.node.get_closest_marker("sessions_sandbox")
    options = {"limit": 1000, **(marker.kwargs if marker else {})}
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(Sandbox(**options)) as sandbox:
        yield sandbox
