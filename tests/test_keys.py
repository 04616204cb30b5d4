from __future__ import annotations

import copy
import pickle
import traceback
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_us import ConfigurationError, GuestClient, GuestKey, UserClient, UserKey

CANARY = "canary-5c0ffee-key"

UNUSABLE = {
    "blank": "   ",
    "empty": "",
    "two lines": f"{CANARY}\n{CANARY}",
    "line break at the end": f"{CANARY}\n",
    "header injection": f"{CANARY}\r\nx-evil: 1",
    "vertical tab": f"{CANARY}\x0b{CANARY}",
    "line separator": f"{CANARY}\u2028{CANARY}",
    "control character": f"{CANARY}\x00",
    "not ASCII": f"{CANARY}é",
    "space around": f" {CANARY} ",
}


@pytest.mark.parametrize("value", UNUSABLE.values(), ids=UNUSABLE.keys())
@pytest.mark.parametrize(("kind", "variable"), [(UserClient, "SESSIONS_USER_KEY"), (GuestClient, "SESSIONS_GUEST_KEY")])
@pytest.mark.parametrize("where", ["argument", "environment"])
def test_an_unusable_key_is_not_shown(kind, variable, value, where, monkeypatch):
    """Blank, multi-line and header-unsafe keys are refused at construction, however they came."""
    monkeypatch.delenv(variable, raising=False)
    if where == "environment" and "\x00" in value:
        where = "argument"  # no environment can hold it
    if where == "environment":
        monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match=variable) as caught:
        kind(value if where == "argument" else None)

    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None
    frames = StringIO()
    ours = [frame for frame in traceback.walk_tb(caught.tb) if "sessions_us" in frame[0].f_code.co_filename]
    frames.write(repr([frame.f_locals for frame, _ in ours]))
    assert ours
    assert CANARY not in frames.getvalue()


@pytest.mark.parametrize(("kind", "variable"), [(UserClient, "SESSIONS_USER_KEY"), (GuestClient, "SESSIONS_GUEST_KEY")])
def test_a_missing_key_names_its_variable(kind, variable, monkeypatch):
    """Without an argument and without the variable there is nothing to start with."""
    monkeypatch.delenv(variable, raising=False)

    with pytest.raises(ConfigurationError, match=variable):
        kind()


def test_each_client_reads_its_own_variable(monkeypatch):
    """A user client never picks up the guest key, nor the other way round."""
    monkeypatch.setenv("SESSIONS_USER_KEY", "user-from-env")
    monkeypatch.delenv("SESSIONS_GUEST_KEY", raising=False)

    UserClient()

    with pytest.raises(ConfigurationError, match="SESSIONS_GUEST_KEY"):
        GuestClient()


def test_a_key_of_the_other_role_is_refused():
    """What the type checker says, the client says at run time too."""
    with pytest.raises(ConfigurationError, match="GuestKey was given where a UserKey"):
        UserClient(GuestKey("g"))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="UserKey was given where a GuestKey"):
        GuestClient(UserKey("u"))  # type: ignore[arg-type]


def test_a_key_shows_itself_nowhere():
    """Not in repr, str or format; not by pickling; a copy is the same object."""
    key = UserKey(CANARY)

    assert CANARY not in f"{key!r} {key} {[key]}"
    assert copy.deepcopy(key) is copy.copy(key) is key
    assert key == UserKey(CANARY)
    assert key != UserKey("another")
    assert key != GuestKey(CANARY)
    assert CANARY not in key.digest("anything")
    with pytest.raises(TypeError, match="SESSIONS_USER_KEY"):
        pickle.dumps(key)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(UserClient(CANARY))


@pytest.mark.parametrize("value", [*UNUSABLE.values(), 5, None])
def test_an_unusable_key_is_no_key(value):
    """A key that is made by itself is checked as one that a client is given, and not shown either."""
    with pytest.raises(ConfigurationError, match="SESSIONS_USER_KEY") as caught:
        UserKey(value)

    assert CANARY not in str(caught.value)
    ours = [frame for frame, _ in traceback.walk_tb(caught.tb) if "sessions_us" in frame.f_code.co_filename]
    assert ours
    assert CANARY not in repr([frame.f_locals for frame in ours])


def test_equal_keys_are_one_in_a_set():
    """And a key of the other role is another."""
    assert {UserKey("a"), UserKey("a"), UserKey("b"), GuestKey("a")} == {UserKey("b"), UserKey("a"), GuestKey("a")}


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_any_one_line_header_safe_string_is_a_key(value):
    """Nothing else is known of the form of a key, so nothing else is asked of it."""
    assert UserKey(value).reveal() == value
