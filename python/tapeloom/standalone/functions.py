"""The functions: each reads what it is given, asks the rooms that know, and returns a table that any tool reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tapeloom import _core
from tapeloom._core import Interval
from tapeloom.calendars.given_exchange import time_manager_for
from tapeloom.checking import Window, check_source, gaps_in_source, now_of
from tapeloom.errors import IntervalError
from tapeloom.standalone.given import actions_of, given
from tapeloom.standalone.resampled import ResampledBars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from tapeloom._core import Bars
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.checking import CheckReport
    from tapeloom.checking.check import Progress
    from tapeloom.gap import Gaps
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.bar_source import BarSource

__all__ = ["check", "gaps", "resample"]


def check(
    data: object,
    *,
    symbol: str | None = None,
    symbols: str | Iterable[str] | None = None,
    interval: IntervalLike | None = None,
    start: date | None = None,
    end: date | None = None,
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
    actions: object | None = None,
    allow_negative_prices: bool = False,
    reading: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> CheckReport:
    """Check bars before anything is built on them.

    Counts what each session should have and has, finds gaps and their causes, rows that came twice, lie off the grid or
    outside hours or break a rule, downloads that stopped, prices that jump like a split, daily bars that differ from the
    aggregate of finer ones, and labels or zones that do not fit the calendar. Nothing is changed.

    Parameters
    ----------
    data
        A long frame (pandas, polars, Arrow) with a symbol column, a dict of arrays or of frames by symbol, ``Bars`` or a
        list of them, or a path: a folder, a file or a glob pattern. CSV and Parquet as other tools write them are read
        as they are labelled, and what that leaves out or has to assume is a finding.
    symbol
        Whose bars these are, if the data do not say.
    symbols
        What to check; all if not given.
    interval
        Length of the bars of frames, told from their spacing if not given. Of files, the interval to check; all if not
        given.
    start, end
        Dates, both included; each session between them that has begun is due then. Without them a series is due from its
        first bar to its last.
    exchange_group
        Whose sessions the bars belong to, and in whose zone naive times are; ``"US_EQUITY"``, or the time manager's.
    time_manager
        A calendar with corrections.
    actions
        Splits that are known: a table ``symbol, ex_date, price_factor, volume_factor`` or its path. By default the file
        ``actions.csv`` or ``actions.parquet`` in the folder of the data.
    allow_negative_prices
        Whether prices may be zero or below.
    reading
        How files of other tools are read, where they do not say it or say it wrong: a dict of ``columns``, ``zone``,
        ``label``, ``shift``, ``time_unit``, ``time_format``, ``ambiguous``, ``price_scale`` and ``members``, as
        ``tapeloom.importing.mount`` takes them.
    progress
        Called before each series, by one thread at a time, and at the end.

    Returns
    -------
    CheckReport
        Rows per symbol and session, gaps, findings in sentences; itself a table.

    Raises
    ------
    MissingDataError
        If there is no such path, symbol or interval.
    CorruptFileError, StorageError
        If a file is damaged or cannot be read.
    ArgumentError
        For data that cannot be read, or ``start`` after ``end``.
    OutOfCalendarError
        If the calendar does not cover ``start`` or ``end``.

    Examples
    --------
    >>> import numpy as np
    >>> import tapeloom
    >>> minutes = np.delete(np.arange(390), [30, 31])
    >>> ts = np.datetime64("2025-07-02T13:30", "ns") + minutes * np.timedelta64(1, "m")
    >>> prices = dict.fromkeys(["open", "high", "low", "close", "volume"], np.full(388, 100.0))
    >>> report = tapeloom.check({"ts": ts, **prices}, symbol="AAPL")
    >>> report
    CheckReport(1 series, 2 of 390 bars missing, 1 problem)
    >>> print(report.problems[0].text)
    2 of 390 bars missing in 1 gap, the longest 2 from 2025-07-02 10:00
    """
    manager = time_manager_for(exchange_group, time_manager)
    window = Window(start, end, now=now_of(manager))
    found = given(
        data,
        manager,
        symbol=symbol,
        interval=interval,
        allow_negative_prices=allow_negative_prices,
        reading=reading,
        as_labelled=True,
    )
    return check_source(
        found.source,
        manager.session_table,
        exchange_group=manager.exchange_group,
        symbols=symbols,
        interval=interval,
        window=window,
        actions=actions_of(data, actions),
        naive=found.is_naive,
        said=found.findings,
        progress=progress,
    )


def gaps(
    data: object,
    *,
    symbol: str | None = None,
    symbols: str | Iterable[str] | None = None,
    interval: IntervalLike | None = None,
    start: date | None = None,
    end: date | None = None,
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
    allow_negative_prices: bool = False,
    reading: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Gaps:
    """Return the runs of missing bars with their causes.

    Parameters are those of ``check``. Files of other tools whose times would have to be read in another way to fit are
    refused: their gaps would be none. A session without any bar is a gap, and a break or a night separates two. The causes
    are ``truncated``, ``vendor_hole`` and ``unknown``: bars alone are no evidence of a halt.

    Returns
    -------
    Gaps
        A table with one row per gap, each series' oldest first.

    Raises
    ------
    ImportMismatchError
        If the times of a file of another tool fit the calendar only in another reading; the text names it.
    MissingDataError, CorruptFileError, StorageError, ArgumentError, OutOfCalendarError
        As ``check``.

    Examples
    --------
    >>> import numpy as np
    >>> import tapeloom
    >>> minutes = np.delete(np.arange(390), [30, 31])
    >>> ts = np.datetime64("2025-07-02T13:30", "ns") + minutes * np.timedelta64(1, "m")
    >>> prices = dict.fromkeys(["open", "high", "low", "close", "volume"], np.full(388, 100.0))
    >>> (gap,) = tapeloom.gaps({"ts": ts, **prices}, symbol="AAPL")
    >>> print(gap.start.time(), gap.end.time(), gap.missing, gap.cause)
    10:00:00 10:02:00 2 unknown
    """
    manager = time_manager_for(exchange_group, time_manager)
    window = Window(start, end, now=now_of(manager))
    found = given(
        data,
        manager,
        symbol=symbol,
        interval=interval,
        allow_negative_prices=allow_negative_prices,
        reading=reading,
    )
    return gaps_in_source(
        found.source,
        manager.session_table,
        symbols=symbols,
        interval=interval,
        window=window,
        progress=progress,
    )


def resample(
    data: object,
    to: IntervalLike,
    *,
    symbol: str | None = None,
    interval: IntervalLike | None = None,
    completeness: str = "any",
    anchor: str = "session",
    exchange_group: str | None = None,
    time_manager: TimeManager | None = None,
    allow_negative_prices: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> ResampledBars:
    """Return coarser bars of each symbol, as a session derives them from the same bars.

    Bars outside regular hours and off the grid take no part, buckets are counted from the session's open, and none is
    made up where there is no bar.

    Parameters
    ----------
    data
        As ``check`` takes it.
    to
        Interval of the bars to make.
    symbol
        Whose bars these are, if the data do not say.
    interval
        Length of the bars given. Of files that hold several, the finest that divides ``to`` is taken if not given.
    completeness
        ``"any"`` keeps buckets with at least one bar, flagged ``PARTIAL`` where some are missing; ``"complete"`` keeps
        those with all of them.
    anchor
        From where buckets are counted: ``"session"``, ``"segment"`` or ``"clock"``.
    exchange_group, time_manager, allow_negative_prices, reading
        As for ``check``.

    Returns
    -------
    ResampledBars
        ``Bars`` by symbol, and one table. Of bars that came twice the last one counts. Up to 128 MiB of large answers that
        nobody holds any more are kept for the next one.

    Raises
    ------
    IntervalError
        If the bars given do not divide ``to``.
    InvalidBarError
        If a bar breaks a rule.
    ImportMismatchError
        If the times of a file of another tool fit the calendar only in another reading; the text names it.

    Examples
    --------
    >>> import numpy as np
    >>> import tapeloom
    >>> ts = np.datetime64("2025-07-02T13:30", "ns") + np.arange(390) * np.timedelta64(1, "m")
    >>> prices = dict.fromkeys(["open", "high", "low", "close", "volume"], np.full(390, 100.0))
    >>> bars = tapeloom.resample({"ts": ts, **prices}, "5m", symbol="AAPL")
    >>> bars
    ResampledBars(78 5m bars of 1 symbol)
    >>> bars["AAPL"][0].volume
    500.0
    """
    manager = time_manager_for(exchange_group, time_manager)
    wanted = Interval(to)
    found = given(
        data,
        manager,
        symbol=symbol,
        interval=interval,
        on_invalid="error",
        allow_negative_prices=allow_negative_prices,
        reading=reading,
    )
    base = None if interval is None else Interval(interval)
    sources = [
        bars
        for name in found.source.get_symbols()
        if (bars := _base_bars(found.source, name, base, wanted)) is not None
    ]
    made = _core.resample(
        sources,
        [wanted],
        manager.session_table,
        completeness=completeness,
        anchor=anchor,
        threads=os.cpu_count() or 1,
    )
    coarse = {
        bars.symbol: made_of[0] for bars, made_of in zip(sources, made, strict=True)
    }
    return ResampledBars(coarse, wanted.text, manager.timezone)


def _base_bars(
    source: BarSource, symbol: str, base: Interval | None, wanted: Interval
) -> Bars | None:
    """The bars to make others from; ``None`` for a symbol that is not stored at the interval asked for."""
    stored = source.get_intervals(symbol)
    if wanted in (base, *(Interval(text) for text in stored[:1])):
        text = f"{symbol}: the bars are {wanted.text} bars already; give a longer interval to make"
        raise IntervalError(text, symbol=symbol, got=wanted.text)
    if base is not None:
        fits = [text for text in stored if Interval(text) == base]
        if not fits:
            return None
    else:
        fits = [text for text in stored if Interval(text).divides(wanted)]
        if not fits:
            text = f"{symbol}: none of {', '.join(stored)} divides {wanted.text}"
            raise IntervalError(text, symbol=symbol, got=wanted.text)
    return source.read(symbol, fits[0], None, None)  # type: ignore[arg-type]
