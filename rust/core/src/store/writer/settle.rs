//! What follows from late and corrected bars, once all bars of their instant are in.

use crate::error::Result;
use crate::schedule::ExtendedHours;
use crate::store::SymbolId;
use crate::store::writer::{ChangeKind, Writer};

impl Writer {
    pub(super) fn settle_all(&mut self) -> Result<()> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        let mut ids = std::mem::take(&mut self.unsettled);
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            self.settle(SymbolId(id))?;
        }
        self.refresh_next_end();
        Ok(())
    }

    fn settle(&mut self, id: SymbolId) -> Result<()> {
        let at = id.0 as usize;
        let table = self.table.clone();
        let presence = self.symbols[at].presence().cloned();
        // Without a grid only a date that does not trade has no regular hours.
        let all_regular = self
            .session
            .as_ref()
            .is_none_or(|session| session.index.is_some());
        let extended = match self.policies.extended_hours {
            ExtendedHours::Full => self.extended(self.symbols[at].base()).cloned(),
            ExtendedHours::Off | ExtendedHours::Show => None,
        };
        let counts = |ts: i64| {
            presence.as_ref().map_or(all_regular, |presence| {
                let is_extended = || extended.as_ref().is_some_and(|e| e.grid_at(ts).is_some());
                presence.grid().slot_of(ts).is_some() || is_extended()
            })
        };
        let mut changed = Vec::new();
        self.symbols[at].settle(
            table.as_deref(),
            self.session.as_ref().map(|session| session.span),
            counts,
            (self.clock, self.epoch),
            &mut self.planned,
            |series, derived, is_correction, is_new| {
                changed.push((series, derived, is_correction));
                self.derived_bars += u64::from(is_new);
            },
        )?;
        for (series, derived, is_correction) in changed {
            let kind = if is_correction {
                ChangeKind::Corrected
            } else {
                ChangeKind::Late
            };
            self.note(id, series, kind, derived.bar, derived.constituents);
        }
        self.mark(id);
        Ok(())
    }
}
