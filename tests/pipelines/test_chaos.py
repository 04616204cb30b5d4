"""A few kills of the many that `nox -s chaos` makes."""

from __future__ import annotations

import sys

import pytest
from pipelines import chaos
from support.further import further

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")]


@pytest.mark.parametrize("kind", ["ndjson", *further("parquet")])
async def test_a_killed_export_loses_and_doubles_nothing(kind, tmp_path):
    """Killed five times in two rounds, while sessions come and go: each row is there once, as it is on the server."""
    outcome = await chaos.run(kind, kills=5, sessions=40, seed=11, place=tmp_path, quota="200/1s", longest=1.0)

    assert outcome.kills == 5
    assert outcome.rows >= 40
    assert outcome.is_good, outcome
