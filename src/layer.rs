//! The face of the library: a network on an engine.

use crate::engine::Kind;
use crate::gpu::{Network, Wait};
use crate::weights::Deferred;
use crate::{Config, Engine, Init, Output, Result, State, Weights, cpu};
use ndarray::{ArrayRef, Dimension};

/// A stacked recurrent network with its weights on an engine.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Config, Engine, Init, Layer};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let config = Config::gru(13).num_layers(2).bidirectional();
/// let mut layer = Layer::lazy(&Engine::auto(), &config, Init::pytorch())?;
/// let first = layer.forward(&Array3::ones((5, 3, 7)), None)?; // T 5, N 3, I 7
/// let next = layer.forward(&Array3::ones((4, 3, 7)), Some(&first.state()))?;
/// assert_eq!(next.output.dim(), (4, 3, 2 * 13));
/// assert_eq!(next.h_n.dim(), (2 * 2, 3, 13));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Layer {
    engine: Engine,
    weights: Drawn,
    /// Where the engine is a GPU.
    network: Option<Network>,
}

#[derive(Debug)]
enum Drawn {
    Whole(Box<Weights>),
    /// Waits for the first input, which tells the input size.
    Waiting(Box<Deferred>),
}

impl Layer {
    /// A network of given weights. They go to the GPU at the first call, and stay there.
    pub fn new(engine: &Engine, weights: Weights) -> Layer {
        Layer::with(engine, Drawn::Whole(Box::new(weights)))
    }

    /// A network whose weights are drawn now, but for those that depend on an input size still open: these at the first
    /// call, as in Gluon.
    pub fn lazy(engine: &Engine, config: &Config, init: Init) -> Result<Layer> {
        let deferred = Deferred::new(config, init)?;
        let drawn = if config.input_size > 0 {
            Drawn::Whole(Box::new(deferred.finish(config.input_size)?))
        } else {
            Drawn::Waiting(Box::new(deferred))
        };
        Ok(Layer::with(engine, drawn))
    }

    fn with(engine: &Engine, weights: Drawn) -> Layer {
        let network = match engine.kind() {
            Kind::Gpu(gpu) => Some(Network::new(gpu)),
            Kind::Cpu => None,
        };
        Layer { engine: engine.clone(), weights, network }
    }

    /// Runs the network over a whole sequence, and waits for the answer.
    ///
    /// `input` is `[T, N, I]` (`[N, T, I]` in layout NTC), the state `[L*D, N, H]`, zero if not given. T and N may
    /// differ from call to call; the GPU keeps buffers for the last four pairs of them.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::CellState`](crate::Error::CellState) name an input or a state of
    /// the wrong rank or size, [`Error::TooLarge`](crate::Error::TooLarge) what the adapter cannot hold.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward<D: Dimension>(
        &mut self,
        input: &ArrayRef<f32, D>,
        state: Option<&State>,
    ) -> Result<Output> {
        pollster::block_on(self.run(input, state, Wait::Here))
    }

    /// As [`forward`](Layer::forward), without holding up the thread while the GPU works.
    ///
    /// A future that is dropped before its end leaves the layer as it was, but for weights that it has drawn.
    pub async fn forward_async<D: Dimension>(
        &mut self,
        input: &ArrayRef<f32, D>,
        state: Option<&State>,
    ) -> Result<Output> {
        self.run(input, state, Wait::Elsewhere).await
    }

    async fn run<D: Dimension>(
        &mut self,
        input: &ArrayRef<f32, D>,
        state: Option<&State>,
        wait: Wait,
    ) -> Result<Output> {
        self.config().check_call(input, state)?;
        // The check has seen the last axis.
        let features = input.shape()[input.ndim() - 1];
        let weights = self.weights.at(features)?;
        match &mut self.network {
            None => cpu::forward(weights, input, state),
            Some(network) => {
                let (input, _) = weights.config().time_first(input)?;
                network.forward(weights, input, state, wait).await
            }
        }
    }

    /// What the network is; its input size is 0 while it is open.
    pub fn config(&self) -> &Config {
        match &self.weights {
            Drawn::Whole(weights) => weights.config(),
            Drawn::Waiting(deferred) => deferred.config(),
        }
    }

    /// The weights, once they are all drawn.
    pub fn weights(&self) -> Option<&Weights> {
        match &self.weights {
            Drawn::Whole(weights) => Some(weights),
            Drawn::Waiting(_) => None,
        }
    }

    /// The engine that computes it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Drawn {
    /// All weights, drawing what waited for the input size.
    fn at(&mut self, input_size: usize) -> Result<&Weights> {
        if let Drawn::Waiting(deferred) = self {
            *self = Drawn::Whole(Box::new(deferred.as_ref().clone().finish(input_size)?));
        }
        match self {
            Drawn::Whole(weights) => Ok(weights),
            Drawn::Waiting(_) => unreachable!("drawn just above"),
        }
    }
}
