"""One count of the server's, when its reset is, and which of two counts holds: answers overtake each other."""

from __future__ import annotations

from typing import NamedTuple

from sessions_us.quota.rules.headers import Report, is_near

__all__ = ("MARGIN", "Reading", "later", "reset_of")

MARGIN = 1.0  # seconds: whole seconds that were rounded down, or a clock's arithmetic in whole seconds
FINE_MARGIN = 0.02  # seconds: a value with a fraction


class Reading(NamedTuple):
    """What the server counted.

    Attributes:
        received: when its answer, or the last one that overlapped with it, arrived.
        limit, remaining: as the answer said.
        earliest, latest: between which moments its own answer puts the reset.
        expires: the latest moment of the reset by all answers of the window; the count holds until then.
        not_before: the earliest moment of that reset.
    """

    received: float
    limit: int
    remaining: int
    earliest: float
    latest: float
    expires: float
    not_before: float


def reset_of(report: Report, sent: float, now: float, offset: float | None, strikes: int) -> tuple[float, float] | None:
    """Rule 4: between which moments the reset lies that an answer of `now` tells; None if it tells none.

    Args:
        report: what the answer said.
        sent: when its request was.
        offset: the server's clock minus ours, never too high.
        strikes: how many probes in a row were refused.
    """
    margin = (FINE_MARGIN if report.exact else MARGIN) * 2**strikes
    if report.reset_in is not None:
        return sent + report.reset_in - MARGIN, now + report.reset_in + margin
    if report.reset_at is not None and offset is not None:
        moment = report.reset_at - offset
        if not is_near(moment - sent):  # an answer without `Date` can't be judged before
            return None
        # `Date` is in whole seconds and was written on the way: the offset is too low by up to a second and a round trip.
        return moment - 2 * MARGIN - (now - sent), moment + margin
    return None


def later(old: Reading, new: Reading, sent: float) -> tuple[Reading, bool]:
    """Rules 3 and 4: the count that holds after `new`, whose request was sent at `sent`, and whether it is `new`'s."""
    overlapped = sent <= old.received  # in doubt they did
    if overlapped and new.latest < old.earliest:
        return old._replace(received=new.received), False  # the answer of an older window
    newer = not overlapped or new.earliest > old.latest or new.remaining < old.remaining
    kept, other = (new, old) if newer else (old, new)
    # Nothing was freed between the two counts if both were written before a reset that either announced can have come.
    if other.expires < kept.expires and new.received <= other.not_before:
        kept = _until_reset_of(other, kept)
    elif not newer and new.remaining == old.remaining and new.received > old.not_before:
        # Two requests and one count: something was freed between them, so the earlier reset may be over and spent.
        kept = _until_reset_of(max(old, new, key=lambda reading: reading.expires), kept)
    return (kept if newer else kept._replace(received=new.received)), newer


def _until_reset_of(other: Reading, kept: Reading) -> Reading:
    # Not `_replace`, which costs three times as much, and this is done for each answer.
    received, limit, remaining, earliest, latest, _, _ = kept
    return Reading(received, limit, remaining, earliest, latest, other.expires, other.not_before)
