//! The carries of `carry.wgsl`: arrays between a caller's buffers and a plan's own.

use crate::call::Source;
use crate::gpu::Gpu;
use crate::gpu::prepared::{Prepared, PreparedDispatch, bind};
use crate::interop::{Placed, Role};
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::{Dtype, Network};
use crate::plan::{BufferId, CarryDims, Dims, Dispatch, Payload, Transfer};
use crate::{Error, Result};

/// One array, or a part of it, on its way.
#[derive(Debug)]
pub struct Carry {
    pub prepared: PreparedDispatch,
    pub workgroups: [u32; 3],
}

/// The part of a caller's array that a transfer is: some of its steps or slots, of its sequences, and of its
/// columns.
#[derive(Clone, Copy)]
pub struct Region {
    first: usize,
    steps: usize,
    first_row: usize,
    rows: usize,
    first_column: usize,
    columns: usize,
    /// The numbers of a row that the network has, at most `columns`.
    used: usize,
    /// The length of a row of the plan's array.
    row: usize,
}

impl Region {
    pub fn of(network: &Network, batch: usize, role: Role, transfer: &Transfer) -> Option<Region> {
        let whole = |first: usize, steps: usize, size: usize, row: usize| Region {
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
                let size = network.input_size;
                Some(whole(segment.first as usize, segment.steps as usize, size, size.next_multiple_of(4)))
            }
            (Role::H0 | Role::Hn, Payload::Hidden { slot }) => {
                let used = network.slots[slot].state_size;
                let columns = network.state_size();
                Some(Region { used, columns, ..whole(slot, 1, used, used.next_multiple_of(4)) })
            }
            // A layer without a cell state, in a stack that has some: zeros.
            (Role::Cn, Payload::Hidden { slot }) if network.slots[slot].cell_state_size() == 0 => {
                let columns = network.cell_state_size()?;
                let row = network.slots[slot].state_size.next_multiple_of(4);
                Some(Region { used: 0, row, ..whole(slot, 1, columns, row) })
            }
            (Role::C0 | Role::Cn, Payload::Cell { slot }) => {
                let used = network.slots[slot].cell_state_size();
                let columns = network.cell_state_size().unwrap_or(used);
                Some(Region { used, columns, ..whole(slot, 1, used, used) })
            }
            (_, Payload::Result(piece, segment)) if role.result() == Some(piece.array) => {
                let (first, steps) = segment.map_or((0, 1), |segment| (segment.first, segment.steps));
                let row = match piece.source {
                    Source::Cells => piece.width,
                    Source::Steps | Source::Final => piece.width.next_multiple_of(4),
                };
                let region = whole(first as usize, steps as usize, piece.width, row);
                Some(Region { first_column: piece.first_column, ..region })
            }
            _ => None,
        }
    }
}

/// A dispatch that carries, before its pipeline and bind group are made.
pub struct Way<'a> {
    pub dispatch: Dispatch,
    placed: &'a Placed,
    /// The bytes of the caller's buffer that are bound.
    range: (u64, u64),
    ours: BufferId,
    reads_theirs: bool,
    workgroups: [u32; 3],
}

/// Storage buffers are bound at multiples of this: the largest alignment that WebGPU allows.
const ALIGNMENT: u64 = 256;

/// All dispatches of a transfer: one, unless the caller's array is larger than a binding.
pub fn ways_of<'a>(
    gpu: &Gpu,
    (run, batch): (&Prepared, usize),
    role: Role,
    placed: &'a Placed,
    transfer: &Transfer,
    part: Region,
) -> Result<Vec<Way<'a>>> {
    let (mut ways, mut parts) = (Vec::new(), vec![(part, 0)]);
    while let Some((part, step_of_ours)) = parts.pop() {
        let (_, size) = placed.range(&part);
        let limit = gpu.limits.max_binding_bytes.min(2 * u64::from(u32::MAX));
        if size <= limit {
            ways.push(way((run, batch), role, placed, transfer, part, step_of_ours));
            continue;
        }
        let [step, sequence] = placed.strides;
        if part.steps > 1 && (step >= sequence || part.rows == 1) {
            let half = part.steps / 2;
            parts.push((Region { steps: half, ..part }, step_of_ours));
            let (first, steps) = (part.first + half, part.steps - half);
            parts.push((Region { first, steps, ..part }, step_of_ours + half));
        } else if part.rows > 1 {
            let half = part.rows / 2;
            parts.push((Region { rows: half, ..part }, step_of_ours));
            let (first_row, rows) = (part.first_row + half, part.rows - half);
            parts.push((Region { first_row, rows, ..part }, step_of_ours));
        } else {
            let (what, unit, holder) = (format!("a row of {}", role.name()), "bytes", "a binding");
            return Err(Error::TooLarge { what, needed: size, limit, unit, holder });
        }
    }
    Ok(ways)
}

impl Placed {
    /// The bytes of the buffer that hold a part: the first one, at which a binding may begin, and how many.
    fn range(&self, part: &Region) -> (u64, u64) {
        let bytes = self.dtype.bytes();
        let [step, sequence] = self.strides;
        let first = self.first_number(part);
        let last =
            first + (part.steps as u64 - 1) * step + (part.rows as u64 - 1) * sequence + part.columns as u64;
        let bound = first * bytes / ALIGNMENT * ALIGNMENT;
        (bound, (last * bytes - bound).next_multiple_of(4))
    }

    fn first_number(&self, part: &Region) -> u64 {
        let [step, sequence] = self.strides;
        self.offset + part.first as u64 * step + part.first_row as u64 * sequence + part.first_column as u64
    }
}

fn way<'a>(
    (run, batch): (&Prepared, usize),
    role: Role,
    placed: &'a Placed,
    transfer: &Transfer,
    part: Region,
    step_of_ours: usize,
) -> Way<'a> {
    let reads_theirs = role.is_read();
    let (bound, size) = placed.range(&part);
    let [step, sequence] = placed.strides;
    let theirs = [placed.first_number(&part) - bound / placed.dtype.bytes(), step, sequence];
    let (row, batch) = (part.row as u64, batch as u64);
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
        bindings: Vec::new(),
        odd: None,
        dims: Dims::Carry(dims),
        flops: 0,
        bytes: rows * width * (from.bytes() + to.bytes()),
    };
    let workgroups = run.plan.workgroups(&dispatch, run.plan.steps);
    let ours = if reads_theirs { transfer.buffer[0] } else { transfer.after(run.plan.steps) };
    Way { dispatch, placed, range: (bound, size), ours, reads_theirs, workgroups }
}

impl Way<'_> {
    pub async fn prepare(&self, gpu: &Gpu, run: &Prepared, dims: &wgpu::Buffer, at: u64) -> Result<Carry> {
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
