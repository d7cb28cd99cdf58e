//! The limits of an adapter, as far as a plan depends on them.

use super::Machine;

/// The limits of an adapter. The default is WebGPU's, which every adapter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// The largest binding, in bytes: the part of a buffer that a kernel sees.
    pub max_binding_bytes: u64,
    /// The most workgroups along one axis of a dispatch.
    pub max_workgroups: u32,
    /// The speeds of the adapter, by its class or as they were given.
    pub machine: Machine,
    /// The least number of lanes of a subgroup; 0 where kernels cannot use subgroups.
    pub subgroup_size: u32,
    /// The largest memory of a workgroup, in bytes.
    pub workgroup_bytes: u32,
    /// The most invocations per workgroup.
    pub workgroup_size: u32,
    /// Kernels can use f16 (`SHADER_F16`).
    pub f16: bool,
    /// Kernels can multiply cooperative matrices of f16, and the products were found to be right; only with
    /// the Cargo feature `cooperative-matrix`.
    pub cooperative: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_buffer_bytes: 256 << 20,
            max_binding_bytes: 128 << 20,
            max_workgroups: 65_535,
            machine: Machine::INTEGRATED,
            subgroup_size: 0,
            workgroup_bytes: 16 << 10,
            workgroup_size: 256,
            f16: false,
            cooperative: false,
        }
    }
}
