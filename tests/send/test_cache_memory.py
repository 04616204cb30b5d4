"""The memory of the cache is bounded."""

from __future__ import annotations

from sessions_us._send.cache_memory import CacheMemory, Copy
from sessions_us._send.call import Answer, Name


def name(number: int) -> Name:
    return Name("digest", "https://example.com", "GET", f"/api/rooms/{number:04}", (), None)


def copy(size: int) -> Copy:
    return Copy((Answer(200, b"x" * size),), 0.0, "get_room")


def kept(memory: CacheMemory) -> list[int]:
    return [number for number in range(10) if memory.get(name(number)) is not None]


def test_the_least_recently_used_go_first():
    """The number of copies is bounded, and so are their bytes."""
    memory = CacheMemory(most=3, most_bytes=1000)
    for number in range(3):
        memory.put(name(number), copy(100))
    memory.get(name(0))
    memory.put(name(3), copy(100))
    assert kept(memory) == [0, 2, 3]

    memory.put(name(0), copy(800))
    assert kept(memory) == [0, 3]


def test_a_copy_above_the_bound_is_not_kept():
    """And it takes no other's place."""
    memory = CacheMemory(most=3, most_bytes=1000)
    memory.put(name(1), copy(100))
    memory.put(name(5), copy(1001))

    assert kept(memory) == [1]


def test_what_is_dropped_gives_its_bytes_back():
    """After a drop there is room for copies up to the last byte, whatever was replaced or removed before."""
    path = len(name(0).path)
    memory = CacheMemory(most=10, most_bytes=1000)
    for number in (0, 1, 0, 2):
        memory.put(name(number), copy(200))
    memory.remove(name(2))
    memory.remove(name(2))
    memory.drop(lambda name, operation: operation == "get_room")
    assert kept(memory) == []

    memory.put(name(3), copy(500 - path))
    memory.put(name(4), copy(500 - path))
    assert kept(memory) == [3, 4]
    memory.put(name(5), copy(0))
    assert kept(memory) == [4, 5]
