//! Who reads one series again and again.

use std::sync::Arc;

use crate::series::{Series, State, View};
use crate::sync::{ArcSwap, Cache};

/// Who reads one series again and again: while its rows stay where they are, a look takes no reference to them.
///
/// Rows that were replaced are held until the next look.
#[derive(Debug)]
pub struct Reader(Cache<Place, Arc<State>>);

/// Where a series says where its rows are.
#[derive(Debug)]
struct Place(Arc<Series>);

impl std::ops::Deref for Place {
    type Target = ArcSwap<State>;

    #[inline]
    fn deref(&self) -> &ArcSwap<State> {
        &self.0.state
    }
}

impl Reader {
    /// Of one series.
    pub fn new(series: Arc<Series>) -> Self {
        Self(Cache::new(Place(series)))
    }

    /// Look at the rows known at an epoch; `None` as for [`Series::snapshot`].
    #[inline]
    pub fn look<R>(&mut self, epoch: u64, look: impl FnOnce(View<'_>) -> R) -> Option<R> {
        // Whoever has seen an epoch finds the pointer of that epoch or a newer one: it was swapped before.
        let state = self.0.load();
        let live_rows = state.rows_at(epoch)?;
        Some(look(View { state, live_rows }))
    }
}
