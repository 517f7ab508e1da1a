//! When in the day a message comes: busy at the open, busier into the close, little outside of hours.

use candor_core::WireTime;

/// By when (minutes since midnight) how many of a thousand messages of the flow have come.
const SHARES: [(u64, u64); 9] = [
    (240, 0),
    (420, 20),
    (570, 120),
    (600, 240),
    (720, 460),
    (840, 620),
    (930, 800),
    (960, 950),
    (1_200, 1_000),
];

const MINUTE: u64 = 60_000_000_000;

/// The times of a flow of known length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    length: u64,
}

impl Clock {
    pub(super) fn new(length: u64) -> Clock {
        Clock { length }
    }

    /// How many messages the flow has.
    pub(super) fn length(self) -> u64 {
        self.length
    }

    /// When the message of this number comes; `jitter` moves it towards the next.
    pub(super) fn time(self, number: u64, jitter: u64) -> WireTime {
        let at = |number: u64| {
            let done = u128::from(number.min(self.length)) * 1_000;
            let length = u128::from(self.length.max(1));
            let piece = SHARES.windows(2).find(|piece| done < u128::from(piece[1].1) * length);
            let piece = piece.unwrap_or(&SHARES[SHARES.len() - 2..]);
            let [(from, before), (until, after)] = [piece[0], piece[1]];
            let within = done - u128::from(before) * length;
            let whole = u128::from(after - before) * length;
            from * MINUTE + (u128::from((until - from) * MINUTE) * within / whole) as u64
        };
        let (this, next) = (at(number), at(number + 1));
        WireTime(this + jitter % (next - this).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_rise_from_four_in_the_morning_to_eight_in_the_evening() {
        for length in [1, 7, 1_000, 40_000_000] {
            let clock = Clock::new(length);
            let step = (length / 500).max(1) as usize;
            let times: Vec<u64> =
                (0..length).step_by(step).map(|n| clock.time(n, n * 977).0).collect();
            assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{length}");
            assert!(times[0] >= 240 * MINUTE);
            assert!(clock.time(length, u64::MAX).0 <= 1_200 * MINUTE);
        }
        assert_eq!(Clock::new(1_000).time(120, 0).0, 570 * MINUTE);
    }
}
