//! The carries of `carry.wgsl`: arrays between a caller's buffers and a plan's own.

use crate::call::{Piece, ResultArray, Source, pieces};
use crate::gpu::Gpu;
use crate::gpu::prepared::{Prepared, PreparedDispatch, Turn, bind};
use crate::interop::{Placed, Role};
use crate::kernel::{Kernel, Tile, VECTOR, WORKGROUP};
use crate::network::{Dtype, Network};
use crate::plan::{BufferId, CarryDims, Dims, Dispatch, Payload, Segment, Transfer, Workload};
use crate::weights::Table;
use crate::{Error, Result};
use std::ops::Range;

/// One array, or a part of it, on its way.
#[derive(Debug)]
pub struct Carry {
    pub prepared: PreparedDispatch,
    pub workgroups: [u32; 3],
}

/// A part of a caller's array, and its place in the plan's array of a transfer.
#[derive(Clone, Copy)]
pub struct Region {
    /// Steps or slots, sequences and columns of the caller's array.
    first: usize,
    steps: usize,
    first_row: usize,
    rows: usize,
    first_column: usize,
    columns: usize,
    /// The numbers of a row that the network has, at most `columns`.
    used: usize,
    /// Sizes of the plan's array: the place of a row's first number, the numbers of the part, padding included, and
    /// numbers from one row to the next.
    place: usize,
    width: usize,
    row: usize,
    /// The rows are steps of sequences.
    is_over_time: bool,
}

impl Region {
    /// Rows of their own in the plan's array, padded to so many numbers.
    fn rows([first, steps, rows]: [usize; 3], size: usize, width: usize) -> Region {
        Region {
            first,
            steps,
            first_row: 0,
            rows,
            first_column: 0,
            columns: size,
            used: size,
            place: 0,
            width,
            row: width,
            is_over_time: false,
        }
    }

    /// The same of a piece of a result.
    fn piece(piece: &Piece, segment: Option<Segment>, batch: usize) -> Region {
        let (first, steps) = segment.map_or((0, 1), |segment| (segment.first, segment.steps));
        let width = match piece.source {
            Source::Cells => piece.width,
            Source::Steps | Source::Final => piece.width.next_multiple_of(VECTOR),
        };
        let region = Region::rows([first as usize, steps as usize, batch], piece.width, width);
        Region { first_column: piece.first_column, is_over_time: segment.is_some(), ..region }
    }
}

/// The states of a call, or the gradients by them, that are carried in and out.
pub const fn states(turn: Turn) -> [[Role; 2]; 2] {
    match turn {
        Turn::Forward => [[Role::H0, Role::C0], [Role::Hn, Role::Cn]],
        Turn::Backward => [[Role::ByHn, Role::ByCn], [Role::ByH0, Role::ByC0]],
    }
}

/// The regions of a caller's arrays that a transfer is made of, or becomes; h and c are the states' arrays.
pub fn regions(
    network: &Network,
    workload: &Workload,
    [h, c]: [Role; 2],
    transfer: &Transfer,
) -> Vec<(Role, Region)> {
    let (batch, outputs) = (workload.batch, workload.outputs);
    let input = |segment: Segment| {
        let size = network.input_size;
        let rows = [segment.first as usize, segment.steps as usize, batch];
        Region { is_over_time: true, ..Region::rows(rows, size, size.next_multiple_of(VECTOR)) }
    };
    match transfer.what {
        Payload::Input(segment) => vec![(Role::Input, input(segment))],
        Payload::InputGradient(segment) => vec![(Role::ByInput, input(segment))],
        Payload::Hidden { slot } => {
            let spec = &network.slots[slot];
            let width = spec.state_size.next_multiple_of(VECTOR);
            let own = Region::rows([slot, 1, batch], spec.state_size, width);
            let mut all = vec![(h, Region { columns: network.state_size(), ..own })];
            // A layer without a cell state, in a stack that has some: zeros.
            if let Some(columns) = network.cell_state_size().filter(|_| spec.cell_state_size() == 0)
                && !c.is_read()
            {
                all.push((c, Region { columns, used: 0, ..own }));
            }
            all
        }
        Payload::Cell { slot } => {
            let used = network.slots[slot].cell_state_size();
            let columns = network.cell_state_size().unwrap_or(used);
            vec![(c, Region { columns, ..Region::rows([slot, 1, batch], used, used) })]
        }
        Payload::Result(piece, segment) => {
            vec![(Role::Result(piece.array), Region::piece(&piece, segment, batch))]
        }
        Payload::FinalGradient(piece) => {
            vec![(Role::ByResult(piece.array), Region::piece(&piece, None, batch))]
        }
        Payload::OutputGradient(layer, segment) => {
            let own = pieces(network, outputs)
                .filter(|piece| piece.source == Source::Steps && network.slots[piece.slot].layer == layer);
            let row = (transfer.len / (segment.steps * batch as u64)) as usize;
            let region = |piece: Piece| {
                let region = Region::piece(&piece, Some(segment), batch);
                let place = network.slots[piece.slot].direction * region.width;
                (Role::ByResult(piece.array), Region { place, row, ..region })
            };
            own.map(region).collect()
        }
        Payload::CellGradient { slot, count, segment } => {
            let (first, size) = (&network.slots[slot], count * network.slots[slot].hidden_size);
            let rows = [segment.first as usize, segment.steps as usize, batch];
            let first_column = first.direction * first.hidden_size;
            let region = Region { first_column, is_over_time: true, ..Region::rows(rows, size, size) };
            vec![(Role::ByResult(ResultArray::CellStates), region)]
        }
        Payload::WeightGradients { first } => {
            let (used, table) = (transfer.len as usize, Table::of(network));
            let is_last = table.entries.last().is_some_and(|last| last.range().end == first + used);
            // Up to the end of the gap behind the last tensor.
            let columns = if is_last { table.len - first } else { used };
            let own = Region::rows([0, 1, 1], used, used);
            vec![(Role::ByWeights, Region { first_column: first, columns, ..own })]
        }
        Payload::Lengths | Payload::Dropout | Payload::Zeros => Vec::new(),
    }
}

/// A dispatch that carries, before its pipeline and bind group are made.
pub struct Way<'a> {
    pub dispatch: Dispatch,
    placed: &'a Placed,
    /// The bytes of the caller's buffer that are bound.
    range: (u64, u64),
    ours: BufferId,
    our_range: (u64, u64),
    lengths: Option<BufferId>,
    reads_theirs: bool,
    workgroups: [u32; 3],
}

/// Storage buffers are bound at multiples of this: the largest alignment that WebGPU allows.
const ALIGNMENT: u64 = 256;

/// The lengths of sequences, and whether the caller's array is added to.
#[derive(Clone, Copy)]
pub struct Carrying {
    pub lengths: Option<BufferId>,
    pub adds: bool,
}

/// All dispatches of a region: one, unless the caller's array is larger than a binding.
pub fn ways_of<'a>(
    gpu: &Gpu,
    (run, batch): (&Prepared, usize),
    (role, placed): (Role, &'a Placed),
    transfer: &Transfer,
    part: Region,
    carrying: Carrying,
) -> Result<Vec<Way<'a>>> {
    let (mut ways, mut parts) = (Vec::new(), vec![(part, 0)]);
    while let Some((part, step_of_ours)) = parts.pop() {
        let (_, size) = placed.range(&part);
        let limit = gpu.limits.max_binding_bytes.min(2 * u64::from(u32::MAX));
        if size <= limit {
            ways.push(way((run, batch), (role, placed), transfer, (part, step_of_ours), carrying));
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
        } else if role.is_flat() && part.columns > 1 {
            let half = part.columns / 2;
            let used = part.used.min(half);
            parts.push((Region { columns: half, used, width: used, ..part }, step_of_ours));
            let (first_column, place) = (part.first_column + half, part.place + half);
            let (columns, used) = (part.columns - half, part.used - used);
            parts.push((Region { first_column, place, columns, used, width: used, ..part }, step_of_ours));
        } else {
            let (what, unit, holder) = (format!("a row of {}", role.name()), "bytes", "a binding");
            return Err(Error::TooLarge { what, needed: size, limit, unit, holder });
        }
    }
    Ok(ways)
}

/// The bytes of a buffer that hold these numbers: the first one, at which a binding may begin, and how many.
fn bytes_of(numbers: Range<u64>, dtype: Dtype) -> (u64, u64) {
    let bound = numbers.start * dtype.bytes() / ALIGNMENT * ALIGNMENT;
    (bound, (numbers.end * dtype.bytes() - bound).next_multiple_of(4))
}

impl Placed {
    /// The bytes of the buffer that hold a part: the first one, at which a binding may begin, and how many.
    fn range(&self, part: &Region) -> (u64, u64) {
        let [step, sequence] = self.strides;
        let first = self.first_number(part);
        let last =
            first + (part.steps as u64 - 1) * step + (part.rows as u64 - 1) * sequence + part.columns as u64;
        bytes_of(first..last, self.dtype)
    }

    fn first_number(&self, part: &Region) -> u64 {
        let [step, sequence] = self.strides;
        self.offset + part.first as u64 * step + part.first_row as u64 * sequence + part.first_column as u64
    }
}

fn way<'a>(
    (run, batch): (&Prepared, usize),
    (role, placed): (Role, &'a Placed),
    transfer: &Transfer,
    (part, step_of_ours): (Region, usize),
    carrying: Carrying,
) -> Way<'a> {
    let reads_theirs = role.is_read();
    let (bound, size) = placed.range(&part);
    let [step, sequence] = placed.strides;
    let theirs = [placed.first_number(&part) - bound / placed.dtype.bytes(), step, sequence];
    let (row, batch) = (part.row as u64, batch as u64);
    let rows_before = step_of_ours as u64 * batch + part.first_row as u64;
    let first_of_ours = transfer.buffer_offset + rows_before * row + part.place as u64;
    let strides_of_ours = [batch * row, row];
    let last_of_ours = first_of_ours
        + (part.steps as u64 - 1) * strides_of_ours[0]
        + (part.rows as u64 - 1) * row
        + part.width as u64;
    let our_range = bytes_of(first_of_ours..last_of_ours, transfer.dtype);
    let ours = [first_of_ours - our_range.0 / transfer.dtype.bytes(), strides_of_ours[0], row];
    let ([from_offset, from_step, from_row], [to_offset, to_step, to_row]) =
        if reads_theirs { (theirs, ours) } else { (ours, theirs) };
    // Rows of ours are written to their end, rows of theirs as far as the array has columns.
    let width = if reads_theirs { part.width } else { part.columns } as u64;
    let rows = part.steps as u64 * part.rows as u64;
    let (from, to) =
        if reads_theirs { (placed.dtype, transfer.dtype) } else { (transfer.dtype, placed.dtype) };
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
        first_step: part.first as u32,
        first_place: part.first_row as u32,
    };
    let lengths = carrying.lengths.filter(|_| part.is_over_time);
    let kernel = Kernel::Carry { from, to, blanks: lengths.is_some() };
    let groups = (rows * width).div_ceil(u64::from(WORKGROUP));
    let adds = f64::from(u8::from(carrying.adds && role == Role::ByWeights));
    let dispatch = Dispatch {
        kernel,
        tile: Tile::ALL[0],
        dtype: Dtype::F32,
        overrides: kernel.overrides(Tile::ALL[0], vec![("ADDS", adds)]),
        columns: 1,
        tiles: groups,
        directions: 1,
        segment: None,
        bindings: Vec::new(),
        odd: None,
        dims: Dims::Carry(dims),
        flops: 0,
        bytes: rows * width * (from.bytes() + to.bytes()),
        shape: None,
    };
    let workgroups = run.plan.workgroups(&dispatch, run.plan.steps);
    let ours = if reads_theirs { transfer.buffer[0] } else { transfer.after(run.plan.steps) };
    Way { dispatch, placed, range: (bound, size), ours, our_range, lengths, reads_theirs, workgroups }
}

impl Way<'_> {
    pub async fn prepare(&self, gpu: &Gpu, run: &Prepared, dims: &wgpu::Buffer, at: u64) -> Result<Carry> {
        let pipeline = gpu.pipelines.get(gpu, &self.dispatch).await?;
        let part = |buffer, (offset, size)| {
            let size = wgpu::BufferSize::new(size);
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size })
        };
        let theirs = part(&self.placed.buffer, self.range);
        let ours = part(run.buffer(self.ours), self.our_range);
        let sizes = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: dims,
            offset: at,
            size: wgpu::BufferSize::new(self.dispatch.dims.bytes().len() as u64),
        });
        let storage = if self.reads_theirs { [theirs, ours] } else { [ours, theirs] };
        let lengths = self.lengths.map(|lengths| run.buffer(lengths).as_entire_binding());
        let entries: Vec<_> = (0..)
            .zip([sizes].into_iter().chain(storage).chain(lengths))
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        let groups = vec![bind(gpu, "carry", &pipeline.buffers, &entries).await?];
        Ok(Carry { prepared: PreparedDispatch { pipeline, groups }, workgroups: self.workgroups })
    }
}
