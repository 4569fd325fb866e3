"""What a configuration asks of every symbol, and what that means for one: its base, its streams, its history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tapeloom._core import Interval
from tapeloom.config.history_need import history_needs, reads_of
from tapeloom.config.symbol_plan import StreamDecision, SymbolPlan
from tapeloom.config.warm_up import warm_ups
from tapeloom.errors import PlanError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tapeloom._core import SessionTable
    from tapeloom.config.feed_offer import FeedOffer
    from tapeloom.config.history_need import HistoryNeed, IndicatorRead
    from tapeloom.config.plan_warnings import PlanNotes
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import BarCatalog
    from tapeloom.config.warm_up import WarmUp

__all__ = ["NO_BARS", "StreamRequest"]

TICKS_IGNORED = "ticks are not delivered"
QUOTES_STREAMED = "stored quotes"
QUOTES_OFFERED = "quotes of the feed"
QUOTES_GENERATED = "from the newest bar: bid = ask = close"
NO_BARS = ("quotes", "ticks")
# What a user could store instead, coarsest first.
USUAL = tuple(map(Interval, ("1d", "1h", "30m", "15m", "5m", "1m", "1s")))
ONE_DAY = Interval("1d")
#: What plans depend on: intervals that are stored and those that can be used, whether quotes are stored, which entries of
#: history name the symbol.
_Key = tuple[tuple[Interval, ...], tuple[Interval, ...], bool, tuple[bool, ...]]


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What the configuration asks for, the same for every symbol but for its history."""

    config: SessionConfig
    streams: tuple[Interval, ...]
    """Intervals of bars that are streams, finest first."""
    intervals: tuple[Interval, ...]
    """All intervals that the base must serve, finest first."""
    followed: dict[Interval, tuple[str, ...]]
    """Intervals that real-time indicators follow, with their names."""
    others: tuple[str, ...]
    base: Interval | None
    hours: tuple[SessionTable, range] | None
    """The session table and the sessions that are played; needed for real-time indicators."""
    offer: FeedOffer | None = None
    """What the feed pushes, in live."""
    _fitting: dict[Interval, bool] = field(default_factory=dict)
    _known: dict[_Key, SymbolPlan] = field(default_factory=dict)
    """Plans of symbols before: most have the same stored intervals, and so the same plan."""

    @classmethod
    def of(
        cls,
        config: SessionConfig,
        hours: tuple[SessionTable, range] | None,
        offer: FeedOffer | None = None,
    ) -> StreamRequest:
        """Return what a configuration asks for, of storage or of a feed."""
        data = config.session_data_config
        followed: dict[Interval, tuple[str, ...]] = {}
        for name, spec in data.indicators.items():
            if spec.interval is not None:
                interval = Interval(spec.interval)
                followed[interval] = (*followed.get(interval, ()), name)
        base = data.bars.base_interval
        streams = sorted({Interval(s) for s in data.streams if s not in NO_BARS})
        return cls(
            config,
            tuple(streams),
            tuple(sorted({*streams, *followed})),
            followed,
            tuple(s for s in data.streams if s in NO_BARS),
            None if base is None else Interval(base),
            hours,
            offer,
        )

    def fits(self, interval: Interval) -> bool:
        """Whether bars of an interval can be the base."""
        found = self._fitting.get(interval)
        if found is None:
            divides = all(map(interval.divides, self.intervals))
            found = self._fitting[interval] = interval <= ONE_DAY and divides
        return found

    def require_offered(self) -> None:
        """Raise PlanError if no bar of the feed serves what is asked for; it is the same for every symbol."""
        assert self.offer is not None
        offered, asked = self.offer.intervals, _list(self.intervals, "and")
        if self.base is not None:
            if not self.fits(self.base):
                text = f"base_interval {self.base.text!r} does not divide {asked}"
                raise PlanError(text)
            if self.base not in offered:
                text = f"base_interval {self.base.text!r} is not offered; the feed pushes {_list(offered, 'and')}"
                raise PlanError(text)
        if not any(map(self.fits, offered)):
            text = f"the feed pushes {_list(offered, 'and')}, of which {asked} cannot be made"
            finest = offered[0]
            made = [i for i in USUAL if i <= ONE_DAY and finest.divides(i)][-3:]
            if made:
                text += f"; ask for {_list(made[::-1], 'or')}"
            raise PlanError(text)

    def lack(
        self,
        source: BarCatalog,
        symbol: str,
        stored: Sequence[Interval],
        usable: Sequence[Interval],
        known: Iterable[str],
    ) -> str | None:
        """Return why nothing stored serves the symbol, or ``None`` if something does.

        Raises
        ------
        PlanError
            If ``base_interval`` of the configuration does not serve, or is not stored.
        """
        fitting = [
            i for i in stored if (self.fits(i) if self.base is None else i == self.base)
        ]
        fits = self.base is None or self.fits(self.base)
        if fits and not set(fitting).isdisjoint(usable):
            return None
        would = [i for i in USUAL if self.fits(i) and i not in stored][:3]
        asked = _list(self.intervals, "and")
        if not stored:
            root, near = getattr(source, "root", None), did_you_mean(symbol, known)
            place = "" if root is None else f" in {root!r}"
            return f"no bars are stored{place}; {asked} can be made from {_list(would, 'or')}{near}"
        if self.base is not None:
            if not fits:
                text = f"base_interval {self.base.text!r} does not divide {asked}"
                raise PlanError(text)
            if self.base not in stored:
                text = f"{symbol}: base_interval {self.base.text!r} is not stored; stored are {_list(stored, 'and')}"
                raise PlanError(text, symbol=symbol)
        if not fitting:
            return f"{_misfit(stored, asked)}; a stored {_list(would, 'or')} would"
        if not any(source.get_ranges(symbol, i.text) for i in fitting):
            return f"the {_list(fitting, 'and')} files hold no bar"
        return f"no bars in the window; {_list(fitting, 'and')} bars are stored for other dates"

    def plan(
        self,
        symbol: str,
        stored: Sequence[Interval],
        usable: Sequence[Interval],
        notes: PlanNotes,
        *,
        has_quotes: bool,
    ) -> SymbolPlan:
        """Return the plan of a symbol that lacks nothing."""
        historical = self.config.session_data_config.historical
        asked = tuple(
            e.apply_to == "all" or symbol in e.apply_to for e in historical.data
        )
        key = tuple(stored), tuple(usable), has_quotes, asked
        like = self._known.get(key)
        if like is not None:
            return SymbolPlan(
                symbol,
                like.base,
                like.derived,
                like.streams,
                like.history,
                like.indicators,
                like.warm_ups,
            )
        base = self.base or max(i for i in usable if self.fits(i))
        derived = [i for i in self.intervals if i != base]
        reads = reads_of(historical.indicators, base, stored)
        noted = len(notes)
        self._note_empty(symbol, reads, notes)
        warm = self._warm_ups(base)
        found = SymbolPlan(
            symbol,
            base.text,
            tuple(i.text for i in derived),
            self._decisions(base, derived, has_quotes=has_quotes),
            self._history(symbol, base, reads, warm, notes),
            reads,
            warm,
        )
        # What is to be noted is noted of each symbol.
        if len(notes) == noted:
            self._known[key] = found
        return found

    def note_unknown(self, known: Sequence[str], notes: PlanNotes) -> None:
        """Note the symbols that history is asked for and that are not stored, where all stored symbols are meant."""
        entries = self.config.session_data_config.historical.data
        asked = [s for e in entries if e.apply_to != "all" for s in e.apply_to]
        there = set(known)
        for symbol in dict.fromkeys(asked):
            if symbol not in there:
                near = did_you_mean(symbol, known)
                text = f"history is asked for a symbol that is not stored{near}"
                notes.add("history_dropped", text, symbol)

    def _decisions(
        self, base: Interval, derived: Sequence[Interval], *, has_quotes: bool
    ) -> tuple[StreamDecision, ...]:
        asked = ", ".join(i.text for i in self.intervals)
        kind = "stored interval" if self.offer is None else "interval of the feed"
        why = (
            f"coarsest {kind} dividing {asked}"
            if self.base is None
            else "base_interval of the configuration"
        )
        streams = [StreamDecision(base.text, "STREAMED", why)]
        for interval in derived:
            reason = _made_of(interval, base)
            if interval not in self.streams:
                reason += f", for {', '.join(self.followed[interval])}"
            streams.append(StreamDecision(interval.text, "GENERATED", reason))
        for other in self.others:
            if other == "ticks":
                streams.append(StreamDecision(other, "IGNORED", TICKS_IGNORED))
            elif has_quotes:
                reason = QUOTES_STREAMED if self.offer is None else QUOTES_OFFERED
                streams.append(StreamDecision(other, "STREAMED", reason))
            else:
                streams.append(StreamDecision(other, "GENERATED", QUOTES_GENERATED))
        return tuple(streams)

    def _warm_ups(self, base: Interval) -> tuple[WarmUp, ...]:
        specs = self.config.session_data_config.indicators
        if not specs or self.hours is None:
            return ()
        return warm_ups(specs, base.text, *self.hours)

    def _note_empty(
        self, symbol: str, reads: Sequence[IndicatorRead], notes: PlanNotes
    ) -> None:
        """Note the indicators of history that nothing stored serves."""
        indicators = self.config.session_data_config.historical.indicators
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

    def _history(
        self,
        symbol: str,
        base: Interval,
        reads: Sequence[IndicatorRead],
        warm: Sequence[WarmUp],
        notes: PlanNotes,
    ) -> tuple[HistoryNeed, ...]:
        """The history of a symbol, without what cannot stand beside its base."""
        historical = self.config.session_data_config.historical
        found = []
        for need in history_needs(
            symbol, historical.data, historical.indicators, reads, base.text, warm
        ):
            interval = Interval(need.interval)
            if not need.is_kept or base.divides(interval):
                found.append(need)
                continue
            text = f"history of {interval.text} bars is left out: the streamed {base.text} bars do not divide them"
            if interval.divides(base):
                text = (
                    f"history of {interval.text} bars is left out: they are finer than the streamed {base.text} bars; "
                    f"add {interval.text} to streams"
                )
            notes.add("history_dropped", text, symbol)
        return tuple(found)


def _misfit(stored: Sequence[Interval], asked: str) -> str:
    long = [i for i in stored if i > ONE_DAY]
    if len(long) == len(stored):
        return f"{_list(stored, 'and')} bars are longer than a session and cannot be streamed"
    short = [i for i in stored if i <= ONE_DAY]
    do = "does" if len(short) == 1 else "do"
    return f"{_list(short, 'and')} {do} not divide {asked}"


def _made_of(interval: Interval, base: Interval) -> str:
    if interval > ONE_DAY:
        return f"{base.text} bars of {interval.text}, partial where history does not reach its first day"
    if interval.ns is None or base.ns is None:
        return f"each session's {base.text} bars"
    return f"{interval.ns // base.ns} x {base.text}"


def _list(intervals: Sequence[Interval], word: str) -> str:
    texts = [i.text for i in intervals]
    return (
        texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}"
    )
