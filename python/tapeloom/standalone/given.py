"""Data as a user has them, as a source of bars: stored ones stay where they are, those in memory are read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeloom._core import Bars
from tapeloom.actions import Actions
from tapeloom.columns import read_frame
from tapeloom.errors import (
    AmbiguousTimeError,
    ArgumentError,
    ArgumentTypeError,
    CorruptFileError,
    DataError,
    NonexistentTimeError,
)
from tapeloom.importing.mount import is_foreign
from tapeloom.standalone.foreign import ForeignFiles, Rules, reading_options
from tapeloom.standalone.resampled import ResampledBars
from tapeloom.storage.bar_source import FrameSource
from tapeloom.storage.data_manager import DataManager
from tapeloom.storage.layout import BARS

if TYPE_CHECKING:
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.checking import Finding
    from tapeloom.intervals import IntervalLike
    from tapeloom.storage.bar_source import BarSource

__all__ = ["Given", "actions_of", "given"]


@dataclass(frozen=True, slots=True)
class Given:
    """A source of bars.

    ``is_naive`` tells of a symbol that was read whether its stamps came without a zone, ``findings`` what reading found in
    the files that hold bars of some symbols.
    """

    source: BarSource
    is_naive: Callable[[str], bool] = lambda _: False
    findings: Callable[[Collection[str]], Iterable[Finding]] = lambda _: ()


def given(
    data: object,
    manager: TimeManager,
    *,
    symbol: str | None = None,
    interval: IntervalLike | None = None,
    on_invalid: str = "skip",
    allow_negative_prices: bool = False,
    reading: Mapping[str, Any] | None = None,
    as_labelled: bool = False,
) -> Given:
    """Return data as a source of bars.

    Parameters
    ----------
    data
        A path as ``DataManager`` or ``mount`` takes it, a source of bars, ``Bars`` or a list of them, or whatever
        ``tapeloom.columns.read_frame`` reads.
    manager
        Its calendar and zone.
    symbol
        Whose bars these are, if the data do not say.
    interval
        Length of the bars of frames, and of files whose path does not say it.
    on_invalid
        ``"skip"`` leaves out rows that break a rule, and notes them; ``"error"`` refuses them.
    allow_negative_prices
        Whether prices may be zero or below.
    reading
        How files are read that are not ours: options of ``mount``.
    as_labelled
        Read such files as they are labelled, right or wrong.
    """
    if not isinstance(allow_negative_prices, bool):
        text = f"allow_negative_prices is {allow_negative_prices!r}; it must be True or False"
        raise ArgumentTypeError(text, got=allow_negative_prices)
    options = reading_options(reading)
    if isinstance(data, str | os.PathLike):
        rules = Rules(
            symbol, interval, on_invalid, allow_negative_prices, options, as_labelled
        )
        return _files(os.fspath(data), manager, rules)
    if options:
        text = f"reading says how files are read, and data is {type(data).__name__}; leave it out"
        raise ArgumentError(text, got=reading)
    if _is_source(data):
        return Given(data)  # type: ignore[arg-type]
    frames, is_naive = _frames(data, manager, symbol, interval)
    source = FrameSource(
        frames,
        zone=manager.timezone,
        on_invalid=on_invalid,
        allow_negative_prices=allow_negative_prices,
    )
    return Given(source, lambda _: is_naive)


def _files(path: str, manager: TimeManager, rules: Rules) -> Given:
    """Stored files in our columns, or else those that others wrote."""
    if not path.strip():
        text = f"data is {path!r}; name a folder, a file or a pattern, such as '.'"
        raise ArgumentError(text, got=path)
    if rules.reading and _is_ours(path):
        text = f"reading says how files of other tools are read, and {path!r} holds stored bars; leave it out"
        raise ArgumentError(text, got=rules.reading)
    # A data manager would read these too, and keep what it found to itself.
    if rules.reading or (not _is_ours(path) and is_foreign(path)):
        return _foreign(path, manager, rules)
    stored = DataManager(
        path,
        time_manager=manager,
        interval=rules.interval,
        on_invalid=rules.on_invalid,
        allow_negative_prices=rules.allow_negative_prices,
    )
    try:
        stored.get_symbols()
    except CorruptFileError:
        # Whoever else reads it would not see the damage.
        raise
    except DataError:
        # What lies in our layout is ours, and nothing else in that folder is meant.
        if _is_ours(path) or "://" in path:
            raise
        return _foreign(path, manager, rules)
    return Given(stored)


def _is_ours(path: str) -> bool:
    return (Path(path) / BARS).is_dir()


def _foreign(path: str, manager: TimeManager, rules: Rules) -> Given:
    files = ForeignFiles(path, manager, rules)
    files.get_symbols()
    return Given(files, files.is_naive, files.findings)


def actions_of(data: object, actions: object | None) -> Actions:
    """Return the actions of an argument, or else those that lie in the folder of the data."""
    if actions is not None:
        return Actions.of(actions)
    is_folder = isinstance(data, str | os.PathLike) and Path(data).is_dir()
    return Actions.beside(data) if is_folder else Actions()  # type: ignore[arg-type]


def _is_source(data: object) -> bool:
    names = ("get_symbols", "get_intervals", "get_range", "read", "notes")
    return all(hasattr(data, name) for name in names)


def _frames(
    data: object,
    manager: TimeManager,
    symbol: str | None,
    interval: IntervalLike | None,
) -> tuple[dict[str, Bars], bool]:
    if isinstance(data, Bars):
        return {data.symbol: data}, False
    if isinstance(data, ResampledBars):
        return dict(data.items()), False
    if isinstance(data, list | tuple) and data and _all_bars(data):
        return _by_symbol(data), False
    options: dict[str, Any] = {"symbol": symbol, "interval": interval}
    table = manager.session_table
    try:
        read = read_frame(data, zone=table.zone, table=table, **options)
    except (AmbiguousTimeError, NonexistentTimeError) as error:
        fact = error.message.partition("; ")[0]
        error.message = f"data: {fact}; give times that carry their zone, such as UTC"
        raise
    if isinstance(data, Iterator) or _is_of_bars(data):
        return read, False
    # Times with a zone mean the same wherever they are read.
    in_utc = read_frame(data, zone=UTC, **options)
    is_naive = any((bars.ts != in_utc[name].ts).any() for name, bars in read.items())
    return read, is_naive


def _by_symbol(bars: list[Bars] | tuple[Bars, ...]) -> dict[str, Bars]:
    parts: dict[str, list[Bars]] = {}
    for one in bars:
        parts.setdefault(one.symbol, []).append(one)
        if one.interval != parts[one.symbol][0].interval:
            lengths = f"{parts[one.symbol][0].interval} and {one.interval}"
            text = f"data holds bars of {one.symbol} of two lengths, {lengths}; give those of one length at a time"
            raise ArgumentError(text, symbol=one.symbol, got=lengths)
    return {
        name: found[0] if len(found) == 1 else Bars.concat(found)
        for name, found in parts.items()
    }


def _all_bars(values: Any) -> bool:
    return all(isinstance(value, Bars) for value in values)


def _is_of_bars(data: object) -> bool:
    return isinstance(data, Mapping) and _all_bars(data.values())
