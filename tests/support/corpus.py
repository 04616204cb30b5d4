"""What was found once and must be tried for ever: `tests/corpus/*.json`, lists of inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ("FOLDER", "corpus")

FOLDER = Path(__file__).parents[1] / "corpus"


def corpus(name: str) -> list[Any]:
    """The inputs of one kind."""
    found: list[Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found
