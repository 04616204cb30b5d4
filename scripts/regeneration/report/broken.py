"""Methods of the client that do not work with a document: why, and what to do about it, one line for each reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from regeneration.drive.calls import METHODS

_OVERLAY: Final = "spec/overlay.yaml"
#: How a reason begins; how it is told; what to do. The first that fits counts.
_CURES: Final = (
    (
        r"the document has no ([A-Z]+) \S+, only (.+)",
        r"the document has no \1 there, only \2",
        f"if another method is meant, let an action of {_OVERLAY} (x-optional: true) give it the operationId",
    ),
    (
        r"the document has no path .*, but has it (.*)",
        r"the document has it \1",
        f"if the document is right, {_OVERLAY} and spec/reconstructed.json have to say so; if its servers or paths are "
        "wrong, --accept takes it in",
    ),
    (
        r"the document has no path .*",
        "the document has no such path",
        f"if it is elsewhere, let an action of {_OVERLAY} (x-optional: true) give the operationId to it",
    ),
    (r"(the document wants the key as .*)", r"\1", "the key is put on in src/sessions_us/_send/adapters.py"),
    (
        r"(the query parameter \S+ is required)",
        r"\1",
        f"of a page, say `base` in x-pagination ({_OVERLAY}); else callers pass it by with_options(query=…)",
    ),
    (r"(the (?:header|cookie) parameter \S+ is required)", r"\1", "callers pass it by with_options(headers=…)"),
    (
        r"(the body: .* is a required property)",
        r"\1",
        "callers pass it in `extra`, until the method has an argument for it; where the server refuses the field that it "
        "replaces, they use `client.request`",
    ),
    (r"(the document answers .*)", r"\1", f"correct the answer in {_OVERLAY}, if JSON comes all the same"),
    (r"(the body has to be .*)", r"\1", "bodies are written in src/sessions_us/_calls"),
    (r"(the body: .*)", r"\1", "the method sends what the document refuses; correct either"),
    (
        r"TypeError: \S+ (needs a page|is not paginated)(.*)",
        r"\1\2",
        f"say in x-pagination of {_OVERLAY} how pages are counted",
    ),
    (
        r"UnmetError: (lists \d+ of \d+ rows)",
        r"\1",
        f"say in x-pagination of {_OVERLAY} how pages are counted; what it has no word for belongs in "
        "src/sessions_us/_calls/page_source.py",
    ),
    (
        r"DecodeError: .*understood: (.*)",
        r"its answer is not understood: \1",
        f"say x-envelope on the operation ({_OVERLAY}), or correct the schema there",
    ),
    (r"UnmetError: (.*)", r"it \1", f"correct the schema of its answer in {_OVERLAY}"),
    (r"(.*)", r"\1", f"correct the document in {_OVERLAY}, or the method"),
)


def explained(broken: Mapping[str, str], client: Path) -> Iterator[str]:
    """One line for each reason, with the methods that it breaks, the most of them first."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for operation, why in broken.items():
        reasons.setdefault(_told(why), []).append(operation)
    for (why, cure), operations in sorted(reasons.items(), key=lambda entry: -len(entry[1])):
        yield f"{_named(operations)}: {why}. {cure[:1].upper()}{cure[1:]}. See {_place(client, operations[0])}"


def _told(why: str) -> tuple[str, str]:
    for pattern, words, cure in _CURES:
        match = re.fullmatch(pattern, why, re.DOTALL)
        if match:
            return match.expand(words), cure
    return why, ""


def _named(operations: list[str]) -> str:
    names = [METHODS[operation] for operation in operations]
    if len(names) == len(METHODS):
        return f"all {len(names)} methods"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def _place(client: Path, operation: str) -> str:
    """The line of the client that calls an operation."""
    for path in sorted((client / "sessions_us" / "resources").glob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(rf"\bapi\.{operation}\b", line):
                return f"{client.name}/{path.relative_to(client)}, line {number}"
    return f"{client.name}/sessions_us/resources"
