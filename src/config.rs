//! What a network is: plain data, checked once.

use crate::{Cell, Error, Result, State, memory};
use ndarray::{Array3, ArrayRef, ArrayView3, Dimension, Ix3};
use num_traits::Zero;

/// Which ways a network reads its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Directions {
    /// From the first step to the last: D = 1.
    Forward,
    /// Both ways, the outputs concatenated, forward first: D = 2.
    Both,
}

impl Directions {
    /// D.
    pub const fn count(self) -> usize {
        match self {
            Directions::Forward => 1,
            Directions::Both => 2,
        }
    }
}

/// The order of the axes of input and output. States are always `[L*D, N, H]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[T, N, C]`: time, batch, channels (the default).
    Tnc,
    /// `[N, T, C]`: PyTorch's `batch_first`.
    Ntc,
}

/// A stacked recurrent network, as Gluon's and PyTorch's layers describe it.
///
/// ```
/// use wgpu_rnn::{Cell, Config, Directions};
///
/// let config = Config::lstm(100).num_layers(3).bidirectional().input_size(20);
/// assert_eq!(config.cell, Cell::Lstm);
/// assert_eq!(config.directions, Directions::Both);
/// assert_eq!(config.output_size(), 200);
/// ```
///
/// Defaults are Gluon's: one layer, forward only, layout TNC, biases, and a rectifier in the vanilla RNN.
/// Nothing is checked until weights are made for it, where a setting that no network can have is an [`Error::Setting`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Config {
    /// The cell.
    pub cell: Cell,
    /// H: units a layer and direction.
    pub hidden_size: usize,
    /// L: layers on top of each other.
    pub num_layers: usize,
    /// The ways the sequence is read.
    pub directions: Directions,
    /// The axes of input and output.
    pub layout: Layout,
    /// Whether the gates have bias vectors (two, as in Gluon and PyTorch).
    pub bias: bool,
    /// I: features of the input; 0, as in Gluon, while it is left open.
    pub input_size: usize,
}

/// # Making one
impl Config {
    /// A network of `cell` with `hidden_size` units (H) a layer and direction.
    pub fn new(cell: Cell, hidden_size: usize) -> Config {
        Config {
            cell,
            hidden_size,
            num_layers: 1,
            directions: Directions::Forward,
            layout: Layout::Tnc,
            bias: true,
            input_size: 0,
        }
    }

    /// A vanilla RNN (`gluon.rnn.RNN`, `torch.nn.RNN`) with Gluon's default activation, relu.
    pub fn rnn(hidden_size: usize) -> Config {
        Config::new(Cell::RnnRelu, hidden_size)
    }

    /// A vanilla RNN with PyTorch's default nonlinearity, tanh.
    pub fn rnn_tanh(hidden_size: usize) -> Config {
        Config::new(Cell::RnnTanh, hidden_size)
    }

    /// An LSTM (`gluon.rnn.LSTM`, `torch.nn.LSTM`).
    pub fn lstm(hidden_size: usize) -> Config {
        Config::new(Cell::Lstm, hidden_size)
    }

    /// A GRU (`gluon.rnn.GRU`, `torch.nn.GRU`), reset applied after the recurrent product.
    pub fn gru(hidden_size: usize) -> Config {
        Config::new(Cell::Gru, hidden_size)
    }

    /// Layers on top of each other (L, 1 by default).
    #[must_use]
    pub fn num_layers(mut self, num_layers: usize) -> Config {
        self.num_layers = num_layers;
        self
    }

    /// Reads each sequence both ways: output's last axis becomes 2H, forward first.
    #[must_use]
    pub fn bidirectional(self) -> Config {
        self.directions(Directions::Both)
    }

    /// The ways the sequence is read, where that is decided at run time.
    #[must_use]
    pub fn directions(mut self, directions: Directions) -> Config {
        self.directions = directions;
        self
    }

    /// The axes of input and output (TNC by default).
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Config {
        self.layout = layout;
        self
    }

    /// Leaves out both bias vectors, as PyTorch's `bias=False`.
    #[must_use]
    pub fn without_bias(mut self) -> Config {
        self.bias = false;
        self
    }

    /// Features of the input (I). Left open, it is taken from the first input.
    #[must_use]
    pub fn input_size(mut self, input_size: usize) -> Config {
        self.input_size = input_size;
        self
    }
}

/// # Reading one
impl Config {
    /// The length of output's last axis, D·H.
    pub fn output_size(&self) -> usize {
        self.directions.count() * self.hidden_size
    }

    /// L·D: one slot a layer and direction; slot = layer · D + direction, forward 0, backward 1.
    pub fn slots(&self) -> usize {
        self.num_layers * self.directions.count()
    }

    /// What a layer contracts its input over: I below, D·H above; 0 while the input size is open.
    pub(crate) fn layer_input_size(&self, layer: usize) -> usize {
        if layer == 0 { self.input_size } else { self.output_size() }
    }

    /// G·H: rows of a weight matrix.
    pub(crate) fn gate_rows(&self) -> usize {
        self.cell.gates() * self.hidden_size
    }
}

/// # Checks
impl Config {
    /// The only check of the settings; the input size may still be open.
    pub(crate) fn check(&self) -> Result<()> {
        let at_least_one = |name, value: usize| {
            if value > 0 {
                return Ok(());
            }
            Err(Error::Setting { name, expected: "at least 1".into(), found: value.to_string() })
        };
        at_least_one("hidden_size", self.hidden_size)?;
        at_least_one("num_layers", self.num_layers)?;
        if self.num_layers > MAX_LAYERS {
            let (expected, found) = (format!("at most {MAX_LAYERS}"), self.num_layers.to_string());
            return Err(Error::Setting { name: "num_layers", expected, found });
        }
        let widest = self.hidden_size.checked_mul(2).map(|wide| wide.max(self.input_size));
        let elements = widest
            .and_then(|wide| wide.checked_mul(self.cell.gates()))
            .and_then(|wide| wide.checked_mul(self.hidden_size))
            .and_then(|matrix| matrix.checked_mul(self.num_layers))
            .and_then(|all| all.checked_mul(32));
        if elements.is_none() {
            return Err(Error::Setting {
                name: "sizes",
                expected: "weights that can be counted".into(),
                found: format!(
                    "hidden_size {}, input_size {}, num_layers {}",
                    self.hidden_size, self.input_size, self.num_layers
                ),
            });
        }
        Ok(())
    }

    /// T and N of an input, given its shape in this layout.
    pub(crate) fn check_input(&self, shape: &[usize]) -> Result<(usize, usize)> {
        let (steps, batch) = match (self.layout, shape) {
            (Layout::Tnc, &[t, n, _]) => (t, n),
            (Layout::Ntc, &[n, t, _]) => (t, n),
            _ => (0, 0),
        };
        let features = shape.last().copied().unwrap_or(0);
        let fits = if self.input_size == 0 { features > 0 } else { features == self.input_size };
        if steps > 0 && batch > 0 && fits {
            return Ok((steps, batch));
        }
        let letters = match self.layout {
            Layout::Tnc => "T, N",
            Layout::Ntc => "N, T",
        };
        let features = if self.input_size == 0 { "I".into() } else { self.input_size.to_string() };
        Err(Error::Shape {
            name: "input".into(),
            expected: format!("[{letters}, {features}] with T and N at least 1"),
            found: shape.to_vec(),
        })
    }

    /// The input with its axes in the order T, N, I, and T and N.
    pub(crate) fn time_first<'a, T, D: Dimension>(
        &self,
        input: &'a ArrayRef<T, D>,
    ) -> Result<(ArrayView3<'a, T>, (usize, usize))> {
        let sizes = self.check_input(input.shape())?;
        // The check has seen three axes.
        let input = input.view().into_dimensionality::<Ix3>().expect("rank 3");
        Ok((self.layout.swap(input), sizes))
    }

    /// Whether a network of this configuration can be called with this input and state, without calling it.
    ///
    /// # Errors
    /// Those of [`Layer::forward`](crate::Layer::forward) about shapes.
    pub fn check_call<T, D: Dimension>(
        &self,
        input: &ArrayRef<T, D>,
        state: Option<&State<T>>,
    ) -> Result<()> {
        let (_, batch) = self.check_input(input.shape())?;
        state.map_or(Ok(()), |state| self.check_state(state, batch))
    }

    /// The state that a batch of N starts from: a copy of the given one, which has been checked, or zeros.
    pub(crate) fn initial_state<T: Clone + Zero>(
        &self,
        state: Option<&State<T>>,
        batch: usize,
    ) -> Result<State<T>> {
        if let Some(state) = state {
            return Ok(state.clone());
        }
        let shape = [self.slots(), batch, self.hidden_size];
        memory::check::<T>(|| format!("initial state {shape:?}"), &shape)?;
        let zeros = Array3::zeros(shape);
        Ok(State { c: self.cell.has_cell_state().then(|| zeros.clone()), h: zeros })
    }

    fn check_state<T>(&self, state: &State<T>, batch: usize) -> Result<()> {
        let expected = [self.slots(), batch, self.hidden_size];
        let check = |name: &str, found: &[usize]| {
            if found == expected {
                return Ok(());
            }
            Err(Error::Shape {
                name: name.into(),
                expected: format!("{expected:?} = [L*D, N, H]"),
                found: found.to_vec(),
            })
        };
        check("h_0", state.h.shape())?;
        match (&state.c, self.cell.has_cell_state()) {
            (Some(c), true) => check("c_0", c.shape())?,
            (None, false) => {}
            (Some(_), false) => {
                return Err(Error::CellState { expected: "none (only an LSTM has one)", found: "one" });
            }
            (None, true) => {
                return Err(Error::CellState { expected: "one beside h_0", found: "none" });
            }
        }
        Ok(())
    }
}

impl Layout {
    /// From this layout's axes to T, N, C, or back; only ever a swap.
    fn swap<T>(self, array: ArrayView3<'_, T>) -> ArrayView3<'_, T> {
        match self {
            Layout::Tnc => array,
            Layout::Ntc => array.permuted_axes([1, 0, 2]),
        }
    }

    /// A T, N, C array as the caller sees it.
    pub(crate) fn restore<T: Clone>(self, array: Array3<T>) -> Array3<T> {
        match self {
            Layout::Tnc => array,
            Layout::Ntc => self.swap(array.view()).as_standard_layout().into_owned(),
        }
    }
}

/// Far more than any network has, and few enough to plan.
const MAX_LAYERS: usize = 1 << 16;
