"""From the inputs to what regeneration gives: the steps in their order, and nothing put in place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from regeneration import provenance, toolchain, tree
from regeneration.document import Document, InputError, dump_json, parse_json, read_bytes, routes
from regeneration.report.render import ChangeReport

if TYPE_CHECKING:
    from regeneration.repair.mending import Mended

# Modules that import a tool are imported where they are used, after toolchain.find: a missing tool is then one line.

UPSTREAM, ORIGIN, OVERLAY, OPENAPI = (
    f"spec/{name}" for name in ("upstream.json", "upstream.toml", "overlay.yaml", "openapi.json")
)
#: What our code was written with. A pulled document is filled from it where it leaves something out.
RECONSTRUCTED = "spec/reconstructed.json"
CLIENT = "src"
#: Seconds for everything that is made of a document once it is there, but for the drive, which has a bound of its own.
_PATIENCE = 300.0

#: What is told of something taken out that may be asked of what is sent.
_SENT = re.compile(r"\b(?:parameters|requestBody|components)/.*: left out \(")

Inputs = Mapping[str, bytes]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Regenerated:
    """What regeneration gives.

    Attributes:
        files: by path.
        counts: of operations and models.
        notes: what whoever regenerates should know, one sentence each.
        published: the document as published, sound and spelled like ours, before the overlay.
        document: what the package was generated from.
        mended: a pulled document, sound.
        report: of a pull or a drive.
    """

    files: Mapping[str, bytes]
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    published: Document
    document: Document
    mended: Mended | None = None
    report: ChangeReport | None = None


def load(root: Path) -> dict[str, bytes]:
    """The committed inputs, by path; the upstream document must be the one that upstream.toml describes."""
    present = [RECONSTRUCTED] if (root / RECONSTRUCTED).exists() else []
    inputs = {path: read_bytes(root / path) for path in (UPSTREAM, ORIGIN, OVERLAY, *present)}
    recorded = _recorded(inputs, "sha256")
    actual = provenance.sha256(inputs[UPSTREAM])
    if recorded != actual:
        raise InputError(
            f"{UPSTREAM} is not the document that {ORIGIN} describes (sha256 {actual}, recorded {recorded}); "
            "corrections belong into the overlay"
        )
    return inputs


def _recorded(inputs: Inputs, key: str) -> object:
    try:
        return tomllib.loads(inputs[ORIGIN].decode()).get(key)
    except ValueError as error:
        raise InputError(f"{ORIGIN} is not TOML: {error}") from error


def _overlaid(inputs: Inputs) -> tuple[Document, Document, tuple[str, ...], Mended | None]:
    """Upstream as published, the same with the overlay applied, what had to be done to it besides, and it mended.

    Every action has to fit the document that the overlay was written for; a pulled one is taken as it comes.
    """
    from regeneration.adopt.intake import take_in
    from regeneration.overlay.actions import apply
    from regeneration.overlay.core_yaml import parse_yaml

    upstream, actions = parse_json(inputs[UPSTREAM], UPSTREAM), parse_yaml(inputs[OVERLAY], OVERLAY)
    if RECONSTRUCTED not in inputs or _recorded(inputs, "origin") != "pulled":
        return upstream, apply(upstream, actions), (), None
    taken = take_in(upstream, actions, parse_json(inputs[RECONSTRUCTED], RECONSTRUCTED))
    return taken.published, taken.document, (*taken.defects, *taken.notes), taken.mended


def build(inputs: Inputs, tools: toolchain.Toolchain, tell: Tell = lambda words: None) -> Regenerated:
    """Repair, overlay, adopt, validate, lower, generate: everything but putting it in place."""
    from regeneration.generate import catalogue, generator
    from regeneration.generate.lowering import lower
    from regeneration.generate.validation import validate
    from regeneration.time_limit import time_limit

    with time_limit(_PATIENCE, "nothing could be made of the document"):
        tell("repairing and naming")
        published, document, notes, mended = _overlaid(inputs)
        tell("validating")
        validate(document)
        tell("generating")
        lowered = lower(document)
        package = generator.generate(lowered.document, {"operations.py": catalogue.source(document)})
        catalogue.check_nothing_lost(document, package)
    openapi = dump_json(document)
    counts = {"operations": sum(1 for _ in routes(document)), "models": catalogue.count_models(package)}
    used = (UPSTREAM, OVERLAY, RECONSTRUCTED) if _recorded(inputs, "origin") == "pulled" else (UPSTREAM, OVERLAY)
    sources = {path: inputs[path] for path in used if path in inputs} | {OPENAPI: openapi}
    files = {OPENAPI: openapi, tree.MARK: provenance.record(sources, tools, counts)}
    files |= {f"{tree.OWNED}/{generator.PACKAGE}/{path}": data for path, data in package.items()}
    return Regenerated(files, counts, (*notes, *lowered.notes), published, document, mended)


def pull(
    root: Path, inputs: Inputs, source: str | None, tools: toolchain.Toolchain, tell: Tell, *, accept: bool = False
) -> Regenerated:
    """Build from the published document instead of the recorded one; it and its record are part of the result.

    Raises:
        InputError: there is no usable document, or it is of another API and not `accept`.
    """
    from regeneration.adopt.alignment import recognise
    from regeneration.pull.find import pull

    known = [route.path for route in routes(parse_json(inputs[UPSTREAM], UPSTREAM))]
    pulled = pull(source, inputs[ORIGIN], known)
    if RECONSTRUCTED in inputs and not accept:
        recognise(pulled.document, parse_json(inputs[RECONSTRUCTED], RECONSTRUCTED))
    taken = {UPSTREAM: pulled.data, ORIGIN: pulled.record}
    result = build({**inputs, **taken}, tools, tell)
    tell("comparing")
    report = _compared(inputs, result.mended or pulled.document)
    unsure = (f"warning: {note}; what is sent there cannot be checked" for note in result.notes if _SENT.search(note))
    report = replace(report, notes=result.notes, warnings=(*pulled.notes, *unsure))
    return replace(result, files={**result.files, **taken}, notes=(), report=report)


def _compared(inputs: Inputs, after: Document | Mended) -> ChangeReport:
    """What a document says otherwise than the recorded one."""
    from regeneration.overlay.core_yaml import parse_yaml
    from regeneration.repair.mending import mend
    from regeneration.report import between
    from regeneration.time_limit import time_limit

    spelling = parse_json(inputs[RECONSTRUCTED], RECONSTRUCTED) if RECONSTRUCTED in inputs else None
    with time_limit(_PATIENCE, "the documents could not be compared"):
        actions = parse_yaml(inputs[OVERLAY], OVERLAY)
        before = mend(parse_json(inputs[UPSTREAM], UPSTREAM), valid=inputs[UPSTREAM] == inputs.get(RECONSTRUCTED))
        return between.between(before, after, actions, spelling)


def driven(root: Path, inputs: Inputs, result: Regenerated, tell: Tell) -> Regenerated:
    """Try every method of the client with a result, and report which of them fail."""
    from regeneration.drive.drive import drive
    from regeneration.overlay.actions import apply
    from regeneration.overlay.core_yaml import parse_yaml
    from regeneration.report.fit import lost, unknown_arguments

    if RECONSTRUCTED not in inputs or not (root / CLIENT).is_dir():
        return result
    tell("driving every method of the client")
    prefix = f"{tree.OWNED}/"
    package = {path.removeprefix(prefix): data for path, data in result.files.items() if path.startswith(prefix)}
    tried = drive(root / CLIENT, package, result.published, result.document)
    ours = apply(parse_json(inputs[RECONSTRUCTED], RECONSTRUCTED), parse_yaml(inputs[OVERLAY], OVERLAY))
    report = replace(
        result.report or ChangeReport(),
        driven=tried,
        misfits=tuple(lost(root / CLIENT, result.document, ours)),
        undecided=tuple(unknown_arguments(result.document, ours)),
        client=root / CLIENT,
    )
    return replace(result, report=report)


def diff(root: Path, old: Path, new: Path) -> ChangeReport:
    """What differs between two files."""
    from regeneration.overlay.core_yaml import parse_yaml
    from regeneration.report import between

    spelling = parse_json(read_bytes(root / RECONSTRUCTED), RECONSTRUCTED) if (root / RECONSTRUCTED).exists() else None
    actions = parse_yaml(read_bytes(root / OVERLAY), OVERLAY)
    return between.between(between.read(old), between.read(new), actions, spelling)
