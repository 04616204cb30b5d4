"""Databases that dlt can load into: a DuckDB file, and a PostgreSQL server of a test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")  # before dlt is imported by whoever imports this

import duckdb
import psycopg2
from support.scripted import unused_port

_FOUND = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True), shutil.which("initdb")]
BINARIES = next((Path(found).parent for found in _FOUND if found), None)


class Database:
    """Where rows go, and a way to look at them past dlt."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query answers, on a connection of its own."""
        if self.url.startswith("duckdb:///"):
            with duckdb.connect(self.url.removeprefix("duckdb:///")) as connection:
                return connection.execute(query).fetchall()
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """The columns of a table and their types, in lower case."""
        found = self.rows(
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema = '{schema}' AND table_name = '{table}'"
        )
        return {name: kind.lower() for name, kind in found}

    def tables(self, schema: str) -> set[str]:
        """The tables that are not dlt's own."""
        found = self.rows(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'")
        return {name for (name,) in found if not name.startswith("_dlt")}


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server on loopback, which is gone afterwards. It needs `BINARIES`.

    The server refuses to be root, so for root it is the user `postgres` or `nobody`.
    """
    assert BINARIES is not None
    # Not below a temporary directory of pytest's: only its owner may go there.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        directory = Path(name)
        user: str | None = None
        if os.geteuid() == 0:
            known = {entry.pw_name for entry in pwd.getpwall()}
            user = next(each for each in ("postgres", "nobody") if each in known)
            shutil.chown(directory, user)
        data, port = directory / "data", unused_port()

        def run(tool: str, *arguments: str) -> None:
            subprocess.run(
                [BINARIES / tool, *arguments],
                check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, user=user, cwd=directory, timeout=60,
                env={"PATH": os.environ["PATH"]},
            )  # fmt: skip

        run("initdb", "-D", str(data), "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        run("pg_ctl", "-D", str(data), "-w", "-t", "30", "-o", options, "-l", str(directory / "log"), "start")
        try:
            yield f"postgresql://tester:unused@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
