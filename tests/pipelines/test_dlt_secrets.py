"""A key is in nothing that dlt keeps, says or hands on. The sandbox's key is the canary."""

from __future__ import annotations

import gzip
import json
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import dlt
import pytest
from support.databases import Database

from sessions_us import Quota, UserKey
from sessions_us.pipelines import sessions_source
from sessions_us.sandbox import Sandbox


def kept(directory: Path) -> bytes:
    """All bytes below a directory, as they are and unpacked."""
    everything = b""
    for path in directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            everything += data
            if data.startswith(b"\x1f\x8b"):
                everything += gzip.decompress(data)
    return everything


def locals_of(error: BaseException | None) -> list[str]:
    """What a printer of tracebacks with locals shows of an error and its causes, dlt's frames and ours."""
    shown: list[str] = []
    while error is not None:
        shown += [str(error), repr(error), repr(error.__dict__), *traceback.format_exception(error)]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                shown += [f"{name}={value!r}" for name, value in frame.f_locals.items()]
        error = error.__cause__ or error.__context__
    return shown


@pytest.mark.sessions_sandbox(limit=1000, empty=True)
@pytest.mark.parametrize("given", ["text", "key", "environment"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_key_is_in_nothing_of_dlts(
    sessions_sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    given: str,
    fails: bool,
) -> None:
    """Files, database, state, schema, traces, logs and errors, however the key was given, and also where the server
    repeats it."""
    canary = sessions_sandbox.user_key
    key: str | UserKey | None = canary if given == "text" else UserKey(canary)
    if given == "environment":
        monkeypatch.setenv("SESSIONS_USER_KEY", canary)
        key = None
    caplog.set_level(logging.DEBUG)
    if fails:
        sessions_sandbox.fail(403, path="/api/rooms", body=json.dumps({"message": f"no {canary}", canary: canary}))
    pipeline = dlt.pipeline(
        "canary",
        pipelines_dir=str(tmp_path / "dlt"),
        destination=dlt.destinations.duckdb(str(tmp_path / "out.duckdb")),
        dataset_name="data",
        export_schema_path=str(tmp_path / "schema"),
    )
    source = sessions_source(key, base_url=sessions_sandbox.url, quota=Quota(limit=1000))
    shown = [repr(source), str(source), repr(source.resources), *(repr(each) for each in source.resources.values())]
    try:
        pipeline.run(source)
    except Exception as error:
        assert fails
        shown += locals_of(error)
    else:
        assert not fails
        database = Database(f"duckdb:///{tmp_path}/out.duckdb")
        shown += [repr(database.rows(f"SELECT * FROM data.{table}")) for table in ("_dlt_version", "_dlt_loads")]
    assert any(request.key_role == "user" for request in sessions_sandbox.requests)

    trace = pipeline.last_trace
    shown += [repr(trace), str(trace.asdict()), trace.asstr(verbosity=2), json.dumps(pipeline.state, default=str)]
    shown += [schema.to_pretty_yaml() for schema in pipeline.schemas.values()]
    shown += [record.getMessage() for record in caplog.records]
    pipeline.deactivate()

    leaks = [text[:200] for text in shown if canary in text]
    assert leaks == []
    assert (tmp_path / "dlt" / "canary" / "trace.pickle").exists()
    assert canary.encode() not in kept(tmp_path) + pickle.dumps(trace)


def test_a_source_can_not_be_pickled() -> None:
    """It holds a key, so it goes to no other process."""
    source: Any = sessions_source("canary")
    with pytest.raises(Exception, match="pickle"):
        pickle.dumps(source)


def test_what_is_kept_is_unpacked(tmp_path: Path) -> None:
    """The search above finds what is compressed."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"canary"))
    assert b"canary" in kept(tmp_path)
