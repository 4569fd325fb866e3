//! Records as columns: what happened, in order. It checks no meaning.

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// First of each file: what the records are about, as text.
    Header = 1,
    /// A symbol gets its number; the name as text.
    Symbol = 2,
    /// A symbol is kept from here on: base interval, derived ones as text.
    Register = 3,
    /// A symbol goes.
    Remove = 4,
    /// A session begins; its date as days since 1970-01-01 in `ts`.
    SessionStart = 5,
    /// The session ends.
    SessionEnd = 6,
    /// A bar arrived.
    Bar = 7,
    /// A bar that a feed sent again with other values.
    Correction = 8,
    /// A symbol or the market trades, or does not; the reason as text.
    Status = 9,
    /// Our connection went up or down; the source as text.
    Connection = 10,
    /// Bars were cleared.
    Clear = 11,
    /// Records were lost here when a damaged journal was salvaged; how many in `ts`.
    Hole = 12,
    /// The clock had come this far without a bar; in `ts`.
    Clock = 13,
}

impl Kind {
    /// The kind of a byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Header,
            2 => Self::Symbol,
            3 => Self::Register,
            4 => Self::Remove,
            5 => Self::SessionStart,
            6 => Self::SessionEnd,
            7 => Self::Bar,
            8 => Self::Correction,
            9 => Self::Status,
            10 => Self::Connection,
            11 => Self::Clear,
            12 => Self::Hole,
            13 => Self::Clock,
            _ => return None,
        })
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What happened.
    pub kind: Kind,
    /// Provenance of a bar; a small number of the other kinds.
    pub flags: u8,
    /// Whether it came together with the record before it.
    pub joined: bool,
    /// Number of the symbol; 0 for none.
    pub symbol: u32,
    /// A small number of its kind; for a bar, how it was offered.
    pub extra: i32,
    /// When it arrived, ns UTC.
    pub arrival: i64,
    /// When it was, ns UTC.
    pub ts: i64,
    /// Length of a bar: ns, or a code below 0 for sessions and weeks.
    pub interval: i64,
    /// Open, high, low, close, volume.
    pub values: [f64; 5],
    /// Whatever has no fixed width; empty for none.
    pub text: String,
}

impl Record {
    /// A record of a kind with everything else at zero.
    #[must_use]
    pub fn new(kind: Kind, arrival: i64) -> Self {
        Self {
            kind,
            flags: 0,
            joined: false,
            symbol: 0,
            extra: 0,
            arrival,
            ts: 0,
            interval: 0,
            values: [0.0; 5],
            text: String::new(),
        }
    }
}

/// Many records, a column per field; all columns have the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Records {
    /// [`Kind`] as a byte.
    pub kind: Vec<u8>,
    /// See [`Record::flags`].
    pub flags: Vec<u8>,
    /// 1 for records that came together with the one before.
    pub joined: Vec<u8>,
    /// See [`Record::symbol`].
    pub symbol: Vec<u32>,
    /// See [`Record::extra`].
    pub extra: Vec<i32>,
    /// See [`Record::arrival`].
    pub arrival: Vec<i64>,
    /// See [`Record::ts`].
    pub ts: Vec<i64>,
    /// See [`Record::interval`].
    pub interval: Vec<i64>,
    /// Open, high, low, close, volume.
    pub values: [Vec<f64>; 5],
    /// Row and text of the records that have one, in order of rows.
    pub texts: Vec<(usize, String)>,
}

impl Records {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Add one.
    pub fn push(&mut self, record: Record) {
        if !record.text.is_empty() {
            self.texts.push((self.len(), record.text));
        }
        self.kind.push(record.kind as u8);
        self.flags.push(record.flags);
        self.joined.push(u8::from(record.joined));
        self.symbol.push(record.symbol);
        self.extra.push(record.extra);
        self.arrival.push(record.arrival);
        self.ts.push(record.ts);
        self.interval.push(record.interval);
        for (column, value) in self.values.iter_mut().zip(record.values) {
            column.push(value);
        }
    }

    /// Add all of another.
    pub fn extend(&mut self, more: &Self) {
        let shift = self.len();
        let texts = more.texts.iter();
        self.texts
            .extend(texts.map(|(row, text)| (row.saturating_add(shift), text.clone())));
        self.kind.extend_from_slice(&more.kind);
        self.flags.extend_from_slice(&more.flags);
        self.joined.extend_from_slice(&more.joined);
        self.symbol.extend_from_slice(&more.symbol);
        self.extra.extend_from_slice(&more.extra);
        self.arrival.extend_from_slice(&more.arrival);
        self.ts.extend_from_slice(&more.ts);
        self.interval.extend_from_slice(&more.interval);
        for (column, rows) in self.values.iter_mut().zip(&more.values) {
            column.extend_from_slice(rows);
        }
    }

    /// Keep the first ones only.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.kind.truncate(len);
        self.flags.truncate(len);
        self.joined.truncate(len);
        self.symbol.truncate(len);
        self.extra.truncate(len);
        self.arrival.truncate(len);
        self.ts.truncate(len);
        self.interval.truncate(len);
        for column in &mut self.values {
            column.truncate(len);
        }
        let kept = self.texts.partition_point(|(row, _)| *row < len);
        self.texts.truncate(kept);
    }

    /// Whether all columns have one length, and texts belong to rows that are there.
    #[must_use]
    pub fn is_square(&self) -> bool {
        let n = self.len();
        let rows = self.texts.iter().map(|(row, _)| row);
        self.flags.len() == n
            && self.joined.len() == n
            && self.symbol.len() == n
            && self.extra.len() == n
            && self.arrival.len() == n
            && self.ts.len() == n
            && self.interval.len() == n
            && self.values.iter().all(|column| column.len() == n)
            && rows.clone().all(|&row| row < n)
            && rows.clone().zip(rows.skip(1)).all(|(a, b)| a < b)
    }
}
