//! The sizes that kernels are told.

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
    /// The sizes of [`Kernel::Pack`](crate::kernel::Kernel::Pack).
    Pack(PackDims),
    /// The sizes of [`Kernel::Transpose`](crate::kernel::Kernel::Transpose).
    Transpose(TransposeDims),
    /// The sizes of [`Kernel::Outer`](crate::kernel::Kernel::Outer).
    Outer(OuterDims),
    /// The sizes of [`Kernel::Reduce`](crate::kernel::Kernel::Reduce).
    Reduce(ReduceDims),
    /// The sizes of [`Kernel::Drop`](crate::kernel::Kernel::Drop).
    Drop(DropDims),
    /// The sizes of [`Kernel::Again`](crate::kernel::Kernel::Again).
    Again(AgainDims),
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

/// `Dims` of `back.wgsl`; lengths of gates and weights in vectors of four.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BackDims {
    /// N.
    pub batch: u32,
    /// U.
    pub units: u32,
    /// K.
    pub depth: u32,
    /// The time step that t = 0 stands for.
    pub first_step: u32,
    /// S: the row of time of the neighbouring segment's gradients.
    pub border: u32,
    /// Row length of the gates.
    pub gates_stride: u32,
    /// The place in such a row where this direction begins.
    pub gates_offset: u32,
    /// The length of one direction's part of such a row.
    pub direction_gates: u32,
    /// The length of one direction's weights.
    pub direction_weight: u32,
    /// The length of one direction's parameters, in units.
    pub direction_parameters: u32,
    /// Row length of the states that are kept.
    pub states_stride: u32,
    /// The length of one direction's.
    pub direction_states: u32,
    /// Row length of h in the array that is carried.
    pub carry_stride: u32,
    /// The place there where c begins.
    pub carry_cells: u32,
    /// The place there where sums over time begin.
    pub carry_sums: u32,
    /// The length of one such sum.
    pub sum_len: u32,
    /// The place there where the sums of parts of K begin.
    pub carry_parts: u32,
    /// Row length of the gradient by the output.
    pub gradient_stride: u32,
    /// The place in such a row where this direction begins.
    pub gradient_offset: u32,
    /// The length of one direction's part of such a row.
    pub direction_gradient: u32,
    /// The place where the gradient by c of every step begins.
    pub cells_start: u32,
    /// Its row length.
    pub cells_stride: u32,
    /// The place in such a row where this direction begins.
    pub cells_offset: u32,
    /// Row length of the product's own rows, in vectors of four.
    pub a_stride: u32,
    /// The length of one direction's, in vectors of four.
    pub direction_a: u32,
    /// Row length of the results for later sums.
    pub m_stride: u32,
    /// The length of one direction's.
    pub direction_m: u32,
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
    /// Invocations per row of a workgroup.
    pub lanes: u32,
    /// H: rows of a gate.
    pub units: u32,
    /// Gates: row blocks of the tensor.
    pub gates: u32,
    /// Columns that stand side by side.
    pub group: u32,
    /// Vectors from one group to the next.
    pub stride: u32,
    /// Vectors of a group before the tensor's first vector.
    pub offset: u32,
}

/// `Dims` of `transpose.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct TransposeDims {
    /// Numbers of the matrix.
    pub len: u32,
    /// The length of its rows.
    pub width: u32,
    /// H: rows of a gate.
    pub units: u32,
    /// The place of the first number in the flat parameters.
    pub start: u32,
    /// Rows of the matrix before it.
    pub first_row: u32,
    /// Numbers of k per unit.
    pub unit_stride: u32,
    /// The place of each gate among them, in four bits each.
    pub gates: u32,
    /// The first k.
    pub first_k: u32,
    /// K of the packed weight, in vectors.
    pub depth: u32,
    /// The length of each source of a row.
    pub source: u32,
    /// The length of each source in whole vectors.
    pub source_stride: u32,
    /// Columns that stand side by side.
    pub group: u32,
}

/// `Dims` of `outer.wgsl`; lengths of rows in vectors of four.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct OuterDims {
    /// R.
    pub rows: u32,
    /// Rows of a partial sum.
    pub chunk: u32,
    /// The place where a begins.
    pub a_offset: u32,
    /// Row length of a.
    pub a_stride: u32,
    /// M.
    pub a_width: u32,
    /// The place where b begins.
    pub b_offset: u32,
    /// Row length of b.
    pub b_stride: u32,
    /// K.
    pub b_width: u32,
    /// Workgroups side by side along b.
    pub b_blocks: u32,
}

/// `Dims` of `reduce.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct ReduceDims {
    /// Numbers that are written.
    pub len: u32,
    /// Numbers of a row that are written.
    pub columns: u32,
    /// The length of the tensor's rows.
    pub width: u32,
    /// H: rows of a gate.
    pub units: u32,
    /// The place of the first number in the flat gradients.
    pub start: u32,
    /// The place of the first number in the partial sums.
    pub offset: u32,
    /// Partial sums.
    pub count: u32,
    /// Numbers from one partial sum to the next.
    pub stride: u32,
    /// Numbers from one unit to the next.
    pub unit_stride: u32,
    /// Numbers from one gate to the next.
    pub gate_stride: u32,
    /// The place of each gate among those of a unit, in four bits each.
    pub gates: u32,
    /// Rows of the tensor before the first.
    pub first_row: u32,
    /// 1 if the sums are added to the tensor.
    pub adds: u32,
}

/// `Dims` of `drop.wgsl`; lengths in vectors of four.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct DropDims {
    /// The length of all rows.
    pub len: u32,
    /// The length of a row.
    pub depth: u32,
    /// From one row to the next.
    pub stride: u32,
    /// The place of the first row.
    pub offset: u32,
    /// N.
    pub batch: u32,
    /// Rows of time and batch before the first.
    pub first_row: u32,
    /// The layer.
    pub layer: u32,
    /// The first column, in numbers.
    pub first_column: u32,
}

/// `Dims` of `again.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct AgainDims {
    /// S·N.
    pub rows: u32,
    /// H.
    pub units: u32,
    /// Row length of the gates, in vectors of four.
    pub gates_stride: u32,
    /// The place in such a row where the direction begins, in vectors of four.
    pub gates_offset: u32,
    /// The place where the states begin.
    pub states_offset: u32,
    /// Row length of states and result.
    pub stride: u32,
    /// The place where the result begins.
    pub m_offset: u32,
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
            Dims::Transpose(dims) => bytemuck::bytes_of(dims),
            Dims::Outer(dims) => bytemuck::bytes_of(dims),
            Dims::Reduce(dims) => bytemuck::bytes_of(dims),
            Dims::Drop(dims) => bytemuck::bytes_of(dims),
            Dims::Again(dims) => bytemuck::bytes_of(dims),
        }
    }
}
