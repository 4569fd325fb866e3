"""What must hold after a simulated day, whatever happened on it: computed from the script and what was handed over, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from tapeloom import SessionData
from tapeloom.bars import BarData, Provenance
from tapeloom.ingest import IngestCounts
from tapeloom.live.feed import SymbolStatus, UpdatedBar
from tapeloom.live.live_health import SymbolState
from tapeloom.live.live_player import Stage
from tests.compare import bar_data
from tests.live.simulated_script import TOLERANCE
from tests.live.simulated_script_run import ScriptRun, manager_of
from tests.live.simulated_truth import Market
from tests.reference.bars import Bar, is_valid
from tests.reference.derived import buckets, compensated_sum
from tests.reference.schedule import MINUTE, interval_ns, to_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.live.simulated_script import Script
    from tests.reference.derived import Bucket
    from tests.reference.schedule import TradingDay

__all__ = ["check", "check_crashed"]

Key = tuple[str, int]

_TAKEN = (Stage.WAITING, Stage.OPEN)
_PLACES = (
    "bars",
    "reports",
    "quotes",
    "ticks",
    "superseded",
    "not_subscribed",
    "other_interval",
    "outside_hours",
    "malformed",
    "unknown",
)


def check(script: Script, run: ScriptRun) -> None:
    """Check everything that must hold at the end of a day."""
    store = {name: _rows(run.store, name) for name in run.store._symbols}
    known = Known.of(script, [run])
    _check_values(store, known)
    truth = _truth(Market(script, [run], can_ask=_heals(script)), run, store)
    _check_gaps(script, run, store)
    if _heals(script):
        _check_healed(script, store)
    _check_counts(run, known)
    _check_derived(script, run, store)
    _check_undisturbed(script, run, truth)
    _check_told(script, run, store)
    _check_filler(run)
    _check_health(script, run)


def check_crashed(script: Script, runs: list[ScriptRun], *, is_strict: bool) -> None:
    """Check everything that must hold at the end of a day on which the process died between the runs."""
    run = runs[-1]
    store = {name: _rows(run.store, name) for name in run.store._symbols}
    # What was pushed and acknowledged is there, by whichever run.
    everything, newest = Known.of(script, runs), Known.of(script, runs[-1:])
    _check_values(store, everything if is_strict else newest)
    forgets = everything.corrected - newest.corrected
    market = Market(
        script,
        runs,
        can_ask=_heals(script),
        forgets=frozenset() if is_strict else forgets,
    )
    truth = _truth(market, run, store)
    _check_gaps(script, run, store)
    if _heals(script):
        _check_healed(script, store)
    _check_events(run, newest)
    _check_derived(script, run, store)
    _check_undisturbed(script, run, truth)
    _check_told(script, run, store)
    _check_filler(run)


def _rows(store: SessionData, name: str, interval: str = "1m") -> dict[int, Bar]:
    bars = store.get_bars(name, interval)
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    values = zip(bars.ts.tolist(), *(c.tolist() for c in columns), strict=True)
    return {row[0]: Bar(*row) for row in values}


@dataclass(slots=True)
class Known:
    """What the session could know of each bar, by symbol and start."""

    #: The newest edition that was pushed, and whether the feed called it a correction: what it corrects is older.
    pushed: dict[Key, tuple[Bar, bool]] = field(default_factory=dict)
    #: Every value that was pushed.
    values: dict[Key, set[Bar]] = field(default_factory=dict)
    #: Events that were handed over, and bars of symbols that were kept.
    events: int = 0

    @classmethod
    def of(cls, script: Script, runs: Sequence[ScriptRun]) -> Known:
        known = cls()
        kept = set(script.begin_with)
        changes = list(script.changes)
        for at, stage, is_open, events in (step for run in runs for step in run.handed):
            while changes and changes[0].at <= at:
                known._change(kept, changes.pop(0).symbol)
            known.events += len(events)
            if stage in _TAKEN and is_open:
                for event in events:
                    known._take(script, kept, event, at)
        return known

    def _change(self, kept: set[str], symbol: str) -> None:
        kept ^= {symbol}
        for key in [key for key in self.pushed if key[0] == symbol]:
            del self.pushed[key]

    def _take(self, script: Script, kept: set[str], event: object, at: int) -> None:
        is_correction = isinstance(event, UpdatedBar)
        bar = event.bar if isinstance(event, UpdatedBar) else event
        if not isinstance(bar, BarData) or bar.symbol not in kept:
            return
        row, day = _row(bar), script.day
        if (
            bar.interval == "1m"
            and day.open <= bar.ts < day.close
            and (bar.ts - day.open) % MINUTE == 0
            and bar.ts + MINUTE <= at + TOLERANCE
            and is_valid(row)
        ):
            if is_correction or not self._is_corrected(bar):
                self.pushed[bar.symbol, bar.ts] = row, is_correction
            self.values.setdefault((bar.symbol, bar.ts), set()).add(row)

    @property
    def corrected(self) -> frozenset[Key]:
        """Bars that were corrected."""
        return frozenset(key for key, (_, is_so) in self.pushed.items() if is_so)

    def _is_corrected(self, bar: BarData) -> bool:
        return self.pushed.get((bar.symbol, bar.ts), (None, False))[1]


def _row(bar: BarData) -> Bar:
    return Bar(bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume)


def _check_values(store: dict[str, dict[int, Bar]], known: Known) -> None:
    """What was pushed is there with its last value; what is there somebody said."""
    for (symbol, ts), (bar, is_correction) in known.pushed.items():
        found = store[symbol].get(ts)
        assert found is not None, f"{symbol} {ts} was pushed and is not there"
        if is_correction:
            assert found == bar, f"{symbol} {ts} is not as it was corrected"


def _truth(
    market: Market, run: ScriptRun, store: dict[str, dict[int, Bar]]
) -> dict[str, dict[int, Bar]]:
    """What was traded, without what the day lists as missing: each bar is there, and as the market has it."""
    truth = {}
    for name, rows in store.items():
        listed = _listed(run, name)
        traded = market.rows(name, rows)
        truth[name] = {ts: bar for ts, bar in traded.items() if ts not in listed}
        for ts in rows.keys() | truth[name].keys():
            is_right = rows.get(ts) == truth[name].get(ts)
            assert is_right, f"{name} {ts} is not as the market has it" + (
                f"; its correction {market.why(name, ts)[0]}"
                if (name, ts) in market.script.first
                else ""
            )
    return truth


def _listed(run: ScriptRun, name: str) -> set[int]:
    """The starts of the bars that a day lists as missing."""
    listed: set[int] = set()
    for gap in run.store.get_gaps(name):
        assert gap.cause, gap
        spanned = range(to_ns(gap.start), to_ns(gap.end), MINUTE)
        assert len(spanned) == gap.missing, gap
        listed |= set(spanned)
    return listed


def _check_gaps(
    script: Script, run: ScriptRun, store: dict[str, dict[int, Bar]]
) -> None:
    """What is not there is listed as missing with a cause."""
    grid = range(script.day.open, script.day.close, MINUTE)
    for name, rows in store.items():
        assert _listed(run, name) == set(grid) - set(rows), f"gaps of {name}"


def _heals(script: Script) -> bool:
    """Whether there is time enough to ask a good vendor for everything before the session ends."""
    close = script.day.close
    return (
        script.vendor == "good"
        and script.policies["no_trade"] == "gap"
        and not script.failures
        and not script.age
        and script.delay <= 10_000_000_000
        and script.calls_per_minute is None
        and not any(
            start <= close + 60 * 10**9 and end > close for start, end in script.sleeps
        )
        and not any(end > close - 20 * 10**9 for _, end in script.broken_disk)
        and script.begin < close
    )


def _check_healed(script: Script, store: dict[str, dict[int, Bar]]) -> None:
    """All that the vendor has is there."""
    for name, rows in store.items():
        for ts in script.truth[name]:
            if (name, ts) not in script.holes:
                assert ts in rows, f"{name} {ts} could have been filled"


def _check_events(run: ScriptRun, known: Known) -> None:
    counts = run.parts.session.sorter.counts
    assert counts["events"] == known.events, (counts, known.events)
    assert sum(counts[place] for place in _PLACES) == known.events, counts


def _check_counts(run: ScriptRun, known: Known) -> None:
    """Every event is counted once, and so is every bar that was offered to the store."""
    _check_events(run, known)
    counts = run.parts.session.sorter.counts
    total = IngestCounts()
    for name in run.store._symbols:
        found = run.store.get_ingest_counts(name)
        assert found.balanced, (name, found)
        total += found
    assert run.store.get_ingest_counts().balanced
    filler = run.parts.quality.filler
    filled = IngestCounts() if filler is None else filler.counts.bars
    assert filled.balanced
    if not run.script.changes:
        assert total.offered == counts["bars"] + filled.offered, (total, counts)


@cache
def _buckets(day: TradingDay, interval: str) -> list[Bucket]:
    return buckets(day, MINUTE, interval_ns(interval))


def _check_derived(
    script: Script, run: ScriptRun, store: dict[str, dict[int, Bar]]
) -> None:
    """Derived bars are what their base bars add up to."""
    excuses = script.policies["no_trade"] == "expected"
    for name, rows in store.items():
        for interval in script.derived:
            bars = run.store.get_bars(name, interval)
            given = _rows(run.store, name, interval)
            flags = dict(zip(bars.ts.tolist(), bars.flags.tolist(), strict=True))
            for bucket in _buckets(script.day, interval):
                members = [rows[ts] for ts in bucket.expected if ts in rows]
                is_whole = len(members) == len(bucket.expected)
                found = given.pop(bucket.start, None)
                if found is None:
                    assert not members or (
                        script.policies["completeness"] == "complete" and not is_whole
                    ), f"{name} {interval} {bucket.start} is missing"
                    continue
                assert found == Bar(
                    bucket.start,
                    members[0].open,
                    max(bar.high for bar in members),
                    min(bar.low for bar in members),
                    members[-1].close,
                    compensated_sum(bar.volume for bar in members),
                ), f"{name} {interval} {bucket.start}"
                is_partial = bool(flags[bucket.start] & Provenance.PARTIAL)
                if not excuses:
                    assert is_partial is not is_whole
                    assert is_whole or script.policies["completeness"] == "any"
            assert not given, f"{name} {interval}: {sorted(given)} has no bucket"


def _check_undisturbed(
    script: Script, run: ScriptRun, truth: dict[str, dict[int, Bar]]
) -> None:
    """The state is that of a day on which the bars came at once, as the market has them."""
    quiet = SessionData(time_manager=manager_of(script.minutes), **script.policies)
    for name in truth:
        quiet.register_symbol(name, base_interval="1m", derived=script.derived)
    quiet.start_new_session(script.day.date)
    for report in run.reports_written:
        if isinstance(report, SymbolStatus):
            quiet.append_status(report.symbol, report.status)
        else:
            quiet.append_connection(report)
    for name, rows in truth.items():
        if rows:
            quiet.add_bars_batch(name, [bar_data(name, bar) for bar in rows.values()])
    quiet.end_session()
    assert run.hash_at_close == [quiet.state_hash()], "not as an undisturbed day"


def _check_told(
    script: Script, run: ScriptRun, store: dict[str, dict[int, Bar]]
) -> None:
    """Analyses saw each bar once, when it was known, and each change of it; what was there before they began they did not."""
    listener = run.listener
    assert (listener.starts, listener.ends) == (1, 1)
    last: dict[tuple[str, str, int], BarData] = {}
    newest: dict[tuple[str, str], int] = {}
    for at, hook, bar in listener.told:
        series, key = (bar.symbol, bar.interval), (bar.symbol, bar.interval, bar.ts)
        end = to_ns(bar.end)
        assert end - (TOLERANCE if bar.interval == "1m" else 0) <= at, f"{bar} at {at}"
        before = last.get(key)
        if hook == "bar":
            assert before is None, f"{bar} was told as new twice"
            assert newest.get(series, 0) < bar.ts, f"{bar} is not new"
            newest[series] = bar.ts
        elif before is not None and bar.interval == "1m":
            # Corrected and corrected back in one step, it is told as it was.
            is_same = _row(before) == _row(bar)
            assert not is_same or bar.flags & Provenance.CORRECTED, f"{bar} told twice"
        last[key] = bar
    for name, rows in store.items():
        for ts, row in rows.items():
            is_told = (name, "1m", ts) in last
            is_warm = (name, ts) in listener.warm
            assert is_told or is_warm, f"nobody was told of {name} {ts}"
            if is_told:
                assert _row(last[name, "1m", ts]) == row, f"{name} {ts} changed since"
        for interval in script.derived:
            for ts, row in _rows(run.store, name, interval).items():
                if (name, interval, ts) in last:
                    told = last[name, interval, ts]
                    assert _row(told) == row, f"{name} {interval} {ts} changed since"


def _check_filler(run: ScriptRun) -> None:
    """Nothing is open that is not listed as missing."""
    filler = run.parts.quality.filler
    if filler is None:
        return
    for name in filler.open:
        assert run.store.get_gaps(name), f"{name} is filled and still asked for"


def _check_health(script: Script, run: ScriptRun) -> None:
    """Without a connection all is stale; with one a symbol is live exactly while nothing is looked for."""
    is_asked = run.parts.quality.filler is not None
    for look in run.looks:
        for name, state in look.states.items():
            is_stale = state is SymbolState.STALE
            assert is_stale or look.is_connected, f"{name} at {look.at} is {state}"
            if _heals(script) and is_asked and look.lacks[name]:
                assert state is not SymbolState.LIVE, f"{name} at {look.at}"
