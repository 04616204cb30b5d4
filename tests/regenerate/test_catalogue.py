"""Nothing of the document may be missing from what the generator wrote."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("openapi_python_client", reason="needs the dependency group `regenerate`")

from regeneration.document import LostError
from regeneration.generate.catalogue import check_nothing_lost, count_models


def document(*identifiers: str, tag: str = "things") -> dict[str, Any]:
    return {
        "paths": {f"/{name}": {"get": {"operationId": name, "tags": [tag], "responses": {}}} for name in identifiers}
    }


def package(*modules: str, models: tuple[str, ...] = (), exported: tuple[str, ...] = ()) -> dict[str, bytes]:
    files = {"api/__init__.py": b"", "models/__init__.py": f"__all__ = {exported!r}".encode()}
    files |= {f"api/{module}.py": b"" for module in modules}
    return files | {f"models/{model}.py": b"" for model in models}


@pytest.mark.parametrize(
    ("tag", "folder"),
    [
        ("things", "things"),
        ("Things", "things"),
        ("the things", "the_things"),
        ("the-things", "the_things"),
        ("class", "class_"),
        ("2nd", "tag2nd"),
    ],
)
def test_every_operation_with_its_module_passes(tag: str, folder: str) -> None:
    """Folder and file are named as the generator names them, whatever the tag looks like."""
    files = package(f"{folder}/get_a", f"{folder}/import_", models=("thing",), exported=("Thing",))
    check_nothing_lost(document("getA", "import", tag=tag), files)
    assert count_models(files) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (package("things/get_a"), "2 in the document, 1 modules; see api/things/get_b.py"),
        (
            package("things/get_a", "things/get_b", "things/more"),
            "2 in the document, 3 modules; see api/things/more.py",
        ),
        (
            package("things/get_a", "things/get_b", models=("m",), exported=("M", "m_")),
            r"2 names \(M, m_\), but 1 files",
        ),
    ],
)
def test_what_has_no_file_of_its_own_is_lost(files: dict[str, bytes], message: str) -> None:
    """A module or model too few, or one that nobody asked for, is told with its path."""
    with pytest.raises(LostError, match=message):
        check_nothing_lost(document("get_a", "get_b"), files)


def test_operations_that_share_a_module_are_named() -> None:
    """Spelling that the generator does not tell apart makes one file of two operations."""
    with pytest.raises(
        LostError, match=r"list_pages \(GET /list_pages\) and listPages \(GET /listPages\) would all be"
    ):
        check_nothing_lost(document("list_pages", "listPages"), package("things/list_pages"))
