"""One rule for what names a row."""

from __future__ import annotations

from collections import UserDict

import pytest

from sessions_us._calls.row_id import row_id


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"id": "r1"}, "r1"),
        ({"id": 7}, "7"),
        ({"id": 0}, "0"),
        (UserDict(id="r1"), "r1"),
        ({"id": ""}, None),
        ({"id": None}, None),
        ({"id": True}, None),
        ({"id": 1.5}, None),
        ({"id": ["r1"]}, None),
        ({}, None),
        ("r1", None),
        (None, None),
    ],
)
def test_a_string_or_a_whole_number_names_a_row(row: object, name: str | None) -> None:
    """Nothing else does: two rows with an empty id are two rows."""
    assert row_id(row) == name
