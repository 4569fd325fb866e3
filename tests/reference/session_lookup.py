"""Sessions as a list, and every look-up as a search through all of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Lookup", "Session", "session_columns"]

Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Session:
    """One session, in nanoseconds UTC; its date in days since 1970-01-01."""

    date: int
    span: Stretch
    """The time that belongs to its date."""
    pre_open: int
    regular: tuple[Stretch, ...]
    """Regular stretches ``[start, end)``; between them are breaks."""
    post_close: int

    @property
    def open(self) -> int:
        return self.regular[0][0]

    @property
    def close(self) -> int:
        return self.regular[-1][1]

    def kind(self, ts: int) -> str:
        if any(start <= ts < end for start, end in self.regular):
            return "regular"
        if self.open <= ts < self.close:
            return "break"
        if self.pre_open <= ts < self.open:
            return "pre_market"
        if self.close <= ts < self.post_close:
            return "post_market"
        return "closed"


@dataclass(frozen=True, slots=True)
class Lookup:
    """All sessions in rising order. A neighbour that does not exist is ``None``."""

    sessions: tuple[Session, ...]

    def session_of(self, ts: int) -> int | None:
        found = (
            index
            for index, session in enumerate(self.sessions)
            if session.span[0] <= ts < session.span[1]
        )
        return next(found, None)

    def session_type(self, ts: int) -> str:
        trading = (s for s in self.sessions if s.pre_open <= ts < s.post_close)
        return next((session.kind(ts) for session in trading), "closed")

    def is_open(self, ts: int, include_extended: bool = False) -> bool:
        extended = ("pre_market", "post_market") if include_extended else ()
        return self.session_type(ts) in ("regular", *extended)

    def next_open(self, ts: int) -> int | None:
        return next((s.open for s in self.sessions if s.open > ts), None)

    def next_close(self, ts: int) -> int | None:
        return next((s.close for s in self.sessions if s.close > ts), None)

    def previous_open(self, ts: int) -> int | None:
        return next((s.open for s in reversed(self.sessions) if s.open < ts), None)

    def previous_close(self, ts: int) -> int | None:
        return next((s.close for s in reversed(self.sessions) if s.close < ts), None)


def session_columns(sessions: tuple[Session, ...]) -> dict[str, list[int]]:
    """Return the sessions as the columns that a session table is made of."""
    offsets = [0]
    for session in sessions:
        offsets.append(offsets[-1] + len(session.regular))
    stretches = [stretch for session in sessions for stretch in session.regular]
    return {
        "dates": [session.date for session in sessions],
        "segment_offsets": offsets,
        "segment_starts": [start for start, _ in stretches],
        "segment_ends": [end for _, end in stretches],
        "pre_opens": [session.pre_open for session in sessions],
        "post_closes": [session.post_close for session in sessions],
        "span_starts": [session.span[0] for session in sessions],
        "span_ends": [session.span[1] for session in sessions],
    }
