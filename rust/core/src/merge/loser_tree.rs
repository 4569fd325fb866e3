//! Tournament tree that remembers losers: the smallest of k keys in one pass of log2 k comparisons.
//!
//! D. E. Knuth, The Art of Computer Programming, volume 3, section 5.4.1. Equal keys: the lower lane wins.

/// Keys of k lanes and the losers of their matches.
#[derive(Debug)]
pub(super) struct LoserTree {
    keys: Vec<i64>,
    /// `losers[1..]` are the inner nodes of a heap-shaped tree; the leaves are the lanes.
    losers: Vec<u32>,
    winner: u32,
}

impl LoserTree {
    /// Play all matches once.
    pub(super) fn new(keys: Vec<i64>) -> Self {
        let k = keys.len();
        let mut tree = Self {
            keys,
            losers: vec![0; k],
            winner: 0,
        };
        // Node n has the children 2n and 2n + 1; leaf i stands at k + i.
        let mut winners = vec![0_u32; 2 * k];
        for (leaf, slot) in winners[k..].iter_mut().enumerate() {
            *slot = leaf as u32;
        }
        for node in (1..k).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let left_wins = tree.beats(left, right);
            winners[node] = if left_wins { left } else { right };
            tree.losers[node] = if left_wins { right } else { left };
        }
        // With a single lane node 1 is its leaf.
        tree.winner = winners.get(1).copied().unwrap_or(0);
        tree
    }

    fn beats(&self, a: u32, b: u32) -> bool {
        (self.keys[a as usize], a) < (self.keys[b as usize], b)
    }

    /// Smallest key and its lane, `None` without lanes.
    pub(super) fn winner(&self) -> Option<(i64, usize)> {
        let lane = self.winner as usize;
        self.keys.get(lane).map(|&key| (key, lane))
    }

    /// Give the winner's lane its next key and replay its path to the root.
    pub(super) fn replace_winner(&mut self, key: i64) {
        let lane = self.winner;
        self.keys[lane as usize] = key;
        let mut best = lane;
        let mut node = (self.keys.len() + lane as usize) / 2;
        while node > 0 {
            if self.beats(self.losers[node], best) {
                std::mem::swap(&mut self.losers[node], &mut best);
            }
            node /= 2;
        }
        self.winner = best;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_leave_in_order_of_key_then_lane() {
        for k in 0..40 {
            let mut lanes: Vec<Vec<i64>> = (0..k)
                .map(|lane| vec![(lane * 7 % 5) as i64, 6, 6, 9])
                .collect();
            let mut expected: Vec<(i64, usize)> = lanes
                .iter()
                .enumerate()
                .flat_map(|(lane, keys)| keys.iter().map(move |&key| (key, lane)))
                .collect();
            expected.sort();
            let mut tree = LoserTree::new(lanes.iter().map(|keys| keys[0]).collect());
            let mut seen = Vec::new();
            while let Some((key, lane)) = tree.winner().filter(|&(key, _)| key != i64::MAX) {
                seen.push((key, lane));
                lanes[lane].remove(0);
                tree.replace_winner(lanes[lane].first().copied().unwrap_or(i64::MAX));
            }
            assert_eq!(seen, expected);
        }
    }
}
