"""What OpenTelemetry collects in memory: spans and metrics, as values that can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric, Sum
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ("Collected", "named")


class Collected:
    """The providers of one test, and what reached their exporters."""

    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self._reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.providers: dict[str, Any] = {"tracer_provider": self.tracers, "meter_provider": self.meters}

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in the order of their starts."""
        return sorted(self._spans.get_finished_spans(), key=lambda span: span.start_time or 0)

    def children(self, parent: ReadableSpan) -> list[ReadableSpan]:
        """The spans right below another one."""
        return [span for span in self.spans if span.parent and span.parent.span_id == parent.context.span_id]

    def calls(self) -> list[ReadableSpan]:
        """The spans of calls."""
        return [span for span in self.spans if span.attributes and "sessions_us.call" in span.attributes]

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """The points of each metric: attributes, and a number, or the count and the sum of a histogram."""
        return {
            metric.name: [(dict(point.attributes or {}), _value(point)) for point in metric.data.data_points]
            for metric in self._collect()
        }

    def described(self) -> dict[str, tuple[str, str, set[str]]]:
        """The type, the unit and the names of the attributes of each metric."""
        return {
            metric.name: (
                "counter" if isinstance(metric.data, Sum) else type(metric.data).__name__.lower(),
                metric.unit or "",
                {name for point in metric.data.data_points for name in point.attributes or {}},
            )
            for metric in self._collect()
        }

    def everything(self) -> str:
        """All that would be exported, as text."""
        return "\n".join([*(span.to_json() for span in self.spans), *(metric.to_json() for metric in self._collect())])

    def _collect(self) -> Iterator[Metric]:
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                yield from scope.metrics


def named(spans: list[ReadableSpan]) -> list[str]:
    return [span.name for span in spans]


def _value(point: Any) -> Any:
    return (point.count, round(point.sum, 3)) if isinstance(point, HistogramDataPoint) else point.value
