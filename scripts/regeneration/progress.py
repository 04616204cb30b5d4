"""What is being done, told on stderr while it takes long."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Self

_EVERY = 10.0


class ProgressLines:
    """Call it with the step that begins; every ten seconds that it lasts, a line says so."""

    def __init__(self) -> None:
        self._step, self._over = "", threading.Event()

    def __call__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            if self._step:
                print(f"regenerate: {self._step} …", file=sys.stderr, flush=True)
