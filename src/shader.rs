//! Which files of `shaders/` make up a kernel, and its overrides. Knows no GPU, so that tests can check every combination.

use crate::Cell;

/// A kernel; one file of `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// The input's share of all gates, for all time steps: a GEMM.
    Project,
    /// One time step of one layer and direction: the recurrent product and the cell's update.
    Step(Cell),
}

/// How the time step reaches a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepIndex {
    /// As immediate data.
    Immediate,
    /// As a uniform with a dynamic offset, where there is no immediate data (WebGPU).
    Uniform,
}

/// The batch rows that one invocation may compute, a file of `shaders/tile/` each.
pub const TILES: [u32; 4] = [1, 4, 8, 16];

/// Invocations a workgroup, along the columns.
pub const WORKGROUP: u32 = 64;

impl Kernel {
    /// Every kernel.
    pub fn all() -> impl Iterator<Item = Kernel> {
        Cell::ALL.into_iter().map(Kernel::Step).chain([Kernel::Project])
    }

    /// Its entry point's name, which is its file's.
    pub const fn entry_point(self) -> &'static str {
        match self {
            Kernel::Project => "project",
            Kernel::Step(_) => "step",
        }
    }

    /// Of its storage buffers (binding 1 and on), how many it reads and how many, after them, it writes.
    pub const fn bindings(self) -> (usize, usize) {
        match self {
            Kernel::Project => (3, 1),
            Kernel::Step(_) => (3, 2),
        }
    }

    /// Whether it is told the time step.
    pub const fn has_step_index(self) -> bool {
        matches!(self, Kernel::Step(_))
    }

    /// The numbers that the host sets when it makes the pipeline.
    pub fn overrides(self) -> Vec<(&'static str, f64)> {
        let mut overrides = vec![("WORKGROUP", f64::from(WORKGROUP))];
        if let Kernel::Step(cell) = self {
            overrides.push(("HAS_CELL_STATE", f64::from(u8::from(cell.has_cell_state()))));
        }
        overrides
    }

    /// The whole WGSL text: files, joined. `tile` is one of [`TILES`].
    pub fn wgsl(self, tile: u32, step_index: StepIndex) -> String {
        let gates = match self {
            Kernel::Project => 4,
            Kernel::Step(cell) => cell.gates(),
        };
        let mut files = vec![
            include_str!("../shaders/prelude.wgsl"),
            match gates {
                1 => include_str!("../shaders/gates/1.wgsl"),
                3 => include_str!("../shaders/gates/3.wgsl"),
                _ => include_str!("../shaders/gates/4.wgsl"),
            },
            match tile {
                1 => include_str!("../shaders/tile/1.wgsl"),
                4 => include_str!("../shaders/tile/4.wgsl"),
                8 => include_str!("../shaders/tile/8.wgsl"),
                _ => include_str!("../shaders/tile/16.wgsl"),
            },
        ];
        match self {
            Kernel::Project => files.push(include_str!("../shaders/project.wgsl")),
            Kernel::Step(cell) => files.extend([
                cell.wgsl(),
                match step_index {
                    StepIndex::Immediate => include_str!("../shaders/step_index/immediate.wgsl"),
                    StepIndex::Uniform => include_str!("../shaders/step_index/uniform.wgsl"),
                },
                include_str!("../shaders/step.wgsl"),
            ]),
        }
        files.join("\n")
    }
}
