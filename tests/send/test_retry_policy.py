from __future__ import annotations

import copy
import inspect
import pickle

import attrs
import pytest

from sessions_us import DecodeError, RetryPolicy, StatusError, TransportError

POLICY = RetryPolicy(attempts=3, backoff=1.0, backoff_max=8.0)


def status(code: int, retry_after: float | None = None) -> StatusError:
    return StatusError.of(code)(
        "x", status_code=code, body=None, headers={}, method="GET", path="/", retry_after=retry_after
    )


def lost(sent: str) -> TransportError:
    return TransportError("x", sent=sent, method="GET", path="/")  # type: ignore[arg-type]


CASES = [
    # failure, repeatable, delay with jitter 0.5 after the first attempt
    (lost("no"), True, 0.5),
    (lost("no"), False, 0.5),
    (lost("unknown"), True, 0.5),
    (lost("unknown"), False, None),
    (status(429), True, 0.0),
    (status(429), False, 0.0),
    (status(429, 3600), False, 0.0),
    (status(429, 3601), True, None),
    (status(503), True, 0.5),
    (status(503), False, None),
    (status(503, 7), True, 7),
    (status(503, 7), False, 7),
    (status(503, 4000), False, None),
    (status(500), True, 0.5),
    (status(500), False, None),
    (status(500, 9), False, None),
    (status(502, 9), True, 9),
    (status(504), True, 0.5),
    (status(408), True, 0.5),
    (status(425), False, None),
    (status(501), True, None),
    (status(520), True, None),
    (status(404), True, None),
    (status(401), True, None),
    (DecodeError("x", body=b"", status_code=200, method="GET", path="/"), True, None),
]


@pytest.mark.parametrize(("failure", "repeatable", "delay"), CASES)
def test_what_is_tried_again(failure, repeatable, delay):
    """Reads after anything passing; writes only where the server provably did nothing."""
    assert POLICY.delay(failure, attempt=1, repeatable=repeatable, jitter=0.5) == delay


def test_back_off_doubles_and_is_bounded():
    """With full jitter, so that clients that failed together do not come back together."""
    policy = RetryPolicy(attempts=10, backoff=1.0, backoff_max=5.0)

    delays = [policy.delay(lost("no"), attempt=n, repeatable=True, jitter=1.0) for n in range(1, 10)]

    assert delays == [1, 2, 4, 5, 5, 5, 5, 5, 5]
    assert policy.delay(lost("no"), attempt=4, repeatable=True, jitter=0.0) == 0


def test_attempts_are_counted_with_the_first():
    """attempts=1 is no retry at all."""
    assert POLICY.delay(lost("no"), attempt=3, repeatable=True, jitter=0.5) is None
    assert RetryPolicy(attempts=1).delay(status(429), attempt=1, repeatable=True, jitter=0.5) is None
    with pytest.raises(ValueError, match="attempts"):
        RetryPolicy(attempts=0)


@pytest.mark.parametrize("statuses", ["503", {"503"}, {503, None}])
@pytest.mark.parametrize("name", ["statuses", "refused", "postponed"])
def test_statuses_are_numbers(name, statuses):
    """Others would match nothing, so that nothing is repeated."""
    with pytest.raises(TypeError, match="statuses are whole numbers"):
        RetryPolicy(**{name: statuses})


def test_errors_travel_between_processes():
    """Process pools pickle what was raised; every attribute arrives."""
    error = pickle.loads(pickle.dumps(status(429, 3.5)))

    assert type(error) is StatusError.of(429)
    assert (error.status_code, error.retry_after, str(error)) == (429, 3.5, "x")


def test_the_rules_are_data():
    """Another server, other statuses: nothing but values changes."""
    policy = RetryPolicy(statuses={520}, refused={409}, postponed={507}, backoff=1.0)

    def delay(failure: StatusError, *, repeatable: bool) -> float | None:
        return policy.delay(failure, attempt=1, repeatable=repeatable, jitter=0.5)

    assert delay(status(520), repeatable=True) == 0.5
    assert delay(status(520), repeatable=False) is None
    assert delay(status(409), repeatable=False) == 0.5
    assert delay(status(507), repeatable=False) is None
    assert delay(status(507, 3), repeatable=False) == 3
    assert [delay(status(code, 1), repeatable=False) for code in (429, 503)] == [None, None]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        policy.attempts = 9  # type: ignore[misc]


def test_a_closed_connection_needs_no_back_off():
    """It says nothing about the server's health; a write stays ambiguous all the same."""
    assert POLICY.delay(lost("unknown"), attempt=1, repeatable=True, jitter=0.5, stale=True) == 0
    assert POLICY.delay(lost("unknown"), attempt=1, repeatable=False, jitter=0.5, stale=True) is None


def test_a_policy_is_a_value():
    """Equal, hashed, copied, printed and pickled by its fields; nothing else is equal to it, and it never changes."""
    policy = RetryPolicy(attempts=2, statuses=frozenset({500}))
    same = RetryPolicy(attempts=2, statuses=frozenset({500}))

    assert copy.copy(policy) == copy.deepcopy(policy) == pickle.loads(pickle.dumps(policy)) == policy == same
    assert hash(policy) == hash(same)
    assert policy not in (RetryPolicy(attempts=2), repr(policy))
    assert repr(policy).startswith("RetryPolicy(attempts=2, total=None, backoff=0.5, backoff_max=8.0, ")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        policy.attempts = 3  # type: ignore[misc]


def test_attrs_reads_and_changes_a_policy():
    """What the class checks is checked again."""
    assert attrs.asdict(RetryPolicy(attempts=2))["attempts"] == 2
    assert attrs.evolve(POLICY, attempts=4) == RetryPolicy(attempts=4, backoff=1.0, backoff_max=8.0)
    with pytest.raises(ValueError, match="attempts"):
        attrs.evolve(POLICY, attempts=0)


def test_a_policy_takes_names_only():
    """With defaults for all."""
    parameters = inspect.signature(RetryPolicy).parameters

    assert list(parameters) == [field.name for field in attrs.fields(RetryPolicy)]
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    with pytest.raises(TypeError, match="positional"):
        RetryPolicy(3)  # type: ignore[call-arg]
