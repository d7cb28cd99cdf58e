//! The estimated time of a dispatch: the longest of the times of its multiply-adds, bytes and round trips, the
//! part of the other times that is not hidden behind the longest, and the cost of a dispatch. Tiles and
//! schedules are chosen by the estimate, which is no measurement.

use super::dispatch::Dispatch;
use super::product;
use super::schedule::sequence_workgroup;
use super::{FOUR, Limits};
use crate::kernel::{Kernel, PIECE, Read, Run, Tile, WORKGROUP, unrolled};
use crate::network::Dtype;
use std::fmt;

/// The speeds of a class of adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// Compute units, which work apart: each has a workgroup or several.
    pub units: u32,
    /// Multiply-adds that a unit does at once, one per invocation.
    pub lanes: u32,
    /// Invocations that a unit holds at once.
    pub resident: u32,
    /// Multiply-adds of all units, in millions per second.
    pub multiply_adds: u32,
    /// Activations of cells that all units compute, in millions per second.
    pub activations: u32,
    /// Bytes that the invocations of all units load from the caches of their units, or from the memory of
    /// their workgroups, in millions per second.
    pub loads: u32,
    /// Bytes from the cache of all units, in millions per second.
    pub cache: u32,
    /// Bytes from the adapter's memory, in millions per second.
    pub memory: u32,
    /// The cache of all units, in bytes.
    pub cache_bytes: u32,
    /// The time from a load to its number, in nanoseconds.
    pub round_trip: u32,
    /// The time that a dispatch and the wait for it take, in nanoseconds.
    pub dispatch: u32,
    /// The time that the invocations of a workgroup wait for each other, in nanoseconds.
    pub barrier: u32,
    /// A CPU: weights lie so that an invocation computes four units on the way back, for fewer loads, and
    /// eight lanes of a subgroup load for each other.
    pub is_software: bool,
}

impl Machine {
    /// A card with memory of its own, of the middle: 60 units of 64 lanes at 2.1 GHz and a cache of 4 MiB, as
    /// AMD's RX 6800 has (RDNA 2 whitepaper: 64 bytes per clock and unit from the unit's cache, 1 KiB per
    /// clock from the shared one); dispatch and round trip of NVIDIA's cards under Vulkan (2.2 us and 0.2 us:
    /// kvark/meganeura 69ae7fd; arXiv:1804.06826).
    pub const DISCRETE: Machine = Machine {
        units: 60,
        lanes: 64,
        resident: 2048,
        multiply_adds: 8_000_000,
        activations: 400_000,
        loads: 8_000_000,
        cache: 2_200_000,
        memory: 512_000,
        cache_bytes: 4 << 20,
        round_trip: 200,
        dispatch: 2_200,
        barrier: 50,
        is_software: false,
    };

    /// A GPU that shares a CPU's memory: 12 units of 64 lanes at 2.6 GHz and two channels of memory, as AMD's
    /// 780M has; dispatch of Apple's serial encoder (1.3 to 3.0 us in three reports).
    pub const INTEGRATED: Machine = Machine {
        units: 12,
        lanes: 64,
        resident: 2048,
        multiply_adds: 2_000_000,
        activations: 100_000,
        loads: 2_000_000,
        cache: 400_000,
        memory: 80_000,
        cache_bytes: 2 << 20,
        round_trip: 250,
        dispatch: 2_200,
        barrier: 50,
        is_software: false,
    };

    /// Mesa's lavapipe on two cores, fitted to twelve networks with every schedule and tile
    /// (`benches/record/decisions.md`): each lane's load is an instruction of its own, a core does one thing
    /// after the other, and a workgroup's barrier is a switch between all of its invocations.
    pub const SOFTWARE: Machine = Machine {
        units: 2,
        lanes: 8,
        resident: 64,
        multiply_adds: 52_000,
        activations: 170,
        loads: 10_200,
        cache: 40_000,
        memory: 15_000,
        cache_bytes: 16 << 20,
        round_trip: 0,
        dispatch: 55_000,
        barrier: 18_000,
        is_software: true,
    };
}

/// A product, as a dispatch computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows; of a step or a sequence, N.
    pub rows: u64,
    /// Columns, of all directions that the dispatch has.
    pub columns: u64,
    /// Directions, or other parts that share no operand.
    pub directions: u64,
    /// K, in vectors of four.
    pub depth: u64,
    /// Time steps of the dispatch.
    pub steps: u64,
    /// The type of the operands.
    pub dtype: Dtype,
}

/// The resource that bounds a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Multiply-adds and activations.
    Compute,
    /// Loads of invocations.
    Loads,
    /// Bytes from the cache of all units.
    Cache,
    /// Bytes from memory.
    Memory,
    /// Round trips to memory, one after the other, and barriers.
    Latency,
    /// The dispatch itself.
    Dispatch,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Bound::Compute => "compute",
            Bound::Loads => "loads",
            Bound::Cache => "cache",
            Bound::Memory => "memory",
            Bound::Latency => "latency",
            Bound::Dispatch => "dispatch",
        })
    }
}

/// The estimated time of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Seconds, the dispatch's own cost included.
    pub seconds: f64,
    /// The resource that takes the most of them.
    pub bound: Bound,
}

/// All that a dispatch does.
#[derive(Clone, Copy, Debug)]
struct Work {
    /// Workgroups, and invocations of each.
    groups: u64,
    invocations: u64,
    /// Multiply-adds of a time step, sums that are thrown away included; activations.
    multiply_adds: f64,
    activations: f64,
    /// Bytes of a time step: that invocations load, that workgroups load, that memory gives or takes.
    loads: f64,
    cache: f64,
    memory: f64,
    /// Round trips of an invocation, one after the other, and barriers of a workgroup; in a time step.
    turns: u64,
    barriers: u64,
    steps: u64,
    /// An invocation loads for a later turn while it multiplies.
    reads_ahead: bool,
}

/// Invocations that load a number once, where all need the same.
const SUBGROUP: f64 = 32.0;

/// Round trips of a cell's update, or of a store.
const EPILOGUE: u64 = 2;

/// Numbers that the formula of an LSTM's unit moves on the way back: gates and both carried gradients, each read
/// and written; the state and the gradient by the output.
const FORMULA: f64 = 14.0;

/// Cooperative matrices multiply so many times as fast (2.5 to 3.5 times elsewhere: llama.cpp#22504).
const COOPERATIVE: f64 = 3.0;

/// The most invocations of a lane that hide each other's waits: more have no room in its registers.
const OTHERS: f64 = 4.0;

/// A unit draws this many times its share of the cache's bytes, where other units draw none: 64 bytes per
/// clock, of a share of 20 on NVIDIA's V100.
const CACHE_SHARES: f64 = 3.2;

/// The estimate of a product by a tile, or of the dispatch that adds its parts.
pub(super) fn of_product(kernel: Kernel, tile: Tile, shape: &Shape, limits: &Limits) -> Estimate {
    let work = match kernel {
        Kernel::Back { run: Run::Sums(parts), .. } => of_sums(parts, shape),
        _ => work(kernel, tile, shape, limits),
    };
    limits.machine.estimate(&work)
}

/// The estimated seconds of a product by a tile, in all dispatches that it takes.
pub(super) fn seconds(kernel: Kernel, tile: Tile, shape: &Shape, limits: &Limits) -> f64 {
    let sums = kernel.sums(tile).map(|sums| of_product(sums, Tile::ALL[0], shape, limits).seconds);
    of_product(kernel, tile, shape, limits).seconds + sums.unwrap_or(0.0)
}

/// The sums of parts of K are read, and the formula's numbers are moved while no product hides them.
fn of_sums(parts: u32, shape: &Shape) -> Work {
    let numbers = product(&[shape.rows, shape.columns]) as f64;
    let bytes = numbers * (f64::from(parts) + FORMULA) * Dtype::F32.bytes() as f64;
    let own = shape.columns / shape.directions;
    let groups = product(&[shape.rows, shape.directions, own.div_ceil(u64::from(WORKGROUP))]);
    Work { activations: 2.0 * numbers, turns: 1 + EPILOGUE, ..of_bytes(bytes, groups) }
}

/// The estimate of a dispatch that does so many time steps; without a product, of the bytes that it moves.
pub(super) fn of_dispatch(dispatch: &Dispatch, steps: u64, groups: [u32; 3], limits: &Limits) -> Estimate {
    if let Some(shape) = dispatch.shape {
        return of_product(dispatch.kernel, dispatch.tile, &Shape { steps, ..shape }, limits);
    }
    let groups = groups.into_iter().map(u64::from).product::<u64>().max(1);
    limits.machine.estimate(&of_bytes(dispatch.bytes as f64, groups))
}

/// Bytes that are moved, and a wait for them.
fn of_bytes(bytes: f64, groups: u64) -> Work {
    Work {
        groups,
        invocations: u64::from(WORKGROUP),
        multiply_adds: 0.0,
        activations: 0.0,
        loads: bytes,
        cache: bytes,
        memory: bytes,
        turns: 1,
        barriers: 0,
        steps: 1,
        reads_ahead: false,
    }
}

fn work(kernel: Kernel, tile: Tile, shape: &Shape, limits: &Limits) -> Work {
    let (gates, parts) = (u64::from(kernel.gates()), u64::from(tile.parts()));
    let Shape { rows, columns, directions, depth: whole_depth, steps, dtype } = *shape;
    // K of a workgroup.
    let depth = whole_depth.div_ceil(parts);
    let (tile_rows, slices) = match (kernel, tile.read) {
        // Vectors of a are four rows each.
        (Kernel::Outer, Read::Shared) => (32, 1),
        (Kernel::Outer, _) => (64, 1),
        _ => (u64::from(tile.rows), u64::from(tile.slices())),
    };
    let row_groups = rows.div_ceil(tile_rows);
    let in_one = kernel.is_sequence();
    let own = columns / directions;
    // Columns and invocations of a workgroup, workgroups side by side, and turns of a workgroup over columns.
    let (wide, invocations, side_by_side, rounds) = match in_one {
        true => {
            let workgroup = sequence_workgroup(own, limits);
            let rounds = own.div_ceil(workgroup);
            (rounds * workgroup, workgroup, 1, rounds)
        }
        false => {
            let wide = match (kernel, tile.read) {
                (Kernel::Outer, Read::Each) => 16,
                _ => u64::from(tile.columns(kernel.gates())),
            };
            (wide, u64::from(tile.invocations()), own.div_ceil(wide), 1)
        }
    };
    let groups = product(&[row_groups, side_by_side, directions, parts]);
    let bytes = dtype.bytes() as f64;
    let whole = |numbers: &[u64]| product(numbers) as f64;
    let mut multiply_adds = whole(&[groups, tile_rows, wide, gates, FOUR, depth]);
    if tile.read == Read::Cooperative {
        multiply_adds /= COOPERATIVE;
    }
    // Vectors that invocations load for a vector of k: of a column's weights, and of rows. Kept weights are
    // loaded once for all steps.
    let is_kept = tile.read == Read::Kept;
    let of_weights = if is_kept { 0.0 } else { whole(&[groups, wide, depth, gates]) };
    let of_rows = whole(&[groups, wide, depth, tile_rows]);
    let vectors = match tile.read {
        // All invocations of a subgroup have the same rows.
        Read::Each | Read::Unrolled if !in_one && !limits.machine.is_software => {
            of_weights + of_rows / SUBGROUP
        }
        Read::Each | Read::Unrolled | Read::Kept | Read::Split | Read::SplitWide => of_weights + of_rows,
        Read::Shared => {
            // Each number is handed over before it is multiplied with those of all gates.
            multiply_adds += multiply_adds / gates as f64;
            of_weights + of_rows / 8.0
        }
        // From the memory of a workgroup, which gives twice as much: each invocation reads for all its sums.
        Read::Workgroup | Read::Parts(_) | Read::Cooperative => {
            let (side, apart) = (invocations / 8, wide / 8);
            0.5 * whole(&[groups, invocations, depth, tile_rows.div_ceil(side) + apart * gates])
        }
    };
    // Pieces in a workgroup's memory are f32.
    let wide_loads = tile.whole().read == Read::Workgroup;
    let weights = whole(&[own, directions, gates, FOUR, whole_depth]) * bytes;
    let results = if parts > 1 { parts } else { 2 };
    let in_row = whole(&[FOUR, whole_depth]) + whole(&[results, own, gates]);
    let moved = whole(&[rows, directions]) * in_row * bytes;
    // Weights that are read in every step stay in the cache, if they fit.
    let stays = steps > 1 || !matches!(kernel, Kernel::Gemm | Kernel::GemmInF32 | Kernel::Outer);
    let memory =
        if stays && weights <= f64::from(limits.machine.cache_bytes) { moved } else { moved + weights };
    let in_flight = match tile.read {
        Read::Each | Read::Shared | Read::Kept => 1,
        Read::Workgroup | Read::Parts(_) | Read::Cooperative => u64::from(PIECE),
        Read::Unrolled | Read::Split | Read::SplitWide => u64::from(unrolled(tile.rows, kernel.gates())),
    };
    Work {
        groups,
        invocations,
        multiply_adds,
        activations: match kernel {
            Kernel::Gemm | Kernel::GemmInF32 | Kernel::Outer => 0.0,
            _ if parts > 1 => 0.0,
            // Gates and the cell state.
            _ => whole(&[rows, own, directions, gates + 1]),
        },
        loads: 4.0 * vectors * if wide_loads { Dtype::F32.bytes() as f64 } else { bytes },
        cache: whole(&[groups, FOUR, depth, if is_kept { 0 } else { wide * gates } + tile_rows]) * bytes,
        memory,
        turns: if is_kept { 0 } else { rounds * depth.div_ceil(slices * in_flight) } + EPILOGUE,
        barriers: match tile.read {
            _ if in_one => 2,
            Read::Split | Read::SplitWide => 1,
            Read::Workgroup | Read::Parts(_) | Read::Cooperative => 2 * depth.div_ceil(u64::from(PIECE)),
            Read::Each | Read::Unrolled | Read::Kept | Read::Shared => 0,
        },
        steps,
        reads_ahead: wide_loads,
    }
}

impl Machine {
    fn estimate(&self, work: &Work) -> Estimate {
        // A speed of 0 is taken as the least.
        let units = f64::from(self.units.max(1));
        let groups = work.groups.max(1) as f64;
        // The busiest unit has so many workgroups: between an even share and a whole number of them.
        let even = groups / units;
        let on_one = if even <= 1.0 { 1.0 } else { 0.5 * (even + even.ceil()) };
        let busy = (on_one * work.invocations as f64 / f64::from(self.lanes.max(1))).min(1.0);
        // Seconds of the busiest unit, for a total and the speed of all units.
        let of_unit =
            |total: f64, speed: u32| total / groups * on_one / (f64::from(speed.max(1)) * 1e6 / units);
        let of_all = |total: f64, speed: u32| total / (f64::from(speed.max(1)) * 1e6);
        let invocations = work.groups.saturating_mul(work.invocations);
        let at_once = u64::from(self.units).saturating_mul(u64::from(self.resident));
        let waves = invocations.div_ceil(at_once.max(1)).max(1);
        let nanoseconds = |count: u64, each: u32| 1e-9 * count as f64 * f64::from(each);
        let barriers = nanoseconds(waves.saturating_mul(work.barriers), self.barrier);
        let parts = [
            (
                Bound::Compute,
                of_unit(work.multiply_adds, self.multiply_adds) / busy
                    + of_unit(work.activations, self.activations),
            ),
            (Bound::Loads, of_unit(work.loads, self.loads)),
            (
                Bound::Cache,
                of_all(work.cache, self.cache).max(of_unit(work.cache, self.cache) / CACHE_SHARES),
            ),
            (Bound::Memory, of_all(work.memory, self.memory)),
            (Bound::Latency, nanoseconds(waves.saturating_mul(work.turns), self.round_trip) + barriers),
        ];
        let (bound, longest) = parts
            .into_iter()
            .fold((Bound::Dispatch, 0.0), |most, one| if one.1 > most.1 { one } else { most });
        // A unit's other invocations hide what does not bound, as far as there are any.
        let ahead = if work.reads_ahead { 2.0 } else { 1.0 };
        let others = match self.is_software {
            true => 1.0,
            false => {
                (ahead * even * work.invocations as f64 / f64::from(self.lanes.max(1))).clamp(1.0, OTHERS)
            }
        };
        let rest = parts.iter().map(|part| part.1).sum::<f64>() - longest;
        let begin = nanoseconds(1, self.dispatch);
        let all = (longest + rest / others) * work.steps as f64;
        Estimate { seconds: begin + all, bound: if begin > all { Bound::Dispatch } else { bound } }
    }
}
