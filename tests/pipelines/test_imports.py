"""What the package loads, and what it says where something is missing: seen in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sessions_us.pipelines


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_ndjson_needs_nothing_beyond_the_core():
    """Neither pyarrow nor dlt is loaded, nor anything else that is optional."""
    loaded = run(
        "import sys\nfrom sessions_us.pipelines import NDJSONSink, RESOURCES, columns, export\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    ).split()

    assert "sessions_us" in loaded
    assert not {"pyarrow", "dlt", "duckdb", "typer", "starlette", "pandas", "numpy"} & set(loaded)


def test_a_missing_extra_is_one_line():
    """It says which, and how to get it."""
    said = run("import sys; sys.modules['pyarrow'] = None\nfrom sessions_us.pipelines import ParquetSink")

    assert said.splitlines()[-1] == (
        "ImportError: sessions_us.pipelines.ParquetSink needs pyarrow: pip install 'sessions-us[pipelines]'"
    )


def test_every_public_name_is_there():
    """`__all__` and what can be imported agree, and a wrong name says so."""
    assert [name for name in sessions_us.pipelines.__all__ if not hasattr(sessions_us.pipelines, name)] == []
    with pytest.raises(AttributeError, match="exports"):
        _ = sessions_us.pipelines.exports
    assert callable(sessions_us.pipelines.export)  # and not the module of that name
