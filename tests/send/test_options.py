"""Options are checked where they are given."""

from __future__ import annotations

import pytest

from sessions_us import ConfigurationError, UserClient


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout", 0), ("timeout", -1), ("timeout", float("inf")), ("timeout", None), ("timeout", True), ("max_wait", -1),
     ("max_wait", float("nan")), ("max_wait", "5")],
)  # fmt: skip
def test_a_senseless_number_is_refused(name, value):
    """With one line that says what it takes."""
    with pytest.raises(ConfigurationError, match=f"{name} is a number of seconds"):
        UserClient("k", **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("quota", 5), ("quota", "10/60s"), ("retries", 5), ("on_event", 5), ("transport", 5), ("base_url", 5)],
)
def test_a_wrong_kind_is_refused(name, value):
    """And not at the first call, far from its cause."""
    with pytest.raises(ConfigurationError, match=name):
        UserClient("k", **{name: value})


def test_options_of_a_copy_are_checked():
    """None is no retry policy; RetryPolicy(attempts=1) is."""
    with pytest.raises(ConfigurationError, match=r"RetryPolicy\(attempts=1\)"):
        UserClient("k").with_options(retries=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["cache_ttl", "stale_while_revalidate", "stale_if_error"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), None, "5", True])
def test_a_senseless_age_is_refused(option, value):
    """The age of a copy is a number of seconds, 0 or more."""
    with pytest.raises(ConfigurationError, match=option):
        UserClient("key", **{option: value})


class TenantClient(UserClient):
    """What people make of a client."""

    def __init__(self, tenant: str, key: str) -> None:
        super().__init__(key)
        self.tenant = tenant


def test_a_copy_has_what_a_subclass_added():
    """Its own attributes stay. Resources are those of the copy, also where the original had used its own."""
    user = TenantClient("acme", "key")
    assert user.rooms is user.rooms
    user.note = "set later"
    copy = user.with_options(timeout=5)
    again = copy.with_options(lane="background")

    assert type(again) is TenantClient
    assert (again.tenant, again.note) == ("acme", "set later")
    assert copy.rooms is not user.rooms
    copy.tenant = "other"
    assert user.tenant == "acme"
