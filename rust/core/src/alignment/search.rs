//! Finds a row by its instant in ordered stamps.

/// First row from `from` on with `ts >= instant`. Doubles its steps, since it is mostly near.
pub fn advance_to(ts: &[i64], from: usize, instant: i64) -> usize {
    let rest = &ts[from..];
    if rest.first().is_none_or(|&at| at >= instant) {
        return from;
    }
    let mut step = 64;
    while step < rest.len() && rest[step - 1] < instant {
        step *= 2;
    }
    from + rest[..step.min(rest.len())].partition_point(|&at| at < instant)
}

/// First row from `from` on with `ts >= instant`, looked for around a guess: sessions are as long as the one before, as a
/// rule, and rows that are far apart are not in the caches.
pub fn search_near(ts: &[i64], from: usize, guess: usize, instant: i64) -> usize {
    let guess = guess.clamp(from, ts.len());
    let (mut low, mut high, mut step) = (guess, guess, 4);
    while low > from && ts[low - 1] >= instant {
        high = low - 1;
        low = low.saturating_sub(step).max(from);
        step *= 2;
    }
    while high < ts.len() && ts[high] < instant {
        low = high + 1;
        high = (high + step).min(ts.len());
        step *= 2;
    }
    low + ts[low..high.max(low)].partition_point(|&at| at < instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_the_row_whatever_is_guessed() {
        let ts: Vec<i64> = (0..90).map(|row| row / 3 * 10).collect();
        for from in [0, 1, 40, 89, 90] {
            for guess in 0..100 {
                for instant in -5..310 {
                    let expected = from + ts[from..].partition_point(|&at| at < instant);
                    assert_eq!(search_near(&ts, from, guess, instant), expected);
                }
            }
        }
    }
}
