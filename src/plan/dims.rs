//! The sizes that kernels are told.

mod back;
mod train;

pub use back::{AgainDims, BackDims, DropDims, OuterDims, ReduceDims};
pub use train::{
    CrossEntropyDims, CtcDims, ElementwiseDims, NormOfAllDims, PoolDims, SquaresDims, TotalDims, UpdateDims,
};

/// The sizes that a kernel is told, as its `Dims` in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dims {
    /// The sizes of [`Kernel::Gemm`](crate::kernel::Kernel::Gemm).
    Gemm(GemmDims),
    /// The sizes of [`Kernel::Step`](crate::kernel::Kernel::Step) and its sequence, of saved calls too.
    Step(StepDims),
    /// The sizes of [`Kernel::Back`](crate::kernel::Kernel::Back).
    Back(BackDims),
    /// The sizes of [`Kernel::Norm`](crate::kernel::Kernel::Norm).
    Norm(NormDims),
    /// The sizes of [`Kernel::Combine`](crate::kernel::Kernel::Combine).
    Combine(CombineDims),
    /// The sizes of [`Kernel::Carry`](crate::kernel::Kernel::Carry).
    Carry(CarryDims),
    /// The sizes of [`Kernel::Pack`](crate::kernel::Kernel::Pack), and of
    /// [`Kernel::Transpose`](crate::kernel::Kernel::Transpose).
    Pack(PackDims),
    /// The sizes of [`Kernel::Outer`](crate::kernel::Kernel::Outer).
    Outer(OuterDims),
    /// The sizes of [`Kernel::Reduce`](crate::kernel::Kernel::Reduce).
    Reduce(ReduceDims),
    /// The sizes of [`Kernel::Drop`](crate::kernel::Kernel::Drop).
    Drop(DropDims),
    /// The sizes of [`Kernel::Again`](crate::kernel::Kernel::Again).
    Again(AgainDims),
    /// The sizes of [`Kernel::CrossEntropy`](crate::kernel::Kernel::CrossEntropy).
    CrossEntropy(CrossEntropyDims),
    /// The sizes of [`Kernel::Elementwise`](crate::kernel::Kernel::Elementwise).
    Elementwise(ElementwiseDims),
    /// The sizes of the kernels of [`Kernel::Ctc`](crate::kernel::Kernel::Ctc).
    Ctc(CtcDims),
    /// The sizes of [`Kernel::Pool`](crate::kernel::Kernel::Pool) and of the way back.
    Pool(PoolDims),
    /// The sizes of [`Kernel::Total`](crate::kernel::Kernel::Total).
    Total(TotalDims),
    /// The sizes of [`Kernel::Squares`](crate::kernel::Kernel::Squares).
    Squares(SquaresDims),
    /// The sizes of [`Kernel::NormOfAll`](crate::kernel::Kernel::NormOfAll).
    NormOfAll(NormOfAllDims),
    /// The sizes of [`Kernel::Update`](crate::kernel::Kernel::Update).
    Update(UpdateDims),
}

/// `Dims` of `gemm.wgsl`; all lengths but `rows` in vectors of four.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct GemmDims {
    /// M = T·N.
    pub rows: u32,
    /// C, of all directions.
    pub columns: u32,
    /// K of this piece.
    pub depth: u32,
    /// K of all pieces.
    pub whole_depth: u32,
    /// The place in the source where the piece begins.
    pub source_offset: u32,
    /// Row length of the source.
    pub source_stride: u32,
    /// The place in the weights' K where the piece begins.
    pub weight_offset: u32,
    /// 1 if it adds to earlier pieces.
    pub adds: u32,
    /// C of one direction.
    pub direction_columns: u32,
    /// The length of one direction's weights, in 4 columns by 4 k.
    pub direction_weight: u32,
    /// The length of one direction's biases.
    pub direction_bias: u32,
    /// The place in a row of the result where the columns begin.
    pub into_offset: u32,
    /// Row length of the result.
    pub into_stride: u32,
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
    /// The place in such a row where this direction begins, in units.
    pub input_offset: u32,
    /// Row length of `a_next` and `output`.
    pub stride: u32,
    /// The place in the output where the cell states of all steps begin.
    pub cells: u32,
    /// The time step that t = 0 stands for.
    pub first_step: u32,
    /// The length of one direction's part of the input's gates in a row, in units.
    pub direction_input: u32,
    /// The length of one direction's weights, in G gates by 4 k.
    pub direction_weight: u32,
    /// The length of one direction's parameters, in units.
    pub direction_parameters: u32,
    /// The length of one direction's output.
    pub direction_output: u32,
    /// The length of one direction's cell states that a saved call keeps.
    pub direction_cells: u32,
}

/// `Dims` of `combine.wgsl`, in vectors of four.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CombineDims {
    /// The length.
    pub len: u32,
    /// The place where a begins.
    pub a_offset: u32,
    /// The place where b begins.
    pub b_offset: u32,
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
    /// The place in such a row where this direction begins, in units.
    pub input_offset: u32,
    /// Row length of the recurrent product, counted in units.
    pub sums_stride: u32,
    /// Row length of `a_next` and `output`.
    pub stride: u32,
    /// The place in the output where the cell states of all steps begin.
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
    /// Numbers of a row that the source has; the others are zero.
    pub used: u32,
    /// The first number of the source.
    pub from_offset: u32,
    /// The source's stride of A.
    pub from_step: u32,
    /// The source's stride of B.
    pub from_row: u32,
    /// The first number of the target.
    pub to_offset: u32,
    /// The target's stride of A.
    pub to_step: u32,
    /// The target's stride of B.
    pub to_row: u32,
    /// Time steps before the first.
    pub first_step: u32,
    /// Sequences before the first.
    pub first_place: u32,
}

/// `Dims` of `pack.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PackDims {
    /// Rows.
    pub rows: u32,
    /// The place of the first row in the flat parameters.
    pub start: u32,
    /// Rows of the tensor before the first row that is packed.
    pub first_row: u32,
    /// The length of a row of the tensor.
    pub width: u32,
    /// The length of each source of a row.
    pub source: u32,
    /// The length of each source in vectors.
    pub source_depth: u32,
    /// The length of a packed row in vectors.
    pub depth: u32,
    /// The logarithm of the numbers in a vector: four of a matrix, one of a bias.
    pub vector_bits: u32,
    /// The logarithm of a row's invocations in a workgroup, to base two.
    pub lane_bits: u32,
    /// H: rows of a gate.
    pub units: u32,
    /// Gates: row blocks of the tensor. Of a transposed weight: the place of each gate among a unit's k, in
    /// four bits each.
    pub gates: u32,
    /// Columns that stand side by side.
    pub group: u32,
    /// Vectors from one group to the next. Of a transposed weight: k from one unit to the next.
    pub stride: u32,
    /// Vectors of a group before the tensor's first vector. Of a transposed weight: the first k.
    pub offset: u32,
}

impl Dims {
    /// The sizes as the GPU sees them.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Dims::Gemm(dims) => bytemuck::bytes_of(dims),
            Dims::Step(dims) => bytemuck::bytes_of(dims),
            Dims::Norm(dims) => bytemuck::bytes_of(dims),
            Dims::Back(dims) => bytemuck::bytes_of(dims),
            Dims::Combine(dims) => bytemuck::bytes_of(dims),
            Dims::Carry(dims) => bytemuck::bytes_of(dims),
            Dims::Pack(dims) => bytemuck::bytes_of(dims),
            Dims::Outer(dims) => bytemuck::bytes_of(dims),
            Dims::Reduce(dims) => bytemuck::bytes_of(dims),
            Dims::Drop(dims) => bytemuck::bytes_of(dims),
            Dims::Again(dims) => bytemuck::bytes_of(dims),
            Dims::CrossEntropy(dims) => bytemuck::bytes_of(dims),
            Dims::Elementwise(dims) => bytemuck::bytes_of(dims),
            Dims::Ctc(dims) => bytemuck::bytes_of(dims),
            Dims::Pool(dims) => bytemuck::bytes_of(dims),
            Dims::Total(dims) => bytemuck::bytes_of(dims),
            Dims::Squares(dims) => bytemuck::bytes_of(dims),
            Dims::NormOfAll(dims) => bytemuck::bytes_of(dims),
            Dims::Update(dims) => bytemuck::bytes_of(dims),
        }
    }
}
