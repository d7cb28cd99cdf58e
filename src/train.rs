//! Training: data, losses, heads, optimisers, checkpoints, and the loop.
//!
//! [`Trainer`] is the loop on the engine of a network; on a GPU, all numbers stay there. The same parts can
//! be called by hand, on the host's arrays:
//!
//! ```
//! use ndarray::Array3;
//! use wgpu_rnn::train::{Clip, Head, HeadWeights, Loss, Optimizer, Targets, norm};
//! use wgpu_rnn::{Call, Config, Engine, Init, Rnn, Weights};
//!
//! # fn main() -> wgpu_rnn::Result<()> {
//! let config = Config::gru(8).bidirectional().input_size(3);
//! let mut weights = Weights::init(&config, &Init::pytorch())?;
//! let mut rnn = Rnn::new(&Engine::cpu(), weights.clone());
//! let mut head = HeadWeights::init(&Head::last_states(2), &config)?;
//! let (loss, optimizer) = (Loss::cross_entropy(), Optimizer::adamw(0.02));
//! // The optimiser's arrays, of the network's parameters and of the head's.
//! let arrays = optimizer.state_arrays().len();
//! let mut network_states = vec![vec![0.0; weights.as_slice().len()]; arrays];
//! let mut head_states = vec![vec![0.0; head.params().as_slice().len()]; arrays];
//!
//! // T 5, N 4, I 3: the class is the input's sign.
//! let input = Array3::from_shape_fn((5, 4, 3), |(t, n, _)| if n % 2 == 0 { 1.0 } else { -(t as f32) });
//! let (call, targets) = (Call::new(&input), Targets::Classes(vec![0, 1, 0, 1]));
//! let mut losses = Vec::new();
//! for step in 1..=20 {
//!     let (output, mut saved) = rnn.forward_saved(&call)?;
//!     let features = head.features(&output, None)?; // [1, N, 2 H]
//!     let predictions = head.predict(&features)?; // [1, N, 2]
//!     let value = loss.evaluate(&predictions, &targets, None)?;
//!     losses.push(value.loss);
//!     let by_head = head.backward(&features, &value.gradient)?;
//!     let by_output = head.read_gradients(&output, None, &by_head.features)?;
//!     let by_network = rnn.backward(&mut saved, &by_output.gradients())?.weights;
//!     let norm = norm(by_network.as_slice()).hypot(norm(by_head.params.as_slice()));
//!     let coefficients = optimizer.coefficients(step, optimizer.learning_rate())?;
//!     let coefficients = coefficients.clip(&Clip::norm(1.0)).with_norm(norm).cast();
//!     let mut states: Vec<&mut [f32]> = network_states.iter_mut().map(|array| &mut array[..]).collect();
//!     coefficients.update(weights.as_mut_slice(), by_network.as_slice(), &mut states)?;
//!     let mut states: Vec<&mut [f32]> = head_states.iter_mut().map(|array| &mut array[..]).collect();
//!     coefficients.update(head.params_mut().as_mut_slice(), by_head.params.as_slice(), &mut states)?;
//!     rnn.set_weights(weights.clone())?;
//! }
//! assert!(losses[19] < 0.5 * losses[0]);
//! # Ok(())
//! # }
//! ```

mod checkpoint;
mod clip;
mod dataset;
mod head;
mod lengths;
mod loader;
mod loss;
mod loss_scale;
mod optimizer;
mod prefetch;
mod schedule;
mod settings;
mod targets;
mod trainer;

pub use checkpoint::Checkpoint;
pub use clip::{Clip, NORM_BLOCK, norm, square_sums};
pub use dataset::{Batch, Dataset};
pub use head::{Head, HeadGradients, HeadParams, HeadWeights, ReadGradients, Reads};
pub use loader::Loader;
pub use loss::{Loss, LossValue, argmax, greedy_decode};
pub use loss_scale::{LossScale, LossScaleState};
pub use optimizer::{Coefficients, Optimizer, Rule};
pub use prefetch::Prefetch;
pub use schedule::{Plateau, Schedule, ScheduleState};
pub use targets::Targets;
pub use trainer::{Report, Trainer};
