"""A service that operators can watch: metrics for Prometheus, a trace of each call, health and quota as JSON.

    uvicorn --no-access-log --app-dir examples/operations app:app

Keys come from SESSIONS_USER_KEY and SESSIONS_GUEST_KEY; README.md says what else there is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sessions_us.fastapi import UserDep, install_error_handlers, quota_router, sessions_lifespan
from sessions_us.telemetry import instrument, uninstrument

SERVICE = Resource.create({SERVICE_NAME: "rooms"})


@asynccontextmanager
async def watched(app: FastAPI) -> AsyncIterator[None]:
    """Trace and measure all clients of the process while the service runs."""
    tracers, meters = TracerProvider(resource=SERVICE), MeterProvider([PrometheusMetricReader()], resource=SERVICE)
    # OTLPSpanExporter() of opentelemetry-exporter-otlp in place of the console sends them to a collector.
    tracers.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
    instrument(tracers, meters)
    yield
    uninstrument()
    tracers.shutdown()
    meters.shutdown()


app = FastAPI(lifespan=sessions_lifespan(lifespan=watched, max_wait=30, cache_ttl=5))
install_error_handlers(app)
app.include_router(quota_router())


@app.get("/rooms/{room_id}")
async def room(room_id: str, user: UserDep) -> dict[str, str | None]:
    """Show a room."""
    return {"name": (await user.rooms.get(room_id)).name}


@app.get("/metrics")
async def metrics() -> Response:
    """Tell Prometheus. Where the service is public, a proxy keeps others out of here and of /quota."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
