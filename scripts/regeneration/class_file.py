"""The file that the generator writes a schema's class into: schemas of one file would overwrite each other."""

from __future__ import annotations

from openapi_python_client.strings import ClassName, PythonIdentifier


def class_file(name: str) -> str:
    """The module of the class of a schema; the same for names that differ only in case or marks."""
    return str(PythonIdentifier(ClassName(name, "field_"), "field_"))
