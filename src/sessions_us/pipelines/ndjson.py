"""NDJSON: one row a line."""

from __future__ import annotations

__all__ = ("NDJSONSink",)


class NDJSONSink:
    pass
