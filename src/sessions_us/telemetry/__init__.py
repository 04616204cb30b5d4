"""OpenTelemetry: traces and metrics of clients, made of their events. Needs the extra `otel`.

    from sessions_us.telemetry import instrument

    instrument()  # all clients of this process, with the providers that the application has set

docs/operations.md lists every span and every metric. None has a key, a body, an id of an object, or a path with ids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import opentelemetry.trace as _trace
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] != "opentelemetry":
        raise
    _needed = "sessions_us.telemetry needs opentelemetry-api: pip install 'sessions-us[otel]'"
    raise ImportError(_needed, name=__name__) from None
else:
    del _trace

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from .._send.listener import listen
from ..events import ClientEvent
from .metrics import Metrics
from .traces import Traces

__all__ = ("Telemetry", "instrument", "uninstrument")


class Telemetry:
    """Makes traces and metrics of the events that it is called with. It can be the `on_event` of several clients.

    Args:
        tracer_provider: where spans go; None: to the one that the application has set.
        meter_provider: where metrics go, likewise.
        attempts: whether each attempt gets a span and is counted in `http.client.request.duration`. None: unless
            opentelemetry-instrumentation-httpx is active, which makes both. Pass False for a client whose own `transport` is
            instrumented, and True for one whose own `transport` is not, though httpx's transports are.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        attempts: bool | None = None,
    ) -> None:
        self._metrics = Metrics(meter_provider)
        self._traces = Traces(tracer_provider, attempts, self._metrics.attempt)
        # Metrics first, while the span that they belong to is open.
        makers = self._metrics.makers, self._traces.makers
        self._makers: dict[type[ClientEvent], list[Callable[[Any], None]]] = {}
        for each in makers:
            for kind, make in each.items():
                self._makers.setdefault(kind, []).append(make)

    def __call__(self, event: ClientEvent) -> None:
        """Take an event of a client."""
        for make in self._makers.get(type(event), ()):
            make(event)

    def close(self) -> None:
        """Observe no quota any more. Calls in flight are traced to their end."""
        self._metrics.close()


_instrumented: list[Telemetry] = []


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    attempts: bool | None = None,
) -> None:
    """Trace and measure all clients of this process until `uninstrument()`, also those that were made before.

    A second call takes the place of the first. A client with `on_event=Telemetry()` would be measured twice: use one of the two.

    Args:
        tracer_provider: see `Telemetry`.
        meter_provider: see `Telemetry`.
        attempts: see `Telemetry`.
    """
    telemetry = Telemetry(tracer_provider, meter_provider, attempts=attempts)
    uninstrument()
    _instrumented.append(telemetry)
    listen(telemetry)


def uninstrument() -> None:
    """Take `instrument()` back. Calls in flight are traced to their end."""
    listen(None)
    while _instrumented:
        _instrumented.pop().close()
