"""What an export tells at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ("ExportReport", "ResourceReport", "Told")


@dataclass(frozen=True, slots=True)
class Told:
    """Rows worth naming.

    Attributes:
        count: how many.
        ids: the first of them, at most twenty.
    """

    count: int = 0
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceReport:
    """What became of one resource.

    Attributes:
        rows: in the sink now, each once.
        added: rows that this run wrote for the first time.
        changed: rows that this run wrote anew, because they had changed.
        passes: how often the list was read to its end.
        complete: whether the last pass proves that none was missed: what the pass before it saw is still there. Otherwise the
            list kept moving until the last of five passes, and a row may have slipped between two pages; or the server gave
            the same full page again (a `PagingSurprise`), so that there may be more rows than it shows.
        appeared: rows that were not there when the run began; they are in the sink.
        gone: rows that went away while the run lasted; those that were read in time are in the sink.
        vanished: rows of earlier runs that the server does not have any more; they stay in the sink.
        orphaned: rows whose children answered 404, so that these are missing.
        failed: rows of which something could not be read, with `on_error="skip"`: that is missing, or the row is as an earlier
            run wrote it. The next run asks for it again.
        odd: rows that are no objects, so that there is nothing to export.
    """

    rows: int
    added: int
    changed: int
    passes: int
    complete: bool
    appeared: Told
    gone: Told
    vanished: Told
    orphaned: Told
    failed: Told
    odd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export did.

    Attributes:
        resources: by name.
        requests: what it asked for in this process, without retries.
        resumed: whether it went on with a run that had been stopped.
    """

    resources: Mapping[str, ResourceReport]
    requests: int
    resumed: bool
