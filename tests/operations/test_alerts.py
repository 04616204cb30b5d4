"""examples/operations/alerts.yml: what goes off, and what does not, as Prometheus's own tool computes it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus (Debian, Ubuntu)"
)
def test_what_goes_off() -> None:
    """The cases of alerts_test.yml: failures of every kind, however many refusals there are, and counters that appear."""
    cases = Path(__file__).with_name("alerts_test.yml")
    ran = subprocess.run(["promtool", "test", "rules", str(cases)], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
