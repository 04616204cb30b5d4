"""The setting: what a quota may be, and how it is written."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from typing import get_type_hints

import attrs
import pytest

from sessions_us.errors import ConfigurationError
from sessions_us.quota import MemoryStore, Quota, QuotaSnapshot, SQLiteStore

SNAPSHOT = QuotaSnapshot(10, 60.0, 9, None, {}, 1)


@pytest.mark.parametrize(
    ("text", "limit", "window"),
    [
        ("10/60s", 10, 60.0),
        ("10/60", 10, 60.0),
        (" 10 / 1m ", 10, 60.0),
        ("5/m", 5, 60.0),
        ("1000/h", 1000, 3600.0),
        ("3/0.5s", 3, 0.5),
        ("3/500ms", 3, 0.5),
    ],
)
def test_a_quota_can_be_written(text: str, limit: int, window: float) -> None:
    """Requests, a slash, a window with its unit."""
    quota = Quota.parse(text)
    assert (quota.limit, quota.window, quota.reserve) == (limit, window, 2)


@pytest.mark.parametrize(
    "text", ["", "10", "10/", "/60s", "ten/60s", "10/60d", "-1/60s", "0/60s", "10/0s", "10/60s/2", "1e3/60s"]
)
def test_no_quota_is_refused_with_an_example(text: str) -> None:
    """The error says what to write."""
    with pytest.raises(ConfigurationError, match=r"10/60s|give"):
        Quota.parse(text)


@pytest.mark.parametrize("given", [None, 10, b"10/60s"])
def test_what_is_no_text_is_no_quota(given: object) -> None:
    """Likewise."""
    with pytest.raises(ConfigurationError, match=r"is no quota: write requests/window, such as 10/60s"):
        Quota.parse(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 1.5},
        {"limit": True},
        {"limit": "10"},
        {"window": 0},
        {"window": -1},
        {"window": math.nan},
        {"window": math.inf},
        {"window": "60"},
        {"reserve": -1},
        {"reserve": 0.5},
        {"store": "redis://:hush@host"},
        {"store": SQLiteStore},
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(fields: dict[str, object]) -> None:
    """A quota is checked when it is made, not when it is used."""
    with pytest.raises(ConfigurationError, match="give") as caught:
        Quota(**fields)  # type: ignore[arg-type]
    assert "hush" not in str(caught.value)


def test_the_environment_can_set_it() -> None:
    """SESSIONS_QUOTA if it is set, else what the API documents."""
    assert Quota.from_env({}) == Quota(limit=10, window=60.0)
    assert Quota.from_env({"SESSIONS_QUOTA": ""}) == Quota()
    assert Quota.from_env({"SESSIONS_QUOTA": "20/30s"}) == Quota(limit=20, window=30.0)
    with pytest.raises(ConfigurationError, match="SESSIONS_QUOTA: 'many'"):
        Quota.from_env({"SESSIONS_QUOTA": "many"})


def test_quotas_are_equal_by_value() -> None:
    """Two clients that say the same of one key agree; two stores are never the same."""
    assert Quota(5, 30.0) == Quota(5, 30.0)
    assert Quota(store=MemoryStore()) != Quota(store=MemoryStore())


@pytest.mark.parametrize("value", [Quota(3), SNAPSHOT])
def test_settings_are_copied_and_pickled(value: Quota | QuotaSnapshot) -> None:
    """The copies are equal to it; nothing of another class is."""
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value
    assert value != repr(value)


def test_a_quota_is_hashed_and_printed_by_value() -> None:
    """As it is written in a program."""
    assert hash(Quota(3)) == hash(Quota(3))
    assert repr(Quota(3)) == "Quota(limit=3, window=60.0, reserve=2, store=None)"


def test_attrs_reads_and_changes_settings() -> None:
    """What a class checks is checked again, and nothing else changes them."""
    assert attrs.evolve(Quota(limit=5), reserve=0) == Quota(5, reserve=0)
    assert attrs.asdict(Quota(3)) == {"limit": 3, "window": 60.0, "reserve": 2, "store": None}
    assert [field.name for field in attrs.fields(QuotaSnapshot)][:3] == ["limit", "window", "remaining"]
    with pytest.raises(ConfigurationError, match="limit"):
        attrs.evolve(Quota(), limit=0)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        SNAPSHOT.limit = 1  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del SNAPSHOT.limit


def test_the_signature_of_a_quota_is_whole() -> None:
    """With names, annotations and defaults; by place, patterns match as arguments are given."""
    assert str(inspect.signature(Quota)) == (
        "(limit: 'int' = 10, window: 'float' = 60.0, reserve: 'int' = 2, store: 'Store | None' = None) -> None"
    )
    assert get_type_hints(Quota.__init__)["limit"] is int
    with pytest.raises(TypeError, match=r"Quota\.__init__\(\) got an unexpected keyword argument 'limits'"):
        Quota(limits=3)  # type: ignore[call-arg]
    match Quota(3, 5.0):
        case Quota(limit, window):
            assert (limit, window) == (3, 5.0)
