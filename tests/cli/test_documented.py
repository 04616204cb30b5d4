"""Every documented command, word for word against a sandbox."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import COMMAND, at, environment

from sessions_us.cli import api, export, listing, quota, trigger, webhooks
from sessions_us.cli.commands import HELP
from sessions_us.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/cli.md", "docs/pipelines.md", "docs/sandbox.md", "docs/testing.md")
IDS = {"sessions": "5645e1f0-9aa5-4fb4-9d9a-8a4b58e6f0a3", "bookings": "64b1c3d2-5e8f-4a21-b0c7-d9e8f7a6b5c4"}

EXCEPTIONS = {
    "demo": "takes its time; tests/cli/test_demo_and_sandbox.py runs it",
    "sandbox": "serves until it is stopped; tests/cli/test_demo_and_sandbox.py runs it",
    "quota --watch": "runs until it is stopped; tests/cli/test_quota.py runs it",
    "redis://": "needs a server; tests/quota/stores run it",
    "postgresql://": "needs a server; tests/pipelines/test_dlt_sink.py runs it",
    "spec diff": "needs documents; tests/cli/test_spec.py runs it",
    "PAGE_ID": "stands for an id; tests/cli/test_api.py books",
    "127.0.0.1:8099": "needs a sandbox there; tests/cli/test_trigger.py triggers",
    "webhooks remove": "of a webhook that was added; tests/cli/test_webhooks.py runs it",
    "COMMAND": "stands for a command",
    "export RESOURCE": "stands for a resource",
    "--install-completion": "changes the shell of whoever runs it; tests/cli/test_shell.py shows the script",
}


def commands() -> Iterator[str]:
    """The lines of documents and helps that begin with the command, without comments and times of a crontab."""
    texts = [(ROOT / page).read_text("utf-8") for page in PAGES]
    shown = [
        line
        for text in texts
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    shown += [line for text in texts for line in text.splitlines() if re.match(r" {4}sessions-us|\$ sessions-us", line)]
    helps = [
        HELP,
        *(inspect.getdoc(each) or "" for each in (export.export, listing.list_, api.api, api.get, api.create)),
    ]
    helps += [
        inspect.getdoc(each) or "" for each in (api.cancel, quota.quota, trigger.trigger, webhooks.add, webhooks.remove)
    ]
    shown += [line for text in helps for line in text.splitlines()]
    for line in shown:
        found = re.search(r"(?:[A-Z_]+=\S+ |echo .*\| |id=\$\()?\bsessions-us [^#`]*", line)
        if found and re.match(r"[\s$0-9*]*$", line[: found.start()]):
            yield found[0].strip()


COMMANDS = sorted(set(commands()))


def excepted(command: str) -> bool:
    return any(part in command for part in EXCEPTIONS)


def test_documents_have_commands() -> None:
    """The search finds them: the DuckDB one, and one of each subcommand that sends."""
    found = "\n".join(COMMANDS)
    for part in (
        "export sessions events --to duckdb:///sessions.duckdb",
        "list ",
        "get ",
        "api ",
        "quota",
        "create ",
        "cancel ",
    ):
        assert f"sessions-us {part}" in found, part
    assert len([command for command in COMMANDS if not excepted(command)]) > 20


@pytest.mark.parametrize("command", [command for command in COMMANDS if not excepted(command)])
@pytest.mark.sessions_sandbox(limit=1000)
def test_a_documented_command_works(sessions_sandbox: Sandbox, tmp_path: Path, command: str) -> None:
    """As it is written, in an empty directory."""
    if "| jq" in command and shutil.which("jq") is None:
        command = command.partition("| jq")[0]
    sessions_sandbox.load({"sessions": [{"id": IDS["sessions"], "name": "Kick-off"}]})
    (page,) = sessions_sandbox.load({"booking_pages": [{"name": "Intro"}]})["booking_pages"]
    more = {"startAt": "2030-01-31T10:00:00Z", "participantName": "Ada"}
    sessions_sandbox.load({"bookings": [{"id": IDS["bookings"], "bookingPageId": page, **more}]})
    shim = tmp_path / "bin" / "sessions-us"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    shim.chmod(stat.S_IRWXU)
    work = tmp_path / "work"
    work.mkdir()
    told = environment(
        **at(sessions_sandbox),
        SESSIONS_GUEST_KEY=sessions_sandbox.guest_key,
        PATH=f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        HOME=str(tmp_path),
    )
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, encoding="utf-8", cwd=work, env=told, timeout=300, check=False
    )

    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr
