//! The sizes that kernels of training are told. Numbers of f32 are held as their bits, so that sizes can be
//! compared.

/// `Dims` of `train/cross_entropy.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CrossEntropyDims {
    /// R.
    pub rows: u32,
    /// C.
    pub classes: u32,
    /// Numbers from one row to the next.
    pub stride: u32,
    /// The mean of all class weights, an f32.
    pub mean_weight: u32,
    /// The label smoothing, an f32.
    pub smoothing: u32,
}

/// `Dims` of `train/elementwise.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct ElementwiseDims {
    /// R.
    pub rows: u32,
    /// C.
    pub columns: u32,
    /// Numbers from one row to the next.
    pub stride: u32,
    /// Huber's delta, an f32.
    pub delta: u32,
}

/// `Dims` of `train/ctc.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CtcDims {
    /// T.
    pub steps: u32,
    /// N.
    pub batch: u32,
    /// C.
    pub classes: u32,
    /// Numbers from one row to the next.
    pub stride: u32,
    /// The most labels of a sequence.
    pub labels: u32,
    /// The states of as many labels: each label, and blanks around them.
    pub states: u32,
    /// The class of the blank.
    pub blank: u32,
    /// 1 if a loss that is infinite becomes zero.
    pub zero_infinity: u32,
}

/// `Dims` of `train/pooling.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PoolDims {
    /// T.
    pub steps: u32,
    /// N.
    pub batch: u32,
    /// Numbers of a row.
    pub width: u32,
}

/// `Dims` of `train/total.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct TotalDims {
    /// R.
    pub rows: u32,
    /// 1 if the sums are added to those of earlier batches.
    pub adds: u32,
}

/// `Dims` of `train/squares.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct SquaresDims {
    /// Vectors of four.
    pub len: u32,
    /// The place of the first sum.
    pub first: u32,
}

/// `Dims` of `train/norm_of_all.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct NormOfAllDims {
    /// Sums.
    pub count: u32,
}

/// `Dims` of `train/update.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct UpdateDims {
    /// Vectors of four.
    pub len: u32,
}
