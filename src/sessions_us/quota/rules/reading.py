"""One count of the server: when its reset is, and which of two counts holds, because answers overtake each other."""

from __future__ import annotations

from typing import NamedTuple

from .headers import Report, is_near

__all__ = ("MARGIN", "Reading", "later", "reset_of")

MARGIN = 1.0  # seconds; for values in whole seconds, which may be rounded down
FINE_MARGIN = 0.02  # seconds; for values with a fraction


class Reading(NamedTuple):
    """What one answer said of the quota.

    Attributes:
        received: when the answer, or the last one that overlapped with it, arrived.
        limit, remaining: as the answer said.
        earliest, latest: the bounds of the reset by this answer.
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


def reset_of(
    report: Report, sent: float, now: float, offset: float | None, refused_probes: int
) -> tuple[float, float] | None:
    """Return the bounds of the reset in an answer received at `now`, by rule 4; None if it has no usable reset.

    Args:
        report: what the answer said.
        sent: when the request was sent.
        offset: the server's clock minus ours, never too high.
        refused_probes: how many probes in a row got a 429.
    """
    margin = (FINE_MARGIN if report.exact else MARGIN) * 2**refused_probes
    if report.reset_in is not None:
        return sent + report.reset_in - MARGIN, now + report.reset_in + margin
    if report.reset_at is not None and offset is not None:
        moment = report.reset_at - offset
        if not is_near(moment - sent):  # without a `Date` it could not be judged before
            return None
        # `Date` is in whole seconds and was written on the way: the offset is too low by up to a second and a round trip.
        return moment - 2 * MARGIN - (now - sent), moment + margin
    return None


def later(old: Reading, new: Reading, sent: float) -> tuple[Reading, bool]:
    """Return the count that holds after `new`, whose request was sent at `sent`, and whether it is that of `new` (rules 3, 4)."""
    overlapped = sent <= old.received  # if the moments are equal, they did
    if overlapped and new.latest < old.earliest:
        return old._replace(received=new.received), False  # the answer of an older window
    newer = not overlapped or new.earliest > old.latest or new.remaining < old.remaining
    kept, other = (new, old) if newer else (old, new)
    # Nothing was freed between the two counts if both were written before any reset that either announced.
    if other.expires < kept.expires and new.received <= other.not_before:
        kept = _until_reset_of(other, kept)
    elif not newer and new.remaining == old.remaining and new.received > old.not_before:
        # Two requests and one count: something was freed between them, so the earlier reset may have passed.
        kept = _until_reset_of(max(old, new, key=lambda reading: reading.expires), kept)
    return (kept if newer else kept._replace(received=new.received)), newer


def _until_reset_of(other: Reading, kept: Reading) -> Reading:
    # Not `_replace`, which costs three times as much, and this is done for each answer.
    received, limit, remaining, earliest, latest, _, _ = kept
    return Reading(received, limit, remaining, earliest, latest, other.expires, other.not_before)
