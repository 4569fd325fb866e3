//! Consecutive rows of one piece of memory, which they keep alive: sealed columns, or a segment's published rows.

use std::ops::Range;
use std::sync::Arc;

use crate::alignment::{advance_to, search_near};
use crate::bar::Bar;
use crate::columns::Columns;
use crate::segment::Segment;

/// Rows that a slice points into.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Plain columns.
    Sealed(Arc<Columns>),
    /// Plain columns that somebody else has too, but for the flags.
    Flagged {
        /// All but the flags.
        columns: Arc<Columns>,
        /// The flags of the rows as they are kept here.
        flags: Arc<Flags>,
    },
    /// Published rows of a segment.
    Live(Arc<Segment>),
}

/// Flags of some rows of columns that say something else of them.
#[derive(Debug)]
pub struct Flags {
    /// Row of the columns that the first one is of.
    first: usize,
    flags: Vec<u8>,
}

impl Flags {
    /// The flags of rows `[from, to)` of the columns.
    pub fn of(&self, rows: Range<usize>) -> &[u8] {
        &self.flags[rows.start - self.first..rows.end - self.first]
    }
}

/// Consecutive rows `[from, to)` of one piece of memory, which it keeps alive.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The memory.
    pub rows: Rows,
    /// First row.
    pub from: usize,
    /// First row after the last.
    pub to: usize,
}

impl Slice {
    /// Rows of loaded columns, with `added` among their flags; the other columns stay where they are.
    pub(crate) fn flagged(columns: &Arc<Columns>, rows: Range<usize>, added: u8) -> Self {
        let flags = columns.flags[rows.clone()].iter();
        let flags = Flags {
            first: rows.start,
            flags: flags.map(|flags| flags | added).collect(),
        };
        Self {
            rows: Rows::Flagged {
                columns: columns.clone(),
                flags: Arc::new(flags),
            },
            from: rows.start,
            to: rows.end,
        }
    }

    /// The columns that hold the rows, whose flags need not be theirs; `None` where rows are still added.
    pub fn columns(&self) -> Option<&Arc<Columns>> {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => Some(columns),
            Rows::Live(_) => None,
        }
    }

    /// Whether the rows of another slice follow in the same memory.
    pub fn is_continued_by(&self, next: &Self) -> bool {
        self.is_of_memory_of(next) && self.to == next.from
    }

    pub(super) fn is_of_memory_of(&self, other: &Self) -> bool {
        match (&self.rows, &other.rows) {
            (Rows::Sealed(a), Rows::Sealed(b)) => Arc::ptr_eq(a, b),
            (Rows::Flagged { flags: a, .. }, Rows::Flagged { flags: b, .. }) => Arc::ptr_eq(a, b),
            (Rows::Live(a), Rows::Live(b)) => Arc::ptr_eq(a, b),
            (Rows::Sealed(_) | Rows::Flagged { .. } | Rows::Live(_), _) => false,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Opening instant of a row counted from `from`.
    pub fn ts(&self, row: usize) -> i64 {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => columns.ts[self.from + row],
            Rows::Live(segment) => segment.ts(self.from + row),
        }
    }

    /// Bar of a row counted from `from`.
    #[inline]
    pub fn bar(&self, row: usize) -> Bar {
        match &self.rows {
            Rows::Sealed(columns) => columns.bar(self.from + row),
            Rows::Flagged { columns, flags } => Bar {
                flags: flags.flags[self.from + row - flags.first],
                ..columns.bar(self.from + row)
            },
            Rows::Live(segment) => segment.bar(self.from + row),
        }
    }

    /// Base bars of a row, `None` unless derived.
    #[inline]
    pub fn constituents(&self, row: usize) -> Option<i32> {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                columns.constituents.get(self.from + row).copied()
            }
            Rows::Live(segment) => segment.constituents(self.from + row),
        }
    }

    /// Take all bars and their base bars in order, up to the first error.
    #[inline]
    pub fn try_each<E>(
        &self,
        mut take: impl FnMut(Bar, Option<i32>) -> Result<(), E>,
    ) -> Result<(), E> {
        let rows = self.from..self.to;
        match &self.rows {
            Rows::Live(segment) => segment.bars(rows).try_for_each(|(bar, of)| take(bar, of)),
            Rows::Sealed(_) | Rows::Flagged { .. } => {
                (0..self.len()).try_for_each(|row| take(self.bar(row), self.constituents(row)))
            }
        }
    }

    /// Epoch in which a row became known; 0 for what is sealed, which is older than any that somebody asks about.
    pub(crate) fn epoch(&self, row: usize) -> u64 {
        match &self.rows {
            Rows::Live(segment) => segment.epoch(self.from + row),
            Rows::Sealed(_) | Rows::Flagged { .. } => 0,
        }
    }

    /// First row, counted from `from`, with `ts >= instant`.
    pub fn lower_bound(&self, instant: i64) -> usize {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                columns.ts[self.from..self.to].partition_point(|&ts| ts < instant)
            }
            Rows::Live(segment) => segment.lower_bound(self.from, self.to, instant) - self.from,
        }
    }

    /// The same from a row on, which as a rule is near.
    pub fn lower_bound_from(&self, from: usize, instant: i64) -> usize {
        match &self.rows {
            Rows::Sealed(columns) | Rows::Flagged { columns, .. } => {
                advance_to(&columns.ts[self.from..self.to], from, instant)
            }
            Rows::Live(segment) => {
                segment.lower_bound(self.from + from, self.to, instant) - self.from
            }
        }
    }

    /// The same with a row near which it may be.
    pub fn lower_bound_near(&self, from: usize, guess: usize, instant: i64) -> usize {
        match self.columns() {
            Some(columns) => search_near(&columns.ts[self.from..self.to], from, guess, instant),
            None => self.lower_bound_from(from, instant),
        }
    }

    /// Rows `[from, to)` counted within this slice.
    pub fn sub(&self, from: usize, to: usize) -> Self {
        Self {
            rows: self.rows.clone(),
            from: self.from + from,
            to: self.from + to,
        }
    }

    /// Append a copy of all rows to `columns`.
    pub fn copy_into(&self, columns: &mut Columns) {
        let rows = self.from..self.to;
        match &self.rows {
            Rows::Sealed(sealed) => columns.extend_from(sealed, rows),
            Rows::Flagged {
                columns: sealed,
                flags,
            } => {
                let begun = columns.len();
                columns.extend_from(sealed, rows.clone());
                columns.flags[begun..].copy_from_slice(flags.of(rows));
            }
            Rows::Live(segment) => segment.copy_into(rows, columns),
        }
    }
}

/// All rows of columns that no longer change.
pub(crate) fn sealed(columns: Columns) -> Slice {
    let to = columns.len();
    Slice {
        rows: Rows::Sealed(Arc::new(columns)),
        from: 0,
        to,
    }
}
