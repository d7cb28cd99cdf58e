//! The version after, under the names that `side.rs` calls.

use after as library;
use library::Rnn;

fn tuned(engine: &library::Engine, weights: library::Weights, paired: bool) -> Result<Rnn, crate::Failure> {
    let schedule = if paired { library::Schedule::Paired } else { library::Schedule::Stepwise };
    Ok(Rnn::new(engine, weights).with_tuning(schedule)?)
}

include!("side.rs");
