"""Pipelines: everything that a key can read, exported into files and databases by jobs that survive any crash.

    report = await export(user, ["sessions"], NDJSONSink("sessions.ndjson"), state="sessions.state")

NDJSON needs nothing beyond the core; Parquet and dlt need the extra `pipelines`. The names are loaded on first use, so that
nobody pays for a library that is not used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dlt_sink import DltSink
    from .export import export
    from .ndjson import NDJSONSink
    from .parquet import ParquetSink
    from .plan import RESOURCES, Child, Resource
    from .report import ExportReport, ResourceReport, Told
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
    "Sink",
    "Told",
    "columns",
    "export",
    "sessions_source",
)

_HOMES = {
    "RESOURCES": "plan",
    "Child": "plan",
    "Column": "schema",
    "DltSink": "dlt_sink",
    "ExportReport": "report",
    "NDJSONSink": "ndjson",
    "ParquetSink": "parquet",
    "Resource": "plan",
    "ResourceReport": "report",
    "Sink": "sink",
    "Told": "report",
    "columns": "schema",
    "export": "export",
    "sessions_source": "source",
}
_NEEDED = ("dlt", "pyarrow")


if not TYPE_CHECKING:  # so that a type checker refuses names that are not there

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _NEEDED:
                raise
            message = f"sessions_us.pipelines.{name} needs {missing}: pip install 'sessions-us[pipelines]'"
            raise ImportError(message, name=__name__) from None
        globals()[name] = value  # the module of the same name would take its place otherwise
        return value
