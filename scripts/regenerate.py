"""Rebuild spec/openapi.json and generated/ from spec/upstream.json and spec/overlay.yaml, offline unless told to pull.

    python scripts/regenerate.py                 put the result in place
    python scripts/regenerate.py --pull          first take in the published document, from the urls of spec/upstream.toml
    python scripts/regenerate.py --pull FROM     the same from an address (the document, or the page that shows it) or a file
    python scripts/regenerate.py --drive [FROM]  write nothing; run every method of the client against the document
    python scripts/regenerate.py --check         change nothing; exit 1 with a diff if anything committed differs
    python scripts/regenerate.py --output DIR    write the whole result under DIR and leave the repository as it is
    python scripts/regenerate.py --diff OLD NEW  compare two documents, JSON or YAML, and write nothing

A pull, a drive and --diff report what they found, as --format says: text, markdown or json.

The same inputs give the same bytes on every supported Python. Exit codes: 0 done, 1 the check failed, 2 bad input, another API
or a missing tool (the last line on stderr says why, nothing written). A pull and a drive end with 4 if a method of the client
does not work with the document: nothing is put in place then, unless --accept. With --diff 0 no change, 3 only harmless ones,
4 some that break callers or the parsing of answers. The tools are in the dependency group `regenerate`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from regeneration import toolchain, tree
from regeneration.build import Regenerated, build, diff, driven, load, pull
from regeneration.document import InputError, LostError
from regeneration.progress import ProgressLines
from regeneration.report.render import BREAKING, FORMATS, refused, render

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit code. `root`: the repository that it is for."""
    options = _options(arguments)
    try:
        tools = toolchain.find(root, "--diff OLD NEW" if options.diff else "…")
        if options.diff:
            found = diff(root, *options.diff)
            print(render(found, options.format))
            return found.status
        inputs = load(root)
        with ProgressLines() as tell:
            result = _made(root, inputs, tools, tell, options)
        if options.check:
            return check(root, result)
        return put(root, result, inputs, options)
    except (InputError, OSError) as error:
        reason = " ".join(str(error).split())
        print(f"regenerate: {reason}", file=sys.stderr)
        reports = options.diff or options.pull is not None or options.drive is not None
        if reports and options.format != "text":
            print(refused(reason, options.format))
        return 1 if options.check and isinstance(error, LostError) else 2


def _made(
    root: Path, inputs: dict[str, bytes], tools: toolchain.Toolchain, tell: ProgressLines, options: argparse.Namespace
) -> Regenerated:
    source = options.drive or options.pull
    if not source and options.pull is None:
        result = build(inputs, tools, tell)
    else:
        result = pull(root, inputs, source or None, tools, tell, accept=options.accept)
    return result if options.pull is None and options.drive is None else driven(root, inputs, result, tell)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="change nothing; exit 1 if anything committed differs")
    mode.add_argument("--output", type=Path, metavar="DIR", help="write the whole result under DIR instead")
    mode.add_argument("--diff", nargs=2, type=Path, metavar=("OLD", "NEW"), help="compare two documents; write nothing")
    mode.add_argument(
        "--drive", nargs="?", const="", metavar="FROM", help="run every method of the client; write nothing"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="of the report of a pull, a drive or --diff")
    parser.add_argument("--pull", nargs="?", const="", metavar="FROM", help="take in the published document first")
    parser.add_argument("--accept", action="store_true", help="put in place what breaks methods, and another API too")
    options = parser.parse_args(arguments)
    if options.check and options.pull is not None:
        parser.error("--check is about what is committed; it does not go with --pull")
    if options.diff and options.pull is not None:
        parser.error("--diff is about two files; it does not go with --pull")
    if options.drive is not None and options.pull is not None:
        parser.error("--drive writes nothing; name the document behind --drive, without --pull")
    return options


def check(root: Path, result: Regenerated) -> int:
    """Compare with what is committed."""
    differences = tree.compare(tree.read(root, result.files), result.files)
    print(tree.report(differences) if differences else f"up to date: {_summary(result)}")
    return 1 if differences else 0


def put(root: Path, result: Regenerated, inputs: dict[str, bytes], options: argparse.Namespace) -> int:
    """Write what differs, into the repository or under another folder, unless a method of the client breaks."""
    files, report = result.files, result.report
    status = 0 if report is None or report.fits else BREAKING
    writes = options.drive is None and (status == 0 or options.accept or options.output is not None)
    if options.output is not None:
        root, files = options.output.absolute(), {**inputs, **result.files}
        tree.refuse_foreign(root)
    differences = tree.compare(tree.read(root, files), files)
    if differences and writes:
        tree.write(root, files)
    for note in result.notes if report is None else ():
        print(f"note: {note}")
    summary = f"{_summary(result)}; {len(differences) if writes else 0} files changed"
    if report is None:
        print(summary)
    else:
        in_place = writes and options.output is None
        print(render(replace(report, counts=summary, written=in_place), options.format))
    return status


def _summary(result: Regenerated) -> str:
    return ", ".join(f"{count} {name}" for name, count in result.counts.items())


if __name__ == "__main__":
    sys.exit(main())
