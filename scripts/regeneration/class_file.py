"""The file that the generator writes a schema's class into: schemas of one file would overwrite each other."""

from __future__ import annotations

from collections.abc import Iterable

from openapi_python_client.strings import ClassName, PythonIdentifier


def class_file(name: str) -> str:
    """The module of the class of a schema; the same for names that differ only in case or marks."""
    return str(PythonIdentifier(ClassName(name, "field_"), "field_"))


def free(wanted: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it as long as its class would be written over that of another."""
    files = {class_file(name) for name in taken}
    name, number = wanted, 2
    while class_file(name) in files:
        name, number = f"{wanted}{number}", number + 1
    return name
