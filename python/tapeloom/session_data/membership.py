"""On which dates a symbol belongs to the universe of a run. Outside them nothing of it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom.bars import normalise_symbol
from tapeloom.calendars.days import from_day, require_date
from tapeloom.errors import ArgumentError
from tapeloom.session_data.evidence import SessionEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

__all__ = ["SessionMembership"]


class _Memberships(dict[str, tuple[tuple["date | None", "date | None"], ...]]):
    """The stretches of dates of each symbol that has a membership; kept over sessions."""

    def start_session(self) -> None:
        pass

    def remove(self, symbol: str) -> None:
        self.pop(symbol, None)


class SessionMembership(SessionEvidence):
    """What knows when a symbol is listed."""

    _memberships: _Memberships

    def _begin(self) -> None:
        super()._begin()
        self._memberships = _Memberships()
        self._parts.append(self._memberships)

    def set_membership(
        self, symbol: str, spans: Iterable[tuple[date | None, date | None]] | None
    ) -> None:
        """Set the session dates on which a symbol belongs to the universe.

        On other dates none of its bars is due: quality is ``None``, no gap is listed, and ``explain`` says
        ``not_listed``. Bars that come all the same are kept.

        Parameters
        ----------
        symbol
            It need not be kept yet.
        spans
            First and last date of each stretch, both included; ``None`` is an open end. ``None`` in place of the
            stretches means all dates, as without a membership.

        Raises
        ------
        ArgumentError
            If a stretch ends before it begins; ``ArgumentTypeError`` for what is no date.
        """
        self._check_process()
        name = normalise_symbol(symbol)
        if spans is None:
            self._memberships.remove(name)
            return
        found = tuple((first, last) for first, last in spans)
        for first, last in found:
            for word, day in (("first", first), ("last", last)):
                if day is not None:
                    require_date(day, word)
            if first is not None and last is not None and last < first:
                text = f"{name}: last {last} is before first {first}"
                raise ArgumentError(text, symbol=name)
        self._memberships[name] = found

    def _is_listed(self, name: str, session: int) -> bool:
        """Whether a symbol belongs to the universe in a session of the table."""
        spans = self._memberships.get(name)
        if spans is None:
            return True
        day = from_day(int(self.session_table.dates[session]))
        return any(
            (first is None or first <= day) and (last is None or day <= last)
            for first, last in spans
        )
