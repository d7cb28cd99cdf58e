//! Makes the plan: the schedule, in one place.

use super::{
    Buffer, BufferId, Content, Copy, Dims, Dispatch, Limits, Pass, Plan, ProjectDims, StepDims, Times,
};
use crate::shader::{BLOCK, Kernel, Tile, VECTOR, WORKGROUP};
use crate::{Config, Error, Result};

/// Steps in one submit, both directions counted, so that no driver's watchdog fires.
const STEPS_A_SUBMIT: u64 = 256;

/// The longest product in one dispatch, in vectors of four: lavapipe ends all loops of an invocation, silently, after 65,535
/// turns.
const MAX_DEPTH: u64 = 32_768;

/// Numbers in a vector.
const FOUR: u64 = VECTOR as u64;

/// Invocations that a GPU wants at least before each computes more than one row.
const FULL_GPU: u64 = 16_384;

impl Plan {
    /// Plans a call of a network, whose input size is known, on T steps of a batch of N.
    pub fn new(config: &Config, steps: usize, batch: usize, limits: &Limits) -> Result<Plan> {
        config.check()?;
        for (name, size) in [("input_size", config.input_size), ("T", steps), ("N", batch)] {
            if size == 0 {
                let (expected, found) = ("at least 1".into(), "0".into());
                return Err(Error::Setting { name, expected, found });
            }
        }
        let plan = Plan {
            title: super::show::title(config, steps, batch),
            buffers: Vec::new(),
            uploads: Vec::new(),
            submits: vec![Vec::new()],
            downloads: Vec::new(),
        };
        let [steps, batch, hidden] = [steps, batch, config.hidden_size].map(|size| size as u64);
        let depth = hidden.div_ceil(FOUR);
        Builder { config, limits, steps, batch, hidden, depth, plan, submitted: 0 }.build()
    }
}

/// What a layer reads: the input, or the output of a direction of the layer below.
struct Source {
    buffer: BufferId,
    /// Its row length, in vectors of four.
    depth: u64,
}

/// One layer and direction.
struct Slot {
    index: usize,
    backward: bool,
    /// Hidden state, read and written in turn; the first holds the initial one.
    hidden: [BufferId; 2],
    output: BufferId,
    cell_state: BufferId,
}

struct Builder<'a> {
    config: &'a Config,
    limits: &'a Limits,
    steps: u64,
    batch: u64,
    hidden: u64,
    /// H in vectors of four, the length of a row of hidden states.
    depth: u64,
    plan: Plan,
    /// Steps in the last submit.
    submitted: u64,
}

impl Builder<'_> {
    fn build(mut self) -> Result<Plan> {
        let directions = self.config.directions.count();
        let features = (self.config.input_size as u64).div_ceil(FOUR);
        let states = product(&[self.config.slots() as u64, self.batch]);
        let states = states.saturating_mul(FOUR * self.depth + self.cell_width());
        let inputs = product(&[self.steps, self.batch, FOUR, features]);
        let outputs = product(&[directions as u64, self.steps, self.state_len()]);
        let gates = product(&[self.steps, self.batch, FOUR, self.columns()]);

        let upload = self.buffer("upload", Content::Upload, inputs.saturating_add(states))?;
        let download = self.buffer("download", Content::Download, outputs.saturating_add(states))?;
        let input = self.buffer("input", Content::Work, inputs)?;
        let gates = self.buffer("input gates", Content::Work, gates)?;

        self.upload(upload, 0, input, inputs);
        let mut sources = vec![Source { buffer: input, depth: features }];
        let mut slots = Vec::new();
        for layer in 0..self.config.num_layers {
            self.project(layer, &sources, gates)?;
            sources.clear();
            for direction in 0..directions {
                let slot = self.slot(layer * directions + direction, direction == 1)?;
                self.steps(layer, &slot, gates)?;
                sources.push(Source { buffer: slot.output, depth: self.depth });
                slots.push(slot);
            }
        }
        self.copies(upload, inputs, download, &slots);
        Ok(self.plan)
    }

    /// The input product of a layer, a dispatch a source and piece of K.
    fn project(&mut self, layer: usize, sources: &[Source], gates: BufferId) -> Result<()> {
        let (rows, columns) = (self.steps * self.batch, self.columns());
        let whole_depth = sources.iter().map(|source| source.depth).sum::<u64>();
        let weight = blocks(columns, whole_depth, FOUR);
        let weight = self.buffer(&format!("layer {layer} weight_ih"), Content::InputWeight(layer), weight)?;
        let bias =
            self.buffer(&format!("layer {layer} bias_ih"), Content::InputBias(layer), FOUR * columns)?;
        let tile = self.tile(rows, columns);
        let workgroups = self.workgroups(rows, columns, tile)?;
        let mut dispatches = Vec::new();
        let mut weight_offset = 0;
        for source in sources {
            for start in (0..source.depth).step_by(MAX_DEPTH as usize) {
                let depth = (source.depth - start).min(MAX_DEPTH);
                dispatches.push(Dispatch {
                    kernel: Kernel::Project,
                    tile,
                    workgroups,
                    buffers: vec![source.buffer, weight, bias, gates],
                    // All of them index buffers that `buffer` has found to be countable in 32 bits.
                    dims: Dims::Project(ProjectDims {
                        rows: rows as u32,
                        columns: columns as u32,
                        depth: depth as u32,
                        whole_depth: whole_depth as u32,
                        source_offset: start as u32,
                        source_stride: source.depth as u32,
                        weight_offset: weight_offset as u32,
                        adds: u32::from(weight_offset > 0),
                    }),
                    times: None,
                    flops: 2 * FOUR * FOUR * rows * depth * columns,
                    bytes: 4 * FOUR * (rows * depth + FOUR * depth * columns + rows * columns),
                });
                weight_offset += depth;
            }
        }
        self.pass(Pass { label: format!("layer {layer} input"), dispatches });
        Ok(())
    }

    /// The buffers of one layer and direction.
    fn slot(&mut self, index: usize, backward: bool) -> Result<Slot> {
        let state = self.state_len();
        let output = product(&[self.steps, state]);
        // A binding cannot be empty.
        let cell_state = product(&[self.batch, self.cell_width()]).max(1);
        let mut buffer = |what: &str, len| self.buffer(&format!("slot {index} {what}"), Content::Work, len);
        let hidden = [buffer("h", state)?, buffer("next h", state)?];
        let output = buffer("output", output)?;
        let cell_state = buffer("c", cell_state)?;
        Ok(Slot { index, backward, hidden, output, cell_state })
    }

    /// All time steps of one layer and direction: a pass of its own, cut where a submit is full.
    fn steps(&mut self, layer: usize, slot: &Slot, gates: BufferId) -> Result<()> {
        let index = slot.index;
        let row_gates = self.config.gate_rows() as u64;
        let weight = blocks(self.hidden, self.depth, self.config.cell.gates() as u64);
        let weight =
            self.buffer(&format!("slot {index} weight_hh"), Content::RecurrentWeight(index), weight)?;
        let bias = self.buffer(&format!("slot {index} bias_hh"), Content::RecurrentBias(index), row_gates)?;
        let tile = self.tile(self.batch, self.hidden);
        let direction = u32::from(slot.backward);
        let dispatch = Dispatch {
            kernel: Kernel::Step(self.config.cell),
            tile,
            workgroups: self.workgroups(self.batch, self.hidden, tile)?,
            buffers: vec![gates, weight, bias, slot.hidden[0], slot.hidden[1], slot.output, slot.cell_state],
            dims: Dims::Step(StepDims {
                batch: self.batch as u32,
                hidden_size: self.hidden as u32,
                depth: self.depth as u32,
                input_stride: (FOUR * self.columns() / self.config.cell.gates() as u64) as u32,
                input_offset: direction * self.hidden as u32,
            }),
            times: None,
            flops: 2 * self.batch * self.hidden * row_gates,
            bytes: 4 * (self.hidden * row_gates + self.batch * row_gates + 4 * self.state_len()),
        };
        let way = if slot.backward { "backward" } else { "forward" };
        let mut done = 0;
        while done < self.steps {
            if self.submitted == STEPS_A_SUBMIT {
                self.plan.submits.push(Vec::new());
                self.submitted = 0;
            }
            let count = (self.steps - done).min(STEPS_A_SUBMIT - self.submitted);
            let first = if slot.backward { self.steps - 1 - done } else { done };
            let (first, count32, taken) = (first as u32, count as u32, done as u32);
            let times = Some(Times { first, count: count32, backward: slot.backward, taken });
            let dispatches = vec![Dispatch { times, ..dispatch.clone() }];
            self.pass(Pass { label: format!("layer {layer} {way}"), dispatches });
            self.submitted += count;
            done += count;
        }
        Ok(())
    }

    /// Brings the initial states in, and the results out.
    fn copies(&mut self, upload: BufferId, inputs: u64, download: BufferId, slots: &[Slot]) {
        let (state, output) = (self.state_len(), self.steps * self.state_len());
        let (mut up, mut down) = (inputs, 0);
        let last_layer = slots.len() - self.config.directions.count();
        for slot in &slots[last_layer..] {
            self.download(slot.output, download, down, output);
            down += output;
        }
        // Where the last step has written.
        let last = (self.steps % 2) as usize;
        let h = slots.iter().map(|slot| (slot.hidden[0], slot.hidden[last], state));
        let len = self.batch * self.cell_width();
        let c = slots.iter().filter(|_| len > 0).map(|slot| (slot.cell_state, slot.cell_state, len));
        for (first, last, len) in h.chain(c).collect::<Vec<_>>() {
            self.upload(upload, up, first, len);
            self.download(last, download, down, len);
            up += len;
            down += len;
        }
    }

    fn upload(&mut self, from: BufferId, from_offset: u64, to: BufferId, len: u64) {
        self.plan.uploads.push(Copy { from, from_offset, to, to_offset: 0, len });
    }

    fn download(&mut self, from: BufferId, to: BufferId, to_offset: u64, len: u64) {
        self.plan.downloads.push(Copy { from, from_offset: 0, to, to_offset, len });
    }

    fn pass(&mut self, pass: Pass) {
        // `Plan::new` begins the first.
        self.plan.submits.last_mut().expect("a submit has begun").push(pass);
    }

    fn buffer(&mut self, name: &str, content: Content, len: u64) -> Result<BufferId> {
        let staging = matches!(content, Content::Upload | Content::Download);
        let buffer = self.limits.max_buffer_bytes;
        // Kernels index with 32 bits.
        let binding = self.limits.max_binding_bytes.min(buffer).min(4 * u64::from(u32::MAX));
        let limit = if staging { buffer } else { binding };
        let needed = len.saturating_mul(4);
        if needed > limit {
            let what = format!("buffer \"{name}\" of {}", self.plan.title);
            let (unit, holder) = ("bytes", "the adapter");
            return Err(Error::TooLarge { what, needed, limit, unit, holder });
        }
        self.plan.buffers.push(Buffer { name: name.into(), content, len });
        Ok(BufferId(self.plan.buffers.len() - 1))
    }

    /// Batch rows an invocation: all of them where reads are dear, few where there would be too few invocations.
    fn tile(&self, rows: u64, columns: u64) -> Tile {
        let shared = self.limits.cpu && self.limits.subgroup_size >= 8;
        let usable: Vec<Tile> = Tile::ALL.into_iter().filter(|tile| shared || !tile.shared).collect();
        if self.limits.cpu {
            // The smallest that holds all rows, and from five rows on reads for its neighbours if it can; else the largest.
            let holds = |tile: &&Tile| u64::from(tile.rows) >= rows && (tile.shared || !shared || rows <= 4);
            return *usable.iter().find(holds).unwrap_or(&usable[usable.len() - 1]);
        }
        let fills = |tile: &&Tile| columns * rows.div_ceil(u64::from(tile.rows)) >= FULL_GPU;
        *usable.iter().rfind(fills).unwrap_or(&usable[0])
    }

    fn workgroups(&self, rows: u64, columns: u64, tile: Tile) -> Result<[u32; 3]> {
        let limit = u64::from(self.limits.max_workgroups.max(1));
        let x = columns.div_ceil(u64::from(WORKGROUP));
        let tiles = rows.div_ceil(u64::from(tile.rows));
        let y = tiles.min(limit);
        let z = tiles.div_ceil(y);
        let needed = x.max(z);
        if needed > limit {
            let what = format!("a dispatch of {}", self.plan.title);
            let (unit, holder) = ("workgroups an axis", "the adapter");
            return Err(Error::TooLarge { what, needed, limit, unit, holder });
        }
        Ok([x as u32, y as u32, z as u32])
    }

    /// Columns of the input product, D·H·G, in vectors of four; padded so that a row is whole units as well as whole vectors.
    fn columns(&self) -> u64 {
        let gates = self.config.cell.gates() as u64;
        let whole = if gates.is_multiple_of(FOUR) { gates } else { FOUR * gates };
        let columns = self.config.directions.count() as u64 * self.config.gate_rows() as u64;
        columns.div_ceil(whole) * whole / FOUR
    }

    /// N·H, H in whole vectors.
    fn state_len(&self) -> u64 {
        product(&[self.batch, FOUR, self.depth])
    }

    /// The row length of the cell state, 0 if there is none.
    fn cell_width(&self) -> u64 {
        if self.config.cell.has_cell_state() { self.hidden } else { 0 }
    }
}

/// The length of weights for `columns` units of `gates`, in whole blocks of units, and `depth` vectors of K.
fn blocks(columns: u64, depth: u64, gates: u64) -> u64 {
    product(&[columns.div_ceil(BLOCK as u64), BLOCK as u64, depth, FOUR, gates])
}

fn product(sizes: &[u64]) -> u64 {
    sizes.iter().fold(1, |product, &size| product.saturating_mul(size))
}
