//! The version before, under the names that `side.rs` calls.

use before as library;
use library::Layer as Rnn;

fn tuned(engine: &library::Engine, weights: library::Weights, paired: bool) -> Result<Rnn, crate::Failure> {
    let mut rnn = Rnn::new(engine, weights);
    rnn.set_tuning(if paired { library::Schedule::Paired } else { library::Schedule::Stepwise });
    Ok(rnn)
}

include!("side.rs");
