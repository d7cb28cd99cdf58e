//! Heads: a linear layer on a network's output.

mod features;
mod params;

pub use features::ReadGradients;
pub use params::HeadParams;

use crate::network::Network;
use crate::weights::between;
use crate::{Config, Error, Float, Result, memory};
use ndarray::{Array1, Array2, Array3, ArrayRef3, ArrayView1, ArrayView2, Axis};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The numbers of a network's output that a head reads: its features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reads {
    /// The final hidden states of the last layer, both directions side by side, forward first; before merge
    /// and residual connections. One prediction per sequence.
    LastStates,
    /// The mean of the output over the steps of a sequence; 0 for a sequence of length 0. One prediction per
    /// sequence.
    Mean,
    /// The maximum of the output over the steps of a sequence; 0 for a sequence of length 0. The gradient
    /// goes to the first maximum. One prediction per sequence.
    Max,
    /// The output of every step. One prediction per step.
    EveryStep,
}

/// A head: predictions `features W^T + b` of C outputs, by what the features are.
///
/// Features are both outputs side by side where directions are kept [apart](crate::Merge::Apart).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    reads: Reads,
    outputs: usize,
    seed: u64,
}

impl Head {
    /// A head on [`Reads::LastStates`], of C outputs.
    pub fn last_states(outputs: usize) -> Head {
        Head::new(Reads::LastStates, outputs)
    }

    /// A head on [`Reads::Mean`], of C outputs.
    pub fn mean(outputs: usize) -> Head {
        Head::new(Reads::Mean, outputs)
    }

    /// A head on [`Reads::Max`], of C outputs.
    pub fn max(outputs: usize) -> Head {
        Head::new(Reads::Max, outputs)
    }

    /// A head on [`Reads::EveryStep`], of C outputs.
    pub fn every_step(outputs: usize) -> Head {
        Head::new(Reads::EveryStep, outputs)
    }

    /// A head of C outputs.
    pub fn new(reads: Reads, outputs: usize) -> Head {
        Head { reads, outputs, seed: 0 }
    }

    /// Sets the seed of the weights (0 by default).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Head {
        self.seed = seed;
        self
    }

    /// The features.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// C.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// F, the number of features that a network gives.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that no network can have.
    pub fn features(&self, config: &Config) -> Result<usize> {
        Ok(self.feature_count(&config.check()?))
    }

    fn feature_count(&self, network: &Network) -> usize {
        match self.reads {
            Reads::LastStates => {
                network.top().iter().fold(0, |sum, slot| usize::saturating_add(sum, slot.state_size))
            }
            Reads::Mean | Reads::Max | Reads::EveryStep => network.width(network.num_layers - 1),
        }
    }
}

/// The weights of a head on a network.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::train::{Head, HeadWeights, Loss, Targets};
/// use wgpu_rnn::{Call, Config, Init, Weights, reference};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let config = Config::gru(6).bidirectional().input_size(3);
/// let weights = Weights::init(&config, &Init::pytorch())?;
/// let head = HeadWeights::init(&Head::last_states(4), &config)?;
///
/// let (input, lengths) = (Array3::ones((5, 2, 3)), [5, 3]); // T 5, N 2, I 3
/// let call = Call::new(&input).lengths(&lengths);
/// let output = reference::call(&weights, &call)?;
/// let features = head.features(&output, Some(&lengths))?;
/// let predictions = head.predict(&features)?; // [1, N, C]
///
/// let value = Loss::cross_entropy().evaluate(&predictions, &Targets::Classes(vec![1, 3]), Some(&lengths))?;
/// let by_head = head.backward(&features, &value.gradient)?;
/// let by_output = head.read_gradients(&output, Some(&lengths), &by_head.features)?;
/// let (_, gradients) = reference::backward(&weights, &call, &by_output.gradients())?;
/// assert_eq!(by_head.params.weight().dim(), (4, 12)); // [C, F]
/// assert_eq!(gradients.input.dim(), (5, 2, 3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HeadWeights<T = f32> {
    head: Head,
    network: Network,
    params: HeadParams<T>,
}

/// The gradients of a loss by what the predictions of a head are made of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HeadGradients<T = f32> {
    /// By the features, `[T, N, F]`.
    pub features: Array3<T>,
    /// By `head.weight` and `head.bias`, summed over steps and batch.
    pub params: HeadParams<T>,
}

impl HeadWeights {
    /// Draws the weights as PyTorch's `Linear` does: weight and bias from U(-1/√F, 1/√F). The same seed gives
    /// the same weights on every platform.
    ///
    /// # Errors
    /// [`Error::Setting`] for a head without outputs, and for a configuration that no network can have;
    /// [`Error::Memory`] and [`Error::TooLarge`] where memory cannot hold the weights.
    pub fn init(head: &Head, config: &Config) -> Result<HeadWeights> {
        let mut own = HeadWeights::zeros(head, config)?;
        let scale = 1.0 / (own.params.features() as f32).sqrt();
        let (weight, bias) = own.params.split_mut();
        for (index, numbers) in [weight, bias].into_iter().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(head.seed);
            // The random streams of the network's weights lie before those of the head.
            rng.set_stream((1 << 63) + index as u64);
            numbers.iter_mut().for_each(|number| *number = between(&mut rng, scale));
        }
        Ok(own)
    }
}

impl<T: Float> HeadWeights<T> {
    /// Weights that are given: weight `[C, F]`, bias `[C]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for weights that do not fit, and the errors of [`init`](HeadWeights::init).
    pub fn new(
        head: &Head,
        config: &Config,
        weight: ArrayView2<'_, T>,
        bias: ArrayView1<'_, T>,
    ) -> Result<HeadWeights<T>> {
        let mut own = HeadWeights::zeros(head, config)?;
        let (outputs, features) = (head.outputs, own.params.features());
        check_shape("head.weight", weight.shape(), &[outputs, features])?;
        check_shape("head.bias", bias.shape(), &[outputs])?;
        let (own_weight, own_bias) = own.params.split_mut();
        own_weight.iter_mut().zip(weight).for_each(|(own, &given)| *own = given);
        own_bias.iter_mut().zip(bias).for_each(|(own, &given)| *own = given);
        Ok(own)
    }

    fn zeros(head: &Head, config: &Config) -> Result<HeadWeights<T>> {
        let network = config.check()?;
        if head.outputs == 0 {
            let (expected, found) = ("at least 1".into(), "0".into());
            return Err(Error::Setting { name: "outputs", expected, found });
        }
        let params = HeadParams::zeros(head.outputs, head.feature_count(&network))?;
        Ok(HeadWeights { head: *head, network, params })
    }

    /// The head that these weights belong to.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The numbers of `head.weight` and `head.bias`.
    pub fn params(&self) -> &HeadParams<T> {
        &self.params
    }

    /// The numbers of `head.weight` and `head.bias`, for an optimiser to write.
    pub fn params_mut(&mut self) -> &mut HeadParams<T> {
        &mut self.params
    }

    /// The same weights in another precision.
    pub fn cast<U: Float>(&self) -> HeadWeights<U> {
        let HeadWeights { head, network, params } = self;
        HeadWeights { head: *head, network: network.clone(), params: params.cast() }
    }

    /// Predictions `[T, N, C]` of features `[T, N, F]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for features that do not fit; [`Error::Memory`] and [`Error::TooLarge`] where memory
    /// cannot hold the predictions.
    pub fn predict(&self, features: &ArrayRef3<T>) -> Result<Array3<T>> {
        let (steps, batch, _) = features.dim();
        let shape = [steps, batch, self.head.outputs];
        check_shape("features", features.shape(), &[steps, batch, self.params.features()])?;
        memory::check::<T>(|| format!("predictions {shape:?}"), &shape)?;
        let predictions = rows(features).dot(&self.params.weight().t()) + self.params.bias();
        Ok(of_rows(predictions, [steps, batch]))
    }

    /// The gradients by features and weights, from the gradient by predictions `[T, N, C]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for arrays that do not fit; [`Error::Memory`] and [`Error::TooLarge`] where memory
    /// cannot hold the gradients.
    pub fn backward(
        &self,
        features: &ArrayRef3<T>,
        by_predictions: &ArrayRef3<T>,
    ) -> Result<HeadGradients<T>> {
        let (steps, batch, _) = features.dim();
        let (outputs, own) = (self.head.outputs, self.params.features());
        check_shape("features", features.shape(), &[steps, batch, own])?;
        check_shape("gradient by predictions", by_predictions.shape(), &[steps, batch, outputs])?;
        memory::check::<T>(|| "the gradient by features".into(), features.shape())?;
        let (features, by_predictions) = (rows(features), rows(by_predictions));
        let mut params = HeadParams::zeros(outputs, own)?;
        let (weight, bias) = params.split_mut();
        let sums: Array2<T> = by_predictions.t().dot(&features);
        weight.iter_mut().zip(&sums).for_each(|(by, &sum)| *by = sum);
        let sums: Array1<T> = by_predictions.sum_axis(Axis(0));
        bias.iter_mut().zip(&sums).for_each(|(by, &sum)| *by = sum);
        let by_features = by_predictions.dot(&self.params.weight());
        Ok(HeadGradients { features: of_rows(by_features, [steps, batch]), params })
    }
}

/// `[T, N, C]` as `[T N, C]`.
fn rows<T: Float>(array: &ArrayRef3<T>) -> Array2<T> {
    let (steps, batch, columns) = array.dim();
    let numbers = array.iter().copied().collect();
    Array2::from_shape_vec((steps * batch, columns), numbers).expect("as many numbers as before")
}

/// `[T N, C]` as `[T, N, C]`.
fn of_rows<T: Float>(array: Array2<T>, [steps, batch]: [usize; 2]) -> Array3<T> {
    let columns = array.ncols();
    let numbers = array.iter().copied().collect();
    Array3::from_shape_vec((steps, batch, columns), numbers).expect("as many numbers as before")
}

pub(super) fn check_shape(name: &str, found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape { name: name.into(), expected: format!("{expected:?}"), found: found.to_vec() })
}
