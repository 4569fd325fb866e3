"""What each session of a run leaves behind, one Parquet file a session, so that an interrupted run can go on.

A session's file holds the rows of ``session.record``; its metadata the session's report and the totals of each symbol. It
is put there whole when the session has ended, so a file that is there is a session that is done. ``run.json`` says which run
they belong to.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeloom._core import Interval
from tapeloom.calendars.days import from_day
from tapeloom.errors import ArgumentError, CorruptFileError
from tapeloom.session.result import RunWarning, SessionReport, SymbolReport, plain
from tapeloom.storage.files import Files
from tapeloom.storage.replacing import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom._core import SessionTable
    from tapeloom.calendars.time_manager import TimeManager
    from tapeloom.config.session_config import SessionConfig
    from tapeloom.config.stream_plan import StreamPlan
    from tapeloom.records import Records

__all__ = ["ResultFolder", "SessionResult", "SymbolsOfRun", "sessions_kept"]

_RUN = "run.json"
_KEY = b"tapeloom.session"


@dataclass(frozen=True, slots=True)
class SymbolsOfRun:
    """Which symbols a run has beside the configured ones, with the streams asked for, and which of those it lost."""

    added: dict[str, list[str] | None] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def add(self, symbol: str, streams: Sequence[str] | None) -> None:
        """Note a symbol that came."""
        self.added[symbol] = None if streams is None else list(streams)

    def remove(self, symbol: str) -> None:
        """Note a symbol that went."""
        self.added.pop(symbol, None)
        if symbol not in self.removed:
            self.removed.append(symbol)


@dataclass(frozen=True, slots=True)
class SessionResult:
    """One session that is done: its report, what it counted of each symbol, the rows it recorded.

    ``changed`` says which symbols had come and gone by its end, ``warnings`` what the run had warned of.
    """

    report: SessionReport
    symbols: tuple[SymbolReport, ...]
    rows: tuple[tuple[int, str | None, dict[str, Any]], ...]
    changed: SymbolsOfRun
    warnings: tuple[RunWarning, ...]


def sessions_kept(
    done: Sequence[SessionResult],
    table: SessionTable,
    sessions: Sequence[int],
    plan: StreamPlan,
) -> int:
    """Return how many of the sessions that are done need not be run again.

    A bar of a week, or of several days, that is not over is carried on from the first of its sessions: the run begins there.
    """
    at = len(done)
    if at in (0, len(sessions)):
        return at
    asked = [stream for own in done[-1].changed.added.values() for stream in own or ()]
    intervals = {i for symbol in plan.symbols for i in symbol.derived}
    intervals |= {str(Interval(s)) for s in asked if s not in ("quotes", "ticks")}
    while at:
        begin = min(
            (table.group(sessions[at], i)[0] for i in intervals),
            default=sessions[at],
        )
        earlier = sum(index < begin for index in sessions[:at])
        if earlier == at:
            break
        at = earlier
    return at


class ResultFolder:
    """A folder with the results of one run.

    Parameters
    ----------
    path
        The folder; made when the first session ends.
    config
        The configuration of the run.
    time_manager
        Its calendar.
    resume
        Whether sessions that are there are kept and not run again.

    Raises
    ------
    ArgumentError
        If it holds results and ``resume`` is false, or those of another run.
    CorruptFileError
        If its ``run.json`` is damaged.
    """

    def __init__(
        self,
        path: str | Path,
        config: SessionConfig,
        time_manager: TimeManager,
        *,
        resume: bool,
    ) -> None:
        self._path = Path(path)
        self._identity = _identity(config, time_manager.session_table)
        known = self._known()
        if known is not None and not resume:
            text = f"{str(path)!r} holds the results of a run; resume it, or give another folder"
            raise ArgumentError(text, path=str(path))
        if known is not None and known != self._identity:
            changed = ", ".join(k for k in known if known[k] != self._identity.get(k))
            text = f"{str(path)!r} holds the results of another run: its {changed} differs; give another folder"
            raise ArgumentError(text, path=str(path))

    def done(self, table: SessionTable, sessions: Sequence[int]) -> list[SessionResult]:
        """Return the sessions of a window that are done, from its first on without a hole.

        Raises
        ------
        CorruptFileError
            If a file of one is damaged.
        """
        found = []
        for index in sessions:
            file = self._path / f"{from_day(int(table.dates[index]))}.parquet"
            if not file.is_file():
                break
            found.append(_read(file))
        return found

    def put(
        self,
        report: SessionReport,
        symbols: Sequence[SymbolReport],
        records: Records,
        changed: SymbolsOfRun,
        warnings: Sequence[RunWarning],
    ) -> None:
        """Keep a session that has ended.

        Raises
        ------
        StorageError
            If the folder cannot be written to.
        """
        import pyarrow.parquet as pq

        facts = {
            "report": plain(asdict(report)),
            "symbols": [asdict(symbol) for symbol in symbols],
            "changed": asdict(changed),
            "warnings": [plain(asdict(warning)) for warning in warnings],
        }
        table = records.to_arrow()
        metadata = {_KEY: json.dumps(facts).encode()}
        content = io.BytesIO()
        pq.write_table(
            table.replace_schema_metadata(metadata), content, compression="zstd"
        )
        name = f"{report.session_date}.parquet"
        self._path.mkdir(parents=True, exist_ok=True)
        with replacing(Files(), self._path, [_RUN, name], anchor=self._path) as claimed:
            if self._known() is None:
                claimed.put(_RUN, json.dumps(self._identity, indent=2).encode())
            claimed.put(name, content.getvalue())

    def _known(self) -> dict[str, str] | None:
        file = self._path / _RUN
        try:
            found = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            text = f"{str(file)!r} is damaged: {error}"
            raise CorruptFileError(text, path=str(file)) from error
        return found if isinstance(found, dict) else {}


def _identity(config: SessionConfig, table: SessionTable) -> dict[str, str]:
    """What must be the same for two runs to leave the same behind."""
    given = config.model_dump(mode="json")
    window = given.get("backtest_config") or {}
    # How fast a run goes and how it loads changes nothing, and a later end only adds sessions.
    for key in ("end_date", "speed_multiplier", "prefetch_days"):
        window.pop(key, None)
    text = json.dumps(given, sort_keys=True).encode()
    return {
        "session_name": config.session_name,
        "configuration": hashlib.blake2b(text, digest_size=16).hexdigest(),
        "calendar": table.fingerprint,
    }


def _read(file: Path) -> SessionResult:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
        facts = json.loads(table.schema.metadata[_KEY])
        report = _report(facts["report"])
        symbols = tuple(SymbolReport(**symbol) for symbol in facts["symbols"])
        changed = SymbolsOfRun(**facts["changed"])
        warnings = tuple(
            RunWarning(**warning | {"symbols": tuple(warning["symbols"])})
            for warning in facts["warnings"]
        )
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        text = f"{str(file)!r} is damaged; remove it to run its session again"
        raise CorruptFileError(text, path=str(file)) from error
    times = table.column("time").cast(pa.int64()).to_pylist()
    names = [n for n in table.column_names if n not in ("time", "symbol")]
    columns = [table.column(name).to_pylist() for name in names]
    rows = tuple(
        (
            ts,
            symbol,
            {
                n: c[at]
                for n, c in zip(names, columns, strict=True)
                if c[at] is not None
            },
        )
        for at, (ts, symbol) in enumerate(
            zip(times, table.column("symbol").to_pylist(), strict=True)
        )
    )
    return SessionResult(report, symbols, rows, changed, warnings)


def _report(values: dict[str, Any]) -> SessionReport:
    longest = values.get("longest_gap_start")
    values = values | {
        "session_date": date.fromisoformat(values["session_date"]),
        "longest_gap_start": None
        if longest is None
        else datetime.fromisoformat(longest),
    }
    return SessionReport(**values)
