"""Takes the picture of the demo that the README shows: its first lines on a terminal, as SVG.

python tests/pictures/demo.py
"""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sessions_us.cli.demo.show import play
from sessions_us.sandbox import Sandbox

TO = Path(__file__).parents[2] / "docs" / "pictures" / "demo.svg"
COLUMNS, LINES = 84, 31


async def recorded() -> str:
    """What the demo prints on a terminal, with its colours."""
    console = Console(file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True, highlight=False)
    async with Sandbox(limit=10, window=3.0) as sandbox:
        await play(sandbox, console, window=3.0, limit=10)
    return console.export_text(styles=True)


def main() -> None:
    shown = Console(file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True)
    for line in asyncio.run(recorded()).splitlines()[:LINES]:
        shown.print(Text.from_ansi(line.rstrip()), crop=True, no_wrap=True)
    picture = shown.export_svg(title="sessions-us demo", unique_id="demo")
    # No font is fetched from elsewhere: the reader's own monospace will do.
    picture = re.sub(r"@font-face \{.*?\}\n?", "", picture, flags=re.DOTALL)
    TO.write_text(picture.replace("Fira Code", "ui-monospace"), "utf-8")


if __name__ == "__main__":
    main()
