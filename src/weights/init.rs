//! Initialisers: the same seed gives the same weights on every platform.

use super::{Table, TensorKind, TensorName, Weights, mxnet};
use crate::network::Network;
use crate::{Cell, Config, Error, Result, memory};
use ndarray::{Array1, Array2, ArrayD, s};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeMap;

/// How weights are drawn.
///
/// ```
/// use wgpu_rnn::{Config, Init, Weights};
///
/// let config = Config::lstm(6).input_size(3);
/// let weights = Weights::init(&config, &Init::orthogonal().seed(7).forget_bias(1.0))?;
/// assert_eq!(weights.slot(0).bias_ih().unwrap()[6], 1.0); // gates i, f, g, o: the second block
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Init {
    scheme: Scheme,
    seed: Option<u64>,
    forget_bias: Option<f32>,
}

#[derive(Clone, Debug)]
enum Scheme {
    Uniform(f32),
    PyTorch,
    Xavier,
    Orthogonal,
    Mxnet(mxnet::Random),
}

impl Init {
    /// Gluon's default: weights from U(-0.07, 0.07), biases zero.
    pub fn gluon() -> Init {
        Init::uniform(0.07)
    }

    /// Weights from U(-scale, scale), biases zero (`mx.init.Uniform`).
    pub fn uniform(scale: f32) -> Init {
        Init::of(Scheme::Uniform(scale))
    }

    /// PyTorch's: weights and biases from U(-1/√H, 1/√H).
    pub fn pytorch() -> Init {
        Init::of(Scheme::PyTorch)
    }

    /// Weights from U(-a, a) with a = √(6 / (rows + columns)), biases zero (Glorot and Bengio 2010).
    pub fn xavier() -> Init {
        Init::of(Scheme::Xavier)
    }

    /// Each weight matrix with orthonormal columns, or orthonormal rows, if the matrix has fewer rows than
    /// columns; biases zero (Saxe et al. 2013, over the whole `[G*H, in]` matrix as
    /// `torch.nn.init.orthogonal_`).
    pub fn orthogonal() -> Init {
        Init::of(Scheme::Orthogonal)
    }

    /// Gluon's default from MXNet's own numbers, in the order of its `initialize()`: with the same seed the
    /// weights are Gluon's, bit for bit. [`seed`](Init::seed) is refused beside it, since `random` has the
    /// seed.
    pub fn mxnet(random: &mxnet::Random) -> Init {
        Init::of(Scheme::Mxnet(random.clone()))
    }

    /// Sets the seed (0 by default).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Init {
        self.seed = Some(seed);
        self
    }

    /// Sets the LSTM's forget gate bias: `bias_ih` to `value` and `bias_hh` to 0 (1 is Gluon's `lstmbias`,
    /// Keras's `unit_forget_bias`; Jozefowicz et al. 2015).
    #[must_use]
    pub fn forget_bias(mut self, value: f32) -> Init {
        self.forget_bias = Some(value);
        self
    }

    fn of(scheme: Scheme) -> Init {
        Init { scheme, seed: None, forget_bias: None }
    }

    fn check(&self, config: &Config, network: &Network) -> Result<()> {
        let refuse = |name, expected: &str, found: String| {
            Err(Error::Setting { name, expected: expected.into(), found })
        };
        match (&self.scheme, self.seed, self.forget_bias) {
            (Scheme::Uniform(scale), ..) if !(scale.is_finite() && *scale >= 0.0) => {
                refuse("scale", "a number from 0 on", scale.to_string())
            }
            (Scheme::Mxnet(_), Some(seed), _) => {
                refuse("seed", "none (mxnet::Random has it)", seed.to_string())
            }
            (Scheme::Mxnet(_), ..)
                if TensorKind::of(&network.slots[0]).any(|kind| !PLAIN.contains(&kind)) =>
            {
                refuse("init", "a network as Gluon draws it, without options", "others".into())
            }
            (.., Some(bias))
                if !config.bias || network.slots.iter().all(|slot| slot.cell.cell != Cell::Lstm) =>
            {
                let what = if config.bias { config.cell.name() } else { "a network without biases" };
                refuse("forget_bias", "an LSTM with biases", format!("{bias} for {what}"))
            }
            _ => Ok(()),
        }
    }

    fn matrix(&self, name: TensorName, shape: &[usize], hidden: usize) -> Result<Array2<f32>> {
        let (rows, columns) = (shape[0], shape[1]);
        let what = || format!("weight tensor {}", name.format(super::Naming::PyTorch));
        memory::check::<f32>(what, &[rows, columns])?;
        let mut rng = self.stream(name);
        let mut uniform =
            |scale: f32| Array2::from_shape_simple_fn((rows, columns), || between(&mut rng, scale));
        Ok(match &self.scheme {
            Scheme::Uniform(scale) => uniform(*scale),
            Scheme::PyTorch => uniform(1.0 / (hidden as f32).sqrt()),
            Scheme::Xavier => uniform((6.0 / (rows + columns) as f32).sqrt()),
            Scheme::Orthogonal => orthogonal(&mut rng, rows, columns),
            Scheme::Mxnet(random) => random.uniform(-0.07, 0.07, (rows, columns)),
        })
    }

    /// Biases and other vectors: zero, except PyTorch's biases, and the gains of a normalisation, which are
    /// 1.
    fn vector(&self, name: TensorName, len: usize, hidden: usize, cell: Cell) -> Array1<f32> {
        let mut vector = match (name.kind, &self.scheme) {
            (TensorKind::NormIhWeight | TensorKind::NormHhWeight | TensorKind::NormCWeight, _) => {
                Array1::ones(len)
            }
            (TensorKind::BiasIh | TensorKind::BiasHh | TensorKind::Peephole, Scheme::PyTorch) => {
                let mut rng = self.stream(name);
                let scale = 1.0 / (hidden as f32).sqrt();
                Array1::from_shape_simple_fn(len, || between(&mut rng, scale))
            }
            _ => Array1::zeros(len),
        };
        if let Some(value) = self.forget_bias.filter(|_| name.kind.is_bias() && cell == Cell::Lstm) {
            let value = if name.kind == TensorKind::BiasIh { value } else { 0.0 };
            vector.slice_mut(s![hidden..2 * hidden]).fill(value);
        }
        vector
    }

    /// One random stream per tensor, so that a tensor's numbers do not depend on the order of drawing, nor on
    /// other tensors.
    fn stream(&self, name: TensorName) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.unwrap_or(0));
        let slot = (name.layer * 2 + name.direction) as u64;
        let plain = PLAIN.iter().position(|&kind| kind == name.kind);
        // The random streams of the options lie beyond the streams of all layers.
        rng.set_stream(
            plain.map_or((1 << 32) + slot * 16 + name.kind as u64, |index| slot * 4 + index as u64),
        );
        rng
    }
}

/// The tensors of a network without options.
const PLAIN: [TensorKind; 4] =
    [TensorKind::WeightIh, TensorKind::WeightHh, TensorKind::BiasIh, TensorKind::BiasHh];

/// Weights that may still wait for the input size, as Gluon's deferred initialisation.
#[derive(Clone, Debug)]
pub(crate) struct Deferred {
    config: Config,
    network: Network,
    init: Init,
    drawn: BTreeMap<TensorName, ArrayD<f32>>,
}

impl Deferred {
    /// Draws every weight whose shape is known, layer by layer, forward first, `weight_ih` before
    /// `weight_hh`.
    pub fn new(config: &Config, init: Init) -> Result<Deferred> {
        let network = config.check()?;
        init.check(config, &network)?;
        let mut deferred = Deferred { config: config.clone(), network, init, drawn: BTreeMap::new() };
        deferred.draw()?;
        Ok(deferred)
    }

    /// Draws the weights that waited for the input size.
    pub fn finish(mut self, input_size: usize) -> Result<Weights> {
        self.config.input_size = input_size;
        self.network = self.config.check()?;
        self.draw()?;
        let Deferred { config, network, mut drawn, .. } = self;
        // `draw` has drawn all of them, now that no shape is open.
        Weights::collect(config, network, |entry, mut into| {
            into.assign(&drawn.remove(&entry.name).expect("every weight is drawn"));
            Ok(())
        })
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    fn draw(&mut self) -> Result<()> {
        let table = Table::of(&self.network);
        memory::check::<f32>(|| "the weights of the network".into(), &[table.len])?;
        for (index, slot) in self.network.slots.iter().enumerate() {
            for entry in table.slot(index) {
                let (name, shape) = (entry.name, &entry.shape);
                if shape.contains(&0) || self.drawn.contains_key(&name) {
                    continue;
                }
                let tensor = match shape.len() {
                    1 => self.init.vector(name, shape[0], slot.hidden_size, slot.cell.cell).into_dyn(),
                    _ => self.init.matrix(name, shape, slot.hidden_size)?.into_dyn(),
                };
                self.drawn.insert(name, tensor);
            }
        }
        Ok(())
    }
}

/// A number from U(-scale, scale).
pub(crate) fn between(rng: &mut ChaCha8Rng, scale: f32) -> f32 {
    scale * (2.0 * rng.random::<f32>() - 1.0)
}

/// Gram and Schmidt on a Gaussian matrix; its R has a positive diagonal, so Q is uniformly distributed.
fn orthogonal(rng: &mut ChaCha8Rng, rows: usize, columns: usize) -> Array2<f32> {
    if rows < columns {
        return orthogonal(rng, columns, rows).reversed_axes();
    }
    // Vectors lie in rows of q, and so in one piece of memory.
    let mut q = Array2::from_shape_simple_fn((columns, rows), || gaussian(rng));
    for j in 0..columns {
        let (done, mut rest) = q.view_mut().split_at(ndarray::Axis(0), j);
        let mut vector = rest.row_mut(0);
        // Twice is enough (Kahan and Parlett) to be orthogonal to the last bits.
        for _ in 0..2 {
            for other in done.rows() {
                let along = other.dot(&vector);
                vector.scaled_add(-along, &other);
            }
        }
        let norm = vector.dot(&vector).sqrt();
        vector /= norm;
    }
    q.reversed_axes().mapv(|x| x as f32).as_standard_layout().into_owned()
}

/// Box and Muller, with libm's functions, which are the same on every platform.
fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - rng.random::<f64>()));
    radius * libm::cos(std::f64::consts::TAU * rng.random::<f64>())
}
