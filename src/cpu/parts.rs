//! How a layer's work is shared out among threads.

use super::packed_slot::Share;
use crate::network::SlotSpec;

/// Products and sums of a layer below which other threads are not woken.
const WORTH_A_THREAD: f64 = 1e6;

/// Products and sums of a step below which its units are not shared out: telling each other the states costs
/// as much time.
const WORTH_A_SHARE: f64 = 5e4;

/// Bytes of weights that stay in a core's cache beside all else.
const CACHED: usize = 1 << 20;

/// Rows below which a batch is not split: weights are read once for all rows of a part.
const LEAST_ROWS: usize = 2;

/// The threads that each direction of a layer can have.
pub fn threads_of(specs: &[SlotSpec]) -> usize {
    rayon::current_num_threads() / specs.len()
}

/// The threads of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Directions, or some rows of a direction: each goes through time by itself.
    pub count: usize,
    /// The shares of a part's units, a thread each.
    pub shares: usize,
    /// Threads that share each product of a part, where its units are not shared out.
    pub threads: usize,
}

impl Parts {
    /// The parts of a layer, with one entry of `specs` per direction. Without `splits`, as in a call that is
    /// saved, rows and units stay together.
    pub fn of(specs: &[SlotSpec], steps: usize, batch: usize, splits: bool) -> Parts {
        let spec = &specs[0];
        let weights = spec.state_size as f64 * spec.gate_rows() as f64;
        let of_step = weights * batch as f64;
        let of_input = spec.gate_rows() as f64 * spec.input_size as f64 * batch as f64;
        if (of_step + of_input) * steps as f64 * (specs.len() as f64) < WORTH_A_THREAD {
            return Parts { count: 1, shares: 1, threads: 1 };
        }
        let (directions, each) = (rayon::current_num_threads().min(specs.len()), threads_of(specs));
        let rows = each.min(batch / LEAST_ROWS).max(1);
        let shares = if of_step > WORTH_A_SHARE { Share::all(spec, each).len() } else { 1 };
        // Every part reads all weights at every step. Weights that do not stay in a core's cache, or that are
        // read for few rows, are better shared out, unless parts would have twice as many threads.
        let is_large = 4.0 * weights > CACHED as f64;
        if splits && shares > 1 && (is_large || rows < each.min(2 * shares)) {
            Parts { count: directions, shares, threads: 1 }
        } else if splits && !is_large {
            Parts { count: directions * rows, shares: 1, threads: 1 }
        } else {
            Parts { count: directions, shares: 1, threads: each.max(1) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    /// Parts and shares of a layer of an LSTM, by the threads of the pool.
    fn parts(units: usize, directions: usize, batch: usize, threads: usize) -> (usize, usize) {
        let config = Config::lstm(units).input_size(units);
        let config = if directions == 2 { config.bidirectional() } else { config };
        let network = config.check().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let parts = pool.install(|| Parts::of(network.layer(0), 100, batch, true));
        assert_eq!(parts.threads, 1, "{parts:?}");
        (parts.count, parts.shares)
    }

    #[test]
    fn rows_are_split_where_shares_would_leave_threads_idle() {
        // By 1, 2, 4, 8, 16 and 32 threads.
        for (units, directions, batch, expected) in [
            (128, 2, 16, [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (16, 1)]),
            (128, 1, 8, [(1, 1), (2, 1), (4, 1), (4, 1), (4, 1), (4, 1)]),
            (256, 1, 32, [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (16, 1)]),
            // Too few rows, or weights that exceed a core's cache.
            (128, 1, 4, [(1, 1), (2, 1), (1, 2), (1, 2), (1, 2), (1, 2)]),
            (256, 1, 1, [(1, 1), (1, 2), (1, 4), (1, 4), (1, 4), (1, 4)]),
            (512, 1, 32, [(1, 1), (1, 2), (1, 4), (1, 8), (1, 8), (1, 8)]),
        ] {
            let found = [1, 2, 4, 8, 16, 32].map(|threads| parts(units, directions, batch, threads));
            assert_eq!(found, expected, "LSTM {units}, {directions} directions, N {batch}");
        }
    }
}
