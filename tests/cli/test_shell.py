"""What the shell and the interpreter see: completion, and what help costs."""

from __future__ import annotations

import pytest
from support.command import python, run


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("sessions-us ", {"export", "list", "quota", "sandbox", "demo", "webhooks", "spec"}),
        ("sessions-us list s", {"sessions"}),
        ("sessions-us webhooks ", {"add", "remove"}),
        ("sessions-us export sessions --form", {"--format"}),
    ],
)
def test_completion(words: str, offered: set[str]) -> None:
    """Commands, resources and options are offered."""
    done = run(_SESSIONS_US_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))

    assert offered <= set(done.stdout.split()), done


def test_the_completion_script() -> None:
    """For the shells that there are, under the command's own name."""
    for shell in ("bash", "zsh", "fish"):
        done = run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
        assert done.returncode == 0
        assert "_SESSIONS_US_COMPLETE" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    """Neither a database nor a server nor a client for HTTP."""
    program = """
import sys
from sessions_us.cli import main
try:
    main(["export", "--help"])
except SystemExit:
    print("", *sys.modules, sep="\\n", file=sys.stderr)
"""
    loaded = {name.partition(".")[0] for name in python("-W", "ignore", "-c", program).stderr.split()}

    assert "typer" in loaded
    assert not {"pyarrow", "dlt", "duckdb", "starlette", "uvicorn", "fastapi", "redis", "httpx", "sqlite3"} & loaded
