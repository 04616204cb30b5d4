"""Parquet."""

from __future__ import annotations

__all__ = ("ParquetSink",)


class ParquetSink:
    pass
