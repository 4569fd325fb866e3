//! One session of a table: its hours, and which of them an instant lies in.

use crate::schedule::{Role, Stretch};

/// One session of a table.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// Session date, days since 1970-01-01.
    pub date: i32,
    /// Regular open.
    pub open: i64,
    /// Regular close.
    pub close: i64,
    /// Start of pre-market trading.
    pub pre_open: i64,
    /// End of post-market trading.
    pub post_close: i64,
    /// All time that belongs to the date.
    pub span: Stretch,
    /// Regular stretches, breaks between them.
    pub segments: &'a [Stretch],
}

impl Session<'_> {
    /// Whether an instant lies in regular hours, breaks left out.
    pub fn is_regular(&self, ts: i64) -> bool {
        self.segments.iter().any(|s| s.start <= ts && ts < s.end)
    }

    /// Trading before the open, if there is any.
    pub fn pre_market(&self) -> Option<Stretch> {
        (self.pre_open < self.open).then_some(Stretch {
            start: self.pre_open,
            end: self.open,
        })
    }

    /// Trading after the close, if there is any.
    pub fn post_market(&self) -> Option<Stretch> {
        (self.close < self.post_close).then_some(Stretch {
            start: self.close,
            end: self.post_close,
        })
    }

    /// As what a bar that starts at an instant takes part, pre- and post-market too if `extended` says so.
    pub fn role_of(&self, ts: i64, extended: bool) -> Option<Role> {
        if self.is_regular(ts) {
            return Some(Role::Regular);
        }
        let stretches = [self.pre_market(), self.post_market()];
        let holds = |stretch: Stretch| stretch.start <= ts && ts < stretch.end;
        (extended && stretches.into_iter().flatten().any(holds)).then_some(Role::Extended)
    }
}
