//! The tiles of products.

use super::multiply::PIECE;
use super::{BLOCK, WORKGROUP};
use crate::network::Dtype;
use crate::{Error, Result};

/// The most registers of an invocation that hold weights, of the 256 that AMD's and NVIDIA's cards have: so
/// many that 48 units of a GRU fit.
pub(super) const KEPT_REGISTERS: u32 = 144;

/// The batch rows that one invocation, or one workgroup, computes, and the way that the rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows.
    pub rows: u32,
    /// The way that the rows are read.
    pub read: Read,
}

/// The parts of K that tiles can have.
pub const PARTS: [u32; 2] = [4, 8];

/// The way that a product reads its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// Each invocation reads all of its rows and weights.
    Each,
    /// The same, several vectors of k at a time: a GPU waits once for all of them.
    Unrolled,
    /// Each invocation keeps the weights of a column in registers through all time steps of a sequence.
    Kept,
    /// Eight lanes of a subgroup read the rows for each other; a subgroup must have at least eight lanes.
    Shared,
    /// Eight invocations have a part of K each.
    Split,
    /// Thirty-two invocations have a part of K each.
    SplitWide,
    /// A workgroup reads rows and weights into its own memory.
    Workgroup,
    /// The same on the way back, with K in so many parts, each a workgroup's: another dispatch adds their
    /// sums. On the way forward K is whole.
    Parts(u32),
    /// Workgroup memory as in `Workgroup`; subgroups multiply the rows and weights as cooperative matrices of
    /// f16.
    Cooperative,
}

impl Read {
    /// The letter that follows the rows in a tile's name, and the parts of K.
    const fn letter(self) -> &'static str {
        match self {
            Read::Each => "",
            Read::Unrolled => "u",
            Read::Kept => "r",
            Read::Shared => "s",
            Read::Split => "k",
            Read::SplitWide => "k32",
            Read::Workgroup => "w",
            Read::Parts(4) => "w4",
            Read::Parts(_) => "w8",
            Read::Cooperative => "c",
        }
    }
}

impl Tile {
    /// Every tile, smaller ones first.
    pub const ALL: [Tile; 25] = [
        Tile { rows: 1, read: Read::Each },
        Tile { rows: 4, read: Read::Each },
        Tile { rows: 8, read: Read::Each },
        Tile { rows: 1, read: Read::Unrolled },
        Tile { rows: 4, read: Read::Unrolled },
        Tile { rows: 8, read: Read::Unrolled },
        Tile { rows: 1, read: Read::Kept },
        Tile { rows: 4, read: Read::Kept },
        Tile { rows: 8, read: Read::Shared },
        Tile { rows: 16, read: Read::Shared },
        Tile { rows: 32, read: Read::Shared },
        Tile { rows: 1, read: Read::Split },
        Tile { rows: 4, read: Read::Split },
        Tile { rows: 8, read: Read::Split },
        Tile { rows: 16, read: Read::Split },
        Tile { rows: 1, read: Read::SplitWide },
        Tile { rows: 4, read: Read::SplitWide },
        Tile { rows: 8, read: Read::SplitWide },
        Tile { rows: 16, read: Read::SplitWide },
        Tile { rows: 32, read: Read::Workgroup },
        Tile { rows: 64, read: Read::Workgroup },
        Tile { rows: 128, read: Read::Workgroup },
        Tile { rows: 32, read: Read::Parts(PARTS[0]) },
        Tile { rows: 32, read: Read::Parts(PARTS[1]) },
        Tile { rows: 64, read: Read::Cooperative },
    ];

    /// Columns of so many gates, or units, that a workgroup computes.
    pub const fn columns(self, gates: u32) -> u32 {
        match self.read {
            Read::Each | Read::Unrolled | Read::Kept | Read::Shared => WORKGROUP,
            Read::Split | Read::SplitWide => BLOCK as u32,
            Read::Workgroup | Read::Parts(_) => match gates {
                1 => 64,
                2 => 32,
                _ => 16,
            },
            Read::Cooperative => 16,
        }
    }

    /// Invocations that share a column, and have a part of K each.
    pub const fn slices(self) -> u32 {
        match self.read {
            Read::Split => 8,
            Read::SplitWide => 32,
            _ => 1,
        }
    }

    /// The most vectors of K whose weights an invocation can keep in registers, for so many gates; without
    /// bound for a tile that keeps none.
    pub const fn most_depth(self, gates: u32) -> u64 {
        match (self.read, gates) {
            (Read::Kept, _) => KEPT_REGISTERS as u64 / (4 * gates as u64),
            _ => u64::MAX,
        }
    }

    /// The tile with K whole.
    pub(crate) const fn whole(self) -> Tile {
        match self.read {
            Read::Parts(_) => Tile { read: Read::Workgroup, ..self },
            _ => self,
        }
    }

    /// Workgroups that share rows and columns, and have a part of K each.
    pub const fn parts(self) -> u32 {
        if let Read::Parts(parts) = self.read { parts } else { 1 }
    }

    /// Invocations of a workgroup, unless it has all units.
    pub const fn invocations(self) -> u32 {
        match self.read {
            Read::Split | Read::SplitWide => self.slices() * BLOCK as u32,
            Read::Workgroup if self.rows > 64 => 128,
            _ => WORKGROUP,
        }
    }

    /// True for a tile that may be the best on a software adapter, or on a GPU. A CPU has neither lanes with
    /// nothing to do, nor memory that is nearer than its caches, nor a wait for loads. So its bits do not
    /// depend on N.
    pub(crate) const fn suits(self, is_software: bool) -> bool {
        match self.read {
            Read::Cooperative => true,
            Read::Each | Read::Shared => is_software,
            Read::Unrolled
            | Read::Kept
            | Read::Split
            | Read::SplitWide
            | Read::Workgroup
            | Read::Parts(_) => !is_software,
        }
    }

    /// Bytes of a workgroup's memory that a product of so many gates needs; `32w` counts as a step's.
    pub const fn workgroup_bytes(self, gates: u32) -> u32 {
        // vec3 takes the room of vec4.
        let sum = if gates == 3 { 16 } else { 4 * gates };
        match self.read {
            Read::Split | Read::SplitWide => self.slices() * self.rows * BLOCK as u32 * sum,
            Read::Workgroup | Read::Parts(_) => {
                let columns = self.columns(gates);
                let pieces = 16 * PIECE * (self.rows + 1 + gates * columns + 1);
                // A GEMM and parts of K have no sums there; steps have this tile alone.
                match (self.rows, self.read) {
                    (32, Read::Workgroup) => pieces + self.rows * columns * sum,
                    _ => pieces,
                }
            }
            Read::Each | Read::Unrolled | Read::Kept | Read::Shared | Read::Cooperative => 0,
        }
    }

    /// True if the tile can read numbers of this type.
    pub const fn reads(self, dtype: Dtype) -> bool {
        !matches!((self.read, dtype), (Read::Cooperative, Dtype::F32))
    }
}

impl std::str::FromStr for Tile {
    type Err = Error;

    /// From its name, as plans show it: the rows, and `u`, `r`, `s`, `k`, `k32`, `w`, `w4`, `w8` or `c`.
    fn from_str(name: &str) -> Result<Tile> {
        Tile::ALL.into_iter().find(|tile| tile.to_string() == name).ok_or_else(|| {
            let names: Vec<_> = Tile::ALL.iter().map(Tile::to_string).collect();
            let (expected, found) = (names.join(", "), name.into());
            Error::Text { name: "tile", expected, found }
        })
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.rows, self.read.letter())
    }
}

/// The way that sums of outer products read their operands: each invocation for itself.
pub const OUTER_EACH: Tile = Tile { rows: 1, read: Read::Each };
/// The same, with eight lanes of a subgroup for each other.
pub const OUTER_SHARED: Tile = Tile { rows: 8, read: Read::Shared };
/// The same, a workgroup into its own memory.
pub const OUTER_WORKGROUP: Tile = Tile { rows: 64, read: Read::Workgroup };
