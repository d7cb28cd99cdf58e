//! What a call will do, as a value: every buffer, pass and dispatch, before any GPU is touched.

mod build;
mod show;

use crate::shader::{Kernel, Tile};

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
    pub cpu: bool,
    /// Lanes that every subgroup has at least; 0 where kernels cannot speak to their subgroup.
    pub subgroup_size: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_buffer_bytes: 256 << 20,
            max_binding_bytes: 128 << 20,
            max_workgroups: 65_535,
            cpu: false,
            subgroup_size: 0,
        }
    }
}

/// Everything that one call does, for one network, T and N.
///
/// ```
/// use wgpu_rnn::{Config, Plan, plan::Limits};
///
/// let config = Config::lstm(128).bidirectional().input_size(64);
/// let plan = Plan::new(&config, 100, 16, &Limits::default())?;
/// assert_eq!(plan.dispatches(), 1 + 2 * 100); // one input product, then a dispatch a step and direction
/// println!("{plan}");
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it is a plan of, in words.
    pub title: String,
    /// Every buffer, of f32; a [`BufferId`] is an index into it.
    pub buffers: Vec<Buffer>,
    /// From the upload buffer to where the input and the initial states belong; before all passes.
    pub uploads: Vec<Copy>,
    /// The passes, by submit: long sequences are cut so that no driver's watchdog fires.
    pub submits: Vec<Vec<Pass>>,
    /// From where the results are to the download buffer; after all passes.
    pub downloads: Vec<Copy>,
}

/// An index into [`Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub usize);

/// A buffer of f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Its name, which is also its label on the GPU.
    pub name: String,
    /// What is in it.
    pub content: Content,
    /// Its length in f32.
    pub len: u64,
}

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Input and initial states, written by the host: input `[T, N, I']`, h_0 `[L*D, N, H']`, c_0 `[L*D, N, H]`, where
    /// I' and H' are padded with zeros to whole vectors of four.
    Upload,
    /// Output by direction `[D, T, N, H']`, h_n `[L*D, N, H']`, c_n `[L*D, N, H]`, read by the host.
    Download,
    /// What kernels read and write.
    Work,
    /// A layer's `weight_ih` of all directions, `[C/4/8, K/4, 8]` of 4 columns by 4 k; C by direction, unit, gate.
    InputWeight(usize),
    /// A layer's `bias_ih`, `[C]`.
    InputBias(usize),
    /// A slot's `weight_hh`, `[H/8, K/4, 8]` of G gates by 4 k.
    RecurrentWeight(usize),
    /// A slot's `bias_hh`, `[H, G]`.
    RecurrentBias(usize),
}

/// A copy between buffers; offsets and length in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where from.
    pub from: BufferId,
    /// Its first element there.
    pub from_offset: u64,
    /// Where to.
    pub to: BufferId,
    /// Its first element there.
    pub to_offset: u64,
    /// Elements.
    pub len: u64,
}

/// A compute pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// Its label: layer and what it does.
    pub label: String,
    /// Its dispatches, in order.
    pub dispatches: Vec<Dispatch>,
}

/// One dispatch, or one a time step.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: Kernel,
    /// Batch rows an invocation.
    pub tile: Tile,
    /// Workgroups along x, y and z.
    pub workgroups: [u32; 3],
    /// The kernel's storage buffers, from binding 1 on, as the sequence's first step has them.
    pub buffers: Vec<BufferId>,
    /// The kernel's sizes, binding 0.
    pub dims: Dims,
    /// The time steps it is repeated for, each with its own index; once, if none.
    pub times: Option<Times>,
    /// Floating-point operations of its products, each time.
    pub flops: u64,
    /// Bytes that it reads and writes at least, each time.
    pub bytes: u64,
}

/// A run of time steps, in the order of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The first time step.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Whether t falls.
    pub backward: bool,
    /// Steps of the sequence taken before.
    pub taken: u32,
}

impl Times {
    /// Each t, and the number of steps taken before it.
    pub fn iter(self) -> impl Iterator<Item = (u32, u32)> {
        let Times { first, count, backward, taken } = self;
        (0..count).map(move |step| (if backward { first - step } else { first + step }, taken + step))
    }
}

/// The sizes that a kernel is told, as its `Dims` in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dims {
    /// Of [`Kernel::Project`].
    Project(ProjectDims),
    /// Of [`Kernel::Step`].
    Step(StepDims),
}

/// `Dims` of `project.wgsl`; all lengths but `rows` in vectors of four.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct ProjectDims {
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
    /// H.
    pub hidden_size: u32,
    /// H in vectors of four.
    pub depth: u32,
    /// Row length of the input's gates, counted in units.
    pub input_stride: u32,
    /// Where this direction begins in such a row, in units.
    pub input_offset: u32,
}

impl Dims {
    /// As the GPU sees them.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Dims::Project(dims) => bytemuck::bytes_of(dims),
            Dims::Step(dims) => bytemuck::bytes_of(dims),
        }
    }
}

/// # Counts
impl Plan {
    /// All passes, over all submits.
    pub fn passes(&self) -> impl Iterator<Item = &Pass> {
        self.submits.iter().flatten()
    }

    /// Dispatches of the whole call.
    pub fn dispatches(&self) -> u64 {
        self.sum(|_| 1)
    }

    /// Floating-point operations of all products.
    pub fn flops(&self) -> u64 {
        self.sum(|dispatch| dispatch.flops)
    }

    /// Bytes of all buffers, weights and staging included.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffers.iter().map(|buffer| 4 * buffer.len).sum()
    }

    /// The one buffer with this content, for contents of which there is one.
    pub(crate) fn find(&self, content: Content) -> BufferId {
        // Every plan has an upload and a download buffer.
        let found = self.buffers.iter().position(|buffer| buffer.content == content);
        BufferId(found.expect("the plan has this buffer"))
    }

    fn sum(&self, of: impl Fn(&Dispatch) -> u64) -> u64 {
        self.passes().flat_map(|pass| &pass.dispatches).map(|d| d.repeats() * of(d)).sum()
    }
}

impl Pass {
    /// Dispatches, each time step counted.
    pub fn count(&self) -> u64 {
        self.dispatches.iter().map(Dispatch::repeats).sum()
    }
}

impl Dispatch {
    /// How many times it is dispatched.
    pub fn repeats(&self) -> u64 {
        self.times.map_or(1, |times| u64::from(times.count))
    }
}
