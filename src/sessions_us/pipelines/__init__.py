"""Export everything that a key can read into files and databases, with jobs that survive any crash.

    report = await export(user, ["sessions"], NDJSONSink("sessions.ndjson"), state="sessions.state")

NDJSON needs nothing beyond the core; Parquet and dlt need the extra `pipelines`. The names are loaded on first use, so that
an unused library is not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import loader

if TYPE_CHECKING:
    from .dlt_sink import DltSink as DltSink
    from .export import export as export
    from .ndjson import NDJSONSink as NDJSONSink
    from .notices import note_webhook as note_webhook
    from .parquet import ParquetSink as ParquetSink
    from .plan import RESOURCES as RESOURCES
    from .plan import Child as Child
    from .plan import Resource as Resource
    from .report import ExportReport as ExportReport
    from .report import ResourceReport as ResourceReport
    from .report import RowIds as RowIds
    from .schema import Column as Column
    from .schema import columns as columns
    from .sink import Sink as Sink
    from .source import sessions_source as sessions_source

else:  # a type checker refuses names that are not there
    __getattr__ = loader(
        __name__,
        {
            "dlt_sink": ("DltSink",),
            "export": ("export",),
            "ndjson": ("NDJSONSink",),
            "notices": ("note_webhook",),
            "parquet": ("ParquetSink",),
            "plan": ("RESOURCES", "Child", "Resource"),
            "report": ("ExportReport", "ResourceReport", "RowIds"),
            "schema": ("Column", "columns"),
            "sink": ("Sink",),
            "source": ("sessions_source",),
        },
        needs=("dlt", "pyarrow"),
        extra="pipelines",
    )
