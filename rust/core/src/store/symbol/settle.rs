//! The consequences of late and corrected bars: rows in place, figures afresh, buckets and history computed again.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::aggregate::resample::{Planned, Request};
use crate::aggregate::{BaseGrids, Bucket, Day, Derived};
use crate::bar::{Bar, CORRECTED, DERIVED, LATE};
use crate::columns::Columns;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::schedule::Stretch;
use crate::series::SeriesWriter;
use crate::series::sealed;
use crate::session_table::SessionTable;
use crate::store::symbol::SymbolWriter;
use crate::time::Interval;

/// A bucket that has ended and got another base bar, or one with other values.
struct Reopened {
    bucket: Bucket,
    day: Day,
    /// `LATE`, `CORRECTED` or both.
    flags: u8,
}

impl SymbolWriter {
    /// Draw the consequences of late and corrected bars: rows in place, figures afresh, buckets re-opened.
    ///
    /// `counts` says which bars enter the figures. `changed` gets each derived bar that was inserted or replaced: its series, the bar,
    /// whether a base bar of it was corrected, and whether it is one more.
    pub(in crate::store) fn settle(
        &mut self,
        table: Option<&SessionTable>,
        current: Option<Stretch>,
        counts: impl Fn(i64) -> bool,
        (clock, epoch): (i64, u64),
        planned: &mut Planned,
        mut changed: impl FnMut(usize, Derived, bool, bool),
    ) -> Result<()> {
        self.settle_history(table, current, epoch, planned)?;
        if self.touched.is_empty() {
            return Ok(());
        }
        let touched = std::mem::take(&mut self.touched);
        self.base_series.apply_staged(epoch);
        let session = self.base_series.session_rows();
        self.metrics = Metrics::default();
        for bar in self.base_series.bars_between(session, i64::MIN, i64::MAX) {
            if counts(bar.ts) {
                self.metrics.push(&bar);
            }
        }
        let Some(table) = table else { return Ok(()) };
        for at in 0..self.aggregators.len() {
            // One bucket may hold many of them and is computed again once.
            let mut again: BTreeMap<i64, Reopened> = BTreeMap::new();
            let mut day: Option<Day> = None;
            for touch in &touched {
                if !day.as_ref().is_some_and(|day| day.holds(touch.bar.ts)) {
                    day = self.aggregators[at].day_at(table, touch.bar.ts)?;
                }
                let bucket = day.as_ref().and_then(|day| day.bucket_at(touch.bar.ts));
                if let Some((bucket, day)) = bucket.zip(day.as_ref()) {
                    let reopened = again.entry(bucket.start).or_insert_with(|| Reopened {
                        bucket,
                        day: day.clone(),
                        flags: 0,
                    });
                    reopened.flags |= if touch.is_correction { CORRECTED } else { LATE };
                }
            }
            for reopened in again.values() {
                if let Some((derived, is_new)) = self.reopen(at, reopened, session, clock) {
                    changed(at + 1, derived, reopened.flags & CORRECTED != 0, is_new);
                }
            }
            self.derived[at].apply_staged(epoch);
        }
        Ok(())
    }

    /// Compute one bucket again. Returns the derived bar if it is new or different, and which of the two.
    fn reopen(
        &mut self,
        at: usize,
        reopened: &Reopened,
        session: (usize, usize),
        clock: i64,
    ) -> Option<(Derived, bool)> {
        let Reopened { bucket, day, flags } = reopened;
        let bucket = *bucket;
        let bars = self
            .base_series
            .bars_between(session, bucket.from, bucket.end);
        let members = bars
            .into_iter()
            .filter_map(|bar| Some((bar, day.role_of(bar.ts)?)));
        let aggregator = &mut self.aggregators[at];
        let forming = aggregator.forming_bucket();
        if forming == Some(bucket) || (forming.is_none() && bucket.end > clock) {
            aggregator.refill(bucket, members);
            return None;
        }
        let mut derived = aggregator.fold(bucket, members)?;
        let series = &mut self.derived[at];
        derived.bar.flags |= flags;
        let found = series.find(bucket.start);
        let is_new = found.is_none();
        if let Some(found) = found {
            if found.bar.same_values(&derived.bar)
                && found.constituents == derived.constituents as i32
            {
                return None;
            }
            derived.bar.flags |= found.bar.flags & (LATE | CORRECTED);
        }
        series.stage(derived.bar, derived.constituents as i32);
        Some((derived, is_new))
    }

    fn settle_history(
        &mut self,
        table: Option<&SessionTable>,
        current: Option<Stretch>,
        epoch: u64,
        planned: &mut Planned,
    ) -> Result<()> {
        if self.history_touched.is_empty() {
            return Ok(());
        }
        let touched = std::mem::take(&mut self.history_touched);
        self.base_series.apply_staged_history(epoch);
        let Some(table) = table else { return Ok(()) };
        let mut sessions: Vec<usize> = touched
            .iter()
            .filter_map(|&ts| table.session_of(ts))
            .collect();
        sessions.dedup();
        self.derive_history(table, &sessions, current, epoch, planned)
    }

    /// Note which sessions history covers, so that a session without any bar counts as missing.
    pub(in crate::store) fn cover_history(&mut self, sessions: &[usize]) {
        self.history_sessions.extend_from_slice(sessions);
        self.history_sessions.sort_unstable();
        self.history_sessions.dedup();
    }

    /// Compute the derived bars of sessions of history again. Bars that were stored as such stay.
    pub(in crate::store) fn derive_history(
        &mut self,
        table: &SessionTable,
        sessions: &[usize],
        current: Option<Stretch>,
        epoch: u64,
        planned: &mut Planned,
    ) -> Result<()> {
        self.cover_history(sessions);
        for at in 0..self.aggregators.len() {
            self.derive_target(at, table, sessions, current, epoch, planned)?;
        }
        self.dirty = true;
        Ok(())
    }

    /// The same for one derived series. A bucket of days or weeks that goes on in the current session is carried into it.
    pub(in crate::store) fn derive_target(
        &mut self,
        at: usize,
        table: &SessionTable,
        sessions: &[usize],
        current: Option<Stretch>,
        epoch: u64,
        planned: &mut Planned,
    ) -> Result<()> {
        let target = self.aggregators[at].rule().target;
        let mut groups: Vec<Range<usize>> = sessions
            .iter()
            .map(|&index| table.group(index, target))
            .collect();
        groups.sort_unstable_by_key(|group| group.start);
        groups.dedup();
        let (Some(first), Some(last)) = (groups.first(), groups.last()) else {
            return Ok(());
        };
        let spans = (
            table.session(first.start).span.start,
            table.session(last.end - 1).span.end,
        );
        let (base, rows) = self.base_series.history_between(spans.0, spans.1);
        let begins = current.map_or(i64::MAX, |span| span.start);
        // Bars come in order of time: as a rule the one before was of the same session.
        let known = Cell::new((Stretch { start: 0, end: 0 }, false));
        let is_wanted = |bar: &Bar| {
            let (span, is_wanted) = known.get();
            if (span.start..span.end).contains(&bar.ts) {
                return is_wanted;
            }
            let Some(index) = table.session_of(bar.ts) else {
                return false;
            };
            let group = table.group(index, target);
            let is_wanted = table.session(group.end - 1).close <= begins
                && groups
                    .binary_search_by_key(&group.start, |g| g.start)
                    .is_ok();
            known.set((table.session(index).span, is_wanted));
            is_wanted
        };
        let request = Request {
            base: self.base(),
            targets: vec![target],
            anchor: self.aggregators[at].rule().anchor,
            completeness: self.aggregators[at].completeness(),
            extended_hours: self.aggregators[at].rule().extended_hours,
        };
        let derived = planned
            .resample(table, &request, (&base, rows))?
            .swap_remove(0);
        if self.derived[at].has_no_history() {
            let wanted: Vec<usize> = (0..derived.len())
                .filter(|&row| is_wanted(&derived.bar(row)))
                .collect();
            let derived = if wanted.len() == derived.len() {
                derived
            } else {
                derived.take(&wanted)
            };
            self.derived[at].begin_history(sealed(derived), epoch);
        } else {
            self.replace_derived(at, &derived, is_wanted, epoch);
        }
        let running = groups
            .iter()
            .find(|group| table.session(group.end - 1).close > begins);
        if let (Some(group), Some(current)) = (running, current) {
            self.carry(at, table, group, current)?;
        }
        Ok(())
    }

    /// Put derived bars that are wanted in the place of those that history has of them.
    fn replace_derived(
        &mut self,
        at: usize,
        derived: &Columns,
        is_wanted: impl Fn(&Bar) -> bool,
        epoch: u64,
    ) {
        let rows = (0..derived.len()).map(|row| (derived.bar(row), derived.constituents[row]));
        let rows: Vec<(Bar, i32)> = rows.filter(|(bar, _)| is_wanted(bar)).collect();
        let fewer = |known: &Bar, count: i32| {
            // Of a bar whose base bars were let go of since, what is left is not the truth.
            let found = rows.binary_search_by_key(&known.ts, |(bar, _)| bar.ts);
            found.map_or(0, |row| rows[row].1) < count
        };
        let stale = |bar: &Bar, count: i32| {
            bar.flags & DERIVED != 0 && is_wanted(bar) && !fewer(bar, count)
        };
        self.derived[at].rewrite_history(stale, rows.iter().copied(), epoch);
    }

    /// Let a bucket that began in an earlier session go on with what history has of it.
    fn carry(
        &mut self,
        at: usize,
        table: &SessionTable,
        group: &Range<usize>,
        current: Stretch,
    ) -> Result<()> {
        let bucket = self.aggregators[at].group_bucket(table, group.start)?;
        let history = self.base_series.history_rows();
        let bars = self
            .base_series
            .bars_between(history, bucket.from, current.start);
        let rule = self.aggregators[at].rule();
        let mut grids = Vec::new();
        for index in group.clone() {
            grids.push(BaseGrids::new(table, index, rule)?);
        }
        let members = bars.into_iter().filter_map(|bar| {
            let role = grids.iter().find_map(|grids| grids.role_on_grid(bar.ts));
            Some((bar, role?))
        });
        self.aggregators[at].carry(bucket, members);
        let rows = self.base_series.session_rows();
        let session = self.base_series.bars_between(rows, bucket.from, bucket.end);
        let members = session.into_iter().filter_map(|bar| {
            let session = table.session(table.session_of(bar.ts)?);
            Some((bar, session.role_of(bar.ts, rule.takes_extended())?))
        });
        self.aggregators[at].refill(bucket, members);
        Ok(())
    }

    /// Put loaded bars of a derived interval into its history, where no bar is yet.
    pub(in crate::store) fn add_derived_history(
        &mut self,
        interval: Interval,
        columns: &Columns,
        epoch: u64,
    ) -> bool {
        let rows = (0..columns.len()).map(|row| {
            (
                columns.bar(row),
                columns.constituents.get(row).copied().unwrap_or(0),
            )
        });
        let of_interval = |series: &&mut SeriesWriter| series.series().interval() == interval;
        let found = self.series_mut().find(of_interval);
        let is_there = found.is_some();
        if let Some(series) = found {
            series.rewrite_history(|_, _| false, rows, epoch);
        }
        self.dirty |= is_there;
        is_there
    }
}
