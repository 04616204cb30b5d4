"""A mutation session: `python tests/mutation/session.py [patterns of mutants]`, in a copy of the repository. The rules of
the quota, the walk over a list and the Pager by default.

mutmut changes the code in one place at a time, and runs the tests that execute the changed function. A change that no test
notices survives. Those that no test can notice stand in `survivors.toml`, with the reason; any other one fails the session.
`[tool.mutmut]` in pyproject.toml says which files are changed, and which tests judge them.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

KNOWN = Path(__file__).with_name("survivors.toml")
JUDGED = ["sessions_us.quota.rules.*", "sessions_us._calls.walk.*", "sessions_us._calls.pager.*"]
NOTICED = ("killed", "timeout")


class Change(NamedTuple):
    """A change of the code: the function, and the lines before and after."""

    function: str
    was: str
    now: str


def function_of(mutant: str) -> str:
    """The function that a mutant changes: `rules.stamps.xǁStampsǁplus__mutmut_8` is `rules.stamps.Stamps.plus`."""
    module, _, name = mutant.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{name.removeprefix('xǁ').removeprefix('x_').replace('ǁ', '.')}"


def change_of(mutant: str) -> Change:
    """What a mutant changes."""
    lines = mutmut("show", mutant).splitlines()
    was, now = ([line[1:].strip() for line in lines if line[:1] == sign and line[:3] != 3 * sign] for sign in "-+")
    return Change(function_of(mutant), "\n".join(was), "\n".join(now))


def mutmut(*arguments: str) -> str:
    return subprocess.run(["mutmut", *arguments], capture_output=True, text=True, check=True).stdout


def unnoticed(patterns: list[str]) -> dict[str, str]:
    """Which of these mutants no test noticed, and what came of them."""
    results = [line.strip().rpartition(": ") for line in mutmut("results").splitlines() if "__mutmut_" in line]
    return {
        mutant: outcome
        for mutant, _, outcome in results
        if outcome not in NOTICED and any(fnmatch(mutant, pattern) for pattern in patterns)
    }


def main(patterns: list[str]) -> int:
    known = {
        Change(each["function"], each["was"], each["now"]) for each in tomllib.loads(KNOWN.read_text())["survivor"]
    }
    subprocess.run(["mutmut", "run", *patterns], check=True)
    new = []
    for mutant, outcome in unnoticed(patterns).items():
        change = change_of(mutant)
        if change not in known:
            new.append(change)
            sys.stdout.write(f"\n{mutant}: {outcome}, {change.function}\n- {change.was}\n+ {change.now}\n")
    sys.stdout.write(f"{len(new)} new survivors; {len(known)} are known.\n")
    return bool(new)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or JUDGED))
