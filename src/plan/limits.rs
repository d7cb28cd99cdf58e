//! The limits of an adapter, as far as a plan depends on them.

/// The limits of an adapter. The default is WebGPU's, which every adapter has.
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
    /// Invocations in a workgroup.
    pub workgroup_size: u32,
    /// Kernels can read and write f16 (`SHADER_F16`).
    pub f16: bool,
    /// Kernels can multiply cooperative matrices of f16, and were found to be right; only with the Cargo
    /// feature `cooperative-matrix`.
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
