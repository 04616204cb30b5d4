"""Metrics: counters, histograms and gauges. docs/operations.md lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics

from .. import __version__
from ..events import (
    CacheHit,
    CallEnded,
    CallStarted,
    ClientEvent,
    ExportProgress,
    OtherClientsSeen,
    PagingSurprise,
    RequestGranted,
    RequestThrottled,
    RetryScheduled,
    Role,
    SchemaDrift,
)
from ..quota import QuotaSnapshot
from ..quota.registry import snapshots
from .names import Attributes, Server, known, operation_of, server_of

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

__all__ = ("Metrics",)

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The bounds that the semantic conventions of HTTP ask for."""
_PATIENT: Final = (*_SECONDS, 15, 30, 60, 120, 300, 600)
"""The same for what may wait for the quota."""


class Metrics:
    """Counts and measures events.

    Args:
        provider: where metrics go; None: to the one that the application has set.

    Attributes:
        makers: what takes each kind of event.
    """

    def __init__(self, provider: MeterProvider | None) -> None:
        self._seen: set[tuple[Role, Server]] = set()
        self._meter = metrics.get_meter("sessions_us", __version__, provider)
        self._make_instruments()
        self._make_gauges_of_quotas()
        self.makers: Mapping[type[ClientEvent], Callable[[Any], None]] = {
            CallStarted: self._started,
            RequestGranted: self._granted,
            RequestThrottled: self._throttled,
            RetryScheduled: self._retried,
            CacheHit: self._cached,
            SchemaDrift: self._drifted,
            CallEnded: self._ended,
            OtherClientsSeen: self._others_seen,
            PagingSurprise: self._surprised,
            ExportProgress: self._progressed,
        }

    def close(self) -> None:
        """Observe no quota any more."""
        self._seen.clear()

    def attempt(self, elapsed: float, attributes: Attributes) -> None:
        """An attempt took so many seconds, to the headers of its answer or to its failure."""
        self._requests.record(elapsed, attributes)

    def _make_instruments(self) -> None:
        count, gauge = self._meter.create_counter, self._meter.create_gauge
        self._calls = count("sessions_us.calls", "{call}", "Calls that have ended")
        self._throttles = count("sessions_us.throttled", "{response}", "Answers with the status 429")
        self._retries = count("sessions_us.retries", "{retry}", "Requests that are sent again")
        self._hits = count("sessions_us.cache.hits", "{hit}", "Reads that got a copy")
        self._drifts = count("sessions_us.drifts", "{drift}", "Parts of answers that are not as described")
        self._pages = count("sessions_us.pages", "{page}", "Pages of lists that were read")
        self._surprises = count("sessions_us.paging.surprises", "{surprise}", "Lists whose pages are not as described")
        self._others = count("sessions_us.other_clients.requests", "{request}", "Requests of others that use the key")
        self._durations = self._histogram("sessions_us.call.duration", "Duration of calls, waits included", _PATIENT)
        self._flights = self._histogram("sessions_us.call.in_flight", "The same without waits", _PATIENT)
        self._waits = self._histogram("sessions_us.queue.wait", "Time that requests waited for the quota", _PATIENT)
        self._requests = self._histogram("http.client.request.duration", "Duration of HTTP client requests.", _SECONDS)
        self._done = gauge("sessions_us.export.done", "{row}", "Rows of an export that are done")
        self._total = gauge("sessions_us.export.total", "{row}", "Rows of an export, once its list was read")
        self._left = gauge("sessions_us.export.requests_left", "{request}", "Requests that an export still needs")
        self._time_left = gauge("sessions_us.export.time_left", "s", "Time that an export still needs")

    def _histogram(self, name: str, description: str, bounds: Iterable[float]) -> metrics.Histogram:
        return self._meter.create_histogram(
            name, "s", description, explicit_bucket_boundaries_advisory=[float(each) for each in bounds]
        )

    # -- events ------------------------------------------------------------------------------------------------------

    def _started(self, event: CallStarted) -> None:
        self._seen.add((event.role, server_of(event.origin)))

    def _ended(self, event: CallEnded) -> None:
        operation = operation_of(event.operation)
        outcome = known(operation=operation.name, outcome=event.outcome)
        self._calls.add(1, outcome if event.error is None else {**outcome, "error.type": event.error})
        self._durations.record(event.elapsed, outcome)
        if event.attempts:
            self._flights.record(event.elapsed - event.waited, outcome)
        if operation.is_list and event.error is None:
            self._pages.add(1, known(operation=operation.name))

    def _granted(self, event: RequestGranted) -> None:
        self._waits.record(event.waited, known(lane=event.lane))

    def _throttled(self, event: RequestThrottled) -> None:
        self._throttles.add(1, _of(event.operation))

    def _retried(self, event: RetryScheduled) -> None:
        self._retries.add(1, {**_of(event.operation), **known(reason=event.reason)})

    def _cached(self, event: CacheHit) -> None:
        self._hits.add(1, {**_of(event.operation), **known(why=event.why)})

    def _drifted(self, event: SchemaDrift) -> None:
        self._drifts.add(1, _of(event.operation))

    def _surprised(self, event: PagingSurprise) -> None:
        self._surprises.add(1, _of(event.operation))

    def _others_seen(self, event: OtherClientsSeen) -> None:
        self._others.add(event.used_by_others)

    def _progressed(self, event: ExportProgress) -> None:
        resource = known(resource=event.resource)
        self._done.set(event.done, resource)
        if event.total is not None:
            self._total.set(event.total, resource)
        if event.requests_left is not None and event.seconds_left is not None:
            self._left.set(event.requests_left)
            self._time_left.set(event.seconds_left)

    # -- quotas ------------------------------------------------------------------------------------------------------

    def _make_gauges_of_quotas(self) -> None:
        requests, tell = "{request}", self._observable
        tell("sessions_us.quota.limit", requests, "Requests per window", lambda quotas: _tightest(quotas).limit)
        tell("sessions_us.quota.remaining", requests, "Requests left", lambda quotas: _tightest(quotas).remaining)
        stores = "1 while the store of the quota can be used, else 0"
        # A unit of 1 would become a ratio for Prometheus.
        tell(
            "sessions_us.quota.store.up",
            "{store}",
            stores,
            lambda quotas: int(all(each.store == "up" for each in quotas)),
        )
        waiting = "Requests that wait for the quota"
        self._meter.create_observable_gauge("sessions_us.queue.length", [self._queues], requests, waiting)

    def _observable(self, name: str, unit: str, description: str, tell: Callable[[list[QuotaSnapshot]], int]) -> None:
        """Make a gauge of the quotas of each role at a server."""

        def observe(options: CallbackOptions) -> Iterator[Observation]:
            for attributes, quotas in self._quotas():
                yield metrics.Observation(tell(quotas), attributes)

        self._meter.create_observable_gauge(name, [observe], unit, description)

    def _queues(self, options: CallbackOptions) -> Iterator[Observation]:
        for attributes, quotas in self._quotas():
            for lane in quotas[0].waiting:
                longest = max(quota.waiting[lane] for quota in quotas)
                yield metrics.Observation(longest, {**attributes, **known(lane=lane)})

    def _quotas(self) -> Iterator[tuple[Attributes, list[QuotaSnapshot]]]:
        """The quotas of the keys that calls were made with, by role and server."""
        quotas: dict[tuple[Role, Server], list[QuotaSnapshot]] = {}
        for role, origin, quota in snapshots():
            if (place := (role, server_of(origin))) in self._seen:
                quotas.setdefault(place, []).append(quota)
        for (role, server), each in quotas.items():
            yield {"server.address": server.address, "server.port": server.port, **known(role=role)}, each


def _of(operation: str) -> Attributes:
    return known(operation=operation_of(operation).name)


def _tightest(quotas: list[QuotaSnapshot]) -> QuotaSnapshot:
    return min(quotas, key=lambda quota: quota.remaining)
