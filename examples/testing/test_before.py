"""The tests as they were: what the API answers is written by hand, from memory.

They pass. But nobody knows whether the API answers like this: the booking below has no id, the session has a `state` that no
answer has, and no test ever sees a taken slot, a 429, or a webhook.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from app import app
from fastapi.testclient import TestClient

from sessions_us.fastapi import get_guest, get_user

AT = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)


@pytest.fixture
def api() -> Any:
    made = SimpleNamespace(
        bookings=SimpleNamespace(create=AsyncMock(return_value=SimpleNamespace(session_id="s1"))),
        sessions=SimpleNamespace(
            get=AsyncMock(return_value=SimpleNamespace(name="Call", state="over", ended_at=AT, actual_start=AT))
        ),
    )
    app.dependency_overrides = {get_guest: lambda: made, get_user: lambda: made}
    yield made
    app.dependency_overrides = {}


def test_a_call_is_booked(api: Any) -> None:
    wanted = {"page": "p1", "at": AT.isoformat(), "name": "Ada", "email": "ada@example.org"}
    assert TestClient(app).post("/calls", json=wanted).json() == {"session": "s1"}
    api.bookings.create.assert_awaited_once_with(
        booking_page_id="p1", start_at=AT, participant_name="Ada", participant_email="ada@example.org"
    )


def test_a_call_that_is_over(api: Any) -> None:
    assert TestClient(app).get("/calls/s1").json() == {"name": "Call", "state": "over", "minutes": None}
