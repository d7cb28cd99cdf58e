//! The sizes that kernels of saved calls and of the way back are told.

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
