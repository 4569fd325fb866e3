"""Decides what is streamed, computed or left out for each symbol, and which history it needs. It loads nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tapeloom._core import Interval
from tapeloom.bars import normalise_symbol
from tapeloom.config.history_need import (
    HistoryNeed,
    IndicatorRead,
    history_needs,
    reads_of,
)
from tapeloom.config.window import window_sessions
from tapeloom.errors import ConfigError, PlanError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig

__all__ = [
    "BarCatalog",
    "HistoryNeed",
    "PlanWarning",
    "StreamDecision",
    "StreamPlan",
    "SymbolPlan",
]

Action = Literal["STREAMED", "GENERATED", "IGNORED"]

TICKS_IGNORED = "ticks are not delivered"
QUOTES_STREAMED = "stored quotes"
QUOTES_GENERATED = "from the newest bar: bid = ask = close"
NO_BARS = ("quotes", "ticks")
# What a user could store instead, coarsest first.
USUAL = tuple(map(Interval, ("1d", "1h", "30m", "15m", "5m", "1m", "1s")))
ONE_DAY = Interval("1d")


class BarCatalog(Protocol):
    """What is stored. Every ``BarSource`` is one."""

    def get_symbols(self) -> list[str]:
        """Return the stored symbols."""

    def get_intervals(self, symbol: str) -> list[str]:
        """Return the stored intervals of a symbol; empty if it is unknown."""

    def get_ranges(self, symbol: str, interval: str) -> list[tuple[int, int]]:
        """Return the first and last bar start of each stored piece, ns UTC; asked only if the plan has a window."""


@dataclass(frozen=True, slots=True)
class StreamDecision:
    """What becomes of one stream of one symbol, and why."""

    stream: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """One symbol: the base interval, what is computed from it, and the history to load.

    ``base`` and ``derived`` are canonical intervals, ``derived`` finest first. ``history`` is the union of what is
    configured and what the indicators need, ``indicators`` says which stored bars each of them is computed from.
    """

    symbol: str
    base: str
    derived: tuple[str, ...]
    streams: tuple[StreamDecision, ...]
    history: tuple[HistoryNeed, ...] = ()
    indicators: tuple[IndicatorRead, ...] = ()

    @property
    def kept_days(self) -> dict[str, int]:
        """Trading days of history that the session keeps, by interval, finest first."""
        return {
            need.interval: need.days
            for need in self.history
            if need.is_kept and need.days is not None
        }

    def __str__(self) -> str:
        return "\n".join(self._lines(len(self.symbol)))

    def _lines(self, width: int) -> list[str]:
        column = max(len(d.stream) for d in self.streams)
        lines = [
            f"{d.stream:<{column}}  {d.action:<9}  {d.reason}" for d in self.streams
        ]
        if self.history:
            lines.append(f"history {', '.join(map(str, self.history))}")
        names = [self.symbol] + [""] * (len(lines) - 1)
        return [
            f"{name:<{width}}  {line}" for name, line in zip(names, lines, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """Something the plan leaves out, once for all symbols it concerns."""

    kind: str
    text: str
    symbols: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.symbols[:5])
        more = f" and {len(self.symbols) - 5} more" if len(self.symbols) > 5 else ""
        return f"{self.text} ({shown}{more})"


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The plan of a run: a value; the run uses exactly this object. Symbols are in configured order."""

    symbols: tuple[SymbolPlan, ...]
    warnings: tuple[PlanWarning, ...] = ()

    @classmethod
    def build(
        cls,
        config: SessionConfig,
        source: BarCatalog,
        time_manager: TimeManager | None = None,
        *,
        start: int | None = None,
        end: int | None = None,
    ) -> StreamPlan:
        """Return the plan for a configuration and what is stored.

        Parameters
        ----------
        config
            The configuration; ``symbols="all"`` means every symbol of ``source``.
        source
            What is stored. One with a method ``has_quotes(symbol)`` says whether quotes are too.
        time_manager
            Whose sessions the dates of the configuration mean: a stored interval without a bar in their window is not
            used.
        start, end
            The window itself, ``[start, end)`` in nanoseconds UTC, in place of a time manager. Open where not given.

        Raises
        ------
        PlanError
            If no symbol has usable data, or ``base_interval`` is not stored or does not divide a stream.
        ConfigError
            If the window of the configuration holds no session.
        """
        if time_manager is not None:
            start, end = _window(config, time_manager)
        wanted = config.universe.symbols
        known = source.get_symbols()
        symbols = [normalise_symbol(s) for s in (known if wanted == "all" else wanted)]
        if not symbols:
            text = f"no symbols are stored{_place(source)}; the configuration asks for all of them"
            raise PlanError(text)
        request = _Request.of(config)
        notes = _Notes()
        plans = []
        for symbol in symbols:
            stored = sorted(map(Interval, source.get_intervals(symbol)))
            usable = [i for i in stored if _reaches(source, symbol, i, start, end)]
            lack = request.lack(source, symbol, stored, usable, known)
            if lack:
                notes.add("symbol_dropped", f"dropped: {lack}", symbol)
            else:
                plans.append(request.plan(source, symbol, stored, usable, notes))
        if not plans:
            raise PlanError(_nothing_left(notes), symbols=tuple(symbols))
        if "ticks" in request.others:
            for plan in plans:
                notes.add("stream_ignored", TICKS_IGNORED, plan.symbol)
        return cls(tuple(plans), notes.warnings())

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as dicts, lists, texts and numbers, ready for JSON."""
        return {
            "symbols": [
                {
                    "symbol": p.symbol,
                    "base": p.base,
                    "derived": list(p.derived),
                    "streams": [asdict(d) for d in p.streams],
                    "history": [asdict(n) | {"days": n.days} for n in p.history],
                    "indicators": [r._asdict() for r in p.indicators],
                }
                for p in self.symbols
            ],
            "warnings": [
                {"kind": w.kind, "text": w.text, "symbols": list(w.symbols)}
                for w in self.warnings
            ],
        }

    def __str__(self) -> str:
        width = max(len(p.symbol) for p in self.symbols)
        lines = [line for p in self.symbols for line in p._lines(width)]
        return "\n".join([*lines, *(f"warning: {w}" for w in self.warnings)])


class _Notes:
    """Warnings while the plan is made, grouped by text."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], list[str]] = {}

    def add(self, kind: str, text: str, symbol: str) -> None:
        self.found.setdefault((kind, text), []).append(symbol)

    def warnings(self) -> tuple[PlanWarning, ...]:
        return tuple(PlanWarning(k, t, tuple(s)) for (k, t), s in self.found.items())


@dataclass(frozen=True, slots=True)
class _Request:
    """What the configuration asks for, the same for every symbol but for its history."""

    intervals: tuple[Interval, ...]
    others: tuple[str, ...]
    base: Interval | None
    config: SessionConfig

    @classmethod
    def of(cls, config: SessionConfig) -> _Request:
        streams = config.session_data_config.streams
        base = config.session_data_config.bars.base_interval
        return cls(
            tuple(sorted({Interval(s) for s in streams if s not in NO_BARS})),
            tuple(s for s in streams if s in NO_BARS),
            None if base is None else Interval(base),
            config,
        )

    def fits(self, interval: Interval) -> bool:
        return all(interval.divides(wanted) for wanted in self.intervals)

    def lack(
        self,
        source: BarCatalog,
        symbol: str,
        stored: Sequence[Interval],
        usable: Sequence[Interval],
        known: Iterable[str],
    ) -> str | None:
        """Return why nothing stored serves the symbol, or ``None`` if something does."""
        would = [i for i in USUAL if self.fits(i) and i not in stored][:3]
        asked = _list(self.intervals, "and")
        if not stored:
            near = did_you_mean(symbol, known)
            return f"no bars are stored{_place(source)}; {asked} can be made from {_list(would, 'or')}{near}"
        if self.base is not None:
            if not self.fits(self.base):
                text = f"base_interval {self.base.text!r} does not divide {asked}"
                raise PlanError(text)
            if self.base not in stored:
                text = f"{symbol}: base_interval {self.base.text!r} is not stored; stored are {_list(stored, 'and')}"
                raise PlanError(text, symbol=symbol)
        fitting = [
            i for i in stored if (self.fits(i) if self.base is None else i == self.base)
        ]
        if not fitting:
            do = "does" if len(stored) == 1 else "do"
            return f"{_list(stored, 'and')} {do} not divide {asked}; a stored {_list(would, 'or')} would"
        if not set(fitting) & set(usable):
            if not any(source.get_ranges(symbol, i.text) for i in fitting):
                return f"the {_list(fitting, 'and')} files hold no bar"
            return f"no bars in the window; {_list(fitting, 'and')} bars are stored for other dates"
        return None

    def plan(
        self,
        source: BarCatalog,
        symbol: str,
        stored: Sequence[Interval],
        usable: Sequence[Interval],
        notes: _Notes,
    ) -> SymbolPlan:
        base = self.base or max(i for i in usable if self.fits(i))
        derived = [i for i in self.intervals if i != base]
        asked = ", ".join(i.text for i in self.intervals)
        why = (
            f"coarsest stored interval dividing {asked}"
            if self.base is None
            else "base_interval of the configuration"
        )
        streams = [StreamDecision(base.text, "STREAMED", why)]
        streams += [
            StreamDecision(i.text, "GENERATED", _made_of(i, base)) for i in derived
        ]
        streams += [_without_bars(s, source, symbol) for s in self.others]
        indicators = self.config.session_data_config.historical.indicators
        reads = reads_of(indicators, base, stored)
        for read in reads:
            if read.interval is None:
                minutes = indicators[read.name].granularity == "minute"
                need = (
                    "1m bars, or finer ones that divide them,"
                    if minutes
                    else "bars of a day or less"
                )
                text = f"indicator {read.name!r} is NaN: it needs {need}, which are not stored"
                notes.add("indicator_empty", text, symbol)
        return SymbolPlan(
            symbol,
            base.text,
            tuple(i.text for i in derived),
            tuple(streams),
            self.history(symbol, stored, reads, notes),
            reads,
        )

    def history(
        self,
        symbol: str,
        stored: Sequence[Interval],
        reads: Sequence[IndicatorRead],
        notes: _Notes,
    ) -> tuple[HistoryNeed, ...]:
        historical = self.config.session_data_config.historical
        needs = history_needs(symbol, historical.data, historical.indicators, reads)
        found = []
        for need in needs:
            interval = Interval(need.interval)
            if interval in stored or (
                interval <= ONE_DAY and any(i.divides(interval) for i in stored)
            ):
                found.append(need)
                continue
            text = f"history of {interval.text} bars is left out: they are not stored"
            if interval > ONE_DAY:
                text += "; a stream of them follows from the history of its base"
            notes.add("history_dropped", text, symbol)
        return tuple(found)


def _window(config: SessionConfig, time_manager: TimeManager) -> tuple[int, int]:
    window = config.backtest_config
    if window is None:
        text = "backtest_config is missing; give start_date and end_date"
        raise ConfigError(text)
    sessions = window_sessions(time_manager, window.start_date, window.end_date)
    table = time_manager.session_table
    return int(table.span_starts[sessions[0]]), int(table.span_ends[sessions[-1]])


def _without_bars(stream: str, source: BarCatalog, symbol: str) -> StreamDecision:
    if stream == "ticks":
        return StreamDecision(stream, "IGNORED", TICKS_IGNORED)
    # Most sources hold nothing but bars.
    has_quotes = getattr(source, "has_quotes", None)
    if has_quotes is not None and has_quotes(symbol):
        return StreamDecision(stream, "STREAMED", QUOTES_STREAMED)
    return StreamDecision(stream, "GENERATED", QUOTES_GENERATED)


def _reaches(
    source: BarCatalog,
    symbol: str,
    interval: Interval,
    start: int | None,
    end: int | None,
) -> bool:
    if start is None and end is None:
        return True
    return any(
        (end is None or first < end) and (start is None or last >= start)
        for first, last in source.get_ranges(symbol, interval.text)
    )


def _place(source: BarCatalog) -> str:
    """Say where bars were looked for, of a source that lies somewhere."""
    root = getattr(source, "root", None)
    return "" if root is None else f" in {root!r}"


def _made_of(interval: Interval, base: Interval) -> str:
    if interval > ONE_DAY:
        return f"{base.text} bars of {interval.text}, partial where history does not reach its first day"
    if interval.ns is None or base.ns is None:
        return f"each session's {base.text} bars"
    return f"{interval.ns // base.ns} x {base.text}"


def _nothing_left(notes: _Notes) -> str:
    lines = [
        f"{', '.join(symbols[:5])}{' and others' if len(symbols) > 5 else ''}: {text.removeprefix('dropped: ')}"
        for (_, text), symbols in notes.found.items()
    ]
    more = f"\n  and {len(lines) - 10} more" if len(lines) > 10 else ""
    return (
        lines[0]
        if len(lines) == 1
        else "no symbol has usable data\n  " + "\n  ".join(lines[:10]) + more
    )


def _list(intervals: Sequence[Interval], word: str) -> str:
    texts = [i.text for i in intervals]
    return (
        texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}"
    )
