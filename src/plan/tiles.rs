//! The choice of a tile: the tile that the tuning asks for, or the best by rule.

use super::{Limits, Tuning};
use crate::kernel::{Kernel, Read, Tile, WORKGROUP};
use crate::network::Dtype;
use crate::{Error, Result};

/// The least number of invocations that a GPU needs before each invocation computes more than one row.
const FULL_GPU: u64 = 16_384;

/// The tile of a product `[rows, columns]`.
pub(super) fn tile(
    kernel: Kernel,
    (rows, columns): (u64, u64),
    dtype: Dtype,
    tuning: &Tuning,
    limits: &Limits,
) -> Result<Tile> {
    let (name, asked) = match kernel {
        Kernel::Gemm | Kernel::GemmInF32 => ("gemm tile", tuning.gemm),
        _ => ("step tile", tuning.step),
    };
    let usable = usable(kernel, dtype, limits);
    match asked {
        Some(asked) if !usable.contains(&asked) => {
            let names: Vec<_> = usable.iter().map(Tile::to_string).collect();
            let expected = format!("{} on this adapter", names.join(", "));
            Err(Error::Unsupported { name, expected, found: asked.to_string() })
        }
        Some(asked) => Ok(asked),
        None => Ok(best(&usable, rows, columns, limits)),
    }
}

/// The tiles that this adapter can have.
pub(super) fn usable(kernel: Kernel, dtype: Dtype, limits: &Limits) -> Vec<Tile> {
    let has = |tile: &Tile| match tile.read {
        Read::Shared => limits.subgroup_size >= 8,
        Read::Cooperative => limits.cooperative && tile.reads(dtype),
        Read::Each | Read::Split | Read::Workgroup => true,
    };
    kernel.tiles().filter(has).collect()
}

/// Batch rows per invocation: all rows where reads are slow, few rows where there would be too few
/// invocations.
pub(super) fn best(usable: &[Tile], rows: u64, columns: u64, limits: &Limits) -> Tile {
    let of = |read| usable.iter().copied().filter(move |tile: &Tile| tile.read == read);
    let count = |tile: &Tile| rows.div_ceil(u64::from(tile.rows));
    if limits.is_software {
        // The smallest tile that holds all rows, and from five rows on a tile whose lanes read for each
        // other; else the largest tile.
        let shares = of(Read::Shared).next().is_some() && rows > 4;
        let mut kind = of(if shares { Read::Shared } else { Read::Each });
        let largest = kind.clone().next_back().unwrap_or(usable[0]);
        return kind.find(|tile| u64::from(tile.rows) >= rows).unwrap_or(largest);
    }
    let fills_with_groups = |tile: &Tile| {
        let groups = count(tile).saturating_mul(columns.div_ceil(u64::from(tile.columns())));
        groups.saturating_mul(u64::from(WORKGROUP)) >= FULL_GPU
    };
    let fills = |tile: &Tile| count(tile).saturating_mul(columns) >= FULL_GPU;
    let of_groups = |read| of(read).rfind(fills_with_groups);
    let in_groups = of_groups(Read::Cooperative).or_else(|| of_groups(Read::Workgroup));
    let direct = || of(Read::Each).rfind(fills);
    // Few rows and columns leave lanes idle, so K is split among lanes.
    let split = || of(Read::Split).rfind(|tile| rows > 1 || tile.rows == 1);
    in_groups.or_else(direct).or_else(split).unwrap_or(usable[0])
}
