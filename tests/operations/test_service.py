"""examples/operations: one failed call whole, in its traces, its metrics, its log, and in a real Prometheus."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.scripted import unused_port

from sessions_us.sandbox import Sandbox

EXAMPLE = Path(__file__).parents[2] / "examples" / "operations"
PATIENCE = 60.0


@dataclass
class Service:
    """The example as a process.

    Attributes:
        url: where it is.
        log: what it wrote to standard error; once it has ended.
        spans: what it wrote to standard output, by name; once it has ended.
    """

    process: subprocess.Popen[str]
    url: str
    log: str = ""
    spans: tuple[dict[str, Any], ...] = ()

    def end(self) -> None:
        """As under a signal of the operating system. Spans that wait for their export are exported."""
        self.process.terminate()
        said, self.log = self.process.communicate(timeout=PATIENCE)
        self.spans = tuple(parts(said))


def parts(text: str) -> Iterator[dict[str, Any]]:
    """The objects of a text that is one JSON object after the other."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        found, end = decoder.raw_decode(text)
        yield found
        text = text[end:].strip()


@contextmanager
def started(command: list[str], url: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A server that answers."""
    pipe: Any = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, encoding="utf-8", env={**os.environ, **environment})
    try:
        until(lambda: process.poll() is not None or answers(url))
        assert process.poll() is None, process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def service(sessions_sandbox: Sandbox) -> Iterator[Service]:
    """The example before a sandbox."""
    port, keys = unused_port(), {"SESSIONS_USER_KEY": sessions_sandbox.user_key}
    url, place = f"http://127.0.0.1:{port}", ["--app-dir", str(EXAMPLE), "--port", str(port)]
    command = [sys.executable, "-m", "uvicorn", "--no-access-log", *place, "app:app"]
    with started(command, f"{url}/quota", SESSIONS_BASE_URL=sessions_sandbox.url, **keys) as process:
        yield Service(process, url)


def fails(service: Service, sandbox: Sandbox) -> httpx.Response:
    """A visitor's request of which every attempt fails."""
    sandbox.fail(503, headers={"retry-after": "0"})
    sandbox.fail(429, headers={"retry-after": "1"})
    sandbox.fail(500, times=2)
    return httpx.get(f"{service.url}/rooms/canary", timeout=PATIENCE)


def test_one_failed_call_whole(service: Service, sessions_sandbox: Sandbox) -> None:
    """Its waits, attempts and outcome in the spans of the console exporter; a line each in the log; no id anywhere."""
    answer = fails(service, sessions_sandbox)
    told = httpx.get(f"{service.url}/metrics").text
    service.end()

    assert answer.status_code == 502
    (call,) = (span for span in service.spans if span["name"] == "get_room")
    found = call["attributes"]
    assert (found["sessions_us.outcome"], found["error.type"]) == ("status_error", "ServerError")
    assert (found["sessions_us.attempts"], found["http.response.status_code"]) == (4, 500)
    below = [span for span in service.spans if span["parent_id"] == call["context"]["span_id"]]
    attempts = [span["attributes"] for span in below if span["name"] == "GET /api/rooms/{id}"]
    assert [each["error.type"] for each in attempts] == ["503", "429", "500", "500"]
    assert [each.get("http.request.resend_count") for each in attempts] == [None, 1, 2, 3]
    assert {"wait for a retry", "GET /api/rooms/{id}"} <= {span["name"] for span in below}

    assert 'sessions_us_outcome="status_error"} 1.0' in told
    number = found["sessions_us.call"]
    assert f"get_room (call {number}): the server answered 429, and asked to wait 1.0 s" in service.log
    assert "ServerError in GET /rooms/{room_id}: 500 answered a GET" in service.log
    exported = json.dumps(service.spans) + told
    assert not [secret for secret in ("canary", sessions_sandbox.user_key) if secret in exported + service.log]


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is missing: apt-get install prometheus (Debian, Ubuntu)"
)
def test_a_real_prometheus_reads_it(service: Service, sessions_sandbox: Sandbox, tmp_path: Path) -> None:
    """With the configuration and the rules of the example, of which one goes off."""
    url = f"http://127.0.0.1:{unused_port()}"
    text = (EXAMPLE / "prometheus.yml").read_text("utf-8").replace("15s", "1s")
    (tmp_path / "prometheus.yml").write_text(text.replace("127.0.0.1:8000", service.url[7:]))
    shutil.copy(EXAMPLE / "alerts.yml", tmp_path)
    command = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={url[7:]}",
    ]

    def query(expression: str) -> list[float]:
        got = httpx.get(f"{url}/api/v1/query", params={"query": expression}).json()
        return [float(each["value"][1]) for each in got["data"]["result"]]

    def goes_off() -> set[str]:
        alerts = httpx.get(f"{url}/api/v1/alerts").json()["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    with started(command, f"{url}/-/ready"):
        fails(service, sessions_sandbox)
        sessions_sandbox.fail(401)
        httpx.get(f"{service.url}/rooms/canary", timeout=PATIENCE)
        until(lambda: query('sum(sessions_us_calls_total{sessions_us_outcome="status_error"})') == [2])

        assert query("sum(sessions_us_throttled_total)") == [1]
        assert query("sum(sessions_us_retries_total)") == [3]
        assert query("sum(sessions_us_call_duration_seconds_count)") == [2]
        assert query("sum(http_client_request_duration_seconds_count)") == [5]
        assert query("max(sessions_us_quota_limit)") == [sessions_sandbox.limiter.limit]
        assert query("min(sessions_us_quota_store_up)") == [1]
        assert query('count(sessions_us_queue_length{sessions_us_lane="interactive"})') == [1]
        until(lambda: "SessionsKeyNotAccepted" in goes_off())
        assert goes_off() == {"SessionsKeyNotAccepted"}
        rules = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"][0]["rules"]
        assert {each["health"] for each in rules} == {"ok"}
