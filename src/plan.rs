//! What a call will do, as a value: every buffer, pass and dispatch, before any GPU is touched.

mod build;
mod phases;
mod show;

use crate::Dtype;
use crate::kernel::{Kernel, Tile};

/// What the plan has to know of an adapter. The default is WebGPU's, which every adapter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// The largest piece of a buffer that a kernel may see, in bytes.
    pub max_binding_bytes: u64,
    /// Workgroups along one axis of a dispatch.
    pub max_workgroups: u32,
    /// A CPU that plays a GPU: reads are dear and threads few, so that each invocation computes more.
    pub is_software: bool,
    /// Lanes that every subgroup has at least; 0 where kernels cannot speak to their subgroup.
    pub subgroup_size: u32,
    /// The memory of a workgroup, in bytes.
    pub workgroup_bytes: u32,
    /// Invocations a workgroup.
    pub workgroup_size: u32,
    /// Whether kernels can read and write f16 (`SHADER_F16`).
    pub f16: bool,
    /// Whether kernels can multiply cooperative matrices of f16, and were found to be right; only with the Cargo feature
    /// `cooperative-matrix`.
    pub cooperative: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_buffer_bytes: 256 << 20,
            max_binding_bytes: 128 << 20,
            max_workgroups: 65_535,
            is_software: false,
            subgroup_size: 0,
            workgroup_bytes: 16 << 10,
            workgroup_size: 256,
            f16: false,
            cooperative: false,
        }
    }
}

/// Everything that one call does, for one network, T and N, with sequences of one length or of several.
///
/// ```
/// use wgpu_rnn::{Config, Plan, plan::Limits};
///
/// let config = Config::lstm(128).bidirectional().input_size(64);
/// let plan = Plan::new(&config, 100, 16, &Limits::default())?;
/// assert_eq!(plan.dispatches(), 1 + 100); // one input product, then a dispatch a step for both directions
/// println!("{plan}");
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it is a plan of, in words.
    pub title: String,
    /// How time steps become dispatches.
    pub schedule: Schedule,
    /// T.
    pub steps: u64,
    /// Every buffer; a [`BufferId`] is an index into it.
    pub buffers: Vec<Buffer>,
    /// From upload buffers to where input, initial states and lengths belong; before all passes.
    pub uploads: Vec<Transfer>,
    /// The passes, by submit: long sequences are cut so that no driver's watchdog fires.
    pub submits: Vec<Vec<Pass>>,
    /// From where the results are to download buffers; after all passes.
    pub downloads: Vec<Transfer>,
    /// Workgroups along one axis of a dispatch.
    max_workgroups: u64,
}

/// How the time steps of a layer become dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// A pass a direction, and in it a dispatch a step (or more, where a product waits for another).
    Stepwise,
    /// A pass for both directions, and in it a dispatch a step that does one of each, from both ends: half as many dispatches
    /// and barriers, and twice the work in each. For two directions of the same activations that are neither merged by number nor
    /// normalised over the layer nor added to, and arrays that fit into bindings whole.
    Paired,
    /// A dispatch for many steps, of both directions where they could be paired: a workgroup has some batch rows, all units of
    /// them, and their state in its own memory, so that nothing is waited for between steps but the workgroup's own
    /// invocations. For networks whose time steps are one dispatch each otherwise, and whose rows fit into a workgroup's memory.
    Sequence,
}

impl Schedule {
    /// Every one.
    pub const ALL: [Schedule; 3] = [Schedule::Stepwise, Schedule::Paired, Schedule::Sequence];

    /// Its name in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Schedule::Stepwise => "stepwise",
            Schedule::Paired => "paired",
            Schedule::Sequence => "sequence",
        }
    }
}

/// What a call has to be planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// T.
    pub steps: usize,
    /// N.
    pub batch: usize,
    /// Whether sequences have different lengths.
    pub has_lengths: bool,
    /// What is not left to the plan.
    pub tuning: Tuning,
}

/// What may be told to a plan, instead of left to it. [`Tuning::default`] leaves it all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// How time steps become dispatches.
    pub schedule: Option<Schedule>,
    /// The tile of the input products.
    pub gemm: Option<Tile>,
    /// The tile of the time steps.
    pub step: Option<Tile>,
}

impl std::str::FromStr for Schedule {
    type Err = crate::Error;

    /// From its name, as plans show it.
    fn from_str(name: &str) -> crate::Result<Schedule> {
        Schedule::ALL.into_iter().find(|schedule| schedule.name() == name).ok_or_else(|| {
            let (expected, found) = (Schedule::ALL.map(Schedule::name).join(", "), name.into());
            crate::Error::Setting { name: "schedule", expected, found }
        })
    }
}

impl From<Option<Schedule>> for Tuning {
    fn from(schedule: Option<Schedule>) -> Tuning {
        Tuning { schedule, ..Tuning::default() }
    }
}

impl From<Schedule> for Tuning {
    fn from(schedule: Schedule) -> Tuning {
        Some(schedule).into()
    }
}

/// An index into [`Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub usize);

/// A buffer of numbers of one size; 32-bit ones, if it is a staging buffer or holds lengths.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Its name, which is also its label on the GPU.
    pub name: String,
    /// What is in it.
    pub content: Content,
    /// Its length in numbers.
    pub len: u64,
    /// What they are stored as.
    pub dtype: Dtype,
}

impl Buffer {
    /// Its size, in whole fours of bytes, as copies are.
    pub fn bytes(&self) -> u64 {
        (self.len * self.dtype.bytes()).next_multiple_of(4)
    }
}

/// What a buffer holds. D directions from the first one on may be one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// What the host writes.
    Upload,
    /// What the host reads.
    Download,
    /// What kernels read and write.
    Work,
    /// A layer's `weight_ih`, `[C/4/8, K/4, 8]` of 4 columns by 4 k; C by direction, unit, gate.
    InputWeight {
        /// The layer.
        layer: usize,
        /// The first direction.
        first: usize,
        /// D.
        count: usize,
    },
    /// A layer's `bias_ih`, `[C]`; zero with layer normalisation.
    InputBias {
        /// The layer.
        layer: usize,
        /// The first direction.
        first: usize,
        /// D.
        count: usize,
    },
    /// A slot's recurrent weights, `[U/8, K/4, 8]` of G gates by 4 k.
    RecurrentWeight {
        /// The slot.
        slot: usize,
        /// Slots from it on: two, where both directions are computed at once.
        count: usize,
        /// Which of them.
        part: Part,
    },
    /// For each unit of a slot, `bias_hh` and what else it has of its own, each of G gates.
    Parameters {
        /// The slot.
        slot: usize,
        /// Slots from it on: two, where both directions are computed at once.
        count: usize,
        /// The gates.
        part: Part,
    },
}

/// A part of a slot's recurrent weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// All gates.
    All,
    /// Gates r and z of a GRU with reset before.
    Reset,
    /// Gate n of it.
    Candidate,
    /// The projection.
    Projection,
}

/// A copy between a staging buffer and a buffer of the GPU's own, which it fills or empties from its beginning on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// What is copied.
    pub what: Payload,
    /// The staging buffer.
    pub staging: BufferId,
    /// The first byte there.
    pub staging_offset: u64,
    /// The other buffer, after an even and after an odd number of time steps.
    pub buffer: [BufferId; 2],
    /// The first number there.
    pub buffer_offset: u64,
    /// Numbers, of all time steps.
    pub len: u64,
    /// What they are stored as.
    pub dtype: Dtype,
}

/// What crosses between host and GPU; rows of H', I' and P' numbers are padded with zeros to whole vectors of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `[N]` of u32.
    Lengths,
    /// A slot's hidden state, `[N, H']`, or P'.
    Hidden {
        /// The slot.
        slot: usize,
    },
    /// A slot's cell state, `[N, H]`.
    Cell {
        /// The slot.
        slot: usize,
    },
    /// Some steps of the input, `[S, N, I']`.
    Input(Segment),
    /// Some steps of a slot's output, `[S, N, H']`, or P'; of both directions, if they are merged.
    Output(usize, Segment),
    /// Some steps of a slot's cell states, `[S, N, H]`.
    CellStates(usize, Segment),
}

/// A run of time steps whose arrays fit into bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first step.
    pub first: u64,
    /// S.
    pub steps: u64,
}

impl Segment {
    /// Its steps before the end of the longest sequence.
    pub fn steps_within(self, longest: u64) -> u64 {
        longest.saturating_sub(self.first).min(self.steps)
    }
}

impl Transfer {
    /// Bytes to be copied, in whole fours; an array of half numbers is followed by one that is not looked at, if it is odd.
    pub fn bytes_within(&self, longest: u64) -> u64 {
        (self.len_within(longest) * self.dtype.bytes()).next_multiple_of(4)
    }

    /// The other buffer, after so many time steps.
    pub fn after(&self, steps: u64) -> BufferId {
        self.buffer[(steps % 2) as usize]
    }

    /// Bytes of all time steps.
    pub fn bytes(&self) -> u64 {
        self.bytes_within(u64::MAX)
    }

    /// Numbers to be copied where the longest sequence has so many steps.
    pub fn len_within(&self, longest: u64) -> u64 {
        match self.what {
            Payload::Input(segment) | Payload::Output(_, segment) | Payload::CellStates(_, segment) => {
                self.len / segment.steps * segment.steps_within(longest)
            }
            Payload::Lengths | Payload::Hidden { .. } | Payload::Cell { .. } => self.len,
        }
    }
}

/// A compute pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// Its label: layer and what it does.
    pub label: String,
    /// Its dispatches, in order.
    pub dispatches: Vec<Dispatch>,
    /// The time steps that all of them are repeated for, each with its own index; once, if none.
    pub times: Option<Times>,
}

/// How long a pass took on the GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassTime {
    /// The pass's label.
    pub label: String,
    /// Its dispatches, each time step counted.
    pub dispatches: u64,
    /// From its beginning to its end, as the GPU's clock tells.
    pub time: std::time::Duration,
}

/// One dispatch, or one a time step.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: Kernel,
    /// Batch rows an invocation, of a product.
    pub tile: Tile,
    /// What its arrays are stored as.
    pub dtype: Dtype,
    /// The numbers that the host sets when it makes the pipeline.
    pub overrides: Vec<(&'static str, f64)>,
    /// Workgroups along the columns.
    pub columns: u64,
    /// Workgroups along the rows: their tiles, over all steps of the segment if there is one.
    pub tiles: u64,
    /// Directions that it computes at once, along z.
    pub directions: u64,
    /// The segment whose steps its rows are, N of each.
    pub segment: Option<Segment>,
    /// The kernel's storage buffers, from binding 1 on, as the first time step has them.
    pub buffers: Vec<BufferId>,
    /// Two of its storage buffers that change places with every time step: what one step writes the next one reads.
    pub alternates: Option<(usize, usize)>,
    /// The kernel's sizes, binding 0.
    pub dims: Dims,
    /// Floating-point operations of its products, each time step.
    pub flops: u64,
    /// Bytes that it reads and writes at least, each time step.
    pub bytes: u64,
}

/// A run of time steps, in the order of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The earliest time step.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Whether t falls.
    pub reverse: bool,
    /// The time step that the kernels know as 0.
    pub origin: u64,
    /// Whether the reverse direction goes along, from the other end.
    pub is_paired: bool,
    /// Whether they are all done in one dispatch.
    pub at_once: bool,
}

/// One time step of a call, or several that are done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// t, as the kernels know it.
    pub t: u32,
    /// That of the reverse direction which goes along, or the same.
    pub t_of_reverse: u32,
    /// Steps taken before.
    pub taken: u64,
    /// Steps from there on, in its order.
    pub count: u32,
}

impl Times {
    /// What is dispatched for its steps, where the longest sequence has so many.
    pub fn iter(self, longest: u64) -> impl Iterator<Item = Step> {
        let Times { first, count, reverse, origin, is_paired, at_once } = self;
        let end = (first + count).min(longest);
        let count = if at_once { end.saturating_sub(first) } else { 1 };
        (first..end).step_by((count as usize).max(1)).map(move |step| {
            let t = if reverse { first + end - 1 - step } else { step };
            let taken = if reverse { longest - 1 - t } else { t };
            let other = if is_paired { longest - 1 - t } else { t };
            // A call has far fewer steps than 2^32.
            Step { t: (t - origin) as u32, t_of_reverse: (other - origin) as u32, taken, count: count as u32 }
        })
    }
}

/// The sizes that a kernel is told, as its `Dims` in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dims {
    /// Of [`Kernel::Gemm`].
    Gemm(GemmDims),
    /// Of [`Kernel::Step`].
    Step(StepDims),
    /// Of [`Kernel::Norm`].
    Norm(NormDims),
    /// Of [`Kernel::Combine`]: the length in vectors of four.
    Combine(u32),
    /// Of [`Kernel::Carry`].
    Carry(CarryDims),
}

/// `Dims` of `gemm.wgsl`; all lengths but `rows` in vectors of four.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct GemmDims {
    /// M = T·N.
    pub rows: u32,
    /// C.
    pub columns: u32,
    /// K of this piece.
    pub depth: u32,
    /// K of all pieces.
    pub whole_depth: u32,
    /// Where the piece begins in the source.
    pub source_offset: u32,
    /// Row length of the source.
    pub source_stride: u32,
    /// Where the piece begins in the weights' K.
    pub weight_offset: u32,
    /// 1 if it adds to earlier pieces.
    pub adds: u32,
}

/// `Dims` of `step.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepDims {
    /// N.
    pub batch: u32,
    /// Units that it computes: H, or P of a projection.
    pub units: u32,
    /// K, in vectors of four.
    pub depth: u32,
    /// Row length of the input's gates, counted in units.
    pub input_stride: u32,
    /// Where this direction begins in such a row, in units.
    pub input_offset: u32,
    /// Row length of what it writes.
    pub stride: u32,
    /// Where the cell states of all steps begin in the output.
    pub cells: u32,
    /// The time step that t = 0 stands for.
    pub first_step: u32,
    /// The length of one direction's weights, in G gates by 4 k.
    pub side_weight: u32,
    /// The length of one direction's output.
    pub side_output: u32,
}

/// `Dims` of `norm.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct NormDims {
    /// N.
    pub batch: u32,
    /// H.
    pub units: u32,
    /// Row length of the input's gates, counted in units.
    pub input_stride: u32,
    /// Where this direction begins in such a row, in units.
    pub input_offset: u32,
    /// Row length of the recurrent product, counted in units.
    pub sums_stride: u32,
    /// Row length of what it writes.
    pub stride: u32,
    /// Where the cell states of all steps begin in the output.
    pub cells: u32,
    /// The time step that t = 0 stands for.
    pub first_step: u32,
}

/// `Dims` of `carry.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CarryDims {
    /// A·B.
    pub rows: u32,
    /// B.
    pub batch: u32,
    /// Numbers of a row that are written.
    pub width: u32,
    /// How many of them there are in the source; the others are zero.
    pub used: u32,
    /// Where the source begins.
    pub from_offset: u32,
    /// Its stride of A.
    pub from_step: u32,
    /// Its stride of B.
    pub from_row: u32,
    /// Where the target begins.
    pub to_offset: u32,
    /// Its stride of A.
    pub to_step: u32,
    /// Its stride of B.
    pub to_row: u32,
}

impl Dims {
    /// As the GPU sees them.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Dims::Gemm(dims) => bytemuck::bytes_of(dims),
            Dims::Step(dims) => bytemuck::bytes_of(dims),
            Dims::Norm(dims) => bytemuck::bytes_of(dims),
            Dims::Combine(len) => bytemuck::bytes_of(len),
            Dims::Carry(dims) => bytemuck::bytes_of(dims),
        }
    }
}

/// # Counts
impl Plan {
    /// All passes, over all submits.
    pub fn passes(&self) -> impl Iterator<Item = &Pass> {
        self.submits.iter().flatten()
    }

    /// Dispatches of the whole call, if all sequences are as long as they may be.
    pub fn dispatches(&self) -> u64 {
        self.passes().map(Pass::count).sum()
    }

    /// Floating-point operations of all products.
    pub fn flops(&self) -> u64 {
        self.passes().map(|pass| pass.steps() * pass.dispatches.iter().map(|of| of.flops).sum::<u64>()).sum()
    }

    /// Bytes of all buffers, weights and staging included.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffers.iter().map(Buffer::bytes).sum()
    }

    /// The workgroups of a dispatch along x, y and z, where the longest sequence has so many steps.
    pub fn workgroups(&self, dispatch: &Dispatch, longest: u64) -> [u32; 3] {
        let tiles = match dispatch.segment {
            Some(segment) => (dispatch.tiles * segment.steps_within(longest)).div_ceil(segment.steps),
            None => dispatch.tiles,
        };
        let y = tiles.min(self.max_workgroups);
        // The builder has found that all of them are within the limit.
        [dispatch.columns as u32, y as u32, (dispatch.directions * tiles.div_ceil(y.max(1))) as u32]
    }
}

impl Pass {
    /// How many times each of its dispatches is dispatched.
    pub fn repeats(&self) -> u64 {
        self.times.map_or(1, |times| if times.at_once { 1 } else { times.count })
    }

    /// Its time steps, each of which has the operations and bytes of its dispatches; one, if it has none.
    pub fn steps(&self) -> u64 {
        self.times.map_or(1, |times| times.count)
    }

    /// Dispatches, each time step counted.
    pub fn count(&self) -> u64 {
        self.repeats() * self.dispatches.len() as u64
    }
}
