//! The resolved network of a [`Config`]. The plan, the CPU engine and the reference read the network, and
//! never the `Config`.

use super::{Activation, Cell, CellClip, Config, Directions, Layout, Merge, Reset};

/// A network that can be: checked, and every layer and direction spelled out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Network {
    /// L·D of them; slot = layer · D + direction.
    pub slots: Vec<SlotSpec>,
    pub num_layers: usize,
    /// I; 0 while the input size is open.
    pub input_size: usize,
    pub directions: Directions,
    pub merge: Merge,
    /// Each layer from the second on adds its input to its output.
    pub residual: bool,
    pub layout: Layout,
}

/// One layer and direction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlotSpec {
    pub index: usize,
    pub layer: usize,
    /// 0 or 1.
    pub direction: usize,
    /// True for the direction from the last time step to the first.
    pub is_reverse: bool,
    pub cell: CellSpec,
    /// K of the input's product; 0 while the network's input size is open.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
    /// The length of the hidden state: P with a projection, else H.
    pub state_size: usize,
}

/// A cell and its options.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CellSpec {
    pub cell: Cell,
    /// f, g and h; the last activation repeats where the cell has fewer.
    pub activations: [Activation; 3],
    pub has_bias: bool,
    pub has_projection: bool,
    pub has_learned_state: bool,
    pub gru_reset: Reset,
    pub peepholes: bool,
    pub coupled_input_forget: bool,
    pub layer_norm: bool,
    pub cell_clip: Option<CellClip>,
    pub preactivation_clip: Option<f32>,
}

impl CellSpec {
    /// The table of options: the name of each in WGSL, and its value.
    ///
    /// A kernel takes the overrides that its files declare.
    pub fn options(&self) -> Vec<(&'static str, f64)> {
        let flag = |is_set: bool| f64::from(u8::from(is_set));
        let clip = self.cell_clip.unwrap_or(CellClip { min: 0.0, max: 0.0, nan: false });
        let mut options = vec![
            ("PEEPHOLES", flag(self.peepholes)),
            ("COUPLED", flag(self.coupled_input_forget)),
            ("CLIPS_CELL", flag(self.cell_clip.is_some())),
            ("CELL_CLIPS_NAN", flag(clip.nan)),
            ("CELL_MIN", f64::from(clip.min)),
            ("CELL_MAX", f64::from(clip.max)),
            ("CLIPS_PREACTIVATION", flag(self.preactivation_clip.is_some())),
            ("PREACTIVATION_CLIP", f64::from(self.preactivation_clip.unwrap_or(0.0))),
        ];
        let names = [["F", "F_ALPHA", "F_BETA"], ["G", "G_ALPHA", "G_BETA"], ["H", "H_ALPHA", "H_BETA"]];
        for (activation, [name, alpha, beta]) in self.activations.into_iter().zip(names) {
            options.push((name, activation.index() as f64));
            let parameters = activation.parameters();
            options.extend([alpha, beta].into_iter().zip(parameters.into_iter().map(f64::from)));
        }
        options
    }
}

impl SlotSpec {
    /// G·H: rows of a weight matrix.
    pub fn gate_rows(&self) -> usize {
        self.hidden_size.saturating_mul(self.cell.cell.gates())
    }

    /// The length of the cell state, 0 if there is none.
    pub fn cell_state_size(&self) -> usize {
        if self.cell.cell.has_cell_state() { self.hidden_size } else { 0 }
    }
}

impl Network {
    /// Spells out a configuration that was checked.
    pub(super) fn resolve(config: &Config) -> Network {
        let directions = config.directions.count();
        let mut slots = Vec::new();
        let mut input_size = config.input_size;
        for layer in 0..config.num_layers {
            let (cell, hidden_size) = config.cell_of(layer);
            let has_projection = config.proj_size > 0;
            let state_size = if has_projection { config.proj_size } else { hidden_size };
            for direction in 0..directions {
                slots.push(SlotSpec {
                    index: slots.len(),
                    layer,
                    direction,
                    is_reverse: config.directions.is_reverse(direction),
                    cell: CellSpec {
                        cell,
                        activations: config.activations_of(cell, direction),
                        has_bias: config.bias,
                        has_projection,
                        has_learned_state: config.learned_state,
                        gru_reset: config.gru_reset,
                        peepholes: config.peepholes,
                        coupled_input_forget: config.coupled_input_forget,
                        layer_norm: config.layer_norm,
                        cell_clip: config.cell_clip,
                        preactivation_clip: config.preactivation_clip,
                    },
                    input_size,
                    hidden_size,
                    state_size,
                });
            }
            input_size = state_size.saturating_mul(config.merged_directions());
        }
        Network {
            slots,
            num_layers: config.num_layers,
            input_size: config.input_size,
            directions: config.directions,
            merge: config.merge,
            residual: config.residual,
            layout: config.layout,
        }
    }

    /// D.
    pub fn direction_count(&self) -> usize {
        self.directions.count()
    }

    /// The slots of each layer: one slot per direction.
    pub fn layer(&self, layer: usize) -> &[SlotSpec] {
        &self.slots[layer * self.direction_count()..][..self.direction_count()]
    }

    /// The layers, from the lowest on: the slots of each.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = &[SlotSpec]> + ExactSizeIterator {
        self.slots.chunks_exact(self.direction_count())
    }

    /// The slots of the last layer.
    pub fn top(&self) -> &[SlotSpec] {
        self.layer(self.num_layers - 1)
    }

    /// The number of arrays side by side that the layer above reads: D, or 1 where directions are merged by
    /// number.
    pub fn merged_directions(&self) -> usize {
        if self.merge.is_elementwise() { 1 } else { self.direction_count() }
    }

    /// The width of a layer's output as the layer above reads it, directions side by side.
    pub fn width(&self, layer: usize) -> usize {
        self.merged_directions() * self.layer(layer)[0].state_size
    }

    /// The length of h's last axis: the largest of all layers.
    pub fn state_size(&self) -> usize {
        self.slots.iter().map(|slot| slot.state_size).max().unwrap_or(0)
    }

    /// The length of c's last axis: the largest of the layers that have a cell state; none if no layer has
    /// one.
    pub fn cell_state_size(&self) -> Option<usize> {
        self.slots.iter().filter(|slot| slot.cell.cell.has_cell_state()).map(|slot| slot.hidden_size).max()
    }
}
