//! Merge of sources that arrive in pieces, such as the row groups of files: memory holds one piece of each.
//!
//! Time cannot be cut into windows here, since nobody knows what is still to come. A tournament tree picks the next row; a
//! source whose piece is used up wins until it is fed or ended, so no row leaves before all that belong ahead of it.

use crate::alignment::first_fall;
use crate::bar::Bar;
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::merge::loser_tree::LoserTree;
use crate::time::Interval;

/// Key of a source that must be fed.
const NEEDS: i64 = i64::MIN;
/// Key of a source that has ended.
const ENDED: i64 = i64::MAX;

#[derive(Debug)]
struct Lane {
    piece: Columns,
    /// When each bar of the piece is known, where that is not one interval after its start.
    known_at: Option<Vec<i64>>,
    next: usize,
    /// Rows of earlier pieces.
    earlier: usize,
    newest: i64,
    length: Option<i64>,
    position: u32,
    is_ended: bool,
}

impl Lane {
    fn key(&self) -> i64 {
        match (self.piece.ts.get(self.next), &self.known_at) {
            (None, _) if self.is_ended => ENDED,
            (None, _) => NEEDS,
            (Some(_), Some(known_at)) => known_at[self.next],
            (Some(ts), None) => ts + self.length.unwrap_or(0),
        }
    }
}

/// The next bar of all sources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// Instant from which the bar may be used.
    pub known_at: i64,
    /// Position of the source as given.
    pub source: u32,
    /// The bar.
    pub bar: Bar,
}

/// Sources merged while they arrive.
#[derive(Debug)]
pub struct PiecewiseMerge {
    /// In tie order: finest interval first, then in the order given.
    lanes: Vec<Lane>,
    tree: LoserTree,
}

impl PiecewiseMerge {
    /// Start with sources of these intervals.
    pub fn new(intervals: &[Interval]) -> Self {
        let mut order: Vec<usize> = (0..intervals.len()).collect();
        order.sort_by_key(|&position| intervals[position]);
        let lanes = order.into_iter().map(|position| Lane {
            piece: Columns::default(),
            known_at: None,
            next: 0,
            earlier: 0,
            newest: i64::MIN,
            length: intervals[position].ns(),
            position: position as u32,
            is_ended: false,
        });
        let lanes: Vec<Lane> = lanes.collect();
        let tree = LoserTree::new(vec![NEEDS; lanes.len()]);
        Self { lanes, tree }
    }

    /// The source that must be fed or ended before the next bar is known.
    pub fn needs(&self) -> Option<u32> {
        let (key, lane) = self.tree.winner()?;
        (key == NEEDS).then(|| self.lanes[lane].position)
    }

    /// Give the source that [`PiecewiseMerge::needs`] names its next piece; an empty one is no end.
    ///
    /// `known_at` says when its bars are known, where that is not one interval after their start; bars of sessions or weeks
    /// need it.
    ///
    /// # Errors
    /// [`Error::Unsorted`] naming source and row, counted over all its pieces, for bars that become known before those
    /// ahead of them; [`Error::Overflow`]; [`Error::Shape`]; [`Error::NoSession`].
    pub fn feed(&mut self, piece: Columns, known_at: Option<Vec<i64>>) -> Result<()> {
        let Some((NEEDS, at)) = self.tree.winner() else {
            return Ok(());
        };
        let lane = &mut self.lanes[at];
        if lane.length.is_none() && known_at.is_none() && !piece.is_empty() {
            return Err(Error::NoSession {
                what: "when a bar of days or weeks is known depends on its session",
            });
        }
        if let Some(known_at) = known_at.as_ref().filter(|all| all.len() != piece.len()) {
            return Err(Error::Shape {
                column: "known_at",
                got: known_at.len(),
                expected: piece.len(),
            });
        }
        let length = if known_at.is_some() {
            0
        } else {
            lane.length.unwrap_or(0)
        };
        let keys = known_at.as_deref().unwrap_or(&piece.ts);
        let earlier = lane.earlier + lane.piece.len();
        if let (Some(&first), Some(&last)) = (keys.first(), keys.last()) {
            let fall = first_fall(keys);
            let ends = first.checked_add(length).zip(last.checked_add(length));
            let (first, last) = ends
                .filter(|&(first, last)| NEEDS < first && last < ENDED)
                .ok_or(Error::Overflow { ts: last })?;
            let fall = if first < lane.newest { Some(0) } else { fall };
            if let Some(row) = fall {
                return Err(Error::Unsorted {
                    what: "source",
                    source: lane.position as usize,
                    row: earlier + row,
                });
            }
            lane.newest = last;
        }
        (lane.piece, lane.known_at) = (piece, known_at);
        (lane.next, lane.earlier) = (0, earlier);
        let key = lane.key();
        self.tree.replace_winner(key);
        Ok(())
    }

    /// The source that [`PiecewiseMerge::needs`] names has no more pieces.
    pub fn end(&mut self) {
        if let Some((NEEDS, at)) = self.tree.winner() {
            self.lanes[at].is_ended = true;
            self.tree.replace_winner(ENDED);
        }
    }

    /// Take the next bar; `None` while a source needs a piece, and when all have ended.
    pub fn take(&mut self) -> Option<Taken> {
        let (known_at, at) = self.tree.winner()?;
        if known_at == NEEDS || known_at == ENDED {
            return None;
        }
        let lane = &mut self.lanes[at];
        let taken = Taken {
            known_at,
            source: lane.position,
            bar: lane.piece.bar(lane.next),
        };
        lane.next += 1;
        let key = lane.key();
        self.tree.replace_winner(key);
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::{Merge, Source};
    use crate::time::MINUTE;
    use std::sync::Arc;

    fn columns(minutes: &[i64]) -> Columns {
        let mut all = Columns::default();
        for &minute in minutes {
            all.push(Bar {
                ts: minute * MINUTE,
                ..Bar::default()
            });
        }
        all
    }

    #[test]
    fn pieces_of_any_size_give_the_order_of_loaded_sources() {
        for seed in 0..40_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut draw = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % below
            };
            let sources: Vec<(Interval, Vec<i64>)> = (0..draw(7))
                .map(|n| {
                    let interval = if n % 2 == 0 { "5m" } else { "1m" };
                    let mut ts: Vec<i64> = (0..draw(60)).map(|_| draw(50) as i64).collect();
                    ts.sort_unstable();
                    (interval.parse().unwrap(), ts)
                })
                .collect();
            let whole = sources.iter().map(|(interval, ts)| Source {
                columns: Arc::new(columns(ts)),
                from: 0,
                to: ts.len(),
                interval: *interval,
                latest: 40 * MINUTE,
                known_at: None,
                is_sorted: false,
            });
            let expected: Vec<(u32, i64)> = Merge::new(whole.collect())
                .unwrap()
                .map(|item| (item.source, item.known_at))
                .collect();
            let asked: Vec<_> = sources.iter().map(|s| s.0).collect();
            let mut merge = PiecewiseMerge::new(&asked);
            let mut given = vec![0; sources.len()];
            let mut got = Vec::new();
            loop {
                if let Some(needs) = merge.needs() {
                    let ts = &sources[needs as usize].1;
                    let from = given[needs as usize];
                    let to = (from + draw(9) as usize).min(ts.len());
                    if from == ts.len() {
                        merge.end();
                    } else {
                        let length = sources[needs as usize].0.ns().unwrap();
                        let piece = columns(&ts[from..to]);
                        let known = |ts: &i64| (ts + length).min(40 * MINUTE);
                        let known_at = piece.ts.iter().map(known).collect();
                        merge.feed(piece, Some(known_at)).unwrap();
                    }
                    given[needs as usize] = to;
                } else if let Some(taken) = merge.take() {
                    got.push((taken.source, taken.known_at));
                } else {
                    break;
                }
            }
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_piece_that_begins_before_the_end_of_the_last_one_is_refused() {
        let mut merge = PiecewiseMerge::new(&[Interval::ONE_MINUTE]);
        merge.feed(columns(&[1, 5]), None).unwrap();
        assert!(merge.take().is_some() && merge.take().is_some());
        assert_eq!(
            merge.feed(columns(&[4]), None),
            Err(Error::Unsorted {
                what: "source",
                source: 0,
                row: 2
            })
        );
        merge.feed(columns(&[5]), None).unwrap();
        assert_eq!(merge.take().map(|taken| taken.known_at), Some(6 * MINUTE));
    }
}
