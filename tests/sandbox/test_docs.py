"""docs/sandbox.md and docs/testing.md: what stands there is run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from support.command import environment, python, started

from sessions_us.sandbox import Sandbox
from sessions_us.sandbox.state import TRIGGERS

DOCS = Path(__file__).parents[2] / "docs"
SANDBOX, TESTING = ((DOCS / name).read_text("utf-8") for name in ("sandbox.md", "testing.md"))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_data_can_be_loaded() -> None:
    """The booking is on Kim's page, and so hers."""
    sandbox = Sandbox(empty=True)
    (data,) = blocks(SANDBOX, "json")
    sandbox.load(json.loads(data))
    (session,) = [row for row in sandbox.data["sessions"] if row["booking"]]
    assert [each["user"]["id"] for each in session["participants"] if each["isOwner"]] == ["kim"]


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_every_trigger_is_described(name: str) -> None:
    """By its name, or by its family and its moment."""
    family, _, moment = name.partition("_")
    row = rf"`{name}`|`{family}_`.*`{moment}`"
    assert re.search(row, SANDBOX.split("**Webhooks**")[1])


def test_the_first_test_passes_under_pytest_asyncio(tmp_path: Path) -> None:
    """Without the mark and the fixture that anyio's plugin needs, in the mode that the page names."""
    pytest.importorskip("pytest_asyncio", reason="the group `test` has it")
    first = blocks(TESTING, "python")[0]
    marked, _, test = first.partition("async def test_")
    (tmp_path / "test_it.py").write_text(f"{marked.partition('pytestmark')[0]}async def test_{test}")
    mode = re.search(r'`(asyncio_mode) = "(\w+)"`', TESTING)
    assert mode is not None
    plugins = ("-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "sessions_us.sandbox.pytest_plugin")
    options = ("-q", *plugins, "-o", f"{mode[1]}={mode[2]}")
    done = python("-m", "pytest", *options, str(tmp_path), cwd=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_the_lines_for_a_shell_work() -> None:
    """Each answers with a success."""
    (lines,) = blocks(TESTING, "sh")
    with started("sandbox", "--port", "0") as serving:
        assert serving.stdout is not None
        address = [serving.stdout.readline().strip() for _ in range(4)][1].partition("=")[2]
        script = "set -e\n" + lines.replace("curl ", "curl -fsS ").replace("localhost:8099", address)
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False, env=environment()
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"trigger":"SESSION_ENDED"' in done.stdout


def test_every_option_of_the_command_is_described() -> None:
    """In docs/sandbox.md."""
    told = python("-m", "sessions_us.cli", "sandbox", "--help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", told.partition("Options:")[2])) - {"--help"}
    assert {option for option in options if f"`{option}" not in SANDBOX} == set()


def test_an_empty_sandbox_has_what_the_docs_say() -> None:
    """Five users and a colleague's booking page."""
    left = {name: len(rows) for name, rows in Sandbox(empty=True).data.items() if rows}
    assert left == {"users": 5, "booking_pages": 1}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "moment", ["0001-06-01T00:00:00Z", "9999-06-01T00:00:00Z", "2030-01-01T10:00:60Z", "2030-01-01T10:00:00z"]
)
async def test_moments_that_the_docs_say_are_refused(moment: str) -> None:
    """With 400."""
    sandbox = Sandbox(empty=True)
    headers = {"x-api-key": sandbox.user_key}
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="http://sandbox", headers=headers) as user:
        answer = await user.post("/api/sessions", json={"name": "Kick-off", "startAt": moment})
    assert (answer.status_code, answer.json()["message"]) == (400, ["startAt must be a valid ISO 8601 date string"])
