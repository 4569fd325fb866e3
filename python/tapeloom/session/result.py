"""What a run leaves behind: values only, printed by ``tapeloom.report`` and read by programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from tapeloom.session.metrics import PerformanceMetrics

if TYPE_CHECKING:
    from datetime import datetime

    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.records import Records
    from tapeloom.session_data import SessionData

__all__ = [
    "ProgressEvent",
    "RunResult",
    "RunWarning",
    "SessionReport",
    "SymbolReport",
    "plain",
]


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Where a run stands; sent to ``progress`` about ten times a second, at the end of each session and when it pauses.

    ``remaining_seconds`` is an estimate, ``None`` while there is nothing to go by; by the clock it is the time the clock
    needs. ``speed`` is the multiple of real time at which the clock runs, 0 where none does; ``lag_seconds`` is how late
    the newest batch was, seconds of the market's clock.
    """

    sessions_done: int
    sessions_total: int
    clock: datetime
    bars: int
    bars_per_second: float
    remaining_seconds: float | None
    speed: float = 0.0
    lag_seconds: float = 0.0
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class RunWarning:
    """One kind of warning with how often it came up, not one entry per occurrence."""

    kind: str
    text: str
    count: int
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SymbolReport:
    """One symbol over the whole run, base series, regular hours."""

    symbol: str
    expected: int
    present: int
    missing: int
    gaps: int
    longest_gap: int
    out_of_session: int

    @property
    def quality(self) -> float | None:
        """Present among the expected, 0-100; ``None`` when nothing was expected."""
        return 100.0 * self.present / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class SessionReport:
    """One session over all symbols, base series, regular hours.

    ``bars`` entered the session; of the other rows ``duplicates`` were dropped, ``corrections`` replaced a bar of the same key with other values.
    ``expected``, ``present``, ``missing`` and ``longest_gap`` count bars; ``longest_gap_symbol`` names whose gap was longest,
    ``longest_gap_cause`` and ``longest_gap_evidence`` say why it is there, as far as that was known at the session's end.
    ``derived_bars`` counts each once, however often it was replaced. A live session that went on after a stop counts all its
    bars, and the ``instants`` of the last process.
    ``seconds`` is the wall time of the session without loading; ``analysis_seconds`` is the part spent in the user's analysis.
    """

    session_date: date
    is_early_close: bool
    symbols: int
    instants: int
    bars: int
    derived_bars: int
    expected: int
    present: int
    missing: int
    gaps: int
    longest_gap: int
    longest_gap_symbol: str | None
    longest_gap_start: datetime | None
    out_of_session: int
    duplicates: int
    corrections: int
    late: int
    quarantined: int
    load_seconds: float
    seconds: float
    analysis_seconds: float
    longest_gap_cause: str | None = None
    longest_gap_evidence: str = ""

    @property
    def quality(self) -> float | None:
        """Present among the expected, 0-100; ``None`` when nothing was expected."""
        return 100.0 * self.present / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class RunResult:
    """What ``run`` and ``replay`` return.

    ``session_data`` still holds the last session. ``records`` is the table of ``session.record``, ``metrics`` has the times.
    ``stopped_early`` says that the run ended before its window did.
    """

    session_name: str
    plan: StreamPlan
    sessions: tuple[SessionReport, ...]
    symbols: tuple[SymbolReport, ...]
    warnings: tuple[RunWarning, ...]
    session_data: SessionData
    records: Records
    table_fingerprint: str
    total_seconds: float
    analysis_name: str | None = None
    metrics: PerformanceMetrics = field(default_factory=PerformanceMetrics)
    stopped_early: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the result as dicts, lists, texts and numbers, ready for JSON; recorded rows are only counted."""
        return {
            "session_name": self.session_name,
            "analysis": self.analysis_name,
            "stopped_early": self.stopped_early,
            "sessions": [
                plain(asdict(s)) | {"quality": s.quality} for s in self.sessions
            ],
            "symbols": [asdict(s) | {"quality": s.quality} for s in self.symbols],
            "warnings": [plain(asdict(w)) for w in self.warnings],
            "bars": self.bars,
            "derived_bars": self.derived_bars,
            "missing": self.missing,
            "gaps": self.gaps,
            "quality": self.quality,
            "records": len(self.records),
            "state_hash": self.state_hash,
            "table_fingerprint": self.table_fingerprint,
            "total_seconds": self.total_seconds,
            "metrics": self.metrics.to_dict("backtest"),
            "plan": self.plan.to_dict(),
        }

    @property
    def state_hash(self) -> str:
        """Digest of the last session's bars; see ``SessionData.state_hash``."""
        return self.session_data.state_hash()

    @property
    def bars(self) -> int:
        """Base bars that entered the sessions."""
        return sum(s.bars for s in self.sessions)

    @property
    def derived_bars(self) -> int:
        """Derived bars emitted in all sessions."""
        return sum(s.derived_bars for s in self.sessions)

    @property
    def missing(self) -> int:
        """Bars that were due and did not come, in all sessions."""
        return sum(s.missing for s in self.sessions)

    @property
    def gaps(self) -> int:
        """Gaps in all sessions."""
        return sum(s.gaps for s in self.sessions)

    @property
    def quality(self) -> float | None:
        """Present among the expected over the whole run, 0-100; ``None`` when nothing was expected."""
        expected = sum(s.expected for s in self.sessions)
        return (
            100.0 * sum(s.present for s in self.sessions) / expected
            if expected
            else None
        )

    @property
    def bars_per_second(self) -> float:
        """Base bars per second of streaming, the user's analysis included, loading apart."""
        seconds = sum(s.seconds for s in self.sessions)
        return self.bars / seconds if seconds > 0 else 0.0

    @property
    def bars_per_second_without_analysis(self) -> float:
        """Base bars per second of streaming with the time inside the user's analysis taken out."""
        seconds = sum(s.seconds - s.analysis_seconds for s in self.sessions)
        return self.bars / seconds if seconds > 0 else 0.0


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return fields as JSON has them: dates and times as text, tuples as lists."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
