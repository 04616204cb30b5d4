"""Cases that prove what a cheaper one proves already: `nox -s eager` runs them, `nox -s tests` does not."""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ("further",)


def further(*cases: Any) -> list[Any]:
    """Parameters of a test that are further cases; of several arguments each case is a tuple."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.further) for case in cases]
