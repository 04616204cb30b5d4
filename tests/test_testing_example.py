"""examples/testing, as somebody runs it who copied it: its tests by pytest, its script by a shell."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.command import environment, python, started

TESTING = Path(__file__).parents[1] / "examples" / "testing"


@pytest.mark.parametrize(("name", "count"), [("test_before.py", 2), ("test_after.py", 9)])
def test_the_tests_of_the_service_pass(tmp_path: Path, name: str, count: int) -> None:
    """Before and after, in a folder of their own, with the plugin that the package brings; no warning of ours."""
    for each in ("app.py", name):
        shutil.copy(TESTING / each, tmp_path)
    options = ("-q", "-p", "no:cacheprovider", "-p", "anyio.pytest_plugin", "-p", "sessions_us.sandbox.pytest_plugin")
    done = python("-m", "pytest", *options, name, cwd=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_curl_alone_seeds_advances_fails_and_triggers() -> None:
    """The script runs to its end, and the sandbox did what it was asked."""
    with started("sandbox", "--port", "0") as serving:
        assert serving.stdout is not None
        told = dict(line.strip().split("=", 1) for line in [serving.stdout.readline() for _ in range(4)][1:])
        script = subprocess.run(
            ["sh", TESTING / "any_language.sh"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**environment(), "SANDBOX": told["SESSIONS_BASE_URL"]},
        )
    assert script.returncode == 0, script.stdout + script.stderr
    *said, requests = script.stdout.strip().splitlines()
    assert [row["status"] for row in json.loads(requests)] == [200, 429, 404, 200]
    assert any('"takeawaysText":"We agreed."' in line and line.endswith("200") for line in said)
    assert any('"trigger":"SESSION_ENDED"' in line and '"id":"kick-off"' in line for line in said)


def test_the_containers_run_commands_that_exist() -> None:
    """What the Dockerfile and the compose file start is taken by the command, and their variables by the library."""
    docker = TESTING / "docker"
    entry = next(line for line in (docker / "Dockerfile").read_text().splitlines() if line.startswith("ENTRYPOINT"))
    services = yaml.safe_load((docker / "compose.yaml").read_text())["services"]
    command = [*json.loads(entry.removeprefix("ENTRYPOINT ")), *services["sandbox"]["command"]]
    assert command[0] == "sessions-us"
    arguments = [each if each != "8099" else "0" for each in command[1:]]
    with started(*arguments) as serving:
        assert serving.stdout is not None
        lines = [serving.stdout.readline().strip() for _ in range(4)]
    variables = services["app"]["environment"]
    assert lines[2:] == [f"{name}={variables[name]}" for name in ("SESSIONS_USER_KEY", "SESSIONS_GUEST_KEY")]
    program = "from sessions_us import UserClient; UserClient()"
    assert python("-c", program, **variables).returncode == 0
    assert python("-c", program, **{**variables, "SESSIONS_ALLOW_HTTP": "0"}).returncode == 1
