"""generated/PROVENANCE.json: what the generated package was made from, so that a difference can be traced to its cause.

No times, no paths, no host: the same inputs give the same bytes everywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from regeneration.document import dump_json
from regeneration.generate import generator
from regeneration.toolchain import FORMATTER, GENERATOR, Toolchain


def record(inputs: Mapping[str, bytes], tools: Toolchain, counts: Mapping[str, int]) -> bytes:
    """The file's content.

    Args:
        inputs: the documents that the package was made from, by path.
        tools: the versions of generator and formatter.
        counts: how many operations and models there are.
    """
    configuration = json.dumps([generator.CONFIG, generator.LINT, generator.FORMAT], sort_keys=True)
    return dump_json(
        {
            "notice": generator.NOTICE,
            "tools": {GENERATOR: tools.generator, FORMATTER: tools.formatter},
            "counts": dict(counts),
            "sha256": {
                **{name: sha256(data) for name, data in inputs.items()},
                "templates": _folder_sha256(generator.TEMPLATES),
                "configuration of generator and formatter": sha256(configuration.encode()),
            },
        }
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _folder_sha256(folder: Path) -> str:
    files = sorted(folder.glob("*.jinja"))
    return sha256("".join(f"{sha256(path.read_bytes())}  {path.name}\n" for path in files).encode())
