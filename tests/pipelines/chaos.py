"""Kills an export at random and at the worst moments, starts it again, and compares the sink with what the server has.

    python tests/pipelines/chaos.py --sink ndjson --kills 50 --sessions 500 --seed 7

The export runs in a process of its own against a sandbox here, whose sessions come and go meanwhile. There are two rounds: a
first export, and one that brings it up to date after sessions were renamed, ended, made and deleted; the kills are shared
between them. Exits with 0 if no row is lost, doubled or other than on the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sessions_us import Quota, UserClient
from sessions_us.pipelines import export
from sessions_us.sandbox import Sandbox

Read = Callable[[Path], list[dict[str, Any]]]

# -- the sinks ---------------------------------------------------------------------------------------------------------


def _ndjson(place: Path) -> Any:
    from sessions_us.pipelines import NDJSONSink

    sink = NDJSONSink(place / "rows")
    sink.seconds_per_commit = 0.2  # so that kills meet writes
    return sink


def _read_ndjson(place: Path) -> list[dict[str, Any]]:
    text = (place / "rows" / "sessions.ndjson").read_text("utf-8")
    assert text.endswith("\n"), "a torn line"
    return [json.loads(line) for line in text.splitlines()]


def _parquet(place: Path) -> Any:
    from sessions_us.pipelines import ParquetSink

    sink = ParquetSink(place / "rows")
    sink.seconds_per_commit = 0.2
    return sink


def _read_parquet(place: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    assert [path.name for path in (place / "rows").iterdir()] == ["sessions.parquet"], "nothing else is left there"
    with pq.ParquetFile(place / "rows" / "sessions.parquet") as file:
        return file.read().to_pylist()  # type: ignore[no-any-return]


def _fit(row: dict[str, Any]) -> dict[str, Any]:
    from sessions_us.pipelines.schema import fit

    return {**fit("sessions", row), "deleted_at": None}


def _duckdb(place: Path) -> Any:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    from sessions_us.pipelines import DltSink

    sink = DltSink(f"duckdb:///{place}/rows.duckdb", dataset="sessions", pipelines_dir=place / "work")
    sink.rows_per_commit = 25  # so that kills meet loads, which are what takes its time
    sink.seconds_per_commit = 1.0
    return sink


def _read_duckdb(place: Path) -> list[dict[str, Any]]:
    import duckdb

    def moment(name: str) -> str:
        return f"strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ')"

    with duckdb.connect(str(place / "rows.duckdb"), read_only=True) as database:
        database.execute("USE sessions")
        (unowned,) = database.execute(
            "SELECT (SELECT count(*) FROM sessions__participants WHERE _dlt_parent_id NOT IN (SELECT _dlt_id FROM sessions))"
            " + (SELECT count(*) FROM sessions__transcripts WHERE _dlt_parent_id NOT IN (SELECT _dlt_id FROM sessions))"
        ).fetchone() or (None,)
        assert unowned == 0, "rows that hang on nothing"
        query = f"""
            SELECT id, name, quick_session, {moment("created_at")}, {moment("ended_at")}, session_link, takeaways__takeaways_text,
                (SELECT list([p.id, p.is_owner::TEXT, p.guest__email, p.user__email] ORDER BY p._dlt_list_idx)
                    FROM sessions__participants p WHERE p._dlt_parent_id = s._dlt_id),
                (SELECT list([t.participant_id, {moment("t.source_timestamp")}, c.text] ORDER BY t._dlt_list_idx)
                    FROM sessions__transcripts t JOIN sessions__transcripts__content c ON c._dlt_parent_id = t._dlt_id
                    WHERE t._dlt_parent_id = s._dlt_id)
            FROM sessions s"""
        return [{"id": row[0], "rest": list(row[1:])} for row in database.execute(query).fetchall()]


def _in_tables(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the query above answers it."""
    people = [
        [
            each["id"],
            str(each["isOwner"]).lower(),
            (each["guest"] or {}).get("email"),
            (each["user"] or {}).get("email"),
        ]
        for each in row["participants"]
    ]
    said = [[each["participantId"], each["sourceTimestamp"], each["content"][0]["text"]] for each in row["transcripts"]]
    names = ("name", "quickSession", "createdAt", "endedAt", "sessionLink")
    notes = (row["takeaways"] or {}).get("takeawaysText")
    return {"id": row["id"], "rest": [*(row[name] for name in names), notes, people or None, said or None]}


@dataclass(frozen=True)
class Kind:
    """A kind of sink: how to make one, how to read what it left, how a row looks there, and which points it never passes."""

    make: Callable[[Path], Any]
    read: Read
    expect: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row
    spared: tuple[str, ...] = ()


SINKS: dict[str, Kind] = {
    "ndjson": Kind(_ndjson, _read_ndjson),
    "parquet": Kind(_parquet, _read_parquet, _fit),
    "duckdb": Kind(_duckdb, _read_duckdb, _in_tables, ("sync:before", "replace:before", "replace:after")),
}

# -- the process that is killed ----------------------------------------------------------------------------------------

POINTS = {
    "deliver:before": (2, 3, 4),  # what was written is durable, and the state does not know it
    "deliver:after": (1, 2, 3),
    "write:after": (1, 2, 3),
    "commit:before": (1, 3, 5, 8),
    "sync:before": (1, 2, 3),
    "replace:before": (1, 2),
    "replace:after": (1, 2),
}
"""Where a process dies by itself, and at which passing."""

_LIVES = 8.0
"""Seconds after which it is killed, wherever it is, if it did not come to that point."""


def _arm(point: str, count: int, sink: Any) -> None:
    """Lets this process die at the count-th passing of a point."""
    from sessions_us.pipelines import statefile, versions

    name, _, moment = point.partition(":")
    left = count

    def pass_by() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(home: Any, name: str) -> None:
        inner = getattr(home, name)

        def outer(*args: Any, **kwargs: Any) -> Any:
            if moment == "before":
                pass_by()
            result = inner(*args, **kwargs)
            if moment == "after":
                pass_by()
            return result

        setattr(home, name, outer)

    homes = {
        "deliver": [versions.Versions],
        "write": [sink],
        "commit": [statefile.StateFile],
        "sync": [os],
        "replace": [Path],
    }
    for home in homes[name]:
        around(home, "fsync" if name == "sync" else name)


async def _child(kind: str, place: Path) -> None:
    sink = SINKS[kind].make(place)
    if os.environ.get("CHAOS_POINT"):
        _arm(os.environ["CHAOS_POINT"], int(os.environ["CHAOS_COUNT"]), sink)
    async with UserClient(quota=Quota.parse(os.environ["SESSIONS_QUOTA"])) as user:
        print("ready", flush=True)
        report = await export(user, ["sessions"], sink, state=place / "state")
    told = report.resources["sessions"]
    print(json.dumps({"complete": told.complete, "rows": told.rows, "passes": told.passes}), flush=True)


# -- the server --------------------------------------------------------------------------------------------------------


class World:
    """The sessions of a sandbox, and what happens to them."""

    def __init__(self, sandbox: Sandbox, draw: random.Random, count: int) -> None:
        self.sandbox = sandbox
        self.draw = draw
        self.untouched: set[str] = set()
        self.ever: set[str] = set()
        now = self._now()
        for number in range(count):
            self._make(f"Session {number}", now - timedelta(hours=count + 1 - number), ended=number % 3 > 0)
        self.begin_round()

    def rows(self) -> dict[str, dict[str, Any]]:
        """The sessions as they must be in a sink, by their ids, the oldest first."""
        return {row["id"]: row for row in reversed(self.sandbox.data["sessions"])}

    def begin_round(self) -> None:
        """From here on it is remembered which are there all the time."""
        self.untouched = set(self.rows())

    def disturb(self) -> None:
        """One comes or one goes."""
        if self.draw.random() < 0.5:
            self._make("New", self._now(), ended=self.draw.random() < 0.5)
        else:
            gone = self.draw.choice(list(self.rows()))
            self.sandbox.remove("sessions", gone)
            self.untouched.discard(gone)

    def turn_over(self) -> None:
        """What happens between two rounds: a tenth is renamed, a tenth of the open ones ends, some come and go."""
        rows = list(self.rows().values())
        renamed = self.draw.sample(rows, len(rows) // 10)
        for row in renamed:
            row["name"] += ", renamed"
        ended = [row for row in rows if row["endedAt"] is None][::10]
        for row in ended:
            row |= self._end(row)
        self.sandbox.load({"sessions": rows})
        for _ in range(10):
            self.disturb()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.sandbox.clock.now(), UTC)

    def _make(self, name: str, created: datetime, *, ended: bool) -> None:
        host = {"id": f"host {len(self.ever)}", "isOwner": True, "user": {"email": "grace@example.com"}}
        guest = {"email": f"guest{len(self.ever)}@example.org", "firstName": "Ada"}
        moment = created.isoformat()
        row = {"name": name, "createdAt": moment, "startAt": moment, "participants": [host, {"guest": guest}]}
        if ended:
            row |= self._end(row)
        self.ever.update(self.sandbox.load({"sessions": [row]})["sessions"])

    def _end(self, session: Mapping[str, Any]) -> dict[str, Any]:
        """What differs once a session has ended."""
        said = {
            "participantId": session["participants"][0]["id"],
            "sourceTimestamp": session["createdAt"],
            "content": [{"text": "Good morning."}],
        }
        return {
            "actualStart": session["createdAt"],
            "endedAt": (datetime.fromisoformat(session["createdAt"]) + timedelta(minutes=30)).isoformat(),
            "takeaways": f"What {session['name']} came to",
            "transcripts": [said],
        }


# -- the killer --------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a round or all of them came to."""

    kills: int = 0
    points: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    rows: int = 0
    refused: int = 0

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.foreign or self.wrong)

    def __str__(self) -> str:
        points = ", ".join(f"{name} {count}" for name, count in sorted(self.points.items()))
        return (
            f"{self.kills} kills ({points}), {self.rows} rows: {len(self.lost)} lost, {len(self.doubled)} doubled, "
            f"{len(self.foreign)} of nobody, {len(self.wrong)} wrong; {self.refused} requests were refused"
        )


async def run(
    kind: str, *, kills: int, sessions: int, seed: int, place: Path, quota: str = "60/1s", longest: float = 2.5
) -> Outcome:
    """Both rounds.

    Args:
        kind: which of SINKS.
        kills: how many in all.
        sessions: how many there are at the beginning.
        seed: of everything that is drawn; only what the machine's speed decides differs between two runs.
        place: an empty directory.
        quota: what the sandbox allows.
        longest: seconds until a process is killed.
    """
    draw = random.Random(seed)
    outcome = Outcome()
    limit = Quota.parse(quota)
    async with Sandbox(limit=limit.limit, window=limit.window, empty=True, seed=seed, fields="all") as sandbox:
        world = World(sandbox, draw, sessions)
        environment = {
            **os.environ,
            "SESSIONS_BASE_URL": sandbox.url,
            "SESSIONS_USER_KEY": sandbox.user_key,
            "SESSIONS_QUOTA": quota,
        }
        for share in (kills - kills // 3, kills // 3):
            await _round(kind, share, world, outcome, place, environment, longest)
            _compare(SINKS[kind], place, world, outcome)
            world.turn_over()
            world.begin_round()
        outcome.refused = sandbox.limiter.refused
    return outcome


async def _round(
    kind: str,
    kills: int,
    world: World,
    outcome: Outcome,
    place: Path,
    environment: Mapping[str, str],
    longest: float,
) -> None:
    """One export, killed so many times before it may end."""
    disturbing = asyncio.create_task(_disturb(world))
    try:
        done = 0
        while True:
            if done >= kills:
                disturbing.cancel()
            lives = None if done >= kills else world.draw.uniform(0.0, longest)
            status, complete = await _start(kind, world.draw, outcome, place, environment, lives)
            if status == -signal.SIGKILL:
                done += 1
            elif status != 0:
                raise RuntimeError(f"the export ended with {status}")
            elif done >= kills and complete:
                return
            # It came to its end before it was killed, or says that the list never rested: the next start is a new run.
    finally:
        disturbing.cancel()
        with suppress(asyncio.CancelledError):
            await disturbing


async def _start(
    kind: str, draw: random.Random, outcome: Outcome, place: Path, environment: Mapping[str, str], lives: float | None
) -> tuple[int, bool]:
    """One process, from its start to its end: after so many seconds, or at one of the worst moments; None lets it live.

    Returns:
        Its status, and whether it reports that no row is missing.
    """
    point = "" if lives is None or draw.random() < 0.25 else draw.choice(sorted(POINTS.keys() - SINKS[kind].spared))
    count = draw.choice(POINTS[point]) if point else 0
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", __file__, "--child", "--sink", kind, "--place", str(place),
        env={**environment, "CHAOS_POINT": point, "CHAOS_COUNT": str(count)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    await child.stdout.readline()  # it is ready
    try:
        # One that dies by itself gets more time to come to that point, or to its end.
        await asyncio.wait_for(child.wait(), 300 if lives is None else _LIVES if point else lives)
    except TimeoutError:
        point = "anywhere"
        with suppress(ProcessLookupError):  # it ended by itself, just now
            child.kill()
    said = (await child.stdout.read()).decode()
    status = await child.wait()
    if status == -signal.SIGKILL and lives is not None:
        outcome.kills += 1
        outcome.points[point] += 1
    return status, status == 0 and json.loads(said.splitlines()[-1])["complete"]


async def _disturb(world: World) -> None:
    while True:
        await asyncio.sleep(world.draw.uniform(0.05, 0.4))
        world.disturb()


def _compare(kind: Kind, place: Path, world: World, outcome: Outcome) -> None:
    rows, there = kind.read(place), world.rows()
    outcome.rows = len(rows)
    times = Counter(row["id"] for row in rows)
    outcome.doubled += [name for name, count in times.items() if count > 1]
    outcome.lost += sorted(world.untouched - times.keys())
    outcome.foreign += sorted(times.keys() - world.ever)
    outcome.wrong += [
        row["id"] for row in rows if row["id"] in world.untouched and row != kind.expect(there[row["id"]])
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sink", choices=sorted(SINKS), action="append", help="may be given several times; all")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        asyncio.run(_child(given.sink[0], given.place))
        return 0
    good = True
    for kind in given.sink or sorted(SINKS):
        print(f"{kind}, seed {given.seed}: ", end="", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            outcome = asyncio.run(
                run(kind, kills=given.kills, sessions=given.sessions, seed=given.seed, place=Path(folder))
            )
        print(outcome, flush=True)
        good = good and outcome.is_good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
