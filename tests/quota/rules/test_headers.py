"""What responses say of the rate limit: every family and unit, and whatever garbage."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessions_us.quota.rules.headers import Report, parse_report, parse_retry_after

DATE = ("Date", "Mon, 23 Nov 2026 12:00:00 GMT")
EPOCH = 1795435200.0

SAID = {
    "x-ratelimit": (
        [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "7"), ("X-RateLimit-Reset", "42")],
        Report(limit=10, remaining=7, reset_in=42.0),
    ),
    "x-rate-limit": (
        [("X-Rate-Limit-Limit", "10"), ("X-Rate-Limit-Remaining", "0"), ("X-Rate-Limit-Reset", "42")],
        Report(limit=10, remaining=0, reset_in=42.0),
    ),
    "draft-6": (
        [
            ("RateLimit-Policy", "10;w=60"),
            ("RateLimit-Limit", "10"),
            ("RateLimit-Remaining", "9"),
            ("RateLimit-Reset", "60"),
        ],
        Report(limit=10, window=60.0, remaining=9, reset_in=60.0),
    ),
    "the first drafts' list": (
        [("RateLimit-Limit", "10, 10;w=60, 1000;w=3600"), ("RateLimit-Remaining", "9"), ("RateLimit-Reset", "50")],
        Report(limit=10, window=60.0, remaining=9, reset_in=50.0),
    ),
    "draft-7": (
        [("RateLimit-Policy", "10;w=60"), ("RateLimit", "limit=10, remaining=9, reset=60")],
        Report(limit=10, window=60.0, remaining=9, reset_in=60.0),
    ),
    "draft-8": (
        [("RateLimit", '"api"; r=9; t=60'), ("RateLimit-Policy", '"api"; q=10; w=60; pk=:dGVzdA==:')],
        Report(limit=10, window=60.0, remaining=9, reset_in=60.0),
    ),
    "draft-8, two policies": (
        [
            ("RateLimit", '"day";r=3;t=80000, "minute, or so";r=1;t=12'),
            ("RateLimit-Policy", '"day";q=500;w=86400'),
            ("RateLimit-Policy", '"minute, or so";q=10;w=60'),
        ],
        Report(limit=10, window=60.0, remaining=1, reset_in=12.0),
    ),
    "draft-8, nothing but the policy": ([("RateLimit-Policy", '"api";q=5;w=30')], Report(limit=5, window=30.0)),
    "draft-6, nothing but the policy": ([("RateLimit-Policy", "5;w=30")], Report(limit=5, window=30.0)),
    "draft-8, a window of nobody knows how many": ([("RateLimit-Policy", "w=60; pk=:dGVzdA==:")], Report()),
    "draft-8, no policy": ([("RateLimit", '"api";r=9;t=60')], Report(remaining=9, reset_in=60.0)),
    "draft-8, in two headers": (
        [("RateLimit", '"minute";r=1;t=12'), ("RateLimit", '"day";r=3;t=80000')],
        Report(remaining=1, reset_in=12.0),
    ),
    "draft-8, nothing left of the second": (
        [("RateLimit", '"a";r=1;t=50, "b";r=0;t=10')],
        Report(remaining=0, reset_in=10.0),
    ),
    "draft-8, no reset of the first": (
        [("RateLimit", '"a";r=1, "b";r=1;t=0.5')],
        Report(remaining=1, reset_in=0.5, exact=True),
    ),
    "draft-8, names that are almost the same": (
        [("RateLimit", '"XL";r=9;t=60'), ("RateLimit-Policy", '"L";q=10;w=60, "XL";q=100;w=3600')],
        Report(limit=100, window=3600.0, remaining=9, reset_in=60.0),
    ),
    "named throttlers": (
        [
            ("X-RateLimit-Limit-long", "100"),
            ("X-RateLimit-Remaining-long", "5"),
            ("X-RateLimit-Reset-long", "60"),
            ("X-RateLimit-Limit-short", "3"),
            ("X-RateLimit-Remaining-short", "2"),
            ("X-RateLimit-Reset-short", "1"),
        ],
        Report(limit=3, remaining=2, reset_in=1.0),
    ),
    "named throttlers, no reset": (
        [("X-RateLimit-Remaining-long", "5"), ("X-RateLimit-Remaining-short", "2")],
        Report(remaining=2),
    ),
    "a limit of its own beside another family's": (
        [("X-RateLimit-Limit", "10"), ("X-Retry-Limit", "5"), ("X-Retry-Remaining", "3"), ("X-Retry-Reset", "42")],
        Report(limit=5, remaining=3, reset_in=42.0),
    ),
    "after a header of something else": (
        [("Content-Type", "application/json"), ("X-RateLimit-Remaining", "4")],
        Report(remaining=4),
    ),
    "epoch seconds": (
        [DATE, ("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", "1795435242")],
        Report(limit=10, remaining=9, reset_at=EPOCH + 42, date=EPOCH),
    ),
    "epoch milliseconds": (
        [DATE, ("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", "1795435242500")],
        Report(limit=10, remaining=9, reset_at=EPOCH + 42.5, exact=True, date=EPOCH),
    ),
    "a date": (
        [
            DATE,
            ("X-RateLimit-Limit", "10"),
            ("X-Retry-Remaining", "9"),
            ("X-Retry-Reset", "Mon, 23 Nov 2026 12:00:42 GMT"),
        ],
        Report(limit=10, remaining=9, reset_at=EPOCH + 42, date=EPOCH),
    ),
    "a fraction": (
        [("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "41.5")],
        Report(limit=10, remaining=9, reset_in=41.5, exact=True),
    ),
    "a fraction of nothing": (
        [("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", "42.0")],
        Report(remaining=9, reset_in=42.0, exact=True),
    ),
    "no reset": (
        [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "9")],
        Report(limit=10, remaining=9),
    ),
    "Retry-After on a success": (
        [("Retry-After", "12.25"), ("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "9")],
        Report(limit=10, remaining=9, retry_after=12.25),
    ),
    "a limit of 0 says nothing": ([("X-RateLimit-Limit", "0"), ("X-RateLimit-Remaining", "3")], Report(remaining=3)),
    "more left than there is": (
        [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "11")],
        Report(limit=10, remaining=10),
    ),
    "neither seconds nor a moment": (
        [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", "50000000")],
        Report(limit=10, remaining=9),
    ),
    "the standard's family before the older one": (
        [
            ("X-RateLimit-Limit", "10"),
            ("X-RateLimit-Remaining", "9"),
            ("X-RateLimit-Reset", "1795435242"),
            ("RateLimit-Limit", "10"),
            ("RateLimit-Remaining", "9"),
            ("RateLimit-Reset", "42"),
        ],
        Report(limit=10, remaining=9, reset_in=42.0),
    ),
    "a family that does not count gives way": (
        [("RateLimit-Policy", "10;w=60"), ("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "4")],
        Report(limit=10, remaining=4),
    ),
    "the first of two": ([("X-RateLimit-Remaining", "4"), ("X-RateLimit-Remaining", "9")], Report(remaining=4)),
    "nothing": ([("Content-Type", "application/json"), DATE], Report()),
}


@pytest.mark.parametrize("case", SAID)
def test_every_family_is_read(case: str) -> None:
    """All families, units and spellings in use give the same report."""
    headers, report = SAID[case]
    assert parse_report(headers) == report


GARBAGE = [
    "",
    " ",
    "-1",
    "nan",
    "inf",
    "1e3",
    "0x10",
    "ten",
    "9" * 400,
    "1,2",
    "1 2",
    "٣",
    "½",
    '"',
    ";;;",
    "==",
    "\x00",
]


@pytest.mark.parametrize("text", GARBAGE)
@pytest.mark.parametrize("name", ["Limit", "Remaining", "Reset"])
def test_garbage_is_not_said(name: str, text: str) -> None:
    """A value that is no number says nothing, and the others still count."""
    headers = {"Limit": "10", "Remaining": "9", "Reset": "42"} | {name: text}
    report = parse_report([(f"X-RateLimit-{key}", value) for key, value in headers.items()])
    if name == "Limit" and text == "1,2":  # a list, as the first drafts had it
        assert report.limit == 1
        return
    assert report == Report(
        limit=None if name == "Limit" else 10,
        remaining=None if name == "Remaining" else 9,
        reset_in=None if name == "Reset" else 42.0,
    )


ABSURD = [
    "0001-01-01",  # negative as epoch seconds
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "0001-01-01T00:00:00+23:59",  # before the calendar, in UTC
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Mon, 23 Nov 2026 11:58:59 GMT",  # a minute before the answer
    "1795435139",
    "1795435139000",
    "Sat, 05 Dec 2026 12:00:00 GMT",  # a dozen days after it
    "1796472000",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "9999-12-31T23:59:59-23:59",  # after the calendar, in UTC
    "253402300799",
    "Fri, 31 Dec 99999 23:59:59 GMT",
    "Mon, 23 Nov 2026 12:00:42 +99999999",
    "Mon, 23 Nov 2026 25:61:61 GMT",
    "Mon, 99999999999999999999 Nov 2026 12:00:00 GMT",
    "999999999999999",
    "9" * 400,
    "1" + "0" * 14 + "." + "9" * 15,
    "-42",
    "-1795435242",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "Infinity",
    "1e308",
    "1e999",
]
FAMILIES = {
    "x-ratelimit": [("X-RateLimit-Limit", "10"), ("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", "{}")],
    "x-rate-limit": [("X-Rate-Limit-Limit", "10"), ("X-Rate-Limit-Remaining", "9"), ("X-Rate-Limit-Reset", "{}")],
    "x-retry": [("X-RateLimit-Limit", "10"), ("X-Retry-Remaining", "9"), ("X-Retry-Reset", "{}")],
    "named": [("X-RateLimit-Limit-a", "10"), ("X-RateLimit-Remaining-a", "9"), ("X-RateLimit-Reset-a", "{}")],
    "draft-6": [("RateLimit-Limit", "10"), ("RateLimit-Remaining", "9"), ("RateLimit-Reset", "{}")],
    "draft-7": [("RateLimit", "limit=10, remaining=9, reset={}")],
    "draft-8": [("RateLimit", '"a";r=9;t={}'), ("RateLimit-Policy", '"a";q=10')],
}


@pytest.mark.parametrize("text", ABSURD)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_reset_that_can_not_be_meant_is_not_said(family: str, text: str) -> None:
    """A reset before its answer, beyond twelve days, or beyond all numbers says nothing, and the counts beside it still do."""
    headers = [(name, value.format(text)) for name, value in FAMILIES[family]]
    assert parse_report([DATE, *headers]) == Report(limit=10, remaining=9)


@pytest.mark.parametrize("text", [*ABSURD, "1000001", "1795435242", "0", "0.4"])
def test_a_window_that_can_not_be_meant_is_not_said(text: str) -> None:
    """Nothing, more than twelve days, a moment: no window is that long, and the count beside it still counts."""
    report = parse_report([("RateLimit-Policy", f'"a";q=10;w={text}'), ("RateLimit", '"a";r=9;t=42')])
    window = 0.4 if text == "0.4" else None
    assert report == Report(limit=10, remaining=9, window=window, reset_in=42.0)


def test_a_reset_just_before_its_answer_was_written_is_said() -> None:
    """The reset may pass while the answer is made: it is over, not garbage."""
    headers = [DATE, ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "Mon, 23 Nov 2026 11:59:57 GMT")]
    assert parse_report(headers) == Report(remaining=0, reset_at=EPOCH - 3, date=EPOCH)


def said(reset: str, *headers: tuple[str, str]) -> Report:
    """What is said of a reset, beside how many are left."""
    return parse_report([*headers, ("X-RateLimit-Remaining", "9"), ("X-RateLimit-Reset", reset)])


FIRST, LAST = 1e8, 253_402_300_799.0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1795435242", EPOCH + 42),
        ("100000000", FIRST),
        ("100000000000", FIRST),
        ("1973-03-03T09:46:40Z", FIRST),
        ("253402300799000", LAST),
        ("9999-12-31T23:59:59Z", LAST),
    ],
)
def test_a_moment_without_a_date_is_said_as_it_came(text: str, moment: float) -> None:
    """From 1973 to the end of the calendar. Nobody can say how far away it is, but two of them tell resets apart."""
    assert said(text) == Report(remaining=9, reset_at=moment)


def test_how_long_a_wait_may_be() -> None:
    """From one minute before the answer to twelve days after it, as a moment and as seconds, and the same for a window."""
    nothing = Report(remaining=9)
    assert said("1795435140", DATE) == Report(remaining=9, reset_at=EPOCH - 60, date=EPOCH)
    assert said("1795435139", DATE) == nothing
    assert said("1796435199", DATE) == Report(remaining=9, reset_at=EPOCH + 999_999, date=EPOCH)
    assert said("1796435200", DATE) == nothing
    assert said("999999") == Report(remaining=9, reset_in=999_999.0)
    assert said("1000000") == nothing
    assert parse_report([("RateLimit-Policy", "5;w=1000000")]) == Report(limit=5, window=1e6)
    assert parse_report([("RateLimit-Policy", "5;w=1000000.1")]) == Report(limit=5)


@pytest.mark.parametrize("date", ["0001-01-01", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400, "nan", "-1", "1795435200"])
def test_a_date_that_can_not_be_meant_translates_nothing(date: str) -> None:
    """The server's clock is learnt from no such `Date`, and nobody waits for centuries because of it."""
    headers = [("Date", date), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1795435242")]
    assert parse_report(headers).date is None
    assert parse_retry_after([("Date", date), ("Retry-After", "Mon, 23 Nov 2026 12:00:30 GMT")]) in {None, 0.0}


def test_of_two_policies_a_reset_that_can_not_be_meant_decides_nothing() -> None:
    """Of two that leave as many, the one with the later reset counts, and garbage is no reset."""
    headers = [("RateLimit", '"a";r=1;t=999999999999999, "b";r=1;t=42, "c";r=1;t=12')]
    assert parse_report(headers) == Report(remaining=1, reset_in=42.0)


RETRY_AFTER = {
    "12": 12.0,
    " 12 ": 12.0,
    "0": 0.0,
    "0.493": 0.493,
    "Mon, 23 Nov 2026 12:00:30 GMT": 30.0,
    "Monday, 23-Nov-26 12:00:30 GMT": 30.0,
    "2026-11-23T12:00:30Z": 30.0,
    "2026-11-23T12:00:30": 30.0,
    "2026-11-23T14:00:30+02:00": 30.0,
    "Mon, 23 Nov 2026 14:00:30 +0200": 30.0,
    f"{'Mon, 23 Nov 2026 12:00:30 GMT ':)<64}": 30.0,
    f"{'Mon, 23 Nov 2026 12:00:30 GMT ':)<65}": None,
    "Mon, 23 Nov 2026 11:59:30 GMT": 0.0,
    "Tue, 23 Nov 2027 12:00:00 GMT": 365 * 86_400.0,
    "31536000": 365 * 86_400.0,
    "31622400": 366 * 86_400.0,
    "31622400.1": None,
    "Fri, 31 Dec 9999 23:59:59 GMT": None,
    "Fri, 31 Dec 99999 23:59:59 GMT": None,
    "0001-01-01": None,
    "Thu, 01 Jan 1970 00:00:00 GMT": None,
    "1795435242": None,
    "999999999999999": None,
    "1e3": None,
    "-5": None,
    "-inf": None,
    "nan": None,
    "inf": None,
    "soon": None,
    "23 Nov , 2026": None,
    "23 Nov 99999999999 12:00:30 GMT": None,
    "23 Nov 2026 12:00:30 +99999999999999": None,
    "9" * 400: None,
    "": None,
}


@pytest.mark.parametrize("text", RETRY_AFTER)
def test_retry_after(text: str) -> None:
    """Seconds, fractions and dates; a date counts from the response's own `Date`. More than a year can't be meant."""
    assert parse_retry_after([DATE, ("Retry-After", text)]) == RETRY_AFTER[text]


def test_retry_after_as_a_date_needs_the_servers_date() -> None:
    """Without the server's clock a date says nothing: ours may be wrong."""
    assert parse_retry_after([("Retry-After", "Mon, 23 Nov 2026 12:00:30 GMT")]) is None
    assert parse_retry_after([]) is None


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's zone is not UTC."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "XYZ-5")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process can't be changed here")
@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize("date", ["2026-11-23T00:00:00", "Mon, 23 Nov 2026 00:00:00", "2026-11-23", "20261123"])
def test_a_date_without_a_zone_is_utc(date: str) -> None:
    """Not the machine's own zone, however short it is written."""
    assert parse_retry_after([("Date", date), ("Retry-After", "Mon, 23 Nov 2026 00:00:30 GMT")]) == 30.0


NAMES = st.sampled_from(
    [
        "Date",
        "Retry-After",
        "RateLimit",
        *(
            f"{family}-{part}"
            for family in ("RateLimit", "X-RateLimit", "X-Rate-Limit", "X-Retry")
            for part in ("Limit", "Remaining", "Reset", "Policy", "Reset-x", "")
        ),
    ]
)
PIECES = st.sampled_from(
    ["10", "w=60", ";", ",", "=", '"', "r=1", "t=5", "q=10", "-", ".", "Mon, 23 Nov 2026 12:00:00 GMT", "9" * 400]
)
DATE_PIECES = st.sampled_from(
    [
        "Mon,",
        "mon",
        ",",
        "23",
        "23,",
        "²",
        "Nov",
        "nov,",
        "-Nov-",
        "2026",
        "2026,",
        "26",
        "23-Nov-26",
        "2026-11-23",
        "99999999999",
        "12:00:00",
        "12.00",
        ":",
        "::",
        "12:00-",
        "GMT",
        "Z",
        "-",
        "-1",
        "-0000",
        "+0100",
        "+99999999999",
    ]
)
VALUES = st.one_of(
    st.text(max_size=40),
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(DATE_PIECES, min_size=1, max_size=6).map(" ".join),
    st.floats().map(str),
    st.dates().map(str),
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
@example([("X-RateLimit-Limit", "1"), ("X-RateLimit-Reset", "0001-01-01")])
def test_whatever_a_server_sends_is_a_report(headers: list[tuple[str, str]]) -> None:
    """No header can raise, or give a number that can't be meant."""
    report = parse_report(headers)
    for value in (report.limit, report.remaining):
        assert value is None or 0 <= value <= 1e15
    for seconds in (report.window, report.reset_in):
        assert seconds is None or 0 <= seconds <= 1e6
    for moment in (report.reset_at, report.date):
        assert moment is None or 1e8 <= moment < 253402300800
    assert report.retry_after is None or 0 <= report.retry_after <= 366 * 86_400
    assert report.limit != 0
    assert report.window != 0
    assert report.reset_in is None or report.reset_at is None
    if report.reset_at is None:
        assert report.date is None
    elif report.date is not None:
        assert -60 <= report.reset_at - report.date <= 1e6
    assert not report.exact or (report.reset_in, report.reset_at) != (None, None)
    assert parse_retry_after(headers) == report.retry_after
