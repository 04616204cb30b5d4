"""Export into DuckDB, PostgreSQL and every other database that dlt can merge into."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ConfigFieldMissingException, InvalidNativeValue, LookupTraces
from dlt.common.destination import Destination
from dlt.common.destination.client import DestinationClientDwhConfiguration
from dlt.common.destination.exceptions import (
    DestinationTerminalException,
    DestinationUndefinedEntity,
    InvalidDestinationReference,
    SqlClientNotAvailable,
    UnknownDestinationModule,
)
from dlt.common.exceptions import MissingDependencyException
from dlt.common.pipeline import PipelineContext
from dlt.pipeline.exceptions import PipelineStepFailed

from ..errors import ConfigurationError, ExportError
from .dlt_tables import NESTING, identified, table_of
from .schema import columns
from .sink import Row
from .unknown import unknown

if TYPE_CHECKING:
    from dlt.extract import DltResource

__all__ = ("DltSink",)

_SCHEMES: Final[Mapping[str, str]] = {"postgresql": "postgres"}
"""URL schemes that differ from dlt's name of the destination."""

_TELEMETRY: Final = "RUNTIME__DLTHUB_TELEMETRY"

_REPLACE: Final = "delete-insert"
"""How rows are merged: rows with the same ids are deleted, with their child rows, and the new rows are inserted."""

_TORN: Final = re.compile(r":\*\*\*@[^/]*@")
"""A place whose password contains `@`. dlt ends the password there and would show the rest as a host."""

_LOCKED: Final = re.compile(r'Could not set lock on file "[^"]*": (?:Conflicting lock is held in (.+?)\. )?')
_SHARED: Final = "Can't open a connection to same database file with a different configuration"
"""How DuckDB says that another process, or this one, has the file open, if only to read."""

_NOTHING: Final = "nothing"
"""The checkpoint before anything was loaded."""

_ERASED: Final = "_erased"
"""The column that makes dlt delete the rows with the same ids. Rows that stay have no value in it."""


class DltSink:
    """Merges rows into the tables of a database by id, with each commit.

    A commit is one load of dlt. It replaces the rows with the same ids, together with the rows of their lists
    (`sessions__participants`), so a row that is written twice is stored once. Between commits, rows are in memory. Each sink
    has a new working directory for dlt, so a killed process leaves nothing that affects the next one; the schema is read
    from the database.

    dlt sends telemetry unless it is turned off. This sink turns it off unless `RUNTIME__DLTHUB_TELEMETRY` is set.

    Args:
        destination: a URL such as `duckdb:///data/sessions.duckdb` or `postgresql://user@host/database`, a destination of
            dlt such as `dlt.destinations.bigquery()`, or the name of one in dlt's configuration.
        dataset: the schema of the database that has the tables. In DuckDB it can't have the name of the file without its
            suffix, because DuckDB names the database so.
        pipeline_name: the name of dlt's own records in the database.
        pipelines_dir: the directory to work in; None is the system's directory for temporary files.

    Raises:
        ConfigurationError: there is no such destination, a setting or a library is missing, the dataset has the name of
            DuckDB's file, or the destination can't replace rows. Files, for instance, can only be appended to.
    """

    is_whole: bool = False
    # A load takes a second or two, however little it brings.
    rows_per_commit: int = 1_000
    seconds_per_commit: float = 60.0

    def __init__(
        self,
        destination: str | Destination[Any, Any],  # `Any`: dlt has it invariant, so that nothing else fits all of them
        *,
        dataset: str = "sessions_us",
        pipeline_name: str = "sessions_us_export",
        pipelines_dir: str | Path | None = None,
    ) -> None:
        os.environ.setdefault(_TELEMETRY, "false")
        self._destination, self._location = _destination(destination, dataset)
        self._dataset = dataset
        self._pipeline_name = pipeline_name
        self._parent = None if pipelines_dir is None else Path(pipelines_dir)
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}
        self._checkpoint = _NOTHING
        self._work: tempfile.TemporaryDirectory[str] | None = None
        self._pipeline: dlt.Pipeline | None = None

    @property
    def _file(self) -> Path | None:
        """The file of the database; None if that is not known."""
        found = Path(self._location.partition(":///")[2].partition("?")[0])
        return found.absolute() if found.is_file() else None

    @property
    def identity(self) -> str:
        """The dataset and its database."""
        return f"dlt {self._location} {self._dataset}"

    def open(self, checkpoint: str | None, resources: Sequence[str]) -> bool:
        """Connect to the database.

        Returns:
            Whether it has the load that `checkpoint` names.

        Raises:
            ExportError: the database can't be reached, is open elsewhere, or has rows that the state knows nothing of.
        """
        self.close()
        pipeline = self._begin()
        try:
            known = _has_load(pipeline, checkpoint or _NOTHING) or checkpoint in {None, "", _NOTHING}
            filled = (
                next((name for name in resources if _has_rows(pipeline, name)), None) if checkpoint is None else None
            )
        except Exception as error:  # of dlt's, or of a driver of its
            self.close()
            raise self._explained(error, "can't be reached") from error
        if filled is not None:
            self.close()
            raise unknown(f"{self._location} has the table {self._dataset}.{filled}", self._file, self.identity)
        self._checkpoint = (checkpoint or _NOTHING) if known else _NOTHING
        return known

    def write(self, resource: str, rows: Iterable[Row], erased: Sequence[str] = ()) -> None:
        """Add rows to the next commit. A row replaces an earlier one with its id."""
        for row in map(identified, rows):
            self._rows.setdefault(resource, {})[row["id"]] = row
        for name in erased:
            self._rows.setdefault(resource, {})[name] = {"id": name, _ERASED: True}

    def commit(self) -> str:
        """Load the rows.

        Returns:
            The checkpoint of this commit: the id of dlt's load.

        Raises:
            ExportError: the database refused the rows. They are kept for another try.
        """
        if self._pipeline is None:
            raise RuntimeError("the sink is not open")
        if not self._rows:
            return self._checkpoint
        try:
            with _quiet():
                loaded = self._pipeline.run([_resource(name, list(rows.values())) for name, rows in self._rows.items()])
        except PipelineStepFailed as error:
            self._begin()  # dlt keeps a load that failed, and would load that and nothing else the next time
            raise self._explained(error, "did not take the rows") from error
        self._checkpoint = loaded.loads_ids[-1]
        self._rows.clear()
        return self._checkpoint

    def close(self) -> None:
        """Drop uncommitted rows, and remove the working directory. A second call does nothing."""
        self._rows.clear()
        self._end()

    def _explained(self, error: BaseException, problem: str) -> ExportError:
        """Return an error of dlt or of a driver as one that names a remedy."""
        reason = _reason(error)
        holder = _holder(reason)
        if holder is not None:
            return ExportError(f"{self._location} is open in {holder}: close it there, and run the same export again")
        return ExportError(f"{self._location} {problem}: {reason}. Put that right and run the same export again")

    def _begin(self) -> dlt.Pipeline:
        self._end()
        if self._parent is not None:
            self._parent.mkdir(parents=True, exist_ok=True)
        self._work = tempfile.TemporaryDirectory(
            prefix="sessions-us-dlt-", dir=self._parent, ignore_cleanup_errors=True
        )
        self._pipeline = dlt.pipeline(
            pipeline_name=self._pipeline_name,
            pipelines_dir=self._work.name,
            destination=self._destination,
            dataset_name=self._dataset,
        )
        return self._pipeline

    def _end(self) -> None:
        active = Container()[PipelineContext]  # of this thread; another one may have a pipeline of its own
        if active.is_active() and active.pipeline() is self._pipeline:
            active.deactivate()
        self._pipeline = None
        if self._work is not None:
            self._work.cleanup()
            self._work = None


def _destination(given: str | Destination[Any, Any], dataset: str) -> tuple[Destination[Any, Any], str]:
    """Return the destination, and its place without a password.

    Raises:
        ConfigurationError: there is no such destination, a setting or a library is missing, or it can't replace rows.
    """
    scheme, separator, _ = given.partition("://") if isinstance(given, str) else ("", "", "")
    name = _SCHEMES.get(scheme, scheme) if separator else given
    try:
        found = Destination.from_reference(name, credentials=given if separator else None)
        if found is None:
            raise InvalidDestinationReference(name)
        settings = found.spec()
        if isinstance(settings, DestinationClientDwhConfiguration):
            settings._bind_dataset_name(dataset)  # noqa: SLF001  # dlt has no other name for it, and documents this one
        configuration = found.configuration(settings)
        location = str(configuration)
    except (InvalidDestinationReference, UnknownDestinationModule):
        problem = f"dlt knows no destination {name!r}: give a URL such as duckdb:///sessions.duckdb"
    except ImportError as error:
        problem = f"the destination {name!r} needs {error.name or 'a driver'}, which is not installed"
    except ConfigFieldMissingException as error:
        lacking = ", ".join(dict.fromkeys(_missing(error.traces)))
        problem = f"the destination {name!r} lacks {lacking}: give a whole URL, or see dlt's documentation"
    except DestinationTerminalException as error:  # such as that of DuckDB in memory
        problem = (
            f"the destination {name!r} can't be used: {_reason(error)}; give a URL such as duckdb:///sessions.duckdb"
        )
    except InvalidNativeValue:
        problem = f"the URL of the destination {name!r} can't be used: look at its host and port"
    else:
        refusal = _refusal(found, configuration, dataset)
        if refusal is None:
            return found, location
        problem = refusal
    raise ConfigurationError(problem)


def _refusal(found: Destination[Any, Any], configuration: Any, dataset: str) -> str | None:
    """Return why a destination that can be reached is no place for rows; None if it is one."""
    location, name = str(configuration), found.destination_name
    if _TORN.search(location):
        return f"the URL of the destination {name!r} can't be used: write an @ in a password as %40"
    if _catalog(configuration) == dataset.casefold():
        return (
            f"DuckDB can't tell the file {location} from its dataset {dataset!r}, because both have one name: give the "
            "file another name, or DltSink another dataset"
        )
    if _REPLACE not in (found.capabilities().supported_merge_strategies or ()):
        return (
            f"{name} can't replace rows, so an export that goes on would write some twice: give a database, such as "
            "duckdb:///sessions.duckdb"
        )
    return None


def _catalog(configuration: Any) -> str | None:
    """Return the name of DuckDB's database, which is that of its file up to the first dot; None for other destinations."""
    if configuration.destination_type.rpartition(".")[2] != "duckdb":
        return None
    return Path(str(configuration.credentials.database)).name.partition(".")[0].casefold()


def _missing(traces: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Return the settings that dlt did not find."""
    for name, tried in traces.items():
        inner = [each.traces for each in tried if isinstance(each, LookupTraces)]
        yield from (setting for each in inner for setting in _missing(each)) if inner else (name,)


def _has_load(pipeline: dlt.Pipeline, load_id: str) -> bool:
    """Return whether a load is in the database; True if the destination has no query."""
    try:
        with pipeline.sql_client() as client:
            table = client.make_qualified_table_name("_dlt_loads")
            return bool(client.execute_sql(f"SELECT load_id FROM {table} WHERE load_id = %s", load_id))  # noqa: S608
    except DestinationUndefinedEntity:
        return False
    except SqlClientNotAvailable:
        return True


def _has_rows(pipeline: dlt.Pipeline, resource: str) -> bool:
    """Return whether a table has rows; False if there is none, or the destination has no query."""
    try:
        with pipeline.sql_client() as client:
            table = client.make_qualified_table_name(resource)
            return bool(client.execute_sql(f"SELECT 1 FROM {table} LIMIT 1"))  # noqa: S608
    except (DestinationUndefinedEntity, SqlClientNotAvailable):
        return False


def _reason(error: BaseException) -> str:
    """Return the first line of the root cause, without dlt's long wrapping errors."""
    while (cause := getattr(error, "inner_exc", error.__cause__)) is not None:  # dlt's name for the cause of some
        error = cause
    if isinstance(error, MissingDependencyException):
        return f"{' and '.join(error.dependencies)} is not installed"
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _holder(reason: str) -> str | None:
    """Return who has the file of the database open, if DuckDB gives that as its reason."""
    if _SHARED in reason:
        return "this process"
    locked = _LOCKED.search(reason)
    return (locked[1] or "another process") if locked else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence dlt, which logs a failure to stderr several times besides raising it."""
    log = logging.getLogger("dlt")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _resource(name: str, rows: list[dict[str, Any]]) -> DltResource:
    table = table_of(columns(name))
    if any(_ERASED in row for row in rows):
        table.columns[_ERASED] = {"data_type": "bool", "hard_delete": True}
    resource: DltResource = dlt.resource(
        rows,
        name=name,
        write_disposition={"disposition": "merge", "strategy": _REPLACE},
        primary_key="id",
        columns=table.columns,
        nested_hints=table.nested_hints,
        max_table_nesting=NESTING,
    )
    return resource
