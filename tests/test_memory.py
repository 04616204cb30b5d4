"""A list of any length is read in the same memory."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXPORT = importlib.util.find_spec("sessions_us.pipelines") is not None


@pytest.mark.parametrize(
    "way",
    [
        "async for",
        pytest.param("export to NDJSON", marks=pytest.mark.skipif(not EXPORT, reason="there are no pipelines here")),
    ],
)
def test_ten_times_the_items_in_the_same_memory(way: str) -> None:
    """10,000 items need no more than 5 MB beyond what 1,000 need, each in a fresh process; kept, they would be 30."""
    code = "import json; from benchmarks.stream import measured; print(json.dumps(["
    code += f"measured({way!r}, 1_000).memory, measured({way!r}, 10_000).memory]))"

    program = [sys.executable, "-c", code]
    told = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True, timeout=300, cwd=ROOT)

    few, many = json.loads(told.stdout)
    assert many - few < 5, (few, many)
