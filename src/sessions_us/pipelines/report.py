"""The report of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

__all__ = ("ExportReport", "ResourceReport", "RowIds")


@dataclass(frozen=True, slots=True)
class RowIds:
    """Rows that are reported by id.

    Attributes:
        count: number of rows.
        ids: the first ids, at most twenty.
    """

    count: int = 0
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceReport:
    """The result of one resource.

    Attributes:
        rows: rows in the sink, each once.
        added: rows that this run wrote for the first time.
        changed: rows that this run wrote again because they had changed.
        passes: number of times the list was read to its end; 0 in a quick run.
        complete: whether the last full pass, now or in an earlier run, proves that no row was missed, because all rows of
            the pass before it are still there. Otherwise rows moved until the last of five passes, and a row may have
            slipped between two pages; or the server repeated a full page (a `PagingSurprise`), and more rows may exist. What
            rows lack is in `orphaned`, `failed` and `awaited`.
        as_of: when that pass began, in UTC. The sink has at least what the server had then; a quick run adds what is new.
            None if there was no full pass yet.
        appeared: rows that appeared during the run. They are in the sink.
        gone: rows that disappeared during the run. Those that were read in time are in the sink.
        vanished: rows of earlier runs that the server no longer has. They stay in the sink unless `vanished` says otherwise.
            A quick run does not look for them.
        orphaned: rows without some children, because the server answered 404 for these and no longer lists the row, or
            because no path can hold the id.
        failed: with `on_error="skip"`, rows with children that could not be read. These are missing, or the row is as an
            earlier run wrote it. Every run, also a quick one, asks again and tells them until there is an answer.
        awaited: rows of ended sessions without takeaways or transcripts. The next runs ask again, until
            `refresh_children` has passed since the session's end.
        odd: rows that are not objects, so they are not exported.
    """

    rows: int
    added: int
    changed: int
    passes: int
    complete: bool
    as_of: datetime | None
    appeared: RowIds
    gone: RowIds
    vanished: RowIds
    orphaned: RowIds
    failed: RowIds
    awaited: RowIds
    odd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """The report of an export.

    Attributes:
        resources: reports by the name of the resource.
        requests: what the run cost: the requests of this process, without retries.
        resumed: whether an interrupted run was resumed. It ended after a full pass that began in this process.
        quick: whether the lists were read only as far as their first page of known, unchanged rows.
    """

    resources: Mapping[str, ResourceReport]
    requests: int
    resumed: bool
    quick: bool
