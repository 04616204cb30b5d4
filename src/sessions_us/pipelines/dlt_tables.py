"""The tables of a dlt load: the columns of `schema` in dlt's terms, and rows that dlt can load without loss.

An object inside a row becomes columns (`room__slug`), a list a table of its own (`sessions__participants`), as is usual for
dlt. Values without a documented shape, such as the nodes of rich text, are one column of JSON. So is a list in an inner
object, because dlt has no hints for such a table. dlt adds undocumented fields as they appear, and stores a value that its
column can't hold in a column beside it (`start_at__v_text`). If dlt would give two fields of an object the same column, such
as `name` and `NAME`, the documented one, or else the first, has the column; the others are JSON text in the column
`additional_properties`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen
from dlt.common.normalizers.naming.snake_case import NamingConvention

from .._calls.decoding import is_deep
from .plan import RESOURCES
from .rows import as_json, digest_of, finite, key_of
from .schema import EXTRA, Column, columns

if TYPE_CHECKING:
    from dlt.common.data_types.typing import TDataType
    from dlt.common.schema.typing import TColumnSchema
    from dlt.extract.hints import TResourceNestedHints

__all__ = ("NESTING", "Table", "identified", "loadable", "table_of")

NESTING: Final = 2
"""The depth down to which lists inside lists become tables; deeper lists are JSON. The document goes down to
`sessions__transcripts__content`. The limit bounds the tables of undocumented fields."""

_TYPES: Final[Mapping[str, TDataType]] = {
    "text": "text",
    "boolean": "bool",
    "integer": "bigint",
    "number": "double",
    "timestamp": "timestamp",
    "date": "date",
    "json": "json",
}


@frozen
class Table:
    """A table and the tables of its lists.

    Attributes:
        columns: columns by the names of fields; names of inner objects are joined by two underscores.
        nested: the columns of the tables of lists, by path inside a row.
    """

    columns: dict[str, TColumnSchema] = field(factory=dict)
    nested: dict[tuple[str, ...], dict[str, TColumnSchema]] = field(factory=dict)

    @property
    def nested_hints(self) -> dict[Any, TResourceNestedHints]:
        """`nested` as hints for dlt. The keys are `Any` because no other type fits both dlt's paths and these."""
        return {path: {"columns": columns} for path, columns in self.nested.items()}


def table_of(fields: Iterable[Column]) -> Table:
    """Return the table of rows with these columns."""
    table = Table()
    _add(table, table.columns, (), (), fields)
    return table


def _add(
    table: Table,
    known: dict[str, TColumnSchema],
    place: tuple[str, ...],
    within: tuple[str, ...],
    fields: Iterable[Column],
) -> None:
    """Add columns to a table.

    Args:
        table: receives the tables of lists.
        known: the columns of the table at `place`.
        place: the path of that table inside a row.
        within: the path of the object inside that table that has the columns.
        fields: the columns to add.
    """
    for column in fields:
        path = (*within, column.name)
        if column.name == EXTRA:
            continue  # dlt keeps what is unknown as columns
        if column.kind == "object":
            _add(table, known, place, path, column.fields)
        elif column.kind == "list" and column.item is not None and not within:
            inside = table.nested[place + path] = {}
            items = column.item.fields if column.item.kind == "object" else (Column("value", column.item.kind),)
            _add(table, inside, place + path, (), items)
        else:
            name = "__".join(path)
            known[name] = {"name": name, "data_type": _TYPES.get(column.kind, "json")}


def loadable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row that dlt can load. Values that a database can't hold become text: a NUL, half a surrogate pair, an
    integer beyond 64 bits, an infinite number. So does, as JSON, a field that is nested deeper than dlt supports."""
    clean: dict[str, Any] = _loadable({name: as_json(item) if is_deep(item) else item for name, item in row.items()})
    return clean


def identified(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with an `id`, by which tables are merged: a digest of the row if the server sent none."""
    return loadable({**row, "id": key_of(row) or f"without id: {digest_of(row).hex()}"})


def _loadable(value: Any) -> Any:
    match value:
        case dict():
            # In a table null and absent are the same; but dlt would make a column for the null of an inner object.
            fields = {_loadable(name): _loadable(item) for name, item in value.items() if item is not None}
            taken = {*map(_column_of, fields)}
            return fields if len(taken) == len(fields) and EXTRA not in taken else _apart(fields)
        case list():
            return [_loadable(item) for item in value]
        case str():
            return value.replace("\0", "\\u0000").encode(errors="backslashreplace").decode()
        case int() if not -(2**63) <= value < 2**63:
            return str(value)
        case float():
            return finite(value)
        case _:
            return value


def _apart(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an object without fields whose column another field has: these are added to `additional_properties`."""
    first: dict[str, str] = {}
    for name in sorted(fields, key=lambda name: name not in _documented()):
        first.setdefault(_column_of(name), name)
    kept = {name: fields[name] for name in fields if first[_column_of(name)] == name and _column_of(name) != EXTRA}
    return {**kept, EXTRA: as_json({name: item for name, item in fields.items() if name not in kept})}


@lru_cache(1_000)  # a server may send any number of names
def _column_of(name: str) -> str:
    """Return the column that dlt's usual naming convention, the strictest one, makes of a field; it has none for a blank."""
    return _NAMING.normalize_identifier(name) if name.strip() else EXTRA


_NAMING: Final = NamingConvention()


@cache
def _documented() -> frozenset[str]:
    """Return every wire name of the document."""

    def names(of: Iterable[Column]) -> Iterator[str]:
        for column in of:
            yield column.name
            yield from names(column.fields if column.item is None else column.item.fields)

    return frozenset(name for resource in RESOURCES for name in names(columns(resource)))
