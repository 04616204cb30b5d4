"""Rebuild spec/openapi.json and generated/ from spec/upstream.json and spec/overlay.yaml, offline unless told to pull.

    python scripts/regenerate.py                 put the result in place
    python scripts/regenerate.py --pull          first take in the published document, from the urls of spec/upstream.toml
    python scripts/regenerate.py --pull FROM     the same from an address (the document, or the page that shows it) or a file
    python scripts/regenerate.py --check         change nothing; exit 1 with a diff if anything committed differs
    python scripts/regenerate.py --output DIR    write the whole result under DIR and leave the repository as it is
    python scripts/regenerate.py --diff OLD NEW  compare two documents, JSON or YAML, and write nothing

A pull and --diff report what changed, as --format says: text, markdown or json.

The same inputs give the same bytes on every supported Python. Exit codes: 0 done, 1 the check failed, 2 bad input or a
missing tool (one line on stderr, nothing written); with --diff 0 no change, 3 only harmless ones, 4 some that break
callers or the parsing of answers. The tools are in the dependency group `regenerate`.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from regeneration import provenance, toolchain, tree
from regeneration.document import Document, InputError, LostError, dump_json, parse_json, read_bytes, routes
from regeneration.generate import generator
from regeneration.report.render import FORMATS, Format, Report, render

# Modules that import a tool are imported where they are used, after toolchain.find: a missing tool is then one line.

ROOT = Path(__file__).resolve().parent.parent
UPSTREAM, ORIGIN, OVERLAY, OPENAPI = (
    f"spec/{name}" for name in ("upstream.json", "upstream.toml", "overlay.yaml", "openapi.json")
)
#: What our code was written with. A pulled document is filled from it where it leaves something out.
RECONSTRUCTED = "spec/reconstructed.json"
CLIENT = "src/sessions_us"


@dataclass(frozen=True)
class Result:
    """What regeneration gives."""

    files: Mapping[str, bytes]
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    report: Report | None = None


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


def _recorded(inputs: Mapping[str, bytes], key: str) -> object:
    try:
        return tomllib.loads(inputs[ORIGIN].decode()).get(key)
    except ValueError as error:
        raise InputError(f"{ORIGIN} is not TOML: {error}") from error


def overlay(inputs: Mapping[str, bytes]) -> tuple[Document, tuple[str, ...]]:
    """Upstream with the overlay applied, and what had to be done to it besides.

    Every action has to fit the document that the overlay was written for; a pulled one is taken as it comes.
    """
    from regeneration.adopt.intake import take_in
    from regeneration.overlay.actions import apply
    from regeneration.overlay.core_yaml import parse_yaml

    upstream, actions = parse_json(inputs[UPSTREAM], UPSTREAM), parse_yaml(inputs[OVERLAY], OVERLAY)
    if RECONSTRUCTED not in inputs or _recorded(inputs, "origin") != "pulled":
        return apply(upstream, actions), ()
    taken = take_in(upstream, actions, parse_json(inputs[RECONSTRUCTED], RECONSTRUCTED))
    return taken.document, (*taken.defects, *taken.notes, *map(_unfit, taken.unfit))


def _unfit(action: str) -> str:
    return f"overlay action {action} does not fit the document"


def build(inputs: Mapping[str, bytes], tools: toolchain.Toolchain) -> Result:
    """Overlay, validate, lower, generate: everything but putting it in place."""
    from regeneration.generate import catalogue
    from regeneration.generate.lowering import lower
    from regeneration.generate.validation import validate

    document, notes = overlay(inputs)
    validate(document)
    lowered = lower(document)
    package = generator.generate(lowered.document, {"operations.py": catalogue.source(document)})
    catalogue.check_nothing_lost(document, package)
    openapi = dump_json(document)
    counts = {"operations": sum(1 for _ in routes(document)), "models": catalogue.count_models(package)}
    used = (UPSTREAM, OVERLAY, RECONSTRUCTED) if _recorded(inputs, "origin") == "pulled" else (UPSTREAM, OVERLAY)
    sources = {path: inputs[path] for path in used if path in inputs} | {OPENAPI: openapi}
    files = {OPENAPI: openapi, tree.MARK: provenance.record(sources, tools, counts)}
    files |= {f"{tree.OWNED}/{generator.PACKAGE}/{path}": data for path, data in package.items()}
    return Result(files, counts, (*notes, *lowered.notes))


def pull(root: Path, inputs: Mapping[str, bytes], source: str | None, tools: toolchain.Toolchain) -> Result:
    """Build from the published document instead of the recorded one; it and its record are part of the result."""
    from regeneration.pull.find import pull

    known = [route.path for route in routes(parse_json(inputs[UPSTREAM], UPSTREAM))]
    pulled = pull(source, inputs[ORIGIN], known)
    taken = {UPSTREAM: pulled.data, ORIGIN: pulled.record}
    result = build({**inputs, **taken}, tools)
    report = _pulled_report(root, inputs, pulled.data, result)
    told = {_unfit(action) for action in report.unfit}
    report = replace(report, notes=tuple(note for note in result.notes if note not in told))
    return replace(result, files={**result.files, **taken}, notes=pulled.notes, report=report)


def _pulled_report(root: Path, inputs: Mapping[str, bytes], data: bytes, result: Result) -> Report:
    """What the pulled document says otherwise than the one before, and where the client no longer fits."""
    from regeneration.overlay.actions import apply
    from regeneration.overlay.core_yaml import parse_yaml
    from regeneration.report import between as drift
    from regeneration.report.fit import misfits

    actions = parse_yaml(inputs[OVERLAY], OVERLAY)
    before, after = parse_json(inputs[UPSTREAM], UPSTREAM), parse_json(data, "the pulled document")
    if RECONSTRUCTED not in inputs:
        return drift.between(before, after, actions, None)
    reconstruction = parse_json(inputs[RECONSTRUCTED], RECONSTRUCTED)
    report = drift.between(before, after, actions, reconstruction)
    prefix = f"{tree.OWNED}/{generator.PACKAGE}/"
    package = {path.removeprefix(prefix): data for path, data in result.files.items() if path.startswith(prefix)}
    document, ours = parse_json(result.files[OPENAPI], OPENAPI), apply(reconstruction, actions)
    return replace(report, misfits=tuple(misfits(root / CLIENT, package, document, ours)))


def diff(root: Path, old: Path, new: Path) -> Report:
    """What differs between two files."""
    from regeneration.overlay.core_yaml import parse_yaml
    from regeneration.report import between as drift

    spelling = parse_json(read_bytes(root / RECONSTRUCTED), RECONSTRUCTED) if (root / RECONSTRUCTED).exists() else None
    return drift.between(drift.read(old), drift.read(new), parse_yaml(read_bytes(root / OVERLAY), OVERLAY), spelling)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit code. `root`: the repository that it is for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="change nothing; exit 1 if anything committed differs")
    mode.add_argument("--output", type=Path, metavar="DIR", help="write the whole result under DIR instead")
    mode.add_argument("--diff", nargs=2, type=Path, metavar=("OLD", "NEW"), help="compare two documents; write nothing")
    parser.add_argument("--format", choices=FORMATS, default="text", help="of the report of a pull or of --diff")
    parser.add_argument("--pull", nargs="?", const="", metavar="FROM", help="take in the published document first")
    options = parser.parse_args(arguments)
    if options.check and options.pull is not None:
        parser.error("--check is about what is committed; it does not go with --pull")
    if options.diff and options.pull is not None:
        parser.error("--diff is about two files; it does not go with --pull")
    try:
        tools = toolchain.find(root)
        if options.diff:
            found = diff(root, *options.diff)
            print(render(found, options.format))
            return found.status
        inputs = load(root)
        result = build(inputs, tools) if options.pull is None else pull(root, inputs, options.pull or None, tools)
        return check(root, result) if options.check else put(root, result, inputs, options.output, options.format)
    except (InputError, OSError) as error:
        print(f"regenerate: {' '.join(str(error).split())}", file=sys.stderr)
        return 1 if options.check and isinstance(error, LostError) else 2


def check(root: Path, result: Result) -> int:
    """Compare with what is committed."""
    differences = tree.compare(tree.read(root, result.files), result.files)
    print(tree.report(differences) if differences else f"up to date: {_summary(result)}")
    return 1 if differences else 0


def put(root: Path, result: Result, inputs: Mapping[str, bytes], output: Path | None, form: Format = "text") -> int:
    """Write what differs, into the repository or under another folder."""
    files = result.files
    if output is not None:
        root, files = output.absolute(), {**inputs, **result.files}
        tree.refuse_foreign(root)
    differences = tree.compare(tree.read(root, files), files)
    if differences:
        tree.write(root, files)
    aside = sys.stdout if result.report is None or form == "text" else sys.stderr  # the report alone can be piped
    for note in result.notes:
        print(note if note.startswith("warning: ") else f"note: {note}", file=aside)
    if result.report is not None:
        print(render(result.report, form))
    print(f"{_summary(result)}; {len(differences)} files changed", file=aside)
    return 0


def _summary(result: Result) -> str:
    return ", ".join(f"{count} {name}" for name, count in result.counts.items())


if __name__ == "__main__":
    sys.exit(main())
