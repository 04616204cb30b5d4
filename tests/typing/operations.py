"""What the type checkers must see of telemetry. Checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from sessions_us import UserClient
from sessions_us.telemetry import Telemetry, instrument, uninstrument


def measured() -> None:
    instrument()
    instrument(TracerProvider(), MeterProvider(), attempts=False)
    uninstrument()
    UserClient(on_event=Telemetry(meter_provider=MeterProvider()))
    assert_type(UserClient().quota.snapshot().remaining, int)
    instrument("console")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
