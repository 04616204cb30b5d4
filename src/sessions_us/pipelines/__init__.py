"""Export everything that a key can read into files and databases, with jobs that survive any crash.

    report = await export(user, ["sessions"], NDJSONSink("sessions.ndjson"), state="sessions.state")

NDJSON needs nothing beyond the core; Parquet and dlt need the extra `pipelines`. The names are loaded on first use, so that
an unused library is not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import loader

if TYPE_CHECKING:
    from .dlt_sink import DltSink
    from .export import export
    from .ndjson import NDJSONSink
    from .parquet import ParquetSink
    from .plan import RESOURCES, Child, Resource
    from .report import ExportReport, ResourceReport, RowIds
    from .schema import Column, columns
    from .sink import Sink
    from .source import sessions_source

__all__ = (
    "RESOURCES",
    "Child",
    "Column",
    "DltSink",
    "ExportReport",
    "NDJSONSink",
    "ParquetSink",
    "Resource",
    "ResourceReport",
    "RowIds",
    "Sink",
    "columns",
    "export",
    "sessions_source",
)

_HOMES = {
    "dlt_sink": ("DltSink",),
    "export": ("export",),
    "ndjson": ("NDJSONSink",),
    "parquet": ("ParquetSink",),
    "plan": ("RESOURCES", "Child", "Resource"),
    "report": ("ExportReport", "ResourceReport", "RowIds"),
    "schema": ("Column", "columns"),
    "sink": ("Sink",),
    "source": ("sessions_source",),
}


if not TYPE_CHECKING:  # so that a type checker refuses names that are not there
    __getattr__ = loader(__name__, _HOMES, needs=("dlt", "pyarrow"), extra="pipelines")
