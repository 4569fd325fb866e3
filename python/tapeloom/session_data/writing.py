"""Symbols, bars and records that are put into a session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tapeloom._core import BarData, Bars, Interval
from tapeloom.bars import normalise_symbol
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.ingest import IngestCounts, IngestReport
from tapeloom.session_data.life_cycle import SessionLife
from tapeloom.timestamps import to_ns

if TYPE_CHECKING:
    from tapeloom.ingest import Outcome
    from tapeloom.intervals import IntervalLike
    from tapeloom.symbol_session_data import SymbolSessionData

__all__ = ["SessionWriting"]


class SessionWriting(SessionLife):
    """What puts something into a session."""

    def register_symbol(
        self,
        symbol: str,
        *,
        base_interval: IntervalLike | None = None,
        derived: Iterable[IntervalLike] = (),
    ) -> SymbolSessionData:
        """Keep a symbol. Doing so again adds derived intervals, filled from what is stored.

        Parameters
        ----------
        base_interval
            Interval of the bars that will come; fixed from then on. ``None`` means the one that stands, or ``1m``.
        derived
            Coarser intervals to compute, any that the base divides.

        Raises
        ------
        SeriesConflictError
            If another base interval stands, or a derived one equals it.
        IntervalError
            If the base cannot feed a derived interval.
        ArgumentTypeError
            If ``derived`` is no list of intervals.
        """
        name = normalise_symbol(symbol)
        if isinstance(derived, str) or not isinstance(derived, Iterable):
            text = f"derived is {derived!r}; give a list such as ['5m']"
            raise ArgumentTypeError(text, got=derived)
        wanted = [Interval(interval) for interval in derived]
        if wanted:
            _ = self.session_table
        base = None if base_interval is None else Interval(base_interval)
        self._register([(name, base, wanted)])
        return self._handle(name)

    def register_symbols(
        self,
        symbols: Iterable[tuple[str, IntervalLike, Iterable[IntervalLike]]],
    ) -> None:
        """Keep many symbols, each with its base and its derived intervals, in one epoch; see :meth:`register_symbol`.

        Raises
        ------
        SeriesConflictError, IntervalError
            As of :meth:`register_symbol`, for the first that is refused; the others are kept.
        """
        wanted = [
            (
                normalise_symbol(name),
                Interval(base),
                [Interval(each) for each in derived],
            )
            for name, base, derived in symbols
        ]
        if any(derived for _, _, derived in wanted):
            _ = self.session_table
        self._register(wanted)

    def add_bars_batch(
        self,
        symbol: str,
        bars: object,
        interval: IntervalLike | None = None,
        *,
        on_invalid: str | None = None,
    ) -> IngestReport:
        """Add bars to the base series of a symbol as one arrival, in any order.

        Parameters
        ----------
        bars
            ``Bars``, a list of ``BarData`` or of objects with their attributes, a dict of arrays, a structured array, a
            pandas or polars frame or any Arrow object. None at all registers the symbol.
        interval
            Interval of the bars where they do not carry it; the base interval otherwise.
        on_invalid
            Overrides the store's policy for this call: ``"error"`` or ``"skip"``.

        Returns
        -------
        IngestReport
            Counts of this batch; the rows that were skipped.

        Raises
        ------
        InvalidBarError
            With the first ten invalid rows; nothing is stored.
        DuplicateBarError
            If a key comes again with other values and ``on_duplicate`` is ``"error"``; nothing is stored.
        SeriesConflictError
            If the bars have another interval than the base series.
        """
        if on_invalid not in (None, "error", "skip"):
            text = f"on_invalid is {on_invalid!r}; it must be 'error' or 'skip'"
            raise ArgumentError(text, got=on_invalid)
        name = normalise_symbol(symbol)
        kept = self._intervals(name)
        batch = self._read_bars(name, bars, interval)
        if batch is None:
            if not kept:
                base = None if interval is None else Interval(interval)
                self._register([(name, base, [])])
            return IngestReport(name, IngestCounts())
        if not kept:
            self._register([(name, Interval(batch.interval), [])])
        counts, skipped = self._add_batch(name, batch, on_invalid)
        return IngestReport(name, IngestCounts(*counts), tuple(skipped))

    def _read_bars(
        self, name: str, bars: object, interval: IntervalLike | None
    ) -> Bars | None:
        """Bars of a symbol in whatever form, ``None`` without one; nothing is changed."""
        kept = self._intervals(name)
        if isinstance(bars, Bars):
            batch = bars
        else:
            from tapeloom.columns import read_frame

            given = interval if interval is not None else (kept[0] if kept else None)
            found = read_frame(
                bars,
                zone=self.timezone,
                table=None if self._calendar is None else self._calendar.table,
                symbol=name,
                interval=given,
                # Too few bars to tell are minutes, as a first bar is.
                assume="1m",
            )
            if not found:
                return None
            batch = found[name] if name in found else next(iter(found.values()))
        if interval is not None and Interval(interval) != Interval(batch.interval):
            text = f"interval is {Interval(interval)} but the bars of {name} have {batch.interval}"
            raise ArgumentError(
                text, symbol=name, expected=str(Interval(interval)), got=batch.interval
            )
        if batch.symbol != name:
            text = f"bars of {batch.symbol} cannot be added to {name}"
            raise ArgumentError(text, symbol=name, got=batch.symbol)
        return batch

    def append_bar(self, symbol: str, interval: IntervalLike, bar: BarData) -> Outcome:
        """Add a bar to a named series; the same as :meth:`add_bar` for the base series.

        Raises
        ------
        SeriesConflictError
            If ``interval`` is not the base interval of the symbol.
        ArgumentError
            If the bar has another symbol or interval.
        """
        name, wanted = normalise_symbol(symbol), Interval(interval)
        _check_bar(name, bar)
        if self._intervals(name):
            self._register([(name, wanted, [])])
        if Interval(bar.interval) != wanted:
            text = f"interval is {wanted} but the bar of {name} has {bar.interval}"
            raise ArgumentError(
                text, symbol=name, expected=str(wanted), got=bar.interval
            )
        self._register([(name, wanted, [])])
        return self.add_bar(name, bar)

    def _add_bar(self, symbol: object, bar: object) -> Outcome:
        """Resolve what the exact match of ``add_bar`` left open, then offer the bar again."""
        name = normalise_symbol(symbol)
        bar = _check_bar(name, bar)
        ts = to_ns(bar.timestamp, self.timezone) if _is_naive(bar) else bar.ts
        self._register([(name, Interval(bar.interval), [])])
        resolved = BarData(
            name,
            ts,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.interval,
            bar.flags,
            bar.constituents,
        )
        return self.add_bar(name, resolved)

    def record(self, symbol: str | None = None, /, **values: Any) -> None:
        """Keep a row of results, stamped with the clock of the session.

        Parameters
        ----------
        symbol
            Whom the row is about, if anybody.
        **values
            Numbers, texts or booleans by column name.

        Raises
        ------
        StateError
            Before the first bar or session, when there is no clock.
        """
        taken = {"time", "symbol"} & values.keys()
        if taken:
            text = f"record() names its own columns time and symbol; call the value {taken.pop()!r} something else"
            raise ArgumentError(text)
        name = None if symbol is None else normalise_symbol(symbol)
        clock = self._clock
        if clock is None:
            text = "there is no clock before the first bar; record() stamps its rows with it"
            raise StateError(text)
        day, _ = self._session
        index = None if day is None else self.session_table.index_of(day)
        # Before the first bar the clock stands at midnight; what is recorded then belongs to the begin of the session.
        begin = clock if index is None else self._hours(index)[0]
        self._records.add(max(clock, begin), name, **values)


def _check_bar(name: str, bar: object) -> BarData:
    if not isinstance(bar, BarData):
        text = f"bar is {type(bar).__name__}; it must be a BarData"
        raise ArgumentTypeError(text)
    if normalise_symbol(bar.symbol) != name:
        text = f"a bar of {bar.symbol} cannot be added to {name}"
        raise ArgumentError(text, symbol=name, got=bar.symbol)
    return bar


def _is_naive(bar: BarData) -> bool:
    return getattr(bar.timestamp, "tzinfo", None) is None
