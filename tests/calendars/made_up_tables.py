"""Session tables to draw under hypothesis: overnight sessions, breaks, touching sessions, gaps of weeks."""

from __future__ import annotations

from datetime import UTC

import numpy as np
from hypothesis import strategies as st
from tests.reference.schedule import HOUR, MINUTE
from tests.reference.session_lookup import Lookup, Session, session_columns

from tapeloom._core import SessionTable

DAY = 24 * HOUR
FIRST_DAY = 20_000
MARGIN_DAYS = 3

# Lengths that meet at an edge, miss it by the least there is, or are like those of markets.
_MAYBE_NOTHING = st.sampled_from([0, 0, 1, 30 * MINUTE, 5 * HOUR])
_SOMETHING = st.sampled_from([1, MINUTE, 3 * HOUR, 6 * HOUR + 30 * MINUTE])


@st.composite
def lookups(draw: st.DrawFn) -> Lookup:
    """One to eight sessions, in order and apart."""
    sessions: list[Session] = []
    at = (FIRST_DAY + MARGIN_DAYS) * DAY + draw(
        st.sampled_from([0, 9 * HOUR, 22 * HOUR, 1])
    )
    for _ in range(draw(st.integers(1, 8))):
        sessions.append(_session(draw, at, sessions[-1].date if sessions else 0))
        at = sessions[-1].span[1] + draw(
            st.sampled_from([0, 0, 1, 8 * HOUR, 2 * DAY, 30 * DAY])
        )
    return Lookup(tuple(sessions))


def _session(draw: st.DrawFn, at: int, previous_date: int) -> Session:
    span_start = at
    at = pre_open = at + draw(_MAYBE_NOTHING)
    at += draw(_MAYBE_NOTHING)
    regular = []
    for number in range(draw(st.sampled_from([1, 1, 2, 3]))):
        at += draw(_SOMETHING) if number else 0
        end = at + draw(_SOMETHING)
        regular.append((at, end))
        at = end
    at = post_close = at + draw(_MAYBE_NOTHING)
    span_end = at + draw(_MAYBE_NOTHING)
    # An evening open belongs to the date of the next day; a few hours' sessions may share a day, dates never.
    date = span_start // DAY + draw(st.sampled_from([0, 0, 1, 3]))
    return Session(
        max(date, previous_date + 1),
        (span_start, span_end),
        pre_open,
        tuple(regular),
        post_close,
    )


def table_of(lookup: Lookup) -> SessionTable:
    """The sessions as a table that also covers a few days before and after."""
    last = lookup.sessions[-1]
    last_day = max(last.date, last.span[1] // DAY) + MARGIN_DAYS
    columns = {
        name: np.array(values, dtype=np.int32 if name == "dates" else np.int64)
        for name, values in session_columns(lookup.sessions).items()
    }
    return SessionTable(
        calendar="MADE-UP",
        zone=UTC,
        fingerprint="made up",
        first_day=FIRST_DAY,
        last_day=last_day,
        covered=(FIRST_DAY * DAY, (last_day + 1) * DAY),
        **columns,  # type: ignore[arg-type]  # dates are int32, the others int64
    )


def lookup_of(table: SessionTable) -> Lookup:
    """The sessions of a table as a list."""
    rows = zip(
        table.dates.tolist(),
        table.span_starts.tolist(),
        table.span_ends.tolist(),
        table.pre_opens.tolist(),
        table.post_closes.tolist(),
        strict=True,
    )
    return Lookup(
        tuple(
            Session(date, (start, end), pre, tuple(table.segments(index)), post)
            for index, (date, start, end, pre, post) in enumerate(rows)
        )
    )


def edges(session: Session) -> list[int]:
    """Every instant at which an answer may change."""
    regular = [bound for stretch in session.regular for bound in stretch]
    return [*session.span, session.pre_open, *regular, session.post_close]


def instants(lookup: Lookup, most: int = 6) -> st.SearchStrategy[list[int]]:
    """Instants at an edge, next to one, or a while off."""
    near = st.tuples(
        st.sampled_from(lookup.sessions),
        st.integers(0, 20),
        st.sampled_from([-1, 0, 1]) | st.integers(-DAY, DAY),
    )
    instant = near.map(
        lambda drawn: edges(drawn[0])[drawn[1] % len(edges(drawn[0]))] + drawn[2]
    )
    return st.lists(instant, min_size=1, max_size=most)
