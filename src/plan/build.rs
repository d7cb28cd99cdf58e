//! Makes the plan: the schedule, in one place. `phases.rs` tells what one time step of a cell consists of.

mod transfers;

use super::phases::{Bound, Phase, phases};
use super::{
    Buffer, BufferId, Content, Dims, Dispatch, GemmDims, Limits, NormDims, Pass, Plan, Schedule, Segment,
    Shape, StepDims, Times, Tuning,
};
use crate::config::LayerConfig;
use crate::kernel::{BLOCK, Equation, Kernel, Read, Tile, VECTOR, WORKGROUP};
use crate::{Config, Dtype, Error, Merge, Result};
use std::collections::HashMap;

/// Steps in one submit, both directions counted, so that no driver's watchdog fires.
const STEPS_A_SUBMIT: u64 = 256;

/// The longest product in one dispatch, in vectors of four: lavapipe ends all loops of an invocation, silently, after 65,535
/// turns.
const MAX_DEPTH: u64 = 32_768;

/// Time steps of one call: as many as a plan is still small for.
const MAX_STEPS: u64 = 1 << 24;

/// Bytes of a time step in the table of those, at most: the largest alignment that WebGPU allows.
const TABLE_STRIDE: u64 = 256;

/// Numbers in a vector.
const FOUR: u64 = VECTOR as u64;

/// The recurrent weights of a layer and direction that a workgroup reads again for every step in less time than a dispatch
/// takes, in bytes: measured on lavapipe; on an NVIDIA card it should take 0.6 us, and a dispatch 2.2 (estimated, not measured).
const SMALL_WEIGHT: u64 = 64 << 10;

/// Invocations of a workgroup: whole blocks of units, and no more than is sure to be had.
const LANES: u64 = 32;
const MAX_WORKGROUP: u32 = 256;

/// Invocations that a GPU wants at least before each computes more than one row.
const FULL_GPU: u64 = 16_384;

impl Plan {
    /// Plans a call of a network, whose input size is known, on T steps of a batch of N.
    pub fn new(config: &Config, steps: usize, batch: usize, limits: &Limits) -> Result<Plan> {
        Plan::of(config, &Shape { steps, batch, has_lengths: false, tuning: Tuning::default() }, limits)
    }

    /// As [`new`](Plan::new), where sequences may have different lengths, or schedule and tiles are to be certain ones.
    pub fn of(config: &Config, shape: &Shape, limits: &Limits) -> Result<Plan> {
        let Shape { steps, batch, has_lengths, tuning } = *shape;
        config.check()?;
        for (name, size) in [("input_size", config.input_size), ("T", steps), ("N", batch)] {
            if size == 0 {
                let (expected, found) = ("at least 1".into(), "0".into());
                return Err(Error::Setting { name, expected, found });
            }
        }
        let plan = Plan {
            title: super::show::title(config, steps, batch),
            schedule: Schedule::Stepwise,
            steps: steps as u64,
            buffers: Vec::new(),
            uploads: Vec::new(),
            submits: vec![Vec::new()],
            downloads: Vec::new(),
            max_workgroups: u64::from(limits.max_workgroups.max(1)),
        };
        let builder = Builder {
            config,
            limits,
            tuning,
            steps: steps as u64,
            batch: batch as u64,
            segments: Vec::new(),
            lengths: None,
            input_gates: BufferId(0),
            weights: HashMap::new(),
            plan,
            submitted: 0,
        };
        builder.build(has_lengths)
    }
}

/// What a layer reads: the input, or the output of the layer below, or of a direction of it; a buffer a segment.
#[derive(Clone)]
struct Source {
    segments: Vec<BufferId>,
    /// Where it begins in each, and its row length, in vectors of four.
    offset: u64,
    depth: u64,
}

/// One layer and direction, or both directions at once; then all of its arrays have both, one after the other.
pub(super) struct Slot {
    pub index: usize,
    pub layer: usize,
    pub direction: usize,
    /// Directions.
    pub count: usize,
    pub config: LayerConfig,
    /// Hidden state; with a second buffer, read and written in turn; the first holds the initial one.
    pub hidden: [BufferId; 2],
    pub cell_state: BufferId,
    /// What each phase but the last writes for the next one.
    pub scratch: Vec<BufferId>,
    /// By segment, and the length of one direction's in each.
    output: Vec<BufferId>,
    side_output: Vec<u64>,
    /// Whether its output is kept for every step, and its cell state.
    pub keeps: bool,
    pub keeps_cells: bool,
}

struct Builder<'a> {
    config: &'a Config,
    limits: &'a Limits,
    tuning: Tuning,
    steps: u64,
    batch: u64,
    segments: Vec<Segment>,
    /// Where sequences have different ones.
    lengths: Option<BufferId>,
    input_gates: BufferId,
    weights: HashMap<Content, BufferId>,
    plan: Plan,
    /// Steps in the last submit.
    submitted: u64,
}

impl Builder<'_> {
    fn build(mut self, has_lengths: bool) -> Result<Plan> {
        if self.steps > MAX_STEPS {
            let (needed, limit, unit, holder) = (self.steps, MAX_STEPS, "time steps", "a call");
            return Err(Error::TooLarge { what: self.plan.title, needed, limit, unit, holder });
        }
        if self.config.dtype == Dtype::F16 && !self.limits.f16 {
            let expected = "f32 on this adapter, which has no SHADER_F16".into();
            return Err(Error::Setting { name: "dtype", expected, found: "f16".into() });
        }
        let segment = self.segment_steps();
        let firsts = (0..self.steps).step_by(segment as usize);
        self.segments =
            firsts.map(|first| Segment { first, steps: segment.min(self.steps - first) }).collect();
        let can_pair = self.can_pair();
        self.plan.schedule = self.choose(can_pair)?;
        let directions = self.config.directions.count();
        let together = if can_pair && self.plan.schedule != Schedule::Stepwise { directions } else { 1 };
        if has_lengths {
            self.lengths = Some(self.buffer("lengths", Content::Work, self.batch)?);
        }
        let gates = product(&[segment, self.batch, FOUR, self.widest_columns()]);
        self.input_gates = self.stored("input gates", gates)?;
        let depth = (self.config.input_size as u64).div_ceil(FOUR);
        let input = self.sequence("input", product(&[self.batch, FOUR, depth]))?;
        let mut sources = vec![Source { segments: input.clone(), offset: 0, depth }];
        let mut slots = Vec::new();
        for layer in 0..self.config.num_layers {
            let first = slots.len();
            for direction in (0..directions).step_by(together) {
                slots.push(self.slot(layer, direction, together)?);
            }
            let of_layer = &slots[first..];
            if self.segments.len() == 1 {
                // One product for all directions.
                self.gemm(layer, 0, directions, 0, &sources)?;
                of_layer.iter().try_for_each(|slot| self.run(slot, 0, directions, 0))?;
            } else {
                for slot in of_layer {
                    let reverse = self.config.directions.is_reverse(slot.direction);
                    for index in 0..self.segments.len() {
                        let index = if reverse { self.segments.len() - 1 - index } else { index };
                        self.gemm(layer, slot.direction, 1, index, &sources)?;
                        self.run(slot, slot.direction, 1, index)?;
                    }
                }
            }
            let below = std::mem::take(&mut sources);
            for slot in of_layer {
                let depth = (slot.config.state_size as u64).div_ceil(FOUR);
                for side in 0..slot.count as u64 {
                    let offset = side * slot.side_output[0] / FOUR;
                    sources.push(Source { segments: slot.output.clone(), offset, depth });
                }
            }
            sources.truncate(self.config.merged_directions());
            if of_layer[0].keeps {
                self.combine(layer, of_layer, &below, &sources)?;
            }
        }
        self.transfers(&input, &slots)?;
        Ok(self.plan)
    }

    /// Whether both directions of a layer can be one dispatch.
    fn can_pair(&self) -> bool {
        let config = self.config;
        let adds = config.merge.is_elementwise() || config.residual;
        let widest = (0..config.num_layers).map(|layer| {
            let one = config.layer(layer);
            padded(one.state_size) + self.kept_cells(layer, &one)
        });
        let widest = widest.max().unwrap_or(0);
        let output = product(&[2, self.steps, self.batch, widest, config.dtype.bytes()]);
        let fits = self.segments.len() == 1 && output.saturating_add(32) <= self.binding_bytes();
        // One pipeline does both.
        let alike = (0..config.num_layers).all(|layer| {
            let cell = config.layer(layer).cell;
            let last = config.directions.count() - 1;
            config.activations_of(cell, 0) == config.activations_of(cell, last)
        });
        config.directions.count() == 2 && alike && !adds && !config.layer_norm && fits
    }

    /// The schedule that is asked for, if this network can have it, or the best.
    fn choose(&self, can_pair: bool) -> Result<Schedule> {
        let mut possible = vec![Schedule::Stepwise];
        if can_pair {
            possible.push(Schedule::Paired);
        }
        if (0..self.config.num_layers).all(|layer| self.sequence_tile(layer, can_pair).is_some()) {
            possible.push(Schedule::Sequence);
        }
        let weight_bytes = |layer| {
            let layer = self.config.layer(layer);
            self.config.dtype.bytes() * (layer.gate_rows() * layer.state_size) as u64
        };
        let is_small = (0..self.config.num_layers).all(|layer| weight_bytes(layer) <= SMALL_WEIGHT);
        // The last one is the best, but for large networks, whose weights one workgroup reads too slowly.
        let best =
            *possible.iter().rfind(|&&one| one != Schedule::Sequence || is_small).unwrap_or(&possible[0]);
        match self.tuning.schedule {
            Some(Schedule::Sequence)
                if !possible.contains(&Schedule::Sequence) && self.tuning.step.is_some() =>
            {
                let usable = self.usable_tiles(Kernel::Sequence(Equation::Rnn));
                let names: Vec<_> = usable.iter().map(Tile::to_string).collect();
                let expected = format!("one of {}, and few enough rows, for a sequence", names.join(", "));
                let found = self.tuning.step.map(|tile| tile.to_string()).unwrap_or_default();
                Err(Error::Setting { name: "step tile", expected, found })
            }
            Some(asked) if !possible.contains(&asked) => {
                let names: Vec<_> = possible.iter().map(|schedule| schedule.name()).collect();
                let expected = format!("{} for this network and size", names.join(" or "));
                Err(Error::Setting { name: "schedule", expected, found: asked.name().into() })
            }
            Some(asked) => Ok(asked),
            None => Ok(best),
        }
    }

    /// The rows that a workgroup takes through all time steps of a layer, if it can.
    fn sequence_tile(&self, layer: usize, can_pair: bool) -> Option<Tile> {
        let config = self.config.layer(layer);
        let phases = phases(self.config, &config, 0, Schedule::Sequence);
        let is_whole = phases.len() == 1 && matches!(phases[0].kernel, Kernel::Sequence(_));
        if !is_whole || u64::from(self.limits.workgroup_size) < LANES {
            return None;
        }
        let row = product(&[2, self.config.dtype.bytes(), padded(config.state_size)]);
        let fits =
            |tile: &Tile| u64::from(tile.rows).saturating_mul(row) <= u64::from(self.limits.workgroup_bytes);
        let directions = if can_pair { 2 } else { 1 };
        // Two cores at least have something to do.
        let spreads =
            |tile: &Tile| tile.rows == 1 || directions * self.batch.div_ceil(u64::from(tile.rows)) >= 2;
        let usable = self.usable_tiles(phases[0].kernel).into_iter().filter(fits);
        let usable: Vec<Tile> = usable.collect();
        match self.tuning.step {
            Some(asked) => usable.into_iter().find(|&tile| tile == asked),
            None => {
                let spread: Vec<Tile> = usable.into_iter().filter(spreads).collect();
                (!spread.is_empty())
                    .then(|| self.best_tile(&spread, self.batch, directions * config.hidden_size as u64))
            }
        }
    }

    /// Steps whose arrays fit into bindings, all of them if possible.
    fn segment_steps(&self) -> u64 {
        let limit = self.binding_bytes() / self.config.dtype.bytes();
        let all = (0..self.config.num_layers).map(|layer| {
            let config = self.config.layer(layer);
            let output = padded(config.state_size) + self.kept_cells(layer, &config);
            (output, self.columns(&config, 1), self.columns(&config, self.config.directions.count()))
        });
        // A layer like another needs as much.
        let (mut wide, mut one, mut both) = (padded(self.config.input_size), 0, 0);
        for (output, columns_of_one, columns_of_all) in all {
            wide = wide.max(output);
            one = one.max(FOUR * columns_of_one);
            both = both.max(FOUR * columns_of_all);
        }
        // And whose time steps fit into a table, where they are not immediate data.
        let most = (self.limits.max_buffer_bytes / TABLE_STRIDE).clamp(1, self.steps);
        if product(&[self.steps, self.batch, wide.max(both)]) <= limit {
            return most;
        }
        (limit / product(&[self.batch, wide.max(one)]).max(1)).clamp(1, most)
    }

    /// Columns of the input's gates of the widest layer, in vectors of four.
    fn widest_columns(&self) -> u64 {
        let directions = if self.segments.len() == 1 { self.config.directions.count() } else { 1 };
        let layers = 0..self.config.num_layers;
        layers.map(|layer| self.columns(&self.config.layer(layer), directions)).max().unwrap_or(0)
    }

    /// The input product of a layer and segment, for some directions: a dispatch a source and piece of K.
    fn gemm(
        &mut self,
        layer: usize,
        first: usize,
        count: usize,
        segment: usize,
        sources: &[Source],
    ) -> Result<()> {
        let config = self.config.layer(layer);
        let columns = self.columns(&config, count);
        let depth = sources.iter().map(|source| source.depth).sum::<u64>();
        let name = if count == self.config.directions.count() {
            format!("layer {layer}")
        } else {
            format!("slot {}", layer * self.config.directions.count() + first)
        };
        let content = Content::InputWeight { layer, first, count };
        let weight = self.buffer(&format!("{name} weight_ih"), content, blocks(columns, depth, FOUR))?;
        let content = Content::InputBias { layer, first, count };
        let bias = self.buffer(&format!("{name} bias_ih"), content, FOUR * columns)?;
        let steps = self.segments[segment];
        let sources = sources.iter().map(|source| (source.segments[segment], source.offset, source.depth));
        let dispatches = self.product(
            &sources.collect::<Vec<_>>(),
            [weight, bias, self.input_gates],
            steps.steps * self.batch,
            columns,
            Some(steps),
        )?;
        self.pass(Pass { label: format!("layer {layer} input"), dispatches, times: None });
        Ok(())
    }

    /// The sources [rows, K], side by side, times a weight, and a bias: into a buffer [rows, columns].
    fn product(
        &self,
        sources: &[(BufferId, u64, u64)],
        [weight, bias, into]: [BufferId; 3],
        rows: u64,
        columns: u64,
        segment: Option<Segment>,
    ) -> Result<Vec<Dispatch>> {
        let whole_depth = sources.iter().map(|(.., depth)| depth).sum::<u64>();
        let tile = self.tile(Kernel::Gemm, rows, columns)?;
        let mut dispatches = Vec::new();
        let mut weight_offset = 0;
        for &(source, source_offset, source_depth) in sources {
            for start in (0..source_depth).step_by(MAX_DEPTH as usize) {
                let depth = (source_depth - start).min(MAX_DEPTH);
                // All of them index buffers that `buffer` has found to be countable in 32 bits.
                let dims = Dims::Gemm(GemmDims {
                    rows: rows as u32,
                    columns: columns as u32,
                    depth: depth as u32,
                    whole_depth: whole_depth as u32,
                    source_offset: (source_offset + start) as u32,
                    source_stride: source_depth as u32,
                    weight_offset: weight_offset as u32,
                    adds: u32::from(weight_offset > 0),
                });
                let mut dispatch = self.dispatch(Kernel::Gemm, tile, (rows, columns), dims)?;
                dispatch.buffers = vec![source, weight, bias, into];
                dispatch.segment = segment;
                dispatch.flops = 2 * FOUR * FOUR * rows * depth * columns;
                dispatch.bytes = self.config.dtype.bytes()
                    * FOUR
                    * (rows * depth + FOUR * depth * columns + rows * columns);
                dispatches.push(dispatch);
                weight_offset += depth;
            }
        }
        Ok(dispatches)
    }

    /// The buffers of one layer and direction.
    fn slot(&mut self, layer: usize, direction: usize, count: usize) -> Result<Slot> {
        let config = self.config.layer(layer);
        let index = layer * self.config.directions.count() + direction;
        let is_last = layer + 1 == self.config.num_layers;
        let keeps = !(is_last && self.config.outputs.last_only);
        let cells = self.kept_cells(layer, &config);
        let directions = count as u64;
        let state = product(&[directions, self.batch, padded(config.state_size)]);
        let phases = phases(self.config, &config, direction, self.plan.schedule);
        let mut hidden = [self.stored(&format!("slot {index} h"), state)?; 2];
        if phases[0].alternates {
            hidden[1] = self.stored(&format!("slot {index} next h"), state)?;
        }
        let mut scratch = Vec::new();
        for phase in &phases[..phases.len() - 1] {
            let len = product(&[directions, self.batch, FOUR, phase.written_depth(&config)]);
            scratch.push(self.stored(&format!("slot {index} {}", phase.writes), len)?);
        }
        let row = cells + if keeps { padded(config.state_size) } else { 0 };
        let mut output = Vec::new();
        let mut side_output = Vec::new();
        for segment in 0..self.segments.len() {
            let steps = self.segments[segment].steps;
            // In whole vectors, since the layer above reads both directions so.
            let len = product(&[steps, self.batch, row]).div_ceil(FOUR).saturating_mul(FOUR);
            let name = if self.segments.len() == 1 { String::new() } else { format!(" {segment}") };
            // A binding cannot be empty.
            let buffer = product(&[directions, len]).max(1);
            output.push(self.stored(&format!("slot {index} output{name}"), buffer)?);
            side_output.push(len);
        }
        // Of an LSTM, or of a GRU in two phases the gate z between them.
        let holds_cell = phases.iter().any(|phase| phase.uses_cell_state);
        let len = if holds_cell { product(&[directions, self.batch, config.hidden_size as u64]) } else { 1 };
        let cell_state = self.buffer(&format!("slot {index} c"), Content::Work, len)?;
        let keeps_cells = cells > 0;
        Ok(Slot {
            index,
            layer,
            direction,
            count,
            side_output,
            config,
            hidden,
            cell_state,
            scratch,
            output,
            keeps,
            keeps_cells,
        })
    }

    /// Numbers a batch row and step of cell states that are kept.
    fn kept_cells(&self, layer: usize, config: &LayerConfig) -> u64 {
        let keeps = self.config.outputs.cell_states && layer + 1 == self.config.num_layers;
        if keeps { config.hidden_size as u64 } else { 0 }
    }

    /// All time steps of a segment of one layer and direction: a pass of its own, cut where a submit is full. The input's gates
    /// are those of some directions.
    fn run(&mut self, slot: &Slot, first: usize, count: usize, segment: usize) -> Result<()> {
        let phases = phases(self.config, &slot.config, slot.direction, self.plan.schedule);
        let mut dispatches = Vec::new();
        for (index, phase) in phases.iter().enumerate() {
            dispatches.extend(self.phase(slot, phase, index, (first, count), segment)?);
        }
        let is_paired = slot.count == 2;
        let reverse = !is_paired && self.config.directions.is_reverse(slot.direction);
        let way = if is_paired { "both" } else { ["forward", "reverse"][usize::from(reverse)] };
        let label = format!("layer {} {way}", slot.layer);
        let at_once = self.plan.schedule == Schedule::Sequence;
        let at_most =
            if at_once { self.sequence_steps(&slot.config, &dispatches[0]) } else { STEPS_A_SUBMIT };
        let Segment { first: origin, steps } = self.segments[segment];
        let mut done = 0;
        while done < steps {
            if self.submitted == STEPS_A_SUBMIT {
                self.plan.submits.push(Vec::new());
                self.submitted = 0;
            }
            let count = (steps - done).min(STEPS_A_SUBMIT - self.submitted).min(at_most);
            let first = if reverse { origin + steps - done - count } else { origin + done };
            let times = Some(Times { first, count, reverse, origin, is_paired, at_once });
            self.pass(Pass { label: label.clone(), dispatches: dispatches.clone(), times });
            self.submitted += count;
            done += count;
        }
        Ok(())
    }

    /// The dispatches of one phase of a time step.
    fn phase(
        &mut self,
        slot: &Slot,
        phase: &Phase,
        index: usize,
        (first, count): (usize, usize),
        segment: usize,
    ) -> Result<Vec<Dispatch>> {
        let config = &slot.config;
        let is_last = index == slot.scratch.len();
        let left = if index == 0 { slot.hidden[0] } else { slot.scratch[index - 1] };
        let next = if is_last { slot.hidden[1] } else { slot.scratch[index] };
        let depth = phase.read_size(config).div_ceil(FOUR);
        let (hidden, directions) = (config.hidden_size as u64, slot.count as u64);
        let gates = config.cell.gates() as u64;
        let what = format!("slot {}", slot.index);
        let steps = self.segments[segment];
        let units = phase.units(config);
        if depth > MAX_DEPTH {
            let what = format!("the product of a time step of {}", self.plan.title);
            let (needed, limit) = (FOUR * depth, FOUR * MAX_DEPTH);
            return Err(Error::TooLarge {
                what,
                needed,
                limit,
                unit: "numbers in a row",
                holder: "a dispatch",
            });
        }
        if let Kernel::Gemm = phase.kernel {
            // The recurrent product by itself, of four gates, with a bias of zeros.
            let content = Content::RecurrentWeight { slot: slot.index, count: slot.count, part: phase.part };
            let weight = self.buffer(&format!("{what} weight_hh"), content, blocks(units, depth, FOUR))?;
            let bias = Content::InputBias { layer: slot.layer, first, count };
            let bias = self.buffer("no bias", bias, FOUR * self.columns(config, count))?;
            return self.product(&[(left, 0, depth)], [weight, bias, next], self.batch, units, None);
        }
        let len = product(&[directions, units, phase.gates as u64, phase.parameters]);
        let parameters = if len > 0 {
            let content = Content::Parameters { slot: slot.index, count: slot.count, part: phase.part };
            Some(self.buffer(&format!("{what} {}", phase.parameters_name), content, len)?)
        } else {
            None
        };
        let input_stride = (FOUR * self.columns(config, count) / gates) as u32;
        let input_offset = ((slot.direction - first) as u64 * hidden) as u32;
        let stride = FOUR * phase.written_depth(config);
        let cells =
            if slot.keeps { product(&[steps.steps, self.batch, padded(config.state_size)]) } else { 0 };
        let (batch, units32) = (self.batch as u32, units as u32);
        let (stride, cells, first_step) = (stride as u32, cells as u32, steps.first as u32);
        let output = slot.output[segment];
        let mut dispatch;
        let mut tile = Tile::ALL[0];
        if let Kernel::Norm = phase.kernel {
            let dims = Dims::Norm(NormDims {
                batch,
                units: units32,
                input_stride,
                input_offset,
                sums_stride: units32,
                stride,
                cells,
                first_step,
            });
            // A workgroup a row.
            dispatch = self.dispatch(phase.kernel, tile, (self.batch, 1), dims)?;
            // It always has parameters.
            let parameters = parameters.unwrap_or(left);
            let lengths = self.lengths.unwrap_or(parameters);
            dispatch.buffers =
                vec![self.input_gates, left, parameters, lengths, next, output, slot.cell_state];
            dispatch.flops = 0;
            dispatch.bytes = self.config.dtype.bytes() * self.batch * hidden * (4 * gates + 3);
        } else {
            let name = if is_last && index > 0 { phase.weight_name } else { "weight_hh" };
            let content = Content::RecurrentWeight { slot: slot.index, count: slot.count, part: phase.part };
            let side_weight = blocks(units, depth, phase.gates as u64);
            let weight = product(&[directions, side_weight]);
            let weight = self.buffer(&format!("{what} {name}"), content, weight)?;
            let dims = Dims::Step(StepDims {
                batch,
                units: units32,
                depth: depth as u32,
                input_stride,
                input_offset,
                stride,
                cells,
                first_step,
                side_weight: (side_weight / (FOUR * phase.gates as u64)) as u32,
                side_output: slot.side_output[segment] as u32,
            });
            tile = match phase.kernel {
                // `choose` has found that there is one.
                Kernel::Sequence(_) => {
                    self.sequence_tile(slot.layer, slot.count == 2).unwrap_or(Tile::ALL[0])
                }
                _ => self.tile(phase.kernel, self.batch, directions * units)?,
            };
            dispatch = self.dispatch(phase.kernel, tile, (self.batch, units), dims)?;
            // What a kernel does not read is bound to something that it reads.
            let parameters = parameters.unwrap_or(weight);
            let lengths = self.lengths.unwrap_or(weight);
            let left = if let Kernel::Sequence(_) = phase.kernel { weight } else { left };
            dispatch.buffers =
                vec![self.input_gates, weight, parameters, left, lengths, next, output, slot.cell_state];
            if phase.alternates {
                dispatch.alternates = Some((3, 5));
            }
            let gates = phase.gates as u64;
            let row = phase.read_size(config) * gates;
            dispatch.directions = directions;
            dispatch.flops = 2 * directions * self.batch * units * row;
            dispatch.bytes = self.config.dtype.bytes()
                * directions
                * (units * row + self.batch * (units * gates + 4 * FOUR * depth));
        }
        let bound = Bound { has_lengths: self.lengths.is_some(), slot, is_last };
        dispatch.overrides = phase.overrides(self.config, &bound);
        if let Kernel::Sequence(_) = phase.kernel {
            let workgroup = self.sequence_workgroup(units);
            let reverse = slot.count == 1 && self.config.directions.is_reverse(slot.direction);
            dispatch.overrides.extend([
                ("WORKGROUP", workgroup as f64),
                ("TURNS", units.div_ceil(workgroup) as f64),
                ("DEPTH", depth as f64),
                ("STATE_VECTORS", (u64::from(tile.rows) * depth) as f64),
                ("STATE_NUMBERS", (u64::from(tile.rows) * depth * FOUR) as f64),
                ("REVERSE", f64::from(u8::from(reverse))),
            ]);
        }
        Ok(vec![dispatch])
    }

    /// Invocations of a workgroup that computes all units.
    fn sequence_workgroup(&self, units: u64) -> u64 {
        let most = u64::from(self.limits.workgroup_size.min(MAX_WORKGROUP)) / LANES * LANES;
        units.next_multiple_of(LANES).min(most)
    }

    /// Steps that one dispatch can take: an invocation's loops have so many turns in all, at most.
    fn sequence_steps(&self, config: &LayerConfig, dispatch: &Dispatch) -> u64 {
        let units = config.hidden_size as u64;
        let workgroup = self.sequence_workgroup(units);
        let depth = (config.state_size as u64).div_ceil(FOUR);
        let copied = u64::from(dispatch.tile.rows) * depth * FOUR;
        let turns = units.div_ceil(workgroup) * (depth + 1) + copied.div_ceil(workgroup) + 1;
        (MAX_DEPTH / turns).max(1)
    }

    /// Merges the directions of a layer, and adds what the layer has read, in every segment.
    fn combine(&mut self, layer: usize, slots: &[Slot], below: &[Source], above: &[Source]) -> Result<()> {
        let merges = match self.config.merge {
            Merge::Sum => Some(0),
            Merge::Average => Some(1),
            Merge::Multiply => Some(2),
            Merge::Concatenate | Merge::Apart => None,
        };
        for (index, &segment) in self.segments.clone().iter().enumerate() {
            let mut pairs = Vec::new();
            if let Some(operation) = merges {
                pairs.push((slots[1].output[index], slots[0].output[index], operation));
            }
            if self.config.residual && layer > 0 {
                let sources = below.iter().zip(above);
                pairs.extend(sources.map(|(below, above)| (below.segments[index], above.segments[index], 0)));
            }
            let len = product(&[segment.steps, self.batch, above[0].depth]);
            let mut dispatches = Vec::new();
            for (other, mine, operation) in pairs {
                let dims = Dims::Combine(len as u32);
                let rows = len.div_ceil(u64::from(WORKGROUP));
                let mut dispatch = self.dispatch(Kernel::Combine, Tile::ALL[0], (rows, 1), dims)?;
                dispatch.buffers = vec![other, mine];
                dispatch.overrides = vec![("OPERATION", f64::from(operation))];
                dispatch.segment = Some(segment);
                dispatch.bytes = self.config.dtype.bytes() * FOUR * 3 * len;
                dispatches.push(dispatch);
            }
            if !dispatches.is_empty() {
                self.pass(Pass { label: format!("layer {layer} combine"), dispatches, times: None });
            }
        }
        Ok(())
    }

    /// An array over time: a buffer a segment, of so many numbers a step.
    fn sequence(&mut self, name: &str, step: u64) -> Result<Vec<BufferId>> {
        let one = self.segments.len() == 1;
        let segments = self.segments.clone().into_iter().enumerate();
        let buffers = segments.map(|(index, segment)| {
            let name = if one { name.to_owned() } else { format!("{name} {index}") };
            self.stored(&name, product(&[segment.steps, step]))
        });
        buffers.collect()
    }

    fn pass(&mut self, pass: Pass) {
        // `Plan::make` begins the first.
        self.plan.submits.last_mut().expect("a submit has begun").push(pass);
    }

    /// A buffer of what the network is told to store numbers as.
    fn stored(&mut self, name: &str, len: u64) -> Result<BufferId> {
        self.add(name, Content::Work, len, self.config.dtype)
    }

    /// A buffer of 32-bit numbers, or of weights, of which there is one each.
    fn buffer(&mut self, name: &str, content: Content, len: u64) -> Result<BufferId> {
        let dtype = match content {
            Content::InputWeight { .. } | Content::RecurrentWeight { .. } => self.config.dtype,
            _ => Dtype::F32,
        };
        match self.weights.get(&content) {
            Some(&known) => Ok(known),
            None => self.add(name, content, len, dtype),
        }
    }

    fn add(&mut self, name: &str, content: Content, len: u64, dtype: Dtype) -> Result<BufferId> {
        let is_staging = matches!(content, Content::Upload | Content::Download);
        let limit = if is_staging { self.limits.max_buffer_bytes } else { self.binding_bytes() };
        let needed = len.saturating_mul(dtype.bytes());
        if needed > limit {
            let what = format!("buffer \"{name}\" of {}", self.plan.title);
            let (unit, holder) = ("bytes", "the adapter");
            return Err(Error::TooLarge { what, needed, limit, unit, holder });
        }
        let id = BufferId(self.plan.buffers.len());
        self.plan.buffers.push(Buffer { name: name.into(), content, len, dtype });
        if !matches!(content, Content::Upload | Content::Download | Content::Work) {
            self.weights.insert(content, id);
        }
        Ok(id)
    }

    /// The largest buffer that a kernel can see as a whole.
    fn binding_bytes(&self) -> u64 {
        // Kernels index with 32 bits.
        self.limits
            .max_binding_bytes
            .min(self.limits.max_buffer_bytes)
            .min(self.config.dtype.bytes() * u64::from(u32::MAX))
    }

    /// The tile that is asked for, if the kernel and the adapter have it, or the best.
    fn tile(&self, kernel: Kernel, rows: u64, columns: u64) -> Result<Tile> {
        let asked = if kernel == Kernel::Gemm { self.tuning.gemm } else { self.tuning.step };
        let usable = self.usable_tiles(kernel);
        match asked {
            Some(asked) if !usable.contains(&asked) => {
                let names: Vec<_> = usable.iter().map(Tile::to_string).collect();
                let name = if kernel == Kernel::Gemm { "gemm tile" } else { "step tile" };
                let expected = format!("{} on this adapter", names.join(", "));
                Err(Error::Setting { name, expected, found: asked.to_string() })
            }
            Some(asked) => Ok(asked),
            None => Ok(self.best_tile(&usable, rows, columns)),
        }
    }

    /// Those that this adapter can have.
    fn usable_tiles(&self, kernel: Kernel) -> Vec<Tile> {
        let has = |tile: &Tile| match tile.read {
            Read::Shared => self.limits.subgroup_size >= 8,
            Read::Cooperative => self.limits.cooperative && tile.reads(self.config.dtype),
            Read::Each | Read::Split | Read::Workgroup => true,
        };
        kernel.tiles().filter(has).collect()
    }

    /// Batch rows an invocation: all of them where reads are dear, few where there would be too few invocations.
    fn best_tile(&self, usable: &[Tile], rows: u64, columns: u64) -> Tile {
        let of = |read| usable.iter().copied().filter(move |tile: &Tile| tile.read == read);
        let count = |tile: &Tile| rows.div_ceil(u64::from(tile.rows));
        if self.limits.is_software {
            // The smallest that holds all rows, and from five rows on reads for its neighbours if it can; else the largest.
            let shares = of(Read::Shared).next().is_some() && rows > 4;
            let mut those = of(if shares { Read::Shared } else { Read::Each });
            let largest = those.clone().next_back().unwrap_or(usable[0]);
            return those.find(|tile| u64::from(tile.rows) >= rows).unwrap_or(largest);
        }
        let fills_with_groups = |tile: &Tile| {
            count(tile) * columns.div_ceil(u64::from(tile.columns())) * u64::from(WORKGROUP) >= FULL_GPU
        };
        let fills = |tile: &Tile| count(tile) * columns >= FULL_GPU;
        let of_groups = |read| of(read).rfind(fills_with_groups);
        let in_groups = of_groups(Read::Cooperative).or_else(|| of_groups(Read::Workgroup));
        let direct = || of(Read::Each).rfind(fills);
        // So few that each sum is split.
        let split = || of(Read::Split).rfind(|tile| rows > 1 || tile.rows == 1);
        in_groups.or_else(direct).or_else(split).unwrap_or(usable[0])
    }

    /// A dispatch over rows and columns, or over as many workgroups, with no buffers yet.
    fn dispatch(
        &self,
        kernel: Kernel,
        tile: Tile,
        (rows, columns): (u64, u64),
        dims: Dims,
    ) -> Result<Dispatch> {
        let tiles = rows.div_ceil(u64::from(tile.rows));
        let (columns, tiles) = match kernel {
            Kernel::Gemm | Kernel::Step(_) => (columns.div_ceil(u64::from(tile.columns())), tiles),
            // All columns in one workgroup.
            Kernel::Sequence(_) => (1, tiles),
            Kernel::Norm | Kernel::Combine | Kernel::Carry { .. } => (columns, rows),
        };
        let limit = self.plan.max_workgroups;
        // Tiles go along y, and along z where y is full.
        let needed = columns.max(tiles.div_ceil(limit));
        if needed > limit {
            let what = format!("a dispatch of {}", self.plan.title);
            let (unit, holder) = ("workgroups an axis", "the adapter");
            return Err(Error::TooLarge { what, needed, limit, unit, holder });
        }
        Ok(Dispatch {
            kernel,
            tile,
            dtype: self.config.dtype,
            overrides: Vec::new(),
            columns,
            tiles,
            segment: None,
            buffers: Vec::new(),
            alternates: None,
            directions: 1,
            dims,
            flops: 0,
            bytes: 0,
        })
    }

    /// Columns of the input product, D·H·G, in vectors of four; padded so that a row is whole units as well as whole vectors.
    fn columns(&self, config: &LayerConfig, directions: usize) -> u64 {
        let gates = config.cell.gates() as u64;
        let whole = if gates.is_multiple_of(FOUR) { gates } else { FOUR * gates };
        let columns = directions as u64 * config.gate_rows() as u64;
        columns.div_ceil(whole) * whole / FOUR
    }
}

/// The length of weights for `columns` units of `gates`, in whole blocks of units, and `depth` vectors of K.
fn blocks(columns: u64, depth: u64, gates: u64) -> u64 {
    product(&[columns.div_ceil(BLOCK as u64), BLOCK as u64, depth, FOUR, gates])
}

/// A size in whole vectors of four.
fn padded(size: usize) -> u64 {
    (size as u64).div_ceil(FOUR).saturating_mul(FOUR)
}

fn product(sizes: &[u64]) -> u64 {
    sizes.iter().fold(1, |product, &size| product.saturating_mul(size))
}
