"""Fixtures with a local Sessions API; pytest finds them by itself once `sessions-us[sandbox]` is installed.

The fixtures are synchronous, and the server has a thread and an event loop of its own. So they serve plain tests as well as
asynchronous ones under any plugin, and no test's event loop, however blocked, can stop the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .. import GuestClient, Quota, UserClient
    from .sandbox import Sandbox

_MARKER = "sessions_sandbox(**options): how the fixture sessions_sandbox sets up its Sandbox, such as limit=100"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def sessions_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A fresh `Sandbox` that is listening. `@pytest.mark.sessions_sandbox(limit=100, empty=True)` sets its options. The
    default limit is 1000 requests a minute, because few tests are about the limit, and its clock skips the waits of clients
    with `clock=sessions_sandbox.clock`."""
    # Not at the top: pytest loads plugins in every run, and most need no server.
    from anyio.from_thread import start_blocking_portal

    from . import Sandbox

    marker = request.node.get_closest_marker("sessions_sandbox")
    if marker is not None and marker.args:
        told = ", ".join(map(repr, marker.args))
        raise pytest.UsageError(f"the marker sessions_sandbox takes options by name, such as limit=100, and not {told}")
    options: dict[str, Any] = {"limit": 1000, "time": "skips", **(marker.kwargs if marker else {})}
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(Sandbox(**options)) as sandbox:
        yield sandbox


@pytest.fixture
def sessions_user(sessions_sandbox: Sandbox) -> UserClient:
    """A `UserClient` of `sessions_sandbox`. Its waits for the quota pass in the sandbox's time, and so take none. It sends
    without a socket, so nothing has to be closed."""
    from .. import UserClient

    return UserClient(sessions_sandbox.user_key, **_options(sessions_sandbox))


@pytest.fixture
def sessions_guest(sessions_sandbox: Sandbox) -> GuestClient:
    """A `GuestClient` of `sessions_sandbox`, as `sessions_user` is a `UserClient`."""
    from .. import GuestClient

    return GuestClient(sessions_sandbox.guest_key, **_options(sessions_sandbox))


def _options(sandbox: Sandbox) -> dict[str, Any]:
    from .. import Quota

    quota: Quota = Quota(limit=sandbox.limiter.limit, window=sandbox.limiter.window)
    return {"base_url": sandbox.url, "transport": sandbox.transport, "clock": sandbox.clock, "quota": quota}
