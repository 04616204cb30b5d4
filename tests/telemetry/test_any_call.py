"""Traces and metrics for whatever servers and callers do: hypothesis writes the scripts, in virtual time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind
from support.clock import run
from support.collecting import Collected
from test_events_grammar import ASKS, DOES, told

from sessions_us import CallEnded, RequestSent
from sessions_us.telemetry import instrument, uninstrument


@settings(max_examples=60)
@given(
    script=st.lists(DOES, max_size=8),
    asked=st.lists(ASKS, min_size=1, max_size=5),
    closes=st.sampled_from([None, None, 3, 9]),
)
def test_any_call_is_one_span_with_its_attempts_below(script, asked, closes):
    """Each call has one, with its outcome, and each request that was sent has one below that of its call."""
    collected = Collected()
    instrument(**collected.providers)
    try:
        events = run(told(script, asked, closes))
    finally:
        uninstrument()

    ends = {event.call: event for event in events if isinstance(event, CallEnded)}
    calls = {(span.attributes or {})["sessions_us.call"]: span for span in collected.calls()}
    assert len(collected.calls()) == len(calls)
    assert calls.keys() == ends.keys()
    for number, span in calls.items():
        assert (span.attributes or {})["sessions_us.outcome"] == ends[number].outcome
        assert (span.attributes or {}).get("error.type") == ends[number].error
    sent = Counter(event.call for event in events if isinstance(event, RequestSent))
    attempts = {
        number: [each for each in collected.children(span) if each.kind is SpanKind.CLIENT]
        for number, span in calls.items()
    }
    assert {number: len(each) for number, each in attempts.items() if each} == sent
    assert sum(value for _, value in collected.metrics().get("sessions_us.calls", [])) == len(ends)
