"""A list of any length is read in the same memory."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

STREAM = Path(__file__).parents[1] / "benchmarks" / "stream.py"
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
    code = f"import sys; sys.path.insert(0, {str(STREAM.parent)!r}); import json, stream; print(json.dumps(["
    code += f"stream.measure({way!r}, 1_000)[0], stream.measure({way!r}, 10_000)[0]]))"

    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=300)

    few, many = json.loads(told.stdout)
    assert many - few < 5, (few, many)
