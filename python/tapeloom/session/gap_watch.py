"""Sees which symbols' missing bars changed since it last looked. It asks nobody for bars and tells nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tapeloom.session.session_grids import SessionGrids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tapeloom._core import Group
    from tapeloom.session.session_grids import Grid
    from tapeloom.session_data import SessionData

__all__ = ["GapWatch", "Shortfall"]

#: No gaps, no missing bars; of a symbol that nobody keeps, also none present and none due.
_NONE = (0, 0)


class Shortfall(NamedTuple):
    """A symbol whose missing bars changed.

    ``gaps`` and ``missing`` count runs and bars as they are now. ``new`` are the stretches ``[start, end)`` (ns UTC) that
    no look has reported before.
    """

    symbol: str
    gaps: int
    missing: int
    new: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Watched:
    """The symbols of one base interval, and how many of its bars were due at the last look."""

    names: list[str]
    group: Group
    grid: Grid
    due: int = 0
    symbols: frozenset[str] = field(default_factory=frozenset)


class GapWatch:
    """Looks at the session's base series between batches.

    Where one bar of an interval has become due since the last look, a symbol that has it has no new gap: one read of the
    newest bars of all symbols, some 20 ns each, tells which have not, and only those are counted. Where more have become
    due, each symbol's bits are counted, 64 bars at once.

    With ``no_trade="expected"`` missing bars up to the newest due one are not judged: the next bar may show that nothing
    traded. They are at the close, and where a look insists.

    Parameters
    ----------
    session_data
        The store.
    grids
        The expected bars of its session.
    patience
        How long after its end a bar may come before it counts as missing, ns.
    """

    def __init__(
        self, session_data: SessionData, grids: SessionGrids, *, patience: int = 0
    ) -> None:
        self._patience = patience
        self._session_data = session_data
        self._grids = grids
        self._names: list[str] = []
        self._watched: list[_Watched] = []
        # By symbol: gaps and missing bars at the last look, the first bar that none has judged.
        self._known: dict[str, tuple[int, int]] = {}
        self._judged: dict[str, int] = {}
        self._undecided: set[str] = set()
        self._insists = False

    def start_session(self) -> None:
        """Forget the session before."""
        self._names, self._watched = [], []
        self._known, self._judged = {}, {}
        self._undecided = set()

    def remove(self, symbol: str) -> None:
        """Forget a symbol that was removed: one of the same name that joins later is looked at from the first bar on."""
        self._known.pop(symbol, None)
        self._judged.pop(symbol, None)
        self._undecided.discard(symbol)
        self._names = []

    @property
    def known(self) -> dict[str, tuple[int, int]]:
        """By symbol: gaps and missing bars at the last look; without those that lack none."""
        return self._known

    def look(
        self, updated: Iterable[str] = (), *, insists: bool = False
    ) -> list[Shortfall]:
        """Return the symbols whose missing bars changed, in configured order.

        Parameters
        ----------
        updated
            Symbols in which bars came late: their gaps may have closed.
        insists
            Whether the newest missing bars are judged too, because nobody could listen for them.
        """
        self._insists = insists
        self._follow_symbols()
        clock = self._session_data._clock
        if clock is None:
            return []
        late = frozenset(updated)
        found: list[Shortfall] = []
        for watched in self._watched:
            # Never back: a bar that was judged stays so.
            due = max(watched.due, watched.grid.due(clock - self._patience))
            names = self._candidates(watched, due, late)
            watched.due = due
            found += self._changed(names, watched.grid, due)
        return found

    def look_at(self, symbols: Iterable[str]) -> list[Shortfall]:
        """Return those of some symbols whose missing bars changed."""
        wanted = frozenset(symbols)
        found: list[Shortfall] = []
        for watched in self._watched:
            names = [name for name in watched.names if name in wanted]
            found += self._changed(names, watched.grid, watched.due)
        return found

    def _follow_symbols(self) -> None:
        names = self._session_data._symbols
        if names == self._names:
            return
        self._names = names
        before = {id(each.grid): each.due for each in self._watched}
        grids: dict[int, tuple[Grid, list[str]]] = {}
        for name in names:
            grid = self._grids.of(name)
            if grid is not None:
                grids.setdefault(id(grid), (grid, []))[1].append(name)
        self._watched = [
            _Watched(
                members,
                self._session_data._group_of(members),
                grid,
                before.get(id(grid), 0),
                frozenset(members),
            )
            for grid, members in grids.values()
        ]
        for gone in self._known.keys() - set(names):
            del self._known[gone]
            self._judged.pop(gone, None)
        # Of a symbol that was added meanwhile nothing has been judged.
        self._undecided |= set(names) - self._known.keys()

    def _candidates(
        self, watched: _Watched, due: int, late: frozenset[str]
    ) -> Sequence[str]:
        step = due - watched.due
        if step > 1 or self._insists:
            return watched.names
        asked = (late | self._undecided) & watched.symbols
        if step == 1:
            newest = watched.group.latest()["ts"]
            lacking = np.flatnonzero(newest != watched.grid.starts[due - 1])
            if not asked:
                return [watched.names[at] for at in lacking.tolist()]
            asked |= {watched.names[at] for at in lacking.tolist()}
        return [name for name in watched.names if name in asked] if asked else ()

    def _changed(self, names: Iterable[str], grid: Grid, due: int) -> list[Shortfall]:
        lacking = self._lacking(names, due)
        changes = (self._change_of(name, grid, due, held) for name, held in lacking)
        return [change for change in changes if change is not None]

    def _lacking(
        self, names: Iterable[str], due: int
    ) -> Iterator[tuple[str, tuple[int, int] | None]]:
        """The symbols that lack bars or lacked some, with how many they have of how many, where the core counts them.

        Of very many symbols nearly all lack none, and never did: each of these is one question to the core.
        """
        session, known, judged = self._session_data, self._known, self._judged
        excuses, memberships = session._excuses, session._memberships
        for name in names:
            if excuses or name in memberships:
                yield name, None
                continue
            held = session._presence(name) or _NONE
            if held[0] < held[1] or known.get(name, _NONE) != _NONE:
                yield name, held
                continue
            known[name] = _NONE
            self._undecided.discard(name)
            if judged.get(name, 0) < due:
                judged[name] = due

    def _change_of(
        self, name: str, grid: Grid, due: int, held: tuple[int, int] | None
    ) -> Shortfall | None:
        session = self._session_data
        gaps, missing = self._known.get(name, _NONE)
        self._known[name] = gaps, missing
        self._undecided.discard(name)
        if held is None:
            present, expected, _ = session._session_presence(name)
            runs = session._due_runs(name) if present < expected else []
        else:
            present, expected = held
            runs = session._missing(name) if present < expected else []
        decided, lacking = due, expected - present
        judged = runs
        if self._patience:
            # The newest are still waited for.
            begin, end = int(grid.starts[0]), int(grid.ends[due - 1]) if due else 0
            if runs and runs[-1][1] > end:
                judged = runs = grid.within(runs, begin, end)
                lacking = sum(number for _, _, number in runs)
        if session._excuses and runs and due < len(grid.starts):
            start, end, number = runs[-1]
            if end == grid.ends[due - 1]:
                self._undecided.add(name)
                runs, lacking = runs[:-1], lacking - number
                if not self._insists:
                    decided, judged = grid.slot(start), runs
        found = len(runs), lacking
        new = self._new_of(name, judged, grid, decided)
        if found == (gaps, missing) and not new:
            return None
        self._known[name] = found
        return Shortfall(name, *found, new)

    def _new_of(
        self, name: str, runs: list[tuple[int, int, int]], grid: Grid, decided: int
    ) -> tuple[tuple[int, int], ...]:
        """The parts of the runs that start at the first bar not judged yet, or later."""
        judged = self._judged.get(name, 0)
        if decided <= judged:
            return ()
        self._judged[name] = decided
        since = int(grid.starts[judged])
        new: list[tuple[int, int]] = []
        for start, end, _ in reversed(runs):
            if end <= since:
                break
            new.append((max(start, since), end))
        return tuple(reversed(new))
