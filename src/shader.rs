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

/// The batch rows that one invocation computes, and how it reads them: a file of `shaders/rows/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows.
    pub rows: u32,
    /// Whether eight lanes of a subgroup read for each other; the subgroup must have as many.
    pub shared: bool,
}

impl Tile {
    /// Every tile, smaller ones first.
    pub const ALL: [Tile; 6] = [
        Tile { rows: 1, shared: false },
        Tile { rows: 4, shared: false },
        Tile { rows: 8, shared: false },
        Tile { rows: 8, shared: true },
        Tile { rows: 16, shared: true },
        Tile { rows: 32, shared: true },
    ];

    fn wgsl(self) -> [&'static str; 2] {
        let read = if self.shared {
            include_str!("../shaders/read_shared.wgsl")
        } else {
            include_str!("../shaders/read_each.wgsl")
        };
        let rows = match (self.rows, self.shared) {
            (1, _) => include_str!("../shaders/rows/1.wgsl"),
            (4, _) => include_str!("../shaders/rows/4.wgsl"),
            (8, false) => include_str!("../shaders/rows/8.wgsl"),
            (8, true) => include_str!("../shaders/rows/shared_8.wgsl"),
            (16, _) => include_str!("../shaders/rows/shared_16.wgsl"),
            _ => include_str!("../shaders/rows/shared_32.wgsl"),
        };
        [read, rows]
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.rows, if self.shared { "s" } else { "" })
    }
}

/// Units whose weights stand side by side: `BLOCK` of `prelude.wgsl`.
pub const BLOCK: usize = 8;

/// Numbers of the K axis in one vector; K is padded to whole ones.
pub const VECTOR: usize = 4;

/// Invocations a workgroup, along the columns.
pub const WORKGROUP: u32 = 64;

impl Kernel {
    /// Every kernel.
    pub fn all() -> impl Iterator<Item = Kernel> {
        Cell::ALL.into_iter().map(Kernel::Step).chain([Kernel::Project])
    }

    /// Its name: its file's, and the cell's.
    pub const fn name(self) -> &'static str {
        match self {
            Kernel::Project => "project",
            Kernel::Step(cell) => cell.name(),
        }
    }

    /// Of its storage buffers (binding 1 and on), how many it reads and how many, after them, it writes.
    pub const fn bindings(self) -> (usize, usize) {
        match self {
            Kernel::Project => (3, 1),
            Kernel::Step(_) => (4, 3),
        }
    }

    /// Two of its storage buffers that change places with every time step: what one step writes the next one reads.
    pub const fn alternates(self) -> Option<(usize, usize)> {
        match self {
            Kernel::Project => None,
            Kernel::Step(_) => Some((3, 4)),
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

    /// The whole WGSL text: files, joined. Its entry point is `main`.
    pub fn wgsl(self, tile: Tile, step_index: StepIndex) -> String {
        let gates = match self {
            Kernel::Project => VECTOR,
            Kernel::Step(cell) => cell.gates(),
        };
        let mut files = vec![
            include_str!("../shaders/prelude.wgsl"),
            match gates {
                1 => include_str!("../shaders/gates/1.wgsl"),
                3 => include_str!("../shaders/gates/3.wgsl"),
                _ => include_str!("../shaders/gates/4.wgsl"),
            },
        ];
        files.extend(tile.wgsl());
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
