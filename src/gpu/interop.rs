//! A caller's buffers and encoder: carries arrays between them and a plan's own, on the GPU. Makes its objects once for a set of
//! buffers, and none after that.

#[cfg(not(target_arch = "wasm32"))]
use super::Wait;
use super::prepared::{Prepared, PreparedDispatch, bind, padded, uniform_stride};
use super::{Gpu, GpuRnn, encode::record_carry, upload_weights};
use crate::buffers::{Placed, Role};
use crate::config::LayerConfig;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::plan::{BufferId, CarryDims, Dims, Dispatch, Payload, Plan, Shape, Transfer};
use crate::{Config, Dtype, Error, Merge, Result, Weights};
use std::collections::VecDeque;

/// A shape that has been encoded, with what carries the arrays of the callers' buffers that it was encoded for.
#[derive(Debug)]
pub(super) struct Encoded {
    run: Prepared,
    /// What each slot starts from where nothing is given and something was learned: to be copied to a buffer.
    learned: Vec<(Transfer, wgpu::Buffer)>,
    /// The latest first.
    bound: VecDeque<BoundBuffers>,
}

/// Sets of buffers that are kept for a shape: enough for callers who take turns with a few.
const MAX_BOUND: usize = 8;

/// Shapes that are kept.
const MAX_SHAPES: usize = 4;

#[derive(Debug)]
struct BoundBuffers {
    arrays: Vec<(Role, Placed)>,
    before: Vec<Carry>,
    after: Vec<Carry>,
}

/// One array, or a part of it, on its way.
#[derive(Debug)]
pub(super) struct Carry {
    pub prepared: PreparedDispatch,
    pub workgroups: [u32; 3],
}

impl GpuRnn {
    /// Records a call into a caller's encoder: from buffers to buffers, with no submit, no wait and no copy on the host. The
    /// first call of a shape makes its objects, and so does the first one for other buffers.
    pub async fn encode(
        &mut self,
        weights: &Weights,
        encoder: &mut wgpu::CommandEncoder,
        (steps, batch): (usize, usize),
        arrays: Vec<(Role, Placed)>,
    ) -> Result<()> {
        let config = weights.config();
        let has_lengths = arrays.iter().any(|(role, _)| *role == Role::Lengths);
        let shape = Shape { steps, batch, has_lengths, tuning: self.tuning };
        let mut encoded = match self.encoded.iter().position(|encoded| encoded.run.shape == shape) {
            Some(index) => self.encoded.remove(index).expect("the index was just found"),
            None => {
                let plan = Plan::of(config, &shape, &self.gpu.limits)?;
                #[cfg(not(target_arch = "wasm32"))]
                let plan = self.tuned(weights, &shape, plan, Wait::here(true)).await;
                upload_weights(&self.gpu, &mut self.weights, weights, &plan).await?;
                let learned = learned(&self.gpu, weights, &plan, batch).await?;
                let run = Prepared::new(&self.gpu, &self.weights, plan, shape, false).await?;
                Encoded { run, learned, bound: VecDeque::new() }
            }
        };
        let bound = match encoded.bound.iter().position(|bound| bound.arrays == arrays) {
            Some(index) => encoded.bound.remove(index).expect("the index was just found"),
            None => BoundBuffers::new(&self.gpu, config, &encoded.run, arrays).await?,
        };
        self.gpu.pipelines.save();
        let recorded = self.gpu.scoped(|| encoded.record(encoder, &bound)).await;
        encoded.bound.push_front(bound);
        encoded.bound.truncate(MAX_BOUND);
        self.encoded.push_front(encoded);
        self.encoded.truncate(MAX_SHAPES);
        recorded
    }
}

impl Encoded {
    fn record(&self, encoder: &mut wgpu::CommandEncoder, bound: &BoundBuffers) {
        let run = &self.run;
        let given = |role: Role| bound.arrays.iter().find(|(other, _)| *other == role);
        for transfer in &run.plan.uploads {
            let to = run.buffer(transfer.buffer[0]);
            let (offset, bytes) = (transfer.dtype.bytes() * transfer.buffer_offset, transfer.bytes());
            match transfer.what {
                Payload::Lengths => {
                    if let Some((_, lengths)) = given(Role::Lengths) {
                        encoder.copy_buffer_to_buffer(&lengths.buffer, 4 * lengths.offset, to, offset, bytes);
                    }
                }
                Payload::Hidden { .. } | Payload::Cell { .. } if given(Role::H0).is_none() => {
                    match self.learned.iter().find(|(learned, _)| learned.what == transfer.what) {
                        Some((_, from)) => encoder.copy_buffer_to_buffer(from, 0, to, offset, bytes),
                        None => encoder.clear_buffer(to, offset, Some(bytes)),
                    }
                }
                _ => {}
            }
        }
        record_carry(encoder, "carry in", &bound.before);
        for submit in 0..run.plan.submits.len() {
            run.record_submit(encoder, submit, run.plan.steps, None);
        }
        record_carry(encoder, "carry out", &bound.after);
    }
}

/// The learned states, as the plan's buffers hold them.
async fn learned(
    gpu: &Gpu,
    weights: &Weights,
    plan: &Plan,
    batch: usize,
) -> Result<Vec<(Transfer, wgpu::Buffer)>> {
    let mut learned = Vec::new();
    if !weights.config().learned_state {
        return Ok(learned);
    }
    let state = weights.initial_state(batch)?;
    for transfer in &plan.uploads {
        if let Some(numbers) = super::staging::state_of(weights.config(), &state, transfer.what) {
            let mut bytes = vec![0; transfer.bytes() as usize];
            super::pack::store(&numbers, transfer.dtype, &mut bytes);
            let buffer = gpu.storage("learned state", &bytes, wgpu::BufferUsages::COPY_SRC).await?;
            learned.push((*transfer, buffer));
        }
    }
    Ok(learned)
}

impl BoundBuffers {
    async fn new(
        gpu: &Gpu,
        config: &Config,
        run: &Prepared,
        arrays: Vec<(Role, Placed)>,
    ) -> Result<BoundBuffers> {
        let mut ways = Vec::new();
        for (role, placed) in &arrays {
            let transfers = if role.is_read() { &run.plan.uploads } else { &run.plan.downloads };
            for transfer in transfers {
                if let Some(part) = Piece::of(config, run.shape.batch, *role, transfer) {
                    let all = ways_of(gpu, run, *role, placed, transfer, part)?;
                    ways.extend(all.into_iter().map(|way| (*role, way)));
                }
            }
        }
        let stride = uniform_stride(gpu);
        let mut bytes = Vec::new();
        for (index, (_, way)) in ways.iter().enumerate() {
            bytes.resize(index * stride, 0);
            bytes.extend_from_slice(way.dispatch.dims.bytes());
        }
        // A uniform cannot be empty.
        bytes.resize(bytes.len().max(1), 0);
        let dims = gpu.storage("sizes of arrays", &padded(bytes), wgpu::BufferUsages::UNIFORM).await?;
        if let Some((_, lengths)) = arrays.iter().find(|(role, _)| *role == Role::Lengths) {
            // wgpu finds fault with a copy when its encoder is finished: here with one of our own, not with the caller's.
            let to = run.plan.uploads.iter().find(|transfer| transfer.what == Payload::Lengths);
            gpu.scoped(|| {
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                if let Some(to) = to {
                    let into = run.buffer(to.buffer[0]);
                    encoder.copy_buffer_to_buffer(&lengths.buffer, 4 * lengths.offset, into, 0, to.bytes());
                }
                drop(encoder.finish());
            })
            .await?;
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (index, (role, way)) in ways.into_iter().enumerate() {
            let carry = way.prepare(gpu, run, &dims, (index * stride) as u64).await?;
            if role.is_read() { before.push(carry) } else { after.push(carry) }
        }
        Ok(BoundBuffers { arrays, before, after })
    }
}

/// Which part of a caller's array a transfer is: some of its steps or slots, of its sequences, and of its columns.
#[derive(Clone, Copy)]
struct Piece {
    first: usize,
    steps: usize,
    first_row: usize,
    rows: usize,
    first_column: usize,
    columns: usize,
    /// Numbers of a row that the network has, of as many columns or fewer.
    used: usize,
    /// The length of a row of ours.
    row: usize,
}

impl Piece {
    fn of(config: &Config, batch: usize, role: Role, transfer: &Transfer) -> Option<Piece> {
        let directions = config.directions.count();
        let layer_of = |slot: usize| -> (usize, usize, LayerConfig) {
            let (layer, direction) = (slot / directions, slot % directions);
            (layer, direction, config.layer(layer))
        };
        let apart = config.merge == Merge::Apart;
        let whole = |first: usize, steps: usize, size: usize, row: usize| Piece {
            first,
            steps,
            first_row: 0,
            rows: batch,
            first_column: 0,
            columns: size,
            used: size,
            row,
        };
        match (role, transfer.what) {
            (Role::Input, Payload::Input(segment)) => {
                let size = config.input_size;
                Some(whole(segment.first as usize, segment.steps as usize, size, size.next_multiple_of(4)))
            }
            (Role::H0 | Role::Hn, Payload::Hidden { slot }) => {
                let used = layer_of(slot).2.state_size;
                let columns = config.state_size();
                Some(Piece { used, columns, ..whole(slot, 1, used, used.next_multiple_of(4)) })
            }
            // A layer without a cell state, in a stack that has some: zeros.
            (Role::Cn, Payload::Hidden { slot }) if layer_of(slot).2.cell_state_size() == 0 => {
                let columns = config.cell_state_size()?;
                let row = layer_of(slot).2.state_size.next_multiple_of(4);
                Some(Piece { used: 0, row, ..whole(slot, 1, columns, row) })
            }
            (Role::C0 | Role::Cn, Payload::Cell { slot }) => {
                let used = layer_of(slot).2.cell_state_size();
                let columns = config.cell_state_size().unwrap_or(used);
                Some(Piece { used, columns, ..whole(slot, 1, used, used) })
            }
            (Role::CellStates, Payload::CellStates(slot, segment)) => {
                let (_, direction, layer) = layer_of(slot);
                let size = layer.hidden_size;
                let part = whole(segment.first as usize, segment.steps as usize, size, size);
                Some(Piece { first_column: direction * size, ..part })
            }
            // The last output is the final state.
            (Role::Output | Role::OutputReverse, Payload::Hidden { slot }) if config.outputs.last_only => {
                let (layer, direction, sizes) = layer_of(slot);
                let is_meant = layer + 1 == config.num_layers
                    && (role == Role::OutputReverse) == (apart && direction == 1);
                let size = sizes.state_size;
                let first_column = if apart { 0 } else { direction * size };
                is_meant.then(|| Piece { first_column, ..whole(0, 1, size, size.next_multiple_of(4)) })
            }
            (Role::Output | Role::OutputReverse, Payload::Output(slot, segment)) => {
                let (layer, direction, sizes) = layer_of(slot);
                let is_meant = layer + 1 == config.num_layers
                    && (role == Role::OutputReverse) == (apart && direction == 1);
                let size = sizes.state_size;
                let first_column = if apart { 0 } else { direction * size };
                let part =
                    whole(segment.first as usize, segment.steps as usize, size, size.next_multiple_of(4));
                is_meant.then_some(Piece { first_column, ..part })
            }
            _ => None,
        }
    }
}

/// A dispatch that carries, before its pipeline and bind group are made.
struct Way<'a> {
    dispatch: Dispatch,
    placed: &'a Placed,
    /// The bytes of the caller's buffer that are bound.
    range: (u64, u64),
    ours: BufferId,
    reads_theirs: bool,
    workgroups: [u32; 3],
}

/// Storage buffers are bound at multiples of this: the largest alignment that WebGPU allows.
const ALIGNMENT: u64 = 256;

/// All dispatches of a transfer: one, unless the caller's array is larger than what a kernel can see at once.
fn ways_of<'a>(
    gpu: &Gpu,
    run: &Prepared,
    role: Role,
    placed: &'a Placed,
    transfer: &Transfer,
    part: Piece,
) -> Result<Vec<Way<'a>>> {
    let (mut ways, mut parts) = (Vec::new(), vec![(part, 0)]);
    while let Some((part, step_of_ours)) = parts.pop() {
        let (_, size) = placed.range(&part);
        let limit = gpu.limits.max_binding_bytes.min(2 * u64::from(u32::MAX));
        if size <= limit {
            ways.push(way(run, role, placed, transfer, part, step_of_ours));
            continue;
        }
        let [step, sequence] = placed.strides;
        if part.steps > 1 && (step >= sequence || part.rows == 1) {
            let half = part.steps / 2;
            parts.push((Piece { steps: half, ..part }, step_of_ours));
            let (first, steps) = (part.first + half, part.steps - half);
            parts.push((Piece { first, steps, ..part }, step_of_ours + half));
        } else if part.rows > 1 {
            let half = part.rows / 2;
            parts.push((Piece { rows: half, ..part }, step_of_ours));
            let (first_row, rows) = (part.first_row + half, part.rows - half);
            parts.push((Piece { first_row, rows, ..part }, step_of_ours));
        } else {
            let (what, unit, holder) = (format!("a row of {}", role.name()), "bytes", "a binding");
            return Err(Error::TooLarge { what, needed: size, limit, unit, holder });
        }
    }
    Ok(ways)
}

impl Placed {
    /// The bytes of the buffer that hold a part: the first one, at which a binding may begin, and how many.
    fn range(&self, part: &Piece) -> (u64, u64) {
        let bytes = self.dtype.bytes();
        let [step, sequence] = self.strides;
        let first = self.first_number(part);
        let last =
            first + (part.steps as u64 - 1) * step + (part.rows as u64 - 1) * sequence + part.columns as u64;
        let bound = first * bytes / ALIGNMENT * ALIGNMENT;
        (bound, (last * bytes - bound).next_multiple_of(4))
    }

    fn first_number(&self, part: &Piece) -> u64 {
        let [step, sequence] = self.strides;
        self.offset + part.first as u64 * step + part.first_row as u64 * sequence + part.first_column as u64
    }
}

fn way<'a>(
    run: &Prepared,
    role: Role,
    placed: &'a Placed,
    transfer: &Transfer,
    part: Piece,
    step_of_ours: usize,
) -> Way<'a> {
    let reads_theirs = role.is_read();
    let (bound, size) = placed.range(&part);
    let [step, sequence] = placed.strides;
    let theirs = [placed.first_number(&part) - bound / placed.dtype.bytes(), step, sequence];
    let (row, batch) = (part.row as u64, run.shape.batch as u64);
    let first_of_ours = transfer.buffer_offset + (step_of_ours as u64 * batch + part.first_row as u64) * row;
    let ours = [first_of_ours, batch * row, row];
    let ([from_offset, from_step, from_row], [to_offset, to_step, to_row]) =
        if reads_theirs { (theirs, ours) } else { (ours, theirs) };
    // Rows of ours are written to their end, rows of theirs as far as the array has columns.
    let width = if reads_theirs { part.row } else { part.columns } as u64;
    let rows = part.steps as u64 * part.rows as u64;
    // A binding is seen with 32 bits, and both arrays fit into one.
    let dims = CarryDims {
        rows: rows as u32,
        batch: part.rows as u32,
        width: width as u32,
        used: part.used as u32,
        from_offset: from_offset as u32,
        from_step: from_step as u32,
        from_row: from_row as u32,
        to_offset: to_offset as u32,
        to_step: to_step as u32,
        to_row: to_row as u32,
    };
    let (from, to) =
        if reads_theirs { (placed.dtype, transfer.dtype) } else { (transfer.dtype, placed.dtype) };
    let groups = (rows * width).div_ceil(u64::from(WORKGROUP));
    let dispatch = Dispatch {
        kernel: Kernel::Carry { from, to },
        tile: Tile::ALL[0],
        dtype: Dtype::F32,
        overrides: Vec::new(),
        columns: 1,
        tiles: groups,
        directions: 1,
        segment: None,
        buffers: Vec::new(),
        alternates: None,
        dims: Dims::Carry(dims),
        flops: 0,
        bytes: rows * width * (from.bytes() + to.bytes()),
    };
    let workgroups = run.plan.workgroups(&dispatch, run.plan.steps);
    let ours = if reads_theirs { transfer.buffer[0] } else { transfer.after(run.plan.steps) };
    Way { dispatch, placed, range: (bound, size), ours, reads_theirs, workgroups }
}

impl Way<'_> {
    async fn prepare(&self, gpu: &Gpu, run: &Prepared, dims: &wgpu::Buffer, at: u64) -> Result<Carry> {
        let pipeline = gpu.pipelines.get(gpu, &self.dispatch).await?;
        let (offset, size) = self.range;
        let theirs = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.placed.buffer,
            offset,
            size: wgpu::BufferSize::new(size),
        });
        let ours = run.buffer(self.ours).as_entire_binding();
        let sizes = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: dims,
            offset: at,
            size: wgpu::BufferSize::new(self.dispatch.dims.bytes().len() as u64),
        });
        let storage = if self.reads_theirs { [theirs, ours] } else { [ours, theirs] };
        let entries: Vec<_> = (0..)
            .zip([sizes].into_iter().chain(storage))
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        let groups = vec![bind(gpu, "carry", &pipeline.buffers, &entries).await?];
        Ok(Carry { prepared: PreparedDispatch { pipeline, groups }, workgroups: self.workgroups })
    }
}
