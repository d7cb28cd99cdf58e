//! The configuration of a network: plain data, checked once.

use super::{Activation, Cell, CellClip, Directions, Layout, Merge, Reset};

/// A stacked recurrent network, as Gluon's, PyTorch's and Keras's layers and ONNX's operators describe it.
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
/// Defaults are Gluon's: one layer, forward only, layout TNC, biases, and a rectifier in the vanilla RNN;
/// every option is off. Settings are checked when weights are made: a setting that no network can have is
/// then an [`Error::Setting`](crate::Error::Setting).
///
/// [`options`](crate::options) tells what each option computes and its name in other frameworks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The cell.
    pub cell: Cell,
    /// H: units per layer and direction.
    pub hidden_size: usize,
    /// L: layers on top of each other.
    pub num_layers: usize,
    /// Cell and hidden size of each layer, where they differ; empty where all layers are alike.
    pub stack: Vec<(Cell, usize)>,
    /// P: units that an LSTM's hidden state is projected to; 0 for no projection.
    pub proj_size: usize,
    /// The directions in which the sequence is read.
    pub directions: Directions,
    /// The merge of two directions.
    pub merge: Merge,
    /// Each layer from the second on adds its input to its output; no effect on a single layer.
    pub residual: bool,
    /// The axes of input and output.
    pub layout: Layout,
    /// The gates have bias vectors (two, as in Gluon and PyTorch).
    pub bias: bool,
    /// I: features of the input; 0, as in Gluon, while the input size is open.
    pub input_size: usize,
    /// Other activations than the cell's own, in ONNX's order: f of a vanilla RNN, in the place of the
    /// activation in [`Cell::Vanilla`]; f, g of a GRU; f, g, h of an LSTM; or as many for each direction.
    /// Empty for the cell's own.
    pub activations: Vec<Activation>,
    /// The place where a GRU's reset gate acts.
    pub gru_reset: Reset,
    /// An LSTM's gates see its cell state: i and f see c_{t-1}, o sees c_t.
    pub peepholes: bool,
    /// An LSTM's forget gate is 1 - i.
    pub coupled_input_forget: bool,
    /// An LSTM normalises its gates' products and its cell state over the layer.
    pub layer_norm: bool,
    /// The bounds of an LSTM's cell state.
    pub cell_clip: Option<CellClip>,
    /// The bound X of the arguments of the gates' activations, which are clipped to [-X, X].
    pub preactivation_clip: Option<f32>,
    /// The initial state of calls without a state is among the weights, instead of zero.
    pub learned_state: bool,
}

/// # Making a configuration
impl Config {
    /// A network of `cell` with `hidden_size` units (H) per layer and direction.
    pub fn new(cell: Cell, hidden_size: usize) -> Config {
        Config {
            cell,
            hidden_size,
            num_layers: 1,
            stack: Vec::new(),
            proj_size: 0,
            directions: Directions::Forward,
            merge: Merge::Concatenate,
            residual: false,
            layout: Layout::Tnc,
            bias: true,
            input_size: 0,
            activations: Vec::new(),
            gru_reset: Reset::After,
            peepholes: false,
            coupled_input_forget: false,
            layer_norm: false,
            cell_clip: None,
            preactivation_clip: None,
            learned_state: false,
        }
    }

    /// A vanilla RNN (`gluon.rnn.RNN`, `torch.nn.RNN`) with Gluon's default activation, relu.
    pub fn rnn(hidden_size: usize) -> Config {
        Config::new(Cell::Vanilla(Activation::Relu), hidden_size)
    }

    /// A vanilla RNN with PyTorch's default nonlinearity, tanh.
    pub fn rnn_tanh(hidden_size: usize) -> Config {
        Config::new(Cell::Vanilla(Activation::Tanh), hidden_size)
    }

    /// An LSTM (`gluon.rnn.LSTM`, `torch.nn.LSTM`).
    pub fn lstm(hidden_size: usize) -> Config {
        Config::new(Cell::Lstm, hidden_size)
    }

    /// A GRU (`gluon.rnn.GRU`, `torch.nn.GRU`), reset applied after the recurrent product.
    pub fn gru(hidden_size: usize) -> Config {
        Config::new(Cell::Gru, hidden_size)
    }

    /// A stack whose layers differ: cell and hidden size of each, from the lowest on. The two directions of a
    /// layer have the same size. Settings for one kind of cell need all layers to be of that kind.
    ///
    /// States stay `[L*D, N, H]` with the largest H; numbers past a layer's own size are zero.
    ///
    /// ```
    /// use wgpu_rnn::{Cell, Config};
    ///
    /// let config = Config::stack(&[(Cell::Lstm, 64), (Cell::Gru, 32)]).input_size(20);
    /// assert_eq!((config.num_layers, config.output_size()), (2, 32));
    /// ```
    pub fn stack(layers: &[(Cell, usize)]) -> Config {
        // An empty stack is refused where weights are made: it has no layers.
        let (cell, hidden_size) = layers.first().copied().unwrap_or((Cell::Lstm, 1));
        let stack = layers.to_vec();
        Config { num_layers: layers.len(), stack, ..Config::new(cell, hidden_size) }
    }

    /// Layers on top of each other (L, 1 by default).
    #[must_use]
    pub fn num_layers(mut self, num_layers: usize) -> Config {
        self.num_layers = num_layers;
        self
    }

    /// Projects an LSTM's hidden state to P units, which are then the recurrent state and the output (Sak et
    /// al. 2014; PyTorch `proj_size`, Gluon `projection_size`). h is `[L*D, N, P]`, c stays `[L*D, N, H]`.
    #[must_use]
    pub fn proj_size(mut self, proj_size: usize) -> Config {
        self.proj_size = proj_size;
        self
    }

    /// Reads each sequence in both directions: output's last axis becomes 2H, forward first.
    #[must_use]
    pub fn bidirectional(self) -> Config {
        self.directions(Directions::Both)
    }

    /// Sets the directions in which the sequence is read.
    #[must_use]
    pub fn directions(mut self, directions: Directions) -> Config {
        self.directions = directions;
        self
    }

    /// Sets the merge of the two directions of each layer.
    #[must_use]
    pub fn merge(mut self, merge: Merge) -> Config {
        self.merge = merge;
        self
    }

    /// Each layer from the second on adds its input to its output, at every step (Wu et al. 2016, Gluon's
    /// `ResidualCell` around it). Final states are the cells' own. No effect on a single layer.
    #[must_use]
    pub fn residual(mut self) -> Config {
        self.residual = true;
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

    /// Features of the input (I). An input size that is left open is taken from the first input.
    #[must_use]
    pub fn input_size(mut self, input_size: usize) -> Config {
        self.input_size = input_size;
        self
    }

    /// Other activations than the cell's own (ONNX `activations`). For a vanilla RNN, the activation takes
    /// the place of the activation in [`Cell::Vanilla`].
    #[must_use]
    pub fn activations(mut self, activations: &[Activation]) -> Config {
        self.activations = activations.to_vec();
        self
    }

    /// Sets the place where a GRU's reset gate acts (after the recurrent product by default).
    #[must_use]
    pub fn gru_reset(mut self, reset: Reset) -> Config {
        self.gru_reset = reset;
        self
    }

    /// Lets an LSTM's gates see its cell state (Gers and Schmidhuber 2000; ONNX and WebNN `P`).
    #[must_use]
    pub fn peepholes(mut self) -> Config {
        self.peepholes = true;
        self
    }

    /// Makes an LSTM's forget gate 1 - i (Greff et al. 2017; ONNX `input_forget`). The forget gate's weights
    /// stay in their place, unused.
    #[must_use]
    pub fn coupled_input_forget(mut self) -> Config {
        self.coupled_input_forget = true;
        self
    }

    /// Normalises an LSTM over each layer: both products of the gates, and the cell state on its way to the
    /// output (Ba et al. 2016, equations 20 to 22; epsilon 1e-5).
    #[must_use]
    pub fn layer_norm(mut self) -> Config {
        self.layer_norm = true;
        self
    }

    /// Bounds an LSTM's cell state at every step (MXNet `state_clip_min` and `state_clip_max`, cuDNN
    /// `cudnnRNNClip`). A NaN stays a NaN, unless [`cell_clip_nan`](Config::cell_clip_nan) is set too.
    #[must_use]
    pub fn cell_clip(mut self, min: f32, max: f32) -> Config {
        let nan = self.cell_clip.is_some_and(|clip| clip.nan);
        self.cell_clip = Some(CellClip { min, max, nan });
        self
    }

    /// Lets the clip of the cell state turn a NaN into its least value (MXNet `state_clip_nan`, cuDNN
    /// `CUDNN_NOT_PROPAGATE_NAN`).
    #[must_use]
    pub fn cell_clip_nan(mut self) -> Config {
        let none = CellClip { min: f32::NEG_INFINITY, max: f32::INFINITY, nan: true };
        self.cell_clip = Some(CellClip { nan: true, ..self.cell_clip.unwrap_or(none) });
        self
    }

    /// Clips the arguments of the gates' activations to [-X, X] (ONNX `clip`). It is not the clip of the cell
    /// state.
    #[must_use]
    pub fn preactivation_clip(mut self, bound: f32) -> Config {
        self.preactivation_clip = Some(bound);
        self
    }

    /// Puts the initial state of calls without a state among the weights (`initial_h_l0`, and `initial_c_l0`
    /// of an LSTM), one vector for all rows of a batch.
    #[must_use]
    pub fn learned_state(mut self) -> Config {
        self.learned_state = true;
        self
    }
}

/// # Properties
impl Config {
    /// The length of output's last axis: D·H; D·P with a projection; without D where directions are added,
    /// averaged, multiplied or kept apart. H is the last layer's.
    pub fn output_size(&self) -> usize {
        let size = self.state_size_of(self.num_layers.saturating_sub(1));
        if self.merge == Merge::Apart { size } else { size.saturating_mul(self.merged_directions()) }
    }

    /// L·D: one slot per layer and direction; slot = layer · D + direction, forward 0, reverse 1.
    pub fn slots(&self) -> usize {
        self.num_layers.saturating_mul(self.directions.count())
    }

    /// The length of h's last axis: H, or P with a projection; the largest in a stack whose layers differ.
    pub fn state_size(&self) -> usize {
        self.layers_that_differ().map(|layer| self.state_size_of(layer)).max().unwrap_or(0)
    }

    /// The length of c's last axis: H, the largest of the layers that have a cell state; none if no layer has
    /// one.
    pub fn cell_state_size(&self) -> Option<usize> {
        let layers = self.layers_that_differ().map(|layer| self.cell_of(layer));
        layers.filter(|(cell, _)| cell.has_cell_state()).map(|(_, hidden_size)| hidden_size).max()
    }

    /// The cell and the hidden size of a layer.
    pub(crate) fn cell_of(&self, layer: usize) -> (Cell, usize) {
        self.stack.get(layer).copied().unwrap_or((self.cell, self.hidden_size))
    }

    /// True if all layers have the activations that another configuration gives them.
    pub(crate) fn activates_as(&self, other: &Config) -> bool {
        let all = |config: &Config| {
            let layers = config.layers_that_differ().map(|layer| config.cell_of(layer).0);
            let both = layers.flat_map(|cell| [0, 1].map(|direction| config.activations_of(cell, direction)));
            both.collect::<Vec<_>>()
        };
        all(self) == all(other)
    }

    /// f, g and h of a direction; the last ones repeat where the cell has fewer.
    pub(super) fn activations_of(&self, cell: Cell, direction: usize) -> [Activation; 3] {
        let own = cell.activations();
        let count = own.len();
        let all = if self.activations.is_empty() { &own } else { &self.activations };
        // One set for all directions, or one for each.
        let set = &all[if all.len() > count { direction * count } else { 0 }..];
        std::array::from_fn(|index| set[index.min(count - 1)])
    }

    /// The length of a layer's hidden state.
    pub(super) fn state_size_of(&self, layer: usize) -> usize {
        if self.proj_size > 0 { self.proj_size } else { self.cell_of(layer).1 }
    }

    /// The directions side by side in what the layer above reads.
    pub(super) fn merged_directions(&self) -> usize {
        if self.merge.is_elementwise() { 1 } else { self.directions.count() }
    }

    /// Every layer of a stack, or the first layer where all layers are alike.
    pub(crate) fn layers_that_differ(&self) -> std::ops::Range<usize> {
        0..if self.stack.is_empty() { self.num_layers.min(1) } else { self.num_layers }
    }
}
