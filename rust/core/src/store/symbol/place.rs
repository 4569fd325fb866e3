//! The place of one bar in the session or the history of its symbol.

use super::{Slot, SymbolWriter, Touched, add};
use crate::bar::{Bar, CORRECTED, EXTENDED, LATE};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::series::Slice;
use crate::store::{OnDuplicate, Outcome, Policies, Revision};

/// Where a valid bar belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Home {
    /// The current session: a slot of its grid, or none without a schedule.
    Regular(Option<u32>),
    /// The current session, outside regular hours.
    Extended {
        /// Whether it is an expected start of a pre- or post-market that takes part.
        takes_part: bool,
    },
    /// An earlier session date.
    History {
        /// Whether it lies outside the regular hours of that date.
        is_extended: bool,
    },
    /// An earlier session date, between two expected starts.
    OffGridInHistory,
    /// Nowhere, with the reason.
    Nowhere(&'static str),
}

impl Home {
    /// Whether it is the current session, outside regular hours.
    pub(in crate::store) fn is_extended(self) -> bool {
        matches!(self, Self::Extended { .. })
    }

    /// Whether it is an earlier session date.
    pub(in crate::store) fn is_history(self) -> bool {
        matches!(self, Self::History { .. })
    }

    /// Whether a bar can be kept there.
    pub(in crate::store) fn is_place(self) -> bool {
        !matches!(self, Self::Nowhere(_) | Self::OffGridInHistory)
    }
}

impl SymbolWriter {
    /// What follows the newest bar on the grid.
    #[inline]
    fn expect_after(&mut self, slot: u32, start: i64) {
        let Slot {
            even_until, step, ..
        } = self.expected;
        if slot > 0 && slot < even_until {
            (self.expected.start, self.expected.slot) = (start + step, slot + 1);
        } else {
            self.look_up_after(slot);
        }
    }

    /// The same where the grid has to be asked.
    #[inline(never)]
    fn look_up_after(&mut self, slot: u32) {
        let grid = self.presence.as_ref().map(|presence| presence.grid());
        let next = grid.and_then(|grid| Some((grid, grid.next_start(slot)?)));
        self.expected = next.map_or(Slot::NONE, |(grid, start)| Slot {
            start,
            slot: slot + 1,
            even_until: grid.even_until(),
            step: grid.step(),
        });
    }

    /// Put one valid bar in its place, and into the figures, if it is the one that should come next, which most are.
    /// Whoever calls says that there is something to publish. In line, since nearly every bar comes this way.
    #[inline(always)]
    pub(in crate::store) fn place_next(
        &mut self,
        bar: &Bar,
        epoch: u64,
        replay: u64,
    ) -> Option<Home> {
        let Slot { start, slot, .. } = self.expected;
        let is_next = start == bar.ts && slot != Slot::NONE.slot;
        let bits = self.bits.as_ref().filter(|_| is_next)?;
        bits.set(self.column, slot);
        self.base_series.append_next(bar, epoch, replay);
        self.expect_after(slot, start);
        self.in_turn += 1;
        self.metrics.push(bar);
        Some(Home::Regular(Some(slot)))
    }

    /// Look at what the next bar is put into: the cell for its epoch, the figures, and where bar and figures are published.
    #[inline]
    pub(in crate::store) fn next_place(&self) -> [u64; 4] {
        let (epoch, figures) = (self.base_series.next_place(), self.metrics.bars());
        let published = (self.shared.metrics.place(), self.shared.latest.place());
        [epoch, figures, published.0, published.1]
    }

    /// Put one valid bar in its place; late bars and corrections are staged. Counts the outcome.
    pub(in crate::store) fn place(
        &mut self,
        mut bar: Bar,
        home: Home,
        policies: &Policies,
        (clock, epoch): (i64, u64),
        replay: u64,
    ) -> Result<Outcome> {
        let newest = self.base_series.newest();
        if !home.is_history() && newest.is_some_and(|newest| bar.ts < newest) {
            add(&self.shared.counts.out_of_order, 1);
        }
        let outcome = match home {
            Home::OffGridInHistory => Outcome::Quarantined,
            Home::Nowhere(_) => {
                if home == Home::Nowhere("off_grid") {
                    add(&self.shared.counts.off_grid, 1);
                }
                Outcome::Quarantined
            }
            Home::History { is_extended } => {
                if is_extended {
                    bar.flags |= EXTENDED;
                }
                self.place_in_history(bar, policies, clock)?
            }
            Home::Regular(_) | Home::Extended { .. } => {
                if home.is_extended() {
                    bar.flags |= EXTENDED;
                }
                if newest.is_none_or(|newest| bar.ts > newest) {
                    self.base_series.append_anew(&bar, epoch, replay);
                    match home {
                        Home::Regular(Some(slot)) => self.expect_after(slot, bar.ts),
                        _ if self.expected.start <= bar.ts => self.expected = Slot::NONE,
                        _ => {}
                    }
                    Outcome::Accepted
                } else {
                    self.place_among(bar, policies, (clock, epoch))?
                }
            }
        };
        if let (Home::Regular(Some(slot)), Some(presence)) = (home, &self.presence) {
            presence.set(slot);
        }
        if home.is_extended() && matches!(outcome, Outcome::Accepted | Outcome::Late) {
            add(&self.shared.counts.out_of_session, 1);
        }
        let is_repeat = matches!(outcome, Outcome::Duplicate | Outcome::Correction);
        if is_repeat && !home.is_history() {
            add(&self.shared.counts.duplicates, 1);
        }
        if outcome != Outcome::Accepted || home.is_history() {
            self.base_series.forget_preloaded();
        }
        self.count(outcome);
        self.dirty = true;
        Ok(outcome)
    }

    /// A bar at or before the newest of the session.
    fn place_among(
        &mut self,
        mut bar: Bar,
        policies: &Policies,
        (clock, epoch): (i64, u64),
    ) -> Result<Outcome> {
        let series = &mut self.base_series;
        let Some(found) = series.find(bar.ts) else {
            bar.flags |= LATE;
            series.stage(bar, 0);
            self.touched.push(Touched {
                bar,
                is_correction: false,
                is_fresh: false,
            });
            return Ok(Outcome::Late);
        };
        if found.bar.same_values(&bar) || policies.on_duplicate == OnDuplicate::Ignore {
            return Ok(Outcome::Duplicate);
        }
        if policies.on_duplicate == OnDuplicate::Error {
            self.count(Outcome::Rejected);
            return Err(self.duplicate(bar.ts));
        }
        bar.flags |= CORRECTED | (found.bar.flags & LATE);
        let interval = series.series().interval();
        self.revisions.push(Revision {
            interval,
            old: found.bar,
            new: bar,
            clock,
        });
        let is_fresh = series.replace_newest(&bar, 0, epoch);
        if !is_fresh {
            series.stage(bar, 0);
        }
        self.touched.push(Touched {
            bar,
            is_correction: true,
            is_fresh,
        });
        Ok(Outcome::Correction)
    }

    fn place_in_history(
        &mut self,
        mut bar: Bar,
        policies: &Policies,
        clock: i64,
    ) -> Result<Outcome> {
        let series = &mut self.base_series;
        let outcome = match series.find_in_history(bar.ts) {
            None => {
                if series
                    .newest_in_history()
                    .is_some_and(|newest| newest > bar.ts)
                {
                    bar.flags |= LATE;
                    Outcome::Late
                } else {
                    Outcome::Accepted
                }
            }
            Some(found)
                if found.bar.same_values(&bar) || policies.on_duplicate == OnDuplicate::Ignore =>
            {
                return Ok(Outcome::Duplicate);
            }
            Some(_) if policies.on_duplicate == OnDuplicate::Error => {
                self.count(Outcome::Rejected);
                return Err(self.duplicate(bar.ts));
            }
            Some(found) => {
                bar.flags |= CORRECTED;
                let interval = series.series().interval();
                self.revisions.push(Revision {
                    interval,
                    old: found.bar,
                    new: bar,
                    clock,
                });
                Outcome::Correction
            }
        };
        self.base_series.stage_history(bar, 0);
        self.history_touched.push(bar.ts);
        Ok(outcome)
    }

    /// Opening instant of the newest bar of history.
    pub(in crate::store) fn newest_in_history(&self) -> Option<i64> {
        self.base_series.newest_in_history()
    }

    /// Put valid rows behind those of history; they rise, and all are newer. Counts the outcomes.
    ///
    /// `stamps` has one at least of each session that they lie in.
    pub(in crate::store) fn append_to_history(
        &mut self,
        columns: &Columns,
        stamps: &[i64],
        epoch: u64,
    ) {
        self.base_series.append_history(columns, epoch);
        self.count_in_history(columns.len(), stamps);
    }

    /// The same for loaded rows, which stay where they are if history holds none yet.
    pub(in crate::store) fn load_into_history(&mut self, rows: Slice, stamps: &[i64], epoch: u64) {
        let many = rows.len();
        if self.base_series.has_no_history() {
            self.base_series.begin_history(rows, epoch);
        } else {
            let mut columns = Columns::with_capacity(many, false);
            rows.copy_into(&mut columns);
            self.base_series.append_history(&columns, epoch);
        }
        self.count_in_history(many, stamps);
    }

    fn count_in_history(&mut self, rows: usize, stamps: &[i64]) {
        self.history_touched.extend_from_slice(stamps);
        for _ in 0..rows {
            self.count(Outcome::Accepted);
        }
        self.dirty = true;
    }

    fn duplicate(&self, ts: i64) -> Error {
        Error::DuplicateBar {
            symbol: self.entry.symbol.to_string(),
            interval: self.base(),
            ts,
        }
    }

    /// Whether a row would be refused as a repeat with other values.
    pub(in crate::store) fn conflicts(&self, bar: &Bar, home: Home) -> bool {
        let series = &self.base_series;
        let found = match home {
            Home::History { .. } => series.find_in_history(bar.ts),
            Home::Nowhere(_) | Home::OffGridInHistory => None,
            Home::Regular(_) | Home::Extended { .. } => series.find(bar.ts),
        };
        found.is_some_and(|found| !found.bar.same_values(bar))
    }
}
