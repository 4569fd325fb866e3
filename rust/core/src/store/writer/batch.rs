//! Many bars as one arrival: put in order first; all or nothing where invalid rows are errors.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use crate::alignment::Aligner;
use crate::bar::{EXTENDED, IMPORTED};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::series::{Slice, sealed};
use crate::store::symbol::{Home, SymbolWriter};
use crate::store::writer::{BatchReport, Writer};
use crate::store::{OnDuplicate, OnInvalid, Outcome, SymbolId};
use crate::time::Interval;

/// How many invalid rows an error lists.
const LISTED: usize = 10;

impl Writer {
    /// Offer a batch as one arrival: put in order first, then row by row; all or nothing where invalid rows are errors.
    /// `on_invalid` overrides the store's policy.
    ///
    /// # Errors
    /// [`Error::InvalidBars`] with the first ten, [`Error::DuplicateBar`]; all rows count as rejected.
    pub fn offer_batch(
        &mut self,
        id: SymbolId,
        columns: &Columns,
        on_invalid: Option<OnInvalid>,
    ) -> Result<BatchReport> {
        let at = id.0 as usize;
        let before = self.symbols[at].counts();
        let invalid = columns.find_invalid(self.policies.allow_negative_prices);
        let reject_all = |symbol: &mut SymbolWriter| {
            (0..columns.len()).for_each(|_| symbol.count(Outcome::Rejected));
        };
        if !invalid.is_empty() && on_invalid.unwrap_or(self.policies.on_invalid) == OnInvalid::Error
        {
            reject_all(&mut self.symbols[at]);
            let first = invalid.iter().take(LISTED);
            return Err(Error::InvalidBars {
                symbol: self.symbols[at].entry.symbol.to_string(),
                first: first
                    .map(|(row, f)| (*row, columns.ts[*row], f.field, f.value, f.rule))
                    .collect(),
                total: invalid.len(),
            });
        }
        if invalid.is_empty()
            && let Some(stamps) = self.extends_history(at, &columns.ts)
        {
            self.symbols[at].append_to_history(columns, &stamps, self.epoch);
            self.finish_history(id, &columns.ts)?;
            return Ok(BatchReport {
                counts: self.symbols[at].counts().since(&before),
                skipped: Vec::new(),
            });
        }
        let is_bad: HashSet<usize> = invalid.iter().map(|(row, _)| *row).collect();
        let mut rows: Vec<usize> = (0..columns.len())
            .filter(|row| !is_bad.contains(row))
            .collect();
        rows.sort_by_key(|&row| columns.ts[row]);
        if self.policies.on_duplicate == OnDuplicate::Error {
            let repeats = rows.windows(2).find(|pair| {
                let (a, b) = (columns.bar(pair[0]), columns.bar(pair[1]));
                a.ts == b.ts && !a.same_values(&b) && self.home(at, a.ts).is_place()
            });
            let stored = rows.iter().find(|&&row| {
                let bar = columns.bar(row);
                self.symbols[at].conflicts(&bar, self.home(at, bar.ts))
            });
            if let Some(&row) = stored.or(repeats.map(|pair| &pair[1])) {
                reject_all(&mut self.symbols[at]);
                return Err(Error::DuplicateBar {
                    symbol: self.symbols[at].entry.symbol.to_string(),
                    interval: self.symbols[at].base(),
                    ts: columns.ts[row],
                });
            }
        }
        for _ in &invalid {
            self.symbols[at].count(Outcome::Rejected);
        }
        let mut latest = self.clock;
        for row in rows {
            let (_, end) = self.place(id, columns.bar(row), row)?;
            latest = latest.max(end);
        }
        self.finish_batch(latest)?;
        let skipped = invalid
            .into_iter()
            .map(|(row, f)| (row, f.field, f.value, f.rule))
            .collect();
        Ok(BatchReport {
            counts: self.symbols[at].counts().since(&before),
            skipped,
        })
    }

    /// All rows are in: late ones are settled, and the clock moves where no replay does that.
    fn finish_batch(&mut self, latest: i64) -> Result<()> {
        self.settle_all()?;
        if !self.is_coordinated() {
            self.advance(latest)?;
        }
        Ok(())
    }

    /// Rows that went into history as a whole: derived bars follow, and the clock.
    fn finish_history(&mut self, id: SymbolId, ts: &[i64]) -> Result<()> {
        self.mark(id);
        self.unsettled.push(id.0);
        let at = id.0 as usize;
        let end = |&ts: &i64| self.end_of(at, ts, Home::History { is_extended: false });
        let ends = ts.last().map(end);
        self.finish_batch(self.clock.max(ends.unwrap_or(self.clock)))
    }

    /// Whether rows are all of earlier sessions, in their places, each newer than the one before and than all that is
    /// stored: as history is loaded as a rule. They go in at once then. Returns a stamp at least of each session.
    fn extends_history(&self, at: usize, ts: &[i64]) -> Option<Vec<i64>> {
        let newest = self.symbols[at].newest_in_history();
        let is_newer = ts
            .first()
            .is_some_and(|&first| newest.is_none_or(|newest| newest < first));
        if !is_newer || !ts.is_sorted_by(|a, b| a < b) {
            return None;
        }
        self.laid_on_history(at, ts).or_else(|| {
            let in_place = |&ts: &i64| self.home(at, ts) == Home::History { is_extended: false };
            ts.iter().all(in_place).then(|| ts.to_vec())
        })
    }

    /// The first stamp of each session, where all rows lie on the grids of earlier sessions; in stretches, not row by row.
    fn laid_on_history(&self, at: usize, ts: &[i64]) -> Option<Vec<i64>> {
        let (table, session) = (self.table.as_ref()?, self.session.as_ref()?);
        let (&first, &last) = (ts.first()?, ts.last()?);
        if last >= session.span.start {
            return None;
        }
        let base = self.symbols[at].base();
        let mut aligner = Aligner::default();
        let (mut row, mut stamps) = (0, Vec::new());
        for index in table.sessions_spanning(first, last) {
            let grid = table.grid(index, base).ok()?;
            // Between two sessions, or before the open.
            if ts.get(row).is_some_and(|&ts| ts < grid.open()) {
                return None;
            }
            let next = aligner.align(ts.into(), row, &grid).end;
            if !aligner.strays().is_empty() {
                return None;
            }
            if next > row {
                stamps.push(ts[row]);
            }
            row = next;
        }
        (row == ts.len()).then_some(stamps)
    }

    /// Load bars of earlier sessions. `sessions` names, by position in the table, the ones that were asked for, so that a
    /// session without any bar counts as missing. Bars of a derived interval enter its series where none is yet.
    ///
    /// # Errors
    /// As [`Writer::offer_batch`]; [`Error::SeriesConflict`] when the interval is neither the base nor derived.
    pub fn load_history(
        &mut self,
        id: SymbolId,
        interval: Interval,
        sessions: &[usize],
        (columns, rows): (&Arc<Columns>, Range<usize>),
    ) -> Result<BatchReport> {
        let at = id.0 as usize;
        let clock = self.clock;
        if interval == self.symbols[at].base()
            && let Some(report) = self.load_sound(id, columns, rows.clone())?
        {
            self.clock = clock;
            self.symbols[at].cover_history(sessions);
            return Ok(report);
        }
        let mut imported = columns.part(rows);
        imported
            .flags
            .iter_mut()
            .for_each(|flags| *flags |= IMPORTED);
        if interval != self.symbols[at].base() {
            self.flag_extended(interval, &mut imported);
            if !self.symbols[at].add_derived_history(interval, &imported, self.epoch) {
                let symbol = self.symbols[at].entry.symbol.to_string();
                return Err(Error::SeriesConflict {
                    symbol,
                    asked: interval,
                    base: self.symbols[at].base(),
                });
            }
            self.mark(id);
            return Ok(BatchReport::default());
        }
        let report = self.offer_batch(id, &imported, None)?;
        // What was known before the session says nothing about its time.
        self.clock = clock;
        self.symbols[at].cover_history(sessions);
        Ok(report)
    }

    /// Load rows that need no more than to be noted; `None` where something else has to be done with some of them.
    fn load_sound(
        &mut self,
        id: SymbolId,
        columns: &Arc<Columns>,
        rows: Range<usize>,
    ) -> Result<Option<BatchReport>> {
        let at = id.0 as usize;
        let allow_negative = self.policies.allow_negative_prices;
        let invalid = columns.find_invalid_in(rows.clone(), allow_negative);
        let ts = &columns.ts[rows.clone()];
        let Some(stamps) = self.extends_history(at, ts).filter(|_| invalid.is_empty()) else {
            return Ok(None);
        };
        let before = self.symbols[at].counts();
        // A few rows must not keep alive the memory of many.
        let loaded = if rows.len() >= columns.len() / 2 {
            Slice::flagged(columns, rows, IMPORTED)
        } else {
            let mut part = columns.part(rows);
            part.flags.iter_mut().for_each(|flags| *flags |= IMPORTED);
            sealed(part)
        };
        self.symbols[at].load_into_history(loaded, &stamps, self.epoch);
        self.finish_history(id, ts)?;
        Ok(Some(BatchReport {
            counts: self.symbols[at].counts().since(&before),
            skipped: Vec::new(),
        }))
    }

    /// Flag the rows that start outside regular hours.
    fn flag_extended(&self, interval: Interval, columns: &mut Columns) {
        let Some(table) = self.table.as_ref().filter(|_| interval.ns().is_some()) else {
            return;
        };
        for (&ts, flags) in columns.ts.iter().zip(&mut columns.flags) {
            let session = table.session_of(ts).map(|index| table.session(index));
            if session.is_none_or(|session| session.role_of(ts, false).is_none()) {
                *flags |= EXTENDED;
            }
        }
    }
}
